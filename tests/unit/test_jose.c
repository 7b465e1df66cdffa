/* SPDX-License-Identifier: Apache-2.0 */
/* jose/: key sets, compact JWS, claims. The rows of attack A12 are here and in test_auth_jwt.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "jose/claims.h"
#include "jose/jws.h"
#include "tests/unit/jose_mint.h"

#define NOW     1800000000
#define PAYLOAD "{\"iss\":\"i\"}"

static struct jose_keys *must_parse(const char *text, unsigned algorithms)
{
    struct jose_keys *keys = NULL;
    struct pke_fail fail = {0};

    if (jose_keys_parse(pke_bytes_str(text), algorithms, &keys, &fail) != PKE_OK)
        fail_msg("%s: %s", fail.reason, fail.text);
    return keys;
}

static void refuse_keys(const char *text, const char *reason, const char *name)
{
    struct jose_keys *keys = (struct jose_keys *)&keys;
    struct pke_fail fail = {0};

    if (jose_keys_parse(pke_bytes_str(text), JOSE_ALGS_ALL, &keys, &fail) != PKE_CONFIG || keys ||
        strcmp(fail.reason, reason) != 0 || !*fail.rule || !*fail.text)
        fail_msg("%s: got %s (%s), want %s", name, fail.reason, fail.text, reason);
}

/* Verify; "" when accepted, else the reason. */
static const char *verdict(struct pke_bytes token, const struct jose_keys *keys, bool no_kid)
{
    static struct pke_fail fail;
    struct jws_rules rules = {.allow_no_kid = no_kid};
    struct jws_facts facts;
    struct pke_buf payload;
    enum pke_err err;

    fail = (struct pke_fail){0};
    pke_buf_init(&payload, JWS_MAX);
    err = jws_verify(token, keys, &rules, &payload, &facts, &fail);
    if (err == PKE_OK && !pke_bytes_eq_str(pke_buf_bytes(&payload), PAYLOAD))
        snprintf(fail.reason, sizeof fail.reason, "another payload");
    if (err != PKE_OK && (err != PKE_UNAUTHENTICATED || payload.n || !*fail.rule || !*fail.text))
        snprintf(fail.reason, sizeof fail.reason, "badly refused");
    pke_buf_done(&payload);
    return fail.reason;
}

static void expect(const char *token, const struct jose_keys *keys, const char *want, const char *name)
{
    const char *got = verdict(pke_bytes_str(token), keys, false);

    if (strcmp(got, want) != 0)
        fail_msg("%s: got '%s', want '%s'", name, got, want);
}

/* ---- keys */

static void test_key_sets(void **state)
{
    char *jwks = mint_jwks();
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL), *again;

    (void)state;
    assert_int_equal(jose_keys_count(keys), 4);
    assert_int_equal(jose_keys_skipped(keys), 0);
    assert_int_equal(jose_keys_find(keys, "rsa")->alg, JOSE_RS256);
    assert_int_equal(jose_keys_find(keys, "p256")->alg, JOSE_ES256);
    assert_int_equal(jose_keys_find(keys, "p384")->alg, JOSE_ES384);
    assert_int_equal(jose_keys_find(keys, "ed")->alg, JOSE_EDDSA);
    assert_string_equal(jose_keys_find(keys, "rsa")->detail, "RSA-2048");
    assert_null(jose_keys_find(keys, "RSA"));
    assert_null(jose_keys_find(keys, "rs"));
    again = jose_keys_ref(keys);
    jose_keys_unref(keys);
    assert_non_null(jose_keys_find(again, "ed")); /* the other reference holds it */
    jose_keys_unref(again);
    /* what the configuration does not allow is not there */
    keys = must_parse(jwks, JOSE_ALG_BIT(JOSE_PS256) | JOSE_ALG_BIT(JOSE_ES384));
    assert_int_equal(jose_keys_count(keys), 2);
    assert_int_equal(jose_keys_skipped(keys), 2);
    assert_int_equal(jose_keys_find(keys, "rsa")->alg, JOSE_PS256);
    jose_keys_unref(keys);
    free(jwks);
}

static void test_key_sets_skip(void **state)
{
    static const char *const others[] = {
        "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":1,\"e\":2}",
        "{\"kty\":\"quantum\",\"kid\":\"q\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
        "{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\"}",
        "{\"kty\":\"RSA\",\"alg\":\"RS512\"}",
        "{\"kty\":\"RSA\",\"alg\":\"HS256\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\"}",
        "{\"kty\":\"RSA\",\"key_ops\":[\"wrapKey\"]}",
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(others); i++) {
        char *text = pke_asprintf("{\"x\":1,\"keys\":[%s,{%s,\"x5c\":[\"MIIB\"],\"key_ops\":[\"verify\"]}]}",
                                  others[i], mint_members(MINT_RSA));
        struct jose_keys *keys = must_parse(text, JOSE_ALGS_ALL);

        assert_int_equal(jose_keys_count(keys), 1);
        assert_int_equal(jose_keys_skipped(keys), 1);
        assert_null(jose_keys_at(keys, 0)->kid);
        jose_keys_unref(keys);
        free(text);
        text = pke_asprintf("{\"keys\":[%s]}", others[i]);
        refuse_keys(text, "jwks-empty", others[i]);
        free(text);
    }
}

