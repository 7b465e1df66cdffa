/* SPDX-License-Identifier: Apache-2.0 */
/* Names against the bases of subtrees. */
#include "ca/constraints_match.h"

#include <string.h>
#include <strings.h>

#include "ca/der.h"
#include "ca/names_rules.h"
#include "ca/text.h"

static struct pke_bytes from(struct pke_bytes v, size_t n)
{
    return PKE_BYTES(v.p + n, v.n - n);
}

/* ASCII letters in either case. */
static bool same(struct pke_bytes a, struct pke_bytes b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

/* @p name is below @p domain: labels, a dot, and the domain. */
static bool below(struct pke_bytes name, struct pke_bytes domain)
{
    return name.n > domain.n + 1 && name.p[name.n - domain.n - 1] == '.' &&
           same(from(name, name.n - domain.n), domain);
}

/* What follows the last "@"; @p v itself when there is none. */
static struct pke_bytes after_at(struct pke_bytes v)
{
    for (size_t i = v.n; i > 0; i--)
        if (v.p[i - 1] == '@')
            return from(v, i);
    return v;
}

static bool dns_match(struct pke_bytes base, struct pke_bytes name, bool wide)
{
    if (base.n == 0)
        return true;
    if (base.p[0] == '.')
        return below(name, from(base, 1)) || (wide && same(name, from(base, 1)));
    return same(name, base) || below(name, base);
}

/* A host, or with a leading dot what is below. */
static bool host_match(struct pke_bytes base, struct pke_bytes host, bool wide)
{
    if (base.n > 0 && base.p[0] == '.')
        return below(host, from(base, 1)) || (wide && same(host, from(base, 1)));
    return base.n == 0 || same(host, base) || (wide && below(host, base));
}

static bool email_match(struct pke_bytes base, struct pke_bytes address, bool wide)
{
    struct pke_bytes host = after_at(address), base_host = after_at(base);
    struct pke_bytes local = PKE_BYTES(address.p, address.n - host.n);
    struct pke_bytes base_local = PKE_BYTES(base.p, base.n - base_host.n);

    if (base_host.n == base.n || base_local.n == 1) /* a host, or "@host" */
        return host_match(base_host, host, wide);
    return same(host, base_host) && (wide ? same(local, base_local) : pke_bytes_eq(local, base_local));
}

static bool upn_match(struct pke_bytes base, struct pke_bytes upn, bool wide)
{
    struct pke_bytes domain = after_at(upn), base_domain = after_at(base);

    if (base.n == 0)
        return true;
    if (base_domain.n == base.n) /* no "@" */
        return base.p[0] == '.' ? below(domain, from(base, 1)) || (wide && same(domain, from(base, 1)))
                                : same(domain, base) || below(domain, base);
    if (base.n == base_domain.n + 1) /* "@domain" */
        return same(domain, base_domain) || (wide && below(domain, base_domain));
    return same(upn, base);
}

struct pke_bytes ca_subtree_uri_host(struct pke_bytes uri)
{
    const uint8_t *colon = memchr(uri.p, ':', uri.n);
    struct pke_bytes rest, none = {NULL, 0}, host;
    size_t n = 0;

    if (!colon)
        return none;
    rest = from(uri, (size_t)(colon - uri.p) + 1);
    if (rest.n < 2 || memcmp(rest.p, "//", 2) != 0)
        return none;
    rest = from(rest, 2);
    while (n < rest.n && !strchr("/?#", rest.p[n]))
        n++;
    host = after_at(PKE_BYTES(rest.p, n));
    for (n = 0; n < host.n && host.p[n] != ':'; n++)
        ;
    host.n = n; /* an address in brackets ends here, and is no name */
    return ca_dns_valid(host) ? host : none;
}

bool ca_subtree_match(enum ca_subtree_form form, struct pke_bytes base, struct pke_bytes value, bool wide)
{
    switch (form) {
    case CA_SUBTREE_DNS:
        return dns_match(base, value, wide);
    case CA_SUBTREE_EMAIL:
        return email_match(base, value, wide);
    case CA_SUBTREE_URI:
        return host_match(base, ca_subtree_uri_host(value), wide);
    case CA_SUBTREE_UPN:
        return upn_match(base, value, wide);
    case CA_SUBTREE_DIRECTORY:
        break;
    }
    return wide;
}

/* Next character for the comparison of RFC 5280 7.1: letters small, spaces as one, none at the ends. */
static uint32_t next(struct pke_bytes v, size_t *at, bool first)
{
    bool space = false;
    uint32_t c;

    while (*at < v.n && v.p[*at] == ' ')
        ++*at, space = !first;
    if (*at == v.n)
        return 0;
    if (space)
        return ' ';
    *at += ca_text_point(v.p + *at, &c);
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Beyond ASCII only equal code points are the same, or, read widely, any two. */
static bool same_value(struct pke_bytes a, struct pke_bytes b, bool wide)
{
    size_t i = 0, k = 0;
    uint32_t x, y;

    do {
        x = next(a, &i, i == 0);
        y = next(b, &k, k == 0);
        if (x != y && !(wide && x > 0x7f && y > 0x7f))
            return false;
    } while (x && y);
    return true;
}

/* The only attribute of an RDN. False: several, or another structure. */
static bool take_rdn(struct pke_cursor *rdns, struct ca_der *type, struct ca_der *value, bool *several)
{
    struct pke_cursor rdn, ava;

    *several = false;
    if (!ca_der_enter(rdns, CA_DER_SET, &rdn) || !ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) ||
        !ca_der_take_tag(&ava, CA_DER_OID, type) || !ca_der_take(&ava, value) || pke_cursor_left(&ava) > 0)
        return false;
    *several = pke_cursor_left(&rdn) > 0;
    return true;
}

bool ca_subtree_directory(struct pke_bytes base, const struct pke_pairs *subject, bool wide)
{
    struct pke_cursor whole = pke_cursor_of(base), rdns;
    struct ca_der type, value;
    bool several;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &rdns))
        return wide;
    for (size_t i = 0; pke_cursor_left(&rdns) > 0; i++) {
        const struct ca_rdn_kind *k;

        if (i == subject->n || !take_rdn(&rdns, &type, &value, &several) || several)
            return false; /* each RDN that is issued has one attribute */
        k = ca_rdn_kind_of_oid(type.value);
        if (!k || strcmp(k->kind, subject->v[i].name) != 0 ||
            !same_value(value.value, pke_bytes_str(subject->v[i].value), wide))
            return false;
    }
    return true;
}

static bool known_strings(struct pke_bytes base)
{
    struct pke_cursor whole = pke_cursor_of(base), rdns;
    struct ca_der type, value;
    bool several;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &rdns) || pke_cursor_left(&whole) > 0)
        return false;
    while (pke_cursor_left(&rdns) > 0)
        if (!take_rdn(&rdns, &type, &value, &several) || several ||
            (value.tag != CA_DER_UTF8 && value.tag != CA_DER_PRINTABLE && value.tag != CA_DER_IA5) ||
            !ca_text_plain(value.value, NULL))
            return false;
    return true;
}

bool ca_subtree_understood(enum ca_subtree_form form, struct pke_bytes base)
{
    if (form == CA_SUBTREE_DIRECTORY)
        return known_strings(base);
    if (form == CA_SUBTREE_UPN)
        return ca_text_plain(base, NULL);
    for (size_t i = 0; i < base.n; i++)
        if (base.p[i] <= 0x20 || base.p[i] > 0x7e)
            return false;
    return true;
}
