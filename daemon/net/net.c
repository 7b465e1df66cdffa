/* SPDX-License-Identifier: Apache-2.0 */
/* The net role: what main tells it, and what it tells main. Requests are txn.c's business. */
#include "daemon/net/net.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/net/conn.h"
#include "daemon/net/events.h"
#include "daemon/net/listener.h"

static const struct timeval start_patience = {3, 0};
static const struct timeval look_every = {2, 0}; /* how soon status and metrics tell of calls */

/* A configuration that is opened but not served yet. */
struct candidate {
    struct snapshot *snap;
    struct listener_set *listeners;
};

void net_work_ended(struct net *net)
{
    if (net->idle)
        net->idle(net);
}

static const char *callouts_told(const struct pke_pairs *facts)
{
    const char *text = pke_pairs_get(facts, "callouts");

    return text ? text : "";
}

static void tell_state(struct net *net)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state m = {.state = net->draining || net->stopping ? "draining" : "ready"};

    if (!net->catalogue && !net->stopping)
        m.state = "starting"; /* a policy names its CA: without the catalogue there is none to serve */
    for (const struct listener *l = net->listeners; l; l = l->next) {
        PKE_CLEANUP(pke_free_p) char *text = listener_text(l);

        pke_pairs_add(&m.facts, arena, pke_arena_printf(arena, "listener %s", l->conf->name), text);
    }
    for (size_t i = 0; net->snap && i < net->snap->n_endpoints; i++) {
        const struct net_endpoint *ep = &net->snap->endpoints[i];

        if (ep->url)
            pke_pairs_add(&m.facts, arena, pke_arena_printf(arena, "url %s", ep->conf->name), ep->url);
    }
    callouts_facts(net->calls, arena, &m.facts);
    pke_buf_clear(&net->told);
    pke_buf_add_str(&net->told, callouts_told(&m.facts));
    role_tell_state(net->role, &m);
    pke_arena_free(arena);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct net *net = arg;
    struct pke_arena *arena = pke_arena_new();
    struct pke_pairs facts = {0};

    (void)fd;
    (void)what;
    callouts_facts(net->calls, arena, &facts);
    if (!pke_bytes_eq_str(pke_buf_bytes(&net->told), callouts_told(&facts)))
        tell_state(net);
    pke_arena_free(arena);
}

static void report_policies(const struct snapshot *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++)
        if (s->endpoints[i].no_policy.err != PKE_OK)
            log_fail(LOG_ERR, "policy cannot be served", &s->endpoints[i].no_policy, "endpoint",
                     s->endpoints[i].conf->name, NULL);
}

/* After a start connections wait in the queue until they can be served: a socket of the service manager has
 * some already.
 */
static void open_when_complete(struct net *net)
{
    if (net->open || !net->catalogue || !links_up(net->links, ROLE_AUTH) ||
        !links_up(net->links, ROLE_ISSUER))
        return;
    event_del(net->patience);
    listeners_open(net);
}

/* They get the fault that says what is missing. */
static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    listeners_open(arg);
}

static void take_catalogue(struct net *net, const struct ipc_frame *f)
{
    bool first = !net->catalogue;
    struct catalogue *c;
    struct pke_fail fail;

    if (catalogue_read(f->payload, &c, &fail) != PKE_OK) {
        log_fail(LOG_ERR, "catalogue refused", &fail, NULL);
        return;
    }
    catalogue_unref(net->catalogue);
    net->catalogue = c;
    if (net->snap) {
        snapshot_set_catalogue(net->snap, c);
        report_policies(net->snap);
        if (first)
            tell_state(net);
    }
    open_when_complete(net);
}

/* What issuer sends unasked. */
static void on_unasked(const struct ipc_frame *f, void *arg)
{
    if (f->kind == MSG_CATALOGUE)
        take_catalogue(arg, f);
    else if (f->kind == MSG_EVENT)
        event_deliver(arg, f);
}

