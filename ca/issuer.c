/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of CA certificates: at start and reload, never on the request path, so the X509 API serves. */
#include "ca/issuer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "ca/cert.h"
#include "ca/constraints.h"
#include "ca/der.h"
#include "ca/ossl.h"
#include "ca/signature.h"

#define PEM_MAX 65536

struct ca_issuer {
    X509 *certificate;
    EVP_PKEY *key;
    const struct ca_signature *signature;
    struct pke_bytes der, root_der, subject, spki; /* owned */
    struct pke_bytes key_id;                       /* inside certificate */
    uint8_t spki_sha256[CA_SHA256_SIZE], id[CA_SHA256_SIZE];
    int64_t not_before, not_after;
    bool self_signed;
    struct ca_constraints *constraints, *root_constraints; /* NULL: none */
    char *subject_text;
};

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    ERR_clear_error();
    return pke_fail_set(fail, PKE_CONFIG, reason, rule, "%s", text);
}

/* Exactly one certificate; text around it is allowed, a second one is not. */
static enum pke_err read_pem(struct pke_bytes pem, const char *what, X509 **ret, struct pke_fail *fail)
{
    PKE_CLEANUP(BIO_free_p) BIO *bio = NULL;
    PKE_CLEANUP(X509_free_p) X509 *first = NULL;
    PKE_CLEANUP(X509_free_p) X509 *second = NULL;

    if (pem.n == 0 || pem.n > PEM_MAX || !(bio = BIO_new_mem_buf(pem.p, (int)pem.n)) ||
        !(first = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        ERR_clear_error();
        return pke_fail_set(fail, PKE_CONFIG, "issuer-pem", "RFC 7468 5", "%s is not a PEM certificate",
                            what);
    }
    if ((second = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        ERR_clear_error();
        return pke_fail_set(fail, PKE_CONFIG, "issuer-pem", "RFC 7468 5",
                            "%s holds more than one certificate", what);
    }
    ERR_clear_error();
    *ret = PKE_TAKE(first);
    return PKE_OK;
}

static enum pke_err check_ca(X509 *certificate, struct pke_fail *fail)
{
    uint32_t flags = X509_get_extension_flags(certificate);

    if (flags & EXFLAG_INVALID)
        return refuse(fail, "issuer-extensions", "RFC 5280 4.2", "an extension of the CA cannot be decoded");
    if (!(flags & EXFLAG_BCONS) || !(flags & EXFLAG_CA))
        return refuse(fail, "issuer-not-ca", "RFC 5280 4.2.1.9", "the certificate is not a CA's (CA:TRUE)");
    if (!(flags & EXFLAG_KUSAGE) || !(X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN))
        return refuse(fail, "issuer-key-usage", "RFC 5280 4.2.1.3", "the CA's key usage lacks keyCertSign");
    return PKE_OK;
}

/* Move what an i2d function allocated into memory of ours. */
static struct pke_bytes owned(unsigned char *p, int n)
{
    struct pke_bytes ret;

    if (n <= 0)
        pke_oom();
    ret = PKE_BYTES(memcpy(pke_malloc((size_t)n), p, (size_t)n), (size_t)n);
    OPENSSL_free(p);
    return ret;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct ca_der e = {.tag = (uint8_t)ASN1_STRING_type(t),
                       .value = PKE_BYTES(ASN1_STRING_get0_data(t), (size_t)ASN1_STRING_length(t))};
    int64_t seconds = 0;

    return ca_der_time(&e, &seconds) ? seconds : INT64_MIN;
}

static char *name_text(const X509_NAME *name)
{
    PKE_CLEANUP(BIO_free_p) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        pke_oom();
    n = BIO_get_mem_data(bio, &text);
    return pke_strndup(text, (size_t)n);
}

static enum pke_err read_constraints(X509 *certificate, struct ca_constraints **ret, struct pke_fail *fail)
{
    int at = X509_get_ext_by_NID(certificate, NID_name_constraints, -1);
    X509_EXTENSION *e = at < 0 ? NULL : X509_get_ext(certificate, at);
    const ASN1_OCTET_STRING *value = e ? X509_EXTENSION_get_data(e) : NULL;

    if (!value)
        return PKE_OK;
    if (X509_get_ext_by_NID(certificate, NID_name_constraints, at) >= 0)
        return refuse(fail, "issuer-constraints", "RFC 5280 4.2", "the CA has name constraints twice");
    return ca_constraints_parse(PKE_BYTES(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)),
                                X509_EXTENSION_get_critical(e), ret, fail);
}

static enum pke_err find_algorithm(struct ca_issuer *ca, enum ca_scheme scheme, struct pke_fail *fail)
{
    static const char *const wanted[] = {
        [CA_SCHEME_DEFAULT] =
            "the CA's key is neither RSA of 2048 bits or more nor P-256 nor P-384 (Ed25519 must "
            "be asked for)",
        [CA_SCHEME_RSA_PSS] = "RSASSA-PSS is asked for and the CA's key is not RSA of 2048 bits or more",
        [CA_SCHEME_ED25519] = "Ed25519 is asked for and the CA's key is another one",
    };

