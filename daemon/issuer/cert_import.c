/* SPDX-License-Identifier: Apache-2.0 */
/* The verb: a list of certificates, each recorded or told why not; all of a call in one group. */
#include "daemon/issuer/cert_import.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/scope.h"
#include "ledger/revoke.h"

#define RULE      "cert import"
#define PARTS_MAX 200

/* Of each part. */
struct outcome {
    const char *result; /* "imported" "present" "refused" */
    struct pke_fail fail;
};

struct import {
    struct pke_arena *arena;
    struct setup *setup;
    uint64_t control, id;
    const char *actor, *tenant;
    bool dry_run;
    struct import_into into;
    json_t *parts;
    struct import_part *read; /* tbs empty: it was refused */
    struct outcome *outcomes;
    size_t n;
};

static void import_free(struct import *im)
{
    json_decref(im->parts);
    setup_unref(im->setup);
    pke_arena_free(im->arena);
    free(im);
}

static void refuse(struct outcome *o, const struct pke_fail *fail)
{
    o->result = "refused";
    o->fail = *fail;
}

/* One attempt per certificate, whoever imports it how often. */
static void idempotency_key(const struct import_part *p, uint8_t ret[LEDGER_KEY_SIZE])
{
    uint8_t text[8 + sizeof p->sha256] = "import:";

    memcpy(text + 8, p->sha256, sizeof p->sha256);
    if (EVP_Digest(text, sizeof text, ret, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
}

static const char *new_id(struct pke_arena *arena)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(arena, PKE_UUID_LEN + 1);

    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    return text;
}

static enum pke_err revoke(struct issuer *is, const struct import *im, const struct import_part *p,
                           int64_t now, struct pke_fail *fail)
{
    struct ledger_revoke how = {.reason = (enum ledger_reason)p->reason,
                                .by = im->actor,
                                .comment = "revoked before it was imported",
                                .at = now};
    struct ledger_revoked revoked;

    return p->revoked_at ? ledger_revoke(is->ledger, p->sha256, &how, &revoked, fail) : PKE_OK;
}

/* As an enrollment would be recorded, its intent and its certificate in one change of the group. */
static enum pke_err record(struct issuer *is, const struct import *im, const struct import_part *p,
                           struct pke_fail *fail)
{
    const int64_t now = role_wall_ms();
    struct ledger_intent in = {.request = {.request_id = new_id(im->arena),
                                           .tenant = im->tenant,
                                           .principal = p->principal,
                                           .user_id = p->user_id,
                                           .credential = "import",
                                           .template_name = im->into.tmpl->policy->name,
                                           .operation = "import",
                                           .stage = "enroll",
                                           .device_id = p->device_id,
                                           .enrollment_type = p->enrollment_type,
                                           .device_name = p->device_name,
                                           .hwdev_id = p->hwdev_id,
                                           .provider = p->provider,
                                           .source = im->actor,
                                           .at = now},
                               .issuer_id = p->issuer_id,
                               .serial = p->serial,
                               .tbs = p->tbs,
                               .spki_sha256 = PKE_BYTES(p->spki_sha256, sizeof p->spki_sha256),
                               .subject = p->subject,
                               .ent_dmid = p->ent_dmid,
                               .names = p->names,
                               .not_before = p->not_before,
                               .not_after = p->not_after};
    enum pke_err err;

    idempotency_key(p, in.idempotency_key);
    err = ledger_intent(is->ledger, &in, fail);
    if (err == PKE_OK)
        err = ledger_issued(is->ledger, in.request.request_id, p->der, now, fail);
    return err == PKE_OK ? revoke(is, im, p, now, fail) : err;
}

/* Is it there already? Then as somebody else's it would be another fact. */
static bool is_present(struct issuer *is, const struct import *im, const struct import_part *p,
                       struct outcome *o)
{
    struct ledger_certificate c;
    struct pke_fail fail;

    if (ledger_find_certificate(is->ledger, p->sha256, im->arena, &c, &fail) != PKE_OK)
        return false;
    o->result = "present";
    if (strcmp(c.tenant, im->tenant) == 0 && c.device_id && strcmp(c.device_id, p->device_id) == 0 &&
        strcmp(c.principal, p->principal) == 0)
        return true;
    pke_fail_set(&fail, PKE_EXISTS, "import-differs", RULE,
                 "the certificate is recorded already, of another tenant, principal or device");
    refuse(o, &fail);
    return true;
}

static enum pke_err apply(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct import *im = op->arg;

    (void)fail;
    for (size_t i = 0; i < im->n; i++) {
        struct outcome *o = &im->outcomes[i];
        struct pke_fail why = {0};

        if (o->result || is_present(is, im, &im->read[i], o))
            continue;
        if (record(is, im, &im->read[i], &why) == PKE_OK)
            o->result = "imported";
        else
            refuse(o, &why);
    }
    return PKE_OK;
}

static json_t *summary(const struct import *im)
{
    json_int_t imported = 0, present = 0, refused = 0;
    json_t *items = json_array();

    for (size_t i = 0; i < im->n; i++) {
        const struct outcome *o = &im->outcomes[i];

        imported += strcmp(o->result, "imported") == 0;
        present += strcmp(o->result, "present") == 0;
        refused += strcmp(o->result, "refused") == 0;
        if (strcmp(o->result, "refused") == 0)
            json_array_append_new(items, json_pack("{s:I, s:s, s:o, s:o}", "index", (json_int_t)i, "code",
                                                   pke_err_token(o->fail.err), "reason",
                                                   jsonval_text(o->fail.reason), "text",
                                                   jsonval_text(o->fail.text)));
    }
    return json_pack("{s:b, s:I, s:I, s:I, s:o}", "dry_run", im->dry_run, "imported", imported, "present",
                     present, "refused", refused, "refusals", items);
}

static void end(struct issuer *is, struct import *im, enum pke_err err, const struct pke_fail *fail)
{
    bool there = is->control && im->control == is->control_links;

    if (there && err == PKE_OK)
        verbs_reply(is->control, im->id, summary(im));
    else if (there)
        verbs_refuse(is->control, im->id, fail);
    import_free(im);
}

static void done(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct import *im = op->arg;

    for (size_t i = 0; err == PKE_OK && i < im->n; i++)
        if (im->read[i].revoked_at && strcmp(im->outcomes[i].result, "imported") == 0)
            crl_changed(is, im->read[i].issuer_id);
    end(is, im, err, fail);
}

/* ---- arguments ---- */

static const char *provider_of(const struct conf *conf, const struct policy_template *t)
{
    for (size_t i = 0; i < conf->n_endpoints; i++)
        if (conf->endpoints[i].stage == CONF_STAGE_ENROLL &&
            strcmp(conf->endpoints[i].template_name, t->name) == 0)
            return conf->endpoints[i].provisioning_ref->provider_id;
    return NULL;
}

static enum pke_err read_arguments(struct issuer *is, struct import *im, const struct msg_verb *v,
                                   struct pke_fail *fail)
{
    const char *names = pke_pairs_get(&v->args, "names"), *name = pke_pairs_get(&v->args, "template");
    const char *text = pke_pairs_get(&v->args, "certificates"), *dry = pke_pairs_get(&v->args, "dry_run"),
               *tenant;

    if (scope_tenant(is, v, &tenant, fail) != PKE_OK)
        return fail->err;
    im->tenant = pke_arena_strdup(im->arena, tenant);
    im->dry_run = dry && strcmp(dry, "true") == 0;
    im->into.names_of_principal = names && strcmp(names, "principal") == 0;
    if (names && !im->into.names_of_principal && strcmp(names, "certificate") != 0)
        return pke_fail_set(fail, PKE_MALFORMED, "import-names", RULE, "names is certificate or principal");
    im->into.setup = im->setup;
    im->into.tmpl = setup_template(im->setup, name);
    if (!im->into.tmpl || strcmp(im->into.tmpl->policy->tenant, tenant) != 0)
        return pke_fail_set(fail, PKE_NOT_FOUND, "template-unknown", RULE, "there is no such template");
    im->into.provider = provider_of(im->setup->conf, im->into.tmpl->policy);
    if (!im->into.provider)
        return pke_fail_set(fail, PKE_CONFIG, "import-endpoint", RULE,
                            "no enrollment endpoint offers this template: nobody could renew by it");
    im->parts = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    im->n = json_array_size(im->parts);
    if (im->n == 0 || im->n > PARTS_MAX)
        return pke_fail_set(fail, PKE_MALFORMED, "import-parts", RULE, "certificates is a list of 1 to %d",
                            PARTS_MAX);
    return PKE_OK;
}

/* What can be said without the ledger. */
static void read_parts(struct import *im)
{
    im->read = pke_arena_alloc(im->arena, im->n * sizeof *im->read);
    im->outcomes = pke_arena_alloc(im->arena, im->n * sizeof *im->outcomes);
    for (size_t i = 0; i < im->n; i++) {
        struct pke_fail fail = {0};

        if (import_read(json_array_get(im->parts, i), &im->into, im->arena, &im->read[i], &fail) != PKE_OK)
            refuse(&im->outcomes[i], &fail);
    }
}

bool import_verb(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct import *im;
    struct pke_fail fail = {0};
    enum pke_err err;

    if (strcmp(v->verb, "cert-import") != 0)
        return false;
    im = pke_calloc(1, sizeof *im);
    *im = (struct import){
        .arena = pke_arena_new(), .setup = setup_ref(is->setup), .control = is->control_links, .id = id};
    im->actor = pke_arena_strdup(im->arena, v->actor);
    err = read_arguments(is, im, v, &fail);
    if (err != PKE_OK) {
        end(is, im, err, &fail);
        return true;
    }
    read_parts(im);
    if (!im->dry_run) {
        batch_add(is, apply, done, im);
        return true;
    }
    for (size_t i = 0; i < im->n; i++)
        if (!im->outcomes[i].result && !is_present(is, im, &im->read[i], &im->outcomes[i]))
            im->outcomes[i].result = "imported";
    end(is, im, PKE_OK, &fail);
    return true;
}
