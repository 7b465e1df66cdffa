/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "jose/json.h"

#define RSA_MAX_BYTES   (JOSE_RSA_MAX_BITS / 8)
#define RSA_MIN_E       65537u
#define COORDINATE_MAX  48
#define CERTIFICATE_MAX 8192

PKE_DEFINE_CLEANUP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free);
PKE_DEFINE_CLEANUP(OSSL_PARAM, OSSL_PARAM_free);
PKE_DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free);
PKE_DEFINE_CLEANUP(BIGNUM, BN_free);
PKE_DEFINE_CLEANUP(X509, X509_free);

static enum pke_err refused(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, reason, rule, "%s", text);
}

/* A public member: present and canonical base64url of at most @p max bytes. */
static enum pke_err read_number(const json_t *jwk, const char *name, uint8_t *out, size_t max, size_t *n,
                                struct pke_fail *fail)
{
    const json_t *text = json_object_get(jwk, name);
    struct pke_buf raw;
    bool good;

    pke_buf_init(&raw, max);
    good = json_is_string(text) &&
           jose_base64url(PKE_BYTES(json_string_value(text), json_string_length(text)), &raw);
    *n = raw.n;
    if (good)
        memcpy(out, raw.p, raw.n);
    pke_buf_done(&raw);
    if (good)
        return PKE_OK;
    return pke_fail_set(fail, PKE_CONFIG, "jwks-key", "RFC 7518 6",
                        "the member %s of a key is not base64url of at most %zu bytes", name, max);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params PKE_CLEANUP(OSSL_PARAM_free_p) = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx PKE_CLEANUP(EVP_PKEY_CTX_free_p) = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!params || !ctx)
        pke_oom();
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    ERR_clear_error();
    return pkey;
}

static enum pke_err check_rsa(const BIGNUM *n, const BIGNUM *e, struct pke_fail *fail)
{
    if (BN_num_bits(n) < JOSE_RSA_MIN_BITS || BN_num_bits(n) > JOSE_RSA_MAX_BITS || !BN_is_odd(n))
        return pke_fail_set(fail, PKE_CONFIG, "jwks-weak", "RFC 7518 3.3",
                            "an RSA modulus is %d bits or even; it must be %d to %d bits and odd",
                            BN_num_bits(n), JOSE_RSA_MIN_BITS, JOSE_RSA_MAX_BITS);
    if (BN_num_bits(e) > 32 || !BN_is_odd(e) || BN_get_word(e) < RSA_MIN_E)
        return refused(fail, "jwks-weak", "RFC 7518 3.3",
                       "an RSA exponent must be odd, 65537 at least and at most 32 bits");
    return PKE_OK;
}

static enum pke_err read_rsa(const json_t *jwk, struct jwk *out, struct pke_fail *fail)
{
    OSSL_PARAM_BLD *build PKE_CLEANUP(OSSL_PARAM_BLD_free_p) = OSSL_PARAM_BLD_new();
    BIGNUM *modulus PKE_CLEANUP(BN_free_p) = NULL, *exponent PKE_CLEANUP(BN_free_p) = NULL;
    uint8_t n[RSA_MAX_BYTES], e[8];
    size_t n_len, e_len;
    enum pke_err err = read_number(jwk, "n", n, sizeof n, &n_len, fail);

    if (err == PKE_OK)
        err = read_number(jwk, "e", e, sizeof e, &e_len, fail);
    if (err != PKE_OK)
        return err;
    if (n[0] == 0 || e[0] == 0)
        return refused(fail, "jwks-key", "RFC 7518 2 Base64urlUInt",
                       "an RSA number begins with a zero octet");
    modulus = BN_bin2bn(n, (int)n_len, NULL);
    exponent = BN_bin2bn(e, (int)e_len, NULL);
    err = check_rsa(modulus, exponent, fail);
    if (err != PKE_OK)
        return err;
    if (!OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) ||
        !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent))
        pke_oom();
    out->pkey = from_params("RSA", build);
    if (!out->pkey)
        return refused(fail, "jwks-key", "RFC 7518 6.3", "an RSA key is refused by libcrypto");
    snprintf(out->detail, sizeof out->detail, "RSA-%d", BN_num_bits(modulus));
    return PKE_OK;
}

