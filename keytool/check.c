/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keytool/tool.h"

static bool self_issued_ok(X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) != 0 ||
           X509_verify(x, X509_get0_pubkey(x)) == 1;
}

/* What the daemon will ask of an issuer certificate. Returns the number of failed checks. */
static unsigned check_certificate(X509 *x)
{
    const uint32_t need = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
    uint32_t flags = X509_get_extension_flags(x);
    bool basic = X509_check_ca(x) == 1 && (flags & EXFLAG_CA);
    bool usage = (flags & EXFLAG_KUSAGE) && (X509_get_key_usage(x) & need) == need;
    bool now =
        X509_cmp_time(X509_get0_notBefore(x), NULL) < 0 && X509_cmp_time(X509_get0_notAfter(x), NULL) > 0;
    bool ski = X509_get0_subject_key_id(x) != NULL;
    unsigned bad = 0;

    bad += !tool_verdict(basic, "basic constraints", basic ? "CA:TRUE" : "not a version 3 CA certificate");
    bad += !tool_verdict(usage, "key usage",
                         usage ? "keyCertSign, cRLSign" : "must be present with keyCertSign and cRLSign");
    bad += !tool_verdict(ski, "subject key identifier", ski ? "present" : "absent");
    bad += !tool_verdict(now, "validity", now ? "valid now" : "not valid now");
    bad += !tool_verdict(self_issued_ok(x), "self-signature",
                         self_issued_ok(x) ? "verifies, or signed by another CA" : "does not verify");
    return bad;
}

/* Sign something that is no certificate, and verify with the certificate's key, not with the token's. */
static bool test_signature(struct ks_key *key, EVP_PKEY *pub, char *why, size_t size)
{
    static const char message[] = "pkienroll-keytool check: this is not a certificate";
    bool sha384 = strcmp(ks_algorithm(key), "P-384") == 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct ks_error error;
    struct pke_buf sig;
    bool ok = false;

    pke_buf_init(&sig, 1024);
    if (ks_sign(key, sha384 ? KS_SHA384 : KS_SHA256, pke_bytes_str(message), &sig, &error) != 0)
        snprintf(why, size, "%s", error.fail.text);
    else if (!ctx || EVP_DigestVerifyInit(ctx, NULL, sha384 ? EVP_sha384() : EVP_sha256(), NULL, pub) != 1 ||
             EVP_DigestVerify(ctx, sig.p, sig.n, (const uint8_t *)message, strlen(message)) != 1)
        snprintf(why, size, "does not verify with the certificate's public key");
    else
        ok = true;
    pke_buf_done(&sig);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool same_public_half(const struct ks_key *key, X509 *x)
{
    struct pke_bytes spki = ks_spki(key);
    const uint8_t *p = spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)spki.n);
    bool same = pub && EVP_PKEY_eq(pub, X509_get0_pubkey(x)) == 1;

    EVP_PKEY_free(pub);
    return same;
}

static unsigned check_key(const struct tool_options *o, X509 *x)
{
    struct ks_config config = o->config;
    char why[sizeof((struct pke_fail *)0)->text] = "verifies with the certificate's public key";
    struct ks_key *key;
    struct ks_error error;
    unsigned bad;
    bool ok;

    config.allow_weak = true; /* each weak attribute gets its own line */
    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        return !tool_verdict(false, "key", "%s [%s]", error.fail.text, error.fail.rule);
    tool_verdict(true, "key", "%s, %s", ks_algorithm(key), o->config.uri);
    bad = (unsigned)tool_attributes(key);
    if (o->config.allow_weak)
        bad = 0;
    ok = same_public_half(key, x);
    bad += !tool_verdict(ok, "public half",
                         ok ? "is the certificate's" : "is not the public key of the certificate");
    ok = test_signature(key, X509_get0_pubkey(x), why, sizeof why);
    bad += !tool_verdict(ok, "test signature", "%s", why);
    ks_close(key);
    return bad;
}

int tool_check(const struct tool_options *o)
{
    BIO *bio;
    X509 *x;
    unsigned bad;

    if (!o->certificate)
        return tool_usage("check needs --certificate");
    bio = BIO_new_file(o->certificate, "r");
    x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!x || !X509_get0_pubkey(x)) {
        tool_verdict(false, "certificate", "%s holds no PEM certificate that can be read", o->certificate);
        X509_free(x);
        return TOOL_REFUSED;
    }
    tool_verdict(true, "certificate", "%s", o->certificate);
    bad = check_certificate(x) + check_key(o, x);
    X509_free(x);
    if (bad == 0)
        puts("The key and its certificate are fit for use.");
    else
        printf("%u check(s) failed.\n", bad);
    return bad == 0 ? TOOL_OK : TOOL_REFUSED;
}
