/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over the subject. The table is lint's own: the builder has another (ca/names_rules.c), and a
 * mistake in one is not a mistake in both. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/names.h"
#include "ca/lint_rules.h"
#include "ca/text.h"

/* RFC 5280 A.1, RFC 4519; serial numbers and domain components are of the types that their syntax has. */
static const struct attribute {
    const char *kind, *oid;
    uint8_t tag;
    unsigned max; /* characters */
    bool repeats; /* a list by its nature */
} known[] = {
    {PKE_RDN_CN, "2.5.4.3", CA_DER_UTF8, 64, false},
    {PKE_RDN_SERIAL_NUMBER, "2.5.4.5", CA_DER_PRINTABLE, 64, false},
    {PKE_RDN_C, "2.5.4.6", CA_DER_PRINTABLE, 2, false},
    {PKE_RDN_L, "2.5.4.7", CA_DER_UTF8, 128, false},
    {PKE_RDN_ST, "2.5.4.8", CA_DER_UTF8, 128, false},
    {PKE_RDN_O, "2.5.4.10", CA_DER_UTF8, 64, false},
    {PKE_RDN_OU, "2.5.4.11", CA_DER_UTF8, 64, true},
    {PKE_RDN_UID, "0.9.2342.19200300.100.1.1", CA_DER_UTF8, 256, false},
    {PKE_RDN_DC, "0.9.2342.19200300.100.1.25", CA_DER_IA5, 63, true},
};

struct ava {
    struct pke_bytes whole;
    struct ca_der type, value;
    const struct attribute *known; /* NULL: not in the table */
};

static const struct attribute *find(struct pke_bytes oid)
{
    char dotted[80];

    if (pke_oid_decode(oid, dotted, sizeof dotted))
        for (size_t i = 0; i < PKE_LEN(known); i++)
            if (strcmp(known[i].oid, dotted) == 0)
                return &known[i];
    return NULL;
}

static bool take_ava(struct pke_cursor *rdn, struct ava *ret)
{
    struct pke_cursor inside;
    struct ca_der whole;

    if (!ca_der_take_tag(rdn, CA_DER_SEQUENCE, &whole))
        return false;
    inside = pke_cursor_of(whole.value);
    ret->whole = whole.full;
    if (!ca_der_take_tag(&inside, CA_DER_OID, &ret->type) || !ca_der_take(&inside, &ret->value) ||
        pke_cursor_left(&inside) > 0)
        return false;
    ret->known = find(ret->type.value);
    return true;
}

static bool names(const struct lint *l, struct pke_cursor *rdns)
{
    struct pke_cursor whole = pke_cursor_of(l->tbs.subject);

    return ca_der_enter(&whole, CA_DER_SEQUENCE, rdns) && pke_cursor_left(&whole) == 0;
}

/* The only attribute of the next relative name. False at the end. */
static bool next(struct pke_cursor *rdns, struct ava *ret)
{
    struct pke_cursor rdn;

    return pke_cursor_left(rdns) > 0 && ca_der_enter(rdns, CA_DER_SET, &rdn) && take_ava(&rdn, ret);
}

bool lint_subject_structure(const struct lint *l)
{
    struct pke_cursor rdns, rdn;
    struct ava a;

    if (!names(l, &rdns))
        return false;
    while (pke_cursor_left(&rdns) > 0) {
        if (!ca_der_enter(&rdns, CA_DER_SET, &rdn) || pke_cursor_left(&rdn) == 0)
            return false;
        while (pke_cursor_left(&rdn) > 0)
            if (!take_ava(&rdn, &a))
                return false;
    }
    return true;
}

bool lint_subject_single(const struct lint *l)
{
    struct pke_cursor rdns, rdn;
    struct ava a;

    if (!names(l, &rdns))
        return false;
    while (ca_der_enter(&rdns, CA_DER_SET, &rdn))
        if (!take_ava(&rdn, &a) || pke_cursor_left(&rdn) > 0)
            return false;
    return true;
}

static bool each(const struct lint *l, bool (*holds)(const struct ava *a))
{
    struct pke_cursor rdns;
    struct ava a;

    if (!names(l, &rdns))
        return false;
    while (next(&rdns, &a))
        if (!holds(&a))
            return false;
    return true;
}

static bool is_known(const struct ava *a)
{
    return a->known != NULL;
}

bool lint_subject_known(const struct lint *l)
{
    return each(l, is_known);
}

static bool has_type(const struct ava *a)
{
    return a->value.tag == a->known->tag;
}

bool lint_subject_strings(const struct lint *l)
{
    return each(l, has_type);
}

static bool in_bounds(const struct ava *a)
{
    size_t chars = 0;

    for (size_t i = 0; i < a->value.value.n; i++)
        chars += (a->value.value.p[i] & 0xc0) != 0x80; /* of UTF-8; ASCII has none of those */
    return chars >= 1 && chars <= a->known->max;
}

bool lint_subject_bounds(const struct lint *l)
{
    return each(l, in_bounds);
}

static bool is_country(const struct ava *a)
{
    const struct pke_bytes v = a->value.value;

    return strcmp(a->known->kind, PKE_RDN_C) != 0 ||
           (v.n == 2 && v.p[0] >= 'A' && v.p[0] <= 'Z' && v.p[1] >= 'A' && v.p[1] <= 'Z');
}

bool lint_subject_country(const struct lint *l)
{
    return each(l, is_country);
}

static bool printable(struct pke_bytes v)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";

    for (size_t i = 0; i < v.n; i++)
        if (!memchr(set, v.p[i], sizeof set - 1))
            return false;
    return true;
}

static bool has_characters(const struct ava *a)
{
    const struct pke_bytes v = a->value.value;

    if (a->value.tag == CA_DER_PRINTABLE)
        return printable(v);
    if (a->value.tag == CA_DER_IA5) /* a label of a domain (RFC 4519 2.4) */
        return lint_host(v) && !memchr(v.p, '.', v.n);
    return ca_text_plain(v, NULL);
}

bool lint_subject_characters(const struct lint *l)
{
    return each(l, has_characters);
}

/* No attribute twice that can have one value only, and none twice with the same value, except domain
 * components: "DC=example,DC=example" is a domain. */
bool lint_subject_repeats(const struct lint *l)
{
    struct pke_cursor rdns, before;
    struct ava a, b;

    if (!names(l, &rdns))
        return false;
    while (next(&rdns, &a)) {
        (void)names(l, &before);
        while (next(&before, &b) && b.whole.p != a.whole.p)
            if (a.known == b.known && (!a.known->repeats || (strcmp(a.known->kind, PKE_RDN_DC) != 0 &&
                                                             pke_bytes_eq(a.whole, b.whole))))
                return false;
    }
    return true;
}

bool lint_subject_not_issuer(const struct lint *l)
{
    return !pke_bytes_eq(l->tbs.subject, ca_issuer_subject(l->ctx->issuer));
}

bool lint_subject_decided(const struct lint *l)
{
    const struct pke_pairs *want = l->ctx->decision->subject;
    struct pke_cursor rdns;
    struct ava a;
    size_t i = 0;

    if (!names(l, &rdns))
        return false;
    for (; next(&rdns, &a); i++)
        if (!want || i >= want->n || strcmp(want->v[i].name, a.known->kind) != 0 ||
            !pke_bytes_eq_str(a.value.value, want->v[i].value))
            return false;
    return i == (want ? want->n : 0);
}
