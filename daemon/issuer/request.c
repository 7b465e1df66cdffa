/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request: PREPARE -> (COMMIT) -> T1 durable -> signature -> T2 durable -> answer. A retry of a
 * request in flight attaches to it; a retry of an answered one gets the same certificate.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"

#define MAX_HELD 256

static void request_free(struct request *req)
{
    struct request **at = &req->issuer->requests;

    while (*at && *at != req)
        at = &(*at)->next;
    if (*at)
        *at = req->next;
    while (req->waiters) {
        struct waiter *next = req->waiters->next;
        free(req->waiters);
        req->waiters = next;
    }
    if (req->msg.token.n) /* also of a request that was refused before it was looked at */
        explicit_bzero((void *)(uintptr_t)req->msg.token.p, req->msg.token.n);
    setup_unref(req->setup);
    pke_arena_free(req->arena);
    free(req);
}

static void add_waiter(struct request *req, struct chan *net, uint64_t frame_id)
{
    struct waiter *w = pke_calloc(1, sizeof *w);

    *w = (struct waiter){.next = req->waiters, .net = net, .frame_id = frame_id};
    req->waiters = w;
}

static void answer_all(struct request *req, uint16_t kind, const struct ipc_field *fields, const void *record)
{
    for (struct waiter *w = req->waiters; w; w = w->next)
        if (w->net)
            chan_send_record(w->net, kind, w->frame_id, fields, record);
}

static void log_refused(const struct request *req)
{
    log_fail(LOG_NOTICE, "request refused", &req->fail, "trace_id", req->msg.trace_id, "principal",
             req->who.principal, "device", req->device_id, "serial",
             req->serial_hex[0] ? req->serial_hex : NULL, "csr_subject", req->csr.subject_text, "attestation",
             req->attestation, NULL);
}

static void end_failed(struct request *req)
{
    struct issuer *is = req->issuer;
    struct msg_failed m = {.fail = req->fail, .trace_id = req->folded_id};

    log_refused(req);
    answer_all(req, MSG_FAILED, msg_failed_fields, &m);
    request_free(req);
    issuer_check_stopped(is);
}

/* The device trusts the CA of its old certificate; another one comes with the renewal (MS-MDE2 2.2.9.1). */
static bool renewed_by_another_ca(const struct request *req, struct pke_bytes old_issuer)
{
    return req->op == OP_RENEW && !pke_bytes_eq(old_issuer, PKE_BYTES(req->tmpl->ca->sha1, 20));
}

static void end_issued(struct request *req)
{
    struct issuer *is = req->issuer;
    struct msg_issued m = {.request_id = req->msg.trace_id,
                           .serial = req->serial_hex,
                           .certificate = req->certificate,
                           .principal = req->who.principal,
                           .subject_cn = req->decision.subject_cn,
                           .ent_dmid = req->ent_dmid,
                           .operation = req->msg.operation,
                           .enrollment_type = req->enrollment_type,
                           .upn = req->identity.upn,
                           .with_ca = renewed_by_another_ca(req, req->old.issuer_id)};

    log_event(LOG_INFO, "certificate issued", "trace_id", req->msg.trace_id, "principal", req->who.principal,
              "device", req->device_id, "serial", req->serial_hex, "subject", req->decision.subject_cn,
              "csr_subject", req->csr.subject_text, "attestation", req->attestation, NULL);
    answer_all(req, MSG_ISSUED, msg_issued_fields, &m);
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
        .tenant = req->setup->conf->global.tenant,
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
    end_failed(op->arg);
}

/* req->fail says why. Recorded before it is told, so that the TraceId the user gets is there to be looked up.
 */
static void refuse(struct request *req)
{
    bool allowed = req->fail.err != PKE_STALE && refusal_allowed(req->issuer);

    req->state = REQUEST_RESULT;
    if (!allowed && req->fail.err == PKE_PENDING) /* nobody could approve what is not recorded */
        req->fail.err = PKE_BUSY;
    if (!allowed)
        end_failed(req);
    else
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

    return ledger_failed(is->ledger, req->msg.trace_id, &req->fail, role_wall_ms(), fail);
}

