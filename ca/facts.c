/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of whole certificates of others. What they are good for is in facts_check.c. */
#include "ca/facts.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/der.h"
#include "ca/oids.h"
#include "ca/ossl.h"
#include "ca/tbs.h"
#include "ca/text.h"

struct reader {
    struct pke_arena *arena;
    struct ca_cert_facts *facts;
    struct pke_fail *fail;
};

static enum pke_err read_eku(struct reader *r, struct pke_bytes value)
{
    struct pke_cursor whole = pke_cursor_of(value), list = {NULL, NULL};
    struct ca_der oid;
    char dotted[80];
    unsigned n = 0;
    bool good = ca_der_enter(&whole, CA_DER_SEQUENCE, &list) && pke_cursor_left(&whole) == 0;

    r->facts->has_eku = true;
    for (; good && pke_cursor_left(&list) > 0; n++) {
        good = n < CA_FACTS_MAX_EKUS && ca_der_take_tag(&list, CA_DER_OID, &oid) &&
               pke_oid_decode(oid.value, dotted, sizeof dotted);
        if (good && !pke_strings_has(&r->facts->ekus, dotted))
            pke_strings_add(&r->facts->ekus, r->arena, dotted);
    }
    if (!good || n == 0)
        return pke_fail_set(r->fail, PKE_MALFORMED, "cert-eku", "RFC 5280 4.2.1.12",
                            "the extended key usage is not a list of 1 to %u identifiers", CA_FACTS_MAX_EKUS);
    return PKE_OK;
}

static enum pke_err read_basic_constraints(struct reader *r, struct pke_bytes value)
{
    struct pke_cursor whole = pke_cursor_of(value), inside;
    struct ca_der ca = {0}, length;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0)
        goto malformed;
    if (ca_der_take_tag(&inside, CA_DER_BOOLEAN, &ca) && ca.value.p[0] == 0)
        goto malformed; /* FALSE is the default: X.690 11.5 */
    r->facts->ca = ca.value.n > 0;
    if (ca_der_take_tag(&inside, CA_DER_INTEGER, &length) && length.value.p[0] & 0x80)
        goto malformed;
    if (pke_cursor_left(&inside) == 0)
        return PKE_OK;
malformed:
    return pke_fail_set(r->fail, PKE_MALFORMED, "cert-basic-constraints", "RFC 5280 4.2.1.9",
                        "the basic constraints cannot be read");
}

static enum pke_err read_key_usage(struct reader *r, struct pke_bytes value)
{
    struct ca_der bits;

    if (!ca_der_whole(value, CA_DER_BIT_STRING, &bits) || bits.value.n < 2 || bits.value.n > 3)
        return pke_fail_set(r->fail, PKE_MALFORMED, "cert-key-usage", "RFC 5280 4.2.1.3",
                            "the key usage is not a string of 1 to 9 bits");
    r->facts->has_key_usage = true;
    r->facts->key_usage = bits.value.p[1];
    return PKE_OK;
}

static enum pke_err bad_key_id(struct reader *r)
{
    return pke_fail_set(r->fail, PKE_MALFORMED, "cert-key-id", "RFC 5280 4.2.1.1, 4.2.1.2",
                        "a key identifier cannot be read");
}

static enum pke_err read_subject_key_id(struct reader *r, struct pke_bytes value)
{
    struct ca_der id;

    if (!ca_der_whole(value, CA_DER_OCTET_STRING, &id) || id.value.n == 0)
        return bad_key_id(r);
    r->facts->subject_key_id = id.value;
    return PKE_OK;
}

static enum pke_err read_authority_key_id(struct reader *r, struct pke_bytes value)
{
    struct pke_cursor whole = pke_cursor_of(value), inside;
    struct ca_der id;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&whole) > 0)
        return bad_key_id(r);
    if (ca_der_take_tag(&inside, TAG_AKI_KEY_ID, &id))
        r->facts->authority_key_id = id.value;
    return PKE_OK; /* the issuer's name and serial may follow; nobody asks for them */
}

static const struct {
    const char *oid;
    enum pke_err (*read)(struct reader *r, struct pke_bytes value);
} known[] = {
    {OID_KEY_USAGE, read_key_usage},
    {OID_EKU, read_eku},
    {OID_BASIC_CONSTRAINTS, read_basic_constraints},
    {OID_SKI, read_subject_key_id},
    {OID_AKI, read_authority_key_id},
};

static enum pke_err read_extension(struct reader *r, const struct ca_tbs_extension *e)
{
    for (size_t i = 0; i < PKE_LEN(known); i++) {
        if (strcmp(known[i].oid, e->oid) != 0)
            continue;
        if (!ca_der_strict(e->value))
            return pke_fail_set(r->fail, PKE_MALFORMED, "cert-der", "X.690 10, 11",
                                "an extension is not DER throughout");
        return known[i].read(r, e->value);
    }
    r->facts->unknown_critical = r->facts->unknown_critical || e->critical;
    return PKE_OK;
}

static enum pke_err read_extensions(struct reader *r, const struct ca_tbs *tbs)
{
    enum pke_err err;

