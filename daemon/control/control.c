/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/control.h"

#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/control/json.h"

/** What a new configuration needs: handed to commit or abort. */
struct candidate {
    struct control_socket socket; /* fd -1: the path stays, and so does the socket */
    struct peer_groups groups;
    struct frontends *frontends;
    struct tls_listener tls;
};

static void resume_accept(evutil_socket_t fd, short what, void *arg)
{
    struct control *c = arg;

    (void)fd;
    (void)what;
    if (c->listener && c->n_conns < CONTROL_MAX_CONNS)
        evconnlistener_enable(c->listener);
    if (c->tls_listener)
        evconnlistener_enable(c->tls_listener);
}

/* Out of descriptors or memory: accepting again at once would spin. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
    static const struct timeval pause = {.tv_sec = 1};
    struct control *c = arg;

    log_event(LOG_ERR, "accept failed", "error", strerror(errno), NULL);
    evconnlistener_disable(l);
    evtimer_add(c->accept_timer, &pause);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len, void *arg)
{
    (void)l;
    (void)addr;
    (void)len;
    conn_open(arg, fd);
}

static void on_accept_tls(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
                          void *arg)
{
    (void)l;
    (void)addr;
    (void)len;
    conn_open_tls(arg, fd);
}

static void stop_tls(struct control *c)
{
    if (c->tls_listener)
        evconnlistener_free(c->tls_listener);
    c->tls_listener = NULL;
    tls_listener_close(&c->tls);
}

/* Another address, another certificate, or off. Connections that are open stay. */
static void take_tls(struct control *c, struct tls_listener *next)
{
    if (next->fd < 0 && next->ctx) { /* it listens there already */
        next->fd = c->tls.fd;
        c->tls.fd = -1;
        tls_listener_close(&c->tls);
        c->tls = *next;
        return;
    }
    stop_tls(c);
    c->tls = *next;
    if (c->tls.fd < 0)
        return;
    c->tls_listener =
        evconnlistener_new(c->role->base, on_accept_tls, c, LEV_OPT_CLOSE_ON_EXEC, 0, c->tls.fd);
    if (!c->tls_listener)
        pke_oom();
    evconnlistener_set_error_cb(c->tls_listener, on_accept_error);
    log_event(LOG_NOTICE, "control API for frontends", "address", c->tls.address, NULL);
}

static void stop_listening(struct control *c)
{
    if (c->listener)
        evconnlistener_free(c->listener);
    c->listener = NULL;
    control_socket_close(&c->socket);
}

static void start_listening(struct control *c, struct control_socket *s)
{
    stop_listening(c);
    c->socket = *s;
    *s = (struct control_socket){.fd = -1};
    c->listener = evconnlistener_new(c->role->base, on_accept, c, LEV_OPT_CLOSE_ON_EXEC, 0, c->socket.fd);
    if (!c->listener)
        pke_oom();
    evconnlistener_set_error_cb(c->listener, on_accept_error);
    if (c->n_conns >= CONTROL_MAX_CONNS)
        evconnlistener_disable(c->listener);
}

static enum pke_err op_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                               struct pke_fail *fail)
{
    struct control *c = r->state;
    struct candidate *next = pke_calloc(1, sizeof *next);
    const char *path = conf->global.control_socket;
    enum pke_err err = peer_groups_resolve(&conf->global, &next->groups, fail);

    (void)secret;
    c->role = r;
    next->socket.fd = next->tls.fd = -1;
    if (!err)
        err = frontends_resolve(conf, geteuid(), &next->frontends, fail);
    if (!err && !path)
        err = pke_fail_set(fail, PKE_CONFIG, "control-socket", "control API: socket",
                           "control-socket is not set");
    if (!err && (!c->socket.path || strcmp(c->socket.path, path) != 0))
        err = control_socket_open(path, &next->socket, fail);
    if (!err && (err = tls_listener_open(&conf->global, &c->tls, &next->tls, fail)))
        control_socket_close(&next->socket);
    if (err) {
        frontends_free(next->frontends);
        free(next);
        return err;
    }
    *ret = next;
    return PKE_OK;
}

