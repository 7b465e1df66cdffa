/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signs for an issuer. The rows of the ledger say it and are durable before anything follows them; the
 * templates of the configuration in force follow at once, requests that were decided before end as they were
 * decided.
 */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"

#define RULE       "issuer rollover"
#define WARN_EVERY INT64_C(86400000)

static enum pke_err read_rows(struct issuer *is, struct pke_fail *fail)
{
    struct pke_arena *arena = pke_arena_new();
    struct ledger_rollover *rows;
    size_t n;
    enum pke_err err = ledger_rollovers(is->ledger, arena, &rows, &n, fail);

    if (err != PKE_OK) {
        pke_arena_free(arena);
        return err;
    }
    for (size_t i = 0; i < is->succession.n; i++)
        free(is->waits[i]);
    free(is->waits);
    pke_arena_free(is->succession_arena);
    is->succession_arena = arena;
    is->succession = (struct succession){rows, n};
    is->waits = pke_calloc(n + 1, sizeof *is->waits);
    return PKE_OK;
}

enum pke_err rollover_load(struct issuer *is, struct pke_fail *fail)
{
    return read_rows(is, fail);
}

/* ---- a configuration ---- */

/* Without its issuer a certificate is not renewed, and nobody signs that it is revoked. */
static enum pke_err check_gone(struct issuer *is, const struct setup *candidate, const struct issuer_ca *old,
                               struct pke_fail *fail)
{
    char until[PKE_RFC3339_SIZE];
    int64_t life = 0;
    enum pke_err err;

    if (setup_ca_of(candidate, ca_issuer_id(old->ca)))
        return PKE_OK;
    err = ledger_issuer_life(is->ledger, ca_issuer_id(old->ca), &life, fail);
    if (err != PKE_OK || life <= role_wall_ms() / 1000)
        return err;
    pke_time_rfc3339(life, until);
    return pke_fail_set(fail, PKE_CONFIG, "issuer-live", RULE,
                        "issuer %s is not configured any more, and certificates of it are valid until %s: "
                        "their renewal and its CRL need it (a restart takes the configuration all the same)",
                        old->conf->name, until);
}

/* A restart takes what a reload does not: said once. */
static void warn_gone(struct issuer *is, const struct setup *candidate)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_blobs alive = {0};
    struct pke_fail fail;
    char hex[41];

    if (ledger_issuers_alive(is->ledger, role_wall_ms() / 1000, arena, &alive, &fail) != PKE_OK)
        log_fail(LOG_WARNING, "issuers of valid certificates cannot be listed", &fail, NULL);
    for (size_t i = 0; i < alive.n; i++) {
        if (alive.v[i].n != CA_ISSUER_ID || setup_ca_of(candidate, alive.v[i]))
            continue;
        pke_hex(alive.v[i], false, hex);
        log_event(LOG_WARNING, "certificates of an issuer that is not configured are valid: they have no CRL",
                  "issuer_id", hex, NULL);
    }
    pke_arena_free(arena);
}

/* Of a switch to come both have to stay: found out now, not when it is due. A start goes on, and the switch
 * waits. */
static enum pke_err check_scheduled(const struct issuer *is, const struct setup *candidate,
                                    struct pke_fail *fail)
{
    for (size_t i = 0; is->setup && i < is->succession.n; i++) {
        const struct ledger_rollover *row = &is->succession.rows[i];
        if (!row->switched_at && (!setup_ca(candidate, row->from) || !setup_ca(candidate, row->to)))
            return pke_fail_set(fail, PKE_CONFIG, "rollover-issuer", RULE,
                                "the switch from %s to %s is scheduled, and %s is not configured", row->from,
                                row->to, setup_ca(candidate, row->from) ? row->to : row->from);
    }
    return PKE_OK;
}

enum pke_err rollover_prepare(struct issuer *is, struct setup *candidate, struct pke_fail *fail)
{
    enum pke_err err = setup_follow(candidate, &is->succession, fail);

    if (err == PKE_OK)
        err = check_scheduled(is, candidate, fail);
    for (size_t i = 0; err == PKE_OK && is->setup && i < is->setup->n_cas; i++)
        err = check_gone(is, candidate, &is->setup->cas[i], fail);
    if (err == PKE_OK && !is->setup)
        warn_gone(is, candidate);
    return err;
}

/* A management server that does not know the new issuer would turn its clients away: no switch before. */
static void publish(struct issuer *is)
{
    struct pke_fail fail;
    bool was = is->unpublished;

    is->unpublished = publish_issuers(is, &fail) != PKE_OK;
    if (is->unpublished && !was)
        log_fail(LOG_ERR, "certificates of issuers cannot be published", &fail, NULL);
}

/* Rows that were written while the configuration was being prepared. */
static void follow(struct issuer *is)
{
    struct pke_fail fail;

    if (setup_follow(is->setup, &is->succession, &fail) != PKE_OK)
        log_fail(LOG_ERR, "templates cannot follow a switch of their issuer", &fail, NULL);
    issuer_send_catalogue(is);
    publish(is);
    issuer_tell(is);
}

void rollover_commit(struct issuer *is)
{
    follow(is);
    is->warn_at = 0;
    rollover_tick(is);
}

/* ---- a switch ---- */

struct change {
    enum ledger_rollover_change what;
    char *from, *by;
};

