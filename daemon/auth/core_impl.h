/* SPDX-License-Identifier: Apache-2.0 */
/** @file Inside of core.h, shared by verifying and the user verbs. */
#ifndef DAEMON_AUTH_CORE_IMPL_H
#define DAEMON_AUTH_CORE_IMPL_H

#include <sys/stat.h>

#include "base/secret.h"
#include "daemon/auth/backoff.h"
#include "daemon/auth/core.h"
#include "daemon/auth/password.h"
#include "daemon/auth/tokenkeys.h"
#include "daemon/auth/userfile.h"
#include "daemon/common/assertion.h"

/** The user file of one tenant. */
struct auth_users {
    const char *tenant, *path;
    struct userfile *file; /* NULL: it cannot be used, for the reason below */
    struct stat seen;      /* the file that it was read from */
    struct pke_fail broken;
};

struct auth_core {
    const struct conf *conf;
    struct pke_secret *key;
    bool writer;
    struct password *passwords;
    struct backoff *backoff;
    struct certificates *certificates;
    struct replay *replay;
    struct xmlsig *xmlsig;
    struct tokenkeys *tokens; /* NULL until auth_core_open_tokens() */
    struct auth_users *users; /* of the tenants that have some */
    size_t n_users;
    struct pke_secret **hooks; /* answer secrets by the order of conf->authorisers; NULL: none */
};

/** One kind of credential: the form of the message, the secret, who it is. */
typedef enum pke_err auth_verify_fn(struct auth_core *core, const struct msg_auth *m,
                                    const struct auth_now *now, struct pke_arena *arena,
                                    struct auth_identity *ret, struct pke_fail *fail);

/* core.c */

/** May this be verified here: endpoint, kind, tenant, stage, hash, deadline? */
enum pke_err auth_check_request(const struct auth_core *core, const struct msg_auth *m, uint64_t now_ms,
                                struct pke_fail *fail);

enum pke_err auth_write_assertion(const struct auth_core *core, const struct assertion *a,
                                  struct pke_buf *out, struct pke_fail *fail);

/** Who tries a password: back-off counts by either. */
struct auth_attempt {
    const char *tenant, *user;
    const char *source; /* address; NULL: not known */
};
bool auth_backoff_blocked(struct auth_core *core, const struct auth_attempt *a, uint64_t now_ms,
                          struct pke_arena *arena);
void auth_backoff_count(struct auth_core *core, const struct auth_attempt *a, bool right, uint64_t now_ms,
                        struct pke_arena *arena);

/* users.c */

/** Read the user files of all tenants; auth_users_close() after an error as well. Blocks on disk. */
enum pke_err auth_users_open(struct auth_core *core, struct pke_fail *fail);
void auth_users_close(struct auth_core *core);

/**
 * The users of @p tenant; its file is read again when it changed.
 * @return PKE_OK; PKE_NOT_FOUND (no such tenant, or it has none); PKE_STORE_DOWN (the file cannot be used).
 */
enum pke_err auth_users_of(struct auth_core *core, const char *tenant, struct auth_users **ret,
                           struct pke_fail *fail);

#endif
