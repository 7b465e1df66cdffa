/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/links.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/log.h"

/* One yescrypt verification, measured; a queue is bounded by time, not by length (architecture: processes).
 */
#define AUTH_COST_MS 60

struct link_call {
    struct link_call *next;
    uint64_t id;
    links_answer_fn *answer; /* NULL: forgotten */
    void *arg;
};

struct link {
    struct link *next;
    struct links *owner;
    enum role_id role;
    uint64_t index;
    struct chan *chan;
    struct link_call *calls;
    size_t n_calls;
};

struct links {
    struct role *role;
    struct event_base *base;
    links_unasked_fn *unasked;
    void *arg;
    struct link *first;
    uint64_t last_id;
};

struct links *links_new(struct role *role, links_unasked_fn *unasked, void *arg)
{
    struct links *l = pke_calloc(1, sizeof *l);

    l->role = role;
    l->base = role->base;
    l->unasked = unasked;
    l->arg = arg;
    return l;
}

bool links_up(const struct links *l, enum role_id role)
{
    for (const struct link *k = l->first; k; k = k->next)
        if (k->role == role)
            return true;
    return false;
}

static enum pke_err gone(enum role_id role, struct pke_fail *fail)
{
    if (role == ROLE_AUTH)
        return pke_fail_set(fail, PKE_BUSY, "auth-down", "architecture: roles",
                            "no authentication worker is available");
    return pke_fail_set(fail, PKE_STORE_DOWN, "issuer-down", "architecture: roles",
                        "the issuing role is not available");
}

/* Unlink first: an answer may ask again, and must not find the dead link. */
static void link_drop(struct link *k)
{
    struct link **at = &k->owner->first;
    struct pke_fail fail;

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    chan_free(k->chan);
    gone(k->role, &fail);
    while (k->calls) {
        struct link_call *c = k->calls;

        k->calls = c->next;
        if (c->answer)
            c->answer(NULL, &fail, c->arg);
        free(c);
    }
    free(k);
}

static void on_closed(struct chan *chan, const char *why, void *arg)
{
    struct link *k = arg;
    char index[24];

    (void)chan;
    snprintf(index, sizeof index, "%" PRIu64, k->index);
    log_event(LOG_WARNING, "link lost", "role", role_name(k->role), "index", index, "why", why, NULL);
    role_link_lost(k->owner->role, k->role, (unsigned)k->index, NULL);
    link_drop(k);
}

static void on_frame(struct chan *chan, const struct ipc_frame *f, int fd, void *arg)
{
    struct link *k = arg;
    struct link_call **at = &k->calls, *c;

    (void)chan;
    (void)fd; /* links do not take descriptors */
    if (f->id == 0) {
        k->owner->unasked(f, k->owner->arg);
        return;
    }
    while (*at && (*at)->id != f->id)
        at = &(*at)->next;
    c = *at;
    if (!c) {
        log_event(LOG_ERR, "an answer to no question; link dropped", "role", role_name(k->role), NULL);
        link_drop(k);
        return;
    }
    *at = c->next;
    k->n_calls--;
    if (c->answer)
        c->answer(f, NULL, c->arg);
    free(c);
}

static const struct chan_ops link_ops = {on_frame, on_closed};

void links_add(struct links *l, const struct msg_link *peer, int fd)
{
    struct link *k;

    for (k = l->first; k; k = k->next) {
        if (k->role == (enum role_id)peer->peer && k->index == peer->index) {
            link_drop(k);
            break;
        }
    }
    k = pke_calloc(1, sizeof *k);
    k->owner = l;
    k->role = (enum role_id)peer->peer;
    k->index = peer->index;
    k->next = l->first;
    l->first = k;
    k->chan = chan_new(l->base, fd, IPC_MAX_REQUEST, &link_ops, k);
}

static struct link *least_busy(const struct links *l, enum role_id role)
{
    struct link *best = NULL;

    for (struct link *k = l->first; k; k = k->next)
        if (k->role == role && (!best || k->n_calls < best->n_calls))
            best = k;
    return best;
}

struct link_call *links_ask(struct links *l, const struct link_question *q, links_answer_fn *answer,
                            void *arg, struct pke_fail *fail)
{
    struct link *k = least_busy(l, q->to);
    struct link_call *c;

    if (!k) {
        gone(q->to, fail);
        return NULL;
    }
    if (q->to == ROLE_AUTH && q->now + (k->n_calls + 1) * AUTH_COST_MS > q->deadline) {
        pke_fail_set(fail, PKE_BUSY, "auth-queue", "architecture: every queue is bounded by time",
                     "%zu verifications are waiting before this one", k->n_calls);
        return NULL;
    }
    c = pke_calloc(1, sizeof *c);
    *c = (struct link_call){.next = k->calls, .id = ++l->last_id, .answer = answer, .arg = arg};
    k->calls = c;
    k->n_calls++;
    chan_send_record(k->chan, q->kind, c->id, q->fields, q->record);
    return c;
}

void links_forget(struct link_call *c)
{
    if (c)
        c->answer = NULL;
}
