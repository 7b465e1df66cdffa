/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Borrowed byte ranges, the read cursor over them, and a growable buffer with a hard maximum.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** A borrowed range; never owns. An absent value is {NULL, 0}. */
struct pke_bytes {
    const uint8_t *p;
    size_t n;
};

#define PKE_BYTES(ptr, len) ((struct pke_bytes){(const uint8_t *)(ptr), (len)})

/** Range over a C string, without its NUL. NULL gives an empty range. */
struct pke_bytes pke_bytes_str(const char *s);

/** Same length and content. Not constant time. */
bool pke_bytes_eq(struct pke_bytes a, struct pke_bytes b);

/** Same content as the C string @p s. */
bool pke_bytes_eq_str(struct pke_bytes a, const char *s);

/** Constant time in the content (the length is public). For MACs and token hashes. */
bool pke_bytes_eq_secret(struct pke_bytes a, struct pke_bytes b);

/** Read cursor: every take either succeeds wholly or returns false and leaves the cursor where it was. */
struct pke_cursor {
    const uint8_t *p;
    const uint8_t *end;
};

struct pke_cursor pke_cursor_of(struct pke_bytes b);
size_t pke_cursor_left(const struct pke_cursor *c);
bool pke_take(struct pke_cursor *c, size_t n, struct pke_bytes *ret);
bool pke_take_u8(struct pke_cursor *c, uint8_t *ret);
bool pke_take_u16(struct pke_cursor *c, uint16_t *ret); /* big endian, as all integers of ours */
bool pke_take_u32(struct pke_cursor *c, uint32_t *ret);
bool pke_take_u64(struct pke_cursor *c, uint64_t *ret);

/**
 * Growable buffer. @p max is set once; an append beyond it is refused as PKE_LIMIT and sets @p overflow,
 * which stays: a writer may append many times and test once at the end. Growing leaves no copy of the content
 * behind: with pke_buf_wipe() at its end a buffer may hold a secret.
 */
struct pke_buf {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max;
    bool overflow;
};

void pke_buf_init(struct pke_buf *b, size_t max);
void pke_buf_done(struct pke_buf *b);  /* frees; accepts a zeroed struct; leaves it zeroed */
void pke_buf_wipe(struct pke_buf *b);  /* overwrites the content, then as pke_buf_done */
void pke_buf_clear(struct pke_buf *b); /* keeps the memory and max */
struct pke_bytes pke_buf_bytes(const struct pke_buf *b);
enum pke_err pke_buf_add(struct pke_buf *b, const void *p, size_t n);
enum pke_err pke_buf_add_bytes(struct pke_buf *b, struct pke_bytes v);
enum pke_err pke_buf_add_str(struct pke_buf *b, const char *s);
enum pke_err pke_buf_printf(struct pke_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
enum pke_err pke_buf_add_u8(struct pke_buf *b, uint8_t v);
enum pke_err pke_buf_add_u16(struct pke_buf *b, uint16_t v);
enum pke_err pke_buf_add_u32(struct pke_buf *b, uint32_t v);
enum pke_err pke_buf_add_u64(struct pke_buf *b, uint64_t v);
/** Reserve @p n bytes at the end and return where to write them; NULL on overflow. Valid until the next
 * append. */
uint8_t *pke_buf_extend(struct pke_buf *b, size_t n);
/** Drop the first @p n bytes (n <= b->n). */
void pke_buf_drop(struct pke_buf *b, size_t n);
/** NUL-terminated view (the NUL is not counted in n); "" when empty or overflowed. */
const char *pke_buf_cstr(struct pke_buf *b);

#endif
