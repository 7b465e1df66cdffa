/* SPDX-License-Identifier: Apache-2.0 */
/** @file TLS of what listens on a network: what is offered, and nothing else. */
#ifndef DAEMON_COMMON_TLS_H
#define DAEMON_COMMON_TLS_H

#include <openssl/ssl.h>

#include "daemon/common/conf.h"

/**
 * A server context from the listener's PEM files. Blocks on disk: called while a configuration is prepared.
 * @return PKE_OK and *ret (SSL_CTX_free), or PKE_CONFIG naming the file that cannot be used.
 */
enum pke_err tls_context_new(const struct conf_listener *l, SSL_CTX **ret, struct pke_fail *fail);

/** Ask every client for a certificate and take any whose key is not dear to verify: who it is, the caller
 * looks up. */
void tls_context_ask_client(SSL_CTX *ctx);

#endif
