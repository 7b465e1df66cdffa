/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate that was read is good for. */
#include "ca/facts.h"
#include "ca/key.h"
#include "ca/oids.h"
#include "ca/ossl.h"
#include "ca/signature.h"

#define OID_CLIENT_AUTH "1.3.6.1.5.5.7.3.2"

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, reason, rule, "%s", text);
}

enum pke_err ca_cert_facts_valid(const struct ca_cert_facts *f, int64_t now, struct pke_fail *fail)
{
    if (now < f->not_before)
        return refuse(fail, "cert-not-yet-valid", "RFC 5280 4.1.2.5", "the certificate is not valid yet");
    if (now > f->not_after)
        return refuse(fail, "cert-expired", "RFC 5280 4.1.2.5", "the certificate has expired");
    return PKE_OK;
}

enum pke_err ca_cert_facts_client(const struct ca_cert_facts *f, struct pke_fail *fail)
{
    if (f->ca || (f->has_key_usage && f->key_usage & KU_BIT_KEY_CERT_SIGN))
        return refuse(fail, "cert-ca", "RFC 5280 4.2.1.9", "the certificate is that of a CA");
    if (f->unknown_critical)
        return refuse(fail, "cert-critical-extension", "RFC 5280 4.2",
                      "the certificate has a critical extension that is not understood here");
    if (!pke_strings_has(&f->ekus, OID_CLIENT_AUTH))
        return refuse(fail, "cert-no-client-auth", "RFC 5280 4.2.1.12",
                      "the certificate is not one for the authentication of clients");
    if (f->has_key_usage && !(f->key_usage & KU_BIT_DIGITAL_SIGNATURE))
        return refuse(fail, "cert-no-digital-signature", "RFC 5280 4.2.1.3",
                      "the key of the certificate is not one for signatures");
    return PKE_OK;
}

/* The issuer's key, when it is one for this algorithm. */
static EVP_PKEY *key_for(const struct ca_signature *algorithm, struct pke_bytes spki, bool *usable)
{
    struct pke_bytes modulus;
    struct ca_key key;

    *usable = !ca_key_decode(spki, &key, NULL) && ca_key_ed25519_good(&key) &&
              (key.type != CA_KEY_RSA || !ca_key_rsa_size(&key, 0, UINT32_MAX, &modulus, NULL));
    return *usable && ca_signature_fits(algorithm, key.type) ? ca_key_evp(&key) : NULL;
}

enum pke_err ca_cert_facts_signed_by(const struct ca_cert_facts *f, struct pke_bytes issuer_subject,
                                     struct pke_bytes issuer_spki, struct pke_fail *fail)
{
    const struct ca_signature *algorithm = ca_signature_find_issued(f->algorithm);
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *evp = NULL;
    bool usable;

    if (!pke_bytes_eq(f->issuer, issuer_subject))
        return refuse(fail, "cert-issuer", "RFC 5280 6.1.3", "the certificate names another issuer");
    if (!algorithm || algorithm->digest == CA_SHA1)
        return refuse(fail, "cert-signature-algorithm", "RFC 4055 5, RFC 5758 3.2",
                      "the certificate is signed with an algorithm that is not allowed");
    evp = key_for(algorithm, issuer_spki, &usable);
    if (!usable)
        return refuse(fail, "cert-issuer-key", "RFC 5280 4.1.2.7", "the key of the issuer cannot be used");
    if (!evp || !ca_signature_verify(evp, algorithm, f->tbs, f->signature))
        return refuse(fail, "cert-signature", "RFC 5280 6.1.3",
                      "the certificate is not signed by the issuer that it names");
    return PKE_OK;
}
