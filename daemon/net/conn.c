/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/conn_impl.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/net/forwarded.h"
#include "daemon/net/route.h"
#include "daemon/net/txn.h"

#define HANDSHAKE_MS 5000
#define HEAD_MS      5000
#define BODY_MS      15000
#define WRITE_MS     15000
#define LINGER_MS    2000
#define GRACE_MS     2000        /* for the first request of a connection whose listener closes */
#define INPUT_MAX    (64u << 10) /* read ahead; what is there is always consumed, so it never fills */
#define LINGER_MAX   (1u << 20)  /* thrown away behind a refused request */
#define HEAD_ROOM    1024

void net_conn_free(struct conn *c)
{
    struct net *net = c->net;

    txn_forget(c->txn);
    net_preface_free(c->preface);
    if (c->bev)
        bufferevent_free(c->bev);
    event_free(c->timer);
    http_reader_free(c->reader);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    listener_conn_ended(c->listener);
    free(c);
    net->n_conns--;
    net_work_ended(net);
}

void net_conn_enter(struct conn *c, enum conn_state state, int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    c->state = state;
    if (ms > 0)
        event_add(c->timer, &tv);
    else
        event_del(c->timer);
}

static bool closing(const struct conn *c)
{
    return c->close_after || c->net->stopping || !c->listener->ev;
}

