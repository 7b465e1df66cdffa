/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/roots.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"

#define OID_AIK       "2.23.133.8.3" /* TCG EK credential profile: tcg-kp-AIKCertificate */
#define RULE          "AIK certificate chain"
#define DEPTH_MAX     4   /* intermediates */
#define MORE_MAX      8   /* certificates behind the first */
#define ROOTS_MAX     512 /* in the file: makers of TPMs have many intermediates */
#define SECURITY_BITS 2   /* OpenSSL's level: RSA of 2048 bits, no SHA-1 */

struct attest_roots {
    X509_STORE *anchors;
    STACK_OF(X509) * intermediates;
    bool require_eku;
};

PKE_DEFINE_CLEANUP(struct attest_roots, attest_roots_free);

void attest_roots_free(struct attest_roots *roots)
{
    if (!roots)
        return;
    X509_STORE_free(roots->anchors);
    sk_X509_pop_free(roots->intermediates, X509_free);
    free(roots);
}

static enum pke_err bad_roots(struct pke_fail *fail, const char *text)
{
    ERR_clear_error();
    return pke_fail_set(fail, PKE_CONFIG, "attest-roots", "attestation-roots", "%s", text);
}

static bool is_root(X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0 &&
           X509_verify(cert, X509_get0_pubkey(cert)) == 1;
}

/* How many roots and other certificates @p bio has, all taken into @p roots. False: something else in it. */
static bool read_all(BIO *bio, struct attest_roots *roots, unsigned *n_roots)
{
    X509 *cert;

    for (unsigned i = 0; (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)); i++) {
        bool ok = i < ROOTS_MAX;

        if (ok && is_root(cert)) {
            ok = X509_STORE_add_cert(roots->anchors, cert) == 1;
            ++*n_roots;
            X509_free(cert);
        } else if (ok) {
            ok = sk_X509_push(roots->intermediates, cert) > 0;
        } else {
            X509_free(cert);
        }
        ERR_clear_error();
        if (!ok)
            return false;
    }
    return ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM &&
           ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

enum pke_err attest_roots_new(struct pke_bytes pem, bool require_eku, struct attest_roots **ret,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(attest_roots_free_p) struct attest_roots *roots = pke_calloc(1, sizeof *roots);
    BIO *bio;
    unsigned n_roots = 0;
    bool ok;

    roots->anchors = X509_STORE_new();
    roots->intermediates = sk_X509_new_null();
    roots->require_eku = require_eku;
    if (pem.n == 0 || pem.n > INT32_MAX)
        return bad_roots(fail, "the file of attestation roots is empty");
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (!roots->anchors || !roots->intermediates || !bio)
        pke_oom();
    ERR_clear_error();
    ok = read_all(bio, roots, &n_roots);
    BIO_free(bio);
    if (!ok)
        return bad_roots(fail, "the file of attestation roots has a certificate that cannot be read");
    if (n_roots == 0)
        return bad_roots(fail, "the file of attestation roots has no certificate that signed itself");
    ERR_clear_error();
    *ret = PKE_TAKE(roots);
    return PKE_OK;
}

/* One certificate and, behind it, others; NULL when the first is none or anything else follows. */
static X509 *read_chain(struct pke_bytes der, STACK_OF(X509) * more, struct pke_bytes *first)
{
    const unsigned char *p = der.p, *end = der.p + der.n;
    X509 *leaf = der.n && der.n <= ATTEST_AIK_CERT_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    *first = PKE_BYTES(der.p, leaf ? (size_t)(p - der.p) : 0);
    while (leaf && p < end) {
        X509 *cert = sk_X509_num(more) < MORE_MAX ? d2i_X509(NULL, &p, end - p) : NULL;

        if (!cert || sk_X509_push(more, cert) <= 0) {
            X509_free(cert);
            X509_free(leaf);
            leaf = NULL;
        }
    }
    ERR_clear_error();
    return leaf;
}

static bool has_aik_eku(X509 *leaf)
{
    EXTENDED_KEY_USAGE *ekus = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_ASN1_OBJECT_num(ekus); i++) {
        char dotted[64];

        OBJ_obj2txt(dotted, sizeof dotted, sk_ASN1_OBJECT_value(ekus, i), 1);
        found |= strcmp(dotted, OID_AIK) == 0;
    }
    EXTENDED_KEY_USAGE_free(ekus);
    return found;
}

static enum pke_err check_chain(const struct attest_roots *roots, X509 *leaf, STACK_OF(X509) * more,
                                int64_t now, struct pke_fail *fail)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_dup(roots->intermediates);
    X509_VERIFY_PARAM *param;
    int result = X509_V_ERR_UNSPECIFIED;

    for (int i = 0; i < sk_X509_num(more); i++)
        if (sk_X509_push(untrusted, sk_X509_value(more, i)) <= 0)
            pke_oom();
    if (!ctx || X509_STORE_CTX_init(ctx, roots->anchors, leaf, untrusted) != 1)
        pke_oom();
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)now);
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_BITS);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    if (X509_verify_cert(ctx) == 1)
        result = X509_V_OK;
    else if (X509_STORE_CTX_get_error(ctx) != X509_V_OK)
        result = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    sk_X509_free(untrusted);
    ERR_clear_error();
    if (result != X509_V_OK)
        return pke_fail_set(fail, PKE_POLICY, "attest-aik-chain", RULE,
                            "the AIK certificate does not lead to a pinned root: %s",
                            X509_verify_cert_error_string(result));
    return PKE_OK;
}

static enum pke_err check_leaf(const struct attest_roots *roots, X509 *leaf, struct pke_fail *fail)
{
    if (roots->require_eku && !has_aik_eku(leaf))
        return pke_fail_set(fail, PKE_POLICY, "attest-aik-eku", "tcg-kp-AIKCertificate " OID_AIK,
                            "the certificate is not one of an attestation identity key");
    if (X509_check_ca(leaf) != 0)
        return pke_fail_set(fail, PKE_POLICY, "attest-aik-ca", RULE, "the AIK certificate is one of a CA");
    return PKE_OK;
}

enum pke_err attest_chain_verify(const struct attest_roots *roots, struct pke_bytes der, int64_t now,
                                 EVP_PKEY **ret, char *sha256, struct pke_fail *fail)
{
    STACK_OF(X509) *more = sk_X509_new_null();
    struct pke_bytes first;
    X509 *leaf = more ? read_chain(der, more, &first) : NULL;
    uint8_t digest[32];
    enum pke_err err;

    *ret = NULL;
    *sha256 = '\0';
    if (!leaf) {
        sk_X509_pop_free(more, X509_free);
        return pke_fail_set(fail, PKE_POLICY, "attest-aik-cert", RULE, "the AIK certificate cannot be read");
    }
    EVP_Digest(first.p, first.n, digest, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(digest, sizeof digest), false, sha256);
    err = check_chain(roots, leaf, more, now, fail);
    if (err == PKE_OK)
        err = check_leaf(roots, leaf, fail);
    if (err == PKE_OK && !(*ret = X509_get_pubkey(leaf)))
        err = pke_fail_set(fail, PKE_POLICY, "attest-aik-cert", RULE,
                           "the key of the AIK certificate cannot be read");
    X509_free(leaf);
    sk_X509_pop_free(more, X509_free);
    ERR_clear_error();
    return err;
}