    for (size_t i = 0; i < tbs->n_ext; i++) {
        if (ca_tbs_find(tbs, tbs->ext[i].oid) != &tbs->ext[i])
            return pke_fail_set(r->fail, PKE_MALFORMED, "cert-extension-duplicate", "RFC 5280 4.2",
                                "an extension appears twice");
        if ((err = read_extension(r, &tbs->ext[i])))
            return err;
    }
    return PKE_OK;
}

/* Every value of the Name, so that a second common name is never overlooked. */
static enum pke_err read_subject(struct reader *r)
{
    static const uint8_t common_name[] = {0x55, 0x04, 0x03};
    struct pke_cursor whole = pke_cursor_of(r->facts->subject), rdns = whole, rdn, ava;
    struct ca_der type, value, cn = {0};
    unsigned count = 0;

    (void)ca_der_enter(&whole, CA_DER_SEQUENCE, &rdns);
    while (pke_cursor_left(&rdns) > 0) {
        if (!ca_der_enter(&rdns, CA_DER_SET, &rdn) || pke_cursor_left(&rdn) == 0)
            goto malformed;
        while (pke_cursor_left(&rdn) > 0) {
            if (!ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) || !ca_der_take_tag(&ava, CA_DER_OID, &type) ||
                !ca_der_take(&ava, &value) || pke_cursor_left(&ava) > 0)
                goto malformed;
            if (pke_bytes_eq(type.value, PKE_BYTES(common_name, sizeof common_name)))
                cn = value, count++;
        }
    }
    if (count == 1 && (cn.tag == CA_DER_UTF8 || cn.tag == CA_DER_PRINTABLE || cn.tag == CA_DER_IA5) &&
        cn.value.n > 0 && ca_text_plain(cn.value, NULL))
        r->facts->subject_cn = pke_arena_str(r->arena, cn.value);
    r->facts->subject_text = ca_text_name(r->facts->subject, r->arena);
    return PKE_OK;
malformed:
    return pke_fail_set(r->fail, PKE_MALFORMED, "cert-structure", "RFC 5280 4.1.2.6",
                        "the subject has the wrong structure");
}

static enum pke_err read_tbs(struct reader *r, struct ca_tbs *tbs)
{
    struct ca_cert_facts *f = r->facts;
    enum pke_err err;

    if ((err = ca_tbs_decode(f->tbs, tbs, r->fail)))
        return err;
    if (tbs->version > 2 || (tbs->has_extensions && tbs->version != 2) ||
        (tbs->has_unique_ids && tbs->version == 0))
        return pke_fail_set(r->fail, PKE_MALFORMED, "cert-version", "RFC 5280 4.1.2.1",
                            "the version does not fit the content");
    if (!pke_bytes_eq(tbs->algorithm, f->algorithm))
        return pke_fail_set(r->fail, PKE_MALFORMED, "cert-algorithm", "RFC 5280 4.1.1.2",
                            "the signature algorithm inside and outside differ");
    f->serial = tbs->serial;
    f->issuer = tbs->issuer;
    f->subject = tbs->subject;
    f->spki = tbs->spki;
    f->not_before = tbs->not_before;
    f->not_after = tbs->not_after;
    return (err = read_subject(r)) ? err : read_extensions(r, tbs);
}

enum pke_err ca_cert_facts_read(struct pke_bytes der, struct pke_arena *arena, struct ca_cert_facts *ret,
                                struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(der), c;
    struct reader r = {arena, ret, fail};
    struct ca_der tbs, algorithm, signature;
    struct ca_tbs view;

    memset(ret, 0, sizeof *ret);
    if (der.n > CA_FACTS_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "cert-size", "limit", "the certificate exceeds %u octets",
                            CA_FACTS_MAX);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &c))
        return pke_fail_set(fail, PKE_MALFORMED, "cert-der", "X.690 10.1",
                            "the certificate is not a DER SEQUENCE");
    if (pke_cursor_left(&whole) > 0)
        return pke_fail_set(fail, PKE_MALFORMED, "cert-trailing", "RFC 5280 4.1",
                            "%zu octets follow the certificate", pke_cursor_left(&whole));
    if (!ca_der_strict(der))
        return pke_fail_set(fail, PKE_MALFORMED, "cert-der", "X.690 10, 11",
                            "the certificate is not DER throughout");
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &tbs) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&c, CA_DER_BIT_STRING, &signature) || pke_cursor_left(&c) > 0 ||
        signature.value.p[0] != 0)
        return pke_fail_set(fail, PKE_MALFORMED, "cert-structure", "RFC 5280 4.1.1",
                            "the certificate has the wrong structure");
    ret->der = der;
    ret->tbs = tbs.full;
    ret->algorithm = algorithm.full;
    ret->signature = PKE_BYTES(signature.value.p + 1, signature.value.n - 1);
    ca_digest(CA_SHA256, der, ret->sha256);
    return read_tbs(&r, &view);
}

bool ca_cert_subject_is_single(struct pke_bytes der)
{
    struct pke_cursor whole = pke_cursor_of(der), c, name, rdns, rdn;
    struct ca_der tbs;
    struct ca_tbs view;

    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &c) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &tbs) ||
        ca_tbs_decode(tbs.full, &view, NULL) != PKE_OK)
        return false;
    name = pke_cursor_of(view.subject);
    return ca_der_enter(&name, CA_DER_SEQUENCE, &rdns) && ca_der_enter(&rdns, CA_DER_SET, &rdn) &&
           pke_cursor_left(&rdns) == 0;
}
