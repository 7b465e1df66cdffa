/* SPDX-License-Identifier: Apache-2.0 */
/* Receivers of events: who there are, what each is sent, how far it is. */
#include "daemon/issuer/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/outbox_impl.h"
#include "ipc/wipealloc.h"

#define SENT_GRACE_MS 30000 /* beyond the timeout of a delivery: then net has forgotten it */
#define TELL_MS       2000
#define EXPIRING_MS   60000
#define EXPIRING_STEP 100

void outbox_entry_free(struct entry *e)
{
    free(e->request_id);
    wipe_free(e->body); /* of the JSON library */
    free(e->error);
    free(e);
}

static void sink_free(struct sink *s)
{
    for (struct entry *e = s->fresh, *next; e; e = next) {
        next = e->next;
        outbox_entry_free(e);
    }
    for (struct entry *e = s->late, *next; e; e = next) {
        next = e->next;
        outbox_entry_free(e);
    }
    free(s->name);
    free(s);
}

struct sink *outbox_find(struct issuer *is, const char *name)
{
    for (struct sink *s = is->outbox ? is->outbox->sinks : NULL; s; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* ---- what is sent next ---- */

static bool same_request(const struct entry *a, const struct entry *b)
{
    return a->request_id && b->request_id && strcmp(a->request_id, b->request_id) == 0;
}

/* Is an earlier one of its request on @p list not done with? */
static bool follows(const struct entry *e, const struct entry *list)
{
    for (; list && list != e; list = list->next)
        if (list->state != ENTRY_DONE && !list->dead_at && list->seq < e->seq && same_request(list, e))
            return true;
    return false;
}

static bool is_sendable(const struct sink *s, const struct entry *e, int64_t wall)
{
    return e->state == ENTRY_WAITING && !e->dead_at && e->next_at <= wall && !follows(e, s->late) &&
           !follows(e, s->fresh);
}

/* The one that was sent longest ago, or never: while the receiver is down, none is tried twice before the
 * others. */
static struct entry *next_entry(struct sink *s, int64_t wall)
{
    struct entry *best = NULL;

    for (struct entry *e = s->late; e; e = e->next)
        if (is_sendable(s, e, wall) && (!best || e->sent_at < best->sent_at))
            best = e;
    if (best && !s->backoff)
        return best;
    for (struct entry *e = s->fresh; e; e = e->next)
        if (is_sendable(s, e, wall) && (!best || e->sent_at < best->sent_at))
            best = e;
    return best;
}

/* A late one is read again; one whose row is gone is done with. */
static bool load_body(struct issuer *is, struct entry *e)
{
    struct pke_arena *arena = pke_arena_new();
    struct ledger_event event;
    struct pke_fail fail;
    int64_t seen;
    size_t n = 0;
    enum pke_err err = ledger_events(is->ledger, e->seq - 1, NULL, 1, arena, &event, &n, &seen, &fail);

    if (err != PKE_OK)
        log_fail(LOG_ERR, "event could not be read", &fail, NULL);
    if (n == 1 && event.seq == e->seq) {
        json_t *o = outbox_json(is, &event);
        e->body = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
        json_decref(o);
    }
    pke_arena_free(arena);
    return e->body != NULL;
}

static bool send_entry(struct issuer *is, struct sink *s, struct entry *e)
{
    PKE_CLEANUP(pke_free_p) char *id = outbox_id(e->seq);
    struct msg_event m = {.sink = s->name, .seq = (uint64_t)e->seq, .id = id};

    if (!e->body && !load_body(is, e))
        return false;
    if (!e->sent_at)
        e->taken_at = s->taken;
    m.body = pke_bytes_str(e->body);
    e->state = ENTRY_SENT;
    e->sent_at = role_monotonic_ms();
    s->n_sent++;
    chan_send_record(is->net, MSG_EVENT, 0, msg_event_fields, &m);
    return true;
}

static void send_some(struct issuer *is, struct sink *s)
{
    unsigned most = s->backoff ? 1 : (unsigned)s->conf->max_in_flight;
    int64_t wall = role_wall_ms();
    struct entry *e;

    if (!is->net || is->role->stopping || role_monotonic_ms() < s->down_until)
        return;
    while (s->n_sent < most && (e = next_entry(s, wall)))
        if (!send_entry(is, s, e))
            return;
}

/* ---- the window ---- */

/* Whoever can send garbage makes refusals, and an import is told of by who did it: nobody gets them who did
 * not ask. */
static bool wants(const struct sink *s, const char *kind)
{
    if (s->conf->kinds.n)
        return pke_strings_has(&s->conf->kinds, kind);
    return strcmp(kind, "refused") != 0 && strcmp(kind, "imported") != 0;
}

static void add_fresh(struct issuer *is, struct sink *s, const struct ledger_event *e)
{
    struct entry **at = &s->fresh, *n;
    json_t *o;

    if (!wants(s, e->kind) || !outbox_is_for(is, e, s->conf->tenant))
        return;
    n = pke_calloc(1, sizeof *n);
    n->seq = e->seq;
    n->at = e->at;
    n->request_id = e->request_id ? pke_strdup(e->request_id) : NULL;
    o = outbox_json(is, e);
    n->body = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(o);
    if (!n->body)
        pke_oom();
    while (*at)
        at = &(*at)->next;
    *at = n;
    s->n_fresh++;
}

static void drop_done(struct sink *s)
{
    while (s->fresh && s->fresh->state == ENTRY_DONE) {
        struct entry *e = s->fresh;

        s->fresh = e->next;
        s->n_fresh--;
        outbox_entry_free(e);
    }
}

/* Until the window is full or nothing is left; at most a few spans of the log in one turn. */
static void read_some(struct issuer *is, struct sink *s)
{
    struct pke_arena *arena;
    struct ledger_event events[SINK_WINDOW];
    struct pke_fail fail;
    int64_t seen = s->reading;
    size_t n;

    drop_done(s);
    if (s->n_fresh >= SINK_WINDOW || s->reading >= is->outbox->looked)
        return;
    arena = pke_arena_new();
    if (ledger_events(is->ledger, s->reading, s->conf->tenant, SINK_WINDOW - s->n_fresh, arena, events, &n,
                      &seen, &fail) != PKE_OK) {
        log_fail(LOG_ERR, "events could not be read", &fail, "sink", s->name, NULL);
        n = 0;
    }
    for (size_t i = 0; i < n; i++)
        add_fresh(is, s, &events[i]);
    pke_arena_free(arena);
    s->reading = seen;
    if (seen < is->outbox->looked && s->n_fresh < SINK_WINDOW)
        outbox_wake(is);
}

/* What follows a late one of its request is late with it, without an attempt of its own. */
static void pass_followers(struct sink *s)
{
    for (struct entry *e = s->fresh, *next; e; e = next) {
        next = e->next;
        if (e->state == ENTRY_WAITING && s->n_late < SINK_LATE_MAX && follows(e, s->late))
            outbox_set_late(s, e, NULL);
    }
}

void outbox_run(struct issuer *is, struct sink *s)
{
    if (!is->ledger || !s->open)
        return;
    pass_followers(s);
    read_some(is, s);
    send_some(is, s);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct issuer *is = arg;
    struct pke_fail fail;

    (void)fd;
    (void)what;
    if (!is->ledger)
        return;
    if (ledger_events_end(is->ledger, &is->outbox->looked, &fail) != PKE_OK)
        log_fail(LOG_ERR, "events could not be read", &fail, NULL);
    for (struct sink *s = is->outbox->sinks; s; s = s->next)
        outbox_run(is, s);
    outbox_listeners(is);
}

void outbox_wake(struct issuer *is)
{
    struct timeval soon = {0, 1000};

    if (is->outbox && (is->outbox->sinks || is->outbox->listeners) &&
        !event_pending(is->outbox->wake, EV_TIMEOUT, NULL))
        event_add(is->outbox->wake, &soon);
}

/* ---- what is recorded ---- */

static enum pke_err save_late(struct ledger *l, const struct sink *s, const struct entry *e,
                              struct pke_fail *fail)
{
    struct ledger_late row = {.seq = e->seq,
                              .request_id = e->request_id,
                              .attempts = e->attempts,
                              .next_at = e->next_at,
                              .dead_at = e->dead_at,
                              .error = e->error};

    return e->state == ENTRY_DONE ? ledger_sink_done(l, s->name, e->seq, fail)
                                  : ledger_sink_keep(l, s->name, &row, fail);
}

static int64_t reached(const struct sink *s)
{
    for (const struct entry *e = s->fresh; e; e = e->next)
        if (e->state != ENTRY_DONE)
            return e->seq - 1;
    return s->reading;
}

static enum pke_err apply_save(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct sink *s = op->arg;
    enum pke_err err = PKE_OK;

    for (const struct entry *e = s->late; e && err == PKE_OK; e = e->next)
        if (e->dirty || e->state == ENTRY_DONE)
            err = save_late(is->ledger, s, e, fail);
    if (err == PKE_OK && reached(s) != s->position)
        err = ledger_sink_moved(is->ledger, s->name, reached(s), fail);
    return err;
}

/* Nothing can have changed since apply_save(): both run in one turn. */
static void done_save(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct sink *s = op->arg;

    (void)is;
    s->saving = false;
    if (!s->conf) {
        sink_free(s);
        return;
    }
    if (err != PKE_OK) {
        log_fail(LOG_ERR, "how far a receiver is could not be recorded", fail, "sink", s->name, NULL);
        return;
    }
    s->position = reached(s);
    for (struct entry **at = &s->late; *at;) {
        struct entry *e = *at;

        e->dirty = false;
        if (e->state != ENTRY_DONE && !e->dead_at) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        s->n_late--;
        outbox_entry_free(e);
    }
}

static bool is_dirty(const struct sink *s)
{
    for (const struct entry *e = s->late; e; e = e->next)
        if (e->dirty || e->state == ENTRY_DONE)
            return true;
    return reached(s) != s->position;
}

void outbox_save(struct issuer *is)
{
    for (struct sink *s = is->outbox ? is->outbox->sinks : NULL; s; s = s->next) {
        if (s->saving || !s->open || !is_dirty(s))
            continue;
        s->saving = true;
        batch_add(is, apply_save, done_save, s);
    }
}

/* ---- configuration ---- */

static struct entry *late_entry(const struct ledger_late *row)
{
    struct entry *e = pke_calloc(1, sizeof *e);

    e->late = true;
    e->seq = row->seq;
    e->request_id = row->request_id ? pke_strdup(row->request_id) : NULL;
    e->attempts = row->attempts;
    e->next_at = row->next_at;
    e->error = row->error ? pke_strdup(row->error) : NULL;
    return e;
}

/* The rows behind the last that is in memory. What is beyond the limit is read once there is room. */
static void load_late(struct issuer *is, struct sink *s)
{
    struct pke_arena *arena;
    struct ledger_late *rows;
    struct entry **at = &s->late;
    struct pke_fail fail;
    size_t n = 0;

    arena = pke_arena_new();
    rows = pke_arena_alloc(arena, SINK_LATE_MAX * sizeof *rows);
    if (ledger_sink_late(is->ledger, s->name, false, 0, SINK_LATE_MAX, arena, rows, &n, &fail) != PKE_OK)
        log_fail(LOG_ERR, "late events could not be read", &fail, "sink", s->name, NULL);
    for (size_t i = 0; i < n; i++) {
        while (*at && (*at)->seq < rows[i].seq)
            at = &(*at)->next;
        if (*at && (*at)->seq == rows[i].seq)
            continue;
        struct entry *e = late_entry(&rows[i]);
        e->next = *at;
        *at = e;
        s->n_late++;
    }
    if (ledger_sink_dead_count(is->ledger, s->name, &s->dead, &fail) != PKE_OK)
        log_fail(LOG_ERR, "dead events could not be counted", &fail, "sink", s->name, NULL);
    pke_arena_free(arena);
}

void outbox_revived(struct issuer *is, const char *sink)
{
    struct sink *s = outbox_find(is, sink);

    if (!s)
        return;
    load_late(is, s);
    outbox_wake(is);
}

static enum pke_err apply_open(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct sink *s = op->arg;

    return ledger_sink_open(is->ledger, s->name, &s->position, fail);
}

static void done_open(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct sink *s = op->arg;

    s->saving = false;
    if (!s->conf) { /* it was taken out of the configuration meanwhile */
        sink_free(s);
        return;
    }
    if (err != PKE_OK) { /* the next reload tries it again */
        log_fail(LOG_CRIT, "event sink could not be recorded", fail, "sink", s->name, NULL);
        return;
    }
    s->open = true;
    s->reading = s->position;
    load_late(is, s);
    outbox_wake(is);
}

static void open_sink(struct issuer *is, struct sink *s)
{
    if (s->open || s->saving)
        return;
    s->saving = true;
    batch_add(is, apply_open, done_open, s);
}

static void add_sink(struct issuer *is, const struct conf_sink *conf)
{
    struct sink *s = pke_calloc(1, sizeof *s);

    s->name = pke_strdup(conf->name);
    s->conf = conf;
    s->next = is->outbox->sinks;
    is->outbox->sinks = s;
}

static void forget_gone(struct issuer *is)
{
    for (struct sink **at = &is->outbox->sinks; *at;) {
        struct sink *s = *at;

        s->conf = conf_find_sink(is->setup->conf, s->name);
        if (s->conf) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        if (!s->saving) /* else once that is done */
            sink_free(s);
    }
}

void outbox_configured(struct issuer *is)
{
    const struct conf *conf = is->setup->conf;

    if (!is->outbox) {
        is->outbox = pke_calloc(1, sizeof *is->outbox);
        is->outbox->wake = evtimer_new(is->role->base, on_wake, is);
        if (!is->outbox->wake)
            pke_oom();
    }
    outbox_save(is);
    forget_gone(is);
    for (size_t i = 0; i < conf->n_sinks; i++)
        if (!outbox_find(is, conf->sinks[i].name))
            add_sink(is, &conf->sinks[i]);
    for (struct sink *s = is->outbox->sinks; s; s = s->next)
        open_sink(is, s);
    is->outbox->expiring_at = 0; /* the notice may be another one */
    outbox_wake(is);
}

/* ---- net ---- */

static void wait_again(struct sink *s, struct entry *list, uint64_t before)
{
    for (struct entry *e = list; e; e = e->next) {
        if (e->state != ENTRY_SENT || e->sent_at > before)
            continue;
        e->state = ENTRY_WAITING;
        s->n_sent--;
    }
}

void outbox_forget_net(struct issuer *is)
{
    for (struct sink *s = is->outbox ? is->outbox->sinks : NULL; s; s = s->next) {
        wait_again(s, s->fresh, UINT64_MAX);
        wait_again(s, s->late, UINT64_MAX);
    }
    outbox_wake(is);
}

/* ---- certificates that end soon ---- */

static enum pke_err apply_expiring(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    const int64_t now = role_wall_ms(), until = now + is->setup->conf->global.expiring_notice;
    enum pke_err err = PKE_OK;
    bool more = false;

    (void)op;
    for (size_t i = 0; i < is->setup->n_cas && err == PKE_OK && !more; i++)
        err = ledger_tell_expiring(is->ledger, ca_issuer_id(is->setup->cas[i].ca), now / 1000, until / 1000,
                                   now, EXPIRING_STEP, &more, fail);
    if (more) /* the rest in the next slice */
        is->outbox->expiring_at = 0;
    return err;
}

static void done_expiring(struct issuer *is, struct batch_op *op, enum pke_err err,
                          const struct pke_fail *fail)
{
    (void)is;
    (void)op;
    if (err != PKE_OK)
        log_fail(LOG_ERR, "certificates that expire soon could not be told of", fail, NULL);
}

static void look_for_expiring(struct issuer *is, uint64_t now)
{
    if (!is->setup->conf->global.expiring_notice || now < is->outbox->expiring_at)
        return;
    is->outbox->expiring_at = now + EXPIRING_MS;
    batch_add(is, apply_expiring, done_expiring, NULL);
}

/* ---- status ---- */

static json_t *sink_fact(const struct sink *s)
{
    const struct entry *oldest = s->fresh;

    while (oldest && oldest->state == ENTRY_DONE)
        oldest = oldest->next;
    return json_pack("{s:s, s:o, s:o, s:i, s:I, s:o}", "state",
                     s->down_since ? "down"
                     : s->n_late   ? "late"
                                   : "ready",
                     "down_since", jsonval_ms(s->down_since), "oldest", jsonval_ms(oldest ? oldest->at : 0),
                     "late", (int)s->n_late, "dead", (json_int_t)s->dead, "error",
                     jsonval_filled(s->down_since || s->n_late || s->dead ? s->why : NULL));
}

/* All facts in one line, to see whether something is different. */
static char *facts_text(const struct outbox *o)
{
    json_t *all = json_object();
    char *text;

    for (const struct sink *s = o->sinks; s; s = s->next)
        json_object_set_new(all, s->name, sink_fact(s));
    text = json_dumps(all, JSON_COMPACT);
    if (!text)
        pke_oom();
    json_decref(all);
    return text;
}

void outbox_facts(struct issuer *is, struct pke_arena *arena, struct msg_state *m)
{
    if (!is->outbox)
        return;
    for (const struct sink *s = is->outbox->sinks; s; s = s->next) {
        json_t *o = sink_fact(s);
        char *text = json_dumps(o, JSON_COMPACT);

        pke_pairs_add(&m->facts, arena, pke_arena_printf(arena, "sink %s", s->name), text);
        wipe_free(text);
        json_decref(o);
        if (s->dead && strcmp(m->state, "ready") == 0) {
            m->state = "degraded";
            m->text = pke_arena_printf(
                arena, "event sink %s: %lld events were given up, see pkienrollctl events dead", s->name,
                (long long)s->dead);
        }
    }
    wipe_free(is->outbox->told);
    is->outbox->told = facts_text(is->outbox);
}

/* Main is told when something is different, not at every event. */
static void tell_changes(struct issuer *is, uint64_t now)
{
    char *text;

    if (now < is->outbox->tell_at)
        return;
    is->outbox->tell_at = now + TELL_MS;
    text = facts_text(is->outbox);
    if (!is->outbox->told || strcmp(text, is->outbox->told) != 0)
        issuer_tell(is);
    wipe_free(text);
}

void outbox_tick(struct issuer *is)
{
    uint64_t now = role_monotonic_ms();

    if (!is->outbox || !is->ledger || is->role->stopping)
        return;
    for (struct sink *s = is->outbox->sinks; s; s = s->next) {
        uint64_t patience = (uint64_t)s->conf->timeout + SENT_GRACE_MS;

        if (now > patience) {
            wait_again(s, s->fresh, now - patience);
            wait_again(s, s->late, now - patience);
        }
    }
    outbox_wake(is);
    outbox_save(is);
    look_for_expiring(is, now);
    tell_changes(is, now);
}
