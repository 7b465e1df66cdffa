/* SPDX-License-Identifier: Apache-2.0 */
/* Control verbs that the issuer answers: issuer list|show; and the audit rows of all verbs. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/issuer/cert_import.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/outbox.h"
#include "daemon/issuer/scope.h"
#include "daemon/issuer/sign.h"
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

static json_t *list_json(json_t *items)
{
    return json_pack("{s:o, s:n}", "items", items, "next");
}

static void issuer_list(struct issuer *is, uint64_t id)
{
    json_t *items = json_array();

    for (size_t i = 0; i < is->setup->n_cas; i++)
        json_array_append_new(items, issuer_view(is, &is->setup->cas[i]));
    verbs_reply(is->control, id, list_json(items));
}

static void issuer_show(struct issuer *is, uint64_t id, const char *name)
{
    for (size_t i = 0; name && i < is->setup->n_cas; i++) {
        if (strcmp(is->setup->cas[i].conf->name, name) == 0) {
            verbs_reply(is->control, id, issuer_view_full(is, &is->setup->cas[i]));
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
    if (scope_check(is, &v, &fail) != PKE_OK) {
        verbs_refuse(is->control, f->id, &fail);
        return;
    }
    name = pke_pairs_get(&v.args, "name");
    if (strcmp(v.verb, "issuer-list") == 0)
        issuer_list(is, f->id);
    else if (strcmp(v.verb, "issuer-show") == 0)
        issuer_show(is, f->id, name);
    else if (strcmp(v.verb, "token-mint") == 0)
        token_mint(is, f->id, &v);
    else if (strcmp(v.verb, "token-check") == 0)
        token_check(is, f->id, &v);
    else if (strcmp(v.verb, "token-revoke") == 0)
        token_revoke(is, f->id, &v);
    else if (!verbs_key(is, f->id, &v) && !verbs_ledger(is, f->id, &v) && !verbs_revoke(is, f->id, &v) &&
             !simulate_verb(is, f->id, &v) && !verbs_crl(is, f->id, &v) && !verbs_rollover(is, f->id, &v) &&
             !outbox_verbs(is, f->id, &v) && !sign_verbs(is, f->id, &v) && !import_verb(is, f->id, &v))
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

    if (f->kind == MSG_VERB) {
        on_verb(is, f, arena);
        chan_wipe_frame(is->control, f); /* it may have told a token */
    } else if (f->kind == MSG_AUDIT)
        on_audit(is, f, arena);
    pke_arena_free(arena);
}
