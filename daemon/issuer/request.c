/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request from T1 on: T1 durable -> signature -> T2 durable -> answer; or a refusal, recorded
 * before it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "ca/release.h"
#include "daemon/common/log.h"
#include "daemon/issuer/request.h"
#include "daemon/issuer/sign.h"
#include "daemon/issuer/tenants.h"
#include "policy/names.h"

void request_free(struct request *req)
{
    struct request **at = &req->issuer->requests;

    while (*at && *at != req)
        at = &(*at)->next;
    if (*at)
        *at = req->next;
    while (req->waiters) {
        struct waiter *next = req->waiters->next;
        if (req->waiters->call) /* whatever happened: a call is answered */
            sign_answer(req->waiters->call, req->waiters->index, MSG_FAILED + 1, NULL);
        free(req->waiters);
        req->waiters = next;
    }
    if (req->msg.token.n) /* also of a request that was refused before it was looked at */
        explicit_bzero((void *)(uintptr_t)req->msg.token.p, req->msg.token.n);
    setup_unref(req->setup);
    pke_arena_free(req->arena);
    free(req);
}

void request_add_waiter(struct request *req, struct chan *net, uint64_t frame_id)
{
    struct waiter *w = pke_calloc(1, sizeof *w);

    *w = (struct waiter){.next = req->waiters, .net = net, .frame_id = frame_id};
    req->waiters = w;
}

void request_add_call(struct request *req, struct signing *call, size_t index)
{
    request_add_waiter(req, NULL, 0);
    req->waiters->call = call;
    req->waiters->index = index;
}

void request_move_waiters(struct request *from, struct request *to)
{
    struct waiter **end = &to->waiters;

    while (*end)
        end = &(*end)->next;
    *end = from->waiters;
    from->waiters = NULL;
}

void request_answer(struct request *req, uint16_t kind, const struct ipc_field *fields, const void *record)
{
    for (struct waiter *w = req->waiters; w; w = w->next) {
        struct signing *call = w->call;

        w->call = NULL;
        if (call)
            sign_answer(call, w->index, kind, record);
        else if (w->net)
            chan_send_record(w->net, kind, w->frame_id, fields, record);
    }
}

static void log_refused(const struct request *req)
{
    log_fail(LOG_NOTICE, "request refused", &req->fail, "trace_id", req->msg.trace_id, "principal",
             req->who.principal, "device", req->device_id, "serial",
             req->serial_hex[0] ? req->serial_hex : NULL, "csr_subject", req->csr.subject_text, "attestation",
             req->attestation, "dropped", explain_dropped(&req->trail, req->arena), NULL);
}

void request_end_failed(struct request *req)
{
    struct issuer *is = req->issuer;
    struct msg_failed m = {.fail = req->fail, .retry_ms = req->retry_ms, .trace_id = req->folded_id};

    if (req->vouched && !m.trace_id) /* where its record is found */
        m.trace_id = req->msg.trace_id;

    log_refused(req);
    request_answer(req, MSG_FAILED, msg_failed_fields, &m);
    request_free(req);
    issuer_check_stopped(is);
}

bool request_with_ca(const struct request *req, const struct issuer_ca *by)
{
    return req->op == OP_RENEW && (!pke_bytes_eq(req->old.issuer_id, ca_issuer_id(by->ca)) ||
                                   req->old.not_before < ca_issuer_not_before(by->ca));
}

static void end_issued(struct request *req)
{
    struct issuer *is = req->issuer;
    struct msg_issued m = {.request_id = req->msg.trace_id,
                           .serial = req->serial_hex,
                           .certificate = req->certificate,
                           .principal = req->who.principal,
                           .subject_cn = req->decision.subject_cn,
                           .more_names = req->decision.subject.n > 1,
                           .ent_dmid = req->ent_dmid,
                           .operation = req->msg.operation,
                           .enrollment_type = req->enrollment_type,
                           .upn = req->identity.upn,
                           .with_ca = request_with_ca(req, req->tmpl->ca),
                           .number = req->ticket,
                           .issuer = req->tmpl->ca->conf->name,
                           .provider = req->provider};

    if (req->ticket)
        waiting_issued(req);
    tenant_issued(req);
    log_event(LOG_INFO, "certificate issued", "trace_id", req->msg.trace_id, "tenant", req->who.tenant,
              "principal", req->who.principal, "device", req->device_id, "serial", req->serial_hex, "subject",
              req->decision.subject_cn, "csr_subject", req->csr.subject_text, "attestation", req->attestation,
              "dropped", explain_dropped(&req->trail, req->arena), NULL);
    request_answer(req, MSG_ISSUED, msg_issued_fields, &m);
    request_free(req);
    issuer_check_stopped(is);
}

