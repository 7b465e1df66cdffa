/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/certkey.h"
#include "ledger/ledger.h"
#include "ledger/pack.h"
#include "ledger/reader.h"
#include "ledger/schema.h"

static const char *const statements[] = {
#define X(name, sql) sql,
    READER_STATEMENTS(X)
#undef X
};

static enum pke_err open_store(struct ledger_reader *r, const char *path, struct pke_fail *fail)
{
    int64_t version = 0;
    enum pke_err err = store_open(&r->store, path, SQLITE_OPEN_READONLY, statements, READER_N, fail);

    if (err == PKE_OK)
        err = store_exec(&r->store, "PRAGMA query_only=ON", fail);
    if (err == PKE_OK)
        err = store_expect(&r->store, "query_only", "1", fail);
    if (err == PKE_OK)
        err = schema_version(&r->store, &version, fail);
    if (err == PKE_OK && version != LEDGER_SCHEMA)
        err = pke_fail_set(fail, PKE_STORE_DOWN, "ledger-schema", STORE_RULE_SCHEMA,
                           "the ledger is not ready: its writer has to create or convert it first");
    return err;
}

enum pke_err ledger_reader_open(const char *path, struct ledger_reader **ret, struct pke_fail *fail)
{
    struct ledger_reader *r;
    struct stat st;
    enum pke_err err;

    if (stat(path, &st) != 0) /* stat, not open: see prepare_file() in ledger.c */
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-absent", STORE_RULE_DURABLE,
                            "there is no ledger yet");
    r = pke_calloc(1, sizeof *r);
    err = open_store(r, path, fail);
    if (err != PKE_OK) {
        ledger_reader_close(r);
        return err;
    }
    *ret = r;
    return PKE_OK;
}

void ledger_reader_close(struct ledger_reader *r)
{
    if (!r)
        return;
    store_close(&r->store);
    free(r);
}

static void copy_text(char *out, size_t size, struct pke_bytes b)
{
    (void)snprintf(out, size, "%.*s", (int)b.n, b.n ? (const char *)b.p : "");
}

static void load_fail(struct query *q, int col, struct pke_arena *arena, struct pke_fail *ret)
{
    const char *token = query_col_text(q, col, arena);

    if (!token)
        return;
    ret->err = pke_err_from_token(token);
    copy_text(ret->reason, sizeof ret->reason, query_col_borrow(q, col + 1));
    copy_text(ret->rule, sizeof ret->rule, query_col_borrow(q, col + 2));
    copy_text(ret->text, sizeof ret->text, query_col_borrow(q, col + 3));
}

/* Returns the column after. */
static int load_approval(struct query *q, int col, struct pke_arena *arena, struct ledger_approval *ret)
{
    ret->state = query_col_text(q, col, arena);
    ret->decided_by = query_col_text(q, col + 1, arena);
    ret->used_by = query_col_text(q, col + 2, arena);
    ret->attempts = (uint64_t)query_col_int(q, col + 3);
    ret->last_at = query_col_int(q, col + 4);
    ret->decided_at = query_col_int(q, col + 5);
    ret->expires_at = query_col_int(q, col + 6);
    return col + 7;
}

static int load_waiting(struct query *q, int col, struct pke_arena *arena, struct ledger_waiting *ret)
{
    ret->number = (uint64_t)query_col_int(q, col);
    ret->state = query_col_text(q, col + 1, arena);
    ret->waiting_at = query_col_int(q, col + 2);
    ret->expires_at = query_col_int(q, col + 3);
    ret->finished_at = query_col_int(q, col + 4);
    ret->reason = query_col_text(q, col + 5, arena);
    ret->result = query_col_text(q, col + 6, arena);
    return col + 7;
}

static int load_revocation(struct query *q, int col, struct pke_arena *arena,
                           struct ledger_row_revocation *ret)
{
    if (query_col_borrow(q, col + 1).p) {
        ret->reason = ledger_reason_text(query_col_int(q, col));
        ret->is_hold = query_col_int(q, col) == LEDGER_REASON_HOLD;
    }
    ret->by = query_col_text(q, col + 1, arena);
    ret->comment = query_col_text(q, col + 2, arena);
    ret->at = query_col_int(q, col + 3);
    ret->released_at = query_col_int(q, col + 4);
    ret->released_by = query_col_text(q, col + 5, arena);
    return col + 6;
}

