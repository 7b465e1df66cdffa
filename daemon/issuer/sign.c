/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the signing API: arguments, one request for each certificate, one answer. */
#include "daemon/issuer/sign.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/request.h"
#include "daemon/issuer/scope.h"
#include "daemon/issuer/sign_impl.h"
#include "ipc/verbs.h"

#define RULE      "signing API"
#define BATCH_MAX 32

struct signing {
    struct issuer *issuer;
    uint64_t control, id; /* the asker: which control, which call */
    bool batch;
    size_t n, left;
    json_t **parts;       /* n answers, each an object */
    struct pke_fail fail; /* of a single one that failed */
};

static struct signing *signing_new(struct issuer *is, uint64_t id, bool batch, size_t n)
{
    struct signing *s = pke_calloc(1, sizeof *s);

    *s = (struct signing){
        .issuer = is, .control = is->control_links, .id = id, .batch = batch, .n = n, .left = n};
    s->parts = pke_calloc(n, sizeof *s->parts);
    return s;
}

/* All parts have ended. */
static void signing_end(struct signing *s)
{
    bool there = s->issuer->control && s->control == s->issuer->control_links;
    json_t *items = s->batch ? json_array() : NULL;

    for (size_t i = 0; s->batch && i < s->n; i++)
        json_array_append(items, s->parts[i]);
    if (there && s->batch)
        verbs_reply(s->issuer->control, s->id, json_pack("{s:O, s:n}", "items", items, "next"));
    else if (there && s->fail.err == PKE_OK)
        verbs_reply(s->issuer->control, s->id, json_incref(s->parts[0]));
    else if (there)
        verbs_refuse(s->issuer->control, s->id, &s->fail);
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->parts[i]);
    json_decref(items);
    free(s->parts);
    free(s);
}

static void end_part(struct signing *s, size_t index, json_t *answer, const struct pke_fail *fail)
{
    s->parts[index] = answer;
    if (fail)
        s->fail = *fail;
    if (--s->left == 0)
        signing_end(s);
}

static void fail_part(struct signing *s, size_t index, const struct msg_failed *m)
{
    json_t *error = json_pack("{s:s, s:o, s:o, s:o}", "code", pke_err_token(m->fail.err), "reason",
                              jsonval_text(m->fail.reason), "rule", jsonval_text(m->fail.rule), "text",
                              jsonval_text(m->fail.text));

    if (m->retry_ms)
        json_object_set_new(error, "retry_after_ms", json_integer((json_int_t)m->retry_ms));
    end_part(s, index, json_pack("{s:o, s:o}", "error", error, "request_id", jsonval_text(m->trace_id)),
             &m->fail);
}

void sign_answer(struct signing *s, size_t index, uint16_t kind, const void *record)
{
    struct msg_failed lost = {0};

    if (kind == MSG_ISSUED) {
        end_part(s, index, sign_view(s->issuer, record), NULL);
        return;
    }
    pke_fail_set(&lost.fail, PKE_INTERNAL, "sign-lost", RULE, "the request ended without an answer");
    fail_part(s, index, kind == MSG_FAILED ? record : &lost);
}

/* ---- one request ---- */

/* A single one is the call itself: what it is refused with names its record. */
static void name_request(struct request *req, const char *trace_id)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(req->arena, PKE_UUID_LEN + 1);

    if (trace_id) {
        req->msg.trace_id = pke_arena_strdup(req->arena, trace_id);
        return;
    }
    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    req->msg.trace_id = text;
}

/* It never came as far as a decision: nothing of it is recorded but the call. */
static void start(struct issuer *is, const struct msg_verb *v, const struct sign_args *args,
                  struct signing *s, size_t index)
{
    struct request *req = request_create(is);

    request_add_call(req, s, index);
    name_request(req, v->trace_id);
    if (sign_read(req, v, args) != PKE_OK)
        request_end_failed(req);
    else
        request_start(req);
}

static void start_one(struct issuer *is, uint64_t id, const struct msg_verb *v, const char *operation)
{
    struct sign_args args = {.operation = operation, .v = v->args};

    start(is, v, &args, signing_new(is, id, false, 1), 0);
}

/* ---- several at once ---- */

static enum pke_err bad(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, "sign-batch", RULE, "%s", text);
}

