/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libxml2 2.9.14 takes a second for 20,000 attributes in one tag, accepts UTF-16, EBCDIC and Latin-1, and
 * reads document types. All of that is refused here, by a look at the bytes that costs next to nothing.
 */
#include "proto/xmlscan.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "proto/limits.h"

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_with(const struct pke_cursor *c, const char *s)
{
    size_t n = strlen(s);

    return pke_cursor_left(c) >= n && memcmp(c->p, s, n) == 0;
}

/* Move behind the next @p end; false when there is none. */
static bool skip_past(struct pke_cursor *c, const char *end)
{
    size_t n = strlen(end);
    const uint8_t *at = memmem(c->p, pke_cursor_left(c), end, n);

    if (!at)
        return false;
    c->p = at + n;
    return true;
}

/* name = "value" of the XML declaration; false when there is no further one. */
static bool take_pseudo_attr(struct pke_cursor *c, struct pke_bytes *name, struct pke_bytes *value)
{
    const uint8_t *start, *end;

    while (c->p < c->end && is_space(*c->p))
        c->p++;
    start = c->p;
    while (c->p < c->end && *c->p >= 'a' && *c->p <= 'z')
        c->p++;
    *name = PKE_BYTES(start, (size_t)(c->p - start));
    while (c->p < c->end && (is_space(*c->p) || *c->p == '='))
        c->p++;
    if (!name->n || c->p == c->end || (*c->p != '"' && *c->p != '\''))
        return false;
    end = memchr(c->p + 1, *c->p, (size_t)(c->end - c->p - 1));
    if (!end)
        return false;
    *value = PKE_BYTES(c->p + 1, (size_t)(end - c->p - 1));
    c->p = end + 1;
    return true;
}

/* <?xml version="1.0" encoding="utf-8"?> and nothing else (XML 1.0 2.8, 4.3.3); the grammar is libxml2's to
 * check. */
static enum pke_err scan_declaration(struct pke_cursor *c, struct pke_fail *fail)
{
    struct pke_cursor in = {c->p + 5, NULL};
    struct pke_bytes name, value;

    if (!skip_past(c, "?>"))
        return pke_fail_set(fail, PKE_MALFORMED, "xml-declaration", "XML 1.0 2.8",
                            "The XML declaration does not end");
    in.end = c->p - 2;
    while (take_pseudo_attr(&in, &name, &value)) {
        if (pke_bytes_eq_str(name, "version") && !pke_bytes_eq_str(value, "1.0"))
            return pke_fail_set(fail, PKE_MALFORMED, "xml-version", "XML 1.0 2.8",
                                "The XML version is not 1.0");
        if (pke_bytes_eq_str(name, "encoding") &&
            (value.n != 5 || strncasecmp((const char *)value.p, "utf-8", 5) != 0))
            return pke_fail_set(fail, PKE_MALFORMED, "xml-encoding", "MS-MDE2 2.1",
                                "The XML encoding is not UTF-8");
    }
    return PKE_OK;
}

static const bool tag_stop[256] = {['>'] = true, ['='] = true, ['"'] = true, ['\''] = true};

/* From behind '<' to behind '>', quotes respected: '>' and '=' are legal inside them. */
static bool scan_tag(struct pke_cursor *c, unsigned *equals)
{
    const uint8_t *p = c->p;

    for (;; p++) {
        while (p < c->end && !tag_stop[*p])
            p++;
        if (p == c->end)
            return false;
        if (*p == '>')
            break;
        if (*p == '=')
            ++*equals;
        else
            p = memchr(p + 1, *p, (size_t)(c->end - p - 1));
        if (!p)
            return false;
    }
    c->p = p + 1;
    return true;
}

/* Eight bytes at a time, because nearly every request passes here and goes no further. */
static bool is_ascii(struct pke_bytes b)
{
    uint64_t word, seen = 0;
    size_t i;

    for (i = 0; i + sizeof word <= b.n; i += sizeof word) {
        memcpy(&word, b.p + i, sizeof word);
        seen |= word;
    }
    for (; i < b.n; i++)
        seen |= b.p[i];
    return (seen & 0x8080808080808080u) == 0;
}

/* UTF-8 without NUL. */
static bool encoding_valid(struct pke_bytes doc)
{
    if (is_ascii(doc))
        return doc.n == 0 || !memchr(doc.p, 0, doc.n);
    return pke_utf8_valid(doc);
}

static enum pke_err scan_markup(struct pke_cursor *c, unsigned attributes, unsigned *total,
                                struct pke_fail *fail)
{
    unsigned equals = 0;

    if (starts_with(c, "<!--")) {
        if (skip_past(c, "-->"))
            return PKE_OK;
    } else if (starts_with(c, "<![CDATA[")) {
        if (skip_past(c, "]]>"))
            return PKE_OK;
    } else if (starts_with(c, "<!")) {
        return pke_fail_set(fail, PKE_MALFORMED, "xml-doctype", "SOAP 1.2 Part 1 5",
                            "A document type declaration is not allowed");
    } else if (starts_with(c, "<?")) {
        return pke_fail_set(fail, PKE_MALFORMED, "xml-pi", "SOAP 1.2 Part 1 5",
                            "A processing instruction is not allowed");
    } else if (c->p++, scan_tag(c, &equals)) {
        *total += equals;
        if (equals > LIMIT_XML_ATTRIBUTES || *total > attributes)
            return pke_fail_set(fail, PKE_LIMIT, "xml-attributes", "limits: attributes",
                                "The document has too many attributes");
        return PKE_OK;
    }
    return pke_fail_set(fail, PKE_MALFORMED, "xml-truncated", "XML 1.0 2.1", "The document is cut short");
}

enum pke_err xml_scan(struct pke_bytes doc, unsigned attributes, struct pke_bytes *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(doc);
    enum pke_err err = PKE_OK;
    unsigned total = 0;

    *ret = doc;
    if (doc.n > LIMIT_XML_BODY)
        return pke_fail_set(fail, PKE_LIMIT, "xml-size", "limits: body",
                            "The document is larger than %u bytes", LIMIT_XML_BODY);
    if (!encoding_valid(doc))
        return pke_fail_set(fail, PKE_MALFORMED, "xml-encoding", "MS-MDE2 2.1", "The document is not UTF-8");
    if (starts_with(&c, "\xef\xbb\xbf"))
        c.p += 3;
    *ret = PKE_BYTES(c.p, pke_cursor_left(&c));
    if (starts_with(&c, "<?xml") && pke_cursor_left(&c) > 5 && is_space(c.p[5]))
        err = scan_declaration(&c, fail);
    while (err == PKE_OK && c.p < c.end && (c.p = memchr(c.p, '<', pke_cursor_left(&c))) != NULL)
        err = scan_markup(&c, attributes, &total, fail);
    if (err != PKE_OK)
        *ret = PKE_BYTES(c.p, pke_cursor_left(&c));
    return err;
}
