/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One SOAP exchange and what holds for every answer: HTTP, WS-Addressing, fault.
 */
#ifndef PROBE_EXCHANGE_H
#define PROBE_EXCHANGE_H

#include "probe/message.h"
#include "probe/run.h"
#include "probe/xml.h"

struct exchange {
    const char *url;
    const char *name;       /* file name stem in the artefact folder */
    const char *action;     /* expected in the answer */
    const char *message_id; /* of the request */
    struct pke_buf sent;    /* wiped by exchange_done: has the password or token */
    struct http_reply reply;
    struct xml *xml; /* the answer; NULL when there is none to read */
};

/**
 * Write the message of @p kind to ex->sent, and to the artefact folder without what is secret in it.
 * @return false with a failed check.
 */
bool exchange_compose(struct probe *p, struct exchange *ex, enum message_kind kind);

/**
 * Send ex->sent and check what every answer must have.
 * @return true when ex->xml is an answer of the stage (not a fault, not garbage): the stage's own checks can
 * go on.
 */
bool exchange_run(struct probe *p, struct exchange *ex);

void exchange_done(struct exchange *ex);

/** Record the fault in @p xml as the client reads it; false when there is none. @p xml may be NULL. */
bool fault_read(struct probe *p, struct xml *xml, long http_status);

/**
 * Take the provisioning document out of a RequestSecurityToken answer, keep it as @p document_name and check
 * it. False when there is none.
 */
bool token_check(struct probe *p, struct xml *x, const char *document_name);

/** Check a GetPolicies answer; false when there is no policy in it. Fills p->key_bits, p->policy_ca. */
bool policy_check(struct probe *p, struct xml *x);

#endif
