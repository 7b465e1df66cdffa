/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "probe/xml.h"

struct xml {
    xmlDoc *doc;
    xmlXPathContext *xpath;
    struct pke_arena *arena;
};

static const struct pke_pair prefixes[] = {
    {"s", "http://www.w3.org/2003/05/soap-envelope"},
    {"a", "http://www.w3.org/2005/08/addressing"},
    {"u", "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"},
    {"wsse", "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"},
    {"wst", "http://docs.oasis-open.org/ws-sx/ws-trust/200512"},
    {"x", "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"},
    {"e", "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"},
    {"d", "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"},
    {"xsi", "http://www.w3.org/2001/XMLSchema-instance"},
};

struct xml *xml_open(struct pke_bytes text, struct pke_arena *arena)
{
    xmlDoc *doc = xmlReadMemory((const char *)text.p, (int)text.n, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || doc->intSubset) {
        xmlFreeDoc(doc);
        return NULL;
    }
    struct xml *x = pke_calloc(1, sizeof *x);
    x->doc = doc;
    x->arena = arena;
    x->xpath = xmlXPathNewContext(doc);
    if (!x->xpath)
        pke_oom();
    for (size_t i = 0; i < PKE_LEN(prefixes); i++)
        if (xmlXPathRegisterNs(x->xpath, BAD_CAST prefixes[i].name, BAD_CAST prefixes[i].value) != 0)
            pke_oom();
    return x;
}

void xml_close(struct xml *x)
{
    if (!x)
        return;
    xmlXPathFreeContext(x->xpath);
    xmlFreeDoc(x->doc);
    free(x);
}

xmlNode *xml_root(const struct xml *x)
{
    return xmlDocGetRootElement(x->doc);
}

static xmlXPathObject *evaluate(struct xml *x, xmlNode *from, const char *expression)
{
    x->xpath->node = from ? from : (xmlNode *)x->doc;
    xmlXPathObject *found = xmlXPathEval(BAD_CAST expression, x->xpath);
    if (!found)
        pke_oom(); /* the expressions are ours: anything else would be a mistake of the program */
    return found;
}

size_t xml_count(struct xml *x, xmlNode *from, const char *expression)
{
    xmlXPathObject *found = evaluate(x, from, expression);
    size_t n = found->nodesetval ? (size_t)found->nodesetval->nodeNr : 0;
    xmlXPathFreeObject(found);
    return n;
}

xmlNode *xml_first(struct xml *x, xmlNode *from, const char *expression)
{
    xmlXPathObject *found = evaluate(x, from, expression);
    xmlNode *node = found->nodesetval && found->nodesetval->nodeNr ? found->nodesetval->nodeTab[0] : NULL;
    xmlXPathFreeObject(found);
    return node;
}

static const char *copy(struct xml *x, xmlChar *text)
{
    if (!text)
        return NULL;
    const char *copied = pke_arena_strdup(x->arena, (const char *)text);
    xmlFree(text);
    return copied;
}

const char *xml_text(struct xml *x, xmlNode *from, const char *expression)
{
    xmlNode *node = xml_first(x, from, expression);
    return node ? copy(x, xmlNodeGetContent(node)) : NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

const char *xml_trimmed(struct xml *x, xmlNode *from, const char *expression)
{
    const char *text = xml_text(x, from, expression);
    if (!text)
        return NULL;
    while (is_space(*text))
        text++;
    size_t n = strlen(text);
    while (n && is_space(text[n - 1]))
        n--;
    return pke_arena_str(x->arena, PKE_BYTES(text, n));
}

const char *xml_attribute(struct xml *x, xmlNode *node, const char *name)
{
    return node ? copy(x, xmlGetNoNsProp(node, BAD_CAST name)) : NULL;
}

bool xml_has_space(const char *text)
{
    for (; *text; text++)
        if (is_space(*text))
            return true;
    return false;
}
