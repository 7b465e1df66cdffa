/* SPDX-License-Identifier: Apache-2.0 */
/* The floor over extensions: which there may be, and what those may say that make a certificate what it is.
 */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"
#include "ca/floor_impl.h"
#include "ca/key.h"
#include "ca/oids.h"
#include "ca/profile.h"

enum criticality { CRITICAL, NOT_CRITICAL, EITHER };

static const struct {
    const char *oid;
    enum criticality critical;
} issued[] = {
    {OID_KEY_USAGE, CRITICAL},      {OID_BASIC_CONSTRAINTS, CRITICAL}, {OID_EKU, NOT_CRITICAL},
    {OID_SKI, NOT_CRITICAL},        {OID_AKI, NOT_CRITICAL},           {OID_SAN, EITHER}, /* floor_names.c */
    {OID_SID, NOT_CRITICAL},        {OID_POLICIES, NOT_CRITICAL},      {OID_APP_POLICIES, NOT_CRITICAL},
    {OID_CRL_POINTS, NOT_CRITICAL}, {OID_AIA, NOT_CRITICAL},           {OID_TEMPLATE_NAME, NOT_CRITICAL},
    {OID_TEMPLATE, NOT_CRITICAL},
};

static bool is_issued(const struct ca_tbs_extension *e)
{
    for (size_t i = 0; i < PKE_LEN(issued); i++)
        if (strcmp(issued[i].oid, e->oid) == 0)
            return issued[i].critical == EITHER || (issued[i].critical == CRITICAL) == e->critical;
    return false;
}

static enum pke_err check_list(const struct ca_tbs *tbs, struct pke_fail *fail)
{
    for (size_t i = 0; i < tbs->n_ext; i++) {
        if (!is_issued(&tbs->ext[i]) || ca_tbs_find(tbs, tbs->ext[i].oid) != &tbs->ext[i])
            return floor_refuse(fail, "floor-extension", "key policy",
                                "an extension is not one that is issued, not so critical, or appears twice");
        if (!ca_der_strict(tbs->ext[i].value))
            return floor_refuse(fail, "floor-der", "RFC 5280 4.2", "an extension is not DER");
    }
    return PKE_OK;
}

static enum pke_err check_usage(const struct ca_floor *f, const struct ca_tbs *tbs, enum ca_key_type type,
                                struct pke_fail *fail)
{
    const struct ca_tbs_extension *bc = ca_tbs_find(tbs, OID_BASIC_CONSTRAINTS);
    const struct ca_tbs_extension *ku = ca_tbs_find(tbs, OID_KEY_USAGE);
    static const uint8_t leaf[] = {0x30, 0x00};
    uint8_t bits;

    if (!bc || !pke_bytes_eq(bc->value, PKE_BYTES(leaf, sizeof leaf)))
        return floor_refuse(fail, "floor-basic-constraints", "RFC 5280 4.2.1.9",
                            "basicConstraints is absent or says more than CA:FALSE");
    /* 03 02 unused bits: one octet of bits, never keyCertSign or cRLSign */
    if (!ku || ku->value.n != 4 || ku->value.p[0] != 0x03 || ku->value.p[1] != 0x02)
        return floor_refuse(fail, "floor-key-usage", "RFC 5280 4.2.1.3",
                            "keyUsage is absent or of two octets");
    bits = ku->value.p[3];
    if (bits == 0 || bits & 0x07 || bits & ~f->key_usage || bits != ca_usage_of_key(bits, type))
        return floor_refuse(fail, "floor-key-usage", "RFC 5280 4.2.1.3",
                            "keyUsage has a bit that no template has, or that such a key cannot have");
    return PKE_OK;
}

static enum pke_err check_eku(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *e = ca_tbs_find(tbs, OID_EKU);
    struct pke_cursor whole, list;
    struct ca_der oid;
    char dotted[80];

    if (!e)
        return floor_refuse(fail, "floor-eku", "RFC 5280 4.2.1.12", "there is no extended key usage");
    whole = pke_cursor_of(e->value);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &list) || pke_cursor_left(&whole) > 0 ||
        pke_cursor_left(&list) == 0)
        return floor_refuse(fail, "floor-eku", "RFC 5280 4.2.1.12", "the extended key usage is not a list");
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_take_tag(&list, CA_DER_OID, &oid) || !pke_oid_decode(oid.value, dotted, sizeof dotted) ||
            strcmp(dotted, OID_ANY_EKU) == 0 || !pke_strings_has(&f->limits.allowed_ekus, dotted))
            return floor_refuse(fail, "floor-eku", "key policy",
                                "an extended key usage is not on the key's list");
    return PKE_OK;
}

static enum pke_err check_key_ids(const struct ca_floor *f, const struct ca_tbs *tbs,
                                  const struct ca_key *key, struct pke_fail *fail)
{
    const struct ca_tbs_extension *aki = ca_tbs_find(tbs, OID_AKI), *ski = ca_tbs_find(tbs, OID_SKI);
    struct pke_cursor whole, inside;
    struct ca_der id;
    uint8_t sha1[20];

    ca_key_identifier(key, sha1);
    if (!ski || !ca_der_whole(ski->value, CA_DER_OCTET_STRING, &id) ||
        !pke_bytes_eq(id.value, PKE_BYTES(sha1, sizeof sha1)))
        return floor_refuse(fail, "floor-ski", "RFC 5280 4.2.1.2", "it does not identify its own key");
    whole = aki ? pke_cursor_of(aki->value) : (struct pke_cursor){NULL, NULL};
    if (!aki || !ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0 ||
        !ca_der_take_tag(&inside, TAG_AKI_KEY_ID, &id) || pke_cursor_left(&inside) > 0 ||
        !pke_bytes_eq(id.value, ca_issuer_key_id(f->issuer)))
        return floor_refuse(fail, "floor-aki", "RFC 5280 4.2.1.1",
                            "it does not name this key as its authority");
    return PKE_OK;
}

enum pke_err floor_check_extensions(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    struct ca_key key;
    enum pke_err err;

    if (ca_key_decode(tbs->spki, &key, NULL))
        return floor_refuse(fail, "floor-key", "RFC 5280 4.1.2.7", "the subject's key is of an unknown type");
    if ((err = check_list(tbs, fail)) || (err = check_usage(f, tbs, key.type, fail)) ||
        (err = check_eku(f, tbs, fail)))
        return err;
    return check_key_ids(f, tbs, &key, fail);
}
