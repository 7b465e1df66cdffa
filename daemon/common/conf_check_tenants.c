/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose is what. Host and path only select an endpoint; that nothing of one tenant is used by another is
 * decided here, once, when the configuration is read: no endpoint names a template, provisioning values, a
 * token issuer or an endpoint of somebody else, and nothing by which a client is believed is shared.
 */
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"

/* The sections whose objects belong to a tenant, with where it stands. */
static const struct {
    enum conf_section_id section;
    size_t tenant;
} owned[] = {{CONF_TEMPLATES, offsetof(struct policy_template, tenant)},
             {CONF_PROVISIONING, offsetof(struct conf_provisioning, tenant)},
             {CONF_TOKEN_ISSUERS, offsetof(struct conf_token_issuer, tenant)},
             {CONF_AUTHORISERS, offsetof(struct conf_authoriser, tenant)},
             {CONF_SINKS, offsetof(struct conf_sink, tenant)},
             {CONF_ENDPOINTS, offsetof(struct conf_endpoint, tenant)}};

static char **tenant_of(struct conf_impl *ci, size_t k, size_t i)
{
    return (char **)(uintptr_t)((const char *)conf_object(&ci->conf, owned[k].section, i) + owned[k].tenant);
}

static void make_only_tenant(struct conf_impl *ci)
{
    struct conf_tenant *t = pke_arena_alloc(ci->conf.arena, sizeof *t);

    pke_option_defaults(conf_tenant_options, t, ci->conf.arena);
    t->name = ci->conf.global.tenant;
    ci->conf.tenants = t;
    ci->conf.n_tenants = 1;
}

static void set_owner(struct conf_impl *ci, size_t k, size_t i)
{
    enum conf_section_id section = owned[k].section;
    char **tenant = tenant_of(ci, k, i);
    const char *only = conf_only_tenant(&ci->conf);

    if (*tenant && !conf_find_tenant(&ci->conf, *tenant))
        conf_bad(ci, section, i, "tenant", "there is no tenant %s", *tenant);
    if (*tenant || conf_node_get(ci->nodes[section][i], "tenant"))
        return;
    if (only)
        *tenant = pke_arena_strdup(ci->conf.arena, only);
    else
        conf_bad(ci, section, i, "tenant", "there are several tenants: whose it is must be said");
}

void conf_resolve_tenants(struct conf_impl *ci)
{
    struct conf *c = &ci->conf;

    if (c->n_tenants == 0) {
        make_only_tenant(ci);
    } else {
        if (conf_given(ci, CONF_GLOBAL, 0, "tenant"))
            conf_bad(ci, CONF_GLOBAL, 0, "tenant", "belongs to a file without the section tenants");
        c->global.tenant = NULL;
    }
    if (c->n_tenants == 1 && !c->tenants[0].user_file)
        c->tenants[0].user_file = c->global.user_file;
    for (size_t k = 0; k < PKE_LEN(owned); k++)
        for (size_t i = 0; i < conf_object_count(c, owned[k].section); i++)
            set_owner(ci, k, i);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        struct conf_endpoint *e = &c->endpoints[i];

        e->tenant_ref = conf_find_tenant(c, e->tenant);
        if (e->path && e->tenant_ref && e->tenant_ref->path_prefix)
            e->route = pke_arena_printf(c->arena, "%s%s", e->tenant_ref->path_prefix, e->path);
        else
            e->route = e->path;
    }
}

bool conf_same_route(const struct conf_endpoint *a, const struct conf_endpoint *b)
{
    /* the hosts of two tenants are never the same: check_hosts() */
    return a->route && b->route && strcmp(a->route, b->route) == 0 &&
           (a->tenant_ref == b->tenant_ref || !a->tenant_ref || !b->tenant_ref ||
            a->tenant_ref->hosts.n == 0 || b->tenant_ref->hosts.n == 0);
}

/* ---- what selects ---- */

/* A name of RFC 1123, or an address in brackets; then a port or none. */
static bool host_ok(const char *host)
{
    static const char v6[] = "0123456789abcdef:.";
    size_t n =
        *host == '[' ? 1 + strspn(host + 1, v6) : strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-");

    if (*host == '[' ? host[n++] != ']' : n == 0 || *host == '.' || *host == '-')
        return false;
    if (host[n] == '\0')
        return true;
    return host[n] == ':' && host[n + 1] >= '1' && host[n + 1] <= '9' &&
           strspn(host + n + 1, "0123456789") == strlen(host + n + 1) && strlen(host + n + 1) <= 5;
}

