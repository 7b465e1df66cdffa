/* SPDX-License-Identifier: Apache-2.0 */
/** @file Events on their way from the issuer to a receiver. net carries: what an answer means is the issuer's
 * business (daemon/issuer/outbox.h). */
#ifndef DAEMON_NET_EVENTS_H
#define DAEMON_NET_EVENTS_H

#include "daemon/net/net.h"

/** MSG_EVENT: send it to its receiver; the issuer hears MSG_EVENT_DONE. Never blocks. */
void event_deliver(struct net *net, const struct ipc_frame *f);

#endif
