/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct pke_bytes pke_bytes_str(const char *s)
{
    return PKE_BYTES(s, s ? strlen(s) : 0);
}

bool pke_bytes_eq(struct pke_bytes a, struct pke_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool pke_bytes_eq_str(struct pke_bytes a, const char *s)
{
    return pke_bytes_eq(a, pke_bytes_str(s));
}

bool pke_bytes_eq_secret(struct pke_bytes a, struct pke_bytes b)
{
    volatile uint8_t diff = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff |= (uint8_t)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

struct pke_cursor pke_cursor_of(struct pke_bytes b)
{
    return (struct pke_cursor){b.p, b.p ? b.p + b.n : NULL};
}

size_t pke_cursor_left(const struct pke_cursor *c)
{
    return (size_t)(c->end - c->p);
}

bool pke_take(struct pke_cursor *c, size_t n, struct pke_bytes *ret)
{
    if (pke_cursor_left(c) < n)
        return false;
    *ret = PKE_BYTES(c->p, n);
    if (n)
        c->p += n;
    return true;
}

static bool take_int(struct pke_cursor *c, size_t n, uint64_t *ret)
{
    struct pke_bytes b;
    uint64_t v = 0;

    if (!pke_take(c, n, &b))
        return false;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | b.p[i];
    *ret = v;
    return true;
}

bool pke_take_u8(struct pke_cursor *c, uint8_t *ret)
{
    uint64_t v;
    return take_int(c, 1, &v) && (*ret = (uint8_t)v, true);
}

bool pke_take_u16(struct pke_cursor *c, uint16_t *ret)
{
    uint64_t v;
    return take_int(c, 2, &v) && (*ret = (uint16_t)v, true);
}

bool pke_take_u32(struct pke_cursor *c, uint32_t *ret)
{
    uint64_t v;
    return take_int(c, 4, &v) && (*ret = (uint32_t)v, true);
}

bool pke_take_u64(struct pke_cursor *c, uint64_t *ret)
{
    return take_int(c, 8, ret);
}

void pke_buf_init(struct pke_buf *b, size_t max)
{
    *b = (struct pke_buf){.max = max};
}

void pke_buf_done(struct pke_buf *b)
{
    free(b->p);
    *b = (struct pke_buf){0};
}

void pke_buf_wipe(struct pke_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    pke_buf_done(b);
}

void pke_buf_clear(struct pke_buf *b)
{
    b->n = 0;
    b->overflow = false;
}

struct pke_bytes pke_buf_bytes(const struct pke_buf *b)
{
    return PKE_BYTES(b->p, b->n);
}

/* Room for n more bytes and a NUL. Growth doubles, so that appending stays linear. */
static bool reserve(struct pke_buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 256;
    uint8_t *grown;

    if (b->overflow || n > b->max - b->n) {
        b->overflow = true;
        return false;
    }
    if (b->n + n + 1 <= b->cap)
        return true;
    while (cap < b->n + n + 1)
        cap *= 2;
    grown = pke_malloc(cap); /* not realloc: what it moves stays behind, and it may be a password */
    if (b->p) {
        memcpy(grown, b->p, b->n);
        explicit_bzero(b->p, b->cap);
        free(b->p);
    }
    b->p = grown;
    b->cap = cap;
    return true;
}

uint8_t *pke_buf_extend(struct pke_buf *b, size_t n)
{
    uint8_t *at;

    if (!reserve(b, n))
        return NULL;
    at = b->p + b->n;
    b->n += n;
    return at;
}

enum pke_err pke_buf_add(struct pke_buf *b, const void *p, size_t n)
{
    uint8_t *at = pke_buf_extend(b, n);

    if (!at)
        return PKE_LIMIT;
    if (n)
        memcpy(at, p, n);
    return PKE_OK;
}

enum pke_err pke_buf_add_bytes(struct pke_buf *b, struct pke_bytes v)
{
    return pke_buf_add(b, v.p, v.n);
}

enum pke_err pke_buf_add_str(struct pke_buf *b, const char *s)
{
    return pke_buf_add(b, s, strlen(s));
}

enum pke_err pke_buf_printf(struct pke_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    uint8_t *at;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    at = n < 0 ? NULL : pke_buf_extend(b, (size_t)n);
    if (at)
        vsnprintf((char *)at, (size_t)n + 1, fmt, again); /* reserve() kept room for the NUL */
    va_end(again);
    return at ? PKE_OK : PKE_LIMIT;
}

static enum pke_err add_int(struct pke_buf *b, uint64_t v, size_t n)
{
    uint8_t raw[8];

    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    return pke_buf_add(b, raw, n);
}

enum pke_err pke_buf_add_u8(struct pke_buf *b, uint8_t v)
{
    return add_int(b, v, 1);
}

enum pke_err pke_buf_add_u16(struct pke_buf *b, uint16_t v)
{
    return add_int(b, v, 2);
}

enum pke_err pke_buf_add_u32(struct pke_buf *b, uint32_t v)
{
    return add_int(b, v, 4);
}

enum pke_err pke_buf_add_u64(struct pke_buf *b, uint64_t v)
{
    return add_int(b, v, 8);
}

void pke_buf_drop(struct pke_buf *b, size_t n)
{
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}

const char *pke_buf_cstr(struct pke_buf *b)
{
    if (!b->p || b->overflow)
        return "";
    b->p[b->n] = '\0';
    return (const char *)b->p;
}
