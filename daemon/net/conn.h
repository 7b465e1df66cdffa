/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One client connection: bytes in, requests one after another, one write per reply, a deadline for every
 * state.
 */
#ifndef DAEMON_NET_CONN_H
#define DAEMON_NET_CONN_H

#include <sys/socket.h>

#include "daemon/net/listener.h"

/** Serve @p fd (owned from now on), accepted on @p l from @p peer. */
void net_conn_new(struct listener *l, int fd, const struct sockaddr *peer);

/** Close what is between two requests on listeners that are closed (all of them when net is stopping); a
 * connection that had none yet gets a moment for its first. */
void net_conns_close_idle(struct net *net);

#endif
