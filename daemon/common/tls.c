/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "base/mem.h"

#define VERIFY_DEPTH     4
#define CLIENT_CHAIN_MAX 32768 /* bytes of what a client sends as its chain */
#define CLIENT_RSA_MAX   8192  /* bits of its key */
#define CLIENT_RSA_E_MAX 64

/* TLS 1.2: forward secrecy and AEAD only; the three suites of TLS 1.3 are all fine. */
static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const unsigned char session_context[] = "pkienrolld";

/* Only http/1.1, and no fall-through to a default: what the client asks for otherwise is another protocol's
 * (ALPACA). A client without the extension is served. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                           const unsigned char *in, unsigned int inlen, void *arg)
{
    static const unsigned char http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *selected;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&selected, outlen, http11, sizeof http11, in, inlen) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

/* A key with a pass phrase is refused: the default would ask on the terminal. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static enum pke_err bad(struct pke_fail *fail, const char *what, const char *file)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(e);

    pke_fail_set(fail, PKE_CONFIG, "tls-file", "pkienrolld.conf listeners", "%s %s: %s", what,
                 file ? file : "(none)",
                 ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e))
                 : why               ? why
                                     : "?");
    ERR_clear_error();
    return PKE_CONFIG;
}

static void harden(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_cipher_list(ctx, ciphers_12);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    /* no resumption at all: a client comes twice a year, and a session holds secrets */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
}

static enum pke_err load_own(SSL_CTX *ctx, const struct conf_listener *l, struct pke_fail *fail)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, l->tls_certificate) != 1)
        return bad(fail, "certificate", l->tls_certificate);
    if (!l->tls_key || SSL_CTX_use_PrivateKey_file(ctx, l->tls_key, SSL_FILETYPE_PEM) != 1)
        return bad(fail, "key", l->tls_key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return bad(fail, "the certificate does not belong to key", l->tls_key);
    return PKE_OK;
}

/* What the handshake's own proof of possession may cost: the exponent is the client's choice, too. */
static bool is_cheap_key(X509 *x)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
    BIGNUM *e = NULL;
    bool cheap = false;

    if (key && EVP_PKEY_is_a(key, "EC"))
        cheap = true; /* the curves of TLS are bounded */
    else if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) <= CLIENT_RSA_MAX)
        cheap =
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_num_bits(e) <= CLIENT_RSA_E_MAX;
    BN_free(e);
    return cheap;
}

/* Optional: a client that answers with some other certificate of its store is served as one without. Whether
 * it proves to hold the key is checked all the same. No chain is built: its keys and signatures would be the
 * client's to choose, and the verdict says nothing; auth judges the certificate where it is a credential. */
static int any_certificate(X509_STORE_CTX *store, void *arg)
{
    X509 *x = X509_STORE_CTX_get0_cert(store);

    (void)arg;
    if (x && is_cheap_key(x)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    ERR_clear_error();
    return 0;
}

void tls_context_ask_client(SSL_CTX *ctx)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, any_certificate, NULL);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
}

static enum pke_err load_clients(SSL_CTX *ctx, const struct conf_listener *l, struct pke_fail *fail)
{
    STACK_OF(X509_NAME) * names;
    int mode = SSL_VERIFY_PEER;

    if (l->client_cert == CONF_CLIENT_CERT_OFF)
        return PKE_OK;
    names = l->client_ca ? SSL_load_client_CA_file(l->client_ca) : NULL;
    if (!names || SSL_CTX_load_verify_file(ctx, l->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return bad(fail, "client-ca", l->client_ca);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    if (l->client_cert == CONF_CLIENT_CERT_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    if (l->client_cert == CONF_CLIENT_CERT_OPTIONAL)
        SSL_CTX_set_cert_verify_callback(ctx, any_certificate, NULL);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
    SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
    return PKE_OK;
}

enum pke_err tls_context_new(const struct conf_listener *l, SSL_CTX **ret, struct pke_fail *fail)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    enum pke_err err;

    if (!ctx)
        pke_oom();
    ERR_clear_error();
    harden(ctx);
    err = load_own(ctx, l, fail);
    if (err == PKE_OK)
        err = load_clients(ctx, l, fail);
    if (err != PKE_OK) {
        SSL_CTX_free(ctx);
        return err;
    }
    *ret = ctx;
    return PKE_OK;
}