struct policy_identity request_identity(const struct assertion *a)
{
    return (struct policy_identity){.tenant = a->tenant,
                                    .principal = a->principal,
                                    .user_id = a->user_id,
                                    .upn = pke_pairs_get(&a->attributes, "upn"),
                                    .credential = a->kind};
}

struct ledger_request request_to_ledger(const struct request *req)
{
    return (struct ledger_request){
        .request_id = req->msg.trace_id,
        .tenant = req->endpoint ? req->endpoint->tenant : req->who.tenant,
        .principal = req->who.principal,
        .user_id = req->who.user_id,
        .provider = req->provider,
        .attributes = req->who.attributes,
        .attestation = req->attestation,
        .credential = req->who.kind,
        .endpoint = req->msg.endpoint,
        .template_name = req->endpoint ? req->endpoint->template_name : NULL,
        .operation = req->msg.operation,
        .stage = "enroll",
        .device_id = req->device_id,
        .enrollment_type = req->enrollment_type,
        .device_name = pke_pairs_get(&req->msg.context, "DeviceName"),
        .hwdev_id = pke_pairs_get(&req->msg.context, "HWDevID"),
        .source = req->msg.source,
        .context = req->msg.context,
        .request = req->csr_der.n ? req->csr_der : req->msg.request,
        .explanation = req->explanation,
        .at = req->now_ms,
    };
}

/* ---- refusals ---- */

static enum pke_err apply_refused(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;
    struct ledger_request r = request_to_ledger(req);
    struct ledger_admission a;
    enum pke_err err;

    if (!req->asks_operator || (req->fail.err != PKE_PENDING && req->fail.err != PKE_CUSTOM))
        return ledger_refused(is->ledger, &r, &req->fail, fail);
    err = ledger_admission_attempt(is->ledger, &r, &req->fail, req->arena, &a, fail);
    if (err == PKE_OK)
        req->folded_id = a.request_id;
    return err;
}

static void done_refused(struct issuer *is, struct batch_op *op, enum pke_err err,
                         const struct pke_fail *fail)
{
    (void)is;
    if (err != PKE_OK)
        log_fail(LOG_ERR, "refusal not recorded", fail, NULL);
    request_end_failed(op->arg);
}

/* req->fail says why. Recorded before it is told, so that the TraceId the user gets is there to be looked up.
 */
void request_refuse(struct request *req)
{
    bool allowed;

    req->state = REQUEST_RESULT;
    if (req->fail.err != PKE_STALE) /* net comes again with it */
        tenant_count(req->issuer, req->endpoint ? req->endpoint->tenant : NULL, TENANT_REFUSED);
    if (req->ticket || waiting_may(req)) {
        explain_refused(req, &req->fail);
        (req->ticket ? waiting_failed : waiting_record)(req);
        return;
    }
    allowed = req->fail.err != PKE_STALE && refusal_allowed(req->issuer);
    if (!allowed && req->fail.err == PKE_PENDING) /* nobody could approve what is not recorded */
        req->fail.err = PKE_BUSY;
    if (!allowed) {
        request_end_failed(req);
        return;
    }
    explain_refused(req, &req->fail);
    batch_add(req->issuer, apply_refused, done_refused, req);
}

/* ---- T2 ---- */

static enum pke_err apply_issued(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;

    return ledger_issued(is->ledger, req->msg.trace_id, req->certificate, role_wall_ms(), fail);
}

static enum pke_err apply_failed(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;

    explain_refused(req, &req->fail);
    return ledger_failed(is->ledger, req->msg.trace_id, &req->fail, req->explanation, role_wall_ms(), fail);
}

static void done_failed(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct request *req = op->arg;

    tenant_count(is, req->who.tenant, TENANT_FAILED);
    if (err != PKE_OK) {
        log_fail(LOG_ERR, "failure not recorded", fail, "trace_id", req->msg.trace_id, NULL);
        orphan_add(is, req->msg.trace_id, &req->fail);
        request_end_failed(req);
    } else if (req->ticket) {
        waiting_failed(req);
    } else if (waiting_may(req)) {
        waiting_record(req);
    } else {
        request_end_failed(req);
    }
}

