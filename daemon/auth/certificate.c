/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/certificate.h"

#include <openssl/err.h>
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

struct trust {
    const struct conf_endpoint *endpoint;
    X509_STORE *store; /* NULL: the endpoint has no credential-ca */
    struct stat seen;  /* the CRL file that is in it */
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

/* A CA in the file is an anchor, whether self-signed or not: that is what the administrator trusts. */
static X509_STORE *new_store(bool crl)
{
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *p = store ? X509_STORE_get0_param(store) : NULL;

    if (!p)
        pke_oom();
    X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN | (crl ? X509_V_FLAG_CRL_CHECK : 0));
    X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(p, AUTH_LEVEL);
    return store;
}

static enum pke_err load(const struct conf_endpoint *e, struct trust *t, struct pke_fail *fail)
{
    X509_STORE *store = new_store(e->credential_crl != NULL);
    X509_LOOKUP *files = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    struct stat seen = {0};
    enum pke_err err = PKE_OK;

    if (!files)
        pke_oom();
    ERR_clear_error();
    if (X509_load_cert_file(files, e->credential_ca, X509_FILETYPE_PEM) < 1)
        err = unusable("credential-ca", e->credential_ca, fail);
    else if (e->credential_crl && (stat(e->credential_crl, &seen) != 0 ||
                                   X509_load_crl_file(files, e->credential_crl, X509_FILETYPE_PEM) < 1))
        err = unusable("credential-crl", e->credential_crl, fail);
    ERR_clear_error();
    if (err != PKE_OK) {
        X509_STORE_free(store);
        return err;
    }
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
        if (e->credential_ca && load(e, &c->v[c->n], fail) != PKE_OK) {
            certificates_close(c);
            return PKE_CONFIG;
        }
    }
    *ret = c;
    return PKE_OK;
}

void certificates_close(struct certificates *c)
{
    for (size_t i = 0; c && i < c->n; i++)
        X509_STORE_free(c->v[i].store);
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
        if (load(t->endpoint, t, &fail) == PKE_OK)
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

static enum pke_err check_chain(X509_STORE *store, X509 *x, int64_t now, struct pke_fail *fail)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int result;

    if (!ctx || X509_STORE_CTX_init(ctx, store, x, NULL) != 1)
        pke_oom();
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
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
                               struct pke_bytes der, int64_t now, struct pke_fail *fail)
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
        err = check_chain(t->store, x, now, fail);
    if (err == PKE_OK)
        err = check_usage(x, fail);
    X509_free(x);
    ERR_clear_error();
    return err;
}
