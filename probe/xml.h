/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Reading XML with libxml2's XPath, prefixes bound to namespaces once. Strings are copied to the caller's
 * arena.
 */
#ifndef PROBE_XML_H
#define PROBE_XML_H

#include <libxml/tree.h>

#include "base/arena.h"
#include "base/bytes.h"

/* Prefixes known to every expression: s SOAP 1.2, a WS-Addressing, u wsu, wsse, wst WS-Trust 1.3, x XCEP, e
 * WSTEP, d diagnostics, xsi. */
struct xml;

/** Parse without entities, DTD or network. NULL when it is not well-formed or carries a document type. */
struct xml *xml_open(struct pke_bytes text, struct pke_arena *arena);

/** Accepts NULL. */
void xml_close(struct xml *x);

xmlNode *xml_root(const struct xml *x);

/** Number of nodes of @p expression, relative to @p from (NULL: the document). */
size_t xml_count(struct xml *x, xmlNode *from, const char *expression);

/** First node of @p expression, NULL when there is none. */
xmlNode *xml_first(struct xml *x, xmlNode *from, const char *expression);

/** Text content of the first node, exactly as it stands; NULL when there is none. */
const char *xml_text(struct xml *x, xmlNode *from, const char *expression);

/** As xml_text without white space at both ends. */
const char *xml_trimmed(struct xml *x, xmlNode *from, const char *expression);

/** Attribute without a namespace; NULL when absent. */
const char *xml_attribute(struct xml *x, xmlNode *node, const char *name);

/** Whether any white space is in @p text. */
bool xml_has_space(const char *text);

#endif
