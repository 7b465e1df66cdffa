/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Which endpoint a request is for: exact bytes of the path, on the listener that it came in by; of a tenant
 * with hosts the Host field as well. This selects, and vouches for nothing: the credential has to be the
 * tenant's, which auth and issuer see to.
 */
#ifndef DAEMON_NET_ROUTE_H
#define DAEMON_NET_ROUTE_H

#include "daemon/common/http.h"
#include "daemon/net/snapshot.h"

/**
 * The endpoint that @p req asks for on listener @p listener. A host of a tenant (letters of either case,
 * a configured one without a port with any) reaches endpoints of this tenant only; the endpoints of a tenant
 * without hosts are reached by every other host. The query never counts.
 * @return NULL with *status 404 (nothing at this path), or 421 (something, by another host: RFC 9110
 *         15.5.20).
 */
struct net_endpoint *route_find(struct snapshot *s, const char *listener, const struct http_request *req,
                                unsigned *status);

/** What the method is answered with: 0 to go on, or 405 (MDM endpoints take POST only). */
unsigned route_method(const struct http_request *req);

#endif
