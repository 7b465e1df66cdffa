/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

static bool must_stop(int rc)
{
    switch (rc) {
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_CHECKRESERVEDLOCK:
    case SQLITE_IOERR_SHMLOCK:
    case SQLITE_IOERR_SHMSIZE: /* the shared memory file could not grow: a full disk */
        return false;
    case SQLITE_READONLY_DBMOVED: /* whoever restarts the daemon would find another ledger */
        return true;
    default:
        break;
    }
    rc &= 0xff;
    return rc == SQLITE_IOERR || rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
}

enum pke_err store_error(struct store *s, int rc, struct pke_fail *fail)
{
    if ((rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        pke_oom();
    if (must_stop(rc)) {
        s->broken = true;
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-broken", STORE_RULE_DURABLE,
                            "the ledger failed (%s, code %d): nothing more is issued", sqlite3_errstr(rc),
                            rc);
    }
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-unavailable", STORE_RULE_DURABLE,
                            "the ledger is unavailable (%s, code %d)", sqlite3_errstr(rc), rc);
    case SQLITE_TOOBIG:
        return pke_fail_set(fail, PKE_LIMIT, "ledger-value-size", STORE_RULE_SCHEMA,
                            "a value is larger than %d bytes", STORE_MAX_VALUE);
    default:
        return pke_fail_set(fail, PKE_INTERNAL, "ledger-statement", STORE_RULE_SCHEMA,
                            "the ledger refused a statement (%s, code %d)", sqlite3_errstr(rc), rc);
    }
}

static int harden(sqlite3 *db)
{
    static const struct {
        int option;
        int value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    };

    for (size_t i = 0; i < PKE_LEN(options); i++) {
        int is = -1;
        int rc = sqlite3_db_config(db, options[i].option, options[i].value, &is);

        if (rc != SQLITE_OK || is != options[i].value)
            return rc != SQLITE_OK ? rc : SQLITE_ERROR;
    }
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, STORE_MAX_VALUE);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    return sqlite3_busy_timeout(db, STORE_BUSY_MS);
}

enum pke_err store_open(struct store *s, const char *path, int flags, const char *const *sql, size_t n,
                        struct pke_fail *fail)
{
    static const char set[] = "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON;"
                              "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY";
    static const char *const pragmas[][2] = {
        {"synchronous", "2"}, {"foreign_keys", "1"}, {"cell_size_check", "1"}, {"trusted_schema", "0"}};
    enum pke_err err;
    int rc;

    *s = (struct store){.sql = sql, .n = n, .cache = pke_calloc(n, sizeof *s->cache)};
    rc = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = harden(s->db);
    if (rc != SQLITE_OK)
        return store_error(s, rc, fail);
    err = store_exec(s, set, fail);
    for (size_t i = 0; err == PKE_OK && i < PKE_LEN(pragmas); i++)
        err = store_expect(s, pragmas[i][0], pragmas[i][1], fail);
    return err;
}

void store_close(struct store *s)
{
    for (size_t i = 0; s->cache && i < s->n; i++)
        sqlite3_finalize(s->cache[i]);
    free(s->cache);
    sqlite3_close(s->db);
    *s = (struct store){0};
}

enum pke_err store_exec(struct store *s, const char *sql, struct pke_fail *fail)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? PKE_OK : store_error(s, rc, fail);
}

enum pke_err store_expect(struct store *s, const char *pragma, const char *want, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *sql = pke_asprintf("PRAGMA %s", pragma);
    PKE_CLEANUP(query_done) struct query q = query_adhoc(s, sql);

    bool row = query_row(&q);
    enum pke_err err = query_result(&q, fail);

    if (err != PKE_OK)
        return err;
    if (!row || !pke_bytes_eq_str(query_col_borrow(&q, 0), want))
        return pke_fail_set(fail, PKE_STORE_DOWN, "ledger-pragma", STORE_RULE_DURABLE,
                            "%s did not become %s: the file system or the SQLite library cannot do it",
                            pragma, want);
    return PKE_OK;
}

