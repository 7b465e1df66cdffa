/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes and signature of the one signer of a renewal (RFC 5652 5.3 to 5.6, 11), cheap before dear. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ca/cms_parts.h"
#include "ca/key.h"
#include "ca/signature.h"

static const uint8_t id_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t content_type[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03};
static const uint8_t message_digest[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04};

const struct pke_bytes ca_cms_id_data = {id_data, sizeof id_data};

static const uint8_t oid_sha1[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
static const uint8_t oid_sha256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
static const uint8_t oid_sha384[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
static const uint8_t oid_sha512[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03};

static const struct digest {
    struct pke_bytes oid;
    enum ca_digest which;
    size_t size;
} digests[] = {
    {{oid_sha1, sizeof oid_sha1}, CA_SHA1, CA_SHA1_SIZE},
    {{oid_sha256, sizeof oid_sha256}, CA_SHA256, CA_SHA256_SIZE},
    {{oid_sha384, sizeof oid_sha384}, CA_SHA384, 48},
    {{oid_sha512, sizeof oid_sha512}, CA_SHA512, 64},
};

static enum pke_err bad(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_CSR_BAD, reason, rule, "%s", text);
}

bool ca_cms_take_attribute(struct pke_cursor *list, struct pke_bytes *type, struct pke_cursor *values)
{
    struct pke_cursor fields;
    struct ca_der oid;

    if (!ca_der_enter(list, CA_DER_SEQUENCE, &fields) || !ca_der_take_tag(&fields, CA_DER_OID, &oid) ||
        !ca_der_enter(&fields, CA_DER_SET, values) || pke_cursor_left(&fields) > 0 ||
        pke_cursor_left(values) == 0)
        return false;
    *type = oid.value;
    return true;
}

bool ca_cms_digest_oid(struct pke_cursor *c, struct pke_bytes *oid)
{
    struct pke_cursor inside;
    struct ca_der type, null;

    if (!ca_der_enter(c, CA_DER_SEQUENCE, &inside) || !ca_der_take_tag(&inside, CA_DER_OID, &type))
        return false;
    (void)ca_der_take_tag(&inside, CA_DER_NULL, &null); /* RFC 5754 2: both forms must be accepted */
    *oid = type.value;
    return pke_cursor_left(&inside) == 0;
}

/* An Ed25519 signature has one digest only, whatever the template says of digests (RFC 8419 3). */
static enum pke_err find_digest(const struct ca_cms_signer *s, const struct ca_cms_rules *rules,
                                const struct digest **ret, struct pke_fail *fail)
{
    const struct ca_signature *a = ca_signature_find_issued(s->signature_algorithm);
    bool allowed = a && a->scheme == CA_SCHEME_ED25519;

    for (size_t i = 0; i < PKE_LEN(digests); i++) {
        if (!pke_bytes_eq(digests[i].oid, s->digest))
            continue;
        if (!allowed && !(rules->digests & CA_KINDS(digests[i].which)))
            return pke_fail_set(fail, PKE_CSR_BAD, "cms-digest", "template: csr-digests, SP 800-131A 3",
                                "the renewal is signed with %s", ca_digest_name(digests[i].which));
        *ret = &digests[i];
        return PKE_OK;
    }
    return bad(fail, "cms-digest", "RFC 5754 2", "the digest algorithm is not on the list of allowed ones");
}

/* rsaEncryption leaves the digest to digestAlgorithm (RFC 3370 3.2): *ret is NULL; all others name it again.
 */
static enum pke_err check_algorithm(struct pke_bytes der, const struct ca_key *key, enum ca_digest digest,
                                    const struct ca_signature **ret, struct pke_fail *fail)
{
    static const uint8_t rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    bool plain_rsa = pke_bytes_eq(der, PKE_BYTES(rsa, sizeof rsa));
    const struct ca_signature *a = NULL;

    if (ca_signature_is_pss(der))
        return bad(fail, "cms-signature-pss", "RFC 4056 3",
                   "the renewal is signed with RSASSA-PSS, which is not supported");
    if (!plain_rsa && !(a = ca_signature_find_issued(der)))
        return bad(fail, "cms-signature-algorithm", "RFC 5754 3",
                   "the signature algorithm is not on the list of allowed ones");
    if (a && a->digest != digest)
        return bad(fail, "cms-signature-algorithm", "RFC 5652 5.3, RFC 5753 2.1.1, RFC 8419 3",
                   "signature algorithm and digest algorithm differ in the digest");
    if (a ? !ca_signature_fits(a, key->type) : key->type != CA_KEY_RSA)
        return bad(fail, "cms-signature-key", "RFC 5652 5.6", "the signature algorithm does not fit the key");
    *ret = a;
    return PKE_OK;
}

/* The refusals of a CSR's key, told of the signer's: "csr-key-bits" becomes "cms-signer-key-bits". */
static enum pke_err signer_key(const struct pke_fail *why, struct pke_fail *fail)
{
    char reason[sizeof why->reason + sizeof "cms-signer"];

    snprintf(reason, sizeof reason, "cms-signer%s", why->reason + strlen("csr"));
    return pke_fail_set(fail, PKE_CSR_BAD, reason, why->rule, "the key of the signer: %s", why->text);
}

static enum pke_err check_key(struct pke_bytes spki, const struct ca_cms_rules *rules, struct ca_key *key,
                              struct pke_fail *fail)
{
    struct pke_fail why = {0};
    struct pke_bytes modulus;

    if (ca_key_decode(spki, key, &why) ||
        (key->type == CA_KEY_RSA &&
         ca_key_rsa_size(key, rules->rsa_min_bits, rules->rsa_max_bits, &modulus, &why)))
        return signer_key(&why, fail);
    if (!(rules->key_types & CA_KINDS(key->type)))
        return pke_fail_set(fail, PKE_CSR_BAD, "cms-signer-key-type", "template: key-types",
                            "keys of the type %s are not allowed here", ca_key_type_name(key->type));
    if (!ca_key_ed25519_good(key))
        return bad(fail, "cms-signer-key-point", "RFC 8032 5.1.7",
                   "the public key is a point of small order or not in its one encoding");
    return PKE_OK;
}

struct attributes {
    unsigned content_types, message_digests;
    bool is_data;            /* the contentType is id-data */
    struct pke_bytes digest; /* of the messageDigest; p is NULL when it is not one OCTET STRING */
};

static void note_attribute(struct attributes *a, struct pke_bytes type, struct pke_cursor values)
{
    struct ca_der value;

    if (pke_bytes_eq(type, PKE_BYTES(content_type, sizeof content_type))) {
        a->content_types++;
        a->is_data = ca_der_take_tag(&values, CA_DER_OID, &value) && pke_cursor_left(&values) == 0 &&
                     pke_bytes_eq(value.value, ca_cms_id_data);
    } else if (pke_bytes_eq(type, PKE_BYTES(message_digest, sizeof message_digest))) {
        a->message_digests++;
        if (ca_der_take_tag(&values, CA_DER_OCTET_STRING, &value) && pke_cursor_left(&values) == 0)
            a->digest = value.value;
    }
}

static enum pke_err read_attributes(struct pke_bytes set, struct attributes *a, struct pke_fail *fail)
{
    struct pke_cursor list = pke_cursor_of(set), values;
    struct pke_bytes type;
    unsigned n = 0;

    for (; pke_cursor_left(&list) > 0; n++) {
        if (n == CA_CMS_MAX_ATTRIBUTES)
            return pke_fail_set(fail, PKE_LIMIT, "cms-attributes-many", "limit",
                                "more than %u signed attributes", CA_CMS_MAX_ATTRIBUTES);
        if (!ca_cms_take_attribute(&list, &type, &values))
            return pke_fail_set(fail, PKE_MALFORMED, "cms-attributes", "RFC 5652 5.3",
                                "the signed attributes have the wrong structure");
        note_attribute(a, type, values);
    }
    if (!ca_der_sorted(pke_cursor_of(set)))
        return pke_fail_set(fail, PKE_MALFORMED, "cms-attributes-order", "RFC 5652 5.3, X.690 11.6",
                            "the signed attributes are not in the order of DER");
    if (a->content_types != 1 || !a->is_data)
        return pke_fail_set(fail, PKE_MALFORMED, "cms-attribute-content-type", "RFC 5652 11.1",
                            "the signed attributes do not have one contentType that is id-data");
    if (a->message_digests != 1 || !a->digest.p)
        return pke_fail_set(fail, PKE_MALFORMED, "cms-attribute-message-digest", "RFC 5652 11.2",
                            "the signed attributes do not have one messageDigest");
    return PKE_OK;
}

/* What was signed: the content, or the attributes under the tag of a SET (RFC 5652 5.4). */
static enum pke_err signed_octets(const struct ca_cms_signer *s, const struct digest *digest,
                                  struct pke_bytes content, struct pke_arena *arena, struct pke_bytes *ret,
                                  struct pke_fail *fail)
{
    struct attributes a = {0};
    uint8_t want[64], *set;
    enum pke_err err;

    *ret = content;
    if (!s->has_attributes)
        return PKE_OK;
    if ((err = read_attributes(s->attributes.value, &a, fail)))
        return err;
    ca_digest(digest->which, content, want);
    if (!pke_bytes_eq(a.digest, PKE_BYTES(want, digest->size)))
        return bad(fail, "cms-message-digest", "RFC 5652 5.4, 11.2",
                   "the messageDigest is not that of the content");
    set = pke_arena_alloc(arena, s->attributes.full.n);
    memcpy(set, s->attributes.full.p, s->attributes.full.n);
    set[0] = CA_DER_SET;
    *ret = PKE_BYTES(set, s->attributes.full.n);
    return PKE_OK;
}

enum pke_err ca_cms_verify(const struct ca_cms_signer *signer, struct pke_bytes content,
                           struct pke_bytes spki, const struct ca_cms_rules *rules, struct pke_arena *arena,
                           struct pke_fail *fail)
{
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *evp = NULL;
    const struct ca_signature *algorithm;
    const struct digest *digest = NULL;
    struct pke_bytes data;
    struct ca_key key;
    enum pke_err err;
    bool good;

    if ((err = find_digest(signer, rules, &digest, fail)) || (err = check_key(spki, rules, &key, fail)) ||
        (err = check_algorithm(signer->signature_algorithm, &key, digest->which, &algorithm, fail)) ||
        (err = signed_octets(signer, digest, content, arena, &data, fail)))
        return err;
    evp = ca_key_evp(&key);
    good = evp && (algorithm ? ca_signature_verify(evp, algorithm, data, signer->signature)
                             : ca_verify(evp, digest->which, data, signer->signature));
    if (!good)
        return bad(fail, "cms-signature", "RFC 5652 5.6",
                   "the renewal is not signed by the key of the embedded certificate");
    return PKE_OK;
}
