/* SPDX-License-Identifier: Apache-2.0 */
/* TPM2_Certify and TPM2_CertifyCreation of the CA key under an attestation key. */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "keystore/attestation.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"

#define NV_BLOCK 512 /* every TPM gives that many at once (PC Client PTP 4.5: NV_BUFFER_MAX) */

/* Certificates of endorsement keys (TCG EK Credential Profile 2.2.1.4, 2.2.1.5): ECC P-256, RSA-2048, ... */
static const TPM2_HANDLE ek_certificates[] = {0x01c0000a, 0x01c00002, 0x01c00016, 0x01c0001c};

static const TPM2B_PUBLIC ak_template = {
    .publicArea = {
        .type = TPM2_ALG_ECC,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                            TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                            TPMA_OBJECT_SIGN_ENCRYPT,
        .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                 .scheme = {.scheme = TPM2_ALG_ECDSA,
                                            .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                                 .curveID = TPM2_ECC_NIST_P256,
                                 .kdf.scheme = TPM2_ALG_NULL},
    }};

static int add_public(const TPMT_PUBLIC *area, struct pke_buf *out, struct ks_error *error)
{
    uint8_t block[sizeof *area];
    size_t n = 0;
    TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Marshal(area, block, sizeof block, &n);

    if (rc != TSS2_RC_SUCCESS)
        return tpm_rc_fail(error, "TPMT_PUBLIC", rc);
    pke_buf_add(out, block, n);
    return 0;
}

static int add_signature(const TPMT_SIGNATURE *s, struct pke_buf *out, struct ks_error *error)
{
    uint8_t block[sizeof *s];
    size_t n = 0;
    TSS2_RC rc = Tss2_MU_TPMT_SIGNATURE_Marshal(s, block, sizeof block, &n);

    if (rc != TSS2_RC_SUCCESS)
        return tpm_rc_fail(error, "TPMT_SIGNATURE", rc);
    pke_buf_add(out, block, n);
    return 0;
}

static int make_ak(struct tpm *t, bool owner, ESYS_TR *ak, struct ks_attestation *ret, struct ks_error *error)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PUBLIC *area = NULL;
    TSS2_RC rc = Esys_CreatePrimary(t->esys, owner ? ESYS_TR_RH_OWNER : ESYS_TR_RH_ENDORSEMENT,
                                    ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &ak_template,
                                    &outside, &pcrs, ak, &area, NULL, NULL, NULL);
    int result;

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_CreatePrimary", rc);
    result = add_public(&area->publicArea, &ret->part[KS_ATTEST_AK], error);
    Esys_Free(area);
    return result;
}

static int certify(struct tpm *t, ESYS_TR ak, const TPM2B_DATA *nonce, struct ks_attestation *ret,
                   struct ks_error *error)
{
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    TPM2B_ATTEST *attest = NULL;
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = Esys_Certify(t->esys, t->object, ak, t->salted ? t->session : ESYS_TR_PASSWORD,
                              ESYS_TR_PASSWORD, ESYS_TR_NONE, nonce, &scheme, &attest, &signature);
    int result;

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_Certify", rc);
    pke_buf_add(&ret->part[KS_ATTEST_CERTIFY], attest->attestationData, attest->size);
    result = add_signature(signature, &ret->part[KS_ATTEST_CERTIFY_SIGNATURE], error);
    Esys_Free(attest);
    Esys_Free(signature);
    return result;
}

/* What ks_generate() gave: creation data, their hash, the TPM's ticket. */
static bool read_creation(struct pke_bytes in, struct pke_buf *data, TPM2B_DIGEST *hash,
                          TPMT_TK_CREATION *ticket)
{
    struct pke_cursor c = pke_cursor_of(in);
    struct pke_bytes octets;
    uint16_t n;
    size_t at = 0;

    if (!pke_take_u16(&c, &n) || !pke_take(&c, n, &octets))
        return false;
    pke_buf_add_bytes(data, octets);
    return Tss2_MU_TPM2B_DIGEST_Unmarshal(c.p, pke_cursor_left(&c), &at, hash) == TSS2_RC_SUCCESS &&
           Tss2_MU_TPMT_TK_CREATION_Unmarshal(c.p, pke_cursor_left(&c), &at, ticket) == TSS2_RC_SUCCESS &&
           at == pke_cursor_left(&c);
}

static int certify_creation(struct tpm *t, ESYS_TR ak, const TPM2B_DATA *nonce, struct pke_bytes creation,
                            struct ks_attestation *ret, struct ks_error *error)
{
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    TPM2B_DIGEST hash = {0};
    TPMT_TK_CREATION ticket = {0};
    TPM2B_ATTEST *attest = NULL;
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc;
    int result;

