/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Back-off after wrong passwords, per user and per source: the fifth failure of a user and the twentieth of a
 * source (many users may share an address) block for one second, every further one twice as long, up to five
 * minutes. What comes while blocked is refused and not counted. Ten minutes without a failure forget.
 *
 * All auth workers share one table: a file in the state directory, mapped by each and locked with flock(2)
 * for the microseconds of one look-up (the kernel drops the lock of a worker that dies). The names in it are
 * under a key of this run of the daemon, so that a file left by an earlier run holds nothing that could
 * match.
 */
#ifndef DAEMON_AUTH_BACKOFF_H
#define DAEMON_AUTH_BACKOFF_H

#include "base/bytes.h"

#define BACKOFF_USER_LIMIT   5
#define BACKOFF_SOURCE_LIMIT 20
#define BACKOFF_FIRST_MS     1000
#define BACKOFF_MAX_MS       300000
#define BACKOFF_FORGET_MS    600000

enum backoff_kind { BACKOFF_USER, BACKOFF_SOURCE };

struct backoff;

/** Open or make the table. @p key: the assertion key, which only auth and issuer have; another one is
 * derived. */
enum pke_err backoff_open(const char *path, struct pke_bytes key, struct backoff **ret,
                          struct pke_fail *fail);
void backoff_close(struct backoff *b); /* accepts NULL */

/** Is @p name (any text; bounded memory) to be refused at @p now_ms (CLOCK_MONOTONIC)? May wait for another
 * worker. */
bool backoff_blocked(struct backoff *b, enum backoff_kind kind, const char *name, uint64_t now_ms);

/** Count a failure that was not blocked. */
void backoff_failed(struct backoff *b, enum backoff_kind kind, const char *name, uint64_t now_ms);

/** Forget @p name. For users only: with one account of his own, an attacker would free his source. */
void backoff_forgive(struct backoff *b, enum backoff_kind kind, const char *name);

/** How long the failure number @p failures blocks, in ms. */
uint64_t backoff_delay(enum backoff_kind kind, unsigned failures);

#endif
