/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A small bounded element tree in an arena, built by libxml2's SAX2 push parser with one reused context.
 * Refused before or while parsing: DOCTYPE, entities other than the five, processing instructions, comments
 * inside leaf values, encodings other than UTF-8, XML 1.1, every limit of proto/limits.h.
 */
#ifndef PROTO_XMLTREE_H
#define PROTO_XMLTREE_H

#include "base/arena.h"
#include "base/bytes.h"

struct xml_attr {
    const char *ns; /* "" when unqualified */
    const char *name;
    const char *value;
    struct xml_attr *next;
};

struct xml_node {
    const char *ns; /* "" when in no namespace */
    const char *name;
    struct xml_attr *attrs;
    struct xml_node *parent, *first, *last, *next;
    const char *text; /* own character data, concatenated; "" when none */
    size_t text_len;
};

struct xml_parser;
struct xml_parser *xml_parser_new(void);
void xml_parser_free(struct xml_parser *p); /* accepts NULL */

/** @return PKE_OK and the root element; PKE_MALFORMED or PKE_LIMIT with the rule. */
enum pke_err xml_parse(struct xml_parser *p, struct pke_bytes doc, struct pke_arena *arena,
                       struct xml_node **ret, struct pke_fail *fail);

/** First child element with this name; NULL. */
struct xml_node *xml_child(const struct xml_node *n, const char *ns, const char *name);
/** Next sibling with the same namespace and name as @p n; NULL. */
struct xml_node *xml_next_same(const struct xml_node *n);
/** Attribute by local name in any namespace (documentation and clients disagree on its prefix); NULL. */
const char *xml_attr_any_ns(const struct xml_node *n, const char *name);
/** Text without leading and trailing white space (SP HT CR LF), in @p arena. "" when empty. */
const char *xml_text_trimmed(const struct xml_node *n, struct pke_arena *arena);

/** Append with &<>"' escaped; bytes that XML cannot carry become '?'. For text and attribute values. */
enum pke_err xml_escape(struct pke_buf *out, const char *text);

#endif
