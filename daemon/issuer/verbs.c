/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs that the issuer answers: issuer list|show, key list|test; and the audit rows of all verbs. */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/issuer.h"
#include "ipc/wipealloc.h"

void verbs_reply(struct chan *to, uint64_t id, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    struct msg_verb_reply m = {.json = pke_bytes_str(text)};

    if (to)
        chan_send_record(to, MSG_VERB_REPLY, id, msg_verb_reply_fields, &m);
    wipe_free(text); /* it may have told a token */
    json_decref(object);
}

void verbs_refuse(struct chan *to, uint64_t id, const struct pke_fail *fail)
{
    struct msg_failed m = {.fail = *fail};

    if (to)
        chan_send_record(to, MSG_FAILED, id, msg_failed_fields, &m);
}

static void refuse(struct chan *to, uint64_t id, enum pke_err err, const char *reason, const char *text)
{
    struct msg_failed m = {0};

    pke_fail_set(&m.fail, err, reason, "control API", "%s", text);
    if (to)
        chan_send_record(to, MSG_FAILED, id, msg_failed_fields, &m);
}

static json_t *time_json(int64_t seconds)
{
    char text[PKE_RFC3339_SIZE];

    pke_time_rfc3339(seconds, text);
    return json_string(text);
}

static json_t *issuer_json(const struct issuer_ca *ca)
{
    struct pke_bytes der = ca_issuer_der(ca->ca), key_id = ca_issuer_key_id(ca->ca);
    struct pke_bytes serial = ca_issuer_serial(ca->ca);
    uint8_t sha256[32];
    char hex256[65], hexkey[129], hexserial[129];

    EVP_Digest(der.p, der.n, sha256, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(sha256, sizeof sha256), false, hex256);
    pke_hex(PKE_BYTES(key_id.p, key_id.n < 64 ? key_id.n : 64), false, hexkey);
    pke_hex(PKE_BYTES(serial.p, serial.n < 64 ? serial.n : 64), false, hexserial);
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:b}", "name", ca->conf->name, "subject",
                     ca_issuer_subject_text(ca->ca), "not_before", time_json(ca_issuer_not_before(ca->ca)),
                     "not_after", time_json(ca_issuer_not_after(ca->ca)), "serial", hexserial, "key",
                     ca->conf->key, "key_id", hexkey, "sha1", ca->sha1_hex, "sha256", hex256, "self_signed",
                     ca_issuer_self_signed(ca->ca));
}

static json_t *issuer_full_json(const struct issuer_ca *ca)
{
    json_t *object = issuer_json(ca);
    struct pke_buf b64;

    pke_buf_init(&b64, 65536);
    (void)pke_base64_encode(ca_issuer_der(ca->ca), 0, &b64);
    json_object_set_new(object, "certificate", json_string(pke_buf_cstr(&b64)));
    pke_buf_done(&b64);
    return object;
}

static json_t *list_json(json_t *items)
{
    return json_pack("{s:o, s:n}", "items", items, "next");
}

static void issuer_list(struct issuer *is, uint64_t id)
{
    json_t *items = json_array();

    for (size_t i = 0; i < is->setup->n_cas; i++)
        json_array_append_new(items, issuer_json(&is->setup->cas[i]));
    verbs_reply(is->control, id, list_json(items));
}

static void issuer_show(struct issuer *is, uint64_t id, const char *name)
{
    for (size_t i = 0; name && i < is->setup->n_cas; i++) {
        if (strcmp(is->setup->cas[i].conf->name, name) == 0) {
            verbs_reply(is->control, id, issuer_full_json(&is->setup->cas[i]));
            return;
        }
    }
    refuse(is->control, id, PKE_NOT_FOUND, "issuer-unknown", "no issuer of this name");
}

static const char *issuer_of_key(const struct setup *s, const char *key)
{
    for (size_t i = 0; i < s->n_cas; i++)
        if (strcmp(s->cas[i].conf->key, key) == 0)
            return s->cas[i].conf->name;
    return NULL;
}

static json_t *key_json(const struct issuer *is, const struct conf_key *conf, const struct key_client *k,
                        unsigned n)
{
    bool there = k && k->chan;
    const struct pke_fail *fail = there && k->fail.err != PKE_OK ? &k->fail : NULL;

    return json_pack("{s:s, s:i, s:s?, s:s?, s:s, s:I, s:I, s:I, s:s?, s:s?, s:I}", "name", conf->name,
                     "instance", (int)n, "issuer", issuer_of_key(is->setup, conf->name), "algorithm",
                     there && k->algorithm[0] ? k->algorithm : NULL, "state", there ? k->state : "gone",
                     "signatures", (json_int_t)(k ? k->signatures : 0), "failures",
                     (json_int_t)(k ? k->failures : 0), "last_micros", (json_int_t)(k ? k->last_micros : 0),
                     "reason", fail ? fail->reason : NULL, "error", fail ? fail->text : NULL, "raw",
                     (json_int_t)(k ? k->raw : 0));
}

