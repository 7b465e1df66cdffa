/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char std_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int base64_value(uint8_t c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The last, incomplete group: its unused bits must be zero, or two texts would mean the same bytes. */
static bool finish_group(uint32_t acc, unsigned digits, unsigned pads, bool url, struct pke_buf *out)
{
    unsigned bytes = digits * 6 / 8;

    if (digits == 0)
        return pads == 0;
    if (digits == 1 || (!url && digits + pads != 4))
        return false;
    acc <<= 6 * (4 - digits);
    if (acc & ((1u << (8 * (3 - bytes))) - 1))
        return false;
    for (unsigned i = 0; i < bytes; i++)
        if (pke_buf_add_u8(out, (uint8_t)(acc >> (16 - 8 * i))) != PKE_OK)
            return false;
    return true;
}

enum pke_err pke_base64_decode(struct pke_bytes text, unsigned flags, struct pke_buf *out)
{
    bool url = flags & PKE_B64_URL;
    size_t start = out->n;
    uint32_t acc = 0;
    unsigned digits = 0, pads = 0;
    bool bad = false;

    for (size_t i = 0; i < text.n && !bad; i++) {
        uint8_t c = text.p[i];
        int v = base64_value(c, url);

        if ((flags & PKE_B64_WHITESPACE) && is_space(c))
            continue;
        if (c == '=' && !url && pads < 2) {
            pads++;
            continue;
        }
        bad = v < 0 || pads > 0;
        acc = acc << 6 | (uint32_t)(v & 63);
        if (!bad && ++digits == 4) {
            uint8_t *at = pke_buf_extend(out, 3);
            if (!at)
                break;
            at[0] = (uint8_t)(acc >> 16);
            at[1] = (uint8_t)(acc >> 8);
            at[2] = (uint8_t)acc;
            acc = digits = 0;
        }
    }
    bad = bad || !finish_group(acc, digits, pads, url, out);
    if (out->overflow || bad) {
        enum pke_err err = out->overflow ? PKE_LIMIT : PKE_MALFORMED;
        out->n = start;
        out->overflow = false;
        return err;
    }
    return PKE_OK;
}

enum pke_err pke_base64_encode(struct pke_bytes raw, unsigned flags, struct pke_buf *out)
{
    const char *alphabet = flags & PKE_B64_URL ? url_alphabet : std_alphabet;
    size_t tail = raw.n % 3;
    size_t chars = raw.n / 3 * 4 + (!tail ? 0 : flags & PKE_B64_URL ? tail + 1 : 4);
    uint8_t *at = pke_buf_extend(out, chars);
    size_t i = 0;

    if (!at)
        return PKE_LIMIT;
    for (; i + 3 <= raw.n; i += 3) {
        uint32_t v = (uint32_t)raw.p[i] << 16 | (uint32_t)raw.p[i + 1] << 8 | raw.p[i + 2];
        *at++ = (uint8_t)alphabet[v >> 18];
        *at++ = (uint8_t)alphabet[v >> 12 & 63];
        *at++ = (uint8_t)alphabet[v >> 6 & 63];
        *at++ = (uint8_t)alphabet[v & 63];
    }
    if (tail) {
        uint32_t v = (uint32_t)raw.p[i] << 16 | (tail == 2 ? (uint32_t)raw.p[i + 1] << 8 : 0);
        *at++ = (uint8_t)alphabet[v >> 18];
        *at++ = (uint8_t)alphabet[v >> 12 & 63];
        if (tail == 2)
            *at++ = (uint8_t)alphabet[v >> 6 & 63];
        if (!(flags & PKE_B64_URL))
            memset(at, '=', 3 - tail);
    }
    return PKE_OK;
}

void pke_hex(struct pke_bytes raw, bool upper, char *out)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (size_t i = 0; i < raw.n; i++) {
        *out++ = digits[raw.p[i] >> 4];
        *out++ = digits[raw.p[i] & 15];
    }
    *out = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool pke_hex_decode(struct pke_bytes text, uint8_t *out, size_t *out_n)
{
    if (text.n % 2 || text.n / 2 > *out_n)
        return false;
    for (size_t i = 0; i < text.n; i += 2) {
        int hi = hex_value(text.p[i]), lo = hex_value(text.p[i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    *out_n = text.n / 2;
    return true;
}

static bool put_arc(uint64_t arc, uint8_t *der, size_t *n)
{
    unsigned septets = 1;

    for (uint64_t v = arc >> 7; v; v >>= 7)
        septets++;
    if (*n + septets > PKE_OID_DER_MAX)
        return false;
    for (unsigned i = septets; i-- > 0;)
        der[(*n)++] = (uint8_t)((arc >> (7 * i) & 0x7f) | (i ? 0x80 : 0));
    return true;
}

static bool parse_arc(const char **s, uint64_t *ret)
{
    uint64_t v = 0;
    const char *c = *s;

    if (*c < '0' || *c > '9' || (*c == '0' && c[1] >= '0' && c[1] <= '9'))
        return false;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (v > (UINT64_MAX - (uint64_t)(*c - '0')) / 10)
            return false;
        v = v * 10 + (uint64_t)(*c - '0');
    }
    *s = c;
    *ret = v;
    return true;
}

bool pke_oid_encode(const char *dotted, uint8_t *der, size_t *n)
{
    uint64_t first, second, arc;

    *n = 0;
    if (!parse_arc(&dotted, &first) || first > 2 || *dotted++ != '.' || !parse_arc(&dotted, &second))
        return false;
    if ((first < 2 && second > 39) || second > UINT64_MAX - 80 || !put_arc(first * 40 + second, der, n))
        return false;
    while (*dotted == '.') {
        dotted++;
        if (!parse_arc(&dotted, &arc) || !put_arc(arc, der, n))
            return false;
    }
    return *dotted == '\0';
}

bool pke_oid_decode(struct pke_bytes der, char *dotted, size_t size)
{
    size_t at = 0, i = 0;
    bool first = true;

    if (der.n == 0)
        return false;
    while (i < der.n) {
        uint64_t arc = 0;
        int n;

        if (der.p[i] == 0x80)
            return false; /* leading zero septet: not minimal */
        do {
            if (i == der.n || arc >> 57)
                return false;
            arc = arc << 7 | (der.p[i] & 0x7f);
        } while (der.p[i++] & 0x80);
        if (first) {
            uint64_t top = arc < 40 ? 0 : arc < 80 ? 1 : 2;
            n = snprintf(dotted, size, "%" PRIu64 ".%" PRIu64, top, arc - top * 40);
        } else {
            n = snprintf(dotted + at, size - at, ".%" PRIu64, arc);
        }
        first = false;
        if (n < 0 || (size_t)n >= size - at)
            return false;
        at += (size_t)n;
    }
    return true;
}

void pke_uuid_format(const uint8_t raw[16], char *out)
{
    uint8_t b[16];
    char hex[33];

    memcpy(b, raw, 16);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    pke_hex(PKE_BYTES(b, 16), false, hex);
    snprintf(out, PKE_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool pke_uuid_valid(const char *text)
{
    for (int i = 0; i < PKE_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : hex_value((uint8_t)text[i]) < 0)
            return false;
    }
    return text[PKE_UUID_LEN] == '\0';
}

/* Length of the sequence at p (1..4), 0 when malformed. Table 3-7 of the Unicode standard. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lo = 0x80, hi = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return p[0] ? 1 : 0;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n > left)
        return 0;
    lo = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : lo;
    hi = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : hi;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

bool pke_utf8_valid(struct pke_bytes b)
{
    for (size_t i = 0, n; i < b.n; i += n)
        if (!(n = utf8_sequence(b.p + i, b.n - i)))
            return false;
    return true;
}
