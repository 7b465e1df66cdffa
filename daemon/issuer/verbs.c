/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs that the issuer answers: issuer list|show; and the audit rows of all verbs. */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/crl.h"
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
    else if (!verbs_key(is, f->id, &v) && !verbs_ledger(is, f->id, &v) && !verbs_revoke(is, f->id, &v) &&
             !simulate_verb(is, f->id, &v) && !verbs_crl(is, f->id, &v))
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
