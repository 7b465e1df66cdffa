/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "daemon/common/log.h"

#define DEPTH_MAX  4
#define AUTH_LEVEL 2 /* 112 bits: RSA-2048, P-256, SHA-2 */

/* The anchors are in the store: the self-signed CAs of the file, or all where it has none of these. */
struct trust {
    const struct conf_endpoint *endpoint;
    STACK_OF(X509) * cas;   /* the file; NULL: the endpoint has no credential-ca */
    STACK_OF(X509) * below; /* those that are no anchors; borrowed from cas */
    X509_STORE *store;
    struct stat seen; /* the CRL file that is in it */
};

struct certificates {
    size_t n;
    struct trust v[];
};

static enum pke_err unusable(const char *option, const char *path, struct pke_fail *fail)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

    pke_fail_set(fail, PKE_CONFIG, "credential-file", "pkienrolld.conf(5) endpoints", "%s %s: %s", option,
                 path, why ? why : "it holds none");
    ERR_clear_error();
    return PKE_CONFIG;
}

static bool is_self_signed(X509 *x)
{
    return X509_self_signed(x, 1) == 1;
}

/* Is there a CA in the file whose name and key identifier are those of the issuer of @p x? */
static bool has_issuer(const STACK_OF(X509) * cas, X509 *x)
{
    for (int i = 0; i < sk_X509_num(cas); i++)
        if (sk_X509_value(cas, i) != x && X509_check_issued(sk_X509_value(cas, i), x) == X509_V_OK)
            return true;
    return false;
}

/* Sort the CAs of the file: a CA below a self-signed one is only worth what its issuer says of it. */
static enum pke_err sort_cas(struct trust *t, struct pke_fail *fail)
{
    bool has_root = false;

    t->below = sk_X509_new_null();
    if (!t->below)
        pke_oom();
    for (int i = 0; i < sk_X509_num(t->cas); i++)
        has_root = has_root || is_self_signed(sk_X509_value(t->cas, i));
    for (int i = 0; has_root && i < sk_X509_num(t->cas); i++) {
        X509 *x = sk_X509_value(t->cas, i);

        if (is_self_signed(x))
            continue;
        if (!has_issuer(t->cas, x))
            return pke_fail_set(fail, PKE_CONFIG, "credential-file", "pkienrolld.conf(5) credential-ca",
                                "credential-ca %s: the issuer of certificate %d is not in it",
                                t->endpoint->credential_ca, i + 1);
        if (sk_X509_push(t->below, x) <= 0)
            pke_oom();
    }
    return PKE_OK;
}

static enum pke_err read_cas(struct trust *t, struct pke_fail *fail)
{
    const char *path = t->endpoint->credential_ca;
    BIO *in;
    X509 *x;

