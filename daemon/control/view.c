/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config.h"
#include "daemon/control/context_view.h"
#include "daemon/control/control.h"
#include "daemon/control/json.h"
#include "daemon/control/openapi.h"

static void put_fail(json_t *o, const struct pke_fail *f)
{
    json_t *e;

    if (f->err == PKE_OK) {
        control_put(o, "error", NULL);
        return;
    }
    e = json_object();
    control_put(e, "code", pke_err_token(f->err));
    control_put(e, "reason", f->reason);
    control_put(e, "rule", f->rule);
    control_put(e, "text", f->text);
    json_object_set_new(o, "error", e);
}

/* The issuer's own text; null when nobody kept one. */
static void put_explanation(json_t *o, const char *text)
{
    json_t *steps = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

    json_object_set_new(o, "explanation", json_is_array(steps) ? steps : json_null());
    if (steps && !json_is_array(steps))
        json_decref(steps);
}

json_t *view_request(const struct ledger_row *row, bool whole)
{
    json_t *o = json_object();

    control_put(o, "request_id", row->request_id);
    control_put(o, "state", row->state);
    control_put_ms(o, "received_at", row->received_at);
    control_put_ms(o, "finished_at", row->finished_at);
    control_put(o, "tenant", row->tenant);
    control_put(o, "principal", row->principal);
    control_put(o, "credential", row->credential);
    control_put(o, "endpoint", row->endpoint);
    control_put(o, "template", row->template_name);
    control_put(o, "operation", row->operation);
    control_put(o, "stage", row->stage);
    control_put(o, "source", row->source);
    control_put(o, "device_id", row->device_id);
    control_put(o, "enrollment_type", row->enrollment_type);
    control_put(o, "device_name", row->device_name);
    control_put(o, "hwdev_id", row->hwdev_id);
    control_put(o, "ent_dmid", row->ent_dmid);
    control_put(o, "serial", row->serial);
    put_fail(o, &row->fail);
    view_put_approval(o, row);
    view_put_waiting(o, row);
    if (!whole)
        return o;
    view_put_identity(o, row);
    control_put(o, "subject", row->subject);
    control_put(o, "issuer_id", row->issuer_id);
    control_put(o, "sha1", row->sha1);
    control_put(o, "sha256", row->sha256);
    control_put(o, "spki_sha256", row->spki_sha256);
    control_put_seconds(o, "not_before", row->not_before);
    control_put_seconds(o, "not_after", row->not_after);
    json_object_set_new(o, "context", context_view(&row->context));
    control_put_pem(o, "request_pem", "CERTIFICATE REQUEST", row->request);
    put_explanation(o, row->explanation);
    return o;
}

json_t *view_certificate(const struct ledger_row *row, bool whole)
{
    json_t *o = json_object();

    control_put(o, "serial", row->serial);
    control_put(o, "subject", row->subject);
    view_put_life(o, row, whole);
    control_put_seconds(o, "not_before", row->not_before);
    control_put_seconds(o, "not_after", row->not_after);
    control_put(o, "tenant", row->tenant);
    control_put(o, "principal", row->principal);
    control_put(o, "device_id", row->device_id);
    control_put(o, "template", row->template_name);
    control_put(o, "request_id", row->request_id);
    control_put_ms(o, "issued_at", row->finished_at);
    control_put(o, "sha1", row->sha1);
    control_put(o, "sha256", row->sha256);
    if (!whole)
        return o;
    control_put(o, "spki_sha256", row->spki_sha256);
    control_put(o, "issuer_id", row->issuer_id);
    control_put(o, "endpoint", row->endpoint);
    control_put(o, "enrollment_type", row->enrollment_type);
    control_put(o, "device_name", row->device_name);
    control_put(o, "ent_dmid", row->ent_dmid);
    control_put_pem(o, "pem", "CERTIFICATE", row->certificate);
    return o;
}

static json_t *strings(const struct pke_strings *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(array, json_string(list->v[i]));
    return array;
}

/* Durations stay text with their unit ("365d"), as in the configuration. */
static void put_option(json_t *o, const struct pke_option *opt, const void *base, struct pke_arena *arena)
{
    const char *at = (const char *)base + opt->offset;
    PKE_CLEANUP(pke_free_p) char *name = pke_strdup(opt->name);

    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
    switch (opt->type) {
    case PKE_OPT_BOOL:
        json_object_set_new(o, name, json_boolean(*(const bool *)at));
        break;
    case PKE_OPT_UINT:
    case PKE_OPT_SIZE:
        json_object_set_new(o, name, json_integer((json_int_t) * (const uint64_t *)at));
        break;
    case PKE_OPT_STRINGS:
    case PKE_OPT_OIDS:
        json_object_set_new(o, name, strings((const struct pke_strings *)at));
        break;
    default:
        control_put(o, name, pke_option_text(opt, base, arena));
    }
}

