/* SPDX-License-Identifier: Apache-2.0 */
/* import-cert: the certificate that came back from the other CA. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "keystore/ceremony.h"
#include "keytool/tool.h"
#include "keytool/x509.h"

#define AUTH_LEVEL \
    2 /* 112 bits: no SHA-1, no RSA below 2048; verifying a chain libcrypto has no level by itself */

/* Self-signed ones are trusted, the others may help on the way. False when the file holds none. */
static bool load_chain(const char *path, X509_STORE *store, STACK_OF(X509) * others)
{
    BIO *bio = BIO_new_file(path, "r");
    unsigned roots = 0;
    X509 *x;

    while (bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (X509_self_signed(x, 1) == 1) {
            roots++;
            if (X509_STORE_add_cert(store, x) != 1)
                pke_oom();
            X509_free(x);
        } else if (sk_X509_push(others, x) <= 0) {
            pke_oom();
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return roots > 0;
}

/* RFC 5280 6 with every strict check libcrypto has. */
static bool check_chain(const struct tool_options *o, X509 *x)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    bool ok;

    if (!store || !ctx || !others)
        pke_oom();
    X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    if (!load_chain(o->root, store, others)) {
        ok = tool_verdict(false, "chain", "%s holds no self-signed certificate", o->root);
    } else {
        if (X509_STORE_CTX_init(ctx, store, x, others) != 1)
            pke_oom();
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), AUTH_LEVEL);
        ok = X509_verify_cert(ctx) == 1;
        tool_verdict(ok, "chain", "%s",
                     ok ? "ends in the root that was given"
                        : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_pop_free(others, X509_free);
    ERR_clear_error();
    return ok;
}

static bool check_key(const struct tool_options *o, X509 *x)
{
    struct ks_error error;
    struct ks_key *key;
    bool ok;

    if (ks_open(&o->config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        return tool_verdict(false, "key", "%s [%s]", error.fail.text, error.fail.rule);
    tool_verdict(true, "key", "%s, %s", ks_algorithm(key), o->config.uri);
    tool_key(key);
    ok = tool_same_key(key, X509_get0_pubkey(x));
    tool_verdict(ok, "public half", ok ? "is the certificate's" : "is not the public key of the certificate");
    ks_close(key);
    return ok;
}

static enum pke_err store_in_token(const struct tool_options *o, X509 *x, struct pke_fail *fail)
{
    uint8_t *der = NULL, *subject = NULL, *issuer = NULL, *serial = NULL;
    struct ks_certificate c;
    struct ks_error error;
    int n[4];
    enum pke_err err = PKE_OK;

    n[0] = i2d_X509(x, &der);
    n[1] = i2d_X509_NAME(X509_get_subject_name(x), &subject);
    n[2] = i2d_X509_NAME(X509_get_issuer_name(x), &issuer);
    n[3] = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &serial);
    if (n[0] <= 0 || n[1] <= 0 || n[2] <= 0 || n[3] <= 0)
        pke_oom();
    c = (struct ks_certificate){PKE_BYTES(der, (size_t)n[0]), PKE_BYTES(subject, (size_t)n[1]),
                                PKE_BYTES(issuer, (size_t)n[2]), PKE_BYTES(serial, (size_t)n[3])};
    if (ks_store_certificate(&o->config, &c, o->force, &error) != 0)
        err = (*fail = error.fail).err;
    else
        tool_say("stored it in the token");
    OPENSSL_free(der);
    OPENSSL_free(subject);
    OPENSSL_free(issuer);
    OPENSSL_free(serial);
    return err;
}

static enum pke_err publish(const struct tool_options *o, X509 *x, struct pke_fail *fail)
{
    uint8_t *der = NULL;
    int n = i2d_X509(x, &der);
    enum pke_err err;

    if (n <= 0)
        pke_oom();
    err = tool_publish_certificate(o, PKE_BYTES(der, (size_t)n), fail);
    OPENSSL_free(der);
    if (err == PKE_OK && o->store)
        err = store_in_token(o, x, fail);
    return err;
}

int tool_import_cert(const struct tool_options *o)
{
    struct pke_fail fail = {0};
    unsigned bad;
    X509 *x = NULL;
    enum pke_err err;

    if (o->store && o->config.backend != KS_PKCS11)
        return tool_usage("--store is for a PKCS#11 token: a TPM keeps no certificates");
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK)
        err = tool_read_certificate(o->certificate, &x, &fail);
    if (err != PKE_OK)
        return tool_refuse(&fail);
    bad = tool_check_certificate(x);
    bad += o->root && !check_chain(o, x);
    bad += !check_key(o, x);
    if (bad > 0)
        err = pke_fail_set(&fail, PKE_POLICY, "certificate-unfit", "import-cert",
                           "%u check(s) failed, nothing was written", bad);
    else
        err = publish(o, x, &fail);
    X509_free(x);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
