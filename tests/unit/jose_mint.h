/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Tokens for tests: four fresh key pairs of this run, their JWKS and PEM, and JWS over any header and
 * payload, right or wrong.
 */
#ifndef TESTS_UNIT_JOSE_MINT_H
#define TESTS_UNIT_JOSE_MINT_H

#include <openssl/evp.h>

#include "base/bytes.h"

enum mint_key { MINT_RSA, MINT_P256, MINT_P384, MINT_ED25519, MINT_OTHER_RSA, MINT__KEYS };

void mint_setup(void);
void mint_teardown(void);

/** "rsa", "p256", "p384", "ed", "other" */
const char *mint_kid(enum mint_key key);

/** A JWK without braces: "kty":...,"n":... . Static per key. */
const char *mint_members(enum mint_key key);

/** A JWKS of the first four, each with its kid and no alg. Caller frees. */
char *mint_jwks(void);

/** SubjectPublicKeyInfo as PEM, or the private key. Caller frees. */
char *mint_pem(enum mint_key key, bool private);

/** @p text in base64url. Caller frees. */
char *mint_b64(const char *text, size_t n);

/** base64url(header).base64url(payload).signature, signed as @p alg ("RS256", "HS256" with the PEM as its
 * secret, "none"). Caller frees. */
char *mint_jws(enum mint_key key, const char *alg, const char *header, const char *payload);

#endif
