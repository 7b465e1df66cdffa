/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: what each response code of a TPM or of the TSS means to the caller, in one table.
 * Pure functions.
 */
#ifndef KEYSTORE_TPM_RC_H
#define KEYSTORE_TPM_RC_H

#include <tss2/tss2_common.h>

#include "keystore/keystore.h"

/** What besides the class decides about the next step. */
enum tpm_rc_hint {
    TPM_RC_NO_HINT,
    TPM_RC_MAKE_ROOM,   /* give back own sessions and objects before the next attempt */
    TPM_RC_NO_STARTUP,  /* the TPM was reset and waits for TPM2_Startup */
    TPM_RC_KEY_MISSING, /* no such persistent object, or a blob of another TPM */
};

/**
 * The TPM's own code without layer and without the number of the handle, session or parameter: 0x98e and
 * 0x18e give 0x08e. Codes of other layers are returned as they are.
 */
TSS2_RC tpm_rc_base(TSS2_RC rc);

/** Class of @p rc. What the table does not know is KS_PERMANENT from a TPM and KS_TOKEN from the software. */
enum ks_class tpm_rc_class(TSS2_RC rc);
enum tpm_rc_hint tpm_rc_hint(TSS2_RC rc);

/** Describe the failure of @p call ("TPM2_Sign"), the code decoded. Returns -1. */
int tpm_rc_fail(struct ks_error *error, const char *call, TSS2_RC rc);

#endif
