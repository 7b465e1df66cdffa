/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a delivery ended. Two kinds of failure are told apart: the receiver is not there, then everything waits
 * and nothing counts against an event; or it does not take this one event, then others pass it, it is tried
 * again with growing pauses and given up after max-attempts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/outbox_impl.h"

#define DOWN_MIN_MS 1000
#define DOWN_MAX_MS 60000
#define LATE_MIN_MS 5000
#define LATE_MAX_MS 300000

static uint64_t grow(uint64_t pause, uint64_t least, uint64_t most)
{
    pause = pause ? 2 * pause : least;
    return pause > most ? most : pause;
}

static void set_error(struct entry *e, const char *text)
{
    free(e->error);
    e->error = text ? pke_strdup(text) : NULL;
}

static struct entry *take_from(struct entry **list, const struct entry *e)
{
    for (struct entry **at = list; *at; at = &(*at)->next) {
        struct entry *found = *at;

        if (found != e)
            continue;
        *at = found->next;
        found->next = NULL;
        return found;
    }
    return NULL;
}

static void insert_late(struct sink *s, struct entry *e)
{
    struct entry **at = &s->late;

    while (*at && (*at)->seq < e->seq)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    s->n_late++;
}

static void give_up(struct sink *s, struct entry *e)
{
    char seq[24];

    e->dead_at = role_wall_ms();
    s->dead++;
    snprintf(seq, sizeof seq, "%" PRId64, e->seq);
    log_event(LOG_ERR, "event given up", "sink", s->name, "event", seq, "request",
              e->request_id ? e->request_id : "-", "error", e->error ? e->error : "-", NULL);
}

/* One more attempt failed. */
static void count(struct sink *s, struct entry *e, const struct pke_fail *why)
{
    uint64_t pause = LATE_MIN_MS;

    e->attempts++;
    e->broken = 0;
    e->taken_at = s->taken;
    e->dirty = true;
    set_error(e, why->text);
    for (unsigned i = 1; i < e->attempts && pause < LATE_MAX_MS; i++)
        pause = grow(pause, LATE_MIN_MS, LATE_MAX_MS);
    e->next_at = role_wall_ms() + (int64_t)pause;
    if (e->attempts >= s->conf->max_attempts)
        give_up(s, e);
}

void outbox_set_late(struct sink *s, struct entry *e, const struct pke_fail *why)
{
    struct entry *moved = take_from(&s->fresh, e);

    if (moved) {
        s->n_fresh--;
        insert_late(s, moved);
        moved->dirty = moved->late = true;
    }
    if (why)
        count(s, e, why);
}

static void set_down(struct sink *s, const struct pke_fail *why, uint64_t retry_after_s)
{
    uint64_t pause;

    if (!s->down_since) {
        s->down_since = role_wall_ms();
        log_fail(LOG_WARNING, "event sink takes nothing", why, "sink", s->name, NULL);
    }
    snprintf(s->why, sizeof s->why, "%s", why->text);
    s->backoff = grow(s->backoff, DOWN_MIN_MS, DOWN_MAX_MS);
    pause = retry_after_s * 1000 > s->backoff ? retry_after_s * 1000 : s->backoff;
    s->down_until = role_monotonic_ms() + (pause > LATE_MAX_MS ? LATE_MAX_MS : pause);
}

static void set_up(struct sink *s)
{
    if (s->down_since)
        log_event(LOG_NOTICE, "event sink takes events again", "sink", s->name, NULL);
    s->down_since = 0;
    s->backoff = s->down_until = 0;
}

static void refused(struct sink *s, struct entry *e, const struct pke_fail *why)
{
    set_up(s); /* it answers */
    snprintf(s->why, sizeof s->why, "%s", why->text);
    outbox_set_late(s, e, why);
}

static bool is_receivers_state(uint64_t status)
{
    return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

/* No answer, again, while others were taken: it is this event that the receiver breaks at. */
static bool breaks_alone(const struct sink *s, struct entry *e, uint64_t status)
{
    return status == 0 && ++e->broken >= 2 && s->taken != e->taken_at;
}

static void ended(struct sink *s, struct entry *e, const struct msg_event_done *m)
{
    struct pke_fail why = m->fail;

    e->state = ENTRY_WAITING;
    s->n_sent--;
    if (m->status >= 200 && m->status <= 299) {
        e->state = ENTRY_DONE;
        e->dirty = true;
        s->taken++;
        set_up(s);
        return;
    }
    if (why.err == PKE_OK)
        pke_fail_set(&why, PKE_BUSY, "event-status", "event sinks",
                     "the receiver answered with status %" PRIu64, m->status);
    if (is_receivers_state(m->status) && !breaks_alone(s, e, m->status))
        set_down(s, &why, m->retry_after_s);
    else if (s->n_late >= SINK_LATE_MAX && !e->late) /* it refuses whatever it is sent */
        set_down(s, &why, m->retry_after_s);
    else
        refused(s, e, &why);
}

static struct entry *find_sent(struct sink *s, uint64_t seq)
{
    for (struct entry *e = s->fresh; e; e = e->next)
        if ((uint64_t)e->seq == seq && e->state == ENTRY_SENT)
            return e;
    for (struct entry *e = s->late; e; e = e->next)
        if ((uint64_t)e->seq == seq && e->state == ENTRY_SENT)
            return e;
    return NULL;
}

void outbox_done(struct issuer *is, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_event_done m;
    struct pke_fail fail;
    struct sink *s = NULL;
    struct entry *e = NULL;

    if (ipc_record_read(msg_event_done_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK)
        s = outbox_find(is, m.sink);
    if (s)
        e = find_sent(s, m.seq);
    if (e) { /* else it was sent again meanwhile, or its receiver is gone */
        ended(s, e, &m);
        outbox_run(is, s);
    }
    if (is->net)
        chan_send(is->net, MSG_OK, f->id, PKE_BYTES(NULL, 0));
    pke_arena_free(arena);
}
