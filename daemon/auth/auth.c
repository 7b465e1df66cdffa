/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The auth role: verifies credentials for net and keeps the user file for control. Hashing a password blocks
 * for tens of milliseconds, which is why this is a process of its own, one request at a time.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "daemon/auth/core.h"
#include "daemon/auth/frontend.h"
#include "daemon/common/log.h"
#include "daemon/common/role.h"
#include "ipc/wipealloc.h"

#define ASSERTION_MAX (64u << 10)
#define KEYS_LOOK_S   2 /* how soon status tells of a changed key file and of counters */

struct auth_role {
    struct role *role;
    struct auth_core *core; /* NULL before the first commit */
    struct pke_arena *arena;
    struct event *look;  /* at the key files, whether tokens come or not */
    struct pke_buf told; /* the facts that main was told last */
};

/* A channel to net or to control; each says what it may ask. */
struct peer {
    struct auth_role *auth;
    struct chan *chan;
    enum role_id role;
};

static void answer_failure(struct peer *p, uint64_t id, const struct pke_fail *fail)
{
    struct msg_failed m = {.fail = *fail};

    chan_send_record(p->chan, MSG_FAILED, id, msg_failed_fields, &m);
}

static void wipe(struct pke_bytes secret)
{
    if (secret.n)
        explicit_bzero((void *)(uintptr_t)secret.p, secret.n); /* the arena's own copy */
}

static enum pke_err not_ready(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_STALE, "not-configured", "configuration generation",
                        "the configuration is not in force yet");
}

static void answer_vouched(struct peer *p, uint64_t id, const struct auth_identity *who,
                           struct pke_bytes assertion)
{
    struct msg_auth_ok ok = {
        .principal = who->principal, .upn = pke_pairs_get(&who->attributes, "upn"), .assertion = assertion};

    chan_send_record(p->chan, MSG_AUTH_OK, id, msg_auth_ok_fields, &ok);
}

static void answer_question(struct peer *p, uint64_t id, const struct msg_auth_ask *ask)
{
    chan_send_record(p->chan, MSG_AUTH_ASK, id, msg_auth_ask_fields, ask);
    wipe(ask->question);
}

static void on_auth(struct peer *p, const struct ipc_frame *f)
{
    struct auth_role *a = p->auth;
    struct pke_fail fail = {0};
    struct msg_auth m = {0};
    struct msg_auth_ask ask = {0};
    struct auth_now now = {role_monotonic_ms(), role_wall_ms() / 1000};
    struct auth_identity who = {0};
    struct pke_buf assertion;
    enum pke_err err = ipc_record_read(msg_auth_fields, f->payload, a->arena, &m, sizeof m, &fail);

    chan_wipe_frame(p->chan, f);
    pke_buf_init(&assertion, ASSERTION_MAX);
    if (err == PKE_OK && !a->core)
        err = not_ready(&fail);
    if (err == PKE_OK)
        err = frontend_knows(m.kind) ? frontend_ask(a->core, &m, &now, a->arena, &ask, &fail)
                                     : auth_core_verify(a->core, &m, &now, a->arena, &assertion, &who, &fail);
    wipe(m.password);
    wipe(m.token);
    wipe(m.document); /* it may hold a password beside the signature */
    if (err == PKE_OK && ask.question.n) {
        answer_question(p, f->id, &ask);
    } else if (err == PKE_OK) {
        answer_vouched(p, f->id, &who, pke_buf_bytes(&assertion));
    } else {
        log_fail(err == PKE_UNAUTHENTICATED ? LOG_INFO : LOG_WARNING, "authentication refused", &fail, "user",
                 m.username, "source", m.source, "endpoint", m.endpoint, "kind", m.kind, NULL);
        answer_failure(p, f->id, &fail);
    }
    pke_buf_done(&assertion);
    pke_arena_reset(a->arena);
}

/* What the frontend said about a credential of its own. */
static void on_answer(struct peer *p, const struct ipc_frame *f)
{
    struct auth_role *a = p->auth;
    struct pke_fail fail = {0};
    struct msg_auth_answer m = {0};
    struct auth_now now = {role_monotonic_ms(), role_wall_ms() / 1000};
    struct auth_identity who = {0};
    struct pke_buf assertion;
    enum pke_err err = ipc_record_read(msg_auth_answer_fields, f->payload, a->arena, &m, sizeof m, &fail);

    pke_buf_init(&assertion, ASSERTION_MAX);
    if (err == PKE_OK)
        err = a->core ? frontend_answered(a->core, &m, &now, a->arena, &assertion, &who, &fail)
                      : not_ready(&fail);
    if (err == PKE_OK) {
        answer_vouched(p, f->id, &who, pke_buf_bytes(&assertion));
    } else {
        log_fail(LOG_INFO, "authentication refused", &fail, "by", "authenticator", NULL);
        answer_failure(p, f->id, &fail);
    }
    pke_buf_done(&assertion);
    pke_arena_reset(a->arena);
}

