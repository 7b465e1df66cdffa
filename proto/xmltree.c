/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tree builder on libxml2's SAX2 push interface.
 *
 * One parser context serves many documents (xmlCtxtResetPush). It is thrown away after a refused document, so
 * that nothing of half a document can reach the next one, and when its dictionary, which outlives a reset,
 * has grown: clients choose what goes in there.
 *
 * Where secrets stay: their text goes straight into the vault, a mapping of its own that xml_parser_wipe()
 * overwrites; libxml2's input buffer is overwritten when freed (xmlmem.c), which xml_parser_wipe() forces.
 * The caller's copy of the body is the caller's to wipe; up to 300 bytes of a text can remain in dead stack
 * frames of libxml2's character loop.
 */
#include "proto/xmltree.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "proto/limits.h"
#include "proto/xmlscan.h"

#define VAULT_SIZE      (LIMIT_XML_BODY + 2 * LIMIT_XML_ELEMENTS)
#define NS_CACHE        16
#define DICT_STRINGS    1024
#define PARSER_OPTIONS  (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
#define ATTRIBUTE_PARTS 5 /* local name, prefix, namespace, start, end */

struct xml_parser {
    xmlParserCtxtPtr ctxt;
    bool holds_input; /* ctxt has the last document's bytes in its buffer */
    unsigned attributes, line;
    xml_secret_fn *is_secret;
    char *vault;
    size_t vault_used;
    struct pke_buf text; /* of the open leaf, when it is no secret */

    /* the document being parsed */
    struct pke_arena *arena;
    struct pke_fail *fail;
    enum pke_err err;
    struct xml_node *root, *current;
    unsigned depth, elements;
    bool commented[LIMIT_XML_DEPTH + 1]; /* a comment stood in the element open at this depth */
    bool secret;                         /* the open leaf goes to the vault, from vault_start on */
    size_t vault_start;
    struct {
        const xmlChar *key; /* dictionary string: compared by address */
        const char *copy;
    } ns[NS_CACHE];
    unsigned ns_count;
};

static void refuse(struct xml_parser *p, enum pke_err err, const char *reason, const char *rule,
                   const char *text)
{
    if (p->err != PKE_OK)
        return;
    p->err = pke_fail_set(p->fail, err, reason, rule, "%s", text);
    p->line = (unsigned)xmlSAX2GetLineNumber(p->ctxt);
    xmlStopParser(p->ctxt);
}

static struct pke_bytes leaf_text(const struct xml_parser *p)
{
    if (p->secret)
        return PKE_BYTES(p->vault + p->vault_start, p->vault_used - p->vault_start);
    return pke_buf_bytes(&p->text);
}

static void leaf_begin(struct xml_parser *p, bool secret)
{
    pke_buf_clear(&p->text);
    p->secret = secret;
    p->vault_start = p->vault_used;
}

/* An element with children has no text of its own: two readers could assemble it differently. */
static void leaf_must_be_blank(struct xml_parser *p)
{
    struct pke_bytes text = leaf_text(p);

    if (!xml_is_blank((const char *)text.p, text.n))
        refuse(p, PKE_MALFORMED, "xml-mixed-content", "MS-MDE2 3.4.4.1.1.1",
               "Text stands next to a child element");
}

static void on_characters(void *user, const xmlChar *ch, int len)
{
    struct xml_parser *p = user;
    size_t n = (size_t)len;

    if (p->err != PKE_OK || !p->current)
        return;
    if (leaf_text(p).n + n > LIMIT_XML_TEXT || (p->secret && p->vault_used + n >= VAULT_SIZE)) {
        refuse(p, PKE_LIMIT, "xml-text", "limits: text of an element", "The text of an element is too long");
    } else if (p->secret) {
        memcpy(p->vault + p->vault_used, ch, n);
        p->vault_used += n;
    } else {
        (void)pke_buf_add(&p->text, ch, n); /* its maximum was checked above */
    }
}

/* A copy of a namespace name; the few of one document are shared by all its nodes. */
static const char *copy_ns(struct xml_parser *p, const xmlChar *ns)
{
    char *copy;

    if (!ns)
        return "";
    for (unsigned i = 0; i < p->ns_count; i++)
        if (p->ns[i].key == ns)
            return p->ns[i].copy;
    copy = pke_arena_strdup(p->arena, (const char *)ns);
    if (p->ns_count < NS_CACHE) {
        p->ns[p->ns_count].key = ns;
        p->ns[p->ns_count++].copy = copy;
    }
    return copy;
}

/* SAX2 hands '&' of a value over as "&#38;" (made for tree building) and nothing else as a reference. */
static const char *copy_value(struct pke_arena *arena, const xmlChar *start, const xmlChar *end)
{
    char *value = pke_arena_str(arena, PKE_BYTES(start, (size_t)(end - start)));
    char *to = strchr(value, '&');

    if (!to)
        return value;
    for (const char *from = to; *from; from++) {
        *to++ = *from;
        if (*from == '&' && strncmp(from, "&#38;", 5) == 0)
            from += 4;
    }
    *to = '\0';
    return value;
}