static void test_key_sets_refuse(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "jwks-form"},
        {"keys", "jwks-form"},
        {"{", "jwks-json"},
        {"{\"keys\":[]} x", "jwks-json"},
        {"{\"keys\":[],\"keys\":[]}", "jwks-json"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}", "jwks-json"},
        {"[]", "jwks-form"},
        {"{}", "jwks-form"},
        {"{\"keys\":{}}", "jwks-form"},
        {"{\"keys\":[1]}", "jwks-form"},
        {"{\"keys\":[]}", "jwks-empty"},
        {"{\"keys\":[{}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":1}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "jwks-weak"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB=\",\"e\":\"AQAB\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ+B\",\"e\":\"AQAB\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"alg\":7}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"x5c\":[]}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"x5c\":\"MIIB\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"x5c\":[\"MIIB\"]}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":7,\"x5c\":[\"MIIB\"]}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"use\":[]}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"key_ops\":\"verify\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kid\":7}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"\"}]}", "jwks-kid"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}]}", "jwks-key"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}", "jwks-private"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "jwks-pem"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "jwks-pem"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++)
        refuse_keys(cases[i].text, cases[i].reason, cases[i].text);
}

static void test_empty_file(void **state)
{
    struct jose_keys *keys = NULL;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(jose_keys_parse(PKE_BYTES(NULL, 0), JOSE_ALGS_ALL, &keys, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "jwks-form");
}

static void refuse_built(char *text, const char *reason, const char *name)
{
    refuse_keys(text, reason, name);
    free(text);
}

static char *b64_of(int byte, size_t n, int last)
{
    char raw[2048];

    memset(raw, byte, n);
    raw[n - 1] = (char)last;
    return mint_b64(raw, n);
}

static void test_key_sets_refuse_keys(void **state)
{
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    static const struct {
        const char *e;
    } exponents[] = {{"AQ"}, {"Aw"}, {"AQAA"}, {"AP__"}, {"AQAAAAE"}, {"AAEAAQ"}};
    char kid[200] = "", *n;
    const char *rsa = mint_members(MINT_RSA);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(private); i++)
        refuse_built(pke_asprintf("{\"keys\":[{%s,\"%s\":\"AQ\"}]}", rsa, private[i]), "jwks-private",
                     private[i]);
    refuse_built(
        pke_asprintf("{\"keys\":[{\"kid\":\"a\",%s},{\"kid\":\"a\",%s}]}", rsa, mint_members(MINT_P256)),
        "jwks-kid", "one kid twice");
    memset(kid, 'k', JOSE_KID_MAX + 1);
    refuse_built(pke_asprintf("{\"keys\":[{\"kid\":\"%s\",%s}]}", kid, rsa), "jwks-kid", "a long kid");
    n = b64_of(0xff, 256, 0xff);
    for (size_t i = 0; i < PKE_LEN(exponents); i++)
        refuse_built(
            pke_asprintf("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", n, exponents[i].e),
            strcmp(exponents[i].e, "AAEAAQ") == 0 || strcmp(exponents[i].e, "AP__") == 0 ? "jwks-key"
                                                                                         : "jwks-weak",
            exponents[i].e);
    free(n);
    n = b64_of(0xff, 256, 0xfe);
    refuse_built(pke_asprintf("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", n), "jwks-weak",
                 "even");
    free(n);
    n = b64_of(0x7f, 256, 0x7f);
    refuse_built(pke_asprintf("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", n), "jwks-weak",
                 "2047 bits");
    free(n);
    n = b64_of(0xff, 1025, 0xff);
    refuse_built(pke_asprintf("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", n), "jwks-key",
                 "8200 bits");
    free(n);
    n = b64_of(0x01, 32, 0x01);
    refuse_built(
        pke_asprintf("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}]}", n, n),
        "jwks-key", "a point off the curve");
    free(n);
}

