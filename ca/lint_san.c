/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over alternative names and the security identifier. The syntax of each kind is written down here
 * once more, apart from the builder's (ca/names_rules.c). */
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/names.h"
#include "ca/lint_rules.h"
#include "ca/oids.h"
#include "ca/text.h"

static const struct kind {
    const char *kind;
    uint8_t tag;
    const char *oid; /* type of an otherName */
    uint8_t inner;   /* tag of its value */
} kinds[] = {
    {PKE_SAN_EMAIL, TAG_SAN_EMAIL, NULL, 0},
    {PKE_SAN_DNS, TAG_SAN_DNS, NULL, 0},
    {PKE_SAN_URI, TAG_SAN_URI, NULL, 0},
    {PKE_SAN_UPN, TAG_SAN_OTHER, OID_UPN, CA_DER_UTF8},
    {PKE_SAN_GUID, TAG_SAN_OTHER, OID_GUID, CA_DER_OCTET_STRING},
};

struct name {
    struct pke_bytes whole, value; /* of an otherName: the value in it */
    const struct kind *kind;       /* NULL: none that we issue */
};

/* [0] { OBJECT IDENTIFIER, [0] EXPLICIT value } */
static bool read_other(struct pke_bytes content, char dotted[80], struct ca_der *value)
{
    struct pke_cursor c = pke_cursor_of(content), inside;
    struct ca_der type;

    return ca_der_take_tag(&c, CA_DER_OID, &type) && pke_oid_decode(type.value, dotted, 80) &&
           ca_der_enter(&c, CA_DER_CONTEXT_0, &inside) && pke_cursor_left(&c) == 0 &&
           ca_der_take(&inside, value) && pke_cursor_left(&inside) == 0;
}

static const struct kind *kind_of(const struct ca_der *e, struct pke_bytes *value)
{
    struct ca_der inner = {0};
    char dotted[80] = "";

    *value = e->value;
    if (e->tag == TAG_SAN_OTHER) {
        if (!read_other(e->value, dotted, &inner))
            return NULL;
        *value = inner.value;
    }
    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (kinds[i].tag == e->tag &&
            (!kinds[i].oid || (strcmp(kinds[i].oid, dotted) == 0 && kinds[i].inner == inner.tag)))
            return &kinds[i];
    return NULL;
}

static bool next(struct pke_cursor *list, struct name *ret)
{
    struct ca_der e;

    if (!ca_der_take(list, &e))
        return false;
    ret->whole = e.full;
    ret->kind = kind_of(&e, &ret->value);
    return true;
}

static bool has_san(const struct lint *l)
{
    return ca_tbs_find(&l->tbs, OID_SAN) != NULL;
}

bool lint_san_structure(const struct lint *l)
{
    struct pke_cursor list;
    struct ca_der e;
    size_t n = 0;

    if (!has_san(l))
        return true;
    if (!lint_list(l, OID_SAN, &list))
        return false;
    for (; ca_der_take(&list, &e); n++)
        if ((e.tag & 0xc0) != 0x80) /* every GeneralName is context specific */
            return false;
    return n > 0 && pke_cursor_left(&list) == 0;
}

bool lint_san_known(const struct lint *l)
{
    struct pke_cursor list;
    struct name n;

    if (!lint_list(l, OID_SAN, &list))
        return !has_san(l);
    while (next(&list, &n))
        if (!n.kind)
            return false;
    return true;
}

static bool each(const struct lint *l, const char *kind, bool (*holds)(struct pke_bytes v))
{
    struct pke_cursor list;
    struct name n;

    if (!lint_list(l, OID_SAN, &list))
        return !has_san(l);
    while (next(&list, &n))
        if (strcmp(n.kind->kind, kind) == 0 && !holds(n.value))
            return false;
    return true;
}

static bool ldh(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

bool lint_host(struct pke_bytes name)
{
    size_t label = 0;

    if (name.n == 0 || name.n > 253)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i], before = i ? name.p[i - 1] : '.';

        if (c == '.' ? label == 0 || before == '-' : !ldh(c) || (c == '-' && before == '.'))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0 && name.p[name.n - 1] != '-';
}

