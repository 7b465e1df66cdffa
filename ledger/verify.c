/* SPDX-License-Identifier: Apache-2.0 */
/* Walk the audit chain and hold it against the certificates. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/reader.h"

struct walk {
    struct ledger_reader *r;
    struct pke_arena *arena; /* emptied for each row */
    struct ledger_verdict *verdict;
    uint8_t prev[STORE_DIGEST];
    uint64_t revocations; /* changes that are the newest of their certificate */
};

static void blame(struct ledger_verdict *v, int64_t seq, const char *problem)
{
    v->first_bad = (uint64_t)seq;
    v->problem = problem;
}

static enum pke_err meta(struct ledger_reader *r, const char *name, uint8_t digest[STORE_DIGEST],
                         int64_t *number, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, READER_META);
    struct pke_bytes v;

    query_text(&q, name);
    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err : store_error(&r->store, SQLITE_CORRUPT, fail);
    }
    if (number) {
        *number = query_col_int(&q, 0);
        return PKE_OK;
    }
    v = query_col_borrow(&q, 0);
    if (v.n != STORE_DIGEST)
        return store_error(&r->store, SQLITE_CORRUPT, fail);
    memcpy(digest, v.p, STORE_DIGEST);
    return PKE_OK;
}

/* Does the certificate that this row recorded stand in the ledger, byte for byte? */
static enum pke_err check_issued(struct walk *w, const struct audit_row *row, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&w->r->store, READER_DER_OF);
    uint8_t digest[STORE_DIGEST];

    query_blob(&q, row->digest);
    query_text(&q, row->request_id);
    query_blob(&q, row->serial);
    if (!query_row(&q)) {
        blame(w->verdict, row->seq, "the certificate recorded here is not in the ledger");
        return query_result(&q, fail);
    }
    audit_sha256(query_col_borrow(&q, 0), digest);
    if (query_col_int(&q, 1))
        blame(w->verdict, row->seq,
              "the certificate recorded here is revoked or not, against its revocation");
    else if (pke_bytes_eq(PKE_BYTES(digest, sizeof digest), row->digest))
        w->verdict->certificates++;
    else
        blame(w->verdict, row->seq, "the certificate recorded here was changed");
    return PKE_OK;
}

static bool says_reason(const struct audit_row *row, int64_t reason)
{
    static const char before[] = "{\"reason\":\"";
    const char *text = ledger_reason_text(reason), *detail = row->detail ? row->detail : "";
    size_t n = strlen(text);

    return strncmp(detail, before, sizeof before - 1) == 0 &&
           strncmp(detail + sizeof before - 1, text, n) == 0 && detail[sizeof before - 1 + n] == '"';
}

/*
 * A change of a revocation: the newest of its certificate stands in the ledger as this row says, one that was
 * followed by another is known by the later row's number.
 */
static enum pke_err check_revocation(struct walk *w, const struct audit_row *row, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&w->r->store, READER_REVOCATION_OF);
    int64_t reason;
    bool held = strcmp(row->event, "held") == 0, released = strcmp(row->event, "hold-released") == 0;

    query_blob(&q, row->digest);
    if (!query_row(&q) || query_col_int(&q, 0) < row->seq) {
        blame(w->verdict, row->seq, "the revocation recorded here is not in the ledger");
        return query_result(&q, fail);
    }
    if (query_col_int(&q, 0) > row->seq)
        return PKE_OK;
    w->revocations++;
    reason = query_col_int(&q, 2);
    if (query_col_int(&q, 1) != row->at || (reason == LEDGER_REASON_HOLD) != (held || released) ||
        query_col_int(&q, 3) != released || query_col_int(&q, 4) == released ||
        (!released && !says_reason(row, reason)))
        blame(w->verdict, row->seq, "the revocation recorded here was changed");
    return PKE_OK;
}

static bool is_revocation(const char *event)
{
    return strcmp(event, "revoked") == 0 || strcmp(event, "held") == 0 || strcmp(event, "hold-released") == 0;
}

