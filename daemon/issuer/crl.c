/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a revocation list is made: the first one, after revocations, at its interval, when an operator asks,
 * and again with back-off when it could not be made. What it takes is crl_make.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl_impl.h"

#define RETRY_MS     1000 /* doubled with each failure in a row, */
#define RETRY_SHIFT  6    /* to about a minute */
#define KEY_START_MS 30000
#define ALARM_MS     600000
#define REST         10 /* times as long as it took: a CRL after each revocation must not be all we do */

int64_t crl_now(void)
{
    return role_wall_ms() / 1000;
}

static struct crl_ca *find(struct issuer *is, struct pke_bytes id)
{
    for (struct crl_ca *c = is->crl ? is->crl->cas : NULL; c; c = c->next)
        if (pke_bytes_eq(crl_id(c), id))
            return c;
    return NULL;
}

static const struct conf_issuer *conf_of(const struct crl_ca *c)
{
    return conf_find_issuer(c->is->setup->conf, c->name);
}

void crl_changed(struct issuer *is, struct pke_bytes issuer_id)
{
    struct crl_ca *c = find(is, issuer_id);

    if (!c || c->dirty)
        return;
    c->dirty = true;
    c->dirty_at = role_monotonic_ms();
}

void crl_carried_changed(struct issuer *is, struct pke_bytes issuer_id)
{
    struct crl_ca *c = find(is, issuer_id);

    if (c)
        c->loaded = false; /* it is read anew, with what was carried */
}

static struct crl_ca *new_ca(struct issuer *is, const struct issuer_ca *ca)
{
    struct crl_ca *c = pke_calloc(1, sizeof *c);

    c->is = is;
    memcpy(c->id, ca_issuer_id(ca->ca).p, sizeof c->id);
    c->again = true;
    c->since = role_monotonic_ms();
    c->next = is->crl->cas;
    is->crl->cas = c;
    return c;
}

void crl_configured(struct issuer *is)
{
    const char *folder = is->setup->conf->global.publish_directory;

    if (!is->crl)
        is->crl = pke_calloc(1, sizeof *is->crl);
    for (struct crl_ca *c = is->crl->cas; c; c = c->next)
        c->wanted = false;
    for (size_t i = 0; i < is->setup->n_cas; i++) {
        const struct issuer_ca *ca = &is->setup->cas[i];
        struct crl_ca *c = find(is, ca_issuer_id(ca->ca));

        if (ca->conf->crl_lifetime == 0)
            continue;
        if (!c)
            c = new_ca(is, ca);
        if (!c->name || strcmp(c->name, ca->conf->name) != 0 || !is->crl->all ||
            strcmp(is->crl->all, folder) != 0) {
            free(c->name);
            c->name = pke_strdup(ca->conf->name);
            c->loaded = false; /* other files */
            c->again = true;
        }
        c->wanted = true;
    }
    free(is->crl->all);
    is->crl->all = pke_strdup(folder);
}

const char *crl_word(const struct crl_ca *c, const struct conf_issuer *conf)
{
    int64_t now = crl_now(), due = c->full.this_update + CRL_BACKDATE + conf->crl_interval / 1000;

    if (c->full.number == 0)
        return c->failures ? "late" : "none";
    if (c->step >= CRL_WRITE_PEM && c->failures) /* signed, and in no folder */
        return "late";
    if (now >= c->full.next_update)
        return "expired";
    if (now >= due + (c->full.next_update - due) / 4)
        return "late";
    return "current";
}

static void tell_end(const struct crl_ca *c)
{
    static const char *const steps[] = {
        [CRL_IDLE] = "idle",     [CRL_FILES] = "files",   [CRL_CARRIED] = "carried", [CRL_READ] = "read",
        [CRL_CARRY] = "carry",   [CRL_SETTLE] = "settle", [CRL_DECIDE] = "decide",   [CRL_ENCODE] = "encode",
        [CRL_NUMBER] = "number", [CRL_BUILD] = "build",   [CRL_LINT] = "lint",       [CRL_SIGN] = "sign",
        [CRL_CHECK] = "check",   [CRL_RECORD] = "record", [CRL_WRITE_PEM] = "pem",   [CRL_WRITE_ALL] = "all",
        [CRL_WRITE_DER] = "der"};
    char number[24], entries[24], ms[24], turn[24], next[PKE_RFC3339_SIZE];

    snprintf(number, sizeof number, "%" PRId64, c->make.number);
    snprintf(entries, sizeof entries, "%" PRId64, c->make.entries);
    snprintf(ms, sizeof ms, "%" PRIu64, (keys_micros() - c->started) / 1000);
    snprintf(turn, sizeof turn, "%" PRIu64, c->longest_turn / 1000);
    pke_time_rfc3339(c->make.next_update, next);
    log_event(LOG_NOTICE, c->make.base ? "delta CRL published" : "CRL published", "issuer", c->name, "number",
              number, "entries", entries, "next_update", next, "ms", ms, "longest_turn_ms", turn, "in",
              steps[c->longest_step], NULL);
}

