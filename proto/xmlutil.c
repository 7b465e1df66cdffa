/* SPDX-License-Identifier: Apache-2.0 */
/* Looking around in a tree, and text on its way out. */
#include <string.h>

#include "proto/xmltree.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct xml_node *find_from(struct xml_node *n, const char *ns, const char *name)
{
    while (n && (strcmp(n->name, name) != 0 || strcmp(n->ns, ns) != 0))
        n = n->next;
    return n;
}

struct xml_node *xml_child(const struct xml_node *n, const char *ns, const char *name)
{
    return find_from(n->first, ns, name);
}

struct xml_node *xml_next_same(const struct xml_node *n)
{
    return find_from(n->next, n->ns, n->name);
}

const char *xml_attr_any_ns(const struct xml_node *n, const char *name)
{
    for (const struct xml_attr *a = n->attrs; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return a->value;
    return NULL;
}

bool xml_is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_space(text[i]))
            return false;
    return true;
}

const char *xml_text_trimmed(const struct xml_node *n, struct pke_arena *arena)
{
    const char *start = n->text;
    const char *end = n->text + n->text_len;

    while (start < end && is_space(*start))
        start++;
    while (end > start && is_space(end[-1]))
        end--;
    return start == end ? "" : pke_arena_str(arena, PKE_BYTES(start, (size_t)(end - start)));
}

/* Length of the well-formed UTF-8 sequence at @p s that XML 1.0 2.2 (Char) allows; 0 when there is none. */
static size_t char_length(const unsigned char *s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    uint32_t c;

    if (n == 0 || (n == 1 && s[0] < 0x20 && !is_space((char)s[0])))
        return 0;
    if (n == 1)
        return 1;
    c = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least[n] || (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff || c > 0x10ffff)
        return 0;
    return n;
}

bool xml_text_valid(const char *text)
{
    size_t n;

    for (const unsigned char *s = (const unsigned char *)text; *s; s += n) {
        n = char_length(s);
        if (n == 0)
            return false;
    }
    return true;
}

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

enum pke_err xml_escape(struct pke_buf *out, const char *text)
{
    enum pke_err err = PKE_OK;
    const char *s = text;
    const char *ref;
    size_t n;

    while (*s && err == PKE_OK) {
        for (n = 0; s[n] && !reference(s[n]) && char_length((const unsigned char *)s + n); n++)
            n += char_length((const unsigned char *)s + n) - 1;
        err = pke_buf_add(out, s, n);
        s += n;
        if (err != PKE_OK || !*s)
            break;
        ref = reference(*s);
        err = pke_buf_add_str(out, ref ? ref : "?");
        s++;
    }
    return err;
}

enum pke_err xml_add_element(struct pke_buf *out, const char *name, const char *text)
{
    (void)pke_buf_printf(out, "<%s>", name);
    (void)xml_escape(out, text);
    return pke_buf_printf(out, "</%s>", name);
}