static enum pke_err read_ec(const json_t *jwk, bool p384, struct jwk *out, struct pke_fail *fail)
{
    OSSL_PARAM_BLD *build PKE_CLEANUP(OSSL_PARAM_BLD_free_p) = OSSL_PARAM_BLD_new();
    size_t size = p384 ? 48 : 32, x, y;
    uint8_t point[1 + 2 * COORDINATE_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    enum pke_err err = read_number(jwk, "x", point + 1, size, &x, fail);

    if (err == PKE_OK)
        err = read_number(jwk, "y", point + 1 + size, size, &y, fail);
    if (err != PKE_OK)
        return err;
    if (x != size || y != size)
        return refused(fail, "jwks-key", "RFC 7518 6.2.1.2", "a coordinate has not the length of its curve");
    if (!OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, p384 ? "P-384" : "P-256", 0) ||
        !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size))
        pke_oom();
    out->pkey = from_params("EC", build); /* which decodes the point: one off the curve is refused */
    if (!out->pkey)
        return refused(fail, "jwks-key", "RFC 7518 6.2.1", "a point is not on its curve");
    snprintf(out->detail, sizeof out->detail, "%s", p384 ? "P-384" : "P-256");
    return PKE_OK;
}

static enum pke_err read_ed25519(const json_t *jwk, struct jwk *out, struct pke_fail *fail)
{
    uint8_t x[32];
    size_t n;
    enum pke_err err = read_number(jwk, "x", x, sizeof x, &n, fail);

    if (err != PKE_OK)
        return err;
    if (n == sizeof x)
        out->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, n);
    if (!out->pkey)
        return refused(fail, "jwks-key", "RFC 8037 2", "an Ed25519 key has not 32 bytes");
    snprintf(out->detail, sizeof out->detail, "Ed25519");
    return PKE_OK;
}

/* The algorithms that a type of key could verify; 0 for a type that is skipped. */
static unsigned algorithms_of_type(const char *kty, const char *crv)
{
    if (strcmp(kty, "RSA") == 0)
        return JOSE_ALG_BIT(JOSE_RS256) | JOSE_ALG_BIT(JOSE_PS256);
    if (strcmp(kty, "EC") == 0 && crv && strcmp(crv, "P-256") == 0)
        return JOSE_ALG_BIT(JOSE_ES256);
    if (strcmp(kty, "EC") == 0 && crv && strcmp(crv, "P-384") == 0)
        return JOSE_ALG_BIT(JOSE_ES384);
    if (strcmp(kty, "OKP") == 0 && crv && strcmp(crv, "Ed25519") == 0)
        return JOSE_ALG_BIT(JOSE_EDDSA);
    return 0;
}

/* One algorithm for each key: the lowest bit, so that RS256 comes before PS256. */
static bool bind_algorithm(unsigned possible, struct jwk *out)
{
    for (int i = 0; i < JOSE_ALG__MAX; i++) {
        if (possible & JOSE_ALG_BIT(i)) {
            out->key.alg = (enum jose_alg)i;
            return true;
        }
    }
    return false;
}

/* A member that must be a text where it is; *ret NULL when absent. */
static enum pke_err text_member(const json_t *jwk, const char *name, const char **ret, struct pke_fail *fail)
{
    const json_t *value = json_object_get(jwk, name);

    *ret = json_string_value(value);
    if (value && !*ret)
        return pke_fail_set(fail, PKE_CONFIG, "jwks-key", "RFC 7517 4", "the member %s of a key is no text",
                            name);
    return PKE_OK;
}

static enum pke_err check_private(const json_t *jwk, struct pke_fail *fail)
{
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

    for (size_t i = 0; i < PKE_LEN(private); i++)
        if (json_object_get(jwk, private[i]))
            return refused(fail, "jwks-private", "RFC 7517 9.2",
                           "a key is private or symmetric: the file must hold public keys only");
    return PKE_OK;
}

/* RFC 7517 4.2, 4.3: what the issuer says that the key is for. */
static enum pke_err for_verifying(const json_t *jwk, bool *ret, struct pke_fail *fail)
{
    const json_t *ops = json_object_get(jwk, "key_ops"), *op;
    const char *use;
    size_t i;
    enum pke_err err = text_member(jwk, "use", &use, fail);

    if (err != PKE_OK)
        return err;
    if (ops && !json_is_array(ops))
        return refused(fail, "jwks-key", "RFC 7517 4.3", "the member key_ops of a key is no list");
    *ret = !use || strcmp(use, "sig") == 0;
    if (ops) {
        bool verify = false;

        json_array_foreach(ops, i, op) verify =
            verify || (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0);
        *ret = *ret && verify;
    }
    return PKE_OK;
}

