/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Certificates as credentials (MS-MDE2 3.4.4.1.1.1.2 AuthPolicy Certificate): which ones an endpoint trusts,
 * and who they stand for. Whether the client holds the key is not asked here.
 */
#ifndef DAEMON_AUTH_CERTIFICATE_H
#define DAEMON_AUTH_CERTIFICATE_H

#include "base/arena.h"
#include "daemon/auth/core.h"

/** The credential-ca and credential-crl files of all endpoints. */
struct certificates;

/** Read them. @p conf is borrowed. Blocks on disk. @return PKE_OK, or PKE_CONFIG naming the file. */
enum pke_err certificates_open(const struct conf *conf, struct certificates **ret, struct pke_fail *fail);
void certificates_close(struct certificates *c); /* accepts NULL */

/** Read each credential-crl again that changed; one that cannot be read leaves the old state, which ends by
 * itself at its nextUpdate, and is logged. Blocks on disk. */
void certificates_refresh(struct certificates *c);

/**
 * May @p der authenticate at @p endpoint at @p now (seconds)? It must be one whole certificate below
 * credential-ca, in force, with a key of at least 112 bits of security, for TLS clients by its extended key
 * usage, for signatures if it has a key usage, no CA, and not on credential-crl.
 * @return PKE_OK; PKE_UNAUTHENTICATED; PKE_STORE_DOWN (the endpoint has credential-crl, and there is none in
 * force).
 */
enum pke_err certificate_trust(const struct certificates *c, const struct conf_endpoint *endpoint,
                               struct pke_bytes der, int64_t now, struct pke_fail *fail);

/**
 * Who it stands for. The principal is what certificate-principal says, one text of 1 to 320 characters. The
 * id is "x509:" and the SHA-256, in hexadecimal, over the DER of issuer and subject (and, when the subject is
 * empty, the subject alternative name): a CA gives a name to one subject, so the id stays when the
 * certificate is renewed with another key, and is another one below another CA. Attributes:
 * certificate-sha256, and upn when it has one UPN.
 * @return PKE_OK or PKE_UNAUTHENTICATED.
 */
enum pke_err certificate_identity(const struct conf_endpoint *endpoint, struct pke_bytes der,
                                  struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail);

#endif
