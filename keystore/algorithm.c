/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/algorithm.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/rv.h"

static const uint8_t oid_p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t oid_ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
static const uint8_t name_ed25519[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                       'd',  's',  '2', '5', '5', '1', '9'};

const struct pke_bytes ks_ed25519_name = {name_ed25519, sizeof name_ed25519};

static const struct ks_algorithm_info algorithms[] = {
    {KS_RSA_2048, "RSA-2048", false, false, 2048, NULL, {NULL, 0}},
    {KS_RSA_3072, "RSA-3072", false, false, 3072, NULL, {NULL, 0}},
    {KS_RSA_4096, "RSA-4096", false, false, 4096, NULL, {NULL, 0}},
    {KS_P256, "P-256", true, false, 256, "prime256v1", {oid_p256, sizeof oid_p256}},
    {KS_P384, "P-384", true, false, 384, "secp384r1", {oid_p384, sizeof oid_p384}},
    {KS_ED25519, "Ed25519", false, true, 256, NULL, {oid_ed25519, sizeof oid_ed25519}},
};

const struct ks_algorithm_info *ks_algorithm_info(enum ks_key_algorithm id)
{
    for (size_t i = 0; i < PKE_LEN(algorithms); i++)
        if (algorithms[i].id == id)
            return &algorithms[i];
    return NULL;
}

/* An even exponent or 3 is a broken or a careless generator (FIPS 186-5 A.1.1: 2^16 < e, odd). */
static bool exponent_ok(const EVP_PKEY *pkey)
{
    BIGNUM *e = NULL;
    bool ok =
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) && BN_num_bits(e) > 16;

    BN_free(e);
    return ok;
}

const struct ks_algorithm_info *ks_algorithm_of(const EVP_PKEY *pkey)
{
    bool rsa = EVP_PKEY_is_a(pkey, "RSA") == 1, ed = EVP_PKEY_is_a(pkey, "ED25519") == 1;
    char group[64] = "";

    if (!rsa && EVP_PKEY_is_a(pkey, "EC") == 1 &&
        EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1)
        return NULL;
    for (size_t i = 0; i < PKE_LEN(algorithms); i++) {
        const struct ks_algorithm_info *a = &algorithms[i];

        if ((a->ec && strcmp(group, a->group) == 0) || (a->ed && ed))
            return a;
        if (!a->ec && !a->ed && rsa && EVP_PKEY_get_bits(pkey) == (int)a->bits)
            return exponent_ok(pkey) ? a : NULL;
    }
    return NULL;
}

const struct ks_algorithm_info *ks_algorithm_of_params(struct pke_bytes params)
{
    if (pke_bytes_eq(params, ks_ed25519_name))
        return ks_algorithm_info(KS_ED25519);
    for (size_t i = 0; i < PKE_LEN(algorithms); i++)
        if ((algorithms[i].ec || algorithms[i].ed) && pke_bytes_eq(algorithms[i].params, params))
            return &algorithms[i];
    return NULL;
}

int ks_signature_check(const struct ks_algorithm_info *algorithm, enum ks_signature signature,
                       struct ks_error *error)
{
    switch (signature) {
    case KS_SIGNATURE_DEFAULT:
        if (!algorithm->ed)
            return 0;
        return ks_fail(error, KS_PERMANENT, "key-signature", "signature: ed25519",
                       "the key is Ed25519, which not every client understands: the option must say so");
    case KS_SIGNATURE_RSA_PSS:
        if (!algorithm->ec && !algorithm->ed)
            return 0;
        return ks_fail(error, KS_PERMANENT, "key-signature", "signature: rsa-pss",
                       "the key is %s: only an RSA key signs with RSASSA-PSS", algorithm->name);
    case KS_SIGNATURE_ED25519:
        if (algorithm->ed)
            return 0;
        return ks_fail(error, KS_PERMANENT, "key-signature", "signature: ed25519",
                       "the key is %s, not Ed25519", algorithm->name);
    }
    return ks_fail(error, KS_PERMANENT, "key-signature", "signature", "unknown signature scheme");
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!params || !ctx)
        pke_oom();
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

EVP_PKEY *ks_public_rsa(struct pke_bytes modulus, struct pke_bytes exponent)
{
    OSSL_PARAM_BLD *bld;
    BIGNUM *n, *e;
    EVP_PKEY *pkey;

    if (modulus.n == 0 || modulus.n > 1024 || exponent.n == 0 || exponent.n > 32)
        return NULL;
    bld = OSSL_PARAM_BLD_new();
    n = BN_bin2bn(modulus.p, (int)modulus.n, NULL);
    e = BN_bin2bn(exponent.p, (int)exponent.n, NULL);
    if (!bld || !n || !e || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        pke_oom();
    pkey = from_params("RSA", bld);
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

EVP_PKEY *ks_public_ec(const struct ks_algorithm_info *curve, struct pke_bytes point)
{
    size_t raw = 1 + 2 * (size_t)(curve->bits / 8);
    OSSL_PARAM_BLD *bld;
    EVP_PKEY *pkey;

    /* Told apart by length alone: both lengths are below 128, so the DER header has exactly two octets. */
    if (point.n == raw + 2 && point.p[0] == 0x04 && point.p[1] == raw)
        point = PKE_BYTES(point.p + 2, raw);
    if (point.n != raw || point.p[0] != 0x04)
        return NULL;
    bld = OSSL_PARAM_BLD_new();
    if (!bld || OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) != 1)
        pke_oom();
    pkey = from_params("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

EVP_PKEY *ks_public_ed(struct pke_bytes point)
{
    /* Told apart by length, as above. */
    if (point.n == 34 && point.p[0] == 0x04 && point.p[1] == 32)
        point = PKE_BYTES(point.p + 2, 32);
    else if (point.n == 35 && point.p[0] == 0x03 && point.p[1] == 33 && point.p[2] == 0)
        point = PKE_BYTES(point.p + 3, 32);
    return point.n == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.p, point.n) : NULL;
}
