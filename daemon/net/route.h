/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Which endpoint a request is for: exact bytes of the path, on the listener that it came in by.
 */
#ifndef DAEMON_NET_ROUTE_H
#define DAEMON_NET_ROUTE_H

#include "daemon/common/http.h"
#include "daemon/net/snapshot.h"

/** The endpoint at @p path on listener @p listener; NULL: 404. The query never counts. */
struct net_endpoint *route_find(struct snapshot *s, const char *listener, struct pke_bytes path);

/** What the method is answered with: 0 to go on, or 405 (MDM endpoints take POST only). */
unsigned route_method(const struct http_request *req);

#endif
