/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The control API over TCP, for frontends on another machine: TLS with a client certificate that the section
 * frontends has the fingerprint of. Off unless control-tls-address is set. Nobody is an operator here,
 * whatever certificate he shows.
 */
#ifndef DAEMON_CONTROL_TLS_LISTENER_H
#define DAEMON_CONTROL_TLS_LISTENER_H

#include <openssl/ssl.h>

#include "daemon/control/peer.h"

#define TLS_CONNS_MAX \
    24 /* of all connections: who has no certificate yet must not take the place of operators */

struct frontends;

/** What a configuration needs of it; fd -1 and ctx NULL: it is off. */
struct tls_listener {
    int fd; /* listening; -1: as before */
    SSL_CTX *ctx;
    char *address; /* as the configuration has it */
};

/**
 * Read certificate and key, and bind, unless @p now listens there already. Blocks on disk.
 * @return PKE_OK, or PKE_CONFIG naming the file or address.
 */
enum pke_err tls_listener_open(const struct conf_global *g, const struct tls_listener *now,
                               struct tls_listener *ret, struct pke_fail *fail);
void tls_listener_close(struct tls_listener *l);

/**
 * Who showed this certificate: a frontend, or nobody (roles 0) when its fingerprint is no frontend's or it is
 * not valid now. The handshake has proven that he holds its key.
 */
void tls_listener_peer(SSL *ssl, const struct frontends *frontends, struct peer *ret);

#endif
