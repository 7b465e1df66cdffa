/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as an outbox: rows that are events, joined with what they are about. */
#include "ledger/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"
#include "ledger/pack.h"
#include "ledger/writer.h"

#define RULE "event sinks"

/* Names of audit rows, and what an event of them is called. WRITER_EVENTS_AFTER has the same names. */
static const struct {
    const char *audit, *kind;
} kinds[] = {{"issued", "issued"},
             {"failed", "failed"},
             {"abandoned", "failed"},
             {"refused", "refused"},
             {"waiting", "pending"},
             {"pending", "pending"},
             {"waiting-denied", "denied"},
             {"denied", "denied"},
             {"approved", "approved"},
             {"revoked", "revoked"},
             {"held", "revoked"},
             {"hold-released", "released"},
             {"expiring", "expiring"},
             {"issuer-scheduled", "issuer-scheduled"},
             {"issuer-acknowledged", "issuer-acknowledged"},
             {"issuer-switched", "issuer-switched"},
             {"issuer-cancelled", "issuer-cancelled"}};

static const char *kind_of(const char *audit, bool renewal, const char *operation)
{
    if (operation && strcmp(operation, "import") == 0 && strcmp(audit, "issued") == 0)
        return "imported";
    if (renewal && strcmp(audit, "issued") == 0)
        return "renewed";
    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(kinds[i].audit, audit) == 0)
            return kinds[i].kind;
    return NULL;
}

bool ledger_event_kind(const char *kind)
{
    bool found = strcmp(kind, "renewed") == 0 || strcmp(kind, "imported") == 0;

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        found = found || strcmp(kinds[i].kind, kind) == 0;
    return found;
}

static void copy_text(struct query *q, int col, char *out, size_t size)
{
    struct pke_bytes b = query_col_borrow(q, col);

    (void)snprintf(out, size, "%.*s", (int)b.n, b.n ? (const char *)b.p : "");
}

static enum pke_err load(struct ledger *l, struct query *q, struct pke_arena *arena, struct ledger_event *e,
                         struct pke_fail *fail)
{
    *e = (struct ledger_event){.seq = query_col_int(q, 0),
                               .at = query_col_int(q, 1),
                               .actor = query_col_text(q, 3, arena),
                               .request_id = query_col_text(q, 4, arena),
                               .detail = query_col_text(q, 5, arena),
                               .tenant = query_col_text(q, 6, arena),
                               .principal = query_col_text(q, 7, arena),
                               .user_id = query_col_text(q, 8, arena),
                               .credential = query_col_text(q, 9, arena),
                               .endpoint = query_col_text(q, 10, arena),
                               .template_name = query_col_text(q, 11, arena),
                               .operation = query_col_text(q, 12, arena),
                               .device_id = query_col_text(q, 13, arena),
                               .enrollment_type = query_col_text(q, 14, arena),
                               .provider = query_col_text(q, 15, arena),
                               .ent_dmid = query_col_text(q, 16, arena),
                               .subject = query_col_text(q, 17, arena),
                               .serial_hex = query_col_hex(q, 18, arena),
                               .issuer_id_hex = query_col_hex(q, 19, arena),
                               .sha1_hex = query_col_hex(q, 20, arena),
                               .sha256_hex = query_col_hex(q, 21, arena),
                               .not_before = query_col_int(q, 22),
                               .not_after = query_col_int(q, 23),
                               .renews = query_col_text(q, 24, arena),
                               .der = query_col_bytes(q, 25, arena)};
    e->kind = kind_of(query_col_text(q, 2, arena), e->renews != NULL, e->operation);
    if (strcmp(e->kind, "failed") == 0 || strcmp(e->kind, "refused") == 0) {
        e->fail.err = PKE_INTERNAL;
        copy_text(q, 27, e->fail.reason, sizeof e->fail.reason);
        copy_text(q, 28, e->fail.rule, sizeof e->fail.rule);
        copy_text(q, 29, e->fail.text, sizeof e->fail.text);
    }
    return unpack_pairs(query_col_borrow(q, 26), arena, &e->names)
               ? PKE_OK
               : store_error(&l->store, SQLITE_CORRUPT, fail);
}

static enum pke_err number(struct ledger *l, enum writer_statement statement, const char *text, int64_t *ret,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, statement);

    if (text)
        query_text(&q, text);
    *ret = query_row(&q) ? query_col_int(&q, 0) : 0;
    return query_result(&q, fail);
}

