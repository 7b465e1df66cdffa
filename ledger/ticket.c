/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for the key: waiting -> issued, denied or abandoned. The attempt that had to wait stands
 * in "request" with all that is needed to decide it again; a ticket is its RequestID and what became of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/pack.h"

#define RULE       "waiting requests"
#define NUMBER_MAX UINT32_MAX

/* Number of the waiting ticket of this key; 0: none. */
static enum pke_err find_slot(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE], int64_t *number,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_TICKET_SLOT);

    query_blob(&q, PKE_BYTES(key, LEDGER_KEY_SIZE));
    *number = query_row(&q) ? query_col_int(&q, 0) : 0;
    return *number ? PKE_OK : query_result(&q, fail);
}

static enum pke_err count(struct ledger *l, enum writer_statement statement, const char *principal,
                          int64_t *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, statement);
    enum pke_err err;

    if (principal)
        query_text(&q, principal);
    (void)query_row(&q);
    err = query_result(&q, fail);
    *n = err == PKE_OK ? query_col_int(&q, 0) : 0;
    return err;
}

static enum pke_err check_room(struct ledger *l, const struct ledger_wait *w, struct pke_fail *fail)
{
    int64_t all = 0, own = 0;
    enum pke_err err = count(l, WRITER_COUNT_TICKETS, NULL, &all, fail);

    if (err == PKE_OK)
        err = count(l, WRITER_COUNT_TICKETS_OF, w->request.principal, &own, fail);
    if (err == PKE_OK && (all >= (int64_t)w->max || own >= (int64_t)w->max_of_principal))
        err = pke_fail_set(fail, PKE_BUSY, "waiting-full", RULE, "too many requests wait already");
    return err;
}

static enum pke_err audit_number(struct ledger *l, struct audit_row *row, int64_t number,
                                 const struct pke_fail *why, struct pke_fail *fail)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, number);
    return audit_append_why(l, row, text, why, fail);
}

/* The attempt may stand there as failed already: the key went away after T1. */
static enum pke_err add(struct ledger *l, const struct ledger_wait *w, int64_t *number, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = {0};
    struct audit_row row = {.at = w->request.at,
                            .event = "waiting",
                            .actor = w->request.principal,
                            .request_id = w->request.request_id};
    enum pke_err err = w->recorded ? PKE_OK : change_refused(l, &w->request, &w->why, fail);

    if (err != PKE_OK)
        return err;
    q = query_start(&l->store, WRITER_ADD_TICKET);
    query_text(&q, w->request.request_id);
    query_blob(&q, PKE_BYTES(w->idempotency_key, LEDGER_KEY_SIZE));
    query_int(&q, w->request.at);
    query_int(&q, w->expires_at);
    err = query_run(&q, fail);
    if (err != PKE_OK)
        return err;
    *number = sqlite3_last_insert_rowid(l->store.db);
    return audit_number(l, &row, *number, &w->why, fail);
}

static enum pke_err wait(struct ledger *l, const struct ledger_wait *w, uint32_t *ret, struct pke_fail *fail)
{
    int64_t number;
    enum pke_err err = find_slot(l, w->idempotency_key, &number, fail);

    if (err == PKE_OK && !number) {
        err = check_room(l, w, fail);
        if (err == PKE_OK)
            err = add(l, w, &number, fail);
    }
    *ret = (uint32_t)number;
    return err;
}

enum pke_err ledger_wait(struct ledger *l, const struct ledger_wait *w, uint32_t *number,
                         struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    *number = 0;
    return err == PKE_OK ? change_end(l, wait(l, w, number, fail), fail) : err;
}

static void copy_text(struct query *q, int col, char *out, size_t size)
{
    struct pke_bytes b = query_col_borrow(q, col);

    (void)snprintf(out, size, "%.*s", (int)b.n, b.n ? (const char *)b.p : "");
}

static enum pke_err load(struct ledger *l, struct query *q, struct pke_arena *arena,
                         struct ledger_ticket *ret, struct pke_fail *fail)
{
    struct pke_pairs attributes = {0};
    const char *token = query_col_text(q, 13, arena);

