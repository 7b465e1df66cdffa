/* SPDX-License-Identifier: Apache-2.0 */
/* jose_verify KEYS-FILE [ALGORITHM] < TOKEN: "ok KID", or the reason why not. "jose_verify KEYS-FILE -" tells
 * the keys.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "jose/jws.h"

static size_t slurp(FILE *f, char *out, size_t size)
{
    size_t n = f ? fread(out, 1, size, f) : 0;

    if (f)
        fclose(f);
    return n;
}

static int tell_keys(const struct jose_keys *keys)
{
    for (size_t i = 0; i < jose_keys_count(keys); i++) {
        const struct jose_key *k = jose_keys_at(keys, i);
        printf("%s %s %s\n", k->kid ? k->kid : "-", jose_alg_name(k->alg), k->detail);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char file[JOSE_KEYS_MAX_BYTES + 1], token[2 * JWS_MAX];
    struct jws_rules rules = {.allow_no_kid = true};
    unsigned algorithms = JOSE_ALGS_ALL;
    struct jose_keys *keys;
    struct jws_facts facts;
    struct pke_buf payload;
    struct pke_fail fail = {0};
    enum jose_alg alg;
    size_t n;

    if (argc < 2)
        return 2;
    if (argc > 2 && jose_alg_from_name(argv[2], &alg))
        algorithms = JOSE_ALG_BIT(alg);
    n = slurp(fopen(argv[1], "re"), file, sizeof file);
    if (jose_keys_parse(PKE_BYTES(file, n), algorithms, &keys, &fail) != PKE_OK) {
        puts(fail.reason);
        return 1;
    }
    if (argc > 2 && strcmp(argv[2], "-") == 0) {
        tell_keys(keys);
        jose_keys_unref(keys);
        return 0;
    }
    n = slurp(stdin, token, sizeof token);
    pke_buf_init(&payload, JWS_MAX);
    if (jws_verify(PKE_BYTES(token, n), keys, &rules, &payload, &facts, &fail) == PKE_OK)
        printf("ok %s\n", pke_buf_cstr(&payload));
    else
        puts(fail.reason);
    pke_buf_done(&payload);
    jose_keys_unref(keys);
    return 0;
}
