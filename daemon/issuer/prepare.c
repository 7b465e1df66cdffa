/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PREPARE and COMMIT: a request comes in, is answered from what is recorded or under way, held until net
 * commits it, or goes on to T1. A retry of a request in flight attaches to it; a retry of an answered one
 * gets the same certificate.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/common/log.h"
#include "daemon/issuer/request.h"
#include "daemon/issuer/sign.h"

#define MAX_HELD 256

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
    if (!hit->certificate.n || !setup_ca_of(req->setup, hit->issuer_id) || hit->superseded_at ||
        hit->revoked_at || hit->issued_at > req->now_ms)
        return false;
    if (req->op == OP_RENEW)
        return req->now_ms / 1000 < hit->not_after;
    /* who names his request himself may come back for its answer at any time */
    return (req->now_ms - hit->issued_at <= req->setup->conf->global.retry_window ||
            (req->vouched && req->vouched->idempotency_key)) &&
           check_still_allowed(req);
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

/* The same Idempotency-Key for something else is a fault of the frontend, and must not look like an answer.
 */
static bool refuse_key(struct request *req)
{
    pke_fail_set(&req->fail, PKE_EXISTS, "idempotency-key", "signing API: Idempotency-Key",
                 "this Idempotency-Key was used for another request");
    request_refuse(req);
    return true;
}

static bool is_another(struct request *req, const char *principal, struct pke_bytes csr)
{
    if (!req->vouched || !req->vouched->idempotency_key ||
        (strcmp(principal, req->who.principal) == 0 && pke_bytes_eq(csr, req->csr_der)))
        return false;
    return refuse_key(req);
}

static bool uses_key_again(struct request *req, const struct ledger_hit *hit)
{
    if (!req->vouched || !req->vouched->idempotency_key ||
        sign_is_same(req, hit->principal, hit->certificate))
        return false;
    return refuse_key(req);
}

/* Architecture 4: replays are a request in flight (the retry attaches) or a certificate younger than
 * retry-window. */
static bool replay(struct request *req)
{
    struct request *twin = find_twin(req);
    const struct issuer_ca *by;
    struct ledger_hit hit;
    struct pke_fail fail;
    struct msg_issued m;

    if (twin && is_another(req, twin->who.principal, twin->csr_der))
        return true;
    if (twin) {
        if (req->msg.deadline > twin->msg.deadline) /* there is still somebody to answer at that time */
            twin->msg.deadline = req->msg.deadline;
        request_move_waiters(req, twin);
        request_free(req);
        return true;
    }
    if (ledger_find_key(req->issuer->ledger, req->key, req->arena, &hit, &fail) != PKE_OK)
        return waiting_again(req);
    if (hit.certificate.n && uses_key_again(req, &hit))
        return true;
    if (!may_replay(req, &hit)) {
        if (req->op != OP_RENEW || !hit.certificate.n)
            return waiting_again(req);
        pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-answered", "MS-MDE2 3.5 Renew",
                     "the certificate that this renewal brought is not in use any more");
        request_refuse(req); /* never a second certificate for one CMS */
        return true;
    }
    by = setup_ca_of(req->setup, hit.issuer_id); /* may_replay() found it */
    m = (struct msg_issued){.request_id = hit.request_id,
                            .serial = hit.serial_hex,
                            .certificate = hit.certificate,
                            .principal = hit.principal,
                            .subject_cn = hit.subject,
                            .more_names = !ca_cert_subject_is_single(hit.certificate),
                            .ent_dmid = hit.ent_dmid,
                            .operation = req->msg.operation,
                            .enrollment_type = req->enrollment_type,
                            .upn = req->identity.upn,
                            .with_ca = request_with_ca(req, by),
                            .replayed = 1,
                            .issuer = by->conf->name,
                            .provider = req->provider};
    audit_replay(req, hit.request_id);
    log_event(LOG_INFO, "certificate replayed", "trace_id", req->msg.trace_id, "request_id", hit.request_id,
              "serial", hit.serial_hex, NULL);
    request_answer(req, MSG_ISSUED, msg_issued_fields, &m);
    request_free(req);
    return true;
}

void request_proceed(struct request *req)
{
    if (req->msg.deadline <= role_monotonic_ms())
        pke_fail_set(&req->fail, PKE_DEADLINE, "deadline", "request deadline", "the request took too long");
    else if (authoriser_passed(req) == PKE_OK)
        check_build(req);
    if (req->fail.err == PKE_OK && req->vouched)
        sign_check(req);
    if (req->fail.err != PKE_OK) {
        request_refuse(req);
        return;
    }
    request_intend(req);
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
    m = (struct msg_prepared){.prep_id = req->prep_id,
                              .request_hash = PKE_BYTES(hash, sizeof hash),
                              .authoriser = req->question.n ? req->tmpl->policy->authoriser : NULL,
                              .question = req->question};
    request_answer(req, MSG_PREPARED, msg_prepared_fields, &m);
    while (req->waiters) {
        struct waiter *next = req->waiters->next;
        free(req->waiters);
        req->waiters = next;
    }
}

struct request *request_create(struct issuer *is)
{
    struct request *req = pke_calloc(1, sizeof *req);

    req->issuer = is;
    req->arena = pke_arena_new();
    req->trail.arena = req->arena;
    req->setup = setup_ref(is->setup);
    req->now_ms = role_wall_ms();
    req->next = is->requests;
    is->requests = req;
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
    struct request *req = request_create(is);
    struct pke_fail fail;

    request_add_waiter(req, is->net, f->id);
    if (ipc_record_read(msg_prepare_fields, f->payload, req->arena, &req->msg, sizeof req->msg, &fail) !=
        PKE_OK) {
        req->fail = fail;
        request_end_failed(req);
        return;
    }
    if (req->msg.token.n)
        chan_wipe_frame(is->net, f);
    request_start(req);
}

void request_start(struct request *req)
{
    bool asks = false;

    if (check_identity(req) != PKE_OK) {
        request_refuse(req);
        return;
    }
    cut_deadline(req);
    if (replay(req))
        return;
    if (check_request(req) != PKE_OK || authoriser_begin(req, &asks) != PKE_OK)
        request_refuse(req);
    else if (req->msg.commit && !asks) /* whatever net says: an authoriser is asked first */
        request_proceed(req);
    else if (check_held(req) == PKE_OK)
        hold(req);
    else
        request_refuse(req);
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
    request_add_waiter(req, is->net, f->id);
    if (req->setup != is->setup)
        pke_fail_set(&req->fail, PKE_STALE, "generation", "configuration switch",
                     "the configuration changed while the request waited");
    else
        authoriser_end(req, &m);
    pke_arena_free(arena);
    req->state = REQUEST_INTENT;
    req->now_ms = role_wall_ms(); /* it is decided now: what was issued meanwhile counts */
    if (req->tmpl)                /* and who signs now */
        req->tmpl = setup_template(req->setup, req->tmpl->policy->name);
    if (req->fail.err != PKE_OK) {
        request_refuse(req);
    } else if (!replay(req)) {
        enum pke_err again = req->op == OP_RENEW ? renew_again(req) : check_certificate_credential(req);

        if (again == PKE_OK && check_ownership(req) == PKE_OK)
            request_proceed(req);
        else
            request_refuse(req);
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
