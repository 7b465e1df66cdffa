/* SPDX-License-Identifier: Apache-2.0 */
/* Who signs for an issuer from when on. A row stays for ever; a cancelled one says nothing any more. */
#include "ledger/rollover.h"

#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/writer.h"

#define RULE "issuer rollover"

static struct ledger_rollover load(struct query *q, struct pke_arena *arena)
{
    return (struct ledger_rollover){.from = query_col_text(q, 0, arena),
                                    .to = query_col_text(q, 1, arena),
                                    .scheduled_at = query_col_int(q, 2),
                                    .scheduled_by = query_col_text(q, 3, arena),
                                    .switch_at = query_col_int(q, 4),
                                    .acknowledged_at = query_col_int(q, 5),
                                    .acknowledged_by = query_col_text(q, 6, arena),
                                    .switched_at = query_col_int(q, 7),
                                    .switched_by = query_col_text(q, 8, arena)};
}

enum pke_err ledger_rollovers(struct ledger *l, struct pke_arena *arena, struct ledger_rollover **ret,
                              size_t *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_LIST_ROLLOVERS);
    struct ledger_rollover *rows = NULL;
    size_t room = 0, used = 0;

    while (query_row(&q)) {
        if (used == room) {
            struct ledger_rollover *more = pke_arena_alloc(arena, (room = 2 * room + 4) * sizeof *more);
            for (size_t i = 0; i < used; i++)
                more[i] = rows[i];
            rows = more;
        }
        rows[used++] = load(&q, arena);
    }
    *ret = rows;
    *n = used;
    return query_result(&q, fail);
}

static enum pke_err audit(struct ledger *l, const char *event, const char *by, const char *from,
                          const char *to, int64_t switch_at, int64_t at, struct pke_fail *fail)
{
    struct audit_row row = {.at = at, .event = event, .actor = by};
    /* names of the configuration: nothing in them has to be escaped (daemon/common/conf_build.c) */
    PKE_CLEANUP(pke_free_p)
    char *detail = to ? pke_asprintf("{\"from\":\"%s\",\"switch_at\":%lld,\"to\":\"%s\"}", from,
                                     (long long)switch_at, to)
                      : pke_asprintf("{\"from\":\"%s\"}", from);

    row.detail = detail;
    return audit_append(l, &row, fail);
}

static enum pke_err schedule(struct ledger *l, const char *from, const char *to, int64_t switch_at,
                             const char *by, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_ROLLOVER);
    enum pke_err err;

    query_text(&q, from);
    query_text(&q, to);
    query_int(&q, at);
    query_text(&q, by);
    query_int(&q, switch_at);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        err = pke_fail_set(fail, PKE_EXISTS, "rollover-exists", RULE,
                           "the issuer has a successor already: cancel that first");
    return err == PKE_OK ? audit(l, "issuer-scheduled", by, from, to, switch_at, at, fail) : err;
}

enum pke_err ledger_rollover_schedule(struct ledger *l, const char *from, const char *to, int64_t switch_at,
                                      const char *by, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, schedule(l, from, to, switch_at, by, at, fail), fail) : err;
}

static enum pke_err change(struct ledger *l, enum ledger_rollover_change what, const char *from,
                           const char *by, int64_t at, struct pke_fail *fail)
{
    static const struct {
        enum writer_statement statement;
        const char *event;
    } changes[] = {
        [LEDGER_ROLLOVER_ACKNOWLEDGE] = {WRITER_ACKNOWLEDGE_ROLLOVER, "issuer-acknowledged"},
        [LEDGER_ROLLOVER_SWITCH] = {WRITER_SWITCH_ROLLOVER, "issuer-switched"},
        [LEDGER_ROLLOVER_CANCEL] = {WRITER_CANCEL_ROLLOVER, "issuer-cancelled"},
    };
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, changes[what].statement);
    enum pke_err err;

    query_text(&q, from);
    query_int(&q, at);
    query_text(&q, by);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        err = pke_fail_set(fail, PKE_NOT_FOUND, "rollover-none", RULE,
                           what == LEDGER_ROLLOVER_CANCEL ? "the issuer has no successor"
                                                          : "no switch of this issuer is scheduled");
    return err == PKE_OK ? audit(l, changes[what].event, by, from, NULL, 0, at, fail) : err;
}

enum pke_err ledger_rollover_change(struct ledger *l, enum ledger_rollover_change what, const char *from,
                                    const char *by, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, change(l, what, from, by, at, fail), fail) : err;
}

enum pke_err ledger_issuer_life(struct ledger *l, struct pke_bytes issuer_id, int64_t *not_after,
                                struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ISSUER_LIFE);

    query_blob(&q, issuer_id);
    *not_after = query_row(&q) ? query_col_int(&q, 0) : 0;
    return query_result(&q, fail);
}

enum pke_err ledger_issuers_alive(struct ledger *l, int64_t now, struct pke_arena *arena,
                                  struct pke_blobs *ids, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ISSUERS_ALIVE);

    query_int(&q, now);
    while (query_row(&q))
        pke_blobs_add(ids, arena, query_col_borrow(&q, 0));
    return query_result(&q, fail);
}
