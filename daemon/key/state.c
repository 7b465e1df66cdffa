/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of the key: starting, ready, recovering (it comes back by itself), locked (a secret was refused:
 * an operator's matter), failed (not the key it should be) and paused (an operator's wish).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/key/key.h"
#include "daemon/key/latch.h"
#include "daemon/key/pause.h"

#define REOPEN_FIRST_MS 200
#define REOPEN_MAX_MS   10000
/* What is permanent as far as the device says may have been put right meanwhile: a look that costs one login
 * with a secret that was not refused. A signature that was wrong is never looked at again by itself. */
#define FAILED_LOOK_MS 300000
/* Module, token, login and search in one: more than one operation. */
#define OPEN_PATIENCE_MS 30000
#define LOGIN_WAIT_MS    3000

bool state_is(const struct key_role *k, const char *state)
{
    return strcmp(k->state, state) == 0;
}

static void add_attributes(const struct key_role *k, struct pke_arena *arena, struct pke_pairs *list)
{
    const struct ks_attribute *a;
    size_t n = 0;

    if (!k->key)
        return;
    a = ks_attributes(k->key, &n);
    for (size_t i = 0; i < n; i++)
        pke_pairs_add(list, arena, a[i].name, !a[i].present ? "absent" : a[i].value ? "yes" : "no");
}

static void add_numbers(const struct key_totals *n, struct pke_arena *arena, struct msg_key_state *m)
{
    static const char *const classes[KEY_FAILURE__MAX] = {[KS_TRANSIENT] = "transient",
                                                          [KS_SESSION] = "session",
                                                          [KS_TOKEN] = "token",
                                                          [KS_AUTH] = "auth",
                                                          [KS_PERMANENT] = "permanent",
                                                          [KS_INTEGRITY] = "integrity",
                                                          [KEY_FAILURE_REFUSED] = "refused",
                                                          [KEY_FAILURE_LATE] = "late"};
    const char *buckets = "";

    m->signatures = n->signatures;
    m->failures = n->failures;
    m->last_micros = n->last_micros;
    m->ewma_micros = n->ewma_micros;
    m->max_micros = n->max_micros;
    m->sum_micros = n->sum_micros;
    m->recoveries = n->recoveries;
    m->health_checks = n->health_checks;
    m->last_good_at = n->good_at;
    for (size_t i = 0; i < PKE_LEN(classes); i++)
        if (classes[i])
            pke_pairs_add(&m->failed, arena, classes[i], pke_arena_printf(arena, "%" PRIu64, n->failed[i]));
    for (size_t i = 0; i < MSG_KEY_BUCKETS; i++)
        buckets = pke_arena_printf(arena, "%s%s%" PRIu64, buckets, i ? " " : "", n->buckets[i]);
    m->buckets = buckets;
}

void state_message(const struct key_role *k, struct pke_arena *arena, struct msg_key_state *m)
{
    char raw[128];

    *m = (struct msg_key_state){.state = k->state,
                                .fail = k->now.fail,
                                .raw = k->now.raw,
                                .algorithm = k->key ? ks_algorithm(k->key) : NULL,
                                .since = k->since,
                                .last_error = k->last.fail,
                                .last_raw = k->last.raw,
                                .last_error_at = k->last_at};
    if (k->setup && k->last.raw) {
        ks_raw_text(k->setup->config.backend, k->last.raw, raw, sizeof raw);
        m->last_raw_text = pke_arena_strdup(arena, raw);
    }
    add_numbers(&k->n, arena, m);
    add_attributes(k, arena, &m->attributes);
}

void state_tell_numbers(struct key_role *k)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_key_state m;

    state_message(k, arena, &m);
    if (k->issuer)
        chan_send_record(k->issuer, MSG_KEY_STATE, 0, msg_key_state_fields, &m);
    k->untold = false;
    pke_arena_free(arena);
}

void state_tell(struct key_role *k)
{
    struct msg_state to_main = {.state = k->state, .text = k->now.fail.err ? k->now.fail.text : NULL};

    role_tell_state(k->role, &to_main);
    state_tell_numbers(k);
}

static void set_state(struct key_role *k, const char *state, const struct ks_error *e)
{
    bool changed = !state_is(k, state);

    if (changed || !k->since)
        k->since = (uint64_t)role_wall_ms();
    k->state = state;
    k->now = e ? *e : (struct ks_error){0};
    if (changed && e)
        log_fail(e->fail.err == PKE_MAINTENANCE ? LOG_NOTICE : LOG_ERR, "key state", &e->fail, "state", state,
                 NULL);
    else if (changed)
        log_event(LOG_NOTICE, "key state", "state", state, NULL);
    state_tell(k);
}