static void key_list(struct issuer *is, uint64_t id)
{
    const struct conf *conf = is->setup->conf;
    json_t *items = json_array();

    for (size_t i = 0; i < conf->n_keys; i++) {
        struct key_pool *p = keys_pool(is, conf->keys[i].name);
        for (unsigned n = 0; n < conf->keys[i].instances && n < KEY_MAX_INSTANCES; n++)
            json_array_append_new(items, key_json(is, &conf->keys[i], p ? &p->clients[n] : NULL, n));
    }
    verbs_reply(is->control, id, list_json(items));
}

/* Test the first instance that is there; its answer comes by verbs_key_tested(). */
static void key_test(struct issuer *is, uint64_t id, const char *name)
{
    struct key_pool *p = name && conf_find_key(is->setup->conf, name) ? keys_pool(is, name) : NULL;
    struct pending_verb *v;

    if (!p) {
        refuse(is->control, id, PKE_NOT_FOUND, "key-unknown", "no key of this name");
        return;
    }
    for (unsigned n = 0; n < KEY_MAX_INSTANCES; n++) {
        if (!p->clients[n].chan)
            continue;
        v = pke_calloc(1, sizeof *v);
        *v = (struct pending_verb){.next = is->verbs,
                                   .control = is->control,
                                   .control_id = id,
                                   .id = ++is->next_id,
                                   .key_name = pke_strdup(name)};
        is->verbs = v;
        chan_send(p->clients[n].chan, MSG_KEY_TEST, v->id, PKE_BYTES(NULL, 0));
        return;
    }
    refuse(is->control, id, PKE_KEY_DOWN, "key-gone", "no process of this key is running");
}

static void free_verb(struct pending_verb **at)
{
    struct pending_verb *v = *at;

    *at = v->next;
    free(v->key_name);
    free(v);
}

void verbs_key_tested(struct issuer *is, uint64_t id, const struct msg_key_state *m)
{
    for (struct pending_verb **at = &is->verbs; *at; at = &(*at)->next) {
        struct pending_verb *v = *at;
        if (v->id != id)
            continue;
        if (m->fail.err != PKE_OK && v->control) {
            struct msg_failed failed = {.fail = m->fail};
            chan_send_record(v->control, MSG_FAILED, v->control_id, msg_failed_fields, &failed);
        } else {
            verbs_reply(v->control, v->control_id,
                        json_pack("{s:s, s:s, s:s?, s:I, s:I}", "name", v->key_name, "state", m->state,
                                  "algorithm", m->algorithm, "micros", (json_int_t)m->last_micros,
                                  "signatures", (json_int_t)m->signatures));
        }
        free_verb(at);
        return;
    }
}

void verbs_key_lost(struct issuer *is, const char *name)
{
    for (struct pending_verb **at = &is->verbs; *at;) {
        if (strcmp((*at)->key_name, name) != 0) {
            at = &(*at)->next;
            continue;
        }
        refuse((*at)->control, (*at)->control_id, PKE_KEY_DOWN, "key-process",
               "the key process ended during the test");
        free_verb(at);
    }
}

void verbs_forget_control(struct issuer *is)
{
    for (struct pending_verb *v = is->verbs; v; v = v->next)
        v->control = NULL;
}

static void on_verb(struct issuer *is, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_verb v;
    struct pke_fail fail;
    const char *name;

    if (ipc_record_read(msg_verb_fields, f->payload, arena, &v, sizeof v, &fail) != PKE_OK) {
        refuse(is->control, f->id, PKE_MALFORMED, "verb", fail.text);
        return;
    }
    name = pke_pairs_get(&v.args, "name");
    if (strcmp(v.verb, "issuer-list") == 0)
        issuer_list(is, f->id);
    else if (strcmp(v.verb, "issuer-show") == 0)
        issuer_show(is, f->id, name);
    else if (strcmp(v.verb, "token-mint") == 0)
        token_mint(is, f->id, &v);
    else if (strcmp(v.verb, "token-revoke") == 0)
        token_revoke(is, f->id, &v);
    else if (strcmp(v.verb, "key-list") == 0)
        key_list(is, f->id);
    else if (strcmp(v.verb, "key-test") == 0)
        key_test(is, f->id, name);
    else if (!verbs_ledger(is, f->id, &v))
        refuse(is->control, f->id, PKE_UNSUPPORTED, "verb", "issuer does not answer this verb");
}

static void on_audit(struct issuer *is, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_audit m;
    struct pke_fail fail;
    json_t *object;
    char *detail;

    if (ipc_record_read(msg_audit_fields, f->payload, arena, &m, sizeof m, &fail) != PKE_OK)
        return;
    object = json_pack("{s:s, s:s, s:s}", "verb", m.verb, "result", m.result, "arguments",
                       m.detail ? m.detail : "{}");
    detail = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    batch_audit(is, "control", m.actor, NULL, detail);
    wipe_free(detail);
}

void verbs_control_frame(struct issuer *is, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();

    if (f->kind == MSG_VERB)
        on_verb(is, f, arena);
    else if (f->kind == MSG_AUDIT)
        on_audit(is, f, arena);
    pke_arena_free(arena);
}
