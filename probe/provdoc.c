/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/provdoc.h"

/* MS-MDE2 2.2.9.1: another provider makes the client refuse the whole document */
static const char *const providers[] = {
    "CertificateStore",         "RootCATrustedCertificates",     "APPLICATION",     "DMClient",
    "ClientCertificateInstall", "EnterpriseModernAppManagement", "PassportForWork", "Policy",
};

static xmlNode *parm_node(struct xml *x, xmlNode *node, const char *name)
{
    for (xmlNode *child = node ? node->children : NULL; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE || strcmp((const char *)child->name, "parm") != 0)
            continue;
        const char *found = xml_attribute(x, child, "name");
        if (found && strcmp(found, name) == 0)
            return child;
    }
    return NULL;
}

const char *provdoc_parm(struct xml *x, xmlNode *node, const char *name)
{
    return xml_attribute(x, parm_node(x, node, name), "value");
}

static bool is_number(const char *text, unsigned long *ret)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return false;
    *ret = strtoul(text, &end, 10);
    return !*end && *ret <= INT_MAX;
}

bool provdoc_integer(struct xml *x, xmlNode *node, const char *name, unsigned long *ret)
{
    xmlNode *parm = parm_node(x, node, name);
    const char *type = xml_attribute(x, parm, "datatype");
    return type && strcmp(type, "integer") == 0 && is_number(xml_attribute(x, parm, "value"), ret);
}

static bool is_known_provider(const char *type)
{
    for (size_t i = 0; type && i < PKE_LEN(providers); i++)
        if (strcmp(type, providers[i]) == 0)
            return true;
    return false;
}

/* Root, version, no namespace, nothing but characteristic and parm. */
static bool check_root(struct probe *p, struct xml *x)
{
    const char *version = xml_attribute(x, xml_first(x, NULL, "/wap-provisioningdoc"), "version");
    size_t foreign = xml_count(x, NULL, "/wap-provisioningdoc//*[not(self::characteristic or self::parm)]");
    if (!verdict_check(p->verdict, version && strcmp(version, "1.1") == 0, "provisioning-root",
                       "MS-MDE2 2.2.9.1", "wap-provisioningdoc %s%s",
                       version ? "version " : "without namespace and version is missing",
                       version ? version : ""))
        return false;
    verdict_check(p->verdict, foreign == 0, "provisioning-elements", "MS-MDE2 2.2.9.1",
                  "%zu elements other than characteristic and parm", foreign);
    return true;
}

static void check_providers(struct probe *p, struct xml *x)
{
    xmlNode *root = xml_root(x);
    const char *bad = NULL;
    for (xmlNode *node = root->children; node; node = node->next) {
        const char *type = node->type == XML_ELEMENT_NODE ? xml_attribute(x, node, "type") : NULL;
        if (node->type == XML_ELEMENT_NODE && !is_known_provider(type))
            bad = type ? type : "(no type)";
    }
    verdict_check(p->verdict, !bad, "provisioning-providers", "MS-MDE2 2.2.9.1", "%s%s",
                  bad ? "the client knows no provider " : "only providers that the client knows",
                  bad ? bad : "");
}

static bool fits_datatype(const char *type, const char *value)
{
    unsigned long number;
    if (strcmp(type, "integer") == 0)
        return is_number(value, &number);
    if (strcmp(type, "boolean") == 0)
        return value && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0);
    return strcmp(type, "string") == 0;
}

static void check_datatypes(struct probe *p, struct xml *x)
{
    size_t n = xml_count(x, NULL, "//parm[@datatype]");
    const char *bad = NULL;
    for (size_t i = 1; i <= n; i++) {
        xmlNode *node = xml_first(x, NULL, pke_arena_printf(p->arena, "(//parm[@datatype])[%zu]", i));
        if (!fits_datatype(xml_attribute(x, node, "datatype"), xml_attribute(x, node, "value")))
            bad = xml_attribute(x, node, "name");
    }
    verdict_check(p->verdict, !bad, "provisioning-datatypes", "MS-MDE2 2.2.9.1", "%zu typed values%s%s", n,
                  bad ? ", wrong: " : " fit their type", bad ? bad : "");
}

void provdoc_check(struct probe *p, struct pke_bytes text)
{
    verdict_step(p->verdict, "provisioning", "Provisioning document");
    struct xml *x = pke_utf8_valid(text) ? xml_open(text, p->arena) : NULL;
    if (!verdict_check(p->verdict, x != NULL, "provisioning-xml", "MS-MDE2 2.2.9.1", "%s of %zu bytes",
                       x ? "a well-formed UTF-8 document" : "not a well-formed UTF-8 document", text.n))
        return;
    if (check_root(p, x)) {
        check_providers(p, x);
        check_datatypes(p, x);
        certstore_check(p, x);
        if (renewal_form(p, x)) {
            renewal_check(p, x);
        } else {
            application_check(p, x);
            dmclient_check(p, x);
        }
        certificate_check(p);
        renewal_certificate_check(p);
    }
    xml_close(x);
}