static bool is_dns(struct pke_bytes v)
{
    size_t i = v.n;

    if (!lint_host(v))
        return false;
    while (i > 0 && v.p[i - 1] >= '0' && v.p[i - 1] <= '9')
        i--;
    return i > 0 && v.p[i - 1] != '.'; /* RFC 1123 2.1: otherwise it reads as an address */
}

bool lint_san_dns(const struct lint *l)
{
    return each(l, PKE_SAN_DNS, is_dns);
}

/* Where the only "@" stands; 0 when there is none, another one, or nothing before it. */
static size_t at_sign(struct pke_bytes v)
{
    const uint8_t *at = v.n ? memchr(v.p, '@', v.n) : NULL;
    size_t i = at ? (size_t)(at - v.p) : 0;

    return i > 0 && !memchr(at + 1, '@', v.n - i - 1) ? i : 0;
}

static bool host_after(struct pke_bytes v, size_t at)
{
    return is_dns(PKE_BYTES(v.p + at + 1, v.n - at - 1));
}

static bool is_email(struct pke_bytes v)
{
    static const char atext[] = "!#$%&'*+-/=?^_`{|}~";
    size_t at = at_sign(v);
    uint8_t before = '.';

    if (at == 0 || at > 64 || v.n > 254 || !host_after(v, at))
        return false;
    for (size_t i = 0; i < at; before = v.p[i++])
        if (v.p[i] == '.' ? before == '.' : !ldh(v.p[i]) && !memchr(atext, v.p[i], sizeof atext - 1))
            return false;
    return before != '.';
}

bool lint_san_email(const struct lint *l)
{
    return each(l, PKE_SAN_EMAIL, is_email);
}

static bool is_uri(struct pke_bytes v)
{
    static const char prefix[] = PKE_SID_URI_PREFIX;
    const size_t n = sizeof prefix - 1;

    if (!ca_text_uri(v))
        return false;
    if (v.n < n || strncasecmp((const char *)v.p, prefix, n) != 0)
        return true;
    return memcmp(v.p, prefix, n) == 0 && lint_sid_text(PKE_BYTES(v.p + n, v.n - n));
}

bool lint_san_uri(const struct lint *l)
{
    return each(l, PKE_SAN_URI, is_uri);
}

static bool is_upn(struct pke_bytes v)
{
    size_t at = at_sign(v);

    return at > 0 && v.n <= 1024 && ca_text_plain(v, NULL) && !memchr(v.p, ' ', at) && host_after(v, at);
}

bool lint_san_upn(const struct lint *l)
{
    return each(l, PKE_SAN_UPN, is_upn);
}

static bool is_guid(struct pke_bytes v)
{
    return v.n == 16;
}

bool lint_san_guid(const struct lint *l)
{
    return each(l, PKE_SAN_GUID, is_guid);
}

bool lint_san_unique(const struct lint *l)
{
    struct pke_cursor list, before;
    struct name a, b;

    if (!lint_list(l, OID_SAN, &list))
        return !has_san(l);
    while (next(&list, &a)) {
        (void)lint_list(l, OID_SAN, &before);
        while (next(&before, &b) && b.whole.p != a.whole.p)
            if (a.kind == b.kind && a.value.n == b.value.n &&
                strncasecmp((const char *)a.value.p, (const char *)b.value.p, a.value.n) == 0)
                return false;
    }
    return true;
}

bool lint_san_critical(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_SAN);
    bool empty = l->tbs.subject.n == 2; /* 30 00 */

    return e ? e->critical == empty : !empty;
}

/* Windows shows the first three groups of a GUID as little-endian numbers. */
static bool same_guid(struct pke_bytes raw, const char *text)
{
    static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    char hex[33], plain[33];
    size_t n = 0;

    for (; *text; text++)
        if (*text != '-' && n < sizeof plain - 1)
            plain[n++] = *text;
    plain[n] = '\0';
    for (size_t i = 0; i < sizeof order; i++)
        pke_hex(PKE_BYTES(&raw.p[order[i]], 1), false, hex + 2 * i);
    return strcasecmp(hex, plain) == 0;
}

