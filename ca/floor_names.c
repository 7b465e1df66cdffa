/* SPDX-License-Identifier: Apache-2.0 */
/* The floor over names: whom a certificate may speak for, however the issuer came to ask for it. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/uri_bound.h"
#include "ca/floor_impl.h"
#include "ca/names.h"
#include "ca/text.h"

/* ASCII without regard to letter case. */
static bool same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

/* At least one label, then a dot, then @p domain. */
static bool below(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);

    return n > d + 1 && name[n - d - 1] == '.' && same(name + n - d, domain);
}

static bool dns(const struct ca_floor_limits *l, const char *name)
{
    for (size_t i = 0; i < l->dns_suffixes.n; i++)
        if (same(name, l->dns_suffixes.v[i]) || below(name, l->dns_suffixes.v[i]))
            return true;
    return false;
}

/* What is behind the only "@" of an address. */
static bool domain_in(const struct pke_strings *suffixes, const char *address)
{
    const char *domain = strchr(address, '@');

    if (!domain || strchr(domain + 1, '@'))
        return false;
    for (size_t i = 0; i < suffixes->n; i++) {
        const char *s = suffixes->v[i];

        if (*s == '.' ? below(domain + 1, s + 1) : same(domain + 1, s))
            return true;
    }
    return false;
}

static bool upn(const struct ca_floor_limits *l, const char *name)
{
    return domain_in(&l->upn_suffixes, name);
}

static bool email(const struct ca_floor_limits *l, const char *name)
{
    return domain_in(&l->email_suffixes, name);
}

/* Of a domain of Windows only what it has given to accounts: 500 is its administrator, 512 its admins. */
static bool account(const char *sid)
{
    const char *rid = strrchr(sid, '-') + 1;

    return strncmp(sid, "S-1-5-21-", 9) != 0 || strlen(rid) > 4 ||
           (strlen(rid) == 4 && strcmp(rid, "1000") >= 0);
}

static bool sid(const struct ca_floor_limits *l, const char *value)
{
    for (size_t i = 0; i < l->sid_prefixes.n; i++) {
        const char *prefix = l->sid_prefixes.v[i];
        size_t n = strlen(prefix);

        if (strcmp(value, prefix) == 0)
            return true;
        if (strncmp(value, prefix, n) == 0 && value[n] == '-' && account(value))
            return true;
    }
    return false;
}

static bool uri(const struct ca_floor_limits *l, const char *value)
{
    if (ca_is_sid_uri(pke_bytes_str(value)))
        return ca_sid_of_uri(pke_bytes_str(value)).n > 0 && sid(l, value + strlen(PKE_SID_URI_PREFIX));
    for (size_t i = 0; i < l->uri_prefixes.n; i++)
        if (pke_uri_within(l->uri_prefixes.v[i], value))
            return true;
    return false;
}

static bool guid(const struct ca_floor_limits *l, const char *value)
{
    (void)value;
    return l->allow_guid;
}

static enum pke_err outside(const struct ca_floor_limits *l, const char *reason, const char *value,
                            const char *option, struct pke_fail *fail)
{
    if (strcmp(option, "allow-guid") == 0)
        return pke_fail_set(fail, PKE_POLICY, reason, "key policy",
                            "%.100s is a directory GUID: allow-guid of issuer %.64s is no", value, l->issuer);
    return pke_fail_set(fail, PKE_POLICY, reason, "key policy", "%.100s is not within %s of issuer %.64s",
                        value, option, l->issuer);
}

