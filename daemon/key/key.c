/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key role: one process per instance of one CA key. Opens it, checks every to-be-signed object against
 * the floor and signs; ks_sign() verifies every signature before it leaves. Everything here blocks on
 * purpose; a hung device is ended by SIGKILL from main, or by an alarm of its own while nobody waits for it.
 */
#include "daemon/key/key.h"

#include "base/mem.h"

#define RELOAD_LINGER 70 /* seconds: the longest request-deadline, and the time of a switch */

static void on_reopen(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    state_open(arg);
}

/* A look at the key now. Not where an operator has to act first: a refused secret is not tried again by a
 * test, and a paused key makes no signature. */
static void test(struct key_role *k)
{
    if (state_is(k, "locked") || state_is(k, "paused"))
        return;
    if (!state_is(k, "ready"))
        state_open(k);
    if (state_is(k, "ready"))
        key_health_check(k);
}

/* MSG_KEY_TEST and its like: done, then the state as it is after it. */
static void on_order(struct key_role *k, struct chan *c, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_fail fail = {0};
    struct msg_key_state m;

    if (!k->setup)
        pke_fail_set(&fail, PKE_KEY_DOWN, "key-not-ready", "key state", "the key is %s", k->state);
    else if (f->kind == MSG_KEY_TEST)
        test(k);
    else if (f->kind == MSG_KEY_UNLOCK)
        (void)state_unlock(k, &fail);
    else if (f->kind == MSG_KEY_PAUSE)
        (void)state_pause(k, &fail);
    else
        (void)state_resume(k, &fail);
    state_message(k, arena, &m);
    if (fail.err != PKE_OK)
        m.fail = fail;
    chan_send_record(c, MSG_KEY_STATE, f->id, msg_key_state_fields, &m);
    pke_arena_free(arena);
}

static void on_issuer_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct key_role *k = arg;

    (void)fd;
    switch (f->kind) {
    case MSG_SIGN:
        sign_frame(k, c, f);
        break;
    case MSG_KEY_TEST:
    case MSG_KEY_UNLOCK:
    case MSG_KEY_PAUSE:
    case MSG_KEY_RESUME:
        on_order(k, c, f);
        break;
    default:
        break;
    }
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
    k->issuer = chan_new(r->base, fd, IPC_MAX_CRL, &ops, k);
    state_tell(k);
}

static enum pke_err key_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                                struct pke_fail *fail)
{
    struct key_role *k = r->state;
    struct key_setup *setup = NULL;
    enum pke_err err = key_setup_load(conf, r->name, &setup, fail);

    (void)secret;
    if (err == PKE_OK && setup && k->setup) /* issuer may switch before us */
        ca_floor_expect(k->setup->floor, setup->floor, role_wall_ms() / 1000 + RELOAD_LINGER);
    *ret = setup;
    return err;
}

static void key_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct key_role *k = r->state;
    struct key_setup *setup = candidate;

    (void)conf;
    if (setup && k->setup) /* what was built before is still on its way */
        ca_floor_follow(setup->floor, k->setup->floor, role_wall_ms() / 1000 + RELOAD_LINGER);
    if (setup)
        state_switch(k, setup);
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
    key_health_start(k, r->base);
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