/* RFC 7517 5: one odd key does not keep the others out. */
static void test_key_sets_pass_over(void **state)
{
    char kid[JOSE_KID_MAX + 2] = "", issuer[JOSE_ISSUER_MAX + 2] = "", *weak = b64_of(0xff, 128, 0xff);
    const struct {
        char *member;
        const char *reason;
    } cases[] = {
        {pke_asprintf("{\"kty\":\"RSA\",\"kid\":\"legacy\",\"n\":\"%s\",\"e\":\"AQAB\"}", weak), "jwks-weak"},
        {pke_asprintf("{\"kid\":\"%s\",%s}", (char *)memset(kid, 'k', sizeof kid - 1),
                      mint_members(MINT_P256)),
         "jwks-kid"},
        {pke_asprintf("{\"issuer\":\"%s\",%s}", (char *)memset(issuer, 'i', sizeof issuer - 1),
                      mint_members(MINT_P256)),
         "jwks-key"},
        {pke_asprintf("{\"issuer\":7,%s}", mint_members(MINT_P256)), "jwks-key"},
        {pke_strdup("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}"), "jwks-key"},
        {pke_strdup("{\"kid\":\"x\"}"), "jwks-key"},
        {pke_strdup("1"), "jwks-form"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *text =
            pke_asprintf("{\"keys\":[%s,{\"kid\":\"good\",%s}]}", cases[i].member, mint_members(MINT_RSA));
        struct jose_keys *keys = must_parse(text, JOSE_ALGS_ALL);

        assert_int_equal(jose_keys_count(keys), 1);
        assert_string_equal(jose_keys_at(keys, 0)->kid, "good");
        assert_int_equal(jose_keys_unfit(keys), 1);
        assert_int_equal(jose_keys_skipped(keys), 0);
        assert_string_equal(jose_keys_unfit_why(keys)->reason, cases[i].reason);
        jose_keys_unref(keys);
        free(text);
        /* what should be secret refuses all, wherever it stands */
        refuse_built(pke_asprintf("{\"keys\":[%s,{%s},{%s,\"d\":\"AQ\"}]}", cases[i].member,
                                  mint_members(MINT_P256), mint_members(MINT_RSA)),
                     "jwks-private", cases[i].member);
        refuse_built(pke_asprintf("{\"keys\":[%s]}", cases[i].member), cases[i].reason, "nothing else");
        free(cases[i].member);
    }
    free(weak);
}

/* Which of two keys a kid means would be chance; the same key twice is no choice. */
static void test_doubled_kids(void **state)
{
    const char *rsa = mint_members(MINT_RSA), *other = mint_members(MINT_OTHER_RSA),
               *ec = mint_members(MINT_P256);
    const struct {
        const char *a, *b, *c;
        size_t count, unfit;
    } cases[] = {{rsa, rsa, rsa, 1, 0},
                 {rsa, other, rsa, 0, 3},
                 {rsa, rsa, other, 0, 2},
                 {rsa, ec, other, 0, 3},
                 {rsa, other, other, 0, 3}};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *text = pke_asprintf("{\"keys\":[{\"kid\":\"a\",%s},{\"kid\":\"a\",%s},{\"kid\":\"b\",%s},"
                                  "{\"kid\":\"a\",%s}]}",
                                  cases[i].a, cases[i].b, mint_members(MINT_ED25519), cases[i].c);
        struct jose_keys *keys = must_parse(text, JOSE_ALGS_ALL);

        assert_int_equal(jose_keys_count(keys), cases[i].count + 1);
        assert_int_equal(jose_keys_unfit(keys), cases[i].unfit);
        assert_true(!jose_keys_find(keys, "a") == !cases[i].count);
        assert_non_null(jose_keys_find(keys, "b"));
        if (cases[i].unfit)
            assert_string_equal(jose_keys_unfit_why(keys)->reason, "jwks-kid");
        jose_keys_unref(keys);
        free(text);
    }
}

static void test_issuers_of_a_key(void **state)
{
    const char *rsa = mint_members(MINT_RSA);
    char *text =
        pke_asprintf("{\"keys\":[{\"kid\":\"a\",\"issuer\":\"i1\",%s},{\"kid\":\"a\",\"issuer\":\"i2\",%s},"
                     "{\"kid\":\"a\",\"issuer\":\"i1\",%s},{\"kid\":\"b\",%s}]}",
                     rsa, rsa, rsa, rsa);
    struct jose_keys *keys = must_parse(text, JOSE_ALGS_ALL);
    const struct jose_key *a = jose_keys_find(keys, "a");

    (void)state;
    assert_int_equal(jose_keys_count(keys), 2);
    assert_string_equal(a->issuer, "i1");
    assert_string_equal(a->also->issuer, "i2");
    assert_null(a->also->also);
    assert_null(jose_keys_find(keys, "b")->issuer);
    assert_null(jose_keys_find(keys, "b")->also);
    jose_keys_unref(keys);
    free(text);
}

