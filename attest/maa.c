/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/maa.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "attest/key.h"
#include "base/encode.h"

#define RULE     "Azure Attestation claim sets"
#define KEYS_MAX 16

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, reason, RULE, "%s", text);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* RFC 7519 2: seconds, perhaps with a fraction. */
static bool time_of(const json_t *object, const char *name, double *ret)
{
    const json_t *v = json_object_get(object, name);

    if (!json_is_number(v))
        return false;
    *ret = json_number_value(v);
    return true;
}

static enum pke_err check_times(const json_t *claims, const struct attest_maa_rules *rules,
                                int64_t now_seconds, struct pke_fail *fail)
{
    double exp, at, now = (double)now_seconds, skew = (double)rules->skew;

    if (!time_of(claims, "exp", &exp) || !(now < exp + skew))
        return refuse(fail, "maa-time", "the token has expired or does not say when it does");
    if (json_object_get(claims, "nbf") && (!time_of(claims, "nbf", &at) || !(at <= now + skew)))
        return refuse(fail, "maa-time", "the token is not valid yet");
    if (!json_object_get(claims, "iat") && rules->max_age == 0)
        return PKE_OK;
    if (!time_of(claims, "iat", &at) || !(at <= now + skew))
        return refuse(fail, "maa-time", "the token was not issued yet, or does not say when");
    if (rules->max_age && !(now <= at + (double)rules->max_age + skew))
        return refuse(fail, "maa-time", "the token is too old");
    return PKE_OK;
}

static enum pke_err check_origin(const json_t *claims, const struct attest_maa_rules *rules,
                                 struct pke_fail *fail)
{
    const char *iss = text_of(claims, "iss"), *type = text_of(claims, "x-ms-attestation-type");
    const json_t *validated = json_object_get(claims, "aikValidated");

    if (!iss || !pke_strings_has(rules->issuers, iss))
        return refuse(fail, "maa-issuer", "the token is not of a configured attestation provider");
    if (!type)
        type = text_of(claims, "tee");
    if (!type || strcasecmp(type, "tpm") != 0)
        return refuse(fail, "maa-type", "the token is not about a TPM");
    if (validated && !json_is_true(validated))
        return refuse(fail, "maa-aik", "the attestation provider did not validate the AIK certificate");
    return PKE_OK;
}

static enum pke_err check_nonce(const json_t *claims, const char *nonce, struct pke_fail *fail)
{
    const char *plain = text_of(claims, "nonce"), *data = text_of(claims, "rp_data");
    struct pke_buf raw;
    bool same;

    if (!nonce)
        return PKE_OK;
    pke_buf_init(&raw, 1024);
    same = (plain && strcmp(plain, nonce) == 0) || (data && strcmp(data, nonce) == 0) ||
           (data && pke_base64_decode(pke_bytes_str(data), PKE_B64_URL, &raw) == PKE_OK &&
            pke_bytes_eq_str(pke_buf_bytes(&raw), nonce));
    pke_buf_done(&raw);
    return same ? PKE_OK : refuse(fail, "maa-nonce", "the token does not carry our nonce");
}

/* One number of a JWK (RFC 7518 6): base64url without padding. */
static bool number(const json_t *jwk, const char *name, struct pke_buf *out)
{
    const char *text = text_of(jwk, name);

    pke_buf_init(out, 1100);
    return text && *text && pke_base64_decode(pke_bytes_str(text), PKE_B64_URL, out) == PKE_OK;
}

static EVP_PKEY *jwk_key(const json_t *jwk)
{
    const char *kty = text_of(jwk, "kty"), *crv = text_of(jwk, "crv");
    struct pke_buf a = {0}, b = {0};
    EVP_PKEY *key = NULL;

    if (kty && strcmp(kty, "RSA") == 0 && number(jwk, "n", &a) && number(jwk, "e", &b))
        key = attest_key_rsa(pke_buf_bytes(&a), pke_buf_bytes(&b));
    else if (kty && strcmp(kty, "EC") == 0 && crv &&
             (strcmp(crv, "P-256") == 0 || strcmp(crv, "P-384") == 0) && number(jwk, "x", &a) &&
             number(jwk, "y", &b))
        key = attest_key_ec(crv, pke_buf_bytes(&a), pke_buf_bytes(&b));
    pke_buf_done(&a);
    pke_buf_done(&b);
    return key;
}

/* A JWK, or an object with one named "jwk", as in "cnf". */
static bool holds_key(const json_t *value, EVP_PKEY *wanted)
{
    const json_t *inner = json_object_get(value, "jwk");
    EVP_PKEY *key = json_is_object(value) ? jwk_key(inner ? inner : value) : NULL;
    bool same = key && EVP_PKEY_eq(key, wanted) == 1;

    EVP_PKEY_free(key);
    return same;
}

static bool any_holds_key(const json_t *list, EVP_PKEY *wanted)
{
    bool found = false;

    for (size_t i = 0; i < json_array_size(list) && i < KEYS_MAX; i++)
        found |= holds_key(json_array_get(list, i), wanted);
    return found;
}

static enum pke_err check_key(const json_t *claims, struct pke_bytes csr_spki, struct pke_fail *fail)
{
    EVP_PKEY *wanted = attest_key_spki(csr_spki);
    bool found =
        wanted && (holds_key(json_object_get(claims, "cnf"), wanted) ||
                   any_holds_key(json_object_get(claims, "keys"), wanted) ||
                   any_holds_key(json_object_get(json_object_get(claims, "x-ms-runtime"), "keys"), wanted));

    EVP_PKEY_free(wanted);
    return found ? PKE_OK
                 : refuse(fail, "maa-key", "the token does not name the key of the certificate request");
}

enum pke_err attest_maa_check(struct pke_bytes payload, const struct attest_maa_rules *rules,
                              struct pke_bytes csr_spki, int64_t now_seconds, struct attest_verdict *ret,
                              struct pke_fail *fail)
{
    struct pke_fail own = {0};
    json_t *claims = payload.n && payload.n <= ATTEST_MAA_MAX
                         ? json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL)
                         : NULL;
    enum pke_err err;

    *ret = (struct attest_verdict){.result = ATTEST_NOT_ATTESTED};
    if (!json_is_object(claims))
        err = refuse(&own, "maa-json", "the token's payload is no JSON object");
    else
        err = check_origin(claims, rules, &own);
    if (err == PKE_OK)
        snprintf(ret->provider, sizeof ret->provider, "%s", text_of(claims, "iss"));
    if (err == PKE_OK)
        err = check_times(claims, rules, now_seconds, &own);
    if (err == PKE_OK)
        err = check_nonce(claims, rules->nonce, &own);
    if (err == PKE_OK)
        err = check_key(claims, csr_spki, &own);
    json_decref(claims);
    if (err == PKE_OK)
        ret->result = ATTEST_ATTESTED;
    else
        memcpy(ret->reason, own.reason, sizeof ret->reason);
    if (fail && err != PKE_OK)
        *fail = own;
    return err;
}
