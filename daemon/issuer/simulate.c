/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dry run for an operator: the functions of a real request, in the same order, over a request that has no
 * client. It ends before T1; the key is not asked. What only a client can have (a password, a token, evidence
 * of a TPM, the signature of a renewal) is taken for granted, and the answer says so.
 */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/issuer/request.h"
#include "daemon/issuer/simulate.h"
#include "ipc/verbs.h"

#define RULE      "simulate"
#define DEVICE_ID "SIMULATED"

static enum pke_err bad(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, reason, RULE, "%s", text);
}

/* By name, or the only one that offers the template, or the only one. */
static enum pke_err find_endpoint(struct request *req, const struct pke_pairs *args, struct pke_fail *fail)
{
    const struct conf *conf = req->setup->conf;
    const char *name = pke_pairs_get(args, "endpoint"), *tmpl = pke_pairs_get(args, "template");
    const char *tenant = pke_pairs_get(args, "tenant");
    const struct conf_endpoint *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < conf->n_endpoints; i++) {
        const struct conf_endpoint *e = &conf->endpoints[i];

        if (e->stage != CONF_STAGE_ENROLL || (name && strcmp(e->name, name) != 0) ||
            (tmpl && strcmp(e->template_name, tmpl) != 0) || (tenant && strcmp(e->tenant, tenant) != 0))
            continue;
        found = found ? found : e;
        n++;
    }
    if (n == 0)
        return pke_fail_set(fail, PKE_NOT_FOUND, "simulate-endpoint", RULE,
                            "no enrollment endpoint has this name and offers this template");
    if (n > 1 && !tmpl)
        return bad(fail, "simulate-endpoint",
                   "there are several enrollment endpoints: say which one, or a template");
    req->msg.endpoint = found->name;
    req->endpoint = found;
    return PKE_OK;
}

static enum pke_err read_who(struct request *req, const struct pke_pairs *args, struct pke_fail *fail)
{
    const char *kind = pke_pairs_get(args, "credential"), *upn = pke_pairs_get(args, "upn");
    const char *type = pke_pairs_get(args, "type"), *device = pke_pairs_get(args, "device_id");

    if (type && strcmp(type, "full") != 0 && strcmp(type, "device") != 0)
        return bad(fail, "simulate-type", "type is full or device");
    if (!kind)
        kind = req->endpoint->credentials.n ? req->endpoint->credentials.v[0] : "username";
    req->who = (struct assertion){.tenant = req->endpoint->tenant,
                                  .principal = pke_pairs_get(args, "principal"),
                                  .user_id = pke_pairs_get(args, "user_id"),
                                  .kind = kind,
                                  .stage = "enroll",
                                  .endpoint = req->msg.endpoint,
                                  .expires = UINT64_MAX};
    if (upn)
        pke_pairs_add(&req->who.attributes, req->arena, "upn", upn);
    pke_pairs_add(&req->msg.context, req->arena, "DeviceID", device ? device : DEVICE_ID);
    pke_pairs_add(&req->msg.context, req->arena, "EnrollmentType",
                  type && strcmp(type, "full") == 0 ? "Full" : "Device");
    return PKE_OK;
}

/* The certificate in place of a CMS that its key signed. The record says who and which device. */
static enum pke_err read_renewal(struct request *req, const char *key, struct pke_fail *fail)
{
    struct ledger_certificate old;
    struct ca_cert_facts facts;
    enum pke_err err = ledger_name_certificate(req->issuer->ledger, req->endpoint->tenant, key,
                                               req->cms.certificate_sha256, fail);

    if (err == PKE_OK)
        err =
            ledger_find_certificate(req->issuer->ledger, req->cms.certificate_sha256, req->arena, &old, fail);
    if (err == PKE_OK)
        err = ca_cert_facts_read(old.der, req->arena, &facts, fail);
    if (err != PKE_OK)
        return err;
    if (!policy_same_owner(old.principal, NULL, req->who.principal, NULL))
        return bad(fail, "simulate-principal", "the certificate to be renewed is another principal's");
    req->msg.operation = "renew";
    req->msg.context = (struct pke_pairs){0};
    req->msg.client_certificate = req->cms.certificate = old.der;
    req->cms.spki = facts.spki;
    req->csr_der = req->msg.request;
    return PKE_OK;
}

static enum pke_err read_arguments(struct request *req, const struct pke_pairs *args, struct pke_fail *fail)
{
    const char *renews = pke_pairs_get(args, "renews");
    enum pke_err err = find_endpoint(req, args, fail);

    req->msg.operation = "issue";
    req->msg.trace_id = "";
    req->msg.generation = PKE_BYTES(req->setup->conf->generation, CONF_GENERATION);
    req->msg.may_wait = MSG_WAIT_NEVER;
    if (err == PKE_OK)
        err = request_take_csr(req, pke_pairs_get(args, "csr"), fail);
    if (err == PKE_OK)
        err = read_who(req, args, fail);
    return err == PKE_OK && renews ? read_renewal(req, renews, fail) : err;
}

/* Not a decision about the request: what would become of it now. */
static enum pke_err check_key(struct request *req)
{
    struct key_pool *p = keys_pool(req->issuer, req->tmpl->ca->conf->key);

    for (unsigned i = 0; p && i < KEY_MAX_INSTANCES; i++)
        if (keys_is_ready(&p->clients[i])) {
            explain(req, PKE_TRAIL_PASSED, "signing key", "key state", NULL, "ready");
            return PKE_OK;
        }
    if (p && keys_is_paused(p))
        return pke_fail_set(&req->fail, PKE_MAINTENANCE, "key-paused", "key state",
                            "an operator paused the signing key");
    return pke_fail_set(&req->fail, PKE_KEY_DOWN, "key-down", "key state",
                        "the signing key is not available");
}

bool simulate_verb(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct request *req;
    struct pke_fail fail = {0};
    bool known_ent_dmid = false;

    if (strcmp(v->verb, "simulate") != 0)
        return false;
    req = request_create(is);
    req->dry = true;
    if (read_arguments(req, &v->args, &fail) != PKE_OK) {
        verbs_refuse(is->control, id, &fail);
        request_free(req);
        return true;
    }
    if (check_identity(req) == PKE_OK && check_request(req) == PKE_OK) {
        known_ent_dmid = req->ent_dmid != NULL;
        if (authoriser_passed(req) == PKE_OK && check_build(req) == PKE_OK)
            check_key(req);
    }
    if (req->fail.err != PKE_OK)
        explain_refused(req, &req->fail);
    verbs_reply(is->control, id, simulate_json(req, req->ent_dmid && !known_ent_dmid));
    request_free(req);
    return true;
}
