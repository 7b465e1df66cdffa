/* SPDX-License-Identifier: Apache-2.0 */
/* What an authoriser is asked: everything that is known of the request, and no secret. doc/authoriser.md */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/authoriser.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/jsonval.h"
#include "ipc/wipealloc.h"

static json_t *principal(const struct request *req)
{
    json_t *claims = json_object();

    for (size_t i = 0; i < req->who.attributes.n; i++)
        json_object_set_new(claims, req->who.attributes.v[i].name,
                            jsonval_text(req->who.attributes.v[i].value));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", jsonval_text(req->who.principal), "user_id",
                     jsonval_text(req->who.user_id), "credential", jsonval_text(req->who.kind), "claims",
                     claims, "names", jsonval_pairs(&req->known_names, "kind", "value"));
}

static json_t *device(const struct request *req)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "id", jsonval_text(req->device_id),
                     "enrollment_type", jsonval_text(req->enrollment_type), "name",
                     jsonval_text(pke_pairs_get(&req->msg.context, "DeviceName")), "hwdev_id",
                     jsonval_text(pke_pairs_get(&req->msg.context, "HWDevID")), "ent_dmid",
                     jsonval_text(req->ent_dmid), "known", req->known, "owner",
                     jsonval_text(req->known ? req->device.principal : NULL));
}

static json_t *csr(const struct request *req)
{
    const struct ca_csr *c = &req->csr;

    return json_pack("{s:o, s:s, s:i, s:o, s:o, s:o, s:o}", "spki_sha256",
                     jsonval_hex(PKE_BYTES(c->spki_sha256, sizeof c->spki_sha256)), "key_type",
                     ca_key_type_name(c->key_type), "key_bits", (int)c->key_bits, "signature_algorithm",
                     jsonval_text(c->signature_algorithm), "subject", jsonval_text(c->subject_text), "names",
                     jsonval_pairs(&c->asked.names, "kind", "value"), "der", jsonval_base64(c->der));
}

static json_t *proposed(const struct request *req)
{
    const struct policy_decision *d = &req->decision;
    char from[PKE_RFC3339_SIZE], until[PKE_RFC3339_SIZE];
    json_t *ekus;

    if (!d->ekus) /* names that only the authoriser knows are missing */
        return json_null();
    ekus = json_array();
    for (size_t i = 0; i < d->ekus->n; i++)
        json_array_append_new(ekus, jsonval_text(d->ekus->v[i]));
    pke_time_rfc3339(d->not_before, from);
    pke_time_rfc3339(d->not_after, until);
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:s}", "subject",
                     jsonval_pairs(&d->subject, "kind", "value"), "san",
                     jsonval_pairs(&d->san, "kind", "value"), "sid", jsonval_text(d->sid), "ekus", ekus,
                     "not_before", from, "not_after", until, "issuer", req->tmpl->ca->conf->name);
}

static json_t *renews(const struct request *req)
{
    const struct ledger_certificate *old = &req->old;

    if (req->op != OP_RENEW)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "request_id", jsonval_text(old->request_id), "serial",
                     jsonval_text(old->serial_hex), "sha256", jsonval_sha256(old->der), "template",
                     jsonval_text(old->template_name), "not_after", (json_int_t)old->not_after);
}

static json_t *presented(const struct request *req)
{
    if (!req->msg.client_certificate.n)
        return json_null();
    return json_pack("{s:o, s:o}", "sha256", jsonval_sha256(req->msg.client_certificate), "der",
                     jsonval_base64(req->msg.client_certificate));
}

struct pke_bytes authoriser_question(struct request *req)
{
    json_t *q = json_pack(
        "{s:i, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1,
        "event", "authorize", "id", jsonval_text(req->msg.trace_id), "stage", "enroll", "operation",
        jsonval_text(req->msg.operation), "tenant", req->endpoint->tenant, "endpoint",
        jsonval_text(req->msg.endpoint), "template", jsonval_text(req->tmpl->policy->name), "source",
        jsonval_text(req->msg.source), "principal", principal(req), "device", device(req), "context",
        jsonval_pairs(&req->msg.context, "name", "value"), "csr", csr(req), "proposed", proposed(req),
        "certificate", presented(req), "renews", renews(req), "attestation", jsonval_text(req->attestation));
    char *body = q ? json_dumps(q, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    struct pke_bytes ret = PKE_BYTES(NULL, 0);

    if (body)
        ret = pke_arena_bytes(req->arena, pke_bytes_str(body));
    wipe_free(body);
    json_decref(q);
    return ret;
}
