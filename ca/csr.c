/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of PKCS#10. Screening and possession are in csr_screen.c. */
#include "ca/csr_asked.h"

#include <string.h>

#include "base/encode.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/oids.h"
#include "ca/ossl.h"
#include "ca/signature.h"
#include "ca/text.h"

#define SUBJECT_MAX 4096

#define OID_EXTENSION_REQUEST    "1.2.840.113549.1.9.14"
#define OID_MS_EXTENSION_REQUEST "1.3.6.1.4.1.311.2.1.14"

struct parser {
    struct pke_arena *arena;
    struct ca_csr *csr;
    struct pke_fail *fail;
};

static enum pke_err structure(struct parser *p, const char *rule, const char *what)
{
    return pke_fail_set(p->fail, PKE_MALFORMED, "csr-structure", rule, "%s has the wrong structure", what);
}

static enum pke_err oid_text(struct parser *p, struct pke_bytes der, char dotted[80])
{
    if (pke_oid_decode(der, dotted, 80))
        return PKE_OK;
    return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-oid", "X.690 8.19",
                        "an object identifier of the request has an arc that is too large");
}

/* A NUL at the end is what Windows writes; a NUL inside is how one name is passed off as another. */
static enum pke_err check_value(struct parser *p, const struct ca_der *value)
{
    bool string = value->tag == CA_DER_UTF8 || value->tag == CA_DER_PRINTABLE || value->tag == CA_DER_IA5;

    if (string && value->value.n > 1 && memchr(value->value.p, 0, value->value.n - 1))
        return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-subject-nul", "RFC 5280 4.1.2.6",
                            "a value of the subject has a NUL inside");
    return PKE_OK;
}

static enum pke_err parse_subject(struct parser *p, const struct ca_der *name)
{
    struct pke_cursor rdns = pke_cursor_of(name->value), rdn, ava;
    struct ca_der type, value;
    unsigned count = 0;
    enum pke_err err;

    if (name->full.n > SUBJECT_MAX)
        return pke_fail_set(p->fail, PKE_LIMIT, "csr-subject-size", "limit", "the subject exceeds %u octets",
                            SUBJECT_MAX);
    while (pke_cursor_left(&rdns) > 0) {
        if (++count > CA_CSR_MAX_RDNS)
            return pke_fail_set(p->fail, PKE_LIMIT, "csr-subject-size", "limit",
                                "the subject has more than %u relative names", CA_CSR_MAX_RDNS);
        if (!ca_der_enter(&rdns, CA_DER_SET, &rdn) || !ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) ||
            !ca_der_take_tag(&ava, CA_DER_OID, &type) || !ca_der_take(&ava, &value) ||
            pke_cursor_left(&ava) > 0)
            return structure(p, "RFC 5280 4.1.2.4", "the subject");
        if (pke_cursor_left(&rdn) > 0)
            return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-subject-multivalued", "RFC 5280 4.1.2.4",
                                "a relative name of the subject has more than one value");
        if ((err = check_value(p, &value)))
            return err;
    }
    p->csr->subject_text = ca_text_name(name->full, p->arena);
    return PKE_OK;
}

static enum pke_err parse_eku(struct parser *p, struct pke_bytes value)
{
    struct pke_cursor whole = pke_cursor_of(value), inside;
    struct ca_der oid;
    char dotted[80];
    enum pke_err err;

    p->csr->eku_requested = true;
    if (!ca_der_strict(value) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &inside) ||
        pke_cursor_left(&inside) == 0)
        return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-eku", "RFC 5280 4.2.1.12",
                            "the requested extended key usage is not a list of one or more identifiers");
    while (pke_cursor_left(&inside) > 0) {
        if (!ca_der_take_tag(&inside, CA_DER_OID, &oid) || p->csr->ekus.n == CA_CSR_MAX_EKUS)
            return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-eku", "RFC 5280 4.2.1.12",
                                "the requested extended key usage has a foreign element or more than %u",
                                CA_CSR_MAX_EKUS);
        if ((err = oid_text(p, oid.value, dotted)))
            return err;
        if (!pke_strings_has(&p->csr->ekus, dotted))
            pke_strings_add(&p->csr->ekus, p->arena, dotted);
    }
    return PKE_OK;
}

