/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/jose_mint.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

static struct {
    EVP_PKEY *pkey;
    char *members;
} keys[MINT__KEYS];

static void must(bool condition)
{
    if (!condition)
        abort();
}

const char *mint_kid(enum mint_key key)
{
    static const char *const names[] = {"rsa", "p256", "p384", "ed", "other"};

    return names[key];
}

char *mint_b64(const char *text, size_t n)
{
    struct pke_buf out;
    char *copy;

    pke_buf_init(&out, 1u << 20);
    must(pke_base64_encode(PKE_BYTES(text, n), PKE_B64_URL, &out) == PKE_OK);
    copy = pke_strdup(pke_buf_cstr(&out));
    pke_buf_done(&out);
    return copy;
}

static char *number(const EVP_PKEY *pkey, const char *name)
{
    BIGNUM *bn = NULL;
    uint8_t raw[1024];
    char *text;

    must(EVP_PKEY_get_bn_param(pkey, name, &bn) == 1);
    text = mint_b64((const char *)raw, (size_t)BN_bn2bin(bn, raw));
    BN_free(bn);
    return text;
}

static char *members(enum mint_key key)
{
    const EVP_PKEY *pkey = keys[key].pkey;
    uint8_t raw[200];
    size_t n = sizeof raw;
    char *a, *b = NULL, *text;

    if (key == MINT_RSA || key == MINT_OTHER_RSA) {
        a = number(pkey, OSSL_PKEY_PARAM_RSA_N);
        b = number(pkey, OSSL_PKEY_PARAM_RSA_E);
        text = pke_asprintf("\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", a, b);
    } else if (key == MINT_ED25519) {
        must(EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1);
        a = mint_b64((const char *)raw, n);
        text = pke_asprintf("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", a);
    } else {
        must(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof raw, &n) == 1);
        a = mint_b64((const char *)raw + 1, n / 2);
        b = mint_b64((const char *)raw + 1 + n / 2, n / 2);
        text = pke_asprintf("\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"",
                            key == MINT_P256 ? "P-256" : "P-384", a, b);
    }
    free(a);
    free(b);
    return text;
}

void mint_setup(void)
{
    keys[MINT_RSA].pkey = EVP_RSA_gen(2048);
    keys[MINT_OTHER_RSA].pkey = EVP_RSA_gen(2048);
    keys[MINT_P256].pkey = EVP_EC_gen("P-256");
    keys[MINT_P384].pkey = EVP_EC_gen("P-384");
    keys[MINT_ED25519].pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    for (int i = 0; i < MINT__KEYS; i++) {
        must(keys[i].pkey != NULL);
        keys[i].members = members((enum mint_key)i);
    }
}

void mint_teardown(void)
{
    for (int i = 0; i < MINT__KEYS; i++) {
        EVP_PKEY_free(keys[i].pkey);
        free(keys[i].members);
    }
}

const char *mint_members(enum mint_key key)
{
    return keys[key].members;
}

char *mint_jwks(void)
{
    return pke_asprintf("{\"keys\":[{\"kid\":\"rsa\",%s},{\"kid\":\"p256\",%s},{\"kid\":\"p384\",%s},"
                        "{\"kid\":\"ed\",\"use\":\"sig\",%s}]}",
                        keys[MINT_RSA].members, keys[MINT_P256].members, keys[MINT_P384].members,
                        keys[MINT_ED25519].members);
}

char *mint_pem(enum mint_key key, bool private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p, *text;
    long n;

    must(private ? PEM_write_bio_PrivateKey(bio, keys[key].pkey, NULL, NULL, 0, NULL, NULL) == 1
                 : PEM_write_bio_PUBKEY(bio, keys[key].pkey) == 1);
    n = BIO_get_mem_data(bio, &p);
    text = pke_strndup(p, (size_t)n);
    BIO_free(bio);
    return text;
}

static size_t sign_ec(const uint8_t *der, size_t n, size_t half, uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

    must(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)half) == (int)half &&
         BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, (int)half) == (int)half);
    ECDSA_SIG_free(sig);
    return 2 * half;
}

static size_t sign_hmac(const char *input, enum mint_key key, uint8_t *out)
{
    char *secret = mint_pem(key, false);
    unsigned n = 0;

    must(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)input, strlen(input), out, &n) !=
         NULL);
    free(secret);
    return n;
}

static size_t sign(const char *input, enum mint_key key, const char *alg, uint8_t *out)
{
    const EVP_MD *md = strstr(alg, "384") ? EVP_sha384() : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t der[512];
    size_t n = sizeof der;

    must(EVP_DigestSignInit(ctx, &pctx, strcmp(alg, "EdDSA") == 0 ? NULL : md, NULL, keys[key].pkey) == 1);
    if (strcmp(alg, "PS256") == 0)
        must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    must(EVP_DigestSign(ctx, der, &n, (const uint8_t *)input, strlen(input)) == 1);
    EVP_MD_CTX_free(ctx);
    if (key == MINT_P256 || key == MINT_P384)
        return sign_ec(der, n, key == MINT_P384 ? 48 : 32, out);
    memcpy(out, der, n);
    return n;
}

char *mint_jws(enum mint_key key, const char *alg, const char *header, const char *payload)
{
    char *h = mint_b64(header, strlen(header)), *p = mint_b64(payload, strlen(payload));
    char *input = pke_asprintf("%s.%s", h, p), *s, *token;
    uint8_t raw[512];
    size_t n = 0;

    if (strcmp(alg, "HS256") == 0)
        n = sign_hmac(input, key, raw);
    else if (strcmp(alg, "none") != 0)
        n = sign(input, key, alg, raw);
    s = mint_b64((const char *)raw, n);
    token = pke_asprintf("%s.%s", input, s);
    free(h);
    free(p);
    free(input);
    free(s);
    return token;
}
