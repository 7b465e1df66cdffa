/* SPDX-License-Identifier: Apache-2.0 */
/* Request envelopes: structure, WS-Addressing header, stage. */
#include "proto/soap.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "proto/limits.h"
#include "proto/ns.h"
#include "proto/soap_security.h"

struct soap_parser {
    struct xml_parser *xml;
};

struct soap_parser *soap_parser_new(void)
{
    struct soap_parser *p = pke_calloc(1, sizeof *p);

    p->xml = xml_parser_new();
    xml_parser_secrets(p->xml, soap_is_secret);
    return p;
}

void soap_parser_free(struct soap_parser *p)
{
    if (!p)
        return;
    xml_parser_free(p->xml);
    free(p);
}

void soap_request_wipe(struct soap_parser *p)
{
    xml_parser_wipe(p->xml);
}

static bool is_element(const struct xml_node *n, const char *ns, const char *name)
{
    return strcmp(n->name, name) == 0 && strcmp(n->ns, ns) == 0;
}

static enum pke_err malformed(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, reason, rule, "%s", text);
}

/* Where an element may stand whose place decides what a request means (attacks A01). */
static bool is_misplaced(const struct xml_node *n)
{
    static const struct {
        const char *ns, *name, *parent_ns, *parent;
    } places[] = {
        {NS_SOAP, "Envelope", NULL, NULL},         {NS_SOAP, "Header", NS_SOAP, "Envelope"},
        {NS_SOAP, "Body", NS_SOAP, "Envelope"},    {NS_WSSE, "Security", NS_SOAP, "Header"},
        {NS_XCEP, "GetPolicies", NS_SOAP, "Body"}, {NS_WST, "RequestSecurityToken", NS_SOAP, "Body"},
    };

    for (size_t i = 0; i < PKE_LEN(places); i++)
        if (is_element(n, places[i].ns, places[i].name))
            return places[i].parent
                       ? !n->parent || !is_element(n->parent, places[i].parent_ns, places[i].parent)
                       : n->parent != NULL;
    return false;
}

struct id_list {
    const char *v[LIMIT_XML_ATTR_TOTAL];
    size_t n;
};

/* wsu:Id, xml:id and the bare Id, ID, id of XML signatures are one name space for who resolves a reference.
 */
static bool has_doubled_id(const struct xml_node *n, struct id_list *seen)
{
    for (const struct xml_attr *a = n->attrs; a; a = a->next) {
        if (strcasecmp(a->name, "Id") != 0 || !*a->value ||
            (*a->ns && strcmp(a->ns, NS_WSU) != 0 && strcmp(a->ns, NS_XML) != 0))
            continue;
        for (size_t i = 0; i < seen->n; i++)
            if (strcmp(seen->v[i], a->value) == 0)
                return true;
        if (seen->n == PKE_LEN(seen->v))
            return true;
        seen->v[seen->n++] = a->value;
    }
    return false;
}

static const struct xml_node *next_in_document(const struct xml_node *n)
{
    if (n->first)
        return n->first;
    while (n && !n->next)
        n = n->parent;
    return n ? n->next : NULL;
}

static enum pke_err check_positions(const struct xml_node *root, struct pke_fail *fail)
{
    struct id_list ids = {.n = 0};

    for (const struct xml_node *n = root; n; n = next_in_document(n)) {
        if (is_misplaced(n))
            return malformed(fail, "soap-misplaced", "SOAP 1.2 Part 1 5",
                             "An element of the envelope stands in a wrong place");
        if (has_doubled_id(n, &ids))
            return malformed(fail, "soap-doubled-id", "WSS SOAP Message Security 1.0 4",
                             "Two elements have the same Id");
    }
    return PKE_OK;
}

struct parts {
    const struct xml_node *header; /* NULL: none */
    const struct xml_node *body;
};

/* Envelope = Header?, Body (SOAP 1.2 Part 1 5.1). */
static enum pke_err read_envelope(const struct xml_node *root, struct parts *ret, struct pke_fail *fail)
{
    const struct xml_node *n = root->first;

    if (!is_element(root, NS_SOAP, "Envelope"))
        return malformed(fail, "soap-envelope", "SOAP 1.2 Part 1 5.1",
                         "The document is not a SOAP 1.2 envelope");
    if (n && is_element(n, NS_SOAP, "Header")) {
        ret->header = n;
        n = n->next;
    }
    if (!n || n->next || !is_element(n, NS_SOAP, "Body"))
        return malformed(fail, "soap-body", "SOAP 1.2 Part 1 5.1",
                         "The envelope is not an optional Header and one Body");
    ret->body = n;
    return PKE_OK;
}

/* A WS-Addressing header that must not repeat (WS-Addressing 1.0 SOAP Binding 3.2); *ret NULL when absent. */
static enum pke_err read_addressing(const struct xml_node *header, const char *name, struct pke_arena *arena,
                                    const char **ret, struct pke_fail *fail)
{
    const struct xml_node *n = header ? xml_child(header, NS_WSA, name) : NULL;

    *ret = NULL;
    if (!n)
        return PKE_OK;
    if (xml_next_same(n) || n->first)
        return pke_fail_set(fail, PKE_MALFORMED, "wsa-header", "WS-Addressing 1.0 SOAP Binding 3.2",
                            "The header %s is doubled or not a text", name);
    *ret = xml_text_trimmed(n, arena);
    if (!**ret)
        *ret = NULL;
    return PKE_OK;
}

/* Echoed in every answer and written to logs: bounded, one line, no white space (IRIs have none). */
static bool message_id_valid(const char *id)
{
    if (strlen(id) > LIMIT_MESSAGE_ID)
        return false;
    for (; *id; id++)
        if ((unsigned char)*id <= 0x20 || *id == 0x7f)
            return false;
    return true;
}

