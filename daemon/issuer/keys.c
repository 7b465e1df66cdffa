/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The issuer's side of the keys: one signature at a time per key process, a queue in front that belongs to
 * us, so that order, deadlines and cancellation do too. A device that does not answer in time is ended by
 * main.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl.h"

#define JOB_MS_PER_MIB 500

struct key_pool *keys_pool(struct issuer *is, const char *name)
{
    struct key_pool *p;

    for (size_t i = 0; i < is->n_pools; i++)
        if (strcmp(is->pools[i]->name, name) == 0)
            return is->pools[i];
    if (is->n_pools == KEY_MAX_POOLS)
        return NULL;
    p = pke_calloc(1, sizeof *p);
    p->issuer = is;
    p->name = pke_strdup(name);
    is->pools[is->n_pools++] = p;
    return p;
}

unsigned keys_queued(const struct issuer *is)
{
    unsigned n = 0;

    for (size_t i = 0; i < is->n_pools; i++)
        n += is->pools[i]->queued;
    return n;
}

bool keys_is_ready(const struct key_client *k)
{
    return k->chan && strcmp(k->state, "ready") == 0;
}

bool keys_is_paused(const struct key_pool *p)
{
    for (unsigned i = 0; i < KEY_MAX_INSTANCES; i++)
        if (p->clients[i].chan && strcmp(p->clients[i].state, "paused") == 0)
            return true;
    return false;
}

