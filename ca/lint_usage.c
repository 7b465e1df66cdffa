/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules about what the key may be used for: keyUsage and extendedKeyUsage. */
#include <string.h>

#include "base/encode.h"
#include "ca/lint_rules.h"
#include "ca/oids.h"

#define EKU_MAX 64

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

/* What a key of this type can do, of the bits of the first octet. A signature key signs and commits; RSA also
 * enciphers, ECDH agrees. */
static uint8_t able(const struct lint *l)
{
    const uint8_t sign = 0x80 | 0x40, encipher = 0x20 | 0x10, agree = 0x08 | 0x01;

    if (l->key.type == CA_KEY_RSA)
        return sign | encipher;
    return l->key.type == CA_KEY_ED25519 ? sign : sign | agree;
}

bool lint_key_usage_key(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n == 2 && !(bits.p[1] & ~able(l));
}

bool lint_key_usage_bits(const struct lint *l)
{
    struct pke_bytes bits;

    return key_usage(l, &bits) && bits.n == 2 && bits.p[1] == (l->ctx->profile->key_usage & able(l));
}

/* Next usage of the list as text. */
static bool next_eku(struct pke_cursor *list, char dotted[80])
{
    struct ca_der oid;

    return ca_der_take_tag(list, CA_DER_OID, &oid) && pke_oid_decode(oid.value, dotted, 80);
}

bool lint_eku_present(const struct lint *l)
{
    struct pke_cursor list;
    char dotted[80];
    unsigned n = 0;

    if (!lint_list(l, OID_EKU, &list))
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

    if (!lint_list(l, OID_EKU, &list))
        return false;
    while (next_eku(&list, dotted))
        if (strcmp(dotted, OID_ANY_EKU) == 0)
            return false;
    return true;
}

/* Exactly the template's: one more is a right nobody gave, one less a certificate that does not work. */
bool lint_eku_template(const struct lint *l)
{
    const struct pke_strings *want = l->ctx->profile->ekus;
    struct pke_cursor list;
    char dotted[80];
    size_t i = 0;

    if (!lint_list(l, OID_EKU, &list) || !want)
        return false;
    for (; next_eku(&list, dotted); i++)
        if (i >= want->n || strcmp(want->v[i], dotted) != 0)
            return false;
    return i == want->n;
}
