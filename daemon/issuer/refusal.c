/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals are recorded, so that a user's TraceId leads to the rule, but at a bounded rate: whoever can send
 * garbage must not be able to fill the disk. What is not recorded is counted, and the count is audited.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/tenants.h"

#define RATE_PER_SECOND 100.0
#define BURST           500.0

bool refusal_allowed(struct issuer *is)
{
    uint64_t now = role_monotonic_ms();

    if (is->refusal_at == 0)
        is->refusal_tokens = BURST;
    else
        is->refusal_tokens += (double)(now - is->refusal_at) * RATE_PER_SECOND / 1000.0;
    is->refusal_at = now;
    if (is->refusal_tokens > BURST)
        is->refusal_tokens = BURST;
    if (is->refusal_tokens < 1.0) {
        is->refusals_suppressed++;
        return false;
    }
    is->refusal_tokens -= 1.0;
    return true;
}

void refusal_report(struct issuer *is)
{
    char detail[64];

    if (!is->refusals_suppressed)
        return;
    snprintf(detail, sizeof detail, "{\"count\":%llu}", (unsigned long long)is->refusals_suppressed);
    is->refusals_suppressed = 0;
    batch_audit(is, "refusals-suppressed", "issuer", NULL, detail);
}

/* A refusal of net: malformed message, wrong password, unknown credential. */
struct net_refusal {
    struct pke_arena *arena;
    struct msg_refusal msg;
    uint64_t net_epoch, frame_id;
    int64_t at;
};

static void acknowledge(struct issuer *is, const struct net_refusal *r)
{
    if (is->net && is->net_epoch == r->net_epoch)
        chan_send(is->net, MSG_OK, r->frame_id, PKE_BYTES(NULL, 0));
}

/* Of the endpoint; of one that is not known any more it is nobody's but an only tenant's. */
static const char *tenant_of(const struct issuer *is, const struct net_refusal *r)
{
    const struct conf_endpoint *e = conf_find_endpoint(is->setup->conf, r->msg.endpoint);

    return e ? e->tenant : conf_only_tenant(is->setup->conf);
}

static enum pke_err apply(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct net_refusal *r = op->arg;
    struct ledger_request req = {.request_id = r->msg.trace_id,
                                 .tenant = tenant_of(is, r),
                                 .principal = r->msg.principal,
                                 .endpoint = r->msg.endpoint,
                                 .stage = r->msg.stage,
                                 .device_id = r->msg.device_id,
                                 .source = r->msg.source,
                                 .at = r->at};

    return ledger_refused(is->ledger, &req, &r->msg.fail, fail);
}

static void done(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct net_refusal *r = op->arg;

    if (err != PKE_OK)
        log_fail(LOG_ERR, "refusal not recorded", fail, "trace_id", r->msg.trace_id, NULL);
    acknowledge(is, r);
    pke_arena_free(r->arena);
    free(r);
}

void refusal_frame(struct issuer *is, const struct ipc_frame *f)
{
    struct net_refusal *r = pke_calloc(1, sizeof *r);
    struct pke_fail fail;
    bool read;

    *r = (struct net_refusal){
        .arena = pke_arena_new(), .net_epoch = is->net_epoch, .frame_id = f->id, .at = role_wall_ms()};
    read = ipc_record_read(msg_refusal_fields, f->payload, r->arena, &r->msg, sizeof r->msg, &fail) == PKE_OK;
    if (read)
        tenant_count(is, tenant_of(is, r), TENANT_REFUSED);
    if (read && refusal_allowed(is)) {
        batch_add(is, apply, done, r);
        return;
    }
    acknowledge(is, r);
    pke_arena_free(r->arena);
    free(r);
}
