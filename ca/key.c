/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "ca/der.h"
#include "ca/ossl.h"

#define RSA_BITS_FLOOR   2048
#define RSA_BITS_CEILING 8192
#define ED25519_SIZE     32

/* AlgorithmIdentifiers by their bytes: parameters have no room to say something else (explicit curves,
 * CVE-2020-0601, CVE-2022-0778). */
static const uint8_t alg_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t alg_p256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                   0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_p384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                   0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t alg_p521[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                   0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static const uint8_t alg_ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70}; /* RFC 8410 3 */

static const struct algorithm {
    struct pke_bytes der;
    enum ca_key_type type;
    unsigned bits;
} algorithms[] = {
    {{alg_rsa, sizeof alg_rsa}, CA_KEY_RSA, 0},
    {{alg_p256, sizeof alg_p256}, CA_KEY_P256, 256},
    {{alg_p384, sizeof alg_p384}, CA_KEY_P384, 384},
    {{alg_p521, sizeof alg_p521}, CA_KEY_P521, 521},
    {{alg_ed25519, sizeof alg_ed25519}, CA_KEY_ED25519, 256},
};

static enum pke_err bad_encoding(struct pke_fail *fail, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-encoding", rule, "%s", what);
}

static unsigned magnitude_bits(struct pke_bytes integer)
{
    struct pke_bytes m;
    unsigned bits;

    if (!ca_der_positive(integer, &m))
        return 0;
    bits = 8 * (unsigned)m.n;
    for (uint8_t top = m.p[0]; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    return bits;
}

static enum pke_err decode_rsa(struct ca_key *key, struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(key->point), inside;
    struct ca_der n, e;

    if (!ca_der_strict(key->point) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) ||
        !ca_der_take_tag(&inside, CA_DER_INTEGER, &n) || !ca_der_take_tag(&inside, CA_DER_INTEGER, &e) ||
        pke_cursor_left(&inside) > 0)
        return bad_encoding(fail, "RFC 8017 A.1.1", "the public key is not a DER RSAPublicKey");
    key->modulus = n.value;
    key->exponent = e.value;
    key->bits = magnitude_bits(n.value);
    return PKE_OK;
}

static enum pke_err decode_ec(struct ca_key *key, struct pke_fail *fail)
{
    if (key->point.n != 1 + 2 * ((key->bits + 7) / 8) || key->point.p[0] != 0x04)
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-point", "RFC 5480 2.2",
                            "the public key is not an uncompressed point of %u-bit coordinates", key->bits);
    return PKE_OK;
}

static enum pke_err decode_ed25519(struct ca_key *key, struct pke_fail *fail)
{
    if (key->point.n != ED25519_SIZE)
        return bad_encoding(fail, "RFC 8410 4", "the public key is not one of 32 octets");
    return PKE_OK;
}

static enum pke_err decode_value(struct ca_key *key, struct pke_fail *fail)
{
    return key->type == CA_KEY_RSA       ? decode_rsa(key, fail)
           : key->type == CA_KEY_ED25519 ? decode_ed25519(key, fail)
                                         : decode_ec(key, fail);
}

enum pke_err ca_key_decode(struct pke_bytes spki, struct ca_key *ret, struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(spki), inside;
    struct ca_der algorithm, bits;

    memset(ret, 0, sizeof *ret);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0 ||
        !ca_der_take_tag(&inside, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&inside, CA_DER_BIT_STRING, &bits) || pke_cursor_left(&inside) > 0 ||
        bits.value.n < 2 || bits.value.p[0] != 0)
        return bad_encoding(fail, "RFC 5280 4.1.2.7", "the SubjectPublicKeyInfo has the wrong structure");
    ret->algorithm = algorithm.full;
    ret->point = PKE_BYTES(bits.value.p + 1, bits.value.n - 1);
    for (size_t i = 0; i < PKE_LEN(algorithms); i++) {
        if (!pke_bytes_eq(algorithm.full, algorithms[i].der))
            continue;
        ret->type = algorithms[i].type;
        ret->bits = algorithms[i].bits;
        return decode_value(ret, fail);
    }
    return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-type", "RFC 3279 2.3.1, RFC 5480 2.1.1, RFC 8410 3",
                        "the key algorithm is neither rsaEncryption with NULL nor id-ecPublicKey with the "
                        "named curve P-256, P-384 or P-521 nor id-Ed25519");
}

