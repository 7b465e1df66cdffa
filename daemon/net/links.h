/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Questions to the other roles: the auth workers and the issuer, over the channels that main gave. A dead
 * channel answers what was in flight; main gives a new one when the role is back.
 */
#ifndef DAEMON_NET_LINKS_H
#define DAEMON_NET_LINKS_H

#include <event2/event.h>

#include "daemon/common/chan.h"
#include "daemon/common/msg.h"
#include "daemon/common/role.h"

struct links;
struct link_call;

/** The answer, or NULL and why there is none. Called exactly once unless forgotten, never inside links_ask.
 */
typedef void links_answer_fn(const struct ipc_frame *f, const struct pke_fail *fail, void *arg);

/** A frame that answers nothing (id 0). */
typedef void links_unasked_fn(const struct ipc_frame *f, void *arg);

/** @p role hears of links that broke. */
struct links *links_new(struct role *role, links_unasked_fn *unasked, void *arg);

/** Take over @p fd as the channel to the peer; an older channel to the same one is dropped. */
void links_add(struct links *l, const struct msg_link *peer, int fd);

/** Is there a channel to a process of this role? */
bool links_up(const struct links *l, enum role_id role);

struct link_question {
    enum role_id to; /* ROLE_AUTH: the worker with the least to do */
    uint16_t kind;
    const struct ipc_field *fields;
    const void *record;
    uint64_t now, deadline; /* CLOCK_MONOTONIC ms: what cannot be done by then is not asked */
};

/**
 * Ask. Never blocks.
 * @return the call, or NULL with *fail: PKE_BUSY (no auth worker, or a queue that outlasts the deadline) or
 *         PKE_STORE_DOWN (no issuer).
 */
struct link_call *links_ask(struct links *l, const struct link_question *q, links_answer_fn *answer,
                            void *arg, struct pke_fail *fail);

/** The answer is not wanted any more. The call still counts as work of its peer until answered. */
void links_forget(struct link_call *c); /* accepts NULL */

#endif
