/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One request on an MDM endpoint, from its body to the reply: a table of steps per stage. A step goes on,
 * waits for an answer of another role, or refuses; a refusal is recorded by issuer before the client hears of
 * it, so that `request show TRACEID` finds it.
 */
#ifndef DAEMON_NET_TXN_H
#define DAEMON_NET_TXN_H

#include "daemon/net/net.h"

struct txn;

/** The reply's SOAP envelope, borrowed for the call. @p retry_ms: of a fault, when it is worth while to come
 * again; 0: no hint. May be called inside txn_start(). */
typedef void txn_done_fn(unsigned status, struct pke_bytes body, uint64_t retry_ms, void *arg);

struct txn_request {
    struct net_endpoint *endpoint; /* of net->snap */
    struct pke_bytes body;         /* borrowed for the call only: it may be wiped afterwards */
    const char *source;            /* client address without port; NULL on frontend listeners */
    /* DER of the certificate whose key the client holds (TLS), whoever issued it; empty: none. Borrowed as
     * body */
    struct pke_bytes client_certificate;
    struct pke_bytes assertion;           /* token of the frontend about the client; empty: none. Borrowed */
    const char *request_id, *traceparent; /* the frontend's names of the request; NULL: none. Borrowed */
    const struct pke_fail *refused;       /* the HTTP layer refuses already (body too large); NULL: go on */
    unsigned refused_status;              /* the HTTP status of that */
};

/** @return the transaction, or NULL when @p done was called already. */
struct txn *txn_start(struct net *net, const struct txn_request *req, txn_done_fn *done, void *arg);

/** The client is gone: what was asked for goes on (it may be durable already), nobody is told. */
void txn_forget(struct txn *t); /* accepts NULL */

#endif
