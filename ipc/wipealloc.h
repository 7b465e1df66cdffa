/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * An allocator that overwrites what it releases, for the JSON library at both ends of the control socket: the
 * library copies strings as it likes, and one of them is a password (`user add`).
 */
#ifndef IPC_WIPEALLOC_H
#define IPC_WIPEALLOC_H

#include <stddef.h>

/** Uninitialised memory. Never NULL: out of memory aborts. Release with wipe_free() only. */
void *wipe_malloc(size_t n);

/** Overwrite and release. Accepts NULL. */
void wipe_free(void *p);

#endif
