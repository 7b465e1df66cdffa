/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: what issuers certify, and what their templates ask of them. The floor (ca/floor.h)
 * has the same rules and the last word; here they are told with their line. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/uri_bound.h"
#include "daemon/common/conf_impl.h"

#define URLS_MAX 8

/* Letters, digits, dashes between dots: of a suffix that can only end where a label ends. */
bool conf_is_domain(const char *s)
{
    static const char ldh[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

    for (;;) {
        size_t n = strspn(s, ldh);

        if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
            return false;
        if (s[n] == '\0')
            return true;
        if (s[n] != '.')
            return false;
        s += n + 1;
    }
}

bool conf_is_mail_domain(const char *s)
{
    return conf_is_domain(*s == '.' ? s + 1 : s);
}

bool conf_is_sid_prefix(const char *s)
{
    return strncmp(s, "S-1-", 4) == 0 && strchr(s + 4, '-') && s[strspn(s, "S-0123456789")] == '\0' &&
           !strstr(s, "--") && s[strlen(s) - 1] != '-';
}

static bool url(const char *s)
{
    return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0 ||
           strncasecmp(s, "ldap://", 7) == 0;
}

static void check_each(struct conf_impl *ci, size_t i, const char *option, const struct pke_strings *list,
                       bool (*good)(const char *s), const char *expected)
{
    for (size_t k = 0; k < list->n; k++)
        if (!good(list->v[k]))
            conf_bad_item(ci, CONF_ISSUERS, i, option, list->v[k], "expects %s", expected);
}

static void check_urls(struct conf_impl *ci, size_t i, const char *option, const struct pke_strings *urls)
{
    check_each(ci, i, option, urls, url, "URIs that begin with http://, https:// or ldap://");
    if (urls->n > URLS_MAX)
        conf_bad(ci, CONF_ISSUERS, i, option, "there are more than %d", URLS_MAX);
}

void conf_check_issuer_bounds(struct conf_impl *ci, size_t i)
{
    const struct conf_issuer *a = &ci->conf.issuers[i];

    check_each(ci, i, "upn-suffixes", &a->upn_suffixes, conf_is_mail_domain,
               "domains such as corp.example, or .corp.example for those below");
    check_each(ci, i, "email-suffixes", &a->email_suffixes, conf_is_mail_domain,
               "domains such as corp.example, or .corp.example for those below");
    check_each(ci, i, "dns-suffixes", &a->dns_suffixes, conf_is_domain, "domains such as corp.example");
    check_each(ci, i, "sid-prefixes", &a->sid_prefixes, conf_is_sid_prefix,
               "security identifiers such as S-1-5-21-1-2-3");
    check_each(ci, i, "uri-prefixes", &a->uri_prefixes, pke_uri_bound,
               "beginnings of URIs that end with one of :/?#=, with a whole host and / where they have one");
    check_urls(ci, i, "crl-urls", &a->crl_urls);
    check_urls(ci, i, "ca-issuers-urls", &a->ca_issuers_urls);
    if (pke_strings_has(&a->allowed_policies, "2.5.29.32.0"))
        conf_bad_item(ci, CONF_ISSUERS, i, "allowed-policies", "2.5.29.32.0", "must not hold anyPolicy");
}

static bool below(const char *name, const char *suffix)
{
    size_t n = strlen(name), d = strlen(suffix);

    return n > d && name[n - d - 1] == '.' && strcasecmp(name + n - d, suffix) == 0;
}

/* Could this pattern become a name of one of these domains? It could not where its end is literal text. */
static bool dns_possible(const struct pke_strings *suffixes, const char *pattern)
{
    const char *open = strrchr(pattern, '}'), *tail = open ? open + 1 : pattern;

    if (open && *tail != '.')
        return suffixes->n > 0;
    for (size_t k = 0; k < suffixes->n; k++)
        if (below(tail, suffixes->v[k]) || strcasecmp(tail, suffixes->v[k]) == 0)
            return true;
    return false;
}

static bool address_possible(const struct pke_strings *suffixes, const char *pattern)
{
    const char *at = strrchr(pattern, '@');

    if (!at || strchr(at, '{'))
        return suffixes->n > 0;
    for (size_t k = 0; k < suffixes->n; k++)
        if (suffixes->v[k][0] == '.' ? below(at + 1, suffixes->v[k] + 1)
                                     : strcasecmp(at + 1, suffixes->v[k]) == 0)
            return true;
    return false;
}

/* The literal text before the first placeholder, and a prefix: is one the beginning of the other? */
static bool uri_possible(const struct pke_strings *prefixes, const char *pattern)
{
    size_t literal = strcspn(pattern, "{");

    for (size_t k = 0; k < prefixes->n; k++) {
        size_t n = strlen(prefixes->v[k]);

        n = pattern[literal] && literal < n ? literal : n;
        if (strncmp(pattern, prefixes->v[k], n) == 0)
            return true;
    }
    return false;
}

/* A rule of san ("KIND:PATTERN", "KIND?:PATTERN"): the option of the issuer that forbids it; NULL: none. */
static const char *forbids(const struct conf_issuer *a, const char *rule)
{
    size_t kind = strcspn(rule, "?:");
    const char *pattern = strchr(rule, ':');

#define IS(name) (kind == strlen(name) && strncmp(rule, name, kind) == 0)
    if (!pattern)
        return NULL; /* told already */
    pattern++;
    if (IS(PKE_SAN_DNS))
        return dns_possible(&a->dns_suffixes, pattern) ? NULL : "dns-suffixes";
    if (IS(PKE_SAN_EMAIL))
        return address_possible(&a->email_suffixes, pattern) ? NULL : "email-suffixes";
    if (IS(PKE_SAN_UPN))
        return address_possible(&a->upn_suffixes, pattern) ? NULL : "upn-suffixes";
    if (IS(PKE_SAN_URI))
        return uri_possible(&a->uri_prefixes, pattern) ? NULL : "uri-prefixes";
    if (IS("sid-uri"))
        return a->sid_prefixes.n ? NULL : "sid-prefixes";
    if (IS(PKE_SAN_GUID))
        return a->allow_guid ? NULL : "allow-guid";
#undef IS
    return NULL;
}

static void check_names(struct conf_impl *ci, size_t i, const struct policy_template *t,
                        const struct conf_issuer *a)
{
    const char *option;

    for (size_t k = 0; k < t->san.n; k++)
        if ((option = forbids(a, t->san.v[k])))
            conf_bad_item(ci, CONF_TEMPLATES, i, "san", t->san.v[k],
                          "can never be within %s of the issuer %s", option, a->name);
    if (t->sid_extension == POLICY_SID_REQUIRE && a->sid_prefixes.n == 0)
        conf_bad(ci, CONF_TEMPLATES, i, "sid-extension", "the issuer %s has no sid-prefixes", a->name);
}

void conf_check_template_bounds(struct conf_impl *ci, size_t i)
{
    const struct policy_template *t = &ci->conf.templates[i];
    const struct conf_issuer *a = conf_find_issuer(&ci->conf, t->issuer);

    if (!a)
        return;
    check_names(ci, i, t, a);
    for (size_t k = 0; k < t->certificate_policies.n; k++)
        if (!pke_strings_has(&a->allowed_policies, t->certificate_policies.v[k]))
            conf_bad_item(ci, CONF_TEMPLATES, i, "certificate-policies", t->certificate_policies.v[k],
                          "%s is not in allowed-policies of the issuer %s", t->certificate_policies.v[k],
                          a->name);
}