json_t *view_template(const struct policy_template *t)
{
    struct pke_arena *arena = pke_arena_new();
    json_t *o = json_object();

    control_put(o, "name", t->name);
    for (const struct pke_option *opt = policy_template_options; opt->name; opt++)
        put_option(o, opt, t, arena);
    pke_arena_free(arena);
    return o;
}

/* The cursor is the number of templates already given. */
static enum pke_err template_list(const struct conf *conf, const struct pke_pairs *args, json_t **ret,
                                  struct pke_fail *fail)
{
    const char *cursor = pke_pairs_get(args, "cursor"), *tenant = pke_pairs_get(args, "tenant");
    size_t limit = control_request_limit(args), from = 0, i;
    char next[24], *end;
    json_t *items;

    if (cursor) {
        from = strtoul(cursor, &end, 10);
        if (*end || *cursor == '-' || from > conf->n_templates)
            return pke_fail_set(fail, PKE_MALFORMED, "control-cursor", "control API: listings",
                                "cursor: not one of this listing");
    }
    items = json_array();
    for (i = from; i < conf->n_templates && json_array_size(items) < limit; i++)
        if (!tenant || strcmp(conf->templates[i].tenant, tenant) == 0)
            json_array_append_new(items, view_template(&conf->templates[i]));
    snprintf(next, sizeof next, "%zu", i);
    *ret = control_list(items, i < conf->n_templates ? next : NULL);
    return PKE_OK;
}

static enum pke_err template_show(const struct conf *conf, const struct pke_pairs *args, json_t **ret,
                                  struct pke_fail *fail)
{
    const struct policy_template *t = conf_find_template(conf, pke_pairs_get(args, "name"));
    const char *tenant = pke_pairs_get(args, "tenant");

    if (!t || (tenant && strcmp(t->tenant, tenant) != 0))
        return pke_fail_set(fail, PKE_NOT_FOUND, "control-template", "control API: templates",
                            "no template of this name");
    *ret = view_template(t);
    return PKE_OK;
}

static enum pke_err open_ledger(struct control *c, struct pke_fail *fail)
{
    if (c->ledger)
        return PKE_OK;
    if (!c->role->conf->global.ledger_file)
        return pke_fail_set(fail, PKE_STORE_DOWN, "control-ledger", "control API: ledger",
                            "no ledger is configured");
    if (ledger_reader_open(c->role->conf->global.ledger_file, &c->ledger, fail) != PKE_OK)
        fail->err = PKE_STORE_DOWN; /* also for a foreign schema: it is not the caller who is wrong */
    return c->ledger ? PKE_OK : PKE_STORE_DOWN;
}

/* A reader that failed is dropped: the next call opens the ledger again. */
static enum pke_err ledger_result(struct control *c, enum pke_err err)
{
    if (err == PKE_STORE_DOWN || err == PKE_INTERNAL) {
        ledger_reader_close(c->ledger);
        c->ledger = NULL;
    }
    return err;
}

static enum pke_err row_list(struct control *c, bool certificates, const struct pke_pairs *args,
                             struct pke_arena *arena, json_t **ret, struct pke_fail *fail)
{
    struct ledger_filter filter = {
        .tenant = pke_pairs_get(args, "tenant"),
        .state = pke_pairs_get(args, "state"),
        .principal = pke_pairs_get(args, "principal"),
        .device_id = pke_pairs_get(args, "device"),
        .template_name = pke_pairs_get(args, "template"),
        .certificates_only = certificates,
        .now = role_wall_ms() / 1000,
    };
    struct ledger_row *rows = NULL;
    const char *next = NULL;
    size_t n = 0;
    enum pke_err err = ledger_list(c->ledger, &filter, pke_pairs_get(args, "cursor"),
                                   control_request_limit(args), arena, &rows, &n, &next, fail);
    json_t *items;

    if (err)
        return err;
    items = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(items, certificates ? view_certificate(&rows[i], false)
                                                  : view_request(&rows[i], false));
    *ret = control_list(items, next);
    return PKE_OK;
}

/* The clock is read here, once for a page: a token that expired while nobody looked is expired. */
static const char *token_state(const struct ledger_token *t, int64_t now_ms)
{
    if (t->revoked_at)
        return "revoked";
    if (t->used >= t->uses)
        return "used";
    return t->expires_at <= now_ms ? "expired" : "usable";
}

static json_t *view_token(const struct ledger_token *t, int64_t now_ms)
{
    json_t *o = json_object();

    control_put(o, "id", t->token_id);
    control_put(o, "user", t->principal);
    control_put(o, "tenant", t->tenant);
    control_put(o, "type", t->enrollment_type);
    json_object_set_new(o, "count", json_integer((json_int_t)t->uses));
    json_object_set_new(o, "used", json_integer((json_int_t)t->used));
    control_put(o, "state", token_state(t, now_ms));
    control_put_ms(o, "created_at", t->created_at);
    control_put_ms(o, "expires_at", t->expires_at);
    control_put_ms(o, "revoked_at", t->revoked_at);
    control_put(o, "created_by", t->created_by);
    return o;
}

