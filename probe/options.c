/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "probe/options.h"

#define SECRET_MAX      1024
#define DEFAULT_OUT     "pkienroll-probe.out"
#define DEFAULT_TIMEOUT 30

static const char usage_text[] =
    "usage: pkienroll-probe --policy-url URL --enroll-url URL \n"
    "                       --user NAME --password-file FILE|- | --token-file FILE|-\n"
    "                       [--type full|device] [--ca-file PEM] [--out DIR] [options]\n"
    "\n"
    "Enrolls once as the Windows MDM client would (MS-MDE2, GetPolicies and RequestSecurityToken)\n"
    "and says step by step whether a Windows client could use the answers.\n"
    "\n"
    "  --policy-url URL        certificate policy service (https)\n"
    "  --enroll-url URL        certificate enrollment service (https)\n"
    "  --skip-policy           do not ask for the policy\n"
    "  --user NAME             user name of the enrollment\n"
    "  --password-file FILE    its password: a file of mode 0600, or - for one line of standard input\n"
    "  --password TEXT         its password on the command line, where other users can see it\n"
    "  --token-file FILE       one-time token instead of user and password: a file of mode 0600, or -\n"
    "  --token TEXT            the token on the command line, where other users can see it\n"
    "  --type full|device      EnrollmentType (default full)\n"
    "  --device-id HEX         32 hexadecimal digits (default: kept in DIR/device-id, random at first)\n"
    "  --device-name NAME      (default DESKTOP- and the start of the device id)\n"
    "  --csr-shape SHAPE       utf8, printable or nul: as the common name is encoded (default utf8)\n"
    "  --key FILE              use this private key (PEM) instead of a new one\n"
    "  --repeat-csr FILE       send this certificate request (PEM or DER) again, byte for byte\n"
    "  --ca-file PEM           trust anchors for TLS (default: the system's)\n"
    "  --out DIR               artefact folder (default ./" DEFAULT_OUT ")\n"
    "  --timeout SECONDS       for one exchange (default 30)\n"
    "  --json                  print the verdict as one JSON document\n"
    "  --help, --version\n"
    "\n"
    "exit status: 0 all good, 1 a check failed or the server refused, 2 usage, 69 unreachable\n";

