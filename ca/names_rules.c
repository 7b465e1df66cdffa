/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of names, and what a value of each may be. */
#include "ca/names_rules.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"
#include "ca/oids.h"
#include "ca/text.h"

#define LABEL_MAX       63
#define DNS_MAX         253
#define LOCAL_PART_MAX  64
#define EMAIL_MAX       254
#define SUBAUTHORITIES  15
#define AUTHORITY_LIMIT (1ull << 48)

static const struct ca_rdn_kind rdn_kinds[] = {
    {PKE_RDN_CN, OID_COMMON_NAME, CA_DER_UTF8, CA_CN_MAX, false, "RFC 5280 A.1 ub-common-name"},
    {PKE_RDN_O, "2.5.4.10", CA_DER_UTF8, 64, false, "RFC 5280 A.1 ub-organization-name"},
    {PKE_RDN_OU, "2.5.4.11", CA_DER_UTF8, 64, true, "RFC 5280 A.1 ub-organizational-unit-name"},
    {PKE_RDN_L, "2.5.4.7", CA_DER_UTF8, 128, false, "RFC 5280 A.1 ub-locality-name"},
    {PKE_RDN_ST, "2.5.4.8", CA_DER_UTF8, 128, false, "RFC 5280 A.1 ub-state-name"},
    {PKE_RDN_C, "2.5.4.6", CA_DER_PRINTABLE, 2, false, "RFC 5280 A.1 X520countryName"},
    {PKE_RDN_DC, "0.9.2342.19200300.100.1.25", CA_DER_IA5, LABEL_MAX, true, "RFC 4519 2.4"},
    {PKE_RDN_SERIAL_NUMBER, "2.5.4.5", CA_DER_PRINTABLE, 64, false, "RFC 5280 A.1 ub-serial-number"},
    {PKE_RDN_UID, "0.9.2342.19200300.100.1.1", CA_DER_UTF8, 256, false, "RFC 4519 2.39"},
};

static const struct ca_san_kind san_kinds[] = {
    {PKE_SAN_DNS, TAG_SAN_DNS, NULL, 0},
    {PKE_SAN_EMAIL, TAG_SAN_EMAIL, NULL, 0},
    {PKE_SAN_URI, TAG_SAN_URI, NULL, 0},
    {PKE_SAN_UPN, TAG_SAN_OTHER, OID_UPN, CA_DER_UTF8},
    {PKE_SAN_GUID, TAG_SAN_OTHER, OID_GUID, CA_DER_OCTET_STRING},
};

const struct ca_rdn_kind *ca_rdn_kind(const char *kind)
{
    for (size_t i = 0; i < PKE_LEN(rdn_kinds); i++)
        if (strcmp(rdn_kinds[i].kind, kind) == 0)
            return &rdn_kinds[i];
    return NULL;
}

const struct ca_rdn_kind *ca_rdn_kind_of_oid(struct pke_bytes oid)
{
    char dotted[80];

    if (pke_oid_decode(oid, dotted, sizeof dotted))
        for (size_t i = 0; i < PKE_LEN(rdn_kinds); i++)
            if (strcmp(rdn_kinds[i].oid, dotted) == 0)
                return &rdn_kinds[i];
    return NULL;
}

const struct ca_san_kind *ca_san_kind(const char *kind)
{
    for (size_t i = 0; i < PKE_LEN(san_kinds); i++)
        if (strcmp(san_kinds[i].kind, kind) == 0)
            return &san_kinds[i];
    return NULL;
}

const struct ca_san_kind *ca_san_kind_of_tag(uint8_t tag)
{
    for (size_t i = 0; i < PKE_LEN(san_kinds); i++)
        if (!san_kinds[i].oid && san_kinds[i].tag == tag)
            return &san_kinds[i];
    return NULL;
}

const struct ca_san_kind *ca_san_kind_of_other(struct pke_bytes type_oid)
{
    char dotted[80];

    if (pke_oid_decode(type_oid, dotted, sizeof dotted))
        for (size_t i = 0; i < PKE_LEN(san_kinds); i++)
            if (san_kinds[i].oid && strcmp(san_kinds[i].oid, dotted) == 0)
                return &san_kinds[i];
    return NULL;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool only(struct pke_bytes v, const char *others)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_letter(v.p[i]) && !is_digit(v.p[i]) && (v.p[i] == 0 || !strchr(others, v.p[i])))
            return false;
    return true;
}

static bool is_label(struct pke_bytes v)
{
    return v.n > 0 && v.n <= LABEL_MAX && only(v, "-") && v.p[0] != '-' && v.p[v.n - 1] != '-';
}