static void done_failed(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct request *req = op->arg;

    if (err != PKE_OK) {
        log_fail(LOG_ERR, "failure not recorded", fail, "trace_id", req->msg.trace_id, NULL);
        orphan_add(is, req->msg.trace_id, &req->fail);
    }
    end_failed(req);
}

static void done_issued(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct request *req = op->arg;

    if (err == PKE_DENIED) { /* an operator was faster than the key */
        req->fail = *fail;
        batch_add(is, apply_failed, done_failed, req);
        return;
    }
    if (err != PKE_OK) { /* the signature exists and is never released */
        req->fail = *fail;
        orphan_add(is, req->msg.trace_id, fail);
        end_failed(req);
        return;
    }
    if (req->now_ms > is->wall_seen)
        is->wall_seen = req->now_ms;
    end_issued(req);
}

void request_signed(struct request *req, struct pke_bytes signature, const struct pke_fail *fail)
{
    struct pke_buf cert;

    req->state = REQUEST_RESULT;
    if (fail) {
        req->fail = *fail;
        batch_add(req->issuer, apply_failed, done_failed, req);
        return;
    }
    pke_buf_init(&cert, CA_TBS_MAX + 2048);
    if (ca_cert_assemble(req->tmpl->ca->ca, req->tbs, signature, &cert) != PKE_OK) {
        pke_fail_set(&req->fail, PKE_INTERNAL, "assemble", "RFC 5280 4.1",
                     "the certificate could not be assembled");
        batch_add(req->issuer, apply_failed, done_failed, req);
    } else {
        req->certificate = pke_arena_bytes(req->arena, pke_buf_bytes(&cert));
        batch_add(req->issuer, apply_issued, done_issued, req);
    }
    pke_buf_done(&cert);
}

/* ---- T1 ---- */

static enum pke_err apply_intent(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct request *req = op->arg;
    struct ledger_intent in = {.request = request_to_ledger(req),
                               .issuer_id = PKE_BYTES(req->tmpl->ca->sha1, sizeof req->tmpl->ca->sha1),
                               .serial = PKE_BYTES(req->serial, sizeof req->serial),
                               .tbs = req->tbs,
                               .spki_sha256 = PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256),
                               .subject = req->decision.subject_cn,
                               .ent_dmid = req->ent_dmid,
                               .san_uri = req->decision.san_uri,
                               .token_id = req->token.token_id,
                               .jti_issuer = req->jti_issuer,
                               .jti = req->jti,
                               .jti_expires = req->jti_expires,
                               .admission_request_id = req->admission_id,
                               .uses_recovery = req->uses_recovery,
                               .uses_renewal = req->uses_renewal,
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
        refuse(req);
        return;
    }
    if (err != PKE_OK) {
        log_fail(LOG_ERR, "intent not recorded", fail, "trace_id", req->msg.trace_id, NULL);
        end_failed(req);
        return;
    }
    req->state = REQUEST_SIGNING;
    keys_submit(is, req->tmpl->ca->conf->key, req);
}

/* ---- PREPARE and COMMIT ---- */

static struct request *find_twin(const struct request *req)
{
    for (struct request *o = req->issuer->requests; o; o = o->next)
        if (o != req && o->endpoint && o->state != REQUEST_PREPARED &&
            memcmp(o->key, req->key, sizeof o->key) == 0 && o->fail.err == PKE_OK)
            return o;
    return NULL;
}

/* Is the certificate of an earlier answer still the answer? A renewal's CMS proves the same for all its life.
 */
static bool may_replay(struct request *req, const struct ledger_hit *hit)
{
    if (!hit->certificate.n || hit->superseded_at || hit->revoked_at || hit->issued_at > req->now_ms)
        return false;
    if (req->op == OP_RENEW)
        return req->now_ms / 1000 < hit->not_after;
    return req->now_ms - hit->issued_at <= req->setup->conf->global.retry_window && check_still_allowed(req);
}