static enum pke_err check_modulus(const struct ca_key *key, unsigned min_bits, unsigned max_bits,
                                  struct pke_bytes *modulus, struct pke_fail *fail)
{
    unsigned min = min_bits > RSA_BITS_FLOOR ? min_bits : RSA_BITS_FLOOR;
    unsigned max = max_bits < RSA_BITS_CEILING ? max_bits : RSA_BITS_CEILING;

    if (!ca_der_positive(key->modulus, modulus))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-modulus", "RFC 8017 3.1",
                            "the modulus is zero or negative");
    if (key->bits < min || key->bits > max || key->bits % 1024 != 0)
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-bits", "BR 6.1.5",
                            "the modulus has %u bits: not a multiple of 1024 from %u to %u", key->bits, min,
                            max);
    if (!(modulus->p[modulus->n - 1] & 1))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-modulus", "BR 6.1.6", "the modulus is even");
    return PKE_OK;
}

static enum pke_err check_exponent(const struct ca_key *key, struct pke_fail *fail)
{
    struct pke_bytes e;
    uint64_t value = 0;

    if (ca_der_positive(key->exponent, &e) && e.n <= 8)
        for (size_t i = 0; i < e.n; i++)
            value = value << 8 | e.p[i];
    if (value < 65537 || value % 2 == 0)
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-exponent", "BR 6.1.6",
                            "the public exponent is not odd, at least 65537 and below 2^64");
    return PKE_OK;
}

enum pke_err ca_key_rsa_size(const struct ca_key *key, unsigned min_bits, unsigned max_bits,
                             struct pke_bytes *modulus, struct pke_fail *fail)
{
    enum pke_err err = check_modulus(key, min_bits, max_bits, modulus, fail);

    return err ? err : check_exponent(key, fail);
}

/* The y of every point whose order divides 8, little endian (RFC 8032 5.1: p is 2^255 - 19). */
static bool small_order(const uint8_t y[ED25519_SIZE])
{
    static const uint8_t ys[][ED25519_SIZE] = {
        {0}, /* order 4 */
        {1}, /* order 1 */
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
         0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
         0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };

    for (size_t i = 0; i < PKE_LEN(ys); i++)
        if (memcmp(y, ys[i], ED25519_SIZE) == 0)
            return true;
    return false;
}

/* y is at least p: another encoding of a point that has one already. */
static bool not_reduced(const uint8_t y[ED25519_SIZE])
{
    for (size_t i = 1; i < ED25519_SIZE - 1; i++)
        if (y[i] != 0xff)
            return false;
    return y[ED25519_SIZE - 1] == 0x7f && y[0] >= 0xed;
}

bool ca_key_ed25519_good(const struct ca_key *key)
{
    uint8_t y[ED25519_SIZE];

    if (key->type != CA_KEY_ED25519)
        return true;
    memcpy(y, key->point.p, sizeof y);
    y[ED25519_SIZE - 1] &= 0x7f; /* the sign of x */
    return !small_order(y) && !not_reduced(y);
}

static EVP_PKEY *evp_ec(const struct ca_key *key)
{
    PKE_CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    const char *curve = key->type == CA_KEY_P256 ? "P-256" : key->type == CA_KEY_P384 ? "P-384" : "P-521";
    EVP_PKEY *ret = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)key->point.p, key->point.n),
        OSSL_PARAM_construct_end(),
    };

    if (!ctx)
        pke_oom();
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        ERR_clear_error();
        return NULL;
    }
    return ret;
}

EVP_PKEY *ca_key_evp(const struct ca_key *key)
{
    const unsigned char *p = key->point.p;
    EVP_PKEY *ret;

    if (key->type == CA_KEY_ED25519) {
        if (!(ret = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p, key->point.n)))
            pke_oom(); /* nothing is computed with these 32 octets yet */
        return ret;
    }
    if (key->type != CA_KEY_RSA)
        return evp_ec(key);
    ret = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)key->point.n);
    if (!ret)
        ERR_clear_error();
    return ret;
}

void ca_key_identifier(const struct ca_key *key, uint8_t out[20])
{
    ca_digest(CA_SHA1, key->point, out);
}
