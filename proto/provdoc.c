/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provisioning document of an Issue answer. Elements are found by name and built as a tree: a value can
 * never end up in another place or be escaped twice (mdm.md 9.5, 15 no. 10 and 27).
 */
#include "proto/provdoc.h"

#include <inttypes.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/xmltree.h"

#define RENEW_DAYS_MAX 1000 /* MS-MDE2 2.2.9.1: WSTEP/Renew */

static xmlNodePtr add_group(xmlNodePtr parent, const char *type)
{
    xmlNodePtr n = xmlNewChild(parent, NULL, BAD_CAST "characteristic", NULL);

    xmlNewProp(n, BAD_CAST "type", BAD_CAST type);
    return n;
}

/* value and datatype may be NULL: a presence flag, a w7 parameter. */
static void add_parm(xmlNodePtr parent, const char *name, const char *value, const char *datatype)
{
    xmlNodePtr n = xmlNewChild(parent, NULL, BAD_CAST "parm", NULL);

    xmlNewProp(n, BAD_CAST "name", BAD_CAST name);
    if (value)
        xmlNewProp(n, BAD_CAST "value", BAD_CAST value);
    if (datatype)
        xmlNewProp(n, BAD_CAST "datatype", BAD_CAST datatype);
}

static void add_number(xmlNodePtr parent, const char *name, uint64_t value, const char *datatype)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    add_parm(parent, name, text, datatype);
}

static void add_optional(xmlNodePtr parent, const char *name, const char *value, const char *datatype)
{
    if (value)
        add_parm(parent, name, value, datatype);
}

static void add_certificate(xmlNodePtr store, const struct provdoc_certificate *c)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    xmlNodePtr node = add_group(store, c->sha1_hex);

    pke_buf_init(&text, 2 * c->der.n + 4);
    (void)pke_base64_encode(c->der, PKE_B64_STRICT, &text);
    add_parm(node, "EncodedCertificate", pke_buf_cstr(&text), NULL);
}

static bool has_ca(const struct provdoc *doc)
{
    return doc->with_ca || !doc->renewal;
}

/* Returns My. */
static xmlNodePtr add_certificate_store(xmlNodePtr root, const struct provdoc *doc)
{
    xmlNodePtr store = add_group(root, "CertificateStore");
    xmlNodePtr my, kind;

    if (has_ca(doc))
        add_certificate(add_group(add_group(store, "Root"), "System"), &doc->root);
    if (has_ca(doc) && doc->intermediate.der.n)
        add_certificate(add_group(add_group(store, "CA"), "System"), &doc->intermediate);
    my = add_group(store, "My");
    kind = add_group(my, doc->device_store ? "System" : "User");
    add_certificate(kind, &doc->certificate);
    add_group(kind, "PrivateKeyContainer");
    return my;
}

static void add_renewal_schedule(xmlNodePtr my, const struct provdoc *doc)
{
    xmlNodePtr renew = add_group(add_group(my, "WSTEP"), "Renew");

    add_parm(renew, "ROBOSupport", "true", "boolean");
    add_number(renew, "RenewPeriod", doc->renew_period, "integer");
    add_number(renew, "RetryInterval", doc->retry_interval, "integer");
    add_optional(renew, "ServerURL", doc->renew_url, "string");
}

static void add_percent_encoded(struct pke_buf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x80 && (strchr("-_.!~*'()", c) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z')))
            (void)pke_buf_add_u8(out, c); /* RFC 2396 2.3: unreserved */
        else
            (void)pke_buf_printf(out, "%%%02X", c);
    }
}

/* Subject=...&Stores=..., escaped for XML once, by the serialiser (mdm.md 7.4). */
static void add_search_criteria(xmlNodePtr app, const struct provdoc *doc)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};

    if (!doc->search_subject)
        return;
    pke_buf_init(&text, 3 * strlen(doc->search_subject) + 64);
    (void)pke_buf_add_str(&text, "Subject=");
    add_percent_encoded(&text, doc->search_subject);
    (void)pke_buf_add_str(&text, "&Stores=");
    add_percent_encoded(&text, doc->device_store ? "My\\System" : "My\\User");
    add_parm(app, "SSLCLIENTCERTSEARCHCRITERIA", pke_buf_cstr(&text), NULL);
}

