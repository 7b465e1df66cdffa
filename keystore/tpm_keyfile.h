/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: key files in the form "TSS2 PRIVATE KEY" (TPMKey of
 * draft-woodhouse-cert-best-practice 8, as tpm2-openssl reads and writes them). Pure functions.
 */
#ifndef KEYSTORE_TPM_KEYFILE_H
#define KEYSTORE_TPM_KEYFILE_H

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/error.h"

/** Key files are far smaller; more is refused before it is read. */
#define TPM_KEYFILE_MAX 16384

struct tpm_keyfile {
    bool empty_auth;    /* the key has no auth value */
    TPM2_HANDLE parent; /* TPM2_RH_OWNER, or a persistent handle */
    TPM2B_PUBLIC public;
    TPM2B_PRIVATE private;
};

/**
 * Read one PEM block and nothing else. Refused: another type than a loadable key (key-file-type), a policy or
 * an import secret (key-file-policy), a parent that is neither the owner hierarchy nor a persistent handle of
 * the owner (key-file-parent), anything that is not this structure to the last octet (key-file).
 * @return PKE_OK or PKE_CONFIG.
 */
enum pke_err tpm_keyfile_read(struct pke_bytes pem, struct tpm_keyfile *ret, struct pke_fail *fail);

/** Append the PEM text; emptyAuth is always written. PKE_OK or PKE_LIMIT of @p out. */
enum pke_err tpm_keyfile_write(const struct tpm_keyfile *file, struct pke_buf *out);

#endif
