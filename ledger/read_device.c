/* SPDX-License-Identifier: Apache-2.0 */
/* Devices for operators, and what a certificate's life is called. */
#include <string.h>

#include "base/mem.h"
#include "ledger/reader.h"

#define DEVICE_LIVE_COLUMN 16 /* after STORE_DEVICE_COLUMNS */

const char *ledger_life(const struct ledger_row *row, int64_t now)
{
    if (row->revoked_at)
        return row->revocation.is_hold ? "held" : "revoked";
    if (row->superseded_at)
        return "superseded";
    if (row->not_after < now)
        return "expired";
    return row->confirmed_at ? "active" : "unconfirmed";
}

/* Each with its one parameter, needed or not. */
const char *life_condition(const char *state)
{
    static const char *const conditions[][2] = {
        {"revoked", "(v.released_at = 0 AND v.reason <> 6 AND ? <> 0)"},
        {"held", "(v.released_at = 0 AND v.reason = 6 AND ? <> 0)"},
        {"superseded", "(c.revoked_at = 0 AND c.superseded_at <> 0 AND ? <> 0)"},
        {"expired", "(c.revoked_at = 0 AND c.superseded_at = 0 AND c.not_after < ?)"},
        {"active", "(c.revoked_at = 0 AND c.superseded_at = 0 AND c.not_after >= ? AND c.confirmed_at <> 0)"},
        {"unconfirmed",
         "(c.revoked_at = 0 AND c.superseded_at = 0 AND c.not_after >= ? AND c.confirmed_at = 0)"},
    };

    for (size_t i = 0; i < PKE_LEN(conditions); i++)
        if (strcmp(conditions[i][0], state) == 0)
            return conditions[i][1];
    return NULL;
}

bool life_is_revocation(const char *state)
{
    return strcmp(state, "revoked") == 0 || strcmp(state, "held") == 0;
}

const char *ledger_device_state(const struct ledger_device *device)
{
    if (device->blocked_at)
        return "blocked";
    if (device->released_at)
        return "released";
    return device->live ? "live" : "expired";
}

/* The same in SQL, for a filter. */
static const char *state_condition(const char *state)
{
    static const char *const conditions[][2] = {
        {"blocked", " AND d.blocked_at <> 0"},
        {"released", " AND d.blocked_at = 0 AND d.released_at <> 0"},
        {"live", " AND d.blocked_at = 0 AND d.released_at = 0 AND " STORE_DEVICE_LIVE("?1")},
        {"expired", " AND d.blocked_at = 0 AND d.released_at = 0 AND NOT " STORE_DEVICE_LIVE("?1")},
    };

    for (size_t i = 0; i < PKE_LEN(conditions); i++)
        if (strcmp(conditions[i][0], state) == 0)
            return conditions[i][1];
    return NULL;
}

static void load_one(struct query *q, struct pke_arena *arena, struct ledger_device *ret)
{
    device_load(q, arena, ret);
    ret->live = query_col_int(q, DEVICE_LIVE_COLUMN) != 0;
}

static enum pke_err load(struct query *q, unsigned limit, struct pke_arena *arena, struct ledger_device *rows,
                         size_t *n, const char **next, struct pke_fail *fail)
{
    struct position last = {0};

    *n = 0;
    *next = NULL;
    while (query_row(q)) {
        if (*n == limit) {
            *next = position_encode(&last, arena);
            return PKE_OK;
        }
        load_one(q, arena, &rows[*n]);
        last.id = query_col_int(q, DEVICE_LIVE_COLUMN + 1);
        (*n)++;
    }
    return query_result(q, fail);
}

/* By their row, which never changes: a device that renews meanwhile does not move between pages. */
static void list_sql(const struct ledger_device_filter *f, struct pke_buf *sql)
{
    (void)pke_buf_add_str(sql,
                          "SELECT " STORE_DEVICE_COLUMNS ", " STORE_DEVICE_LIVE("?1") ", d.id FROM device d"
                                                                                      " WHERE d.id < ?2");
    if (f->principal)
        (void)pke_buf_add_str(sql, " AND d.principal = ?4");
    if (f->tenant)
        (void)pke_buf_add_str(sql, " AND d.tenant = ?5");
    if (f->state)
        (void)pke_buf_add_str(sql, state_condition(f->state));
    (void)pke_buf_add_str(sql, " ORDER BY d.id DESC LIMIT ?3");
}

enum pke_err ledger_device_list(struct ledger_reader *r, const struct ledger_device_filter *filter,
                                const char *cursor, unsigned limit, struct pke_arena *arena,
                                struct ledger_device **rows, size_t *n, const char **next,
                                struct pke_fail *fail)
{
    struct position from = {0, INT64_MAX};
    struct pke_buf sql;

    if (limit < 1 || limit > READER_LIMIT_MAX)
        return pke_fail_set(fail, PKE_MALFORMED, "list-limit", READER_RULE_LIST, "limit is 1 to %d",
                            READER_LIMIT_MAX);
    if (cursor && !position_decode(cursor, &from))
        return pke_fail_set(fail, PKE_MALFORMED, "list-cursor", READER_RULE_LIST,
                            "the cursor is not one of ours");
    if (filter->state && !state_condition(filter->state))
        return pke_fail_set(fail, PKE_MALFORMED, "list-state", READER_RULE_LIST,
                            "there is no such device state");
    pke_buf_init(&sql, 4096);
    list_sql(filter, &sql);
    PKE_CLEANUP(query_done) struct query q = query_adhoc(&r->store, pke_buf_cstr(&sql));
    pke_buf_done(&sql);
    query_int(&q, filter->now);
    query_int(&q, from.id);
    query_int(&q, (int64_t)limit + 1);
    if (filter->principal || filter->tenant)
        query_text(&q, filter->principal);
    if (filter->tenant)
        query_text(&q, filter->tenant);
    *rows = pke_arena_alloc(arena, limit * sizeof **rows);
    return load(&q, limit, arena, *rows, n, next, fail);
}

enum pke_err ledger_device_show(struct ledger_reader *r, const char *tenant, const char *provider,
                                const char *device_id, int64_t now, struct pke_arena *arena,
                                struct ledger_device *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, READER_DEVICE);
    enum pke_err err;

    query_text(&q, device_id);
    query_text(&q, provider);
    query_text(&q, tenant);
    query_int(&q, now);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "device-unknown", STORE_RULE_DEVICE,
                                            "there is no such device");
    }
    load_one(&q, arena, ret);
    if (query_row(&q))
        return pke_fail_set(fail, PKE_EXISTS, "device-ambiguous", STORE_RULE_DEVICE,
                            "the device is enrolled with several providers, or of several tenants: name one");
    return query_result(&q, fail);
}