static void test_key_sets_are_bounded(void **state)
{
    struct pke_buf text;
    struct jose_keys *keys = NULL;
    struct pke_fail fail;

    (void)state;
    pke_buf_init(&text, 1u << 20);
    pke_buf_add_str(&text, "{\"keys\":[");
    for (int i = 0; i < JOSE_KEYS_MAX; i++)
        pke_buf_printf(&text, "{\"kty\":\"OKP\",\"crv\":\"X25519\"},");
    pke_buf_printf(&text, "{%s}]}", mint_members(MINT_ED25519));
    refuse_keys(pke_buf_cstr(&text), "jwks-size", "65 keys");
    pke_buf_clear(&text);
    pke_buf_printf(&text, "{\"keys\":[{%s}],\"x\":\"%*s\"}", mint_members(MINT_ED25519),
                   (int)JOSE_KEYS_MAX_BYTES, "");
    assert_int_equal(jose_keys_parse(pke_buf_bytes(&text), JOSE_ALGS_ALL, &keys, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "jwks-size");
    pke_buf_done(&text);
}

static void test_pem(void **state)
{
    char *rsa = mint_pem(MINT_RSA, false), *ec = mint_pem(MINT_P384, false),
         *ed = mint_pem(MINT_ED25519, false), *private = mint_pem(MINT_P256, true),
         *text = pke_asprintf("a comment\n%s%s%s", rsa, ec, ed), *token, *header;
    struct jose_keys *keys = must_parse(text, JOSE_ALGS_ALL);

    (void)state;
    assert_int_equal(jose_keys_count(keys), 3);
    assert_int_equal(jose_keys_at(keys, 0)->alg, JOSE_RS256);
    assert_int_equal(jose_keys_at(keys, 1)->alg, JOSE_ES384);
    assert_int_equal(jose_keys_at(keys, 2)->alg, JOSE_EDDSA);
    assert_int_equal(strlen(jose_keys_at(keys, 0)->kid), 43); /* the oracle test compares its value */
    header = pke_asprintf("{\"alg\":\"ES384\",\"kid\":\"%s\"}", jose_keys_at(keys, 1)->kid);
    token = mint_jws(MINT_P384, "ES384", header, PAYLOAD);
    expect(token, keys, "", "a key of a PEM file by its thumbprint");
    jose_keys_unref(keys);
    refuse_keys(private, "jwks-private", "private PEM");
    free(text);
    text = pke_asprintf("%s%s", rsa, rsa);
    keys = must_parse(text, JOSE_ALGS_ALL); /* one PEM key twice */
    assert_int_equal(jose_keys_count(keys), 1);
    assert_int_equal(jose_keys_unfit(keys), 0);
    jose_keys_unref(keys);
    free(text);
    free(token);
    free(header);
    free(rsa);
    free(ec);
    free(ed);
    free(private);
}

/* ---- tokens */

static void test_algorithms(void **state)
{
    static const struct {
        enum mint_key key;
        const char *alg;
        unsigned allowed;
    } cases[] = {{MINT_RSA, "RS256", JOSE_ALGS_ALL},
                 {MINT_RSA, "PS256", JOSE_ALG_BIT(JOSE_PS256)},
                 {MINT_P256, "ES256", JOSE_ALGS_ALL},
                 {MINT_P384, "ES384", JOSE_ALGS_ALL},
                 {MINT_ED25519, "EdDSA", JOSE_ALGS_ALL}};
    char *jwks = mint_jwks();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        struct jose_keys *keys = must_parse(jwks, cases[i].allowed);
        char *header = pke_asprintf("{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\",\"x5t\":\"AA\"}",
                                    cases[i].alg, mint_kid(cases[i].key));
        char *token = mint_jws(cases[i].key, cases[i].alg, header, PAYLOAD);

        expect(token, keys, "", cases[i].alg);
        /* one bit of anything that is signed, and of the signature */
        for (size_t at = 0; at < strlen(token); at += 7) {
            char was = token[at];

            if (was == '.')
                continue;
            token[at] = was == 'A' ? 'B' : 'A';
            assert_string_not_equal(verdict(pke_bytes_str(token), keys, false), "");
            token[at] = was;
        }
        free(token);
        free(header);
        jose_keys_unref(keys);
    }
    free(jwks);
}

