/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/x509.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/mem.h"
#include "ca/issuer.h"
#include "keytool/tool.h"

#define SIGNATURE_MAX 1024

static void need(bool ok)
{
    if (!ok)
        pke_oom(); /* libcrypto calls on objects of ours: they fail for want of memory only */
}

enum pke_err tool_random_serial(uint8_t serial[16], struct pke_fail *fail)
{
    if (RAND_bytes(serial, 16) != 1)
        return pke_fail_set(fail, PKE_INTERNAL, "random", "RAND_bytes", "no random numbers");
    /* Positive and always 16 octets long: RFC 5280 4.1.2.2 allows 20, CA/B Forum asks for 64 random bits. */
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
    return PKE_OK;
}

enum ks_digest tool_digest(const struct ks_key *key)
{
    return strcmp(ks_algorithm(key), "P-384") == 0 ? KS_SHA384 : KS_SHA256;
}

static EVP_PKEY *public_half(const struct ks_key *key)
{
    struct pke_bytes spki = ks_spki(key);
    const uint8_t *p = spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)spki.n);

    need(pub != NULL);
    return pub;
}

bool tool_same_key(const struct ks_key *key, EVP_PKEY *pub)
{
    EVP_PKEY *own = public_half(key);
    bool same = pub && EVP_PKEY_eq(own, pub) == 1;

    EVP_PKEY_free(own);
    ERR_clear_error();
    return same;
}

static X509_ALGOR *signature_algorithm(const struct ks_key *key)
{
    static const enum ca_scheme schemes[] = {[KS_SIGNATURE_DEFAULT] = CA_SCHEME_DEFAULT,
                                             [KS_SIGNATURE_RSA_PSS] = CA_SCHEME_RSA_PSS,
                                             [KS_SIGNATURE_ED25519] = CA_SCHEME_ED25519};
    EVP_PKEY *pub = public_half(key);
    struct pke_bytes der = ca_algorithm_of_key(pub, schemes[ks_signature_of(key)]);
    const uint8_t *p = der.p;
    X509_ALGOR *alg = d2i_X509_ALGOR(NULL, &p, (long)der.n);

    need(alg != NULL);
    EVP_PKEY_free(pub);
    return alg;
}

/* DER tag and definite length (X.690 8.1.3). */
static void put_header(struct pke_buf *out, uint8_t tag, size_t n)
{
    pke_buf_add_u8(out, tag);
    if (n >= 0x10000) {
        pke_buf_add_u8(out, 0x83);
        pke_buf_add_u8(out, (uint8_t)(n >> 16));
        pke_buf_add_u16(out, (uint16_t)n);
    } else if (n >= 0x100) {
        pke_buf_add_u8(out, 0x82);
        pke_buf_add_u16(out, (uint16_t)n);
    } else {
        if (n >= 0x80)
            pke_buf_add_u8(out, 0x81);
        pke_buf_add_u8(out, (uint8_t)n);
    }
}

/*
 * SEQUENCE { tbs, algorithm, signature }, put together from bytes. Set through ASN1_STRING the BIT STRING
 * would lose trailing zero bits of the signature, and one in two certificates would not verify.
 */
static enum pke_err sign_and_assemble(struct ks_key *key, struct pke_bytes tbs, const X509_ALGOR *alg,
                                      struct pke_buf *out, struct pke_fail *fail)
{
    struct pke_buf signature, body;
    struct ks_error error;
    uint8_t *alg_der = NULL;
    int alg_n = i2d_X509_ALGOR(alg, &alg_der);
    enum pke_err err = PKE_OK;

    need(alg_n > 0);
    pke_buf_init(&signature, SIGNATURE_MAX);
    pke_buf_init(&body, TOOL_FILE_MAX);
    if (ks_sign(key, tool_digest(key), tbs, &signature, &error) != 0) {
        *fail = error.fail;
        err = error.fail.err;
    } else {
        pke_buf_add_bytes(&body, tbs);
        pke_buf_add(&body, alg_der, (size_t)alg_n);
        put_header(&body, V_ASN1_BIT_STRING, signature.n + 1);
        pke_buf_add_u8(&body, 0); /* no unused bits */
        pke_buf_add_bytes(&body, pke_buf_bytes(&signature));
        put_header(out, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, body.n);
        pke_buf_add_bytes(out, pke_buf_bytes(&body));
    }
    pke_buf_done(&body);
    pke_buf_done(&signature);
    OPENSSL_free(alg_der);
    return err;
}

/* RFC 5280 4.2.1.9 and 4.2.1.3: both critical in a CA certificate. */
void tool_add_ca_extensions(STACK_OF(X509_EXTENSION) * *list, long path_len)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *ku = ASN1_BIT_STRING_new();

    need(bc && ku);
    bc->ca = 0xff;
    if (path_len >= 0) {
        bc->pathlen = ASN1_INTEGER_new();
        need(bc->pathlen && ASN1_INTEGER_set_int64(bc->pathlen, path_len) == 1);
    }
    need(ASN1_BIT_STRING_set_bit(ku, 5, 1) == 1 &&
         ASN1_BIT_STRING_set_bit(ku, 6, 1) == 1); /* keyCertSign cRLSign */
    need(X509V3_add1_i2d(list, NID_basic_constraints, bc, 1, X509V3_ADD_APPEND) == 1);
    need(X509V3_add1_i2d(list, NID_key_usage, ku, 1, X509V3_ADD_APPEND) == 1);
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(ku);
}

/* RFC 7093 section 2 method 1: leftmost 160 bits of the SHA-256 of the BIT STRING's content. A key that has a
 * certificate already keeps its identifier: what it has signed names it. */