static void done_issued(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct request *req = op->arg;

    if (err == PKE_DENIED) { /* an operator was faster than the key */
        req->fail = *fail;
        if (req->op == OP_RENEW)
            req->fail.err = PKE_RENEW_INELIGIBLE;
        batch_add(is, apply_failed, done_failed, req);
        return;
    }
    if (err != PKE_OK) { /* the signature exists and is never released */
        req->fail = *fail;
        orphan_add(is, req->msg.trace_id, fail);
        request_end_failed(req);
        return;
    }
    if (req->now_ms > is->wall_seen)
        is->wall_seen = req->now_ms;
    end_issued(req);
}

/* Put together and looked at once more: what leaves is what lint saw, signed by the CA. Where the key signed
 * other bytes, or another key did, the serial is lost and nothing else. */
static enum pke_err finish_certificate(struct request *req, struct pke_bytes signature)
{
    const struct ca_issuer *ca = req->tmpl->ca->ca;
    struct pke_buf cert;
    enum pke_err err;

    pke_buf_init(&cert, CA_TBS_MAX + 2048);
    if (ca_cert_assemble(ca, req->tbs, signature, &cert) != PKE_OK)
        err = pke_fail_set(&req->fail, PKE_INTERNAL, "assemble", "RFC 5280 4.1",
                           "the certificate could not be assembled");
    else
        err = ca_release_check(ca, req->linted, pke_buf_bytes(&cert), &req->fail);
    if (err == PKE_OK)
        req->certificate = pke_arena_bytes(req->arena, pke_buf_bytes(&cert));
    else
        log_fail(LOG_CRIT, "a certificate is not released", &req->fail, "trace_id", req->msg.trace_id,
                 "serial", req->serial_hex, NULL);
    pke_buf_done(&cert);
    return err;
}

void request_signed(struct request *req, struct pke_bytes signature, const struct pke_fail *fail)
{
    req->state = REQUEST_RESULT;
    if (fail)
        req->fail = *fail;
    if (fail || finish_certificate(req, signature) != PKE_OK)
        batch_add(req->issuer, apply_failed, done_failed, req);
    else
        batch_add(req->issuer, apply_issued, done_issued, req);
}

/* ---- T1 ---- */

static enum pke_err apply_intent(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;
    struct ledger_intent in = {.request = request_to_ledger(req),
                               .issuer_id = ca_issuer_id(req->tmpl->ca->ca),
                               .serial = PKE_BYTES(req->serial, sizeof req->serial),
                               .tbs = req->tbs,
                               .spki_sha256 = PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256),
                               .subject = req->decision.subject_cn,
                               .ent_dmid = req->ent_dmid,
                               .names = policy_names_record(&req->decision, req->arena),
                               .token_id = req->token.token_id,
                               .jti_issuer = req->jti_issuer,
                               .jti = req->jti,
                               .jti_expires = req->jti_expires,
                               .admission_request_id = req->admission_id,
                               .uses_recovery = req->uses_recovery,
                               .uses_renewal = req->uses_renewal,
                               .ticket = req->ticket,
                               .not_before = req->decision.not_before,
                               .not_after = req->decision.not_after};

    memcpy(in.idempotency_key, req->key, sizeof in.idempotency_key);
    in.allow_superseded = req->old.superseded_at != 0; /* policy said: within renew-overlap */
    if (req->op == OP_RENEW)
        in.renews_sha256 = PKE_BYTES(req->cms.certificate_sha256, sizeof req->cms.certificate_sha256);
    return ledger_intent(is->ledger, &in, fail);
}

static void done_intent(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct request *req = op->arg;

    if (err != PKE_OK)
        req->fail = *fail;
    if (err == PKE_EXISTS) /* an orphan of the same request, soon to be closed */
        req->fail.err = PKE_BUSY;
    if (err == PKE_DENIED && req->op == OP_RENEW)
        req->fail.err = PKE_RENEW_INELIGIBLE;
    /* such as: another request was faster with the last use of a token, an approval or a permission */
    if (err != PKE_OK && err != PKE_STORE_DOWN) {
        request_refuse(req);
        return;
    }
    if (err != PKE_OK) {
        log_fail(LOG_ERR, "intent not recorded", fail, "trace_id", req->msg.trace_id, NULL);
        request_end_failed(req);
        return;
    }
    req->state = REQUEST_SIGNING;
    req->t1 = true;
    keys_submit(is, req->tmpl->ca->conf->key, req);
}

void request_intend(struct request *req)
{
    req->state = REQUEST_INTENT;
    batch_add(req->issuer, apply_intent, done_intent, req);
}