static enum pke_err check_row(struct walk *w, struct query *q, struct pke_fail *fail)
{
    struct audit_row row = {
        .seq = query_col_int(q, 0),
        .at = query_col_int(q, 1),
        .event = query_col_text(q, 2, w->arena),
        .actor = query_col_text(q, 3, w->arena),
        .request_id = query_col_text(q, 4, w->arena),
        .serial = query_col_bytes(q, 5, w->arena),
        .digest = query_col_bytes(q, 6, w->arena),
        .detail = query_col_text(q, 7, w->arena),
    };
    int64_t want = (int64_t)w->verdict->rows + 1;
    uint8_t hash[STORE_DIGEST];
    enum pke_err err = PKE_OK;

    if (row.seq != want) {
        blame(w->verdict, want, "an audit row is missing");
        return PKE_OK;
    }
    audit_hash(&row, PKE_BYTES(w->prev, STORE_DIGEST), hash);
    if (!pke_bytes_eq(PKE_BYTES(hash, sizeof hash), query_col_borrow(q, 8))) {
        blame(w->verdict, want, "the audit row or its place in the chain was changed");
        return PKE_OK;
    }
    memcpy(w->prev, hash, sizeof hash);
    if (row.event && strcmp(row.event, "issued") == 0)
        err = check_issued(w, &row, fail);
    else if (row.event && is_revocation(row.event))
        err = check_revocation(w, &row, fail);
    w->verdict->rows += !w->verdict->problem;
    return err;
}

static enum pke_err check_rows(struct walk *w, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&w->r->store, READER_AUDIT);
    enum pke_err err = meta(w->r, "genesis", w->prev, NULL, fail);

    while (err == PKE_OK && !w->verdict->problem && query_row(&q)) {
        pke_arena_reset(w->arena);
        err = check_row(w, &q, fail);
    }
    return err != PKE_OK ? err : query_result(&q, fail);
}

static enum pke_err count(struct ledger_reader *r, enum reader_statement id, uint64_t *n,
                          struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, id);

    *n = query_row(&q) ? (uint64_t)query_col_int(&q, 0) : 0;
    return query_result(&q, fail);
}

/* The chain is whole: is it all of it, and is every certificate and every revocation in it? */
static enum pke_err check_end(struct walk *w, struct pke_fail *fail)
{
    struct ledger_verdict *v = w->verdict;
    uint64_t certificates = 0, revocations = 0;
    uint8_t head[STORE_DIGEST];
    int64_t seq = 0;
    enum pke_err err = meta(w->r, "audit-seq", NULL, &seq, fail);

    if (err == PKE_OK)
        err = meta(w->r, "audit-head", head, NULL, fail);
    if (err != PKE_OK)
        return err;
    v->head_seq = v->rows;
    pke_hex(PKE_BYTES(w->prev, STORE_DIGEST), false, v->head_hash);
    if ((uint64_t)seq != v->rows || memcmp(head, w->prev, STORE_DIGEST) != 0) {
        blame(v, (int64_t)v->rows + 1, "rows are missing at the end of the chain");
        return PKE_OK;
    }
    err = count(w->r, READER_COUNT_DER, &certificates, fail);
    if (err == PKE_OK)
        err = count(w->r, READER_COUNT_REVOCATIONS, &revocations, fail);
    if (err == PKE_OK && certificates != v->certificates)
        blame(v, 0, "the ledger holds a certificate whose issuance was never recorded");
    else if (err == PKE_OK && revocations != w->revocations)
        blame(v, 0, "the ledger holds a revocation that was never recorded");
    return err;
}

enum pke_err ledger_audit_verify(struct ledger_reader *r, struct ledger_verdict *ret, struct pke_fail *fail)
{
    struct walk w = {.r = r, .verdict = ret};
    enum pke_err err = store_exec(&r->store, "BEGIN", fail); /* one snapshot for the chain and its head */

    if (err != PKE_OK)
        return err;
    *ret = (struct ledger_verdict){0};
    w.arena = pke_arena_new();
    err = check_rows(&w, fail);
    if (err == PKE_OK && !ret->problem)
        err = check_end(&w, fail);
    pke_arena_free(w.arena);
    (void)store_exec(&r->store, "ROLLBACK", NULL);
    return err;
}
