/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/keys.h"
#include "config.h"

static const uint8_t message[KEYS_MESSAGE];

struct pke_bytes keys_message(void)
{
    return PKE_BYTES(message, sizeof message);
}

bool keys_wrong(const char *what, unsigned long code)
{
    fprintf(stderr, "pkienroll-bench-keys: %s: 0x%lx\n", what, code);
    return false;
}

static double micros(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int measure(const struct keys_way *way, const struct keys_options *o)
{
    double *took = pke_calloc(o->count, sizeof *took), start, cpu, total;
    void *ctx = way->open(o);
    bool good = ctx && way->sign(ctx); /* what is fetched and cached at first */

    start = micros(CLOCK_MONOTONIC);
    cpu = micros(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned long i = 0; good && i < o->count; i++) {
        double at = micros(CLOCK_MONOTONIC);
        good = way->sign(ctx);
        took[i] = micros(CLOCK_MONOTONIC) - at;
    }
    total = micros(CLOCK_MONOTONIC) - start;
    cpu = micros(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (good) {
        qsort(took, o->count, sizeof *took, by_value);
        printf(
            "{\"rate\":%.2f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"cpu_us\":%.1f}"
            "\n",
            (double)o->count * 1e6 / total, took[o->count / 2], took[o->count * 9 / 10],
            took[o->count * 99 / 100], took[o->count - 1], cpu / (double)o->count);
    }
    if (ctx)
        way->close(ctx);
    free(took);
    return good ? 0 : 1;
}

static int usage(void)
{
    fputs("usage: pkienroll-bench-keys keystore|verify|module|esys|evp|soak|idle-session --backend "
          "pkcs11|tpm2\n"
          "         [--module PATH] [--tcti CONF] [--session salted|password] --uri URI --pin-file FILE\n"
          "         [--signature default|rsa-pss|ed25519] [--digest sha256|sha384] [--algorithm NAME]\n"
          "         [--count N] [--every N]\n",
          stderr);
    return 2;
}

static const struct option long_options[] = {
    {"backend", 1, NULL, 'b'}, {"module", 1, NULL, 'm'},    {"tcti", 1, NULL, 't'},
    {"session", 1, NULL, 's'}, {"uri", 1, NULL, 'u'},       {"pin-file", 1, NULL, 'p'},
    {"digest", 1, NULL, 'd'},  {"signature", 1, NULL, 'S'}, {"algorithm", 1, NULL, 'a'},
    {"count", 1, NULL, 'n'},   {"every", 1, NULL, 'e'},     {NULL, 0, NULL, 0}};

static bool take(int c, struct keys_options *o)
{
    const char **const texts[] = {['m'] = &o->config.module,
                                  ['t'] = &o->config.tcti,
                                  ['u'] = &o->config.uri,
                                  ['p'] = &o->pin_file,
                                  ['a'] = &o->algorithm};

    switch (c) {
    case 'b':
        o->config.backend = strcmp(optarg, "tpm2") == 0 ? KS_TPM2 : KS_PKCS11;
        return true;
    case 's':
        o->config.session = strcmp(optarg, "password") == 0 ? KS_TPM_PASSWORD : KS_TPM_SALTED;
        return true;
    case 'S':
        o->config.signature = strcmp(optarg, "rsa-pss") == 0   ? KS_SIGNATURE_RSA_PSS
                              : strcmp(optarg, "ed25519") == 0 ? KS_SIGNATURE_ED25519
                                                               : KS_SIGNATURE_DEFAULT;
        return true;
    case 'd':
        o->digest = strcmp(optarg, "sha384") == 0 ? KS_SHA384 : KS_SHA256;
        return true;
    case 'n':
    case 'e':
        *(c == 'n' ? &o->count : &o->every) = strtoul(optarg, NULL, 10);
        return atol(optarg) > 0;
    case '?':
        return false;
    default:
        *texts[c] = optarg;
        return true;
    }
}

static int run(const char *verb, const struct keys_options *o)
{
    static const struct keys_way *const ways[] = {&keys_keystore, &keys_verify, &keys_module, &keys_esys,
                                                  &keys_evp};

    for (size_t i = 0; i < PKE_LEN(ways); i++)
        if (strcmp(verb, ways[i]->name) == 0)
            return measure(ways[i], o);
    if (strcmp(verb, "soak") == 0)
        return keys_soak(o);
    if (strcmp(verb, "idle-session") == 0)
        return keys_idle_session(o);
    return usage();
}

int main(int argc, char **argv)
{
    struct keys_options o = {.count = 100, .every = 1000};
    struct pke_secret *pin = NULL;
    struct pke_fail fail;
    int c, rc;

    while ((c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1)
        if (!take(c, &o))
            return usage();
    if (o.pin_file && pke_secret_read_file(o.pin_file, 255, &pin, &fail) != PKE_OK) {
        fprintf(stderr, "pkienroll-bench-keys: %s\n", fail.text);
        return 1;
    }
    o.config.pin = pin;
    rc = argc > 1 ? run(argv[1], &o) : usage();
    pke_secret_free(pin);
    fflush(stdout);
#ifdef PKE_SANITIZED
    return rc;
#else
    _exit(rc); /* as the daemon: no destructors of a module after libcrypto's */
#endif
}
