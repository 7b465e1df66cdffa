/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/provfrag.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "proto/limits.h"

#define ROOT_OPEN  "<wap-provisioningdoc>" /* in the first line: numbers of lines stay those of the file */
#define ROOT_CLOSE "</wap-provisioningdoc>"
#define NAME_BYTES 255
#define MARKUP     64 /* bytes of an element beside its values, more than there ever are */
#define BOM        "\xef\xbb\xbf"

struct provfrag {
    struct pke_arena *arena;
    struct xml_node *root;
};

struct check {
    const char *provider_id;
    size_t size; /* of the text that it will become */
    unsigned line;
    struct pke_fail *fail;
};

/* MS-MDE2 2.2.9.1; a document with anything else fails as a whole. */
static const char *const allowed[] = {
    "RootCATrustedCertificates",     "DMClient",        "ClientCertificateInstall",
    "EnterpriseModernAppManagement", "PassportForWork", "Policy",
};

/* They have options, or are the daemon's to make. */
static const char *const taken[] = {
    "UPN",
    "EntDMID",
    "EntDeviceName",
    "HelpPhoneNumber",
    "HelpWebsite",
    "HelpEmailAddress",
    "RequireMessageSigning",
    "SyncApplicationVersion",
    "EnableOmaDmKeepAliveMessage",
    "AADResourceID",
    "ManagementServerAddressList",
    "Poll",
};

static const char *const datatypes[] = {"string", "integer", "boolean", "float", "date", "time", "bin"};

static bool is_in(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], s) == 0)
            return true;
    return false;
}

/* What has an option is found in any letter case: no other spelling of it may reach a client. */
static bool is_taken(const char *name)
{
    for (size_t i = 0; i < PKE_LEN(taken); i++)
        if (strcasecmp(taken[i], name) == 0)
            return true;
    return false;
}

static enum pke_err refuse(struct check *c, const struct xml_node *n, enum pke_err err, const char *reason,
                           const char *what)
{
    c->line = n->line;
    return pke_fail_set(c->fail, err, reason, "MS-MDE2 2.2.9.1", "%s", what);
}

static bool is_group(const struct xml_node *n)
{
    return strcmp(n->name, "characteristic") == 0;
}

static const char *type_of(const struct xml_node *n)
{
    return is_group(n) ? xml_attr_any_ns(n, "type") : NULL;
}

static size_t escaped_size(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += strchr("&<>\"'\t\r\n", *s) ? 6 : 1;
    return n;
}

static bool name_valid(const char *name)
{
    return name && *name && strlen(name) <= NAME_BYTES;
}

static enum pke_err check_attributes(struct check *c, const struct xml_node *n)
{
    static const char *const of_group[] = {"type"};
    static const char *const of_parm[] = {"name", "value", "datatype"};
    const char *datatype = xml_attr_any_ns(n, "datatype");

    for (const struct xml_attr *a = n->attrs; a; a = a->next) {
        if (*a->ns || !(is_group(n) ? is_in(a->name, of_group, PKE_LEN(of_group))
                                    : is_in(a->name, of_parm, PKE_LEN(of_parm))))
            return refuse(c, n, PKE_MALFORMED, "fragment-attribute",
                          "a characteristic has the attribute type, a parm has name, value and datatype");
        c->size += escaped_size(a->value);
    }
    if (!name_valid(xml_attr_any_ns(n, is_group(n) ? "type" : "name")))
        return refuse(c, n, PKE_MALFORMED, "fragment-name",
                      "the type of a characteristic or name of a parm is missing or too long");
    if (!is_group(n) && datatype && !is_in(datatype, datatypes, PKE_LEN(datatypes)))
        return refuse(c, n, PKE_MALFORMED, "fragment-datatype",
                      "expects a datatype: string, integer, boolean, float, date, time or bin");
    return PKE_OK;
}

static enum pke_err check_element(struct check *c, const struct xml_node *n)
{
    enum pke_err err;

    if (*n->ns || (!is_group(n) && strcmp(n->name, "parm") != 0))
        return refuse(c, n, PKE_MALFORMED, "fragment-element",
                      "expects elements characteristic and parm without a namespace");
    if (!xml_is_blank(n->text, n->text_len))
        return refuse(c, n, PKE_MALFORMED, "fragment-text", "an element holds text: values are attributes");
    if (!is_group(n) && n->first)
        return refuse(c, n, PKE_MALFORMED, "fragment-element", "a parm has children");
    c->size += MARKUP;
    err = check_attributes(c, n);
    if (err != PKE_OK)
        return err;
    if (c->size > PROVFRAG_MAX)
        return refuse(c, n, PKE_LIMIT, "fragment-size", "the fragment makes the document too large");
    return PKE_OK;
}

/* Depth is bounded by the parser. */
static enum pke_err check_tree(struct check *c, const struct xml_node *n)
{
    enum pke_err err = check_element(c, n);