bool ca_dns_valid(struct pke_bytes text)
{
    struct pke_bytes label = {NULL, 0};
    bool digits = true;

    if (text.n == 0 || text.n > DNS_MAX)
        return false;
    for (size_t at = 0; at <= text.n; at += label.n + 1) {
        const uint8_t *dot = at < text.n ? memchr(text.p + at, '.', text.n - at) : NULL;

        label = PKE_BYTES(text.p + at, dot ? (size_t)(dot - text.p) - at : text.n - at);
        if (!is_label(label))
            return false;
    }
    for (size_t i = 0; i < label.n; i++)
        digits = digits && is_digit(label.p[i]);
    return !digits; /* RFC 1123 2.1: what ends with a number would be an address */
}

/* Split at the only "@". */
static bool split_at(struct pke_bytes v, struct pke_bytes *local, struct pke_bytes *domain)
{
    const uint8_t *at = v.n ? memchr(v.p, '@', v.n) : NULL;

    if (!at)
        return false;
    *local = PKE_BYTES(v.p, (size_t)(at - v.p));
    *domain = PKE_BYTES(at + 1, v.n - local->n - 1);
    return local->n > 0 && ca_dns_valid(*domain); /* which has no "@" in it */
}

/* RFC 5321 4.1.2 Mailbox without the quoted form. */
static bool is_email(struct pke_bytes v)
{
    struct pke_bytes local, domain;

    if (!split_at(v, &local, &domain) || local.n > LOCAL_PART_MAX || !only(local, "!#$%&'*+-/=?^_`{|}~.") ||
        local.p[0] == '.' || local.p[local.n - 1] == '.')
        return false;
    for (size_t i = 1; i < local.n; i++)
        if (local.p[i] == '.' && local.p[i - 1] == '.')
            return false;
    return true;
}

static bool is_upn(struct pke_bytes v)
{
    struct pke_bytes local, domain;

    return ca_text_plain(v, NULL) && split_at(v, &local, &domain) && !memchr(local.p, ' ', local.n);
}

/* A decimal number below @p limit without leading zeros; the cursor stands behind it. */
static bool take_number(struct pke_cursor *c, uint64_t limit)
{
    const uint8_t *start = c->p;
    uint64_t n = 0;

    for (; c->p < c->end && is_digit(*c->p); c->p++)
        if ((n = n * 10 + (*c->p - '0')) >= limit)
            return false;
    return c->p > start && (*start != '0' || c->p == start + 1);
}

bool ca_sid_valid(struct pke_bytes text)
{
    static const char head[] = "S-1-";
    struct pke_cursor c = pke_cursor_of(text);
    struct pke_bytes start;
    unsigned n = 0;
    uint8_t dash;

    if (!pke_take(&c, sizeof head - 1, &start) || !pke_bytes_eq_str(start, head) ||
        !take_number(&c, AUTHORITY_LIMIT))
        return false;
    for (; pke_cursor_left(&c) > 0; n++)
        if (n == SUBAUTHORITIES || !pke_take_u8(&c, &dash) || dash != '-' || !take_number(&c, 1ull << 32))
            return false;
    return n > 0;
}

bool ca_is_sid_uri(struct pke_bytes uri)
{
    static const char prefix[] = PKE_SID_URI_PREFIX;

    return uri.n >= sizeof prefix - 1 && strncasecmp((const char *)uri.p, prefix, sizeof prefix - 1) == 0;
}

struct pke_bytes ca_sid_of_uri(struct pke_bytes uri)
{
    static const char prefix[] = PKE_SID_URI_PREFIX;
    const size_t n = sizeof prefix - 1;
    struct pke_bytes sid = {NULL, 0};

    if (uri.n > n && memcmp(uri.p, prefix, n) == 0)
        sid = PKE_BYTES(uri.p + n, uri.n - n);
    return ca_sid_valid(sid) ? sid : PKE_BYTES(NULL, 0);
}

static bool is_uri(struct pke_bytes v)
{
    return ca_text_uri(v) && (!ca_is_sid_uri(v) || ca_sid_of_uri(v).n > 0);
}

static bool is_guid(struct pke_bytes v)
{
    char text[PKE_UUID_LEN + 1] = {0};

    if (v.n != PKE_UUID_LEN || memchr(v.p, 0, v.n))
        return false;
    memcpy(text, v.p, v.n);
    return pke_uuid_valid(text);
}

static enum pke_err bad_length(const char *kind, unsigned max, enum pke_err err, const char *rule,
                               struct pke_fail *fail)
{
    return pke_fail_set(fail, err, "name-length", rule, "%s is empty or longer than %u", kind, max);
}

static enum pke_err bad_characters(const char *kind, enum pke_err err, const char *rule,
                                   struct pke_fail *fail)
{
    return pke_fail_set(fail, err, "name-characters", rule, "the value is not one of the kind %s", kind);
}

