/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that others hand in: what is accepted, OpenSSL reads alike, as far as it reads it. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "ca/facts.h"
#include "tests/fuzz/fuzz.h"

static bool same(unsigned char *der, int n, struct pke_bytes want)
{
    bool ret = n > 0 && pke_bytes_eq(PKE_BYTES(der, (size_t)n), want);

    OPENSSL_free(der);
    return ret;
}

static void check_fields(X509 *x, const struct ca_cert_facts *f)
{
    unsigned char *issuer = NULL, *subject = NULL, *spki = NULL;
    int ni = i2d_X509_NAME(X509_get_issuer_name(x), &issuer);
    int ns = i2d_X509_NAME(X509_get_subject_name(x), &subject);
    int nk = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);

    FUZZ_MUST(same(issuer, ni, f->issuer) && same(subject, ns, f->subject) && same(spki, nk, f->spki));
    FUZZ_MUST(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), (time_t)f->not_before) == 0);
    FUZZ_MUST(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), (time_t)f->not_after) == 0);
}

/* Read one by one, as in fuzz_leaf.c; NULL also where OpenSSL cannot read an extension. */
static void check_usage(const X509 *x, const struct ca_cert_facts *f)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    EXTENDED_KEY_USAGE *extended = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    ASN1_OCTET_STRING *id = X509_get_ext_d2i(x, NID_subject_key_identifier, NULL, NULL);
    char dotted[100];

    FUZZ_MUST(f->ca == (basic && basic->ca) && f->has_key_usage == (usage != NULL));
    for (int bit = 0; usage && bit < 8; bit++)
        FUZZ_MUST(ASN1_BIT_STRING_get_bit(usage, bit) == (f->key_usage >> (7 - bit) & 1));
    FUZZ_MUST(f->has_eku == (extended != NULL));
    for (int i = 0; extended && i < sk_ASN1_OBJECT_num(extended); i++) {
        OBJ_obj2txt(dotted, sizeof dotted, sk_ASN1_OBJECT_value(extended, i), 1);
        FUZZ_MUST(pke_strings_has(&f->ekus, dotted));
    }
    FUZZ_MUST((id != NULL) == (f->subject_key_id.p != NULL));
    FUZZ_MUST(!id || pke_bytes_eq(PKE_BYTES(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)),
                                  f->subject_key_id));
    BASIC_CONSTRAINTS_free(basic);
    ASN1_BIT_STRING_free(usage);
    EXTENDED_KEY_USAGE_free(extended);
    ASN1_OCTET_STRING_free(id);
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct ca_cert_facts f;
    struct pke_fail fail = {0};
    const unsigned char *p = in.p;
    X509 *x;

    if (!fuzz_said(ca_cert_facts_read(in, arena, &f, &fail), &fail))
        return;
    FUZZ_MUST(f.der.p == in.p && f.der.n == in.n && f.subject_text && f.ekus.n <= CA_FACTS_MAX_EKUS);
    FUZZ_MUST(f.has_eku == (f.ekus.n > 0));
    if (!ca_cert_facts_client(&f, NULL))
        FUZZ_MUST(!f.ca && f.has_eku && !f.unknown_critical);
    (void)ca_cert_facts_signed_by(&f, f.issuer, f.spki, NULL);
    x = d2i_X509(NULL, &p, (long)in.n);
    if (x) { /* it decodes character strings and algorithms, which are opaque to us */
        FUZZ_MUST(p == in.p + in.n);
        check_fields(x, &f);
        check_usage(x, &f);
    }
    X509_free(x);
    ERR_clear_error();
}
