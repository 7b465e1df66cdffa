/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for a key. One that is valid and allowed, and that no key can sign in time, is recorded
 * with all that it takes to decide it again, and its client is told a number. When the key returns it is
 * decided by what is configured then, and signed once; the client asks by the number (waiting_query.c).
 */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/request.h"

#define MAX_OF_PRINCIPAL 100
#define LOOK_MAX         64 /* waiting requests that one look goes by: the role serves others, too */
#define EXPIRE_MS        1000
#define EXPIRE_MAX       100  /* abandoned in one group */
#define HOLD_MS          1000 /* after a failed attempt; doubled with each in a row */
#define HOLD_DOUBLINGS   6
#define ROUND_MS         10000

/* The key's state, not the request's fault: it passes. */
static bool passes(const struct pke_fail *f)
{
    switch (f->err) {
    case PKE_KEY_DOWN:
    case PKE_KEY_LOCKED:
    case PKE_MAINTENANCE:
    case PKE_DEADLINE:
    case PKE_STORE_DOWN:
    case PKE_STALE:
    case PKE_BUSY:
    case PKE_INTERNAL:
        return true;
    default:
        return false;
    }
}

bool waiting_may(const struct request *req)
{
    const struct pke_fail *f = &req->fail;
    bool key = f->err == PKE_KEY_DOWN || f->err == PKE_KEY_LOCKED || f->err == PKE_MAINTENANCE ||
               (f->err == PKE_BUSY && strcmp(f->reason, "key-queue") == 0) ||
               (f->err == PKE_DEADLINE && strcmp(f->reason, "key-queue-deadline") == 0);

    /* what can be used once is not held for a request that may never come to it; evidence is stored nowhere
     */
    return req->msg.may_wait != MSG_WAIT_NEVER && key && req->op == OP_ISSUE && !req->ticket && req->tmpl &&
           !req->token.token_id && !req->jti && !req->attestation && !req->admission_id &&
           !req->question.n; /* nobody would ask again */
}

static void answer_pending(struct request *req, uint32_t number, const char *request_id, int64_t expires_at,
                           const char *reason)
{
    struct issuer *is = req->issuer;
    struct msg_pending m = {
        .number = number, .request_id = request_id, .expires_at = (uint64_t)expires_at, .reason = reason};

    request_answer(req, MSG_PENDING, msg_pending_fields, &m);
    request_free(req);
    issuer_check_stopped(is);
}

/* ---- it begins to wait ---- */

struct record {
    struct request *req;
    struct ledger_wait wait;
    uint32_t number;
};

static enum pke_err apply_record(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct record *r = op->arg;

    return ledger_wait(is->ledger, &r->wait, &r->number, fail);
}

static void done_record(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct record *r = op->arg;
    struct request *req = r->req;
    char number[16];

    if (err != PKE_OK) {
        log_fail(LOG_ERR, "request cannot wait", fail, "trace_id", req->msg.trace_id, NULL);
        req->msg.may_wait = MSG_WAIT_NEVER;
        if (r->wait.recorded || err == PKE_STORE_DOWN)
            request_end_failed(req);
        else
            request_refuse(req);
        free(r);
        return;
    }
    is->waiting_some = true;
    snprintf(number, sizeof number, "%u", r->number);
    log_fail(LOG_NOTICE, "request waits", &req->fail, "trace_id", req->msg.trace_id, "number", number,
             "principal", req->who.principal, NULL);
    answer_pending(req, r->number, req->msg.trace_id, r->wait.expires_at, req->fail.reason);
    free(r);
}

void waiting_record(struct request *req)
{
    const struct conf_global *g = &req->setup->conf->global;
    struct record *r = pke_calloc(1, sizeof *r);

    r->req = req;
    r->wait = (struct ledger_wait){.request = request_to_ledger(req),
                                   .recorded = req->t1,
                                   .why = req->fail,
                                   .expires_at = req->now_ms + g->waiting_lifetime,
                                   .max = g->waiting_max,
                                   .max_of_principal = MAX_OF_PRINCIPAL};
    memcpy(r->wait.idempotency_key, req->key, sizeof r->wait.idempotency_key);
    batch_add(req->issuer, apply_record, done_record, r);
}

