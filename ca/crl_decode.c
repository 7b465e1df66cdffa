/* SPDX-License-Identifier: Apache-2.0 */
/* CRLs read: a strict cursor of our own, for lint, floor, and what stands in the publish folder. */
#include <string.h>

#include "base/encode.h"
#include "ca/cert.h"
#include "ca/crl.h"
#include "ca/der.h"
#include "ca/oids.h"

#define TAG_ENUMERATED 0x0a
#define TAG_CONTEXT_0  0xa0

static enum pke_err structure(struct pke_fail *fail, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "crl-structure", rule, "%s has the wrong structure", what);
}

/* A positive INTEGER of at most 63 bits; false otherwise. */
static bool small_number(struct pke_bytes value, int64_t *ret)
{
    struct pke_bytes m;
    struct ca_der e;

    if (!ca_der_whole(value, CA_DER_INTEGER, &e) || !ca_der_positive(e.value, &m) || m.n > 8 ||
        (m.n == 8 && m.p[0] & 0x80))
        return false;
    *ret = 0;
    for (size_t i = 0; i < m.n; i++)
        *ret = *ret << 8 | m.p[i];
    return true;
}

static bool key_id(struct pke_bytes value, struct pke_bytes *ret)
{
    struct pke_cursor whole = pke_cursor_of(value), inside;
    struct ca_der id;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0 ||
        !ca_der_take_tag(&inside, TAG_AKI_KEY_ID, &id) || pke_cursor_left(&inside) > 0)
        return false;
    *ret = id.value;
    return true;
}

static enum pke_err take_known(struct ca_crl *crl, const struct ca_crl_extension *e, struct pke_fail *fail)
{
    if (strcmp(e->oid, OID_CRL_NUMBER) == 0 && !small_number(e->value, &crl->number))
        return structure(fail, "RFC 5280 5.2.3", "the CRL number");
    if (strcmp(e->oid, OID_DELTA_CRL) == 0 && !small_number(e->value, &crl->base))
        return structure(fail, "RFC 5280 5.2.4", "the delta CRL indicator");
    if (strcmp(e->oid, OID_AKI) == 0 && !key_id(e->value, &crl->key_id))
        return structure(fail, "RFC 5280 5.2.1", "the authority key identifier");
    return PKE_OK;
}

static enum pke_err take_extension(struct pke_cursor *list, struct ca_crl *crl, struct pke_fail *fail)
{
    struct ca_crl_extension *e = &crl->ext[crl->n_ext];
    struct ca_der oid, critical, value;
    struct pke_cursor fields;

    if (crl->n_ext == CA_CRL_MAX_EXTENSIONS)
        return pke_fail_set(fail, PKE_LIMIT, "crl-extensions", "limit", "more than %u extensions",
                            CA_CRL_MAX_EXTENSIONS);
    if (!ca_der_enter(list, CA_DER_SEQUENCE, &fields) || !ca_der_take_tag(&fields, CA_DER_OID, &oid) ||
        !pke_oid_decode(oid.value, e->oid, sizeof e->oid))
        return structure(fail, "RFC 5280 5.2", "an extension");
    e->critical = ca_der_take_tag(&fields, CA_DER_BOOLEAN, &critical);
    if (e->critical && critical.value.p[0] == 0)
        return pke_fail_set(fail, PKE_MALFORMED, "crl-der", "X.690 11.5",
                            "an extension encodes its default criticality");
    if (!ca_der_take_tag(&fields, CA_DER_OCTET_STRING, &value) || pke_cursor_left(&fields) > 0)
        return structure(fail, "RFC 5280 5.2", "an extension");
    e->value = value.value;
    for (size_t i = 0; i < crl->n_ext; i++)
        if (strcmp(crl->ext[i].oid, e->oid) == 0)
            return structure(fail, "RFC 5280 5.2", "the extension list: one appears twice. It");
    if (!ca_der_strict(e->value))
        return pke_fail_set(fail, PKE_MALFORMED, "crl-der", "X.690 10, 11", "an extension is not DER");
    crl->n_ext++;
    return take_known(crl, e, fail);
}

static enum pke_err take_extensions(struct pke_cursor *c, struct ca_crl *crl, struct pke_fail *fail)
{
    struct pke_cursor outer, list;
    enum pke_err err = PKE_OK;

    if (pke_cursor_left(c) == 0)
        return PKE_OK;
    if (!ca_der_enter(c, TAG_CONTEXT_0, &outer) || pke_cursor_left(c) > 0 ||
        !ca_der_enter(&outer, CA_DER_SEQUENCE, &list) || pke_cursor_left(&outer) > 0 ||
        pke_cursor_left(&list) == 0)
        return structure(fail, "RFC 5280 5.1.2.7", "the extension list");
    while (err == PKE_OK && pke_cursor_left(&list) > 0)
        err = take_extension(&list, crl, fail);
    return err;
}

static bool is_time(const struct pke_cursor *c)
{
    return pke_cursor_left(c) > 0 && (*c->p == CA_DER_UTC_TIME || *c->p == CA_DER_GENERALIZED_TIME);
}

static enum pke_err take_times(struct pke_cursor *c, struct ca_crl *crl, struct pke_fail *fail)
{
    struct ca_der e;

    if (!ca_der_take(c, &e) || !ca_der_time(&e, &crl->this_update) ||
        (is_time(c) && (!ca_der_take(c, &e) || !ca_der_time(&e, &crl->next_update))))
        return pke_fail_set(fail, PKE_MALFORMED, "crl-time", "RFC 5280 5.1.2.4",
                            "a date is not in the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ");
    return PKE_OK;
}

static enum pke_err take_fields(struct pke_cursor c, struct ca_crl *crl, struct pke_fail *fail)
{
    struct ca_der version, algorithm, issuer, entries;
    enum pke_err err;

