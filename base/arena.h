/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One arena per request: what is parsed from it lives and dies together. Secrets never go in: see
 * base/secret.h.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct pke_arena;

/** New empty arena. Never NULL. */
struct pke_arena *pke_arena_new(void);

/** Release everything at once. Accepts NULL. */
void pke_arena_free(struct pke_arena *a);

/** Release what was allocated but keep one block for the next request. */
void pke_arena_reset(struct pke_arena *a);

/** Zeroed memory, aligned for any type. Never NULL. */
void *pke_arena_alloc(struct pke_arena *a, size_t n);

/** Copies with a NUL appended. pke_arena_str(a, empty range) gives "". */
char *pke_arena_str(struct pke_arena *a, struct pke_bytes b);
char *pke_arena_strdup(struct pke_arena *a, const char *s);
char *pke_arena_printf(struct pke_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct pke_bytes pke_arena_bytes(struct pke_arena *a, struct pke_bytes b);

#endif
