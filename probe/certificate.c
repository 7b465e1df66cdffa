/* SPDX-License-Identifier: Apache-2.0 */
/* The issued certificate: could this client use it for TLS, and does it say no more than it should. */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "probe/csr.h"
#include "probe/provdoc.h"
#include "probe/state.h"

#define MAX_BACKDATE (60 * 60)
#define MIN_SERIAL   64 /* bits */
#define DAY          (24 * 60 * 60)

PKE_DEFINE_CLEANUP(X509_STORE, X509_STORE_free);
PKE_DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free);
PKE_DEFINE_CLEANUP(ASN1_OBJECT, ASN1_OBJECT_free);
PKE_DEFINE_CLEANUP(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free);

static const char *name_text(struct probe *p, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        pke_oom();
    long n = BIO_get_mem_data(bio, &text);
    const char *copy = pke_arena_str(p->arena, PKE_BYTES(text, n));
    BIO_free(bio);
    return copy;
}

/* Seconds since 1970; 0 when the time cannot be read. */
static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void check_key(struct probe *p)
{
    EVP_PKEY *key = X509_get0_pubkey(p->leaf);
    verdict_check(p->verdict, key && EVP_PKEY_eq(key, p->public_key) == 1, "public-key", "RFC 2986 3",
                  "the certificate is%s for the key of the request",
                  key && EVP_PKEY_eq(key, p->public_key) == 1 ? "" : " not");
}

static void check_times(struct probe *p)
{
    char from[PKE_RFC3339_SIZE], until[PKE_RFC3339_SIZE];
    int64_t now = (int64_t)time(NULL);
    int64_t begin = seconds_of(X509_get0_notBefore(p->leaf)), end = seconds_of(X509_get0_notAfter(p->leaf));
    pke_time_rfc3339(begin, from);
    pke_time_rfc3339(end, until);
    verdict_check(p->verdict, begin && begin <= now && end > now, "validity", "RFC 5280 4.1.2.5", "%s to %s",
                  from, until);
    verdict_check(p->verdict, now - begin <= MAX_BACKDATE, "backdating", "Windows MDM client",
                  "valid since %lld s", (long long)(now - begin));
    if (p->renew_period)
        verdict_check(p->verdict, (int64_t)p->renew_period * DAY < end - begin, "renew-window",
                      "CertificateStore CSP", "renewal may begin %lu days before the end of %lld days",
                      p->renew_period, (long long)((end - begin) / DAY));
    verdict_fact(p->verdict, "certificate-not-before", from);
    verdict_fact(p->verdict, "certificate-not-after", until);
}

static bool only_client_auth(X509 *cert)
{
    EXTENDED_KEY_USAGE *eku PKE_CLEANUP(EXTENDED_KEY_USAGE_free_p) =
        X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    return eku && sk_ASN1_OBJECT_num(eku) == 1 &&
           OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, 0)) == NID_client_auth;
}

