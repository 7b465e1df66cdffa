/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a certificate after its issuance: confirmed by its first use, superseded by a later one. */
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"

/* A certificate's row, with what its audit row needs. */
struct target {
    int64_t id, confirmed_at;
    char request_id[65]; /* the table's CHECK, and the NUL */
    uint8_t serial[STORE_SERIAL_MAX];
    size_t serial_n;
};

static void load(struct query *q, struct target *ret)
{
    struct pke_bytes request_id = query_col_borrow(q, 1), serial = query_col_borrow(q, 2);

    *ret = (struct target){.id = query_col_int(q, 0)};
    memcpy(ret->request_id, request_id.p,
           request_id.n < sizeof ret->request_id ? request_id.n : sizeof ret->request_id - 1);
    ret->serial_n = serial.n < sizeof ret->serial ? serial.n : sizeof ret->serial;
    memcpy(ret->serial, serial.p, ret->serial_n);
}

static enum pke_err mark(struct ledger *l, enum writer_statement id, const struct target *t,
                         const char *event, const char *actor, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, id);
    struct audit_row row = {.at = at,
                            .event = event,
                            .actor = actor,
                            .request_id = t->request_id,
                            .serial = PKE_BYTES(t->serial, t->serial_n)};
    enum pke_err err;

    query_int(&q, t->id);
    query_int(&q, at);
    err = query_run(&q, fail);
    return err == PKE_OK ? audit_append(l, &row, fail) : err;
}

static enum pke_err find_next(struct ledger *l, enum writer_statement next, int64_t id, struct target *ret,
                              bool *more, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, next);

    query_int(&q, id);
    *more = query_row(&q);
    if (*more)
        load(&q, ret);
    return query_result(&q, fail);
}

enum pke_err supersede_all(struct ledger *l, enum writer_statement next, int64_t id, const char *actor,
                           int64_t at, struct pke_fail *fail)
{
    struct target t;
    bool more = true;
    enum pke_err err = PKE_OK;

    while (err == PKE_OK && more) {
        err = find_next(l, next, id, &t, &more, fail);
        if (err == PKE_OK && more)
            err = mark(l, WRITER_SUPERSEDE, &t, "superseded", actor, at, fail);
    }
    return err;
}

static enum pke_err find(struct ledger *l, const uint8_t sha256[32], struct target *ret,
                         struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_UNCONFIRMED);

    query_blob(&q, PKE_BYTES(sha256, STORE_DIGEST));
    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", STORE_RULE_REQUEST,
                                            "the ledger has no such certificate");
    }
    load(&q, ret);
    ret->confirmed_at = query_col_int(&q, 3);
    return PKE_OK;
}

enum pke_err change_confirm(struct ledger *l, const uint8_t sha256[32], const char *actor, int64_t at,
                            struct pke_fail *fail)
{
    struct target t;
    enum pke_err err = find(l, sha256, &t, fail);

    if (err != PKE_OK || t.confirmed_at)
        return err;
    err = mark(l, WRITER_CONFIRM, &t, "confirmed", actor, at, fail);
    return err == PKE_OK ? supersede_all(l, WRITER_NEXT_OLDER, t.id, actor, at, fail) : err;
}

enum pke_err ledger_confirm(struct ledger *l, const uint8_t sha256[32], const char *actor, int64_t at,
                            struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, change_confirm(l, sha256, actor, at, fail), fail) : err;
}