/* MS-MDE2 2.2.9.1: both are required of an MDM server. */
static void add_credentials(xmlNodePtr app, const struct provdoc *doc)
{
    xmlNodePtr auth = add_group(app, "APPAUTH");

    add_parm(auth, "AAUTHLEVEL", "CLIENT", NULL);
    add_parm(auth, "AAUTHTYPE", "DIGEST", NULL);
    add_parm(auth, "AAUTHSECRET", doc->client_secret, NULL);
    add_parm(auth, "AAUTHDATA", doc->client_nonce, NULL);
    auth = add_group(app, "APPAUTH");
    add_parm(auth, "AAUTHLEVEL", "APPSRV", NULL);
    add_parm(auth, "AAUTHTYPE", doc->server_auth_type, NULL);
    add_parm(auth, "AAUTHNAME", doc->server_name, NULL);
    add_parm(auth, "AAUTHSECRET", doc->server_secret, NULL);
    add_optional(auth, "AAUTHDATA", doc->server_nonce, NULL);
}

/* Never INIT: a management server that uses it fails (MS-MDE2 2.2.9.1). */
static void add_application(xmlNodePtr root, const struct provdoc *doc)
{
    xmlNodePtr app = add_group(root, "APPLICATION");

    add_parm(app, "APPID", "w7", NULL);
    add_parm(app, "PROVIDER-ID", doc->provider_id, NULL);
    add_optional(app, "NAME", doc->display_name, NULL);
    add_parm(app, "ADDR", doc->management_url, NULL);
    add_number(app, "CONNRETRYFREQ", doc->connection_retries, NULL);
    add_number(app, "INITIALBACKOFFTIME", doc->initial_backoff_ms, NULL);
    add_number(app, "MAXBACKOFFTIME", doc->max_backoff_ms, NULL);
    if (doc->backcompat_retry_disabled)
        add_parm(app, "BACKCOMPATRETRYDISABLED", NULL, NULL);
    add_optional(app, "DEFAULTENCODING", doc->default_encoding, NULL);
    add_optional(app, "PROTOVER", doc->protocol_version, NULL);
    add_optional(app, "TO-NAPID", doc->access_point, NULL);
    if (doc->use_hardware_id)
        add_parm(app, "USEHWDEVID", NULL, NULL);
    add_search_criteria(app, doc);
    add_credentials(app, doc);
}

static void add_true(xmlNodePtr parent, const char *name, bool value)
{
    if (value)
        add_parm(parent, name, "true", "boolean");
}

static void add_poll(xmlNodePtr provider, const struct provdoc *doc)
{
    xmlNodePtr poll = add_group(provider, "Poll");

    add_number(poll, "NumberOfFirstRetries", doc->first_retries, "integer");
    add_number(poll, "IntervalForFirstSetOfRetries", doc->first_interval_min, "integer");
    add_number(poll, "NumberOfSecondRetries", doc->second_retries, "integer");
    add_number(poll, "IntervalForSecondSetOfRetries", doc->second_interval_min, "integer");
    add_number(poll, "NumberOfRemainingScheduledRetries", doc->remaining_retries, "integer");
    add_number(poll, "IntervalForRemainingScheduledRetries", doc->remaining_interval_min, "integer");
    add_parm(poll, "PollOnLogin", doc->poll_on_login ? "true" : "false", "boolean");
    add_true(poll, "AllUsersPollOnFirstLogin", doc->poll_all_users);
}

