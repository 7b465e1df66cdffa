/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of an Azure Attestation token: whose, when, about what, about which key (MS-MDE2, version 6.0).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "attest/maa.h"
#include "base/encode.h"
#include "base/mem.h"
#include "tests/unit/attest_data.h"

#define NOW ATTEST_DATA_NOW
#define ISS "https://lab.weu.attest.example"

static char *issuers[] = {(char *)"https://other.example", (char *)ISS};
static const struct pke_strings issuer_list = {issuers, 2};

static void set_number(json_t *jwk, const char *name, EVP_PKEY *key, const char *param)
{
    BIGNUM *bn = NULL;
    unsigned char raw[512];
    struct pke_buf text;
    int n;

    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
    n = BN_bn2bin(bn, raw);
    pke_buf_init(&text, 1024);
    pke_base64_encode(PKE_BYTES(raw, n), PKE_B64_URL, &text);
    json_object_set_new(jwk, name, json_string(pke_buf_cstr(&text)));
    pke_buf_done(&text);
    BN_free(bn);
}

static json_t *jwk_of(const char *file)
{
    struct pke_bytes spki = attest_data(file);
    const unsigned char *p = spki.p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.n);
    json_t *jwk = json_object();

    assert_non_null(key);
    if (EVP_PKEY_is_a(key, "RSA")) {
        json_object_set_new(jwk, "kty", json_string("RSA"));
        set_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N);
        set_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E);
    } else {
        json_object_set_new(jwk, "kty", json_string("EC"));
        json_object_set_new(jwk, "crv", json_string("P-256"));
        set_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X);
        set_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y);
    }
    EVP_PKEY_free(key);
    attest_data_free(spki);
    return jwk;
}

/* A token's payload that is good for rsa.spki. */
static json_t *good(void)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:s, s:s, s:b, s:s, s:{s:[o]}}", "iss", ISS, "iat", NOW - 60,
                     "nbf", NOW - 60, "exp", NOW + 600, "x-ms-attestation-type", "tpm", "x-ms-ver", "1.0",
                     "aikValidated", 1, "rp_data", "bm9uY2UtMQ", "x-ms-runtime", "keys", jwk_of("rsa.spki"));
}

static void check(json_t *claims, const char *spki_file, const struct attest_maa_rules *rules,
                  const char *reason)
{
    char *text = json_dumps(claims, JSON_COMPACT);
    struct pke_bytes spki = attest_data(spki_file);
    struct attest_verdict v;
    struct pke_fail fail = {0};
    enum pke_err err = attest_maa_check(pke_bytes_str(text), rules, spki, NOW, &v, &fail);

    assert_string_equal(v.reason, reason ? reason : "");
    assert_string_equal(fail.reason, v.reason);
    assert_int_equal(err, reason ? PKE_POLICY : PKE_OK);
    assert_int_equal(v.result, reason ? ATTEST_NOT_ATTESTED : ATTEST_ATTESTED);
    attest_data_free(spki);
    free(text);
    json_decref(claims);
}

static const struct attest_maa_rules plain = {.issuers = &issuer_list, .skew = 300};

static json_t *with(const char *name, json_t *value)
{
    json_t *claims = good();

    if (value)
        json_object_set_new(claims, name, value);
    else
        json_object_del(claims, name);
    return claims;
}

static void test_good(void **state)
{
    json_t *claims;

    (void)state;
    check(good(), "rsa.spki", &plain, NULL);
    claims = with("x-ms-runtime", NULL); /* the other places of a key */
    json_object_set_new(claims, "cnf", json_pack("{s:o}", "jwk", jwk_of("rsa.spki")));
    check(claims, "rsa.spki", &plain, NULL);
    claims = with("x-ms-runtime", NULL);
    json_object_set_new(claims, "keys", json_pack("[{s:s}, o]", "kty", "oct", jwk_of("point.spki")));
    check(claims, "point.spki", &plain, NULL);
    claims = with("x-ms-attestation-type", NULL); /* the deprecated name */
    json_object_set_new(claims, "tee", json_string("tpm"));
    check(claims, "rsa.spki", &plain, NULL);
    check(with("aikValidated", NULL), "rsa.spki", &plain,
          NULL); /* a provider's policy decides if it is there */
    check(with("nbf", NULL), "rsa.spki", &plain, NULL);
}

