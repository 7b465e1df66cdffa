/* SPDX-License-Identifier: Apache-2.0 */
/* What an authoriser is asked: everything that is known of the request, and no secret. doc/authoriser.md */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/authoriser.h"
#include "daemon/issuer/issuer.h"
#include "ipc/wipealloc.h"

/* Text of a client may be no UTF-8: then it is left out rather than changed. */
static json_t *text(const char *s)
{
    json_t *value = s ? json_string(s) : NULL;

    return value ? value : json_null();
}

static json_t *hex(struct pke_bytes b)
{
    char *out = pke_calloc(1, 2 * b.n + 1);
    json_t *value;

    pke_hex(b, false, out);
    value = json_string(out);
    free(out);
    return value;
}

static json_t *base64(struct pke_bytes b)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf out = {0};

    pke_buf_init(&out, b.n * 2 + 8);
    (void)pke_base64_encode(b, 0, &out);
    return json_stringn((const char *)out.p, out.n);
}

static json_t *sha256(struct pke_bytes b)
{
    uint8_t hash[32];

    if (EVP_Digest(b.p, b.n, hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    return hex(PKE_BYTES(hash, sizeof hash));
}

/* A list, because a kind may repeat and the order counts. */
static json_t *pairs(const struct pke_pairs *list, const char *name, const char *value)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(
            array, json_pack("{s:o, s:o}", name, text(list->v[i].name), value, text(list->v[i].value)));
    return array;
}

static json_t *principal(const struct request *req)
{
    json_t *claims = json_object();

    for (size_t i = 0; i < req->who.attributes.n; i++)
        json_object_set_new(claims, req->who.attributes.v[i].name, text(req->who.attributes.v[i].value));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", text(req->who.principal), "user_id",
                     text(req->who.user_id), "credential", text(req->who.kind), "claims", claims, "names",
                     pairs(&req->known_names, "kind", "value"));
}

static json_t *device(const struct request *req)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "id", text(req->device_id), "enrollment_type",
                     text(req->enrollment_type), "name", text(pke_pairs_get(&req->msg.context, "DeviceName")),
                     "hwdev_id", text(pke_pairs_get(&req->msg.context, "HWDevID")), "ent_dmid",
                     text(req->ent_dmid), "known", req->known, "owner",
                     text(req->known ? req->device.principal : NULL));
}

static json_t *csr(const struct request *req)
{
    const struct ca_csr *c = &req->csr;

    return json_pack("{s:o, s:s, s:i, s:o, s:o, s:o, s:o}", "spki_sha256",
                     hex(PKE_BYTES(c->spki_sha256, sizeof c->spki_sha256)), "key_type",
                     ca_key_type_name(c->key_type), "key_bits", (int)c->key_bits, "signature_algorithm",
                     text(c->signature_algorithm), "subject", text(c->subject_text), "names",
                     pairs(&c->asked.names, "kind", "value"), "der", base64(c->der));
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
        json_array_append_new(ekus, text(d->ekus->v[i]));
    pke_time_rfc3339(d->not_before, from);
    pke_time_rfc3339(d->not_after, until);
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:s}", "subject", pairs(&d->subject, "kind", "value"),
                     "san", pairs(&d->san, "kind", "value"), "sid", text(d->sid), "ekus", ekus, "not_before",
                     from, "not_after", until, "issuer", req->tmpl->ca->conf->name);
}

static json_t *renews(const struct request *req)
{
    const struct ledger_certificate *old = &req->old;

    if (req->op != OP_RENEW)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "request_id", text(old->request_id), "serial",
                     text(old->serial_hex), "sha256", sha256(old->der), "template", text(old->template_name),
                     "not_after", (json_int_t)old->not_after);
}

static json_t *presented(const struct request *req)
{
    if (!req->msg.client_certificate.n)
        return json_null();
    return json_pack("{s:o, s:o}", "sha256", sha256(req->msg.client_certificate), "der",
                     base64(req->msg.client_certificate));
}

struct pke_bytes authoriser_question(struct request *req)
{
    json_t *q = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1,
        "event", "authorize", "id", req->msg.trace_id, "stage", "enroll", "operation", req->msg.operation,
        "tenant", req->setup->conf->global.tenant, "endpoint", text(req->msg.endpoint), "template",
        text(req->tmpl->policy->name), "source", text(req->msg.source), "principal", principal(req), "device",
        device(req), "context", pairs(&req->msg.context, "name", "value"), "csr", csr(req), "proposed",
        proposed(req), "certificate", presented(req), "renews", renews(req), "attestation",
        text(req->attestation));
    char *body = json_dumps(q, JSON_COMPACT | JSON_ENSURE_ASCII);
    struct pke_bytes ret;

    if (!body)
        pke_oom();
    ret = pke_arena_bytes(req->arena, pke_bytes_str(body));
    wipe_free(body);
    json_decref(q);
    return ret;
}
