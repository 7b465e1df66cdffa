/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Bound sockets. A reload opens what is new before it takes effect, keeps what did not change, and closes the
 * rest; connections of a closed listener end after the request that they are in.
 */
#ifndef DAEMON_NET_LISTENER_H
#define DAEMON_NET_LISTENER_H

#include <event2/listener.h>
#include <openssl/ssl.h>

#include "daemon/common/uids.h"
#include "daemon/net/net.h"

struct listener {
    struct listener *next;
    unsigned refs; /* the set it is in, and its connections */
    struct net *net;
    struct conf *conf_owner; /* keeps conf alive */
    const struct conf_listener *conf;
    struct evconnlistener *ev; /* NULL: closed, no new connections */
    struct event *resume;      /* after an accept error */
    SSL_CTX *tls;              /* NULL on a plain listener */
    struct uids peers;         /* of conf->peer_uids */
    unsigned port;             /* bound port; 0 on a unix socket */
    uint64_t n_conns;
};

/** Sockets and TLS contexts for a configuration that is not served yet. */
struct listener_set;

/** Bind what is not bound yet, load certificates. Blocks on disk. PKE_CONFIG says what cannot be had. */
enum pke_err listeners_prepare(struct net *net, const struct conf *conf, struct listener_set **ret,
                               struct pke_fail *fail);
/** Accept on the set from now on (once net is open); what is not in it any more is closed. Takes the set
 * over. */
void listeners_commit(struct net *net, struct listener_set *set);
void listeners_abort(struct listener_set *set);

/** Accept from now on; until then connections wait in the queues of the sockets. */
void listeners_open(struct net *net);

/** Close every listening socket. */
void listeners_stop(struct net *net);

/** The listener in force with this name; NULL. */
struct listener *listener_find(const struct net *net, const char *name);

/** "127.0.0.1:8443", "[::1]:8443", "unix:PATH" or "socket:NAME, port 443"; the caller frees. */
char *listener_text(const struct listener *l);

/** A connection was accepted / has ended: counting, max-connections. */
void listener_conn_began(struct listener *l);
void listener_conn_ended(struct listener *l);

#endif
