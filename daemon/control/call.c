/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/control/certificate_store.h"
#include "daemon/control/control.h"
#include "daemon/control/json.h"
#include "daemon/control/metrics.h"
#include "daemon/control/scope.h"

#define AUDIT_QUEUE_MAX (4u << 20) /* bytes waiting for the issuer before audit rows go to the log alone */

static struct chan *target_chan(const struct control *c, enum verb_target t)
{
    switch (t) {
    case VERB_TARGET_MAIN:
        return c->role->main;
    case VERB_TARGET_ISSUER:
        return c->issuer;
    case VERB_TARGET_AUTH:
        return c->auth;
    case VERB_TARGET_CONTROL:
        break;
    }
    return NULL;
}

static void new_trace_id(char out[PKE_UUID_LEN + 1])
{
    uint8_t raw[16];

    if (getrandom(raw, sizeof raw, 0) != sizeof raw) {
        log_event(LOG_CRIT, "no random numbers from the kernel", "error", strerror(errno), NULL);
        abort();
    }
    pke_uuid_format(raw, out);
}

/* What changes something, and every refusal, is in the log as well. */
static void audit(struct call *call, const struct pke_fail *fail)
{
    const char *result = pke_err_token(fail ? fail->err : PKE_OK);
    char actor[PEER_ACTOR_MAX];
    struct msg_audit m = {.actor = actor,
                          .verb = call->verb ? call->verb->token : "unknown",
                          .result = result,
                          .detail = call->detail ? call->detail : "{}"};
    struct chan *issuer = call->c->issuer;
    bool sent = issuer && chan_queued(issuer) < AUDIT_QUEUE_MAX;
    bool change = call->verb && strcmp(call->verb->method, "GET") != 0;

    peer_actor(&call->peer, actor, sizeof actor);
    if (sent)
        chan_send_record(issuer, MSG_AUDIT, 0, msg_audit_fields, &m);
    if (fail)
        log_fail(LOG_NOTICE, "control call refused", fail, "actor", actor, "verb", m.verb, "detail", m.detail,
                 "trace_id", call->trace_id, "audited", sent ? "yes" : "no", NULL);
    else if (change || !sent)
        log_event(LOG_NOTICE, "control call", "actor", actor, "verb", m.verb, "detail", m.detail, "trace_id",
                  call->trace_id, "audited", sent ? "yes" : "no", NULL);
}

static struct call *call_new(struct conn *conn)
{
    struct control *c = conn->c;
    struct call *call = pke_calloc(1, sizeof *call);

    call->c = c;
    call->conn = conn;
    call->peer = conn->peer;
    call->id = ++c->next_id;
    new_trace_id(call->trace_id);
    LIST_INSERT_HEAD(&c->calls, call, link);
    c->n_calls++;
    conn->call = call;
    return call;
}

static void call_free(struct call *call)
{
    struct control *c = call->c;

    LIST_REMOVE(call, link);
    c->n_calls--;
    if (call->timer)
        event_free(call->timer);
    json_decref(call->status);
    free(call->detail);
    free(call);
    control_check_stopped(c);
}

/* Exactly one of @p json and @p fail; @p status 0: by the error class. */
static void call_finish_as(struct call *call, const json_t *json, const struct pke_fail *fail,
                           unsigned status, const char *extra_headers)
{
    struct conn *conn = call->conn;
    json_t *error = fail ? control_error(fail, call->trace_id) : NULL;

    audit(call, fail);
    if (conn) {
        conn->call = NULL;
        if (!status)
            status = control_status(fail ? fail->err : PKE_OK);
        conn_reply(conn, status, fail ? error : json, extra_headers);
    }
    json_decref(error);
    call_free(call);
}

static void call_finish(struct call *call, const json_t *json, const struct pke_fail *fail)
{
    call_finish_as(call, json, fail, 0, NULL);
}