    if (!unpack_pairs(query_col_borrow(q, 9), arena, &attributes))
        return store_error(&l->store, SQLITE_CORRUPT, fail);
    *ret = (struct ledger_ticket){.number = (uint32_t)query_col_int(q, 0),
                                  .request_id = query_col_text(q, 1, arena),
                                  .state = query_col_text(q, 2, arena),
                                  .tenant = query_col_text(q, 3, arena),
                                  .principal = query_col_text(q, 4, arena),
                                  .user_id = query_col_text(q, 5, arena),
                                  .endpoint = query_col_text(q, 6, arena),
                                  .operation = query_col_text(q, 7, arena),
                                  .enrollment_type = query_col_text(q, 8, arena),
                                  .upn = pke_pairs_get(&attributes, "upn"),
                                  .waiting_at = query_col_int(q, 10),
                                  .expires_at = query_col_int(q, 11),
                                  .finished_at = query_col_int(q, 12),
                                  .result_id = query_col_text(q, 17, arena),
                                  .serial_hex = query_col_hex(q, 18, arena),
                                  .subject = query_col_text(q, 19, arena),
                                  .ent_dmid = query_col_text(q, 20, arena),
                                  .certificate = query_col_bytes(q, 21, arena),
                                  .revoked_at = query_col_int(q, 22),
                                  .released_at = query_col_int(q, 23),
                                  .blocked_at = query_col_int(q, 24),
                                  .issuer_id = query_col_bytes(q, 25, arena)};
    if (token)
        ret->fail.err = pke_err_from_token(token);
    copy_text(q, 14, ret->fail.reason, sizeof ret->fail.reason);
    copy_text(q, 15, ret->fail.rule, sizeof ret->fail.rule);
    copy_text(q, 16, ret->fail.text, sizeof ret->fail.text);
    return PKE_OK;
}

static enum pke_err load_first(struct ledger *l, struct query *q, struct pke_arena *arena,
                               struct ledger_ticket *ret, struct pke_fail *fail)
{
    enum pke_err err;

    if (query_row(q))
        return load(l, q, arena, ret, fail);
    err = query_result(q, fail);
    return err != PKE_OK
               ? err
               : pke_fail_set(fail, PKE_NOT_FOUND, "ticket-unknown", RULE, "there is no such RequestID");
}

enum pke_err ledger_ticket(struct ledger *l, uint32_t number, struct pke_arena *arena,
                           struct ledger_ticket *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_TICKET);

    query_int(&q, number);
    return load_first(l, &q, arena, ret, fail);
}

enum pke_err ledger_ticket_of_key(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE],
                                  struct pke_arena *arena, struct ledger_ticket *ret, struct pke_fail *fail)
{
    int64_t number = 0;
    enum pke_err err = find_slot(l, key, &number, fail);

    if (err != PKE_OK)
        return err;
    return ledger_ticket(l, (uint32_t)number, arena, ret, fail);
}

enum pke_err ledger_ticket_next(struct ledger *l, uint32_t after, struct pke_arena *arena, uint32_t *number,
                                const char **endpoint, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_NEXT_TICKET);

    query_int(&q, after);
    *number = 0;
    if (!query_row(&q))
        return query_result(&q, fail);
    *number = (uint32_t)query_col_int(&q, 0);
    *endpoint = query_col_text(&q, 1, arena);
    return PKE_OK;
}

enum pke_err ledger_ticket_load(struct ledger *l, uint32_t number, struct pke_arena *arena,
                                struct ledger_request *ret, uint8_t key[LEDGER_KEY_SIZE],
                                struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_LOAD_TICKET);
    struct pke_bytes k;
    enum pke_err err;

    query_int(&q, number);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK
                   ? err
                   : pke_fail_set(fail, PKE_NOT_FOUND, "ticket-unknown", RULE, "it does not wait any more");
    }
    *ret = (struct ledger_request){.request_id = query_col_text(&q, 0, arena),
                                   .tenant = query_col_text(&q, 1, arena),
                                   .principal = query_col_text(&q, 2, arena),
                                   .credential = query_col_text(&q, 3, arena),
                                   .endpoint = query_col_text(&q, 4, arena),
                                   .template_name = query_col_text(&q, 5, arena),
                                   .operation = query_col_text(&q, 6, arena),
                                   .stage = query_col_text(&q, 7, arena),
                                   .device_id = query_col_text(&q, 8, arena),
                                   .enrollment_type = query_col_text(&q, 9, arena),
                                   .source = query_col_text(&q, 10, arena),
                                   .user_id = query_col_text(&q, 11, arena),
                                   .provider = query_col_text(&q, 12, arena),
                                   .request = query_col_bytes(&q, 13, arena)};
    k = query_col_borrow(&q, 16);
    if (!unpack_pairs(query_col_borrow(&q, 14), arena, &ret->context) ||
        !unpack_pairs(query_col_borrow(&q, 15), arena, &ret->attributes) || k.n != LEDGER_KEY_SIZE)
        return store_error(&l->store, SQLITE_CORRUPT, fail);
    k = query_col_borrow(&q, 16);
    memcpy(key, k.p, LEDGER_KEY_SIZE);
    return PKE_OK;
}

