/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key role: one process per instance of one CA key. Opens it, checks every to-be-signed object against
 * the floor and signs; ks_sign() verifies every signature before it leaves. Everything here blocks on
 * purpose; a hung device is ended by SIGKILL from main.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ca/floor.h"
#include "daemon/common/log.h"
#include "daemon/common/role.h"
#include "daemon/key/latch.h"
#include "daemon/key/setup.h"
#include "keystore/keystore.h"

#define REOPEN_FIRST_MS 200
#define REOPEN_MAX_MS   10000

/* A call into the device that never returns while nobody waits for a signature (issuer sees to those):
 * SIGALRM ends the process, main starts another. */
#define DEVICE_PATIENCE_S 30

struct key_role {
    struct role *role;
    struct key_setup *setup;
    struct ks_key *key;
    struct chan *issuer;
    const char *state; /* what is told to issuer and main */
    struct pke_fail fail;
    uint64_t raw;
    uint64_t signatures, failures, last_micros;
    struct event *reopen;
    uint64_t reopen_ms;
};

static void tell(struct key_role *k)
{
    struct msg_state m = {.state = k->state, .text = k->fail.err == PKE_OK ? NULL : k->fail.text};
    struct msg_key_state to_issuer = {.state = k->state,
                                      .fail = k->fail,
                                      .raw = k->raw,
                                      .algorithm = k->key ? ks_algorithm(k->key) : NULL,
                                      .signatures = k->signatures,
                                      .failures = k->failures,
                                      .last_micros = k->last_micros};

    role_tell_state(k->role, &m);
    if (k->issuer)
        chan_send_record(k->issuer, MSG_KEY_STATE, 0, msg_key_state_fields, &to_issuer);
}

static void set_state(struct key_role *k, const char *state, const struct ks_error *e)
{
    bool changed = strcmp(k->state, state) != 0;

    k->state = state;
    k->fail = e ? e->fail : (struct pke_fail){0};
    k->raw = e ? e->raw : 0;
    if (changed && e)
        log_fail(LOG_ERR, "key state", &e->fail, "state", state, NULL);
    else if (changed)
        log_event(LOG_NOTICE, "key state", "state", state, NULL);
    tell(k);
}

static void schedule_reopen(struct key_role *k)
{
    struct timeval tv;

    k->reopen_ms = k->reopen_ms ? k->reopen_ms * 2 : REOPEN_FIRST_MS;
    if (k->reopen_ms > REOPEN_MAX_MS)
        k->reopen_ms = REOPEN_MAX_MS;
    tv = (struct timeval){(time_t)(k->reopen_ms / 1000), (suseconds_t)(k->reopen_ms % 1000 * 1000)};
    event_add(k->reopen, &tv);
}

/* Where an error leads. A refused PIN is latched for every instance and the next start; nothing retries it.
 */
static void on_key_error(struct key_role *k, const struct ks_error *e)
{
    struct key_setup *s = k->setup;

    switch (e->cls) {
    case KS_AUTH:
        if (s->pin && !latch_set(s->latch_directory, s->uri, pke_secret_bytes(s->pin)))
            log_event(LOG_ERR, "PIN latch could not be written", "directory", s->latch_directory, NULL);
        set_state(k, "locked", e);
        break;
    case KS_PERMANENT:
    case KS_INTEGRITY:
        set_state(k, "failed", e);
        break;
    default:
        set_state(k, "recovering", e);
        schedule_reopen(k);
    }
}

static bool is_latched(const struct key_role *k, struct ks_error *e)
{
    const struct key_setup *s = k->setup;

    if (!s->pin || !latch_is_set(s->latch_directory, s->uri, pke_secret_bytes(s->pin)))
        return false;
    *e = (struct ks_error){.cls = KS_AUTH};
    pke_fail_set(&e->fail, PKE_KEY_LOCKED, "key-latched", "PIN latch",
                 "this PIN was refused before; change it or clear the latch, it is not tried again");
    return true;
}

