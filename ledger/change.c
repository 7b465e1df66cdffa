/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a request: every function of ledger.h here is one change (savepoint) with its audit row. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/pack.h"

#define ACTOR "issuer" /* who finishes requests; the actor of "intent" and "refused" is who asked */

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
    query_text(&q, in->san_uri);
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
        return audit_append(l, row, fail);
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

/* An intent under way. */
struct found {
    int64_t id, renewed_from, grants;
    uint8_t serial[STORE_SERIAL_MAX];
    size_t serial_n;
};

static void copy_serial(struct query *q, int col, struct found *ret)
{
    struct pke_bytes serial = query_col_borrow(q, col);

    ret->serial_n = serial.n < sizeof ret->serial ? serial.n : sizeof ret->serial; /* the table's CHECK */
    memcpy(ret->serial, serial.p, ret->serial_n);
}

/* The certificate is SEQUENCE { tbs, ... }: are the bytes after its header the ones recorded before signing?
 */
static bool holds_tbs(struct pke_bytes certificate, struct pke_bytes tbs)
{
    size_t header = 2;

    if (certificate.n < 2 || certificate.p[0] != 0x30)
        return false;
    if (certificate.p[1] & 0x80)
        header += certificate.p[1] & 0x7f;
    return certificate.n >= header && certificate.n - header > tbs.n &&
           memcmp(certificate.p + header, tbs.p, tbs.n) == 0;
}

/* @p certificate is NULL when the intent ends without one. */
static enum pke_err find_intent(struct ledger *l, const char *request_id, const struct pke_bytes *certificate,
                                struct found *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_INTENT);

    query_text(&q, request_id);
    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "no-intent", STORE_RULE_REQUEST,
                                            "there is no such request under way");
    }
    ret->id = query_col_int(&q, 0);
    copy_serial(&q, 1, ret);
    ret->renewed_from = query_col_int(&q, 3);
    ret->grants = query_col_int(&q, 4);
    if (certificate && !holds_tbs(*certificate, query_col_borrow(&q, 2)))
        return pke_fail_set(fail, PKE_INTERNAL, "certificate-not-intended", STORE_RULE_REQUEST,
                            "the certificate does not hold the bytes recorded before signing");
    return PKE_OK;
}

static enum pke_err finish(struct ledger *l, int64_t id, const char *state, const struct pke_fail *why,
                           int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FINISH);

    query_int(&q, id);
    query_text(&q, state);
    query_int(&q, at);
    query_text(&q, why ? pke_err_token(why->err) : NULL);
    query_text(&q, why ? why->reason : NULL);
    query_text(&q, why ? why->rule : NULL);
    query_text(&q, why ? why->text : NULL);
    return query_run(&q, fail);
}

static enum pke_err add_certificate(struct ledger *l, int64_t id, struct pke_bytes der,
                                    struct pke_bytes sha256, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_CERTIFICATE);
    uint8_t sha1[STORE_FINGERPRINT];
    unsigned n = 0;

    /* a fingerprint that Windows shows and administrators paste, not a security property */
    if (EVP_Digest(der.p, der.n, sha1, &n, EVP_sha1(), NULL) != 1 || n != sizeof sha1)
        abort();
    query_int(&q, id);
    query_blob(&q, der);
    query_blob(&q, PKE_BYTES(sha1, sizeof sha1));
    query_blob(&q, sha256);
    return query_run(&q, fail);
}

static enum pke_err issued(struct ledger *l, const char *request_id, struct pke_bytes certificate, int64_t at,
                           struct pke_fail *fail)
{
    uint8_t digest[STORE_DIGEST];
    struct found found = {0};
    enum pke_err err = find_intent(l, request_id, &certificate, &found, fail);

