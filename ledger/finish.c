/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a request that was under way: issued, failed or abandoned; each one change with its audit row.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/pack.h"

#define ACTOR "issuer" /* who finishes requests; the actor of "intent" and "refused" is who asked */

/* An intent under way. */
struct found {
    int64_t id, renewed_from, grants;
    uint8_t serial[STORE_SERIAL_MAX];
    size_t serial_n;
    char tenant[64]; /* a name of the configuration, and the NUL */
};

static void copy_serial(struct query *q, int col, struct found *ret)
{
    struct pke_bytes serial = query_col_borrow(q, col);

    ret->serial_n = serial.n < sizeof ret->serial ? serial.n : sizeof ret->serial; /* the table's CHECK */
    memcpy(ret->serial, serial.p, ret->serial_n);
}

static void copy_tenant(struct query *q, int col, struct found *ret)
{
    struct pke_bytes tenant = query_col_borrow(q, col);

    if (tenant.n)
        memcpy(ret->tenant, tenant.p, tenant.n < sizeof ret->tenant ? tenant.n : sizeof ret->tenant - 1);
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
    copy_tenant(&q, 5, ret);
    if (certificate && !holds_tbs(*certificate, query_col_borrow(&q, 2)))
        return pke_fail_set(fail, PKE_INTERNAL, "certificate-not-intended", STORE_RULE_REQUEST,
                            "the certificate does not hold the bytes recorded before signing");
    return PKE_OK;
}

static enum pke_err finish(struct ledger *l, int64_t id, const char *state, const struct pke_fail *why,
                           const char *explanation, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FINISH);

    query_int(&q, id);
    query_text(&q, state);
    query_int(&q, at);
    query_text(&q, why ? pke_err_token(why->err) : NULL);
    query_text(&q, why ? why->reason : NULL);
    query_text(&q, why ? why->rule : NULL);
    query_text(&q, why ? why->text : NULL);
    query_text(&q, explanation);
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
                            .tenant = found.tenant,
                            .serial = PKE_BYTES(found.serial, found.serial_n),
                            .digest = PKE_BYTES(digest, sizeof digest)};
    err = finish(l, found.id, "issued", NULL, NULL, at, fail);
    if (err == PKE_OK)
        err = add_certificate(l, found.id, certificate, row.digest, fail);
    if (err == PKE_OK)
        err = audit_append_tenant(l, &row, fail);
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

static enum pke_err failed(struct ledger *l, const char *request_id, const struct pke_fail *why,
                           const char *explanation, int64_t at, struct pke_fail *fail)
{
    struct found found = {0};
    enum pke_err err = find_intent(l, request_id, NULL, &found, fail);

    if (err == PKE_OK)
        err = finish(l, found.id, "failed", why, explanation, at, fail);
    if (err != PKE_OK)
        return err;
    struct audit_row row = {.at = at,
                            .event = "failed",
                            .actor = ACTOR,
                            .request_id = request_id,
                            .tenant = found.tenant,
                            .serial = PKE_BYTES(found.serial, found.serial_n)};
    return audit_append_why(l, &row, NULL, why, fail);
}

enum pke_err ledger_failed(struct ledger *l, const char *request_id, const struct pke_fail *why,
                           const char *explanation, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, failed(l, request_id, why, explanation, at, fail), fail) : err;
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
    copy_tenant(&q, 3, &found);
    query_done(&q); /* before the row changes under it */
    err = finish(l, found.id, "abandoned", NULL, NULL, at, fail);
    struct audit_row row = {.at = at,
                            .event = "abandoned",
                            .actor = ACTOR,
                            .request_id = request_id,
                            .tenant = found.tenant,
                            .serial = PKE_BYTES(found.serial, found.serial_n)};
    return err == PKE_OK ? audit_append_tenant(l, &row, fail) : err;
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
