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

/** A hold that is known from an older list only ended, and the change is committed. */
void crl_carried_changed(struct issuer *is, struct pke_bytes issuer_id);

/** A configuration is in force: its issuers have lists. */
void crl_configured(struct issuer *is);
/** By timer: what is due. */
void crl_tick(struct issuer *is);
/** A key became ready: what failed for it is tried again. */
void crl_key_ready(struct issuer *is, const char *key);

/** Answer crl-list|show|publish; false when it is none of them. */
bool verbs_crl(struct issuer *is, uint64_t id, const struct msg_verb *v);
/**
 * What is wrong with the list of this issuer, in a sentence that begins with a small letter: "the CRL of lab
 * is late: ..."; NULL: it is current, its first one has time yet, or it has none. In @p arena.
 */
const char *crl_complaint(struct issuer *is, const char *name, struct pke_arena *arena);
/** What the metrics say of the lists: an array. */
json_t *crl_metrics(struct issuer *is);

#endif
