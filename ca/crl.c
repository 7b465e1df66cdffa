/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where a CRL is written. */
#include "ca/crl.h"

#include <string.h>

#include "ca/der.h"
#include "ca/oids.h"
#include "ca/text.h"

#define TAG_ENUMERATED  0x0a
#define TAG_CONTEXT_0   0xa0
#define SIGNATURE_ROOM  4096 /* octets: algorithm, signature, lengths */
#define TAG_CRL_NAME_DP 0xa0 /* DistributionPoint.distributionPoint and its fullName are both [0] */

bool ca_crl_reason_valid(unsigned reason)
{
    return reason <= CA_REASON_LAST && reason != 7;
}

/* An INTEGER of a magnitude without leading zero octets. */
static void add_magnitude(struct pke_buf *b, struct pke_bytes magnitude)
{
    size_t mark = ca_der_open(b, CA_DER_INTEGER);

    if (magnitude.n == 0 || magnitude.p[0] & 0x80)
        pke_buf_add_u8(b, 0);
    pke_buf_add_bytes(b, magnitude);
    ca_der_close(b, mark);
}

static void add_number(struct pke_buf *b, int64_t n)
{
    uint8_t octets[8];
    size_t at = 0;

    for (unsigned i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    while (at < sizeof octets - 1 && octets[at] == 0)
        at++;
    add_magnitude(b, PKE_BYTES(octets + at, sizeof octets - at));
}

bool ca_crl_entry_add(struct pke_buf *entries, struct pke_bytes serial, int64_t revoked_at, unsigned reason)
{
    /* SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED } } } */
    uint8_t extension[] = {0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55,
                           0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01, 0x00};
    size_t before = entries->n, mark;

    if (serial.n == 0 || serial.n > CA_CRL_SERIAL_MAX || serial.p[0] == 0 ||
        (serial.n == CA_CRL_SERIAL_MAX && serial.p[0] & 0x80) || !ca_crl_reason_valid(reason))
        return false;
    mark = ca_der_open(entries, CA_DER_SEQUENCE);
    add_magnitude(entries, serial);
    if (!ca_der_add_time(entries, revoked_at)) {
        entries->n = before;
        return false;
    }
    if (reason != CA_REASON_UNSPECIFIED) {
        extension[sizeof extension - 1] = (uint8_t)reason;
        pke_buf_add(entries, extension, sizeof extension);
    }
    ca_der_close(entries, mark);
    return !entries->overflow;
}

struct extension {
    size_t whole, value;
};

static struct extension open_extension(struct pke_buf *b, const char *oid, bool critical)
{
    static const uint8_t yes = 0xff;
    struct extension e = {.whole = ca_der_open(b, CA_DER_SEQUENCE)};

    ca_der_add_oid(b, oid);
    if (critical)
        ca_der_add(b, CA_DER_BOOLEAN, PKE_BYTES(&yes, 1));
    e.value = ca_der_open(b, CA_DER_OCTET_STRING);
    return e;
}

static void close_extension(struct pke_buf *b, struct extension e)
{
    ca_der_close(b, e.value);
    ca_der_close(b, e.whole);
}

/* CRLDistributionPoints with one point that has all names. */
static void add_freshest(struct pke_buf *b, const struct pke_strings *urls)
{
    struct extension e = open_extension(b, OID_FRESHEST_CRL, false);
    size_t list = ca_der_open(b, CA_DER_SEQUENCE), point = ca_der_open(b, CA_DER_SEQUENCE);
    size_t name = ca_der_open(b, TAG_CRL_NAME_DP), full = ca_der_open(b, TAG_CRL_NAME_DP);

    for (size_t i = 0; i < urls->n; i++)
        ca_der_add(b, TAG_SAN_URI, pke_bytes_str(urls->v[i]));
    ca_der_close(b, full);
    ca_der_close(b, name);
    ca_der_close(b, point);
    ca_der_close(b, list);
    close_extension(b, e);
}

static void add_extensions(struct pke_buf *b, const struct ca_issuer *ca, const struct ca_crl_spec *spec)
{
    size_t outer = ca_der_open(b, TAG_CONTEXT_0), list = ca_der_open(b, CA_DER_SEQUENCE), inside;
    struct extension e = open_extension(b, OID_AKI, false);

    inside = ca_der_open(b, CA_DER_SEQUENCE);
    ca_der_add(b, TAG_AKI_KEY_ID, ca_issuer_key_id(ca));
    ca_der_close(b, inside);
    close_extension(b, e);
    e = open_extension(b, OID_CRL_NUMBER, false);
    add_number(b, spec->number);
    close_extension(b, e);
    if (spec->base) {
        e = open_extension(b, OID_DELTA_CRL, true);
        add_number(b, spec->base);
        close_extension(b, e);
    } else if (spec->delta_urls && spec->delta_urls->n) {
        add_freshest(b, spec->delta_urls);
    }
    ca_der_close(b, list);
    ca_der_close(b, outer);
}

static enum pke_err check(const struct ca_crl_spec *spec, struct pke_fail *fail)
{
    if (spec->number < 1)
        return pke_fail_set(fail, PKE_POLICY, "crl-number", "RFC 5280 5.2.3", "the number is not positive");
    if (spec->base < 0 || spec->base >= spec->number)
        return pke_fail_set(fail, PKE_POLICY, "crl-base", "RFC 5280 5.2.4",
                            "the base of a delta has a smaller number");
    if (spec->next_update <= spec->this_update)
        return pke_fail_set(fail, PKE_POLICY, "crl-dates", "RFC 5280 5.1.2.5",
                            "it would end before it begins");
    for (size_t i = 0; spec->delta_urls && i < spec->delta_urls->n; i++)
        if (!ca_text_uri(pke_bytes_str(spec->delta_urls->v[i])))
            return pke_fail_set(fail, PKE_POLICY, "crl-urls", "RFC 5280 5.2.6",
                                "the place of the deltas is not an absolute URI");
    return PKE_OK;
}

/* False when a date has no encoding. */
static bool add_tbs(struct pke_buf *b, const struct ca_issuer *ca, const struct ca_crl_spec *spec)
{
    static const uint8_t v2[] = {CA_DER_INTEGER, 1, 1};
    size_t whole = ca_der_open(b, CA_DER_SEQUENCE);

    pke_buf_add(b, v2, sizeof v2);
    pke_buf_add_bytes(b, ca_issuer_algorithm(ca));
    pke_buf_add_bytes(b, ca_issuer_subject(ca));
    if (!ca_der_add_time(b, spec->this_update) || !ca_der_add_time(b, spec->next_update))
        return false;
    if (spec->entries.n) /* RFC 5280 5.1.2.6: absent when there is nothing */
        ca_der_add(b, CA_DER_SEQUENCE, spec->entries);
    add_extensions(b, ca, spec);
    ca_der_close(b, whole);
    return true;
}

enum pke_err ca_crl_build(const struct ca_issuer *ca, const struct ca_crl_spec *spec, struct pke_buf *out,
                          struct pke_fail *fail)
{
    struct pke_buf b;
    enum pke_err err = check(spec, fail);

    if (err)
        return err;
    pke_buf_init(&b, CA_CRL_MAX - SIGNATURE_ROOM);
    if (!add_tbs(&b, ca, spec))
        err = pke_fail_set(fail, PKE_POLICY, "crl-dates", "RFC 5280 5.1.2.4",
                           "a date is outside the years 1950 to 9999");
    else if (b.overflow || pke_buf_add_bytes(out, pke_buf_bytes(&b)))
        err = pke_fail_set(fail, PKE_LIMIT, "crl-size", "limit", "the CRL exceeds %u octets", CA_CRL_MAX);
    pke_buf_done(&b);
    return err;
}

enum pke_err ca_crl_assemble(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature,
                             struct pke_buf *out)
{
    struct pke_buf b;
    enum pke_err err;
    size_t whole;

    pke_buf_init(&b, CA_CRL_MAX);
    whole = ca_der_open(&b, CA_DER_SEQUENCE);
    pke_buf_add_bytes(&b, tbs);
    pke_buf_add_bytes(&b, ca_issuer_algorithm(ca));
    ca_der_add_bits(&b, signature);
    ca_der_close(&b, whole);
    err = b.overflow ? PKE_LIMIT : pke_buf_add_bytes(out, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return err;
}
