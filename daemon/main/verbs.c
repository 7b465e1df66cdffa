/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs that main answers: status, reload, drain, resume. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "config.h"
#include "daemon/common/log.h"
#include "daemon/common/process.h"
#include "daemon/main/supervisor.h"

static void reply(struct chan *to, uint64_t id, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    struct msg_verb_reply m = {.json = pke_bytes_str(text)};

    chan_send_record(to, MSG_VERB_REPLY, id, msg_verb_reply_fields, &m);
    free(text);
    json_decref(object);
}

static void refuse(struct chan *to, uint64_t id, const struct pke_fail *fail)
{
    struct msg_failed m = {.fail = *fail};

    chan_send_record(to, MSG_FAILED, id, msg_failed_fields, &m);
}

static const char *child_state_text(const struct child *c)
{
    if (!c->pid)
        return "waiting";
    if (c->state == CHILD_PREPARING)
        return "starting";
    return c->told_state ? c->told_state : "starting";
}

static json_t *role_object(const struct child *c)
{
    return json_pack("{s:s, s:s?, s:i, s:i, s:s, s:i, s:s?}", "role", role_name(c->role), "name", c->name,
                     "index", (int)c->index, "pid", (int)c->pid, "state", child_state_text(c), "restarts",
                     (int)c->restarts, "text", c->told_text);
}

static void add_number(json_t *to, const json_t *from, const char *name)
{
    json_int_t sum =
        json_integer_value(json_object_get(to, name)) + json_integer_value(json_object_get(from, name));

    json_object_set_new(to, name, json_integer(sum));
}

/* Of two workers, what the one says that saw an unknown key last. */
static void keep_later(json_t *to, const json_t *from)
{
    const char *mine = json_string_value(json_object_get(to, "unknown_kid_time")),
               *other = json_string_value(json_object_get(from, "unknown_kid_time"));

    if (!other || (mine && strcmp(mine, other) >= 0)) /* RFC 3339, UTC: as text */
        return;
    json_object_set(to, "unknown_kid_time", json_object_get(from, "unknown_kid_time"));
    json_object_set(to, "unknown_kid", json_object_get(from, "unknown_kid"));
}

/* Each auth worker counts for itself and reads the keys for itself: sums, and the keys of the one that has an
 * error or fewer of them. */
static void add_token_issuer(json_t *issuers, const char *name, const char *text)
{
    static const char *const counters[] = {"accepted", "refused", "unknown_kids"};
    json_t *one = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *sum = json_object_get(issuers, name);
    bool worse;

    if (!json_is_object(one)) {
        json_decref(one);
        return;
    }
    if (!sum) {
        json_object_set_new(issuers, name, one);
        return;
    }
    worse = json_is_string(json_object_get(one, "error")) && !json_is_string(json_object_get(sum, "error"));
    for (size_t i = 0; i < PKE_LEN(counters); i++)
        add_number(worse ? one : sum, worse ? sum : one, counters[i]);
    keep_later(worse ? one : sum, worse ? sum : one);
    if (worse)
        json_object_set(issuers, name, one);
    json_decref(one);
}

static void add_object(json_t *to, const char *name, const char *text)
{
    json_t *one = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(one))
        json_object_set(to, name, one);
    json_decref(one);
}

static void add_members(json_t *to, const char *text)
{
    json_t *one = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(one))
        json_object_update(to, one);
    json_decref(one);
}

struct facts {
    json_t *listeners, *urls, *tokens, *issuers, *sinks, *callouts;
};

/* Facts of net are "listener NAME", "url NAME" and "callouts", of auth "token-issuer NAME", of issuer "issuer
 * NAME" and "sink NAME"; they become objects. */
static void add_facts(const struct child *c, const struct facts *to)
{
    for (size_t i = 0; i < c->facts.n; i++) {
        const char *name = c->facts.v[i].name;
        if (strncmp(name, "listener ", 9) == 0)
            json_object_set_new(to->listeners, name + 9, json_string(c->facts.v[i].value));
        else if (strncmp(name, "url ", 4) == 0)
            json_object_set_new(to->urls, name + 4, json_string(c->facts.v[i].value));
        else if (c->role == ROLE_NET && strcmp(name, "callouts") == 0)
            add_members(to->callouts, c->facts.v[i].value);
        else if (c->role == ROLE_AUTH && strncmp(name, "token-issuer ", 13) == 0)
            add_token_issuer(to->tokens, name + 13, c->facts.v[i].value);
        else if (c->role == ROLE_ISSUER && strncmp(name, "issuer ", 7) == 0)
            add_object(to->issuers, name + 7, c->facts.v[i].value);
        else if (c->role == ROLE_ISSUER && strncmp(name, "sink ", 5) == 0)
            add_object(to->sinks, name + 5, c->facts.v[i].value);
    }
}

static json_t *status_object(struct supervisor *s)
{
    struct facts f = {json_object(), json_object(), json_object(),
                      json_object(), json_object(), json_object()};
    json_t *roles = json_array();
    char started[PKE_RFC3339_SIZE];

    pke_time_rfc3339_ms(s->started_wall, started);
    for (const struct child *c = s->children; c; c = c->next) {
        if (c->state == CHILD_GONE)
            continue;
        json_array_append_new(roles, role_object(c));
        add_facts(c, &f);
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
                     lifecycle_state(s), "version", PACKAGE_VERSION, "generation", s->conf->generation_hex,
                     "pid", (int)getpid(), "started_at", started, "uptime_seconds",
                     (json_int_t)((process_monotonic_ms() - s->started_mono) / 1000), "roles", roles,
                     "listeners", f.listeners, "urls", f.urls, "token_issuers", f.tokens, "issuers",
                     f.issuers, "event_sinks", f.sinks, "callouts", f.callouts);
}

void verbs_frame(struct child *c, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_verb v;
    struct pke_fail fail;

    if (ipc_record_read(msg_verb_fields, f->payload, arena, &v, sizeof v, &fail) != PKE_OK) {
        refuse(c->chan, f->id, &fail);
    } else if (strcmp(v.verb, "status") == 0) {
        reply(c->chan, f->id, status_object(c->sup));
    } else if (strcmp(v.verb, "reload") == 0) {
        log_event(LOG_NOTICE, "reload asked for", "actor", v.actor, NULL);
        lifecycle_reload(c->sup, c->chan, f->id);
    } else if (strcmp(v.verb, "drain") == 0) {
        log_event(LOG_NOTICE, "drain asked for", "actor", v.actor, NULL);
        lifecycle_drain(c->sup, true);
        reply(c->chan, f->id, json_pack("{s:b}", "draining", 1));
    } else if (strcmp(v.verb, "resume") == 0) {
        log_event(LOG_NOTICE, "resume asked for", "actor", v.actor, NULL);
        lifecycle_drain(c->sup, false);
        reply(c->chan, f->id, json_pack("{s:b}", "draining", 0));
    } else {
        pke_fail_set(&fail, PKE_UNSUPPORTED, "verb", "control API", "main does not answer this verb");
        refuse(c->chan, f->id, &fail);
    }
    pke_arena_free(arena);
}

void verbs_reload_done(struct chan *asker, uint64_t id, const struct pke_fail *fail, const struct conf *conf)
{
    if (fail)
        refuse(asker, id, fail);
    else
        reply(asker, id, json_pack("{s:s}", "generation", conf->generation_hex));
}