static void on_start(struct role *r)
{
    struct net *net = r->state;

    net->role = r;
    net->base = r->base;
    net->links = links_new(r, on_unasked, net);
    net->calls = callouts_new(r->base);
    pke_buf_init(&net->told, SIZE_MAX);
    net->look = event_new(r->base, -1, EV_PERSIST, on_look, net);
    if (!net->look || event_add(net->look, &look_every) != 0)
        pke_oom();
    net->parser = soap_parser_new();
    net->patience = event_new(r->base, -1, 0, on_patience, net);
    if (!net->patience)
        pke_oom();
    event_add(net->patience, &start_patience);
}

static void on_abort(struct role *r, void *candidate)
{
    struct candidate *c = candidate;

    (void)r;
    listeners_abort(c->listeners);
    snapshot_unref(c->snap);
    free(c);
}

static enum pke_err on_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                               struct pke_fail *fail)
{
    struct net *net = r->state;
    struct candidate *c;
    struct listener_set *set;
    enum pke_err err = listeners_prepare(net, conf, &set, fail);

    (void)secret; /* the assertion key is not for net */
    if (err != PKE_OK)
        return err;
    c = pke_calloc(1, sizeof *c);
    c->listeners = set;
    c->snap = snapshot_new(conf);
    err = snapshot_load_secrets(c->snap, fail);
    if (err == PKE_OK)
        err = snapshot_load_targets(c->snap, net->calls, fail);
    if (err != PKE_OK) {
        on_abort(r, c);
        return err;
    }
    *ret = c;
    return PKE_OK;
}

static unsigned port_of(void *arg, const struct conf_listener *l)
{
    const struct listener *bound = listener_find(arg, l->name);

    return bound ? bound->port : (unsigned)l->port;
}

static void on_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct net *net = r->state;
    struct candidate *c = candidate;

    (void)conf; /* the snapshot is one of its owners */
    if (net->stopping) {
        on_abort(r, candidate);
        return;
    }
    listeners_commit(net, c->listeners);
    snapshot_unref(net->snap);
    net->snap = c->snap;
    free(c);
    snapshot_set_urls(net->snap, port_of, net);
    snapshot_set_catalogue(net->snap, net->catalogue);
    if (net->catalogue) /* else once it is here */
        report_policies(net->snap);
    net_conns_close_idle(net);
    tell_state(net);
}

static void on_link(struct role *r, const struct msg_link *link, int fd)
{
    struct net *net = r->state;

    links_add(net->links, link, fd);
    open_when_complete(net);
}

static void on_socket(struct role *r, const char *name, int fd)
{
    struct net *net = r->state;
    struct passed_socket *s = pke_calloc(1, sizeof *s);

    *s = (struct passed_socket){.next = net->passed, .name = pke_strdup(name), .fd = fd};
    net->passed = s;
}

static void on_frame(struct role *r, const struct ipc_frame *f)
{
    struct net *net = r->state;

    if (f->kind == MSG_DRAIN || f->kind == MSG_RESUME) {
        net->draining = f->kind == MSG_DRAIN;
        tell_state(net);
    }
}

static void end_when_idle(struct net *net)
{
    if (net->n_conns > 0 || net->n_txns > 0)
        return;
    net->idle = NULL;
    role_stopped(net->role);
}

/* No new connections; those that have just been made are served, work in flight ends. */
static void on_stop(struct role *r)
{
    struct net *net = r->state;

    net->stopping = true;
    tell_state(net);
    listeners_stop(net);
    net_conns_close_idle(net);
    net->idle = end_when_idle;
    end_when_idle(net);
}

int role_net(unsigned index)
{
    static const struct role_ops ops = {
        .id = ROLE_NET,
        .start = on_start,
        .prepare = on_prepare,
        .commit = on_commit,
        .abort = on_abort,
        .link = on_link,
        .socket = on_socket,
        .frame = on_frame,
        .stop = on_stop,
    };
    static struct net net;

    return role_run(&ops, index, NULL, &net);
}
