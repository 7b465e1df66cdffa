/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "ca/der.h"
#include "ca/ossl.h"

#define RSA_BITS_FLOOR   2048
#define RSA_BITS_CEILING 8192

/* AlgorithmIdentifiers by their bytes: parameters have no room to say something else (explicit curves,
 * CVE-2020-0601, CVE-2022-0778). */
static const uint8_t alg_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t alg_p256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                   0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_p384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                   0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};

static const struct algorithm {
    struct pke_bytes der;
    enum ca_key_type type;
    unsigned bits;
} algorithms[] = {
    {{alg_rsa, sizeof alg_rsa}, CA_KEY_RSA, 0},
    {{alg_p256, sizeof alg_p256}, CA_KEY_P256, 256},
    {{alg_p384, sizeof alg_p384}, CA_KEY_P384, 384},
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
    if (key->point.n != 1 + 2 * (key->bits / 8) || key->point.p[0] != 0x04)
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-point", "RFC 5480 2.2",
                            "the public key is not an uncompressed point of %u-bit coordinates", key->bits);
    return PKE_OK;
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
        return ret->type == CA_KEY_RSA ? decode_rsa(ret, fail) : decode_ec(ret, fail);
    }
    return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-type", "RFC 3279 2.3.1, RFC 5480 2.1.1",
                        "the key algorithm is neither rsaEncryption with NULL nor id-ecPublicKey with the "
                        "named curve P-256 or P-384");
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

static EVP_PKEY *evp_ec(const struct ca_key *key)
{
    PKE_CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *ret = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         (char *)(key->type == CA_KEY_P256 ? "P-256" : "P-384"), 0),
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
