/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs about the keys: key list|show|test|unlock|pause|resume, and what the metrics say of them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/tenants.h"

static void refuse(struct issuer *is, uint64_t id, enum pke_err err, const char *reason, const char *text)
{
    struct pke_fail fail;

    pke_fail_set(&fail, err, reason, "control API", "%s", text);
    verbs_refuse(is->control, id, &fail);
}

/* Text of a key process, which is trusted less than we are: null when it is not UTF-8. */
static json_t *text_json(const char *text)
{
    json_t *s = text && *text ? json_string(text) : NULL;

    return s ? s : json_null();
}

static json_t *ms_json(uint64_t ms)
{
    char text[PKE_RFC3339_SIZE];

    if (ms == 0 || ms > INT64_MAX)
        return json_null();
    pke_time_rfc3339_ms((int64_t)ms, text);
    return json_string(text);
}

static void put(json_t *o, const char *name, json_t *value)
{
    json_object_set_new(o, name, value);
}

static void put_number(json_t *o, const char *name, uint64_t n)
{
    put(o, name, json_integer((json_int_t)n));
}

static const char *issuer_of_key(const struct setup *s, const char *key)
{
    for (size_t i = 0; i < s->n_cas; i++)
        if (s->cas[i].conf->key && strcmp(s->cas[i].conf->key, key) == 0)
            return s->cas[i].conf->name;
    return NULL;
}

static json_t *last_error_json(const struct msg_key_state *m)
{
    const struct pke_fail *f = &m->last_error;
    json_t *o;

    if (f->err == PKE_OK)
        return json_null();
    o = json_object();
    put(o, "at", ms_json(m->last_error_at));
    put(o, "code", json_string(pke_err_token(f->err)));
    put(o, "reason", text_json(f->reason));
    put(o, "rule", text_json(f->rule));
    put(o, "text", text_json(f->text));
    put(o, "raw", text_json(m->last_raw_text));
    return o;
}

static json_t *key_json(const struct issuer *is, const struct conf_key *conf, const struct key_client *k)
{
    const struct msg_key_state *m = &k->told;
    bool down = m->fail.err != PKE_OK;
    json_t *o = json_object();

    put(o, "name", json_string(conf->name));
    put_number(o, "instance", k->index);
    put(o, "issuer", text_json(issuer_of_key(is->setup, conf->name)));
    put(o, "algorithm", text_json(m->algorithm));
    put(o, "state", text_json(k->chan ? k->state : "gone"));
    put(o, "since", ms_json(m->since));
    put_number(o, "signatures", k->signatures);
    put_number(o, "failures", k->failures);
    put_number(o, "last_micros", k->last_micros);
    put_number(o, "ewma_micros", m->ewma_micros);
    put_number(o, "max_micros", m->max_micros);
    put_number(o, "health_checks", m->health_checks);
    put_number(o, "recoveries", m->recoveries);
    put(o, "last_good_at", ms_json(m->last_good_at));
    put(o, "reason", text_json(down ? m->fail.reason : NULL));
    put(o, "error", text_json(down ? m->fail.text : NULL));
    put_number(o, "raw", m->raw);
    put(o, "raw_text", text_json(m->raw ? m->last_raw_text : NULL));
    put(o, "last_error", last_error_json(m));
    return o;
}

static void add_pairs(json_t *o, const char *name, const struct pke_pairs *pairs, bool numbers)
{
    json_t *into = json_object();

    for (size_t i = 0; i < pairs->n; i++)
        json_object_set_new(into, pairs->v[i].name,
                            numbers ? json_integer((json_int_t)strtoull(pairs->v[i].value, NULL, 10))
                                    : text_json(pairs->v[i].value));
    put(o, name, into);
}

