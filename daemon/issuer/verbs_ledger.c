/* SPDX-License-Identifier: Apache-2.0 */
/* What operators change in the ledger: devices, approvals, confirmations. Answered when it is durable. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/scope.h"

#define RULE          "control API"
#define DEFAULT_HOURS 24
#define MAX_HOURS     8760 /* a year */
#define HOUR_MS       INT64_C(3600000)

static const struct device_verb {
    const char *verb, *state; /* state: what the answer says */
    enum ledger_device_change change;
    bool has_until;
} device_verbs[] = {
    {"device-release", "released", LEDGER_DEVICE_RELEASE, false},
    {"device-block", "blocked", LEDGER_DEVICE_BLOCK, false},
    {"device-unblock", "unblocked", LEDGER_DEVICE_UNBLOCK, false},
    {"device-allow-recovery", "recovery-allowed", LEDGER_DEVICE_ALLOW_RECOVERY, true},
    {"device-allow-renewal", "renewal-allowed", LEDGER_DEVICE_ALLOW_RENEWAL, true},
};

/* A change on its way into the ledger, and who wants to know. */
struct change {
    struct pke_arena *arena;
    uint64_t control; /* the asker: a number, because a later channel may get the address of this one */
    uint64_t id;
    const char *actor, *key, *provider;
    const char *tenant; /* of a device; of what has an id: only this one's, NULL: whoever's */
    const struct device_verb *device;
    bool grant;
    int64_t at, until; /* ms; until 0: the change has none */
    uint8_t sha256[32];
};

static struct change *change_new(struct issuer *is, uint64_t id, const struct msg_verb *v, const char *key)
{
    const char *value = pke_pairs_get(&v->args, key), *provider = pke_pairs_get(&v->args, "provider");
    struct change *c = pke_calloc(1, sizeof *c);

    *c = (struct change){
        .arena = pke_arena_new(), .control = is->control_links, .id = id, .at = role_wall_ms()};
    c->actor = pke_arena_strdup(c->arena, v->actor);
    c->key = pke_arena_strdup(c->arena, value ? value : "");
    if (scope_limit(v))
        c->tenant = pke_arena_strdup(c->arena, scope_limit(v));
    if (provider) /* "-": recorded before providers were */
        c->provider = pke_arena_strdup(c->arena, strcmp(provider, "-") == 0 ? "" : provider);
    return c;
}

static void change_free(struct change *c)
{
    pke_arena_free(c->arena);
    free(c);
}

/* Set ->until from the argument "hours". */
static enum pke_err read_hours(struct change *c, const struct msg_verb *v, struct pke_fail *fail)
{
    const char *text = pke_pairs_get(&v->args, "hours");
    long hours = DEFAULT_HOURS;
    char *end = NULL;

    if (text)
        hours = strtol(text, &end, 10);
    if (text && (*text < '0' || *text > '9' || *end || hours < 1 || hours > MAX_HOURS))
        return pke_fail_set(fail, PKE_MALFORMED, "hours", RULE, "hours is a number from 1 to %d", MAX_HOURS);
    c->until = c->at + hours * HOUR_MS;
    return PKE_OK;
}

/* Tell the outcome, if the asker is still there. Takes over @p answer. */
static void end(struct issuer *is, struct change *c, enum pke_err err, const struct pke_fail *fail,
                json_t *answer)
{
    bool there = is->control && c->control == is->control_links;

    if (there && err == PKE_OK)
        verbs_reply(is->control, c->id, json_incref(answer));
    else if (there)
        verbs_refuse(is->control, c->id, fail);
    json_decref(answer);
    change_free(c);
}

static const char *until_text(const struct change *c, char text[PKE_RFC3339_SIZE])
{
    if (!c->until)
        return NULL;
    pke_time_rfc3339_ms(c->until, text);
    return text;
}

/* ---- devices ---- */

static enum pke_err apply_device(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct change *c = op->arg;

    return ledger_device_change(is->ledger, c->tenant, c->provider, c->key, c->device->change, c->actor,
                                c->until, c->at, fail);
}

static void done_device(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct change *c = op->arg;
    char until[PKE_RFC3339_SIZE];

    end(is, c, err, fail,
        json_pack("{s:s, s:s, s:s?}", "device_id", c->key, "state", c->device->state, "until",
                  until_text(c, until)));
}

/* A device can be blocked before it enrolls; a provider that nobody serves is a slip of the pen. */
static enum pke_err check_provider(const struct issuer *is, const struct change *c, struct pke_fail *fail)
{
    const struct conf *conf = is->setup->conf;

    if (c->device->change != LEDGER_DEVICE_BLOCK || !c->provider || !*c->provider)
        return PKE_OK;
    for (size_t i = 0; i < conf->n_provisionings; i++)
        if (strcmp(conf->provisionings[i].provider_id, c->provider) == 0 &&
            strcmp(conf->provisionings[i].tenant, c->tenant) == 0)
            return PKE_OK;
    return pke_fail_set(fail, PKE_NOT_FOUND, "provider-unknown", "provisioning provider-id",
                        "the configuration has no provider of this id");
}