enum pke_err ledger_events_end(struct ledger *l, int64_t *seq, struct pke_fail *fail)
{
    return number(l, WRITER_EVENTS_END, NULL, seq, fail);
}

enum pke_err ledger_events(struct ledger *l, int64_t after, const char *tenant, size_t max,
                           struct pke_arena *arena, struct ledger_event *ret, size_t *n, int64_t *seen,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = {0};
    int64_t end = 0;
    enum pke_err err = ledger_events_end(l, &end, fail);

    *n = 0;
    *seen = after;
    if (err != PKE_OK || end <= after)
        return err;
    if (end - after > LEDGER_EVENT_SPAN)
        end = after + LEDGER_EVENT_SPAN;
    q = query_start(&l->store, WRITER_EVENTS_AFTER);
    query_int(&q, after);
    query_int(&q, end);
    query_text(&q, tenant);
    query_int(&q, (int64_t)max);
    while (err == PKE_OK && *n < max && query_row(&q))
        err = load(l, &q, arena, &ret[(*n)++], fail);
    if (err == PKE_OK && *n < max)
        err = query_result(&q, fail);
    if (err == PKE_OK)
        *seen = *n == max ? ret[max - 1].seq : end;
    return err;
}

static enum pke_err time_of(struct ledger *l, int64_t from, int64_t *at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_EVENT_TIME);

    query_int(&q, from);
    *at = query_row(&q) ? query_col_int(&q, 0) : INT64_MAX;
    return query_result(&q, fail);
}

/* Rows are in the order of their time, but for what a clock that was set back did. */
enum pke_err ledger_events_since(struct ledger *l, int64_t at, int64_t *after, struct pke_fail *fail)
{
    int64_t low = 0, high = 0, found;
    enum pke_err err = ledger_events_end(l, &high, fail);

    while (err == PKE_OK && low < high) {
        int64_t middle = low + (high - low) / 2;

        err = time_of(l, middle + 1, &found, fail);
        if (found < at)
            low = middle + 1;
        else
            high = middle;
    }
    *after = low;
    return err;
}

/* ---- receivers ---- */

static enum pke_err sink_open(struct ledger *l, const char *name, int64_t *position, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_SINK);
    enum pke_err err;

    query_text(&q, name);
    err = query_run(&q, fail);
    return err == PKE_OK ? number(l, WRITER_SINK_POSITION, name, position, fail) : err;
}

enum pke_err ledger_sink_open(struct ledger *l, const char *name, int64_t *position, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, sink_open(l, name, position, fail), fail) : err;
}

static enum pke_err set(struct ledger *l, enum writer_statement statement, const char *name, int64_t value,
                        struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, statement);

    query_text(&q, name);
    query_int(&q, value);
    return query_run(&q, fail);
}

enum pke_err ledger_sink_moved(struct ledger *l, const char *name, int64_t position, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, set(l, WRITER_MOVE_SINK, name, position, fail), fail) : err;
}

enum pke_err ledger_sink_done(struct ledger *l, const char *name, int64_t seq, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, set(l, WRITER_SINK_DONE, name, seq, fail), fail) : err;
}

enum pke_err ledger_sink_dead_count(struct ledger *l, const char *name, int64_t *n, struct pke_fail *fail)
{
    return number(l, WRITER_COUNT_DEAD, name, n, fail);
}

enum pke_err ledger_sink_late(struct ledger *l, const char *name, bool dead, int64_t after, size_t max,
                              struct pke_arena *arena, struct ledger_late *ret, size_t *n,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_LIST_LATE);

    query_text(&q, name);
    query_int(&q, dead);
    query_int(&q, after);
    query_int(&q, (int64_t)max);
    *n = 0;
    while (*n < max && query_row(&q))
        ret[(*n)++] = (struct ledger_late){.seq = query_col_int(&q, 0),
                                           .request_id = query_col_text(&q, 1, arena),
                                           .attempts = (unsigned)query_col_int(&q, 2),
                                           .next_at = query_col_int(&q, 3),
                                           .dead_at = query_col_int(&q, 4),
                                           .error = query_col_text(&q, 5, arena)};
    return *n < max ? query_result(&q, fail) : PKE_OK;
}

static enum pke_err keep(struct ledger *l, const char *name, const struct ledger_late *late,
                         struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_KEEP_LATE);

    query_text(&q, name);
    query_int(&q, late->seq);
    query_text(&q, late->request_id);
    query_int(&q, late->attempts);
    query_int(&q, late->next_at);
    query_int(&q, late->dead_at);
    query_text(&q, late->error);
    return query_run(&q, fail);
}

