/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The header that a proxy sends before a connection: PROXY protocol version 2, the binary form (haproxy
 * doc/proxy-protocol.txt 2.2). Version 1, a line of text, is refused. A pure function over bytes.
 */
#ifndef DAEMON_NET_PROXYPROTO_H
#define DAEMON_NET_PROXYPROTO_H

#include "base/bytes.h"
#include "daemon/common/netaddr.h"

#define PROXYPROTO_FIXED 16            /* signature, command, family, length */
#define PROXYPROTO_MAX   (16u + 4096u) /* with the addresses and what a proxy adds as TLVs */

enum proxyproto_result {
    PROXYPROTO_MORE, /* *need more bytes at least; never more than belong to the header */
    PROXYPROTO_DONE,
    PROXYPROTO_BAD, /* *why says what; close */
};

struct proxyproto {
    bool has_source;       /* false: the proxy's own connection (LOCAL), or a family without an address */
    struct netaddr source; /* of the client */
};

/**
 * Read the header from all bytes that arrived so far. TLVs are skipped: their lengths have to fit.
 * @param need  with MORE: how many bytes to read next; reading no more leaves what follows in the socket
 */
enum proxyproto_result proxyproto_read(struct pke_bytes in, size_t *need, struct proxyproto *ret,
                                       const char **why);

#endif
