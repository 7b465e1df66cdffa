/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/encode.h"
#include "base/mem.h"

#define CELL_MAX (64u << 10)

struct range {
    uint32_t first, last;
};

/* Unicode: bidirectional controls, zero width, separators, interlinear and tag characters, soft hyphen, BOM.
 */
static const struct range invisible[] = {
    {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},   {0x115f, 0x1160},
    {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
    {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_invisible(uint32_t cp)
{
    for (size_t i = 0; i < PKE_LEN(invisible); i++)
        if (cp >= invisible[i].first && cp <= invisible[i].last)
            return true;
    return false;
}

/* One character of UTF-8; its length, 0 when it is none. */
static size_t decode(struct pke_bytes s, uint32_t *cp)
{
    size_t n = s.p[0] < 0x80 ? 1 : s.p[0] < 0xe0 ? 2 : s.p[0] < 0xf0 ? 3 : 4;

    if (n > s.n)
        return 0;
    if (n == 1) {
        *cp = s.p[0];
        return 1;
    }
    if (!pke_utf8_valid(PKE_BYTES(s.p, n)))
        return 0;
    *cp = s.p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        *cp = *cp << 6 | (s.p[i] & 0x3f);
    return n;
}

static void escape_one(uint32_t cp, struct pke_bytes raw, struct pke_buf *out)
{
    if (cp == '\n')
        pke_buf_add_str(out, "\\n");
    else if (cp == '\t')
        pke_buf_add_str(out, "\\t");
    else if (cp == '\r')
        pke_buf_add_str(out, "\\r");
    else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        pke_buf_printf(out, "\\x%02x", cp);
    else if (is_invisible(cp))
        pke_buf_printf(out, "\\u{%04x}", cp);
    else
        pke_buf_add_bytes(out, raw);
}

void text_escape(struct pke_bytes s, struct pke_buf *out)
{
    while (s.n) {
        uint32_t cp;
        size_t n = decode(s, &cp);
        if (n) {
            escape_one(cp, PKE_BYTES(s.p, n), out);
        } else {
            pke_buf_printf(out, "\\x%02x", s.p[0]);
            n = 1;
        }
        s = PKE_BYTES(s.p + n, s.n - n);
    }
}

size_t text_width(const char *text)
{
    bool wide = MB_CUR_MAX > 1;
    struct pke_bytes s = pke_bytes_str(text);
    size_t width = 0;

    while (s.n) {
        uint32_t cp = '?';
        size_t n = decode(s, &cp);
        int w = wide && n ? wcwidth((wchar_t)cp) : 1;
        width += w < 0 ? 1 : (size_t)w;
        n = n ? n : 1;
        s = PKE_BYTES(s.p + n, s.n - n);
    }
    return width;
}

void text_table_init(struct text_table *t, size_t columns)
{
    *t = (struct text_table){.columns = columns};
}

void text_table_done(struct text_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct text_table){0};
}

void text_table_add(struct text_table *t, const char *s)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf b;

    pke_buf_init(&b, CELL_MAX);
    text_escape(pke_bytes_str(s && *s ? s : "-"), &b);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = pke_realloc(t->cells, t->cap * sizeof *t->cells);
    }
    t->cells[t->n++] = pke_strdup(pke_buf_cstr(&b));
}

static void pad(size_t n, FILE *out)
{
    for (; n; n--)
        fputc(' ', out);
}

void text_table_print(const struct text_table *t, bool bold, FILE *out)
{
    PKE_CLEANUP(pke_free_p) size_t *width = pke_calloc(t->columns, sizeof *width);

    for (size_t i = 0; i < t->n; i++) {
        size_t w = text_width(t->cells[i]);
        if (w > width[i % t->columns])
            width[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        if (bold && i == 0)
            fputs("\033[1m", out);
        fputs(t->cells[i], out);
        if (!last)
            pad(width[column] + 2 - text_width(t->cells[i]), out);
        if (last && bold && i + 1 == t->columns)
            fputs("\033[0m", out);
        if (last)
            fputc('\n', out);
    }
}
