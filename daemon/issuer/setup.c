/* SPDX-License-Identifier: Apache-2.0 */
/* One configuration, opened: issuing certificates, template profiles with their extensions encoded once. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/file.h"
#include "daemon/common/floor.h"
#include "daemon/issuer/clients.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/sample.h"

#define MAX_PEM   65536
#define MAX_ROOTS (1u << 20)

static enum ca_scheme scheme_of(const struct conf_key *key)
{
    static const enum ca_scheme schemes[] = {[CONF_KEY_SIGNATURE_DEFAULT] = CA_SCHEME_DEFAULT,
                                             [CONF_KEY_SIGNATURE_RSA_PSS] = CA_SCHEME_RSA_PSS,
                                             [CONF_KEY_SIGNATURE_ED25519] = CA_SCHEME_ED25519};

    return schemes[key->signature];
}

/* When a certificate expires. */
static enum pke_err end_of(struct pke_bytes der, int64_t *ret, struct pke_fail *fail)
{
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    struct tm tm;
    bool ok = x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1;

    X509_free(x);
    if (!ok)
        return pke_fail_set(fail, PKE_CONFIG, "issuer-root", "RFC 5280 4.1.2.5",
                            "the root's end of validity cannot be read");
    *ret = timegm(&tm);
    return PKE_OK;
}

static bool is_certificate_of(X509 *x, struct pke_bytes der)
{
    const unsigned char *p = der.p;
    X509 *ca = d2i_X509(NULL, &p, (long)der.n);
    bool same = ca && X509_NAME_cmp(X509_get_subject_name(x), X509_get_subject_name(ca)) == 0 &&
                EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(ca)) == 1;

    X509_free(ca);
    return same;
}

/* Each is another certificate for the name and key of the issuer, or of its root. */
static enum pke_err check_cross(struct issuer_ca *ca, struct pke_fail *fail)
{
    BIO *in = BIO_new_mem_buf(ca->cross.p, (int)ca->cross.n);
    size_t n = 0;
    enum pke_err err = PKE_OK;

    for (X509 *x; err == PKE_OK && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)); n++) {
        if (!is_certificate_of(x, ca_issuer_der(ca->ca)) && !is_certificate_of(x, ca_issuer_root_der(ca->ca)))
            err = pke_fail_set(fail, PKE_CONFIG, "issuer-cross", "issuers: cross-certificates",
                               "issuer %s: %s has a certificate of neither the issuer nor its root",
                               ca->conf->name, ca->conf->cross_certificates);
        X509_free(x);
    }
    BIO_free(in);
    ERR_clear_error();
    if (err == PKE_OK && n == 0)
        err = pke_fail_set(fail, PKE_CONFIG, "issuer-cross", "issuers: cross-certificates",
                           "issuer %s: %s has no certificate", ca->conf->name, ca->conf->cross_certificates);
    return err;
}

static enum pke_err load_cross(struct issuer_ca *ca, struct pke_fail *fail)
{
    enum pke_err err;

    pke_buf_init(&ca->cross, MAX_PEM);
    if (!ca->conf->cross_certificates)
        return PKE_OK;
    err = file_read(ca->conf->cross_certificates, &ca->cross, fail);
    return err == PKE_OK ? check_cross(ca, fail) : err;
}

static enum pke_err load_ca(const struct conf_issuer *conf, struct issuer_ca *ret, struct pke_fail *fail)
{
    struct pke_buf cert, root;
    struct pke_fail why = {0};
    enum pke_err err;

    ret->conf = conf;
    pke_buf_init(&cert, MAX_PEM);
    pke_buf_init(&root, MAX_PEM);
    err = file_read(conf->certificate, &cert, fail);
    if (err == PKE_OK && conf->root)
        err = file_read(conf->root, &root, fail);
    if (err == PKE_OK &&
        ca_issuer_load(pke_buf_bytes(&cert), pke_buf_bytes(&root),
                       conf->key_ref ? scheme_of(conf->key_ref) : CA_SCHEME_LEGACY, &ret->ca, &why))
        err = pke_fail_set(fail, why.err, why.reason, why.rule, "issuer %s: %s", conf->name, why.text);
    if (err == PKE_OK) {
        struct pke_bytes der = ca_issuer_der(ret->ca);
        uint8_t sha1[20];

        EVP_Digest(der.p, der.n, sha1, NULL, EVP_sha1(), NULL);
        pke_hex(PKE_BYTES(sha1, sizeof sha1), false, ret->sha1_hex);
        err = end_of(ca_issuer_root_der(ret->ca), &ret->root_not_after, fail);
    }
    if (err == PKE_OK)
        err = load_cross(ret, fail);
    pke_buf_done(&cert);
    pke_buf_done(&root);
    return err;
}

