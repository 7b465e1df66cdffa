/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The PIN latch: a wrong PIN, or auth value of a TPM key, is tried once, by any instance, across restarts.
 * The latch is a file in the state directory that names the key and holds a salted HMAC of what was refused;
 * a changed one clears it. No PIN at all (a token with a keypad of its own) is latched as an empty one.
 */
#ifndef DAEMON_KEY_LATCH_H
#define DAEMON_KEY_LATCH_H

#include "base/bytes.h"

/** True when @p pin was refused before for the key @p uri: do not try it. Blocks on disk. */
bool latch_is_set(const char *directory, const char *uri, struct pke_bytes pin);

/** Remember that @p pin was refused. False when it could not be made durable (then the key stays locked in
 * memory only). */
bool latch_set(const char *directory, const char *uri, struct pke_bytes pin);

/**
 * One process at a time presents a secret to the key @p uri: from before latch_is_set() until after
 * latch_set(), so that two instances cannot learn the same at the same time. Waits up to @p wait_ms.
 * @return a descriptor for latch_unlock(), or -1 when another process has it for that long. A directory that
 * cannot be written gives -2, with which it goes on without.
 */
int latch_lock(const char *directory, const char *uri, unsigned wait_ms);
void latch_unlock(int fd); /* accepts -1 and -2 */

/** Forget. */
void latch_clear(const char *directory, const char *uri);

#endif