/* Header and how it is signed: the algorithm of the key, and no other word of the token, counts. */
static void test_headers(void **state)
{
    static const struct {
        const char *header, *alg, *want;
    } cases[] = {
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "RS256", ""},
        {" { \"alg\" : \"RS256\", \"kid\":\"rsa\" } ", "RS256", ""},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"jwt\",\"cty\":\"x\",\"x5t#S256\":\"y\"}", "RS256", ""},
        /* A12: alg none, HS256 with the public key, others */
        {"{\"alg\":\"none\",\"kid\":\"rsa\"}", "none", "jws-algorithm"},
        {"{\"alg\":\"nOnE\",\"kid\":\"rsa\"}", "none", "jws-algorithm"},
        {"{\"alg\":\"none\",\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":\"none\"}", "none", "jws-kid-missing"},
        {"{\"alg\":\"HS256\",\"kid\":\"rsa\"}", "HS256", "jws-algorithm"},
        {"{\"alg\":\"HS256\"}", "HS256", "jws-kid-missing"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "HS256", "jws-signature"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "PS256", "jws-signature"},
        {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "PS256", "jws-algorithm"},
        {"{\"alg\":\"rs256\",\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "none", "jws-base64"},
        {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":\"RS256\",\"kid\":\"ed\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":256,\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        {"{\"alg\":\"RS256RS256RS256RS256\",\"kid\":\"rsa\"}", "RS256", "jws-algorithm"},
        /* A12: kid */
        {"{\"alg\":\"RS256\",\"kid\":\"RSA\"}", "RS256", "jws-key-unknown"},
        {"{\"alg\":\"RS256\",\"kid\":\"../../../dev/null\"}", "RS256", "jws-key-unknown"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa' OR 1=1\"}", "RS256", "jws-key-unknown"},
        {"{\"alg\":\"RS256\",\"kid\":7}", "RS256", "jws-kid"},
        {"{\"alg\":\"RS256\",\"kid\":null}", "RS256", "jws-kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", "RS256", "jws-kid"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", "RS256", "jws-header"},
        {"{\"alg\":\"RS256\"}", "RS256", "jws-kid-missing"},
        /* A12: what brings or changes a key */
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://evil.example/\"}", "RS256",
         "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{}}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5u\":null}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5c\":[]}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"b64\"]}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"zip\":\"DEF\"}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"enc\":\"A256GCM\"}", "RS256", "jws-header-member"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JOSE\"}", "RS256", "jws-type"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}", "RS256", "jws-type"},
        /* A12: duplicates, and what is no object */
        {"{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}", "RS256", "jws-header"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"\\u0061lg\":\"RS256\"}", "RS256", "jws-header"},
        {"{\"alg\":\"RS256\",\"kid\":\"x\",\"kid\":\"rsa\"}", "RS256", "jws-header"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}x", "RS256", "jws-header"},
        {"[\"RS256\"]", "RS256", "jws-header"},
        {"\"RS256\"", "RS256", "jws-header"},
        {"null", "RS256", "jws-header"},
        {"{", "RS256", "jws-header"},
        {"{\"alg\":\"RS256\",\"kid\":\"\xff\"}", "RS256", "jws-header"},
    };
    char *jwks = mint_jwks();
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *token = mint_jws(MINT_RSA, cases[i].alg, cases[i].header, PAYLOAD);

        expect(token, keys, cases[i].want, cases[i].header);
        free(token);
    }
    jose_keys_unref(keys);
    free(jwks);
}

/* A token without kid: only where the configuration says so, and only when there is no choice. */
static void test_missing_kid(void **state)
{
    char *one = pke_asprintf("{\"keys\":[{\"kid\":\"ed\",%s}]}", mint_members(MINT_ED25519)),
         *jwks = mint_jwks();
    struct jose_keys *single = must_parse(one, JOSE_ALGS_ALL), *several = must_parse(jwks, JOSE_ALGS_ALL);
    char *token = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\"}", PAYLOAD),
         *named = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"x\"}", PAYLOAD);

    (void)state;
    assert_string_equal(verdict(pke_bytes_str(token), single, true), "");
    assert_string_equal(verdict(pke_bytes_str(token), single, false), "jws-kid-missing");
    assert_string_equal(verdict(pke_bytes_str(token), several, true), "jws-kid-missing");
    assert_string_equal(verdict(pke_bytes_str(named), single, true), "jws-key-unknown");
    jose_keys_unref(single);
    jose_keys_unref(several);
    free(one);
    free(jwks);
    free(token);
    free(named);
}

static char *replaced(const char *token, char from, char to)
{
    char *copy = pke_strdup(token);

    for (char *c = copy; *c; c++)
        if (*c == from)
            *c = to;
    return copy;
}

/* The last character of a part carries unused bits: another one with the same meaning is another token. */
static char *unused_bits(const char *token, size_t at)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *copy = pke_strdup(token);

    copy[at] = alphabet[(strchr(alphabet, copy[at]) - alphabet) ^ 1];
    return copy;
}

static void expect_free(char *token, const struct jose_keys *keys, const char *want, const char *name)
{
    expect(token, keys, want, name);
    free(token);
}

