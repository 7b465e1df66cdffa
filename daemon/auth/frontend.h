/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Credentials that only the frontend knows (endpoint option authenticator): auth writes the question, net
 * carries it, auth verifies the answer and vouches for whom it names. Nothing is kept in between, so that the
 * answer may come to any worker: what has to be remembered goes with net as a ticket, an assertion of a stage
 * that nobody accepts. doc/authoriser.md
 */
#ifndef DAEMON_AUTH_FRONTEND_H
#define DAEMON_AUTH_FRONTEND_H

#include "daemon/auth/core.h"

#define FRONTEND_TOKEN    "frontend-token"
#define FRONTEND_PASSWORD "frontend-password"

/** Read the answer secrets of what endpoints name as authenticator. PKE_CONFIG. Blocks on disk. */
enum pke_err frontend_open(struct auth_core *core, struct pke_fail *fail);
void frontend_close(struct auth_core *core);

/** Is this a kind that the frontend is asked about? */
bool frontend_knows(const char *kind);

/**
 * The question about @p m. ret->question holds the credential: wipe it. A blocked user or source is refused
 * as if the password were wrong, and the frontend hears nothing.
 * @return PKE_OK, or what auth_core_verify() refuses before it verifies.
 */
enum pke_err frontend_ask(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                          struct pke_arena *arena, struct msg_auth_ask *ret, struct pke_fail *fail);

/**
 * Verify the ticket, then the answer's signature, then its form; an answer that allows becomes an assertion.
 * @return PKE_OK with @p assertion and *ret; PKE_UNAUTHENTICATED, or the fault that the frontend chose;
 * PKE_BUSY for what is no proper answer (the client comes again); PKE_STALE, PKE_DEADLINE.
 */
enum pke_err frontend_answered(struct auth_core *core, const struct msg_auth_answer *m,
                               const struct auth_now *now, struct pke_arena *arena, struct pke_buf *assertion,
                               struct auth_identity *ret, struct pke_fail *fail);

/* frontend_answer.c */

/** What the frontend says of a credential. In the arena. */
struct frontend_answer {
    bool allowed;
    enum pke_err fault; /* of a denial */
    const char *text;   /* for the user; NULL: none */
    const char *principal, *user_id;
    struct pke_pairs claims;
};

/** Strictly: no unknown member, none twice. PKE_MALFORMED: it counts as no answer. */
enum pke_err frontend_answer_read(struct pke_bytes body, const char *id, struct pke_arena *arena,
                                  struct frontend_answer *ret, struct pke_fail *fail);

#endif
