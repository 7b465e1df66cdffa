/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/text.h"

#include <stdint.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool policy_text_same(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool policy_text_starts(const char *s, const char *prefix)
{
    while (*prefix && lower(*s) == lower(*prefix)) {
        s++;
        prefix++;
    }
    return *prefix == '\0';
}

/* The character at *s (valid UTF-8), and step over it. */
static uint32_t next_char(const unsigned char **s)
{
    uint32_t c = *(*s)++;
    unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

    if (more)
        c &= 0x3fu >> more;
    while (more--)
        c = c << 6 | (*(*s)++ & 0x3f);
    return c;
}

/*
 * What a person or a name comparison cannot see, or reads in another order: controls, format characters,
 * line separators, private use (U+F000 separates values in Windows' certificate search), noncharacters.
 */
static bool unusable(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
                  {0x115f, 0x1160}, {0x180e, 0x180e}, {0x200b, 0x200f},   {0x2028, 0x202e},
                  {0x2060, 0x206f}, {0x3164, 0x3164}, {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},
                  {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};

    for (size_t i = 0; i < PKE_LEN(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return (c & 0xfffe) == 0xfffe;
}

bool policy_text_valid(const char *text, size_t max)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = 0;

    if (!text || !*text || !pke_utf8_valid(pke_bytes_str(text)))
        return false;
    if (text[0] == ' ' || text[strlen(text) - 1] == ' ')
        return false;
    while (*s) {
        if (unusable(next_char(&s)) || ++n > max)
            return false;
    }
    return true;
}
