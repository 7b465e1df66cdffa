/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * JWS compact serialisation (RFC 7515 7.1), verifying only, by the rules of RFC 8725. The token says which
 * key; the key says which algorithm.
 */
#ifndef JOSE_JWS_H
#define JOSE_JWS_H

#include "jose/jwks.h"

#define JWS_MAX        8192 /* bytes of a token */
#define JWS_HEADER_MAX 1024 /* bytes of its decoded header */
#define JWS_HINTS_MAX  8192 /* the same with rules.pass_hints: certificates are long */

struct jws_rules {
    const char *type;  /* what typ must be, present; NULL: "JWT" or absent. "application/" may stand before */
    bool allow_no_kid; /* a token without kid is meant for the only key of a set */
    bool pass_hints;   /* jku and x5c are passed over instead of refused (Azure Attestation); never used */
    size_t max;        /* bytes of a token; 0: JWS_MAX */
};

/** What the header said, as far as it was read: for a log. Not trusted before PKE_OK. */
struct jws_facts {
    char kid[JOSE_KID_MAX + 1]; /* "" when absent */
    char alg[16];
    char typ[80];               /* the same */
    const struct jose_key *key; /* that verified it, of the set; NULL without PKE_OK */
};

/**
 * Verify @p token and append its payload to @p payload, which is left alone otherwise.
 *
 * Refused: not three parts of canonical base64url; a header that is not a JSON object, holds a member twice,
 * names an algorithm other than its key's, or has one of jku, jwk, x5u, x5c, crit, zip, enc, b64; a typ other
 * than that of the rules; a kid that is not exactly that of a key. The signature is checked last.
 *
 * @return PKE_OK; PKE_UNAUTHENTICATED: jws-size, jws-form, jws-base64, jws-header, jws-header-member,
 * jws-type, jws-algorithm, jws-kid, jws-kid-missing, jws-key-unknown, jws-signature. The texts hold nothing
 * of the token.
 */
enum pke_err jws_verify(struct pke_bytes token, const struct jose_keys *keys, const struct jws_rules *rules,
                        struct pke_buf *payload, struct jws_facts *facts, struct pke_fail *fail);

#endif
