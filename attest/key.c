/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#include "attest/claim.h"

#define RSA_BYTES_MIN 256
#define RSA_BYTES_MAX 1024
#define FIELD_MAX     48
#define BCRYPT_HEADER 24

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return key;
}

EVP_PKEY *attest_key_rsa(struct pke_bytes modulus, struct pke_bytes exponent)
{
    OSSL_PARAM_BLD *bld;
    BIGNUM *n, *e;
    EVP_PKEY *key = NULL;

    if (modulus.n < RSA_BYTES_MIN || modulus.n > RSA_BYTES_MAX || !(modulus.p[0] & 0x80) || exponent.n == 0 ||
        exponent.n > 8)
        return NULL;
    bld = OSSL_PARAM_BLD_new();
    n = BN_bin2bn(modulus.p, (int)modulus.n, NULL);
    e = BN_bin2bn(exponent.p, (int)exponent.n, NULL);
    if (bld && n && e && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        key = from_params("RSA", OSSL_PARAM_BLD_to_param(bld));
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

EVP_PKEY *attest_key_ec(const char *group, struct pke_bytes x, struct pke_bytes y)
{
    size_t field = strcmp(group, "P-256") == 0 ? 32 : FIELD_MAX;
    uint8_t point[1 + 2 * FIELD_MAX] = {4};
    OSSL_PARAM_BLD *bld;
    EVP_PKEY *key = NULL;

    if (x.n == 0 || y.n == 0 || x.n > field || y.n > field)
        return NULL;
    memcpy(point + 1 + field - x.n, x.p, x.n);
    memcpy(point + 1 + 2 * field - y.n, y.p, y.n);
    bld = OSSL_PARAM_BLD_new();
    if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * field) == 1)
        key = from_params("EC", OSSL_PARAM_BLD_to_param(bld));
    OSSL_PARAM_BLD_free(bld);
    return key;
}

EVP_PKEY *attest_key_spki(struct pke_bytes der)
{
    const unsigned char *p = der.p;
    EVP_PKEY *key = der.n && der.n < 4096 ? d2i_PUBKEY(NULL, &p, (long)der.n) : NULL;

    ERR_clear_error();
    if (key && p != der.p + der.n) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

EVP_PKEY *attest_key_public(const struct attest_public *pub)
{
    uint8_t e[4] = {(uint8_t)(pub->exponent >> 24), (uint8_t)(pub->exponent >> 16),
                    (uint8_t)(pub->exponent >> 8), (uint8_t)pub->exponent};

    if (pub->type == TPM_ALG_RSA)
        return attest_key_rsa(pub->modulus, PKE_BYTES(e, sizeof e));
    if (pub->curve == 0x0003) /* TPM_ECC_NIST_P256 */
        return attest_key_ec("P-256", pub->x, pub->y);
    return pub->curve == 0x0004 ? attest_key_ec("P-384", pub->x, pub->y) : NULL;
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* BCRYPT_RSAKEY_BLOB without primes: "RSA1", bits, lengths of exponent, modulus and two primes; big endian
 * numbers. */
static EVP_PKEY *from_bcrypt(struct pke_bytes in)
{
    uint32_t bits, e, n;

    if (in.n < BCRYPT_HEADER)
        return NULL;
    bits = le32(in.p + 4);
    e = le32(in.p + 8);
    n = le32(in.p + 12);
    if (le32(in.p + 16) != 0 || le32(in.p + 20) != 0 || (uint64_t)BCRYPT_HEADER + e + n != in.n ||
        (uint64_t)n * 8 != bits)
        return NULL;
    return attest_key_rsa(PKE_BYTES(in.p + BCRYPT_HEADER + e, n), PKE_BYTES(in.p + BCRYPT_HEADER, e));
}

EVP_PKEY *attest_key_any(struct pke_bytes in)
{
    struct attest_public pub;
    struct pke_bytes area;

    if (in.n >= 4 && memcmp(in.p, "RSA1", 4) == 0)
        return from_bcrypt(in);
    if (in.n && in.p[0] == 0x30)
        return attest_key_spki(in);
    if (!attest_public_unwrap(in, &area) || attest_public_read(area, &pub, NULL) != PKE_OK)
        return NULL;
    return attest_key_public(&pub);
}
