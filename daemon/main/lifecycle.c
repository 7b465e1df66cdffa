/* SPDX-License-Identifier: Apache-2.0 */
/* Start, reload, drain and stop of the whole daemon, and what the service manager is told. */
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config.h"
#include "daemon/common/log.h"
#include "daemon/common/process.h"
#include "daemon/main/notify.h"
#include "daemon/main/supervisor.h"

#define RELOAD_PATIENCE_S 30
#define STOP_PATIENCE_S   20
#define STATUS_MAX        1024
#define EXIT_STORAGE      74 /* worth another try: the service manager restarts */
#define EXIT_CONFIG       78

void lifecycle_state_changed(struct supervisor *s)
{
    struct pke_buf sentence;

    pke_buf_init(&sentence, STATUS_MAX);
    status_sentence(s, &sentence);
    /* states come again and again, and a datagram to a manager that is slow to read blocks */
    if (strncmp(pke_buf_cstr(&sentence), s->status_told, sizeof s->status_told - 1) != 0) {
        snprintf(s->status_told, sizeof s->status_told, "%s", pke_buf_cstr(&sentence));
        notify_status(s->status_told);
    }
    pke_buf_done(&sentence);
    if (!s->ready_told && !s->stopping && status_all_settled(s)) {
        s->ready_told = true;
        notify_ready();
        log_event(LOG_NOTICE, "ready", "generation", s->conf->generation_hex, NULL);
    }
}

/* Who was started with the old configuration must not come up with it. */
static void send_to_starting(struct supervisor *s)
{
    for (struct child *c = s->children; c; c = c->next)
        if (c->chan && c->state == CHILD_PREPARING)
            child_send_conf(c, &s->text, s->conf);
}

static void end_reload(struct supervisor *s, const struct pke_fail *fail)
{
    struct conf *old = s->conf;

    event_del(s->reload_timer);
    s->reloading = false;
    for (struct child *c = s->children; c; c = c->next)
        if (c->chan && c->state == CHILD_RUNNING)
            chan_send(c->chan, fail ? MSG_CONF_ABORT : MSG_CONF_SWITCH, 0, PKE_BYTES(NULL, 0));
    if (fail) {
        conf_unref(s->new_conf);
        pke_buf_done(&s->new_text);
        log_fail(LOG_ERR, "reload refused, the old configuration stays", fail, NULL);
    } else {
        s->conf = s->new_conf;
        pke_buf_done(&s->text);
        s->text = s->new_text;
        conf_unref(old);
        send_to_starting(s);
        children_sync(s);
        log_event(LOG_NOTICE, "configuration switched", "generation", s->conf->generation_hex, NULL);
    }
    s->new_conf = NULL;
    s->new_text = (struct pke_buf){0};
    if (s->reload_asker)
        verbs_reload_done(s->reload_asker, s->reload_id, fail, s->conf);
    s->reload_asker = NULL;
    if (s->ready_told)
        notify_ready();
}

static void check_reload(struct supervisor *s)
{
    for (struct child *c = s->children; c; c = c->next)
        if (c->state == CHILD_RUNNING && c->wanted && !c->prepared)
            return;
    end_reload(s, NULL);
}

static void child_started(struct child *c)
{
    struct supervisor *s = c->sup;

    chan_send(c->chan, MSG_CONF_SWITCH, 0, PKE_BYTES(NULL, 0));
    child_switched(c);
    if (s->draining && (c->role == ROLE_NET || c->role == ROLE_ISSUER))
        lifecycle_drain(s, true);
    if (s->reloading) /* it came too late for the round: ask it as well */
        child_send_conf(c, &s->new_text, s->new_conf);
}

