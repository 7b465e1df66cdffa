/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/txn.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/log.h"
#include "daemon/net/txn_impl.h"
#include "proto/fault.h"

#define REPLY_MAX         (1u << 20)
#define REFUSAL_PATIENCE  500 /* ms that a fault waits for its record */
#define DEADLINE_GRACE    250 /* ms: the issuer's own answer to a missed deadline comes first */
#define TIMESTAMP_SECONDS 300
#define FAULT_LANGUAGE    "en-US"

static const char *stage_name(const struct txn *t)
{
    return t->ep->conf->stage == CONF_STAGE_POLICY ? "policy" : "enroll";
}

static const char *reply_action(const struct txn *t)
{
    return t->ep->conf->stage == CONF_STAGE_POLICY ? SOAP_ACTION_GET_POLICIES_RESPONSE : SOAP_ACTION_RSTRC;
}

static void release(struct txn *t)
{
    struct net *net = t->net;

    links_forget(t->call);
    callout_cancel(t->callout);
    event_free(t->timer);
    pke_arena_free(t->arena);
    pke_buf_wipe(&t->token);
    pke_buf_wipe(&t->body);
    pke_buf_wipe(&t->envelope); /* a provisioning document carries the shared DM secrets */
    snapshot_unref(t->snap);
    if (net->txn_started == t)
        net->txn_started = NULL;
    free(t);
    net->n_txns--;
    net_work_ended(net);
}

static void log_end(const struct txn *t, unsigned status)
{
    bool ok = t->fail.err == PKE_OK;
    char ms[24], bytes[24], http[8];

    snprintf(ms, sizeof ms, "%" PRIu64, role_monotonic_ms() - t->started);
    snprintf(bytes, sizeof bytes, "%zu", t->envelope.n);
    snprintf(http, sizeof http, "%u", status);
    log_event(LOG_INFO, "request", "trace_id", t->trace_id, "tenant", t->ep->conf->tenant, "endpoint",
              t->ep->conf->name, "stage", stage_name(t), "principal", t->principal, "device",
              t->rst.device_id, "source", t->source, "result", pke_err_token(t->fail.err), "reason",
              ok ? NULL : t->fail.reason, "rule", ok ? NULL : t->fail.rule, "text", ok ? NULL : t->fail.text,
              "serial", ok ? t->issued.serial : NULL, "request_id", t->request_id, "traceparent",
              t->traceparent, "status", http, "duration_ms", ms, "bytes", bytes, NULL);
}

static void finish(struct txn *t, unsigned status)
{
    log_end(t, status);
    if (t->done)
        t->done(status, pke_buf_bytes(&t->envelope), t->fail.err == PKE_OK ? 0 : t->retry_ms, t->arg);
    release(t);
}

static enum pke_err write_envelope(struct txn *t, bool timestamp, const char *attributes)
{
    char created[PKE_RFC3339_SIZE], expires[PKE_RFC3339_SIZE];
    int64_t now = role_wall_ms();
    struct soap_reply r = {
        .action = reply_action(t),
        .relates_to = t->soap.message_id,
        .activity_id = t->trace_id,
        .body_attributes = attributes,
    };

    if (timestamp) {
        pke_time_rfc3339_ms(now, created);
        pke_time_rfc3339_ms(now + TIMESTAMP_SECONDS * 1000, expires);
        r.created = created;
        r.expires = expires;
    }
    return soap_reply_write(&r, pke_buf_bytes(&t->body), &t->envelope);
}

static void send_fault(struct txn *t)
{
    const struct fault_mdm *row = fault_mdm_lookup(t->fail.err);

    pke_buf_clear(&t->body);
    pke_buf_clear(&t->envelope);
    if (fault_mdm_write(&t->fail, t->folded_id ? t->folded_id : t->trace_id, FAULT_LANGUAGE, &t->body) !=
            PKE_OK ||
        write_envelope(t, false, NULL) != PKE_OK)
        log_event(LOG_ERR, "fault does not fit", "trace_id", t->trace_id, NULL);
    finish(t, t->fault_status ? t->fault_status : row->http_status);
}

static void on_refusal_recorded(const struct ipc_frame *f, const struct pke_fail *fail, void *arg)
{
    struct txn *t = arg;

    (void)f; /* with or without success: the client is told now */
    (void)fail;
    t->call = NULL;
    send_fault(t);
}

static void on_refusal_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_fault(arg);
}

/* Record first, then answer; but a client never waits long for a record. */
static void refuse(struct txn *t)
{
    struct msg_refusal m = {
        .trace_id = t->trace_id,
        .endpoint = t->ep->conf->name,
        .stage = stage_name(t),
        .principal = t->principal,
        .device_id = t->rst.device_id,
        .source = t->source,
        .fail = t->fail,
    };
    uint64_t now = role_monotonic_ms();
    struct link_question q = {ROLE_ISSUER, MSG_REFUSAL, msg_refusal_fields, &m, now, now + REFUSAL_PATIENCE};
    struct pke_fail ignored;

    links_forget(t->call);
    t->call = NULL;
    callout_cancel(t->callout);
    t->callout = NULL;
    if (!t->issuer_knows)
        t->call = links_ask(t->net->links, &q, on_refusal_recorded, t, &ignored);
    if (t->call)
        txn_set_timer(t, REFUSAL_PATIENCE, on_refusal_patience);
    else
        send_fault(t);
}

static void succeed(struct txn *t)
{
    bool policy = t->ep->conf->stage == CONF_STAGE_POLICY;

    if (write_envelope(t, !policy, policy ? XCEP_BODY_ATTRIBUTES : NULL) == PKE_OK) {
        finish(t, 200);
        return;
    }
    pke_fail_set(&t->fail, PKE_INTERNAL, "reply-too-large", "architecture: limits",
                 "the reply does not fit its buffer");
    refuse(t);
}

