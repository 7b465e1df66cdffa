/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

#define SRK_ATTRIBUTES                                                                  \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define KEY_ATTRIBUTES                                                                  \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)

#define F4 65537

/* The template that tpm2-openssl makes its primary from, so that key files fit both. */
void tpm_public_srk(TPM2B_PUBLIC *ret)
{
    TPMT_PUBLIC *a = &ret->publicArea;

    *ret = (TPM2B_PUBLIC){0};
    a->type = TPM2_ALG_ECC;
    a->nameAlg = TPM2_ALG_SHA256;
    a->objectAttributes = SRK_ATTRIBUTES;
    a->parameters.eccDetail.symmetric.algorithm = TPM2_ALG_AES;
    a->parameters.eccDetail.symmetric.keyBits.aes = 128;
    a->parameters.eccDetail.symmetric.mode.aes = TPM2_ALG_CFB;
    a->parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    a->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
    a->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
}

bool tpm_public_is_srk(const TPMT_PUBLIC *area)
{
    const TPMS_ECC_PARMS *p = &area->parameters.eccDetail;

    return area->type == TPM2_ALG_ECC && area->nameAlg == TPM2_ALG_SHA256 &&
           area->objectAttributes == SRK_ATTRIBUTES && area->authPolicy.size == 0 &&
           p->symmetric.algorithm == TPM2_ALG_AES && p->symmetric.keyBits.aes == 128 &&
           p->symmetric.mode.aes == TPM2_ALG_CFB && p->scheme.scheme == TPM2_ALG_NULL &&
           p->curveID == TPM2_ECC_NIST_P256 && p->kdf.scheme == TPM2_ALG_NULL;
}

bool tpm_public_template(enum ks_key_algorithm algorithm, TPM2B_PUBLIC *ret)
{
    const struct ks_algorithm_info *info = ks_algorithm_info(algorithm);
    TPMT_PUBLIC *a = &ret->publicArea;

    *ret = (TPM2B_PUBLIC){0};
    if (!info || info->ed)
        return false;
    a->nameAlg = TPM2_ALG_SHA256;
    a->objectAttributes = KEY_ATTRIBUTES;
    if (!info->ec) {
        a->type = TPM2_ALG_RSA;
        a->parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
        a->parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
        a->parameters.rsaDetail.keyBits = (TPMI_RSA_KEY_BITS)info->bits;
        return true;
    }
    a->type = TPM2_ALG_ECC;
    a->parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
    a->parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    a->parameters.eccDetail.curveID = algorithm == KS_P384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256;
    a->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
    return true;
}

bool tpm_public_name(const TPMT_PUBLIC *area, TPM2B_NAME *ret)
{
    uint8_t buf[sizeof *area];
    const EVP_MD *md = area->nameAlg == TPM2_ALG_SHA256   ? EVP_sha256()
                       : area->nameAlg == TPM2_ALG_SHA384 ? EVP_sha384()
                                                          : NULL;
    size_t n = 0;
    unsigned digest_n = 0;

    *ret = (TPM2B_NAME){0};
    if (!md || Tss2_MU_TPMT_PUBLIC_Marshal(area, buf, sizeof buf, &n) != TSS2_RC_SUCCESS)
        return false;
    ret->name[0] = (BYTE)(area->nameAlg >> 8);
    ret->name[1] = (BYTE)area->nameAlg;
    if (EVP_Digest(buf, n, ret->name + 2, &digest_n, md, NULL) != 1)
        return false;
    ret->size = (UINT16)(2 + digest_n);
    return true;
}

static EVP_PKEY *rsa_of(const TPMT_PUBLIC *a)
{
    uint32_t e = a->parameters.rsaDetail.exponent ? a->parameters.rsaDetail.exponent : F4;
    uint8_t bytes[] = {(uint8_t)(e >> 24), (uint8_t)(e >> 16), (uint8_t)(e >> 8), (uint8_t)e};

    return ks_public_rsa(PKE_BYTES(a->unique.rsa.buffer, a->unique.rsa.size), PKE_BYTES(bytes, sizeof bytes));
}

/* A TPM may leave out leading zeros of a coordinate. */
static bool put_coordinate(const TPM2B_ECC_PARAMETER *v, uint8_t *to, size_t field)
{
    if (v->size > field)
        return false;
    memcpy(to + field - v->size, v->buffer, v->size);
    return true;
}

static EVP_PKEY *ec_of(const TPMT_PUBLIC *a)
{
    TPMI_ECC_CURVE curve = a->parameters.eccDetail.curveID;
    const struct ks_algorithm_info *info = curve == TPM2_ECC_NIST_P256   ? ks_algorithm_info(KS_P256)
                                           : curve == TPM2_ECC_NIST_P384 ? ks_algorithm_info(KS_P384)
                                                                         : NULL;
    uint8_t point[1 + 2 * 48] = {0x04};
    size_t field = info ? info->bits / 8 : 0;

    if (!info || !put_coordinate(&a->unique.ecc.x, point + 1, field) ||
        !put_coordinate(&a->unique.ecc.y, point + 1 + field, field))
        return NULL;
    return ks_public_ec(info, PKE_BYTES(point, 1 + 2 * field));
}

static void add(struct ks_facts *facts, const char *name, bool value, bool required)
{
    facts->attributes[facts->n_attributes++] = (struct ks_attribute){name, true, value, required};
}

/* TPM 2.0 part 2, 8.3. */
static const struct {
    TPMA_OBJECT bit;
    const char *name;
    bool required;
} object_attributes[] = {
    {TPMA_OBJECT_FIXEDTPM, "fixedTPM", true},
    {TPMA_OBJECT_FIXEDPARENT, "fixedParent", true},
    {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin", true},
    {TPMA_OBJECT_USERWITHAUTH, "userWithAuth", true},
    {TPMA_OBJECT_NODA, "noDA", true},
    {TPMA_OBJECT_SIGN_ENCRYPT, "sign", true},
    {TPMA_OBJECT_DECRYPT, "decrypt", false},
    {TPMA_OBJECT_RESTRICTED, "restricted", false},
    {TPMA_OBJECT_X509SIGN, "x509sign", false},
    {TPMA_OBJECT_ENCRYPTEDDUPLICATION, "encryptedDuplication", false},
};

int tpm_public_facts(const TPMT_PUBLIC *area, bool empty_auth, struct ks_facts *facts, struct ks_error *error)
{
    facts->n_attributes = 0;
    for (size_t i = 0; i < PKE_LEN(object_attributes); i++)
        add(facts, object_attributes[i].name, (area->objectAttributes & object_attributes[i].bit) != 0,
            object_attributes[i].required);
    add(facts, "authPolicy", area->authPolicy.size > 0, false); /* a second way in */
    add(facts, "emptyAuth", empty_auth, false);
    EVP_PKEY_free(facts->public_key);
    facts->public_key = area->type == TPM2_ALG_RSA   ? rsa_of(area)
                        : area->type == TPM2_ALG_ECC ? ec_of(area)
                                                     : NULL;
    if (!facts->public_key)
        return ks_fail(error, KS_PERMANENT, "key-algorithm", "CA key algorithms",
                       "the object is not an RSA key nor on P-256 or P-384");
    return 0;
}
