/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over the extensions that a template or an issuer may add: policies, places of CRLs and CA
 * certificates, the template itself. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/lint_rules.h"
#include "ca/oids.h"
#include "ca/text.h"

/* ---- PolicyInformation: certificate policies, and Microsoft's application policies in the same form ---- */

struct policy {
    char oid[80];
    struct pke_bytes qualifiers; /* content of the SEQUENCE; empty: none */
    bool qualified;
};

static bool next_policy(struct pke_cursor *list, struct policy *ret)
{
    struct pke_cursor one;
    struct ca_der oid, qualifiers;

    *ret = (struct policy){.qualified = false};
    if (!ca_der_enter(list, CA_DER_SEQUENCE, &one) || !ca_der_take_tag(&one, CA_DER_OID, &oid) ||
        !pke_oid_decode(oid.value, ret->oid, sizeof ret->oid))
        return false;
    ret->qualified = ca_der_take_tag(&one, CA_DER_SEQUENCE, &qualifiers);
    if (ret->qualified)
        ret->qualifiers = qualifiers.value;
    return pke_cursor_left(&one) == 0;
}

/* The one qualifier is this CPS pointer. */
static bool is_cps(struct pke_bytes qualifiers, const char *uri)
{
    struct pke_cursor c = pke_cursor_of(qualifiers), one;
    struct ca_der type, value;
    char dotted[80];

    return ca_der_enter(&c, CA_DER_SEQUENCE, &one) && pke_cursor_left(&c) == 0 &&
           ca_der_take_tag(&one, CA_DER_OID, &type) && pke_oid_decode(type.value, dotted, sizeof dotted) &&
           strcmp(dotted, OID_CPS) == 0 && ca_der_take_tag(&one, CA_DER_IA5, &value) &&
           pke_cursor_left(&one) == 0 && ca_text_uri(value.value) && pke_bytes_eq_str(value.value, uri);
}

/* These OIDs in this order, each with @p cps or without any qualifier. */
static bool policies_are(const struct lint *l, const char *extension, const struct pke_strings *want,
                         const char *cps)
{
    struct pke_cursor list;
    struct policy p;
    size_t i = 0;

    if (!lint_has(want))
        return !ca_tbs_find(&l->tbs, extension);
    if (!lint_list(l, extension, &list))
        return false;
    for (; next_policy(&list, &p); i++)
        if (i >= want->n || strcmp(want->v[i], p.oid) != 0 || p.qualified != (cps != NULL) ||
            (cps && !is_cps(p.qualifiers, cps)))
            return false;
    return i == want->n && pke_cursor_left(&list) == 0;
}

bool lint_app_policies(const struct lint *l)
{
    return policies_are(l, OID_APP_POLICIES, l->ctx->profile->application_policies, NULL);
}

/* Windows asks the application policies first: one that is no extended key usage is a purpose by the back
 * door. */
bool lint_app_policies_eku(const struct lint *l)
{
    struct pke_cursor list;
    struct policy p;

    if (!lint_list(l, OID_APP_POLICIES, &list))
        return true;
    while (next_policy(&list, &p))
        if (!l->ctx->profile->ekus || !pke_strings_has(l->ctx->profile->ekus, p.oid))
            return false;
    return true;
}

/* Each once, and none that stands for all. */
bool lint_policies_syntax(const struct lint *l)
{
    struct pke_cursor list, before;
    struct policy p, other;

    if (!lint_list(l, OID_POLICIES, &list))
        return !ca_tbs_find(&l->tbs, OID_POLICIES);
    for (size_t n = 0; pke_cursor_left(&list) > 0; n++) {
        if (!next_policy(&list, &p) || strcmp(p.oid, OID_ANY_POLICY) == 0)
            return false;
        (void)lint_list(l, OID_POLICIES, &before);
        for (size_t i = 0; i < n && next_policy(&before, &other); i++)
            if (strcmp(p.oid, other.oid) == 0)
                return false;
    }
    return true;
}

bool lint_policies_template(const struct lint *l)
{
    return policies_are(l, OID_POLICIES, l->ctx->profile->policies, l->ctx->profile->cps_uri);
}

/* ---- places ---- */

static bool take_uri(struct pke_cursor *c, const struct pke_strings *want, size_t *i)
{
    struct ca_der uri;

    return *i < want->n && ca_der_take_tag(c, TAG_SAN_URI, &uri) && ca_text_uri(uri.value) &&
           pke_bytes_eq_str(uri.value, want->v[(*i)++]);
}