    ca->key = X509_get_pubkey(ca->certificate);
    if (scheme == CA_SCHEME_LEGACY)
        return ca->key ? PKE_OK
                       : refuse(fail, "issuer-key-type", "RFC 5280 4.1.2.7", "the CA's key cannot be read");
    ca->signature = ca->key ? ca_signature_of_key(ca->key, scheme) : NULL;
    return ca->signature ? PKE_OK
                         : refuse(fail, "issuer-key-type", "RFC 4055, RFC 5758, RFC 8410", wanted[scheme]);
}

/* Both are DER: where one ends is in its length. */
static void make_id(struct ca_issuer *ca)
{
    struct pke_buf both;

    pke_buf_init(&both, PEM_MAX);
    (void)pke_buf_add(&both, ca->subject.p, ca->subject.n);
    (void)pke_buf_add(&both, ca->spki.p, ca->spki.n);
    ca_digest(CA_SHA256, pke_buf_bytes(&both), ca->id);
    pke_buf_done(&both);
}

static enum pke_err fill(struct ca_issuer *ca, enum ca_scheme scheme, struct pke_fail *fail)
{
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(ca->certificate);
    unsigned char *p = NULL;
    int n;

    bool named = id && ASN1_STRING_length(id) > 0 && ASN1_STRING_length(id) <= 64;

    if (!named && scheme != CA_SCHEME_LEGACY)
        return refuse(fail, "issuer-key-id", "RFC 5280 4.2.1.2", "the CA has no subject key identifier");
    if (named)
        ca->key_id = PKE_BYTES(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id));
    if (find_algorithm(ca, scheme, fail) || read_constraints(ca->certificate, &ca->constraints, fail))
        return PKE_CONFIG;
    if (X509_NAME_entry_count(X509_get_subject_name(ca->certificate)) == 0)
        return refuse(fail, "issuer-subject", "RFC 5280 4.1.2.6", "the CA has no subject name");
    ca->not_before = seconds_of(X509_get0_notBefore(ca->certificate));
    ca->not_after = seconds_of(X509_get0_notAfter(ca->certificate));
    if (ca->not_before == INT64_MIN || ca->not_after <= ca->not_before)
        return refuse(fail, "issuer-validity", "RFC 5280 4.1.2.5", "the CA's validity cannot be used");
    n = i2d_X509(ca->certificate, &p);
    ca->der = owned(p, n), p = NULL;
    n = i2d_X509_NAME(X509_get_subject_name(ca->certificate), &p);
    ca->subject = owned(p, n), p = NULL;
    n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca->certificate), &p);
    ca->spki = owned(p, n);
    ca_digest(CA_SHA256, ca->spki, ca->spki_sha256);
    make_id(ca);
    ca->self_signed = X509_self_signed(ca->certificate, 1) == 1;
    ca->subject_text = name_text(X509_get_subject_name(ca->certificate));
    ERR_clear_error();
    return PKE_OK;
}

enum pke_err ca_issuer_load_unanchored(struct pke_bytes certificate_pem, enum ca_scheme scheme,
                                       struct ca_issuer **ret, struct pke_fail *fail)
{
    struct ca_issuer *ca = pke_calloc(1, sizeof *ca);
    enum pke_err err = read_pem(certificate_pem, "the CA file", &ca->certificate, fail);

    if (!err)
        err = check_ca(ca->certificate, fail);
    if (!err)
        err = fill(ca, scheme, fail);
    if (err) {
        ca_issuer_free(ca);
        return err;
    }
    *ret = ca;
    return PKE_OK;
}

static enum pke_err anchor(struct ca_issuer *ca, struct pke_bytes root_pem, struct pke_fail *fail)
{
    PKE_CLEANUP(X509_free_p) X509 *root = NULL;
    unsigned char *p = NULL;
    EVP_PKEY *key;
    enum pke_err err;
    int n;