enum option_id {
    OPT_POLICY_URL = 256,
    OPT_ENROLL_URL,
    OPT_SKIP_POLICY,
    OPT_USER,
    OPT_PASSWORD_FILE,
    OPT_PASSWORD,
    OPT_TOKEN_FILE,
    OPT_TOKEN,
    OPT_TYPE,
    OPT_DEVICE_ID,
    OPT_DEVICE_NAME,
    OPT_CSR_SHAPE,
    OPT_KEY,
    OPT_REPEAT_CSR,
    OPT_CA_FILE,
    OPT_OUT,
    OPT_TIMEOUT,
    OPT_JSON,
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
    {"type", required_argument, NULL, OPT_TYPE},
    {"device-id", required_argument, NULL, OPT_DEVICE_ID},
    {"device-name", required_argument, NULL, OPT_DEVICE_NAME},
    {"csr-shape", required_argument, NULL, OPT_CSR_SHAPE},
    {"key", required_argument, NULL, OPT_KEY},
    {"repeat-csr", required_argument, NULL, OPT_REPEAT_CSR},
    {"ca-file", required_argument, NULL, OPT_CA_FILE},
    {"out", required_argument, NULL, OPT_OUT},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static int refuse(const char *what, const char *value)
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

static int read_secret_line(struct pke_secret **ret)
{
    char line[SECRET_MAX + 2];
    size_t n = 0;
    while (n < sizeof line) {
        ssize_t got = read(STDIN_FILENO, line + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line[n] == '\n')
            break;
        n++;
    }
    if (n && n <= SECRET_MAX)
        *ret = pke_secret_new(PKE_BYTES(line, n));
    explicit_bzero(line, sizeof line);
    return *ret ? -1 : refuse("no secret on standard input (or one longer than 1024 bytes)", NULL);
}

static int read_secret_file(const char *path, const char *option, struct pke_secret **ret)
{
    struct pke_fail fail;
    if (strcmp(path, "-") == 0)
        return read_secret_line(ret);
    if (pke_secret_read_file(path, SECRET_MAX, ret, &fail) != PKE_OK)
        return refuse(option, fail.text);
    return -1;
}

static int take_secret_text(char *text, struct pke_secret **ret)
{
    *ret = pke_secret_new(pke_bytes_str(text));
    explicit_bzero(text, strlen(text)); /* gone from /proc/PID/cmdline, though it was there for a moment */
    return -1;
}

static int take_timeout(struct probe_options *opt, const char *text)
{
    char *end;
    errno = 0;
    opt->timeout = strtol(text, &end, 10);
    if (errno || *end || end == text || opt->timeout < 1 || opt->timeout > 3600)
        return refuse("--timeout takes 1 to 3600 seconds", text);
    return -1;
}

static int take_secret(struct probe_options *opt, int id)
{
    bool token = id == OPT_TOKEN || id == OPT_TOKEN_FILE;
    struct pke_secret **ret = token ? &opt->token : &opt->password;
    if (opt->password || opt->token)
        return refuse("one secret is enough: --password-file, --password, --token-file or --token", NULL);
    if (id == OPT_PASSWORD || id == OPT_TOKEN)
        return take_secret_text(optarg, ret);
    return read_secret_file(optarg, token ? "--token-file" : "--password-file", ret);
}

static int take_words(struct probe_options *opt, int id)
{
    static const char *const types[] = {"full", "device", NULL};
    static const char *const shapes[] = {"utf8", "printable", "nul", NULL};
    if (id == OPT_TYPE)
        return (opt->type = word_of(optarg, types)) < 0 ? refuse("--type is full or device", optarg) : -1;
    return (opt->shape = word_of(optarg, shapes)) < 0
               ? refuse("--csr-shape is utf8, printable or nul", optarg)
               : -1;
}

static int take(struct probe_options *opt, int id)
{
    switch (id) {
    case OPT_POLICY_URL:
        opt->policy_url = optarg;
        return -1;
    case OPT_ENROLL_URL:
        opt->enroll_url = optarg;
        return -1;
    case OPT_SKIP_POLICY:
        opt->skip_policy = true;
        return -1;
    case OPT_USER:
        opt->user = optarg;
        return -1;
    case OPT_PASSWORD_FILE:
    case OPT_PASSWORD:
    case OPT_TOKEN_FILE:
    case OPT_TOKEN:
        return take_secret(opt, id);
    case OPT_TYPE:
    case OPT_CSR_SHAPE:
        return take_words(opt, id);
    case OPT_DEVICE_ID:
        opt->device_id = optarg;
        return -1;
    case OPT_DEVICE_NAME:
        opt->device_name = optarg;
        return -1;
    case OPT_KEY:
        opt->key_file = optarg;
        return -1;
    case OPT_REPEAT_CSR:
        opt->csr_file = optarg;
        return -1;
    case OPT_CA_FILE:
        opt->ca_file = optarg;
        return -1;
    case OPT_OUT:
        opt->out = optarg;
        return -1;
    case OPT_TIMEOUT:
        return take_timeout(opt, optarg);
    case OPT_JSON:
        opt->json = true;
        return -1;
    case OPT_HELP:
        fputs(usage_text, stdout);
        return PROBE_GOOD;
    case OPT_VERSION:
        puts("pkienroll-probe " PACKAGE_VERSION);
        return PROBE_GOOD;
    default:
        return PROBE_USAGE; /* getopt_long has said what is wrong */
    }
}

/* MS-MDE2 2.1: both services are HTTPS; a password over plain HTTP would be given to the network. */
static bool is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0 && url[8];
}

static int validate(const struct probe_options *opt)
{
    if (!opt->enroll_url)
        return refuse("--enroll-url is missing", NULL);
    if (!opt->policy_url && !opt->skip_policy)
        return refuse("--policy-url is missing (or --skip-policy)", NULL);
    if (!is_https(opt->enroll_url))
        return refuse("--enroll-url is not an https URL", opt->enroll_url);
    if (opt->policy_url && !is_https(opt->policy_url))
        return refuse("--policy-url is not an https URL", opt->policy_url);
    if (!opt->password && !opt->token)
        return refuse("--password-file is missing (or --token-file)", NULL);
    if (opt->user ? !*opt->user : !opt->token)
        return refuse("--user is missing", NULL);
    if (opt->token && !pke_secret_bytes(opt->token).n)
        return refuse("--token is empty", NULL);
    if (opt->device_id) {
        size_t n = strspn(opt->device_id, "0123456789abcdefABCDEF");
        if (n != 32 || opt->device_id[n])
            return refuse("--device-id takes 32 hexadecimal digits", opt->device_id);
    }
    return -1;
}

int probe_options_parse(struct probe_options *opt, int argc, char **argv)
{
    *opt = (struct probe_options){.out = DEFAULT_OUT, .timeout = DEFAULT_TIMEOUT};
    int id, status = -1;
    while (status < 0 && (id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        status = take(opt, id);
    if (status < 0 && optind < argc)
        status = refuse("unexpected argument", argv[optind]);
    return status < 0 ? validate(opt) : status;
}

void probe_options_done(struct probe_options *opt)
{
    pke_secret_free(opt->password);
    pke_secret_free(opt->token);
    opt->password = opt->token = NULL;
}
