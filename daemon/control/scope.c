/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/scope.h"

#include <string.h>

#define RULE      "control API: frontends"
#define MINUTE_MS 60000

static enum pke_err unknown_tenant(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_NOT_FOUND, "tenant-unknown", RULE, "there is no such tenant");
}

/* The same whoever asks. */
static bool is_about_the_api(const struct verb *v)
{
    return v->id == VERB_VERSION || v->id == VERB_OPENAPI;
}

/* Nothing about the daemon as a whole: what is not about one tenant is for operators. */
static enum pke_err check_verb(const struct verb *v, struct pke_fail *fail)
{
    bool about_tenant = false;

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        about_tenant = about_tenant || strcmp(a->name, "tenant") == 0;
    if ((v->role & VERB_ROLE_FRONTEND) && (about_tenant || is_about_the_api(v)))
        return PKE_OK;
    return pke_fail_set(fail, PKE_DENIED, "control-role", RULE, "%s is not for frontends", v->token);
}

static enum pke_err bind_tenant(const struct conf *conf, const struct conf_frontend *f,
                                struct pke_arena *arena, struct pke_pairs *args, struct pke_fail *fail)
{
    const char *asked = pke_pairs_get(args, "tenant");

    if (!asked && f->tenants.n != 1)
        return pke_fail_set(fail, PKE_MALFORMED, "tenant-needed", RULE,
                            "the frontend is for several tenants: say which one");
    if (asked && (!pke_strings_has(&f->tenants, asked) || !conf_find_tenant(conf, asked)))
        return unknown_tenant(fail);
    if (!asked)
        pke_pairs_add(args, arena, "tenant", f->tenants.v[0]);
    return PKE_OK;
}

/* In a body it is what a certificate is made of. In a listing it only narrows. */
static enum pke_err check_template(const struct conf *conf, const struct conf_frontend *f,
                                   const struct control_request *req, struct pke_fail *fail)
{
    const char *name = pke_pairs_get(&req->args, "template"), *tenant = pke_pairs_get(&req->args, "tenant");
    const struct policy_template *t = name ? conf_find_template(conf, name) : NULL;
    const struct verb_arg *a = verb_arg_find(req->verb, VERB_PLACE_BODY, pke_bytes_str("template"));

    if (!name || !a || (t && pke_strings_has(&f->templates, name) && strcmp(t->tenant, tenant) == 0))
        return PKE_OK;
    return pke_fail_set(fail, PKE_NOT_FOUND, "template-unknown", RULE, "there is no such template");
}

enum pke_err scope_apply(const struct conf *conf, const struct peer *peer, struct rates *rates,
                         uint64_t now_ms, struct pke_arena *arena, struct control_request *req,
                         struct pke_fail *fail)
{
    const struct conf_frontend *f;
    enum pke_err err;

    if (!*peer->frontend)
        return PKE_OK;
    f = conf_find_frontend(conf, peer->frontend);
    if (!f)
        return pke_fail_set(fail, PKE_DENIED, "frontend-gone", RULE,
                            "the frontend is not in the configuration any more");
    err = check_verb(req->verb, fail);
    if (err == PKE_OK && rates_take(rates, f->name, f->requests_per_minute, MINUTE_MS, now_ms))
        err = pke_fail_set(fail, PKE_BUSY, "frontend-busy", "frontends requests-per-minute",
                           "the frontend has made too many calls");
    if (err == PKE_OK && !is_about_the_api(req->verb))
        err = bind_tenant(conf, f, arena, &req->args, fail);
    return err == PKE_OK ? check_template(conf, f, req, fail) : err;
}