static enum pke_err end(struct ledger *l, int64_t number, const char *state, const struct pke_fail *why,
                        int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_END_TICKET);
    enum pke_err err;

    query_int(&q, number);
    query_text(&q, state);
    query_int(&q, at);
    query_text(&q, pke_err_token(why->err));
    query_text(&q, why->reason);
    query_text(&q, why->rule);
    query_text(&q, why->text);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_NOT_FOUND, "ticket-ended", RULE, "it does not wait any more");
    return err;
}

static enum pke_err deny(struct ledger *l, uint32_t number, const struct pke_fail *why, const char *actor,
                         int64_t at, struct pke_fail *fail)
{
    struct audit_row row = {.at = at, .event = "waiting-denied", .actor = actor};
    PKE_CLEANUP(query_done) struct query q = {0};
    char request_id[65];
    enum pke_err err = end(l, number, "denied", why, at, fail);

    if (err != PKE_OK)
        return err;
    q = query_start(&l->store, WRITER_TICKET);
    query_int(&q, number);
    if (query_row(&q))
        copy_text(&q, 1, request_id, sizeof request_id);
    else
        return query_result(&q, fail);
    query_done(&q);
    row.request_id = request_id;
    return audit_number(l, &row, number, why, fail);
}

enum pke_err ledger_ticket_deny(struct ledger *l, uint32_t number, const struct pke_fail *why,
                                const char *actor, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, deny(l, number, why, actor, at, fail), fail) : err;
}

enum pke_err ledger_ticket_named(struct ledger *l, const char *tenant, const char *request_id,
                                 uint32_t *number, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_NAME_TICKET);
    enum pke_err err;

    query_text(&q, request_id);
    query_text(&q, tenant);
    if (query_row(&q)) {
        *number = (uint32_t)query_col_int(&q, 0);
        return PKE_OK;
    }
    err = query_result(&q, fail);
    return err != PKE_OK
               ? err
               : pke_fail_set(fail, PKE_NOT_FOUND, "ticket-unknown", RULE, "no request of this id waits");
}

static enum pke_err expire(struct ledger *l, int64_t now, unsigned *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_EXPIRED_TICKET);
    struct audit_row row = {.at = now, .event = "waiting-abandoned", .actor = "issuer"};
    struct pke_fail why;
    char request_id[65];
    int64_t number;
    enum pke_err err;

    query_int(&q, now);
    if (!query_row(&q))
        return query_result(&q, fail);
    number = query_col_int(&q, 0);
    copy_text(&q, 1, request_id, sizeof request_id);
    query_done(&q); /* before the row changes under it */
    pke_fail_set(&why, PKE_DEADLINE, "waiting-expired", RULE, "no key came back in time");
    err = end(l, number, "abandoned", &why, now, fail);
    row.request_id = request_id;
    if (err == PKE_OK)
        err = audit_number(l, &row, number, NULL, fail);
    *n += err == PKE_OK;
    return err;
}

enum pke_err ledger_ticket_expire(struct ledger *l, int64_t now, unsigned *n, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    *n = 0;
    return err == PKE_OK ? change_end(l, expire(l, now, n, fail), fail) : err;
}

enum pke_err ticket_gate(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    int64_t number;
    enum pke_err err = find_slot(l, in->idempotency_key, &number, fail);

    if (err == PKE_OK && number != in->ticket)
        return in->ticket ? pke_fail_set(fail, PKE_DENIED, "ticket-ended", RULE, "it does not wait any more")
                          : pke_fail_set(fail, PKE_EXISTS, "ticket-waits", RULE,
                                         "the same request waits for the key");
    return err;
}

enum pke_err ticket_use(struct ledger *l, uint32_t number, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_USE_TICKET);

    query_int(&q, number);
    return query_run(&q, fail);
}

enum pke_err ticket_issued(struct ledger *l, int64_t id, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_RESULT_TICKET);
    PKE_CLEANUP(query_done) struct query u = {0};

    query_int(&q, id);
    if (!query_row(&q))
        return query_result(&q, fail);
    if (!pke_bytes_eq_str(query_col_borrow(&q, 0), "waiting"))
        return pke_fail_set(fail, PKE_DENIED, "ticket-ended", RULE,
                            "the request was ended while its certificate was signed");
    query_done(&q);
    u = query_start(&l->store, WRITER_ISSUE_TICKET);
    query_int(&u, id);
    query_int(&u, at);
    return query_run(&u, fail);
}
