/* SPDX-License-Identifier: Apache-2.0 */
/** @file Addresses and ranges of them, as options and proxies write them. Pure: no resolver, no sockets. */
#ifndef DAEMON_COMMON_NETADDR_H
#define DAEMON_COMMON_NETADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"

struct sockaddr;

#define NETADDR_TEXT 46 /* the longest IPv6 address with its end */

/** An address; one of IPv4 is kept as ::ffff:a.b.c.d, so that both families compare alike. */
struct netaddr {
    uint8_t v6[16];
};

/** Exactly one IP literal, without port, zone or brackets. False: it is none. */
bool netaddr_parse(struct pke_bytes text, struct netaddr *ret);

/** The address of an AF_INET or AF_INET6 socket; false for another family. */
bool netaddr_of(const struct sockaddr *sa, struct netaddr *ret);

/** "192.0.2.1" or "2001:db8::1". */
void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT]);

/** Is @p range an address or address/bits without bits set behind the prefix? */
bool netaddr_range_valid(const char *range);

/** Is the address in one of @p ranges (each valid)? */
bool netaddr_in(const struct netaddr *a, const struct pke_strings *ranges);

#endif
