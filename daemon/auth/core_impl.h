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
    struct userfile *users;   /* NULL: the file cannot be used, for the reason below */
    struct stat seen;         /* the file that users were read from */
    struct pke_fail broken;
};

/** One kind of credential: the form of the message, the secret, who it is. */
typedef enum pke_err auth_verify_fn(struct auth_core *core, const struct msg_auth *m,
                                    const struct auth_now *now, struct pke_arena *arena,
                                    struct auth_identity *ret, struct pke_fail *fail);

/** Read the user file again when it changed. PKE_STORE_DOWN when it cannot be used. */
enum pke_err auth_core_refresh(struct auth_core *core, struct pke_fail *fail);

#endif