enum pke_err store_number(struct store *s, const char *sql, int64_t *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_adhoc(s, sql);

    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err : store_error(s, SQLITE_ERROR, fail);
    }
    *ret = query_col_int(&q, 0);
    return PKE_OK;
}

struct query query_start(struct store *s, unsigned id)
{
    struct query q = {.store = s};

    if (!s->cache[id])
        q.rc = sqlite3_prepare_v3(s->db, s->sql[id], -1, SQLITE_PREPARE_PERSISTENT, &s->cache[id], NULL);
    q.st = s->cache[id];
    return q;
}

struct query query_adhoc(struct store *s, const char *sql)
{
    struct query q = {.store = s, .owned = true};

    q.rc = sqlite3_prepare_v3(s->db, sql, -1, 0, &q.st, NULL);
    return q;
}

void query_done(struct query *q)
{
    if (q->owned) {
        sqlite3_finalize(q->st);
    } else if (q->st) {
        sqlite3_reset(q->st); /* its result was reported by the step already */
        sqlite3_clear_bindings(q->st);
    }
    q->st = NULL;
}

static void bound(struct query *q, int rc)
{
    if (q->rc == SQLITE_OK)
        q->rc = rc;
}

void query_text(struct query *q, const char *v)
{
    q->param++;
    if (q->st && v) /* an absent value stays NULL: bindings were cleared */
        bound(q, sqlite3_bind_text64(q->st, q->param, v, strlen(v), SQLITE_STATIC, SQLITE_UTF8));
}

void query_blob(struct query *q, struct pke_bytes v)
{
    q->param++;
    if (q->st && v.n)
        bound(q, sqlite3_bind_blob64(q->st, q->param, v.p, v.n, SQLITE_STATIC));
}

void query_int(struct query *q, int64_t v)
{
    q->param++;
    if (q->st)
        bound(q, sqlite3_bind_int64(q->st, q->param, v));
}

bool query_row(struct query *q)
{
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
        return false;
    q->rc = sqlite3_step(q->st);
    return q->rc == SQLITE_ROW;
}

enum pke_err query_result(struct query *q, struct pke_fail *fail)
{
    if (q->rc == SQLITE_OK || q->rc == SQLITE_ROW || q->rc == SQLITE_DONE)
        return PKE_OK;
    return store_error(q->store, q->rc, fail);
}

enum pke_err query_run(struct query *q, struct pke_fail *fail)
{
    (void)query_row(q);
    return query_result(q, fail);
}

int64_t query_col_int(struct query *q, int col)
{
    return sqlite3_column_int64(q->st, col);
}

struct pke_bytes query_col_borrow(struct query *q, int col)
{
    const void *p;
    int n;

    if (sqlite3_column_type(q->st, col) == SQLITE_NULL)
        return PKE_BYTES(NULL, 0);
    p = sqlite3_column_blob(q->st, col);
    n = sqlite3_column_bytes(q->st, col);
    if (!p && n)
        pke_oom();
    return PKE_BYTES(p, (size_t)n);
}

struct pke_bytes query_col_bytes(struct query *q, int col, struct pke_arena *arena)
{
    struct pke_bytes b = query_col_borrow(q, col);

    return b.n ? pke_arena_bytes(arena, b) : PKE_BYTES(NULL, 0);
}

const char *query_col_text(struct query *q, int col, struct pke_arena *arena)
{
    if (sqlite3_column_type(q->st, col) == SQLITE_NULL)
        return NULL;
    return pke_arena_str(arena, query_col_borrow(q, col));
}

const char *query_col_hex(struct query *q, int col, struct pke_arena *arena)
{
    struct pke_bytes b = query_col_borrow(q, col);
    char *hex;

    if (!b.n)
        return NULL;
    hex = pke_arena_alloc(arena, 2 * b.n + 1);
    pke_hex(b, false, hex);
    return hex;
}
