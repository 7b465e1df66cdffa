/* SPDX-License-Identifier: Apache-2.0 */
/** @file To which key a token is bound: the claim cnf (RFC 7800). Pure. */
#ifndef DAEMON_AUTH_CONFIRMATION_H
#define DAEMON_AUTH_CONFIRMATION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define CONFIRMATION_HEX 65

/**
 * The member "spki#S256": base64url of the SHA-256 of the SubjectPublicKeyInfo of the CSR that the token is
 * for.
 * @param ret  lower-case hex, "" when the token has no cnf
 * @return PKE_UNAUTHENTICATED when it has one with anything else in it: what cannot be checked must not count
 * as unbound; or has none and is @p required to.
 */
enum pke_err confirmation_read(const json_t *claims, bool required, char ret[CONFIRMATION_HEX],
                               struct pke_fail *fail);

#endif
