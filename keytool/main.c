/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "config.h"
#include "keytool/tool.h"

#define PIN_MAX 255

enum {
    OPT_MODULE = 256,
    OPT_URI,
    OPT_PIN_FILE,
    OPT_PIN_CREDENTIAL,
    OPT_ALLOW_WEAK,
    OPT_ALGORITHM,
    OPT_SUBJECT,
    OPT_DAYS,
    OPT_PATH_LEN,
    OPT_OUT,
    OPT_FORCE,
    OPT_CERTIFICATE,
    OPT_HELP,
    OPT_VERSION,
};

enum { GENERATE = 1, SELF_SIGN = 2, CHECK = 4, SHOW = 8, ALL = 15 };

static const struct {
    const char *name;
    unsigned bit;
    int (*run)(const struct tool_options *);
} commands[] = {
    {"generate", GENERATE, tool_generate},
    {"self-sign", SELF_SIGN, tool_self_sign},
    {"check", CHECK, tool_check},
    {"show", SHOW, tool_show},
};

static const struct option options[] = {
    {"module", required_argument, NULL, OPT_MODULE},
    {"uri", required_argument, NULL, OPT_URI},
    {"pin-file", required_argument, NULL, OPT_PIN_FILE},
    {"pin-credential", required_argument, NULL, OPT_PIN_CREDENTIAL},
    {"allow-weak", no_argument, NULL, OPT_ALLOW_WEAK},
    {"algorithm", required_argument, NULL, OPT_ALGORITHM},
    {"subject", required_argument, NULL, OPT_SUBJECT},
    {"days", required_argument, NULL, OPT_DAYS},
    {"path-len", required_argument, NULL, OPT_PATH_LEN},
    {"out", required_argument, NULL, OPT_OUT},
    {"force", no_argument, NULL, OPT_FORCE},
    {"certificate", required_argument, NULL, OPT_CERTIFICATE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "Usage: pkienroll-keytool COMMAND --module PATH --uri URI --pin-file FILE [option ...]\n"
    "\n"
    "Make and check CA keys inside a PKCS#11 token, offline.\n"
    "\n"
    "Commands:\n"
    "  generate    make a key pair inside the token: non-extractable, sign only\n"
    "  self-sign   make a self-signed CA certificate for a key\n"
    "  check       is the key fit for use, and does it belong to the certificate?\n"
    "  show        print algorithm and attributes of a key\n"
    "\n"
    "Every command:\n"
    "  --module PATH          PKCS#11 module, absolute path\n"
    "  --uri URI              'pkcs11:token=...;object=...' (RFC 7512)\n"
    "  --pin-file FILE        file with the user PIN, mode 0600 or 0400\n"
    "  --pin-credential NAME  the same from $CREDENTIALS_DIRECTORY/NAME\n"
    "  --allow-weak           do not fail for weak key attributes\n"
    "\n"
    "generate:\n"
    "  --algorithm ALG        rsa-2048, rsa-3072, rsa-4096, p256 or p384\n"
    "\n"
    "self-sign:\n"
    "  --subject DN           'CN=Lab Root,O=Example' (RFC 4514)\n"
    "  --days N               validity, 1 to 36500 (default 3650)\n"
    "  --path-len N           path length constraint, 0 to 16 (default none)\n"
    "  --out FILE             where the PEM certificate goes\n"
    "  --force                replace FILE when it exists\n"
    "\n"
    "check:\n"
    "  --certificate FILE     PEM certificate of the CA\n"
    "\n"
    "Exit status: 0 done, 1 refused or a check failed, 2 wrong usage.\n";

/* Which commands an option belongs to. */
static unsigned belongs_to(int option)
{
    switch (option) {
    case OPT_ALGORITHM:
        return GENERATE;
    case OPT_SUBJECT:
    case OPT_DAYS:
    case OPT_PATH_LEN:
    case OPT_OUT:
    case OPT_FORCE:
        return SELF_SIGN;
    case OPT_CERTIFICATE:
        return CHECK;
    default:
        return ALL;
    }
}

static bool parse_number(const char *text, long min, long max, long *ret)
{
    char *end;

    errno = 0;
    *ret = strtol(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret >= min && *ret <= max;
}

static bool set_option(struct tool_options *o, int option, const char *value)
{
    switch (option) {
    case OPT_MODULE:
        o->config.module = value;
        break;
    case OPT_URI:
        o->config.uri = value;
        break;
    case OPT_PIN_FILE:
        o->pin_file = value;
        break;
    case OPT_PIN_CREDENTIAL:
        o->pin_credential = value;
        break;
    case OPT_ALLOW_WEAK:
        o->config.allow_weak = true;
        break;
    case OPT_ALGORITHM:
        o->algorithm = value;
        break;
    case OPT_SUBJECT:
        o->subject = value;
        break;
    case OPT_DAYS:
        return parse_number(value, 1, 36500, &o->days);
    case OPT_PATH_LEN:
        return parse_number(value, 0, 16, &o->path_len);
    case OPT_OUT:
        o->out = value;
        break;
    case OPT_FORCE:
        o->force = true;
        break;
    case OPT_CERTIFICATE:
        o->certificate = value;
        break;
    }
    return true;
}

/* The PIN comes from a file or a credential, never from the command line or the environment. */
static enum pke_err read_pin(const struct tool_options *o, struct pke_secret **ret, struct pke_fail *fail)
{
    if (o->pin_file)
        return pke_secret_read_file(o->pin_file, PIN_MAX, ret, fail);
    if (o->pin_credential)
        return pke_secret_read_credential(getenv("CREDENTIALS_DIRECTORY"), o->pin_credential, PIN_MAX, ret,
                                          fail);
    return PKE_OK; /* a token with its own keypad */
}

static int run(size_t command, struct tool_options *o)
{
    struct pke_secret *pin = NULL;
    struct pke_fail fail = {0};
    int rc;

    if (!o->config.module || !o->config.uri)
        return tool_usage("--module and --uri are needed");
    if (o->pin_file && o->pin_credential)
        return tool_usage("--pin-file and --pin-credential exclude each other");
    if (ks_uri_check(o->config.uri, &fail) != PKE_OK)
        return tool_usage("%s [%s]", fail.text, fail.rule);
    if (read_pin(o, &pin, &fail) != PKE_OK)
        return tool_refuse(&fail);
    o->config.pin = pin;
    rc = commands[command].run(o);
    pke_secret_free(pin);
    return rc;
}

static int parse(int argc, char **argv)
{
    struct tool_options o = {.config.backend = KS_PKCS11, .days = 3650, .path_len = -1};
    size_t command = 0;
    int c, index = 0;

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return puts("pkienroll-keytool " PACKAGE_VERSION) < 0;
    while (argc > 1 && command < PKE_LEN(commands) && strcmp(argv[1], commands[command].name) != 0)
        command++;
    if (argc < 2 || command == PKE_LEN(commands))
        return tool_usage("%s", argc < 2 ? "a command is needed" : "unknown command");
    optind = 2;
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (c == '?')
            return TOOL_USAGE; /* getopt_long has said it */
        if (c == OPT_HELP)
            return fputs(help, stdout) < 0;
        if (c == OPT_VERSION)
            return puts("pkienroll-keytool " PACKAGE_VERSION) < 0;
        if (!(belongs_to(c) & commands[command].bit))
            return tool_usage("--%s does not belong to %s", options[index].name, commands[command].name);
        if (!set_option(&o, c, optarg))
            return tool_usage("--%s: \"%s\" is not a number in range", options[index].name, optarg);
    }
    if (optind < argc)
        return tool_usage("unexpected argument \"%s\"", argv[optind]);
    return run(command, &o);
}

int main(int argc, char **argv)
{
    int rc;

    pke_secret_process();
    setlocale(LC_CTYPE, "");
    rc = parse(argc, argv);
    if (fflush(stdout) != 0 && rc == TOOL_OK)
        rc = TOOL_REFUSED;
#ifdef PKE_SANITIZED
    return rc; /* the leak check runs at exit */
#else
    _exit(rc); /* a module may have been loaded: no destructors of it after libcrypto's */
#endif
}