    if (!read_creation(creation, &ret->part[KS_ATTEST_CREATION_DATA], &hash, &ticket))
        return ks_fail(error, KS_PERMANENT, "attest-creation", "TPM 2.0 part 3, 18.3",
                       "what should prove the creation cannot be read");
    rc = Esys_CertifyCreation(t->esys, ak, t->object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, nonce,
                              &hash, &scheme, &ticket, &attest, &signature);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_CertifyCreation", rc);
    pke_buf_add(&ret->part[KS_ATTEST_CREATION], attest->attestationData, attest->size);
    result = add_signature(signature, &ret->part[KS_ATTEST_CREATION_SIGNATURE], error);
    Esys_Free(attest);
    Esys_Free(signature);
    return result;
}

static bool read_nv(ESYS_CONTEXT *esys, ESYS_TR index, struct pke_buf *out)
{
    TPM2B_NV_PUBLIC *public = NULL;
    TSS2_RC rc = Esys_NV_ReadPublic(esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
    uint16_t size = rc == TSS2_RC_SUCCESS ? public->nvPublic.dataSize : 0, at = 0;

    Esys_Free(public);
    while (rc == TSS2_RC_SUCCESS && at < size) {
        TPM2B_MAX_NV_BUFFER *block = NULL;
        uint16_t n = size - at < NV_BLOCK ? (uint16_t)(size - at) : NV_BLOCK;

        rc = Esys_NV_Read(esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, n, at, &block);
        if (rc == TSS2_RC_SUCCESS) {
            pke_buf_add(out, block->buffer, block->size);
            at = block->size == n ? (uint16_t)(at + n) : size;
        }
        Esys_Free(block);
    }
    return rc == TSS2_RC_SUCCESS && !out->overflow;
}

/* For the reader's own use: whoever has none, or may not read it, has one thing less to look at. */
static void read_ek_certificate(struct tpm *t, struct pke_buf *out)
{
    for (size_t i = 0; out->n == 0 && i < sizeof ek_certificates / sizeof *ek_certificates; i++) {
        ESYS_TR index;

        if (Esys_TR_FromTPMPublic(t->esys, ek_certificates[i], ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &index) != TSS2_RC_SUCCESS)
            continue;
        if (!read_nv(t->esys, index, out))
            pke_buf_clear(out);
        Esys_TR_Close(t->esys, &index);
    }
}

static int add_key(struct tpm *t, struct pke_buf *out, struct ks_error *error)
{
    TPM2B_PUBLIC *area = NULL;
    TSS2_RC rc =
        Esys_ReadPublic(t->esys, t->object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, NULL, NULL);
    int result;

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_ReadPublic", rc);
    result = add_public(&area->publicArea, out, error);
    Esys_Free(area);
    return result;
}

struct attesting {
    TPM2B_DATA nonce;
    struct pke_bytes creation;
    bool owner;
    struct ks_attestation *ret;
};

static int attest_step(struct tpm *t, void *arg, struct ks_error *error)
{
    struct attesting *a = arg;
    ESYS_TR ak = ESYS_TR_NONE;
    int rc;

    for (size_t i = 0; i < KS_ATTEST_PARTS; i++) /* of an attempt that the TPM had no room for */
        pke_buf_clear(&a->ret->part[i]);
    if (tpm_ready(t, NULL, error) != 0 || add_key(t, &a->ret->part[KS_ATTEST_KEY], error) != 0 ||
        make_ak(t, a->owner, &ak, a->ret, error) != 0)
        return -1;
    rc = certify(t, ak, &a->nonce, a->ret, error);
    if (rc == 0 && a->creation.n > 0)
        rc = certify_creation(t, ak, &a->nonce, a->creation, a->ret, error);
    (void)Esys_FlushContext(t->esys, ak);
    if (rc == 0)
        read_ek_certificate(t, &a->ret->part[KS_ATTEST_EK_CERTIFICATE]);
    return rc;
}

int ks_attest(const struct ks_config *config, struct pke_bytes nonce, struct pke_bytes creation, bool owner,
              struct ks_attestation *ret, struct ks_error *error)
{
    struct attesting a = {.nonce.size = (UINT16)nonce.n, .creation = creation, .owner = owner, .ret = ret};
    struct ks_key *key;
    int rc;

    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend != KS_TPM2)
        return ks_fail(error, KS_PERMANENT, "attest-backend", "TPM2_Certify",
                       "only a TPM proves that a key is in it");
    if (nonce.n < KS_ATTEST_NONCE_MIN || nonce.n > KS_ATTEST_NONCE_MAX)
        return ks_fail(error, KS_PERMANENT, "attest-nonce", "TPM 2.0 part 2, 10.4.3",
                       "a nonce has 8 to 32 octets");
    memcpy(a.nonce.buffer, nonce.p, nonce.n);
    if (ks_open(config, PKE_BYTES(NULL, 0), &key, error) != 0)
        return -1;
    rc = tpm_retry(key->ctx, attest_step, &a, error);
    ks_close(key);
    return rc;
}
