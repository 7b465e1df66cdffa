/* SPDX-License-Identifier: Apache-2.0 */
/* The floor over what a certificate says about policies, templates and where its CA is found. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"
#include "ca/floor_impl.h"
#include "ca/oids.h"

/* The list that an extension is: its elements. */
static bool enter(const struct ca_tbs_extension *e, struct pke_cursor *list)
{
    struct pke_cursor whole = pke_cursor_of(e->value);

    return ca_der_enter(&whole, CA_DER_SEQUENCE, list) && pke_cursor_left(&whole) == 0 &&
           pke_cursor_left(list) > 0;
}

static bool take_oid(struct pke_cursor *c, char dotted[80])
{
    struct ca_der oid;

    return ca_der_take_tag(c, CA_DER_OID, &oid) && pke_oid_decode(oid.value, dotted, 80);
}

/* Is @p der, the content octets of an OID, in the EKU extension? */
static bool in_eku(const struct ca_tbs *tbs, struct pke_bytes der)
{
    const struct ca_tbs_extension *e = ca_tbs_find(tbs, OID_EKU);
    struct pke_cursor list;
    struct ca_der oid;

    if (e && enter(e, &list))
        while (ca_der_take_tag(&list, CA_DER_OID, &oid))
            if (pke_bytes_eq(oid.value, der))
                return true;
    return false;
}

/* Windows asks them before the EKU: one that is not there as well makes another certificate of it. */
static bool application_policies(const struct ca_tbs *tbs, const struct ca_tbs_extension *e)
{
    struct pke_cursor list, one;
    struct ca_der oid;

    if (!enter(e, &list))
        return false;
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &one) || !ca_der_take_tag(&one, CA_DER_OID, &oid) ||
            pke_cursor_left(&one) > 0 || !in_eku(tbs, oid.value))
            return false;
    return true;
}

static bool cps_of_a_template(const struct ca_floor *f, struct pke_bytes uri)
{
    for (size_t i = 0; i < f->n_templates; i++)
        if (f->templates[i].cps_uri && pke_bytes_eq_str(uri, f->templates[i].cps_uri))
            return true;
    return false;
}

/* No qualifier, or one: the address of the practice statement. */
static bool qualifiers(const struct ca_floor *f, struct pke_cursor *policy)
{
    struct pke_cursor list, one;
    struct ca_der uri;
    char dotted[80];

    if (pke_cursor_left(policy) == 0)
        return true;
    return ca_der_enter(policy, CA_DER_SEQUENCE, &list) && pke_cursor_left(policy) == 0 &&
           ca_der_enter(&list, CA_DER_SEQUENCE, &one) && pke_cursor_left(&list) == 0 &&
           take_oid(&one, dotted) && strcmp(dotted, OID_CPS) == 0 &&
           ca_der_take_tag(&one, CA_DER_IA5, &uri) && pke_cursor_left(&one) == 0 &&
           cps_of_a_template(f, uri.value);
}

static bool certificate_policies(const struct ca_floor *f, const struct ca_tbs_extension *e)
{
    struct pke_cursor list, one;
    char dotted[80];

    if (!enter(e, &list))
        return false;
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &one) || !take_oid(&one, dotted) ||
            strcmp(dotted, OID_ANY_POLICY) == 0 || !pke_strings_has(&f->limits.allowed_policies, dotted) ||
            !qualifiers(f, &one))
            return false;
    return true;
}

/* Exactly these addresses in this order, and no more. */
static bool take_urls(struct pke_cursor *c, const struct pke_strings *urls, size_t *i)
{
    struct ca_der uri;

    return *i < urls->n && ca_der_take_tag(c, TAG_SAN_URI, &uri) &&
           pke_bytes_eq_str(uri.value, urls->v[(*i)++]);
}