static void test_encodings(void **state)
{
    char *jwks = mint_jwks(), *token, *b64, *ps;
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);
    const char *header = "{\"alg\":\"ES256\",\"kid\":\"p256\"}";
    size_t n;

    (void)state;
    do { /* a signature with both characters that differ between the alphabets */
        token = mint_jws(MINT_P256, "ES256", header, PAYLOAD);
        ps = strrchr(token, '.');
    } while ((!strchr(ps, '-') || !strchr(ps, '_')) && (free(token), true));
    n = strlen(token);
    expect(token, keys, "", "as it was made");
    expect_free(pke_asprintf("%s=", token), keys, "jws-base64", "padded");
    expect_free(pke_asprintf("%s==", token), keys, "jws-base64", "padded as it should be");
    expect_free(pke_asprintf("%s\n", token), keys, "jws-base64", "line feed");
    expect_free(pke_asprintf(" %s", token), keys, "jws-base64", "blank in front");
    expect_free(pke_asprintf("%sA", token), keys, "jws-signature", "one character more");
    expect_free(pke_asprintf("%sAA", token), keys, "jws-signature", "two characters more");
    expect_free(pke_asprintf("%.*s", (int)n - 1, token), keys, "jws-base64", "cut by one");
    expect_free(pke_asprintf("%.*s", (int)n - 2, token), keys, "jws-signature", "cut by two");
    expect_free(unused_bits(token, n - 1), keys, "jws-base64", "unused bits of the signature");
    expect_free(replaced(token, '-', '+'), keys, "jws-base64", "standard alphabet +");
    expect_free(replaced(token, '_', '/'), keys, "jws-base64", "standard alphabet /");
    expect_free(pke_asprintf("%s.", token), keys, "jws-form", "four parts");
    expect_free(pke_asprintf(".%s", token), keys, "jws-form", "four parts");
    expect_free(pke_asprintf("%.*s", (int)(ps - token), token), keys, "jws-form", "two parts");
    expect_free(pke_asprintf("%.*s.", (int)(ps - token), token), keys, "jws-base64", "no signature");
    expect_free(replaced(token, '.', 'A'), keys, "jws-form", "no dots");
    expect("", keys, "jws-form", "nothing");
    expect("..", keys, "jws-base64", "dots");
    expect("{\"protected\":\"\",\"signatures\":[]}", keys, "jws-form", "JSON serialisation");
    b64 = mint_b64(token, n);
    expect(b64, keys, "jws-form", "base64 once more");
    free(b64);
    free(token);
    jose_keys_unref(keys);
    free(jwks);
}

/* The first part of a token that ends in unused bits, and its payload. */
static void test_encodings_of_parts(void **state)
{
    char *jwks = mint_jwks(), *token, *dot;
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);

    (void)state;
    token = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}  ", PAYLOAD);
    expect(token, keys, "", "header of 28 bytes");
    dot = strchr(token, '.');
    expect_free(unused_bits(token, (size_t)(dot - token) - 1), keys, "jws-base64",
                "unused bits of the header");
    dot = strrchr(token, '.');
    expect_free(unused_bits(token, (size_t)(dot - token) - 1), keys, "jws-base64",
                "unused bits of the payload");
    free(token);
    jose_keys_unref(keys);
    free(jwks);
}

static void test_ec_signatures(void **state)
{
    char *jwks = mint_jwks(),
         *good = mint_jws(MINT_P256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", PAYLOAD);
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);
    size_t n = (size_t)(strrchr(good, '.') - good);
    static const struct {
        int byte;
        size_t n;
    } cases[] = {{0, 64}, {0, 63}, {0, 65}, {0xff, 64}, {0, 1}, {0x30, 70}};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) { /* r = s = 0 was accepted by others (CVE-2022-21449) */
        char *sig = b64_of(cases[i].byte, cases[i].n, cases[i].byte);

        expect_free(pke_asprintf("%.*s.%s", (int)n, good, sig), keys, "jws-signature", "made-up r and s");
        free(sig);
    }
    free(good);
    jose_keys_unref(keys);
    free(jwks);
}

static void test_sizes(void **state)
{
    char *jwks = mint_jwks(), *header, *token, *payload;
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);
    char kid[JOSE_KID_MAX + 2] = "";

    (void)state;
    header = pke_asprintf("{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"x\":\"%*s\"}", 1024 - 33, "");
    assert_int_equal(strlen(header), 1024);
    token = mint_jws(MINT_ED25519, "EdDSA", header, PAYLOAD);
    expect(token, keys, "", "a header of 1024 bytes");
    free(token);
    free(header);
    header = pke_asprintf("{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"x\":\"%*s\"}", 1025 - 33, "");
    token = mint_jws(MINT_ED25519, "EdDSA", header, PAYLOAD);
    expect(token, keys, "jws-base64", "a header of 1025 bytes");
    free(token);
    free(header);
    memset(kid, 'k', JOSE_KID_MAX + 1);
    header = pke_asprintf("{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kid);
    token = mint_jws(MINT_ED25519, "EdDSA", header, PAYLOAD);
    expect(token, keys, "jws-kid", "a kid of 129 bytes");
    free(token);
    free(header);
    payload = pke_asprintf("%*s", 6200, "");
    token = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", payload);
    assert_true(strlen(token) > JWS_MAX);
    expect(token, keys, "jws-size", "more than 8 KiB");
    free(token);
    free(payload);
    jose_keys_unref(keys);
    free(jwks);
}