static void run(struct txn *t)
{
    for (; t->step->run; t->step++) {
        switch (t->step->run(t)) {
        case STEP_NEXT:
            break;
        case STEP_WAIT:
            return;
        case STEP_FAIL:
            refuse(t);
            return;
        }
    }
    succeed(t);
}

void txn_resume(struct txn *t, enum step_result result)
{
    if (result == STEP_WAIT)
        return;
    if (result == STEP_FAIL) {
        refuse(t);
        return;
    }
    t->step++;
    run(t);
}

static void on_answer(const struct ipc_frame *f, const struct pke_fail *fail, void *arg)
{
    struct txn *t = arg;

    t->call = NULL;
    if (!f) {
        t->fail = *fail;
        txn_resume(t, STEP_FAIL);
        return;
    }
    txn_resume(t, t->answer(t, f));
}

enum step_result txn_ask(struct txn *t, const struct link_question *q, txn_answer_fn *answer)
{
    t->answer = answer;
    t->call = links_ask(t->net->links, q, on_answer, t, &t->fail);
    return t->call ? STEP_WAIT : STEP_FAIL;
}

enum step_result txn_read_failed(struct txn *t, const struct ipc_frame *f)
{
    struct msg_failed m;

    if (f->kind != MSG_FAILED) {
        pke_fail_set(&t->fail, PKE_INTERNAL, "unexpected-answer", "daemon/common/msg.h",
                     "a role answered with message %u", f->kind);
    } else if (ipc_record_read(msg_failed_fields, f->payload, t->arena, &m, sizeof m, &t->fail) == PKE_OK) {
        t->fail = m.fail;
        t->folded_id = m.trace_id;
        t->retry_ms = m.retry_ms;
        if (t->fail.err == PKE_OK) /* a refusal without a reason must not become a success */
            t->fail.err = PKE_INTERNAL;
    }
    return STEP_FAIL;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct txn *t = arg;

    (void)fd;
    (void)what;
    pke_fail_set(&t->fail, PKE_DEADLINE, "request-deadline", "pkienrolld.conf request-deadline",
                 "the request took longer than allowed");
    refuse(t);
}

void txn_set_timer(struct txn *t, uint64_t ms, event_callback_fn fn)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_del(t->timer);
    if (event_assign(t->timer, t->net->base, -1, 0, fn, t) != 0)
        pke_oom();
    event_add(t->timer, &tv);
}

void txn_arm_deadline(struct txn *t)
{
    uint64_t now = role_monotonic_ms(), at = t->deadline + DEADLINE_GRACE;

    txn_set_timer(t, at > now ? at - now : 0, on_deadline);
}

bool txn_adopt_snapshot(struct txn *t)
{
    struct net_endpoint *ep = snapshot_endpoint(t->net->snap, t->ep->conf->name);

    if (!ep || ep->conf->stage != t->ep->conf->stage || strcmp(ep->conf->tenant, t->ep->conf->tenant) != 0 ||
        (strcmp(t->kind, KIND_RENEWAL) != 0 && !pke_strings_has(&ep->conf->credentials, t->kind)))
        return false;
    snapshot_ref(t->net->snap);
    snapshot_unref(t->snap);
    t->snap = t->net->snap;
    t->ep = ep;
    return true;
}

static void make_trace_id(char out[PKE_UUID_LEN + 1])
{
    uint8_t raw[16];

    if (RAND_bytes(raw, sizeof raw) != 1)
        abort();
    pke_uuid_format(raw, out);
}

struct txn *txn_start(struct net *net, const struct txn_request *req, txn_done_fn *done, void *arg)
{
    struct txn *t = pke_calloc(1, sizeof *t);
    bool finished;

    t->net = net;
    t->snap = snapshot_ref(net->snap);
    t->ep = req->endpoint;
    t->arena = pke_arena_new();
    t->done = done;
    t->arg = arg;
    t->source = req->source ? pke_arena_strdup(t->arena, req->source) : NULL;
    t->request_id = req->request_id ? pke_arena_strdup(t->arena, req->request_id) : NULL;
    t->traceparent = req->traceparent ? pke_arena_strdup(t->arena, req->traceparent) : NULL;
    pke_buf_init(&t->token, TXN_TOKEN_MAX);
    t->vouched = req->assertion.n && pke_buf_add_bytes(&t->token, req->assertion) == PKE_OK;
    t->client_certificate = pke_arena_bytes(t->arena, req->client_certificate);
    t->started = role_monotonic_ms();
    t->deadline = t->started + (uint64_t)t->snap->conf->global.request_deadline;
    t->timer = event_new(net->base, -1, 0, on_deadline, t);
    if (!t->timer)
        pke_oom();
    pke_buf_init(&t->body, REPLY_MAX);
    pke_buf_init(&t->envelope, REPLY_MAX);
    make_trace_id(t->trace_id);
    t->step = t->ep->conf->stage == CONF_STAGE_POLICY ? txn_policy_steps : txn_enroll_steps;
    t->input = req->body;
    net->n_txns++;
    txn_arm_deadline(t);
    /* whether it ended inside is seen from a flag of ours: t may be gone */
    net->txn_started = t;
    if (req->refused) {
        t->fail = *req->refused;
        t->fault_status = req->refused_status;
        refuse(t);
    } else {
        run(t);
    }
    finished = net->txn_started == NULL;
    net->txn_started = NULL;
    soap_request_wipe(net->parser);
    if (finished)
        return NULL;
    t->input = PKE_BYTES(NULL, 0);
    t->soap.credential.password = t->soap.credential.token = PKE_BYTES(NULL, 0);
    return t;
}

void txn_forget(struct txn *t)
{
    if (t)
        t->done = NULL;
}
