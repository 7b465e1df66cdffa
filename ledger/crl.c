/* SPDX-License-Identifier: Apache-2.0 */
/* What certificate revocation lists need: the changes of an issuer in order, and numbers given out once. */
#include "ledger/crl.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/certkey.h"
#include "ledger/revoke.h"

#define RULE_CRL "CRL numbers"

static void load_change(struct query *q, struct ledger_revocation *r)
{
    struct pke_bytes serial = query_col_borrow(q, 1);

    *r = (struct ledger_revocation){.change = query_col_int(q, 0),
                                    .not_after = query_col_int(q, 2),
                                    .reason = (unsigned)query_col_int(q, 3),
                                    .revoked_at = query_col_int(q, 4),
                                    .released_at = query_col_int(q, 5)};
    r->serial_n = (unsigned)(serial.n < sizeof r->serial ? serial.n : sizeof r->serial);
    memcpy(r->serial, serial.p, r->serial_n);
}

enum pke_err ledger_crl_changes(struct ledger *l, struct pke_bytes issuer_id, int64_t after,
                                struct ledger_revocation *rows, size_t max, size_t *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CRL_CHANGES);

    query_blob(&q, issuer_id);
    query_int(&q, after);
    query_int(&q, (int64_t)max);
    *n = 0;
    while (*n < max && query_row(&q))
        load_change(&q, &rows[(*n)++]);
    return *n == max ? PKE_OK : query_result(&q, fail);
}

enum pke_err ledger_crl_number(struct ledger *l, struct pke_bytes issuer_id, int64_t *ret,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CRL_NUMBER);

    query_blob(&q, issuer_id);
    *ret = query_row(&q) ? query_col_int(&q, 0) : 0;
    return q.rc == SQLITE_ROW ? PKE_OK : query_result(&q, fail);
}

static enum pke_err add(struct ledger *l, struct pke_bytes issuer_id, struct ledger_crl *crl,
                        struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_CRL);
    int64_t last = 0;
    enum pke_err err = ledger_crl_number(l, issuer_id, &last, fail);

    if (err != PKE_OK)
        return err;
    if (last == INT64_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "crl-number", RULE_CRL, "there is no further CRL number");
    if (crl->number <= last)
        crl->number = last + 1;
    query_blob(&q, issuer_id);
    query_int(&q, crl->number);
    query_int(&q, crl->base);
    query_int(&q, crl->change);
    query_int(&q, crl->entries);
    query_int(&q, crl->this_update);
    query_int(&q, crl->next_update);
    query_int(&q, crl->tells_deltas);
    return query_run(&q, fail);
}

enum pke_err ledger_crl_begin(struct ledger *l, struct pke_bytes issuer_id, struct ledger_crl *crl,
                              struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, add(l, issuer_id, crl, fail), fail) : err;
}

static enum pke_err sign(struct ledger *l, struct pke_bytes issuer_id, int64_t number,
                         const uint8_t sha256[32], int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_SIGN_CRL);
    PKE_CLEANUP(pke_free_p) char *detail = NULL;
    struct audit_row row = {.at = at, .event = "crl-signed", .digest = PKE_BYTES(sha256, STORE_DIGEST)};
    char hex[2 * STORE_SERIAL_MAX + 1];
    enum pke_err err;

    query_blob(&q, issuer_id);
    query_int(&q, number);
    query_blob(&q, PKE_BYTES(sha256, STORE_DIGEST));
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_NOT_FOUND, "crl-unknown", RULE_CRL,
                            "no CRL of this number waits for its signature");
    if (err != PKE_OK)
        return err;
    if (issuer_id.n > STORE_SERIAL_MAX)
        issuer_id.n = STORE_SERIAL_MAX;
    pke_hex(issuer_id, false, hex);
    detail = pke_asprintf("{\"issuer\":\"%s\",\"number\":%" PRId64 "}", hex, number);
    row.detail = detail;
    return audit_append(l, &row, fail);
}

enum pke_err ledger_crl_signed(struct ledger *l, struct pke_bytes issuer_id, int64_t number,
                               const uint8_t sha256[32], int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, sign(l, issuer_id, number, sha256, at, fail), fail) : err;
}

