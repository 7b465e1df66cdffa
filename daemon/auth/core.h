/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What auth decides, apart from channels and clocks: is a credential right, and the user verbs.
 */
#ifndef DAEMON_AUTH_CORE_H
#define DAEMON_AUTH_CORE_H

#include "daemon/common/conf.h"
#include "daemon/common/msg.h"

/** Open things of one configuration snapshot. */
struct auth_core;

/**
 * Open the user file and the back-off table. @p secret is the assertion key. @p conf is borrowed for the life
 * of the core. @p writer: this process may change the user file (only one does).
 * @return PKE_OK, or PKE_CONFIG. Blocks on disk and for one password hash.
 */
enum pke_err auth_core_new(const struct conf *conf, struct pke_bytes secret, bool writer,
                           struct auth_core **ret, struct pke_fail *fail);
void auth_core_free(struct auth_core *core); /* accepts NULL; wipes */

/**
 * Read the keys of the token issuers; @p old, the core in force, hands over what it knows of them (NULL: this
 * process begins). See tokenkeys_new().
 */
enum pke_err auth_core_open_tokens(struct auth_core *core, const struct auth_core *old,
                                   struct pke_fail *fail);

/** Read key files that changed, and append what status tells of the token issuers. */
void auth_core_token_facts(struct auth_core *core, struct pke_arena *arena, struct pke_pairs *out);

/** Both clocks, read once per request: deadlines and back-off are monotonic, tokens and certificates are not.
 */
struct auth_now {
    uint64_t monotonic_ms;
    int64_t wall_seconds;
};

/** Who it is. Strings in the arena of the request. */
struct auth_identity {
    const char *principal; /* the name that templates allow and records show */
    const char *user_id; /* what stays when a name is given to somebody else; NULL: only the name is known */
    struct pke_pairs attributes; /* verified: "upn", "name", "tid", "oid" and the like */
};

/**
 * Verify a credential at @p now.
 *
 * Kind username: an unknown user, a wrong password, an impossible one and a blocked user or source get the
 * same answer, with the same text, after the same work: one yescrypt hash. A certificate or token may cost up
 * to a few signature checks, each after what is cheaper has passed. Reads the files of the credential that
 * changed (disk). The worker never sleeps.
 *
 * @param assertion  initialised by the caller; gets the MACed assertion
 * @param ret        zeroed by the caller; in @p arena
 * @return PKE_OK; PKE_UNAUTHENTICATED; PKE_UNSUPPORTED (unknown kind); PKE_DENIED (the endpoint does not take
 *         this kind, tenant or stage); PKE_STALE (unknown endpoint: another configuration); PKE_MALFORMED;
 *         PKE_DEADLINE; PKE_STORE_DOWN (the user file, the keys of a token issuer or the revocation list
 * cannot be used). Of a signed header also PKE_INVALID_SECURITY (its signature, its times, another request,
 * used before) and what soap_request_parse() and wstep_request_read() refuse in the document.
 */
enum pke_err auth_core_verify(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                              struct pke_arena *arena, struct pke_buf *assertion, struct auth_identity *ret,
                              struct pke_fail *fail);

/**
 * (each with tenant; the only one when it is left out) user-add {name, attribute ("NAME=VALUE", may repeat);
 * secret} -> the user; user-remove {name} -> the user; user-list {limit, cursor} -> {items, next}.
 * @return PKE_OK with JSON in @p json; PKE_EXISTS; PKE_NOT_FOUND; PKE_MALFORMED; PKE_STORE_DOWN;
 *         PKE_UNSUPPORTED for another verb or when not the writer.
 */
enum pke_err auth_core_verb(struct auth_core *core, const struct msg_verb *m, struct pke_buf *json,
                            struct pke_fail *fail);

#endif