/* What the verifier of attestation tokens asks for. */
static void test_rules(void **state)
{
    char *jwks = mint_jwks(), *payload = pke_asprintf("{\"x\":\"%*s\"}", 9000, ""),
         *token = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"jku\":\"https://x/\"}",
                           payload),
         *jwk = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"jwk\":{}}", payload);
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);
    struct jws_rules rules = {.pass_hints = true, .max = 16384};
    struct jws_facts facts;
    struct pke_fail why;
    struct pke_buf out;

    (void)state;
    pke_buf_init(&out, 16384);
    assert_int_equal(jws_verify(pke_bytes_str(token), keys, &rules, &out, &facts, &why), PKE_OK);
    assert_true(pke_bytes_eq_str(pke_buf_bytes(&out), payload));
    pke_buf_clear(&out);
    assert_int_equal(jws_verify(pke_bytes_str(jwk), keys, &rules, &out, &facts, &why), PKE_UNAUTHENTICATED);
    assert_string_equal(why.reason, "jws-header-member");
    rules.pass_hints = false;
    assert_int_equal(jws_verify(pke_bytes_str(token), keys, &rules, &out, &facts, &why), PKE_UNAUTHENTICATED);
    assert_string_equal(why.reason, "jws-header-member");
    pke_buf_done(&out);
    jose_keys_unref(keys);
    free(jwks);
    free(payload);
    free(token);
    free(jwk);
}

/* RFC 8725 3.11 */
static void test_types(void **state)
{
    static const struct {
        const char *wanted, *header, *want;
    } cases[] = {
        {NULL, "", ""},
        {NULL, ",\"typ\":\"jwt\"", ""},
        {NULL, ",\"typ\":\"application/jwt\"", ""},
        {NULL, ",\"typ\":\"at+jwt\"", "jws-type"},
        {NULL, ",\"typ\":null", "jws-type"},
        {"at+jwt", ",\"typ\":\"at+jwt\"", ""},
        {"at+jwt", ",\"typ\":\"Application/AT+JWT\"", ""},
        {"at+jwt", "", "jws-type"},
        {"at+jwt", ",\"typ\":\"JWT\"", "jws-type"},
        {"at+jwt", ",\"typ\":\"at+jwt2\"", "jws-type"},
        {"at+jwt", ",\"typ\":\"application/\"", "jws-type"},
        {"at+jwt", ",\"typ\":[\"at+jwt\"]", "jws-type"},
        {NULL, ",\"typ\":\"\"", "jws-type"},
    };
    char *jwks = mint_jwks();
    struct jose_keys *keys = must_parse(jwks, JOSE_ALGS_ALL);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *header = pke_asprintf("{\"alg\":\"EdDSA\",\"kid\":\"ed\"%s}", cases[i].header),
             *token = mint_jws(MINT_ED25519, "EdDSA", header, PAYLOAD);
        struct jws_rules rules = {.type = cases[i].wanted};
        struct pke_fail why = {0};
        struct jws_facts facts;
        struct pke_buf out;
        enum pke_err err;

        pke_buf_init(&out, JWS_MAX);
        err = jws_verify(pke_bytes_str(token), keys, &rules, &out, &facts, &why);
        if (err != (*cases[i].want ? PKE_UNAUTHENTICATED : PKE_OK) || strcmp(why.reason, cases[i].want) != 0)
            fail_msg("%s: got '%s', want '%s'", header, why.reason, cases[i].want);
        assert_true(facts.key == (err == PKE_OK ? jose_keys_find(keys, "ed") : NULL));
        pke_buf_done(&out);
        free(header);
        free(token);
    }
    jose_keys_unref(keys);
    free(jwks);
}

/* ---- claims */

#define TIMES "\"iat\":1799999900,\"nbf\":1799999900,\"exp\":1800000500"