/* Not registered by RFC 7517; without it a key of one tenant signs for all (mdm.md 4.2). */
static enum pke_err read_issuer(const json_t *jwk, struct jwk *out, struct pke_fail *fail)
{
    const char *issuer;
    enum pke_err err = text_member(jwk, "issuer", &issuer, fail);

    if (err != PKE_OK || !issuer)
        return err;
    if (strlen(issuer) > JOSE_ISSUER_MAX)
        return pke_fail_set(fail, PKE_CONFIG, "jwks-key", "limits: keys of a token issuer",
                            "the issuer of a key is longer than %d bytes", JOSE_ISSUER_MAX);
    snprintf(out->issuer, sizeof out->issuer, "%s", issuer);
    out->key.issuer = out->issuer;
    return PKE_OK;
}

static enum pke_err read_kid(const json_t *jwk, struct jwk *out, struct pke_fail *fail)
{
    const char *kid;
    enum pke_err err = text_member(jwk, "kid", &kid, fail);

    if (err != PKE_OK || !kid)
        return err;
    if (!*kid || strlen(kid) > JOSE_KID_MAX)
        return pke_fail_set(fail, PKE_CONFIG, "jwks-kid", "RFC 7517 4.5", "a kid is not 1 to %d bytes long",
                            JOSE_KID_MAX);
    snprintf(out->kid, sizeof out->kid, "%s", kid);
    out->key.kid = out->kid;
    return PKE_OK;
}

static enum pke_err read_rsa_of_certificate(const json_t *jwk, struct jwk *out, struct pke_fail *fail);

enum pke_err jwk_read(const json_t *jwk, unsigned algorithms, struct jwk *out, bool *used,
                      struct pke_fail *fail)
{
    const char *kty, *crv, *alg;
    unsigned possible;
    enum jose_alg one;
    enum pke_err err;

    *used = false;
    if (!json_is_object(jwk))
        return refused(fail, "jwks-form", "RFC 7517 5", "a key is not an object");
    err = check_private(jwk, fail);
    if (err == PKE_OK)
        err = text_member(jwk, "kty", &kty, fail);
    if (err == PKE_OK)
        err = text_member(jwk, "crv", &crv, fail);
    if (err == PKE_OK)
        err = text_member(jwk, "alg", &alg, fail);
    if (err == PKE_OK)
        err = for_verifying(jwk, used, fail);
    if (err == PKE_OK)
        err = read_kid(jwk, out, fail);
    if (err == PKE_OK)
        err = read_issuer(jwk, out, fail);
    if (err == PKE_OK && !kty)
        err = refused(fail, "jwks-key", "RFC 7517 4.1", "a key has no kty");
    if (err != PKE_OK)
        return err;
    possible = algorithms_of_type(kty, crv) & algorithms;
    if (alg)
        possible &= jose_alg_from_name(alg, &one) ? JOSE_ALG_BIT(one) : 0;
    *used = bind_algorithm(possible, out) && *used;
    if (!*used)
        return PKE_OK;
    out->key.detail = out->detail;
    if (strcmp(kty, "RSA") == 0 && !json_object_get(jwk, "n") && json_object_get(jwk, "x5c"))
        return read_rsa_of_certificate(jwk, out, fail);
    if (strcmp(kty, "RSA") == 0)
        return read_rsa(jwk, out, fail);
    return strcmp(kty, "EC") == 0 ? read_ec(jwk, out->key.alg == JOSE_ES384, out, fail)
                                  : read_ed25519(jwk, out, fail);
}

/* ---- PEM */

static json_t *number_json(const EVP_PKEY *pkey, const char *name)
{
    BIGNUM *bn PKE_CLEANUP(BN_free_p) = NULL;
    uint8_t raw[RSA_MAX_BYTES + 1];
    struct pke_buf text;
    json_t *j = NULL;

    if (EVP_PKEY_get_bn_param(pkey, name, &bn) != 1 || BN_num_bytes(bn) > (int)sizeof raw)
        return NULL;
    pke_buf_init(&text, 2 * sizeof raw);
    if (pke_base64_encode(PKE_BYTES(raw, (size_t)BN_bn2bin(bn, raw)), PKE_B64_URL, &text) == PKE_OK)
        j = json_string(pke_buf_cstr(&text));
    pke_buf_done(&text);
    return j;
}