static enum pke_err apply_switch(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    const struct change *c = op->arg;

    return ledger_rollover_change(is->ledger, LEDGER_ROLLOVER_SWITCH, c->from, c->by, role_wall_ms(), fail);
}

static void done_switch(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct change *c = op->arg;

    is->switching = false;
    if (err == PKE_OK)
        rollover_changed(is, "issuer-switched", c->from, c->by);
    else
        log_fail(LOG_ERR, "switch of an issuer not recorded", fail, "from", c->from, NULL);
    free(c->from);
    free(c->by);
    free(c);
}

static void switch_now(struct issuer *is, const struct ledger_rollover *row)
{
    struct change *c = pke_calloc(1, sizeof *c);

    c->from = pke_strdup(row->from);
    c->by = pke_strdup("issuer");
    is->switching = true;
    batch_add(is, apply_switch, done_switch, c);
}

void rollover_changed(struct issuer *is, const char *what, const char *from, const char *by)
{
    const struct ledger_rollover *row;
    struct pke_fail fail;

    is->succession_stale = read_rows(is, &fail) != PKE_OK;
    if (is->succession_stale)
        log_fail(LOG_ERR, "the successors of issuers cannot be read", &fail, NULL);
    row = succession_of(&is->succession, from);
    log_event(LOG_NOTICE, what, "from", from, "to", row ? row->to : NULL, "by", by, NULL);
    follow(is);
}

/* Said once for each reason: the tick comes twice a second. */
static void note_waiting(struct issuer *is, size_t i, const char *why)
{
    const struct ledger_rollover *row = &is->succession.rows[i];

    if (is->waits[i] && strcmp(is->waits[i], why) == 0)
        return;
    free(is->waits[i]);
    is->waits[i] = pke_strdup(why);
    log_event(LOG_WARNING, "the switch of an issuer is due and waits", "from", row->from, "to", row->to,
              "why", why, NULL);
    issuer_tell(is);
}

static void look_at(struct issuer *is, size_t i)
{
    struct pke_arena *arena = pke_arena_new();
    const char *untrusted;
    const struct ledger_rollover *row = &is->succession.rows[i];
    int64_t now = role_wall_ms();
    struct pke_fail fail;

    switch (succession_next(row, now, true)) {
    case SUCCESSION_ACKNOWLEDGEMENT:
        note_waiting(is, i, "nobody acknowledged that the management server trusts the successor");
        break;
    case SUCCESSION_SWITCH:
        if (is->unpublished)
            note_waiting(is, i, "clients-ca.pem with the successor cannot be written");
        else if ((untrusted = rollover_untrusted(is, row->from, row->to, arena)))
            note_waiting(is, i, untrusted);
        else if (check_clock(&is->setup->conf->global, is->wall_seen, now, &fail) != PKE_OK ||
                 rollover_fits(is, row->from, row->to, now, NULL, &fail) != PKE_OK)
            note_waiting(is, i, fail.text);
        else
            switch_now(is, row);
        break;
    default:
        break;
    }
    pke_arena_free(arena);
}

/* ---- what expires ---- */

static void warn(const struct issuer_ca *ca, const char *what, int64_t not_after)
{
    char until[PKE_RFC3339_SIZE];

    pke_time_rfc3339(not_after, until);
    log_event(LOG_WARNING, what, "issuer", ca->conf->name, "not_after", until, NULL);
}

static void warn_clamped(const struct issuer_template *t, int64_t now)
{
    char until[PKE_RFC3339_SIZE];

    if (now + t->policy->validity / 1000 <= ca_issuer_not_after(t->ca->ca))
        return;
    pke_time_rfc3339(ca_issuer_not_after(t->ca->ca), until);
    log_event(LOG_WARNING, "certificates are shorter than their template says, because their issuer ends",
              "template", t->policy->name, "issuer", t->ca->conf->name, "not_after", until, NULL);
}

static void warn_all(struct issuer *is)
{
    int64_t now = role_wall_ms() / 1000;

    for (size_t i = 0; i < is->setup->n_cas; i++) {
        const struct issuer_ca *ca = &is->setup->cas[i];
        int64_t lead = ca->conf->expiry_warning / 1000;
        if (ca_issuer_not_after(ca->ca) - now < lead)
            warn(ca, "the certificate of an issuer expires soon", ca_issuer_not_after(ca->ca));
        else if (ca->root_not_after - now < lead)
            warn(ca, "the root of an issuer expires soon", ca->root_not_after);
    }
    for (size_t i = 0; i < is->setup->n_templates; i++)
        warn_clamped(setup_template_at(is->setup, i), now);
}

void rollover_tick(struct issuer *is)
{
    struct pke_fail fail;

    if (!is->setup || !is->ledger || is->role->stopping)
        return;
    if (is->succession_stale && read_rows(is, &fail) == PKE_OK) {
        is->succession_stale = false;
        follow(is);
    }
    for (size_t i = 0; !is->switching && i < is->succession.n; i++)
        look_at(is, i);
    if (is->unpublished)
        publish(is);
    if (role_monotonic_ms() < is->warn_at)
        return;
    is->warn_at = role_monotonic_ms() + WARN_EVERY;
    warn_all(is);
    publish(is); /* what expired goes */
    issuer_tell(is);
}