bool waiting_again(struct request *req)
{
    struct ledger_ticket t;
    struct pke_fail fail;

    if (req->msg.may_wait == MSG_WAIT_NEVER ||
        ledger_ticket_of_key(req->issuer->ledger, req->key, req->arena, &t, &fail) != PKE_OK)
        return false;
    answer_pending(req, t.number, t.request_id, t.expires_at, t.fail.reason);
    return true;
}

/* ---- an attempt ended ---- */

/* Is it the key, or has the attempt cost a serial? A device with another request in flight holds up nobody.
 */
static bool holds_up_all(const struct request *req)
{
    enum pke_err err = req->fail.err;

    return req->t1 || err == PKE_KEY_DOWN || err == PKE_KEY_LOCKED || err == PKE_MAINTENANCE ||
           err == PKE_STORE_DOWN || (err == PKE_BUSY && strcmp(req->fail.reason, "key-queue") == 0);
}

/* The next attempt is another's: one that fails again and again must not keep its place before all others. */
static void hold(struct request *req)
{
    struct key_pool *p = req->tmpl ? keys_pool(req->issuer, req->tmpl->ca->conf->key) : NULL;

    if (!p)
        return;
    if (p->tried < req->ticket)
        p->tried = req->ticket;
    p->tried_until = role_monotonic_ms() + ROUND_MS;
    if (!holds_up_all(req))
        return;
    p->hold_until = role_monotonic_ms() + ((uint64_t)HOLD_MS << p->holds);
    p->tried_until = p->hold_until + ROUND_MS;
    if (p->holds < HOLD_DOUBLINGS && req->t1) /* without T1 it cost nothing */
        p->holds++;
}

static enum pke_err apply_deny(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;

    return ledger_ticket_deny(is->ledger, req->ticket, &req->fail, "issuer", role_wall_ms(), fail);
}

static void done_deny(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    if (err != PKE_OK && err != PKE_NOT_FOUND)
        log_fail(LOG_ERR, "denial of a waiting request not recorded", fail, NULL);
    request_end_failed(op->arg);
    waiting_wake(is);
}

void waiting_failed(struct request *req)
{
    struct ledger_ticket t;
    struct pke_fail fail;

    req->state = REQUEST_RESULT;
    if (!passes(&req->fail)) {
        if (req->fail.err == PKE_PENDING) /* ended: a new request asks the operator */
            req->fail.err = PKE_DENIED;
        batch_add(req->issuer, apply_deny, done_deny, req);
        return;
    }
    hold(req);
    log_fail(LOG_NOTICE, "a waiting request goes on waiting", &req->fail, "trace_id", req->msg.trace_id,
             NULL);
    if (ledger_ticket(req->issuer->ledger, req->ticket, req->arena, &t, &fail) == PKE_OK)
        answer_pending(req, t.number, t.request_id, t.expires_at, req->fail.reason);
    else
        request_end_failed(req);
}

void waiting_issued(struct request *req)
{
    struct key_pool *p = keys_pool(req->issuer, req->tmpl->ca->conf->key);

    if (p)
        p->holds = 0;
    waiting_wake(req->issuer);
}

void waiting_wake(struct issuer *is)
{
    if (is->waiting_some)
        event_active(is->tick, EV_TIMEOUT, 0);
}

/* ---- the key returned ---- */

static const char *new_request_id(struct request *req)
{
    char *text = pke_arena_alloc(req->arena, PKE_UUID_LEN + 1);
    uint8_t raw[16];

    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    return text;
}

/* As it was when it came, decided anew. An attempt has a request id of its own. */
static void attempt(struct issuer *is, uint32_t number)
{
    struct request *req = request_create(is);
    uint64_t now = role_monotonic_ms();
    struct ledger_request r;

    if (ledger_ticket_load(is->ledger, number, req->arena, &r, req->key, &req->fail) != PKE_OK) {
        request_end_failed(req);
        return;
    }
    req->ticket = number;
    req->msg = (struct msg_prepare){.commit = 1,
                                    .deadline = now + (uint64_t)req->setup->conf->global.request_deadline,
                                    .trace_id = new_request_id(req),
                                    .endpoint = r.endpoint,
                                    .operation = r.operation,
                                    .request = r.request,
                                    .context = r.context,
                                    .source = r.source};
    req->who = (struct assertion){.tenant = r.tenant,
                                  .principal = r.principal,
                                  .user_id = r.user_id,
                                  .kind = r.credential,
                                  .stage = "enroll",
                                  .endpoint = r.endpoint,
                                  .attributes = r.attributes,
                                  .expires = req->msg.deadline};
    req->device_id = r.device_id;
    req->enrollment_type = r.enrollment_type;
    if (check_recorded(req) != PKE_OK || check_request(req) != PKE_OK)
        request_refuse(req);
    else
        request_proceed(req);
}

