/* SPDX-License-Identifier: Apache-2.0 */
/* What a value of each kind of name may be, and lists of names. */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "policy/names.h"
#include "policy/text.h"

#define DNS_MAX   253
#define LABEL_MAX 63
#define LOCAL_MAX 64
#define UPN_MAX   1024
#define URI_MAX   1024

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static const struct {
    const char *kind;
    unsigned max; /* characters: RFC 5280 A.1, RFC 4519 */
} texts[] = {{PKE_RDN_CN, 64}, {PKE_RDN_O, 64},   {PKE_RDN_OU, 64},
             {PKE_RDN_L, 128}, {PKE_RDN_ST, 128}, {PKE_RDN_UID, 256}};

/* LDH labels (RFC 1123 2.1); the last is not a number. */
static bool dns_valid(const char *s)
{
    const char *last = s;

    if (strlen(s) > DNS_MAX)
        return false;
    for (;;) {
        size_t n = strspn(s, LETTERS DIGITS "-");

        if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
            return false;
        last = s;
        s += n;
        if (*s == '\0')
            return strspn(last, DIGITS) != n;
        if (*s++ != '.')
            return false;
    }
}

static bool email_valid(const char *s)
{
    static const char atom[] = LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~.";
    const char *at = strchr(s, '@');
    size_t n = at ? (size_t)(at - s) : 0;

    return n >= 1 && n <= LOCAL_MAX && strspn(s, atom) == n && s[0] != '.' && at[-1] != '.' &&
           !strstr(s, "..") && dns_valid(at + 1) && strlen(s) <= 254;
}

static bool upn_valid(const char *s)
{
    const char *at = strchr(s, '@');

    return at && at != s && !strchr(at + 1, '@') && !strchr(s, ' ') && strlen(s) <= UPN_MAX &&
           policy_text_valid(s, UPN_MAX) && dns_valid(at + 1);
}

static bool uri_valid(const char *s)
{
    const char *colon = strchr(s, ':');

    if (!colon || colon == s || !colon[1] || strlen(s) > URI_MAX ||
        strspn(s, LETTERS DIGITS "+.-") != (size_t)(colon - s) || !strchr(LETTERS, s[0]))
        return false;
    for (const unsigned char *c = (const unsigned char *)s; *c; c++)
        if (*c <= 0x20 || *c > 0x7e || strchr("\"<>\\^`{|}", *c))
            return false;
    return !policy_is_sid_uri(s);
}

/* "S-1-", an authority below 2^48, 1 to 15 subauthorities below 2^32: decimal without leading zeros. */
static bool sid_valid(const char *s)
{
    unsigned n = 0;

    if (strncmp(s, "S-1-", 4) != 0)
        return false;
    for (s += 4;; n++) {
        size_t len = strspn(s, DIGITS);

        if (len == 0 || len > 15 || (len > 1 && s[0] == '0') ||
            strtoull(s, NULL, 10) > (n ? UINT32_MAX : (1ull << 48) - 1))
            return false;
        s += len;
        if (*s == '\0')
            return n >= 1 && n <= 15;
        if (*s++ != '-')
            return false;
    }
}

