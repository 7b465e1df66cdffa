/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/der.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"

#define MAX_DEPTH 24

bool ca_der_take(struct pke_cursor *c, struct ca_der *ret)
{
    struct pke_cursor at = *c;
    uint8_t tag, first, octet;
    size_t n = 0;

    if (!pke_take_u8(&at, &tag) || (tag & 0x1f) == 0x1f || !pke_take_u8(&at, &first))
        return false;
    if (first < 0x80) {
        n = first;
    } else {
        /* X.690 10.1: definite, in the fewest octets. 0x80 is the indefinite form; four octets are plenty. */
        if (first == 0x80 || first > 0x84)
            return false;
        for (unsigned i = first & 0x7f; i > 0; i--) {
            if (!pke_take_u8(&at, &octet) || (n == 0 && octet == 0))
                return false;
            n = n << 8 | octet;
        }
        if (n < 0x80)
            return false;
    }
    ret->tag = tag;
    if (!pke_take(&at, n, &ret->value))
        return false;
    ret->full = PKE_BYTES(c->p, (size_t)(at.p - c->p));
    *c = at;
    return true;
}

bool ca_der_take_tag(struct pke_cursor *c, uint8_t tag, struct ca_der *ret)
{
    return pke_cursor_left(c) > 0 && *c->p == tag && ca_der_take(c, ret);
}

bool ca_der_enter(struct pke_cursor *c, uint8_t tag, struct pke_cursor *inside)
{
    struct ca_der e;

    if (!ca_der_take_tag(c, tag, &e))
        return false;
    *inside = pke_cursor_of(e.value);
    return true;
}

bool ca_der_whole(struct pke_bytes b, uint8_t tag, struct ca_der *ret)
{
    struct pke_cursor c = pke_cursor_of(b);

    return ca_der_take_tag(&c, tag, ret) && pke_cursor_left(&c) == 0;
}

static bool integer_minimal(struct pke_bytes v)
{
    if (v.n == 0)
        return false;
    /* X.690 8.3.2: the first nine bits are not all equal */
    return v.n == 1 || !((v.p[0] == 0x00 && v.p[1] < 0x80) || (v.p[0] == 0xff && v.p[1] >= 0x80));
}

static bool bit_string_canonical(struct pke_bytes v)
{
    if (v.n == 0 || v.p[0] > 7 || (v.n == 1 && v.p[0] != 0))
        return false;
    return (v.p[v.n - 1] & ((1u << v.p[0]) - 1)) == 0 || v.n == 1; /* X.690 11.2.1: unused bits are zero */
}

static bool oid_canonical(struct pke_bytes v)
{
    bool start = true;

    for (size_t i = 0; i < v.n; i++) {
        if (start && v.p[i] == 0x80)
            return false;
        start = !(v.p[i] & 0x80);
    }
    return v.n > 0 && start;
}

static bool primitive_canonical(uint8_t tag, struct pke_bytes v)
{
    switch (tag) {
    case CA_DER_BOOLEAN:
        return v.n == 1 && (v.p[0] == 0x00 || v.p[0] == 0xff);
    case CA_DER_INTEGER:
    case 0x0a: /* ENUMERATED */
        return integer_minimal(v);
    case CA_DER_BIT_STRING:
        return bit_string_canonical(v);
    case CA_DER_NULL:
        return v.n == 0;
    case CA_DER_OID:
        return oid_canonical(v);
    case CA_DER_OCTET_STRING:
    case CA_DER_UTF8:
    case 0x12: /* NumericString, and on: the character strings and times of X.509 names and dates */
    case CA_DER_PRINTABLE:
    case 0x14:
    case CA_DER_IA5:
    case CA_DER_UTC_TIME:
    case CA_DER_GENERALIZED_TIME:
    case 0x1a:
    case 0x1b:
    case 0x1c:
    case 0x1e:
        return true;
    default:
        return (tag & 0xc0) != 0; /* implicitly tagged: its type is the reader's business */
    }
}

static bool strict_content(struct pke_cursor c, unsigned depth)
{
    struct ca_der e;

    while (pke_cursor_left(&c) > 0) {
        if (!ca_der_take(&c, &e))
            return false;
        if (!(e.tag & 0x20)) {
            if (!primitive_canonical(e.tag, e.value))
                return false;
            continue;
        }
        if ((e.tag & 0xc0) == 0 && e.tag != CA_DER_SEQUENCE && e.tag != CA_DER_SET)
            return false; /* a string in pieces (X.690 10.2) */
        if (depth == 0 || !strict_content(pke_cursor_of(e.value), depth - 1))
            return false;
    }
    return true;
}

bool ca_der_strict(struct pke_bytes b)
{
    struct pke_cursor c = pke_cursor_of(b);
    struct ca_der e;

    return ca_der_take(&c, &e) && pke_cursor_left(&c) == 0 && strict_content(pke_cursor_of(b), MAX_DEPTH);
}