static void http_date(char out[48])
{
    time_t now = (time_t)(role_wall_ms() / 1000);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(out, 48, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

/* The whole reply in one write. The connection stays when both sides want it. */
static void reply(struct conn *c, unsigned status, const char *type, struct pke_bytes body, const char *extra)
{
    struct pke_buf out;
    char head[128];

    c->answered = true;
    http_date(head);
    if (extra)
        strncat(head, extra, sizeof head - strlen(head) - 1);
    if (closing(c) || !http_reader_request(c->reader)->keep_alive)
        c->close_after = true;
    pke_buf_init(&out, body.n + HEAD_ROOM);
    (void)http_reply_write(&out, status, type, body, !c->close_after, head);
    if (http_reader_request(c->reader)->method == HTTP_HEAD && http_reader_status(c->reader) == 0)
        out.n -= body.n; /* the head says what GET would carry (RFC 9110 9.3.2) */
    bufferevent_disable(c->bev, EV_READ);
    net_conn_enter(c, CONN_WRITE, WRITE_MS);
    bufferevent_write(c->bev, out.p, out.n);
    pke_buf_wipe(&out);
}

/* Never an empty answer: who reads it may be an administrator with curl. */
static void reply_text(struct conn *c, unsigned status, const char *why, const char *extra)
{
    char text[192];
    int n = snprintf(text, sizeof text, "%u %s\n%s%s", status, http_reason(status), why, *why ? "\n" : "");

    reply(c, status, "text/plain; charset=utf-8", PKE_BYTES(text, (size_t)n), extra);
}

/* RFC 9110 10.2.3. Windows does not read it; proxies and other clients do. */
static void on_txn_done(unsigned status, struct pke_bytes body, uint64_t retry_ms, void *arg)
{
    struct conn *c = arg;
    char hint[48];

    c->txn = NULL;
    snprintf(hint, sizeof hint, "Retry-After: %" PRIu64 "\r\n", (retry_ms + 999) / 1000);
    reply(c, status, SOAP_CONTENT_TYPE, body, retry_ms ? hint : NULL);
}

static struct net_endpoint *endpoint_of(const struct conn *c, unsigned *status)
{
    return route_find(c->net->snap, c->listener->conf->name, http_reader_request(c->reader), status);
}

/* The handshake proved that the client holds its key. Who issued it is judged by auth and issuer, by what the
 * certificate is for: a bulk-enrollment CA is not the one that certified a device. On a frontend listener it
 * is the frontend's own. NULL: none; else OPENSSL_free(). */
static struct pke_bytes peer_certificate(const struct conn *c, unsigned char **der)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
    X509 *cert = ssl && !c->listener->conf->frontend ? SSL_get0_peer_certificate(ssl) : NULL;
    int n = cert ? i2d_X509(cert, der) : 0;

    return n > 0 ? PKE_BYTES(*der, (size_t)n) : PKE_BYTES(NULL, 0);
}

/* What the proxy in front says counts in place of what the connection says. */
static void take_forwarded(struct txn_request *req, const struct forwarded *f, char source[NETADDR_TEXT])
{
    if (f->has_source) {
        netaddr_text(&f->source, source);
        req->source = source;
    }
    if (f->client_certificate.n)
        req->client_certificate = f->client_certificate;
    req->assertion = f->assertion;
    req->request_id = f->request_id;
    req->traceparent = f->traceparent;
}

static void start_txn(struct conn *c, struct net_endpoint *ep, const struct forwarded *f,
                      const struct pke_fail *refused)
{
    unsigned char *der = NULL;
    char source[NETADDR_TEXT];
    struct txn_request req = {
        .endpoint = ep,
        .body = refused ? PKE_BYTES(NULL, 0) : http_reader_body(c->reader),
        .source = *c->source ? c->source : NULL,
        .client_certificate = peer_certificate(c, &der),
        .refused = refused,
        .refused_status = refused ? http_reader_status(c->reader) : 0,
    };
    struct txn *t;

    take_forwarded(&req, f, source);
    bufferevent_disable(c->bev, EV_READ);
    net_conn_enter(c, CONN_HANDLER, 0); /* the transaction keeps the deadline */
    t = txn_start(c->net, &req, on_txn_done, c);
    OPENSSL_free(der);
    if (t)
        c->txn = t;
}

/* False: answered already. */
static bool check_route(struct conn *c, struct net_endpoint **ep)
{
    const struct http_request *req = http_reader_request(c->reader);
    unsigned status;

    *ep = endpoint_of(c, &status);
    if (!*ep)
        reply_text(c, status,
                   status == 421 ? "nothing is served by this host name" : "nothing is served at this path",
                   NULL);
    else if (route_method(req) != 0)
        reply_text(c, 405, "this endpoint takes POST", "Allow: POST\r\n");
    else
        return true;
    return false;
}

static void on_head(struct conn *c)
{
    struct net_endpoint *ep;

    net_conn_enter(c, CONN_BODY, BODY_MS);
    if (!http_reader_request(c->reader)->expect_continue)
        return;
    /* refused before the body comes; whether it comes at all is not known, so this is the last request */
    c->close_after = c->discard = true;
    if (!check_route(c, &ep))
        return;
    c->close_after = c->discard = false;
    bufferevent_write(c->bev, HTTP_CONTINUE, sizeof HTTP_CONTINUE - 1);
}

static void on_request(struct conn *c)
{
    struct net_endpoint *ep;
    struct pke_arena *arena;
    struct forwarded f;
    struct pke_fail fail;

    if (!check_route(c, &ep))
        return;
    arena = pke_arena_new();
    if (forwarded_read(http_reader_request(c->reader), c->listener->conf, arena, &f, &fail) == PKE_OK) {
        start_txn(c, ep, &f, NULL);
    } else {
        log_fail(LOG_WARNING, "what the frontend forwards is refused", &fail, "listener",
                 c->listener->conf->name, NULL);
        reply_text(c, 400, fail.text, NULL);
    }
    pke_arena_free(arena);
}

/* Framing is lost: answer and close. Too large a body on an endpoint gets its fault (MS-MDE2 clients read no
 * other form). */
static void on_bad_request(struct conn *c)
{
    unsigned status = http_reader_status(c->reader), unused;
    struct net_endpoint *ep = status == 413 ? endpoint_of(c, &unused) : NULL;
    struct pke_fail fail;

    c->close_after = c->discard = true;
    if (ep && route_method(http_reader_request(c->reader)) == 0) {
        pke_fail_set(&fail, PKE_LIMIT, "body-too-large", "architecture 5: body 256 KiB",
                     "the request is larger than allowed");
        start_txn(c, ep, &(struct forwarded){0}, &fail);
        return;
    }
    reply_text(c, status, http_reader_why(c->reader), NULL);
}

/* Give the reader the next contiguous piece of input; nothing left gives it an empty one. */
static enum http_result feed_piece(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer_iovec v = {0};
    enum http_result result;
    size_t used;

    if (evbuffer_peek(in, -1, NULL, &v, 1) < 1)
        v.iov_len = 0;
    result = http_reader_feed(c->reader, PKE_BYTES(v.iov_base, v.iov_len), &used);
    if (used) {
        explicit_bzero(v.iov_base, used); /* it may have been a password */
        evbuffer_drain(in, used);
    }
    return result;
}

static bool is_reading(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY;
}

static void process_input(struct conn *c)
{
    enum http_result result = HTTP_MORE;

    /* a request without a body is complete with its head, though no input may be left */
    while (is_reading(c) &&
           (result == HTTP_HEAD_DONE || evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)) {
        result = feed_piece(c);
        if (c->state == CONN_IDLE && http_reader_started(c->reader))
            net_conn_enter(c, CONN_HEAD, HEAD_MS);
        if (result == HTTP_HEAD_DONE)
            on_head(c);
        else if (result == HTTP_DONE)
            on_request(c);
        else if (result == HTTP_ERROR)
            on_bad_request(c);
    }
}

static void discard_input(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(in);

    c->discarded += n;
    evbuffer_drain(in, n);
    if (c->discarded > LINGER_MAX)
        net_conn_free(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (c->state == CONN_LINGER)
        discard_input(c);
    else
        process_input(c);
}

/* Half-close and wait for the client's end, so that the reply is not lost to a reset (RFC 9112 9.6). */
static void start_linger(struct conn *c)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev); /* NULL on a plain connection */

    if (ssl)
        SSL_shutdown(ssl);
    ERR_clear_error();
    shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    net_conn_enter(c, CONN_LINGER, LINGER_MS);
    bufferevent_enable(c->bev, EV_READ);
    discard_input(c);
}