static bool crl_points(const struct pke_strings *urls, const struct ca_tbs_extension *e)
{
    struct pke_cursor list, point, name, full;
    size_t n = 0;

    if (!e)
        return urls->n == 0;
    if (!enter(e, &list) || !ca_der_enter(&list, CA_DER_SEQUENCE, &point) || pke_cursor_left(&list) > 0 ||
        !ca_der_enter(&point, CA_DER_CONTEXT_0, &name) || pke_cursor_left(&point) > 0 ||
        !ca_der_enter(&name, CA_DER_CONTEXT_0, &full) || pke_cursor_left(&name) > 0)
        return false;
    while (pke_cursor_left(&full) > 0)
        if (!take_urls(&full, urls, &n))
            return false;
    return n > 0 && n == urls->n;
}

static bool ca_issuers(const struct pke_strings *urls, const struct ca_tbs_extension *e)
{
    struct pke_cursor list, one;
    char dotted[80];
    size_t n = 0;

    if (!e)
        return urls->n == 0;
    if (!enter(e, &list))
        return false;
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &one) || !take_oid(&one, dotted) ||
            strcmp(dotted, OID_CA_ISSUERS) != 0 || !take_urls(&one, urls, &n) || pke_cursor_left(&one) > 0)
            return false;
    return n == urls->n;
}

/* As another configuration says both, where a reload lies between those who ask and us. */
static bool of_reload(const struct floor_urls *u, const struct ca_tbs *tbs, int64_t now)
{
    return u->arena && now <= u->until && crl_points(&u->crl, ca_tbs_find(tbs, OID_CRL_POINTS)) &&
           ca_issuers(&u->ca_issuers, ca_tbs_find(tbs, OID_AIA));
}

static enum pke_err check_urls(const struct ca_floor *f, const struct ca_tbs *tbs, int64_t now,
                               struct pke_fail *fail)
{
    bool crl = crl_points(&f->limits.crl_urls, ca_tbs_find(tbs, OID_CRL_POINTS));

    if ((crl && ca_issuers(&f->limits.ca_issuers_urls, ca_tbs_find(tbs, OID_AIA))) ||
        of_reload(&f->before, tbs, now) || of_reload(&f->next, tbs, now))
        return PKE_OK;
    return crl ? floor_refuse(fail, "floor-ca-issuers", "key policy",
                              "the access to the CA's certificate is not the configured one")
               : floor_refuse(fail, "floor-crl-urls", "key policy",
                              "the distribution point is not the configured one");
}

static bool template(const struct ca_floor *f, const struct ca_tbs_extension *e)
{
    for (size_t i = 0; i < f->n_templates; i++)
        if (f->templates[i].oid && strcmp(f->templates[i].oid, e->oid) == 0 &&
            pke_bytes_eq(f->templates[i].value, e->value))
            return true;
    return false;
}

static enum pke_err check_templates(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *name = ca_tbs_find(tbs, OID_TEMPLATE_NAME);
    const struct ca_tbs_extension *oid = ca_tbs_find(tbs, OID_TEMPLATE);

    if ((name && oid) || (name && !template(f, name)) || (oid && !template(f, oid)))
        return floor_refuse(fail, "floor-template", "key policy",
                            "it names a template that is not one of this key's");
    return PKE_OK;
}

enum pke_err floor_check_policies(const struct ca_floor *f, const struct ca_tbs *tbs, int64_t now,
                                  struct pke_fail *fail)
{
    const struct ca_tbs_extension *e;
    enum pke_err err;

    if ((e = ca_tbs_find(tbs, OID_APP_POLICIES)) && !application_policies(tbs, e))
        return floor_refuse(fail, "floor-application-policy", "CVE-2024-49019",
                            "an application policy is not in the extended key usage");
    if ((e = ca_tbs_find(tbs, OID_POLICIES)) && !certificate_policies(f, e))
        return floor_refuse(fail, "floor-policy", "key policy",
                            "a certificate policy is not on the key's list, or qualified otherwise");
    err = check_urls(f, tbs, now, fail);
    return err == PKE_OK ? check_templates(f, tbs, fail) : err;
}
