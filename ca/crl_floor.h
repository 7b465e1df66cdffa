/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The floor for revocation lists: what the key role signs as a CRL, whoever asks. Its own rules over the
 * decoded bytes; pure but for the number that the caller remembers.
 */
#ifndef CA_CRL_FLOOR_H
#define CA_CRL_FLOOR_H

#include "ca/issuer.h"

#define CA_CRL_LIFETIME_MAX (400 * 86400) /* seconds: no CRL may claim to be current for longer */

struct ca_crl_limits {
    int64_t max_lifetime; /* seconds from thisUpdate to nextUpdate, CA_CRL_LIFETIME_MAX at the most */
};

/**
 * May these TBSCertList bytes be signed at @p now (seconds)? @p last is the greatest number that was let
 * through, 0: none; it becomes this one's on success, also when signing fails later: a new attempt takes a
 * new number.
 * Refused: not DER or not a TBSCertList (floor-crl-der), too large (-size), not v2 (-version), foreign issuer
 * (-issuer), algorithm (-algorithm) or key identifier (-aki), no number or not a greater one (-number), a
 * base that is not smaller (-base), thisUpdate more than an hour ago or 5 minutes ahead (-this-update),
 * nextUpdate absent, in the past or later than the limit (-next-update), an extension that is not issued or
 * is critical when it must not be, or the other way round (-extension), an entry that is none
 * (-entry), entries not in ascending order of their serials, which says that none is there twice (-order),
 * "remove from CRL" in a full CRL (-remove).
 * @return PKE_OK or PKE_POLICY, reason "floor-crl-...".
 */
enum pke_err ca_crl_floor_check(const struct ca_issuer *ca, const struct ca_crl_limits *limits, int64_t *last,
                                struct pke_bytes tbs, int64_t now, struct pke_fail *fail);

#endif
