/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of names as a template writes them: read, and checked before anybody asks for a certificate. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "policy/names.h"
#include "policy/placeholder.h"

#define bad(fail, ...) pke_fail_set(fail, PKE_CONFIG, "template-options", "template options", __VA_ARGS__)

static const char *const rdn_kinds[] = {PKE_RDN_CN, PKE_RDN_O, PKE_RDN_OU, PKE_RDN_L,
                                        PKE_RDN_ST, PKE_RDN_C, PKE_RDN_DC, PKE_RDN_SERIAL_NUMBER,
                                        PKE_RDN_UID};
static const char *const san_kinds[] = {PKE_SAN_DNS, PKE_SAN_EMAIL, PKE_SAN_URI,
                                        PKE_SAN_UPN, PKE_SAN_GUID,  POLICY_SAN_SID_URI};

static const char *kind_of(const char *const *kinds, size_t n, const char *text, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(kinds[i]) == len && memcmp(kinds[i], text, len) == 0)
            return kinds[i];
    return NULL;
}

/* Braces come in placeholders only, and at most one of those that have several values. */
static enum pke_err check_pattern(const char *pattern, struct pke_fail *fail)
{
    unsigned several = 0;
    enum placeholder p;

    if (!*pattern)
        return bad(fail, "%s", "a pattern is empty");
    while (*pattern) {
        size_t n = placeholder_at(pattern, &p);

        if (n == 0 && (*pattern == '{' || *pattern == '}'))
            return bad(fail, "an unknown placeholder is in \"%s\"", pattern);
        if (n && placeholder_repeats(p) && ++several > 1)
            return bad(fail, "%s", "two of {dns}, {email} and {uri} are in one pattern");
        pattern += n ? n : 1;
    }
    return PKE_OK;
}

enum pke_err policy_subject_rule(const char *text, struct policy_name_rule *ret, struct pke_fail *fail)
{
    const char *equals = strchr(text, '=');

    ret->optional = equals && equals > text && equals[-1] == '?';
    ret->kind = equals ? kind_of(rdn_kinds, PKE_LEN(rdn_kinds), text,
                                 (size_t)(equals - text) - (ret->optional ? 1 : 0))
                       : NULL;
    if (!ret->kind)
        return bad(fail, "\"%s\" is not TYPE=PATTERN with CN, O, OU, L, ST, C, DC, serialNumber or UID",
                   text);
    ret->pattern = equals + 1;
    return check_pattern(ret->pattern, fail);
}

enum pke_err policy_san_rule(const char *text, struct policy_name_rule *ret, struct pke_fail *fail)
{
    const char *colon = strchr(text, ':');

    ret->optional = colon && colon > text && colon[-1] == '?';
    ret->kind =
        colon ? kind_of(san_kinds, PKE_LEN(san_kinds), text, (size_t)(colon - text) - (ret->optional ? 1 : 0))
              : NULL;
    if (!ret->kind)
        return bad(fail, "\"%s\" is not KIND:PATTERN with dns, email, uri, upn, guid or sid-uri", text);
    ret->pattern = colon + 1;
    return check_pattern(ret->pattern, fail);
}

static bool has_placeholder(const char *pattern, enum placeholder want)
{
    enum placeholder p;

    while (*pattern) {
        size_t n = placeholder_at(pattern, &p);

        if (n && p == want)
            return true;
        pattern += n ? n : 1;
    }
    return false;
}

static bool has_any_placeholder(const char *pattern)
{
    return strchr(pattern, '{') != NULL;
}

static enum pke_err prefixed(struct pke_fail *fail, const char *option)
{
    struct pke_fail why = *fail;

    return bad(fail, "%s: %s", option, why.text);
}

/* RFC 5280 A.1 and the search of clients: one common name. */
static enum pke_err check_subject(const struct pke_strings *rules, const char *option, struct pke_fail *fail)
{
    struct policy_name_rule r;
    unsigned names = 0;

