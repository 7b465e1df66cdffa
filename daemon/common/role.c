/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config.h"
#include "daemon/common/log.h"
#ifdef PKE_SANITIZED
#include <sanitizer/lsan_interface.h>
#endif

static void refuse(struct role *r, const struct pke_fail *fail)
{
    struct msg_failed m = {.fail = *fail};

    chan_send_record(r->main, MSG_CONF_REFUSED, 0, msg_failed_fields, &m);
}

static void drop_candidate(struct role *r)
{
    if (!r->have_candidate)
        return;
    r->ops->abort(r, r->candidate);
    conf_unref(r->candidate_conf);
    r->have_candidate = false;
    r->candidate = NULL;
    r->candidate_conf = NULL;
}

/* Phase one of the switch: parse the bytes again (a role trusts bytes, not pointers) and open what they ask
 * for. */
static void on_prepare(struct role *r, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct conf_errors errors = {0};
    struct msg_conf m;
    struct pke_fail fail;
    enum pke_err err;

    drop_candidate(r);
    err = ipc_record_read(msg_conf_fields, f->payload, arena, &m, sizeof m, &fail);
    if (err == PKE_OK) {
        err = conf_parse(m.file, m.text, &r->candidate_conf, &errors);
        if (err != PKE_OK)
            conf_errors_fail(&errors, &fail);
    }
    if (err == PKE_OK) {
        r->hints = m.hints;
        err = r->ops->prepare(r, r->candidate_conf, m.assertion_key, &r->candidate, &fail);
        if (err != PKE_OK) {
            conf_unref(r->candidate_conf);
            r->candidate_conf = NULL;
        }
    }
    r->have_candidate = err == PKE_OK;
    if (err == PKE_OK)
        chan_send(r->main, MSG_CONF_READY, 0, PKE_BYTES(NULL, 0));
    else
        refuse(r, &fail);
    if (m.assertion_key.n)
        explicit_bzero((void *)(uintptr_t)m.assertion_key.p, m.assertion_key.n);
    chan_wipe_frame(r->main, f);
    conf_errors_done(&errors);
    r->hints = (struct pke_pairs){0};
    pke_arena_free(arena);
}

/* Phase two: from here on the new configuration is served. The old one lives until commit returned. */
static void on_switch(struct role *r)
{
    struct conf *old = (struct conf *)(uintptr_t)r->conf;

    if (!r->have_candidate)
        return;
    r->conf = r->candidate_conf;
    r->ops->commit(r, r->conf, r->candidate);
    r->have_candidate = false;
    r->candidate = NULL;
    r->candidate_conf = NULL;
    conf_unref(old);
}

/* Which process is at the other end of the newest channel to a peer. */
struct role_link {
    struct role_link *next;
    uint64_t peer, index, pid;
    char *name; /* "" when the peer has none */
};

static struct role_link *find_link(struct role *r, uint64_t peer, uint64_t index, const char *name)
{
    struct role_link *l = r->links;

    while (l && (l->peer != peer || l->index != index || strcmp(l->name, name ? name : "") != 0))
        l = l->next;
    return l;
}

static void remember_link(struct role *r, const struct msg_link *m)
{
    struct role_link *l = find_link(r, m->peer, m->index, m->name);

    if (!l) {
        l = pke_calloc(1, sizeof *l);
        *l = (struct role_link){r->links, m->peer, m->index, 0, pke_strdup(m->name ? m->name : "")};
        r->links = l;
    }
    l->pid = m->pid;
}

static void on_link(struct role *r, const struct ipc_frame *f, int fd)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_link m;
    struct pke_fail fail;

    if (fd >= 0 && ipc_record_read(msg_link_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK) {
        remember_link(r, &m);
        r->ops->link(r, &m, fd);
    } else if (fd >= 0)
        close(fd);
    pke_arena_free(arena);
}

static void on_socket(struct role *r, const struct ipc_frame *f, int fd)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_socket m;
    struct pke_fail fail;

    if (fd >= 0 && r->ops->socket &&
        ipc_record_read(msg_socket_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK)
        r->ops->socket(r, m.name, fd);
    else if (fd >= 0)
        close(fd);
    pke_arena_free(arena);
}

static void on_main_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct role *r = arg;

    (void)c;
    switch (f->kind) {
    case MSG_CONF_PREPARE:
        on_prepare(r, f);
        return;
    case MSG_CONF_SWITCH:
        on_switch(r);
        return;
    case MSG_CONF_ABORT:
        drop_candidate(r);
        return;
    case MSG_LINK:
        on_link(r, f, fd);
        return;
    case MSG_PING:
        chan_send(r->main, MSG_PONG, f->id, PKE_BYTES(NULL, 0));
        return;
    case MSG_SOCKET:
        on_socket(r, f, fd);
        return;
    case MSG_STOP:
        r->stopping = true;
        if (r->ops->stop)
            r->ops->stop(r);
        else
            role_stopped(r);
        return;
    default:
        if (fd >= 0)
            close(fd);
        if (r->ops->frame)
            r->ops->frame(r, f);
    }
}

/* main's death ends all: there is nobody left to supervise, and the ledger has what was acknowledged. */
static void on_main_closed(struct chan *c, const char *why, void *arg)
{
    struct role *r = arg;

    (void)c;
    log_event(LOG_WARNING, "main is gone", "why", why, NULL);
    event_base_loopbreak(r->base);
}

int role_run(const struct role_ops *ops, unsigned index, const char *name, void *state)
{
    static const struct chan_ops main_ops = {on_main_frame, on_main_closed};
    struct role r = {.ops = ops, .index = index, .name = name, .state = state};
    char identity[96];

    process_ignore_group_signals();
    snprintf(identity, sizeof identity,
             name                   ? "%s %s/%u"
             : ops->id == ROLE_AUTH ? "%s%s/%u"
                                    : "%s",
             role_name(ops->id), name ? name : "", index);
    log_identity(identity);
    r.base = event_base_new();
    if (!r.base)
        pke_oom();
    r.main = chan_new(r.base, ROLE_MAIN_FD, IPC_MAX_CONFIG, &main_ops, &r);
    chan_accept_fds(r.main);
    if (ops->start)
        ops->start(&r);
    event_base_dispatch(r.base);
#ifdef PKE_SANITIZED
    __lsan_do_leak_check();
#endif
    /* No teardown on purpose: vendor modules and OpenSSL are known to crash in exit handlers. */
    _exit(r.stopping ? 0 : 70);
}

void role_tell_state(struct role *r, const struct msg_state *state)
{
    chan_send_record(r->main, MSG_STATE, 0, msg_state_fields, state);
}

void role_link_lost(struct role *r, enum role_id peer, unsigned index, const char *name)
{
    const struct role_link *l = find_link(r, peer, index, name);
    struct msg_link m = {.peer = peer, .index = index, .name = name, .pid = l ? l->pid : 0};

    chan_send_record(r->main, MSG_LINK_LOST, 0, msg_link_fields, &m);
}

void role_stopped(struct role *r)
{
    chan_flush(r->main, 1000);
    event_base_loopbreak(r->base);
}