enum pke_err ledger_sink_keep(struct ledger *l, const char *name, const struct ledger_late *late,
                              struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, keep(l, name, late, fail), fail) : err;
}

static enum pke_err revive(struct ledger *l, const char *name, int64_t seq, const char *actor, int64_t at,
                           struct pke_fail *fail)
{
    struct audit_row row = {.at = at, .event = "event-retried", .actor = actor};
    struct pke_buf b;
    char text[24];
    enum pke_err err = set(l, WRITER_REVIVE, name, seq, fail);

    if (err != PKE_OK)
        return err;
    if (sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_NOT_FOUND, "event-unknown", RULE,
                            "this sink has no dead event of this number");
    snprintf(text, sizeof text, "%" PRId64, seq);
    audit_json_init(&b);
    audit_json(&b, "sink", name);
    audit_json(&b, "seq", text);
    err = audit_append_detail(l, &row, &b, fail);
    pke_buf_done(&b);
    return err;
}

enum pke_err ledger_sink_revive(struct ledger *l, const char *name, int64_t seq, const char *actor,
                                int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, revive(l, name, seq, actor, at, fail), fail) : err;
}

/* ---- certificates that end soon ---- */

/* Where the last call ended: (not_after, request), the order of the index. */
struct place {
    int64_t not_after, request;
};

static enum pke_err told_until(struct ledger *l, struct pke_bytes issuer_id, struct place *ret,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_EXPIRY_PLACE);

    query_blob(&q, issuer_id);
    if (query_row(&q))
        *ret = (struct place){query_col_int(&q, 0), query_col_int(&q, 1)};
    return query_result(&q, fail);
}

static enum pke_err tell(struct ledger *l, struct query *q, int64_t at, struct pke_fail *fail)
{
    char request_id[65] = "", tenant[65] = "";
    uint8_t serial[STORE_SERIAL_MAX];
    struct pke_bytes s = query_col_borrow(q, 4);
    struct audit_row row = {
        .at = at, .event = "expiring", .actor = "issuer", .request_id = request_id, .tenant = tenant};

    copy_text(q, 2, request_id, sizeof request_id);
    copy_text(q, 3, tenant, sizeof tenant);
    row.serial = PKE_BYTES(serial, s.n < sizeof serial ? s.n : sizeof serial);
    memcpy(serial, s.p, row.serial.n);
    return audit_append_tenant(l, &row, fail);
}

static enum pke_err tell_some(struct ledger *l, struct pke_bytes issuer_id, int64_t until, int64_t at,
                              unsigned max, struct place *place, bool *more, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_EXPIRING);
    enum pke_err err = PKE_OK;
    unsigned n = 0;

    query_blob(&q, issuer_id);
    query_int(&q, place->not_after);
    query_int(&q, place->request);
    query_int(&q, until);
    query_int(&q, max);
    while (err == PKE_OK && n < max && query_row(&q)) {
        n++;
        *place = (struct place){query_col_int(&q, 0), query_col_int(&q, 1)};
        if (query_col_int(&q, 5)) /* still in use */
            err = tell(l, &q, at, fail);
    }
    *more = n == max;
    return err == PKE_OK && n < max ? query_result(&q, fail) : err;
}

static enum pke_err tell_expiring(struct ledger *l, struct pke_bytes issuer_id, int64_t now, int64_t until,
                                  int64_t at, unsigned max, bool *more, struct pke_fail *fail)
{
    struct place place = {now, 0}, before;
    PKE_CLEANUP(query_done) struct query q = {0};
    enum pke_err err = told_until(l, issuer_id, &place, fail);

    before = place;
    if (err == PKE_OK)
        err = tell_some(l, issuer_id, until, at, max, &place, more, fail);
    if (err != PKE_OK || (before.not_after == place.not_after && before.request == place.request))
        return err;
    q = query_start(&l->store, WRITER_MOVE_EXPIRY);
    query_blob(&q, issuer_id);
    query_int(&q, place.not_after);
    query_int(&q, place.request);
    return query_run(&q, fail);
}

enum pke_err ledger_tell_expiring(struct ledger *l, struct pke_bytes issuer_id, int64_t now, int64_t until,
                                  int64_t at, unsigned max, bool *more, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    *more = false;
    return err == PKE_OK ? change_end(l, tell_expiring(l, issuer_id, now, until, at, max, more, fail), fail)
                         : err;
}