/* At the rate of refusals: who repeats a request must not fill the disk. */
static void audit_replay(struct request *req, const char *request_id)
{
    char detail[80];

    if (!refusal_allowed(req->issuer))
        return;
    snprintf(detail, sizeof detail, "{\"trace_id\":\"%.36s\"}", req->msg.trace_id);
    batch_audit(req->issuer, "replayed", req->who.principal, request_id, detail);
}

/* Architecture 4: replays are a request in flight (the retry attaches) or a certificate younger than
 * retry-window. */
static bool replay(struct request *req)
{
    struct request *twin = find_twin(req);
    struct ledger_hit hit;
    struct pke_fail fail;
    struct msg_issued m;

    if (twin) {
        add_waiter(twin, req->waiters->net, req->waiters->frame_id);
        request_free(req);
        return true;
    }
    if (ledger_find_key(req->issuer->ledger, req->key, req->arena, &hit, &fail) != PKE_OK)
        return false;
    if (!may_replay(req, &hit)) {
        if (req->op != OP_RENEW || !hit.certificate.n)
            return false;
        pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-answered", "MS-MDE2 3.5 Renew",
                     "the certificate that this renewal brought is not in use any more");
        refuse(req); /* never a second certificate for one CMS */
        return true;
    }
    m = (struct msg_issued){.request_id = hit.request_id,
                            .serial = hit.serial_hex,
                            .certificate = hit.certificate,
                            .principal = hit.principal,
                            .subject_cn = hit.subject,
                            .ent_dmid = hit.ent_dmid,
                            .operation = req->msg.operation,
                            .enrollment_type = req->enrollment_type,
                            .upn = req->identity.upn,
                            .with_ca = renewed_by_another_ca(req, req->old.issuer_id),
                            .replayed = 1};
    audit_replay(req, hit.request_id);
    log_event(LOG_INFO, "certificate replayed", "trace_id", req->msg.trace_id, "request_id", hit.request_id,
              "serial", hit.serial_hex, NULL);
    answer_all(req, MSG_ISSUED, msg_issued_fields, &m);
    request_free(req);
    return true;
}

static void proceed(struct request *req)
{
    if (req->msg.deadline <= role_monotonic_ms())
        pke_fail_set(&req->fail, PKE_DEADLINE, "deadline", "request deadline", "the request took too long");
    else
        check_build(req);
    if (req->fail.err != PKE_OK) {
        refuse(req);
        return;
    }
    req->state = REQUEST_INTENT;
    batch_add(req->issuer, apply_intent, done_intent, req);
}

/* net alone decides how many it prepares and never commits. */
static enum pke_err check_held(struct request *req)
{
    unsigned held = 0;

    for (const struct request *o = req->issuer->requests; o; o = o->next)
        held += o != req && o->state == REQUEST_PREPARED;
    return held < MAX_HELD ? PKE_OK
                           : pke_fail_set(&req->fail, PKE_BUSY, "held-requests", "PREPARE/COMMIT",
                                          "too many requests wait for their COMMIT");
}

static void hold(struct request *req)
{
    struct msg_prepared m;
    uint8_t hash[32];

    EVP_Digest(req->msg.request.p, req->msg.request.n, hash, NULL, EVP_sha256(), NULL); /* as auth's word */
    if (RAND_bytes((unsigned char *)&req->prep_id, sizeof req->prep_id) != 1)
        pke_oom();
    req->state = REQUEST_PREPARED;
    m = (struct msg_prepared){.prep_id = req->prep_id, .request_hash = PKE_BYTES(hash, sizeof hash)};
    answer_all(req, MSG_PREPARED, msg_prepared_fields, &m);
    while (req->waiters) {
        struct waiter *next = req->waiters->next;
        free(req->waiters);
        req->waiters = next;
    }
}

static struct request *request_new(struct issuer *is, const struct ipc_frame *f)
{
    struct request *req = pke_calloc(1, sizeof *req);