static bool same(const struct name *n, const struct pke_pair *want)
{
    if (strcmp(n->kind->kind, want->name) != 0)
        return false;
    if (strcmp(want->name, PKE_SAN_GUID) == 0)
        return same_guid(n->value, want->value);
    return pke_bytes_eq_str(n->value, want->value);
}

bool lint_san_decided(const struct lint *l)
{
    const struct pke_pairs *want = l->ctx->decision->san;
    struct pke_cursor list;
    struct name n;
    size_t i = 0;

    if (lint_list(l, OID_SAN, &list))
        for (; next(&list, &n); i++)
            if (!want || i >= want->n || !same(&n, &want->v[i]))
                return false;
    return i == (want ? want->n : 0);
}

/* ---- the security identifier ---- */

/* Digits without a leading zero; where they end. */
static size_t number_end(struct pke_bytes v, size_t i)
{
    size_t start = i;

    while (i < v.n && v.p[i] >= '0' && v.p[i] <= '9')
        i++;
    return i == start || i - start > 15 || (v.p[start] == '0' && i - start > 1) ? start : i;
}

bool lint_sid_text(struct pke_bytes sid)
{
    unsigned numbers = 0;
    size_t i = 4, end;

    if (sid.n < 5 || memcmp(sid.p, "S-1-", 4) != 0)
        return false;
    while ((end = number_end(sid, i)) > i) {
        numbers++;
        if (end == sid.n)
            return numbers >= 2 && numbers <= 16; /* the authority and 1 to 15 below it */
        if (sid.p[end] != '-')
            return false;
        i = end + 1;
    }
    return false;
}

/* SEQUENCE { [0] { 1.3.6.1.4.1.311.25.2.1, [0] { OCTET STRING } } } */
static bool read_sid(const struct lint *l, struct pke_bytes *sid)
{
    struct pke_cursor list;
    struct ca_der other, value;
    char dotted[80];

    if (!lint_list(l, OID_SID, &list) || !ca_der_take_tag(&list, TAG_SAN_OTHER, &other) ||
        pke_cursor_left(&list) > 0 || !read_other(other.value, dotted, &value) ||
        strcmp(dotted, OID_SID_IN_OTHER) != 0 || value.tag != CA_DER_OCTET_STRING)
        return false;
    *sid = value.value;
    return true;
}

bool lint_sid_syntax(const struct lint *l)
{
    struct pke_bytes sid;

    return !ca_tbs_find(&l->tbs, OID_SID) || (read_sid(l, &sid) && lint_sid_text(sid));
}

/* An account by URI and one by extension are the same account. */
bool lint_sid_consistent(const struct lint *l)
{
    const size_t n = sizeof PKE_SID_URI_PREFIX - 1;
    struct pke_bytes sid, other = {NULL, 0};
    bool extension = read_sid(l, &sid);
    struct pke_cursor list;
    struct name a;

    if (!lint_list(l, OID_SAN, &list))
        return true;
    while (next(&list, &a)) {
        if (a.kind->tag != TAG_SAN_URI || a.value.n < n || memcmp(a.value.p, PKE_SID_URI_PREFIX, n) != 0)
            continue;
        if (other.n) /* two accounts */
            return false;
        other = PKE_BYTES(a.value.p + n, a.value.n - n);
    }
    return !extension || other.n == 0 || pke_bytes_eq(sid, other);
}

/* The bytes' names, by the decoder that the floor uses, too: what verifiers will hold against the CA. */
bool lint_constraints(const struct lint *l)
{
    struct pke_arena *arena = pke_arena_new();
    struct ca_names names;
    bool kept = ca_names_decode(&l->tbs, arena, &names, NULL) == PKE_OK &&
                ca_issuer_check_names(l->ctx->issuer, &names, NULL) == PKE_OK;

    pke_arena_free(arena);
    return kept;
}

bool lint_sid_decided(const struct lint *l)
{
    const char *want = l->ctx->decision->sid;
    struct pke_bytes sid;

    if (!want)
        return !ca_tbs_find(&l->tbs, OID_SID);
    return read_sid(l, &sid) && pke_bytes_eq_str(sid, want);
}
