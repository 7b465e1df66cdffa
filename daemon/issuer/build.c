/* SPDX-License-Identifier: Apache-2.0 */
/* The last things before T1: the decision, the bytes that will be signed, their lint. */
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/tbs.h"
#include "policy/renew.h"

/* Clock rule (reliability goal R8): after a jump, nothing is issued until the operator looked. */
enum pke_err check_clock(const struct conf_global *g, int64_t seen, int64_t now_ms, struct pke_fail *fail)
{
    if (seen && now_ms < seen - g->clock_backward_limit)
        return pke_fail_set(fail, PKE_STORE_DOWN, "clock-backward", "clock rule",
                            "the clock stands before the last certificate");
    if (seen && now_ms > seen + g->clock_forward_limit)
        return pke_fail_set(fail, PKE_STORE_DOWN, "clock-forward", "clock rule",
                            "the clock jumped far ahead of the last certificate");
    return PKE_OK;
}

static void new_ent_dmid(struct request *req)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(req->arena, PKE_UUID_LEN + 1);

    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    req->ent_dmid = text;
}

static enum pke_err decide_policy(struct request *req)
{
    const struct policy_key key = {.type = ca_key_type_name(req->csr.key_type),
                                   .bits = req->csr.key_bits,
                                   .digest = req->csr.has_digest ? ca_digest_name(req->csr.digest) : NULL};
    struct policy_request p = {.identity = &req->identity,
                               .device_id = req->device_id,
                               .enrollment_type = req->enrollment_type,
                               .key = key,
                               .asked = &req->csr.asked.names,
                               .trail = &req->trail};

    if (req->op == OP_RENEW) {
        p.ent_dmid = req->ent_dmid;
        return policy_renewal_decide(req->tmpl->policy, &p, &req->old.names, req->now_ms / 1000, req->arena,
                                     &req->decision, &req->fail);
    }
    if (!req->ent_dmid)
        new_ent_dmid(req);
    p.ent_dmid = req->ent_dmid;
    if (req->known && req->device.live && !req->device.released_at) {
        p.device_owner = req->device.principal;
        p.device_owner_id = req->device.user_id;
    }
    return policy_decide(req->tmpl->policy, &p, req->now_ms / 1000, req->arena, &req->decision, &req->fail);
}

static enum pke_err decide(struct request *req)
{
    enum pke_err err = decide_policy(req);
    int64_t end = req->now_ms / 1000 + req->validity;

    if (err == PKE_OK && req->validity && end < req->decision.not_after)
        req->decision.not_after = end; /* only ever shorter */
    return err;
}

enum pke_err check_propose(struct request *req)
{
    struct pke_trail trail = req->trail;
    enum pke_err err;

    req->trail = (struct pke_trail){.arena = req->arena}; /* what counts is told when it is decided */
    err = decide(req);
    req->trail = trail;
    if (err == PKE_OK || req->tmpl->policy->authoriser_may.n == 0)
        return err;
    req->decision = (struct policy_decision){0}; /* names may be missing that only the authoriser knows */
    req->fail = (struct pke_fail){0};
    return PKE_OK;
}

static enum pke_err build_tbs(struct request *req)
{
    enum pke_err err;

    ca_serial_new(ledger_node(req->issuer->ledger), req->serial);
    pke_hex(PKE_BYTES(req->serial, sizeof req->serial), false, req->serial_hex);
    struct tbs t = {.tmpl = req->tmpl,
                    .decision = &req->decision,
                    .spki = req->csr.spki,
                    .serial = req->serial,
                    .now = req->now_ms / 1000};
    err = tbs_make(&t, req->arena, &req->fail);
    req->tbs = t.der;
    memcpy(req->linted, t.linted, sizeof req->linted);
    explain_certificate(req, err == PKE_OK);
    return err;
}

/*
 * The key's own look at the bytes, with the bounds that the configuration gives it: what it would refuse is
 * refused before an intent and a serial are spent on it. The key looks again.
 */
static enum pke_err check_floor(struct request *req)
{
    const struct issuer_ca *ca = req->tmpl->ca;

    if (ca_floor_check(ca->floor, req->tbs, req->now_ms / 1000, &req->fail) != PKE_OK)
        return req->fail.err;
    explain(req, PKE_TRAIL_PASSED, "floor", "bounds of the issuer", NULL, "%s", ca->conf->name);
    return PKE_OK;
}

enum pke_err check_build(struct request *req)
{
    enum pke_err err =
        check_clock(&req->setup->conf->global, req->issuer->wall_seen, req->now_ms, &req->fail);

    if (err == PKE_OK)
        err = decide(req);
    if (err == PKE_OK)
        err = wishes_check(req);
    if (err == PKE_OK)
        err = check_admission(req);
    if (err == PKE_OK && req->msg.may_wait == MSG_WAIT_ALWAYS)
        err = pke_fail_set(&req->fail, PKE_MAINTENANCE, "draining", "drain", "the server is in maintenance");
    if (err == PKE_OK && !req->dry)
        err = admission_check(req);
    if (err == PKE_OK)
        err = build_tbs(req);
    return err == PKE_OK ? check_floor(req) : err;
}
