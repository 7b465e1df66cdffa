/* SPDX-License-Identifier: Apache-2.0 */
/* What a CRL of ours looks like, over the bytes that will be signed. */
#include <string.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "ca/der.h"
#include "ca/oids.h"

struct view {
    const struct ca_crl_lint_context *ctx;
    struct ca_crl crl;
};

struct rule {
    const char *name, *clause;
    bool (*holds)(const struct view *v);
};

static const struct ca_crl_extension *find(const struct ca_crl *crl, const char *oid)
{
    for (size_t i = 0; i < crl->n_ext; i++)
        if (strcmp(crl->ext[i].oid, oid) == 0)
            return &crl->ext[i];
    return NULL;
}

static bool version(const struct view *v)
{
    return v->crl.v2;
}

static bool algorithm(const struct view *v)
{
    return pke_bytes_eq(v->crl.algorithm, ca_issuer_algorithm(v->ctx->issuer));
}

static bool issuer(const struct view *v)
{
    return pke_bytes_eq(v->crl.issuer, ca_issuer_subject(v->ctx->issuer));
}

static bool authority(const struct view *v)
{
    const struct ca_crl_extension *e = find(&v->crl, OID_AKI);

    return e && !e->critical && pke_bytes_eq(v->crl.key_id, ca_issuer_key_id(v->ctx->issuer));
}

static bool number(const struct view *v)
{
    const struct ca_crl_extension *e = find(&v->crl, OID_CRL_NUMBER);

    return e && !e->critical && v->crl.number == v->ctx->number;
}

static bool base(const struct view *v)
{
    const struct ca_crl_extension *e = find(&v->crl, OID_DELTA_CRL);

    return v->crl.base == v->ctx->base && (e ? e->critical : v->ctx->base == 0);
}

static bool freshest(const struct view *v)
{
    const struct ca_crl_extension *e = find(&v->crl, OID_FRESHEST_CRL);

    return !e || (!e->critical && v->ctx->base == 0);
}

static bool this_update(const struct view *v)
{
    return v->crl.this_update <= v->ctx->now && v->crl.this_update > v->ctx->now - 3600;
}

static bool next_update(const struct view *v)
{
    return v->crl.next_update == v->ctx->next_update && v->crl.next_update > v->ctx->now;
}

static bool known_extensions(const struct view *v)
{
    return v->crl.n_ext ==
           2u + (find(&v->crl, OID_DELTA_CRL) != NULL) + (find(&v->crl, OID_FRESHEST_CRL) != NULL);
}

/* As many as were decided, and no serial twice. */
static bool entries(const struct view *v)
{
    struct pke_cursor c = pke_cursor_of(v->crl.entries);
    struct pke_bytes before = {NULL, 0};
    struct ca_crl_entry e;
    uint64_t n = 0;

    for (; pke_cursor_left(&c) > 0; n++) {
        if (ca_crl_next(&c, &e, NULL) != PKE_OK || ca_crl_serial_compare(before, e.serial) >= 0)
            return false;
        if (e.reason == CA_REASON_REMOVE && v->ctx->base == 0)
            return false;
        before = e.serial;
    }
    return n == v->ctx->entries;
}

static const struct rule rules[] = {
    {"crl-version-2", "RFC 5280 5.1.2.1", version},
    {"crl-algorithm-of-issuer", "RFC 5280 5.1.2.2", algorithm},
    {"crl-issuer-name", "RFC 5280 5.1.2.3", issuer},
    {"crl-this-update-now", "RFC 5280 5.1.2.4", this_update},
    {"crl-next-update-decided", "RFC 5280 5.1.2.5", next_update},
    {"crl-authority-key", "RFC 5280 5.2.1", authority},
    {"crl-number-decided", "RFC 5280 5.2.3", number},
    {"crl-delta-indicator", "RFC 5280 5.2.4", base},
    {"crl-freshest-in-full", "RFC 5280 5.2.6", freshest},
    {"crl-extensions-known", "RFC 5280 5.2", known_extensions},
    {"crl-entries-decided", "RFC 5280 5.1.2.6", entries},
};

enum pke_err ca_crl_lint(struct pke_bytes tbs, const struct ca_crl_lint_context *ctx, struct pke_fail *fail)
{
    struct view v = {.ctx = ctx};
    struct pke_fail why = {0};

    if (ca_crl_decode(tbs, &v.crl, &why) != PKE_OK)
        return pke_fail_set(fail, PKE_POLICY, "crl-der", why.rule, "%s", why.text);
    for (size_t i = 0; i < PKE_LEN(rules); i++)
        if (!rules[i].holds(&v))
            return pke_fail_set(fail, PKE_POLICY, rules[i].name, rules[i].clause,
                                "the CRL that was built breaks the rule %s", rules[i].name);
    return PKE_OK;
}