    req->issuer = is;
    req->arena = pke_arena_new();
    req->setup = setup_ref(is->setup);
    req->now_ms = role_wall_ms();
    req->next = is->requests;
    is->requests = req;
    add_waiter(req, is->net, f->id);
    return req;
}

/* net chooses the deadline, but not to keep auth's word and our memory for as long as it likes. */
static void cut_deadline(struct request *req)
{
    uint64_t last = role_monotonic_ms() + (uint64_t)req->setup->conf->global.request_deadline;

    if (req->msg.deadline > last)
        req->msg.deadline = last;
    if (req->msg.deadline > req->who.expires)
        req->msg.deadline = req->who.expires;
}

void request_prepare(struct issuer *is, const struct ipc_frame *f)
{
    struct request *req = request_new(is, f);
    struct pke_fail fail;

    if (ipc_record_read(msg_prepare_fields, f->payload, req->arena, &req->msg, sizeof req->msg, &fail) !=
        PKE_OK) {
        req->fail = fail;
        end_failed(req);
        return;
    }
    if (req->msg.token.n)
        chan_wipe_frame(is->net, f);
    if (check_identity(req) != PKE_OK) {
        refuse(req);
        return;
    }
    cut_deadline(req);
    if (replay(req))
        return;
    if (check_request(req) != PKE_OK || (!req->msg.commit && check_held(req) != PKE_OK))
        refuse(req);
    else if (req->msg.commit)
        proceed(req);
    else
        hold(req);
}

void request_commit(struct issuer *is, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_commit m;
    struct msg_failed failed = {0};
    struct request *req = NULL;
    enum pke_err err = ipc_record_read(msg_commit_fields, f->payload, arena, &m, sizeof m, &failed.fail);

    for (struct request *o = is->requests; err == PKE_OK && o; o = o->next)
        if (o->state == REQUEST_PREPARED && o->prep_id == m.prep_id)
            req = o;
    if (err == PKE_OK && !req)
        err = pke_fail_set(&failed.fail, PKE_DEADLINE, "prep-id", "PREPARE/COMMIT",
                           "no prepared request of this id, or its deadline passed");
    if (err != PKE_OK) {
        chan_send_record(is->net, MSG_FAILED, f->id, msg_failed_fields, &failed);
        pke_arena_free(arena);
        return;
    }
    add_waiter(req, is->net, f->id);
    if (m.decision.n) /* no template can name an authoriser yet: an answer of one proves nothing */
        pke_fail_set(&req->fail, PKE_DENIED, "authoriser", "PREPARE/COMMIT", "no authoriser is configured");
    else if (req->setup != is->setup)
        pke_fail_set(&req->fail, PKE_STALE, "generation", "configuration switch",
                     "the configuration changed while the request waited");
    pke_arena_free(arena);
    req->state = REQUEST_INTENT;
    req->now_ms = role_wall_ms(); /* it is decided now: what was issued meanwhile counts */
    if (req->fail.err != PKE_OK) {
        refuse(req);
    } else if (!replay(req)) {
        enum pke_err again = req->op == OP_RENEW ? renew_again(req) : check_certificate_credential(req);

        if (again == PKE_OK && check_ownership(req) == PKE_OK)
            proceed(req);
        else
            refuse(req);
    }
}

void request_forget_net(struct issuer *is)
{
    request_drop_prepared(is);
    for (struct request *req = is->requests; req; req = req->next)
        for (struct waiter *w = req->waiters; w; w = w->next)
            w->net = NULL;
}

static void drop_prepared(struct issuer *is, uint64_t until)
{
    struct request *next;

    for (struct request *req = is->requests; req; req = next) {
        next = req->next;
        if (req->state == REQUEST_PREPARED && req->msg.deadline <= until)
            request_free(req);
    }
}

void request_expire(struct issuer *is)
{
    drop_prepared(is, role_monotonic_ms());
    issuer_check_stopped(is); /* one that came after MSG_STOP may have been the last */
}

void request_drop_prepared(struct issuer *is)
{
    drop_prepared(is, UINT64_MAX);
}
