/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The writer's insides, shared by the files that implement ledger.h. Private to ledger/.
 */
#ifndef LEDGER_WRITER_H
#define LEDGER_WRITER_H

#include "ledger/ledger.h"
#include "ledger/store.h"

#define WRITER_STATEMENTS(X)                                                                                 \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(SAVE, "SAVEPOINT change")                                                                              \
    X(RELEASE, "RELEASE change")                                                                             \
    X(UNDO, "ROLLBACK TO change")                                                                            \
    X(ADD_REQUEST,                                                                                           \
      "INSERT INTO request (request_id, state, tenant, principal, credential, endpoint, template_name,"      \
      " operation, stage, device_id, enrollment_type, device_name, hwdev_id, source, context, request,"      \
      " received_at, finished_at, idempotency_key, fail_err, fail_reason, fail_rule, fail_text)"             \
      " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")                                             \
    X(ADD_SERIAL,                                                                                            \
      "INSERT INTO certificate (request, issuer_id, serial, tbs, spki_sha256, subject, ent_dmid, "           \
      "not_before,"                                                                                          \
      " not_after, tenant, principal, device_id) VALUES (last_insert_rowid(),?,?,?,?,?,?,?,?,?,?,?)")        \
    X(ADD_TOKEN, "INSERT INTO token (token_id, hash, tenant, principal, enrollment_type, uses, created_at,"  \
                 " expires_at, created_by) VALUES (?,?,?,?,?,?,?,?,?)")                                      \
    X(REVOKE_TOKEN, "UPDATE token SET revoked_at = ?2 WHERE token_id = ?1 AND revoked_at = 0")               \
    X(FIND_TOKEN_ID, "SELECT 1 FROM token WHERE token_id = ?")                                               \
    X(FIND_TOKEN, "SELECT " STORE_TOKEN_COLUMNS " FROM token t WHERE t.hash = ?")                            \
    X(USE_TOKEN,                                                                                             \
      "INSERT INTO token_use (request, token) SELECT last_insert_rowid(), t.id FROM token t"                 \
      " WHERE t.token_id = ?1 AND t.revoked_at = 0 AND t.expires_at > ?2 AND " STORE_TOKEN_USED " < t.uses") \
    X(FIND_SLOT, "SELECT 1 FROM request WHERE idempotency_key = ? AND state = 'intent'")                     \
    X(FIND_REQUEST, "SELECT 1 FROM request WHERE request_id = ?")                                            \
    X(FIND_INTENT, "SELECT r.id, c.serial, c.tbs FROM request r JOIN certificate c ON c.request = r.id"      \
                   " WHERE r.request_id = ? AND r.state = 'intent'")                                         \
    X(FINISH, "UPDATE request SET state = ?2, finished_at = ?3, fail_err = ?4, fail_reason = ?5,"            \
              " fail_rule = ?6, fail_text = ?7 WHERE id = ?1 AND state = 'intent'")                          \
    X(ADD_CERTIFICATE, "UPDATE certificate SET der = ?2, sha1 = ?3, sha256 = ?4 WHERE request = ?1")         \
    X(OLDEST_INTENT, "SELECT r.id, r.request_id, c.serial FROM request r JOIN certificate c"                 \
                     " ON c.request = r.id WHERE r.state = 'intent' ORDER BY r.received_at, r.id LIMIT 1")   \
    X(GET_META, "SELECT value FROM meta WHERE name = ?")                                                     \
    X(SET_META, "UPDATE meta SET value = ?2 WHERE name = ?1")                                                \
    X(RAISE_CLOCK, "UPDATE meta SET value = ? WHERE name = 'wall-clock' AND value < ?1")                     \
    X(ADD_AUDIT, "INSERT INTO audit (seq, at, event, actor, request_id, serial, digest, detail, hash)"       \
                 " VALUES (?,?,?,?,?,?,?,?,?)")                                                              \
    X(FIND_KEY,                                                                                              \
      "SELECT r.request_id, r.state, c.ent_dmid, c.subject, c.serial, r.principal, c.der,"                   \
      " r.finished_at FROM request r JOIN certificate c ON c.request = r.id"                                 \
      " WHERE r.idempotency_key = ? AND r.state IN ('intent','issued') ORDER BY r.id DESC LIMIT 1")          \
    X(FIND_SPKI, "SELECT c.device_id, c.principal FROM certificate c JOIN request r ON r.id = c.request"     \
                 " WHERE c.spki_sha256 = ? AND c.tenant = ? AND c.not_after >= ?"                            \
                 " AND r.state IN ('intent','issued') ORDER BY c.request DESC LIMIT 1")                      \
    X(FIND_DEVICE, "SELECT c.principal, c.ent_dmid FROM certificate c JOIN request r ON r.id = c.request"    \
                   " WHERE c.device_id = ? AND c.tenant = ? AND c.not_after >= ?"                            \
                   " AND r.state IN ('intent','issued') ORDER BY c.request DESC LIMIT 1")

enum writer_statement {
#define X(name, sql) WRITER_##name,
    WRITER_STATEMENTS(X)
#undef X
        WRITER_N
};

struct ledger {
    struct store store;
    int lock_fd;
    bool in_group;
    bool group_lost; /* SQLite rolled the whole group back by itself: its commit must fail */
    int wal_pages;   /* in the WAL after the last commit: what a checkpoint would copy */
    uint8_t node;
};

/** Start and end one change; change_end() undoes it when @p err is not PKE_OK and returns the verdict. */
enum pke_err change_begin(struct ledger *l, struct pke_fail *fail);
enum pke_err change_end(struct ledger *l, enum pke_err err, struct pke_fail *fail);

/** Raise the recorded wall clock, inside a change. */
enum pke_err clock_raise(struct ledger *l, int64_t at, struct pke_fail *fail);

/** Inside the change that added a request: this request uses up one use of the token. PKE_UNAUTHENTICATED. */
enum pke_err token_use(struct ledger *l, const char *token_id, int64_t at, struct pke_fail *fail);

/** A row of "meta". */
enum pke_err meta_number(struct ledger *l, const char *name, int64_t *ret, struct pke_fail *fail);

#endif
