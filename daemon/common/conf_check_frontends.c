/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: the frontends on the control socket and what each is bound to. */
#include <string.h>

#include "base/mem.h"
#include "base/uri_bound.h"
#include "daemon/common/conf_impl.h"

/* Who is two frontends would have the rights of either. Numbers and names of the same account are told apart
 * by control only, which then serves neither. */
static void check_peers(struct conf_impl *ci, size_t i)
{
    const struct conf_frontend *f = &ci->conf.frontends[i];

    if (f->users.n + f->groups.n + f->certificates.n == 0)
        conf_bad(ci, CONF_FRONTENDS, i, "users", "users, groups or certificates is needed: who is it?");
    for (size_t k = 0; k < f->certificates.n; k++)
        if (strspn(f->certificates.v[k], "0123456789abcdef") != 64)
            conf_bad_item(ci, CONF_FRONTENDS, i, "certificates", f->certificates.v[k],
                          "expects SHA-256 fingerprints, 64 lower-case hexadecimal digits");
    for (size_t o = 0; o < i; o++) {
        const struct conf_frontend *other = &ci->conf.frontends[o];

        for (size_t k = 0; k < f->users.n; k++)
            if (pke_strings_has(&other->users, f->users.v[k]))
                conf_bad_item(ci, CONF_FRONTENDS, i, "users", f->users.v[k], "%s is the frontend %s already",
                              f->users.v[k], other->name);
        for (size_t k = 0; k < f->certificates.n; k++)
            if (pke_strings_has(&other->certificates, f->certificates.v[k]))
                conf_bad_item(ci, CONF_FRONTENDS, i, "certificates", f->certificates.v[k],
                              "the certificate is that of the frontend %s already", other->name);
        for (size_t k = 0; k < f->groups.n; k++)
            if (pke_strings_has(&other->groups, f->groups.v[k]))
                conf_bad_item(ci, CONF_FRONTENDS, i, "groups", f->groups.v[k],
                              "%s is the frontend %s already", f->groups.v[k], other->name);
    }
}

static void check_bound(struct conf_impl *ci, size_t i)
{
    struct conf_frontend *f = &ci->conf.frontends[i];
    const char *only = conf_only_tenant(&ci->conf);

    if (f->tenants.n == 0 && only && !conf_node_get(ci->nodes[CONF_FRONTENDS][i], "tenants"))
        pke_strings_add(&f->tenants, ci->conf.arena, only);
    if (f->tenants.n == 0)
        conf_bad(ci, CONF_FRONTENDS, i, "tenants", "there are several tenants: for which ones is it?");
    for (size_t k = 0; k < f->tenants.n; k++)
        if (!conf_find_tenant(&ci->conf, f->tenants.v[k]))
            conf_bad_item(ci, CONF_FRONTENDS, i, "tenants", f->tenants.v[k], "there is no tenant %s",
                          f->tenants.v[k]);
    for (size_t k = 0; k < f->templates.n; k++) {
        const struct policy_template *t = conf_find_template(&ci->conf, f->templates.v[k]);

        if (!t)
            conf_bad_item(ci, CONF_FRONTENDS, i, "templates", f->templates.v[k], "there is no template %s",
                          f->templates.v[k]);
        else if (t->tenant && !pke_strings_has(&f->tenants, t->tenant))
            conf_bad_item(ci, CONF_FRONTENDS, i, "templates", f->templates.v[k],
                          "%s is of the tenant %s, for which it is not", f->templates.v[k], t->tenant);
    }
}

static void check_names(struct conf_impl *ci, size_t i)
{
    const struct conf_frontend *f = &ci->conf.frontends[i];
    const struct {
        const char *option, *expected;
        const struct pke_strings *list;
        bool (*good)(const char *s);
    } lists[] = {
        {"upn-suffixes", "domains such as corp.example, or .corp.example for those below", &f->upn_suffixes,
         conf_is_mail_domain},
        {"email-suffixes", "domains such as corp.example, or .corp.example for those below",
         &f->email_suffixes, conf_is_mail_domain},
        {"dns-suffixes", "domains such as corp.example", &f->dns_suffixes, conf_is_domain},
        {"sid-prefixes", "security identifiers such as S-1-5-21-1-2-3", &f->sid_prefixes, conf_is_sid_prefix},
        {"uri-prefixes",
         "beginnings of URIs that end with one of :/?#=, with a whole host and / where they have one",
         &f->uri_prefixes, pke_uri_bound},
    };

    for (size_t l = 0; l < PKE_LEN(lists); l++)
        for (size_t k = 0; k < lists[l].list->n; k++)
            if (!lists[l].good(lists[l].list->v[k]))
                conf_bad_item(ci, CONF_FRONTENDS, i, lists[l].option, lists[l].list->v[k], "expects %s",
                              lists[l].expected);
}

/* All or nothing; whether it can be bound is seen when it is. */
static void check_tls(struct conf_impl *ci)
{
    const struct conf_global *g = &ci->conf.global;
    const char *colon = g->control_tls_address ? strrchr(g->control_tls_address, ':') : NULL;

    if (!g->control_tls_address && (g->control_tls_certificate || g->control_tls_key))
        conf_bad(ci, CONF_GLOBAL, 0,
                 g->control_tls_certificate ? "control-tls-certificate" : "control-tls-key",
                 "belongs to control-tls-address");
    if (!g->control_tls_address)
        return;
    if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1])
        conf_bad(ci, CONF_GLOBAL, 0, "control-tls-address",
                 "expects an IP address and a port, as 192.0.2.7:8443");
    if (!g->control_tls_certificate || !g->control_tls_key)
        conf_bad(ci, CONF_GLOBAL, 0, "control-tls-address",
                 "needs control-tls-certificate and control-tls-key");
}

void conf_check_frontends(struct conf_impl *ci)
{
    check_tls(ci);
    for (size_t i = 0; i < ci->conf.n_frontends; i++) {
        check_peers(ci, i);
        check_bound(ci, i);
        check_names(ci, i);
    }
}
