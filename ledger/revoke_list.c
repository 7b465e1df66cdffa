/* SPDX-License-Identifier: Apache-2.0 */
/* Which certificates an operator means. */
#include <string.h>

#include "base/mem.h"
#include "ledger/certkey.h"
#include "ledger/revoke.h"
#include "ledger/writer.h"

/* ---- one that an operator names ---- */

/* The request's state, "" when there is no such request. */
static enum pke_err state_of(struct ledger *l, enum writer_statement id, const char *tenant,
                             struct pke_bytes serial, const char *request_id, char ret[16],
                             struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, id);
    struct pke_bytes state;

    if (request_id)
        query_text(&q, request_id);
    else
        query_blob(&q, serial);
    query_text(&q, tenant);
    ret[0] = 0;
    if (!query_row(&q))
        return query_result(&q, fail);
    state = query_col_borrow(&q, 0);
    memcpy(ret, state.p, state.n < 15 ? state.n : 15);
    ret[state.n < 15 ? state.n : 15] = 0;
    return PKE_OK;
}

/* There is no such certificate: is there something else of that name? @p fail says not-in-ledger. */
static enum pke_err tell_apart(struct ledger *l, const char *tenant, const char *key, struct pke_fail *fail)
{
    uint8_t raw[STORE_DIGEST];
    size_t size = certkey_number(key, raw);
    struct pke_fail other;
    char state[16] = "";
    enum pke_err err = PKE_OK;

    if (size)
        err = state_of(l, WRITER_SERIAL_STATE, tenant, PKE_BYTES(raw, size), NULL, state, &other);
    if (err == PKE_OK && !state[0])
        err = state_of(l, WRITER_REQUEST_STATE, tenant, PKE_BYTES(NULL, 0), key, state, &other);
    if (err != PKE_OK) {
        *fail = other;
        return err;
    }
    if (strcmp(state, "intent") == 0)
        return pke_fail_set(fail, PKE_EXISTS, "not-issued-yet", STORE_RULE_REQUEST,
                            "the certificate is on its way to the key: it can be revoked once it is issued");
    if (state[0])
        return pke_fail_set(fail, PKE_NOT_FOUND, "never-issued", STORE_RULE_REQUEST,
                            "the request is %s: no certificate of it was ever given out", state);
    return PKE_NOT_FOUND;
}

enum pke_err ledger_revoke_name(struct ledger *l, const char *tenant, const char *key, uint8_t ret[32],
                                struct pke_fail *fail)
{
    enum pke_err err = ledger_name_certificate(l, tenant, key, ret, fail);

    return err == PKE_NOT_FOUND ? tell_apart(l, tenant, key, fail) : err;
}

/* ---- many ---- */

static const char *owner_of(const struct ledger_selection *s)
{
    return s->device_id ? s->device_id : s->principal;
}

static const char *narrowed_by(const struct ledger_selection *s)
{
    return s->device_id ? s->provider : s->user_id;
}

static void load(struct query *q, struct pke_arena *arena, struct ledger_selected *ret)
{
    struct pke_bytes sha256 = query_col_borrow(q, 0);

    *ret = (struct ledger_selected){0};
    memcpy(ret->sha256, sha256.p, sha256.n < STORE_DIGEST ? sha256.n : STORE_DIGEST); /* the table's CHECK */
    ret->request_id = query_col_text(q, 1, arena);
    ret->serial_hex = query_col_hex(q, 2, arena);
    ret->subject = query_col_text(q, 3, arena);
    ret->device_id = query_col_text(q, 4, arena);
    ret->principal = query_col_text(q, 5, arena);
    ret->not_after = query_col_int(q, 6);
    ret->held = query_col_int(q, 7) != 0; /* one that is revoked for good is in no selection */
    ret->place = (struct ledger_place){query_col_int(q, 8), query_col_int(q, 9)};
}

enum pke_err ledger_select(struct ledger *l, const struct ledger_selection *which,
                           const struct ledger_place *after, unsigned limit, struct pke_arena *arena,
                           struct ledger_selected *rows, size_t *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done)
    struct query q =
        query_start(&l->store, which->device_id ? WRITER_PICK_OF_DEVICE : WRITER_PICK_OF_PRINCIPAL);

    *n = 0;
    query_text(&q, which->tenant);
    query_text(&q, owner_of(which));
    query_text(&q, narrowed_by(which));
    query_int(&q, which->what);
    query_int(&q, which->now);
    query_int(&q, after->received_at);
    query_int(&q, after->id);
    query_int(&q, limit);
    while (query_row(&q))
        load(&q, arena, &rows[(*n)++]);
    return query_result(&q, fail);
}

enum pke_err ledger_select_known(struct ledger *l, const struct ledger_selection *which,
                                 struct pke_fail *fail)
{
    PKE_CLEANUP(query_done)
    struct query q = query_start(&l->store, which->device_id ? WRITER_KNOWN_DEVICE : WRITER_KNOWN_PRINCIPAL);
    enum pke_err err;

    query_text(&q, which->tenant);
    query_text(&q, owner_of(which));
    if (query_row(&q))
        return PKE_OK;
    err = query_result(&q, fail);
    return err != PKE_OK ? err
                         : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", STORE_RULE_REQUEST,
                                        "the ledger has no certificate of the %s %.100s",
                                        which->device_id ? "device" : "principal", owner_of(which));
}

enum pke_err ledger_select_in_flight(struct ledger *l, const struct ledger_selection *which, unsigned *n,
                                     struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_IN_FLIGHT);
    enum pke_err err;

    query_text(&q, which->tenant);
    query_text(&q, which->device_id);
    query_text(&q, which->provider);
    query_text(&q, which->principal);
    query_text(&q, which->user_id);
    (void)query_row(&q);
    err = query_result(&q, fail);
    *n = err == PKE_OK ? (unsigned)query_col_int(&q, 0) : 0;
    return err;
}
