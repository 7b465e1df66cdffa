/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each tenant has and does: its quotas, and what metrics tell of it. The ledger is counted seldom: in
 * between, what was issued is added, and only what expired or was revoked is not seen at once. A full tenant
 * is counted again before it is refused.
 */
#include "daemon/issuer/tenants.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RECOUNT_MS 600000 /* what expired meanwhile */
#define FULL_MS    10000  /* of a tenant that is full */

struct tenant_use {
    struct tenant_use *next;
    char *name;
    uint64_t certificates, devices; /* when it was counted, and issued since */
    uint64_t counted_at;            /* monotonic ms; 0: not counted */
    uint64_t results[TENANT__RESULTS];
};

static const char *const result_names[TENANT__RESULTS] = {"issued", "refused", "failed"};

static struct tenant_use *use_of(struct issuer *is, const char *name)
{
    struct tenant_use *u = is->tenants;

    while (u && strcmp(u->name, name) != 0)
        u = u->next;
    if (!u) {
        u = pke_calloc(1, sizeof *u);
        *u = (struct tenant_use){.next = is->tenants, .name = pke_strdup(name)};
        is->tenants = u;
    }
    return u;
}

void tenant_count(struct issuer *is, const char *name, enum tenant_result result)
{
    if (name)
        use_of(is, name)->results[result]++;
}

void tenant_issued(struct request *req)
{
    struct tenant_use *u = use_of(req->issuer, req->who.tenant);

    u->results[TENANT_ISSUED]++;
    u->certificates += req->op != OP_RENEW; /* in time a renewal takes the place of the old one */
    u->devices += !(req->known && req->device.live);
}

/* Requests that were let in and are not in the count yet. */
static uint64_t on_their_way(const struct request *req, bool devices)
{
    uint64_t n = 0;

    for (const struct request *o = req->issuer->requests; o; o = o->next)
        n += o != req && !o->dry && o->state != REQUEST_PREPARED && o->fail.err == PKE_OK &&
             o->op != OP_RENEW && o->who.tenant && strcmp(o->who.tenant, req->who.tenant) == 0 &&
             !(devices && o->known && o->device.live);
    return n;
}

static enum pke_err recount(struct request *req, struct tenant_use *u, uint64_t older_than)
{
    uint64_t now = role_monotonic_ms();
    struct pke_fail fail;

    if (u->counted_at && now - u->counted_at < older_than)
        return PKE_OK;
    if (ledger_count_tenant(req->issuer->ledger, u->name, req->now_ms / 1000, &u->certificates, &u->devices,
                            &fail) != PKE_OK) {
        req->fail = fail;
        return fail.err;
    }
    u->counted_at = now ? now : 1;
    return PKE_OK;
}

static bool is_full(const struct request *req, const struct conf_tenant *t, const struct tenant_use *u,
                    bool *devices)
{
    *devices = false;
    if (t->max_certificates && u->certificates + on_their_way(req, false) >= t->max_certificates)
        return true;
    *devices = true;
    return t->max_devices && !(req->known && req->device.live) &&
           u->devices + on_their_way(req, true) >= t->max_devices;
}

enum pke_err tenant_check_quota(struct request *req)
{
    const struct conf_tenant *t = req->endpoint->tenant_ref;
    struct tenant_use *u = use_of(req->issuer, t->name);
    bool devices;

    if (req->op == OP_RENEW || (!t->max_certificates && !t->max_devices))
        return PKE_OK;
    if (recount(req, u, RECOUNT_MS) != PKE_OK)
        return req->fail.err;
    if (is_full(req, t, u, &devices) && recount(req, u, FULL_MS) != PKE_OK)
        return req->fail.err;
    if (!is_full(req, t, u, &devices)) {
        explain(req, PKE_TRAIL_PASSED, "tenant", "tenants: max-certificates, max-devices", "ledger",
                "%llu certificates, %llu devices", (unsigned long long)u->certificates,
                (unsigned long long)u->devices);
        return PKE_OK;
    }
    return devices ? pke_fail_set(&req->fail, PKE_QUOTA, "tenant-devices", "tenants max-devices",
                                  "as many devices as may are enrolled")
                   : pke_fail_set(&req->fail, PKE_QUOTA, "tenant-certificates", "tenants max-certificates",
                                  "there are as many certificates as there may be");
}

json_t *tenants_metrics(struct issuer *is)
{
    const struct conf *conf = is->setup->conf;
    json_t *all = json_array();

    for (size_t i = 0; i < conf->n_tenants; i++) {
        const struct tenant_use *u = use_of(is, conf->tenants[i].name);
        json_t *o = json_pack("{s:s}", "tenant", u->name);

        for (size_t r = 0; r < TENANT__RESULTS; r++)
            json_object_set_new(o, result_names[r], json_integer((json_int_t)u->results[r]));
        json_array_append_new(all, o);
    }
    return all;
}
