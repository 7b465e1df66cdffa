/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "keystore/rv.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"

static TSS2_RC read_area(struct tpm *t, ESYS_TR tr, TPMT_PUBLIC *ret)
{
    TPM2B_PUBLIC *area = NULL;
    TSS2_RC rc = Esys_ReadPublic(t->esys, tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, NULL, NULL);

    if (rc == TSS2_RC_SUCCESS)
        *ret = area->publicArea;
    Esys_Free(area);
    return rc;
}

int tpm_srk_find(struct tpm *t, ESYS_TR *ret, struct ks_error *error)
{
    TPMT_PUBLIC area;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, TPM_SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret);

    if (rc != TSS2_RC_SUCCESS)
        *ret = ESYS_TR_NONE;
    if (tpm_rc_hint(rc) == TPM_RC_KEY_MISSING)
        return 0;
    if (rc == TSS2_RC_SUCCESS)
        rc = read_area(t, *ret, &area);
    if (rc == TSS2_RC_SUCCESS && tpm_public_is_srk(&area))
        return 0;
    if (*ret != ESYS_TR_NONE)
        Esys_TR_Close(t->esys, ret);
    *ret = ESYS_TR_NONE;
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_ReadPublic", rc);
    return ks_fail(error, KS_PERMANENT, "key-tpm-srk", "TCG provisioning guidance 7.8",
                   "the key at 0x81000001 is not a storage root key of ours (ECC P-256, AES-128-CFB, noDA)");
}

int tpm_primary_create(struct tpm *t, ESYS_TR *ret, struct ks_error *error)
{
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    TPM2B_PUBLIC template;
    TPM2B_DATA outside = {0};
    TPML_PCR_SELECTION pcr = {0};
    TSS2_RC rc;

    tpm_public_srk(&template);
    *ret = ESYS_TR_NONE;
    rc = Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                            &sensitive, &template, &outside, &pcr, ret, NULL, NULL, NULL, NULL);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    *ret = ESYS_TR_NONE;
    if (tpm_rc_class(rc) != KS_AUTH)
        return tpm_fail(t, error, "TPM2_CreatePrimary", rc);
    /* Not the key's PIN: no latch, but nothing to try again either. */
    ks_fail(error, KS_PERMANENT, "key-tpm-owner", "TPM2_CreatePrimary",
            "the owner hierarchy has an auth value (0x%x): the storage root key must be at 0x81000001", rc);
    error->raw = rc;
    return -1;
}

int tpm_parent_open(struct tpm *t, TPM2_HANDLE want, struct tpm_parent *ret, struct ks_error *error)
{
    TSS2_RC rc;

    *ret = (struct tpm_parent){.tr = ESYS_TR_NONE, .handle = want};
    if (want == TPM2_RH_OWNER) {
        if (!t->primary) {
            struct ks_error unfit;

            if (tpm_srk_find(t, &ret->tr, &unfit) == 0 && ret->tr != ESYS_TR_NONE) {
                ret->handle = TPM_SRK_HANDLE;
                return 0;
            }
        }
        ret->transient = true;
        return tpm_primary_create(t, &ret->tr, error);
    }
    rc = Esys_TR_FromTPMPublic(t->esys, want, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ret->tr);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    ret->tr = ESYS_TR_NONE;
    return tpm_fail(t, error, "TPM2_ReadPublic", rc);
}

void tpm_parent_close(struct tpm *t, struct tpm_parent *parent)
{
    if (parent->tr != ESYS_TR_NONE && parent->transient)
        (void)Esys_FlushContext(t->esys, parent->tr);
    else if (parent->tr != ESYS_TR_NONE)
        (void)Esys_TR_Close(t->esys, &parent->tr);
    parent->tr = ESYS_TR_NONE;
}

int tpm_session_start(struct tpm *t, ESYS_TR parent, ESYS_TR *ret, struct ks_error *error)
{
    static const TPMA_SESSION attributes =
        TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
    TPMT_SYM_DEF cipher = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TSS2_RC rc = Esys_StartAuthSession(t->esys, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &cipher, TPM2_ALG_SHA256, ret);

    if (rc != TSS2_RC_SUCCESS) {
        *ret = ESYS_TR_NONE;
        return tpm_fail(t, error, "TPM2_StartAuthSession", rc);
    }
    rc = Esys_TRSess_SetAttributes(t->esys, *ret, attributes, 0xff);
    return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(t, error, "Esys_TRSess_SetAttributes", rc);
}
