/* SPDX-License-Identifier: Apache-2.0 */
/* issuer schedule|acknowledge|switch|cancel: who follows an issuer, and whether that can be. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/clients.h"
#include "daemon/issuer/issuer.h"

#define RULE   "issuer rollover"
#define DAY    86400
#define PAST   INT64_C(60000) /* ms: a time that was now when it was typed */
#define FUTURE (INT64_C(1000) * DAY * 3660)

/* ---- can it be? ---- */

static enum pke_err find(const struct issuer *is, const char *name, const struct issuer_ca **ret,
                         struct pke_fail *fail)
{
    *ret = setup_ca(is->setup, name);
    return *ret ? PKE_OK
                : pke_fail_set(fail, PKE_NOT_FOUND, "issuer-unknown", RULE,
                               "the configuration has no issuer %.64s", name);
}

static void warn_clamped(const struct issuer_template *t, const struct issuer_ca *to, int64_t at,
                         json_t *warnings)
{
    int64_t over = at + t->policy->validity / 1000 - ca_issuer_not_after(to->ca);

    if (warnings && over > 0)
        json_array_append_new(
            warnings,
            json_sprintf("template %s: %s ends before the certificates would, which are cut by %lld "
                         "days from the switch on",
                         t->policy->name, to->conf->name, (long long)((over + DAY - 1) / DAY)));
}

/* Names that the old floor lets through would be refused by the new one: told now, not request by request. */
static enum pke_err check_bounds(const struct conf_issuer *from, const struct conf_issuer *to,
                                 struct pke_fail *fail)
{
    const struct {
        const char *option;
        const struct pke_strings *from, *to;
    } bounds[] = {{"upn-suffixes", &from->upn_suffixes, &to->upn_suffixes},
                  {"dns-suffixes", &from->dns_suffixes, &to->dns_suffixes},
                  {"email-suffixes", &from->email_suffixes, &to->email_suffixes},
                  {"sid-prefixes", &from->sid_prefixes, &to->sid_prefixes},
                  {"uri-prefixes", &from->uri_prefixes, &to->uri_prefixes}};

    for (size_t i = 0; i < PKE_LEN(bounds); i++)
        for (size_t k = 0; k < bounds[i].from->n; k++)
            if (!pke_strings_has(bounds[i].to, bounds[i].from->v[k]))
                return pke_fail_set(fail, PKE_CONFIG, "rollover-bounds", "floor policy",
                                    "%s of %s has %.100s, and that of %s has not", bounds[i].option,
                                    from->name, bounds[i].from->v[k], to->name);
    if (from->allow_guid && !to->allow_guid)
        return pke_fail_set(fail, PKE_CONFIG, "rollover-bounds", "floor policy",
                            "allow-guid is yes for %s and not for %s", from->name, to->name);
    return PKE_OK;
}

static enum pke_err check_templates(const struct issuer *is, const char *from, const struct issuer_ca *to,
                                    int64_t at, json_t *warnings, struct pke_fail *fail)
{
    size_t n = 0;
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < is->setup->n_templates; i++) {
        const struct issuer_template *t = setup_template_at(is->setup, i);
        if (strcmp(t->ca->conf->name, from) != 0)
            continue;
        n++;
        err = setup_try(is->setup, t, to, at, fail);
        if (err == PKE_OK)
            warn_clamped(t, to, at, warnings);
    }
    if (err == PKE_OK && n == 0 && warnings)
        json_array_append_new(warnings,
                              json_sprintf("no template is signed by %s: nothing will change", from));
    return err;
}

static enum pke_err check_times(const struct issuer_ca *to, int64_t at, json_t *warnings,
                                struct pke_fail *fail)
{
    char text[PKE_RFC3339_SIZE];
    bool early = at < ca_issuer_not_before(to->ca);
    int64_t end = ca_issuer_not_after(to->ca);

    pke_time_rfc3339(early ? ca_issuer_not_before(to->ca) : end, text);
    if (early || at >= end)
        return pke_fail_set(fail, PKE_CONFIG, "rollover-validity", RULE,
                            "the certificate of %s is not valid at that time: it %s at %s", to->conf->name,
                            early ? "begins" : "ends", text);
    pke_time_rfc3339(to->root_not_after, text);
    if (at >= to->root_not_after)
        return pke_fail_set(fail, PKE_CONFIG, "rollover-root", RULE,
                            "the root of %s is not valid at that time: it ends at %s", to->conf->name, text);
    if (to->root_not_after < end && warnings)
        json_array_append_new(
            warnings, json_sprintf("the root of %s ends before its own certificate does", to->conf->name));
    return PKE_OK;
}

