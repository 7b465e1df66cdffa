/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/tbs.h"

#include <string.h>

#include "base/encode.h"
#include "ca/der.h"

#define TAG_ISSUER_UID  0x81 /* [1] IMPLICIT BIT STRING */
#define TAG_SUBJECT_UID 0x82

static enum pke_err structure(struct pke_fail *fail, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "tbs-structure", rule, "%s has the wrong structure", what);
}

static enum pke_err decode_version(struct pke_cursor *c, struct ca_tbs *ret, struct pke_fail *fail)
{
    struct pke_cursor inside;
    struct ca_der version;

    ret->version = 0;
    if (!ca_der_enter(c, CA_DER_CONTEXT_0, &inside))
        return PKE_OK;
    if (!ca_der_take_tag(&inside, CA_DER_INTEGER, &version) || pke_cursor_left(&inside) > 0 ||
        version.value.n != 1 || version.value.p[0] == 0 || version.value.p[0] > 0x7f)
        return structure(fail, "RFC 5280 4.1.2.1", "the version");
    ret->version = version.value.p[0];
    return PKE_OK;
}

static enum pke_err decode_validity(struct pke_cursor *c, struct ca_tbs *ret, struct pke_fail *fail)
{
    struct pke_cursor inside;
    struct ca_der first, last;

    if (!ca_der_enter(c, CA_DER_SEQUENCE, &inside) || !ca_der_take(&inside, &first) ||
        !ca_der_take(&inside, &last) || pke_cursor_left(&inside) > 0)
        return structure(fail, "RFC 5280 4.1.2.5", "the validity");
    if (!ca_der_time(&first, &ret->not_before) || !ca_der_time(&last, &ret->not_after))
        return pke_fail_set(fail, PKE_MALFORMED, "tbs-time", "RFC 5280 4.1.2.5",
                            "a date of the validity is not in the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ");
    ret->not_before_der = first.full;
    ret->not_after_der = last.full;
    return PKE_OK;
}

static enum pke_err decode_extension(struct pke_cursor fields, struct ca_tbs_extension *ret,
                                     struct pke_fail *fail)
{
    struct ca_der oid, critical, value;

    if (!ca_der_take_tag(&fields, CA_DER_OID, &oid) || !pke_oid_decode(oid.value, ret->oid, sizeof ret->oid))
        return structure(fail, "RFC 5280 4.2", "an extension");
    ret->critical = ca_der_take_tag(&fields, CA_DER_BOOLEAN, &critical);
    if (ret->critical && critical.value.p[0] == 0)
        return pke_fail_set(fail, PKE_MALFORMED, "tbs-der", "X.690 11.5",
                            "an extension encodes its default criticality");
    if (!ca_der_take_tag(&fields, CA_DER_OCTET_STRING, &value) || pke_cursor_left(&fields) > 0)
        return structure(fail, "RFC 5280 4.2", "an extension");
    ret->value = value.value;
    return PKE_OK;
}

static enum pke_err decode_extensions(struct pke_cursor *c, struct ca_tbs *ret, struct pke_fail *fail)
{
    struct pke_cursor outer, list, fields;
    enum pke_err err;

    if (pke_cursor_left(c) == 0)
        return PKE_OK;
    if (!ca_der_enter(c, CA_DER_CONTEXT_3, &outer) || pke_cursor_left(c) > 0 ||
        !ca_der_enter(&outer, CA_DER_SEQUENCE, &list) || pke_cursor_left(&outer) > 0 ||
        pke_cursor_left(&list) == 0)
        return structure(fail, "RFC 5280 4.1.2.9", "the extension list");
    ret->has_extensions = true;
    while (pke_cursor_left(&list) > 0) {
        if (ret->n_ext == CA_TBS_MAX_EXTENSIONS)
            return pke_fail_set(fail, PKE_LIMIT, "tbs-extensions", "limit", "more than %u extensions",
                                CA_TBS_MAX_EXTENSIONS);
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &fields))
            return structure(fail, "RFC 5280 4.2", "an extension");
        if ((err = decode_extension(fields, &ret->ext[ret->n_ext], fail)))
            return err;
        ret->n_ext++;
    }
    return PKE_OK;
}

static enum pke_err decode_fields(struct pke_cursor c, struct ca_tbs *ret, struct pke_fail *fail)
{
    struct ca_der serial, algorithm, issuer, subject, spki, uid;
    enum pke_err err;

