/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A small bounded element tree in an arena, built by libxml2's SAX2 push parser with one reused context.
 * Refused before or while parsing: DOCTYPE, entities other than the five, processing instructions, comments
 * inside leaf values, text next to child elements (no value is ever assembled from parts that another reader
 * would see differently), undeclared prefixes, encodings other than UTF-8, XML 1.1, NUL, every limit of
 * proto/limits.h. A UTF-8 byte order mark is skipped. CDATA sections are text.
 *
 * One thread only. Nothing here blocks, logs or reads a clock.
 */
#ifndef PROTO_XMLTREE_H
#define PROTO_XMLTREE_H

#include "base/arena.h"
#include "base/bytes.h"

/**
 * Prepare libxml2 for this process: allocation that aborts when out of memory and overwrites every block
 * before it is freed or moved (its input buffer holds the credentials of a request), an external entity
 * loader that always fails, and no output on stderr. Call it before any other use of libxml2; later calls do
 * nothing. xml_parser_new() and provdoc_write() call it themselves.
 */
void xml_global_init(void);

/** Bytes that libxml2 holds now and held at most since the last xml_memory_peak_reset(). */
size_t xml_memory_used(void);
size_t xml_memory_peak(void);
void xml_memory_peak_reset(void);

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
    const char *text; /* character data of a leaf, CDATA included; "" for an element with children */
    size_t text_len;
    unsigned line; /* where its start tag ends, from 1 */
};

struct xml_parser;
struct xml_parser *xml_parser_new(void);
void xml_parser_free(struct xml_parser *p); /* accepts NULL */

/** Whether the text of @p n (named and linked to its parents, content not read yet) is a secret. */
typedef bool xml_secret_fn(const struct xml_node *n);

/**
 * Keep the text of the elements that @p is_secret names in the parser's own memory instead of the arena: left
 * out of core dumps, valid until xml_parser_wipe() or the next xml_parse().
 */
void xml_parser_secrets(struct xml_parser *p, xml_secret_fn *is_secret);

/** Overwrite the secret texts of the last document. Its nodes that pointed there must not be read any more.
 */
void xml_parser_wipe(struct xml_parser *p);

/** The secret text of @p n for editing in place by who parsed it; NULL when @p n holds no secret. */
char *xml_secret_text(const struct xml_parser *p, const struct xml_node *n);

/** @return PKE_OK and the root element; PKE_MALFORMED or PKE_LIMIT with the rule. */
enum pke_err xml_parse(struct xml_parser *p, struct pke_bytes doc, struct pke_arena *arena,
                       struct xml_node **ret, struct pke_fail *fail);

/** Allow @p total attributes in a document instead of LIMIT_XML_ATTR_TOTAL: for files of the operator. */
void xml_parser_attributes(struct xml_parser *p, unsigned total);

/** The line, from 1, where the last xml_parse() stopped when it refused. */
unsigned xml_parser_line(const struct xml_parser *p);

/** First child element with this name; NULL. */
struct xml_node *xml_child(const struct xml_node *n, const char *ns, const char *name);
/** Next sibling with the same namespace and name as @p n; NULL. */
struct xml_node *xml_next_same(const struct xml_node *n);
/** Attribute by local name in any namespace (documentation and clients disagree on its prefix); NULL. */
const char *xml_attr_any_ns(const struct xml_node *n, const char *name);
/** Text without leading and trailing white space (SP HT CR LF), in @p arena. "" when empty. */
const char *xml_text_trimmed(const struct xml_node *n, struct pke_arena *arena);

/** True when @p text is "" or white space (SP HT CR LF) only. */
bool xml_is_blank(const char *text, size_t n);

/** Well-formed UTF-8 of characters that XML 1.0 can carry (2.2), white space included. */
bool xml_text_valid(const char *text);

/**
 * Append with &<>"' escaped, and HT, CR, LF as character references so that no reader normalises them; bytes
 * that XML cannot carry become '?'. For text and attribute values.
 */
enum pke_err xml_escape(struct pke_buf *out, const char *text);

/** Append <name>escaped text</name>; @p name is ours. */
enum pke_err xml_add_element(struct pke_buf *out, const char *name, const char *text);

#endif
