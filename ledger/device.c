/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as the writer keeps them: whose they are follows the certificates, the rest is the operators' word.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/audit.h"

enum pke_err device_permission(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_PERMISSION);
    enum pke_err err;

    query_text(&q, in->request.tenant);
    query_text(&q, in->request.device_id);
    query_text(&q, in->request.provider ? in->request.provider : "");
    query_int(&q, (in->uses_recovery ? GRANT_RECOVERY : 0) | (in->uses_renewal ? GRANT_RENEWAL : 0));
    query_int(&q, in->request.at);
    if (query_row(&q))
        return PKE_OK;
    err = query_result(&q, fail);
    return err != PKE_OK ? err
                         : pke_fail_set(fail, PKE_DENIED, "device-permission", STORE_RULE_DEVICE,
                                        "the permission was used, taken back or has expired");
}

/* A device recorded before providers were becomes the first provider's that enrolls it, certificates and all.
 */
static enum pke_err adopt(struct ledger *l, int64_t id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADOPT_DEVICE);
    PKE_CLEANUP(query_done) struct query c = {0};
    enum pke_err err;

    query_int(&q, id);
    err = query_run(&q, fail);
    if (err != PKE_OK || sqlite3_changes(l->store.db) == 0)
        return err;
    c = query_start(&l->store, WRITER_ADOPT_CERTIFICATES);
    query_int(&c, id);
    return query_run(&c, fail);
}

static enum pke_err upsert(struct ledger *l, int64_t id, bool renewal, int64_t grants, int64_t at,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_UPSERT_DEVICE);

    query_int(&q, id);
    query_int(&q, at);
    query_int(&q, renewal);
    query_int(&q, grants);
    return query_run(&q, fail);
}

enum pke_err device_issued(struct ledger *l, int64_t id, bool renewal, int64_t grants, int64_t at,
                           struct pke_fail *fail)
{
    enum pke_err err = adopt(l, id, fail);

    return err == PKE_OK ? upsert(l, id, renewal, grants, at, fail) : err;
}

/* ---- what operators do ---- */

/* The row that an operator named. */
struct named {
    int64_t id;
    bool blocked, released, enrolled;
    struct pke_arena *arena;
    const char *provider, *principal, *user_id;
};

static enum pke_err name(struct ledger *l, const char *tenant, const char *provider, const char *device_id,
                         struct named *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_NAME_DEVICE);
    enum pke_err err;

    query_text(&q, tenant);
    query_text(&q, device_id);
    query_text(&q, provider);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "device-unknown", STORE_RULE_DEVICE,
                                            "there is no such device");
    }
    ret->id = query_col_int(&q, 0);
    ret->provider = query_col_text(&q, 1, ret->arena);
    ret->blocked = query_col_int(&q, 2) != 0;
    ret->released = query_col_int(&q, 3) != 0;
    ret->principal = query_col_text(&q, 4, ret->arena);
    ret->user_id = query_col_text(&q, 5, ret->arena);
    ret->enrolled = query_col_int(&q, 6) != 0;
    if (query_row(&q))
        return pke_fail_set(fail, PKE_EXISTS, "device-ambiguous", STORE_RULE_DEVICE,
                            "the device is enrolled with several providers: name one");
    return query_result(&q, fail);
}

/* A change that would change nothing is a mistake of the operator, who is told. */
static enum pke_err check_change(const struct named *d, enum ledger_device_change change,
                                 struct pke_fail *fail)
{
    if (change == LEDGER_DEVICE_BLOCK && d->blocked)
        return pke_fail_set(fail, PKE_EXISTS, "device-blocked", STORE_RULE_DEVICE,
                            "the device is blocked already");
    if (change == LEDGER_DEVICE_UNBLOCK && !d->blocked)
        return pke_fail_set(fail, PKE_EXISTS, "device-not-blocked", STORE_RULE_DEVICE,
                            "the device is not blocked");
    if (change != LEDGER_DEVICE_BLOCK && change != LEDGER_DEVICE_UNBLOCK && !d->enrolled)
        return pke_fail_set(fail, PKE_NOT_FOUND, "device-unknown", STORE_RULE_DEVICE,
                            "the device was never enrolled");
    if (change != LEDGER_DEVICE_BLOCK && change != LEDGER_DEVICE_UNBLOCK && d->released)
        return pke_fail_set(fail, PKE_EXISTS, "device-released", STORE_RULE_DEVICE,
                            "the device was released and not enrolled since");
    return PKE_OK;
}

