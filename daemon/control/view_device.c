/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, approvals and the life of certificates as JSON. The clock is read once for an answer. */
#include <string.h>

#include "base/mem.h"
#include "daemon/control/control.h"
#include "daemon/control/json.h"

static json_t *pairs(const struct pke_pairs *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        json_t *o = json_object();
        control_put(o, "name", list->v[i].name);
        control_put(o, "value", list->v[i].value);
        json_array_append_new(array, o);
    }
    return array;
}

void view_put_identity(json_t *o, const struct ledger_row *row)
{
    control_put(o, "user_id", row->user_id);
    control_put(o, "provider", row->provider);
    control_put(o, "attestation", row->attestation);
    json_object_set_new(o, "attributes", pairs(&row->attributes));
}

/* A request that waits is refused for its client and pending for its operator. */
void view_put_approval(json_t *o, const struct ledger_row *row)
{
    const struct ledger_approval *a = &row->approval;
    json_t *p;

    if (!a->state) {
        control_put(o, "approval", NULL);
        return;
    }
    if (strcmp(a->state, "pending") == 0)
        control_put(o, "state", "pending");
    p = json_object();
    control_put(p, "state",
                strcmp(a->state, "granted") == 0 && a->expires_at <= role_wall_ms() ? "expired" : a->state);
    json_object_set_new(p, "attempts", json_integer((json_int_t)a->attempts));
    control_put_ms(p, "last_at", a->last_at);
    control_put_ms(p, "decided_at", a->decided_at);
    control_put(p, "decided_by", a->decided_by);
    control_put_ms(p, "expires_at", a->expires_at);
    control_put(p, "used_by", a->used_by);
    json_object_set_new(o, "approval", p);
}

/* One that waits for the key is refused, or failed, for now. */
void view_put_waiting(json_t *o, const struct ledger_row *row)
{
    const struct ledger_waiting *w = &row->waiting;
    json_t *p;

    if (!w->state) {
        control_put(o, "waiting", NULL);
        return;
    }
    if (strcmp(w->state, "waiting") == 0)
        control_put(o, "state", "waiting");
    p = json_object();
    json_object_set_new(p, "number", json_integer((json_int_t)w->number));
    control_put(p, "state", w->state);
    control_put_ms(p, "since", w->waiting_at);
    control_put_ms(p, "expires_at", w->expires_at);
    control_put_ms(p, "finished_at", w->finished_at);
    control_put(p, "reason", w->reason);
    control_put(p, "result", w->result);
    json_object_set_new(o, "waiting", p);
}

static json_t *view_revocation(const struct ledger_row_revocation *v)
{
    json_t *o = json_object();

    control_put(o, "reason", v->reason);
    control_put_ms(o, "since", v->at);
    control_put(o, "by", v->by);
    control_put(o, "comment", v->comment);
    control_put_ms(o, "released_at", v->released_at);
    control_put(o, "released_by", v->released_by);
    return o;
}

void view_put_life(json_t *o, const struct ledger_row *row, bool whole)
{
    control_put(o, "state", ledger_life(row, role_wall_ms() / 1000));
    if (!whole)
        return;
    control_put_ms(o, "confirmed_at", row->confirmed_at);
    control_put_ms(o, "superseded_at", row->superseded_at);
    control_put_ms(o, "revoked_at", row->revoked_at);
    json_object_set_new(o, "revocation",
                        row->revocation.reason ? view_revocation(&row->revocation) : json_null());
    control_put(o, "renews", row->renewed_from);
    control_put(o, "provider", row->provider);
    control_put(o, "user_id", row->user_id);
    json_object_set_new(o, "names", pairs(&row->names));
}

static json_t *view_device(const struct ledger_device *d, bool whole)
{
    json_t *o = json_object();

    control_put(o, "device_id", d->device_id);
    control_put(o, "tenant", d->tenant);
    control_put(o, "provider", d->provider);
    control_put(o, "state", ledger_device_state(d));
    control_put(o, "principal", d->principal);
    control_put(o, "device_name", d->device_name);
    control_put(o, "enrollment_type", d->enrollment_type);
    control_put_ms(o, "first_at", d->first_at);
    control_put_ms(o, "last_at", d->last_at);
    if (!whole)
        return o;
    control_put(o, "user_id", d->user_id);
    control_put(o, "hwdev_id", d->hwdev_id);
    control_put(o, "ent_dmid", d->ent_dmid);
    json_object_set_new(o, "live", json_boolean(d->live));
    control_put_ms(o, "blocked_at", d->blocked_at);
    control_put(o, "blocked_by", d->blocked_by);
    control_put_ms(o, "released_at", d->released_at);
    control_put_ms(o, "recovery_until", d->recovery_until);
    control_put_ms(o, "renewal_until", d->renewal_until);
    return o;
}

enum pke_err view_device_list(struct control *c, const struct pke_pairs *args, struct pke_arena *arena,
                              json_t **ret, struct pke_fail *fail)
{
    struct ledger_device_filter filter = {.tenant = pke_pairs_get(args, "tenant"),
                                          .principal = pke_pairs_get(args, "principal"),
                                          .state = pke_pairs_get(args, "state"),
                                          .now = role_wall_ms() / 1000};
    struct ledger_device *rows = NULL;
    const char *next = NULL;
    size_t n = 0;
    enum pke_err err = ledger_device_list(c->ledger, &filter, pke_pairs_get(args, "cursor"),
                                          control_request_limit(args), arena, &rows, &n, &next, fail);
    json_t *items;

    if (err)
        return err;
    items = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(items, view_device(&rows[i], false));
    *ret = control_list(items, next);
    return PKE_OK;
}

enum pke_err view_device_show(struct control *c, const struct pke_pairs *args, struct pke_arena *arena,
                              json_t **ret, struct pke_fail *fail)
{
    const char *provider = pke_pairs_get(args, "provider");
    struct ledger_device device;
    enum pke_err err;

    if (provider && strcmp(provider, "-") == 0)
        provider = "";
    err = ledger_device_show(c->ledger, pke_pairs_get(args, "tenant"), provider, pke_pairs_get(args, "id"),
                             role_wall_ms() / 1000, arena, &device, fail);
    if (!err)
        *ret = view_device(&device, true);
    return err;
}
