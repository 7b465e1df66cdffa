/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Public keys in the encodings that meet in an attestation, all as EVP_PKEY, so that they can be compared.
 * Private to attest/.
 */
#ifndef ATTEST_KEY_H
#define ATTEST_KEY_H

#include <openssl/evp.h>

#include "attest/tpm.h"

/* Each gives a key that the caller frees, or NULL when there is none in it. */

EVP_PKEY *attest_key_rsa(struct pke_bytes modulus, struct pke_bytes exponent);
/** @p group "P-256" or "P-384"; coordinates big endian, at most as long as the field. The point must be on
 * the curve. */
EVP_PKEY *attest_key_ec(const char *group, struct pke_bytes x, struct pke_bytes y);
/** DER SubjectPublicKeyInfo, no byte more. */
EVP_PKEY *attest_key_spki(struct pke_bytes der);
EVP_PKEY *attest_key_public(const struct attest_public *pub);
/** AIKPub: its encoding is not documented. BCRYPT_RSAPUBLIC_BLOB ("RSA1"), SubjectPublicKeyInfo, TPM2B_PUBLIC
 * or TPMT_PUBLIC. */
EVP_PKEY *attest_key_any(struct pke_bytes in);

#endif