static void look_again(struct key_role *k, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(k->reopen, &tv);
}

static void back_off(struct key_role *k)
{
    k->reopen_ms = k->reopen_ms ? k->reopen_ms * 2 : REOPEN_FIRST_MS;
    if (k->reopen_ms > REOPEN_MAX_MS)
        k->reopen_ms = REOPEN_MAX_MS;
    look_again(k, k->reopen_ms);
}

static void remember_refusal(const struct key_role *k)
{
    const struct key_setup *s = k->setup;

    if (latch_is_set(s->latch_directory, s->uri, pke_secret_bytes(s->pin)))
        return;
    if (!latch_set(s->latch_directory, s->uri, pke_secret_bytes(s->pin)))
        log_event(LOG_ERR, "PIN latch could not be written: a restart tries this PIN once more", "directory",
                  s->latch_directory, NULL);
}

void state_failed(struct key_role *k, const struct ks_error *e)
{
    k->last = *e;
    k->last_at = (uint64_t)role_wall_ms();
    event_del(k->reopen);
    switch (e->cls) {
    case KS_AUTH:
        remember_refusal(k); /* a TPM key presents its auth value with each signature, some tokens the PIN */
        set_state(k, "locked", e);
        break;
    case KS_PERMANENT:
        set_state(k, "failed", e);
        look_again(k, FAILED_LOOK_MS);
        break;
    case KS_INTEGRITY:
        set_state(k, "failed", e);
        break;
    default:
        set_state(k, "recovering", e);
        back_off(k);
    }
}

static bool is_latched(const struct key_role *k, struct ks_error *e)
{
    const struct key_setup *s = k->setup;

    if (!latch_is_set(s->latch_directory, s->uri, pke_secret_bytes(s->pin)))
        return false;
    *e = (struct ks_error){.cls = KS_AUTH};
    pke_fail_set(&e->fail, PKE_KEY_LOCKED, "key-latched", "PIN latch",
                 "this PIN or auth value was refused before and is not tried again: change it and reload, or "
                 "unlock the key");
    return true;
}

/* Before a secret is presented: may it be? *lock is held until presented(). */
static int may_present(struct key_role *k, int *lock, struct ks_error *e)
{
    const struct key_setup *s = k->setup;

    *lock = latch_lock(s->latch_directory, s->uri, LOGIN_WAIT_MS);
    if (*lock == -1) {
        *e = (struct ks_error){.cls = KS_TRANSIENT};
        pke_fail_set(&e->fail, PKE_KEY_DOWN, "key-login-busy", "one login attempt",
                     "another process of this key has been logging in for %d s", LOGIN_WAIT_MS / 1000);
        return -1;
    }
    if (!is_latched(k, e))
        return 0;
    latch_unlock(*lock);
    return -1;
}

/* After it: a refusal is remembered before anybody else may try. */
static void presented(struct key_role *k, int lock, int rc, const struct ks_error *e)
{
    if (rc != 0 && e->cls == KS_AUTH)
        remember_refusal(k);
    latch_unlock(lock);
}

static void set_paused(struct key_role *k)
{
    struct ks_error e = {0};

    pke_fail_set(&e.fail, PKE_MAINTENANCE, "key-paused", "pkienrollctl key pause",
                 "an operator paused the key");
    event_del(k->reopen);
    ks_close(k->key);
    k->key = NULL;
    set_state(k, "paused", &e);
}

void state_open(struct key_role *k)
{
    struct key_setup *s = k->setup;
    struct ks_error e = {0};
    int rc, lock;

    event_del(k->reopen);
    if (pause_is_set(s->latch_directory, k->role->name)) {
        set_paused(k);
        return;
    }
    guard_begin(s->deadline > OPEN_PATIENCE_MS ? s->deadline : OPEN_PATIENCE_MS);
    ks_close(k->key);
    k->key = NULL;
    rc = may_present(k, &lock, &e);
    if (rc == 0) {
        rc = ks_open(&s->config, ca_floor_spki(s->floor), &k->key, &e);
        presented(k, lock, rc, &e);
    }
    guard_end();
    if (rc != 0) {
        k->key = NULL;
        state_failed(k, &e);
        return;
    }
    latch_clear(s->latch_directory, s->uri); /* a changed PIN worked */
    k->reopen_ms = 0;
    if (state_is(k, "recovering") || state_is(k, "failed"))
        k->n.recoveries++;
    set_state(k, "ready", NULL);
    key_health_used(k);
    key_health_arm(k);
}

