/* SPDX-License-Identifier: Apache-2.0 */
/* A token, a key file, a payload: nothing is accepted but what the two published tokens sign, a key set is
 * what it promises, claims that pass are in time. */
#include <string.h>

#include "base/encode.h"
#include "jose/claims.h"
#include "jose/jws.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/jws_sample.h"

#define NOW 1800000000

static const struct jose_keys *sample_keys(void)
{
    static struct jose_keys *keys;

    if (!keys)
        FUZZ_MUST(jose_keys_parse(pke_bytes_str(JWS_SAMPLE_KEYS), JOSE_ALGS_ALL, &keys, NULL) == PKE_OK);
    return keys;
}

/* The middle part, as the one canonical encoding of the payload. */
static void check_canonical(struct pke_bytes in, const struct pke_buf *payload)
{
    const uint8_t *dot = memchr(in.p, '.', in.n);
    struct pke_buf text;

    pke_buf_init(&text, 2 * JWS_MAX);
    FUZZ_MUST(pke_base64_encode(pke_buf_bytes(payload), PKE_B64_URL, &text) == PKE_OK);
    FUZZ_MUST(dot && memcmp(dot + 1, text.p, text.n) == 0 && dot[1 + text.n] == '.');
    pke_buf_done(&text);
}

static void check_token(struct pke_bytes in)
{
    struct jws_rules rules = {.allow_no_kid = in.n % 2};
    struct jws_facts facts;
    struct pke_fail fail = {0};
    struct pke_buf payload;
    enum pke_err err;

    pke_buf_init(&payload, JWS_MAX);
    err = jws_verify(in, sample_keys(), &rules, &payload, &facts, &fail);
    FUZZ_MUST(strlen(facts.kid) <= JOSE_KID_MAX && strlen(facts.alg) < sizeof facts.alg);
    if (fuzz_said(err, &fail)) {
        FUZZ_MUST(in.n <= JWS_MAX);
        FUZZ_MUST(pke_bytes_eq_str(pke_buf_bytes(&payload), JWS_SAMPLE_PAYLOAD));
        check_canonical(in, &payload);
    } else {
        FUZZ_MUST(err == PKE_UNAUTHENTICATED && payload.n == 0);
    }
    pke_buf_done(&payload);
}

static void check_keys(struct pke_bytes in)
{
    unsigned allowed = in.n % 3 ? JOSE_ALGS_ALL : JOSE_ALG_BIT(JOSE_ES256) | JOSE_ALG_BIT(JOSE_PS256);
    static const uint8_t zeros[64];
    struct jose_keys *keys;
    struct pke_fail fail = {0};

    if (!fuzz_said(jose_keys_parse(in, allowed, &keys, &fail), &fail)) {
        FUZZ_MUST(!keys);
        return;
    }
    FUZZ_MUST(jose_keys_count(keys) > 0 && jose_keys_count(keys) + jose_keys_skipped(keys) <= JOSE_KEYS_MAX);
    for (size_t i = 0; i < jose_keys_count(keys); i++) {
        const struct jose_key *k = jose_keys_at(keys, i);

        FUZZ_MUST(allowed & JOSE_ALG_BIT(k->alg));
        FUZZ_MUST(!k->kid ||
                  (*k->kid && strlen(k->kid) <= JOSE_KID_MAX && jose_keys_find(keys, k->kid) == k));
        if (k->alg !=
            JOSE_EDDSA) /* a small-order key makes signatures of nothing; who writes the file is trusted */
            FUZZ_MUST(!jose_key_verify(k, in, PKE_BYTES(zeros, sizeof zeros)));
    }
    jose_keys_unref(keys);
}

static void check_claims(struct pke_bytes in, struct pke_arena *arena)
{
    struct pke_strings issuers = {NULL, 0}, audiences = {NULL, 0};
    struct claims_rules rules = {&issuers, &audiences, 60, 3600};
    struct claims_times times = {0};
    struct pke_fail fail = {0};
    json_t *claims;
    const char *sub;

    pke_strings_add(&issuers, arena, "i");
    pke_strings_add(&audiences, arena, "a");
    if (!fuzz_said(claims_read(in, &claims, &fail), &fail))
        return;
    if (fuzz_said(claims_check(claims, &rules, NOW, &times, &fail), &fail))
        FUZZ_MUST(times.expires > NOW - 60 && times.expires <= NOW + 3660);
    if (fuzz_said(claims_text(claims, "sub", &sub, &fail), &fail) && sub)
        FUZZ_MUST(*sub && strlen(sub) <= CLAIMS_TEXT_MAX && pke_utf8_valid(pke_bytes_str(sub)));
    json_decref(claims);
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    check_token(in);
    check_keys(in);
    check_claims(in, arena);
}