static void add_dmclient(xmlNodePtr root, const struct provdoc *doc)
{
    xmlNodePtr provider = add_group(add_group(add_group(root, "DMClient"), "Provider"), doc->provider_id);

    add_optional(provider, "UPN", doc->upn, "string");
    add_parm(provider, "EntDMID", doc->ent_dmid, "string");
    add_optional(provider, "EntDeviceName", doc->ent_device_name, "string");
    add_optional(provider, "HelpPhoneNumber", doc->help_phone, "string");
    add_optional(provider, "HelpWebsite", doc->help_website, "string");
    add_optional(provider, "HelpEmailAddress", doc->help_email, "string");
    add_true(provider, "RequireMessageSigning", doc->require_message_signing);
    add_optional(provider, "SyncApplicationVersion", doc->sync_version, "string");
    add_true(provider, "EnableOmaDmKeepAliveMessage", doc->keep_alive);
    add_optional(provider, "AADResourceID", doc->aad_resource_id, "string");
    add_optional(provider, "ManagementServerAddressList", doc->server_list, "string");
    add_poll(provider, doc);
}

static xmlNodePtr find_group(xmlNodePtr parent, const char *type)
{
    for (xmlNodePtr n = parent->children; n; n = n->next) {
        xmlChar *t = xmlGetNoNsProp(n, BAD_CAST "type");
        bool same = t && strcmp((const char *)t, type) == 0;

        xmlFree(t);
        if (same)
            return n;
    }
    return NULL;
}

/* Copies the children of @p from; with @p join, into groups that are there already. */
static void add_fragment(xmlNodePtr to, const struct xml_node *from, bool join)
{
    for (const struct xml_node *e = from->first; e; e = e->next) {
        const char *type = xml_attr_any_ns(e, "type");
        bool group = strcmp(e->name, "characteristic") == 0;
        bool joined = group && (join || strcmp(type, "DMClient") == 0);
        xmlNodePtr there = joined ? find_group(to, type) : NULL;

        if (group)
            add_fragment(there ? there : add_group(to, type), e, joined);
        else
            add_parm(to, xml_attr_any_ns(e, "name"), xml_attr_any_ns(e, "value"),
                     xml_attr_any_ns(e, "datatype"));
    }
}

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_POLICY, reason, rule, "Provisioning document: %s is missing or not valid",
                        what);
}

static bool thumbprint_valid(const char *hex)
{
    return hex && strlen(hex) == 40 && strspn(hex, "0123456789ABCDEF") == 40;
}

static enum pke_err check_certificates(const struct provdoc *doc, struct pke_fail *fail)
{
    const struct provdoc_certificate *all[] = {&doc->root, &doc->certificate, &doc->intermediate};

    for (size_t i = 0; i < PKE_LEN(all); i++) {
        if ((all[i] == &doc->intermediate && !all[i]->der.n) || (all[i] != &doc->certificate && !has_ca(doc)))
            continue;
        if (!all[i]->der.n || !thumbprint_valid(all[i]->sha1_hex))
            return refuse(fail, "provdoc-certificate", "MS-MDE2 2.2.9.1", "a certificate or its thumbprint");
    }
    if (doc->renewal)
        return PKE_OK;
    if (doc->renew_period && (doc->retry_interval < 1 || doc->retry_interval > doc->renew_period ||
                              doc->renew_period > RENEW_DAYS_MAX))
        return refuse(fail, "provdoc-renew", "MS-MDE2 2.2.9.1", "the renew period or retry interval");
    return PKE_OK;
}

static bool auth_type_valid(const char *type)
{
    return type && (strcmp(type, "BASIC") == 0 || strcmp(type, "DIGEST") == 0);
}

static bool value_valid(const char *value, bool needed)
{
    return value ? (*value || !needed) && xml_text_valid(value) : !needed;
}

