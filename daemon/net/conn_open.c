/* SPDX-License-Identifier: Apache-2.0 */
/* A connection until its first byte of TLS or HTTP: who connects, and what the proxy in front says of it. */
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/net/conn_impl.h"
#include "daemon/net/proxyproto.h"

#define PREFACE_MS 5000

struct preface {
    struct event *readable;
    int fd; /* -1: handed on */
    size_t n;
    uint8_t bytes[PROXYPROTO_MAX];
};

void net_preface_free(struct preface *p)
{
    if (!p)
        return;
    event_free(p->readable);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

static bool note_unix_peer(struct conn *c, int fd)
{
    const struct listener *l = c->listener;
    socklen_t len = sizeof c->peer;
    char uid[24], pid[24];
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) == 0;

    snprintf(uid, sizeof uid, "%u", c->peer.uid);
    snprintf(pid, sizeof pid, "%d", c->peer.pid);
    if (l->conf->peer_uids.n && !(known && uids_has(&l->peers, c->peer.uid))) {
        log_event(LOG_WARNING, "frontend refused: its user is not one of peer-uids", "listener",
                  l->conf->name, "uid", known ? uid : "unknown", NULL);
        return false;
    }
    if (known)
        log_event(LOG_DEBUG, "frontend connected", "listener", l->conf->name, "uid", uid, "pid", pid, NULL);
    return true;
}

/* False: nobody who may connect here. */
static bool note_peer(struct conn *c, int fd, const struct sockaddr *peer)
{
    const struct conf_listener *conf = c->listener->conf;
    const int on = 1;
    struct netaddr a;

    if (conf->unix_path)
        return note_unix_peer(c, fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!netaddr_of(peer, &a))
        return false;
    if (conf->proxy_protocol && !netaddr_in(&a, &conf->proxy_from)) {
        char text[NETADDR_TEXT];

        netaddr_text(&a, text);
        log_event(LOG_WARNING, "proxy refused: its address is not in proxy-from", "listener", conf->name,
                  "address", text, NULL);
        return false;
    }
    if (!conf->proxy_protocol && !conf->frontend) /* else it is the proxy's, and says nothing of the client */
        netaddr_text(&a, c->source);
    return true;
}

static struct bufferevent *make_stream(struct listener *l, int fd)
{
    const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    struct bufferevent *bev;
    SSL *ssl;

    if (!l->tls) {
        bev = bufferevent_socket_new(l->net->base, fd, options);
    } else {
        ssl = SSL_new(l->tls);
        if (!ssl)
            pke_oom();
        bev = bufferevent_openssl_socket_new(l->net->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, options);
        if (bev)
            bufferevent_openssl_set_allow_dirty_shutdown(bev, 1); /* HTTP framing says what is complete */
    }
    if (!bev)
        pke_oom();
    return bev;
}

static void preface_done(struct conn *c, const struct proxyproto *said)
{
    int fd = c->preface->fd;

    if (said->has_source)
        netaddr_text(&said->source, c->source);
    c->preface->fd = -1;
    net_preface_free(PKE_TAKE(c->preface));
    net_conn_serve(c, make_stream(c->listener, fd));
}

/* No byte behind the header is taken: it belongs to TLS or HTTP. */
static void on_preface(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct preface *p = c->preface;
    struct proxyproto said;
    const char *why = "the proxy closed the connection before its header";
    size_t need = 0;
    ssize_t got;

    (void)what;
    for (;;) {
        switch (proxyproto_read(PKE_BYTES(p->bytes, p->n), &need, &said, &why)) {
        case PROXYPROTO_DONE:
            preface_done(c, &said);
            return;
        case PROXYPROTO_BAD:
            log_event(LOG_WARNING, why, "listener", c->listener->conf->name, NULL);
            net_conn_free(c);
            return;
        case PROXYPROTO_MORE:
            break;
        }
        got = recv(fd, p->bytes + p->n, need, 0);
        if (got <= 0) {
            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return;
            net_conn_free(c); /* a health check without a word */
            return;
        }
        p->n += (size_t)got;
    }
}

static void start_preface(struct conn *c, int fd)
{
    struct preface *p = pke_calloc(1, sizeof *p);

    p->fd = fd;
    p->readable = event_new(c->net->base, fd, EV_READ | EV_PERSIST, on_preface, c);
    if (!p->readable)
        pke_oom();
    c->preface = p;
    net_conn_enter(c, CONN_PREFACE, PREFACE_MS);
    event_add(p->readable, NULL);
}

void net_conn_new(struct listener *l, int fd, const struct sockaddr *peer)
{
    struct conn *c = pke_calloc(1, sizeof *c);
    struct http_limits limits = http_client_limits;

    limits.head = l->conf->max_head;
    c->net = l->net;
    c->listener = l;
    c->reader = http_reader_new(&limits);
    c->timer = event_new(l->net->base, -1, 0, net_conn_on_timer, c);
    if (!c->timer)
        pke_oom();
    listener_conn_began(l);
    c->next = l->net->conns;
    c->prev = &l->net->conns;
    if (c->next)
        c->next->prev = &c->next;
    l->net->conns = c;
    l->net->n_conns++;
    if (!note_peer(c, fd, peer)) {
        close(fd);
        net_conn_free(c);
    } else if (l->conf->proxy_protocol) {
        start_preface(c, fd);
    } else {
        net_conn_serve(c, make_stream(l, fd));
    }
}