enum pke_err ca_floor_names_within(const struct ca_floor_limits *l, const struct pke_pairs *san,
                                   const char *account, struct pke_fail *fail)
{
    static const struct {
        const char *kind, *reason, *option;
        bool (*within)(const struct ca_floor_limits *l, const char *value);
    } kinds[] = {{PKE_SAN_DNS, "floor-dns", "dns-suffixes", dns},
                 {PKE_SAN_EMAIL, "floor-email", "email-suffixes", email},
                 {PKE_SAN_URI, "floor-uri", "uri-prefixes", uri},
                 {PKE_SAN_UPN, "floor-upn", "upn-suffixes", upn},
                 {PKE_SAN_GUID, "floor-guid", "allow-guid", guid}};

    for (size_t i = 0; i < san->n; i++) {
        const struct pke_pair *name = &san->v[i];
        size_t k = 0;

        while (k < PKE_LEN(kinds) && strcmp(kinds[k].kind, name->name) != 0)
            k++;
        if (k == PKE_LEN(kinds))
            return floor_refuse(fail, "floor-names", "key policy", "an alternative name has no bounds");
        if (kinds[k].within(l, name->value))
            continue;
        if (strcmp(name->name, PKE_SAN_URI) == 0 && ca_is_sid_uri(pke_bytes_str(name->value)))
            return outside(l, "floor-sid", name->value, "sid-prefixes", fail);
        return outside(l, kinds[k].reason, name->value, kinds[k].option, fail);
    }
    return account && !sid(l, account) ? outside(l, "floor-sid", account, "sid-prefixes", fail) : PKE_OK;
}

enum pke_err floor_check_names(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct ca_names names;
    enum pke_err err;

    pke_arena_reset(f->scratch);
    if (ca_names_decode(tbs, f->scratch, &names, &why))
        return pke_fail_set(fail, PKE_POLICY, "floor-names", why.rule, "a name is not one that is issued: %s",
                            why.text);
    if (names.subject.n == 0 ? !names.has_san || !names.san_critical : names.san_critical)
        return floor_refuse(fail, "floor-san", "RFC 5280 4.2.1.6",
                            "the alternative names are critical beside a subject, or not without one");
    if ((err = ca_floor_names_within(&f->limits, &names.san, names.sid, fail)))
        return err;
    if (ca_issuer_check_names(f->issuer, &names, &why))
        return pke_fail_set(fail, PKE_POLICY, "floor-constraint", why.rule, "%s", why.text);
    return PKE_OK;
}

static enum pke_err bad(struct pke_fail *fail, const char *option, const char *value, const char *expected)
{
    return pke_fail_set(fail, PKE_CONFIG, "floor-bounds", "key policy", "%s: %s is not %s", option, value,
                        expected);
}

enum pke_err floor_check_bounds(const struct ca_floor_limits *l, struct pke_fail *fail)
{
    const struct {
        const struct pke_strings *list;
        const char *option;
    } domains[] = {{&l->upn_suffixes, "upn-suffixes"}, {&l->email_suffixes, "email-suffixes"}};

    for (size_t k = 0; k < PKE_LEN(domains); k++)
        for (size_t i = 0; i < domains[k].list->n; i++) {
            const char *s = domains[k].list->v[i];

            if (!ca_dns_valid(pke_bytes_str(*s == '.' ? s + 1 : s)))
                return bad(fail, domains[k].option, s, "a domain, or one with a dot before it");
        }
    for (size_t i = 0; i < l->dns_suffixes.n; i++)
        if (!ca_dns_valid(pke_bytes_str(l->dns_suffixes.v[i])))
            return bad(fail, "dns-suffixes", l->dns_suffixes.v[i], "a domain");
    for (size_t i = 0; i < l->sid_prefixes.n; i++)
        if (!ca_sid_valid(pke_bytes_str(l->sid_prefixes.v[i])))
            return bad(fail, "sid-prefixes", l->sid_prefixes.v[i], "a security identifier");
    for (size_t i = 0; i < l->uri_prefixes.n; i++)
        if (!pke_uri_bound(l->uri_prefixes.v[i]))
            return bad(fail, "uri-prefixes", l->uri_prefixes.v[i],
                       "the beginning of URIs up to one of \":/?#=\", with a whole host where they have one");
    return PKE_OK;
}
