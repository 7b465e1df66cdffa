/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/authoriser.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/file.h"
#include "daemon/common/hooksig.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"
#include "ipc/wipealloc.h"

#define RULE      "template: authoriser"
#define RULES_MAX (1u << 20) /* bytes of a rules file */
#define RULES_N   1000

/* One of the file: what it is about, and what it says. NULL: any. */
struct rule {
    const char *principal; /* pattern, as in allow */
    const char *credential, *operation, *enrollment_type, *device_id, *template_name;
    struct authoriser_answer answer;
};

struct authoriser {
    struct pke_secret *secret; /* of answers; NULL: net checked who answers */
    struct rule *rules;
    size_t n_rules;
};

struct authorisers {
    struct pke_arena *arena;
    size_t n;
    struct authoriser v[];
};

/* ---- loading ---- */

static enum pke_err bad_rule(const char *path, size_t i, const char *what, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_CONFIG, "authoriser-rules", "authorisers rules-file", "%s: rule %zu: %s",
                        path, i + 1, what);
}

/* Members that say whom a rule is about are taken out; what is left has to be an answer. */
static enum pke_err read_rule(const char *path, size_t i, json_t *object, struct pke_arena *arena,
                              struct rule *ret, struct pke_fail *fail)
{
    const struct {
        const char *name, **to;
    } matches[] = {{"principal", &ret->principal}, {"credential", &ret->credential},
                   {"operation", &ret->operation}, {"enrollment_type", &ret->enrollment_type},
                   {"device", &ret->device_id},    {"template", &ret->template_name}};
    struct pke_fail why;
    char *rest;
    enum pke_err err;

    if (!json_is_object(object))
        return bad_rule(path, i, "is no object", fail);
    for (size_t k = 0; k < PKE_LEN(matches); k++) {
        json_t *value = json_object_get(object, matches[k].name);

        if (value && !json_string_value(value))
            return bad_rule(path, i, "what it is about must be texts", fail);
        if (value)
            *matches[k].to = pke_arena_strdup(arena, json_string_value(value));
        json_object_del(object, matches[k].name);
    }
    json_object_set_new(object, "version", json_integer(1));
    rest = json_dumps(object, JSON_COMPACT);
    err = authoriser_answer_read(pke_bytes_str(rest), NULL, arena, &ret->answer, &why);
    wipe_free(rest);
    return err == PKE_OK ? PKE_OK : bad_rule(path, i, why.text, fail);
}

static enum pke_err read_rules(const char *path, struct pke_arena *arena, struct authoriser *a,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    json_error_t error;
    json_t *array;
    enum pke_err err;

    pke_buf_init(&text, RULES_MAX);
    err = file_read_trusted(path, &text, fail);
    if (err != PKE_OK)
        return err;
    array = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_array(array) || json_array_size(array) > RULES_N)
        err = array ? pke_fail_set(fail, PKE_CONFIG, "authoriser-rules", "authorisers rules-file",
                                   "%s: is no list of at most %d rules", path, RULES_N)
                    : pke_fail_set(fail, PKE_CONFIG, "authoriser-rules", "authorisers rules-file",
                                   "%s:%d:%d: %s", path, error.line, error.column, error.text);
    a->rules = pke_calloc(json_array_size(array) + 1, sizeof *a->rules);
    for (; err == PKE_OK && a->n_rules < json_array_size(array); a->n_rules++)
        err = read_rule(path, a->n_rules, json_array_get(array, a->n_rules), arena, &a->rules[a->n_rules],
                        fail);
    json_decref(array);
    return err;
}

enum pke_err authorisers_load(const struct conf *conf, struct authorisers **ret, struct pke_fail *fail)
{
    struct authorisers *all = pke_calloc(1, sizeof *all + conf->n_authorisers * sizeof *all->v);
    enum pke_err err = PKE_OK;