const struct issuer_ca *setup_ca(const struct setup *s, const char *name)
{
    for (size_t i = 0; i < s->n_cas; i++)
        if (strcmp(s->cas[i].conf->name, name) == 0)
            return &s->cas[i];
    return NULL;
}

const struct issuer_ca *setup_ca_of(const struct setup *s, struct pke_bytes issuer_id)
{
    for (size_t i = 0; i < s->n_cas; i++)
        if (pke_bytes_eq(issuer_id, ca_issuer_id(s->cas[i].ca)))
            return &s->cas[i];
    return NULL;
}

/* Serial numbers and revocation lists are counted by issuer: under two names they would be counted twice. */
static enum pke_err check_distinct(const struct setup *s, struct pke_fail *fail)
{
    for (size_t i = 0; i < s->n_cas; i++) {
        const struct issuer_ca *first = setup_ca_of(s, ca_issuer_id(s->cas[i].ca));

        if (first != &s->cas[i])
            return pke_fail_set(
                fail, PKE_CONFIG, "issuer-twice", "RFC 5280 5.2.3",
                "the issuers %s and %s have the same subject and key: they would sign two series of "
                "revocation lists in one name",
                first->conf->name, s->cas[i].conf->name);
    }
    return PKE_OK;
}

static enum pke_err load_roots(const struct policy_template *t, struct attest_roots **ret,
                               struct pke_fail *fail)
{
    struct pke_buf pem;
    enum pke_err err;

    pke_buf_init(&pem, MAX_ROOTS);
    err = file_read(t->attestation_roots, &pem, fail);
    if (err == PKE_OK)
        err = attest_roots_new(pke_buf_bytes(&pem), t->attestation_eku, ret, fail);
    pke_buf_done(&pem);
    return err;
}

static enum pke_err load_maa_keys(const struct policy_template *t, struct jose_keys **ret,
                                  struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct pke_buf file;
    enum pke_err err;

    pke_buf_init(&file, JOSE_KEYS_MAX_BYTES);
    err = file_read(t->maa_keys_file, &file, &why);
    if (err == PKE_OK)
        err = jose_keys_parse(pke_buf_bytes(&file), JOSE_ALGS_ALL, ret, &why);
    pke_buf_done(&file);
    return err == PKE_OK ? PKE_OK
                         : pke_fail_set(fail, err, why.reason, why.rule, "template %s: maa-keys-file: %s",
                                        t->name, why.text);
}

struct ca_profile_spec setup_profile_spec(const struct policy_template *t, const struct conf_issuer *issuer)
{
    return (struct ca_profile_spec){
        .ekus = &t->ekus,
        .key_usage = policy_template_key_usage(t),
        .application_policies = &t->application_policies,
        .policies = &t->certificate_policies,
        .cps_uri = t->cps_uri,
        .template_name = t->template_extension == POLICY_TEMPLATE_NAME ? t->common_name : NULL,
        .template_oid = t->template_extension == POLICY_TEMPLATE_OID ? t->template_oid : NULL,
        .template_major = (uint32_t)t->major_revision,
        .template_minor = (uint32_t)t->minor_revision,
        .crl_urls = &issuer->crl_urls,
        .ca_issuers_urls = &issuer->ca_issuers_urls,
    };
}

/* What of a template depends on who signs: may that key do it, and the extensions as they will stand. */
static enum pke_err make_profile(const struct policy_template *t, const struct issuer_ca *ca,
                                 struct ca_profile **ret, struct pke_fail *fail)
{
    struct ca_profile_spec spec = setup_profile_spec(t, ca->conf);
    struct pke_fail why = {0};
    enum pke_err err;

