/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, for people and for programs that rather ask than be called; and what a receiver never took.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/outbox_impl.h"
#include "daemon/issuer/scope.h"
#include "ipc/verbs.h"
#include "ipc/wipealloc.h"

#define RULE          "control API: events"
#define PAGE_BYTES    (256u << 10) /* of JSON in one answer; a frame takes twice that */
#define STEP          16           /* rows that are read at a time */
#define HOLD_MAX      30000        /* ms */
#define LISTENERS_MAX 16
#define MAX_SPANS     4 /* of the log without an event, in one turn */

static enum pke_err bad(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, reason, RULE, "%s", text);
}

/* "event-123" or "123". */
static bool read_seq(const char *text, int64_t *ret)
{
    char *end;

    if (strncmp(text, "event-", 6) == 0)
        text += 6;
    if (*text < '0' || *text > '9' || strlen(text) > 18)
        return false;
    *ret = strtoll(text, &end, 10);
    return !*end;
}

static unsigned limit_of(const struct msg_verb *v)
{
    const char *text = pke_pairs_get(&v->args, "limit");
    unsigned long n = text ? strtoul(text, NULL, 10) : VERB_LIMIT_DEFAULT;

    return n > VERB_LIMIT_MAX ? VERB_LIMIT_MAX : (unsigned)n;
}

static enum pke_err read_cursor(const struct msg_verb *v, int64_t *ret, struct pke_fail *fail)
{
    const char *cursor = pke_pairs_get(&v->args, "cursor");

    if (cursor && !read_seq(cursor, ret))
        return bad(fail, "cursor", "this is no cursor of such a list");
    return PKE_OK;
}

/* Where to begin: behind a page, with what happens from now on, behind an event, at a time, at the first. */
static enum pke_err read_since(struct issuer *is, const struct msg_verb *v, int64_t *ret,
                               struct pke_fail *fail)
{
    const char *since = pke_pairs_get(&v->args, "since"), *cursor = pke_pairs_get(&v->args, "cursor");
    int64_t seconds;

    *ret = 0;
    if (cursor && strcmp(cursor, "now") == 0)
        return ledger_events_end(is->ledger, ret, fail);
    if (cursor)
        return read_cursor(v, ret, fail);
    if (!since || read_seq(since, ret))
        return PKE_OK;
    if (!pke_time_parse(since, &seconds))
        return bad(fail, "since", "since is the id of an event, or a time as 2027-03-01T12:00:00Z");
    return ledger_events_since(is->ledger, seconds * 1000, ret, fail);
}

/* A page that is being read, or that waits for something to be on it. */
struct listing {
    struct listing *next;
    uint64_t control, id; /* the asker: which control, which call */
    char *kind, *tenant;  /* NULL: any */
    unsigned limit;
    int64_t seen;   /* up to here everything is in the page or of no interest */
    uint64_t until; /* monotonic ms: how long it waits while there is nothing */
    json_t *items;
    size_t bytes;
    bool full;
};

static void listing_free(struct listing *p)
{
    json_decref(p->items);
    free(p->kind);
    free(p->tenant);
    free(p);
}

static void add_event(struct issuer *is, const struct ledger_event *e, struct listing *p)
{
    json_t *o;
    char *text;

    if ((p->kind && strcmp(p->kind, e->kind) != 0) || !outbox_is_for(is, e, p->tenant))
        return;
    o = outbox_json(is, e);
    text = json_dumps(o, JSON_COMPACT);
    p->bytes += text ? strlen(text) : 0;
    wipe_free(text);
    json_array_append_new(p->items, o);
    p->full = json_array_size(p->items) >= p->limit || p->bytes >= PAGE_BYTES;
}

static enum pke_err read_step(struct issuer *is, struct listing *p, struct pke_fail *fail)
{
    struct pke_arena *arena = pke_arena_new();
    struct ledger_event events[STEP];
    int64_t seen = p->seen;
    size_t n = 0;
    enum pke_err err = ledger_events(is->ledger, p->seen, p->tenant, STEP, arena, events, &n, &seen, fail);