static bool rdn_characters(const struct ca_rdn_kind *k, struct pke_bytes v, size_t *chars)
{
    *chars = v.n;
    switch (k->tag) {
    case CA_DER_UTF8:
        return ca_text_plain(v, chars);
    case CA_DER_IA5:
        return v.n > k->max || v.n == 0 || is_label(v);
    default:
        if (strcmp(k->kind, PKE_RDN_C) != 0)
            return only(v, " '()+,-./:=?");
        for (size_t i = 0; i < v.n; i++)
            if (v.p[i] < 'A' || v.p[i] > 'Z')
                return false;
        return v.n != 1;
    }
}

enum pke_err ca_rdn_value(const struct ca_rdn_kind *k, struct pke_bytes value, enum pke_err err,
                          struct pke_fail *fail)
{
    size_t chars;

    if (!rdn_characters(k, value, &chars))
        return bad_characters(k->kind, err, k->rule, fail);
    return chars > 0 && chars <= k->max ? PKE_OK : bad_length(k->kind, k->max, err, k->rule, fail);
}

enum pke_err ca_san_value(const struct ca_san_kind *k, struct pke_bytes value, enum pke_err err,
                          struct pke_fail *fail)
{
    static const struct {
        const char *kind, *rule;
        size_t max;
        bool (*is)(struct pke_bytes v);
    } rules[] = {
        {PKE_SAN_DNS, "RFC 5280 4.2.1.6 dNSName", DNS_MAX, ca_dns_valid},
        {PKE_SAN_EMAIL, "RFC 5280 4.2.1.6 rfc822Name", EMAIL_MAX, is_email},
        {PKE_SAN_URI, "RFC 5280 4.2.1.6 uniformResourceIdentifier", CA_URI_MAX, is_uri},
        {PKE_SAN_UPN, "MS-WCCE 2.2.2.7.7", CA_UPN_MAX, is_upn},
        {PKE_SAN_GUID, "MS-WCCE 2.2.2.7.7", PKE_UUID_LEN, is_guid},
    };

    for (size_t i = 0; i < PKE_LEN(rules); i++) {
        if (strcmp(rules[i].kind, k->kind) != 0)
            continue;
        if (value.n == 0 || value.n > rules[i].max)
            return bad_length(k->kind, (unsigned)rules[i].max, err, rules[i].rule, fail);
        return rules[i].is(value) ? PKE_OK : bad_characters(k->kind, err, rules[i].rule, fail);
    }
    return pke_fail_set(fail, PKE_INTERNAL, "name-kind", "table", "no rule for the kind %s", k->kind);
}

enum pke_err ca_subject_list(const struct pke_pairs *subject, enum pke_err err, struct pke_fail *fail)
{
    if (subject->n > CA_NAMES_MAX_RDN)
        return pke_fail_set(fail, err, "name-count", "limit", "more than %u attributes in the subject",
                            CA_NAMES_MAX_RDN);
    for (size_t i = 0; i < subject->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(subject->v[i].name, subject->v[k].name) == 0 &&
                !ca_rdn_kind(subject->v[i].name)->repeats)
                return pke_fail_set(fail, err, "name-repeated", "one meaning",
                                    "the subject has two of the kind %s", subject->v[i].name);
    return PKE_OK;
}

enum pke_err ca_san_list(const struct pke_pairs *san, enum pke_err err, struct pke_fail *fail)
{
    if (san->n == 0 || san->n > CA_NAMES_MAX_SAN)
        return pke_fail_set(fail, err, "name-count", "RFC 5280 4.2.1.6",
                            "no alternative name, or more than %u", CA_NAMES_MAX_SAN);
    for (size_t i = 0; i < san->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(san->v[i].name, san->v[k].name) == 0 &&
                strcasecmp(san->v[i].value, san->v[k].value) == 0)
                return pke_fail_set(fail, err, "name-repeated", "one meaning",
                                    "an alternative name of the kind %s is there twice", san->v[i].name);
    return PKE_OK;
}

void ca_guid_text(const uint8_t raw[16], char text[37])
{
    static const uint8_t from[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    char *at = text;

    for (size_t i = 0; i < sizeof from; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        pke_hex(PKE_BYTES(&raw[from[i]], 1), false, at);
        at += 2;
    }
}

void ca_guid_raw(const char *text, uint8_t raw[16])
{
    static const uint8_t to[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (size_t i = 0; i < sizeof to; i++) {
        size_t one = 1;

        if (*text == '-')
            text++;
        if (!pke_hex_decode(PKE_BYTES(text, 2), &raw[to[i]], &one))
            raw[to[i]] = 0; /* not reached: pke_uuid_valid() came before */
        text += 2;
    }
}
