/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "keytool/tool.h"

#define TBS_MAX       65536
#define SIGNATURE_MAX 1024

static void need(bool ok)
{
    if (!ok)
        pke_oom(); /* libcrypto calls on objects of ours: they fail for want of memory only */
}

/* RFC 7093 section 2 method 1: leftmost 160 bits of the SHA-256 of the BIT STRING's content. */
static void add_key_ids(X509 *x)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    ASN1_OCTET_STRING *ski = ASN1_OCTET_STRING_new();
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();

    need(ski && aki && X509_pubkey_digest(x, EVP_sha256(), digest, &n) == 1 && n >= 20);
    need(ASN1_OCTET_STRING_set(ski, digest, 20) == 1);
    aki->keyid = ASN1_OCTET_STRING_dup(ski);
    need(aki->keyid != NULL);
    need(X509_add1_ext_i2d(x, NID_subject_key_identifier, ski, 0, X509V3_ADD_APPEND) == 1);
    need(X509_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, X509V3_ADD_APPEND) == 1);
    ASN1_OCTET_STRING_free(ski);
    AUTHORITY_KEYID_free(aki);
}

/* RFC 5280 4.2.1.9 and 4.2.1.3: both critical in a CA certificate. */
static void add_ca_extensions(X509 *x, long path_len)
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
    need(X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_APPEND) == 1);
    need(X509_add1_ext_i2d(x, NID_key_usage, ku, 1, X509V3_ADD_APPEND) == 1);
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(ku);
}

static X509 *build(struct pke_bytes spki, const struct tool_ca *ca)
{
    X509 *x = X509_new();
    const uint8_t *p = spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)spki.n);
    BIGNUM *serial = BN_bin2bn(ca->serial, sizeof ca->serial, NULL);

    need(x && pub && serial && X509_set_version(x, X509_VERSION_3) == 1);
    need(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) != NULL);
    need(X509_set_subject_name(x, ca->subject) == 1 && X509_set_issuer_name(x, ca->subject) == 1);
    need(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)ca->not_before) != NULL);
    need(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)ca->not_after) != NULL);
    need(X509_set_pubkey(x, pub) == 1);
    add_ca_extensions(x, ca->path_len);
    add_key_ids(x);
    BN_free(serial);
    EVP_PKEY_free(pub);
    return x;
}

static enum ks_digest digest_for(const struct ks_key *key)
{
    return strcmp(ks_algorithm(key), "P-384") == 0 ? KS_SHA384 : KS_SHA256;
}

/* RFC 4055 5 (NULL parameters) and RFC 5758 3.2 (no parameters). */
static X509_ALGOR *signature_algorithm(const struct ks_key *key)
{
    X509_ALGOR *alg = X509_ALGOR_new();
    bool rsa = strncmp(ks_algorithm(key), "RSA-", 4) == 0;
    int nid = rsa                            ? NID_sha256WithRSAEncryption
              : digest_for(key) == KS_SHA384 ? NID_ecdsa_with_SHA384
                                             : NID_ecdsa_with_SHA256;

    need(alg && X509_ALGOR_set0(alg, OBJ_nid2obj(nid), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1);
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
 * Certificate ::= SEQUENCE { tbs, algorithm, signature }, put together from bytes. Set through ASN1_STRING
 * the BIT STRING would lose trailing zero bits of the signature, and one in two certificates would not
 * verify.
 */
static void assemble(struct pke_bytes tbs, struct pke_bytes alg, struct pke_bytes signature,
                     struct pke_buf *out)
{
    struct pke_buf body;

    pke_buf_init(&body, 2 * TBS_MAX);
    pke_buf_add_bytes(&body, tbs);
    pke_buf_add_bytes(&body, alg);
    put_header(&body, V_ASN1_BIT_STRING, signature.n + 1);
    pke_buf_add_u8(&body, 0); /* no unused bits */
    pke_buf_add_bytes(&body, signature);
    put_header(out, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, body.n);
    pke_buf_add_bytes(out, pke_buf_bytes(&body));
    pke_buf_done(&body);
}

/* What is written must be what others will read: parse it again and check it with its own key. */
static enum pke_err verify(struct pke_bytes der, struct pke_bytes spki, struct pke_fail *fail)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    uint8_t *own = NULL;
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &own) : -1;
    bool ok = n > 0 && p == der.p + der.n && pke_bytes_eq(PKE_BYTES(own, (size_t)n), spki) &&
              X509_verify(x, X509_get0_pubkey(x)) == 1 && X509_check_ca(x) == 1 &&
              X509_check_issued(x, x) == X509_V_OK;

    OPENSSL_free(own);
    X509_free(x);
    ERR_clear_error();
    return ok ? PKE_OK
              : pke_fail_set(fail, PKE_INTERNAL, "certificate-verify", "verify before writing",
                             "the new certificate does not verify under its own key");
}

/* The inner AlgorithmIdentifier must be there before the TBS is encoded; libcrypto has no setter for it. */
static int encode_tbs(X509 *x, const X509_ALGOR *alg, uint8_t **ret)
{
    need(X509_ALGOR_copy((X509_ALGOR *)X509_get0_tbs_sigalg(x), alg) == 1);
    return i2d_re_X509_tbs(x, ret);
}

enum pke_err tool_ca_certificate(struct ks_key *key, const struct tool_ca *ca, struct pke_buf *out,
                                 struct pke_fail *fail)
{
    X509 *x = build(ks_spki(key), ca);
    X509_ALGOR *alg = signature_algorithm(key);
    uint8_t *tbs = NULL, *alg_der = NULL;
    int tbs_n = encode_tbs(x, alg, &tbs), alg_n = i2d_X509_ALGOR(alg, &alg_der);
    struct pke_buf signature;
    struct ks_error error;
    enum pke_err err = PKE_OK;

    need(tbs_n > 0 && alg_n > 0);
    pke_buf_init(&signature, SIGNATURE_MAX);
    if (ks_sign(key, digest_for(key), PKE_BYTES(tbs, (size_t)tbs_n), &signature, &error) != 0) {
        *fail = error.fail;
        err = error.fail.err;
    } else {
        assemble(PKE_BYTES(tbs, (size_t)tbs_n), PKE_BYTES(alg_der, (size_t)alg_n), pke_buf_bytes(&signature),
                 out);
        err = verify(pke_buf_bytes(out), ks_spki(key), fail);
    }
    pke_buf_done(&signature);
    OPENSSL_free(tbs);
    OPENSSL_free(alg_der);
    X509_ALGOR_free(alg);
    X509_free(x);
    return err;
}