    for (size_t i = 0; i < t->ekus.n; i++)
        if (!pke_strings_has(&ca->conf->allowed_ekus, t->ekus.v[i]))
            return pke_fail_set(fail, PKE_CONFIG, "template-eku", "floor policy",
                                "template %s: EKU %s is not in allowed-ekus of issuer %s", t->name,
                                t->ekus.v[i], ca->conf->name);
    if (t->validity > ca->conf->max_validity)
        return pke_fail_set(fail, PKE_CONFIG, "template-validity", "floor policy",
                            "template %s: validity is longer than max-validity of issuer %s", t->name,
                            ca->conf->name);
    if (t->backdate > ca->conf->max_backdate)
        return pke_fail_set(fail, PKE_CONFIG, "template-backdate", "floor policy",
                            "template %s: backdate is longer than max-backdate of issuer %s", t->name,
                            ca->conf->name);
    for (size_t i = 0; i < t->certificate_policies.n; i++)
        if (!pke_strings_has(&ca->conf->allowed_policies, t->certificate_policies.v[i]))
            return pke_fail_set(fail, PKE_CONFIG, "template-policy", "floor policy",
                                "template %s: policy %s is not in allowed-policies of issuer %s", t->name,
                                t->certificate_policies.v[i], ca->conf->name);
    err = ca_profile_new(ca->ca, &spec, ret, &why);
    return err == PKE_OK
               ? PKE_OK
               : pke_fail_set(fail, err, why.reason, why.rule, "template %s: %s", t->name, why.text);
}

static enum pke_err load_template(struct setup *s, const struct policy_template *t,
                                  struct issuer_template *ret, struct pke_fail *fail)
{
    ret->policy = t;
    if (!ca_key_types(&t->key_types, &ret->key_types) || !ca_digests(&t->csr_digests, &ret->digests))
        return pke_fail_set(fail, PKE_CONFIG, "template-keys", "template: key-types, csr-digests",
                            "template %s names a kind of key or digest that is not known", t->name);
    ret->ca = setup_ca(s, t->issuer);
    if (t->attestation != POLICY_ATTESTATION_OFF && load_roots(t, &ret->attest_roots, fail) != PKE_OK)
        return fail->err;
    if (t->maa_keys_file && load_maa_keys(t, &ret->maa_keys, fail) != PKE_OK)
        return fail->err;
    return make_profile(t, ret->ca, &ret->profile, fail);
}

enum pke_err setup_load(const struct conf *conf, struct pke_bytes assertion_key, struct setup **ret,
                        struct pke_fail *fail)
{
    struct setup *s = pke_calloc(1, sizeof *s);
    enum pke_err err = PKE_OK;

    s->refs = 1;
    s->conf = conf_ref(conf);
    s->cas = pke_calloc(conf->n_issuers, sizeof *s->cas);
    s->templates = pke_calloc(conf->n_templates, sizeof *s->templates);
    if (assertion_key.n != ASSERTION_KEY_SIZE)
        err =
            pke_fail_set(fail, PKE_INTERNAL, "assertion-key", "process model", "main sent no assertion key");
    else
        memcpy(s->assertion_key, assertion_key.p, ASSERTION_KEY_SIZE);
    for (size_t i = 0; err == PKE_OK && i < conf->n_issuers; i++) {
        err = load_ca(&conf->issuers[i], &s->cas[s->n_cas++], fail);
        if (err == PKE_OK && conf->issuers[i].key) /* a legacy one signs nothing */
            err = floor_load(conf, &conf->issuers[i], &s->cas[i].floor, fail);
    }
    if (err == PKE_OK)
        err = check_distinct(s, fail);
    if (err == PKE_OK)
        s->own_keys = blocked_of_cas(s);
    if (err == PKE_OK && conf->global.blocked_keys)
        err = blocked_load(conf->global.blocked_keys, &s->blocked_keys, fail);
    for (size_t i = 0; err == PKE_OK && i < conf->n_templates; i++)
        err = load_template(s, &conf->templates[i], &s->templates[s->n_templates++], fail);
    if (err == PKE_OK && conf->global.identity_map)
        err = identity_map_load(conf->global.identity_map, conf_only_tenant(conf), &s->identities, fail);
    if (err == PKE_OK)
        err = authorisers_load(conf, &s->authorisers, fail);
    if (err == PKE_OK)
        err = sample_try(s, role_wall_ms() / 1000, fail);
    s->clients = clients_load(s);
    if (err != PKE_OK) {
        setup_unref(s);
        return err;
    }
    *ret = s;
    return PKE_OK;
}

