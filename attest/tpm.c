/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm.h"

#include "attest/attest.h"

#define RULE_ATTEST  "TCG TPM 2.0 part 2, 10.12"
#define RULE_PUBLIC  "TCG TPM 2.0 part 2, 12.2"
#define MAGIC_TPMS   0xff544347u /* 0xff "TCG" */
#define TYPE_CERTIFY 0x8017
#define RSA_BYTES    1024
#define ECC_BYTES    128

bool attest_take_2b(struct pke_cursor *c, size_t max, struct pke_bytes *ret)
{
    struct pke_cursor at = *c;
    uint16_t n;

    if (!pke_take_u16(&at, &n) || n > max || !pke_take(&at, n, ret))
        return false;
    *c = at;
    return true;
}

enum pke_err attest_tpms_read(struct pke_bytes in, struct attest_tpms *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(in);
    uint32_t magic;
    uint16_t type;
    uint8_t safe;

    if (!pke_take_u32(&c, &magic) || !pke_take_u16(&c, &type) || magic != MAGIC_TPMS || type != TYPE_CERTIFY)
        return pke_fail_set(fail, PKE_POLICY, "attest-tpms", RULE_ATTEST,
                            "the attestation structure is none that a TPM made to certify a key");
    if (!attest_take_2b(&c, ATTEST_NAME_MAX, &ret->qualified_signer) ||
        !attest_take_2b(&c, ATTEST_DATA_MAX, &ret->extra_data) || !pke_take_u64(&c, &ret->clock) ||
        !pke_take_u32(&c, &ret->reset_count) || !pke_take_u32(&c, &ret->restart_count) ||
        !pke_take_u8(&c, &safe) || !pke_take_u64(&c, &ret->firmware) ||
        !attest_take_2b(&c, ATTEST_NAME_MAX, &ret->name) ||
        !attest_take_2b(&c, ATTEST_NAME_MAX, &ret->qualified_name) || pke_cursor_left(&c) != 0 || safe > 1)
        return pke_fail_set(fail, PKE_POLICY, "attest-tpms", RULE_ATTEST,
                            "the attestation structure is malformed");
    ret->safe = safe;
    return PKE_OK;
}

/* TPMT_SYM_DEF_OBJECT: keys that are no storage keys have none. */
static bool skip_symmetric(struct pke_cursor *c)
{
    uint16_t alg;
    struct pke_bytes bits_and_mode;

    return pke_take_u16(c, &alg) && (alg == TPM_ALG_NULL || pke_take(c, 4, &bits_and_mode));
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME, TPMT_KDF_SCHEME: a selector and, but for two, a hash. */
static bool skip_scheme(struct pke_cursor *c)
{
    uint16_t scheme;
    struct pke_bytes details;

    if (!pke_take_u16(c, &scheme))
        return false;
    if (scheme == TPM_ALG_NULL || scheme == TPM_ALG_RSAES)
        return true;
    return pke_take(c, scheme == TPM_ALG_ECDAA ? 4 : 2, &details);
}

static bool read_rsa(struct pke_cursor *c, struct attest_public *ret)
{
    uint16_t bits;

    if (!skip_symmetric(c) || !skip_scheme(c) || !pke_take_u16(c, &bits) ||
        !pke_take_u32(c, &ret->exponent) || !attest_take_2b(c, RSA_BYTES, &ret->modulus))
        return false;
    if (ret->exponent == 0)
        ret->exponent = 65537;
    return ret->modulus.n * 8 == bits && ret->modulus.n > 0;
}

static bool read_ecc(struct pke_cursor *c, struct attest_public *ret)
{
    return skip_symmetric(c) && skip_scheme(c) && pke_take_u16(c, &ret->curve) && skip_scheme(c) &&
           attest_take_2b(c, ECC_BYTES, &ret->x) && attest_take_2b(c, ECC_BYTES, &ret->y);
}

enum pke_err attest_public_read(struct pke_bytes in, struct attest_public *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(in);
    bool ok;

    *ret = (struct attest_public){.area = in};
    ok = pke_take_u16(&c, &ret->type) && pke_take_u16(&c, &ret->name_alg) &&
         pke_take_u32(&c, &ret->attributes) && attest_take_2b(&c, EVP_MAX_MD_SIZE, &ret->policy);
    if (ok && ret->type == TPM_ALG_RSA)
        ok = read_rsa(&c, ret);
    else
        ok = ok && ret->type == TPM_ALG_ECC && read_ecc(&c, ret);
    if (!ok || pke_cursor_left(&c) != 0)
        return pke_fail_set(fail, PKE_POLICY, "attest-public", RULE_PUBLIC,
                            "the key's public area is malformed, or not of RSA or ECC");
    return PKE_OK;
}

const EVP_MD *attest_digest(uint16_t alg)
{
    switch (alg) {
    case TPM_ALG_SHA256:
        return EVP_sha256();
    case TPM_ALG_SHA384:
        return EVP_sha384();
    case TPM_ALG_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

size_t attest_public_name(const struct attest_public *pub, uint8_t out[2 + EVP_MAX_MD_SIZE])
{
    const EVP_MD *md = attest_digest(pub->name_alg);
    unsigned n = 0;

    if (!md || EVP_Digest(pub->area.p, pub->area.n, out + 2, &n, md, NULL) != 1)
        return 0;
    out[0] = (uint8_t)(pub->name_alg >> 8);
    out[1] = (uint8_t)pub->name_alg;
    return n + 2;
}
