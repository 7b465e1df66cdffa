/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The schedule of certificate revocation lists, part of the issuer role: one state machine per issuing CA.
 */
#ifndef DAEMON_ISSUER_CRL_H
#define DAEMON_ISSUER_CRL_H

#include "daemon/issuer/issuer.h"

/**
 * Revocations of the issuer of this id (SHA-1 of its certificate) changed, and the change is committed: call
 * it from a change's done. A CRL follows after crl-delay. Any number of calls until then cost one CRL. An id
 * that no configured issuer has is none of our business.
 */
void crl_changed(struct issuer *is, struct pke_bytes issuer_id);

#endif