void crl_end(struct crl_ca *c, const struct pke_fail *fail)
{
    uint64_t now = role_monotonic_ms();
    bool made = !fail && c->make.number != 0;

    if (made)
        tell_end(c);
    if (fail) {
        c->failures++;
        c->fail = *fail;
        c->not_before =
            now + ((uint64_t)RETRY_MS << (c->failures < RETRY_SHIFT ? c->failures - 1 : RETRY_SHIFT));
        c->asked = c->asked || (c->make.number && !c->make.base);
        log_fail(LOG_ERR, "no CRL could be published", fail, "issuer", c->name, NULL);
    } else {
        c->failures = 0;
        c->fail = (struct pke_fail){0};
        c->alarm_at = 0;
        c->not_before = now + REST * (keys_micros() - c->started) / 1000;
    }
    c->again = made; /* a full one may want a delta, and the other way round */
    crl_verbs_ended(c, fail);
    c->step = CRL_IDLE;
    c->ca = NULL;
    setup_unref(c->setup);
    c->setup = NULL;
    pke_buf_done(&c->entries);
    pke_buf_done(&c->tbs);
    pke_buf_done(&c->signature);
    pke_buf_done(&c->der);
}

static bool is_due(struct crl_ca *c, const struct conf_issuer *conf, uint64_t now)
{
    int64_t wall = crl_now(), interval = conf->crl_interval / 1000 + CRL_BACKDATE;

    c->key_seen = c->key_seen || keys_takes_job(c->is, conf->key) || now >= c->since + KEY_START_MS;
    if (!c->key_seen)
        return false; /* it is being started */
    if (now < c->not_before && !(c->asked && c->failures == 0))
        return false;
    if (!c->loaded || c->asked || c->again || c->failures)
        return true;
    if (c->dirty && now >= c->dirty_at + (uint64_t)conf->crl_delay)
        return true;
    return wall >= c->full.this_update + interval || (c->deltas && wall >= c->delta.this_update + interval);
}

static bool is_bad(const char *word)
{
    return strcmp(word, "late") == 0 || strcmp(word, "expired") == 0;
}

const char *crl_complaint(struct issuer *is, const char *name, struct pke_arena *arena)
{
    for (const struct crl_ca *c = is->crl ? is->crl->cas : NULL; c; c = c->next) {
        const struct conf_issuer *conf = c->wanted && strcmp(c->name, name) == 0 ? conf_of(c) : NULL;
        const char *word = conf ? crl_word(c, conf) : "current", *why = c->fail.err ? c->fail.text : NULL;

        if (is_bad(word))
            return pke_arena_printf(arena, "the CRL of %s is %s%s%s", name, c->full.number ? word : "missing",
                                    why ? ": " : "", why ? why : "");
    }
    return NULL;
}

/* status says it: main is told when it begins and when it is over. */
static void tell_late(struct crl_ca *c, const struct conf_issuer *conf)
{
    const char *word = crl_word(c, conf);

    if (!is_bad(word))
        word = NULL;
    if (word == c->told || (word && c->told && strcmp(word, c->told) == 0))
        return;
    c->told = word;
    issuer_tell(c->is);
}

static void alarm_late(struct crl_ca *c, const struct conf_issuer *conf, uint64_t now)
{
    const char *word = crl_word(c, conf);
    char next[PKE_RFC3339_SIZE] = "";

    if (!is_bad(word) || now < c->alarm_at)
        return;
    c->alarm_at = now + ALARM_MS;
    if (c->full.number)
        pke_time_rfc3339(c->full.next_update, next);
    log_fail(LOG_ALERT, "the CRL is late", &c->fail, "issuer", c->name, "state", word, "next_update", next,
             NULL);
}

void crl_tick(struct issuer *is)
{
    uint64_t now = role_monotonic_ms();

    if (!is->crl || !is->setup || !is->ledger || is->role->stopping)
        return;
    for (struct crl_ca *c = is->crl->cas; c; c = c->next) {
        const struct conf_issuer *conf = c->wanted ? conf_of(c) : NULL;

        if (!conf)
            continue;
        if (c->step == CRL_IDLE && is_due(c, conf, now))
            crl_start(c);
        else if (c->step >= CRL_WRITE_PEM && c->failures && now >= c->not_before) {
            c->started = keys_micros(); /* what was waited is no work to rest from */
            crl_turn(c);
        }
        alarm_late(c, conf, now);
        tell_late(c, conf);
    }
}

void crl_key_ready(struct issuer *is, const char *key)
{
    for (struct crl_ca *c = is->crl ? is->crl->cas : NULL; c; c = c->next) {
        const struct conf_issuer *conf = c->wanted && is->setup ? conf_of(c) : NULL;

        if (conf && strcmp(conf->key, key) == 0 && c->step == CRL_IDLE && c->fail.err == PKE_KEY_DOWN)
            c->not_before = 0;
    }
}
