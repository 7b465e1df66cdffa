/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/scope.h"

#include <string.h>

#include "ca/floor.h"
#include "ipc/verbs.h"

#define RULE    "control API: frontends"
#define HOUR_MS 3600000

const char *scope_limit(const struct msg_verb *v)
{
    return pke_pairs_get(&v->args, "tenant");
}

const struct conf_frontend *scope_frontend(const struct issuer *is, const struct msg_verb *v)
{
    return v->frontend ? conf_find_frontend(is->setup->conf, v->frontend) : NULL;
}

static enum pke_err denied(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_DENIED, "frontend-bounds", RULE, "the frontend is not bound to this");
}

enum pke_err scope_check(const struct issuer *is, const struct msg_verb *v, struct pke_fail *fail)
{
    const struct conf_frontend *f = scope_frontend(is, v);
    const struct verb *verb = verb_by_token(v->verb);
    const char *tenant = scope_limit(v), *name = pke_pairs_get(&v->args, "template");
    const struct policy_template *t = name ? conf_find_template(is->setup->conf, name) : NULL;

    if (!v->frontend)
        return PKE_OK;
    if (!f || !verb || !(verb->role & VERB_ROLE_FRONTEND) || !tenant || !pke_strings_has(&f->tenants, tenant))
        return denied(fail);
    if (name && (!t || !pke_strings_has(&f->templates, name) || strcmp(t->tenant, tenant) != 0))
        return denied(fail);
    return PKE_OK;
}

enum pke_err scope_tenant(const struct issuer *is, const struct msg_verb *v, const char **ret,
                          struct pke_fail *fail)
{
    const char *tenant = scope_limit(v);

    if (!tenant)
        tenant = conf_only_tenant(is->setup->conf);
    if (!tenant)
        return pke_fail_set(fail, PKE_MALFORMED, "tenant-needed", RULE,
                            "there are several tenants: say which one");
    if (!conf_find_tenant(is->setup->conf, tenant))
        return pke_fail_set(fail, PKE_NOT_FOUND, "tenant-unknown", RULE, "there is no such tenant");
    *ret = tenant;
    return PKE_OK;
}

enum pke_err scope_names(const struct conf_frontend *f, const struct pke_pairs *san, const char *sid,
                         struct pke_fail *fail)
{
    struct ca_floor_limits l = {.upn_suffixes = f->upn_suffixes,
                                .dns_suffixes = f->dns_suffixes,
                                .email_suffixes = f->email_suffixes,
                                .sid_prefixes = f->sid_prefixes,
                                .uri_prefixes = f->uri_prefixes};
    struct pke_fail why;

    if (ca_floor_names_within(&l, san, sid, &why) == PKE_OK)
        return PKE_OK;
    return pke_fail_set(fail, PKE_DENIED, "frontend-names", RULE,
                        "a name is outside the bounds of the frontend");
}

enum pke_err scope_certificate(struct issuer *is, const struct conf_frontend *f, struct pke_fail *fail)
{
    if (!rates_take(&is->frontend_rates, f->name, f->certificates_per_hour, HOUR_MS, role_monotonic_ms()))
        return PKE_OK;
    return pke_fail_set(fail, PKE_QUOTA, "frontend-quota", "frontends certificates-per-hour",
                        "the frontend has had as many certificates made as it may");
}
