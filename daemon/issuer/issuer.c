/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer role: configuration, links, start and stop. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/outbox.h"
#include "ipc/wipealloc.h"

#define TICK_MS 500

void issuer_send_catalogue(struct issuer *is)
{
    struct pke_arena *arena;
    struct msg_catalogue m = {0};

    if (!is->net || !is->setup)
        return;
    arena = pke_arena_new();
    m.generation = PKE_BYTES(is->setup->conf->generation, CONF_GENERATION);
    for (size_t i = 0; i < is->setup->n_cas; i++) {
        const struct issuer_ca *ca = &is->setup->cas[i];
        pke_pairs_add(&m.issuers, arena, ca->conf->name, ca->sha1_hex);
        pke_blobs_add(&m.certificates, arena, ca_issuer_der(ca->ca));
        pke_blobs_add(&m.roots, arena, ca_issuer_root_der(ca->ca));
    }
    for (size_t i = 0; i < is->setup->n_templates; i++) {
        const struct issuer_template *t = setup_template_at(is->setup, i);
        pke_pairs_add(&m.templates, arena, t->policy->name, t->ca->conf->name);
    }
    chan_send_record(is->net, MSG_CATALOGUE, 0, msg_catalogue_fields, &m);
    pke_arena_free(arena);
}

static void on_net_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct issuer *is = arg;

    (void)c;
    (void)fd;
    if (!is->ledger) /* stopped; the rest of a frame's batch is still delivered */
        return;
    if (f->kind == MSG_PREPARE)
        request_prepare(is, f);
    else if (f->kind == MSG_COMMIT)
        request_commit(is, f);
    else if (f->kind == MSG_TOKEN)
        token_frame(is, f);
    else if (f->kind == MSG_QUERY)
        waiting_query(is, f);
    else if (f->kind == MSG_REFUSAL)
        refusal_frame(is, f);
    else if (f->kind == MSG_EVENT_DONE)
        outbox_done(is, f);
}

static void on_net_closed(struct chan *c, const char *why, void *arg)
{
    struct issuer *is = arg;

    (void)why;
    role_link_lost(is->role, ROLE_NET, 0, NULL);
    if (is->net == c) {
        is->net = NULL;
        request_forget_net(is);
        outbox_forget_net(is);
    }
    chan_free(c);
}

static void on_control_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    (void)c;
    (void)fd;
    verbs_control_frame(arg, f);
}

static void on_control_closed(struct chan *c, const char *why, void *arg)
{
    struct issuer *is = arg;

    (void)why;
    role_link_lost(is->role, ROLE_CONTROL, 0, NULL);
    if (is->control == c) {
        is->control = NULL;
        verbs_forget_control(is);
    }
    chan_free(c);
}

static void link_net(struct issuer *is, int fd)
{
    static const struct chan_ops ops = {on_net_frame, on_net_closed};

    if (is->net) {
        request_forget_net(is);
        chan_free(is->net);
    }
    is->net_epoch++;
    is->net = chan_new(is->role->base, fd, IPC_MAX_REQUEST, &ops, is);
    issuer_send_catalogue(is);
    outbox_forget_net(is); /* what the last one had is sent again */
}

static void link_control(struct issuer *is, int fd)
{
    static const struct chan_ops ops = {on_control_frame, on_control_closed};

    if (is->control) {
        verbs_forget_control(is);
        chan_free(is->control);
    }
    is->control_links++;
    is->control = chan_new(is->role->base, fd, IPC_MAX_REQUEST, &ops, is); /* as control has it */
}

static void issuer_link(struct role *r, const struct msg_link *link, int fd)
{
    struct issuer *is = r->state;

    switch (link->peer) {
    case ROLE_NET:
        link_net(is, fd);
        break;
    case ROLE_CONTROL:
        link_control(is, fd);
        break;
    case ROLE_KEY:
        keys_link(is, link, fd);
        break;
    default:
        evutil_closesocket(fd);
    }
}

/* The first configuration opens the ledger; what a crash left half done is closed before anything is served.
 */
static enum pke_err open_ledger(struct issuer *is, const struct conf *conf, struct pke_fail *fail)
{
    unsigned abandoned = 0;
    char count[16];
    enum pke_err err;

    if (is->ledger)
        return PKE_OK;
    err = ledger_open(conf->global.ledger_file, &is->ledger, fail);
    if (err == PKE_OK)
        err = ledger_wall_clock(is->ledger, &is->wall_seen, fail);
    if (err == PKE_OK)
        err = ledger_abandon_intents(is->ledger, role_wall_ms(), &abandoned, fail);
    if (err == PKE_OK)
        err = rollover_load(is, fail);
    if (err != PKE_OK) {
        ledger_close(is->ledger);
        is->ledger = NULL;
        return err;
    }
    snprintf(count, sizeof count, "%u", abandoned);
    if (abandoned)
        log_event(LOG_WARNING, "intents without a result were abandoned", "count", count, NULL);
    return PKE_OK;
}

/* Development versions named an issuer by the SHA-1 of its certificate. Revocations of such rows would reach
 * no list: better no start than a list that lacks them. */
static enum pke_err check_issuer_ids(struct issuer *is, const struct setup *s, struct pke_fail *fail)
{
    uint8_t sha1[20];

