/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "keytool/tool.h"
#include "keytool/x509.h"

/* Does @p sig verify under the certificate's key, by libcrypto and not by what made it? */
static bool verifies(struct ks_key *key, EVP_PKEY *pub, struct pke_bytes message, struct pke_bytes sig)
{
    const EVP_MD *md = EVP_PKEY_is_a(pub, "ED25519")   ? NULL
                       : tool_digest(key) == KS_SHA384 ? EVP_sha384()
                                                       : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool ok = ctx && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pub) == 1;

    if (ok && ks_signature_of(key) == KS_SIGNATURE_RSA_PSS)
        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, sig.p, sig.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* Sign something that is no certificate, and verify with the certificate's key, not with the token's. */
static bool test_signature(struct ks_key *key, EVP_PKEY *pub, char *why, size_t size)
{
    struct pke_bytes message = pke_bytes_str("pkienroll-keytool check: this is not a certificate");
    struct ks_error error;
    struct pke_buf sig;
    bool ok = false;

    pke_buf_init(&sig, 1024);
    if (ks_sign(key, tool_digest(key), message, &sig, &error) != 0)
        snprintf(why, size, "%s", error.fail.text);
    else if (!verifies(key, pub, message, pke_buf_bytes(&sig)))
        snprintf(why, size, "does not verify with the certificate's public key");
    else
        ok = true;
    pke_buf_done(&sig);
    return ok;
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
    tool_key(key);
    bad = (unsigned)tool_attributes(key);
    if (o->config.allow_weak)
        bad = 0;
    ok = tool_same_key(key, X509_get0_pubkey(x));
    bad += !tool_verdict(ok, "public half",
                         ok ? "is the certificate's" : "is not the public key of the certificate");
    ok = test_signature(key, X509_get0_pubkey(x), why, sizeof why);
    bad += !tool_verdict(ok, "test signature", "%s", why);
    ks_close(key);
    return bad;
}

int tool_check(const struct tool_options *o)
{
    struct pke_fail fail = {0};
    unsigned bad;
    X509 *x;

    if (tool_read_certificate(o->certificate, &x, &fail) != PKE_OK) {
        tool_verdict(false, "certificate", "%s", fail.text);
        return TOOL_REFUSED;
    }
    tool_verdict(true, "certificate", "%s", o->certificate);
    tool_describe(x);
    bad = tool_check_certificate(x) + check_key(o, x);
    X509_free(x);
    if (bad == 0)
        tool_say("The key and its certificate are fit for use.");
    else
        tool_say("%u check(s) failed.", bad);
    return bad == 0 ? TOOL_OK : TOOL_REFUSED;
}
