/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/net/policy_body.h"

#define POLICY_BODY_MAX (128u << 10)

struct snapshot *snapshot_new(const struct conf *conf)
{
    struct snapshot *s = pke_calloc(1, sizeof *s);

    s->refs = 1;
    s->conf = conf_ref(conf);
    s->n_endpoints = conf->n_endpoints;
    s->endpoints = pke_calloc(s->n_endpoints + 1, sizeof *s->endpoints);
    for (size_t i = 0; i < s->n_endpoints; i++) {
        s->endpoints[i].conf = &conf->endpoints[i];
        pke_buf_init(&s->endpoints[i].policy, POLICY_BODY_MAX);
    }
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    s->refs++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || --s->refs > 0)
        return;
    for (size_t i = 0; i < s->n_endpoints; i++) {
        free(s->endpoints[i].url);
        pke_buf_done(&s->endpoints[i].policy);
    }
    free(s->endpoints);
    catalogue_unref(s->catalogue);
    conf_unref(s->conf);
    free(s);
}

/* A public URL of any of its listeners wins; else the address and port of the first TCP listener. */
static char *endpoint_url(const struct snapshot *s, const struct conf_endpoint *ep, snapshot_port_fn *port,
                          void *arg)
{
    const struct conf_listener *tcp = NULL;

    for (size_t i = 0; i < ep->listeners.n; i++) {
        const struct conf_listener *l = conf_find_listener(s->conf, ep->listeners.v[i]);

        if (l && l->public_url)
            return pke_asprintf("%s%s", l->public_url, ep->path); /* https://HOST[:PORT], checked by conf */
        if (l && l->address && !tcp)
            tcp = l;
    }
    if (!tcp)
        return NULL;
    return pke_asprintf(strchr(tcp->address, ':') ? "%s://[%s]:%u%s" : "%s://%s:%u%s",
                        tcp->tls_certificate ? "https" : "http", tcp->address, port(arg, tcp), ep->path);
}

static void render(struct snapshot *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++) {
        struct net_endpoint *ep = &s->endpoints[i];
        const struct net_endpoint *enroll;

        if (ep->conf->stage != CONF_STAGE_POLICY)
            continue;
        enroll = ep->conf->enroll_ref ? snapshot_endpoint(s, ep->conf->enroll_ref->name) : NULL;
        pke_buf_clear(&ep->policy);
        ep->no_policy = (struct pke_fail){0};
        (void)policy_body_render(ep->conf, enroll ? enroll->url : NULL, s->catalogue, &ep->policy,
                                 &ep->no_policy);
    }
}

void snapshot_set_urls(struct snapshot *s, snapshot_port_fn *port, void *arg)
{
    for (size_t i = 0; i < s->n_endpoints; i++) {
        free(s->endpoints[i].url);
        s->endpoints[i].url = endpoint_url(s, s->endpoints[i].conf, port, arg);
    }
    render(s);
}

void snapshot_set_catalogue(struct snapshot *s, struct catalogue *c)
{
    catalogue_ref(c);
    catalogue_unref(s->catalogue);
    s->catalogue = c;
    render(s);
}

struct net_endpoint *snapshot_endpoint(struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_endpoints; i++)
        if (strcmp(s->endpoints[i].conf->name, name) == 0)
            return &s->endpoints[i];
    return NULL;
}