    crl->v2 = ca_der_take_tag(&c, CA_DER_INTEGER, &version);
    if (crl->v2 && (version.value.n != 1 || version.value.p[0] != 1))
        return structure(fail, "RFC 5280 5.1.2.1", "the version");
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &algorithm) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &issuer))
        return structure(fail, "RFC 5280 5.1", "the head of the TBSCertList");
    crl->algorithm = algorithm.full;
    crl->issuer = issuer.full;
    if ((err = take_times(&c, crl, fail)))
        return err;
    if (ca_der_take_tag(&c, CA_DER_SEQUENCE, &entries)) {
        if (entries.value.n == 0)
            return structure(fail, "RFC 5280 5.1.2.6",
                             "the list of entries, which must be absent when empty,");
        crl->entries = entries.value;
    }
    return take_extensions(&c, crl, fail);
}

enum pke_err ca_crl_decode(struct pke_bytes tbs, struct ca_crl *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(tbs);
    struct ca_der outer;

    memset(ret, 0, sizeof *ret);
    ret->der = tbs;
    if (tbs.n > CA_CRL_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "crl-size", "limit", "more than %u octets", CA_CRL_MAX);
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &outer))
        return pke_fail_set(fail, PKE_MALFORMED, "crl-der", "X.690 10.1", "not a DER SEQUENCE");
    if (pke_cursor_left(&c) > 0)
        return pke_fail_set(fail, PKE_MALFORMED, "crl-trailing", "RFC 5280 5.1", "octets follow the end");
    if (!ca_der_strict(tbs))
        return pke_fail_set(fail, PKE_MALFORMED, "crl-der", "X.690 10, 11", "not DER throughout");
    return take_fields(pke_cursor_of(outer.value), ret, fail);
}

/* crlEntryExtensions with the reason alone. */
static bool take_reason(struct pke_cursor *fields, unsigned *reason)
{
    struct pke_cursor list, one;
    static const uint8_t id_ce_reason[] = {0x55, 0x1d, 0x15}; /* as octets: a list has many */
    struct ca_der oid, value, code;

    if (!ca_der_enter(fields, CA_DER_SEQUENCE, &list) || !ca_der_enter(&list, CA_DER_SEQUENCE, &one) ||
        pke_cursor_left(&list) > 0 || !ca_der_take_tag(&one, CA_DER_OID, &oid) ||
        !pke_bytes_eq(oid.value, PKE_BYTES(id_ce_reason, sizeof id_ce_reason)) ||
        !ca_der_take_tag(&one, CA_DER_OCTET_STRING, &value) || pke_cursor_left(&one) > 0 ||
        !ca_der_whole(value.value, TAG_ENUMERATED, &code) || code.value.n != 1)
        return false;
    *reason = code.value.p[0];
    return *reason != CA_REASON_UNSPECIFIED && ca_crl_reason_valid(*reason);
}

enum pke_err ca_crl_next(struct pke_cursor *entries, struct ca_crl_entry *ret, struct pke_fail *fail)
{
    struct pke_cursor fields;
    struct ca_der serial, when;

    if (pke_cursor_left(entries) == 0)
        return PKE_NOT_FOUND;
    *ret = (struct ca_crl_entry){.reason = CA_REASON_UNSPECIFIED};
    if (!ca_der_enter(entries, CA_DER_SEQUENCE, &fields) ||
        !ca_der_take_tag(&fields, CA_DER_INTEGER, &serial) || serial.value.n > CA_CRL_SERIAL_MAX ||
        !ca_der_positive(serial.value, &ret->serial) || !ca_der_take(&fields, &when) ||
        !ca_der_time(&when, &ret->revoked_at) ||
        (pke_cursor_left(&fields) > 0 &&
         (!take_reason(&fields, &ret->reason) || pke_cursor_left(&fields) > 0)))
        return pke_fail_set(fail, PKE_MALFORMED, "crl-entry", "RFC 5280 5.1.2.6",
                            "an entry is not a serial, a date and a reason");
    return PKE_OK;
}

int ca_crl_serial_compare(struct pke_bytes a, struct pke_bytes b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n ? memcmp(a.p, b.p, a.n) : 0;
}

enum pke_err ca_crl_read(const struct ca_issuer *ca, struct pke_bytes der, struct ca_crl *ret,
                         struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(der), inside;
    struct ca_der tbs, algorithm, bits;
    enum pke_err err;

    if (der.n > CA_CRL_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "crl-size", "limit", "more than %u octets", CA_CRL_MAX);
    if (!ca_der_enter(&c, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&c) > 0 ||
        !ca_der_take_tag(&inside, CA_DER_SEQUENCE, &tbs) ||
        !ca_der_take_tag(&inside, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&inside, CA_DER_BIT_STRING, &bits) || pke_cursor_left(&inside) > 0 ||
        bits.value.n < 2 || bits.value.p[0] != 0)
        return structure(fail, "RFC 5280 5.1", "the CRL");
    if (!pke_bytes_eq(algorithm.full, ca_issuer_algorithm(ca)) ||
        !ca_cert_verify(ca, tbs.full, PKE_BYTES(bits.value.p + 1, bits.value.n - 1)))
        return pke_fail_set(fail, PKE_DENIED, "crl-signature", "RFC 5280 6.3.3",
                            "the CRL is not signed by this CA");
    if ((err = ca_crl_decode(tbs.full, ret, fail)))
        return err;
    if (!pke_bytes_eq(ret->issuer, ca_issuer_subject(ca)))
        return pke_fail_set(fail, PKE_DENIED, "crl-issuer", "RFC 5280 5.1.2.3",
                            "the CRL has another issuer's name");
    return PKE_OK;
}
