/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/text.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"

#define NAME_TEXT_MAX 600

size_t ca_text_point(const uint8_t *p, uint32_t *ret)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    *ret = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 6 | (p[i] & 0x3f);
    return n;
}

static bool plain_point(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } refused[] = {
        {0x0000, 0x001f}, {0x007f, 0x009f},   /* controls */
        {0x061c, 0x061c}, {0x200b, 0x200f},   /* Arabic letter mark; zero width, directional marks */
        {0x2028, 0x202e}, {0x2060, 0x206f},   /* separators, bidirectional embeddings, overrides, isolates */
        {0xfdd0, 0xfdef}, {0xfeff, 0xfeff},   /* noncharacters; byte order mark */
        {0xfff9, 0xfffb}, {0xe0000, 0xe007f}, /* interlinear annotation; invisible tags */
    };

    for (size_t i = 0; i < PKE_LEN(refused); i++)
        if (c >= refused[i].first && c <= refused[i].last)
            return false;
    return (c & 0xfffe) != 0xfffe;
}

bool ca_text_plain(struct pke_bytes utf8, size_t *chars)
{
    size_t count = 0;
    uint32_t c;

    if (!pke_utf8_valid(utf8))
        return false;
    for (size_t i = 0; i < utf8.n; count++) {
        i += ca_text_point(utf8.p + i, &c);
        if (!plain_point(c))
            return false;
    }
    if (chars)
        *chars = count;
    return true;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ca_text_uri(struct pke_bytes uri)
{
    size_t i = 0;

    if (uri.n == 0 || uri.n > CA_URI_MAX || !is_alnum(uri.p[0]) || (uri.p[0] >= '0' && uri.p[0] <= '9'))
        return false;
    while (i < uri.n && (is_alnum(uri.p[i]) || memchr("+-.", uri.p[i], 3)))
        i++;
    if (i + 1 >= uri.n || uri.p[i] != ':')
        return false;
    for (i++; i < uri.n; i++) {
        if (uri.p[i] == '%' && !(i + 2 < uri.n && is_hex(uri.p[i + 1]) && is_hex(uri.p[i + 2])))
            return false;
        if (!is_alnum(uri.p[i]) && (uri.p[i] == 0 || !strchr("%-._~:/?#[]@!$&'()*+,;=", uri.p[i])))
            return false;
    }
    return true;
}

static const char *attribute_name(struct pke_bytes oid, char dotted[80])
{
    static const struct {
        const char *oid, *name;
    } known[] = {
        {"2.5.4.3", "CN"},
        {"2.5.4.5", "serialNumber"},
        {"2.5.4.6", "C"},
        {"2.5.4.7", "L"},
        {"2.5.4.8", "ST"},
        {"2.5.4.10", "O"},
        {"2.5.4.11", "OU"},
        {"0.9.2342.19200300.100.1.1", "UID"},
        {"0.9.2342.19200300.100.1.25", "DC"},
        {"1.2.840.113549.1.9.1", "emailAddress"},
    };

    if (!pke_oid_decode(oid, dotted, 80))
        return "?";
    for (size_t i = 0; i < PKE_LEN(known); i++)
        if (strcmp(known[i].oid, dotted) == 0)
            return known[i].name;
    return dotted;
}

static void add_value(struct pke_buf *out, const struct ca_der *v)
{
    bool text = v->tag == CA_DER_UTF8 || v->tag == CA_DER_PRINTABLE || v->tag == CA_DER_IA5;

    if (!text)
        pke_buf_add_u8(out, '#');
    for (size_t i = 0, n; i < v->value.n && !out->overflow; i += n) {
        const uint8_t *p = v->value.p + i;
        size_t left = v->value.n - i;

        n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        if (text && n <= left && ca_text_plain(PKE_BYTES(p, n), NULL) && !strchr(",=\\", *p)) {
            pke_buf_add(out, p, n);
            continue;
        }
        n = 1;
        pke_buf_printf(out, text ? "\\%02X" : "%02X", *p);
    }
}

const char *ca_text_name(struct pke_bytes name, struct pke_arena *arena)
{
    struct pke_cursor whole = pke_cursor_of(name), rdns, rdn, ava;
    struct ca_der type, value;
    struct pke_buf out;
    char dotted[80];
    const char *ret;

    pke_buf_init(&out, NAME_TEXT_MAX);
    if (ca_der_enter(&whole, CA_DER_SEQUENCE, &rdns))
        while (ca_der_enter(&rdns, CA_DER_SET, &rdn))
            while (ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) && ca_der_take_tag(&ava, CA_DER_OID, &type) &&
                   ca_der_take(&ava, &value)) {
                pke_buf_printf(&out, "%s%s=", out.n ? ", " : "", attribute_name(type.value, dotted));
                add_value(&out, &value);
            }
    ret = pke_arena_printf(arena, "%.*s%s", (int)out.n, out.n ? (const char *)out.p : "",
                           out.overflow ? "..." : "");
    pke_buf_done(&out);
    return ret;
}
