/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The signed statement of auth about who sent a request. Only auth and issuer hold the key, so that a
 * compromised net cannot make one (architecture: processes).
 */
#ifndef DAEMON_COMMON_ASSERTION_H
#define DAEMON_COMMON_ASSERTION_H

#include "ipc/record.h"

#define ASSERTION_KEY_SIZE    32
#define ASSERTION_LIFETIME_MS 60000

/** Attributes of the kinds signed-header and client-certificate: which certificate it was, in lower-case
 * hexadecimal. */
#define ASSERTION_CERTIFICATE_SHA256 "certificate-sha256" /* of the whole certificate */
/* of the SubjectPublicKeyInfo of the CA that signed it; absent: the certificate itself is what is trusted */
#define ASSERTION_ISSUER_SHA256 "certificate-issuer-sha256"

/* Attribute of the kind jwt: SHA-256 of the only SubjectPublicKeyInfo that the token is good for, in
 * lower-case hex */
#define ASSERTION_KEY_SHA256 "key-sha256"

struct assertion {
    const char *tenant;
    const char *principal;
    /* what stays when a name changes or is given to somebody else; NULL: only the name is known */
    const char *user_id;
    const char *kind;  /* credential kind */
    const char *stage; /* "policy" or "enroll": one is not accepted for the other */
    const char *endpoint;
    struct pke_pairs attributes;   /* "upn" and the like, from the user file or a token */
    struct pke_bytes request_hash; /* SHA-256 of the request's CSR or CMS */
    uint64_t expires;              /* CLOCK_MONOTONIC ms */
};

/** Append the encoded assertion and its HMAC-SHA256 to @p out. */
enum pke_err assertion_write(const struct assertion *a, struct pke_bytes key, struct pke_buf *out);

/**
 * Check the MAC, then the expiry against @p now_ms, then decode into @p arena.
 * @return PKE_OK; PKE_UNAUTHENTICATED when forged or expired.
 */
enum pke_err assertion_read(struct pke_bytes in, struct pke_bytes key, uint64_t now_ms,
                            struct pke_arena *arena, struct assertion *ret, struct pke_fail *fail);

#endif
