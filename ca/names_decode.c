/* SPDX-License-Identifier: Apache-2.0 */
/* Names out of DER, for those who check what will be signed. Each element is entered, its end is required. */
#include <string.h>

#include "base/encode.h"
#include "ca/der.h"
#include "ca/names.h"
#include "ca/names_rules.h"
#include "ca/oids.h"

static enum pke_err structure(struct pke_fail *fail, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "name-structure", rule, "%s has the wrong structure", what);
}

static enum pke_err wrong_type(struct pke_fail *fail, const char *rule, const char *kind)
{
    return pke_fail_set(fail, PKE_MALFORMED, "name-type", rule, "%s is not in its string type", kind);
}

static enum pke_err unknown(struct pke_fail *fail, const char *rule, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "name-kind", rule, "%s is of a kind that is not issued", what);
}

/* A list that is refused for its length is not built up first. */
static enum pke_err room(const struct pke_pairs *list, size_t max, struct pke_fail *fail)
{
    return list->n < max
               ? PKE_OK
               : pke_fail_set(fail, PKE_MALFORMED, "name-count", "limit", "more than %zu names", max);
}

static enum pke_err decode_rdn(struct pke_cursor rdn, struct pke_arena *arena, struct pke_pairs *ret,
                               struct pke_fail *fail)
{
    const struct ca_rdn_kind *k;
    struct ca_der type, value;
    struct pke_cursor ava;
    enum pke_err err;

    if (!ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) || pke_cursor_left(&rdn) > 0 ||
        !ca_der_take_tag(&ava, CA_DER_OID, &type) || !ca_der_take(&ava, &value) || pke_cursor_left(&ava) > 0)
        return structure(fail, "RFC 5280 4.1.2.4", "an attribute of the subject, or an RDN of several,");
    if (!(k = ca_rdn_kind_of_oid(type.value)))
        return unknown(fail, "RFC 5280 4.1.2.4", "an attribute of the subject");
    if (value.tag != k->tag)
        return wrong_type(fail, "RFC 5280 4.1.2.4", k->kind);
    if ((err = ca_rdn_value(k, value.value, PKE_MALFORMED, fail)))
        return err;
    pke_pairs_add(ret, arena, k->kind, pke_arena_str(arena, value.value));
    return PKE_OK;
}

enum pke_err ca_subject_decode(struct pke_bytes name, struct pke_arena *arena, struct pke_pairs *ret,
                               struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(name), rdns, rdn;
    enum pke_err err;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &rdns) || pke_cursor_left(&whole) > 0)
        return structure(fail, "RFC 5280 4.1.2.4", "the subject");
    while (pke_cursor_left(&rdns) > 0) {
        if (!ca_der_enter(&rdns, CA_DER_SET, &rdn))
            return structure(fail, "RFC 5280 4.1.2.4", "the subject");
        if ((err = room(ret, CA_NAMES_MAX_RDN, fail)) || (err = decode_rdn(rdn, arena, ret, fail)))
            return err;
    }
    return ca_subject_list(ret, PKE_MALFORMED, fail);
}

/* Content of an otherName: type, [0] EXPLICIT value. */
static bool enter_other(struct pke_cursor c, struct ca_der *type, struct ca_der *value)
{
    struct pke_cursor inside;

    return ca_der_take_tag(&c, CA_DER_OID, type) && ca_der_enter(&c, CA_DER_CONTEXT_0, &inside) &&
           pke_cursor_left(&c) == 0 && ca_der_take(&inside, value) && pke_cursor_left(&inside) == 0;
}

static enum pke_err decode_name(const struct ca_der *name, struct pke_arena *arena, struct pke_pairs *ret,
                                struct pke_fail *fail)
{
    const struct ca_san_kind *k = ca_san_kind_of_tag(name->tag);
    struct pke_bytes value = name->value;
    struct ca_der type, inside;
    enum pke_err err;
    char guid[37];

    if (name->tag == TAG_SAN_OTHER) {
        if (!enter_other(pke_cursor_of(name->value), &type, &inside))
            return structure(fail, "RFC 5280 4.2.1.6", "an otherName");
        if ((k = ca_san_kind_of_other(type.value)) && inside.tag != k->inner)
            return wrong_type(fail, "MS-WCCE 2.2.2.7.7", k->kind);
        value = inside.value;
    }
    if (!k)
        return unknown(fail, "RFC 5280 4.2.1.6", "an alternative name");
    if (k->inner == CA_DER_OCTET_STRING) {
        if (value.n != 16)
            return pke_fail_set(fail, PKE_MALFORMED, "name-length", "MS-WCCE 2.2.2.7.7",
                                "%s is not of 16 octets", k->kind);
        ca_guid_text(value.p, guid);
        value = PKE_BYTES(guid, sizeof guid - 1);
    }
    if ((err = ca_san_value(k, value, PKE_MALFORMED, fail)))
        return err;
    pke_pairs_add(ret, arena, k->kind, pke_arena_str(arena, value));
    return PKE_OK;
}

enum pke_err ca_san_decode(struct pke_bytes value, struct pke_arena *arena, struct pke_pairs *ret,
                           struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(value), names;
    struct ca_der name;
    enum pke_err err;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &names) || pke_cursor_left(&whole) > 0)
        return structure(fail, "RFC 5280 4.2.1.6", "the subject alternative name");
    while (pke_cursor_left(&names) > 0) {
        if (!ca_der_take(&names, &name))
            return structure(fail, "RFC 5280 4.2.1.6", "the subject alternative name");
        if ((err = room(ret, CA_NAMES_MAX_SAN, fail)) || (err = decode_name(&name, arena, ret, fail)))
            return err;
    }
    return ca_san_list(ret, PKE_MALFORMED, fail);
}

enum pke_err ca_sid_decode(struct pke_bytes value, struct pke_arena *arena, const char **ret,
                           struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(value), names;
    struct ca_der other, type, sid;
    char dotted[80];

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &names) || pke_cursor_left(&whole) > 0 ||
        !ca_der_take_tag(&names, TAG_SAN_OTHER, &other) || pke_cursor_left(&names) > 0 ||
        !enter_other(pke_cursor_of(other.value), &type, &sid) || sid.tag != CA_DER_OCTET_STRING ||
        !pke_oid_decode(type.value, dotted, sizeof dotted) || strcmp(dotted, OID_SID_IN_OTHER) != 0)
        return structure(fail, "MS-WCCE 2.2.2.7.7.4", "the security identifier");
    if (!ca_sid_valid(sid.value))
        return pke_fail_set(fail, PKE_MALFORMED, "name-characters", "MS-DTYP 2.4.2.1",
                            "the value is not a security identifier");
    *ret = pke_arena_str(arena, sid.value);
    return PKE_OK;
}

enum pke_err ca_names_decode(const struct ca_tbs *tbs, struct pke_arena *arena, struct ca_names *ret,
                             struct pke_fail *fail)
{
    const struct ca_tbs_extension *san = ca_tbs_find(tbs, OID_SAN), *sid = ca_tbs_find(tbs, OID_SID);
    enum pke_err err;

    memset(ret, 0, sizeof *ret);
    ret->has_san = san != NULL;
    ret->san_critical = san && san->critical;
    err = ca_subject_decode(tbs->subject, arena, &ret->subject, fail);
    if (err == PKE_OK && san)
        err = ca_san_decode(san->value, arena, &ret->san, fail);
    if (err == PKE_OK && sid)
        err = ca_sid_decode(sid->value, arena, &ret->sid, fail);
    return err;
}
