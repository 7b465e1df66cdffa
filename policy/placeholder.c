/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/placeholder.h"

#include <string.h>

static const struct {
    const char *name;
    const char *kind; /* of an attribute; NULL: a field of the request */
} placeholders[PLACEHOLDER__MAX] = {
    [PLACEHOLDER_PRINCIPAL] = {"principal", NULL},  [PLACEHOLDER_USER_ID] = {"user-id", NULL},
    [PLACEHOLDER_UPN] = {"upn", PKE_SAN_UPN},       [PLACEHOLDER_DNS] = {"dns", PKE_SAN_DNS},
    [PLACEHOLDER_EMAIL] = {"email", PKE_SAN_EMAIL}, [PLACEHOLDER_URI] = {"uri", PKE_SAN_URI},
    [PLACEHOLDER_SID] = {"sid", PKE_NAME_SID},      [PLACEHOLDER_GUID] = {"guid", PKE_SAN_GUID},
    [PLACEHOLDER_DEVICE_ID] = {"device-id", NULL},  [PLACEHOLDER_ENT_DMID] = {"ent-dmid", NULL},
};

size_t placeholder_at(const char *s, enum placeholder *which)
{
    for (size_t i = 0; *s == '{' && i < PLACEHOLDER__MAX; i++) {
        size_t n = strlen(placeholders[i].name);

        if (strncmp(s + 1, placeholders[i].name, n) == 0 && s[1 + n] == '}') {
            *which = (enum placeholder)i;
            return n + 2;
        }
    }
    return 0;
}

const char *placeholder_name(enum placeholder p)
{
    return placeholders[p].name;
}

bool placeholder_repeats(enum placeholder p)
{
    return p == PLACEHOLDER_DNS || p == PLACEHOLDER_EMAIL || p == PLACEHOLDER_URI;
}

static const char *attribute(const struct policy_identity *id, const char *kind, size_t i)
{
    for (size_t k = 0; id->attributes && k < id->attributes->n; k++)
        if (strcmp(id->attributes->v[k].name, kind) == 0 && i-- == 0)
            return id->attributes->v[k].value;
    return NULL;
}

/* Who was named by somebody of ours (user file, token, sign-in page, CA) goes by that name where there is no
 * UPN. The principal of a directory's token is an id, and no name. */
static const char *upn_of(const struct policy_identity *id, bool strict)
{
    const char *mapped = attribute(id, PKE_SAN_UPN, 0);

    if (mapped || id->upn)
        return mapped ? mapped : id->upn;
    return strict || strcmp(id->credential, "entra-jwt") == 0 ? NULL : id->principal;
}

const char *placeholder_value(enum placeholder p, const struct policy_request *req, bool strict, size_t i)
{
    const struct policy_identity *id = req->identity;

    if (i > 0 && !placeholder_repeats(p))
        return NULL;
    switch (p) {
    case PLACEHOLDER_PRINCIPAL:
        return id->principal;
    case PLACEHOLDER_USER_ID:
        return id->user_id;
    case PLACEHOLDER_UPN:
        return upn_of(id, strict);
    case PLACEHOLDER_DEVICE_ID:
        return req->device_id;
    case PLACEHOLDER_ENT_DMID:
        return req->ent_dmid;
    default:
        return attribute(id, placeholders[p].kind, i);
    }
}