enum pke_err rollover_fits(struct issuer *is, const char *from, const char *to, int64_t at_ms,
                           json_t *warnings, struct pke_fail *fail)
{
    const struct issuer_ca *old, *new;
    const struct key_pool *pool;
    enum pke_err err = find(is, from, &old, fail);

    if (err == PKE_OK)
        err = find(is, to, &new, fail);
    if (err == PKE_OK && !new->conf->key)
        err = pke_fail_set(fail, PKE_CONFIG, "rollover-legacy", RULE, "%s is a legacy issuer: it has no key",
                           to);
    if (err == PKE_OK)
        err = check_times(new, at_ms / 1000, warnings, fail);
    if (err == PKE_OK)
        err = check_templates(is, from, new, at_ms / 1000, warnings, fail);
    if (err == PKE_OK)
        err = check_bounds(old->conf, new->conf, fail);
    if (err != PKE_OK)
        return err;
    /* a key process is ready only when the key signs what the certificate verifies (key/setup.c) */
    pool = keys_pool(is, new->conf->key);
    if (!pool || strcmp(verbs_key_state(pool), "ready") != 0)
        return pke_fail_set(fail, PKE_KEY_DOWN, "rollover-key", RULE,
                            "the key %s of %s is not ready: it is %s", new->conf->key, to,
                            pool ? verbs_key_state(pool) : "gone");
    return PKE_OK;
}

const char *rollover_untrusted(const struct issuer *is, const char *from, const char *to,
                               struct pke_arena *arena)
{
    const struct issuer_ca *old = setup_ca(is->setup, from), *new = setup_ca(is->setup, to);

    return old && new ? clients_missing(is->setup->clients, old, new, arena) : NULL;
}

/* ---- the verbs ---- */

struct order {
    uint64_t control, id;
    struct pke_arena *arena;
    const char *event, *from, *to, *actor;
    enum ledger_rollover_change change;
    bool schedules;
    int64_t switch_at;
    json_t *warnings;
};

static void end(struct issuer *is, struct order *o, enum pke_err err, const struct pke_fail *fail,
                json_t *answer)
{
    bool there = is->control && o->control == is->control_links;

    if (there && err == PKE_OK)
        verbs_reply(is->control, o->id, json_incref(answer));
    else if (there)
        verbs_refuse(is->control, o->id, fail);
    json_decref(answer);
    json_decref(o->warnings);
    pke_arena_free(o->arena);
    free(o);
}

static enum pke_err apply(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct order *o = op->arg;
    int64_t now = role_wall_ms();

    if (o->schedules)
        return ledger_rollover_schedule(is->ledger, o->from, o->to, o->switch_at, o->actor, now, fail);
    return ledger_rollover_change(is->ledger, o->change, o->from, o->actor, now, fail);
}

static void done(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct order *o = op->arg;
    char at[PKE_RFC3339_SIZE];
    json_t *answer = NULL;

    if (o->schedules)
        is->scheduling = false;
    if (err == PKE_OK) {
        pke_time_rfc3339_ms(o->switch_at, at);
        rollover_changed(is, o->event, o->from, o->actor);
        answer = json_pack("{s:s, s:s, s:s, s:s, s:O}", "from", o->from, "to", o->to, "switch_at", at,
                           "state", o->event + strlen("issuer-"), "warnings", o->warnings);
    }
    end(is, o, err, fail, answer);
}

static struct order *order_new(struct issuer *is, uint64_t id, const struct msg_verb *v, const char *event)
{
    struct order *o = pke_calloc(1, sizeof *o);
    const char *name = pke_pairs_get(&v->args, "name");

    *o = (struct order){.control = is->control_links,
                        .id = id,
                        .arena = pke_arena_new(),
                        .event = event,
                        .warnings = json_array()};
    o->from = pke_arena_strdup(o->arena, name ? name : "");
    o->actor = pke_arena_strdup(o->arena, v->actor);
    return o;
}

/* Without one: at once. */
static enum pke_err read_time(const char *text, int64_t *ret, struct pke_fail *fail)
{
    int64_t now = role_wall_ms(), seconds;

    *ret = now;
    if (!text)
        return PKE_OK;
    if (!pke_time_parse(text, &seconds))
        return pke_fail_set(fail, PKE_MALFORMED, "rollover-time", RULE,
                            "the time is not written as 2027-03-01T12:00:00Z");
    *ret = seconds * 1000;
    if (*ret < now - PAST || *ret > now + FUTURE)
        return pke_fail_set(fail, PKE_MALFORMED, "rollover-time", RULE,
                            *ret < now ? "the time is in the past" : "the time is more than ten years away");
    return PKE_OK;
}

/* The switch waits for it: a device that was renewed would be turned away. */
static void warn_untrusted(const struct issuer *is, struct order *o)
{
    const char *missing = rollover_untrusted(is, o->from, o->to, o->arena);

    if (missing)
        json_array_append_new(o->warnings, json_string(missing));
}