static void on_verb(struct peer *p, const struct ipc_frame *f)
{
    struct auth_role *a = p->auth;
    struct pke_fail fail = {0};
    struct msg_verb m = {0};
    struct pke_buf json;
    enum pke_err err = ipc_record_read(msg_verb_fields, f->payload, a->arena, &m, sizeof m, &fail);

    chan_wipe_frame(p->chan, f);
    pke_buf_init(&json, IPC_MAX_CONTROL - 1024);
    if (err == PKE_OK)
        err = a->core ? auth_core_verb(a->core, &m, &json, &fail) : not_ready(&fail);
    wipe(m.secret);
    if (err == PKE_OK) {
        struct msg_verb_reply reply = {pke_buf_bytes(&json)};
        chan_send_record(p->chan, MSG_VERB_REPLY, f->id, msg_verb_reply_fields, &reply);
    } else {
        answer_failure(p, f->id, &fail);
    }
    pke_buf_done(&json);
    pke_arena_reset(a->arena);
}

static void on_closed(struct chan *c, const char *why, void *arg)
{
    struct peer *p = arg;

    log_event(LOG_NOTICE, "peer is gone", "peer", role_name(p->role), "why", why, NULL);
    role_link_lost(p->auth->role, p->role, 0, NULL);
    chan_free(c);
    free(p);
}

static void on_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct peer *p = arg;

    if (fd >= 0)
        close(fd);
    if (f->kind == MSG_AUTH && p->role == ROLE_NET)
        on_auth(p, f);
    else if (f->kind == MSG_AUTH_ANSWER && p->role == ROLE_NET)
        on_answer(p, f);
    else if (f->kind == MSG_VERB && p->role == ROLE_CONTROL)
        on_verb(p, f);
    else
        on_closed(c, "it sent what is not its to send", p);
}

static void on_link(struct role *r, const struct msg_link *link, int fd)
{
    static const struct chan_ops ops = {on_frame, on_closed};
    struct peer *p;

    if (link->peer != ROLE_NET && link->peer != ROLE_CONTROL) {
        close(fd);
        return;
    }
    p = pke_calloc(1, sizeof *p);
    p->auth = r->state;
    p->auth->role = r;
    p->role = (enum role_id)link->peer;
    p->chan = chan_new(r->base, fd, IPC_MAX_REQUEST, &ops, p);
}

static enum pke_err on_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                               struct pke_fail *fail)
{
    struct auth_core *core = NULL;
    struct auth_role *a = r->state;
    enum pke_err err = auth_core_new(conf, secret, r->index == 0, &core, fail);

    if (err == PKE_OK)
        err = auth_core_open_tokens(core, a->core, fail);
    if (err != PKE_OK) {
        auth_core_free(core);
        core = NULL;
    }
    *ret = core;
    return err;
}

/* main hears of what changed; @p anyway: also when nothing did. */
static void tell_state(struct auth_role *a, bool anyway)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state ready = {.state = "ready"};
    struct pke_buf now;

    auth_core_token_facts(a->core, arena, &ready.facts);
    pke_buf_init(&now, SIZE_MAX);
    for (size_t i = 0; i < ready.facts.n; i++)
        pke_buf_printf(&now, "%s=%s\n", ready.facts.v[i].name, ready.facts.v[i].value);
    if (anyway || !pke_bytes_eq(pke_buf_bytes(&now), pke_buf_bytes(&a->told))) {
        role_tell_state(a->role, &ready);
        pke_buf_done(&a->told);
        a->told = now;
    } else {
        pke_buf_done(&now);
    }
    pke_arena_free(arena);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_state(arg, false);
}

/* A broken file shall be in status before the first token that needs it. */
static void watch_keys(struct auth_role *a, bool wanted)
{
    static const struct timeval every = {.tv_sec = KEYS_LOOK_S};

    if (!wanted && a->look) {
        event_free(a->look);
        a->look = NULL;
    }
    if (!wanted || a->look)
        return;
    a->look = event_new(a->role->base, -1, EV_PERSIST, on_look, a);
    if (!a->look || event_add(a->look, &every) != 0)
        pke_oom();
}

static void on_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct auth_role *a = r->state;

    auth_core_free(a->core);
    a->core = candidate;
    a->role = r;
    watch_keys(a, conf->n_token_issuers > 0);
    tell_state(a, true);
}

static void on_abort(struct role *r, void *candidate)
{
    (void)r;
    auth_core_free(candidate);
}

int role_auth(unsigned index)
{
    static const struct role_ops ops = {
        .id = ROLE_AUTH, .prepare = on_prepare, .commit = on_commit, .abort = on_abort, .link = on_link};
    struct auth_role a = {.arena = pke_arena_new()};

    json_set_alloc_funcs(wipe_malloc, wipe_free); /* a question to the frontend holds the credential */
    return role_run(&ops, index, NULL, &a);
}
