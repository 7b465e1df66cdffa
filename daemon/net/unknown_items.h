/* SPDX-License-Identifier: Apache-2.0 */
/** @file Names of ContextItems that are in no document, so that the log tells each once: a new Windows sends
 * them. */
#ifndef DAEMON_NET_UNKNOWN_ITEMS_H
#define DAEMON_NET_UNKNOWN_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/limits.h"

#define UNKNOWN_ITEMS_MAX 32 /* clients choose the names: later ones are not told */

/** Those told so far by this process. Zeroed: none. */
struct unknown_items {
    char names[UNKNOWN_ITEMS_MAX][LIMIT_CONTEXT_NAME + 1];
    size_t n;
};

/** Is @p name unknown and to be told? It is so once, in any letter case, and never when there are too many.
 */
bool unknown_items_first(struct unknown_items *seen, const char *name);

#endif
