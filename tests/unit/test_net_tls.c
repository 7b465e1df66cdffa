/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/tls.h: what a client's certificate may cost and be. Both ends in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/tls.h"

static char dir[] = "/tmp/pke-tls-XXXXXX", cert_file[64], key_file[64];
static EVP_PKEY *ca_key;
static X509 *ca;

static void add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* Signed by the CA, or, for the CA itself, by its own key. */
static X509 *make(const char *cn, EVP_PKEY *key, const char *constraints)
{
    X509 *x = X509_new();

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1,
                               -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(ca ? ca : x));
    X509_set_pubkey(x, key);
    add_ext(x, NID_basic_constraints, constraints);
    assert_true(X509_sign(x, ca_key, EVP_sha256()) > 0);
    return x;
}

static int begin(void **state)
{
    FILE *f;

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(cert_file, sizeof cert_file, "%s/c.pem", dir);
    snprintf(key_file, sizeof key_file, "%s/k.pem", dir);
    ca_key = EVP_EC_gen("P-256");
    ca = make("ca", ca_key, "critical,CA:TRUE");
    f = fopen(cert_file, "w");
    if (!f || !PEM_write_X509(f, ca) || fclose(f) != 0)
        return -1;
    f = fopen(key_file, "w");
    return f && PEM_write_PrivateKey(f, ca_key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    unlink(cert_file);
    unlink(key_file);
    return rmdir(dir);
}

static SSL_CTX *server_context(enum conf_client_cert mode)
{
    struct conf_listener l = {
        .tls_certificate = cert_file, .tls_key = key_file, .client_cert = mode, .client_ca = cert_file};
    struct pke_fail fail = {0};
    SSL_CTX *ctx = NULL;

    assert_int_equal(tls_context_new(&l, &ctx, &fail), PKE_OK);
    return ctx;
}

static SSL_CTX *client_context(X509 *x, EVP_PKEY *key, X509 *more)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_security_level(ctx, 0);
    if (!x)
        return ctx;
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    if (more)
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, more), 1);
    else
        SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    return ctx;
}

/* Hand over what one side wrote; 0 when there was nothing. */
static int carry(SSL *from, SSL *to)
{
    static char block[65536];
    int n = BIO_read(SSL_get_wbio(from), block, sizeof block);

    if (n > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(to), block, n), n);
    return n > 0 ? n : 0;
}

static SSL *side(SSL_CTX *ctx)
{
    SSL *s = SSL_new(ctx);

    SSL_set_bio(s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_CTX_free(ctx);
    return s;
}

/* The server's end after the handshake, NULL when it refused. */
static SSL *shake(enum conf_client_cert mode, X509 *x, EVP_PKEY *key, X509 *more)
{
    SSL *server = side(server_context(mode)), *client = side(client_context(x, key, more));
    int done = 0, moved = 1;

    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    while (done != 1 && moved) {
        SSL_do_handshake(client);
        moved = carry(client, server);
        done = SSL_do_handshake(server);
        moved += carry(server, client);
    }
    SSL_free(client);
    ERR_clear_error();
    if (done != 1) {
        SSL_free(server);
        return NULL;
    }
    return server;
}

static bool is_taken(enum conf_client_cert mode, EVP_PKEY *key)
{
    X509 *x = make("client", key, "CA:FALSE");
    SSL *server = shake(mode, x, key, NULL);
    bool taken = server && X509_cmp(SSL_get0_peer_certificate(server), x) == 0;

    SSL_free(server);
    X509_free(x);
    EVP_PKEY_free(key);
    return taken;
}

/* The client's chain is bytes: nobody computes with its keys. */
static void test_optional_builds_no_chain(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make("client", key, "CA:FALSE");
    SSL *server = shake(CONF_CLIENT_CERT_OPTIONAL, x, key, ca);

    (void)state;
    assert_non_null(server);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(server)), 1); /* the CA came along */
    assert_null(SSL_get0_verified_chain(server));
    SSL_free(server);
    server = shake(CONF_CLIENT_CERT_REQUIRE, x, key, ca);
    assert_non_null(server);
    assert_int_equal(sk_X509_num(SSL_get0_verified_chain(server)), 2);
    SSL_free(server);
    server = shake(CONF_CLIENT_CERT_OPTIONAL, NULL, NULL, NULL);
    assert_non_null(server);
    assert_null(SSL_get0_peer_certificate(server));
    SSL_free(server);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void test_long_chains(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make("client", key, "CA:FALSE"), *big;
    char *comment = malloc(40000);

    (void)state;
    memset(comment, 'A', 39999);
    comment[39999] = '\0';
    big = make("big", key, "CA:TRUE");
    add_ext(big, NID_netscape_comment, comment);
    assert_true(X509_sign(big, ca_key, EVP_sha256()) > 0);
    assert_null(shake(CONF_CLIENT_CERT_OPTIONAL, x, key, big));
    assert_null(shake(CONF_CLIENT_CERT_REQUIRE, x, key, big));
    free(comment);
    X509_free(big);
    X509_free(x);
    EVP_PKEY_free(key);
}

static EVP_PKEY *rsa_with_exponent(const char *hex)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    BIGNUM *e = NULL;

    assert_true(BN_hex2bn(&e, hex) > 0);
    assert_int_equal(EVP_PKEY_keygen_init(c), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, 2048), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(c, e), 1);
    assert_int_equal(EVP_PKEY_generate(c, &key), 1);
    BN_free(e);
    EVP_PKEY_CTX_free(c);
    return key;
}

/* 8676 bits without a search for primes: 2^4423-1 and 2^4253-1 are known ones. */
static EVP_PKEY *huge_rsa(void)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new(), *e = BN_new(), *d = BN_new(), *phi = BN_new();
    BN_CTX *bn = BN_CTX_new();
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;

    assert_true(BN_set_bit(p, 4423) && BN_sub_word(p, 1) && BN_set_bit(q, 4253) && BN_sub_word(q, 1));
    assert_true(BN_mul(n, p, q, bn) && BN_set_word(e, 65537));
    assert_true(BN_sub_word(p, 1) && BN_sub_word(q, 1) && BN_mul(phi, p, q, bn));
    assert_non_null(BN_mod_inverse(d, e, phi, bn));
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_D, d);
    params = OSSL_PARAM_BLD_to_param(b);
    assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
    assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(c);
    BN_CTX_free(bn);
    BN_free(p);
    BN_free(q);
    BN_free(n);
    BN_free(e);
    BN_free(d);
    BN_free(phi);
    return key;
}

static void test_keys(void **state)
{
    enum conf_client_cert mode = CONF_CLIENT_CERT_OPTIONAL;

    (void)state;
    assert_true(is_taken(mode, EVP_RSA_gen(2048)));
    assert_true(is_taken(mode, EVP_EC_gen("P-384")));
    assert_true(is_taken(mode, rsa_with_exponent("8000000000000001")));
    assert_false(is_taken(mode, rsa_with_exponent("10000000000000001")));
    assert_false(is_taken(mode, huge_rsa()));
    assert_false(is_taken(mode, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_optional_builds_no_chain),
                                       cmocka_unit_test(test_long_chains), cmocka_unit_test(test_keys)};

    return cmocka_run_group_tests(tests, begin, end);
}
