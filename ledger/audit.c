/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/audit.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ABSENT UINT32_MAX /* length prefix of a NULL field, which differs from an empty one */

void audit_sha256(struct pke_bytes b, uint8_t ret[STORE_DIGEST])
{
    unsigned n = 0;

    if (EVP_Digest(b.p ? (const void *)b.p : "", b.n, ret, &n, EVP_sha256(), NULL) != 1 || n != STORE_DIGEST)
        abort(); /* no hash, no evidence */
}

static void add_field(struct pke_buf *b, struct pke_bytes v)
{
    (void)pke_buf_add_u32(b, v.p ? (uint32_t)v.n : ABSENT);
    (void)pke_buf_add_bytes(b, v);
}

/* An empty byte string is stored as NULL, so it is hashed as NULL. */
static void add_blob(struct pke_buf *b, struct pke_bytes v)
{
    add_field(b, v.n ? v : PKE_BYTES(NULL, 0));
}

void audit_hash(const struct audit_row *row, struct pke_bytes prev, uint8_t ret[STORE_DIGEST])
{
    struct pke_buf b;

    pke_buf_init(&b, (size_t)8 * STORE_MAX_VALUE); /* each field is bounded by the table's own limit */
    (void)pke_buf_add_str(&b, "pkienrolld-audit-1");
    (void)pke_buf_add_u64(&b, (uint64_t)row->seq);
    (void)pke_buf_add_u64(&b, (uint64_t)row->at);
    add_field(&b, pke_bytes_str(row->event));
    add_field(&b, pke_bytes_str(row->actor));
    add_field(&b, pke_bytes_str(row->request_id));
    add_blob(&b, row->serial);
    add_blob(&b, row->digest);
    add_field(&b, pke_bytes_str(row->detail));
    (void)pke_buf_add_bytes(&b, prev);
    if (b.overflow)
        abort();
    audit_sha256(pke_buf_bytes(&b), ret);
    pke_buf_done(&b);
}

static enum pke_err get_head(struct ledger *l, uint8_t head[STORE_DIGEST], struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GET_META);
    struct pke_bytes v;
    enum pke_err err;

    query_text(&q, "audit-head");
    (void)query_row(&q);
    err = query_result(&q, fail);
    if (err != PKE_OK)
        return err;
    v = q.rc == SQLITE_ROW ? query_col_borrow(&q, 0) : PKE_BYTES(NULL, 0);
    if (v.n != STORE_DIGEST)
        return store_error(&l->store, SQLITE_CORRUPT, fail);
    memcpy(head, v.p, STORE_DIGEST);
    return PKE_OK;
}

static enum pke_err set_head(struct ledger *l, int64_t seq, struct pke_bytes head, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_SET_META);
    PKE_CLEANUP(query_done) struct query h = {0};
    enum pke_err err;

    query_text(&q, "audit-seq");
    query_int(&q, seq);
    err = query_run(&q, fail);
    if (err != PKE_OK)
        return err;
    query_done(&q);
    h = query_start(&l->store, WRITER_SET_META);
    query_text(&h, "audit-head");
    query_blob(&h, head);
    return query_run(&h, fail);
}

static enum pke_err insert(struct ledger *l, const struct audit_row *row, struct pke_bytes hash,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_AUDIT);

    query_int(&q, row->seq);
    query_int(&q, row->at);
    query_text(&q, row->event);
    query_text(&q, row->actor);
    query_text(&q, row->request_id);
    query_blob(&q, row->serial);
    query_blob(&q, row->digest);
    query_text(&q, row->detail);
    query_blob(&q, hash);
    return query_run(&q, fail);
}

enum pke_err audit_append(struct ledger *l, struct audit_row *row, struct pke_fail *fail)
{
    const char *texts[] = {row->event, row->actor, row->request_id, row->detail};
    uint8_t head[STORE_DIGEST], hash[STORE_DIGEST];
    enum pke_err err;

    for (size_t i = 0; i < PKE_LEN(texts); i++)
        if (texts[i] && strlen(texts[i]) > STORE_MAX_VALUE) /* before it is hashed */
            return store_error(&l->store, SQLITE_TOOBIG, fail);
    err = meta_number(l, "audit-seq", &row->seq, fail);
    if (err == PKE_OK)
        err = get_head(l, head, fail);
    if (err != PKE_OK)
        return err;
    row->seq++;
    audit_hash(row, PKE_BYTES(head, sizeof head), hash);
    err = insert(l, row, PKE_BYTES(hash, sizeof hash), fail);
    return err == PKE_OK ? set_head(l, row->seq, PKE_BYTES(hash, sizeof hash), fail) : err;
}

void audit_json_init(struct pke_buf *b)
{
    pke_buf_init(b, STORE_MAX_VALUE);
    (void)pke_buf_add_str(b, "{");
}

void audit_json(struct pke_buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    (void)pke_buf_printf(b, "%s\"%s\":\"", b->n > 1 ? "," : "", name);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c < 0x20 || *c > 0x7e || *c == '"' || *c == '\\')
            (void)pke_buf_printf(b, "\\u%04x", *c);
        else
            (void)pke_buf_add_u8(b, *c);
    }
    (void)pke_buf_add_str(b, "\"");
}

enum pke_err audit_append_detail(struct ledger *l, struct audit_row *row, struct pke_buf *detail,
                                 struct pke_fail *fail)
{
    enum pke_err err;

    audit_json(detail, "tenant", row->tenant);
    (void)pke_buf_add_str(detail, "}");
    if (detail->overflow)
        return store_error(&l->store, SQLITE_TOOBIG, fail);
    row->detail = pke_buf_cstr(detail);
    err = audit_append(l, row, fail);
    row->detail = NULL; /* it lives in @p detail */
    return err;
}

enum pke_err audit_append_tenant(struct ledger *l, struct audit_row *row, struct pke_fail *fail)
{
    struct pke_buf b;
    enum pke_err err;

    if (!row->tenant)
        return audit_append(l, row, fail);
    audit_json_init(&b);
    err = audit_append_detail(l, row, &b, fail);
    pke_buf_done(&b);
    return err;
}

enum pke_err ledger_audit(struct ledger *l, const char *event, const char *actor, const char *request_id,
                          const char *detail, int64_t at, struct pke_fail *fail)
{
    struct audit_row row = {
        .at = at, .event = event, .actor = actor, .request_id = request_id, .detail = detail};
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, audit_append(l, &row, fail), fail) : err;
}

enum pke_err audit_append_why(struct ledger *l, struct audit_row *row, const char *number,
                              const struct pke_fail *why, struct pke_fail *fail)
{
    struct pke_buf b;
    enum pke_err err;

    audit_json_init(&b);
    audit_json(&b, "number", number);
    audit_json(&b, "error", why ? pke_err_token(why->err) : NULL);
    audit_json(&b, "reason", why ? why->reason : NULL);
    audit_json(&b, "rule", why ? why->rule : NULL);
    err = audit_append_detail(l, row, &b, fail);
    pke_buf_done(&b);
    return err;
}