/* In the order of READER_COLUMNS. */
static enum pke_err row_load(struct query *q, struct pke_arena *arena, struct ledger_row *ret,
                             struct pke_fail *fail)
{
    const char *san_uri = NULL;
    const char **texts[] = {
        &ret->request_id,      &ret->state,         &ret->tenant,      &ret->principal, &ret->credential,
        &ret->endpoint,        &ret->template_name, &ret->operation,   &ret->stage,     &ret->device_id,
        &ret->enrollment_type, &ret->device_name,   &ret->hwdev_id,    &ret->source,    &ret->ent_dmid,
        &ret->user_id,         &ret->provider,      &ret->attestation, &san_uri,        &ret->renewed_from};
    int col = 0;

    *ret = (struct ledger_row){0};
    for (size_t i = 0; i < PKE_LEN(texts); i++)
        *texts[i] = query_col_text(q, col++, arena);
    if (!unpack_pairs(query_col_borrow(q, col++), arena, &ret->context))
        return store_error(q->store, SQLITE_CORRUPT, fail);
    if (!unpack_pairs(query_col_borrow(q, col++), arena, &ret->attributes))
        return store_error(q->store, SQLITE_CORRUPT, fail);
    if (!unpack_pairs(query_col_borrow(q, col++), arena, &ret->names))
        return store_error(q->store, SQLITE_CORRUPT, fail);
    load_fail(q, col, arena, &ret->fail);
    col += 4;
    ret->received_at = query_col_int(q, col++);
    ret->finished_at = query_col_int(q, col++);
    ret->serial = query_col_hex(q, col++, arena);
    ret->subject = query_col_text(q, col++, arena);
    pack_old_names(&ret->names, arena, ret->subject, san_uri);
    ret->issuer_id = query_col_hex(q, col++, arena);
    ret->sha1 = query_col_hex(q, col++, arena);
    ret->sha256 = query_col_hex(q, col++, arena);
    ret->spki_sha256 = query_col_hex(q, col++, arena);
    ret->not_before = query_col_int(q, col++);
    ret->not_after = query_col_int(q, col++);
    ret->confirmed_at = query_col_int(q, col++);
    ret->superseded_at = query_col_int(q, col++);
    ret->revoked_at = query_col_int(q, col++);
    col = load_approval(q, col, arena, &ret->approval);
    col = load_waiting(q, col, arena, &ret->waiting);
    col = load_revocation(q, col, arena, &ret->revocation);
    ret->certificate = query_col_bytes(q, col++, arena);
    ret->request = query_col_bytes(q, col++, arena);
    ret->explanation = query_col_text(q, col, arena);
    return PKE_OK;
}

/* The one row of a bound query. */
static enum pke_err show(struct query *q, struct pke_arena *arena, struct ledger_row *ret,
                         struct pke_fail *fail)
{
    enum pke_err err;

    if (query_row(q))
        return row_load(q, arena, ret, fail);
    err = query_result(q, fail);
    return err != PKE_OK ? err
                         : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", STORE_RULE_REQUEST,
                                        "the ledger has no such entry");
}

static enum pke_err show_text(struct ledger_reader *r, enum reader_statement id, const char *key,
                              const char *tenant, struct pke_arena *arena, struct ledger_row *ret,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, id);

    query_text(&q, key);
    query_text(&q, tenant);
    return show(&q, arena, ret, fail);
}

static enum pke_err show_blob(struct ledger_reader *r, enum reader_statement id, struct pke_bytes key,
                              const char *tenant, struct pke_arena *arena, struct ledger_row *ret,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, id);

    query_blob(&q, key);
    query_text(&q, tenant);
    return show(&q, arena, ret, fail);
}

enum pke_err ledger_request_show(struct ledger_reader *r, const char *tenant, const char *request_id,
                                 struct pke_arena *arena, struct ledger_row *ret, struct pke_fail *fail)
{
    return show_text(r, READER_BY_REQUEST, request_id, tenant, arena, ret, fail);
}

enum pke_err ledger_cert_show(struct ledger_reader *r, const char *tenant, const char *key,
                              struct pke_arena *arena, struct ledger_row *ret, struct pke_fail *fail)
{
    static const enum reader_statement by_text[] = {READER_BY_DEVICE, READER_BY_ID};
    char digits[STORE_DIGEST * 2];
    uint8_t raw[STORE_DIGEST];
    size_t n = certkey_digits(key, digits), size = sizeof raw;
    enum pke_err err = PKE_NOT_FOUND;