int state_recover(struct key_role *k, const struct ks_error *why, struct ks_error *e)
{
    int lock, rc = may_present(k, &lock, e);

    if (rc != 0) /* another instance lost its key first and learned that the PIN changed */
        return -1;
    rc = ks_recover(k->key, why, e);
    presented(k, lock, rc, e);
    k->untold = true;
    if (rc == 0) {
        k->n.recoveries++;
        k->last = *why;
        k->last_at = (uint64_t)role_wall_ms();
    }
    return rc;
}

/* A reload, or an unlock that found the same: the open session stays, with the secret that it was opened
 * with. */
static void keep_session(struct key_role *k, struct key_setup *s)
{
    struct key_setup *old = k->setup;
    struct pke_secret *pin = old->pin;

    old->pin = s->pin;
    s->pin = pin;
    s->config.pin = pin;
    k->setup = s;
    key_setup_free(old);
    key_health_arm(k);
}

/* Only the PIN changed, and a session is open. It is kept: a new PIN that is wrong must not take away the
 * signatures that there are. The next login tries it. */
static void keep_session_new_pin(struct key_role *k, struct key_setup *s)
{
    ks_use_pin(k->key, s->pin);
    key_setup_free(k->setup);
    k->setup = s;
    log_event(LOG_NOTICE, "the new PIN is for the next login, the open session stays", NULL);
    key_health_arm(k);
}

static void take_setup(struct key_role *k, struct key_setup *s)
{
    ks_close(k->key); /* it borrows the PIN of the old one */
    k->key = NULL;
    key_setup_free(k->setup);
    k->setup = s;
}

void state_switch(struct key_role *k, struct key_setup *s)
{
    bool same = key_setup_same(k->setup, s);

    if (same && ((k->key && !state_is(k, "failed")) || state_is(k, "locked"))) {
        keep_session(k, s);
        return;
    }
    if (k->key && state_is(k, "ready") && s->config.backend == KS_PKCS11 && key_setup_same_key(k->setup, s)) {
        keep_session_new_pin(k, s);
        return;
    }
    take_setup(k, s);
    event_active(k->reopen, EV_TIMEOUT, 0);
}

enum pke_err state_unlock(struct key_role *k, struct pke_fail *fail)
{
    struct key_setup *s = NULL;
    enum pke_err err;

    if (state_is(k, "paused"))
        return pke_fail_set(fail, PKE_MAINTENANCE, "key-paused", "pkienrollctl key unlock",
                            "the key is paused: resume it first");
    err = key_setup_load(k->role->conf, k->role->name, &s, fail);
    if (err != PKE_OK)
        return err;
    if (!s)
        return pke_fail_set(fail, PKE_NOT_FOUND, "key-unknown", "control API", "no key of this name");
    ca_floor_follow(s->floor, k->setup->floor, 0);
    if (state_is(k, "ready") && key_setup_same(k->setup, s)) {
        keep_session(k, s);
        return PKE_OK;
    }
    log_event(LOG_NOTICE, "key is unlocked by an operator", NULL);
    take_setup(k, s);
    latch_clear(s->latch_directory, s->uri);
    k->reopen_ms = 0;
    state_open(k);
    return PKE_OK;
}

enum pke_err state_pause(struct key_role *k, struct pke_fail *fail)
{
    bool durable = pause_set(k->setup->latch_directory, k->role->name);

    set_paused(k);
    return durable ? PKE_OK
                   : pke_fail_set(fail, PKE_STORE_DOWN, "key-pause-lost", "pkienrollctl key pause",
                                  "the key is paused, but this cannot be written to the state directory: a "
                                  "restart forgets it");
}

enum pke_err state_resume(struct key_role *k, struct pke_fail *fail)
{
    if (!state_is(k, "paused"))
        return PKE_OK;
    if (!pause_clear(k->setup->latch_directory, k->role->name))
        return pke_fail_set(fail, PKE_STORE_DOWN, "key-pause-stays", "pkienrollctl key resume",
                            "the state directory cannot be written: the key stays paused");
    k->reopen_ms = 0;
    state_open(k);
    return PKE_OK;
}
