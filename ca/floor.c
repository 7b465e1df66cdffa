/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last check before the key, in the process that holds it. It shares the decoder with lint but none of
 * its rules: a mistake in one is not a mistake in both.
 */
#include "ca/floor.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/cert.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/oids.h"
#include "ca/tbs.h"

#define RECENT      4096 /* serials remembered */
#define BUCKETS     4096
#define NONE        UINT16_MAX
#define SERIAL_MAX  20
#define FUTURE_SKEW 300 /* seconds that notBefore may lie ahead */

struct serial {
    uint8_t octets[SERIAL_MAX];
    uint8_t n;
    uint16_t next; /* in its bucket */
};

/* A ring of the last serials, each also in a chain of its hash. */
struct memory {
    struct serial ring[RECENT];
    uint16_t bucket[BUCKETS];
    unsigned at; /* next slot to fill */
};

struct ca_floor {
    struct ca_issuer *issuer;
    struct ca_floor_limits limits;
    struct pke_arena *arena;
    struct memory memory;
};

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_POLICY, reason, rule, "%s", text);
}

static unsigned bucket_of(struct pke_bytes serial)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < serial.n; i++)
        h = (h ^ serial.p[i]) * 16777619u;
    return h % BUCKETS;
}

static struct pke_bytes serial_bytes(const struct serial *s)
{
    return PKE_BYTES(s->octets, s->n);
}

static bool seen(const struct memory *m, struct pke_bytes serial)
{
    for (uint16_t i = m->bucket[bucket_of(serial)]; i != NONE; i = m->ring[i].next)
        if (pke_bytes_eq(serial_bytes(&m->ring[i]), serial))
            return true;
    return false;
}

static void forget(struct memory *m, uint16_t slot)
{
    uint16_t *link = &m->bucket[bucket_of(serial_bytes(&m->ring[slot]))];

    while (*link != slot)
        link = &m->ring[*link].next;
    *link = m->ring[slot].next;
}

static void remember(struct memory *m, struct pke_bytes serial)
{
    uint16_t slot = (uint16_t)m->at;
    struct serial *s = &m->ring[slot];
    unsigned bucket = bucket_of(serial);

    if (s->n > 0)
        forget(m, slot);
    memcpy(s->octets, serial.p, serial.n);
    s->n = (uint8_t)serial.n;
    s->next = m->bucket[bucket];
    m->bucket[bucket] = slot;
    m->at = (m->at + 1) % RECENT;
}

enum pke_err ca_floor_new(struct pke_bytes certificate_pem, const struct ca_floor_limits *limits,
                          struct ca_floor **ret, struct pke_fail *fail)
{
    struct ca_issuer *issuer;
    struct ca_floor *f;
    enum pke_err err = ca_issuer_load_unanchored(certificate_pem, limits->scheme, &issuer, fail);

    if (err)
        return err;
    f = pke_calloc(1, sizeof *f);
    f->issuer = issuer;
    f->arena = pke_arena_new();
    f->limits.max_validity = limits->max_validity;
    f->limits.max_backdate = limits->max_backdate;
    for (size_t i = 0; i < limits->allowed_ekus.n; i++)
        pke_strings_add(&f->limits.allowed_ekus, f->arena, limits->allowed_ekus.v[i]);
    for (size_t i = 0; i < BUCKETS; i++)
        f->memory.bucket[i] = NONE;
    *ret = f;
    return PKE_OK;
}

void ca_floor_free(struct ca_floor *f)
{
    if (!f)
        return;
    ca_issuer_free(f->issuer);
    pke_arena_free(f->arena);
    free(f);
}

EVP_PKEY *ca_floor_public_key(const struct ca_floor *f)
{
    return ca_issuer_public_key(f->issuer);
}

struct pke_bytes ca_floor_spki(const struct ca_floor *f)
{
    return ca_issuer_spki(f->issuer);
}

const struct ca_issuer *ca_floor_issuer(const struct ca_floor *f)
{
    return f->issuer;
}

/* Positive, 64 to 159 bits: with the sign bit clear that is 8 octets with the top one used, to 20. */
static bool serial_in_range(struct pke_bytes s)
{
    if (s.n == 0 || s.p[0] & 0x80 || s.n > SERIAL_MAX)
        return false;
    return s.n > 9 || (s.n == 9 && (s.p[0] > 0 || s.p[1] & 0x80));
}