    all->arena = pke_arena_new();
    for (; err == PKE_OK && all->n < conf->n_authorisers; all->n++) {
        const struct conf_authoriser *c = &conf->authorisers[all->n];

        if (c->answer_secret_file)
            err = hooksig_secret(c->answer_secret_file, &all->v[all->n].secret, fail);
        if (err == PKE_OK && c->rules_file)
            err = read_rules(c->rules_file, all->arena, &all->v[all->n], fail);
    }
    if (err != PKE_OK) {
        authorisers_free(all);
        return err;
    }
    *ret = all;
    return PKE_OK;
}

void authorisers_free(struct authorisers *a)
{
    for (size_t i = 0; a && i < a->n; i++) {
        pke_secret_free(a->v[i].secret);
        free(a->v[i].rules);
    }
    if (a)
        pke_arena_free(a->arena);
    free(a);
}

/* ---- of one request ---- */

const struct conf_authoriser *authoriser_of(const struct request *req)
{
    const char *name = req->tmpl ? req->tmpl->policy->authoriser : NULL;

    return name ? conf_find_authoriser(req->setup->conf, name) : NULL;
}

static const struct authoriser *loaded(const struct request *req, const struct conf_authoriser *c)
{
    return &req->setup->authorisers->v[c - req->setup->conf->authorisers];
}

/* Every answer that is none: the client comes again, and somebody looks at the log (A15: never allow). */
static enum pke_err transient(struct request *req, const struct pke_fail *why)
{
    log_fail(LOG_WARNING, "authoriser gave no answer", why, "trace_id", req->msg.trace_id, "authoriser",
             req->tmpl->policy->authoriser, NULL);
    return pke_fail_set(&req->fail, PKE_BUSY, why->reason[0] ? why->reason : "authoriser-down", RULE,
                        "the authoriser %s did not answer: %s", req->tmpl->policy->authoriser, why->text);
}

static enum pke_err not_named(struct request *req, const char *what)
{
    struct pke_fail why;

    pke_fail_set(&why, PKE_MALFORMED, "authoriser-may", "template: authoriser-may",
                 "the answer sets %s, which the template does not let it", what);
    return transient(req, &why);
}

static enum pke_err allow(struct request *req, const struct authoriser_answer *a)
{
    const struct policy_template *t = req->tmpl->policy;

    for (size_t i = 0; i < a->names.n; i++)
        if (!pke_strings_has(&t->authoriser_may, a->names.v[i].name))
            return not_named(req, a->names.v[i].name);
    if (a->validity && !pke_strings_has(&t->authoriser_may, "validity"))
        return not_named(req, "validity");
    if (a->validity > t->validity / 1000)
        return not_named(req, "a validity longer than the template's");
    if (req->op == OP_RENEW && a->names.n) /* they are those of the record (MS-MDE2 checklist 62) */
        return not_named(req, "names of a renewal");
    explain(req, PKE_TRAIL_PASSED, "authoriser", RULE, NULL, "%s: allow", t->authoriser);
    if (a->names.n)
        wishes_take_names(req, &a->names, "template: authoriser-may", "authoriser");
    req->validity = a->validity;
    req->authorised = true;
    return PKE_OK;
}

static enum pke_err act(struct request *req, const struct authoriser_answer *a)
{
    const char *name = req->tmpl->policy->authoriser;

    if (a->decision == AUTHORISER_ALLOW)
        return allow(req, a);
    if (a->decision == AUTHORISER_PEND)
        return pke_fail_set(&req->fail, PKE_CUSTOM, "authoriser-pending", RULE, "%s",
                            a->text ? a->text : req->tmpl->policy->approval_text);
    return pke_fail_set(&req->fail,
                        a->fault == PKE_RENEW_INELIGIBLE && req->op != OP_RENEW ? PKE_DENIED : a->fault,
                        "authoriser-denied", RULE, "%s%s",
                        a->text ? a->text : "the request was denied by the authoriser ", a->text ? "" : name);
}

/* ---- static rules ---- */

static bool same(const char *rule, const char *value)
{
    return !rule || (value && strcmp(rule, value) == 0);
}

