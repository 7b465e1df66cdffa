/* SPDX-License-Identifier: Apache-2.0 */
/* The names of what the floor let through, as OpenSSL reads them: each within the bounds of fuzz_floor(). */
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/fuzz_leaf.h"

#define DOMAIN  "corp.example"
#define SID     "S-1-5-21-1-2-3-"
#define SID_URI "tag:microsoft.com,2022-09-14:sid:"
#define UPN     "1.3.6.1.4.1.311.20.2.3"
#define GUID    "1.3.6.1.4.1.311.25.1"

static struct pke_bytes text_of(const ASN1_STRING *s)
{
    return PKE_BYTES(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static bool begins(struct pke_bytes v, const char *prefix)
{
    size_t n = strlen(prefix);

    return v.n > n && memcmp(v.p, prefix, n) == 0;
}

/* The domain at the end, after @p before and something else. */
static bool in_domain(struct pke_bytes v, char before)
{
    size_t n = strlen(DOMAIN);

    return v.n > n + 1 && !memchr(v.p, 0, v.n) && v.p[v.n - n - 1] == (uint8_t)before &&
           strncasecmp((const char *)v.p + v.n - n, DOMAIN, n) == 0;
}

static bool is_domain(struct pke_bytes v)
{
    return v.n == strlen(DOMAIN) && strncasecmp((const char *)v.p, DOMAIN, v.n) == 0;
}

static bool other_within(const OTHERNAME *o)
{
    char oid[80];

    OBJ_obj2txt(oid, sizeof oid, o->type_id, 1);
    if (strcmp(oid, UPN) == 0)
        return o->value->type == V_ASN1_UTF8STRING && in_domain(text_of(o->value->value.utf8string), '@');
    return strcmp(oid, GUID) == 0 && o->value->type == V_ASN1_OCTET_STRING &&
           ASN1_STRING_length(o->value->value.octet_string) == 16;
}

static bool within(const GENERAL_NAME *g)
{
    switch (g->type) {
    case GEN_DNS:
        return is_domain(text_of(g->d.dNSName)) || in_domain(text_of(g->d.dNSName), '.');
    case GEN_EMAIL:
        return in_domain(text_of(g->d.rfc822Name), '@');
    case GEN_URI:
        return begins(text_of(g->d.uniformResourceIdentifier), "urn:") ||
               begins(text_of(g->d.uniformResourceIdentifier), SID_URI SID);
    case GEN_OTHERNAME:
        return other_within(g->d.otherName);
    default:
        return false;
    }
}

void fuzz_bounds_check(const struct ca_tbs *tbs)
{
    for (size_t i = 0; i < tbs->n_ext; i++) {
        const uint8_t *p = tbs->ext[i].value.p, *end = p + tbs->ext[i].value.n;
        GENERAL_NAMES *names;

        if (strcmp(tbs->ext[i].oid, "2.5.29.17") != 0)
            continue;
        names = d2i_GENERAL_NAMES(NULL, &p, end - p);
        FUZZ_MUST(names && p == end && sk_GENERAL_NAME_num(names) > 0);
        for (int k = 0; k < sk_GENERAL_NAME_num(names); k++)
            FUZZ_MUST(within(sk_GENERAL_NAME_value(names, k)));
        GENERAL_NAMES_free(names);
    }
}
