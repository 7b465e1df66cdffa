/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/file.h"
#include "daemon/net/policy_body.h"

#define POLICY_BODY_MAX (128u << 10)
#define SECRET_MAX      255

struct snapshot *snapshot_new(const struct conf *conf)
{
    struct snapshot *s = pke_calloc(1, sizeof *s);

    s->refs = 1;
    s->conf = conf_ref(conf);
    s->secrets = pke_calloc(conf->n_provisionings + 1, sizeof *s->secrets);
    s->authorisers = pke_calloc(conf->n_authorisers + 1, sizeof(struct callout_target *));
    s->sinks = pke_calloc(conf->n_sinks + 1, sizeof(struct callout_target *));
    s->n_endpoints = conf->n_endpoints;
    s->endpoints = pke_calloc(s->n_endpoints + 1, sizeof *s->endpoints);
    for (size_t i = 0; i < s->n_endpoints; i++) {
        s->endpoints[i].conf = &conf->endpoints[i];
        pke_buf_init(&s->endpoints[i].policy, POLICY_BODY_MAX);
    }
    return s;
}

/* They go into XML attributes: text, without control characters. */
static enum pke_err read_secret(const char *path, struct pke_secret **ret, struct pke_fail *fail)
{
    enum pke_err err = pke_secret_read_file(path, SECRET_MAX, ret, fail);
    struct pke_bytes b;

    if (err != PKE_OK)
        return err;
    b = pke_secret_bytes(*ret);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < 0x20 || b.p[i] == 0x7f)
            return pke_fail_set(fail, PKE_CONFIG, "secret-text", "secret files",
                                "%s holds a control character", path);
    return pke_utf8_valid(b)
               ? PKE_OK
               : pke_fail_set(fail, PKE_CONFIG, "secret-text", "secret files", "%s is not UTF-8", path);
}

/* main checked it before it asked for this configuration; what counts is what is read here. */
static enum pke_err read_fragment(const struct conf_provisioning *p, struct provfrag **ret,
                                  struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    struct pke_fail why;
    unsigned line;
    enum pke_err err;

    pke_buf_init(&text, PROVFRAG_MAX);
    err = file_read(p->fragment_file, &text, fail);
    if (err != PKE_OK)
        return err;
    err = provfrag_read(pke_buf_bytes(&text), p->provider_id, ret, &line, &why);
    return err == PKE_OK ? PKE_OK
                         : pke_fail_set(fail, PKE_CONFIG, why.reason, why.rule, "%s:%u: %s", p->fragment_file,
                                        line, why.text);
}

enum pke_err snapshot_load_secrets(struct snapshot *s, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; i < s->conf->n_provisionings && err == PKE_OK; i++) {
        const struct conf_provisioning *p = &s->conf->provisionings[i];

        err = read_secret(p->client_secret_file, &s->secrets[i].client, fail);
        if (err == PKE_OK)
            err = read_secret(p->server_secret_file, &s->secrets[i].server, fail);
        if (err == PKE_OK && p->fragment_file)
            err = read_fragment(p, &s->secrets[i].fragment, fail);
    }
    return err;
}

static enum pke_err load_authorisers(struct snapshot *s, struct callouts *calls, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; i < s->conf->n_authorisers && err == PKE_OK; i++) {
        const struct conf_authoriser *a = &s->conf->authorisers[i];
        struct callout_target_conf c = {
            .section = "authorisers",
            .name = a->name,
            .url = a->url,
            .unix_path = a->unix_path,
            .peer_uids = a->peer_uids,
            .tls_ca = a->tls_ca,
            .tls_certificate = a->tls_certificate,
            .tls_key = a->tls_key,
            .secret_file = a->question_secret_file,
            .timeout_ms = a->timeout,
            .max_in_flight = a->max_in_flight,
        };

        if (a->kind == CONF_AUTHORISER_WEBHOOK)
            err = callout_target_new(calls, &c, &s->authorisers[i], fail);
    }
    return err;
}