    if ((err = decode_version(&c, ret, fail)))
        return err;
    if (!ca_der_take_tag(&c, CA_DER_INTEGER, &serial) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&c, CA_DER_SEQUENCE, &issuer))
        return structure(fail, "RFC 5280 4.1", "the head of the TBSCertificate");
    if ((err = decode_validity(&c, ret, fail)))
        return err;
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &subject) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &spki))
        return structure(fail, "RFC 5280 4.1", "the subject or the key");
    ret->serial = serial.value;
    ret->algorithm = algorithm.full;
    ret->issuer = issuer.full;
    ret->subject = subject.full;
    ret->spki = spki.full;
    ret->unique_ids = PKE_BYTES(c.p, 0);
    if (ca_der_take_tag(&c, TAG_ISSUER_UID, &uid))
        ret->has_unique_ids = true, ret->unique_ids.n += uid.full.n;
    if (ca_der_take_tag(&c, TAG_SUBJECT_UID, &uid))
        ret->has_unique_ids = true, ret->unique_ids.n += uid.full.n;
    return decode_extensions(&c, ret, fail);
}

enum pke_err ca_tbs_decode(struct pke_bytes der, struct ca_tbs *ret, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(der);
    struct ca_der outer;

    memset(ret, 0, sizeof *ret);
    ret->der = der;
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &outer))
        return pke_fail_set(fail, PKE_MALFORMED, "tbs-der", "X.690 10.1", "not a DER SEQUENCE");
    if (pke_cursor_left(&c) > 0)
        return pke_fail_set(fail, PKE_MALFORMED, "tbs-trailing", "RFC 5280 4.1", "octets follow the end");
    if (!ca_der_strict(der))
        return pke_fail_set(fail, PKE_MALFORMED, "tbs-der", "X.690 10, 11", "not DER throughout");
    return decode_fields(pke_cursor_of(outer.value), ret, fail);
}

static void encode_extensions(const struct ca_tbs *tbs, struct pke_buf *out)
{
    static const uint8_t yes = 0xff;
    size_t outer = ca_der_open(out, CA_DER_CONTEXT_3), list = ca_der_open(out, CA_DER_SEQUENCE);

    for (size_t i = 0; i < tbs->n_ext; i++) {
        size_t one = ca_der_open(out, CA_DER_SEQUENCE);

        ca_der_add_oid(out, tbs->ext[i].oid);
        if (tbs->ext[i].critical)
            ca_der_add(out, CA_DER_BOOLEAN, PKE_BYTES(&yes, 1));
        ca_der_add(out, CA_DER_OCTET_STRING, tbs->ext[i].value);
        ca_der_close(out, one);
    }
    ca_der_close(out, list);
    ca_der_close(out, outer);
}

enum pke_err ca_tbs_encode(const struct ca_tbs *tbs, struct pke_buf *out)
{
    size_t whole = ca_der_open(out, CA_DER_SEQUENCE), part;

    if (tbs->version != 0) {
        uint8_t version = (uint8_t)tbs->version;

        part = ca_der_open(out, CA_DER_CONTEXT_0);
        ca_der_add(out, CA_DER_INTEGER, PKE_BYTES(&version, 1));
        ca_der_close(out, part);
    }
    ca_der_add(out, CA_DER_INTEGER, tbs->serial);
    pke_buf_add_bytes(out, tbs->algorithm);
    pke_buf_add_bytes(out, tbs->issuer);
    part = ca_der_open(out, CA_DER_SEQUENCE);
    pke_buf_add_bytes(out, tbs->not_before_der);
    pke_buf_add_bytes(out, tbs->not_after_der);
    ca_der_close(out, part);
    pke_buf_add_bytes(out, tbs->subject);
    pke_buf_add_bytes(out, tbs->spki);
    pke_buf_add_bytes(out, tbs->unique_ids);
    if (tbs->has_extensions)
        encode_extensions(tbs, out);
    ca_der_close(out, whole);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

const struct ca_tbs_extension *ca_tbs_find(const struct ca_tbs *tbs, const char *oid)
{
    for (size_t i = 0; i < tbs->n_ext; i++)
        if (strcmp(tbs->ext[i].oid, oid) == 0)
            return &tbs->ext[i];
    return NULL;
}
