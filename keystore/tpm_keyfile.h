/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: the "TSS2 PRIVATE KEY" file (draft-woodhouse-tpm-keys), as tpm2-openssl reads and
 * writes it, loadable keys without a policy only. Pure functions.
 */
#ifndef KEYSTORE_TPM_KEYFILE_H
#define KEYSTORE_TPM_KEYFILE_H

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"

#define TPM_KEYFILE_MAX 16384

/** The draft says absent means that an auth value is needed; tpm2-openssl takes it for none. */
enum tpm_empty_auth { TPM_EMPTY_AUTH_ABSENT, TPM_EMPTY_AUTH_NO, TPM_EMPTY_AUTH_YES };

struct tpm_keyfile {
    TPM2_HANDLE parent; /* TPM2_RH_OWNER or a persistent handle of the owner */
    enum tpm_empty_auth empty_auth;
    TPM2B_PUBLIC public_area;
    TPM2B_PRIVATE private_area; /* encrypted by the TPM */
};

/**
 * Strict: one PEM block and nothing else but white space around it; DER; no policy, authPolicy or secret; no
 * octet behind any structure.
 * @return PKE_OK, or PKE_CONFIG (reason key-file).
 */
enum pke_err tpm_keyfile_parse(struct pke_bytes pem, struct tpm_keyfile *ret, struct pke_fail *fail);

/** Append the PEM text of @p file; emptyAuth is always written. False when @p out is full. */
bool tpm_keyfile_write(const struct tpm_keyfile *file, struct pke_buf *out);

#endif
