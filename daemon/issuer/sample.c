/* SPDX-License-Identifier: Apache-2.0 */
/* A mistake in a template is told when the configuration is loaded, not when somebody enrolls. */
#include "daemon/issuer/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/sample.h"
#include "daemon/common/floor.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/tbs.h"

#define SAMPLE_DOMAIN "sample.example"
#define SAMPLE_SID    "S-1-5-21-1111111111-2222222222-3333333333"
#define SAMPLE_DEVICE "{5F1D9A04-6C0E-4F4B-9D64-0B6D21D8A5F1}" /* as Windows sends them */
#define SAMPLE_UUID   "5f1d9a04-6c0e-4f4b-9d64-0b6d21d8a5f1"

/* Who asks: somebody with every name, in domains from the bounds of the floor or from the principals that may
 * enroll; or somebody with those only that the bounds let through, where a template takes what there is. */
enum variant { FROM_BOUNDS, FROM_ALLOW, WITHIN_BOUNDS, VARIANTS };

struct trial {
    const struct setup *setup;
    const struct issuer_template *tmpl;
    struct policy_template open; /* the template, for anybody: who may enroll is not the question */
    struct ca_floor *floor;
    struct pke_arena *arena; /* of one sample */
    int64_t now;
    enum variant variant;
    const char *type; /* of the enrollment */
    struct policy_key key;
    enum ca_key_type key_type;
};

/* The domain of the first principal that may enroll: of "*@corp.example" as of "ada@corp.example". */
static const char *allowed_domain(const struct trial *t)
{
    for (size_t i = 0; i < t->tmpl->policy->allow.n; i++) {
        const char *at = strchr(t->tmpl->policy->allow.v[i], '@');
        if (at)
            return at + 1;
    }
    return SAMPLE_DOMAIN;
}

/* A domain that @p suffixes let through; ".x" is for those below x. */
static const char *domain_of(const struct trial *t, const struct pke_strings *suffixes)
{
    const char *first;

    if (t->variant == FROM_ALLOW || suffixes->n == 0)
        return allowed_domain(t);
    first = suffixes->v[0];
    return *first == '.' ? pke_arena_printf(t->arena, "sample%s", first) : first;
}

/* An account of the first domain of the bounds, or the one account that stands there. */
static const char *sid_of(const struct trial *t)
{
    const struct pke_strings *prefixes = &t->tmpl->ca->conf->sid_prefixes;
    const char *first = prefixes->n ? prefixes->v[0] : SAMPLE_SID;
    size_t dashes = 0;

    for (const char *c = first; *c; c++)
        dashes += *c == '-';
    return dashes > 6 ? first : pke_arena_printf(t->arena, "%s-1105", first);
}

static const char *principal_of(const struct trial *t)
{
    const struct pke_strings *allow = &t->tmpl->policy->allow;

    if (allow->n && allow->v[0][0] != '*')
        return allow->v[0];
    return pke_arena_printf(t->arena, "sample.user@%s", allowed_domain(t));
}

static void add(const struct trial *t, struct pke_pairs *attributes, bool bounded, const char *kind,
                const char *value)
{
    if (bounded || t->variant != WITHIN_BOUNDS)
        pke_pairs_add(attributes, t->arena, kind, value);
}

static void fill_identity(const struct trial *t, struct policy_identity *id, struct pke_pairs *attributes)
{
    const struct conf_issuer *issuer = t->tmpl->ca->conf;
    struct pke_arena *a = t->arena;
    const char *upn = pke_arena_printf(a, "sample.user@%s", domain_of(t, &issuer->upn_suffixes));
    const char *uri = issuer->uri_prefixes.n ? issuer->uri_prefixes.v[0] : "urn:";

    add(t, attributes, issuer->upn_suffixes.n, PKE_SAN_UPN, upn);
    add(t, attributes, issuer->dns_suffixes.n, PKE_SAN_DNS,
        pke_arena_printf(a, "sample-device.%s", domain_of(t, &issuer->dns_suffixes)));
    add(t, attributes, issuer->email_suffixes.n, PKE_SAN_EMAIL,
        pke_arena_printf(a, "sample.user@%s", domain_of(t, &issuer->email_suffixes)));
    add(t, attributes, issuer->uri_prefixes.n, PKE_SAN_URI,
        pke_arena_printf(a, "%suuid:%s", uri, SAMPLE_UUID));
    add(t, attributes, issuer->allow_guid, PKE_SAN_GUID, SAMPLE_UUID);
    add(t, attributes, issuer->sid_prefixes.n, PKE_NAME_SID, sid_of(t));
    add(t, attributes, true, PKE_RDN_CN, "Sample User");
    *id = (struct policy_identity){.tenant = "sample",
                                   .principal = principal_of(t),
                                   .user_id = SAMPLE_UUID,
                                   .upn = upn,
                                   .credential = "username",
                                   .attributes = attributes};
}

