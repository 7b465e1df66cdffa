/* SPDX-License-Identifier: Apache-2.0 */
/* AD CS has sixteen named ways to let a request decide about rights. Each wish has its rule here. */
#include "policy/asked.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "policy/names.h"

#define OPTION "template: csr-disallowed"

struct check {
    const struct policy_template *t;
    const struct policy_asked *a;
    const struct policy_decision *d;
    struct pke_trail *trail;
    struct pke_fail *fail;
};

static void dropped(const struct check *c, const char *what, const char *rule, const char *value)
{
    pke_trail_add(c->trail, what, PKE_TRAIL_DROPPED, rule, value, "csr");
}

/* A wish for a right: the end, or dropped where the template says so. */
static enum pke_err want(const struct check *c, const char *reason, const char *rule, const char *what,
                         const char *value)
{
    if (c->t->csr_disallowed == POLICY_DISALLOWED_DENY)
        return pke_fail_set(c->fail, PKE_CSR_BAD, reason, rule, "the request asks for %s %.100s", what,
                            value);
    dropped(c, what, OPTION, value);
    return PKE_OK;
}

/* ---- names ---- */

static bool certified(const struct check *c, const struct pke_pair *name, bool subject)
{
    const char *kind = strcmp(name->name, POLICY_SAN_SID_URI) == 0 ? PKE_SAN_URI : name->name;

    if (strcmp(kind, PKE_NAME_SID) == 0)
        return c->d->sid && strcmp(c->d->sid, name->value) == 0;
    return policy_names_have(subject ? &c->d->subject : &c->d->san, kind, name->value);
}

static enum pke_err check_name(const struct check *c, const struct pke_pair *name, bool subject)
{
    char what[80];

    snprintf(what, sizeof what, "%s %.60s", subject ? "subject" : "san", name->name);
    if (certified(c, name, subject)) {
        pke_trail_add(c->trail, what, PKE_TRAIL_NOTED, "asked for, and certified anyway", name->value, "csr");
        return PKE_OK;
    }
    if (strcmp(name->name, PKE_NAME_SID) == 0 || strcmp(name->name, POLICY_SAN_SID_URI) == 0)
        return want(c, "csr-asks-sid", "KB5014754", "the security identifier", name->value);
    if (!subject && strcmp(name->name, PKE_SAN_UPN) == 0)
        return want(c, "csr-asks-upn", "template: san", "the user principal name", name->value);
    dropped(c, what, subject ? "the subject is the template's" : "template: san", name->value);
    return PKE_OK;
}

static enum pke_err check_names(const struct check *c)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && c->a->names && i < c->a->names->n; i++)
        err = check_name(c, &c->a->names->v[i], i < c->a->n_subject);
    for (size_t i = 0; err == PKE_OK && c->a->unreadable && i < c->a->unreadable->n; i++) {
        const struct pke_pair *name = &c->a->unreadable->v[i];
        /* of the subject nothing is ever taken; what hides in an otherName may be a UPN */
        bool right = strcmp(name->name, PKE_SAN_UPN) == 0 || strcmp(name->name, PKE_NAME_SID) == 0 ||
                     strcmp(name->name, POLICY_SAN_SID_URI) == 0 || strcmp(name->name, "otherName") == 0;

        if (right)
            err = want(c, "csr-asks-name", "RFC 5280 4.2.1.6", "a name that cannot be read:", name->name);
        else
            dropped(c, "unreadable name", "RFC 5280 4.2.1.6", name->name);
    }
    return err;
}

/* ---- extensions ---- */

static enum pke_err each_of(const struct check *c, const struct pke_strings *asked,
                            const struct pke_strings *allowed, const char *reason, const char *rule,
                            const char *what)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && asked && i < asked->n; i++)
        if (!allowed || !pke_strings_has(allowed, asked->v[i]))
            err = want(c, reason, rule, what, asked->v[i]);
    return err;
}

/* Windows writes the EKUs of its template once more as application policies: those are no wish for more. */
static enum pke_err check_usages(const struct check *c)
{
    enum pke_err err = each_of(c, c->a->ekus, c->d->ekus, "csr-eku", "template: ekus", "extended key usage");

    if (err == PKE_OK)
        err = each_of(c, c->a->application_policies, c->d->ekus, "csr-asks-application-policy",
                      "CVE-2024-49019; template: ekus", "application policy");
    if (err == PKE_OK)
        err = each_of(c, c->a->certificate_policies, &c->t->certificate_policies, "csr-asks-policy",
                      "template: certificate-policies", "certificate policy");
    return err;
}

