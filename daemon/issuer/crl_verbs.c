/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs about revocation lists: crl list|show|publish, and what the metrics say of them. */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/crl_impl.h"

#define RULE "control API"

static json_t *time_json(int64_t seconds)
{
    char text[PKE_RFC3339_SIZE];

    if (seconds == 0)
        return json_null();
    pke_time_rfc3339(seconds, text);
    return json_string(text);
}

static json_t *one_json(const struct ledger_crl *crl)
{
    char hex[65];

    if (crl->number == 0)
        return json_null();
    pke_hex(PKE_BYTES(crl->sha256, sizeof crl->sha256), false, hex);
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:s}", "number", (json_int_t)crl->number, "base",
                     (json_int_t)crl->base, "entries", (json_int_t)crl->entries, "this_update",
                     time_json(crl->this_update), "next_update", time_json(crl->next_update), "sha256", hex);
}

json_t *crl_json(const struct crl_ca *c, const struct conf_issuer *conf)
{
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "issuer", c->name, "state", crl_word(c, conf), "number",
                  (json_int_t)c->full.number, "entries", (json_int_t)c->full.entries, "this_update",
                  time_json(c->full.this_update), "next_update", time_json(c->full.next_update));

    json_object_set_new(o, "revoked", json_integer((json_int_t)crl_list_revoked(&c->list)));
    json_object_set_new(o, "error", c->fail.err == PKE_OK ? json_null() : json_string(c->fail.text));
    return o;
}

static json_t *whole_json(const struct crl_ca *c, const struct conf_issuer *conf)
{
    json_t *o = crl_json(c, conf);
    int64_t due = c->full.this_update + CRL_BACKDATE + conf->crl_interval / 1000;

    json_object_set_new(o, "full", one_json(&c->full));
    json_object_set_new(o, "delta", one_json(&c->delta));
    json_object_set_new(o, "due", time_json(c->full.number ? due : 0));
    json_object_set_new(o, "file", json_sprintf("%s/%s.crl", c->is->crl->all, c->name));
    json_object_set_new(o, "failures", json_integer((json_int_t)c->failures));
    return o;
}

static struct crl_ca *find(struct issuer *is, const char *name)
{
    for (struct crl_ca *c = is->crl ? is->crl->cas : NULL; c; c = c->next)
        if (c->wanted && strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void refuse_unknown(struct issuer *is, uint64_t id)
{
    struct pke_fail fail;

    pke_fail_set(&fail, PKE_NOT_FOUND, "crl-unknown", RULE, "no issuer of this name makes CRLs");
    verbs_refuse(is->control, id, &fail);
}

/* In the order of the configuration. */
static json_t *all_json(struct issuer *is)
{
    json_t *items = json_array();

    for (size_t i = 0; i < is->setup->n_cas; i++) {
        const struct conf_issuer *conf = is->setup->cas[i].conf;
        const struct crl_ca *c = find(is, conf->name);

        if (c)
            json_array_append_new(items, crl_json(c, conf));
    }
    return items;
}

json_t *crl_metrics(struct issuer *is)
{
    json_t *items = json_array();

    for (size_t i = 0; i < is->setup->n_cas; i++) {
        const struct conf_issuer *conf = is->setup->cas[i].conf;
        const struct crl_ca *c = find(is, conf->name);

        if (c)
            json_array_append_new(
                items, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "issuer", conf->name, "state",
                                 crl_word(c, conf), "number", (json_int_t)c->full.number, "entries",
                                 (json_int_t)c->full.entries, "this_update", (json_int_t)c->full.this_update,
                                 "next_update", (json_int_t)c->full.next_update, "failures",
                                 (json_int_t)c->failures));
    }
    return items;
}

/* ---- crl publish ---- */

static void answer(struct issuer *is, struct crl_verb **at)
{
    struct crl_verb *v = *at;
    bool there = is->control && v->control == is->control_links;

    *at = v->next;
    if (there && v->fail.err != PKE_OK)
        verbs_refuse(is->control, v->id, &v->fail);
    else if (there)
        verbs_reply(
            is->control, v->id,
            json_pack("{s:I, s:O}", "published", (json_int_t)json_array_size(v->items), "crls", v->items));
    json_decref(v->items);
    json_decref(v->open);
    free(v);
}

void crl_verbs_ended(struct crl_ca *c, const struct pke_fail *fail)
{
    const struct conf_issuer *conf = c->ca ? c->ca->conf : NULL;

    if (!fail && (c->make.number == 0 || c->make.base)) /* a full one was asked for, and comes */
        return;
    for (struct crl_verb **at = &c->is->crl->verbs; *at;) {
        struct crl_verb *v = *at;

        if (json_object_get(v->open, c->name) && (fail || v->number <= c->serving)) {
            json_object_del(v->open, c->name);
            if (fail)
                v->fail = *fail;
            else if (conf)
                json_array_append_new(v->items, crl_json(c, conf));
        }
        if (json_object_size(v->open) == 0)
            answer(c->is, at);
        else
            at = &v->next;
    }
}

static void publish(struct issuer *is, uint64_t id, const char *name)
{
    struct crl_verb *v;

    if (name && !find(is, name)) {
        refuse_unknown(is, id);
        return;
    }
    v = pke_calloc(1, sizeof *v);
    *v = (struct crl_verb){.next = is->crl->verbs,
                           .control = is->control_links,
                           .id = id,
                           .number = ++is->crl->next_verb,
                           .open = json_object(),
                           .items = json_array()};
    is->crl->verbs = v;
    for (struct crl_ca *c = is->crl->cas; c; c = c->next)
        if (c->wanted && (!name || strcmp(c->name, name) == 0)) {
            c->asked = true;
            c->not_before = 0;
            json_object_set_new(v->open, c->name, json_true());
        }
    if (json_object_size(v->open) == 0)
        answer(is, &is->crl->verbs);
    crl_tick(is);
}

bool verbs_crl(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *name = pke_pairs_get(&v->args, "name");
    const struct crl_ca *c = name ? find(is, name) : NULL;

    if (strcmp(v->verb, "crl-list") == 0)
        verbs_reply(is->control, id, json_pack("{s:o, s:n}", "items", all_json(is), "next"));
    else if (strcmp(v->verb, "crl-show") == 0 && c)
        verbs_reply(is->control, id, whole_json(c, conf_find_issuer(is->setup->conf, name)));
    else if (strcmp(v->verb, "crl-show") == 0)
        refuse_unknown(is, id);
    else if (strcmp(v->verb, "crl-publish") == 0)
        publish(is, id, pke_pairs_get(&v->args, "issuer"));
    else
        return false;
    return true;
}
