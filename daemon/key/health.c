/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens while nobody asks for a signature: one over a text that is no certificate, so that an outage
 * is seen before a client meets it; a look at the session, for tokens that end those which nobody uses; and
 * giving back what may not be kept idle, as TPM sessions.
 */
#include "daemon/common/log.h"
#include "daemon/key/key.h"

#define SETTLE_MS 400 /* twice that is less than the second that ks_idle() has */

static void arm(struct event *e, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(e, &tv);
}

/* Milliseconds until @p interval has passed without a call into the device; 0: it has. */
static uint64_t left(const struct key_role *k, uint64_t interval)
{
    uint64_t rested = role_monotonic_ms() - k->used_at;

    return rested < interval ? interval - rested : 0;
}

void key_health_settle(struct key_role *k)
{
    if (!event_pending(k->settle, EV_TIMEOUT, NULL))
        arm(k->settle, SETTLE_MS);
}

void key_health_used(struct key_role *k)
{
    k->used_at = role_monotonic_ms();
    key_health_settle(k);
}

/* Numbers are told twice a second at most; a device that was not used since the last look is given back. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
    struct key_role *k = arg;
    bool resting = left(k, SETTLE_MS) == 0;

    (void)fd;
    (void)what;
    if (k->untold)
        state_tell_numbers(k);
    if (!resting) {
        arm(k->settle, SETTLE_MS);
    } else if (k->key) {
        guard_begin(k->setup->deadline + GUARD_GRACE_MS);
        ks_idle(k->key);
        guard_end();
    }
}

void key_health_check(struct key_role *k)
{
    static const char text[] = "pkienrolld key test: this is not a certificate";
    struct pke_buf signature;
    struct ks_error e = {0};
    int rc;

    pke_buf_init(&signature, 4096);
    guard_begin(k->setup->deadline + GUARD_GRACE_MS);
    rc = sign_message(k, pke_bytes_str(text), &signature, &e);
    guard_end();
    k->n.health_checks++;
    k->untold = true;
    if (rc != 0)
        state_failed(k, &e);
    pke_buf_done(&signature);
}

static void on_health(evutil_socket_t fd, short what, void *arg)
{
    struct key_role *k = arg;

    (void)fd;
    (void)what;
    if (!state_is(k, "ready"))
        return; /* armed again when it is */
    if (left(k, k->setup->health_interval) == 0)
        key_health_check(k);
    key_health_arm(k);
}

static void on_keep_alive(evutil_socket_t fd, short what, void *arg)
{
    struct key_role *k = arg;
    struct ks_error why = {0}, e = {0};
    int rc = 0;

    (void)fd;
    (void)what;
    if (!state_is(k, "ready"))
        return;
    if (left(k, k->setup->keep_alive) == 0) {
        guard_begin(k->setup->deadline + GUARD_GRACE_MS);
        key_health_used(k);
        rc = ks_keep_alive(k->key, &why);
        if (rc != 0) {
            k->n.failed[why.cls]++;
            log_fail(LOG_WARNING, "session lost while idle, trying to recover", &why.fail, NULL);
            rc = state_recover(k, &why, &e);
        }
        guard_end();
    }
    if (rc != 0)
        state_failed(k, &e);
    key_health_arm(k);
}

void key_health_arm(struct key_role *k)
{
    const struct key_setup *s = k->setup;

    event_del(k->health);
    event_del(k->keep_alive);
    if (!state_is(k, "ready"))
        return;
    if (s->health_interval)
        arm(k->health, left(k, s->health_interval));
    if (s->keep_alive)
        arm(k->keep_alive, left(k, s->keep_alive));
}

void key_health_start(struct key_role *k, struct event_base *base)
{
    k->health = event_new(base, -1, 0, on_health, k);
    k->keep_alive = event_new(base, -1, 0, on_keep_alive, k);
    k->settle = event_new(base, -1, 0, on_settle, k);
}