    for (size_t i = 0; err == PKE_OK && i < n && !p->full; i++) {
        add_event(is, &events[i], p);
        p->seen = events[i].seq;
    }
    if (err == PKE_OK && !p->full)
        p->seen = seen;
    pke_arena_free(arena);
    return err;
}

static void answer(struct issuer *is, struct listing *p, bool more)
{
    char position[24];

    snprintf(position, sizeof position, "%" PRId64, p->seen);
    if (is->control && p->control == is->control_links)
        verbs_reply(is->control, p->id,
                    json_pack("{s:O, s:s?, s:s}", "items", p->items, "next", more ? position : NULL,
                              "position", position));
    listing_free(p);
}

/* Read on. True: it was answered and is gone. */
static bool go_on(struct issuer *is, struct listing *p, uint64_t now)
{
    const int64_t first = p->seen;
    struct pke_fail fail;
    int64_t end = 0;
    enum pke_err err = ledger_events_end(is->ledger, &end, &fail);

    while (err == PKE_OK && p->seen < end && !p->full && p->seen - first < MAX_SPANS * LEDGER_EVENT_SPAN)
        err = read_step(is, p, &fail);
    if (err != PKE_OK) {
        if (is->control && p->control == is->control_links)
            verbs_refuse(is->control, p->id, &fail);
        listing_free(p);
        return true;
    }
    if (json_array_size(p->items) == 0 && p->seen >= end && now < p->until)
        return false;
    answer(is, p, p->seen < end);
    return true;
}

void outbox_listeners(struct issuer *is)
{
    uint64_t now = role_monotonic_ms();

    for (struct listing **at = &is->outbox->listeners; *at;) {
        struct listing *p = *at, *next = p->next;

        if (is->control && p->control == is->control_links) {
            if (go_on(is, p, now))
                *at = next;
            else
                at = &p->next;
            continue;
        }
        *at = next;
        listing_free(p);
    }
}

static enum pke_err read_hold(const struct msg_verb *v, uint64_t *until, struct pke_fail *fail)
{
    const char *text = pke_pairs_get(&v->args, "hold");
    int64_t ms = 0;

    if (text && (!pke_duration_parse(text, &ms) || ms > HOLD_MAX))
        return bad(fail, "hold", "hold is a duration up to 30s");
    *until = ms ? role_monotonic_ms() + (uint64_t)ms : 0;
    return PKE_OK;
}

static void event_list(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *kind = pke_pairs_get(&v->args, "kind"), *tenant = scope_limit(v);
    struct listing *p = pke_calloc(1, sizeof *p);
    struct pke_fail fail;
    unsigned n = 0;
    enum pke_err err = read_since(is, v, &p->seen, &fail);

    *p = (struct listing){.control = is->control_links,
                          .id = id,
                          .kind = kind ? pke_strdup(kind) : NULL,
                          .tenant = tenant ? pke_strdup(tenant) : NULL,
                          .limit = limit_of(v),
                          .seen = p->seen,
                          .items = json_array()};
    if (err == PKE_OK && kind && !ledger_event_kind(kind))
        err = bad(&fail, "kind", "there is no such kind of event");
    if (err == PKE_OK)
        err = read_hold(v, &p->until, &fail);
    if (err != PKE_OK) {
        verbs_refuse(is->control, id, &fail);
        listing_free(p);
        return;
    }
    for (const struct listing *other = is->outbox->listeners; other; other = other->next)
        n++;
    if (n >= LISTENERS_MAX) /* calls of control are few, and others need them */
        p->until = 0;
    if (go_on(is, p, role_monotonic_ms()))
        return;
    p->next = is->outbox->listeners;
    is->outbox->listeners = p;
}

/* Whose sink it is: another tenant's is not there. */
static enum pke_err find_sink(const struct issuer *is, const struct msg_verb *v, const struct conf_sink **ret,
                              struct pke_fail *fail)
{
    const char *name = pke_pairs_get(&v->args, "sink"), *tenant = scope_limit(v);