bool policy_name_valid(const char *kind, const char *value)
{
    for (size_t i = 0; i < PKE_LEN(texts); i++)
        if (strcmp(kind, texts[i].kind) == 0)
            return policy_text_valid(value, texts[i].max);
    if (!value || !*value)
        return false;
    if (strcmp(kind, PKE_RDN_C) == 0)
        return strlen(value) == 2 && strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 2;
    if (strcmp(kind, PKE_RDN_DC) == 0)
        return strlen(value) <= LABEL_MAX && strspn(value, LETTERS DIGITS "-") == strlen(value) &&
               value[0] != '-' && value[strlen(value) - 1] != '-';
    if (strcmp(kind, PKE_RDN_SERIAL_NUMBER) == 0) /* PrintableString */
        return strlen(value) <= 64 && strspn(value, LETTERS DIGITS " '()+,-./:=?") == strlen(value) &&
               value[0] != ' ' && value[strlen(value) - 1] != ' ';
    if (strcmp(kind, PKE_SAN_DNS) == 0)
        return dns_valid(value);
    if (strcmp(kind, PKE_SAN_EMAIL) == 0)
        return email_valid(value);
    if (strcmp(kind, PKE_SAN_UPN) == 0)
        return upn_valid(value);
    if (strcmp(kind, PKE_SAN_URI) == 0)
        return uri_valid(value);
    if (strcmp(kind, PKE_SAN_GUID) == 0)
        return pke_uuid_valid(value);
    return strcmp(kind, PKE_NAME_SID) == 0 && sid_valid(value);
}

bool policy_is_sid_uri(const char *uri)
{
    return policy_text_starts(uri, PKE_SID_URI_PREFIX);
}

bool policy_name_same(const char *kind, const char *a, const char *b)
{
    if (strcmp(kind, PKE_SAN_DNS) == 0 || strcmp(kind, PKE_SAN_EMAIL) == 0 ||
        strcmp(kind, PKE_SAN_UPN) == 0 || strcmp(kind, PKE_SAN_GUID) == 0)
        return policy_text_same(a, b);
    return strcmp(a, b) == 0;
}

bool policy_names_have(const struct pke_pairs *list, const char *kind, const char *value)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i].name, kind) == 0 && policy_name_same(kind, list->v[i].value, value))
            return true;
    return false;
}

struct pke_pairs policy_names_record(const struct policy_decision *d, struct pke_arena *arena)
{
    struct pke_pairs ret = {0};

    for (size_t i = 0; i < d->subject.n; i++)
        pke_pairs_add(&ret, arena, d->subject.v[i].name, d->subject.v[i].value);
    for (size_t i = 0; i < d->san.n; i++)
        pke_pairs_add(&ret, arena, d->san.v[i].name, d->san.v[i].value);
    if (d->sid)
        pke_pairs_add(&ret, arena, PKE_NAME_SID, d->sid);
    return ret;
}

bool policy_name_is_rdn(const char *kind)
{
    static const char *const others[] = {PKE_RDN_C, PKE_RDN_DC, PKE_RDN_SERIAL_NUMBER};

    for (size_t i = 0; i < PKE_LEN(texts); i++)
        if (strcmp(kind, texts[i].kind) == 0)
            return true;
    for (size_t i = 0; i < PKE_LEN(others); i++)
        if (strcmp(kind, others[i]) == 0)
            return true;
    return false;
}

static bool is_san(const char *kind)
{
    static const char *const kinds[] = {PKE_SAN_DNS, PKE_SAN_EMAIL, PKE_SAN_URI, PKE_SAN_UPN, PKE_SAN_GUID};

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

enum pke_err policy_names_recorded(const struct pke_pairs *names, struct pke_arena *arena,
                                   struct policy_decision *d, struct pke_fail *fail)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct pke_pair *name = &names->v[i];

        if (policy_name_is_rdn(name->name))
            pke_pairs_add(&d->subject, arena, name->name, name->value);
        else if (is_san(name->name))
            pke_pairs_add(&d->san, arena, name->name, name->value);
        else if (strcmp(name->name, PKE_NAME_SID) == 0)
            d->sid = pke_arena_strdup(arena, name->value);
        else
            return pke_fail_set(fail, PKE_RENEW_INELIGIBLE, "renew-record", "ledger",
                                "the record has a name of an unknown kind");
    }
    d->subject_cn = pke_pairs_get(&d->subject, PKE_RDN_CN);
    return d->subject_cn ? PKE_OK
                         : pke_fail_set(fail, PKE_RENEW_INELIGIBLE, "renew-record", "ledger",
                                        "the record has no common name");
}