/* One DistributionPoint { [0] { [0] fullName URIs } }: Windows reads no other; no reasons (the list is
 * complete), no other issuer. */
bool lint_crl_urls(const struct lint *l)
{
    const struct pke_strings *want = l->ctx->profile->crl_urls;
    struct pke_cursor list, point, name, uris;
    size_t i = 0;

    if (!lint_has(want))
        return !ca_tbs_find(&l->tbs, OID_CRL_POINTS);
    if (!lint_list(l, OID_CRL_POINTS, &list) || !ca_der_enter(&list, CA_DER_SEQUENCE, &point) ||
        pke_cursor_left(&list) > 0 || !ca_der_enter(&point, CA_DER_CONTEXT_0, &name) ||
        pke_cursor_left(&point) > 0 || !ca_der_enter(&name, CA_DER_CONTEXT_0, &uris) ||
        pke_cursor_left(&name) > 0)
        return false;
    while (pke_cursor_left(&uris) > 0)
        if (!take_uri(&uris, want, &i))
            return false;
    return i == want->n;
}

bool lint_aia_urls(const struct lint *l)
{
    const struct pke_strings *want = l->ctx->profile->ca_issuers_urls;
    struct pke_cursor list, one;
    struct ca_der method;
    char dotted[80];
    size_t i = 0;

    if (!lint_has(want))
        return !ca_tbs_find(&l->tbs, OID_AIA);
    if (!lint_list(l, OID_AIA, &list))
        return false;
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &one) || !ca_der_take_tag(&one, CA_DER_OID, &method) ||
            !pke_oid_decode(method.value, dotted, sizeof dotted) || strcmp(dotted, OID_CA_ISSUERS) != 0 ||
            !take_uri(&one, want, &i) || pke_cursor_left(&one) > 0)
            return false;
    return i == want->n;
}

/* ---- the template ---- */

/* BMPString, two octets a character, which is this UTF-8 text. No surrogates: the type has none. */
static bool bmp_is(struct pke_bytes bmp, const char *text)
{
    const uint8_t *t = (const uint8_t *)text;

    for (size_t i = 0; i + 1 < bmp.n; i += 2) {
        unsigned c = (unsigned)bmp.p[i] << 8 | bmp.p[i + 1];
        uint8_t utf8[3];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : 3;

        if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
            return false;
        utf8[0] = (uint8_t)(n == 1 ? c : n == 2 ? 0xc0 | c >> 6 : 0xe0 | c >> 12);
        if (n == 2)
            utf8[1] = (uint8_t)(0x80 | (c & 0x3f));
        if (n == 3) {
            utf8[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
            utf8[2] = (uint8_t)(0x80 | (c & 0x3f));
        }
        if (strncmp((const char *)t, (const char *)utf8, n) != 0)
            return false;
        t += n;
    }
    return bmp.n % 2 == 0 && *t == '\0';
}

static bool name_is(const struct lint *l, const char *want)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_TEMPLATE_NAME);
    struct ca_der value;

    if (!want)
        return !e;
    return e && ca_der_whole(e->value, CA_DER_BMP, &value) && bmp_is(value.value, want);
}

/* An INTEGER from 0 to 2^32 - 1 (MS-WCCE 2.2.2.7.7.2). */
static bool take_number(struct pke_cursor *c, uint64_t *ret)
{
    struct ca_der n;

    if (!ca_der_take_tag(c, CA_DER_INTEGER, &n) || n.value.n == 0 || n.value.n > 5 || n.value.p[0] & 0x80)
        return false;
    *ret = 0;
    for (size_t i = 0; i < n.value.n; i++)
        *ret = *ret << 8 | n.value.p[i];
    return *ret <= UINT32_MAX;
}

static bool oid_is(const struct lint *l, const char *want)
{
    struct pke_cursor c;
    struct ca_der oid;
    char dotted[80];
    uint64_t major, minor;

    if (!want)
        return !ca_tbs_find(&l->tbs, OID_TEMPLATE);
    return lint_list(l, OID_TEMPLATE, &c) && ca_der_take_tag(&c, CA_DER_OID, &oid) &&
           pke_oid_decode(oid.value, dotted, sizeof dotted) && strcmp(dotted, want) == 0 &&
           take_number(&c, &major) && major == l->ctx->profile->template_major && take_number(&c, &minor) &&
           minor == l->ctx->profile->template_minor && pke_cursor_left(&c) == 0;
}

bool lint_template(const struct lint *l)
{
    return name_is(l, l->ctx->profile->template_name) && oid_is(l, l->ctx->profile->template_oid);
}