void lifecycle_child_ready(struct child *c, bool ok, const struct pke_fail *fail)
{
    struct supervisor *s = c->sup;

    if (c->unanswered > 0 && --c->unanswered > 0)
        return;                        /* the answer to a configuration that another has replaced */
    if (c->state == CHILD_PREPARING) { /* a start */
        if (ok) {
            child_started(c);
            return;
        }
        log_fail(LOG_ERR, "role cannot start", fail, "role", role_name(c->role), "name", c->name, NULL);
        if (!s->ready_told) { /* at start-up a configuration that cannot be served is the end */
            if (!s->stopping)
                s->exit_code = fail->err == PKE_STORE_DOWN ? EXIT_STORAGE : EXIT_CONFIG;
            lifecycle_stop(s);
        } else {
            child_kill(c, SIGKILL);
        }
        return;
    }
    if (!s->reloading || c->state != CHILD_RUNNING)
        return;
    if (!ok) {
        end_reload(s, fail);
        return;
    }
    c->prepared = true;
    check_reload(s);
}

void lifecycle_child_gone(struct child *c)
{
    struct supervisor *s = c->sup;
    struct pke_fail fail;

    if (s->reloading && c->wanted) {
        pke_fail_set(&fail, PKE_BUSY, "reload-role-died", "two-phase switch",
                     "role %s ended during the reload", role_name(c->role));
        end_reload(s, &fail);
    }
    if (s->stopping)
        lifecycle_stop(s);
    lifecycle_state_changed(s);
}

static void on_reload_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct pke_fail fail;

    (void)fd;
    (void)what;
    pke_fail_set(&fail, PKE_DEADLINE, "reload-timeout", "two-phase switch",
                 "a role did not answer within %d s", RELOAD_PATIENCE_S);
    end_reload(arg, &fail);
}

static enum pke_err load_candidate(struct supervisor *s, struct pke_fail *fail)
{
    struct conf_errors errors = {0};
    enum pke_err err = conf_load(s->options->config, &s->new_text, &s->new_conf, &errors);

    if (err == PKE_OK)
        err = conf_check_files(s->new_conf, &errors);
    if (err == PKE_OK)
        err = fragments_check(s->new_conf, &errors);
    if (err == PKE_OK)
        err = keyuris_check(s->new_conf, &errors);
    if (err == PKE_OK)
        err = conf_check_reload(s->conf, s->new_conf, &errors);
    if (err != PKE_OK)
        conf_errors_fail(&errors, fail);
    conf_errors_done(&errors);
    return err;
}

void lifecycle_reload(struct supervisor *s, struct chan *asker, uint64_t id)
{
    struct timeval patience = {RELOAD_PATIENCE_S, 0};
    struct pke_fail fail;

    if (s->reloading || s->stopping) {
        pke_fail_set(&fail, PKE_BUSY, "reload-busy", "two-phase switch",
                     "another reload or a stop is in progress");
        if (asker)
            verbs_reload_done(asker, id, &fail, s->conf);
        return;
    }
    s->reload_asker = asker;
    s->reload_id = id;
    s->reloading = true;
    if (s->ready_told)
        notify_reloading();
    if (load_candidate(s, &fail) != PKE_OK) {
        end_reload(s, &fail);
        return;
    }
    event_add(s->reload_timer, &patience);
    for (struct child *c = s->children; c; c = c->next)
        if (c->state == CHILD_RUNNING && c->chan)
            child_send_conf(c, &s->new_text, s->new_conf);
    check_reload(s);
}

/* Maintenance, or the end of a node: until `resume`, and over restarts of net, not of the daemon. */
void lifecycle_drain(struct supervisor *s, bool on)
{
    s->draining = on;
    for (struct child *c = s->children; c; c = c->next)
        if ((c->role == ROLE_NET || c->role == ROLE_ISSUER) && c->chan)
            chan_send(c->chan, on ? MSG_DRAIN : MSG_RESUME, 0, PKE_BYTES(NULL, 0));
    lifecycle_state_changed(s);
}

/* Order of a stop: those who take work first, then those who finish it. */
static unsigned stop_stage(enum role_id role)
{
    switch (role) {
    case ROLE_NET:
        return 0;
    case ROLE_CONTROL:
        return 0;
    case ROLE_ISSUER:
        return 1;
    default:
        return 2;
    }
}

