/* SPDX-License-Identifier: Apache-2.0 */
/** @file The chain of an AIK certificate. Private to attest/. */
#ifndef ATTEST_ROOTS_H
#define ATTEST_ROOTS_H

#include <openssl/evp.h>

#include "attest/attest.h"

/**
 * Verify the first certificate of @p der (the others may help to build its chain) at the time @p now.
 * @param sha256  of the first certificate, as hexadecimal digits with NUL: 65 bytes; "" when there is none
 * @return PKE_OK with the certified key (caller frees), or PKE_POLICY: attest-aik-cert, attest-aik-chain,
 * attest-aik-eku, attest-aik-ca.
 */
enum pke_err attest_chain_verify(const struct attest_roots *roots, struct pke_bytes der, int64_t now,
                                 EVP_PKEY **ret, char *sha256, struct pke_fail *fail);

#endif