static void check_extensions(struct probe *p)
{
    ASN1_OBJECT *odd PKE_CLEANUP(ASN1_OBJECT_free_p) = OBJ_txt2obj("1.3.6.1.4.1.311.66.1.0", 1);
    uint32_t usage = X509_get_key_usage(p->leaf);
    uint32_t other = usage & ~(uint32_t)(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    verdict_check(p->verdict, only_client_auth(p->leaf), "client-auth", "RFC 5280 4.2.1.12",
                  "extended key usage %s",
                  only_client_auth(p->leaf) ? "clientAuth and nothing else" : "is not clientAuth alone");
    verdict_check(p->verdict, usage != UINT32_MAX && (usage & KU_DIGITAL_SIGNATURE) && !other, "key-usage",
                  "RFC 5280 4.2.1.3", "digitalSignature%s",
                  usage == UINT32_MAX || !(usage & KU_DIGITAL_SIGNATURE) ? " is missing"
                  : other                                                ? " and others"
                                                                         : "");
    verdict_check(p->verdict, !X509_check_ca(p->leaf), "not-a-ca", "RFC 5280 4.2.1.9",
                  "basic constraints: %s", X509_check_ca(p->leaf) ? "a CA certificate" : "not a CA");
    verdict_check(p->verdict, odd && X509_get_ext_by_OBJ(p->leaf, odd, -1) < 0, "no-copied-extension",
                  "RFC 5280 4.2", "the request's device id extension is %s",
                  X509_get_ext_by_OBJ(p->leaf, odd, -1) < 0 ? "not copied" : "copied; its value is not DER");
}

static void check_names(struct probe *p)
{
    const X509_NAME *subject = X509_get_subject_name(p->leaf);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(p->leaf);
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    char *digits = number ? BN_bn2hex(number) : NULL;
    int bits = number ? BN_num_bits(number) : 0;
    bool good = number && !BN_is_negative(number) && bits >= MIN_SERIAL && BN_num_bytes(number) <= 20;
    for (char *c = digits; c && *c; c++)
        if (*c >= 'A' && *c <= 'F')
            *c = (char)(*c - 'A' + 'a');
    verdict_check(p->verdict, X509_get_version(p->leaf) == X509_VERSION_3 && good, "version-serial",
                  "RFC 5280 4.1.2", "version %ld, serial of %d bits", X509_get_version(p->leaf) + 1, bits);
    verdict_check(p->verdict,
                  X509_NAME_get_index_by_NID(subject, NID_commonName, -1) >= 0 &&
                      X509_NAME_get_index_by_NID(subject, NID_commonName,
                                                 X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) < 0,
                  "subject", "Windows MDM client", "%s", name_text(p, subject));
    verdict_fact(p->verdict, "certificate-subject", name_text(p, subject));
    verdict_fact(p->verdict, "certificate-issuer", name_text(p, X509_get_issuer_name(p->leaf)));
    verdict_fact(p->verdict, "certificate-serial", digits);
    OPENSSL_free(digits);
    BN_free(number);
}

/* What the device has from its enrollment: a renewal may leave it out. */
static bool trust_earlier(const struct probe *p, X509_STORE *store, STACK_OF(X509) * between)
{
    bool found = false;
    for (int i = 0; i < sk_X509_num(p->state.chain); i++) {
        X509 *cert = sk_X509_value(p->state.chain, i);
        if (X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0)
            found = X509_STORE_add_cert(store, cert) == 1 || found;
        else
            sk_X509_push(between, cert);
    }
    return found;
}

/* Delivered roots; where none is delivered the device must trust it already: from its enrollment, or else
 * --ca-file stands for it. Returns what the root is called in the verdict. */
static const char *trust(struct probe *p, X509_STORE *store, STACK_OF(X509) * between)
{
    bool delivered = false;
    for (size_t i = 0; i < p->n_certs; i++) {
        const struct probe_cert *c = &p->certs[i];
        if (!c->x509)
            continue;
        if (strcmp(c->store, "Root") == 0)
            delivered = X509_STORE_add_cert(store, c->x509) == 1 || delivered;
        else if (strcmp(c->store, "CA") == 0)
            sk_X509_push(between, c->x509);
    }
    if (trust_earlier(p, store, between) && !delivered)
        return "earlier";
    if (!delivered && p->opt.ca_file)
        X509_STORE_load_file(store, p->opt.ca_file);
    return delivered ? "delivered" : "already trusted";
}

/* As `openssl verify -x509_strict -auth_level 2 -purpose sslclient` */
static void check_chain(struct probe *p)
{
    STACK_OF(X509) *between = sk_X509_new_null();
    X509_STORE *store PKE_CLEANUP(X509_STORE_free_p) = X509_STORE_new();
    X509_STORE_CTX *ctx PKE_CLEANUP(X509_STORE_CTX_free_p) = X509_STORE_CTX_new();
    if (!between || !store || !ctx)
        pke_oom();
    const char *root = trust(p, store, between);
    if (X509_STORE_CTX_init(ctx, store, p->leaf, between) != 1)
        pke_oom();
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    bool good = X509_verify_cert(ctx) == 1;
    verdict_check(p->verdict, good, "chain", "RFC 5280 6", "to the %s root: %s", root,
                  good ? "good" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    sk_X509_free(between);
}

static void check_policy_ca(struct probe *p)
{
    if (!p->policy_ca)
        return;
    bool good = X509_check_issued(p->policy_ca, p->leaf) == X509_V_OK &&
                X509_verify(p->leaf, X509_get0_pubkey(p->policy_ca)) == 1;
    verdict_check(p->verdict, good, "policy-ca", "MS-XCEP 3.1.4.1.3.4",
                  "issued by %s CA that the policy named", good ? "the" : "another than the");
    verdict_fact(p->verdict, "ca-name", name_text(p, X509_get_subject_name(p->policy_ca)));
}

static void save(struct probe *p)
{
    struct pke_buf leaf PKE_CLEANUP(pke_buf_done), chain PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&leaf, 1u << 20);
    pke_buf_init(&chain, 1u << 20);
    for (size_t i = 0; i < p->n_certs; i++)
        if (p->certs[i].x509)
            csr_pem("CERTIFICATE", p->certs[i].der, p->certs[i].x509 == p->leaf ? &leaf : &chain);
    artefacts_write(p->out, state_file(p, "certificate.pem"), pke_buf_bytes(&leaf));
    if (chain.n && p->request == PROBE_ISSUE)
        artefacts_write(p->out, "chain.pem", pke_buf_bytes(&chain));
}

static void thumbprint_fact(struct probe *p, const char *name, const EVP_MD *md)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned n = 0;
    if (X509_digest(p->leaf, md, hash, &n) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, n), true, hex);
    verdict_fact(p->verdict, name, hex);
}

void certificate_check(struct probe *p)
{
    verdict_step(p->verdict, "certificate", "Certificate");
    if (!verdict_check(p->verdict, p->leaf != NULL, "certificate", "MS-MDE2 2.2.9.1", "%s",
                       p->leaf ? "delivered" : "the document delivers no certificate for this client"))
        return;
    save(p);
    check_names(p);
    check_key(p);
    check_times(p);
    check_extensions(p);
    check_chain(p);
    check_policy_ca(p);
    thumbprint_fact(p, "certificate-sha1", EVP_sha1());
    thumbprint_fact(p, "certificate-sha256", EVP_sha256());
}