static bool requested_already(const struct ca_csr *csr, const char *dotted)
{
    for (size_t i = 0; i < csr->asked.n_ext; i++)
        if (strcmp(csr->asked.ext[i].oid, dotted) == 0)
            return true;
    return false;
}

static enum pke_err parse_extension(struct parser *p, struct pke_cursor fields)
{
    struct ca_der oid, critical, value;
    char dotted[80];
    bool is_critical;
    enum pke_err err;

    if (!ca_der_take_tag(&fields, CA_DER_OID, &oid))
        return structure(p, "RFC 5280 4.2", "a requested extension");
    is_critical = ca_der_take_tag(&fields, CA_DER_BOOLEAN, &critical);
    if (is_critical && critical.value.p[0] == 0)
        return pke_fail_set(p->fail, PKE_MALFORMED, "csr-der", "X.690 11.5",
                            "a requested extension encodes its default criticality");
    if (!ca_der_take_tag(&fields, CA_DER_OCTET_STRING, &value) || pke_cursor_left(&fields) > 0)
        return structure(p, "RFC 5280 4.2", "a requested extension");
    if ((err = oid_text(p, oid.value, dotted)))
        return err;
    if (requested_already(p->csr, dotted))
        return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-extension-duplicate", "RFC 5280 4.2",
                            "the extension %s is requested twice", dotted);
    if (p->csr->asked.n_ext == CA_CSR_MAX_EXTENSIONS)
        return pke_fail_set(p->fail, PKE_LIMIT, "csr-extensions", "limit",
                            "more than %u extensions are requested", CA_CSR_MAX_EXTENSIONS);
    p->csr->asked.ext[p->csr->asked.n_ext++] = (struct ca_csr_extension){
        .oid = pke_arena_strdup(p->arena, dotted), .critical = is_critical, .value = value.value};
    return strcmp(dotted, OID_EKU) == 0 ? parse_eku(p, value.value) : PKE_OK;
}

/* Content of the SET of an extension request: exactly one Extensions. */
static enum pke_err parse_extensions(struct parser *p, struct pke_cursor values)
{
    struct pke_cursor list, fields;
    enum pke_err err;

    if (!ca_der_enter(&values, CA_DER_SEQUENCE, &list))
        return structure(p, "RFC 2985 5.4.2", "the extension request");
    if (pke_cursor_left(&values) > 0)
        return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-extension-values", "RFC 2985 5.4.2",
                            "the extension request has more than one value");
    while (pke_cursor_left(&list) > 0) {
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &fields))
            return structure(p, "RFC 5280 4.2", "a requested extension");
        if ((err = parse_extension(p, fields)))
            return err;
    }
    return PKE_OK;
}

static enum pke_err parse_attributes(struct parser *p, struct pke_cursor attributes)
{
    struct pke_bytes seen[CA_CSR_MAX_ATTRIBUTES];
    struct pke_cursor fields, values;
    struct ca_der oid;
    char dotted[80];
    bool requested = false;
    enum pke_err err;

    for (unsigned n = 0; pke_cursor_left(&attributes) > 0; n++) {
        if (n == CA_CSR_MAX_ATTRIBUTES)
            return pke_fail_set(p->fail, PKE_LIMIT, "csr-attributes", "limit", "more than %u attributes",
                                CA_CSR_MAX_ATTRIBUTES);
        if (!ca_der_enter(&attributes, CA_DER_SEQUENCE, &fields) ||
            !ca_der_take_tag(&fields, CA_DER_OID, &oid) || !ca_der_enter(&fields, CA_DER_SET, &values) ||
            pke_cursor_left(&fields) > 0 || pke_cursor_left(&values) == 0)
            return structure(p, "RFC 2986 4.1", "an attribute");
        for (unsigned i = 0; i < n; i++)
            if (pke_bytes_eq(seen[i], oid.value))
                return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-attribute-duplicate", "RFC 2986 4.1",
                                    "an attribute type appears twice");
        seen[n] = oid.value;
        if ((err = oid_text(p, oid.value, dotted)))
            return err;
        if (strcmp(dotted, OID_EXTENSION_REQUEST) != 0 && strcmp(dotted, OID_MS_EXTENSION_REQUEST) != 0) {
            pke_strings_add(&p->csr->asked.attributes, p->arena, dotted);
            continue;
        }
        if (requested)
            return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-extension-requests", "RFC 2985 5.4.2",
                                "both PKCS#9 and Microsoft extension requests are present");
        requested = true;
        if ((err = parse_extensions(p, values)))
            return err;
    }
    return PKE_OK;
}

