/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * `key pause` outlives the processes of the key and the daemon: a file of the key's name in the state
 * directory. All functions block on disk.
 */
#ifndef DAEMON_KEY_PAUSE_H
#define DAEMON_KEY_PAUSE_H

#include <stdbool.h>

bool pause_is_set(const char *directory, const char *key);

/** False when it could not be made durable. */
bool pause_set(const char *directory, const char *key);

/** False when it is still there. */
bool pause_clear(const char *directory, const char *key);

#endif
