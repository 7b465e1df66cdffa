/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * An HTTP request of the control API as a verb with its arguments: a pure function over the reader's result.
 */
#ifndef DAEMON_CONTROL_REQUEST_H
#define DAEMON_CONTROL_REQUEST_H

#include "base/list.h"
#include "base/secret.h"
#include "daemon/common/http.h"
#include "ipc/verbs.h"

/** Strings live in the arena; the secret is apart so that it can be wiped. */
struct control_request {
    const struct verb *verb;
    struct pke_pairs args;
    struct pke_secret *secret; /* owned: control_request_done */
};

/**
 * Which verb is asked for; nothing but method and path is looked at.
 * @return PKE_OK with ret->verb; PKE_NOT_FOUND; PKE_UNSUPPORTED (the path exists with another method:
 * ret->verb).
 */
enum pke_err control_request_route(const struct http_request *http, struct control_request *ret,
                                   struct pke_bytes *path_value, struct pke_fail *fail);

/**
 * The arguments of ret->verb from path, query and body. Unknown, repeated, malformed and missing arguments
 * and a body where none belongs are refused.
 * @return PKE_OK; PKE_MALFORMED.
 */
enum pke_err control_request_args(const struct http_request *http, struct pke_bytes body,
                                  struct pke_bytes path_value, struct pke_arena *arena,
                                  struct control_request *ret, struct pke_fail *fail);

/** Value of the limit argument, VERB_LIMIT_DEFAULT when absent. */
unsigned control_request_limit(const struct pke_pairs *args);

/** Wipe and release the secret. */
void control_request_done(struct control_request *r);

#endif