static enum pke_err check_template(const struct check *c)
{
    const char *name = c->a->template_name, *oid = c->a->template_oid;
    enum pke_err err = PKE_OK;

    if (name && strcmp(name, c->t->common_name) != 0 && strcmp(name, c->t->name) != 0)
        err = want(c, "csr-asks-template", "template: common-name", "the template", name);
    if (err == PKE_OK && oid && (!c->t->template_oid || strcmp(oid, c->t->template_oid) != 0))
        err = want(c, "csr-asks-template", "template: template-oid", "the template", oid);
    return err;
}

/* Kinds whose values were looked at above are not judged by their identifier, unless they could not be read.
 */
static const struct {
    const char *oid;
    const char *reason; /* NULL: harmless, dropped */
    const char *what;
    bool looked_at;
} kinds[] = {
    {"2.5.29.14", NULL, "subject key identifier", false},
    {"2.5.29.15", NULL, "key usage", true},
    {"2.5.29.17", "csr-asks-name", "alternative names", true},
    {"2.5.29.19", "csr-asks-ca", "basic constraints", true},
    {"2.5.29.37", "csr-eku", "extended key usage", true},
    {"2.5.29.32", "csr-asks-policy", "certificate policies", true},
    {"1.3.6.1.4.1.311.21.10", "csr-asks-application-policy", "application policies", true},
    {"1.3.6.1.4.1.311.20.2", "csr-asks-template", "a template name", true},
    {"1.3.6.1.4.1.311.21.7", "csr-asks-template", "a template", true},
    {"1.3.6.1.4.1.311.25.2", "csr-asks-sid", "a security identifier", true},
    {"2.5.29.35", "csr-asks-issuer", "an authority key identifier", false},
    {"2.5.29.31", "csr-asks-issuer", "CRL addresses", false},
    {"2.5.29.46", "csr-asks-issuer", "delta CRL addresses", false},
    {"1.3.6.1.5.5.7.1.1", "csr-asks-issuer", "issuer addresses", false},
    {"2.5.29.18", "csr-asks-issuer", "issuer alternative names", false},
    {"1.3.6.1.5.5.7.1.11", "csr-asks-issuer", "subject information access", false},
    {"2.5.29.30", "csr-asks-constraint", "name constraints", false},
    {"2.5.29.33", "csr-asks-constraint", "policy mappings", false},
    {"2.5.29.36", "csr-asks-constraint", "policy constraints", false},
    {"2.5.29.54", "csr-asks-constraint", "inhibitAnyPolicy", false},
    {"1.3.6.1.4.1.311.21.11", "csr-asks-constraint", "application policy mappings", false},
    {"1.3.6.1.4.1.311.21.12", "csr-asks-constraint", "application policy constraints", false},
};

static enum pke_err check_extension(const struct check *c, const struct policy_asked_extension *e)
{
    for (size_t i = 0; i < PKE_LEN(kinds); i++) {
        if (strcmp(kinds[i].oid, e->oid) != 0)
            continue;
        if (kinds[i].looked_at && e->readable)
            return PKE_OK;
        if (kinds[i].reason)
            return want(c, kinds[i].reason, "nothing but the key comes from a request", kinds[i].what,
                        kinds[i].looked_at ? "that cannot be read" : e->oid);
        dropped(c, kinds[i].what, "nothing but the key comes from a request", e->oid);
        return PKE_OK;
    }
    if (e->critical)
        return want(c, "csr-asks-critical", "RFC 5280 4.2", "the critical extension", e->oid);
    dropped(c, "extension", "nothing but the key comes from a request", e->oid);
    return PKE_OK;
}

enum pke_err policy_asked_check(const struct policy_template *t, const struct policy_asked *asked,
                                const struct policy_decision *d, struct pke_trail *trail,
                                struct pke_fail *fail)
{
    const struct check c = {t, asked, d, trail, fail};
    enum pke_err err = PKE_OK;

    if (asked->ca)
        err = want(&c, "csr-asks-ca", "RFC 5280 4.2.1.9", "the rights of", "a CA");
    if (err == PKE_OK)
        err = check_usages(&c);
    if (err == PKE_OK)
        err = check_names(&c);
    if (err == PKE_OK)
        err = check_template(&c);
    for (size_t i = 0; err == PKE_OK && i < asked->n_ext; i++)
        err = check_extension(&c, &asked->ext[i]);
    return err;
}