    if (err == PKE_OK)
        err = gate_issued(l, found.id, found.renewed_from != 0, fail);
    if (err != PKE_OK)
        return err;
    audit_sha256(certificate, digest);
    struct audit_row row = {.at = at,
                            .event = "issued",
                            .actor = ACTOR,
                            .request_id = request_id,
                            .serial = PKE_BYTES(found.serial, found.serial_n),
                            .digest = PKE_BYTES(digest, sizeof digest)};
    err = finish(l, found.id, "issued", NULL, at, fail);
    if (err == PKE_OK)
        err = add_certificate(l, found.id, certificate, row.digest, fail);
    if (err == PKE_OK)
        err = audit_append(l, &row, fail);
    if (err == PKE_OK)
        err = device_issued(l, found.id, found.renewed_from != 0, found.grants, at, fail);
    if (err == PKE_OK)
        err = admission_consume(l, found.id, fail);
    if (err == PKE_OK)
        err = ticket_issued(l, found.id, at, fail);
    return err == PKE_OK ? clock_raise(l, at, fail) : err;
}

enum pke_err ledger_issued(struct ledger *l, const char *request_id, struct pke_bytes certificate, int64_t at,
                           struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, issued(l, request_id, certificate, at, fail), fail) : err;
}

static enum pke_err audit_why(struct ledger *l, struct audit_row *row, const struct pke_fail *why,
                              struct pke_fail *fail)
{
    struct pke_buf b;
    enum pke_err err;

    audit_json_init(&b);
    audit_json(&b, "error", pke_err_token(why->err));
    audit_json(&b, "reason", why->reason);
    audit_json(&b, "rule", why->rule);
    err = audit_append_detail(l, row, &b, fail);
    pke_buf_done(&b);
    return err;
}

static enum pke_err failed(struct ledger *l, const char *request_id, const struct pke_fail *why, int64_t at,
                           struct pke_fail *fail)
{
    struct found found = {0};
    enum pke_err err = find_intent(l, request_id, NULL, &found, fail);

    if (err == PKE_OK)
        err = finish(l, found.id, "failed", why, at, fail);
    if (err != PKE_OK)
        return err;
    struct audit_row row = {.at = at,
                            .event = "failed",
                            .actor = ACTOR,
                            .request_id = request_id,
                            .serial = PKE_BYTES(found.serial, found.serial_n)};
    return audit_why(l, &row, why, fail);
}

enum pke_err ledger_failed(struct ledger *l, const char *request_id, const struct pke_fail *why, int64_t at,
                           struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, failed(l, request_id, why, at, fail), fail) : err;
}

enum pke_err change_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail)
{
    struct attempt a = {.state = "refused", .why = why};
    struct audit_row row = {
        .at = req->at, .event = "refused", .actor = req->principal, .request_id = req->request_id};
    enum pke_err err = add_request(l, req, &a, fail);

    return err == PKE_OK ? audit_why(l, &row, why, fail) : err;
}

enum pke_err ledger_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, change_refused(l, req, why, fail), fail) : err;
}

/* One intent closed, or *more set to false when there was none left. */
static enum pke_err abandon_one(struct ledger *l, int64_t at, bool *more, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_OLDEST_INTENT);
    char request_id[65] = ""; /* the table's CHECK, and the NUL */
    struct found found = {0};
    struct pke_bytes id;
    enum pke_err err;

    *more = query_row(&q);
    if (!*more)
        return query_result(&q, fail);
    found.id = query_col_int(&q, 0);
    id = query_col_borrow(&q, 1);
    memcpy(request_id, id.p, id.n < sizeof request_id ? id.n : sizeof request_id - 1);
    copy_serial(&q, 2, &found);
    query_done(&q); /* before the row changes under it */
    err = finish(l, found.id, "abandoned", NULL, at, fail);
    struct audit_row row = {.at = at,
                            .event = "abandoned",
                            .actor = ACTOR,
                            .request_id = request_id,
                            .serial = PKE_BYTES(found.serial, found.serial_n)};
    return err == PKE_OK ? audit_append(l, &row, fail) : err;
}

enum pke_err ledger_abandon_intents(struct ledger *l, int64_t at, unsigned *count, struct pke_fail *fail)
{
    enum pke_err err = ledger_begin(l, fail);
    bool more = true;
    unsigned n = 0;

    if (err != PKE_OK)
        return err;
    while (err == PKE_OK && more) {
        err = abandon_one(l, at, &more, fail);
        n += more;
    }
    if (err != PKE_OK) {
        ledger_rollback(l);
        return err;
    }
    *count = n;
    return ledger_commit(l, fail);
}