static enum pke_err check_values(const struct provdoc *doc, struct pke_fail *fail)
{
    const struct {
        const char *name, *value;
        bool needed;
    } v[] = {
        {"PROVIDER-ID", doc->provider_id, true},
        {"ADDR", doc->management_url, true},
        {"the secret of APPAUTH CLIENT", doc->client_secret, true},
        {"the nonce of APPAUTH CLIENT", doc->client_nonce, true},
        {"the name of APPAUTH APPSRV", doc->server_name, true},
        {"the secret of APPAUTH APPSRV", doc->server_secret, true},
        {"EntDMID", doc->ent_dmid, true},
        {"the nonce of APPAUTH APPSRV", doc->server_nonce,
         auth_type_valid(doc->server_auth_type) && *doc->server_auth_type == 'D'},
        {"NAME", doc->display_name, false},
        {"DEFAULTENCODING", doc->default_encoding, false},
        {"the search subject", doc->search_subject, false},
        {"ServerURL", doc->renew_url, false},
        {"UPN", doc->upn, false},
        {"EntDeviceName", doc->ent_device_name, false},
        {"HelpPhoneNumber", doc->help_phone, false},
        {"HelpWebsite", doc->help_website, false},
        {"HelpEmailAddress", doc->help_email, false},
        {"PROTOVER", doc->protocol_version, false},
        {"TO-NAPID", doc->access_point, false},
        {"SyncApplicationVersion", doc->sync_version, false},
        {"AADResourceID", doc->aad_resource_id, false},
        {"ManagementServerAddressList", doc->server_list, false},
    };

    if (!auth_type_valid(doc->server_auth_type))
        return refuse(fail, "provdoc-auth-type", "w7 APPLICATION CSP", "the type of APPAUTH APPSRV");
    for (size_t i = 0; i < PKE_LEN(v); i++)
        if (!value_valid(v[i].value, v[i].needed))
            return refuse(fail, "provdoc-value", "MS-MDE2 2.2.9.1", v[i].name);
    return PKE_OK;
}

static int write_out(void *user, const char *p, int n)
{
    return pke_buf_add(user, p, (size_t)n) == PKE_OK ? n : -1;
}

static bool serialise(xmlDocPtr tree, struct pke_buf *out)
{
    xmlSaveCtxtPtr save = xmlSaveToIO(write_out, NULL, out, "UTF-8",
                                      XML_SAVE_NO_DECL | XML_SAVE_AS_XML); /* no XML_SAVE_FORMAT */
    bool ok = save && xmlSaveTree(save, xmlDocGetRootElement(tree)) >= 0;

    return (!save || xmlSaveClose(save) >= 0) && ok && !out->overflow;
}

static void add_content(xmlNodePtr root, const struct provdoc *doc)
{
    xmlNodePtr my = add_certificate_store(root, doc);

    if (doc->renewal) {
        add_parm(add_group(root, "APPLICATION"), "PROVIDER-ID", doc->provider_id, NULL);
        return;
    }
    if (doc->renew_period)
        add_renewal_schedule(my, doc);
    add_application(root, doc);
    add_dmclient(root, doc);
    if (doc->fragment)
        add_fragment(root, provfrag_root(doc->fragment), false);
}

enum pke_err provdoc_write(const struct provdoc *doc, struct pke_buf *out, struct pke_fail *fail)
{
    enum pke_err err = check_certificates(doc, fail);
    xmlDocPtr tree;
    xmlNodePtr root;

    if (err == PKE_OK && doc->renewal && !value_valid(doc->provider_id, true))
        err = refuse(fail, "provdoc-value", "MS-MDE2 2.2.9.1", "PROVIDER-ID");
    if (err == PKE_OK && !doc->renewal)
        err = check_values(doc, fail);
    if (err != PKE_OK)
        return err;
    xml_global_init();
    tree = xmlNewDoc(BAD_CAST "1.0");
    tree->encoding = xmlStrdup(BAD_CAST "UTF-8"); /* else attribute values get references for non-ASCII */
    root = xmlNewDocNode(tree, NULL, BAD_CAST "wap-provisioningdoc", NULL);
    xmlDocSetRootElement(tree, root);
    xmlNewProp(root, BAD_CAST "version", BAD_CAST "1.1");
    add_content(root, doc);
    if (!serialise(tree, out))
        err = pke_fail_set(fail, PKE_LIMIT, "provdoc-size", "limits: answer",
                           "The provisioning document does not fit the answer");
    xmlFreeDoc(tree);
    return err;
}
