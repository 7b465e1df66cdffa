/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over the extensions. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"
#include "ca/lint_rules.h"
#include "ca/oids.h"
#include "ca/text.h"

#define EKU_MAX 64

static const struct {
    const char *oid;
    bool critical;
} known[] = {
    {OID_KEY_USAGE, true}, {OID_EKU, false}, {OID_BASIC_CONSTRAINTS, true},
    {OID_SKI, false},      {OID_AKI, false}, {OID_SAN, false}, /* san-critical-iff-subject-empty */
};

static int known_index(const char *oid)
{
    for (size_t i = 0; i < PKE_LEN(known); i++)
        if (strcmp(known[i].oid, oid) == 0)
            return (int)i;
    return -1;
}

bool lint_extensions_known(const struct lint *l)
{
    for (size_t i = 0; i < l->tbs.n_ext; i++)
        if (known_index(l->tbs.ext[i].oid) < 0)
            return false;
    return true;
}

bool lint_extensions_unique(const struct lint *l)
{
    for (size_t i = 0; i < l->tbs.n_ext; i++)
        if (ca_tbs_find(&l->tbs, l->tbs.ext[i].oid) != &l->tbs.ext[i])
            return false;
    return true;
}

bool lint_extensions_der(const struct lint *l)
{
    for (size_t i = 0; i < l->tbs.n_ext; i++)
        if (!ca_der_strict(l->tbs.ext[i].value))
            return false;
    return true;
}

bool lint_extensions_criticality(const struct lint *l)
{
    for (size_t i = 0; i < l->tbs.n_ext; i++) {
        int k = known_index(l->tbs.ext[i].oid);

        if (k >= 0 && strcmp(known[k].oid, OID_SAN) != 0 && l->tbs.ext[i].critical != known[k].critical)
            return false;
    }
    return true;
}

/* Content of the keyUsage BIT STRING: unused-bits octet, then the bits. */
static bool key_usage(const struct lint *l, struct pke_bytes *bits)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_KEY_USAGE);
    struct ca_der value;

    if (!e || !ca_der_whole(e->value, CA_DER_BIT_STRING, &value) || value.value.n < 1)
        return false;
    *bits = value.value;
    return true;
}

bool lint_key_usage_present(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n >= 2; /* "at least one of the bits MUST be set" */
}

bool lint_key_usage_minimal(const struct lint *l)
{
    struct pke_bytes bits;

    /* no trailing zero bits: the last used bit of the last octet is one */
    return key_usage(l, &bits) && bits.n >= 2 && bits.p[0] <= 7 && (bits.p[bits.n - 1] >> bits.p[0] & 1);
}

bool lint_key_usage_no_ca(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n >= 2 && !(bits.p[1] & 0x06); /* keyCertSign (5), cRLSign (6) */
}

bool lint_key_usage_bits(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n == 2 && (bits.p[1] & KU_BIT_DIGITAL_SIGNATURE) &&
           !(bits.p[1] & ~(KU_BIT_DIGITAL_SIGNATURE | KU_BIT_KEY_ENCIPHERMENT));
}

bool lint_key_usage_key(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n >= 2 &&
           (l->key.type == CA_KEY_RSA || !(bits.p[1] & KU_BIT_KEY_ENCIPHERMENT));
}

/* Next usage of the list as text. */
static bool next_eku(struct pke_cursor *list, char dotted[80])
{
    struct ca_der oid;

    return ca_der_take_tag(list, CA_DER_OID, &oid) && pke_oid_decode(oid.value, dotted, 80);
}

static bool eku_list(const struct lint *l, struct pke_cursor *list)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_EKU);
    struct ca_der whole;

    if (!e || !ca_der_whole(e->value, CA_DER_SEQUENCE, &whole))
        return false;
    *list = pke_cursor_of(whole.value);
    return true;
}

bool lint_eku_present(const struct lint *l)
{
    struct pke_cursor list;
    char dotted[80];
    unsigned n = 0;

    if (!eku_list(l, &list))
        return false;
    for (; pke_cursor_left(&list) > 0; n++)
        if (n == EKU_MAX || !next_eku(&list, dotted))
            return false;
    return n > 0;
}

bool lint_eku_not_any(const struct lint *l)
{
    struct pke_cursor list;
    char dotted[80];

    if (!eku_list(l, &list))
        return false;
    while (next_eku(&list, dotted))
        if (strcmp(dotted, OID_ANY_EKU) == 0)
            return false;
    return true;
}

bool lint_eku_subset(const struct lint *l)
{
    struct pke_cursor list;
    char dotted[80];

    if (!eku_list(l, &list))
        return false;
    while (next_eku(&list, dotted))
        if (!l->ctx->ekus || !pke_strings_has(l->ctx->ekus, dotted))
            return false;
    return true;
}

bool lint_basic_constraints(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_BASIC_CONSTRAINTS);
    struct ca_der value;

    /* the empty SEQUENCE is the only DER of CA:FALSE without a path length */
    return e && ca_der_whole(e->value, CA_DER_SEQUENCE, &value) && value.value.n == 0;
}

bool lint_ski(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_SKI);
    struct ca_der value;
    uint8_t id[20];

    ca_key_identifier(&l->key, id);
    return e && ca_der_whole(e->value, CA_DER_OCTET_STRING, &value) &&
           pke_bytes_eq(value.value, PKE_BYTES(id, sizeof id));
}

bool lint_aki(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_AKI);
    struct pke_cursor whole, inside;
    struct ca_der id;

    if (!e)
        return false;
    whole = pke_cursor_of(e->value);
    return ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) && pke_cursor_left(&whole) == 0 &&
           ca_der_take_tag(&inside, TAG_AKI_KEY_ID, &id) && pke_cursor_left(&inside) == 0 &&
           pke_bytes_eq(id.value, ca_issuer_key_id(l->ctx->issuer));
}

bool lint_san_syntax(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_SAN);
    struct pke_cursor whole, names;
    struct ca_der uri;

    if (!e)
        return true;
    whole = pke_cursor_of(e->value);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &names) || pke_cursor_left(&whole) > 0 ||
        pke_cursor_left(&names) == 0)
        return false;
    while (pke_cursor_left(&names) > 0)
        if (!ca_der_take_tag(&names, TAG_SAN_URI, &uri) || !ca_text_uri(uri.value))
            return false;
    return true;
}

bool lint_san_critical(const struct lint *l)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, OID_SAN);
    bool empty = l->tbs.subject.n == 2; /* 30 00 */

    return e ? e->critical == empty : !empty;
}