    ERR_clear_error();
    t->cas = sk_X509_new_null();
    if (!t->cas)
        pke_oom();
    in = BIO_new_file(path, "r");
    while (in && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
        if (sk_X509_push(t->cas, x) <= 0)
            pke_oom();
    BIO_free(in);
    if (in && sk_X509_num(t->cas) > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error(); /* that is the end of the file */
    if (ERR_peek_last_error())
        return unusable("credential-ca", path, fail);
    return sort_cas(t, fail);
}

/* Whole chains, and a CRL for each step of them. Where nothing in the file is self-signed, each of it is an
 * anchor: who revokes anchors is not in the file. */
static X509_STORE *new_store(const struct trust *t)
{
    bool whole = sk_X509_num(t->below) > 0 || is_self_signed(sk_X509_value(t->cas, 0));
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *p = store ? X509_STORE_get0_param(store) : NULL;
    unsigned long crl = whole ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : X509_V_FLAG_CRL_CHECK;

    if (!p)
        pke_oom();
    X509_VERIFY_PARAM_set_flags(p, (whole ? 0 : X509_V_FLAG_PARTIAL_CHAIN) |
                                       (t->endpoint->credential_crl ? crl : 0));
    X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(p, AUTH_LEVEL);
    for (int i = 0; i < sk_X509_num(t->cas); i++) {
        X509 *x = sk_X509_value(t->cas, i);

        if ((!whole || is_self_signed(x)) && X509_STORE_add_cert(store, x) != 1)
            pke_oom();
    }
    return store;
}

/* A store with the CAs that were read before and the CRL as it is now; the old one stays where that fails. */
static enum pke_err load(struct trust *t, struct pke_fail *fail)
{
    const char *crl = t->endpoint->credential_crl;
    X509_STORE *store = new_store(t);
    X509_LOOKUP *files = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    struct stat seen = {0};

    if (!files)
        pke_oom();
    ERR_clear_error();
    if (crl && (stat(crl, &seen) != 0 || X509_load_crl_file(files, crl, X509_FILETYPE_PEM) < 1)) {
        X509_STORE_free(store);
        return unusable("credential-crl", crl, fail);
    }
    ERR_clear_error();
    X509_STORE_free(t->store);
    t->store = store;
    t->seen = seen;
    return PKE_OK;
}

enum pke_err certificates_open(const struct conf *conf, struct certificates **ret, struct pke_fail *fail)
{
    struct certificates *c = pke_calloc(1, sizeof *c + conf->n_endpoints * sizeof *c->v);

    for (; c->n < conf->n_endpoints; c->n++) {
        const struct conf_endpoint *e = &conf->endpoints[c->n];

        c->v[c->n].endpoint = e;
        if (e->credential_ca &&
            (read_cas(&c->v[c->n], fail) != PKE_OK || load(&c->v[c->n], fail) != PKE_OK)) {
            c->n++; /* this one is half open */
            certificates_close(c);
            return PKE_CONFIG;
        }
    }
    *ret = c;
    return PKE_OK;
}

void certificates_close(struct certificates *c)
{
    for (size_t i = 0; c && i < c->n; i++) {
        X509_STORE_free(c->v[i].store);
        sk_X509_free(c->v[i].below);
        sk_X509_pop_free(c->v[i].cas, X509_free);
    }
    free(c);
}

static bool is_changed(const struct stat *a, const struct stat *b)
{
    return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

void certificates_refresh(struct certificates *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct trust *t = &c->v[i];
        struct pke_fail fail;
        struct stat now;

        if (!t->store || !t->endpoint->credential_crl || stat(t->endpoint->credential_crl, &now) != 0 ||
            !is_changed(&now, &t->seen))
            continue;
        if (load(t, &fail) == PKE_OK)
            continue;
        log_fail(LOG_ERR, "revocation list refused, the old one stays in force", &fail, "endpoint",
                 t->endpoint->name, NULL);
        t->seen = now; /* said once for each state of the file */
    }
}

static X509 *parse(struct pke_bytes der)
{
    const unsigned char *p = der.p;
    X509 *x = der.n > 0 && der.n < 1u << 20 ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    if (x && p != der.p + der.n) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

static enum pke_err untrusted(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, reason, "MS-MDE2 3.4.4.1.1.1.2 AuthPolicy Certificate",
                        "%s", text);
}

static enum pke_err chain_failed(int why, struct pke_fail *fail)
{
    switch (why) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return untrusted(fail, "certificate-expired", "the certificate or its CA has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return untrusted(fail, "certificate-not-yet-valid", "the certificate or its CA is not valid yet");
    case X509_V_ERR_CERT_REVOKED:
        return untrusted(fail, "certificate-revoked", "the certificate is revoked");
    case X509_V_ERR_INVALID_PURPOSE:
        return untrusted(fail, "certificate-usage", "the certificate is not for TLS clients");
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
        return pke_fail_set(fail, PKE_STORE_DOWN, "certificate-crl", "pkienrolld.conf(5) credential-crl",
                            "there is no revocation list in force for the certificate's issuer");
    default:
        return untrusted(fail, "certificate-untrusted",
                         "the certificate is not of a CA that is trusted here");
    }
}

/* The key of the CA above, as the issuer knows its own CAs. A certificate that is an anchor itself has none.
 */
static void tell_issuer(X509_STORE_CTX *ctx, struct certificate_issuer *ret)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    unsigned char *spki = NULL;
    int n;

    ret->known = sk_X509_num(chain) > 1;
    if (!ret->known)
        return;
    n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(chain, 1)), &spki);
    if (n <= 0 || EVP_Digest(spki, (size_t)n, ret->spki_sha256, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    OPENSSL_free(spki);
}

static enum pke_err check_chain(const struct trust *t, X509 *x, int64_t now,
                                struct certificate_issuer *issuer, struct pke_fail *fail)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int result;

    if (!ctx || X509_STORE_CTX_init(ctx, t->store, x, t->below) != 1)
        pke_oom();
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    if (result == X509_V_OK)
        tell_issuer(ctx, issuer);
    X509_STORE_CTX_free(ctx);
    return result == X509_V_OK ? PKE_OK : chain_failed(result, fail);
}

/* Without an extended key usage a certificate would be for everything; that is not what this one was made
 * for. */
static enum pke_err check_usage(X509 *x, struct pke_fail *fail)
{
    uint32_t flags = X509_get_extension_flags(x);

    if (X509_check_ca(x) != 0)
        return untrusted(fail, "certificate-is-ca", "a CA certificate is no credential");
    if (!(flags & EXFLAG_XKUSAGE) || !(X509_get_extended_key_usage(x) & XKU_SSL_CLIENT))
        return untrusted(fail, "certificate-usage", "the certificate is not for TLS clients");
    if ((flags & EXFLAG_KUSAGE) && !(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE))
        return untrusted(fail, "certificate-usage", "the certificate is not for signatures");
    return PKE_OK;
}

enum pke_err certificate_trust(const struct certificates *c, const struct conf_endpoint *endpoint,
                               struct pke_bytes der, int64_t now, struct certificate_issuer *issuer,
                               struct pke_fail *fail)
{
    const struct trust *t = NULL;
    X509 *x = parse(der);
    enum pke_err err;

    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].endpoint == endpoint)
            t = &c->v[i];
    if (!x)
        err = untrusted(fail, "certificate-malformed", "the credential is not one whole certificate");
    else if (!t || !t->store)
        err = untrusted(fail, "certificate-untrusted", "no CA is trusted here");
    else
        err = check_chain(t, x, now, issuer, fail);
    if (err == PKE_OK)
        err = check_usage(x, fail);
    X509_free(x);
    ERR_clear_error();
    return err;
}
