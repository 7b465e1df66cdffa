/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Keys and certificate requests in the shapes that Windows clients were seen to send.
 */
#ifndef PROBE_CSR_H
#define PROBE_CSR_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "probe/options.h"

/** New RSA key. Never NULL. */
EVP_PKEY *csr_new_key(unsigned bits);

/**
 * A PKCS#10 request: CN = start of a GUID, '!', device id; EKU clientAuth; extension 1.3.6.1.4.1.311.66.1.0
 * whose value is the device id with a NUL and not DER. Appends DER to @p out. PKE_OK or PKE_INTERNAL.
 */
enum pke_err csr_make(EVP_PKEY *key, enum probe_shape shape, const char *device_id, struct pke_buf *out,
                      struct pke_fail *fail);

/**
 * Read a request (PEM or DER), keeping its bytes.
 * @param device_id  33 bytes: receives the device id of the odd extension, or "" when there is none
 * @return PKE_OK with DER in @p out and *public_key (caller frees), or PKE_CSR_BAD.
 */
enum pke_err csr_read(struct pke_bytes file, struct pke_buf *out, EVP_PKEY **public_key, char device_id[33],
                      struct pke_fail *fail);

/**
 * Append a CMS SignedData (DER) around @p content (id-data): one signer, SHA-256, his certificate inside;
 * what Windows sends for a renewal. PKE_OK or PKE_INTERNAL.
 */
enum pke_err csr_sign(X509 *cert, EVP_PKEY *key, struct pke_bytes content, struct pke_buf *out,
                      struct pke_fail *fail);

/** Append @p der as PEM with @p label. */
void csr_pem(const char *label, struct pke_bytes der, struct pke_buf *out);

/** Append a certificate as PEM. */
void csr_certificate_pem(X509 *cert, struct pke_buf *out);

/** Append the private key as PKCS#8 PEM. */
void csr_key_pem(EVP_PKEY *key, struct pke_buf *out);

/** Private key from PEM; NULL when it is none. Asks for no passphrase. */
EVP_PKEY *csr_read_key(struct pke_bytes pem);

#endif
