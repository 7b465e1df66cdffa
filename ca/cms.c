/* SPDX-License-Identifier: Apache-2.0 */
/* The renewal taken apart (RFC 5652 3, 5.1 to 5.3); attributes and signature are in cms_verify.c. */
#include "ca/cms.h"

#include <string.h>

#include "base/mem.h"
#include "ca/cms_parts.h"
#include "ca/ossl.h"

#define TAG_CERTIFICATES        0xa0 /* [0] IMPLICIT SET OF CertificateChoices */
#define TAG_CRLS                0xa1 /* [1] IMPLICIT SET OF RevocationInfoChoice */
#define TAG_KEY_ID              0x80 /* [0] IMPLICIT OCTET STRING */
#define TAG_SIGNED_ATTRIBUTES   0xa0
#define TAG_UNSIGNED_ATTRIBUTES 0xa1

struct message {
    struct pke_cursor digests, certificates, crls, signers;
    struct pke_bytes content;
    struct ca_cms_signer signer;
    struct ca_cert_facts certificate; /* the signer's */
    struct pke_arena *arena;
    struct pke_fail *fail;
};

static enum pke_err malformed(struct message *m, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(m->fail, PKE_MALFORMED, reason, rule, "%s", text);
}

/* One element, nothing after it, all of it DER; then ContentInfo down to the fields of SignedData. */
static enum pke_err open_message(struct message *m, struct pke_bytes der, struct pke_cursor *fields)
{
    static const uint8_t signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
    struct pke_cursor whole = pke_cursor_of(der), info, explicit;
    struct ca_der type;

    if (der.n > CA_CMS_MAX)
        return pke_fail_set(m->fail, PKE_LIMIT, "cms-size", "limit", "the renewal exceeds %u octets",
                            CA_CMS_MAX);
    if (!ca_der_enter(&whole, CA_DER_SEQUENCE, &info))
        return malformed(m, "cms-der", "X.690 10.1", "the renewal is not a DER SEQUENCE");
    if (pke_cursor_left(&whole) > 0)
        return malformed(m, "cms-trailing", "RFC 5652 3", "something follows the renewal");
    if (!ca_der_strict(der))
        return malformed(m, "cms-der", "X.690 10, 11", "the renewal is not DER throughout");
    if (!ca_der_take_tag(&info, CA_DER_OID, &type))
        return malformed(m, "cms-structure", "RFC 5652 3", "the ContentInfo has the wrong structure");
    if (!pke_bytes_eq(type.value, PKE_BYTES(signed_data, sizeof signed_data)))
        return malformed(m, "cms-not-signed-data", "RFC 5652 5.1", "the renewal is no SignedData");
    if (!ca_der_enter(&info, CA_DER_CONTEXT_0, &explicit) || pke_cursor_left(&info) > 0 ||
        !ca_der_enter(&explicit, CA_DER_SEQUENCE, fields) || pke_cursor_left(&explicit) > 0)
        return malformed(m, "cms-structure", "RFC 5652 3", "the ContentInfo has the wrong structure");
    return PKE_OK;
}

/* The content is a request, a SEQUENCE, and never a SET: what was signed as attributes elsewhere must not
 * come back as content without attributes (the forgery called ForgedAttributes). */
static enum pke_err read_content(struct message *m, struct pke_cursor info)
{
    struct ca_der type, content, request;
    struct pke_cursor explicit;

    if (!ca_der_take_tag(&info, CA_DER_OID, &type))
        return malformed(m, "cms-structure", "RFC 5652 5.2",
                         "the EncapsulatedContentInfo has the wrong structure");
    if (!pke_bytes_eq(type.value, ca_cms_id_data))
        return malformed(m, "cms-content-type", "MS-MDE2 3.4.4.1, RFC 5652 4",
                         "the content type is not id-data");
    if (pke_cursor_left(&info) == 0)
        return malformed(m, "cms-content-absent", "RFC 5652 5.2", "the content is not in the message");
    if (!ca_der_enter(&info, CA_DER_CONTEXT_0, &explicit) || pke_cursor_left(&info) > 0 ||
        !ca_der_take_tag(&explicit, CA_DER_OCTET_STRING, &content) || pke_cursor_left(&explicit) > 0)
        return malformed(m, "cms-structure", "RFC 5652 5.2",
                         "the EncapsulatedContentInfo has the wrong structure");
    if (!ca_der_whole(content.value, CA_DER_SEQUENCE, &request))
        return malformed(m, "cms-content-not-request", "RFC 2986 4.2", "the content is not one DER SEQUENCE");
    m->content = content.value;
    return PKE_OK;
}