static enum pke_err one(struct trial *t, struct pke_fail *fail)
{
    struct pke_pairs attributes = {0};
    struct policy_identity id;
    struct policy_decision decision;
    struct policy_request request = {.identity = &id,
                                     .device_id = SAMPLE_DEVICE,
                                     .enrollment_type = t->type,
                                     .ent_dmid = SAMPLE_UUID,
                                     .key = t->key};
    uint8_t serial[CA_SERIAL_SIZE];
    struct pke_buf spki;
    enum pke_err err;

    fill_identity(t, &id, &attributes);
    err = policy_decide(&t->open, &request, t->now, t->arena, &decision, fail);
    if (err != PKE_OK)
        return err;
    pke_buf_init(&spki, 4096);
    ca_sample_spki(t->key_type, t->key.bits, &spki);
    ca_serial_new(1, serial);
    struct tbs tbs = {.tmpl = t->tmpl,
                      .decision = &decision,
                      .spki = pke_buf_bytes(&spki),
                      .serial = serial,
                      .now = t->now};
    err = tbs_make(&tbs, t->arena, fail);
    if (err == PKE_OK)
        err = ca_floor_check(t->floor, tbs.der, t->now, fail);
    pke_buf_done(&spki);
    return err;
}

static enum pke_err any_variant(struct trial *t, struct pke_fail *fail)
{
    struct pke_fail first = {0}, later;
    enum pke_err err = PKE_OK;

    for (t->variant = 0; t->variant < VARIANTS; t->variant++) {
        pke_arena_reset(t->arena);
        err = one(t, t->variant ? &later : &first);
        if (err == PKE_OK)
            return PKE_OK;
    }
    return pke_fail_set(fail, PKE_CONFIG, "template-sample", first.rule,
                        "template %s: a certificate of it (%s, %s key) would be refused: %s (%s): %s",
                        t->tmpl->policy->name, t->type, t->key.type, first.reason, first.rule, first.text);
}

static enum pke_err each_key(struct trial *t, struct pke_fail *fail)
{
    const struct policy_template *p = t->tmpl->policy;
    const struct {
        enum ca_key_type type;
        bool offered;
        unsigned bits;
    } keys[] = {
        {CA_KEY_RSA, true, (unsigned)p->rsa_min_bits},
        {CA_KEY_RSA, p->rsa_max_bits != p->rsa_min_bits, (unsigned)p->rsa_max_bits},
        {CA_KEY_P256, true, 256},
        {CA_KEY_P384, true, 384},
        {CA_KEY_P521, true, 521},
        {CA_KEY_ED25519, true, 256},
    };

    for (size_t i = 0; i < PKE_LEN(keys); i++) {
        t->key = (struct policy_key){.type = ca_key_type_name(keys[i].type), .bits = keys[i].bits};
        t->key_type = keys[i].type;
        if (keys[i].offered && t->tmpl->key_types & CA_KINDS(keys[i].type) && any_variant(t, fail) != PKE_OK)
            return fail->err;
    }
    return PKE_OK;
}

static enum pke_err each_type(struct trial *t, struct pke_fail *fail)
{
    static char anybody[] = "*", *everybody[] = {anybody};

    t->open = *t->tmpl->policy;
    t->open.allow = (struct pke_strings){everybody, 1};
    t->open.unlicensed = (struct pke_strings){0};
    t->type = "Full";
    if (t->open.allow_full && each_key(t, fail) != PKE_OK)
        return fail->err;
    t->type = "Device";
    return t->open.allow_device ? each_key(t, fail) : PKE_OK;
}

/* A CA that has expired, or is not valid yet, still has templates that are right. */
static int64_t within(const struct ca_issuer *ca, int64_t now)
{
    return now > ca_issuer_not_before(ca) && now < ca_issuer_not_after(ca) ? now
                                                                           : ca_issuer_not_before(ca) + 1;
}

enum pke_err sample_try_one(const struct setup *s, const struct issuer_template *tmpl, int64_t now,
                            struct pke_fail *fail)
{
    struct trial t = {.setup = s, .arena = pke_arena_new(), .tmpl = tmpl, .now = within(tmpl->ca->ca, now)};
    enum pke_err err = floor_load(s->conf, tmpl->ca->conf, &t.floor, fail);

    if (err == PKE_OK)
        err = each_type(&t, fail);
    ca_floor_free(t.floor);
    pke_arena_free(t.arena);
    return err;
}

enum pke_err sample_try(const struct setup *s, int64_t now, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < s->n_templates; i++)
        if (s->templates[i].policy->enabled)
            err = sample_try_one(s, &s->templates[i], now, fail);
    return err;
}
