/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Small lists in an arena: name/value pairs, strings, byte strings. Appending is amortised; nothing is ever
 * removed.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/arena.h"
#include "base/bytes.h"

struct pke_pair {
    const char *name;
    const char *value;
};

/** Ordered name/value list, names may repeat. */
struct pke_pairs {
    struct pke_pair *v;
    size_t n;
};

/** List of strings. */
struct pke_strings {
    char **v;
    size_t n;
};

/** List of byte strings. */
struct pke_blobs {
    struct pke_bytes *v;
    size_t n;
};

/** Append; both strings are copied to @p arena. */
void pke_pairs_add(struct pke_pairs *list, struct pke_arena *arena, const char *name, const char *value);

/** First value of @p name, NULL when absent. */
const char *pke_pairs_get(const struct pke_pairs *list, const char *name);

void pke_strings_add(struct pke_strings *list, struct pke_arena *arena, const char *s);
bool pke_strings_has(const struct pke_strings *list, const char *s);

void pke_blobs_add(struct pke_blobs *list, struct pke_arena *arena, struct pke_bytes b);

#endif
