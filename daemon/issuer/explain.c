/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer's steps of a decision: who asks, what is in the CSR, whose device it is, what will be signed. */
#include "daemon/issuer/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/issuer.h"

#define VALUE_MAX 1024

void explain(struct request *req, enum pke_trail_outcome outcome, const char *what, const char *rule,
             const char *source, const char *format, ...)
{
    char value[VALUE_MAX];
    va_list args;

    if (!format) {
        pke_trail_add(&req->trail, what, outcome, rule, NULL, source);
        return;
    }
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    pke_trail_add(&req->trail, what, outcome, rule, value, source);
}

static void fact(struct request *req, const char *what, const char *value, const char *source)
{
    if (value)
        pke_trail_add(&req->trail, what, PKE_TRAIL_NOTED, NULL, value, source);
}

static void passed(struct request *req, const char *what, const char *rule, const char *value)
{
    pke_trail_add(&req->trail, what, PKE_TRAIL_PASSED, rule, value, NULL);
}

/* ---- who asks ---- */

static void attributes(struct request *req, const char *source)
{
    const struct pke_pairs *known = req->identity.attributes, *mapped = req->identity.mapped;

    for (size_t i = 0; known && i < known->n; i++) {
        const struct pke_pair *a = &known->v[i];
        char what[64];

        snprintf(what, sizeof what, "identity %.40s", a->name);
        fact(req, what, a->value, mapped && pke_pairs_get(mapped, a->name) ? "identity map" : source);
    }
}

void explain_identity(struct request *req)
{
    const char *kind = req->who.kind ? req->who.kind : "-";

    passed(req, "endpoint", NULL, req->endpoint->name);
    passed(req, "template", "endpoint: template", req->tmpl->policy->name);
    fact(req, "issuer", req->tmpl->ca->conf->name, "template: issuer");
    fact(req, "operation", req->msg.operation, "request");
    if (req->op != OP_RENEW)
        passed(req, "credential", "endpoint: credentials", kind);
    fact(req, "principal", req->identity.principal, req->op == OP_RENEW ? "renewed certificate" : kind);
    fact(req, "user id", req->identity.user_id, kind);
    attributes(req, kind);
    fact(req, "device id", req->device_id, req->op == OP_RENEW ? "renewed certificate" : "request");
    fact(req, "enrollment type", req->enrollment_type,
         req->op == OP_RENEW ? "renewed certificate" : "request");
}

/* ---- the CSR ---- */

/* As it was read; policy/asked.c says what is dropped. */
static void asked(struct request *req)
{
    const struct ca_csr_asked *a = &req->csr.asked;
    char what[64];

    for (size_t i = a->n_subject; i < a->names.n; i++) { /* the subject is one line already */
        snprintf(what, sizeof what, "asked name %.40s", a->names.v[i].name);
        fact(req, what, a->names.v[i].value, "csr");
    }
    for (size_t i = 0; i < a->n_ext; i++)
        fact(req, a->ext[i].critical ? "asked extension, critical" : "asked extension", a->ext[i].oid, "csr");
    for (size_t i = 0; i < req->csr.ekus.n; i++)
        fact(req, "asked extended key usage", req->csr.ekus.v[i], "csr");
}

void explain_csr(struct request *req)
{
    const struct ca_csr *csr = &req->csr;
    char hex[65];

    if (!csr->spki.n)
        return;
    if (csr->key_type == CA_KEY_RSA)
        explain(req, PKE_TRAIL_NOTED, "key", NULL, "csr", "%s %u", ca_key_type_name(csr->key_type),
                csr->key_bits);
    else
        fact(req, "key", ca_key_type_name(csr->key_type), "csr");
    pke_hex(PKE_BYTES(csr->spki_sha256, sizeof csr->spki_sha256), false, hex);
    fact(req, "key sha256", hex, "csr");
    fact(req, "signature algorithm", csr->signature_algorithm, "csr");
    fact(req, "asked subject", csr->subject_text && *csr->subject_text ? csr->subject_text : NULL, "csr");
    asked(req);
}