static void abort_reload(struct supervisor *s)
{
    struct pke_fail fail;

    if (!s->reloading)
        return;
    pke_fail_set(&fail, PKE_BUSY, "reload-stop", "two-phase switch", "the daemon stops");
    end_reload(s, &fail);
}

void lifecycle_stop(struct supervisor *s)
{
    struct timeval patience = {STOP_PATIENCE_S, 0};
    unsigned stage = 3;

    if (!s->stopping) {
        abort_reload(s);
        s->stopping = true;
        notify_stopping();
        log_event(LOG_NOTICE, "stopping", NULL);
        event_add(s->stop_timer, &patience);
    }
    for (struct child *c = s->children; c; c = c->next)
        if (c->pid && stop_stage(c->role) < stage)
            stage = stop_stage(c->role);
    if (stage == 3) {
        event_base_loopbreak(s->base);
        return;
    }
    for (struct child *c = s->children; c; c = c->next) {
        if (!c->pid || stop_stage(c->role) != stage || c->state == CHILD_STOPPING)
            continue;
        if (c->chan && c->state == CHILD_RUNNING)
            chan_send(c->chan, MSG_STOP, 0, PKE_BYTES(NULL, 0));
        else
            child_kill(c, SIGKILL);
        c->state = CHILD_STOPPING;
    }
}

static void on_stop_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)fd;
    (void)what;
    log_event(LOG_WARNING, "roles did not finish in time and are ended", NULL);
    for (struct child *c = s->children; c; c = c->next)
        child_kill(c, SIGKILL);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)what;
    if (number == SIGCHLD)
        children_reap(s);
    else if (number == SIGHUP)
        lifecycle_reload(s, NULL, 0);
    else if (!s->stopping)
        lifecycle_stop(s);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    notify_watchdog();
}

static void set_up(struct supervisor *s)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    struct timeval tv;

    s->base = event_base_new();
    if (!s->base)
        pke_oom();
    for (size_t i = 0; i < PKE_LEN(numbers); i++) {
        s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
        event_add(s->signals[i], NULL);
    }
    s->reload_timer = event_new(s->base, -1, 0, on_reload_timeout, s);
    s->stop_timer = event_new(s->base, -1, 0, on_stop_timeout, s);
    s->watchdog = event_new(s->base, -1, EV_PERSIST, on_watchdog, s);
    if (notify_watchdog_interval(&tv))
        event_add(s->watchdog, &tv);
}

static void tear_down(struct supervisor *s)
{
    health_stop(s);
    child_free_all(s);
    sockets_close(s);
    for (size_t i = 0; i < PKE_LEN(s->signals); i++)
        event_free(s->signals[i]);
    event_free(s->reload_timer);
    event_free(s->stop_timer);
    event_free(s->watchdog);
    event_base_free(s->base);
    conf_unref(s->conf);
    pke_buf_done(&s->text);
    explicit_bzero(s->assertion_key, sizeof s->assertion_key);
}

int supervisor_run(const struct options *options, struct conf *conf, struct pke_buf *text)
{
    struct supervisor s = {.options = options, .conf = conf, .text = *text};
    struct pke_fail fail;

    *text = (struct pke_buf){0};
    s.started_mono = process_monotonic_ms();
    s.started_wall = process_wall_ms();
    if (RAND_bytes(s.assertion_key, sizeof s.assertion_key) != 1) {
        log_event(LOG_CRIT, "no randomness", NULL);
        return 70;
    }
    set_up(&s);
    log_event(LOG_NOTICE, "starting", "version", PACKAGE_VERSION, "config", options->config, NULL);
    if (sockets_take(&s, &fail) == PKE_OK) {
        health_start(&s);
        children_sync(&s);
        event_base_dispatch(s.base);
    } else {
        log_fail(LOG_CRIT, "sockets of the service manager refused", &fail, NULL);
        s.exit_code = 78;
    }
    log_event(LOG_NOTICE, "stopped", NULL);
    tear_down(&s);
    return s.exit_code;
}