static void schedule(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct order *o = order_new(is, id, v, "issuer-scheduled");
    const char *to = pke_pairs_get(&v->args, "to");
    const struct issuer_ca *ca;
    struct pke_fail fail;
    enum pke_err err = find(is, o->from, &ca, &fail);

    o->schedules = true;
    o->to = pke_arena_strdup(o->arena, to ? to : "");
    if (err == PKE_OK)
        err = find(is, o->to, &ca, &fail);
    if (err == PKE_OK && is->scheduling) /* two in one group could make a circle of each other */
        err = pke_fail_set(&fail, PKE_BUSY, "rollover-busy", RULE,
                           "another successor is being recorded: again");
    if (err == PKE_OK)
        err = succession_check(&is->succession, o->from, o->to, &fail);
    if (err == PKE_OK)
        err = read_time(pke_pairs_get(&v->args, "at"), &o->switch_at, &fail);
    if (err == PKE_OK)
        err = rollover_fits(is, o->from, o->to, o->switch_at, o->warnings, &fail);
    if (err == PKE_OK)
        warn_untrusted(is, o);
    if (err != PKE_OK) {
        end(is, o, err, &fail, NULL);
        return;
    }
    is->scheduling = true;
    batch_add(is, apply, done, o);
}

static enum pke_err check_switch(struct issuer *is, const struct ledger_rollover *row, bool force,
                                 struct order *o, struct pke_fail *fail)
{
    const char *missing = rollover_untrusted(is, row->from, row->to, o->arena);
    int64_t now = role_wall_ms();
    enum pke_err err = check_clock(&is->setup->conf->global, is->wall_seen, now, fail);

    if (err != PKE_OK)
        return err;
    if (!row->acknowledged_at && !force)
        return pke_fail_set(
            fail, PKE_EXISTS, "rollover-unacknowledged", RULE,
            "nobody acknowledged that the management server trusts %s: issuer acknowledge %s, "
            "or --force",
            row->to, row->from);
    if (missing && !force)
        return pke_fail_set(fail, PKE_EXISTS, "rollover-untrusted", RULE, "%s: reload with it, or --force",
                            missing);
    warn_untrusted(is, o);
    return rollover_fits(is, row->from, row->to, now, o->warnings, fail);
}

/* A switch that is undone: its templates were taken for the old one when the configuration was loaded, but
 * time has passed. Whether its key is ready is not asked: nothing else may be left. */
static enum pke_err check_cancel(struct issuer *is, const struct ledger_rollover *row, json_t *warnings,
                                 struct pke_fail *fail)
{
    const struct ledger_rollover *onward = succession_of(&is->succession, row->to);
    const struct issuer_ca *old;
    enum pke_err err;

    if (!row->switched_at)
        return PKE_OK;
    if (onward)
        return pke_fail_set(fail, PKE_EXISTS, "rollover-onward", RULE,
                            "%s has the successor %s: cancel that first", row->to, onward->to);
    err = find(is, row->from, &old, fail);
    return err == PKE_OK ? check_times(old, role_wall_ms() / 1000, warnings, fail) : err;
}

static bool is_forced(const struct msg_verb *v)
{
    const char *force = pke_pairs_get(&v->args, "force");

    return force && strcmp(force, "true") == 0;
}

static void change(struct issuer *is, uint64_t id, const struct msg_verb *v, const char *event,
                   enum ledger_rollover_change what)
{
    struct order *o = order_new(is, id, v, event);
    const struct ledger_rollover *row = succession_of(&is->succession, o->from);
    bool open = row && !row->switched_at;
    const struct issuer_ca *ca;
    struct pke_fail fail;
    enum pke_err err = row ? PKE_OK : find(is, o->from, &ca, &fail); /* a row may outlive its issuer */

    o->change = what;
    if (err != PKE_OK) {
        /* no issuer of this name */
    } else if (!row || (!open && what != LEDGER_ROLLOVER_CANCEL)) {
        err = pke_fail_set(&fail, PKE_NOT_FOUND, "rollover-none", RULE,
                           row ? "%s was switched already" : "%s has no successor: see issuer schedule",
                           o->from);
    } else {
        o->to = pke_arena_strdup(o->arena, row->to);
        o->switch_at = row->switch_at;
        if (what == LEDGER_ROLLOVER_SWITCH)
            err = check_switch(is, row, is_forced(v), o, &fail);
        else if (what == LEDGER_ROLLOVER_CANCEL)
            err = check_cancel(is, row, o->warnings, &fail);
    }
    if (err == PKE_OK)
        batch_add(is, apply, done, o);
    else
        end(is, o, err, &fail, NULL);
}

bool verbs_rollover(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    static const struct {
        const char *verb, *event;
        enum ledger_rollover_change change;
    } changes[] = {{"issuer-acknowledge", "issuer-acknowledged", LEDGER_ROLLOVER_ACKNOWLEDGE},
                   {"issuer-switch", "issuer-switched", LEDGER_ROLLOVER_SWITCH},
                   {"issuer-cancel", "issuer-cancelled", LEDGER_ROLLOVER_CANCEL}};

    if (strcmp(v->verb, "issuer-schedule") == 0) {
        schedule(is, id, v);
        return true;
    }
    for (size_t i = 0; i < PKE_LEN(changes); i++)
        if (strcmp(v->verb, changes[i].verb) == 0) {
            change(is, id, v, changes[i].event, changes[i].change);
            return true;
        }
    return false;
}
