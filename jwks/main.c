/* SPDX-License-Identifier: Apache-2.0 */
/* pkienroll-jwks: keep the keys-file of a token issuer like the JWKS that the issuer publishes. The daemon
 * itself never asks the network. */
#include "config.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jose/jwks.h"
#include "jwks/jwks.h"

enum { DONE = 0, REFUSED = 1, USAGE = 2 };

static const char help[] =
    "Usage: pkienroll-jwks --url URL --file FILE [option ...]\n"
    "\n"
    "Fetch the public keys of a token issuer (a JWKS), check them and replace FILE.\n"
    "Whatever goes wrong, FILE stays as it is.\n"
    "\n"
    "  --url URL          https URL of the JWKS; redirects are not followed\n"
    "  --file FILE        keys-file of the token issuer, for pkienrolld.conf(5)\n"
    "  --algorithm ALG    a key must be fit for RS256, PS256, ES256, ES384 or EdDSA; may repeat\n"
    "                     (default: any of them)\n"
    "  --ca-file FILE     PEM file of the CAs that the server's certificate may be from\n"
    "                     (default: those of the system)\n"
    "  --timeout SECONDS  for everything, 1 to 600 (default 30)\n"
    "\n"
    "Exit status: 0 replaced, 1 refused and kept, 2 wrong usage.\n";

struct options {
    struct jwks_source source;
    const char *file;
    unsigned algorithms;
};

static int usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int usage(const char *fmt, ...)
{
    va_list ap;

    fputs("pkienroll-jwks: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("; see pkienroll-jwks --help\n", stderr);
    return USAGE;
}

static bool parse_seconds(const char *text, long *ret)
{
    char *end;

    *ret = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret >= 1 && *ret <= 600;
}

struct result {
    size_t used, unfit;
    struct pke_fail why; /* the first is unfit */
};

static enum pke_err replace(const struct options *o, struct result *ret, struct pke_fail *fail)
{
    struct jose_keys *keys = NULL;
    struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, JOSE_KEYS_MAX_BYTES);
    err = jwks_fetch(&o->source, &text, fail);
    if (err == PKE_OK)
        err = jose_keys_parse(pke_buf_bytes(&text), o->algorithms, &keys, fail);
    if (err == PKE_OK) {
        ret->used = jose_keys_count(keys);
        ret->unfit = jose_keys_unfit(keys);
        ret->why = *jose_keys_unfit_why(keys);
        err = jwks_store(o->file, pke_buf_bytes(&text), fail);
    }
    jose_keys_unref(keys);
    pke_buf_done(&text);
    return err;
}

static int run(struct options *o)
{
    struct pke_fail fail = {0};
    struct result got = {0};

    if (!o->source.url || !o->file)
        return usage("--url and --file are needed");
    if (strncmp(o->source.url, "https://", 8) != 0)
        return usage("the URL must begin with https://");
    if (!o->algorithms)
        o->algorithms = JOSE_ALGS_ALL;
    if (replace(o, &got, &fail) != PKE_OK) {
        fprintf(stderr, "pkienroll-jwks: %s: %s [%s]; %s is kept as it was\n", o->source.url, fail.text,
                fail.reason, o->file);
        return REFUSED;
    }
    printf("%s: %zu keys from %s\n", o->file, got.used, o->source.url);
    if (got.unfit)
        fprintf(stderr, "pkienroll-jwks: %s: %zu keys are passed over, the first because %s [%s]\n",
                o->source.url, got.unfit, got.why.text, got.why.reason);
    return fflush(stdout) == 0 ? DONE : REFUSED;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},       {"file", required_argument, NULL, 'f'},
        {"algorithm", required_argument, NULL, 'a'}, {"ca-file", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 't'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},         {NULL, 0, NULL, 0},
    };
    struct options o = {.source.timeout = 30};
    enum jose_alg alg;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'u')
            o.source.url = optarg;
        else if (c == 'f')
            o.file = optarg;
        else if (c == 'c')
            o.source.ca_file = optarg;
        else if (c == 'a' && jose_alg_from_name(optarg, &alg))
            o.algorithms |= JOSE_ALG_BIT(alg);
        else if (c == 'a')
            return usage("\"%s\" is not an algorithm that is verified", optarg);
        else if (c == 't' && !parse_seconds(optarg, &o.source.timeout))
            return usage("--timeout takes 1 to 600 seconds");
        else if (c == 'h')
            return fputs(help, stdout) < 0;
        else if (c == 'v')
            return puts("pkienroll-jwks " PACKAGE_VERSION) < 0;
        else if (c == '?')
            return USAGE; /* getopt_long has said it */
    }
    if (optind < argc)
        return usage("unexpected argument \"%s\"", argv[optind]);
    return run(&o);
}