static void add_key_ids(X509 *x, const struct tool_ca *ca)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    ASN1_OCTET_STRING *ski = ca->ski ? ASN1_OCTET_STRING_dup(ca->ski) : ASN1_OCTET_STRING_new();
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();

    need(ski && aki && X509_pubkey_digest(x, EVP_sha256(), digest, &n) == 1 && n >= 20);
    need(ca->ski || ASN1_OCTET_STRING_set(ski, digest, 20) == 1);
    aki->keyid = ASN1_OCTET_STRING_dup(ca->aki ? ca->aki : ski);
    need(aki->keyid != NULL);
    need(X509_add1_ext_i2d(x, NID_subject_key_identifier, ski, 0, X509V3_ADD_APPEND) == 1);
    need(X509_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, X509V3_ADD_APPEND) == 1);
    ASN1_OCTET_STRING_free(ski);
    AUTHORITY_KEYID_free(aki);
}

static X509 *build(const struct tool_ca *ca)
{
    X509 *x = X509_new();
    const uint8_t *p = ca->spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)ca->spki.n);
    BIGNUM *serial = BN_bin2bn(ca->serial, sizeof ca->serial, NULL);
    STACK_OF(X509_EXTENSION) *list = NULL;

    need(x && pub && serial && X509_set_version(x, X509_VERSION_3) == 1);
    need(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) != NULL);
    need(X509_set_subject_name(x, ca->subject) == 1 && X509_set_issuer_name(x, ca->issuer) == 1);
    need(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)ca->not_before) != NULL);
    need(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)ca->not_after) != NULL);
    need(X509_set_pubkey(x, pub) == 1);
    tool_add_ca_extensions(&list, ca->path_len);
    for (int i = 0; i < sk_X509_EXTENSION_num(list); i++)
        need(X509_add_ext(x, sk_X509_EXTENSION_value(list, i), -1) == 1);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    /* RFC 5280 4.2.1.10: critical */
    need(!ca->constraints ||
         X509_add1_ext_i2d(x, NID_name_constraints, ca->constraints, 1, X509V3_ADD_APPEND) == 1);
    add_key_ids(x, ca);
    BN_free(serial);
    EVP_PKEY_free(pub);
    return x;
}

/* What is written must be what others will read: parse it again and check it with the signer's key. */
static enum pke_err verify(struct pke_bytes der, const struct ks_key *signer, struct pke_bytes spki,
                           struct pke_fail *fail)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    EVP_PKEY *pub = public_half(signer);
    uint8_t *own = NULL;
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &own) : -1;
    bool ok = n > 0 && p == der.p + der.n && pke_bytes_eq(PKE_BYTES(own, (size_t)n), spki) &&
              X509_verify(x, pub) == 1 && X509_check_ca(x) == 1;

    OPENSSL_free(own);
    EVP_PKEY_free(pub);
    X509_free(x);
    ERR_clear_error();
    return ok ? PKE_OK
              : pke_fail_set(fail, PKE_INTERNAL, "certificate-verify", "verify before writing",
                             "the new certificate does not verify under the key that signed it");
}

enum pke_err tool_ca_certificate(struct ks_key *key, const struct tool_ca *ca, struct pke_buf *out,
                                 struct pke_fail *fail)
{
    X509 *x = build(ca);
    X509_ALGOR *alg = signature_algorithm(key);
    uint8_t *tbs = NULL;
    int n;
    enum pke_err err;

    /* The inner AlgorithmIdentifier must be there before the TBS is encoded; libcrypto has no setter. */
    need(X509_ALGOR_copy((X509_ALGOR *)X509_get0_tbs_sigalg(x), alg) == 1);
    n = i2d_re_X509_tbs(x, &tbs);
    need(n > 0);
    err = sign_and_assemble(key, PKE_BYTES(tbs, (size_t)n), alg, out, fail);
    if (err == PKE_OK)
        err = verify(pke_buf_bytes(out), key, ca->spki, fail);
    OPENSSL_free(tbs);
    X509_ALGOR_free(alg);
    X509_free(x);
    return err;
}

static enum pke_err verify_request(struct pke_bytes der, struct pke_fail *fail)
{
    const uint8_t *p = der.p;
    X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)der.n);
    bool ok = r && p == der.p + der.n && X509_REQ_verify(r, X509_REQ_get0_pubkey(r)) == 1;

    X509_REQ_free(r);
    ERR_clear_error();
    return ok ? PKE_OK
              : pke_fail_set(fail, PKE_INTERNAL, "request-verify", "verify before writing",
                             "the new certificate request does not verify under its own key");
}

enum pke_err tool_request(struct ks_key *key, const X509_NAME *subject,
                          const STACK_OF(X509_EXTENSION) * extensions, struct pke_buf *out,
                          struct pke_fail *fail)
{
    X509_REQ *r = X509_REQ_new();
    EVP_PKEY *pub = public_half(key);
    X509_ALGOR *alg = signature_algorithm(key);
    uint8_t *info = NULL;
    int n;
    enum pke_err err;

    need(r && X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 && X509_REQ_set_subject_name(r, subject) == 1);
    need(X509_REQ_set_pubkey(r, pub) == 1);
    need(X509_REQ_add_extensions(r, (STACK_OF(X509_EXTENSION) *)extensions) == 1);
    n = i2d_re_X509_REQ_tbs(r, &info);
    need(n > 0);
    err = sign_and_assemble(key, PKE_BYTES(info, (size_t)n), alg, out, fail);
    if (err == PKE_OK)
        err = verify_request(pke_buf_bytes(out), fail);
    OPENSSL_free(info);
    X509_ALGOR_free(alg);
    EVP_PKEY_free(pub);
    X509_REQ_free(r);
    return err;
}
