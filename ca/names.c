/* SPDX-License-Identifier: Apache-2.0 */
/* Names into DER. */
#include "ca/names.h"

#include <string.h>

#include "ca/der.h"
#include "ca/names_rules.h"
#include "ca/oids.h"

static enum pke_err unknown(const char *kind, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_POLICY, "name-kind", "base/names.h", "there is no name of the kind %s",
                        kind);
}

enum pke_err ca_subject_value_check(const char *kind, struct pke_bytes value, struct pke_fail *fail)
{
    const struct ca_rdn_kind *k = ca_rdn_kind(kind);

    return k ? ca_rdn_value(k, value, PKE_POLICY, fail) : unknown(kind, fail);
}

enum pke_err ca_san_value_check(const char *kind, struct pke_bytes value, struct pke_fail *fail)
{
    const struct ca_san_kind *k = ca_san_kind(kind);

    return k ? ca_san_value(k, value, PKE_POLICY, fail) : unknown(kind, fail);
}

static void add_rdn(struct pke_buf *out, const struct ca_rdn_kind *k, const char *value)
{
    size_t rdn = ca_der_open(out, CA_DER_SET), ava = ca_der_open(out, CA_DER_SEQUENCE);

    ca_der_add_oid(out, k->oid);
    ca_der_add(out, k->tag, pke_bytes_str(value));
    ca_der_close(out, ava);
    ca_der_close(out, rdn);
}

enum pke_err ca_subject_encode(const struct pke_pairs *subject, struct pke_buf *out, struct pke_fail *fail)
{
    static const struct pke_pairs none;
    enum pke_err err;
    size_t name;

    subject = subject ? subject : &none;
    for (size_t i = 0; i < subject->n; i++)
        if ((err = ca_subject_value_check(subject->v[i].name, pke_bytes_str(subject->v[i].value), fail)))
            return err;
    if ((err = ca_subject_list(subject, PKE_POLICY, fail)))
        return err;
    name = ca_der_open(out, CA_DER_SEQUENCE);
    for (size_t i = 0; i < subject->n; i++)
        add_rdn(out, ca_rdn_kind(subject->v[i].name), subject->v[i].value);
    ca_der_close(out, name);
    return PKE_OK;
}

static void add_other(struct pke_buf *out, const char *oid, uint8_t tag, struct pke_bytes value)
{
    size_t other = ca_der_open(out, TAG_SAN_OTHER), inside;

    ca_der_add_oid(out, oid);
    inside = ca_der_open(out, CA_DER_CONTEXT_0);
    ca_der_add(out, tag, value);
    ca_der_close(out, inside);
    ca_der_close(out, other);
}

static void add_name(struct pke_buf *out, const struct ca_san_kind *k, const char *value)
{
    uint8_t raw[16];

    if (!k->oid) {
        ca_der_add(out, k->tag, pke_bytes_str(value));
    } else if (k->inner == CA_DER_OCTET_STRING) {
        ca_guid_raw(value, raw);
        add_other(out, k->oid, k->inner, PKE_BYTES(raw, sizeof raw));
    } else {
        add_other(out, k->oid, k->inner, pke_bytes_str(value));
    }
}

enum pke_err ca_san_encode(const struct pke_pairs *san, struct pke_buf *out, struct pke_fail *fail)
{
    enum pke_err err;
    size_t names;

    for (size_t i = 0; i < san->n; i++)
        if ((err = ca_san_value_check(san->v[i].name, pke_bytes_str(san->v[i].value), fail)))
            return err;
    if ((err = ca_san_list(san, PKE_POLICY, fail)))
        return err;
    names = ca_der_open(out, CA_DER_SEQUENCE);
    for (size_t i = 0; i < san->n; i++)
        add_name(out, ca_san_kind(san->v[i].name), san->v[i].value);
    ca_der_close(out, names);
    return PKE_OK;
}

enum pke_err ca_sid_encode(const char *sid, struct pke_buf *out, struct pke_fail *fail)
{
    size_t names;

    if (!ca_sid_valid(pke_bytes_str(sid)))
        return pke_fail_set(fail, PKE_POLICY, "name-characters", "MS-DTYP 2.4.2.1",
                            "the value is not a security identifier");
    names = ca_der_open(out, CA_DER_SEQUENCE);
    add_other(out, OID_SID_IN_OTHER, CA_DER_OCTET_STRING, pke_bytes_str(sid));
    ca_der_close(out, names);
    return PKE_OK;
}
