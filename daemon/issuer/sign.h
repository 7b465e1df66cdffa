/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The signing API: a frontend that speaks with the device itself brings the request over the control socket
 * and says who it is from. Everything else is as for a request of net: the same checks in the same order, the
 * same template, the same rows, the same key. doc/integration.md, seam B.
 */
#ifndef DAEMON_ISSUER_SIGN_H
#define DAEMON_ISSUER_SIGN_H

#include "daemon/issuer/issuer.h"

/** The credential kind of such requests: an endpoint that does not list it takes none. */
#define SIGN_CREDENTIAL "frontend"

/** A call that waits for its certificates. */
struct signing;

/** What a frontend says beside the bytes, in the arena of its request. */
struct vouched {
    const char *frontend;        /* its name; NULL: an admin */
    const char *idempotency_key; /* NULL: none */
    struct pke_pairs names; /* kinds of the identity map -> value; they take the place of what was known */
    int64_t validity;       /* seconds at most; 0: as the template says */
};

/** Verbs sign, sign-batch, renew, template-issuer. */
bool sign_verbs(struct issuer *is, uint64_t id, const struct msg_verb *v);

/** The end of the part @p index of a call: MSG_ISSUED or MSG_FAILED and its record. */
void sign_answer(struct signing *s, size_t index, uint16_t kind, const void *record);

/** req->vouched is there: the identity has the names that it says. */
void sign_take_names(struct request *req);

/** It is decided: is it within the bounds of the frontend? Takes one of its certificates. */
enum pke_err sign_check(struct request *req);

/** Is the certificate of an earlier request with the same Idempotency-Key that of this request? */
bool sign_is_same(const struct request *req, const char *principal, struct pke_bytes certificate);

#endif