static void test_origin(void **state)
{
    (void)state;
    check(with("iss", json_string(ISS "/")), "rsa.spki", &plain, "maa-issuer");
    check(with("iss", json_string("https://evil.example")), "rsa.spki", &plain, "maa-issuer");
    check(with("iss", json_integer(1)), "rsa.spki", &plain, "maa-issuer");
    check(with("iss", NULL), "rsa.spki", &plain, "maa-issuer");
    check(with("x-ms-attestation-type", json_string("sgx")), "rsa.spki", &plain, "maa-type");
    check(with("x-ms-attestation-type", NULL), "rsa.spki", &plain, "maa-type");
    check(with("aikValidated", json_false()), "rsa.spki", &plain, "maa-aik");
    check(with("aikValidated", json_string("true")), "rsa.spki", &plain, "maa-aik");
}

static void test_times(void **state)
{
    struct attest_maa_rules young = {.issuers = &issuer_list, .skew = 300, .max_age = 600};

    (void)state;
    check(with("exp", json_integer(NOW - 299)), "rsa.spki", &plain, NULL);
    check(with("exp", json_integer(NOW - 300)), "rsa.spki", &plain, "maa-time");
    check(with("exp", NULL), "rsa.spki", &plain, "maa-time");
    check(with("exp", json_string("9999999999")), "rsa.spki", &plain, "maa-time");
    check(with("nbf", json_integer(NOW + 300)), "rsa.spki", &plain, NULL);
    check(with("nbf", json_integer(NOW + 301)), "rsa.spki", &plain, "maa-time");
    check(with("nbf", json_null()), "rsa.spki", &plain, "maa-time");
    check(with("iat", json_integer(NOW + 301)), "rsa.spki", &plain, "maa-time");
    check(with("iat", NULL), "rsa.spki", &plain, NULL);
    check(with("iat", json_integer(NOW - 900)), "rsa.spki", &young, NULL);
    check(with("iat", json_integer(NOW - 901)), "rsa.spki", &young, "maa-time");
    check(with("iat", NULL), "rsa.spki", &young, "maa-time");
}

static void test_nonce(void **state)
{
    struct attest_maa_rules asked = {.issuers = &issuer_list, .skew = 300, .nonce = "nonce-1"};

    (void)state;
    check(good(), "rsa.spki", &asked, NULL); /* rp_data is base64url of it */
    check(with("rp_data", json_string("nonce-1")), "rsa.spki", &asked, NULL);
    check(with("rp_data", json_string("bm9uY2UtMg")), "rsa.spki", &asked, "maa-nonce");
    check(with("rp_data", NULL), "rsa.spki", &asked, "maa-nonce");
    check(with("nonce", json_string("nonce-1")), "rsa.spki", &asked, NULL);
}

static void test_key(void **state)
{
    json_t *jwk = jwk_of("rsa.spki");

    (void)state;
    check(good(), "key2.spki", &plain, "maa-key");
    check(good(), "point.spki", &plain, "maa-key");
    check(with("x-ms-runtime", NULL), "rsa.spki", &plain, "maa-key");
    check(with("x-ms-runtime", json_string("keys")), "rsa.spki", &plain, "maa-key");
    json_object_set_new(jwk, "e", json_string("Aw")); /* another exponent is another key */
    check(with("x-ms-runtime", json_pack("{s:[o]}", "keys", jwk)), "rsa.spki", &plain, "maa-key");
}

static void test_no_object(void **state)
{
    static const char *const bad[] = {"", "[]", "\"x\"", "{", "{\"iss\":\"a\",\"iss\":\"b\"}", "{} {}"};
    struct pke_bytes spki = attest_data("rsa.spki");
    struct attest_verdict v;
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        assert_int_equal(attest_maa_check(pke_bytes_str(bad[i]), &plain, spki, NOW, &v, &fail), PKE_POLICY);
        assert_string_equal(fail.reason, "maa-json");
    }
    attest_data_free(spki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),  cmocka_unit_test(test_origin), cmocka_unit_test(test_times),
        cmocka_unit_test(test_nonce), cmocka_unit_test(test_key),    cmocka_unit_test(test_no_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
