/* SPDX-License-Identifier: Apache-2.0 */
/* What a frontend says of a request, and how far its word goes. */
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/csr.h"
#include "ca/facts.h"
#include "daemon/issuer/request.h"
#include "daemon/issuer/scope.h"
#include "daemon/issuer/sign_impl.h"
#include "ipc/verbs.h"
#include "ipc/wipealloc.h"

#define RULE              "signing API"
#define CONTEXT_MAX       32
#define CONTEXT_VALUE_MAX 1024

void sign_free_json_text(char **text)
{
    wipe_free(*text);
}

static enum pke_err bad(struct request *req, const char *reason, const char *text)
{
    return pke_fail_set(&req->fail, PKE_MALFORMED, reason, RULE, "%s", text);
}

/* The endpoint says tenant, template and provisioning; it has to be open to frontends. */
static enum pke_err find_endpoint(struct request *req, const struct pke_pairs *args)
{
    const struct conf *conf = req->setup->conf;
    const char *name = pke_pairs_get(args, "endpoint"), *tmpl = pke_pairs_get(args, "template");
    const char *tenant = pke_pairs_get(args, "tenant");
    const struct conf_endpoint *found = NULL;

    for (size_t i = 0; i < conf->n_endpoints; i++) {
        const struct conf_endpoint *e = &conf->endpoints[i];

        if (e->stage != CONF_STAGE_ENROLL || !pke_strings_has(&e->credentials, SIGN_CREDENTIAL) ||
            (name && strcmp(e->name, name) != 0) || (tmpl && strcmp(e->template_name, tmpl) != 0) ||
            (tenant && strcmp(e->tenant, tenant) != 0))
            continue;
        if (found)
            return bad(req, "sign-endpoint",
                       "several enrollment endpoints offer this template to frontends: say which");
        found = e;
    }
    if (!found)
        return pke_fail_set(&req->fail, PKE_NOT_FOUND, "sign-endpoint", RULE,
                            "no enrollment endpoint offers this template with the credential frontend");
    req->msg.endpoint = found->name;
    return PKE_OK;
}

static enum pke_err add_context(struct request *req, const char *name, const char *value)
{
    if (!value || strlen(value) > CONTEXT_VALUE_MAX || req->msg.context.n == CONTEXT_MAX)
        return bad(req, "sign-context", "context is an object of at most 32 texts");
    if (strcmp(name, "DeviceID") == 0 || strcmp(name, "EnrollmentType") == 0)
        return bad(req, "sign-context", "DeviceID and EnrollmentType are device_id and type");
    pke_pairs_add(&req->msg.context, req->arena, name, value);
    return PKE_OK;
}

static enum pke_err read_context(struct request *req, const char *text)
{
    json_t *o = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL, *value;
    enum pke_err err =
        !text || json_is_object(o) ? PKE_OK : bad(req, "sign-context", "context is an object of texts");
    const char *name;

    json_object_foreach(o, name, value) if (err == PKE_OK) err =
        add_context(req, name, json_string_value(value));
    json_decref(o);
    return err;
}

static enum pke_err read_parameters(struct request *req, const char *text)
{
    struct authoriser_answer a = {0};
    enum pke_err err =
        text ? authoriser_parameters_read(pke_bytes_str(text), req->arena, &a, &req->fail) : PKE_OK;

    req->vouched->names = a.names;
    req->vouched->validity = a.validity;
    return err;
}

static enum pke_err read_cms(struct request *req, const char *base64)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw;

    pke_buf_init(&raw, VERB_FILE_MAX);
    if (!base64 || pke_base64_decode(pke_bytes_str(base64), PKE_B64_STRICT, &raw) != PKE_OK)
        return bad(req, "sign-request", "the request is no base64");
    req->msg.request = pke_arena_bytes(req->arena, pke_buf_bytes(&raw));
    return PKE_OK;
}

/* Of a renewal the record says who and which device (renew.c). */
static enum pke_err read_who(struct request *req, const struct pke_pairs *args)
{
    const char *type = pke_pairs_get(args, "type"), *principal = pke_pairs_get(args, "principal");
    const char *user_id = pke_pairs_get(args, "user_id"), *upn = pke_pairs_get(&req->vouched->names, "upn");