static enum pke_err read_message_id(const struct xml_node *header, struct pke_arena *arena, const char **ret,
                                    struct pke_fail *fail)
{
    const char *id;
    enum pke_err err = read_addressing(header, "MessageID", arena, &id, fail);

    if (err != PKE_OK)
        return err;
    if (id && !message_id_valid(id))
        return malformed(fail, "wsa-message-id", "WS-Addressing 1.0 Core 3.2",
                         "The MessageID is too long or not a URI");
    *ret = id;
    return PKE_OK;
}

static bool must_understand(const struct xml_node *block, struct pke_arena *arena)
{
    for (const struct xml_attr *a = block->attrs; a; a = a->next) {
        struct xml_node value = {.text = a->value, .text_len = strlen(a->value)};
        const char *text;

        if (strcmp(a->name, "mustUnderstand") != 0 || strcmp(a->ns, NS_SOAP) != 0)
            continue;
        text = xml_text_trimmed(&value, arena);
        return strcmp(text, "0") != 0 && strcmp(text, "false") != 0;
    }
    return false;
}

static enum pke_err check_understood(const struct xml_node *header, struct pke_arena *arena,
                                     struct pke_fail *fail)
{
    for (const struct xml_node *n = header->first; n; n = n->next)
        if (must_understand(n, arena) && strcmp(n->ns, NS_WSA) != 0 && !is_element(n, NS_WSSE, "Security") &&
            !is_element(n, NS_DIAG, "ActivityId"))
            return malformed(fail, "soap-must-understand", "SOAP 1.2 Part 1 5.2.3",
                             "A header that must be understood is unknown");
    return PKE_OK;
}

static enum pke_err read_security(const struct soap_parser *p, const struct xml_node *header,
                                  struct pke_arena *arena, struct soap_credential *ret, struct pke_fail *fail)
{
    const struct xml_node *n = xml_child(header, NS_WSSE, "Security");

    if (!n)
        return PKE_OK;
    if (xml_next_same(n))
        return pke_fail_set(fail, PKE_INVALID_SECURITY, "wsse-doubled", "WSS SOAP Message Security 1.0 5",
                            "The request has more than one Security header");
    return soap_security_read(p->xml, n, arena, ret, fail);
}

/* The one child of Body that decides the stage; AdditionalContext beside GetPolicies is in Microsoft's own
 * sample (mdm.md 5.1). */
static enum pke_err read_stage(const struct xml_node *body, struct soap_request *ret, struct pke_fail *fail)
{
    const struct xml_node *found = NULL;
    unsigned extra = 0;

    for (const struct xml_node *n = body->first; n; n = n->next) {
        if (is_element(n, NS_AUTH, "AdditionalContext"))
            extra++;
        else if (found)
            return malformed(fail, "soap-body-children", "WS-I Basic Profile 2.0 R9980",
                             "The Body has more than one request");
        else
            found = n;
    }
    if (!found)
        return malformed(fail, "soap-body-empty", "SOAP 1.2 Part 1 5.3", "The Body is empty");
    if (is_element(found, NS_XCEP, "GetPolicies"))
        ret->stage = SOAP_GET_POLICIES;
    else if (is_element(found, NS_WST, "RequestSecurityToken") && !extra)
        ret->stage = SOAP_REQUEST_SECURITY_TOKEN;
    else
        return malformed(fail, "soap-body-unknown", "MS-MDE2 3.4.4.1", "The Body holds an unknown request");
    ret->body = found;
    return PKE_OK;
}

static enum pke_err check_action(const struct soap_request *r, struct pke_fail *fail)
{
    const char *want = r->stage == SOAP_GET_POLICIES ? SOAP_ACTION_GET_POLICIES : SOAP_ACTION_RST;

    if (r->action && strcmp(r->action, want) != 0)
        return malformed(fail, "wsa-action", "MS-MDE2 3.4.4.1.1.1", "The Action is not that of the Body");
    return PKE_OK;
}

static enum pke_err read_header(const struct soap_parser *p, const struct xml_node *header,
                                struct pke_arena *arena, struct soap_request *r, struct pke_fail *fail)
{
    enum pke_err err = read_addressing(header, "Action", arena, &r->action, fail);

    if (err == PKE_OK)
        err = read_addressing(header, "To", arena, &r->to, fail);
    if (err == PKE_OK && header)
        err = check_understood(header, arena, fail);
    if (err == PKE_OK && header)
        err = read_security(p, header, arena, &r->credential, fail);
    return err;
}

enum pke_err soap_request_parse(struct soap_parser *p, struct pke_bytes body, struct pke_arena *arena,
                                struct soap_request *ret, struct pke_fail *fail)
{
    struct soap_request r = {.message_id = NULL};
    struct parts parts = {NULL, NULL};
    struct xml_node *root = NULL;
    enum pke_err err;

    *ret = r;
    err = xml_parse(p->xml, body, arena, &root, fail);
    if (err != PKE_OK)
        return err;
    /* The MessageID first: a refusal of what follows can then relate to the request. */
    if (is_element(root, NS_SOAP, "Envelope"))
        err = read_message_id(xml_child(root, NS_SOAP, "Header"), arena, &r.message_id, fail);
    ret->message_id = r.message_id;
    if (err == PKE_OK)
        err = read_envelope(root, &parts, fail);
    if (err == PKE_OK)
        err = check_positions(root, fail);
    if (err == PKE_OK)
        err = read_header(p, parts.header, arena, &r, fail);
    if (err == PKE_OK)
        err = read_stage(parts.body, &r, fail);
    if (err == PKE_OK)
        err = check_action(&r, fail);
    if (err == PKE_OK)
        *ret = r;
    else
        soap_request_wipe(p);
    return err;
}
