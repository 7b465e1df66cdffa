/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/artefact.h"
#include "probe/options.h"

#define SECRET_MAX      1024
#define JWT_MAX         (16u << 10)
#define ITEM_MAX        (256u << 10)
#define MAX_COUNT       1000000
#define DEFAULT_TIMEOUT 30

enum option_id {
    OPT_POLICY_URL = 256,
    OPT_ENROLL_URL,
    OPT_SKIP_POLICY,
    OPT_USER,
    OPT_PASSWORD_FILE,
    OPT_PASSWORD,
    OPT_TOKEN_FILE,
    OPT_TOKEN,
    OPT_JWT,
    OPT_JWT_KIND,
    OPT_CERT,
    OPT_KEY,
    OPT_SIGN,
    OPT_TLS,
    OPT_TYPE,
    OPT_DEVICE_ID,
    OPT_DEVICE_NAME,
    OPT_CONTEXT,
    OPT_CSR_SHAPE,
    OPT_REQUEST_KEY,
    OPT_REPEAT_CSR,
    OPT_CA_FILE,
    OPT_OUT,
    OPT_TIMEOUT,
    OPT_JSON,
    OPT_IN,
    OPT_MANUAL,
    OPT_VALUE_TYPE,
    OPT_SAME_KEY,
    OPT_REPEAT,
    OPT_COUNT,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option long_options[] = {
    {"policy-url", required_argument, NULL, OPT_POLICY_URL},
    {"enroll-url", required_argument, NULL, OPT_ENROLL_URL},
    {"skip-policy", no_argument, NULL, OPT_SKIP_POLICY},
    {"user", required_argument, NULL, OPT_USER},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"password", required_argument, NULL, OPT_PASSWORD},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"token", required_argument, NULL, OPT_TOKEN},
    {"jwt", required_argument, NULL, OPT_JWT},
    {"jwt-kind", required_argument, NULL, OPT_JWT_KIND},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"sign", no_argument, NULL, OPT_SIGN},
    {"tls", no_argument, NULL, OPT_TLS},
    {"type", required_argument, NULL, OPT_TYPE},
    {"device-id", required_argument, NULL, OPT_DEVICE_ID},
    {"device-name", required_argument, NULL, OPT_DEVICE_NAME},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"csr-shape", required_argument, NULL, OPT_CSR_SHAPE},
    {"request-key", required_argument, NULL, OPT_REQUEST_KEY},
    {"repeat-csr", required_argument, NULL, OPT_REPEAT_CSR},
    {"ca-file", required_argument, NULL, OPT_CA_FILE},
    {"out", required_argument, NULL, OPT_OUT},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"in", required_argument, NULL, OPT_IN},
    {"manual", no_argument, NULL, OPT_MANUAL},
    {"value-type", required_argument, NULL, OPT_VALUE_TYPE},
    {"same-key", no_argument, NULL, OPT_SAME_KEY},
    {"repeat", no_argument, NULL, OPT_REPEAT},
    {"count", required_argument, NULL, OPT_COUNT},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

int probe_refuse(const char *what, const char *value)
{
    fprintf(stderr, "pkienroll-probe: %s%s%s (--help lists the options)\n", what, value ? ": " : "",
            value ? value : "");
    return PROBE_USAGE;
}

/* One word out of a list that ends with NULL; its index, or -1. */
static int word_of(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return i;
    return -1;
}

static int read_secret_line(size_t max, struct pke_secret **ret)
{
    char line[JWT_MAX + 2];
    size_t n = 0;
    while (n < max + 2) {
        ssize_t got = read(STDIN_FILENO, line + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line[n] == '\n')
            break;
        n++;
    }
    if (n && n <= max)
        *ret = pke_secret_new(PKE_BYTES(line, n));
    explicit_bzero(line, sizeof line);
    return *ret ? -1 : probe_refuse("no secret on standard input (or one that is too long)", NULL);
}

static int read_secret_file(const char *path, size_t max, const char *option, struct pke_secret **ret)
{
    struct pke_fail fail;
    if (strcmp(path, "-") == 0)
        return read_secret_line(max, ret);
    if (pke_secret_read_file(path, max, ret, &fail) != PKE_OK)
        return probe_refuse(option, fail.text);
    return -1;
}