/* Both roles were asked; what one of them did not answer is missing, and said to be. */
static void finish_metrics(struct call *call, const json_t *keys)
{
    struct conn *conn = call->conn;
    struct ledger_counts counts = {0};
    struct pke_buf text;

    pke_buf_init(&text, CONTROL_MAX_REPLY);
    (void)metrics_write(call->status, keys, view_counts(call->c, &counts) ? &counts : NULL, &text);
    audit(call, NULL);
    if (conn) {
        conn->call = NULL;
        conn_reply_text(conn, METRICS_TYPE, &text);
    }
    pke_buf_done(&text);
    call_free(call);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct call *call = arg;
    struct pke_fail fail;

    (void)fd;
    (void)what;
    pke_fail_set(&fail, PKE_DEADLINE, "control-deadline", "control API: deadlines",
                 "%s did not answer in %u s; what was asked may still happen", call->verb->token,
                 call->verb->seconds);
    call_finish(call, NULL, &fail);
}

static void forward(struct call *call, const struct control_request *req)
{
    bool metrics = call->verb->id == VERB_METRICS; /* main's part first */
    struct chan *to;
    struct timeval tv = {.tv_sec = call->verb->seconds};
    struct pke_fail fail;
    char actor[PEER_ACTOR_MAX];
    struct msg_verb m = {.verb = metrics ? verbs[VERB_STATUS].token : call->verb->token,
                         .args = req->args,
                         .secret = pke_secret_bytes(req->secret),
                         .actor = actor,
                         .frontend = *call->peer.frontend ? call->peer.frontend : NULL,
                         .trace_id = call->trace_id};

    call->asked = metrics ? VERB_TARGET_MAIN : call->verb->target;
    to = target_chan(call->c, call->asked);
    if (!to || call->c->n_calls > CONTROL_MAX_CALLS) {
        pke_fail_set(&fail, PKE_BUSY, "control-busy", "control API: roles",
                     to ? "too many calls are waiting" : "the role that answers this is not running");
        call_finish(call, NULL, &fail);
        return;
    }
    peer_actor(&call->peer, actor, sizeof actor);
    call->timer = evtimer_new(call->c->role->base, on_deadline, call);
    if (!call->timer)
        pke_oom();
    evtimer_add(call->timer, &tv);
    chan_send_record(to, MSG_VERB, call->id, msg_verb_fields, &m);
}

/* The level, once, before anything is done. */
static bool allowed(struct call *call, struct pke_fail *fail)
{
    if (call->peer.roles & call->verb->role)
        return true;
    pke_fail_set(fail, PKE_DENIED, "control-role", "control API: roles", "%s needs the role %s",
                 call->verb->token, verb_role_name(call->verb->role));
    return false;
}

static void dispatch(struct call *call, struct control_request *req, struct pke_arena *arena)
{
    PKE_CLEANUP(control_json_free_p) json_t *json = NULL;
    struct pke_fail fail = {0};
    enum pke_err err = scope_apply(call->c->role->conf, &call->peer, &call->c->rates, role_monotonic_ms(),
                                   arena, req, &fail);

    call->detail = control_detail(call->verb, &req->args);
    if (err != PKE_OK) {
        call_finish(call, NULL, &fail);
        return;
    }
    if (call->verb->target != VERB_TARGET_CONTROL) {
        forward(call, req);
        return;
    }
    if (view_answer(call->c, call->verb, &req->args, &json, &fail) == PKE_OK)
        call_finish(call, json, NULL);
    else
        call_finish(call, NULL, &fail);
}

void call_start(struct conn *conn, const struct http_request *http, struct pke_bytes body)
{
    struct call *call = call_new(conn);
    struct control_request req = {0};
    struct pke_arena *arena = pke_arena_new();
    struct pke_fail fail = {0};
    struct pke_bytes value;
    enum pke_err err = control_request_route(http, &req, &value, &fail);
    char allow[32] = "";

    call->verb = err ? NULL : req.verb;
    if (err == PKE_UNSUPPORTED) {
        snprintf(allow, sizeof allow, "Allow: %s\r\n", req.verb->method);
        call_finish_as(call, NULL, &fail, 405, allow);
    } else if (err || !allowed(call, &fail) ||
               control_request_args(http, body, value, arena, &req, &fail) != PKE_OK) {
        call_finish(call, NULL, &fail);
    } else {
        dispatch(call, &req, arena);
    }
    control_request_done(&req);
    pke_arena_free(arena);
}

void call_refuse(struct conn *conn, const struct pke_fail *fail, unsigned status)
{
    call_finish_as(call_new(conn), NULL, fail, status, NULL);
}

