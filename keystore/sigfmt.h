/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: digests in and signature values out, between the forms of X.509 and of Cryptoki. Pure
 * functions.
 */
#ifndef KEYSTORE_SIGFMT_H
#define KEYSTORE_SIGFMT_H

#include <openssl/evp.h>

#include "keystore/keystore.h"

struct ks_hash {
    enum ks_digest digest;
    uint8_t value[48];
    size_t n;
};

const EVP_MD *ks_md(enum ks_digest digest);

/** Hash @p message. False when the digest is unknown. */
bool ks_hash_message(enum ks_digest digest, struct pke_bytes message, struct ks_hash *ret);

#define KS_DIGESTINFO_MAX 80

/** DER DigestInfo with NULL parameters (RFC 8017 9.2 note 1), the input of CKM_RSA_PKCS. Returns its length.
 */
size_t ks_digestinfo(const struct ks_hash *hash, uint8_t out[KS_DIGESTINFO_MAX]);

/**
 * r || s (PKCS#11 2.3.1: two halves of equal length, at most the size of the group order) to the DER
 * Ecdsa-Sig-Value of RFC 3279 2.2.3, appended to @p out. False when it cannot be a signature.
 */
bool ks_ecdsa_der(struct pke_bytes raw, size_t order_bytes, struct pke_buf *out);

/** Does @p signature, in X.509 form, verify over the digest? */
bool ks_verify(EVP_PKEY *public_key, const struct ks_hash *hash, struct pke_bytes signature);

#endif
