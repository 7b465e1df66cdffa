/* SPDX-License-Identifier: Apache-2.0 */
/* Whose is this device, and how many does somebody have: what the issuer asks before it decides. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "ledger/writer.h"

/* The device's row; *found tells whether there is one. */
static enum pke_err find_row(struct ledger *l, const char *tenant, const char *provider,
                             const char *device_id, struct pke_arena *arena, struct ledger_device *ret,
                             bool *found, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_DEVICE);

    query_text(&q, tenant);
    query_text(&q, device_id);
    query_text(&q, provider);
    *found = query_row(&q);
    if (*found)
        device_load(&q, arena, ret);
    return query_result(&q, fail);
}

static bool same_name(const char *a, const char *b)
{
    return a && b && strcasecmp(a, b) == 0;
}

/*
 * The newest live certificate. One on its way is newer than the row, and makes the device its applicant's; it
 * also is all there is of a device that was never enrolled. An issued one made the row what it is.
 */
static enum pke_err find_live(struct ledger *l, const char *tenant, const char *provider,
                              const char *device_id, int64_t now, struct pke_arena *arena, bool row_found,
                              struct ledger_device *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_LIVE);
    bool takes_over;
    const char *principal, *user_id;

    query_text(&q, tenant);
    query_text(&q, device_id);
    query_text(&q, provider);
    query_int(&q, now);
    if (!query_row(&q))
        return query_result(&q, fail);
    ret->live = true;
    takes_over = query_col_int(&q, 9) && !query_col_int(&q, 10); /* a renewal changes no owner */
    if (row_found && !takes_over)
        return PKE_OK;
    if (!row_found) {
        ret->tenant = query_col_text(&q, 0, arena);
        ret->provider = query_col_text(&q, 1, arena);
        ret->device_id = query_col_text(&q, 2, arena);
        ret->device_name = query_col_text(&q, 7, arena);
        ret->hwdev_id = query_col_text(&q, 8, arena);
    }
    principal = query_col_text(&q, 3, arena);
    user_id = query_col_text(&q, 4, arena);
    if (user_id || !same_name(principal, ret->principal)) /* as the row will have it */
        ret->user_id = user_id;
    ret->principal = principal;
    ret->enrollment_type = query_col_text(&q, 5, arena);
    ret->ent_dmid = query_col_text(&q, 6, arena);
    return PKE_OK;
}

static enum pke_err find_live_template(struct ledger *l, const char *tenant, const char *provider,
                                       const char *device_id, const char *template_name, int64_t now,
                                       struct ledger_device *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_LIVE_OF_TEMPLATE);

    query_text(&q, tenant);
    query_text(&q, device_id);
    query_text(&q, provider);
    query_int(&q, now);
    query_text(&q, template_name);
    ret->live_template = query_row(&q);
    return query_result(&q, fail);
}

enum pke_err ledger_find_device(struct ledger *l, const char *tenant, const char *provider,
                                const char *device_id, const char *template_name, int64_t now,
                                struct pke_arena *arena, struct ledger_device *ret, struct pke_fail *fail)
{
    const char *const providers[] = {provider, ""}; /* "": recorded before providers were */
    size_t n = provider[0] ? 2 : 1;
    bool found = false;
    enum pke_err err = PKE_OK;

    *ret = (struct ledger_device){0};
    for (size_t i = 0; err == PKE_OK && !found && i < n; i++)
        err = find_row(l, tenant, providers[i], device_id, arena, ret, &found, fail);
    if (found && ret->provider[0]) /* what "" has, if anything, is not this enrollment's */
        n = 1;
    for (size_t i = 0; err == PKE_OK && !ret->live && i < n; i++)
        err = find_live(l, tenant, providers[i], device_id, now, arena, found, ret, fail);
    ret->live_template = ret->live;
    if (template_name && ret->live) {
        ret->live_template = false;
        for (size_t i = 0; err == PKE_OK && !ret->live_template && i < n; i++)
            err = find_live_template(l, tenant, providers[i], device_id, template_name, now, ret, fail);
    }
    if (err == PKE_OK && !found && !ret->live)
        return pke_fail_set(fail, PKE_NOT_FOUND, "device-unknown", STORE_RULE_DEVICE,
                            "there is no such device");
    return err;
}

enum pke_err ledger_count_devices(struct ledger *l, const struct ledger_owner *owner, int64_t now,
                                  unsigned *n, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_COUNT_DEVICES);
    enum pke_err err;

    query_text(&q, owner->tenant);
    query_text(&q, owner->principal);
    query_text(&q, owner->user_id);
    query_text(&q, owner->except_provider);
    query_text(&q, owner->except_device_id);
    query_int(&q, now);
    (void)query_row(&q);
    err = query_result(&q, fail);
    *n = err == PKE_OK ? (unsigned)query_col_int(&q, 0) : 0;
    return err;
}
