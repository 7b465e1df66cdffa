/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a request, or its refusal: every function of ledger.h here is one change (savepoint) with
 * its audit row. What becomes of an intent is in finish.c. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/pack.h"

/* What a request row needs beside the request itself. */
struct attempt {
    const char *state;
    struct pke_bytes idempotency_key;
    const struct pke_fail *why;
};

static bool is_constraint(int rc)
{
    return (rc & 0xff) == SQLITE_CONSTRAINT;
}

/* Returns SQLite's result code. */
static int insert_request(struct ledger *l, const struct ledger_request *r, const struct attempt *a,
                          struct pke_bytes context, struct pke_bytes attributes)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_REQUEST);
    const char *texts[] = {r->request_id,      a->state,         r->tenant,    r->principal, r->credential,
                           r->endpoint,        r->template_name, r->operation, r->stage,     r->device_id,
                           r->enrollment_type, r->device_name,   r->hwdev_id,  r->source};

    for (size_t i = 0; i < PKE_LEN(texts); i++)
        query_text(&q, texts[i]);
    query_blob(&q, context);
    query_blob(&q, r->request);
    query_int(&q, r->at);
    query_int(&q, a->why ? r->at : 0);
    query_blob(&q, a->idempotency_key);
    query_text(&q, a->why ? pke_err_token(a->why->err) : NULL);
    query_text(&q, a->why ? a->why->reason : NULL);
    query_text(&q, a->why ? a->why->rule : NULL);
    query_text(&q, a->why ? a->why->text : NULL);
    query_text(&q, r->user_id);
    query_text(&q, r->provider);
    query_text(&q, r->attestation);
    query_blob(&q, attributes);
    query_text(&q, r->explanation);
    (void)query_row(&q);
    return q.rc;
}

static bool exists_key(struct ledger *l, struct pke_bytes key)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_SLOT);

    query_blob(&q, key);
    return query_row(&q);
}

static bool exists_request(struct ledger *l, const char *request_id)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_REQUEST);

    query_text(&q, request_id);
    return query_row(&q);
}

static enum pke_err add_request(struct ledger *l, const struct ledger_request *r, const struct attempt *a,
                                struct pke_fail *fail)
{
    struct pke_buf context, attributes;
    int rc = SQLITE_TOOBIG;

    pke_buf_init(&context, STORE_MAX_VALUE);
    pke_buf_init(&attributes, STORE_MAX_VALUE);
    if (pack_pairs(&r->context, &context) == PKE_OK && pack_pairs(&r->attributes, &attributes) == PKE_OK)
        rc = insert_request(l, r, a, pke_buf_bytes(&context), pke_buf_bytes(&attributes));
    pke_buf_done(&context);
    pke_buf_done(&attributes);
    if (rc == SQLITE_DONE)
        return PKE_OK;
    if (!is_constraint(rc))
        return store_error(&l->store, rc, fail);
    if (exists_request(l, r->request_id))
        return pke_fail_set(fail, a->why ? PKE_EXISTS : PKE_INTERNAL, "request-id-exists", STORE_RULE_REQUEST,
                            "an attempt with this request id was recorded before");
    if (a->idempotency_key.n && exists_key(l, a->idempotency_key))
        return pke_fail_set(fail, PKE_EXISTS, "idempotency-slot", STORE_RULE_REQUEST,
                            "the same request is on its way already");
    return store_error(&l->store, rc, fail);
}

static int64_t grants_of(const struct ledger_intent *in)
{
    return (in->uses_recovery ? GRANT_RECOVERY : 0) | (in->uses_renewal ? GRANT_RENEWAL : 0);
}