uint64_t keys_micros(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void fail_request(struct request *req, enum pke_err err, const char *reason, const char *text)
{
    struct pke_fail fail;

    pke_fail_set(&fail, err, reason, "key state", "%s", text);
    request_signed(req, PKE_BYTES(NULL, 0), &fail);
}

static struct request *pop(struct key_pool *p)
{
    struct request *req = p->first;

    p->first = req->next_queued;
    if (!p->first)
        p->last = NULL;
    p->queued--;
    req->next_queued = NULL;
    return req;
}

static int64_t device_deadline(const struct key_pool *p)
{
    const struct conf_key *key = conf_find_key(p->issuer->setup->conf, p->name);

    return key ? key->deadline : 5000;
}

static void start_one(struct key_client *k, struct request *req)
{
    struct msg_sign m = {.kind = "certificate", .tbs = req->tbs, .deadline = req->msg.deadline};
    int64_t ms = device_deadline(k->pool);
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    k->signing = req;
    k->signing_since = keys_micros();
    req->sign_id = ++k->pool->issuer->next_id;
    event_add(k->timer, &tv);
    chan_send_record(k->chan, MSG_SIGN, req->sign_id, msg_sign_fields, &m);
}

static void fail_job(struct key_job *job, enum pke_err err, const char *reason, const char *text)
{
    struct pke_fail fail;

    pke_fail_set(&fail, err, reason, "key state", "%s", text);
    job->done(job, PKE_BYTES(NULL, 0), &fail);
}

/* A long text takes its time on the way to the key and in its hash. */
static void start_job(struct key_client *k, struct key_job *job)
{
    int64_t ms = device_deadline(k->pool) + (int64_t)(job->tbs.n >> 20) * JOB_MS_PER_MIB;
    struct msg_sign m = {.kind = job->kind, .tbs = job->tbs, .deadline = role_monotonic_ms() + (uint64_t)ms};
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    k->job = job;
    k->signing_since = keys_micros();
    job->sign_id = ++k->pool->issuer->next_id;
    event_add(k->timer, &tv);
    chan_send_record(k->chan, MSG_SIGN, job->sign_id, msg_sign_fields, &m);
}

/* One at a time, and rarely: before the certificates, which it delays by one signature. */
static void dispatch_job(struct key_pool *p)
{
    struct key_client *k = &p->clients[0];
    struct key_job *job = p->job;

    if (!job || (keys_is_ready(k) && (k->signing || k->job)))
        return;
    p->job = NULL;
    if (keys_is_ready(k))
        start_job(k, job);
    else
        fail_job(job, PKE_KEY_DOWN, "key-down", "the first process of the signing key is not ready");
}

bool keys_takes_job(struct issuer *is, const char *key)
{
    const struct key_pool *p = keys_pool(is, key);

    return p && keys_is_ready(&p->clients[0]);
}

void keys_submit_job(struct issuer *is, const char *key, struct key_job *job)
{
    struct key_pool *p = keys_pool(is, key);

    if (!p || p->job) {
        fail_job(job, p ? PKE_BUSY : PKE_KEY_DOWN, p ? "key-queue" : "key-unknown",
                 p ? "another list waits for the key" : "no such key");
        return;
    }
    p->job = job;
    dispatch_job(p);
}

/* Give work to idle instances. A request whose deadline passed in the queue costs no signature. */
static void dispatch(struct key_pool *p)
{
    dispatch_job(p);
    for (unsigned i = 0; i < KEY_MAX_INSTANCES && p->first; i++) {
        struct key_client *k = &p->clients[i];
        if (!keys_is_ready(k) || k->signing || k->job)
            continue;
        while (p->first) {
            struct request *req = pop(p);
            if (req->msg.deadline > role_monotonic_ms()) {
                start_one(k, req);
                break;
            }
            fail_request(req, PKE_DEADLINE, "key-queue-deadline",
                         "the signing key did not get to it in time");
        }
    }
}

/* The key became slower than it was when they were let in: who would wait in vain is told now, and nobody
 * before whom there is time. */
static void shed(struct key_pool *p)
{
    unsigned ahead = 0;

    for (struct request **at = &p->first, *req; (req = *at); ahead++) {
        if (!admission_in_vain(p, req, ahead)) {
            at = &req->next_queued;
            continue;
        }
        *at = req->next_queued;
        p->queued--;
        ahead--;
        req->next_queued = NULL;
        admission_refuse(req, p);
        request_signed(req, PKE_BYTES(NULL, 0), &req->fail);
    }
    p->last = NULL;
    for (struct request *req = p->first; req; req = req->next_queued)
        p->last = req;
}

/* Nobody left who could sign: whoever waits gets an answer now. */
static void fail_queue_if_down(struct key_pool *p)
{
    for (unsigned i = 0; i < KEY_MAX_INSTANCES; i++)
        if (keys_is_ready(&p->clients[i]))
            return;
    while (p->first && keys_is_paused(p))
        fail_request(pop(p), PKE_MAINTENANCE, "key-paused", "an operator paused the signing key");
    while (p->first)
        fail_request(pop(p), PKE_KEY_DOWN, "key-down", "the signing key is not available");
}

void keys_submit(struct issuer *is, const char *key, struct request *req)
{
    struct key_pool *p = keys_pool(is, key);

    if (!p) {
        fail_request(req, PKE_KEY_DOWN, "key-unknown", "no such key");
        return;
    }
    if (p->last)
        p->last->next_queued = req;
    else
        p->first = req;
    p->last = req;
    p->queued++;
    dispatch(p);
    fail_queue_if_down(p);
}

static void on_job_signed(struct key_client *k, const struct ipc_frame *f)
{
    struct key_job *job = k->job;
    struct pke_arena *arena = pke_arena_new();
    struct msg_signed ok;
    struct msg_failed no;
    struct pke_fail fail;

    k->job = NULL;
    event_del(k->timer);
    if (f->kind == MSG_SIGNED &&
        ipc_record_read(msg_signed_fields, f->payload, arena, &ok, sizeof ok, &fail) == PKE_OK)
        job->done(job, ok.signature, NULL);
    else if (f->kind == MSG_FAILED &&
             ipc_record_read(msg_failed_fields, f->payload, arena, &no, sizeof no, &fail) == PKE_OK)
        job->done(job, PKE_BYTES(NULL, 0), &no.fail);
    else
        fail_job(job, PKE_INTERNAL, "key-answer", "the key process answered nonsense");
    pke_arena_free(arena);
    dispatch(k->pool);
}

static void on_signed(struct key_client *k, const struct ipc_frame *f)
{
    struct request *req = k->signing;
    struct pke_arena *arena = pke_arena_new();
    struct msg_signed ok;
    struct msg_failed no;
    struct pke_fail fail;

    if (!req || req->sign_id != f->id) {
        pke_arena_free(arena);
        return;
    }
    k->signing = NULL;
    event_del(k->timer);
    if (f->kind == MSG_SIGNED &&
        ipc_record_read(msg_signed_fields, f->payload, arena, &ok, sizeof ok, &fail) == PKE_OK) {
        admission_measured(k, keys_micros() - k->signing_since);
        k->signatures++;
        k->last_micros = ok.micros;
        request_signed(req, ok.signature, NULL);
    } else if (f->kind == MSG_FAILED &&
               ipc_record_read(msg_failed_fields, f->payload, arena, &no, sizeof no, &fail) == PKE_OK) {
        k->failures++;
        request_signed(req, PKE_BYTES(NULL, 0), &no.fail);
    } else {
        fail_request(req, PKE_INTERNAL, "key-answer", "the key process answered nonsense");
    }
    pke_arena_free(arena);
    shed(k->pool);
    dispatch(k->pool);
}

/* States are a few words; what else a process says of itself is only shown. */
static void on_state(struct key_client *k, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_key_state m;
    struct pke_fail fail;

    if (ipc_record_read(msg_key_state_fields, f->payload, arena, &m, sizeof m, &fail) != PKE_OK ||
        strlen(m.state) >= sizeof k->state) {
        log_event(LOG_ERR, "a key process tells a state that is none", "key", k->pool->name, NULL);
        pke_arena_free(arena);
        return;
    }
    pke_arena_free(k->told_arena);
    k->told_arena = arena;
    k->told = m;
    snprintf(k->state, sizeof k->state, "%s", m.state);
    k->signatures = m.signatures;
    k->failures = m.failures;
    k->last_micros = m.last_micros;
    waiting_wake(k->pool->issuer);
    if (f->id)
        verbs_key_done(k->pool->issuer, f->id, &m);
    if (keys_is_ready(k) && k->index == 0)
        crl_key_ready(k->pool->issuer, k->pool->name);
    dispatch(k->pool);
    fail_queue_if_down(k->pool);
}

static void on_key_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    (void)c;
    (void)fd;
    if (f->kind == MSG_KEY_STATE)
        on_state(arg, f);
    else if (((struct key_client *)arg)->job && ((struct key_client *)arg)->job->sign_id == f->id)
        on_job_signed(arg, f);
    else
        on_signed(arg, f);
}