static void next_request(struct conn *c)
{
    http_reader_wipe(c->reader);
    net_conn_enter(c, CONN_IDLE, c->listener->conf->idle_timeout);
    bufferevent_enable(c->bev, EV_READ);
    process_input(c); /* bytes that came behind the request that was just answered */
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    if (c->state != CONN_WRITE || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return; /* a 100-continue */
    if (!c->close_after && !closing(c))
        next_request(c);
    else if (c->discard || evbuffer_get_length(bufferevent_get_input(bev)) > 0)
        start_linger(c);
    else
        net_conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        if (c->state == CONN_HANDSHAKE)
            net_conn_enter(c, CONN_IDLE, closing(c) ? GRACE_MS : c->listener->conf->idle_timeout);
        return;
    }
    ERR_clear_error();
    if ((what & BEV_EVENT_EOF) && (c->state == CONN_HANDLER || c->state == CONN_WRITE)) {
        c->close_after = true; /* it has half-closed and still reads */
        return;
    }
    net_conn_free(c);
}

void net_conn_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    if (c->state != CONN_HEAD && c->state != CONN_BODY) {
        net_conn_free(c);
        return;
    }
    c->close_after = c->discard = true;
    reply_text(c, 408, "the request did not arrive in time", NULL);
}

void net_conn_serve(struct conn *c, struct bufferevent *bev)
{
    c->bev = bev;
    bufferevent_setcb(bev, on_read, on_written, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
    if (c->listener->tls)
        net_conn_enter(c, CONN_HANDSHAKE, HANDSHAKE_MS);
    else
        net_conn_enter(c, CONN_IDLE, c->listener->conf->idle_timeout);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void net_conns_close_idle(struct net *net)
{
    struct conn *next;

    for (struct conn *c = net->conns; c; c = next) {
        next = c->next;
        if (c->state > CONN_IDLE || !closing(c))
            continue;
        if (c->answered)
            net_conn_free(c);
        else
            net_conn_enter(c, c->state,
                           GRACE_MS); /* it was accepted a moment ago: its first request is on its way */
    }
}
