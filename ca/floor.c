/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last check before the key, in the process that holds it. It shares the decoders with lint but none of
 * its rules: a mistake in one is not a mistake in both.
 */
#include "ca/floor.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/cert.h"
#include "ca/floor_impl.h"
#include "ca/key.h"

#define FUTURE_SKEW 300 /* seconds that notBefore may lie ahead */

enum pke_err floor_refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, reason, rule, "%s", text);
}

static void copy_list(struct pke_arena *arena, struct pke_strings *ret, const struct pke_strings *from)
{
    struct pke_strings copy = {NULL, 0};

    for (size_t i = 0; i < from->n; i++)
        pke_strings_add(&copy, arena, from->v[i]);
    *ret = copy;
}

static enum pke_err copy_template(struct ca_floor *f, const struct ca_floor_template *t,
                                  struct pke_fail *fail)
{
    const struct ca_profile_spec spec = {.template_name = t->name,
                                         .template_oid = t->oid,
                                         .template_major = t->major,
                                         .template_minor = t->minor};
    struct floor_template *ret = &f->templates[f->n_templates];
    struct pke_buf value;
    enum pke_err err;

    pke_buf_init(&value, 1024);
    err = ca_profile_template(&spec, &value, &ret->oid, fail);
    ret->value = pke_arena_bytes(f->arena, pke_buf_bytes(&value));
    ret->cps_uri = t->cps_uri ? pke_arena_strdup(f->arena, t->cps_uri) : NULL;
    f->key_usage |= t->key_usage;
    f->n_templates++;
    pke_buf_done(&value);
    return err;
}

static enum pke_err copy_limits(struct ca_floor *f, const struct ca_floor_limits *from, struct pke_fail *fail)
{
    struct ca_floor_limits *to = &f->limits;
    enum pke_err err = floor_check_bounds(from, fail);

    *to = *from;
    to->issuer = pke_arena_strdup(f->arena, from->issuer);
    to->templates = NULL, to->n_templates = 0; /* f->templates */
    copy_list(f->arena, &to->allowed_ekus, &from->allowed_ekus);
    copy_list(f->arena, &to->allowed_policies, &from->allowed_policies);
    copy_list(f->arena, &to->upn_suffixes, &from->upn_suffixes);
    copy_list(f->arena, &to->email_suffixes, &from->email_suffixes);
    copy_list(f->arena, &to->dns_suffixes, &from->dns_suffixes);
    copy_list(f->arena, &to->sid_prefixes, &from->sid_prefixes);
    copy_list(f->arena, &to->uri_prefixes, &from->uri_prefixes);
    copy_list(f->arena, &to->crl_urls, &from->crl_urls);
    copy_list(f->arena, &to->ca_issuers_urls, &from->ca_issuers_urls);
    f->templates = pke_arena_alloc(f->arena, (from->n_templates + 1) * sizeof *f->templates);
    for (size_t i = 0; err == PKE_OK && i < from->n_templates; i++)
        err = copy_template(f, &from->templates[i], fail);
    return err;
}

enum pke_err ca_floor_new(struct pke_bytes certificate_pem, const struct ca_floor_limits *limits,
                          struct ca_floor **ret, struct pke_fail *fail)
{
    struct ca_issuer *issuer;
    struct ca_floor *f;
    enum pke_err err = ca_issuer_load_unanchored(certificate_pem, limits->scheme, &issuer, fail);

    if (err)
        return err;
    f = pke_calloc(1, sizeof *f);
    f->issuer = issuer;
    f->arena = pke_arena_new();
    f->scratch = pke_arena_new();
    floor_memory_init(&f->memory);
    if ((err = copy_limits(f, limits, fail))) {
        ca_floor_free(f);
        return err;
    }
    *ret = f;
    return PKE_OK;
}

void ca_floor_free(struct ca_floor *f)
{
    if (!f)
        return;
    ca_issuer_free(f->issuer);
    pke_arena_free(f->arena);
    pke_arena_free(f->scratch);
    pke_arena_free(f->before.arena);
    pke_arena_free(f->next.arena);
    free(f);
}

/* ---- a reload ---- */

static void take_urls(struct floor_urls *to, const struct ca_floor *from, int64_t until)
{
    pke_arena_free(to->arena);
    *to = (struct floor_urls){.arena = pke_arena_new(), .until = until};
    copy_list(to->arena, &to->crl, &from->limits.crl_urls);
    copy_list(to->arena, &to->ca_issuers, &from->limits.ca_issuers_urls);
}

void ca_floor_expect(struct ca_floor *f, const struct ca_floor *next, int64_t until)
{
    if (pke_bytes_eq(ca_floor_spki(f), ca_floor_spki(next)))
        take_urls(&f->next, next, until);
}