static enum pke_err parse_info(struct parser *p, struct pke_cursor info)
{
    struct ca_der version, subject, spki;
    struct pke_cursor attributes = {NULL, NULL};
    struct ca_key key;
    enum pke_err err;

    if (!ca_der_take_tag(&info, CA_DER_INTEGER, &version) ||
        !ca_der_take_tag(&info, CA_DER_SEQUENCE, &subject) || !ca_der_take_tag(&info, CA_DER_SEQUENCE, &spki))
        return structure(p, "RFC 2986 4.1", "the CertificationRequestInfo");
    if (version.value.n != 1 || version.value.p[0] != 0)
        return pke_fail_set(p->fail, PKE_CSR_BAD, "csr-version", "RFC 2986 4.1", "the version is not 0");
    /* absent attributes are an old tool's mistake that changes nothing: tolerated */
    if (pke_cursor_left(&info) > 0 &&
        (!ca_der_enter(&info, CA_DER_CONTEXT_0, &attributes) || pke_cursor_left(&info) > 0))
        return structure(p, "RFC 2986 4.1", "the CertificationRequestInfo");
    if ((err = parse_subject(p, &subject)) || (err = parse_attributes(p, attributes)) ||
        (err = ca_csr_asked_read(&subject, &p->csr->asked, p->arena, p->fail)) ||
        (err = ca_key_decode(spki.full, &key, p->fail)))
        return err;
    p->csr->spki = spki.full;
    p->csr->key_type = key.type;
    p->csr->key_bits = key.bits;
    return PKE_OK;
}

/* One element, nothing after it, all of it DER. */
static enum pke_err check_der(struct pke_bytes der, struct ca_der *outer, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(der);

    if (der.n > CA_CSR_MAX)
        return pke_fail_set(fail, PKE_LIMIT, "csr-size", "limit", "the request exceeds %u octets",
                            CA_CSR_MAX);
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, outer))
        return pke_fail_set(fail, PKE_MALFORMED, "csr-der", "X.690 10.1",
                            "the certificate request is not a DER SEQUENCE");
    if (pke_cursor_left(&c) > 0)
        return pke_fail_set(fail, PKE_MALFORMED, "csr-trailing", "RFC 2986 4.2",
                            "%zu octets follow the certificate request", pke_cursor_left(&c));
    if (!ca_der_strict(der))
        return pke_fail_set(fail, PKE_MALFORMED, "csr-der", "X.690 10, 11",
                            "the certificate request is not DER throughout");
    return PKE_OK;
}

enum pke_err ca_csr_parse(struct pke_bytes der, struct pke_arena *arena, struct ca_csr *ret,
                          struct pke_fail *fail)
{
    struct parser p = {arena, ret, fail};
    struct ca_der outer, info, algorithm, signature;
    struct pke_cursor c;
    enum pke_err err;

    memset(ret, 0, sizeof *ret);
    if ((err = check_der(der, &outer, fail)))
        return err;
    c = pke_cursor_of(outer.value);
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &info) || !ca_der_take_tag(&c, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&c, CA_DER_BIT_STRING, &signature) || pke_cursor_left(&c) > 0 ||
        signature.value.p[0] != 0)
        return structure(&p, "RFC 2986 4.2", "the CertificationRequest");
    ret->der = der;
    ret->info = info.full;
    ret->algorithm = algorithm.full;
    ret->signature = PKE_BYTES(signature.value.p + 1, signature.value.n - 1);
    ret->signature_algorithm = ca_signature_name(algorithm.full, &ret->has_digest, &ret->digest);
    ca_digest(CA_SHA256, der, ret->der_sha256);
    if ((err = parse_info(&p, pke_cursor_of(info.value))))
        return err;
    ca_digest(CA_SHA256, ret->spki, ret->spki_sha256);
    return PKE_OK;
}