static void drop_client(struct key_client *k)
{
    struct request *req = k->signing;
    struct key_job *job = k->job;

    chan_free(k->chan);
    k->chan = NULL;
    snprintf(k->state, sizeof k->state, "gone");
    pke_arena_free(k->told_arena);
    k->told_arena = NULL;
    k->told = (struct msg_key_state){0};
    k->signing = NULL;
    k->job = NULL;
    event_del(k->timer);
    if (req)
        fail_request(req, PKE_KEY_DOWN, "key-process", "the key process ended during the signature");
    if (job)
        fail_job(job, PKE_KEY_DOWN, "key-process", "the key process ended during the signature");
    if (k->index == 0)
        dispatch_job(k->pool); /* what waits for it is told, too */
    verbs_key_lost(k->pool->issuer, k->pool->name, k->index);
    fail_queue_if_down(k->pool);
}

static void on_key_closed(struct chan *c, const char *why, void *arg)
{
    struct key_client *k = arg;

    role_link_lost(k->pool->issuer->role, ROLE_KEY, k->index, k->pool->name);
    log_event(LOG_WARNING, "lost a key process", "key", k->pool->name, "why", why, NULL);
    if (k->chan == c)
        drop_client(k);
    else
        chan_free(c);
}

/* The device hangs: only SIGKILL ends a blocked PKCS#11 call, and only main may send it. */
static void on_stuck(evutil_socket_t fd, short what, void *arg)
{
    struct key_client *k = arg;
    struct msg_link m = {.peer = ROLE_KEY, .index = k->index, .name = k->pool->name};

    (void)fd;
    (void)what;
    chan_send_record(k->pool->issuer->role->main, MSG_KILL_KEY, 0, msg_link_fields, &m);
    drop_client(k);
}

void keys_link(struct issuer *is, const struct msg_link *link, int fd)
{
    static const struct chan_ops ops = {on_key_frame, on_key_closed};
    struct key_pool *p = link->name ? keys_pool(is, link->name) : NULL;
    struct key_client *k;

    if (!p || link->index >= KEY_MAX_INSTANCES) {
        evutil_closesocket(fd);
        return;
    }
    k = &p->clients[link->index];
    if (k->chan)
        drop_client(k);
    k->pool = p;
    k->index = (unsigned)link->index;
    if (!k->timer)
        k->timer = event_new(is->role->base, -1, 0, on_stuck, k);
    snprintf(k->state, sizeof k->state, "starting");
    k->chan = chan_new(is->role->base, fd, IPC_MAX_CRL, &ops, k);
}