bool ca_der_sorted(struct pke_cursor set)
{
    struct pke_bytes last = {NULL, 0};
    struct ca_der e;

    while (pke_cursor_left(&set) > 0) {
        size_t same;

        if (!ca_der_take(&set, &e))
            return false;
        same = last.n < e.full.n ? last.n : e.full.n;
        /* Two encodings of which one begins the other are the same one: the length says where it ends. */
        if (same > 0 && memcmp(last.p, e.full.p, same) > 0)
            return false;
        last = e.full;
    }
    return true;
}

bool ca_der_positive(struct pke_bytes integer, struct pke_bytes *magnitude)
{
    if (integer.n == 0 || integer.p[0] & 0x80)
        return false;
    *magnitude = integer.p[0] == 0 ? PKE_BYTES(integer.p + 1, integer.n - 1) : integer;
    return magnitude->n > 0;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool digits(const uint8_t **p, unsigned count, unsigned *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < count; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(**p - '0');
    }
    return true;
}

bool ca_der_time(const struct ca_der *e, int64_t *seconds)
{
    bool utc = e->tag == CA_DER_UTC_TIME;
    const uint8_t *p = e->value.p;
    unsigned year, month, day, hour, minute, second;

    if (!(utc && e->value.n == 13) && !(e->tag == CA_DER_GENERALIZED_TIME && e->value.n == 15))
        return false;
    if (!digits(&p, utc ? 2 : 4, &year) || !digits(&p, 2, &month) || !digits(&p, 2, &day) ||
        !digits(&p, 2, &hour) || !digits(&p, 2, &minute) || !digits(&p, 2, &second) || *p != 'Z')
        return false;
    if (utc)
        year += year < 50 ? 2000 : 1900;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    *seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

size_t ca_der_open(struct pke_buf *b, uint8_t tag)
{
    pke_buf_add_u8(b, tag);
    return b->n;
}

void ca_der_close(struct pke_buf *b, size_t mark)
{
    uint8_t length[5];
    size_t n = b->n - mark, octets = 0;

    if (b->overflow)
        return;
    if (n < 0x80) {
        length[octets++] = (uint8_t)n;
    } else {
        unsigned count = n > 0xffffff ? 4 : n > 0xffff ? 3 : n > 0xff ? 2 : 1;

        length[octets++] = (uint8_t)(0x80 | count);
        while (count-- > 0)
            length[octets++] = (uint8_t)(n >> (8 * count));
    }
    if (!pke_buf_extend(b, octets))
        return;
    memmove(b->p + mark + octets, b->p + mark, n);
    memcpy(b->p + mark, length, octets);
}

void ca_der_add(struct pke_buf *b, uint8_t tag, struct pke_bytes value)
{
    size_t mark = ca_der_open(b, tag);

    pke_buf_add_bytes(b, value);
    ca_der_close(b, mark);
}

void ca_der_add_bits(struct pke_buf *b, struct pke_bytes value)
{
    size_t mark = ca_der_open(b, CA_DER_BIT_STRING);

    pke_buf_add_u8(b, 0);
    pke_buf_add_bytes(b, value);
    ca_der_close(b, mark);
}

bool ca_der_add_oid(struct pke_buf *b, const char *dotted)
{
    uint8_t der[PKE_OID_DER_MAX];
    size_t n = sizeof der;

    if (!pke_oid_encode(dotted, der, &n))
        return false;
    ca_der_add(b, CA_DER_OID, PKE_BYTES(der, n));
    return true;
}

bool ca_der_add_time(struct pke_buf *b, int64_t seconds)
{
    const int64_t first = days_of(1950, 1, 1), last = days_of(10000, 1, 1), change = days_of(2050, 1, 1);
    int64_t day = seconds / 86400, rest = seconds % 86400;
    unsigned year = 1950, month = 1;
    char text[32];

    if (rest < 0)
        rest += 86400, day--;
    if (day < first || day >= last)
        return false;
    year += (unsigned)((day - first) / 366); /* never past the year sought; the loop closes the gap */
    while (days_of(year + 1, 1, 1) <= day)
        year++;
    while (month < 12 && days_of(year, month + 1, 1) <= day)
        month++;
    snprintf(text, sizeof text, "%04u%02u%02u%02u%02u%02uZ", year, month,
             (unsigned)(day - days_of(year, month, 1)) + 1, (unsigned)(rest / 3600),
             (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
    if (day < change)
        ca_der_add(b, CA_DER_UTC_TIME, pke_bytes_str(text + 2));
    else
        ca_der_add(b, CA_DER_GENERALIZED_TIME, pke_bytes_str(text));
    return true;
}