static enum pke_err check_identity(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    struct ca_key key;

    if (tbs->version != 2)
        return refuse(fail, "floor-version", "RFC 5280 4.1.2.1", "the certificate is not version 3");
    if (!pke_bytes_eq(tbs->issuer, ca_issuer_subject(f->issuer)))
        return refuse(fail, "floor-issuer", "RFC 5280 4.1.2.4", "the issuer is not this key's CA");
    if (!pke_bytes_eq(tbs->algorithm, ca_issuer_algorithm(f->issuer)))
        return refuse(fail, "floor-algorithm", "RFC 5280 4.1.2.3", "not the algorithm of this key");
    if (!serial_in_range(tbs->serial))
        return refuse(fail, "floor-serial", "RFC 5280 4.1.2.2", "the serial is not of 64 to 159 bits");
    if (pke_bytes_eq(tbs->spki, ca_issuer_spki(f->issuer)))
        return refuse(fail, "floor-own-key", "BR 6.1.1.3", "the subject's key is the CA's own");
    if (ca_key_decode(tbs->spki, &key, NULL))
        return refuse(fail, "floor-key", "RFC 5280 4.1.2.7", "the subject's key is of an unknown type");
    if (pke_bytes_eq(tbs->subject, tbs->issuer))
        return refuse(fail, "floor-subject", "RFC 5280 3.2", "the subject has the CA's name");
    if (tbs->has_unique_ids)
        return refuse(fail, "floor-unique-id", "RFC 5280 4.1.2.8", "unique identifiers are present");
    return PKE_OK;
}

static enum pke_err check_validity(const struct ca_floor *f, const struct ca_tbs *tbs, int64_t now,
                                   struct pke_fail *fail)
{
    if (tbs->not_after <= tbs->not_before || tbs->not_after - tbs->not_before > f->limits.max_validity)
        return refuse(fail, "floor-validity", "key policy", "the validity is inverted or over the limit");
    if (tbs->not_after > ca_issuer_not_after(f->issuer))
        return refuse(fail, "floor-outlives-issuer", "RFC 5280 6.1.3", "it would outlive its CA");
    if (tbs->not_before < now - f->limits.max_backdate)
        return refuse(fail, "floor-backdated", "key policy", "it begins too long ago");
    if (tbs->not_before > now + FUTURE_SKEW)
        return refuse(fail, "floor-postdated", "key policy", "it begins in the future");
    return PKE_OK;
}

static enum pke_err check_usage(const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *bc = ca_tbs_find(tbs, OID_BASIC_CONSTRAINTS);
    const struct ca_tbs_extension *ku = ca_tbs_find(tbs, OID_KEY_USAGE);
    static const uint8_t leaf[] = {0x30, 0x00};

    if (!bc || !bc->critical || !pke_bytes_eq(bc->value, PKE_BYTES(leaf, sizeof leaf)))
        return refuse(fail, "floor-basic-constraints", "RFC 5280 4.2.1.9",
                      "basicConstraints is absent or says more than CA:FALSE");
    /* 03 02 unused bits: one octet of bits, of which digitalSignature and keyEncipherment may be set */
    if (!ku || !ku->critical || ku->value.n != 4 || ku->value.p[0] != 0x03 || ku->value.p[1] != 0x02 ||
        ku->value.p[3] == 0 || ku->value.p[3] & ~(KU_BIT_DIGITAL_SIGNATURE | KU_BIT_KEY_ENCIPHERMENT))
        return refuse(fail, "floor-key-usage", "RFC 5280 4.2.1.3",
                      "keyUsage is absent or has another bit than digitalSignature and keyEncipherment");
    return PKE_OK;
}

