/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <string.h>

/* Room for one more element. The capacity is the next power of two, so it is full only when n is one (or
 * zero). */
static void *grow(struct pke_arena *arena, void *old, size_t n, size_t size)
{
    void *v;

    if (n & (n - 1))
        return old;
    v = pke_arena_alloc(arena, (n ? 2 * n : 1) * size);
    if (n)
        memcpy(v, old, n * size);
    return v;
}

void pke_pairs_add(struct pke_pairs *list, struct pke_arena *arena, const char *name, const char *value)
{
    list->v = grow(arena, list->v, list->n, sizeof *list->v);
    list->v[list->n++] = (struct pke_pair){pke_arena_strdup(arena, name), pke_arena_strdup(arena, value)};
}

const char *pke_pairs_get(const struct pke_pairs *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i].name, name) == 0)
            return list->v[i].value;
    return NULL;
}

void pke_strings_add(struct pke_strings *list, struct pke_arena *arena, const char *s)
{
    list->v = grow(arena, list->v, list->n, sizeof *list->v);
    list->v[list->n++] = pke_arena_strdup(arena, s);
}

bool pke_strings_has(const struct pke_strings *list, const char *s)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], s) == 0)
            return true;
    return false;
}

void pke_blobs_add(struct pke_blobs *list, struct pke_arena *arena, struct pke_bytes b)
{
    list->v = grow(arena, list->v, list->n, sizeof *list->v);
    list->v[list->n++] = pke_arena_bytes(arena, b);
}