static void test_claims(void **state)
{
    static const struct {
        const char *payload, *want;
    } cases[] = {
        {"{\"iss\":\"i\",\"aud\":\"a\"," TIMES "}", ""},
        {"{\"iss\":\"i\",\"aud\":[\"x\",\"b\"]," TIMES "}", ""},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000500}", ""},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1799999941}", ""},               /* leeway */
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1799999940}", "claims-expired"}, /* not a second more */
        {"{\"iss\":\"i\",\"aud\":\"a\",\"nbf\":1800000060,\"exp\":1800000500}", ""},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"nbf\":1800000061,\"exp\":1800000500}", "claims-nbf"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"iat\":1800000061,\"exp\":1800000500}", "claims-iat"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800003660}", ""},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800003661}", "claims-lifetime"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"iat\":1799999000,\"exp\":1800002601}", "claims-lifetime"},
        {"{\"iss\":\"i\",\"aud\":\"a\"}", "claims-exp"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":\"1800000500\"}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000500.5}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1e12}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":-1}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":9223372036854775807}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":9223372036854775808}", "claims-json"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":null}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":true}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000500,\"nbf\":\"0\"}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000500,\"iat\":[]}", "claims-type"},
        {"{\"iss\":\"I\",\"aud\":\"a\"," TIMES "}", "claims-iss"},
        {"{\"iss\":\"i/\",\"aud\":\"a\"," TIMES "}", "claims-iss"},
        {"{\"iss\":[\"i\"],\"aud\":\"a\"," TIMES "}", "claims-type"},
        {"{\"iss\":\"\",\"aud\":\"a\"," TIMES "}", "claims-type"},
        {"{\"aud\":\"a\"," TIMES "}", "claims-iss"},
        {"{\"iss\":\"i\",\"aud\":\"A\"," TIMES "}", "claims-aud"},
        {"{\"iss\":\"i\",\"aud\":\"a b\"," TIMES "}", "claims-aud"},
        {"{\"iss\":\"i\",\"aud\":[]," TIMES "}", "claims-aud"},
        {"{\"iss\":\"i\",\"aud\":[\"a\",7]," TIMES "}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":[7,\"a\"]," TIMES "}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":{\"a\":1}," TIMES "}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":[[\"a\"]]," TIMES "}", "claims-type"},
        {"{\"iss\":\"i\",\"aud\":null," TIMES "}", "claims-type"},
        {"{\"iss\":\"i\"," TIMES "}", "claims-aud"},
        {"{\"iss\":\"i\",\"aud\":\"x\",\"aud\":\"a\"," TIMES "}", "claims-json"}, /* last wins elsewhere */
        {"{\"iss\":\"i\",\"aud\":\"a\",\"x\":{\"y\":1,\"y\":2}," TIMES "}", "claims-json"},
        {"{\"iss\":\"i\",\"aud\":\"a\"," TIMES "}{}", "claims-json"},
        {"[]", "claims-json"},
        {"", "claims-json"},
        {"x", "claims-json"},
    };
    char *iss[] = {(char *)(uintptr_t) "h", (char *)(uintptr_t) "i"},
         *aud[] = {(char *)(uintptr_t) "a", (char *)(uintptr_t) "b"};
    struct pke_strings issuers = {iss, 2}, audiences = {aud, 2};
    struct claims_rules rules = {&issuers, &audiences, 60, 3600};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        struct claims_times times = {0};
        struct pke_fail fail = {0};
        json_t *claims = NULL;
        enum pke_err err = claims_read(pke_bytes_str(cases[i].payload), &claims, &fail);

        if (err == PKE_OK)
            err = claims_check(claims, &rules, NOW, &times, &fail);
        if (strcmp(fail.reason, cases[i].want) != 0 || (err == PKE_OK) != !*cases[i].want)
            fail_msg("%s: got '%s' (%s), want '%s'", cases[i].payload, fail.reason, fail.text, cases[i].want);
        if (err == PKE_OK)
            assert_true(times.expires > NOW - 60);
        json_decref(claims);
    }
}

static void test_claims_text(void **state)
{
    char *payload = pke_asprintf("{\"a\":\"text\",\"n\":7,\"e\":\"\",\"c\":\"a\\u0007b\",\"d\":\"\\u007f\","
                                 "\"l\":\"%*s\",\"m\":\"%*s\"}",
                                 CLAIMS_TEXT_MAX, "", CLAIMS_TEXT_MAX + 1, "");
    static const char *const bad[] = {"n", "e", "c", "d", "m"};
    struct pke_fail fail = {0};
    json_t *claims = NULL;
    const char *text;

    (void)state;
    assert_int_equal(claims_read(pke_bytes_str(payload), &claims, &fail), PKE_OK);
    assert_int_equal(claims_text(claims, "a", &text, &fail), PKE_OK);
    assert_string_equal(text, "text");
    assert_int_equal(claims_text(claims, "l", &text, &fail), PKE_OK);
    assert_int_equal(claims_text(claims, "absent", &text, &fail), PKE_OK);
    assert_null(text);
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        assert_int_equal(claims_text(claims, bad[i], &text, &fail), PKE_UNAUTHENTICATED);
        assert_string_equal(fail.reason, "claims-type");
        assert_null(text);
    }
    json_decref(claims);
    free(payload);
}

static int setup(void **state)
{
    (void)state;
    mint_setup();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mint_teardown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_sets_pass_over),
        cmocka_unit_test(test_doubled_kids),
        cmocka_unit_test(test_issuers_of_a_key),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_key_sets),
        cmocka_unit_test(test_key_sets_skip),
        cmocka_unit_test(test_key_sets_refuse),
        cmocka_unit_test(test_key_sets_refuse_keys),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_key_sets_are_bounded),
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_missing_kid),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_encodings_of_parts),
        cmocka_unit_test(test_ec_signatures),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_claims_text),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