static enum pke_err load_sinks(struct snapshot *s, struct callouts *calls, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; i < s->conf->n_sinks && err == PKE_OK; i++) {
        const struct conf_sink *k = &s->conf->sinks[i];
        struct callout_target_conf c = {
            .section = "event-sinks",
            .name = k->name,
            .url = k->url,
            .unix_path = k->unix_path,
            .peer_uids = k->peer_uids,
            .tls_ca = k->tls_ca,
            .tls_certificate = k->tls_certificate,
            .tls_key = k->tls_key,
            .secret_file = k->secret_file,
            .timeout_ms = k->timeout,
            .max_in_flight = k->max_in_flight,
        };

        err = callout_target_new(calls, &c, &s->sinks[i], fail);
    }
    return err;
}

enum pke_err snapshot_load_targets(struct snapshot *s, struct callouts *calls, struct pke_fail *fail)
{
    enum pke_err err = load_authorisers(s, calls, fail);

    return err == PKE_OK ? load_sinks(s, calls, fail) : err;
}

struct callout_target *snapshot_sink(const struct snapshot *s, const char *name)
{
    const struct conf_sink *k = conf_find_sink(s->conf, name);

    return k ? s->sinks[k - s->conf->sinks] : NULL;
}

struct callout_target *snapshot_authoriser(const struct snapshot *s, const char *name)
{
    const struct conf_authoriser *a = conf_find_authoriser(s->conf, name);

    return a ? s->authorisers[a - s->conf->authorisers] : NULL;
}

const struct net_secrets *snapshot_secrets(const struct snapshot *s, const struct conf_provisioning *p)
{
    return &s->secrets[p - s->conf->provisionings];
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
    for (size_t i = 0; i < s->conf->n_provisionings; i++) {
        pke_secret_free(s->secrets[i].client);
        pke_secret_free(s->secrets[i].server);
        provfrag_free(s->secrets[i].fragment);
    }
    free(s->secrets);
    for (size_t i = 0; i < s->conf->n_authorisers; i++)
        callout_target_unref(s->authorisers[i]);
    free(s->authorisers);
    for (size_t i = 0; i < s->conf->n_sinks; i++)
        callout_target_unref(s->sinks[i]);
    free(s->sinks);
    catalogue_unref(s->catalogue);
    conf_unref(s->conf);
    free(s);
}

/* By the first host of its tenant. Where that says no port it is the one of the listener's public URL. */
static char *tenant_url(const struct conf_endpoint *ep, const struct conf_listener *l, unsigned port)
{
    const char *host = ep->tenant_ref->hosts.v[0], *public_port = "";
    bool tls = l->public_url || l->tls_certificate;
    char own[8];

    snprintf(own, sizeof own, ":%u", port);
    if (l->public_url) {
        public_port = strrchr(l->public_url, ':'); /* of the scheme, when there is no port */
        public_port = public_port[1] == '/' || strchr(public_port, ']') ? "" : public_port;
    } else if (port != (tls ? 443U : 80U)) {
        public_port = own;
    }
    if (strrchr(host, ':') && !strchr(strrchr(host, ':'), ']'))
        public_port = "";
    return pke_asprintf("%s://%s%s%s", tls ? "https" : "http", host, public_port, ep->route);
}

/* A public URL of any of its listeners wins; else the address and port of the first TCP listener. */
static char *endpoint_url(const struct snapshot *s, const struct conf_endpoint *ep, snapshot_port_fn *port,
                          void *arg)
{
    const struct conf_listener *tcp = NULL;

    for (size_t i = 0; i < ep->listeners.n; i++) {
        const struct conf_listener *l = conf_find_listener(s->conf, ep->listeners.v[i]);

        if (l && l->public_url && ep->tenant_ref->hosts.n)
            return tenant_url(ep, l, 0);
        if (l && l->public_url)
            return pke_asprintf("%s%s", l->public_url, ep->route); /* https://HOST[:PORT], checked by conf */
        if (l && l->address && !tcp)
            tcp = l;
    }
    if (!tcp)
        return NULL;
    if (ep->tenant_ref->hosts.n)
        return tenant_url(ep, tcp, port(arg, tcp));
    return pke_asprintf(strchr(tcp->address, ':') ? "%s://[%s]:%u%s" : "%s://%s:%u%s",
                        tcp->tls_certificate ? "https" : "http", tcp->address, port(arg, tcp), ep->route);
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
