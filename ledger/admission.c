/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Approvals: pending -> granted -> used, or denied. One question is open at a time per identity, device and
 * template; further attempts fold into it.
 */
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"

#define RULE_ADMISSION "approval"

static void bind_key(struct query *q, const struct ledger_request *req)
{
    query_text(q, req->tenant);
    query_text(q, req->principal);
    query_text(q, req->provider ? req->provider : "");
    query_text(q, req->device_id);
    query_text(q, req->template_name);
}

/* *id is its row. */
static enum pke_err find(struct ledger *l, const struct ledger_request *req, int64_t now,
                         struct pke_arena *arena, struct ledger_admission *ret, int64_t *id,
                         struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_ADMISSION);
    enum pke_err err;

    bind_key(&q, req);
    query_text(&q, req->user_id);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "admission-unknown", RULE_ADMISSION,
                                            "nobody was asked about this identity, device and template");
    }
    admission_load(&q, now, arena, ret);
    *id = query_col_int(&q, 15);
    return PKE_OK;
}

enum pke_err ledger_admission_find(struct ledger *l, const struct ledger_request *req, int64_t now,
                                   struct pke_arena *arena, struct ledger_admission *ret,
                                   struct pke_fail *fail)
{
    int64_t id;

    return find(l, req, now, arena, ret, &id, fail);
}

static enum pke_err run_id(struct ledger *l, enum writer_statement statement, int64_t id, int64_t at,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, statement);

    query_int(&q, id);
    if (statement == WRITER_FOLD_ADMISSION)
        query_int(&q, at);
    return query_run(&q, fail);
}

static enum pke_err audit(struct ledger *l, const char *event, const char *actor, const char *request_id,
                          int64_t at, struct pke_fail *fail)
{
    struct audit_row row = {.at = at, .event = event, .actor = actor, .request_id = request_id};

    return audit_append(l, &row, fail);
}

/* Still an answer to a further attempt? */
static bool is_open(const struct ledger_admission *a, int64_t at)
{
    return strcmp(a->state, "pending") == 0 || strcmp(a->state, "granted") == 0 ||
           (strcmp(a->state, "denied") == 0 && a->expires_at > at);
}

static enum pke_err fold(struct ledger *l, const struct ledger_request *req, const struct ledger_admission *a,
                         int64_t id, struct pke_fail *fail)
{
    enum pke_err err = run_id(l, WRITER_FOLD_ADMISSION, id, req->at, fail);

    return err == PKE_OK ? audit(l, "pending-again", req->principal, a->request_id, req->at, fail) : err;
}

/* What keeps the place though it answers nothing: an expired grant, or somebody else of the same name. */
static enum pke_err close_open(struct ledger *l, const struct ledger_request *req, struct pke_arena *arena,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_OPEN_ADMISSION);
    const char *request_id;
    int64_t id;
    enum pke_err err;

    bind_key(&q, req);
    if (!query_row(&q)) /* at most one: a UNIQUE index */
        return query_result(&q, fail);
    id = query_col_int(&q, 0);
    request_id = query_col_text(&q, 1, arena);
    query_done(&q); /* before the row changes under it */
    err = run_id(l, WRITER_END_ADMISSION, id, 0, fail);
    return err == PKE_OK ? audit(l, "admission-expired", "issuer", request_id, req->at, fail) : err;
}

static enum pke_err ask(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                        struct pke_arena *arena, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = {0};
    enum pke_err err = close_open(l, req, arena, fail);

    if (err == PKE_OK)
        err = change_refused(l, req, why, fail);
    if (err != PKE_OK)
        return err;
    q = query_start(&l->store, WRITER_ADD_ADMISSION);
    query_text(&q, req->request_id);
    err = query_run(&q, fail);
    return err == PKE_OK ? audit(l, "pending", req->principal, req->request_id, req->at, fail) : err;
}

static enum pke_err attempt(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_arena *arena, struct ledger_admission *ret, struct pke_fail *fail)
{
    int64_t id = 0;
    enum pke_err err = find(l, req, req->at, arena, ret, &id, fail);

    if (err == PKE_OK && is_open(ret, req->at))
        err = fold(l, req, ret, id, fail);
    else if (err == PKE_OK || err == PKE_NOT_FOUND)
        err = ask(l, req, why, arena, fail);
    return err == PKE_OK ? find(l, req, req->at, arena, ret, &id, fail) : err;
}

enum pke_err ledger_admission_attempt(struct ledger *l, const struct ledger_request *req,
                                      const struct pke_fail *why, struct pke_arena *arena,
                                      struct ledger_admission *ret, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, attempt(l, req, why, arena, ret, fail), fail) : err;
}

static enum pke_err find_pending(struct ledger *l, const char *tenant, const char *request_id, int64_t *id,
                                 struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_NAME_ADMISSION);
    enum pke_err err;

    query_text(&q, request_id);
    query_text(&q, tenant);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "admission-unknown", RULE_ADMISSION,
                                            "no request of this id waits for approval");
    }
    if (!pke_bytes_eq_str(query_col_borrow(&q, 1), "pending"))
        return pke_fail_set(fail, PKE_EXISTS, "admission-decided", RULE_ADMISSION,
                            "the request was decided before");
    *id = query_col_int(&q, 0);
    return PKE_OK;
}

static enum pke_err decide(struct ledger *l, const char *tenant, const char *request_id, bool grant,
                           const char *by, int64_t expires_at, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = {0};
    struct audit_row row = {
        .at = at, .event = grant ? "approved" : "denied", .actor = by, .request_id = request_id};
    PKE_CLEANUP(pke_free_p) char *detail = pke_asprintf("{\"until\":%lld}", (long long)expires_at);
    int64_t id;
    enum pke_err err = find_pending(l, tenant, request_id, &id, fail);

    if (err != PKE_OK)
        return err;
    q = query_start(&l->store, WRITER_SET_ADMISSION);
    query_int(&q, id);
    query_text(&q, grant ? "granted" : "denied");
    query_int(&q, at);
    query_text(&q, by);
    query_int(&q, expires_at);
    err = query_run(&q, fail);
    row.detail = detail;
    return err == PKE_OK ? audit_append(l, &row, fail) : err;
}

enum pke_err ledger_admission_decide(struct ledger *l, const char *tenant, const char *request_id, bool grant,
                                     const char *by, int64_t expires_at, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, decide(l, tenant, request_id, grant, by, expires_at, at, fail), fail)
                         : err;
}

enum pke_err ledger_admission_open(struct ledger *l, const char *tenant, const char *principal,
                                   const char *user_id, unsigned *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_COUNT_PENDING);
    enum pke_err err;

    query_text(&q, tenant);
    query_text(&q, principal);
    query_text(&q, user_id);
    (void)query_row(&q);
    err = query_result(&q, fail);
    *n = err == PKE_OK ? (unsigned)query_col_int(&q, 0) : 0;
    return err;
}

enum pke_err admission_use(struct ledger *l, const char *admission, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_USE_ADMISSION);
    enum pke_err err;

    query_text(&q, admission);
    query_int(&q, at);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_DENIED, "admission-unusable", RULE_ADMISSION,
                            "the approval is not for this request, has expired or was used");
    return err;
}

enum pke_err admission_consume(struct ledger *l, int64_t id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CONSUME_ADMISSION);

    query_int(&q, id);
    return query_run(&q, fail);
}