/* ---- device and key ---- */

void explain_device(struct request *req)
{
    const char *what = !req->known               ? "new"
                       : req->device.released_at ? "released: nobody's"
                       : req->own                ? "of this identity"
                                                 : "of another identity";

    passed(req, "key owner", "one key per device", NULL);
    fact(req, "device", what, "ledger");
    if (req->known && !req->own && req->device.principal)
        fact(req, "device owner", req->device.principal, "ledger");
}

/* ---- what will be signed ---- */

static void oids(struct request *req, const char *what, const char *rule, const struct pke_strings *list)
{
    for (size_t i = 0; i < list->n; i++)
        pke_trail_add(&req->trail, what, PKE_TRAIL_TAKEN, rule, list->v[i], "template");
}

static void usage(struct request *req)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } bits[] = {{CA_USAGE_DIGITAL_SIGNATURE, "digitalSignature"},
                {CA_USAGE_NON_REPUDIATION, "nonRepudiation"},
                {CA_USAGE_KEY_ENCIPHERMENT, "keyEncipherment"},
                {CA_USAGE_DATA_ENCIPHERMENT, "dataEncipherment"},
                {CA_USAGE_KEY_AGREEMENT, "keyAgreement"}};
    uint8_t asked = policy_template_key_usage(req->tmpl->policy);
    uint8_t given = ca_usage_of_key(asked, req->csr.key_type);

    for (size_t i = 0; i < PKE_LEN(bits); i++)
        if (given & bits[i].bit)
            pke_trail_add(&req->trail, "key usage", PKE_TRAIL_TAKEN, "template: key-usage", bits[i].name,
                          "template");
        else if (asked & bits[i].bit)
            pke_trail_add(&req->trail, "key usage", PKE_TRAIL_NOTED, "not for this type of key", bits[i].name,
                          "template");
}

static void validity(struct request *req)
{
    const struct ca_issuer *ca = req->tmpl->ca->ca;
    char from[PKE_RFC3339_SIZE], until[PKE_RFC3339_SIZE];

    pke_time_rfc3339(req->decision.not_before, from);
    pke_time_rfc3339(req->decision.not_after, until);
    pke_trail_add(&req->trail, "not before", PKE_TRAIL_TAKEN,
                  req->decision.not_before == ca_issuer_not_before(ca) ? "not before the issuer's certificate"
                                                                       : "template: backdate",
                  from, "clock");
    pke_trail_add(&req->trail, "not after", PKE_TRAIL_TAKEN,
                  req->decision.not_after == ca_issuer_not_after(ca) ? "not after the issuer's certificate"
                                                                     : "template: validity",
                  until, "clock");
}

void explain_certificate(struct request *req, bool linted)
{
    const struct policy_template *t = req->tmpl->policy;
    unsigned rules = 0;

    if (!req->tbs.n)
        return;
    passed(req, "name constraints", "RFC 5280 4.2.1.10", NULL);
    validity(req);
    usage(req);
    oids(req, "extended key usage", "template: ekus", &t->ekus);
    oids(req, "application policy", "template: application-policies", &t->application_policies);
    oids(req, "certificate policy", "template: certificate-policies", &t->certificate_policies);
    while (ca_lint_rules[rules].name)
        rules++;
    if (linted)
        explain(req, PKE_TRAIL_PASSED, "lint", "doc/lint.md", NULL, "%u rules", rules);
}

/* ---- the end ---- */

void explain_refused(struct request *req, const struct pke_fail *why)
{
    struct pke_trail *t = &req->trail;

    if (req->explanation)
        return;
    if (t->n == PKE_TRAIL_MAX) { /* the last word is this one's */
        t->n--;
        t->lost++;
    }
    pke_trail_add(t, why->reason, PKE_TRAIL_REFUSED, why->rule, why->text, NULL);
    req->explanation = explain_text(t, EXPLAIN_MAX, req->arena);
}