    if (root_pem.n == 0) {
        if (!ca->self_signed)
            return refuse(fail, "issuer-no-root", "RFC 5280 6.1",
                          "the CA is not self-signed: its root must be given");
        ca->root_der = PKE_BYTES(memcpy(pke_malloc(ca->der.n), ca->der.p, ca->der.n), ca->der.n);
        return PKE_OK;
    }
    if ((err = read_pem(root_pem, "the root file", &root, fail)) || (err = check_ca(root, fail)))
        return err;
    if (X509_self_signed(root, 1) != 1)
        return refuse(fail, "issuer-root", "RFC 5280 6.1", "the root certificate is not self-signed");
    key = X509_get0_pubkey(root);
    if (X509_check_issued(root, ca->certificate) != X509_V_OK || !key ||
        X509_verify(ca->certificate, key) != 1)
        return refuse(fail, "issuer-root", "RFC 5280 6.1", "the CA is not issued by the given root");
    if ((err = read_constraints(root, &ca->root_constraints, fail)))
        return err;
    n = i2d_X509(root, &p);
    ca->root_der = owned(p, n);
    return PKE_OK;
}

enum pke_err ca_issuer_load(struct pke_bytes certificate_pem, struct pke_bytes root_pem,
                            enum ca_scheme scheme, struct ca_issuer **ret, struct pke_fail *fail)
{
    struct ca_issuer *ca;
    enum pke_err err = ca_issuer_load_unanchored(certificate_pem, scheme, &ca, fail);

    if (err)
        return err;
    if ((err = anchor(ca, root_pem, fail))) {
        ca_issuer_free(ca);
        return err;
    }
    *ret = ca;
    return PKE_OK;
}

void ca_issuer_free(struct ca_issuer *ca)
{
    if (!ca)
        return;
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    free((void *)ca->der.p);
    free((void *)ca->subject.p);
    free((void *)ca->spki.p);
    free((void *)ca->root_der.p);
    ca_constraints_free(ca->constraints);
    ca_constraints_free(ca->root_constraints);
    free(ca->subject_text);
    free(ca);
}

struct pke_bytes ca_issuer_der(const struct ca_issuer *ca)
{
    return ca->der;
}

struct pke_bytes ca_issuer_root_der(const struct ca_issuer *ca)
{
    return ca->root_der;
}

bool ca_issuer_self_signed(const struct ca_issuer *ca)
{
    return ca->self_signed;
}

struct pke_bytes ca_issuer_subject(const struct ca_issuer *ca)
{
    return ca->subject;
}

struct pke_bytes ca_issuer_spki(const struct ca_issuer *ca)
{
    return ca->spki;
}

struct pke_bytes ca_issuer_id(const struct ca_issuer *ca)
{
    return PKE_BYTES(ca->id, CA_ISSUER_ID);
}

struct pke_bytes ca_issuer_spki_sha256(const struct ca_issuer *ca)
{
    return PKE_BYTES(ca->spki_sha256, sizeof ca->spki_sha256);
}

struct pke_bytes ca_issuer_key_id(const struct ca_issuer *ca)
{
    return ca->key_id;
}

int64_t ca_issuer_not_before(const struct ca_issuer *ca)
{
    return ca->not_before;
}

int64_t ca_issuer_not_after(const struct ca_issuer *ca)
{
    return ca->not_after;
}

struct pke_bytes ca_issuer_algorithm(const struct ca_issuer *ca)
{
    return ca->signature->der;
}

struct pke_bytes ca_algorithm_of_key(EVP_PKEY *key, enum ca_scheme scheme)
{
    const struct ca_signature *a = ca_signature_of_key(key, scheme);

    return a ? a->der : PKE_BYTES(NULL, 0);
}

EVP_PKEY *ca_issuer_public_key(const struct ca_issuer *ca)
{
    return ca->key;
}

struct pke_bytes ca_issuer_serial(const struct ca_issuer *ca)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(ca->certificate);

    return PKE_BYTES(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
}

enum pke_err ca_issuer_check_names(const struct ca_issuer *ca, const struct ca_names *names,
                                   struct pke_fail *fail)
{
    enum pke_err err = ca_constraints_check(ca->constraints, names, fail);

    return err == PKE_OK ? ca_constraints_check(ca->root_constraints, names, fail) : err;
}

const char *ca_issuer_subject_text(const struct ca_issuer *ca)
{
    return ca->subject_text;
}

bool ca_cert_verify(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature)
{
    return ca_signature_verify(ca->key, ca->signature, tbs, signature);
}
