/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The last look at a certificate before it is recorded and released: it is what lint saw, and it is signed.
 */
#ifndef CA_RELEASE_H
#define CA_RELEASE_H

#include "ca/issuer.h"
#include "ca/lint.h"

/**
 * @p certificate is exactly SEQUENCE { tbs, algorithm of @p ca, BIT STRING }; the octets of tbs are those
 * that ca_lint() passed, by @p linted; and the signature is one of @p ca over them. Costs a hash and a
 * verification (20 us with RSA-2048, 26 us with P-256).
 * @return PKE_OK, or PKE_INTERNAL: release-structure, release-not-linted, release-signature.
 */
enum pke_err ca_release_check(const struct ca_issuer *ca, const uint8_t linted[CA_LINT_DIGEST],
                              struct pke_bytes certificate, struct pke_fail *fail);

#endif
