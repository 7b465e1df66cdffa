/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: how commands reach the TPM. Every command has a deadline, whatever carries it.
 */
#ifndef KEYSTORE_TPM_TCTI_H
#define KEYSTORE_TPM_TCTI_H

#include <tss2/tss2_tcti.h>

#include "base/error.h"
#include "keystore/keystore.h"

/** How a TCTI string reaches the TPM. */
struct tpm_tcti_kind {
    bool local;     /* a socket on this machine: nobody can listen between */
    bool exclusive; /* no resource manager between: what is left in the TPM is ours */
};

/**
 * "unix:/path" (raw commands over a stream socket, as swtpm's --server type=unixio), "device:/dev/tpmrm0",
 * "tabrmd:options". The other kinds of tctildr are refused.
 */
enum pke_err tpm_tcti_check(const char *tcti, struct tpm_tcti_kind *ret, struct pke_fail *fail);

/**
 * Connect. A command that is not answered within @p deadline_ms ends with TSS2_TCTI_RC_IO_ERROR; the TCTI is
 * of no use after that. Release with tpm_tcti_close.
 * @return 0, or -1 with @p error (KS_TOKEN: nobody is there; KS_PERMANENT: not a TCTI of ours).
 */
int tpm_tcti_open(const char *tcti, unsigned deadline_ms, TSS2_TCTI_CONTEXT **ret, struct ks_error *error);

/** Accepts NULL. */
void tpm_tcti_close(TSS2_TCTI_CONTEXT *tcti);

/** Did a command run out of time? */
bool tpm_tcti_late(TSS2_TCTI_CONTEXT *tcti);

/**
 * Raw TPM commands over the unix stream socket @p path. Timeouts are honoured (swtpm's own TCTI does not);
 * receive may be called again after TSS2_TCTI_RC_TRY_AGAIN. Finalize closes, free() releases. Not connected
 * within @p deadline_ms (not 0): NULL with errno.
 */
TSS2_TCTI_CONTEXT *tpm_tcti_fd_new(const char *path, unsigned deadline_ms);

/** Milliseconds of the monotonic clock. */
int64_t tpm_now_ms(void);

#endif
