/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * libcrypto as ca/ uses it: cleanup of its objects, digests fetched once. Private to ca/.
 */
#ifndef CA_OSSL_H
#define CA_OSSL_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "ca/kinds.h"

PKE_DEFINE_CLEANUP(BIO, BIO_free);
PKE_DEFINE_CLEANUP(BIGNUM, BN_free);
PKE_DEFINE_CLEANUP(BN_CTX, BN_CTX_free);
PKE_DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free);
PKE_DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free);
PKE_DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
PKE_DEFINE_CLEANUP(X509, X509_free);

#define CA_SHA1_SIZE   20
#define CA_SHA256_SIZE 32

/** Fetched at first use and kept for the life of the process: an implicit fetch costs more than the hash. */
const EVP_MD *ca_digest_md(enum ca_digest which);

/** Hash @p b. The digests of libcrypto fail only without memory, which ends the process. */
void ca_digest(enum ca_digest which, struct pke_bytes b, uint8_t *out);

/** EVP_DigestVerify says exactly 1. Leaves no entry in the error queue. */
bool ca_verify(EVP_PKEY *key, enum ca_digest which, struct pke_bytes data, struct pke_bytes signature);

#endif
