/* SPDX-License-Identifier: Apache-2.0 */
/** @file The inside of a connection, shared by conn.c (requests) and conn_open.c (until its first byte). */
#ifndef DAEMON_NET_CONN_IMPL_H
#define DAEMON_NET_CONN_IMPL_H

#include <event2/bufferevent.h>

#include "daemon/common/http.h"
#include "daemon/common/netaddr.h"
#include "daemon/net/conn.h"

struct preface;

enum conn_state {
    CONN_PREFACE, /* before TLS: the proxy says who connects */
    CONN_HANDSHAKE,
    CONN_IDLE,    /* between requests */
    CONN_HEAD,    /* a request has begun */
    CONN_BODY,    /* its head is complete */
    CONN_HANDLER, /* a transaction works; nothing is read */
    CONN_WRITE,   /* the reply is on its way; nothing is read */
    CONN_LINGER,  /* the reply is out, input is thrown away: a reset would overtake the reply */
};

struct conn {
    struct conn *next, **prev;
    struct net *net;
    struct listener *listener;
    struct bufferevent *bev; /* NULL before the stream begins */
    struct preface *preface; /* conn_open.c; NULL: none, or it is read */
    struct event *timer;
    struct http_reader *reader;
    struct txn *txn;
    enum conn_state state;
    bool close_after; /* no request after this one */
    bool discard;     /* input was left unread: linger before closing */
    bool answered;    /* at least one request */
    size_t discarded;
    char source[NETADDR_TEXT]; /* "" on frontend listeners, unless they say it */
    struct ucred peer;         /* unix socket: who connected */
};

/** One deadline per state, not per read: a byte now and then does not extend it. @p ms 0: none. */
void net_conn_enter(struct conn *c, enum conn_state state, int64_t ms);

/** Its stream is there, TLS or not: serve requests on it. */
void net_conn_serve(struct conn *c, struct bufferevent *bev);

/** The timer's callback; @p arg is the connection. */
void net_conn_on_timer(evutil_socket_t fd, short what, void *arg);

/** End it and release everything, the socket included. */
void net_conn_free(struct conn *c);

/** Drop what is left of the header of a proxy, the socket as well unless it was handed on. */
void net_preface_free(struct preface *p); /* accepts NULL */

#endif