static bool version_in(const struct ca_der *version, const char *allowed)
{
    return version->value.n == 1 && version->value.p[0] != 0 && strchr(allowed, version->value.p[0]);
}

static enum pke_err read_fields(struct message *m, struct pke_cursor c)
{
    struct pke_cursor content;
    struct ca_der version;
    enum pke_err err;

    if (!ca_der_take_tag(&c, CA_DER_INTEGER, &version) || !ca_der_enter(&c, CA_DER_SET, &m->digests) ||
        !ca_der_enter(&c, CA_DER_SEQUENCE, &content))
        return malformed(m, "cms-structure", "RFC 5652 5.1", "the SignedData has the wrong structure");
    /* 3 would be right with a subjectKeyIdentifier only; senders differ, and nothing hangs on it */
    if (!version_in(&version, "\1\3"))
        return malformed(m, "cms-version", "RFC 5652 5.1", "the version of the SignedData is not 1 or 3");
    if ((err = read_content(m, content)))
        return err;
    (void)ca_der_enter(&c, TAG_CERTIFICATES, &m->certificates);
    (void)ca_der_enter(&c, TAG_CRLS, &m->crls);
    if (!ca_der_enter(&c, CA_DER_SET, &m->signers) || pke_cursor_left(&c) > 0)
        return malformed(m, "cms-structure", "RFC 5652 5.1", "the SignedData has the wrong structure");
    return PKE_OK;
}

static enum pke_err read_signer_id(struct message *m, struct pke_cursor *c)
{
    struct ca_cms_signer *s = &m->signer;
    struct ca_der version, issuer, serial, key_id;
    struct pke_cursor id;

    if (!ca_der_take_tag(c, CA_DER_INTEGER, &version))
        return malformed(m, "cms-structure", "RFC 5652 5.3", "the SignerInfo has the wrong structure");
    if (ca_der_take_tag(c, TAG_KEY_ID, &key_id)) {
        s->key_id = key_id.value;
    } else if (!ca_der_enter(c, CA_DER_SEQUENCE, &id) || !ca_der_take_tag(&id, CA_DER_SEQUENCE, &issuer) ||
               !ca_der_take_tag(&id, CA_DER_INTEGER, &serial) || pke_cursor_left(&id) > 0) {
        return malformed(m, "cms-structure", "RFC 5652 5.3", "the SignerIdentifier has the wrong structure");
    } else {
        s->issuer = issuer.full;
        s->serial = serial.value;
    }
    if (!version_in(&version, s->key_id.p ? "\3" : "\1"))
        return malformed(m, "cms-version", "RFC 5652 5.3",
                         "the version of the SignerInfo does not fit its identifier");
    return PKE_OK;
}

/* Well formed is all that is asked: nobody signed them. */
static enum pke_err check_unsigned(struct message *m, struct pke_cursor list)
{
    struct pke_cursor values;
    struct pke_bytes type;
    unsigned n = 0;

    for (; pke_cursor_left(&list) > 0; n++) {
        if (n == CA_CMS_MAX_ATTRIBUTES)
            return pke_fail_set(m->fail, PKE_LIMIT, "cms-attributes-many", "limit",
                                "more than %u unsigned attributes", CA_CMS_MAX_ATTRIBUTES);
        if (!ca_cms_take_attribute(&list, &type, &values))
            break;
    }
    if (n == 0 || pke_cursor_left(&list) > 0)
        return malformed(m, "cms-unsigned-attributes", "RFC 5652 5.3",
                         "the unsigned attributes have the wrong structure");
    return PKE_OK;
}

static enum pke_err read_signer(struct message *m)
{
    struct ca_cms_signer *s = &m->signer;
    struct ca_der algorithm, signature;
    struct pke_cursor list = m->signers, c, rest;
    enum pke_err err;

    if (!ca_der_enter(&list, CA_DER_SEQUENCE, &c) || pke_cursor_left(&list) > 0)
        return malformed(m, "cms-signers", "MS-MDE2 3.4.4.1, RFC 5652 5.1",
                         "the renewal does not have exactly one SignerInfo");
    if ((err = read_signer_id(m, &c)))
        return err;
    if (!ca_cms_digest_oid(&c, &s->digest))
        return malformed(m, "cms-structure", "RFC 5652 5.3", "the digest algorithm has the wrong structure");
    s->has_attributes = ca_der_take_tag(&c, TAG_SIGNED_ATTRIBUTES, &s->attributes);
    if (!ca_der_take_tag(&c, CA_DER_SEQUENCE, &algorithm) ||
        !ca_der_take_tag(&c, CA_DER_OCTET_STRING, &signature))
        return malformed(m, "cms-structure", "RFC 5652 5.3", "the SignerInfo has the wrong structure");
    s->signature_algorithm = algorithm.full;
    s->signature = signature.value;
    if (ca_der_enter(&c, TAG_UNSIGNED_ATTRIBUTES, &rest) && (err = check_unsigned(m, rest)))
        return err;
    if (pke_cursor_left(&c) > 0)
        return malformed(m, "cms-structure", "RFC 5652 5.3", "the SignerInfo has the wrong structure");
    return PKE_OK;
}