static int take_secret_text(char *text, struct pke_secret **ret)
{
    *ret = pke_secret_new(pke_bytes_str(text));
    explicit_bzero(text, strlen(text)); /* gone from /proc/PID/cmdline, though it was there for a moment */
    return -1;
}

static int take_secret(struct probe_options *opt, int id)
{
    if (opt->password || opt->token || opt->jwt)
        return probe_refuse(
            "one secret is enough: --password-file, --password, --token-file, --token or --jwt", NULL);
    switch (id) {
    case OPT_PASSWORD:
        return take_secret_text(optarg, &opt->password);
    case OPT_PASSWORD_FILE:
        return read_secret_file(optarg, SECRET_MAX, "--password-file", &opt->password);
    case OPT_TOKEN:
        return take_secret_text(optarg, &opt->token);
    case OPT_TOKEN_FILE:
        return read_secret_file(optarg, SECRET_MAX, "--token-file", &opt->token);
    default:
        return read_secret_file(optarg, JWT_MAX, "--jwt", &opt->jwt);
    }
}

static int take_number(const char *text, long max, const char *what, long *ret)
{
    char *end;
    errno = 0;
    *ret = strtol(text, &end, 10);
    return errno || *end || end == text || *ret < 1 || *ret > max ? probe_refuse(what, text) : -1;
}

/* NAME=VALUE, or NAME=@FILE for what does not fit on a command line. */
static int take_context(struct probe_options *opt, const char *text)
{
    struct pke_buf file PKE_CLEANUP(pke_buf_done) = {0};
    size_t n = strcspn(text, "=");
    const char *name = pke_arena_str(opt->arena, PKE_BYTES(text, n)), *value = text + n + 1;
    if (!n || !text[n])
        return probe_refuse("--context takes NAME=VALUE", text);
    if (*value == '@') {
        if (!artefact_slurp(AT_FDCWD, value + 1, ITEM_MAX, &file))
            return probe_refuse("--context: cannot read (or more than 256 KiB)", value + 1);
        while (file.n && isspace(file.p[file.n - 1]))
            file.n--;
        value = pke_arena_str(opt->arena, pke_buf_bytes(&file));
    }
    for (const char *c = value; *c; c++)
        if (iscntrl((unsigned char)*c) && !strchr("\t\r\n", *c))
            return probe_refuse("--context: XML cannot carry control characters, in the value of", name);
    if (!pke_utf8_valid(pke_bytes_str(value)) || !pke_utf8_valid(pke_bytes_str(name)) ||
        strpbrk(name, "<>&\"\t\r\n"))
        return probe_refuse("--context: not UTF-8, or a name that XML cannot carry", name);
    pke_pairs_add(&opt->context, opt->arena, name, value);
    return -1;
}

static int take_word(const char *const *words, const char *what, int *ret)
{
    *ret = word_of(optarg, words);
    return *ret < 0 ? probe_refuse(what, optarg) : -1;
}

static int take_words(struct probe_options *opt, int id)
{
    static const char *const types[] = {"full", "device", NULL};
    static const char *const shapes[] = {"utf8", "printable", "nul", NULL};
    static const char *const kinds[] = {"custom", "entra", NULL};
    static const char *const namespaces[] = {"secext", "enrollment", NULL};
    switch (id) {
    case OPT_TYPE:
        opt->type_given = true;
        return take_word(types, "--type is full or device", &opt->type);
    case OPT_JWT_KIND:
        return take_word(kinds, "--jwt-kind is custom or entra", &opt->jwt_kind);
    case OPT_VALUE_TYPE:
        return take_word(namespaces, "--value-type is secext or enrollment", &opt->value_type);
    default:
        return take_word(shapes, "--csr-shape is utf8, printable or nul", &opt->shape);
    }
}

