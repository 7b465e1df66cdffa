/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/control/control.h"
#include "daemon/control/json.h"

#define INPUT_MAX (32u << 10) /* bytes read ahead of the reader */

static void arm(struct conn *conn)
{
    struct timeval tv = {.tv_sec = CONTROL_IO_MS / 1000, .tv_usec = CONTROL_IO_MS % 1000 * 1000};

    evtimer_add(conn->timer, &tv);
}

void conn_free(struct conn *conn)
{
    struct control *c = conn->c;

    if (conn->call)
        conn->call->conn = NULL;
    LIST_REMOVE(conn, link);
    c->n_conns--;
    c->n_tls -= conn->tls;
    event_free(conn->timer);
    bufferevent_free(conn->bev);
    http_reader_wipe(conn->reader);
    http_reader_free(conn->reader);
    free(conn);
    if (c->listener && !event_pending(c->accept_timer, EV_TIMEOUT, NULL))
        evconnlistener_enable(c->listener);
    control_check_stopped(c);
}

static size_t output_left(struct conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

static void write_reply(struct conn *conn, unsigned status, const char *type, struct pke_bytes body,
                        const char *extra_headers)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf out;

    pke_buf_init(&out, CONTROL_MAX_REPLY + 4096);
    if (conn->c->stopped)
        conn->keep_alive = false;
    http_reply_write(&out, status, type, body, conn->keep_alive, extra_headers);
    bufferevent_write(conn->bev, out.p, out.n);
    if (!conn->keep_alive) {
        conn->closing = true;
        bufferevent_disable(conn->bev, EV_READ);
    }
    arm(conn);
}

/* Queue one reply. The body may be too large: then a refusal that says what to do. */
void conn_reply(struct conn *conn, unsigned status, const json_t *body, const char *extra_headers)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text;
    PKE_CLEANUP(control_json_free_p) json_t *error = NULL;
    struct pke_fail fail;

    pke_buf_init(&text, CONTROL_MAX_REPLY);
    if (!body || control_write(body, &text) != PKE_OK) {
        pke_fail_set(&fail, PKE_LIMIT, "control-reply", "control API: limits",
                     "the answer is larger than %u bytes: ask for fewer rows", CONTROL_MAX_REPLY);
        error = control_error(&fail, NULL);
        pke_buf_clear(&text);
        control_write(error, &text);
        status = control_status(fail.err);
    }
    write_reply(conn, status, "application/json", pke_buf_bytes(&text), extra_headers);
}

void conn_reply_text(struct conn *conn, const char *type, const struct pke_buf *body)
{
    if (body->overflow)
        conn_reply(conn, 0, NULL, NULL);
    else
        write_reply(conn, 200, type, pke_buf_bytes(body), NULL);
}

/* A peer without any role learns nothing, not even which paths there are, and its body is not read. */
static bool refuse_nobody(struct conn *conn)
{
    struct pke_fail fail;

    if (conn->peer.roles)
        return false;
    pke_fail_set(&fail, PKE_DENIED, "control-nobody", "control API: roles",
                 "neither this user nor its groups have a role");
    conn->keep_alive = false;
    call_refuse(conn, &fail, 0);
    return true;
}

static void refuse_http(struct conn *conn)
{
    struct pke_fail fail;

    conn->keep_alive = false;
    if (refuse_nobody(conn))
        return;
    pke_fail_set(&fail, PKE_MALFORMED, "control-http", "RFC 9112", "%s", http_reader_why(conn->reader));
    call_refuse(conn, &fail, http_reader_status(conn->reader));
}