static enum pke_err check_eku(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *e = ca_tbs_find(tbs, OID_EKU);
    struct pke_cursor whole, list;
    struct ca_der oid;
    char dotted[80];

    if (!e)
        return refuse(fail, "floor-eku", "RFC 5280 4.2.1.12", "there is no extended key usage");
    whole = pke_cursor_of(e->value);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &list) || pke_cursor_left(&whole) > 0 ||
        pke_cursor_left(&list) == 0)
        return refuse(fail, "floor-eku", "RFC 5280 4.2.1.12", "the extended key usage is not a list");
    while (pke_cursor_left(&list) > 0)
        if (!ca_der_take_tag(&list, CA_DER_OID, &oid) || !pke_oid_decode(oid.value, dotted, sizeof dotted) ||
            strcmp(dotted, OID_ANY_EKU) == 0 || !pke_strings_has(&f->limits.allowed_ekus, dotted))
            return refuse(fail, "floor-eku", "key policy", "an extended key usage is not on the key's list");
    return PKE_OK;
}

static enum pke_err check_aki(const struct ca_floor *f, const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *e = ca_tbs_find(tbs, OID_AKI);
    struct pke_cursor whole = e ? pke_cursor_of(e->value) : (struct pke_cursor){NULL, NULL}, inside;
    struct ca_der id;

    if (!e || !ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0 ||
        !ca_der_take_tag(&inside, TAG_AKI_KEY_ID, &id) || pke_cursor_left(&inside) > 0 ||
        !pke_bytes_eq(id.value, ca_issuer_key_id(f->issuer)))
        return refuse(fail, "floor-aki", "RFC 5280 4.2.1.1", "it does not name this key as its authority");
    return PKE_OK;
}

/* Only names of a kind that is issued: an otherName could be a UPN, with which people log on. */
static enum pke_err check_san(const struct ca_tbs *tbs, struct pke_fail *fail)
{
    const struct ca_tbs_extension *e = ca_tbs_find(tbs, OID_SAN);
    struct pke_cursor whole, names;
    struct ca_der uri;

    if (!e)
        return PKE_OK;
    whole = pke_cursor_of(e->value);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &names) || pke_cursor_left(&whole) > 0 ||
        pke_cursor_left(&names) == 0)
        return refuse(fail, "floor-san", "RFC 5280 4.2.1.6", "the subject alternative name is not a list");
    while (pke_cursor_left(&names) > 0)
        if (!ca_der_take_tag(&names, TAG_SAN_URI, &uri))
            return refuse(fail, "floor-san", "key policy", "an alternative name is not a URI");
    return PKE_OK;
}

static enum pke_err check_extensions(const struct ca_floor *f, const struct ca_tbs *tbs,
                                     struct pke_fail *fail)
{
    static const char *const issued[] = {OID_KEY_USAGE, OID_EKU, OID_BASIC_CONSTRAINTS,
                                         OID_SKI,       OID_AKI, OID_SAN};
    enum pke_err err;

    for (size_t i = 0; i < tbs->n_ext; i++) {
        bool known = false;

        for (size_t k = 0; k < PKE_LEN(issued); k++)
            known = known || strcmp(issued[k], tbs->ext[i].oid) == 0;
        if (!known || ca_tbs_find(tbs, tbs->ext[i].oid) != &tbs->ext[i])
            return refuse(fail, "floor-extension", "key policy",
                          "an extension is not one that is issued, or appears twice");
        if (!ca_der_strict(tbs->ext[i].value))
            return refuse(fail, "floor-der", "RFC 5280 4.2", "an extension is not DER");
    }
    if ((err = check_usage(tbs, fail)) || (err = check_eku(f, tbs, fail)) || (err = check_aki(f, tbs, fail)))
        return err;
    return check_san(tbs, fail);
}

enum pke_err ca_floor_check(struct ca_floor *f, struct pke_bytes der, int64_t now, struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct ca_tbs tbs;
    enum pke_err err;

    if (der.n > CA_TBS_MAX)
        return refuse(fail, "floor-size", "limit", "the bytes are more than any certificate needs");
    if (ca_tbs_decode(der, &tbs, &why))
        return pke_fail_set(fail, PKE_POLICY, "floor-der", why.rule, "not a TBSCertificate: %s", why.text);
    if ((err = check_identity(f, &tbs, fail)) || (err = check_validity(f, &tbs, now, fail)) ||
        (err = check_extensions(f, &tbs, fail)))
        return err;
    if (seen(&f->memory, tbs.serial))
        return refuse(fail, "floor-serial-repeated", "RFC 5280 4.1.2.2", "the serial was signed before");
    remember(&f->memory, tbs.serial);
    return PKE_OK;
}
