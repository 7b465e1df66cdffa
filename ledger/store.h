/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the writer and the reader share: one SQLite connection with its pragmas asserted, cached statements,
 * typed binds and columns, and the one classification of SQLite's result codes. Private to ledger/.
 */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include <sqlite3.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "ledger/admission.h"
#include "ledger/device.h"
#include "ledger/token.h"

#define STORE_BUSY_MS      250        /* the longest that any call waits for a lock */
#define STORE_MAX_VALUE    (1 << 20)  /* bytes of one value or row: above is PKE_LIMIT */
#define STORE_APPLICATION  0x504b454c /* "PKEL" in the file header: this SQLite file is a ledger */
#define STORE_RULE_DURABLE "ledger durability"
#define STORE_RULE_SCHEMA  "ledger schema"
#define STORE_RULE_REQUEST "ledger request states"
#define STORE_RULE_DEVICE  "device states"
#define STORE_SERIAL_MAX   20 /* RFC 5280 4.1.2.2 */
/* Uses of token t in force: reserved by a request under way or consumed by an issued one. */
#define STORE_TOKEN_USED                                                   \
    "(SELECT count(*) FROM token_use u JOIN request r ON r.id = u.request" \
    " WHERE u.token = t.id AND r.state IN ('intent','issued'))"
/* Columns of struct ledger_token, in the order that token_load() reads them. */
#define STORE_TOKEN_COLUMNS                                                                         \
    "t.token_id, t.tenant, t.principal, t.enrollment_type, t.created_by, t.uses, " STORE_TOKEN_USED \
    ", t.created_at, t.expires_at, t.revoked_at"
/* Columns of struct ledger_device up to "live", in the order that device_load() reads them. */
#define STORE_DEVICE_COLUMNS                                                                           \
    "d.tenant, d.provider, d.device_id, d.principal, d.user_id, d.enrollment_type, d.ent_dmid, "       \
    "d.device_name,"                                                                                   \
    " d.hwdev_id, d.blocked_by, d.first_at, d.last_at, d.blocked_at, d.released_at, d.recovery_until," \
    " d.renewal_until"
/* Is there a live certificate of device d? Bind the time in seconds. */
#define STORE_DEVICE_LIVE(now)                                                                               \
    "EXISTS (SELECT 1 FROM certificate c JOIN request r ON r.id = c.request WHERE c.device_id = d.device_id" \
    " AND c.tenant = d.tenant AND c.provider = d.provider AND c.not_after >= " now                           \
    " AND c.superseded_at = 0 AND c.revoked_at = 0 AND r.state IN ('intent','issued'))"
/* Columns of struct ledger_admission in the order of admission_load(), of a joined with its request f. */
#define STORE_ADMISSION_COLUMNS                                                                          \
    "f.request_id, a.state, a.tenant, a.principal, a.user_id, a.provider, a.device_id, a.template_name," \
    " a.decided_by, (SELECT u.request_id FROM request u WHERE u.id = a.used_by"                          \
    " AND u.state IN ('intent','issued')), a.attempts, a.first_at, a.last_at, a.decided_at, a.expires_at"
/* Second parameter: only what is this tenant's; NULL: whoever's. */
#define STORE_OF_TENANT      " AND (?2 IS NULL OR tenant = ?2)"
#define STORE_ADMISSION_FROM "admission a JOIN request f ON f.id = a.request"
/* Columns of struct ledger_crl, in the order that ledger/crl.c reads them. */
#define STORE_CRL_COLUMNS "number, base, change, entries, this_update, next_update, tells_deltas, sha256"
#define STORE_DIGEST      32
#define STORE_FINGERPRINT 20

struct store {
    sqlite3 *db;
    const char *const *sql; /* statement texts, indexed by the owner's enum */
    sqlite3_stmt **cache;   /* prepared on first use */
    size_t n;
    bool broken; /* latched: see ledger_broken() */
};

/**
 * Open @p path with sqlite3_open_v2 @p flags, harden the connection and bind it to its statement table.
 * Nothing is changed in the file. store_close() after success and failure.
 */
enum pke_err store_open(struct store *s, const char *path, int flags, const char *const *sql, size_t n,
                        struct pke_fail *fail);
void store_close(struct store *s);

/** "PRAGMA name" must read back @p want. */
enum pke_err store_expect(struct store *s, const char *pragma, const char *want, struct pke_fail *fail);

/** Run statements without results. */
enum pke_err store_exec(struct store *s, const char *sql, struct pke_fail *fail);

/** First column of the first row as a number. */
enum pke_err store_number(struct store *s, const char *sql, int64_t *ret, struct pke_fail *fail);

/**
 * Map a result code: FULL, BUSY, LOCKED and refused access are PKE_STORE_DOWN and may pass; I/O errors,
 * corruption and a file that was moved away are PKE_STORE_DOWN and latch s->broken; a value above
 * STORE_MAX_VALUE is PKE_LIMIT; anything else is PKE_INTERNAL. Out of memory aborts.
 */
enum pke_err store_error(struct store *s, int rc, struct pke_fail *fail);

/** One use of a statement: start, bind in order, step, read columns, done (by PKE_CLEANUP). */
struct query {
    struct store *store;
    sqlite3_stmt *st;
    int param;
    int rc;     /* first error of a bind, or the last step's result */
    bool owned; /* finalized instead of reset */
};

struct query query_start(struct store *s, unsigned id);
struct query query_adhoc(struct store *s, const char *sql);
void query_done(struct query *q);

void query_text(struct query *q, const char *v);      /* NULL: SQL NULL; borrowed until query_done() */
void query_blob(struct query *q, struct pke_bytes v); /* empty: SQL NULL; borrowed until query_done() */
void query_int(struct query *q, int64_t v);

/** Next row: true. False at the end and on error; query_result() tells which. */
bool query_row(struct query *q);
enum pke_err query_result(struct query *q, struct pke_fail *fail);

/** Step a statement that returns nothing. */
enum pke_err query_run(struct query *q, struct pke_fail *fail);

int64_t query_col_int(struct query *q, int col);
struct pke_bytes query_col_borrow(struct query *q, int col); /* until the next step */
struct pke_bytes query_col_bytes(struct query *q, int col, struct pke_arena *arena);
const char *query_col_text(struct query *q, int col, struct pke_arena *arena); /* NULL for SQL NULL */
const char *query_col_hex(struct query *q, int col, struct pke_arena *arena);  /* NULL for SQL NULL */

/** Read STORE_TOKEN_COLUMNS of the current row. */
void token_load(struct query *q, struct pke_arena *arena, struct ledger_token *ret);

/** Read STORE_DEVICE_COLUMNS; live stays false. */
void device_load(struct query *q, struct pke_arena *arena, struct ledger_device *ret);

/** Read STORE_ADMISSION_COLUMNS as it stands at @p now (ms). */
void admission_load(struct query *q, int64_t now, struct pke_arena *arena, struct ledger_admission *ret);

#endif
