/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The authoriser of a template: what it is asked, how its answer is verified, and what the answer may change.
 * Default deny: a request whose template names an authoriser is certified only after an answer that allows it
 * (attack A15). What it sets goes the way of every other name: rules of the template, floor, lint.
 */
#ifndef DAEMON_ISSUER_AUTHORISER_H
#define DAEMON_ISSUER_AUTHORISER_H

#include "base/arena.h"
#include "base/secret.h"
#include "daemon/common/conf.h"

#define AUTHORISER_QUESTION_MAX (384u << 10) /* bytes; the request itself is bounded by the frame */
#define AUTHORISER_TEXT_MAX     200          /* bytes of a text for the user, as denial-text */
#define AUTHORISER_VALIDITY_MIN 3600         /* seconds */

struct request;

enum authoriser_decision { AUTHORISER_ALLOW, AUTHORISER_DENY, AUTHORISER_PEND };

/** What one answer says. Texts in the arena it was read with. */
struct authoriser_answer {
    enum authoriser_decision decision;
    enum pke_err fault;     /* of a denial: its class */
    const char *text;       /* for the user; NULL: none */
    struct pke_pairs names; /* kinds of the identity map -> value */
    int64_t validity;       /* seconds; 0: as the template has it */
};

/** Secrets and rules of the configuration's authorisers, by their order in it. */
struct authorisers;

/** Read what issuer needs of them: answer secrets, static rules. PKE_CONFIG. Blocks on disk. */
enum pke_err authorisers_load(const struct conf *conf, struct authorisers **ret, struct pke_fail *fail);
void authorisers_free(struct authorisers *a); /* accepts NULL */

/**
 * Read the JSON body of an answer about the question @p id, strictly: no unknown member, none twice, no other
 * type.
 * @p id NULL: a rule of a file, which has none.
 * @return PKE_OK; PKE_MALFORMED: it must count as no answer at all.
 */
enum pke_err authoriser_answer_read(struct pke_bytes body, const char *id, struct pke_arena *arena,
                                    struct authoriser_answer *ret, struct pke_fail *fail);

/** The object `parameters` alone: names and validity of @p ret. PKE_MALFORMED. */
enum pke_err authoriser_parameters_read(struct pke_bytes text, struct pke_arena *arena,
                                        struct authoriser_answer *ret, struct pke_fail *fail);

/** The authoriser that has to allow it; NULL: its template names none. */
const struct conf_authoriser *authoriser_of(const struct request *req);

/**
 * After the request's own checks. *asks: a webhook's answer has to come first, and req->question is made.
 * PKE_OK, or req->fail: it would be refused whatever the answer were.
 */
enum pke_err authoriser_begin(struct request *req, bool *asks);

struct msg_commit;

/**
 * What came back with COMMIT. PKE_OK: allowed, and what it may set is set. Else req->fail: a denial,
 * PKE_PENDING, or PKE_BUSY for everything that is no proper answer (the client comes again).
 */
enum pke_err authoriser_end(struct request *req, const struct msg_commit *m);

/** The gate before T1: the rules of a static one decide here; what a webhook has not allowed is refused, on
 * whichever way it came here. */
enum pke_err authoriser_passed(struct request *req);

/* question.c: empty when it cannot be written */
struct pke_bytes authoriser_question(struct request *req);

#endif