static enum pke_err load_crl(struct query *q, struct ledger_crl *ret, struct pke_fail *fail)
{
    struct pke_bytes sha256;
    enum pke_err err;

    if (!query_row(q)) {
        err = query_result(q, fail);
        return err != PKE_OK
                   ? err
                   : pke_fail_set(fail, PKE_NOT_FOUND, "crl-none", RULE_CRL, "there is no such CRL yet");
    }
    *ret = (struct ledger_crl){.number = query_col_int(q, 0),
                               .base = query_col_int(q, 1),
                               .change = query_col_int(q, 2),
                               .entries = query_col_int(q, 3),
                               .this_update = query_col_int(q, 4),
                               .next_update = query_col_int(q, 5),
                               .tells_deltas = query_col_int(q, 6) != 0};
    sha256 = query_col_borrow(q, 7);
    if (sha256.n == sizeof ret->sha256)
        memcpy(ret->sha256, sha256.p, sha256.n);
    return PKE_OK;
}

enum pke_err ledger_crl_latest(struct ledger *l, struct pke_bytes issuer_id, bool delta,
                               struct ledger_crl *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_LATEST_CRL);

    query_blob(&q, issuer_id);
    query_int(&q, delta);
    return load_crl(&q, ret, fail);
}

enum pke_err ledger_crl_oldest(struct ledger *l, struct pke_bytes issuer_id, int64_t now, bool tells_deltas,
                               struct ledger_crl *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_OLDEST_CRL);

    query_blob(&q, issuer_id);
    query_int(&q, now);
    query_int(&q, tells_deltas);
    return load_crl(&q, ret, fail);
}

/* SHA-256 of the certificate of this serial; PKE_NOT_FOUND: it was issued after this copy was made. */
static enum pke_err find_known(struct ledger *l, struct pke_bytes issuer_id,
                               const struct ledger_revocation *row, uint8_t ret[STORE_DIGEST],
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CRL_KNOWN);
    struct pke_bytes sha256;
    enum pke_err err;

    query_blob(&q, issuer_id);
    query_blob(&q, PKE_BYTES(row->serial, row->serial_n));
    if (!query_row(&q))
        return (err = query_result(&q, fail)) != PKE_OK ? err : PKE_NOT_FOUND;
    sha256 = query_col_borrow(&q, 0);
    if (sha256.n != STORE_DIGEST)
        return PKE_NOT_FOUND;
    memcpy(ret, sha256.p, STORE_DIGEST);
    return PKE_OK;
}

/* A hold is not what a later list says is for good. */
static enum pke_err keep_unknown(struct ledger *l, struct pke_bytes issuer_id,
                                 const struct ledger_revocation *row, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_CARRIED);
    struct audit_row audit = {.at = at,
                              .event = "carried",
                              .actor = "published CRL",
                              .serial = PKE_BYTES(row->serial, row->serial_n)};
    struct pke_buf detail;
    enum pke_err err;

    query_blob(&q, issuer_id);
    query_blob(&q, PKE_BYTES(row->serial, row->serial_n));
    query_int(&q, row->not_after);
    query_int(&q, row->reason);
    query_int(&q, row->revoked_at);
    err = query_run(&q, fail);
    if (err != PKE_OK || sqlite3_changes(l->store.db) == 0)
        return err;
    audit_json_init(&detail);
    audit_json(&detail, "reason", ledger_reason_text(row->reason));
    err = audit_append_detail(l, &audit, &detail, fail);
    pke_buf_done(&detail);
    return err;
}