/* The rest of what the process said: numbers by class, the latency histogram, attributes. */
static json_t *key_full_json(const struct issuer *is, const struct conf_key *conf, const struct key_client *k)
{
    const struct msg_key_state *m = &k->told;
    json_t *o = key_json(is, conf, k), *buckets = json_array();
    const char *at = m->buckets;
    char *end;

    put_number(o, "last_good_ms", m->last_good_at);
    put_number(o, "sum_micros", m->sum_micros);
    for (size_t i = 0; at && i < MSG_KEY_BUCKETS; i++) {
        json_array_append_new(buckets, json_integer((json_int_t)strtoull(at, &end, 10)));
        at = *end ? end : NULL;
    }
    put(o, "buckets", buckets);
    add_pairs(o, "failed", &m->failed, true);
    add_pairs(o, "attributes", &m->attributes, false);
    return o;
}

static void key_list(struct issuer *is, uint64_t id)
{
    const struct conf *conf = is->setup->conf;
    json_t *items = json_array();

    for (size_t i = 0; i < conf->n_keys; i++) {
        struct key_pool *p = keys_pool(is, conf->keys[i].name);
        for (unsigned n = 0; p && n < conf->keys[i].instances && n < KEY_MAX_INSTANCES; n++) {
            p->clients[n].index = n;
            json_array_append_new(items, key_json(is, &conf->keys[i], &p->clients[n]));
        }
    }
    verbs_reply(is->control, id, json_pack("{s:o, s:n}", "items", items, "next"));
}

const char *verbs_key_state(const struct key_pool *p)
{
    const char *state = "gone";

    for (unsigned n = 0; n < KEY_MAX_INSTANCES; n++) {
        if (p->clients[n].chan && strcmp(p->clients[n].state, "ready") == 0)
            return "ready";
        if (p->clients[n].chan)
            state = p->clients[n].state;
    }
    return state;
}

static json_t *pool_json(struct issuer *is, const struct conf_key *conf, struct key_pool *p)
{
    json_t *o = json_object(), *instances = json_object();
    char number[12];

    put(o, "name", json_string(conf->name));
    put(o, "issuer", text_json(issuer_of_key(is->setup, conf->name)));
    put(o, "state", text_json(verbs_key_state(p)));
    put_number(o, "queued", p->queued);
    for (unsigned n = 0; n < conf->instances && n < KEY_MAX_INSTANCES; n++) {
        p->clients[n].index = n;
        snprintf(number, sizeof number, "%u", n);
        put(instances, number, key_full_json(is, conf, &p->clients[n]));
    }
    put(o, "instances", instances);
    return o;
}

static void metrics(struct issuer *is, uint64_t id)
{
    const struct conf *conf = is->setup->conf;
    json_t *keys = json_array(), *bounds = json_array(), *issuers = json_array();

    for (size_t i = 0; i < conf->n_keys; i++) {
        struct key_pool *p = keys_pool(is, conf->keys[i].name);
        if (p)
            json_array_append_new(keys, pool_json(is, &conf->keys[i], p));
    }
    for (size_t i = 0; i < MSG_KEY_BUCKETS - 1; i++)
        json_array_append_new(bounds, json_integer((json_int_t)msg_key_bounds[i]));
    for (size_t i = 0; i < is->setup->n_cas; i++)
        json_array_append_new(issuers, issuer_view(is, &is->setup->cas[i]));
    verbs_reply(is->control, id,
                json_pack("{s:o, s:o, s:o, s:o, s:o}", "keys", keys, "bounds", bounds, "crls",
                          crl_metrics(is), "issuers", issuers, "tenants", tenants_metrics(is)));
}

/* Ask the next process of the key from @p v->instance on; false when there is none. */
static bool ask_next(struct pending_verb *v, struct key_pool *p)
{
    for (; v->instance < KEY_MAX_INSTANCES; v->instance++)
        if (p->clients[v->instance].chan) {
            chan_send(p->clients[v->instance].chan, v->order, v->id, PKE_BYTES(NULL, 0));
            return true;
        }
    return false;
}

/* Processes are asked one after the other: of several that unlock, the first alone presents a secret that is
 * wrong again, and SoftHSM is not opened by two at once. The answers come by verbs_key_done(). */