/* The answer of another role, as JSON that is ours to extend. */
static json_t *parse_reply(struct call *call, const struct ipc_frame *f, struct pke_arena *arena,
                           struct pke_fail *fail)
{
    struct msg_verb_reply m;
    json_t *json;

    if (ipc_record_read(msg_verb_reply_fields, f->payload, arena, &m, sizeof m, fail) != PKE_OK)
        return NULL;
    json = json_loadb((const char *)m.json.p, m.json.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        pke_fail_set(fail, PKE_INTERNAL, "control-answer", "control API: roles",
                     "the answer is no JSON object");
        return NULL;
    }
    if (call->verb->id == VERB_STATUS)
        view_status(call->c, json);
    if (call->verb->id == VERB_SIGN || call->verb->id == VERB_SIGN_BATCH || call->verb->id == VERB_RENEW)
        certificate_store_add(json);
    return json;
}

/* The second question of metrics. */
static void ask_issuer(struct call *call)
{
    char actor[PEER_ACTOR_MAX];
    struct msg_verb m = {.verb = call->verb->token, .actor = actor};

    call->asked = VERB_TARGET_ISSUER;
    if (!call->c->issuer) {
        finish_metrics(call, NULL);
        return;
    }
    peer_actor(&call->peer, actor, sizeof actor);
    chan_send_record(call->c->issuer, MSG_VERB, call->id, msg_verb_fields, &m);
}

/* One of the two answers; NULL: refused. */
static void on_metrics(struct call *call, json_t *json)
{
    if (call->asked == VERB_TARGET_MAIN) {
        call->status = json_incref(json);
        ask_issuer(call);
    } else {
        finish_metrics(call, json);
    }
}

static void read_failed(const struct ipc_frame *f, struct pke_arena *arena, struct pke_fail *fail)
{
    struct msg_failed m;

    if (ipc_record_read(msg_failed_fields, f->payload, arena, &m, sizeof m, fail) == PKE_OK)
        *fail = m.fail;
    if (fail->err == PKE_OK)
        fail->err = PKE_INTERNAL;
}

void call_answer(struct control *c, enum verb_target from, const struct ipc_frame *f)
{
    struct pke_arena *arena;
    struct pke_fail fail = {0};
    struct call *call;
    json_t *json = NULL;

    LIST_FOREACH(call, &c->calls, link)
    {
        if (call->id == f->id && call->verb && call->asked == from && call->timer)
            break;
    }
    if (!call) /* answered too late, or by a role that was not asked */
        return;
    arena = pke_arena_new();
    if (f->kind == MSG_VERB_REPLY)
        json = parse_reply(call, f, arena, &fail);
    else if (f->kind == MSG_FAILED)
        read_failed(f, arena, &fail);
    else
        pke_fail_set(&fail, PKE_INTERNAL, "control-answer", "control API: roles", "unexpected message %u",
                     f->kind);
    if (call->verb->id == VERB_TOKEN_MINT) /* the token: told once, and kept nowhere */
        chan_wipe_frame(target_chan(c, from), f);
    if (call->verb->id == VERB_METRICS)
        on_metrics(call, json);
    else
        call_finish(call, json, json ? NULL : &fail);
    json_decref(json);
    pke_arena_free(arena);
}

void call_stop_listeners(struct control *c)
{
    struct call *call, *next;
    struct pke_fail fail;

    pke_fail_set(&fail, PKE_BUSY, "control-stopping", "control API: roles", "the daemon stops");
    for (call = LIST_FIRST(&c->calls); call; call = next) {
        next = LIST_NEXT(call, link);
        if (call->timer && call->verb->id == VERB_EVENTS)
            call_finish(call, NULL, &fail);
    }
}

void call_peer_gone(struct control *c, enum verb_target from)
{
    struct call *call, *next;
    struct pke_fail fail;

    pke_fail_set(&fail, PKE_BUSY, "control-role-gone", "control API: roles",
                 "the role that answers this ended; what was asked may have happened");
    for (call = LIST_FIRST(&c->calls); call; call = next) {
        next = LIST_NEXT(call, link);
        if (!call->timer || call->asked != from)
            continue;
        if (call->verb->id == VERB_METRICS && call->status)
            finish_metrics(call, NULL);
        else
            call_finish(call, NULL, &fail);
    }
}
