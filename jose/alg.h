/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The signature algorithms of RFC 7518 and RFC 8037 that are verified. There is no symmetric one and no
 * "none": what is not in this list does not exist (RFC 8725 3.1).
 */
#ifndef JOSE_ALG_H
#define JOSE_ALG_H

#include <stdbool.h>

enum jose_alg { JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_ES384, JOSE_EDDSA, JOSE_ALG__MAX };

/** A set of algorithms: one bit each. */
#define JOSE_ALG_BIT(alg) (1u << (alg))
#define JOSE_ALGS_ALL     (JOSE_ALG_BIT(JOSE_ALG__MAX) - 1)

/** "RS256"; "?" when out of range. Static storage. */
const char *jose_alg_name(enum jose_alg alg);

/** Exact, letter case included. False for anything that is not verified. */
bool jose_alg_from_name(const char *name, enum jose_alg *ret);

#endif
