/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The revoked certificates of one issuer in memory, 56 octets each, so that a CRL is made without asking the
 * ledger for all of them again. Pure: changes go in, in any number; entries in the order of their serials
 * come out.
 */
#ifndef DAEMON_ISSUER_CRL_LIST_H
#define DAEMON_ISSUER_CRL_LIST_H

#include "base/bytes.h"
#include "ledger/crl.h"

struct crl_row {
    int64_t change, revoked_at, not_after; /* the times in seconds */
    uint8_t serial[20], serial_n;
    uint8_t reason;
    bool released;
};

struct crl_list {
    struct crl_row *rows; /* the first n_sorted by serial, one of each; behind them what came since */
    size_t n, n_sorted, cap;
    int64_t change; /* the last one that is in it */
};

void crl_list_done(struct crl_list *l);

/** Take a change; O(1). */
void crl_list_add(struct crl_list *l, const struct ledger_revocation *r);

/** What need not be in any further CRL. */
struct crl_horizon {
    int64_t full_this_update, full_change; /* of the last full CRL; 0: none yet */
    int64_t base_change;                   /* of the oldest one that a delta could be made for */
};

/**
 * Merge what came since, and let go of what has been told for good: an expired certificate after a full CRL
 * of later than its end had it (RFC 5280 3.3), a released one after the base of every delta.
 */
void crl_list_settle(struct crl_list *l, const struct crl_horizon *h);

/**
 * Append the entries of @p max rows from *at on to @p out, move *at (at first 0, l->n_sorted: all are done)
 * and add to the counts: those that are revoked; or, with @p delta, what changed after
 * @p after, released ones as removed. Only after crl_list_settle(). PKE_LIMIT when @p out is full;
 * PKE_INTERNAL when nothing else: rows that have no encoding are left out and counted in *bad.
 */
enum pke_err crl_list_encode(const struct crl_list *l, bool delta, int64_t after, size_t max, size_t *at,
                             struct pke_buf *out, uint64_t *entries, uint64_t *bad);

/** How many are revoked. */
size_t crl_list_revoked(const struct crl_list *l);

#endif
