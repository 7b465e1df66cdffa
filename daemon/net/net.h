/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The state of the net role that its parts share. One instance per process, on one event loop.
 */
#ifndef DAEMON_NET_NET_H
#define DAEMON_NET_NET_H

#include "daemon/common/rate.h"
#include "daemon/common/role.h"
#include "daemon/net/links.h"
#include "daemon/net/snapshot.h"
#include "daemon/net/unknown_items.h"
#include "proto/soap.h"

struct conn;
struct listener;
struct txn;

/** A listening socket of the service manager. It stays open here, so that a reload may begin or cease to use
 * it. */
struct passed_socket {
    struct passed_socket *next;
    char *name;
    int fd;
};

struct net {
    struct event_base *base;
    struct role *role; /* NULL in unit tests */
    struct links *links;
    struct event *look;            /* at the counters of calls */
    struct pke_buf told;           /* of them, to main */
    struct callouts *calls;        /* to programs of the administrator */
    struct snapshot *snap;         /* in force; NULL before the first commit */
    struct catalogue *catalogue;   /* the newest that issuer told */
    struct soap_parser *parser;    /* reused; holds a request's secrets until soap_request_wipe() */
    struct listener *listeners;    /* bound sockets of snap */
    struct passed_socket *passed;  /* what listeners with the option socket may use */
    struct conn *conns;            /* every client connection */
    size_t n_conns, n_txns;        /* txns may outlive their connection */
    struct txn *txn_started;       /* inside txn_start(): NULL again when it ended there */
    struct rates rates;            /* requests of each tenant */
    struct unknown_items unknown;  /* ContextItems that the log has told */
    bool open;                     /* connections are accepted: auth and issuer can be asked */
    struct event *patience;        /* opens without them */
    bool draining;                 /* MSG_DRAIN: requests are refused with InMaintenance */
    bool stopping;                 /* nothing is accepted any more */
    void (*idle)(struct net *net); /* a connection or transaction ended; NULL: nobody waits */
};

/** Tell whoever waits for the end that one more piece of work is done. */
void net_work_ended(struct net *net);

#endif