/* An option that is a text or a switch, kept as it is. False when @id is none of these. */
static bool take_plain(struct probe_options *opt, int id)
{
    const struct {
        int id;
        const char **text;
        bool *flag;
    } places[] = {
        {OPT_POLICY_URL, &opt->policy_url, &opt->policy_given},
        {OPT_ENROLL_URL, &opt->enroll_url, NULL},
        {OPT_SKIP_POLICY, NULL, &opt->skip_policy},
        {OPT_USER, &opt->user, NULL},
        {OPT_CERT, &opt->cert_file, NULL},
        {OPT_KEY, &opt->key_file, NULL},
        {OPT_SIGN, NULL, &opt->sign},
        {OPT_TLS, NULL, &opt->tls},
        {OPT_DEVICE_ID, &opt->device_id, NULL},
        {OPT_DEVICE_NAME, &opt->device_name, NULL},
        {OPT_REQUEST_KEY, &opt->request_key_file, NULL},
        {OPT_REPEAT_CSR, &opt->csr_file, NULL},
        {OPT_CA_FILE, &opt->ca_file, NULL},
        {OPT_OUT, &opt->out, NULL},
        {OPT_IN, &opt->in, NULL},
        {OPT_MANUAL, NULL, &opt->manual},
        {OPT_SAME_KEY, NULL, &opt->same_key},
        {OPT_REPEAT, NULL, &opt->repeat},
        {OPT_JSON, NULL, &opt->json},
    };
    for (size_t i = 0; i < PKE_LEN(places); i++) {
        if (places[i].id != id)
            continue;
        if (places[i].text)
            *places[i].text = optarg;
        if (places[i].flag)
            *places[i].flag = true;
        return true;
    }
    return false;
}

static int take(struct probe_options *opt, int id)
{
    if (take_plain(opt, id))
        return -1;
    switch (id) {
    case OPT_PASSWORD_FILE:
    case OPT_PASSWORD:
    case OPT_TOKEN_FILE:
    case OPT_TOKEN:
    case OPT_JWT:
        return take_secret(opt, id);
    case OPT_TYPE:
    case OPT_CSR_SHAPE:
    case OPT_JWT_KIND:
    case OPT_VALUE_TYPE:
        return take_words(opt, id);
    case OPT_CONTEXT:
        return take_context(opt, optarg);
    case OPT_COUNT:
        return take_number(optarg, MAX_COUNT, "--count takes 1 to 1000000", &opt->count);
    case OPT_TIMEOUT:
        return take_number(optarg, 3600, "--timeout takes 1 to 3600 seconds", &opt->timeout);
    case OPT_HELP:
        fputs(probe_usage, stdout);
        return PROBE_GOOD;
    case OPT_VERSION:
        puts("pkienroll-probe " PACKAGE_VERSION);
        return PROBE_GOOD;
    default:
        return PROBE_USAGE; /* getopt_long has said what is wrong */
    }
}

static int command_of(struct probe_options *opt, const char *word)
{
    static const char *const commands[] = {"enroll", "renew", "recover", "soak", NULL};
    opt->command = word_of(word, commands);
    return opt->command < 0 ? probe_refuse("unknown command", word) : -1;
}

/* The command is an argument that is no option: the first as a rule, which getopt_long must not end at. */
static int take_command(struct probe_options *opt, int *argc, char ***argv)
{
    if (*argc < 2 || (*argv)[1][0] == '-')
        return -1;
    int status = command_of(opt, (*argv)[1]);
    (*argv)[1] = (*argv)[0]; /* the name that getopt_long says */
    (*argc)--;
    (*argv)++;
    return status;
}

/* What stands for what was not said. */
static void complete(struct probe_options *opt)
{
    bool from_earlier = opt->command == PROBE_RENEW || (opt->command == PROBE_RECOVER && !opt->device_id);
    if (!opt->in && from_earlier)
        opt->in = PROBE_DEFAULT_OUT;
    if (!opt->out)
        opt->out = opt->in ? opt->in : PROBE_DEFAULT_OUT;
    if (!opt->cert_file && !opt->request_key_file) { /* as --key was understood before --cert */
        opt->request_key_file = opt->key_file;
        opt->key_file = NULL;
    }
}

int probe_options_parse(struct probe_options *opt, int argc, char **argv)
{
    *opt = (struct probe_options){.timeout = DEFAULT_TIMEOUT, .arena = pke_arena_new()};
    int id, given = argc, status = take_command(opt, &argc, &argv);
    optind = 0; /* from the start, in every call */
    while (status < 0 && (id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        status = take(opt, id);
    if (status < 0 && optind < argc && given == argc)
        status = command_of(opt, argv[optind++]);
    if (status < 0 && optind < argc)
        status = probe_refuse("unexpected argument", argv[optind]);
    complete(opt);
    return status;
}

void probe_options_done(struct probe_options *opt)
{
    pke_secret_free(opt->password);
    pke_secret_free(opt->token);
    pke_secret_free(opt->jwt);
    opt->password = opt->token = opt->jwt = NULL;
    pke_arena_free(opt->arena);
    opt->arena = NULL;
}