    if (n == 2 * STORE_DIGEST && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = show_blob(r, READER_BY_SHA256, PKE_BYTES(raw, size), tenant, arena, ret, fail);
    else if (n == 2 * STORE_FINGERPRINT && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = show_blob(r, READER_BY_SHA1, PKE_BYTES(raw, size), tenant, arena, ret, fail);
    if (err == PKE_NOT_FOUND && (size = certkey_number(key, raw)) > 0)
        err = show_blob(r, READER_BY_SERIAL, PKE_BYTES(raw, size), tenant, arena, ret, fail);
    for (size_t i = 0; err == PKE_NOT_FOUND && i < PKE_LEN(by_text); i++)
        err = show_text(r, by_text[i], key, tenant, arena, ret, fail);
    return err;
}

const char *position_encode(const struct position *p, struct pke_arena *arena)
{
    struct pke_buf raw, text;
    const char *ret;

    pke_buf_init(&raw, 16);
    pke_buf_init(&text, 32);
    (void)pke_buf_add_u64(&raw, (uint64_t)p->received_at);
    (void)pke_buf_add_u64(&raw, (uint64_t)p->id);
    (void)pke_base64_encode(pke_buf_bytes(&raw), PKE_B64_URL, &text);
    ret = pke_arena_str(arena, pke_buf_bytes(&text));
    pke_buf_done(&raw);
    pke_buf_done(&text);
    return ret;
}

bool position_decode(const char *cursor, struct position *ret)
{
    struct pke_buf raw;
    struct pke_cursor c;
    uint64_t at, id;
    bool ok;

    pke_buf_init(&raw, 16);
    ok = pke_base64_decode(pke_bytes_str(cursor), PKE_B64_URL, &raw) == PKE_OK;
    c = pke_cursor_of(pke_buf_bytes(&raw));
    ok = ok && pke_take_u64(&c, &at) && pke_take_u64(&c, &id) && pke_cursor_left(&c) == 0;
    if (ok)
        *ret = (struct position){(int64_t)at, (int64_t)id};
    pke_buf_done(&raw);
    return ok;
}

static bool is_one_of(const char *state, const char *const *states, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(states[i], state) == 0)
            return true;
    return false;
}

static bool is_approval(const char *state)
{
    static const char *const states[] = {"pending", "granted", "denied", "used"};

    return is_one_of(state, states, PKE_LEN(states));
}

static bool is_waiting(const char *state)
{
    return strcmp(state, "waiting") == 0;
}

static bool known_state(const struct ledger_filter *f)
{
    static const char *const states[] = {"intent", "issued", "failed", "abandoned", "refused"};

    if (is_one_of(f->state, states, PKE_LEN(states)))
        return true;
    return f->certificates_only ? life_condition(f->state) != NULL
                                : is_approval(f->state) || is_waiting(f->state);
}

/* Which table leads and what else its state asks for. Approvals are few among the requests: they lead. */
static void list_from(const struct ledger_filter *f, struct pke_buf *sql)
{
    const char *life = f->state && f->certificates_only ? life_condition(f->state) : NULL;

    if (f->state && is_approval(f->state))
        (void)pke_buf_add_str(sql, READER_FROM_APPROVALS " WHERE a.state = ?");
    else if (f->state && is_waiting(f->state))
        (void)pke_buf_add_str(sql, READER_FROM_TICKETS " WHERE t.state = ?");
    else if (life && life_is_revocation(f->state) && !f->principal && !f->device_id)
        (void)pke_buf_printf(sql, READER_FROM_REVOCATIONS " WHERE %s", life);
    else if (life)
        (void)pke_buf_printf(sql, READER_FROM " WHERE r.state = 'issued' AND %s", life);
    else
        (void)pke_buf_printf(sql, READER_FROM " WHERE %s", f->state ? "r.state = ?" : "1");
}

/* Only the conditions that are asked for: each then finds its index. Texts are ours, values are bound. */
static void list_sql(const struct ledger_filter *f, bool paged, struct pke_buf *sql)
{
    (void)pke_buf_add_str(sql, "SELECT " READER_COLUMNS "NULL, NULL, NULL, r.id FROM ");
    list_from(f, sql);
    if (f->tenant)
        (void)pke_buf_add_str(sql, " AND +r.tenant = ?"); /* never by an index of tenants alone */
    if (f->principal)
        (void)pke_buf_add_str(sql, " AND r.principal = ?");
    if (f->device_id)
        (void)pke_buf_add_str(sql, " AND r.device_id = ?");
    if (f->template_name)
        (void)pke_buf_add_str(sql, " AND r.template_name = ?");
    if (f->certificates_only)
        (void)pke_buf_add_str(sql, " AND r.state = 'issued'");
    if (paged)
        (void)pke_buf_add_str(sql, " AND (r.received_at, r.id) < (?, ?)");
    (void)pke_buf_add_str(sql, " ORDER BY r.received_at DESC, r.id DESC LIMIT ?");
}

static void list_bind(struct query *q, const struct ledger_filter *f, const struct position *from,
                      unsigned limit)
{
    const char *texts[] = {f->tenant, f->principal, f->device_id, f->template_name};

    if (f->state && f->certificates_only && life_condition(f->state))
        query_int(q, f->now);
    else if (f->state)
        query_text(q, f->state);
    for (size_t i = 0; i < PKE_LEN(texts); i++)
        if (texts[i])
            query_text(q, texts[i]);
    if (from) {
        query_int(q, from->received_at);
        query_int(q, from->id);
    }
    query_int(q, limit);
}

/* Up to @p limit rows; one row more tells that there is another page. */
static enum pke_err list_load(struct query *q, unsigned limit, struct pke_arena *arena,
                              struct ledger_row *rows, size_t *n, const char **next, struct pke_fail *fail)
{
    struct position last = {0};
    enum pke_err err = PKE_OK;