/* @p renewed is the row of the certificate's predecessor, 0: none. */
static enum pke_err add_serial(struct ledger *l, const struct ledger_intent *in, int64_t renewed,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_SERIAL);
    PKE_CLEANUP(pke_buf_done) struct pke_buf names;

    pke_buf_init(&names, STORE_MAX_VALUE);
    if (pack_pairs(&in->names, &names) != PKE_OK)
        return pke_fail_set(fail, PKE_LIMIT, "names-size", STORE_RULE_REQUEST, "the names are too large");
    query_blob(&q, in->issuer_id);
    query_blob(&q, in->serial);
    query_blob(&q, in->tbs);
    query_blob(&q, in->spki_sha256);
    query_text(&q, in->subject);
    query_text(&q, in->ent_dmid);
    query_int(&q, in->not_before);
    query_int(&q, in->not_after);
    query_text(&q, in->request.tenant);
    query_text(&q, in->request.principal);
    query_text(&q, in->request.device_id);
    query_text(&q, in->request.provider ? in->request.provider : "");
    query_text(&q, in->request.user_id);
    query_blob(&q, pke_buf_bytes(&names));
    query_text(&q, in->request.enrollment_type);
    query_text(&q, in->request.template_name);
    query_int(&q, grants_of(in));
    query_int(&q, renewed);
    (void)query_row(&q);
    if (q.rc == SQLITE_CONSTRAINT_UNIQUE)
        return pke_fail_set(fail, PKE_INTERNAL, "serial-exists", "RFC 5280 4.1.2.2",
                            "the serial number was given out before by this issuer");
    return query_result(&q, fail);
}

/* The request row is there: reserve what it uses up. */
static enum pke_err reserve(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    if (in->token_id)
        err = token_use(l, in->token_id, in->request.at, fail);
    if (err == PKE_OK && in->jti)
        err = jti_use(l, in, fail);
    if (err == PKE_OK && in->admission_request_id)
        err = admission_use(l, in->admission_request_id, in->request.at, fail);
    if (err == PKE_OK && grants_of(in))
        err = device_permission(l, in, fail);
    if (err == PKE_OK && in->ticket)
        err = ticket_use(l, in->ticket, fail);
    return err;
}

/* What an auditor wants to see beside the identity: what made this request possible. */
static enum pke_err audit_intent(struct ledger *l, const struct ledger_intent *in, struct audit_row *row,
                                 struct pke_fail *fail)
{
    char hex[2 * STORE_DIGEST + 1];
    struct pke_buf b;
    enum pke_err err;

    if (!in->renews_sha256.n && !in->admission_request_id && !grants_of(in) && !in->ticket)
        return audit_append_tenant(l, row, fail);
    audit_json_init(&b);
    if (in->renews_sha256.n == STORE_DIGEST) {
        pke_hex(in->renews_sha256, false, hex);
        audit_json(&b, "renews", hex);
    }
    audit_json(&b, "admission", in->admission_request_id);
    if (grants_of(in))
        audit_json(&b, "permission", in->uses_recovery ? "recovery" : "renewal");
    if (in->ticket) {
        snprintf(hex, sizeof hex, "%" PRIu32, in->ticket);
        audit_json(&b, "number", hex);
    }
    err = audit_append_detail(l, row, &b, fail);
    pke_buf_done(&b);
    return err;
}

static enum pke_err intent(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    struct attempt a = {.state = "intent",
                        .idempotency_key = PKE_BYTES(in->idempotency_key, LEDGER_KEY_SIZE)};
    struct audit_row row = {.at = in->request.at,
                            .event = "intent",
                            .actor = in->request.principal,
                            .tenant = in->request.tenant,
                            .request_id = in->request.request_id,
                            .serial = in->serial};
    uint8_t digest[STORE_DIGEST];
    int64_t renewed = 0;
    enum pke_err err;

    err = ticket_gate(l, in, fail);
    if (err == PKE_OK)
        err = gate_intent(l, in, &renewed, fail);
    if (err == PKE_OK && renewed) /* it was seen in use */
        err = change_confirm(l, in->renews_sha256.p, "renewal", in->request.at, fail);
    if (err == PKE_OK)
        err = add_request(l, &in->request, &a, fail);
    if (err == PKE_OK)
        err = reserve(l, in, fail);
    if (err == PKE_OK)
        err = add_serial(l, in, renewed, fail);
    if (err != PKE_OK)
        return err;
    audit_sha256(in->tbs, digest);
    row.digest = PKE_BYTES(digest, sizeof digest);
    return audit_intent(l, in, &row, fail);
}

enum pke_err ledger_intent(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, intent(l, in, fail), fail) : err;
}

enum pke_err change_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail)
{
    struct attempt a = {.state = "refused", .why = why};
    struct audit_row row = {.at = req->at,
                            .event = "refused",
                            .actor = req->principal,
                            .request_id = req->request_id,
                            .tenant = req->tenant};
    enum pke_err err = add_request(l, req, &a, fail);

    return err == PKE_OK ? audit_append_why(l, &row, NULL, why, fail) : err;
}

enum pke_err ledger_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, change_refused(l, req, why, fail), fail) : err;
}
