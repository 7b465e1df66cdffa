/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_SIZE 16384

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

struct pke_arena {
    struct block *head; /* the block that is being filled; older ones follow */
};

static struct block *block_new(size_t size, struct block *next)
{
    struct block *b = pke_malloc(sizeof *b + size);

    b->next = next;
    b->size = size;
    b->used = 0;
    return b;
}

struct pke_arena *pke_arena_new(void)
{
    struct pke_arena *a = pke_calloc(1, sizeof *a);

    a->head = block_new(BLOCK_SIZE, NULL);
    return a;
}

static void free_chain(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void pke_arena_free(struct pke_arena *a)
{
    if (!a)
        return;
    free_chain(a->head);
    free(a);
}

void pke_arena_reset(struct pke_arena *a)
{
    free_chain(a->head);
    a->head = block_new(BLOCK_SIZE, NULL);
}

void *pke_arena_alloc(struct pke_arena *a, size_t n)
{
    size_t align = alignof(max_align_t);
    size_t size = (n + align - 1) / align * align;
    void *p;

    if (size < n)
        pke_oom();
    if (a->head->size - a->head->used < size)
        a->head = block_new(size > BLOCK_SIZE ? size : BLOCK_SIZE, a->head);
    p = a->head->data + a->head->used;
    a->head->used += size;
    return memset(p, 0, size);
}

char *pke_arena_str(struct pke_arena *a, struct pke_bytes b)
{
    char *p = pke_arena_alloc(a, b.n + 1);

    if (b.n)
        memcpy(p, b.p, b.n);
    return p;
}

char *pke_arena_strdup(struct pke_arena *a, const char *s)
{
    return pke_arena_str(a, pke_bytes_str(s));
}

struct pke_bytes pke_arena_bytes(struct pke_arena *a, struct pke_bytes b)
{
    return PKE_BYTES(pke_arena_str(a, b), b.n);
}

char *pke_arena_printf(struct pke_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    char *p;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = pke_arena_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}