static enum pke_err token_list(struct control *c, const struct pke_pairs *args, struct pke_arena *arena,
                               json_t **ret, struct pke_fail *fail)
{
    struct ledger_token *rows = NULL;
    const char *next = NULL;
    size_t n = 0;
    enum pke_err err = ledger_token_list(c->ledger, pke_pairs_get(args, "tenant"),
                                         pke_pairs_get(args, "user"), pke_pairs_get(args, "cursor"),
                                         control_request_limit(args), arena, &rows, &n, &next, fail);
    int64_t now_ms = role_wall_ms();
    json_t *items;

    if (err)
        return err;
    items = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(items, view_token(&rows[i], now_ms));
    *ret = control_list(items, next);
    return PKE_OK;
}

static enum pke_err ledger_answer(struct control *c, enum verb_id id, const struct pke_pairs *args,
                                  struct pke_arena *arena, json_t **ret, struct pke_fail *fail)
{
    const char *tenant = pke_pairs_get(args, "tenant"); /* of a frontend always there: scope.h */
    struct ledger_row row;
    enum pke_err err;

    switch (id) {
    case VERB_REQUEST_SHOW:
        err = ledger_request_show(c->ledger, tenant, pke_pairs_get(args, "id"), arena, &row, fail);
        if (!err)
            *ret = view_request(&row, true);
        return err;
    case VERB_CERT_SHOW:
        err = ledger_cert_show(c->ledger, tenant, pke_pairs_get(args, "key"), arena, &row, fail);
        if (!err)
            *ret = view_certificate(&row, true);
        return err;
    case VERB_DEVICE_LIST:
        return view_device_list(c, args, arena, ret, fail);
    case VERB_DEVICE_SHOW:
        return view_device_show(c, args, arena, ret, fail);
    case VERB_TOKEN_LIST:
        return token_list(c, args, arena, ret, fail);
    default:
        return row_list(c, id == VERB_CERT_LIST, args, arena, ret, fail);
    }
}

static json_t *version(void)
{
    json_t *o = json_object();

    control_put(o, "name", PACKAGE_NAME);
    control_put(o, "version", PACKAGE_VERSION);
    control_put(o, "api", "v1");
    return o;
}

enum pke_err view_answer(struct control *c, const struct verb *verb, const struct pke_pairs *args,
                         json_t **ret, struct pke_fail *fail)
{
    struct pke_arena *arena;
    enum pke_err err;

    switch (verb->id) {
    case VERB_VERSION:
        *ret = version();
        return PKE_OK;
    case VERB_OPENAPI:
        *ret = openapi_document();
        return PKE_OK;
    case VERB_TEMPLATE_LIST:
        return template_list(c->role->conf, args, ret, fail);
    case VERB_TEMPLATE_SHOW:
        return template_show(c->role->conf, args, ret, fail);
    case VERB_REQUEST_LIST:
    case VERB_REQUEST_SHOW:
    case VERB_CERT_LIST:
    case VERB_CERT_SHOW:
    case VERB_DEVICE_LIST:
    case VERB_DEVICE_SHOW:
    case VERB_TOKEN_LIST:
        err = open_ledger(c, fail);
        if (err)
            return err;
        arena = pke_arena_new();
        err = ledger_result(c, ledger_answer(c, verb->id, args, arena, ret, fail));
        pke_arena_free(arena);
        return err;
    default:
        return pke_fail_set(fail, PKE_UNSUPPORTED, "control-verb", "control API: verbs",
                            "%s is not answered here", verb->token);
    }
}

void view_status(struct control *c, json_t *status)
{
    struct ledger_counts n = {0};
    struct pke_fail fail = {0};
    json_t *o = json_object();

    if (open_ledger(c, &fail) || ledger_result(c, ledger_counts(c->ledger, &n, &fail))) {
        control_put(o, "state", "down");
        put_fail(o, &fail);
    } else {
        control_put(o, "state", "ready");
        json_object_set_new(o, "issued", json_integer((json_int_t)n.issued));
        json_object_set_new(o, "intent", json_integer((json_int_t)n.intent));
        json_object_set_new(o, "failed", json_integer((json_int_t)n.failed));
        json_object_set_new(o, "refused", json_integer((json_int_t)n.refused));
        json_object_set_new(o, "abandoned", json_integer((json_int_t)n.abandoned));
        json_object_set_new(o, "revoked", json_integer((json_int_t)n.revoked));
        json_object_set_new(o, "held", json_integer((json_int_t)n.held));
        json_object_set_new(o, "audit", json_integer((json_int_t)n.audit));
    }
    json_object_set_new(status, "ledger", o);
}

bool view_counts(struct control *c, struct ledger_counts *ret)
{
    struct pke_fail fail = {0};

    return open_ledger(c, &fail) == PKE_OK &&
           ledger_result(c, ledger_counts(c->ledger, ret, &fail)) == PKE_OK;
}
