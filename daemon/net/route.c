/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/route.h"

struct net_endpoint *route_find(struct snapshot *s, const char *listener, struct pke_bytes path)
{
    for (size_t i = 0; i < s->n_endpoints; i++) {
        const struct conf_endpoint *c = s->endpoints[i].conf;

        if (pke_bytes_eq_str(path, c->path) && pke_strings_has(&c->listeners, listener))
            return &s->endpoints[i];
    }
    return NULL;
}

unsigned route_method(const struct http_request *req)
{
    return req->method == HTTP_POST ? 0 : 405;
}