/* With one signer the list has one digest to name. What else it could name, other readers stumble over. */
static enum pke_err check_digests(struct message *m)
{
    struct pke_cursor list = m->digests;
    struct pke_bytes oid;

    if (!ca_cms_digest_oid(&list, &oid) || !pke_bytes_eq(oid, m->signer.digest) || pke_cursor_left(&list) > 0)
        return malformed(m, "cms-digest-algorithms", "RFC 5652 5.1, 5.3",
                         "the digest algorithms are not that of the signer alone");
    return PKE_OK;
}

static enum pke_err check_crls(struct message *m)
{
    struct pke_cursor list = m->crls, crl;
    struct ca_der tbs, algorithm, signature;

    while (pke_cursor_left(&list) > 0)
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &crl) || !ca_der_take_tag(&crl, CA_DER_SEQUENCE, &tbs) ||
            !ca_der_take_tag(&crl, CA_DER_SEQUENCE, &algorithm) ||
            !ca_der_take_tag(&crl, CA_DER_BIT_STRING, &signature) || pke_cursor_left(&crl) > 0)
            return malformed(m, "cms-crls", "RFC 5652 10.2.1", "a revocation list has the wrong structure");
    return PKE_OK;
}

static bool is_signer(const struct ca_cms_signer *s, const struct ca_cert_facts *f)
{
    if (s->key_id.p)
        return s->key_id.n > 0 && pke_bytes_eq(s->key_id, f->subject_key_id);
    return pke_bytes_eq(s->issuer, f->issuer) && pke_bytes_eq(s->serial, f->serial);
}

/* All are read, and two that fit are refused: which one is meant must not depend on the order. */
static enum pke_err find_signer(struct message *m)
{
    struct pke_cursor list = m->certificates;
    struct ca_cert_facts one;
    struct ca_der der;
    unsigned found = 0;
    enum pke_err err;

    for (unsigned n = 0; pke_cursor_left(&list) > 0; n++) {
        if (n == CA_CMS_MAX_CERTIFICATES)
            return pke_fail_set(m->fail, PKE_LIMIT, "cms-certificates-many", "limit",
                                "more than %u certificates are embedded", CA_CMS_MAX_CERTIFICATES);
        if (!ca_der_take_tag(&list, CA_DER_SEQUENCE, &der))
            return malformed(m, "cms-certificates", "RFC 5652 10.2.2",
                             "something other than X.509 certificates is embedded");
        if ((err = ca_cert_facts_read(der.full, m->arena, &one, m->fail)))
            return err;
        if (is_signer(&m->signer, &one) && ++found == 1)
            m->certificate = one;
    }
    if (found == 0)
        return malformed(m, "cms-signer-unknown", "MS-MDE2 3.4.4.1, RFC 5652 5.3",
                         "the certificate of the signer is not embedded");
    if (found > 1)
        return malformed(m, "cms-signer-ambiguous", "RFC 5652 5.3",
                         "more than one embedded certificate is that of the signer");
    return PKE_OK;
}

enum pke_err ca_cms_renewal_read(struct pke_bytes der, const struct ca_cms_rules *rules,
                                 struct pke_arena *arena, struct ca_cms_renewal *ret, struct pke_fail *fail)
{
    struct message m = {.arena = arena, .fail = fail};
    struct pke_cursor fields;
    enum pke_err err;

    memset(ret, 0, sizeof *ret); /* nothing of a refused message is handed out */
    if ((err = open_message(&m, der, &fields)) || (err = read_fields(&m, fields)) ||
        (err = read_signer(&m)) || (err = check_digests(&m)) || (err = check_crls(&m)) ||
        (err = find_signer(&m)) ||
        (err = ca_cms_verify(&m.signer, m.content, m.certificate.spki, rules, arena, fail)))
        return err;
    ret->content = m.content;
    ret->certificate = m.certificate.der;
    memcpy(ret->certificate_sha256, m.certificate.sha256, sizeof ret->certificate_sha256);
    ret->spki = m.certificate.spki;
    return PKE_OK;
}