enum pke_err ledger_crl_carry(struct ledger *l, struct pke_bytes issuer_id,
                              const struct ledger_revocation *row, int64_t at, struct pke_fail *fail)
{
    const struct ledger_revoke how = {.reason = (enum ledger_reason)row->reason,
                                      .by = "published CRL",
                                      .comment = "the ledger was older than the CRL",
                                      .at = at};
    struct ledger_revoked revoked;
    uint8_t sha256[STORE_DIGEST];
    enum pke_err err = find_known(l, issuer_id, row, sha256, fail);

    if (err == PKE_OK) {
        err = ledger_revoke(l, sha256, &how, &revoked, fail);
        return err == PKE_EXISTS ? PKE_OK : err; /* revoked here for another reason */
    }
    if (err != PKE_NOT_FOUND)
        return err;
    err = change_begin(l, fail);
    return err == PKE_OK ? change_end(l, keep_unknown(l, issuer_id, row, at, fail), fail) : err;
}

/* ---- the end of a hold that was carried */

size_t ledger_serial_of_key(const char *key, uint8_t ret[LEDGER_SERIAL_KEY_MAX])
{
    static_assert(LEDGER_SERIAL_KEY_MAX == STORE_DIGEST, "as certkey.h");
    return certkey_number(key, ret);
}

static enum pke_err find_carried(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes serial,
                                 bool *held, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_CARRIED);
    enum pke_err err;

    query_blob(&q, issuer_id);
    query_blob(&q, serial);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK
                   ? err
                   : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", RULE_CRL,
                                  "neither the ledger nor a list that was taken over has this serial of "
                                  "this issuer");
    }
    if (query_col_int(&q, 0) != LEDGER_REASON_HOLD)
        return pke_fail_set(fail, PKE_EXISTS, "already-revoked", RULE_CRL,
                            "the certificate is revoked for good, for reason %s",
                            ledger_reason_text(query_col_int(&q, 0)));
    *held = query_col_int(&q, 1) == 0;
    return PKE_OK;
}

static enum pke_err release_carried(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes serial,
                                    const struct ledger_revoke *how, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_RELEASE_CARRIED);
    struct audit_row row = {.at = how->at, .event = "hold-released", .actor = how->by, .serial = serial};
    struct pke_buf b;
    enum pke_err err;

    query_blob(&q, issuer_id);
    query_blob(&q, serial);
    query_int(&q, how->at);
    err = query_run(&q, fail);
    if (err != PKE_OK)
        return err;
    audit_json_init(&b);
    audit_json(&b, "comment", how->comment);
    err = audit_append_detail(l, &row, &b, fail);
    pke_buf_done(&b);
    return err;
}

enum pke_err ledger_crl_release(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes serial,
                                const struct ledger_revoke *how, struct ledger_revoked *ret,
                                struct pke_fail *fail)
{
    struct ledger_revocation row = {.serial_n = (unsigned)serial.n};
    uint8_t sha256[STORE_DIGEST];
    enum pke_err err = PKE_NOT_FOUND;

    *ret = (struct ledger_revoked){0};
    if (serial.n <= sizeof row.serial) {
        memcpy(row.serial, serial.p, serial.n);
        err = find_known(l, issuer_id, &row, sha256, fail);
    }
    if (err == PKE_OK)
        return ledger_release_hold(l, sha256, how, ret, fail);
    if (err == PKE_NOT_FOUND)
        err = find_carried(l, issuer_id, serial, &ret->changed, fail);
    if (err != PKE_OK)
        return err;
    memcpy(ret->issuer_id, issuer_id.p,
           issuer_id.n < sizeof ret->issuer_id ? issuer_id.n : sizeof ret->issuer_id);
    if (!ret->changed || how->dry_run)
        return PKE_OK;
    err = change_begin(l, fail);
    return err == PKE_OK ? change_end(l, release_carried(l, issuer_id, serial, how, fail), fail) : err;
}

enum pke_err ledger_crl_carried(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes after,
                                struct ledger_revocation *rows, size_t max, size_t *n, struct pke_fail *fail)
{
    static const uint8_t first[] = {0};
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CRL_CARRIED);

    query_blob(&q, issuer_id);
    query_blob(&q, after.n ? after : PKE_BYTES(first, 1)); /* no serial begins with 00 */
    query_int(&q, (int64_t)max);
    *n = 0;
    while (*n < max && query_row(&q))
        load_change(&q, &rows[(*n)++]);
    return *n == max ? PKE_OK : query_result(&q, fail);
}