static void open_key(struct key_role *k)
{
    struct key_setup *s = k->setup;
    struct ks_error e = {0};
    int rc;

    if (is_latched(k, &e)) {
        set_state(k, "locked", &e);
        return;
    }
    alarm(DEVICE_PATIENCE_S);
    ks_close(k->key);
    k->key = NULL;
    rc = ks_open(&s->config, ca_floor_spki(s->floor), &k->key, &e);
    alarm(0);
    if (rc != 0) {
        k->key = NULL;
        on_key_error(k, &e);
        return;
    }
    latch_clear(s->latch_directory, s->uri); /* a changed PIN worked */
    k->reopen_ms = 0;
    set_state(k, "ready", NULL);
}

static void on_reopen(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    open_key(arg);
}

static uint64_t micros(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Sign with the recovery ladder below it: one climb, one more try. */
static int sign_once_more(struct key_role *k, struct pke_bytes tbs, struct pke_buf *out, struct ks_error *e)
{
    enum ks_digest md =
        EVP_PKEY_get_bits(ca_floor_public_key(k->setup->floor)) == 384 ? KS_SHA384 : KS_SHA256;
    struct ks_error why;

    if (ks_sign(k->key, md, tbs, out, e) == 0)
        return 0;
    if (e->cls != KS_SESSION && e->cls != KS_TOKEN && e->cls != KS_TRANSIENT)
        return -1;
    why = *e;
    log_fail(LOG_WARNING, "key lost, trying to recover", &why.fail, NULL);
    if (is_latched(k, e)) /* another instance lost its key first and learned that the PIN changed */
        return -1;
    if (ks_recover(k->key, &why, e) != 0)
        return -1;
    pke_buf_clear(out);
    return ks_sign(k->key, md, tbs, out, e);
}

static enum pke_err sign(struct key_role *k, const struct msg_sign *m, struct pke_buf *out,
                         struct pke_fail *fail)
{
    struct ks_error e = {0};
    uint64_t start;
    enum pke_err err;

    if (strcmp(m->kind, "certificate") != 0)
        return pke_fail_set(fail, PKE_UNSUPPORTED, "sign-kind", "floor policy",
                            "this key signs certificates only");
    err = ca_floor_check(k->setup->floor, m->tbs, role_wall_ms() / 1000, fail);
    if (err != PKE_OK) {
        log_fail(LOG_CRIT, "refused to sign", fail, NULL);
        return err;
    }
    if (m->deadline <= role_monotonic_ms())
        return pke_fail_set(fail, PKE_DEADLINE, "sign-deadline", "deadline", "too late for a signature");
    start = micros();
    if (sign_once_more(k, m->tbs, out, &e) != 0) {
        on_key_error(k, &e);
        *fail = e.fail;
        return e.fail.err;
    }
    k->last_micros = micros() - start;
    return PKE_OK;
}

static void on_sign(struct key_role *k, struct chan *c, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_buf signature;
    struct msg_sign m;
    struct msg_failed failed = {0};
    enum pke_err err;

    pke_buf_init(&signature, 4096);
    err = ipc_record_read(msg_sign_fields, f->payload, arena, &m, sizeof m, &failed.fail);
    if (err == PKE_OK && !k->key)
        err =
            pke_fail_set(&failed.fail, PKE_KEY_DOWN, "key-not-ready", "key state", "the key is %s", k->state);
    if (err == PKE_OK)
        err = sign(k, &m, &signature, &failed.fail);
    if (err == PKE_OK) {
        struct msg_signed reply = {.signature = pke_buf_bytes(&signature), .micros = k->last_micros};
        k->signatures++;
        chan_send_record(c, MSG_SIGNED, f->id, msg_signed_fields, &reply);
    } else {
        k->failures++;
        chan_send_record(c, MSG_FAILED, f->id, msg_failed_fields, &failed);
    }
    pke_buf_done(&signature);
    pke_arena_free(arena);
}

/* `key test`: a signature over a fixed text that is no certificate. */
static void on_test(struct key_role *k, struct chan *c, const struct ipc_frame *f)
{
    static const char text[] = "pkienrolld key test: this is not a certificate";
    struct pke_buf signature;
    struct ks_error e = {0};
    uint64_t start = micros();
    struct msg_key_state m = {.state = k->state, .fail = k->fail, .raw = k->raw};

    pke_buf_init(&signature, 4096);
    if (k->key) {
        alarm(DEVICE_PATIENCE_S);
        if (sign_once_more(k, pke_bytes_str(text), &signature, &e) != 0)
            on_key_error(k, &e);
        alarm(0);
        if (e.cls != KS_OK) {
            m.fail = e.fail;
            m.raw = e.raw;
        }
        m.algorithm = ks_algorithm(k->key);
    }
    m.state = k->state;
    m.signatures = k->signatures;
    m.failures = k->failures;
    m.last_micros = micros() - start;
    chan_send_record(c, MSG_KEY_STATE, f->id, msg_key_state_fields, &m);
    pke_buf_done(&signature);
}

static void on_issuer_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct key_role *k = arg;

    (void)fd;
    if (f->kind == MSG_SIGN)
        on_sign(k, c, f);
    else if (f->kind == MSG_KEY_TEST)
        on_test(k, c, f);
}