static void op_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct control *c = r->state;
    struct candidate *next = candidate;
    const struct msg_state ready = {.state = "ready"};

    (void)conf;
    c->groups = next->groups;
    frontends_free(c->frontends);
    c->frontends = next->frontends;
    if (!c->accept_timer && !(c->accept_timer = evtimer_new(r->base, resume_accept, c)))
        pke_oom();
    if (next->socket.fd >= 0)
        start_listening(c, &next->socket);
    take_tls(c, &next->tls);
    free(next);
    ledger_reader_close(c->ledger); /* the ledger may be another one: opened on demand */
    c->ledger = NULL;
    role_tell_state(r, &ready);
}

static void op_abort(struct role *r, void *candidate)
{
    struct candidate *next = candidate;

    (void)r;
    control_socket_close(&next->socket);
    tls_listener_close(&next->tls);
    frontends_free(next->frontends);
    free(next);
}

static enum verb_target chan_target(const struct control *c, const struct chan *ch)
{
    return ch == c->auth ? VERB_TARGET_AUTH : VERB_TARGET_ISSUER;
}

static void on_peer_frame(struct chan *ch, const struct ipc_frame *f, int fd, void *arg)
{
    struct control *c = arg;

    if (fd >= 0)
        close(fd);
    call_answer(c, chan_target(c, ch), f);
}

static void on_peer_closed(struct chan *ch, const char *why, void *arg)
{
    struct control *c = arg;
    enum verb_target t = chan_target(c, ch);

    log_event(LOG_NOTICE, "channel closed", "peer", t == VERB_TARGET_AUTH ? "auth" : "issuer", "why", why,
              NULL);
    role_link_lost(c->role, t == VERB_TARGET_AUTH ? ROLE_AUTH : ROLE_ISSUER, 0, NULL);
    if (t == VERB_TARGET_AUTH)
        c->auth = NULL;
    else
        c->issuer = NULL;
    chan_free(ch);
    call_peer_gone(c, t);
}

/* Only auth 0 writes the user file; a new channel replaces that of an instance that ended. */
static void op_link(struct role *r, const struct msg_link *link, int fd)
{
    static const struct chan_ops ops = {on_peer_frame, on_peer_closed};
    struct control *c = r->state;
    bool auth = link->peer == ROLE_AUTH && link->index == 0;
    struct chan **slot = auth ? &c->auth : &c->issuer;

    c->role = r;
    if (!auth && link->peer != ROLE_ISSUER) {
        close(fd);
        return;
    }
    if (*slot) {
        chan_free(*slot);
        *slot = NULL;
        call_peer_gone(c, auth ? VERB_TARGET_AUTH : VERB_TARGET_ISSUER);
    }
    *slot = chan_new(r->base, fd, IPC_MAX_REQUEST, &ops, c);
}

static void op_frame(struct role *r, const struct ipc_frame *f)
{
    call_answer(r->state, VERB_TARGET_MAIN, f);
}

/* Release what lives on the event loop while there still is one. */
void control_check_stopped(struct control *c)
{
    if (!c->stopped || c->n_conns || c->n_calls)
        return;
    if (c->issuer)
        chan_flush(c->issuer, 1000); /* the audit of the last calls */
    chan_free(c->issuer);
    chan_free(c->auth);
    c->issuer = c->auth = NULL;
    if (c->accept_timer)
        event_free(c->accept_timer);
    c->accept_timer = NULL;
    ledger_reader_close(c->ledger);
    c->ledger = NULL;
    c->stopped = false; /* once */
    role_stopped(c->role);
}

static void op_stop(struct role *r)
{
    struct control *c = r->state;

    c->role = r;
    stop_listening(c);
    stop_tls(c);
    c->stopped = true;
    call_stop_listeners(c);
    conn_stop_all(c);
    control_check_stopped(c);
}

int role_control(unsigned index)
{
    static const struct role_ops ops = {
        .id = ROLE_CONTROL,
        .prepare = op_prepare,
        .commit = op_commit,
        .abort = op_abort,
        .link = op_link,
        .frame = op_frame,
        .stop = op_stop,
    };
    struct control c = {.socket = {.fd = -1}, .tls = {.fd = -1}};
    int rc;

    control_json_setup();
    LIST_INIT(&c.conns);
    LIST_INIT(&c.calls);
    rc = role_run(&ops, index, NULL, &c);
    frontends_free(c.frontends);
    rates_done(&c.rates);
    control_socket_close(&c.socket); /* main went away without a word */
    return rc;
}