    *n = 0;
    *next = NULL;
    while (err == PKE_OK && query_row(q)) {
        if (*n == limit) {
            *next = position_encode(&last, arena);
            return PKE_OK;
        }
        err = row_load(q, arena, &rows[*n], fail);
        last = (struct position){rows[*n].received_at, query_col_int(q, READER_ID_COLUMN)};
        *n += err == PKE_OK;
    }
    return err != PKE_OK ? err : query_result(q, fail);
}

enum pke_err ledger_list(struct ledger_reader *r, const struct ledger_filter *filter, const char *cursor,
                         unsigned limit, struct pke_arena *arena, struct ledger_row **rows, size_t *n,
                         const char **next, struct pke_fail *fail)
{
    static const struct ledger_filter any;
    const struct ledger_filter *f = filter ? filter : &any;
    struct position from;
    struct pke_buf sql;

    if (limit < 1 || limit > READER_LIMIT_MAX)
        return pke_fail_set(fail, PKE_MALFORMED, "list-limit", READER_RULE_LIST, "limit is 1 to %d",
                            READER_LIMIT_MAX);
    if (cursor && !position_decode(cursor, &from))
        return pke_fail_set(fail, PKE_MALFORMED, "list-cursor", READER_RULE_LIST,
                            "the cursor is not one of ours");
    if (f->state && !known_state(f))
        return pke_fail_set(fail, PKE_MALFORMED, "list-state", READER_RULE_LIST,
                            "there is no such request state");
    pke_buf_init(&sql, 4096);
    list_sql(f, cursor != NULL, &sql);
    PKE_CLEANUP(query_done) struct query q = query_adhoc(&r->store, pke_buf_cstr(&sql));
    pke_buf_done(&sql);
    list_bind(&q, f, cursor ? &from : NULL, limit + 1);
    *rows = pke_arena_alloc(arena, limit * sizeof **rows);
    return list_load(&q, limit, arena, *rows, n, next, fail);
}

enum pke_err ledger_counts(struct ledger_reader *r, struct ledger_counts *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, READER_COUNTS);
    PKE_CLEANUP(query_done) struct query m = query_start(&r->store, READER_META);
    const struct {
        const char *state;
        uint64_t *n;
    } counters[] = {{"issued", &ret->issued},   {"intent", &ret->intent},       {"failed", &ret->failed},
                    {"refused", &ret->refused}, {"abandoned", &ret->abandoned}, {"revoked", &ret->revoked},
                    {"held", &ret->held}};
    enum pke_err err;

    *ret = (struct ledger_counts){0};
    while (query_row(&q))
        for (size_t i = 0; i < PKE_LEN(counters); i++)
            if (pke_bytes_eq_str(query_col_borrow(&q, 0), counters[i].state))
                *counters[i].n = (uint64_t)query_col_int(&q, 1);
    err = query_result(&q, fail);
    if (err != PKE_OK)
        return err;
    query_text(&m, "audit-seq");
    if (query_row(&m))
        ret->audit = (uint64_t)query_col_int(&m, 0);
    return query_result(&m, fail);
}
