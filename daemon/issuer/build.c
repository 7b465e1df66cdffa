/* SPDX-License-Identifier: Apache-2.0 */
/* The last things before T1: the decision, the bytes that will be signed, their lint. */
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/lint.h"
#include "daemon/issuer/issuer.h"
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

static enum pke_err decide(struct request *req)
{
    const struct policy_key key = {.rsa = req->csr.key_type == CA_KEY_RSA,
                                   .bits = req->csr.key_bits,
                                   .sha1_signature = req->csr.sha1_signature};
    struct policy_request p = {.identity = &req->identity,
                               .device_id = req->device_id,
                               .enrollment_type = req->enrollment_type,
                               .key = key,
                               .trail = &req->trail};

    if (req->op == OP_RENEW)
        return policy_renewal_decide(req->tmpl->policy, &key, req->old.subject, req->old.san_uri,
                                     req->now_ms / 1000, req->arena, &req->decision, &req->fail);
    if (req->known && req->device.live && !req->device.released_at) {
        p.device_owner = req->device.principal;
        p.device_owner_id = req->device.user_id;
    }
    return policy_decide(req->tmpl->policy, &p, req->now_ms / 1000, req->arena, &req->decision, &req->fail);
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

/* Fill "{ent-dmid}" in the SAN: the one value that only the issuer knows. */
static void fill_san(struct request *req)
{
    static const char mark[] = "{ent-dmid}";

    for (size_t i = 0; i < req->decision.san.n; i++) {
        const char *value = req->decision.san.v[i].value, *at = strstr(value, mark);

        if (at)
            req->decision.san.v[i].value = pke_arena_printf(req->arena, "%.*s%s%s", (int)(at - value), value,
                                                            req->ent_dmid, at + sizeof mark - 1);
    }
}

/* Within the CA's life: the whole period moves behind a young CA's start, and is cut at its end. */
static void clamp_validity(struct request *req, const struct ca_issuer *ca)
{
    struct policy_decision *d = &req->decision;
    int64_t early = ca_issuer_not_before(ca) - d->not_before;

    if (early > 0) {
        d->not_before += early;
        d->not_after += early;
    }
    if (d->not_after > ca_issuer_not_after(ca))
        d->not_after = ca_issuer_not_after(ca);
}

/* What no verifier would accept below this CA is not recorded, and costs no signature. */
static enum pke_err check_constraints(struct request *req)
{
    const struct ca_names names = {
        .subject = req->decision.subject, .san = req->decision.san, .sid = req->decision.sid};

    return ca_issuer_check_names(req->tmpl->ca->ca, &names, &req->fail);
}

static enum pke_err build_tbs(struct request *req)
{
    const struct ca_issuer *ca = req->tmpl->ca->ca;
    struct ca_cert_spec spec = {.subject = &req->decision.subject,
                                .san = &req->decision.san,
                                .sid = req->decision.sid,
                                .spki = req->csr.spki};
    struct pke_buf tbs;
    enum pke_err err;

    clamp_validity(req, ca);
    spec.not_before = req->decision.not_before;
    spec.not_after = req->decision.not_after;
    ca_serial_new(ledger_node(req->issuer->ledger), req->serial);
    memcpy(spec.serial, req->serial, sizeof spec.serial);
    pke_hex(PKE_BYTES(req->serial, sizeof req->serial), false, req->serial_hex);
    pke_buf_init(&tbs, CA_TBS_MAX);
    err = ca_tbs_build(ca, req->tmpl->profile, &spec, &tbs, &req->fail);
    if (err == PKE_OK)
        req->tbs = pke_arena_bytes(req->arena, pke_buf_bytes(&tbs));
    pke_buf_done(&tbs);
    return err;
}

enum pke_err check_build(struct request *req)
{
    struct ca_lint_context lint = {.issuer = req->tmpl->ca->ca,
                                   .ekus = &req->tmpl->policy->ekus,
                                   .max_validity = req->tmpl->policy->validity / 1000,
                                   .now = req->now_ms / 1000};
    enum pke_err err =
        check_clock(&req->setup->conf->global, req->issuer->wall_seen, req->now_ms, &req->fail);

    if (err == PKE_OK)
        err = decide(req);
    if (err == PKE_OK)
        err = check_admission(req);
    if (err == PKE_OK && req->msg.may_wait == MSG_WAIT_ALWAYS)
        err = pke_fail_set(&req->fail, PKE_MAINTENANCE, "draining", "drain", "the server is in maintenance");
    if (err == PKE_OK)
        err = admission_check(req);
    if (err == PKE_OK && !req->ent_dmid)
        new_ent_dmid(req);
    if (err == PKE_OK)
        fill_san(req);
    if (err == PKE_OK)
        err = check_constraints(req);
    if (err == PKE_OK)
        err = build_tbs(req);
    if (err == PKE_OK)
        err = ca_lint(req->tbs, &lint, &req->fail);
    return err;
}