/* A word about a revocation that nobody asked for is a slip of the pen. */
static enum pke_err check_words(const struct msg_verb *v, bool revoke, struct pke_fail *fail)
{
    if (revoke || (!pke_pairs_get(&v->args, "reason") && !pke_pairs_get(&v->args, "comment")))
        return PKE_OK;
    return pke_fail_set(fail, PKE_MALFORMED, "reason", RULE,
                        "reason and comment are for a revocation: with revoke");
}

/* A device id is one of its tenant only. */
static enum pke_err take_tenant(const struct issuer *is, struct change *c, const struct msg_verb *v,
                                struct pke_fail *fail)
{
    const char *tenant;

    if (scope_tenant(is, v, &tenant, fail) != PKE_OK)
        return fail->err;
    c->tenant = pke_arena_strdup(c->arena, tenant);
    return PKE_OK;
}

static void change_device(struct issuer *is, uint64_t id, const struct msg_verb *v,
                          const struct device_verb *d)
{
    struct change *c = change_new(is, id, v, "id");
    const char *text = pke_pairs_get(&v->args, "revoke");
    bool revoke = text && strcmp(text, "true") == 0;
    struct pke_fail fail;

    c->device = d;
    if (take_tenant(is, c, v, &fail) != PKE_OK || (d->has_until && read_hours(c, v, &fail) != PKE_OK) ||
        check_provider(is, c, &fail) != PKE_OK || check_words(v, revoke, &fail) != PKE_OK) {
        end(is, c, fail.err, &fail, NULL);
    } else if (revoke) {
        change_free(c);
        verbs_revoke_device(is, id, v, d->change, d->state);
    } else {
        batch_add(is, apply_device, done_device, c);
    }
}

/* ---- approvals ---- */

/* It waits for no operator; but one may say no to a request that waits for the key. */
static enum pke_err deny_waiting(struct issuer *is, const struct change *c, struct pke_fail *fail)
{
    struct pke_fail why;
    uint32_t number;
    enum pke_err err = ledger_ticket_named(is->ledger, c->tenant, c->key, &number, fail);

    pke_fail_set(&why, PKE_DENIED, "operator-denied", "request deny", "an operator denied the request");
    return err == PKE_OK ? ledger_ticket_deny(is->ledger, number, &why, c->actor, c->at, fail) : err;
}

static enum pke_err apply_decision(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct change *c = op->arg;
    struct pke_fail unknown;
    enum pke_err err =
        ledger_admission_decide(is->ledger, c->tenant, c->key, c->grant, c->actor, c->until, c->at, fail);

    if (err != PKE_NOT_FOUND || c->grant)
        return err;
    err = deny_waiting(is, c, &unknown);
    if (err != PKE_OK && err != PKE_NOT_FOUND)
        *fail = unknown;
    return err;
}

static void done_decision(struct issuer *is, struct batch_op *op, enum pke_err err,
                          const struct pke_fail *fail)
{
    struct change *c = op->arg;
    char until[PKE_RFC3339_SIZE];

    end(is, c, err, fail,
        json_pack("{s:s, s:s, s:s?}", "request_id", c->key, "state", c->grant ? "granted" : "denied", "until",
                  until_text(c, until)));
}

static void decide(struct issuer *is, uint64_t id, const struct msg_verb *v, bool grant)
{
    struct change *c = change_new(is, id, v, "id");
    struct pke_fail fail;

    c->grant = grant;
    if (read_hours(c, v, &fail) != PKE_OK)
        end(is, c, fail.err, &fail, NULL);
    else
        batch_add(is, apply_decision, done_decision, c);
}

/* ---- confirmations ---- */

static enum pke_err apply_confirm(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct change *c = op->arg;
    enum pke_err err = ledger_name_certificate(is->ledger, c->tenant, c->key, c->sha256, fail);

    return err == PKE_OK ? ledger_confirm(is->ledger, c->sha256, c->actor, c->at, fail) : err;
}

static void done_confirm(struct issuer *is, struct batch_op *op, enum pke_err err,
                         const struct pke_fail *fail)
{
    struct change *c = op->arg;
    char hex[65];

    pke_hex(PKE_BYTES(c->sha256, sizeof c->sha256), false, hex);
    end(is, c, err, fail, json_pack("{s:s, s:s}", "sha256", hex, "state", "confirmed"));
}

bool verbs_ledger(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    for (size_t i = 0; i < PKE_LEN(device_verbs); i++) {
        if (strcmp(device_verbs[i].verb, v->verb) == 0) {
            change_device(is, id, v, &device_verbs[i]);
            return true;
        }
    }
    if (strcmp(v->verb, "request-approve") == 0)
        decide(is, id, v, true);
    else if (strcmp(v->verb, "request-deny") == 0)
        decide(is, id, v, false);
    else if (strcmp(v->verb, "cert-confirm") == 0)
        batch_add(is, apply_confirm, done_confirm, change_new(is, id, v, "key"));
    else
        return false;
    return true;
}
