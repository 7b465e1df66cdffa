/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * How a request was decided, said while it is decided: steps of req->trail, and what the record and the
 * operator get of them. Nothing here decides anything or can fail. No secret is ever a value: no token, no
 * password, no evidence.
 */
#ifndef DAEMON_ISSUER_EXPLAIN_H
#define DAEMON_ISSUER_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/trail.h"

#define EXPLAIN_MAX      (16u << 10) /* octets of what explain_text() gives */
#define EXPLAIN_TEXT_MAX 512         /* octets of one text in it */

struct request;

/** One step; @p format makes its value, NULL: it has none. */
void explain(struct request *req, enum pke_trail_outcome outcome, const char *what, const char *rule,
             const char *source, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* What is known after the parts of a decision, each in the order in which they come. */
void explain_identity(struct request *req);
void explain_csr(struct request *req); /* also of one that was refused: as far as it was read */
void explain_device(struct request *req);
void explain_certificate(struct request *req, bool linted); /* nothing when it could not be built */

/** The last step of a request that ended with @p why, and req->explanation. Once; later calls change
 * nothing. */
void explain_refused(struct request *req, const struct pke_fail *why);

/** Array of objects with the members step, outcome and, where there are any, rule, value, source. */
json_t *explain_json(const struct pke_trail *trail);

/**
 * The same as ASCII text of at most @p max octets (at least 4096), in @p arena: valid JSON whatever the
 * values hold. What is too much is left out before the last step, which says why, and said to be.
 */
const char *explain_text(const struct pke_trail *trail, size_t max, struct pke_arena *arena);

/** What was dropped of the CSR, one line for the log, at most some 200 octets; NULL: nothing. */
const char *explain_dropped(const struct pke_trail *trail, struct pke_arena *arena);

#endif