/* Every member as the argument of its name would be checked by control. */
static enum pke_err read_member(const char *name, const json_t *value, struct pke_arena *arena,
                                struct pke_pairs *ret, struct pke_fail *fail)
{
    const struct verb_arg *a = verb_arg_find(&verbs[VERB_SIGN], VERB_PLACE_BODY, pke_bytes_str(name));
    PKE_CLEANUP(sign_free_json_text) char *text = NULL;

    if (!a || strcmp(name, "tenant") == 0 || strcmp(name, "idempotency_key") == 0)
        return bad(fail, "a part of a batch has a member that it does not know");
    if (a->type == VERB_ARG_JSON)
        text = json_dumps(value, JSON_COMPACT);
    else if (!json_is_string(value))
        return bad(fail, "a member of a part is no text");
    if (verb_arg_check(a, pke_bytes_str(text ? text : json_string_value(value)), fail) != PKE_OK)
        return fail->err;
    pke_pairs_add(ret, arena, name, text ? text : json_string_value(value));
    return PKE_OK;
}

static enum pke_err read_part(const json_t *part, const struct msg_verb *v, struct pke_arena *arena,
                              struct pke_pairs *ret, struct pke_fail *fail)
{
    const char *tenant = scope_limit(v), *name;
    enum pke_err err = json_is_object(part) ? PKE_OK : bad(fail, "a part of a batch is no object");
    json_t *value;

    json_object_foreach((json_t *)part, name, value) if (err == PKE_OK) err =
        read_member(name, value, arena, ret, fail);
    if (err == PKE_OK && tenant)
        pke_pairs_add(ret, arena, "tenant", tenant);
    for (const struct verb_arg *a = NULL; err == PKE_OK && (a = verb_arg_next(&verbs[VERB_SIGN], a));)
        if (a->required && !pke_pairs_get(ret, a->name))
            err = pke_fail_set(fail, PKE_MALFORMED, "sign-batch", RULE, "%s: is required in each part",
                               a->name);
    return err;
}

/* A part that is wrong is refused alone; the others go on. Each is held against the binding of the frontend
 * as a call of its own would be. */
static void start_part(struct issuer *is, const struct msg_verb *v, const json_t *part, struct signing *s,
                       size_t index)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_verb one = {.verb = verbs[VERB_SIGN].token, .actor = v->actor, .frontend = v->frontend};
    struct sign_args args = {.operation = "issue"};
    struct msg_failed failed = {0};
    enum pke_err err = read_part(part, v, arena, &one.args, &failed.fail);

    if (err == PKE_OK)
        err = scope_check(is, &one, &failed.fail);
    args.v = one.args;
    if (err == PKE_OK)
        start(is, &one, &args, s, index);
    else
        fail_part(s, index, &failed);
    pke_arena_free(arena);
}

static void start_batch(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *text = pke_pairs_get(&v->args, "requests");
    json_t *parts = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    size_t n = json_array_size(parts);
    struct signing *s;
    struct pke_fail fail;

    if (!json_is_array(parts) || n == 0 || n > BATCH_MAX) {
        bad(&fail, "requests is a list of 1 to 32 parts");
        verbs_refuse(is->control, id, &fail);
        json_decref(parts);
        return;
    }
    s = signing_new(is, id, true, n);
    s->left++; /* not before all have begun */
    for (size_t i = 0; i < n; i++)
        start_part(is, v, json_array_get(parts, i), s, i);
    if (--s->left == 0)
        signing_end(s);
    json_decref(parts);
}

/* ---- who signs ---- */

static void template_issuer(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *name = pke_pairs_get(&v->args, "name"), *tenant = scope_limit(v);
    const struct conf_frontend *f = scope_frontend(is, v);
    const struct issuer_template *t = name ? setup_template(is->setup, name) : NULL;
    struct pke_fail fail;

    if (t && (!tenant || strcmp(t->policy->tenant, tenant) == 0) &&
        (!f || pke_strings_has(&f->templates, name))) {
        verbs_reply(is->control, id, sign_issuer(t));
        return;
    }
    pke_fail_set(&fail, PKE_NOT_FOUND, "template-unknown", RULE, "there is no such template");
    verbs_refuse(is->control, id, &fail);
}

bool sign_verbs(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    if (strcmp(v->verb, "sign") == 0)
        start_one(is, id, v, "issue");
    else if (strcmp(v->verb, "renew") == 0)
        start_one(is, id, v, "renew");
    else if (strcmp(v->verb, "template-issuer") == 0)
        template_issuer(is, id, v);
    else if (strcmp(v->verb, "sign-batch") == 0)
        start_batch(is, id, v);
    else
        return false;
    return true;
}