static void on_issuer_closed(struct chan *c, const char *why, void *arg)
{
    struct key_role *k = arg;

    (void)why;
    if (k->issuer == c)
        k->issuer = NULL;
    role_link_lost(k->role, ROLE_ISSUER, 0, NULL);
    chan_free(c);
}

static void key_link(struct role *r, const struct msg_link *link, int fd)
{
    static const struct chan_ops ops = {on_issuer_frame, on_issuer_closed};
    struct key_role *k = r->state;

    (void)link;
    chan_free(k->issuer);
    k->issuer = chan_new(r->base, fd, IPC_MAX_REQUEST, &ops, k);
    tell(k);
}

static enum pke_err key_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                                struct pke_fail *fail)
{
    struct key_setup *setup = NULL;
    enum pke_err err = key_setup_load(conf, r->name, &setup, fail);

    (void)secret;
    *ret = setup;
    return err;
}

static void key_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct key_role *k = r->state;
    struct key_setup *old = k->setup, *s = candidate;
    bool keep = key_setup_same(old, s) && k->key && strcmp(k->state, "failed") != 0;

    (void)conf;
    if (!s)
        return;
    k->setup = s;
    if (keep) { /* the open session stays, and with it the PIN that it was opened with */
        struct pke_secret *pin = old->pin;
        old->pin = s->pin;
        s->pin = pin;
        s->config.pin = pin;
        key_setup_free(old);
        return;
    }
    ks_close(k->key);
    k->key = NULL;
    key_setup_free(old);
    event_active(k->reopen, EV_TIMEOUT, 0);
}

static void key_abort(struct role *r, void *candidate)
{
    (void)r;
    key_setup_free(candidate);
}

static void key_stop(struct role *r)
{
    struct key_role *k = r->state;

    ks_close(k->key);
    k->key = NULL;
    role_stopped(r);
}

static void key_start(struct role *r)
{
    struct key_role *k = r->state;

    k->role = r;
    k->reopen = event_new(r->base, -1, 0, on_reopen, k);
}

int role_key(unsigned index, const char *name)
{
    static const struct role_ops ops = {.id = ROLE_KEY,
                                        .start = key_start,
                                        .prepare = key_prepare,
                                        .commit = key_commit,
                                        .abort = key_abort,
                                        .link = key_link,
                                        .stop = key_stop};
    struct key_role *k = pke_calloc(1, sizeof *k);

    k->state = "starting";
    return role_run(&ops, index, name, k);
}