enum pke_err issuer_try(const struct conf *conf, struct pke_fail *fail)
{
    static const uint8_t none[ASSERTION_KEY_SIZE]; /* nobody is to be believed */
    struct setup *s = NULL;
    enum pke_err err = setup_load(conf, PKE_BYTES(none, sizeof none), &s, fail);

    setup_unref(s);
    return err;
}

struct setup *setup_ref(struct setup *s)
{
    s->refs++;
    return s;
}

/* Roots and keys are those of the first of the chain. */
static void free_switched(struct issuer_template *t)
{
    while (t) {
        struct issuer_template *next = t->switched;
        ca_profile_free(t->profile);
        free(t);
        t = next;
    }
}

void setup_unref(struct setup *s)
{
    if (!s || --s->refs)
        return;
    for (size_t i = 0; i < s->n_templates; i++) {
        ca_profile_free(s->templates[i].profile);
        free_switched(s->templates[i].switched);
        attest_roots_free(s->templates[i].attest_roots);
        jose_keys_unref(s->templates[i].maa_keys);
    }
    for (size_t i = 0; i < s->n_cas; i++) {
        ca_issuer_free(s->cas[i].ca);
        ca_floor_free(s->cas[i].floor);
        pke_buf_done(&s->cas[i].cross);
    }
    free(s->templates);
    free(s->cas);
    identity_map_free(s->identities);
    authorisers_free(s->authorisers);
    clients_free(s->clients);
    ca_blocked_free(s->own_keys);
    ca_blocked_free(s->blocked_keys);
    conf_unref(s->conf);
    explicit_bzero(s->assertion_key, sizeof s->assertion_key);
    free(s);
}

static struct issuer_template *current(struct issuer_template *t)
{
    while (t->switched)
        t = t->switched;
    return t;
}

const struct issuer_template *setup_template(const struct setup *s, const char *name)
{
    for (size_t i = 0; i < s->n_templates; i++)
        if (strcmp(s->templates[i].policy->name, name) == 0)
            return current(&s->templates[i]);
    return NULL;
}

const struct issuer_template *setup_template_at(const struct setup *s, size_t i)
{
    return current(&s->templates[i]);
}

/* The same template, signed by another. NULL: that key may not do it. */
static struct issuer_template *signed_by(const struct issuer_template *t, const struct issuer_ca *ca,
                                         struct pke_fail *fail)
{
    struct issuer_template *other = pke_calloc(1, sizeof *other);

    *other = *t;
    other->ca = ca;
    other->profile = NULL;
    other->switched = NULL;
    if (make_profile(t->policy, ca, &other->profile, fail) == PKE_OK)
        return other;
    free_switched(other);
    return NULL;
}

enum pke_err setup_try(const struct setup *s, const struct issuer_template *t, const struct issuer_ca *ca,
                       int64_t now, struct pke_fail *fail)
{
    struct issuer_template *other = signed_by(t, ca, fail);
    enum pke_err err = other ? PKE_OK : fail->err;

    if (other && t->policy->enabled)
        err = sample_try_one(s, other, now, fail);
    free_switched(other);
    return err;
}

/* As it will be, or NULL when nothing changes for it. */
static enum pke_err follow_one(const struct setup *s, struct issuer_template *t, const struct succession *by,
                               struct issuer_template **ret, struct pke_fail *fail)
{
    const char *name = succession_effective(by, t->policy->issuer);
    const struct issuer_ca *ca = setup_ca(s, name);

    *ret = NULL;
    if (!ca)
        return pke_fail_set(fail, PKE_CONFIG, "rollover-issuer", "issuer rollover",
                            "template %s: its issuer %s was switched to %s, which is not configured",
                            t->policy->name, t->policy->issuer, name);
    if (current(t)->ca == ca)
        return PKE_OK;
    *ret = signed_by(t, ca, fail);
    return *ret ? PKE_OK : fail->err;
}

enum pke_err setup_follow(struct setup *s, const struct succession *by, struct pke_fail *fail)
{
    struct issuer_template **now = pke_calloc(s->n_templates + 1, sizeof *now);
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < s->n_templates; i++)
        err = follow_one(s, &s->templates[i], by, &now[i], fail);
    for (size_t i = 0; i < s->n_templates; i++) {
        if (err == PKE_OK && now[i])
            current(&s->templates[i])->switched = now[i];
        else
            free_switched(now[i]);
    }
    free(now);
    return err;
}