static bool is_about(const struct rule *r, const struct request *req)
{
    return (!r->principal || policy_match_principal(r->principal, req->identity.principal)) &&
           same(r->credential, req->who.kind) && same(r->operation, req->msg.operation) &&
           same(r->enrollment_type, req->enrollment_type) && same(r->device_id, req->device_id) &&
           same(r->template_name, req->tmpl->policy->name);
}

static enum pke_err decide_static(struct request *req, const struct authoriser *a)
{
    for (size_t i = 0; i < a->n_rules; i++)
        if (is_about(&a->rules[i], req)) {
            explain(req, PKE_TRAIL_NOTED, "authoriser", "authorisers rules-file", NULL, "rule %zu", i + 1);
            return act(req, &a->rules[i].answer);
        }
    return pke_fail_set(&req->fail, PKE_DENIED, "authoriser-no-rule", "authorisers rules-file",
                        "no rule of the authoriser %s is about this request", req->tmpl->policy->authoriser);
}

enum pke_err authoriser_begin(struct request *req, bool *asks)
{
    const struct conf_authoriser *c = authoriser_of(req);
    struct pke_fail why = {0};

    *asks = false;
    if (!c)
        return PKE_OK;
    if (c->kind == CONF_AUTHORISER_STATIC) /* at the gate, authoriser_passed() */
        return PKE_OK;
    if (req->vouched)
        return pke_fail_set(
            &req->fail, PKE_DENIED, "authoriser-not-asked", RULE,
            "the template asks an authoriser, which the signing API does not: it needs a template without");
    if (check_propose(req) != PKE_OK)
        return req->fail.err;
    req->question = authoriser_question(req);
    *asks = true;
    if (req->question.n && req->question.n <= AUTHORISER_QUESTION_MAX)
        return PKE_OK;
    pke_fail_set(&why, PKE_LIMIT, "authoriser-question", RULE,
                 "the question cannot be written, or is larger than allowed");
    return transient(req, &why);
}

enum pke_err authoriser_end(struct request *req, const struct msg_commit *m)
{
    const struct conf_authoriser *c = authoriser_of(req);
    struct authoriser_answer answer;
    struct pke_fail why = {0};
    char question[HOOKSIG_DIGEST];
    enum pke_err err = PKE_OK;

    if (!c || c->kind != CONF_AUTHORISER_WEBHOOK)
        return m->answer.n ? pke_fail_set(&req->fail, PKE_DENIED, "authoriser", RULE, "nobody was asked")
                           : authoriser_passed(req);
    if (m->fail.err != PKE_OK || m->answer.n == 0) {
        if (m->fail.err == PKE_OK)
            pke_fail_set(&why, PKE_DENIED, "authoriser-skipped", RULE, "there is no answer");
        return transient(req, m->fail.err != PKE_OK ? &m->fail : &why);
    }
    hooksig_question(req->question, question);
    if (loaded(req, c)->secret)
        err =
            hooksig_check(loaded(req, c)->secret, req->msg.trace_id, question, m->answer, m->signature, &why);
    if (err == PKE_OK)
        err = authoriser_answer_read(m->answer, req->msg.trace_id, req->arena, &answer, &why);
    return err == PKE_OK ? act(req, &answer) : transient(req, &why);
}

enum pke_err authoriser_passed(struct request *req)
{
    const struct conf_authoriser *c = authoriser_of(req);

    if (!c || req->authorised)
        return PKE_OK;
    if (c->kind == CONF_AUTHORISER_STATIC)
        return decide_static(req, loaded(req, c));
    if (req->dry) {
        explain(req, PKE_TRAIL_NOTED, "authoriser", RULE, NULL, "%s: would be asked", c->name);
        return PKE_OK;
    }
    return pke_fail_set(&req->fail, PKE_DENIED, "authoriser-not-asked", RULE,
                        "the authoriser %s has not allowed it", req->tmpl->policy->authoriser);
}