static json_t *octets_json(const uint8_t *p, size_t n)
{
    struct pke_buf text;
    json_t *j;

    pke_buf_init(&text, 256);
    pke_base64_encode(PKE_BYTES(p, n), PKE_B64_URL, &text);
    j = json_string(pke_buf_cstr(&text));
    pke_buf_done(&text);
    return j;
}

/* The public key as the JWK of RFC 7638 3.2: exactly the required members. NULL for a type that is skipped.
 */
static json_t *jwk_json(const EVP_PKEY *pkey)
{
    uint8_t raw[1 + 2 * COORDINATE_MAX + 32];
    size_t n = sizeof raw, half;
    char group[32] = "";

    if (EVP_PKEY_is_a(pkey, "RSA"))
        return json_pack("{s:s, s:o*, s:o*}", "kty", "RSA", "n", number_json(pkey, OSSL_PKEY_PARAM_RSA_N),
                         "e", number_json(pkey, OSSL_PKEY_PARAM_RSA_E));
    if (EVP_PKEY_is_a(pkey, "ED25519") && EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1)
        return json_pack("{s:s, s:s, s:o}", "kty", "OKP", "crv", "Ed25519", "x", octets_json(raw, n));
    if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1 ||
        EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof raw, &n) != 1 || n < 3 ||
        raw[0] != POINT_CONVERSION_UNCOMPRESSED)
        return NULL;
    half = (n - 1) / 2;
    return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv",
                     strcmp(group, "prime256v1") == 0  ? "P-256"
                     : strcmp(group, "secp384r1") == 0 ? "P-384"
                                                       : group,
                     "x", octets_json(raw + 1, half), "y", octets_json(raw + 1 + half, half));
}

/* The first certificate of x5c (RFC 7517 4.7), for its key alone. NULL: there is none. */
static X509 *first_certificate(const json_t *jwk)
{
    const char *text = json_string_value(json_array_get(json_object_get(jwk, "x5c"), 0));
    struct pke_buf der;
    X509 *cert = NULL;

    pke_buf_init(&der, CERTIFICATE_MAX);
    if (text && pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &der) == PKE_OK) {
        const unsigned char *p = der.p;

        cert = d2i_X509(NULL, &p, (long)der.n);
        if (cert && p != der.p + der.n) {
            X509_free(cert);
            cert = NULL;
        }
    }
    pke_buf_done(&der);
    ERR_clear_error();
    return cert;
}

/* Azure Attestation publishes keys without n and e. The certificate vouches for nothing: the file does. */
static enum pke_err read_rsa_of_certificate(const json_t *jwk, struct jwk *out, struct pke_fail *fail)
{
    X509 *cert PKE_CLEANUP(X509_free_p) = first_certificate(jwk);
    EVP_PKEY *pkey = cert ? X509_get0_pubkey(cert) : NULL;
    json_t *numbers PKE_CLEANUP(jose_json_free_p) = NULL;

    if (pkey && EVP_PKEY_is_a(pkey, "RSA"))
        numbers = jwk_json(pkey);
    ERR_clear_error();
    if (!numbers)
        return refused(fail, "jwks-key", "RFC 7517 4.7",
                       "a key has no n and e, and x5c does not begin with the certificate of an RSA key");
    return read_rsa(numbers, out, fail);
}

/* RFC 7638: the members in the order of their names, without white space. */
static json_t *thumbprint(const json_t *jwk)
{
    char *text = json_dumps(jwk, JSON_COMPACT | JSON_SORT_KEYS);
    uint8_t hash[32];
    json_t *j;

    if (!text || EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    j = octets_json(hash, sizeof hash);
    free(text);
    return j;
}

enum pke_err jwk_of_pkey(EVP_PKEY *pkey, unsigned algorithms, struct jwk *out, bool *used,
                         struct pke_fail *fail)
{
    EVP_PKEY *taken PKE_CLEANUP(EVP_PKEY_free_p) = pkey;
    json_t *jwk PKE_CLEANUP(jose_json_free_p) = jwk_json(taken);

    *used = false;
    ERR_clear_error();
    if (!jwk)
        return PKE_OK;
    json_object_set_new(jwk, "kid", thumbprint(jwk));
    return jwk_read(jwk, algorithms, out, used, fail);
}
