/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Public keys that verify tokens: a JWKS (RFC 7517) or a PEM file as bytes, to an immutable key set. No I/O:
 * the caller reads the file. Each key is bound to exactly one algorithm, so that a token cannot choose
 * (RFC 8725 3.1, 3.5).
 */
#ifndef JOSE_JWKS_H
#define JOSE_JWKS_H

#include "base/bytes.h"
#include "jose/alg.h"

#define JOSE_KEYS_MAX_BYTES (256u << 10)
#define JOSE_KEYS_MAX       64  /* keys of one file */
#define JOSE_KID_MAX        128 /* bytes */
#define JOSE_ISSUER_MAX     320 /* bytes */
#define JOSE_RSA_MIN_BITS   2048
#define JOSE_RSA_MAX_BITS   8192

/** One usable key. */
struct jose_key {
    const char *kid;    /* NULL: the file names none */
    enum jose_alg alg;  /* the one algorithm that it verifies */
    const char *detail; /* "RSA-2048", "P-256", for people */
    const char
        *issuer; /* member of Microsoft's sets: whose tokens the key signs; NULL: the file does not say */
    const struct jose_key *also; /* the same key, listed once more with another issuer; NULL: it is not */
};

/** An immutable set, shared by reference. Not for threads. */
struct jose_keys;

/**
 * Read @p file. A text that begins with '{' is a JWKS; else it is PEM blocks "PUBLIC KEY", each of which has
 * its RFC 7638 SHA-256 thumbprint for a kid.
 *
 * @p algorithms (JOSE_ALG_BIT) are what may be used at all. A key without "alg" is bound to the one algorithm
 * of its type; RSA to RS256, or to PS256 when @p algorithms has only that. An RSA key without n may have its
 * certificate instead, first in x5c: nothing but the key is read from that.
 *
 * Skipped and counted (jose_keys_skipped): an unknown kty or crv, use other than "sig", key_ops without
 * "verify", an algorithm that is not in @p algorithms. Passed over and counted apart (jose_keys_unfit), so
 * that one odd key does not keep the others out (RFC 7517 5): an RSA modulus outside of 2048..8192 bits, an
 * exponent that is even or outside of 65537..2^32-1, a point that is not on its curve, an empty or too long
 * kid, members of the wrong type, encodings that are not canonical, and every key of a kid that two different
 * keys have. A key that is listed twice is one key.
 *
 * Refused as a whole: private or symmetric keys, broken JSON or PEM, more than JOSE_KEYS_MAX keys, and a file
 * without a usable key (with the reason of the first that was unfit, if any).
 *
 * @return PKE_OK with *ret (jose_keys_unref), or PKE_CONFIG: jwks-size, jwks-json, jwks-form, jwks-key,
 * jwks-private, jwks-weak, jwks-kid, jwks-pem, jwks-empty.
 */
enum pke_err jose_keys_parse(struct pke_bytes file, unsigned algorithms, struct jose_keys **ret,
                             struct pke_fail *fail);

struct jose_keys *jose_keys_ref(struct jose_keys *keys);
void jose_keys_unref(struct jose_keys *keys); /* accepts NULL */

size_t jose_keys_count(const struct jose_keys *keys);
size_t jose_keys_skipped(const struct jose_keys *keys); /* for something else */
size_t jose_keys_unfit(const struct jose_keys *keys);   /* that could have been for us */
/** Why the first of them is unfit; err PKE_OK when there is none. Lives as long as the set. */
const struct pke_fail *jose_keys_unfit_why(const struct jose_keys *keys);
const struct jose_key *jose_keys_at(const struct jose_keys *keys, size_t i);

/** Exact match; NULL when there is none. */
const struct jose_key *jose_keys_find(const struct jose_keys *keys, const char *kid);

/** Is @p signature that of @p data by @p key, under the key's algorithm? JWS form: EC as r||s. */
bool jose_key_verify(const struct jose_key *key, struct pke_bytes data, struct pke_bytes signature);

#endif
