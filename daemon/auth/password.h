/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Password hashing with yescrypt (libxcrypt), and the short memory of passwords that were right.
 *
 * One cost for all: a hash of another cost is not accepted in the user file, because the time of an answer
 * would then tell whether a user exists.
 */
#ifndef DAEMON_AUTH_PASSWORD_H
#define DAEMON_AUTH_PASSWORD_H

#include "base/bytes.h"

#define PASSWORD_PREFIX   "$y$"
#define PASSWORD_COST     5         /* crypt_gensalt count */
#define PASSWORD_SETTING  "$y$j9T$" /* what that count gives: 4 MiB, some tens of milliseconds */
#define PASSWORD_MAX      511       /* bytes: libxcrypt refuses longer ones (CRYPT_MAX_PASSPHRASE_SIZE) */
#define PASSWORD_CACHE_MS 60000

struct password;

/** State of one process: a dummy hash, the cache and its key. Costs one hash. NULL when libxcrypt refuses. */
struct password *password_new(void);
void password_free(struct password *p); /* accepts NULL; wipes */

/** 1 to PASSWORD_MAX bytes of UTF-8 without control characters. */
bool password_valid(struct pke_bytes password);

/** Is it a hash of the one cost? */
bool password_hash_valid(const char *hash);

/** Hash for the user file into @p out; false when libxcrypt fails. @p out is a string. */
bool password_hash(struct pke_bytes password, char *out, size_t size);

/**
 * Compare with @p hash; NULL stands for an unknown or blocked user and is compared with the dummy. Exactly
 * one hash is computed in every case but a cache hit, which only a right password can make.
 */
bool password_verify(struct password *p, const char *user, struct pke_bytes password, const char *hash,
                     uint64_t now_ms);

/** Forget every right password. */
void password_forget(struct password *p);

#endif