/* One without a port is the name with every port. */
static bool same_host(const char *a, const char *b)
{
    size_t n = *a == '[' ? strcspn(a, "]") + 1 : strcspn(a, ":");
    size_t m = *b == '[' ? strcspn(b, "]") + 1 : strcspn(b, ":");

    return n == m && memcmp(a, b, n) == 0 && (!a[n] || !b[m] || strcmp(a + n, b + m) == 0);
}

static void check_hosts(struct conf_impl *ci, size_t i)
{
    const struct conf_tenant *t = &ci->conf.tenants[i];

    for (size_t k = 0; k < t->hosts.n; k++) {
        if (!host_ok(t->hosts.v[k]))
            conf_bad_item(ci, CONF_TENANTS, i, "hosts", t->hosts.v[k],
                          "expects a host name in lower case, with :PORT or without");
        for (size_t o = 0; o < i; o++)
            for (size_t l = 0; l < ci->conf.tenants[o].hosts.n; l++)
                if (same_host(t->hosts.v[k], ci->conf.tenants[o].hosts.v[l]))
                    conf_bad_item(ci, CONF_TENANTS, i, "hosts", t->hosts.v[k],
                                  "%s is a host of the tenant %s already", t->hosts.v[k],
                                  ci->conf.tenants[o].name);
    }
}

static void check_prefix(struct conf_impl *ci, size_t i)
{
    const char *p = ci->conf.tenants[i].path_prefix;

    if (!p)
        return;
    if (p[0] != '/' || p[strlen(p) - 1] == '/')
        conf_bad(ci, CONF_TENANTS, i, "path-prefix", "begins with / and does not end with it");
    for (const char *c = p; *c; c++) {
        if ((unsigned char)*c > 0x20 && (unsigned char)*c < 0x7f && !strchr("?#\"<>\\^`{|}%", *c))
            continue;
        conf_bad(ci, CONF_TENANTS, i, "path-prefix", "must be URL characters without %%, ? and #");
        break;
    }
}

/* Nobody is served because he is not somebody else: host, path or listener must be the tenant's own. */
static bool shares_listener(const struct conf *c, const struct conf_endpoint *e)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; c->endpoints[i].tenant_ref != e->tenant_ref && k < e->listeners.n; k++)
            if (pke_strings_has(&c->endpoints[i].listeners, e->listeners.v[k]))
                return true;
    return false;
}

static void check_selected(struct conf_impl *ci, size_t i)
{
    const struct conf *c = &ci->conf;
    const struct conf_tenant *t = &c->tenants[i];

    if (c->n_tenants == 1 || t->hosts.n || t->path_prefix)
        return;
    for (size_t k = 0; k < c->n_endpoints; k++)
        if (c->endpoints[k].tenant_ref == t && shares_listener(c, &c->endpoints[k])) {
            conf_report_add(ci->report, ci->nodes[CONF_TENANTS][i]->kept, ci->nodes[CONF_TENANTS][i]->path,
                            "hosts or path-prefix is needed: others are served on the listeners of its "
                            "endpoint %s as well",
                            c->endpoints[k].name);
            return;
        }
}

/* ---- who vouches ---- */

static const char *owner_of_audience(const struct conf *c, const char *aud, const char *tenant)
{
    for (size_t i = 0; i < c->n_tenants; i++)
        if (strcmp(c->tenants[i].name, tenant) != 0 && pke_strings_has(&c->tenants[i].audiences, aud))
            return c->tenants[i].name;
    for (size_t i = 0; i < c->n_token_issuers; i++)
        if (c->token_issuers[i].tenant && strcmp(c->token_issuers[i].tenant, tenant) != 0 &&
            pke_strings_has(&c->token_issuers[i].audience, aud))
            return c->token_issuers[i].tenant;
    return NULL;
}

/* A token says by its aud for whom it is: an aud of two tenants would be good at both. */
static void check_audiences(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];
    const struct conf_tenant *own = conf_find_tenant(&ci->conf, t->tenant);

    for (size_t k = 0; own && k < t->audience.n; k++) {
        const char *aud = t->audience.v[k], *other = owner_of_audience(&ci->conf, aud, own->name);

        if (other)
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "audience", aud,
                          "the audience %s is the tenant %s's as well", aud, other);
        else if (own->audiences.n && !pke_strings_has(&own->audiences, aud))
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "audience", aud,
                          "the audience %s is not one of the tenant %s", aud, own->name);
    }
}

