/* SPDX-License-Identifier: Apache-2.0 */
/** @file The signature of an AIK. Private to attest/. */
#ifndef ATTEST_SIGNATURE_H
#define ATTEST_SIGNATURE_H

#include <openssl/evp.h>

#include "base/bytes.h"

/**
 * Is @p signature one of @p key over @p data? In the raw forms of the Platform Crypto Provider (RSASSA with
 * SHA-256; r and s of ECDSA with SHA-256), or a TPMT_SIGNATURE (RSASSA, RSAPSS, ECDSA with SHA-256 or more).
 */
bool attest_signature_ok(EVP_PKEY *key, struct pke_bytes data, struct pke_bytes signature);

#endif
