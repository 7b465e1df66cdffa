/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wstep_context.h"

#include <string.h>
#include <strings.h>

#include "proto/context_item.h"
#include "proto/limits.h"
#include "proto/ns.h"
#include "proto/soap_security.h"

static enum pke_err read_value(const struct xml_node *item, struct pke_arena *arena, const char **ret,
                               struct pke_fail *fail)
{
    const struct xml_node *value = xml_child(item, NS_AUTH, "Value");

    *ret = "";
    if (!value)
        return PKE_OK;
    if (value->first || xml_next_same(value))
        return pke_fail_set(fail, PKE_MALFORMED, "wstep-context-item", "MS-MDE2 3.4.4.1.1.1",
                            "A ContextItem has not exactly one text value");
    if (value->text_len > LIMIT_CONTEXT_VALUE)
        return pke_fail_set(fail, PKE_LIMIT, "wstep-context-value", "limits: context value",
                            "The value of a ContextItem is too long");
    *ret = xml_text_trimmed(value, arena);
    return PKE_OK;
}

static enum pke_err read_item(const struct xml_node *item, struct pke_arena *arena, struct pke_pairs *list,
                              struct pke_fail *fail)
{
    const char *name = soap_attr_trimmed(item, "Name", arena);
    const struct context_item *known;
    const char *value;
    enum pke_err err;

    if (!name || !*name)
        return PKE_OK; /* nothing can ask for it */
    if (strlen(name) > LIMIT_CONTEXT_NAME)
        return pke_fail_set(fail, PKE_LIMIT, "wstep-context-name", "limits: context name",
                            "The name of a ContextItem is too long");
    err = read_value(item, arena, &value, fail);
    if (err != PKE_OK)
        return err;
    known = context_item_find(name);
    name = known ? known->name : name; /* clients differ in letter case (PlugAndForget) */
    if (!(known && known->repeats) && pke_pairs_get(list, name))
        return PKE_OK; /* the first counts (mdm.md 6.1) */
    if (list->n == LIMIT_CONTEXT_ITEMS)
        return pke_fail_set(fail, PKE_LIMIT, "wstep-context-items", "limits: context items",
                            "The request has too many ContextItems");
    pke_pairs_add(list, arena, name, value);
    return PKE_OK;
}

/* The form is the client's affair (mdm.md H3); one printable word it must be, for logs and names. */
static bool device_id_valid(const char *id)
{
    size_t n = strlen(id);

    for (size_t i = 0; i < n; i++)
        if (id[i] <= 0x20 || id[i] >= 0x7f)
            return false;
    return n > 0 && n <= LIMIT_DEVICE_ID;
}

static enum pke_err check_mandatory(struct wstep_request *r, struct pke_fail *fail)
{
    const char *type = r->enrollment_type;

    if (!type && r->operation != WSTEP_RENEW)
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "wstep-enrollment-type", "MS-MDE2 3.4.4.1.1.1",
                            "The ContextItem EnrollmentType is missing");
    if (type && strcmp(type, "AppManagement") == 0)
        return pke_fail_set(fail, PKE_UNSUPPORTED, "wstep-app-management", "MS-MDE2 3.4.4.1.1.1",
                            "Mobile application management is not offered");
    if (type && strcmp(type, "Full") != 0 && strcmp(type, "Device") != 0)
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "wstep-enrollment-type", "MS-MDE2 3.4.4.1.1.1",
                            "The ContextItem EnrollmentType is neither Full nor Device");
    if (!r->device_id && r->operation != WSTEP_RENEW)
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "wstep-device-id", "MS-MDE2 3.4.4.1.1.1",
                            "The ContextItem DeviceID is missing");
    if (r->device_id && !device_id_valid(r->device_id))
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "wstep-device-id", "MS-MDE2 3.4.4.1.1.1",
                            "The ContextItem DeviceID is empty, too long or not one printable word");
    return PKE_OK;
}

enum pke_err wstep_context_read(const struct xml_node *rst, struct pke_arena *arena,
                                struct wstep_request *ret, struct pke_fail *fail)
{
    const struct xml_node *context = xml_child(rst, NS_AUTH, "AdditionalContext");
    const struct xml_node *item = context ? xml_child(context, NS_AUTH, "ContextItem") : NULL;
    enum pke_err err = PKE_OK;

    if (context && xml_next_same(context))
        return pke_fail_set(fail, PKE_MALFORMED, "wstep-context", "MS-MDE2 3.4.4.1.1.1",
                            "The request has more than one AdditionalContext");
    for (; item && err == PKE_OK; item = xml_next_same(item))
        err = read_item(item, arena, &ret->context, fail);
    if (err != PKE_OK)
        return err;
    ret->device_id = pke_pairs_get(&ret->context, "DeviceID");
    ret->enrollment_type = pke_pairs_get(&ret->context, "EnrollmentType");
    return check_mandatory(ret, fail);
}

bool wstep_context_bool(const char *value, bool *ok)
{
    bool yes = strcasecmp(value, "true") == 0;

    *ok = yes || strcasecmp(value, "false") == 0;
    return yes;
}