static void check_own_audiences(struct conf_impl *ci, size_t i)
{
    const struct conf_tenant *t = &ci->conf.tenants[i];

    for (size_t k = 0; k < t->audiences.n; k++)
        for (size_t o = 0; o < i; o++)
            if (pke_strings_has(&ci->conf.tenants[o].audiences, t->audiences.v[k]))
                conf_bad_item(ci, CONF_TENANTS, i, "audiences", t->audiences.v[k],
                              "the audience %s is the tenant %s's as well", t->audiences.v[k],
                              ci->conf.tenants[o].name);
}

static void check_users(struct conf_impl *ci, size_t i)
{
    const struct conf *c = &ci->conf;
    const struct conf_tenant *t = &c->tenants[i];

    for (size_t k = 0; k < i; k++)
        if (t->user_file && c->tenants[k].user_file && strcmp(t->user_file, c->tenants[k].user_file) == 0)
            conf_bad(ci, CONF_TENANTS, i, "user-file", "is the tenant %s's as well", c->tenants[k].name);
    for (size_t k = 0; !t->user_file && k < c->n_endpoints; k++)
        if (c->endpoints[k].tenant_ref == t && pke_strings_has(&c->endpoints[k].credentials, "username")) {
            conf_bad(ci, CONF_TENANTS, i, "user-file",
                     "is needed: its endpoint %s takes user names, and there are several tenants",
                     c->endpoints[k].name);
            return;
        }
}

static bool is_own_ca(const struct conf *c, const char *file)
{
    for (size_t i = 0; i < c->n_issuers; i++)
        if (c->issuers[i].certificate && strcmp(c->issuers[i].certificate, file) == 0)
            return true;
    return false;
}

/* Of a certificate of ours the ledger says whose it is. Another CA says nothing of our tenants. */
static void check_credential_ca(struct conf_impl *ci, size_t i)
{
    const struct conf *c = &ci->conf;
    const struct conf_endpoint *e = &c->endpoints[i];

    for (size_t k = 0; e->credential_ca && k < i; k++) {
        const struct conf_endpoint *o = &c->endpoints[k];

        if (o->credential_ca && o->tenant_ref != e->tenant_ref &&
            strcmp(o->credential_ca, e->credential_ca) == 0 && !is_own_ca(c, e->credential_ca))
            conf_bad(ci, CONF_ENDPOINTS, i, "credential-ca",
                     "vouches for the clients of the endpoint %s of another tenant as well", o->name);
    }
}

/* ---- what is used ---- */

static void check_foreign(struct conf_impl *ci, size_t i, const char *option, const char *name,
                          const char *tenant)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (tenant && e->tenant && strcmp(tenant, e->tenant) != 0)
        conf_bad_item(ci, CONF_ENDPOINTS, i, option, name, "%s is another tenant's", name);
}

static void check_endpoint(struct conf_impl *ci, size_t i)
{
    const struct conf_endpoint *e = &ci->conf.endpoints[i];

    if (!e->tenant_ref)
        return;
    if (e->template_ref)
        check_foreign(ci, i, "template", e->template_name, e->template_ref->tenant);
    if (e->provisioning_ref)
        check_foreign(ci, i, "provisioning", e->provisioning, e->provisioning_ref->tenant);
    if (e->enroll_ref)
        check_foreign(ci, i, "enroll-endpoint", e->enroll_endpoint, e->enroll_ref->tenant);
    for (size_t k = 0; k < e->token_issuers.n; k++) {
        const struct conf_token_issuer *t = conf_find_token_issuer(&ci->conf, e->token_issuers.v[k]);

        if (t)
            check_foreign(ci, i, "token-issuers", t->name, t->tenant);
    }
    check_credential_ca(ci, i);
}

void conf_check_tenants(struct conf_impl *ci)
{
    const struct conf *c = &ci->conf;

    for (size_t i = 0; ci->nodes[CONF_TENANTS] && i < c->n_tenants; i++) {
        if (!ci->nodes[CONF_TENANTS][i])
            continue; /* an empty section */
        check_hosts(ci, i);
        check_prefix(ci, i);
        check_selected(ci, i);
        check_own_audiences(ci, i);
        check_users(ci, i);
    }
    for (size_t i = 0; i < c->n_endpoints; i++)
        check_endpoint(ci, i);
    for (size_t i = 0; i < c->n_token_issuers; i++)
        check_audiences(ci, i);
}
