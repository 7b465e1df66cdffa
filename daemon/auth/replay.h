/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Signed requests that were taken, for as long as their Timestamp would let them in again.
 *
 * A client that lost an answer may send the same bytes again and must get the same answer: the issuer's
 * idempotency gives it (same principal, same CSR, within retry-window: same certificate, no signature). So a
 * repetition is no attack by itself. What this table adds: one document is taken at most REPLAY_TIMES, and
 * never longer after its first time than retry-window, where the issuer would no longer recognise it. Only
 * RequestSecurityToken counts.
 *
 * All auth workers share one table, a file in the state directory, as in backoff.h; the names in it are under
 * a key of this run. When a set is full its oldest entry gives way: what was forgotten still meets the
 * issuer's idempotency.
 */
#ifndef DAEMON_AUTH_REPLAY_H
#define DAEMON_AUTH_REPLAY_H

#include "base/bytes.h"

#define REPLAY_TIMES 4 /* the first one and three repetitions */

struct replay;

/** Open or make the table. @p key: the assertion key; another one is derived. @return PKE_OK or PKE_CONFIG.
 */
enum pke_err replay_open(const char *path, struct pke_bytes key, struct replay **ret, struct pke_fail *fail);
void replay_close(struct replay *r); /* accepts NULL */

/**
 * Count one use of the document @p digest at @p now; it is remembered until @p until. All in seconds (wall
 * clock).
 * @p window: how long after its first use it may come again. May wait for another worker. False: refuse it.
 */
bool replay_take(struct replay *r, const uint8_t digest[32], int64_t now, int64_t until, int64_t window);

#endif