static void add_attributes(struct xml_parser *p, struct xml_node *n, int count, const xmlChar **part)
{
    struct xml_attr **at = &n->attrs;

    for (int i = 0; i < count; i++, part += ATTRIBUTE_PARTS) {
        struct xml_attr *a = pke_arena_alloc(p->arena, sizeof *a);

        a->name = pke_arena_strdup(p->arena, (const char *)part[0]);
        a->ns = copy_ns(p, part[2]);
        a->value = copy_value(p->arena, part[3], part[4]);
        *at = a;
        at = &a->next;
    }
}

static void link_node(struct xml_parser *p, struct xml_node *n)
{
    n->parent = p->current;
    if (!p->current)
        p->root = n;
    else if (p->current->last)
        p->current->last->next = n;
    else
        p->current->first = n;
    if (p->current)
        p->current->last = n;
    p->current = n;
}

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns, int ns_count,
                     const xmlChar **ns_list, int attr_count, int defaulted, const xmlChar **attrs)
{
    struct xml_parser *p = user;
    struct xml_node *n;

    (void)prefix;
    (void)ns_count;
    (void)ns_list;
    (void)defaulted;
    if (p->err != PKE_OK)
        return;
    leaf_must_be_blank(p);
    if (p->depth == LIMIT_XML_DEPTH)
        refuse(p, PKE_LIMIT, "xml-depth", "limits: depth", "The elements are nested too deeply");
    if (p->elements == LIMIT_XML_ELEMENTS)
        refuse(p, PKE_LIMIT, "xml-elements", "limits: elements", "The document has too many elements");
    if (p->err != PKE_OK)
        return;
    p->elements++;
    p->commented[++p->depth] = false;
    n = pke_arena_alloc(p->arena, sizeof *n);
    n->name = pke_arena_strdup(p->arena, (const char *)name);
    n->ns = copy_ns(p, ns);
    n->text = "";
    n->line = (unsigned)xmlSAX2GetLineNumber(p->ctxt);
    add_attributes(p, n, attr_count, attrs);
    link_node(p, n);
    leaf_begin(p, p->is_secret && p->is_secret(n));
}

static void finish_leaf(struct xml_parser *p, struct xml_node *n)
{
    struct pke_bytes text = leaf_text(p);

    if (p->commented[p->depth]) {
        refuse(p, PKE_MALFORMED, "xml-comment-in-value", "MS-MDE2 3.4.4.1.1.1",
               "A comment stands inside a value");
    } else if (p->secret) {
        n->text = p->vault + p->vault_start;
        n->text_len = text.n;
        p->vault[p->vault_used++] = '\0';
    } else if (text.n) {
        n->text = pke_arena_str(p->arena, text);
        n->text_len = text.n;
    }
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns)
{
    struct xml_parser *p = user;

    (void)name;
    (void)prefix;
    (void)ns;
    if (p->err != PKE_OK || !p->current)
        return;
    if (p->current->first)
        leaf_must_be_blank(p);
    else
        finish_leaf(p, p->current);
    p->current = p->current->parent;
    p->depth--;
    leaf_begin(p, false);
}

static void on_comment(void *user, const xmlChar *text)
{
    struct xml_parser *p = user;

    (void)text;
    p->commented[p->depth] = true;
}

/* xml_scan() refuses the next four before libxml2 sees them; they stand here in case the two ever disagree.
 */
static void on_doctype(void *user, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    (void)name;
    (void)public_id;
    (void)system_id;
    refuse(user, PKE_MALFORMED, "xml-doctype", "SOAP 1.2 Part 1 5",
           "A document type declaration is not allowed");
}

static void on_pi(void *user, const xmlChar *target, const xmlChar *data)
{
    (void)target;
    (void)data;
    refuse(user, PKE_MALFORMED, "xml-pi", "SOAP 1.2 Part 1 5", "A processing instruction is not allowed");
}

static void on_reference(void *user, const xmlChar *name)
{
    (void)name;
    refuse(user, PKE_MALFORMED, "xml-entity", "XML 1.0 4.1", "An entity reference is not allowed");
}

static xmlEntityPtr on_get_entity(void *user, const xmlChar *name)
{
    on_reference(user, name);
    return NULL;
}

static xmlParserCtxtPtr new_context(struct xml_parser *p)
{
    xmlSAXHandler sax = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_characters,
        .ignorableWhitespace = on_characters,
        .cdataBlock = on_characters,
        .comment = on_comment,
        .processingInstruction = on_pi,
        .internalSubset = on_doctype,
        .externalSubset = on_doctype,
        .reference = on_reference,
        .getEntity = on_get_entity,
    };

    return xmlCreatePushParserCtxt(&sax, p, NULL, 0, NULL);
}