    if (type && strcmp(type, "full") != 0 && strcmp(type, "device") != 0)
        return bad(req, "sign-type", "type is full or device");
    req->who = (struct assertion){.tenant = conf_find_endpoint(req->setup->conf, req->msg.endpoint)->tenant,
                                  .principal = pke_arena_strdup(req->arena, principal),
                                  .user_id = user_id ? pke_arena_strdup(req->arena, user_id) : NULL,
                                  .kind = SIGN_CREDENTIAL,
                                  .stage = "enroll",
                                  .endpoint = req->msg.endpoint,
                                  .expires = UINT64_MAX};
    if (upn)
        pke_pairs_add(&req->who.attributes, req->arena, "upn", upn);
    pke_pairs_add(&req->who.attributes, req->arena, "frontend",
                  req->vouched->frontend ? req->vouched->frontend : "-");
    pke_pairs_add(&req->msg.context, req->arena, "DeviceID", pke_pairs_get(args, "device_id"));
    pke_pairs_add(&req->msg.context, req->arena, "EnrollmentType",
                  type && strcmp(type, "device") == 0 ? "Device" : "Full");
    return PKE_OK;
}

enum pke_err sign_read(struct request *req, const struct msg_verb *v, const struct sign_args *args)
{
    const char *key = pke_pairs_get(&args->v, "idempotency_key");
    bool renew = strcmp(args->operation, "renew") == 0;
    enum pke_err err;

    req->vouched = pke_arena_alloc(req->arena, sizeof *req->vouched);
    *req->vouched =
        (struct vouched){.frontend = v->frontend ? pke_arena_strdup(req->arena, v->frontend) : NULL,
                         .idempotency_key = key ? pke_arena_strdup(req->arena, key) : NULL};
    req->msg.operation = args->operation;
    req->msg.generation = PKE_BYTES(req->setup->conf->generation, CONF_GENERATION);
    req->msg.may_wait = MSG_WAIT_NEVER;
    req->msg.commit = 1;
    req->msg.deadline = UINT64_MAX; /* request_start() cuts it */
    req->msg.source = pke_arena_printf(req->arena, "frontend %s", v->frontend ? v->frontend : "-");
    if (req->issuer->draining)
        return pke_fail_set(&req->fail, PKE_MAINTENANCE, "draining", "drain", "the server is in maintenance");
    err = find_endpoint(req, &args->v);
    if (err == PKE_OK)
        err = read_context(req, pke_pairs_get(&args->v, "context"));
    if (err == PKE_OK)
        err = read_parameters(req, pke_pairs_get(&args->v, "parameters"));
    if (err == PKE_OK)
        err = renew ? read_cms(req, pke_pairs_get(&args->v, "request"))
                    : request_take_csr(req, pke_pairs_get(&args->v, "csr"), &req->fail);
    return err == PKE_OK && !renew ? read_who(req, &args->v) : err;
}

/* ---- how far its word goes ---- */

void sign_take_names(struct request *req)
{
    if (req->op == OP_RENEW) /* they are those of the record */
        return;
    wishes_take_names(req, &req->vouched->names, RULE, "frontend");
    req->validity = req->vouched->validity;
}

/* A principal that looks like a name of a user somewhere is one. */
static enum pke_err check_principal(const struct request *req, const struct conf_frontend *f,
                                    struct pke_fail *fail)
{
    struct pke_pair upn = {"upn", req->who.principal}, email = {"email", req->who.principal};
    struct pke_pairs one = {&upn, 1}, other = {&email, 1};

    if (!strchr(req->who.principal, '@') || scope_names(f, &one, NULL, fail) == PKE_OK ||
        scope_names(f, &other, NULL, fail) == PKE_OK)
        return PKE_OK;
    return fail->err;
}

enum pke_err sign_check(struct request *req)
{
    const struct conf_frontend *f =
        req->vouched->frontend ? conf_find_frontend(req->setup->conf, req->vouched->frontend) : NULL;
    struct pke_fail fail = {0};
    enum pke_err err;

    if (!req->vouched->frontend)
        return PKE_OK;
    if (!f)
        return pke_fail_set(&req->fail, PKE_DENIED, "frontend-gone", RULE,
                            "the frontend is not configured any more");
    err = check_principal(req, f, &fail);
    if (err == PKE_OK)
        err = scope_names(f, &req->decision.san, req->decision.sid, &fail);
    if (err == PKE_OK)
        err = scope_certificate(req->issuer, f, &fail);
    if (err != PKE_OK)
        req->fail = fail;
    return err;
}

/* ---- Idempotency-Key ---- */

bool sign_is_same(const struct request *req, const char *principal, struct pke_bytes certificate)
{
    struct ca_cert_facts facts;
    struct ca_csr csr;
    struct pke_fail fail;

    return principal && strcmp(principal, req->who.principal) == 0 &&
           ca_cert_facts_read(certificate, req->arena, &facts, &fail) == PKE_OK &&
           ca_csr_parse(req->csr_der, req->arena, &csr, &fail) == PKE_OK &&
           pke_bytes_eq(csr.spki, facts.spki);
}