/* One step of the reader over what has come. False when there is nothing more to do now. */
static bool feed(struct conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    size_t n = evbuffer_get_contiguous_space(in), used = 0;
    uint8_t *p = n ? evbuffer_pullup(in, (ev_ssize_t)n) : NULL;
    bool started = http_reader_started(conn->reader);
    enum http_result r = http_reader_feed(conn->reader, PKE_BYTES(p, n), &used);

    if (!started && used)
        arm(conn); /* the whole request is due from its first byte on */
    if (used)
        explicit_bzero(p, used); /* it may have been a password */
    evbuffer_drain(in, used);
    switch (r) {
    case HTTP_MORE:
        return used && evbuffer_get_length(in);
    case HTTP_HEAD_DONE:
        if (refuse_nobody(conn))
            return false;
        if (http_reader_request(conn->reader)->expect_continue)
            bufferevent_write(conn->bev, go_on, sizeof go_on - 1);
        return true;
    case HTTP_DONE:
        conn->keep_alive = http_reader_request(conn->reader)->keep_alive;
        evtimer_del(conn->timer); /* from here the call has its own deadline */
        call_start(conn, http_reader_request(conn->reader), http_reader_body(conn->reader));
        http_reader_wipe(conn->reader);
        return false;
    case HTTP_ERROR:
        refuse_http(conn);
        return false;
    }
    return false;
}

/* One request at a time, the next only when the answer is written: a slow reader stops its own requests. */
static void pump(struct conn *conn)
{
    while (!conn->call && !conn->closing && !output_left(conn) && feed(conn))
        ;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    pump(arg);
}

/* All output is written. */
static void on_written(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    (void)bev;
    if (conn->call)
        return;
    if (conn->closing || conn->c->stopped) {
        conn_free(conn);
        return;
    }
    if (!http_reader_started(conn->reader))
        arm(conn); /* idle until the next request */
    pump(conn);
}

/* The peer ended its side, or the socket failed. What is still owed is sent to a peer that only half closed.
 */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED) { /* of TLS: now it is known who it is */
        tls_listener_peer(bufferevent_openssl_get_ssl(conn->bev), conn->c->frontends, &conn->peer);
        return;
    }
    if ((what & BEV_EVENT_EOF) && (conn->call || output_left(conn))) {
        bufferevent_disable(conn->bev, EV_READ);
        conn->keep_alive = false;
        conn->closing = true;
        return;
    }
    conn_free(conn);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conn_free(arg);
}

static struct conn *conn_new(struct control *c, struct bufferevent *bev)
{
    struct conn *conn = pke_calloc(1, sizeof *conn);

    conn->c = c;
    conn->reader = http_reader_new(&http_control_limits);
    conn->bev = bev;
    conn->timer = evtimer_new(c->role->base, on_timeout, conn);
    if (!conn->bev || !conn->timer)
        pke_oom();
    LIST_INSERT_HEAD(&c->conns, conn, link);
    if (++c->n_conns >= CONTROL_MAX_CONNS)
        evconnlistener_disable(c->listener);
    bufferevent_setcb(conn->bev, on_read, on_written, on_event, conn);
    bufferevent_setwatermark(conn->bev, EV_READ, 0, INPUT_MAX);
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
    arm(conn);
    return conn;
}

void conn_open(struct control *c, int fd)
{
    struct peer peer;
    struct pke_fail fail;

    if (peer_read(fd, &c->groups, c->frontends, &peer, &fail) != PKE_OK) {
        log_fail(LOG_NOTICE, "control connection refused", &fail, NULL);
        close(fd);
        return;
    }
    if (c->n_conns >= CONTROL_MAX_CONNS - CONTROL_ADMIN_RESERVE && !(peer.roles & VERB_ROLE_ADMIN)) {
        close(fd);
        return;
    }
    conn_new(c, bufferevent_socket_new(c->role->base, fd, BEV_OPT_CLOSE_ON_FREE))->peer = peer;
}

void conn_open_tls(struct control *c, int fd)
{
    struct conn *conn;
    SSL *ssl;

    if (!c->tls.ctx || c->n_tls >= TLS_CONNS_MAX || c->n_conns >= CONTROL_MAX_CONNS - CONTROL_ADMIN_RESERVE) {
        close(fd);
        return;
    }
    ssl = SSL_new(c->tls.ctx);
    if (!ssl)
        pke_oom();
    conn = conn_new(c, bufferevent_openssl_socket_new(c->role->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                      BEV_OPT_CLOSE_ON_FREE));
    conn->tls = true;
    c->n_tls++;
}

void conn_stop_all(struct control *c)
{
    struct conn *conn, *next;

    for (conn = LIST_FIRST(&c->conns); conn; conn = next) {
        next = LIST_NEXT(conn, link);
        if (!conn->call && !output_left(conn))
            conn_free(conn);
    }
}