/* The row and nothing else. */
static enum pke_err set(struct ledger *l, const struct named *d, enum ledger_device_change change,
                        const char *actor, int64_t until, int64_t at, struct pke_fail *fail)
{
    static const enum writer_statement statements[] = {
        [LEDGER_DEVICE_BLOCK] = WRITER_BLOCK_DEVICE,
        [LEDGER_DEVICE_UNBLOCK] = WRITER_BLOCK_DEVICE,
        [LEDGER_DEVICE_RELEASE] = WRITER_FREE_DEVICE,
        [LEDGER_DEVICE_ALLOW_RECOVERY] = WRITER_ALLOW_RECOVERY,
        [LEDGER_DEVICE_ALLOW_RENEWAL] = WRITER_ALLOW_RENEWAL,
    };
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, statements[change]);

    query_int(&q, d->id);
    if (change == LEDGER_DEVICE_UNBLOCK)
        query_int(&q, 0);
    else
        query_int(&q, change == LEDGER_DEVICE_BLOCK || change == LEDGER_DEVICE_RELEASE ? at : until);
    if (change == LEDGER_DEVICE_BLOCK)
        query_text(&q, actor ? actor : "");
    return query_run(&q, fail);
}

/*
 * Stolen before it ever enrolled: the row is there for the block alone, and ends with it. A device that is
 * known with another provider is not blocked by a slip of the pen: PKE_NOT_FOUND stays in @p fail.
 */
static enum pke_err add_blocked(struct ledger *l, const char *tenant, const char *provider,
                                const char *device_id, const char *actor, int64_t at, struct named *ret,
                                struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_BLOCKED);
    enum pke_err err;

    query_text(&q, tenant);
    query_text(&q, provider);
    query_text(&q, device_id);
    query_int(&q, at);
    query_text(&q, actor ? actor : "");
    err = query_run(&q, fail);
    ret->provider = provider;
    return err == PKE_OK && sqlite3_changes(l->store.db) == 0 ? PKE_NOT_FOUND : err;
}

static enum pke_err forget(struct ledger *l, int64_t id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FORGET_DEVICE);

    query_int(&q, id);
    return query_run(&q, fail);
}

/* None of the certificates that its former owner has, superseded before or now, is good for a renewal. */
static enum pke_err release(struct ledger *l, int64_t id, const char *actor, int64_t at,
                            struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_RELEASE_CERTIFICATES);
    enum pke_err err;

    query_int(&q, id);
    query_int(&q, at);
    err = query_run(&q, fail);
    return err == PKE_OK ? supersede_all(l, WRITER_NEXT_OF_DEVICE, id, actor, at, fail) : err;
}

static enum pke_err audit_change(struct ledger *l, const struct named *d, const char *device_id,
                                 enum ledger_device_change change, struct audit_row *row, int64_t until,
                                 struct pke_fail *fail)
{
    static const char *const events[] = {
        [LEDGER_DEVICE_BLOCK] = "device-blocked",
        [LEDGER_DEVICE_UNBLOCK] = "device-unblocked",
        [LEDGER_DEVICE_RELEASE] = "device-released",
        [LEDGER_DEVICE_ALLOW_RECOVERY] = "device-recovery-allowed",
        [LEDGER_DEVICE_ALLOW_RENEWAL] = "device-renewal-allowed",
    };
    struct pke_buf b;
    enum pke_err err;

    row->event = events[change];
    audit_json_init(&b);
    audit_json(&b, "device", device_id);
    audit_json(&b, "provider", d->provider);
    audit_json(&b, "principal", d->principal);
    audit_json(&b, "user_id", d->user_id);
    if (change == LEDGER_DEVICE_ALLOW_RECOVERY || change == LEDGER_DEVICE_ALLOW_RENEWAL)
        (void)pke_buf_printf(&b, ",\"until\":%lld", (long long)until);
    err = audit_append_detail(l, row, &b, fail);
    pke_buf_done(&b);
    return err;
}

enum pke_err ledger_device_change(struct ledger *l, const char *tenant, const char *provider,
                                  const char *device_id, enum ledger_device_change change, const char *actor,
                                  int64_t until, int64_t at, struct pke_fail *fail)
{
    struct named d = {.arena = pke_arena_new()};
    struct audit_row row = {.at = at, .actor = actor, .tenant = tenant};
    enum pke_err err = change_begin(l, fail);

    if (err == PKE_OK) {
        err = name(l, tenant, provider, device_id, &d, fail);
        if (err == PKE_NOT_FOUND && change == LEDGER_DEVICE_BLOCK && provider && provider[0]) {
            err = add_blocked(l, tenant, provider, device_id, actor, at, &d, fail);
        } else if (err == PKE_OK) {
            err = check_change(&d, change, fail);
            if (err == PKE_OK)
                err = set(l, &d, change, actor, until, at, fail);
        }
        if (err == PKE_OK)
            err = audit_change(l, &d, device_id, change, &row, until, fail);
        if (err == PKE_OK && change == LEDGER_DEVICE_RELEASE)
            err = release(l, d.id, actor, at, fail);
        if (err == PKE_OK && change == LEDGER_DEVICE_UNBLOCK && !d.enrolled)
            err = forget(l, d.id, fail);
        err = change_end(l, err, fail);
    }
    pke_arena_free(d.arena);
    return err;
}