static void drop_context(struct xml_parser *p)
{
    if (p->ctxt)
        xmlFreeParserCtxt(p->ctxt);
    p->ctxt = NULL;
}

struct xml_parser *xml_parser_new(void)
{
    struct xml_parser *p = pke_calloc(1, sizeof *p);

    xml_global_init();
    p->vault = mmap(NULL, VAULT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->vault == MAP_FAILED)
        pke_oom();
    (void)madvise(p->vault, VAULT_SIZE, MADV_DONTDUMP);
    pke_buf_init(&p->text, LIMIT_XML_TEXT);
    p->attributes = LIMIT_XML_ATTR_TOTAL;
    return p;
}

void xml_parser_free(struct xml_parser *p)
{
    if (!p)
        return;
    xml_parser_wipe(p);
    drop_context(p);
    munmap(p->vault, VAULT_SIZE);
    pke_buf_done(&p->text);
    free(p);
}

void xml_parser_secrets(struct xml_parser *p, xml_secret_fn *is_secret)
{
    p->is_secret = is_secret;
}

void xml_parser_attributes(struct xml_parser *p, unsigned total)
{
    p->attributes = total;
}

unsigned xml_parser_line(const struct xml_parser *p)
{
    return p->line;
}

void xml_parser_wipe(struct xml_parser *p)
{
    if (p->vault_used)
        explicit_bzero(p->vault, p->vault_used);
    p->vault_used = 0;
    if (p->ctxt && p->holds_input)
        xmlCtxtReset(p->ctxt); /* frees the input buffer, and freeing overwrites */
    p->holds_input = false;
}

char *xml_secret_text(const struct xml_parser *p, const struct xml_node *n)
{
    if (n->text < p->vault || n->text >= p->vault + p->vault_used)
        return NULL;
    return p->vault + (n->text - p->vault);
}

static void begin(struct xml_parser *p, struct pke_arena *arena, struct pke_fail *fail)
{
    xml_parser_wipe(p);
    if (p->ctxt && xmlDictSize(p->ctxt->dict) > DICT_STRINGS)
        drop_context(p);
    if (!p->ctxt || xmlCtxtResetPush(p->ctxt, NULL, 0, NULL, NULL) != 0) {
        drop_context(p);
        p->ctxt = new_context(p);
    }
    if (!p->ctxt)
        pke_oom();
    (void)xmlCtxtUseOptions(p->ctxt, PARSER_OPTIONS);
    p->arena = arena;
    p->fail = fail;
    p->err = PKE_OK;
    p->root = p->current = NULL;
    p->depth = p->elements = p->ns_count = 0;
    leaf_begin(p, false);
}

static unsigned count_lines(const uint8_t *from, const uint8_t *to)
{
    unsigned n = 1;

    for (; from < to; from++)
        n += *from == '\n';
    return n;
}

/* The last error of libxml2 knows it best: the parser itself may have read on. */
static unsigned stopped_at(xmlParserCtxtPtr ctxt)
{
    int line = ctxt->lastError.line > 0 ? ctxt->lastError.line : xmlSAX2GetLineNumber(ctxt);

    return line > 0 ? (unsigned)line : 1;
}

enum pke_err xml_parse(struct xml_parser *p, struct pke_bytes doc, struct pke_arena *arena,
                       struct xml_node **ret, struct pke_fail *fail)
{
    struct pke_bytes in;
    enum pke_err err = xml_scan(doc, p->attributes, &in, fail);

    p->line = 1;
    if (err != PKE_OK) {
        p->line = count_lines(doc.p, in.p);
        return err;
    }
    begin(p, arena, fail);
    p->holds_input = true;
    (void)xmlParseChunk(p->ctxt, (const char *)in.p, (int)in.n, 1);
    if (p->err == PKE_OK)
        p->line = stopped_at(p->ctxt);
    if (p->err == PKE_OK && (!p->ctxt->wellFormed || !p->root || p->current))
        p->err = pke_fail_set(fail, PKE_MALFORMED, "xml-not-well-formed", "XML 1.0 2.1",
                              "The document is not well-formed XML (libxml2 error %d)", p->ctxt->errNo);
    if (p->err == PKE_OK && !p->ctxt->nsWellFormed)
        p->err = pke_fail_set(fail, PKE_MALFORMED, "xml-namespace", "Namespaces in XML 1.0 5",
                              "A namespace prefix is not declared or not valid");
    p->arena = NULL;
    p->fail = NULL;
    if (p->err == PKE_OK) {
        *ret = p->root;
        return PKE_OK;
    }
    p->root = p->current = NULL;
    err = p->err;
    xml_parser_wipe(p);
    drop_context(p);
    return err;
}
