/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What is served: one configuration generation with its URLs and pre-rendered policy bodies. Counted: a
 * running transaction keeps the snapshot that it started with over a reload.
 */
#ifndef DAEMON_NET_SNAPSHOT_H
#define DAEMON_NET_SNAPSHOT_H

#include "base/bytes.h"
#include "base/secret.h"
#include "daemon/common/conf.h"
#include "daemon/net/callout.h"
#include "daemon/net/catalogue.h"
#include "proto/provfrag.h"

struct snapshot;

/** One endpoint of a snapshot. */
struct net_endpoint {
    const struct conf_endpoint *conf;
    char *url;                 /* absolute; NULL when no listener of it has a public address */
    struct pke_buf policy;     /* GetPoliciesResponse, stage policy only */
    struct pke_fail no_policy; /* why there is none; err PKE_OK when there is one */
};

/** What one provisioning section has in files: the DM secrets, which the management server knows, and the
 * fragment (NULL: none). */
struct net_secrets {
    struct pke_secret *client, *server;
    struct provfrag *fragment;
};

struct snapshot {
    unsigned refs;
    struct conf *conf;
    struct net_secrets *secrets;         /* one per conf->provisionings */
    struct callout_target **authorisers; /* one per conf->authorisers; NULL: not asked over HTTP */
    struct callout_target **sinks;       /* one per conf->sinks */
    struct catalogue *catalogue;         /* NULL until issuer told one */
    struct net_endpoint *endpoints;
    size_t n_endpoints;
};

/** New snapshot over @p conf (one more owner of it), without secrets, URLs and bodies. One owner. */
struct snapshot *snapshot_new(const struct conf *conf);

/** Read the secret files and fragments that the configuration names. Blocks on disk. PKE_CONFIG. */
enum pke_err snapshot_load_secrets(struct snapshot *s, struct pke_fail *fail);

/** Read what calls to the webhooks of the sections authorisers and event-sinks need. Blocks on disk.
 * PKE_CONFIG. */
enum pke_err snapshot_load_targets(struct snapshot *s, struct callouts *calls, struct pke_fail *fail);

/** Where the authoriser @p name is asked; NULL: there is none of this name, or it is no webhook. */
struct callout_target *snapshot_authoriser(const struct snapshot *s, const char *name);

/** Where the events of the sink @p name go; NULL: there is none of this name. */
struct callout_target *snapshot_sink(const struct snapshot *s, const char *name);

/** The secrets of a provisioning section of s->conf. */
const struct net_secrets *snapshot_secrets(const struct snapshot *s, const struct conf_provisioning *p);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* accepts NULL */

/** The port that a listener is bound to; it differs from the configured one when that is 0. */
typedef unsigned snapshot_port_fn(void *arg, const struct conf_listener *l);

/** Work out the URL of each endpoint, then render. */
void snapshot_set_urls(struct snapshot *s, snapshot_port_fn *port, void *arg);

/** Take the newest catalogue (one more owner) and render every policy body again. */
void snapshot_set_catalogue(struct snapshot *s, struct catalogue *c);

/** The endpoint named @p name; NULL. */
struct net_endpoint *snapshot_endpoint(struct snapshot *s, const char *name);

#endif
