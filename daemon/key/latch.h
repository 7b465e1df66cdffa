/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The PIN latch: a wrong PIN is tried once, by any instance, across restarts. The latch is a file in the
 * state directory that names the key and holds a salted HMAC of the refused PIN; a changed PIN clears it.
 */
#ifndef DAEMON_KEY_LATCH_H
#define DAEMON_KEY_LATCH_H

#include "base/bytes.h"

/** True when @p pin was refused before for the key @p uri: do not try it. Blocks on disk. */
bool latch_is_set(const char *directory, const char *uri, struct pke_bytes pin);

/** Remember that @p pin was refused. False when it could not be made durable (then the key stays locked in
 * memory only). */
bool latch_set(const char *directory, const char *uri, struct pke_bytes pin);

/** Forget. */
void latch_clear(const char *directory, const char *uri);

#endif
