/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/tpm_rc.h"

#include <stdio.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>

#include "base/mem.h"
#include "keystore/rv.h"

#define LAYER_MASK 0xff0000u
#define FORMAT_ONE 0x080u
#define BASE_ONE   0x0bfu /* format bit and number; the rest says which handle, session or parameter */

struct rc_entry {
    TSS2_RC base;
    enum ks_class cls;
    enum tpm_rc_hint hint;
    const char *reason;
};

/* TPM 2.0 part 2, 6.6.3. What is not here has no cure but another configuration: KS_PERMANENT. */
static const struct rc_entry table[] = {
    {TPM2_RC_INITIALIZE, KS_TOKEN, TPM_RC_NO_STARTUP, "key-tpm-reset"},
    {TPM2_RC_FAILURE, KS_PERMANENT, TPM_RC_NO_HINT, "key-tpm-failure"},
    {TPM2_RC_REBOOT, KS_PERMANENT, TPM_RC_NO_HINT, "key-tpm-failure"},
    {TPM2_RC_UPGRADE, KS_PERMANENT, TPM_RC_NO_HINT, "key-tpm-failure"},
    {TPM2_RC_CONTEXT_GAP, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_OBJECT_MEMORY, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_SESSION_MEMORY, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_MEMORY, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_SESSION_HANDLES, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_OBJECT_HANDLES, KS_TRANSIENT, TPM_RC_MAKE_ROOM, "key-tpm-memory"},
    {TPM2_RC_YIELDED, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_CANCELED, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_TESTING, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_RETRY, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_NV_RATE, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_NV_UNAVAILABLE, KS_TRANSIENT, TPM_RC_NO_HINT, "key-transient"},
    {TPM2_RC_REFERENCE_H0, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H1, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H2, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H3, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H4, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H5, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_H6, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S0, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S1, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S2, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S3, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S4, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S5, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_REFERENCE_S6, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_NONCE, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_EXPIRED, KS_SESSION, TPM_RC_NO_HINT, "key-session-lost"},
    {TPM2_RC_LOCKOUT, KS_AUTH, TPM_RC_NO_HINT, "key-tpm-lockout"},
    {TPM2_RC_AUTH_FAIL, KS_AUTH, TPM_RC_NO_HINT, "key-pin-refused"},
    {TPM2_RC_BAD_AUTH, KS_AUTH, TPM_RC_NO_HINT, "key-pin-refused"},
    {TPM2_RC_HANDLE, KS_PERMANENT, TPM_RC_KEY_MISSING, "key-missing"},
    {TPM2_RC_INTEGRITY, KS_PERMANENT, TPM_RC_KEY_MISSING, "key-missing"},
};

TSS2_RC tpm_rc_base(TSS2_RC rc)
{
    TSS2_RC layer = rc & LAYER_MASK;

    /* The kernel's and abrmd's resource managers answer with codes of the TPM under their own layers. */
    if (layer == TSS2_RESMGR_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER)
        layer = TSS2_TPM_RC_LAYER;
    if (layer != TSS2_TPM_RC_LAYER)
        return rc;
    rc &= ~LAYER_MASK;
    return rc & FORMAT_ONE ? rc & BASE_ONE : rc;
}

static const struct rc_entry *find(TSS2_RC rc)
{
    TSS2_RC base = tpm_rc_base(rc);

    for (size_t i = 0; i < PKE_LEN(table); i++)
        if (table[i].base == base)
            return &table[i];
    return NULL;
}

enum ks_class tpm_rc_class(TSS2_RC rc)
{
    const struct rc_entry *e = find(rc);

    if (rc == TSS2_RC_SUCCESS)
        return KS_OK;
    if (e)
        return e->cls;
    /* After any failure of its own or of the carrier, ESAPI answers "bad sequence" for ever. */
    return tpm_rc_base(rc) & LAYER_MASK ? KS_TOKEN : KS_PERMANENT;
}

enum tpm_rc_hint tpm_rc_hint(TSS2_RC rc)
{
    const struct rc_entry *e = find(rc);

    return e ? e->hint : TPM_RC_NO_HINT;
}

static const char *reason_of(TSS2_RC rc, enum ks_class cls)
{
    const struct rc_entry *e = find(rc);

    if (e)
        return e->reason;
    if (rc == TSS2_ESYS_RC_RSP_AUTH_FAILED)
        return "key-tpm-forged";
    return cls == KS_TOKEN ? "key-token-gone" : "key-permanent";
}

int tpm_rc_fail(struct ks_error *error, const char *call, TSS2_RC rc)
{
    enum ks_class cls = tpm_rc_class(rc);
    const char *also = "";

    if (cls == KS_OK)
        cls = KS_PERMANENT; /* called for a failure: a "success" that the call may not give */
    if (rc == TSS2_ESYS_RC_RSP_AUTH_FAILED)
        also = "; the answer was altered between the TPM and here";
    else if (tpm_rc_hint(rc) == TPM_RC_KEY_MISSING)
        also = "; this TPM does not hold that key";
    else if (tpm_rc_hint(rc) == TPM_RC_NO_STARTUP)
        also = "; the TPM was reset";
    ks_fail(error, cls, reason_of(rc, cls), call, "%s returned 0x%x (%s)%s", call, rc, Tss2_RC_Decode(rc),
            also);
    error->raw = rc;
    return -1;
}
