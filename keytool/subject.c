/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/subject.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "ca/csr.h"
#include "ca/issuer.h"
#include "keytool/tool.h"

#define SPKI_MAX 16384

static const struct ca_csr_rules rules = {
    .key_types = CA_ALL_KEYS, .rsa_min_bits = 2048, .rsa_max_bits = 4096};

/* Weak keys are refused by the rules for devices. */
static enum pke_err screen(EVP_PKEY *pub, struct tool_subject *s, struct pke_fail *fail)
{
    uint8_t *der = NULL;
    int n = pub ? i2d_PUBKEY(pub, &der) : -1;
    struct ca_csr csr = {0};

    if (n <= 0)
        return pke_fail_set(fail, PKE_KEY_WEAK, "subject-key", "RFC 5280 4.1.2.7",
                            "the public key cannot be read");
    pke_buf_add(&s->spki, der, (size_t)n);
    OPENSSL_free(der);
    csr.spki = pke_buf_bytes(&s->spki);
    return ca_csr_screen(&csr, &rules, fail);
}

static bool same_algorithm(const X509_ALGOR *alg, EVP_PKEY *pub, enum ca_scheme scheme)
{
    struct pke_bytes want = ca_algorithm_of_key(pub, scheme);
    uint8_t *der = NULL;
    int n = i2d_X509_ALGOR(alg, &der);
    bool same = n > 0 && want.n > 0 && pke_bytes_eq(PKE_BYTES(der, (size_t)n), want);

    OPENSSL_free(der);
    return same;
}

/* SHA-256, SHA-384, SHA-512 with the key's own kind of signature; of the others exactly what a key of ours
 * would have made. */
static bool strong_algorithm(const X509_ALGOR *alg, EVP_PKEY *pub)
{
    int md = NID_undef, kind = NID_undef;
    const ASN1_OBJECT *oid;

    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    if (same_algorithm(alg, pub, CA_SCHEME_RSA_PSS) || same_algorithm(alg, pub, CA_SCHEME_ED25519))
        return true;
    if (OBJ_find_sigid_algs(OBJ_obj2nid(oid), &md, &kind) != 1)
        return false;
    return md == NID_sha256 || md == NID_sha384 || md == NID_sha512;
}

static enum pke_err refuse_extension(const X509_EXTENSION *e, struct pke_fail *fail)
{
    char oid[80] = "";

    OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object((X509_EXTENSION *)e), 0);
    return pke_fail_set(fail, PKE_POLICY, "subject-extension", "cross-sign extensions",
                        "the extension %s is not one that is taken over, and would be lost", oid);
}

static void *decode(const STACK_OF(X509_EXTENSION) * list, int nid, bool *bad)
{
    int found = -1;
    void *v = X509V3_get_d2i(list, nid, &found, NULL);

    *bad |= !v && found != -1; /* there and unreadable, or twice */
    return v;
}

static enum pke_err take_extensions(const STACK_OF(X509_EXTENSION) * list, struct tool_subject *s,
                                    struct pke_fail *fail)
{
    bool bad = false;
    BASIC_CONSTRAINTS *bc = decode(list, NID_basic_constraints, &bad);
    ASN1_BIT_STRING *ku = decode(list, NID_key_usage, &bad);
    int64_t path_len = -1;
    bool ca = bc && bc->ca, usage = ku && ASN1_BIT_STRING_get_bit(ku, 5);

    s->ski = decode(list, NID_subject_key_identifier, &bad);
    s->constraints = decode(list, NID_name_constraints, &bad);
    if (bc && bc->pathlen)
        bad |= ASN1_INTEGER_get_int64(&path_len, bc->pathlen) != 1 || path_len < 0 || path_len > 255;
    s->path_len = (long)path_len;
    bad |= s->ski && (ASN1_STRING_length(s->ski) < 8 || ASN1_STRING_length(s->ski) > 64);
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(ku);
    ERR_clear_error();
    if (bad)
        return pke_fail_set(fail, PKE_MALFORMED, "subject-extension", "RFC 5280 4.2",
                            "an extension cannot be read");
    if (!ca || !usage)
        return pke_fail_set(fail, PKE_POLICY, "subject-not-ca", "RFC 5280 4.2.1.9",
                            "it does not ask to be a CA: basicConstraints CA:TRUE and keyUsage keyCertSign");
    return PKE_OK;
}

static bool taken_over(int nid)
{
    return nid == NID_basic_constraints || nid == NID_key_usage || nid == NID_subject_key_identifier ||
           nid == NID_name_constraints;
}

