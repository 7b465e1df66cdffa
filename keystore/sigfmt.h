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

/** What is signed, and how. */
struct ks_hash {
    enum ks_digest digest;
    uint8_t value[48];
    size_t n;
    enum ks_signature signature; /* of the key; ks_hash_message leaves the default */
    struct pke_bytes message;    /* what was hashed: Ed25519 signs it whole. Borrowed */
};

/** RSASSA-PSS as RFC 4055 3.1 has it in a certificate: MGF1 and salt go by the digest. */
bool ks_pss(EVP_PKEY_CTX *ctx, enum ks_digest digest);

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

/**
 * Does @p signature, in X.509 form, verify over the digest (RSA-PSS: with MGF1 of the same digest and a salt
 * of its length, neither more nor less), or with Ed25519 over the message?
 */
bool ks_verify(EVP_PKEY *public_key, const struct ks_hash *hash, struct pke_bytes signature);

#endif
