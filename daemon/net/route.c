/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/route.h"

#include <string.h>
#include <strings.h>

/* The reader let exactly one pass, or none of HTTP/1.0. */
static struct pke_bytes host_of(const struct http_request *req)
{
    for (size_t i = 0; i < req->n_headers; i++)
        if (req->headers[i].name.n == 4 && strncasecmp((const char *)req->headers[i].name.p, "Host", 4) == 0)
            return req->headers[i].value;
    return PKE_BYTES(NULL, 0);
}

/* @p want is in lower case; without a port it is the host with any. */
static bool is_host(const char *want, struct pke_bytes host)
{
    size_t n = strlen(want);

    if (host.n < n || strncasecmp((const char *)host.p, want, n) != 0)
        return false;
    if (host.n == n)
        return true;
    if (host.p[n] != ':' || host.n == n + 1)
        return false;
    for (size_t i = n + 1; i < host.n; i++)
        if (host.p[i] < '0' || host.p[i] > '9')
            return false; /* also what follows a port that @p want has */
    return !strchr(*want == '[' ? strchr(want, ']') : want, ':');
}

static bool has_host(const struct conf_tenant *t, struct pke_bytes host)
{
    for (size_t i = 0; i < t->hosts.n; i++)
        if (is_host(t->hosts.v[i], host))
            return true;
    return false;
}

/* A host that is one tenant's is nobody else's. */
static bool serves(const struct conf *c, const struct conf_tenant *t, struct pke_bytes host)
{
    if (t->hosts.n)
        return has_host(t, host);
    for (size_t i = 0; i < c->n_tenants; i++)
        if (&c->tenants[i] != t && has_host(&c->tenants[i], host))
            return false;
    return true;
}

struct net_endpoint *route_find(struct snapshot *s, const char *listener, const struct http_request *req,
                                unsigned *status)
{
    struct pke_bytes host = host_of(req);

    *status = 404;
    for (size_t i = 0; i < s->n_endpoints; i++) {
        const struct conf_endpoint *c = s->endpoints[i].conf;

        if (!pke_bytes_eq_str(req->path, c->route) || !pke_strings_has(&c->listeners, listener))
            continue;
        if (serves(s->conf, c->tenant_ref, host))
            return &s->endpoints[i];
        *status = 421;
    }
    return NULL;
}

unsigned route_method(const struct http_request *req)
{
    return req->method == HTTP_POST ? 0 : 405;
}