enum room { ROOM_YES, ROOM_LATER, ROOM_DOWN };

static bool is_attempted(const struct issuer *is, uint32_t number)
{
    for (const struct request *o = is->requests; o; o = o->next)
        if (o->ticket == number)
            return true;
    return false;
}

/* All had their turn, or could not have it: the oldest is the first again, but not before the others of a key
 * that is held up had the chance. */
static void begin_round(struct issuer *is)
{
    for (size_t i = 0; i < is->n_pools; i++)
        if (is->pools[i]->hold_until <= role_monotonic_ms())
            is->pools[i]->tried = 0;
    is->waiting_some = is->waiting_after != 0;
    is->waiting_after = 0;
}

/* One at a time beside those who wait for their answer, in the same queue: neither starves the other. */
static enum room room_of(const struct issuer *is, const char *key, uint32_t number)
{
    const struct key_pool *p = keys_pool((struct issuer *)(uintptr_t)is, key);
    uint64_t now = role_monotonic_ms();
    unsigned ready = 0, attempts = 0;

    for (unsigned i = 0; p && i < KEY_MAX_INSTANCES; i++)
        ready += keys_is_ready(&p->clients[i]);
    if (!ready || p->hold_until > now || (number <= p->tried && p->tried_until > now))
        return ROOM_DOWN;
    for (const struct request *o = is->requests; o; o = o->next)
        attempts += o->ticket && o->tmpl && strcmp(o->tmpl->ca->conf->key, key) == 0;
    return attempts < (p->queued ? 1 : 2 * ready) ? ROOM_YES : ROOM_LATER;
}

/* One whose endpoint is gone is tried, too: it is denied. */
static enum room room_for(const struct issuer *is, const char *endpoint, uint32_t number)
{
    const struct conf_endpoint *ep = conf_find_endpoint(is->setup->conf, endpoint ? endpoint : "");
    const struct issuer_template *t =
        ep && ep->template_name ? setup_template(is->setup, ep->template_name) : NULL;

    return t ? room_of(is, t->ca->conf->key, number) : ROOM_YES;
}

/* The oldest first; those of a key that is down are gone by, not waited for. */
static void look(struct issuer *is, struct pke_arena *arena)
{
    struct pke_fail fail;

    for (unsigned i = 0; i < LOOK_MAX; i++) {
        const char *endpoint = NULL;
        uint32_t number;
        enum room room;

        if (ledger_ticket_next(is->ledger, is->waiting_after, arena, &number, &endpoint, &fail) != PKE_OK)
            return;
        if (!number) {
            begin_round(is);
            return;
        }
        room = room_for(is, endpoint, number);
        if (room == ROOM_LATER) {
            is->waiting_after = 0;
            return;
        }
        is->waiting_after = number;
        if (room == ROOM_YES && !is_attempted(is, number))
            attempt(is, number);
    }
}

static enum pke_err apply_expire(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;
    unsigned n = 1;

    (void)op;
    for (unsigned i = 0; i < EXPIRE_MAX && err == PKE_OK && n; i++)
        err = ledger_ticket_expire(is->ledger, role_wall_ms(), &n, fail);
    return err;
}

static void done_expire(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    (void)is;
    (void)op;
    if (err != PKE_OK)
        log_fail(LOG_ERR, "waiting requests not abandoned", fail, NULL);
}

void waiting_tick(struct issuer *is)
{
    struct pke_arena *arena;

    if (!is->waiting_some || !is->ledger || !is->setup || is->role->stopping)
        return;
    if (role_monotonic_ms() >= is->waiting_expire) {
        is->waiting_expire = role_monotonic_ms() + EXPIRE_MS;
        batch_add(is, apply_expire, done_expire, NULL);
    }
    arena = pke_arena_new();
    look(is, arena);
    pke_arena_free(arena);
}
