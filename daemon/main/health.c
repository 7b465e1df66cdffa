/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a live process alone does not tell: roles whose event loop hangs, and channels between two roles that
 * broke although both live. Either ends a process; its successor gets new channels.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/common/process.h"
#include "daemon/main/supervisor.h"

#define PING_EVERY_S     5
#define PING_PATIENCE    4      /* unanswered in a row: 20 s without a turn of the event loop */
#define PREPARE_PATIENCE 300000 /* ms; the issuer reads its whole ledger once */
#define LOST_LINK_MS     500    /* time for SIGCHLD to tell that a peer simply ended */

/* A channel that broke, until it is known whether one of its ends was dying. */
struct lost_link {
    struct lost_link *next;
    struct supervisor *sup;
    struct event *timer;
    struct child *a, *b;
    pid_t pid_a, pid_b;
};

/* Who is ended when two live roles fell out: the one that is trusted less. The order of architecture:
 * processes. */
static unsigned trust(enum role_id role)
{
    static const unsigned order[ROLE__MAX] = {[ROLE_NET] = 0, [ROLE_CONTROL] = 1, [ROLE_AUTH] = 2,
                                              [ROLE_KEY] = 3, [ROLE_ISSUER] = 4,  [ROLE_MAIN] = 5};

    return order[role];
}

static void forget(struct lost_link *l)
{
    struct lost_link **at = &l->sup->lost_links;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    event_free(l->timer);
    free(l);
}

static void on_lost_link(evutil_socket_t fd, short what, void *arg)
{
    struct lost_link *l = arg;
    struct child *victim = trust(l->a->role) < trust(l->b->role) ? l->a : l->b;

    (void)fd;
    (void)what;
    if (!l->sup->stopping && l->a->pid == l->pid_a && l->b->pid == l->pid_b && l->a->state == CHILD_RUNNING &&
        l->b->state == CHILD_RUNNING) {
        log_event(LOG_ERR, "two roles fell out, one is ended", "ended", role_name(victim->role), "name",
                  victim->name, "peer", role_name(victim == l->a ? l->b->role : l->a->role), NULL);
        child_kill(victim, SIGKILL);
    }
    forget(l);
}

void health_link_lost(struct child *c, const struct ipc_frame *f)
{
    static const struct timeval delay = {0, LOST_LINK_MS * 1000};
    struct pke_arena *arena = pke_arena_new();
    struct msg_link m;
    struct pke_fail fail;
    struct child *peer = NULL;
    struct lost_link *l;

    if (ipc_record_read(msg_link_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK &&
        m.peer < ROLE__MAX)
        peer = child_find(c->sup, (enum role_id)m.peer, (unsigned)m.index, m.name);
    pke_arena_free(arena);
    if (!peer || !child_are_linked(c, peer) || !peer->pid || !c->pid)
        return; /* above all: no role ends another that it has nothing to do with */
    if ((uint64_t)peer->pid != m.pid)
        return; /* a late word about a process that ended since: its successor has done nothing */
    for (l = c->sup->lost_links; l; l = l->next)
        if ((l->a == c && l->b == peer && l->pid_a == c->pid && l->pid_b == peer->pid) ||
            (l->a == peer && l->b == c && l->pid_a == peer->pid && l->pid_b == c->pid))
            return; /* the other end told it */
    l = pke_calloc(1, sizeof *l);
    *l = (struct lost_link){
        .next = c->sup->lost_links, .sup = c->sup, .a = c, .b = peer, .pid_a = c->pid, .pid_b = peer->pid};
    c->sup->lost_links = l;
    l->timer = event_new(c->sup->base, -1, 0, on_lost_link, l);
    event_add(l->timer, &delay);
}

static void check_one(struct child *c, uint64_t now)
{
    bool late = c->state == CHILD_PREPARING && now - c->started_at > PREPARE_PATIENCE;
    /* a key blocks in its device by design; the issuer watches over it */
    bool deaf = c->state == CHILD_RUNNING && c->role != ROLE_KEY && c->ping_unanswered >= PING_PATIENCE;

    if (late || deaf) {
        log_event(LOG_CRIT, "role hangs and is ended", "role", role_name(c->role), "name", c->name, NULL);
        child_kill(c, SIGKILL);
        return;
    }
    if (c->state == CHILD_RUNNING && c->chan && c->role != ROLE_KEY) {
        c->ping_unanswered++;
        chan_send(c->chan, MSG_PING, 0, PKE_BYTES(NULL, 0));
    }
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;
    uint64_t now = process_monotonic_ms();

    (void)fd;
    (void)what;
    for (struct child *c = s->children; c; c = c->next)
        if (c->pid)
            check_one(c, now);
}

void health_start(struct supervisor *s)
{
    static const struct timeval every = {PING_EVERY_S, 0};

    s->ping_timer = event_new(s->base, -1, EV_PERSIST, on_ping, s);
    event_add(s->ping_timer, &every);
}

void health_stop(struct supervisor *s)
{
    while (s->lost_links)
        forget(s->lost_links);
    if (s->ping_timer) /* there is none when the start failed before */
        event_free(s->ping_timer);
}