static void key_order(struct issuer *is, uint64_t id, const char *name, enum msg_kind order)
{
    struct key_pool *p = keys_pool(is, name);
    struct pending_verb *v = pke_calloc(1, sizeof *v);

    *v = (struct pending_verb){.control = is->control,
                               .control_id = id,
                               .id = ++is->next_id,
                               .key_name = pke_strdup(name),
                               .order = order};
    if (!p || !ask_next(v, p)) {
        refuse(is, id, PKE_KEY_DOWN, "key-gone", "no process of this key is running");
        free(v->key_name);
        free(v);
        return;
    }
    v->next = is->verbs;
    is->verbs = v;
}

static void free_verb(struct pending_verb **at)
{
    struct pending_verb *v = *at;

    *at = v->next;
    free(v->key_name);
    free(v);
}

/* Did the process do what it was asked to? A resumed key may still have to wait for its device. */
static bool is_done(const struct pending_verb *v, const struct msg_key_state *m)
{
    if (v->order == MSG_KEY_PAUSE)
        return strcmp(m->state, "paused") == 0 && m->fail.err == PKE_MAINTENANCE;
    return v->order == MSG_KEY_RESUME || m->fail.err == PKE_OK;
}

static json_t *answer(const struct pending_verb *v, const struct key_pool *p, const struct msg_key_state *m)
{
    json_t *o = json_object();

    put(o, "name", json_string(v->key_name));
    put(o, "state", text_json(v->order == MSG_KEY_TEST ? m->state : verbs_key_state(p)));
    put(o, "algorithm", text_json(m->algorithm));
    put_number(o, "micros", m->last_micros);
    put_number(o, "signatures", m->signatures);
    put(o, "error", text_json(m->fail.err == PKE_OK || v->order == MSG_KEY_PAUSE ? NULL : m->fail.text));
    return o;
}

void verbs_key_done(struct issuer *is, uint64_t id, const struct msg_key_state *m)
{
    for (struct pending_verb **at = &is->verbs; *at; at = &(*at)->next) {
        struct pending_verb *v = *at;
        struct key_pool *p;

        if (v->id != id)
            continue;
        p = keys_pool(is, v->key_name);
        if (!is_done(v, m)) {
            if (v->control)
                verbs_refuse(v->control, v->control_id, &m->fail);
        } else {
            v->instance++;
            if (v->order != MSG_KEY_TEST && ask_next(v, p))
                return;
            verbs_reply(v->control, v->control_id, answer(v, p, m));
        }
        free_verb(at);
        return;
    }
}

void verbs_key_lost(struct issuer *is, const char *name, unsigned instance)
{
    struct pke_fail fail;

    pke_fail_set(&fail, PKE_KEY_DOWN, "key-process", "control API", "the key process ended meanwhile");
    for (struct pending_verb **at = &is->verbs; *at;) {
        if (strcmp((*at)->key_name, name) != 0 || (*at)->instance != instance) {
            at = &(*at)->next;
            continue;
        }
        verbs_refuse((*at)->control, (*at)->control_id, &fail);
        free_verb(at);
    }
}

bool verbs_key(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    static const struct {
        const char *verb;
        enum msg_kind order;
    } orders[] = {{"key-test", MSG_KEY_TEST},
                  {"key-unlock", MSG_KEY_UNLOCK},
                  {"key-pause", MSG_KEY_PAUSE},
                  {"key-resume", MSG_KEY_RESUME}};
    const char *name = pke_pairs_get(&v->args, "name");
    const struct conf_key *conf;

    if (strcmp(v->verb, "key-list") == 0) {
        key_list(is, id);
        return true;
    }
    if (strcmp(v->verb, "metrics") == 0) {
        metrics(is, id);
        return true;
    }
    if (strncmp(v->verb, "key-", 4) != 0)
        return false;
    conf = name ? conf_find_key(is->setup->conf, name) : NULL;
    if (!conf) {
        refuse(is, id, PKE_NOT_FOUND, "key-unknown", "no key of this name");
        return true;
    }
    if (strcmp(v->verb, "key-show") == 0 && keys_pool(is, name)) {
        verbs_reply(is->control, id, pool_json(is, conf, keys_pool(is, name)));
        return true;
    }
    for (size_t i = 0; i < PKE_LEN(orders); i++)
        if (strcmp(v->verb, orders[i].verb) == 0) {
            key_order(is, id, name, orders[i].order);
            return true;
        }
    return false;
}