    *ret = name ? conf_find_sink(is->setup->conf, name) : NULL;
    if (*ret && (!tenant || strcmp((*ret)->tenant, tenant) == 0))
        return PKE_OK;
    return pke_fail_set(fail, PKE_NOT_FOUND, "sink-unknown", RULE, "there is no event sink of this name");
}

static json_t *dead_json(const struct ledger_late *row)
{
    PKE_CLEANUP(pke_free_p) char *id = outbox_id(row->seq);

    return json_pack("{s:s, s:o, s:i, s:o, s:o}", "id", id, "request_id", jsonval_text(row->request_id),
                     "attempts", (int)row->attempts, "given_up_at", jsonval_ms(row->dead_at), "error",
                     jsonval_text(row->error));
}

static void event_dead(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct pke_arena *arena = pke_arena_new();
    unsigned limit = limit_of(v);
    struct ledger_late *rows = pke_arena_alloc(arena, (limit + 1) * sizeof *rows);
    const struct conf_sink *sink;
    json_t *items = json_array();
    struct pke_fail fail;
    char next[24];
    int64_t after = 0;
    size_t n = 0;
    enum pke_err err = find_sink(is, v, &sink, &fail);

    if (err == PKE_OK)
        err = read_cursor(v, &after, &fail);
    if (err == PKE_OK)
        err = ledger_sink_late(is->ledger, sink->name, true, after, limit + 1, arena, rows, &n, &fail);
    for (size_t i = 0; i < n && i < limit; i++)
        json_array_append_new(items, dead_json(&rows[i]));
    if (n > limit)
        snprintf(next, sizeof next, "%" PRId64, rows[limit - 1].seq);
    if (err != PKE_OK) {
        json_decref(items);
        verbs_refuse(is->control, id, &fail);
    } else {
        verbs_reply(is->control, id,
                    json_pack("{s:o, s:s?}", "items", items, "next", n > limit ? next : NULL));
    }
    pke_arena_free(arena);
}

/* ---- events retry ---- */

struct retry {
    char *sink, *actor;
    int64_t seq;
    uint64_t control, id;
};

static enum pke_err apply_retry(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct retry *r = op->arg;

    return ledger_sink_revive(is->ledger, r->sink, r->seq, r->actor, role_wall_ms(), fail);
}

static void done_retry(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct retry *r = op->arg;
    bool there = is->control && r->control == is->control_links;
    PKE_CLEANUP(pke_free_p) char *id = outbox_id(r->seq);

    if (err == PKE_OK)
        outbox_revived(is, r->sink);
    if (there && err == PKE_OK)
        verbs_reply(is->control, r->id,
                    json_pack("{s:s, s:s, s:s}", "sink", r->sink, "event", id, "state", "retried"));
    else if (there)
        verbs_refuse(is->control, r->id, fail);
    free(r->sink);
    free(r->actor);
    free(r);
}

static void event_retry(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *event = pke_pairs_get(&v->args, "event");
    const struct conf_sink *sink;
    struct pke_fail fail;
    struct retry *r;
    int64_t seq = 0;
    enum pke_err err = find_sink(is, v, &sink, &fail);

    if (err == PKE_OK && (!event || !read_seq(event, &seq)))
        err = bad(&fail, "event", "event is the id of an event, as event-123");
    if (err != PKE_OK) {
        verbs_refuse(is->control, id, &fail);
        return;
    }
    r = pke_calloc(1, sizeof *r);
    *r = (struct retry){pke_strdup(sink->name), pke_strdup(v->actor), seq, is->control_links, id};
    batch_add(is, apply_retry, done_retry, r);
}

bool outbox_verbs(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    if (strcmp(v->verb, "events") == 0)
        event_list(is, id, v);
    else if (strcmp(v->verb, "events-dead") == 0)
        event_dead(is, id, v);
    else if (strcmp(v->verb, "events-retry") == 0)
        event_retry(is, id, v);
    else
        return false;
    return true;
}
