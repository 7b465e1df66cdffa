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

/** Read each credential-crl again that changed, and nothing else: the CAs are as they were. One that cannot
 * be read leaves the old state, which ends by itself at its nextUpdate, and is logged. Blocks on disk. */
void certificates_refresh(struct certificates *c);

/** The CA that signed a certificate. */
struct certificate_issuer {
    bool known; /* false: the certificate itself is the anchor */
    uint8_t spki_sha256[32];
};

/**
 * May @p der authenticate at @p endpoint at @p now (seconds)? It must be one whole certificate below
 * credential-ca, in force, with a key of at least 112 bits of security, for TLS clients by its extended key
 * usage, for signatures if it has a key usage, no CA; and neither it nor a CA above it may be on
 * credential-crl. The self-signed certificates of credential-ca are the anchors, the others CAs below them;
 * in a file without self-signed ones each is an anchor.
 * @param issuer  set with PKE_OK
 * @return PKE_OK; PKE_UNAUTHENTICATED; PKE_STORE_DOWN (the endpoint has credential-crl, and there is none in
 * force).
 */
enum pke_err certificate_trust(const struct certificates *c, const struct conf_endpoint *endpoint,
                               struct pke_bytes der, int64_t now, struct certificate_issuer *issuer,
                               struct pke_fail *fail);

/**
 * Who it stands for. The principal is what certificate-principal says, one text of 1 to 320 characters. The
 * id is "x509:" and the SHA-256, in hexadecimal, over the DER of the issuer's name, the kind of principal as
 * the configuration spells it, a NUL, the principal, a NUL, and for subject-cn the DER of the subject's name.
 * So it stays when the CA certifies the same principal again, with another key or, unless that is the
 * principal, another subject; and it is another one below another CA, for another principal, and where the
 * configuration takes another kind. Attributes: ASSERTION_CERTIFICATE_SHA256, ASSERTION_ISSUER_SHA256 unless
 * the certificate itself is the anchor, and upn when it has one UPN.
 * @return PKE_OK or PKE_UNAUTHENTICATED.
 */
enum pke_err certificate_identity(const struct conf_endpoint *endpoint, struct pke_bytes der,
                                  const struct certificate_issuer *issuer, struct pke_arena *arena,
                                  struct auth_identity *ret, struct pke_fail *fail);

#endif
