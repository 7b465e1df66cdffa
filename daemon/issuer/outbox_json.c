/* SPDX-License-Identifier: Apache-2.0 */
/* An event as receivers read it: dist/schema/event.schema.json, doc/events.md. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/outbox_impl.h"

char *outbox_id(int64_t seq)
{
    return pke_asprintf("event-%" PRId64, seq);
}

static json_t *detail_of(const struct ledger_event *e)
{
    json_t *detail = e->detail ? json_loads(e->detail, JSON_REJECT_DUPLICATES, NULL) : NULL;

    return detail ? detail : json_object();
}

static json_t *request_of(const struct ledger_event *e)
{
    if (!e->request_id)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", jsonval_text(e->request_id),
                     "operation", jsonval_filled(e->operation), "endpoint", jsonval_filled(e->endpoint),
                     "template", jsonval_filled(e->template_name), "principal", jsonval_filled(e->principal),
                     "user_id", jsonval_filled(e->user_id), "credential", jsonval_filled(e->credential),
                     "device_id", jsonval_filled(e->device_id), "enrollment_type",
                     jsonval_filled(e->enrollment_type), "provider", jsonval_filled(e->provider));
}

static const char *issuer_name(const struct issuer *is, const char *id_hex)
{
    for (size_t i = 0; i < is->setup->n_cas; i++) {
        json_t *hex = jsonval_hex(ca_issuer_id(is->setup->cas[i].ca));
        bool same = strcmp(json_string_value(hex), id_hex) == 0;

        json_decref(hex);
        if (same)
            return is->setup->cas[i].conf->name;
    }
    return NULL;
}

static json_t *certificate_of(const struct issuer *is, const struct ledger_event *e)
{
    if (!e->der.n)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "serial",
                     jsonval_text(e->serial_hex), "issuer", jsonval_text(issuer_name(is, e->issuer_id_hex)),
                     "issuer_id", jsonval_text(e->issuer_id_hex), "sha1", jsonval_text(e->sha1_hex), "sha256",
                     jsonval_text(e->sha256_hex), "subject", jsonval_text(e->subject), "names",
                     jsonval_pairs(&e->names, "kind", "value"), "not_before", jsonval_seconds(e->not_before),
                     "not_after", jsonval_seconds(e->not_after), "ent_dmid", jsonval_filled(e->ent_dmid),
                     "der", jsonval_base64(e->der));
}

static json_t *failure_of(const struct ledger_event *e)
{
    if (e->fail.err == PKE_OK)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "reason", jsonval_text(e->fail.reason), "rule",
                     jsonval_text(e->fail.rule), "text", jsonval_text(e->fail.text));
}

json_t *outbox_json(const struct issuer *is, const struct ledger_event *e)
{
    PKE_CLEANUP(pke_free_p) char *id = outbox_id(e->seq);
    json_t *detail = detail_of(e);
    json_t *o;

    json_object_del(detail, "tenant"); /* it has a member of its own */
    o = json_pack("{s:i, s:s, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1, "id", id,
                  "seq", (json_int_t)e->seq, "at", jsonval_ms(e->at), "kind", e->kind, "tenant",
                  jsonval_filled(e->tenant), "actor", jsonval_filled(e->actor), "request", request_of(e),
                  "certificate", certificate_of(is, e), "renews", jsonval_filled(e->renews), "failure",
                  failure_of(e), "detail", detail);
    if (!o)
        pke_oom();
    return o;
}

static bool names_issuer(const struct issuer *is, const char *tenant, const char *name)
{
    for (size_t i = 0; name && i < is->setup->n_templates; i++) {
        const struct policy_template *t = is->setup->templates[i].policy;
        if (strcmp(t->tenant, tenant) == 0 && strcmp(t->issuer, name) == 0)
            return true;
    }
    return false;
}

bool outbox_is_for(const struct issuer *is, const struct ledger_event *e, const char *tenant)
{
    json_t *detail;
    bool found;

    if (!tenant || is->setup->conf->n_tenants == 1)
        return true;
    if (e->tenant && *e->tenant)
        return strcmp(e->tenant, tenant) == 0;
    detail = detail_of(e);
    found = names_issuer(is, tenant, json_string_value(json_object_get(detail, "from"))) ||
            names_issuer(is, tenant, json_string_value(json_object_get(detail, "to")));
    json_decref(detail);
    return found;
}
