/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <tss2/tss2_rc.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

/* Format 1 (bit 7): handle, session or parameter number stands in bits 8 to 11 and what kind in bit 6. */
static TPM2_RC base_of(TSS2_RC rc)
{
    TPM2_RC code = rc & ~TSS2_RC_LAYER_MASK;

    return code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f) : code;
}

static bool from_tpm(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

    return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

bool tpm_rc_is(TSS2_RC rc, TPM2_RC code)
{
    return from_tpm(rc) && base_of(rc) == base_of(code);
}

/* TPM 2.0 part 2, 6.6.3. What is not here is KS_PERMANENT: a command that the TPM will not understand next
 * time either. */
static const struct {
    TPM2_RC code;
    enum ks_class cls;
    const char *reason; /* NULL: that of the class */
} table[] = {
    {TPM2_RC_RETRY, KS_TRANSIENT, NULL},
    {TPM2_RC_YIELDED, KS_TRANSIENT, NULL},
    {TPM2_RC_TESTING, KS_TRANSIENT, NULL},
    {TPM2_RC_CANCELED, KS_TRANSIENT, NULL},
    {TPM2_RC_NV_RATE, KS_TRANSIENT, NULL},
    {TPM2_RC_NV_UNAVAILABLE, KS_TRANSIENT, NULL},
    {TPM2_RC_MEMORY, KS_TRANSIENT, NULL},
    {TPM2_RC_OBJECT_MEMORY, KS_TRANSIENT, NULL},
    {TPM2_RC_SESSION_MEMORY, KS_TRANSIENT, NULL},
    {TPM2_RC_OBJECT_HANDLES, KS_TRANSIENT, NULL},
    {TPM2_RC_SESSION_HANDLES, KS_TRANSIENT, NULL},
    {TPM2_RC_CONTEXT_GAP, KS_TRANSIENT, NULL},
    {TPM2_RC_REFERENCE_H0, KS_SESSION, NULL},
    {TPM2_RC_REFERENCE_S0, KS_SESSION, NULL},
    {TPM2_RC_NONCE, KS_SESSION, NULL},
    {TPM2_RC_INITIALIZE, KS_TOKEN, NULL}, /* reset: TPM2_Startup, and everything anew */
    {TPM2_RC_REBOOT, KS_TOKEN, NULL},
    {TPM2_RC_AUTH_FAIL, KS_AUTH, NULL}, /* counted by the dictionary attack logic */
    {TPM2_RC_BAD_AUTH, KS_AUTH, NULL},  /* not counted: the object is noDA */
    {TPM2_RC_AUTH_MISSING, KS_AUTH, NULL},
    {TPM2_RC_AUTH_UNAVAILABLE, KS_AUTH, NULL},
    {TPM2_RC_LOCKOUT, KS_AUTH, "key-lockout"},
    {TPM2_RC_HANDLE, KS_PERMANENT, "key-missing"},
    {TPM2_RC_INTEGRITY, KS_PERMANENT, "key-foreign"}, /* a key file of another TPM, or before TPM2_Clear */
    {TPM2_RC_FAILURE, KS_PERMANENT, "key-tpm-failure"},
};

static size_t find(TSS2_RC rc)
{
    size_t i = 0;

    while (i < PKE_LEN(table) && !tpm_rc_is(rc, table[i].code))
        i++;
    return i;
}

/* What the libraries say: the connection, or an answer that nobody understands. The context cannot be used
 * any more (ESAPI stays in a state that refuses every call), so that it is made anew. */
static enum ks_class library_class(TSS2_RC rc)
{
    switch (rc & ~TSS2_RC_LAYER_MASK) {
    case TSS2_BASE_RC_MEMORY:
        return KS_TRANSIENT;
    case TSS2_BASE_RC_NOT_IMPLEMENTED:
    case TSS2_BASE_RC_NOT_SUPPORTED:
    case TSS2_BASE_RC_BAD_VALUE:
    case TSS2_BASE_RC_BAD_REFERENCE:
        return KS_PERMANENT;
    default:
        return KS_TOKEN;
    }
}

enum ks_class tpm_rc_class(TSS2_RC rc)
{
    size_t i;

    if (rc == TSS2_RC_SUCCESS)
        return KS_OK;
    if (!from_tpm(rc))
        return library_class(rc);
    /* 0x910 to 0x916, 0x918 to 0x91e: a handle or session of the command is not loaded. */
    if ((base_of(rc) & ~0xfU) == TPM2_RC_REFERENCE_H0)
        return KS_SESSION;
    i = find(rc);
    return i < PKE_LEN(table) ? table[i].cls : KS_PERMANENT;
}

static const char *reason_of(TSS2_RC rc, enum ks_class cls)
{
    size_t i = from_tpm(rc) ? find(rc) : PKE_LEN(table);

    if (i < PKE_LEN(table) && table[i].reason)
        return table[i].reason;
    if (rc == TSS2_ESYS_RC_RSP_AUTH_FAILED)
        return "key-response-forged";
    if (cls == KS_TOKEN)
        return "key-tpm-gone";
    return cls == KS_AUTH ? "key-auth-refused" : cls == KS_PERMANENT ? "key-tpm-refused" : "key-tpm-busy";
}

int tpm_fail(struct ks_error *error, const char *command, TSS2_RC rc)
{
    enum ks_class cls = tpm_rc_class(rc);
    char rule[sizeof error->fail.rule];

    if (cls == KS_OK)
        cls = KS_PERMANENT; /* called for a failure */
    snprintf(rule, sizeof rule, "TPM 2.0 %s", command);
    *error = (struct ks_error){.cls = cls, .raw = rc};
    pke_fail_set(&error->fail, ks_class_err(cls), reason_of(rc, cls), rule, "%s: %s (0x%" PRIx32 ")", command,
                 Tss2_RC_Decode(rc), rc);
    return -1;
}
