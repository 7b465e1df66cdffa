/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over the extensions as such, and over those that every certificate has. */
#include <string.h>

#include "base/mem.h"
#include "ca/lint_rules.h"
#include "ca/oids.h"

/* All that are ever issued. Which of them a certificate has, template, issuer and decision say. */
static const struct {
    const char *oid;
    bool critical;
} known[] = {
    {OID_KEY_USAGE, true}, {OID_EKU, false},           {OID_BASIC_CONSTRAINTS, true}, {OID_SKI, false},
    {OID_AKI, false},      {OID_SAN, false}, /* san-critical-iff-subject-empty */
    {OID_SID, false},      {OID_APP_POLICIES, false},  {OID_POLICIES, false},         {OID_CRL_POINTS, false},
    {OID_AIA, false},      {OID_TEMPLATE_NAME, false}, {OID_TEMPLATE, false},
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

/* Each of them is a SEQUENCE SIZE (1..MAX), or an OCTET or BIT STRING that must say something; the empty
 * SEQUENCE of basicConstraints is its DEFAULT. */
bool lint_extensions_not_empty(const struct lint *l)
{
    for (size_t i = 0; i < l->tbs.n_ext; i++)
        if (l->tbs.ext[i].value.n <= 2 && strcmp(l->tbs.ext[i].oid, OID_BASIC_CONSTRAINTS) != 0)
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

bool lint_list(const struct lint *l, const char *oid, struct pke_cursor *list)
{
    const struct ca_tbs_extension *e = ca_tbs_find(&l->tbs, oid);
    struct ca_der whole;

    if (!e || !ca_der_whole(e->value, CA_DER_SEQUENCE, &whole))
        return false;
    *list = pke_cursor_of(whole.value);
    return true;
}

bool lint_has(const struct pke_strings *list)
{
    return list && list->n > 0;
}