    for (const struct xml_node *e = n->first; e && err == PKE_OK; e = e->next)
        err = check_tree(c, e);
    return err;
}

static enum pke_err check_provider(struct check *c, const struct xml_node *provider)
{
    if (!type_of(provider) || strcmp(type_of(provider), c->provider_id) != 0)
        return refuse(c, provider, PKE_POLICY, "fragment-provider",
                      "the provider of DMClient must be provider-id");
    for (const struct xml_node *e = provider->first; e; e = e->next)
        if (is_taken(is_group(e) ? type_of(e) : xml_attr_any_ns(e, "name")))
            return refuse(c, e, PKE_POLICY, "fragment-option", "this value of DMClient has an option");
    return PKE_OK;
}

static enum pke_err check_dmclient(struct check *c, const struct xml_node *dmclient)
{
    enum pke_err err = PKE_OK;

    for (const struct xml_node *e = dmclient->first; e && err == PKE_OK; e = e->next) {
        if (!type_of(e) || strcmp(type_of(e), "Provider") != 0)
            return refuse(c, e, PKE_POLICY, "fragment-provider", "DMClient holds Provider only");
        for (const struct xml_node *p = e->first; p && err == PKE_OK; p = p->next)
            err = check_provider(c, p);
    }
    return err;
}

static enum pke_err check_top(struct check *c, const struct xml_node *n)
{
    enum pke_err err = check_tree(c, n);
    const char *type = type_of(n);

    if (err != PKE_OK)
        return err;
    if (!type)
        return refuse(c, n, PKE_POLICY, "fragment-csp", "a parm stands outside of a characteristic");
    if (strcmp(type, "CertificateStore") == 0)
        return refuse(c, n, PKE_POLICY, "fragment-certificate-store",
                      "CertificateStore is made by the daemon; further trust: RootCATrustedCertificates");
    if (strcmp(type, "APPLICATION") == 0)
        return refuse(c, n, PKE_POLICY, "fragment-application",
                      "APPLICATION is made from options, and there is one account");
    if (!is_in(type, allowed, PKE_LEN(allowed)))
        return refuse(c, n, PKE_POLICY, "fragment-csp",
                      "clients do not take this configuration service provider during enrollment");
    return strcmp(type, "DMClient") == 0 ? check_dmclient(c, n) : PKE_OK;
}

static enum pke_err parse(struct pke_bytes text, struct provfrag *f, unsigned *line, struct pke_fail *fail)
{
    struct xml_parser *parser = xml_parser_new();
    struct pke_buf whole;
    enum pke_err err;

    if (text.n >= 3 && memcmp(text.p, BOM, 3) == 0)
        text = PKE_BYTES(text.p + 3, text.n - 3);
    pke_buf_init(&whole, PROVFRAG_MAX + sizeof ROOT_OPEN + sizeof ROOT_CLOSE);
    (void)pke_buf_add_str(&whole, ROOT_OPEN);
    (void)pke_buf_add_bytes(&whole, text);
    (void)pke_buf_add_str(&whole, ROOT_CLOSE);
    xml_parser_attributes(parser, 3 * LIMIT_XML_ELEMENTS);
    err = xml_parse(parser, pke_buf_bytes(&whole), f->arena, &f->root, fail);
    *line = xml_parser_line(parser);
    pke_buf_done(&whole);
    xml_parser_free(parser);
    return err;
}

static enum pke_err check_all(struct provfrag *f, const char *provider_id, unsigned *line,
                              struct pke_fail *fail)
{
    struct check c = {.provider_id = provider_id, .line = 1, .fail = fail};
    enum pke_err err = PKE_OK;

    if (!f->root->first)
        err = refuse(&c, f->root, PKE_MALFORMED, "fragment-empty", "there is no characteristic");
    for (const struct xml_node *n = f->root->first; n && err == PKE_OK; n = n->next)
        err = check_top(&c, n);
    *line = c.line;
    return err;
}

enum pke_err provfrag_read(struct pke_bytes text, const char *provider_id, struct provfrag **ret,
                           unsigned *line, struct pke_fail *fail)
{
    struct provfrag *f;
    enum pke_err err;

    *line = 1;
    if (text.n > PROVFRAG_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "fragment-size", "MS-MDE2 2.2.9.1",
                            "the fragment is larger than %u bytes", PROVFRAG_MAX);
    f = pke_calloc(1, sizeof *f);
    f->arena = pke_arena_new();
    err = parse(text, f, line, fail);
    if (err == PKE_OK)
        err = check_all(f, provider_id, line, fail);
    if (err == PKE_OK) {
        *ret = f;
        return PKE_OK;
    }
    provfrag_free(f);
    return err;
}

void provfrag_free(struct provfrag *f)
{
    if (!f)
        return;
    pke_arena_free(f->arena);
    free(f);
}

const struct xml_node *provfrag_root(const struct provfrag *f)
{
    return f->root;
}