void ca_floor_follow(struct ca_floor *f, const struct ca_floor *before, int64_t until)
{
    if (!pke_bytes_eq(ca_floor_spki(f), ca_floor_spki(before)))
        return;
    take_urls(&f->before, before, until);
    f->memory = before->memory;
}

EVP_PKEY *ca_floor_public_key(const struct ca_floor *f)
{
    return ca_issuer_public_key(f->issuer);
}

struct pke_bytes ca_floor_spki(const struct ca_floor *f)
{
    return ca_issuer_spki(f->issuer);
}

const struct ca_issuer *ca_floor_issuer(const struct ca_floor *f)
{
    return f->issuer;
}

/* Positive, 64 to 159 bits: with the sign bit clear that is 8 octets with the top one used, to 20. */
static bool serial_in_range(struct pke_bytes s)
{
    if (s.n == 0 || s.p[0] & 0x80 || s.n > FLOOR_SERIAL_MAX)
        return false;
    return s.n > 9 || (s.n == 9 && (s.p[0] > 0 || s.p[1] & 0x80));
}

static enum pke_err check_identity(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    struct ca_key key;

    if (tbs->version != 2)
        return floor_refuse(fail, "floor-version", "RFC 5280 4.1.2.1", "the certificate is not version 3");
    if (!pke_bytes_eq(tbs->issuer, ca_issuer_subject(f->issuer)))
        return floor_refuse(fail, "floor-issuer", "RFC 5280 4.1.2.4", "the issuer is not this key's CA");
    if (!pke_bytes_eq(tbs->algorithm, ca_issuer_algorithm(f->issuer)))
        return floor_refuse(fail, "floor-algorithm", "RFC 5280 4.1.2.3", "not the algorithm of this key");
    if (!serial_in_range(tbs->serial))
        return floor_refuse(fail, "floor-serial", "RFC 5280 4.1.2.2", "the serial is not of 64 to 159 bits");
    if (pke_bytes_eq(tbs->spki, ca_issuer_spki(f->issuer)))
        return floor_refuse(fail, "floor-own-key", "BR 6.1.1.3", "the subject's key is the CA's own");
    if (ca_key_decode(tbs->spki, &key, NULL))
        return floor_refuse(fail, "floor-key", "RFC 5280 4.1.2.7", "the subject's key is of an unknown type");
    if (pke_bytes_eq(tbs->subject, tbs->issuer))
        return floor_refuse(fail, "floor-subject", "RFC 5280 3.2", "the subject has the CA's name");
    if (tbs->has_unique_ids)
        return floor_refuse(fail, "floor-unique-id", "RFC 5280 4.1.2.8", "unique identifiers are present");
    return PKE_OK;
}

static enum pke_err check_validity(const struct ca_floor *f, const struct ca_tbs *tbs, int64_t now,
                                   struct pke_fail *fail)
{
    if (tbs->not_after <= tbs->not_before || tbs->not_after - tbs->not_before > f->limits.max_validity)
        return floor_refuse(fail, "floor-validity", "key policy",
                            "the validity is inverted or over the limit");
    if (tbs->not_after > ca_issuer_not_after(f->issuer))
        return floor_refuse(fail, "floor-outlives-issuer", "RFC 5280 6.1.3", "it would outlive its CA");
    if (tbs->not_before < now - f->limits.max_backdate)
        return floor_refuse(fail, "floor-backdated", "key policy", "it begins too long ago");
    if (tbs->not_before > now + FUTURE_SKEW)
        return floor_refuse(fail, "floor-postdated", "key policy", "it begins in the future");
    return PKE_OK;
}

enum pke_err ca_floor_check(struct ca_floor *f, struct pke_bytes der, int64_t now, struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct ca_tbs tbs;
    enum pke_err err;

    if (der.n > CA_TBS_MAX)
        return floor_refuse(fail, "floor-size", "limit", "the bytes are more than any certificate needs");
    if (ca_tbs_decode(der, &tbs, &why))
        return pke_fail_set(fail, PKE_POLICY, "floor-der", why.rule, "not a TBSCertificate: %s", why.text);
    if ((err = check_identity(f, &tbs, fail)) || (err = check_validity(f, &tbs, now, fail)) ||
        (err = floor_check_extensions(f, &tbs, fail)) || (err = floor_check_policies(f, &tbs, now, fail)) ||
        (err = floor_check_names(f, &tbs, fail)))
        return err;
    if (floor_serial_seen(&f->memory, tbs.serial))
        return floor_refuse(fail, "floor-serial-repeated", "RFC 5280 4.1.2.2",
                            "the serial was signed before");
    floor_serial_remember(&f->memory, tbs.serial);
    return PKE_OK;
}