    for (size_t i = 0; i < s->n_cas; i++) {
        int64_t life = 0;
        enum pke_err err;

        if (EVP_Digest(ca_issuer_der(s->cas[i].ca).p, ca_issuer_der(s->cas[i].ca).n, sha1, NULL, EVP_sha1(),
                       NULL) != 1)
            pke_oom();
        err = ledger_issuer_life(is->ledger, PKE_BYTES(sha1, sizeof sha1), &life, fail);
        if (err == PKE_OK && life)
            err = pke_fail_set(
                fail, PKE_CONFIG, "ledger-issuer-id", "ledger schema",
                "the ledger was written by a development version that named issuers otherwise: issuer %s",
                s->cas[i].conf->name);
        if (err != PKE_OK)
            return err;
    }
    return PKE_OK;
}

static enum pke_err issuer_prepare(struct role *r, const struct conf *conf, struct pke_bytes secret,
                                   void **ret, struct pke_fail *fail)
{
    struct setup *s = NULL;
    enum pke_err err = setup_load(conf, secret, &s, fail);

    if (err == PKE_OK)
        err = open_ledger(r->state, conf, fail);
    if (err == PKE_OK)
        err = check_issuer_ids(r->state, s, fail);
    if (err == PKE_OK)
        err = rollover_prepare(r->state, s, fail);
    if (err != PKE_OK) {
        setup_unref(s);
        return err;
    }
    *ret = s;
    return PKE_OK;
}

void issuer_tell(struct issuer *is)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state m = {.state = "ready"};

    for (size_t i = 0; is->setup && i < is->setup->n_cas; i++) {
        const struct issuer_ca *ca = &is->setup->cas[i];
        json_t *o = issuer_view_short(is, ca);
        char *text = json_dumps(o, JSON_COMPACT);
        pke_pairs_add(&m.facts, arena, pke_arena_printf(arena, "issuer %s", ca->conf->name), text);
        wipe_free(text);
        json_decref(o);
    }
    for (size_t i = 0; i < is->succession.n && !m.text; i++)
        if (is->waits[i])
            m.text = pke_arena_printf(arena, "the switch from %s to %s waits: %s",
                                      is->succession.rows[i].from, is->succession.rows[i].to, is->waits[i]);
    for (size_t i = 0; is->setup && i < is->setup->n_cas; i++) {
        const char *late = crl_complaint(is, is->setup->cas[i].conf->name, arena);
        if (late && strcmp(m.state, "ready") == 0) /* before a switch that waits: this gets worse with time */
            m.state = "degraded", m.text = late;
    }
    outbox_facts(is, arena, &m);
    role_tell_state(is->role, &m);
    pke_arena_free(arena);
}

static void issuer_commit(struct role *r, const struct conf *conf, void *candidate)
{
    struct issuer *is = r->state;
    bool first = !is->setup;
    size_t identities = identity_map_count(((struct setup *)candidate)->identities);
    char *detail =
        pke_asprintf("{\"generation\":\"%s\",\"identities\":%zu}", conf->generation_hex, identities);
    char number[24];

    snprintf(number, sizeof number, "%zu", identities);
    if (conf->global.identity_map)
        log_event(LOG_NOTICE, "identity map read", "file", conf->global.identity_map, "identities", number,
                  NULL);
    setup_unref(is->setup);
    is->setup = candidate;
    is->waiting_some = true; /* of an earlier life, or of a key that is configured now */
    batch_audit(is, first ? "start" : "configuration", "main", NULL, detail);
    free(detail);
    crl_configured(is);
    outbox_configured(is);
    rollover_commit(is); /* tells main */
}

static void issuer_abort(struct role *r, void *candidate)
{
    (void)r;
    setup_unref(candidate);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    refusal_report(arg);
    request_expire(arg);
    orphans_close(arg);
    waiting_tick(arg);
    crl_tick(arg);
    rollover_tick(arg);
    outbox_tick(arg);
    issuer_check_stopped(arg); /* what expired may have been the last */
}

static void issuer_start(struct role *r)
{
    struct issuer *is = r->state;
    struct timeval tv = {0, TICK_MS * 1000};

    is->role = r;
    batch_init(is);
    is->tick = event_new(r->base, -1, EV_PERSIST, on_tick, is);
    event_add(is->tick, &tv);
}

void issuer_check_stopped(struct issuer *is)
{
    if (!is->role->stopping || is->requests || is->ops || is->in_batch)
        return;
    if (is->net)
        chan_flush(is->net, 1000);
    ledger_close(is->ledger);
    is->ledger = NULL;
    role_stopped(is->role);
}

static void issuer_frame(struct role *r, const struct ipc_frame *f)
{
    struct issuer *is = r->state;

    if (f->kind == MSG_DRAIN || f->kind == MSG_RESUME)
        is->draining = f->kind == MSG_DRAIN;
}

static void issuer_stop(struct role *r)
{
    struct issuer *is = r->state;

    request_drop_prepared(is); /* what is only held is not in flight */
    if (!is->ledger) {         /* stopped before the first configuration */
        issuer_check_stopped(is);
        return;
    }
    refusal_report(is);
    outbox_save(is);
    batch_audit(is, "stop", "main", NULL, NULL); /* its commit ends the role once nothing is in flight */
}

int role_issuer(unsigned index)
{
    static const struct role_ops ops = {.id = ROLE_ISSUER,
                                        .start = issuer_start,
                                        .prepare = issuer_prepare,
                                        .commit = issuer_commit,
                                        .abort = issuer_abort,
                                        .link = issuer_link,
                                        .frame = issuer_frame,
                                        .stop = issuer_stop};

    json_set_alloc_funcs(wipe_malloc, wipe_free); /* an answer tells the text of a new token */
    return role_run(&ops, index, NULL, pke_calloc(1, sizeof(struct issuer)));
}