static bool passed_over(int nid)
{
    return nid == NID_authority_key_identifier || nid == NID_crl_distribution_points ||
           nid == NID_info_access;
}

static enum pke_err check_extensions(const STACK_OF(X509_EXTENSION) * list, bool certificate,
                                     struct pke_fail *fail)
{
    for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
        X509_EXTENSION *e = sk_X509_EXTENSION_value(list, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));

        if (!taken_over(nid) && !(certificate && passed_over(nid)))
            return refuse_extension(e, fail);
    }
    return PKE_OK;
}

static enum pke_err take_name(const X509_NAME *name, struct tool_subject *s, struct pke_fail *fail)
{
    if (X509_NAME_entry_count(name) == 0)
        return pke_fail_set(fail, PKE_POLICY, "subject-empty", "RFC 5280 4.1.2.6",
                            "a CA must have a subject name");
    s->name = X509_NAME_dup(name);
    if (!s->name)
        pke_oom();
    return PKE_OK;
}

static enum pke_err read_request(X509_REQ *r, struct tool_subject *s, struct pke_fail *fail)
{
    EVP_PKEY *pub = X509_REQ_get0_pubkey(r);
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(r);
    const X509_ALGOR *alg;
    enum pke_err err = screen(pub, s, fail);

    X509_REQ_get0_signature(r, NULL, &alg);
    if (err == PKE_OK && (!strong_algorithm(alg, pub) || X509_REQ_verify(r, pub) != 1))
        err = pke_fail_set(fail, PKE_CSR_BAD, "csr-signature", "RFC 2986 4.2",
                           "the request is not signed by the key in it, or with a weak digest");
    if (err == PKE_OK)
        err = check_extensions(list, false, fail);
    if (err == PKE_OK)
        err = take_extensions(list, s, fail);
    if (err == PKE_OK)
        err = take_name(X509_REQ_get_subject_name(r), s, fail);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    ERR_clear_error();
    return err;
}

enum pke_err tool_subject_request(const char *path, struct tool_subject *s, struct pke_fail *fail)
{
    struct pke_buf der;
    const uint8_t *p;
    X509_REQ *r = NULL;
    enum pke_err err;

    *s = (struct tool_subject){.path_len = -1};
    pke_buf_init(&s->spki, SPKI_MAX);
    pke_buf_init(&der, TOOL_FILE_MAX);
    err = tool_read_pem(path, PEM_STRING_X509_REQ, &der, fail);
    if (err == PKE_OK) {
        p = der.p;
        r = d2i_X509_REQ(NULL, &p, (long)der.n);
        err = r && p == der.p + der.n ? read_request(r, s, fail)
                                      : pke_fail_set(fail, PKE_MALFORMED, "csr-der", "RFC 2986 4.2",
                                                     "%s holds no certificate request", path);
    }
    X509_REQ_free(r);
    pke_buf_done(&der);
    ERR_clear_error();
    return err;
}

enum pke_err tool_subject_certificate(const char *path, struct tool_subject *s, struct pke_fail *fail)
{
    const X509_ALGOR *alg;
    X509 *x = NULL;
    EVP_PKEY *pub;
    enum pke_err err;

    *s = (struct tool_subject){.path_len = -1};
    pke_buf_init(&s->spki, SPKI_MAX);
    err = tool_read_certificate(path, &x, fail);
    if (err != PKE_OK)
        return err;
    pub = X509_get0_pubkey(x);
    err = screen(pub, s, fail);
    X509_get0_signature(NULL, &alg, x);
    if (err == PKE_OK &&
        (!strong_algorithm(alg, pub) || X509_check_issued(x, x) != X509_V_OK || X509_verify(x, pub) != 1))
        err = pke_fail_set(fail, PKE_CSR_BAD, "certificate-signature", "proof of possession",
                           "the certificate is not signed by its own key: a request must be (--csr)");
    if (err == PKE_OK)
        err = check_extensions(X509_get0_extensions(x), true, fail);
    if (err == PKE_OK)
        err = take_extensions(X509_get0_extensions(x), s, fail);
    if (err == PKE_OK)
        err = take_name(X509_get_subject_name(x), s, fail);
    X509_free(x);
    ERR_clear_error();
    return err;
}

void tool_subject_done(struct tool_subject *s)
{
    X509_NAME_free(s->name);
    ASN1_OCTET_STRING_free(s->ski);
    NAME_CONSTRAINTS_free(s->constraints);
    pke_buf_done(&s->spki);
}