    for (size_t i = 0; i < rules->n; i++) {
        if (policy_subject_rule(rules->v[i], &r, fail) != PKE_OK)
            return prefixed(fail, option);
        if (strcmp(r.kind, PKE_RDN_CN) == 0 && r.optional)
            return bad(fail, "%s: the common name cannot be optional", option);
        names += strcmp(r.kind, PKE_RDN_CN) == 0;
        if (!has_any_placeholder(r.pattern) && !policy_name_valid(r.kind, r.pattern)) {
            bad(fail, "\"%s\" is no value of its type", rules->v[i]);
            return prefixed(fail, option);
        }
    }
    return names == 1 ? PKE_OK : bad(fail, "%s must have exactly one CN", option);
}

/* RFC 3986: a literal scheme, and only characters that a URI may hold. */
static enum pke_err check_uri(const char *pattern, struct pke_fail *fail)
{
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-";
    const char *colon = strchr(pattern, ':');

    if (strcmp(pattern, "{uri}") == 0)
        return PKE_OK;
    if (!colon || !isalpha((unsigned char)pattern[0]) || !colon[1] ||
        strspn(pattern, scheme) != (size_t)(colon - pattern))
        return bad(fail, "%s", "a uri must be {uri} or begin as urn:example:device:{device-id}");
    for (const unsigned char *c = (const unsigned char *)pattern; *c; c++)
        if (*c <= 0x20 || *c > 0x7e || strchr("\"<>\\^`|", *c))
            return bad(fail, "%s", "a uri has a character that no URI has");
    if (has_placeholder(pattern, PLACEHOLDER_URI))
        return bad(fail, "%s", "{uri} is a whole URI and stands alone");
    /* KB5014754: Windows maps this URI to an account */
    if (strncasecmp(pattern, PKE_SID_URI_PREFIX, sizeof PKE_SID_URI_PREFIX - 1) == 0)
        return bad(fail, "%s", "a uri must not be an account's security identifier: that is kind sid-uri");
    return PKE_OK;
}

static enum pke_err check_san(const char *text, struct pke_fail *fail)
{
    struct policy_name_rule r;

    if (policy_san_rule(text, &r, fail) != PKE_OK)
        return PKE_CONFIG;
    if (strcmp(r.kind, PKE_SAN_URI) == 0)
        return check_uri(r.pattern, fail);
    /* CVE-2022-26923: what a client says of itself is no name that gives rights */
    if (has_placeholder(r.pattern, PLACEHOLDER_DEVICE_ID))
        return bad(fail, "\"%s\": {device-id} is the client's word and may only stand in a uri", text);
    if (strcmp(r.kind, POLICY_SAN_SID_URI) == 0)
        return strcmp(r.pattern, "{sid}") == 0 ? PKE_OK
                                               : bad(fail, "%s", "sid-uri takes {sid} and nothing else");
    if (strcmp(r.kind, PKE_SAN_GUID) == 0)
        return strcmp(r.pattern, "{guid}") == 0 ? PKE_OK
                                                : bad(fail, "%s", "guid takes {guid} and nothing else");
    if (!has_any_placeholder(r.pattern) && !policy_name_valid(r.kind, r.pattern))
        return bad(fail, "\"%s\" is no value of its kind", text);
    return PKE_OK;
}

static enum pke_err check_from_csr(const struct policy_template *t, struct pke_fail *fail)
{
    static const char *const kinds[] = {PKE_SAN_DNS, PKE_SAN_EMAIL, PKE_SAN_UPN, PKE_SAN_URI};

    for (size_t i = 0; i < t->from_csr.n; i++)
        if (!kind_of(kinds, PKE_LEN(kinds), t->from_csr.v[i], strlen(t->from_csr.v[i])))
            return bad(fail, "from-csr: \"%s\" is not dns, email, upn or uri", t->from_csr.v[i]);
    return PKE_OK;
}

enum pke_err policy_name_rules_check(const struct policy_template *t, struct pke_fail *fail)
{
    if (check_subject(&t->subject_full, "subject-full", fail) != PKE_OK ||
        check_subject(&t->subject_device, "subject-device", fail) != PKE_OK)
        return PKE_CONFIG;
    for (size_t i = 0; i < t->san.n; i++)
        if (check_san(t->san.v[i], fail) != PKE_OK)
            return prefixed(fail, "san");
    return check_from_csr(t, fail);
}
