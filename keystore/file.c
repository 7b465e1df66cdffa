/* SPDX-License-Identifier: Apache-2.0 */
/* A private key in a PEM file: for tests. By its nature it is extractable, so it opens only with allow_weak.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/backend.h"
#include "keystore/rv.h"

#define PEM_MAX 4095 /* an RSA-4096 PKCS #8 file is 3272 octets */

static int passphrase(char *buf, int size, int for_writing, void *arg)
{
    struct pke_bytes pin = pke_secret_bytes(arg);

    (void)for_writing;
    if (pin.n == 0 || pin.n > (size_t)size)
        return -1;
    memcpy(buf, pin.p, pin.n);
    return (int)pin.n;
}

static int load(struct ks_key *key, struct ks_error *error)
{
    struct pke_secret *pem = NULL;
    struct pke_fail fail = {0};
    struct pke_bytes b;
    EVP_PKEY *pkey;
    BIO *bio;

    if (pke_secret_read_file(key->config.uri, PEM_MAX, &pem, &fail) != PKE_OK) {
        *error = (struct ks_error){.cls = KS_TOKEN, .fail = fail};
        error->fail.err = PKE_KEY_DOWN;
        return -1;
    }
    b = pke_secret_bytes(pem);
    bio = BIO_new_mem_buf(b.p, (int)b.n);
    if (!bio)
        pke_oom();
    pkey = PEM_read_bio_PrivateKey(bio, NULL, passphrase, (void *)key->config.pin);
    BIO_free(bio);
    pke_secret_free(pem);
    ERR_clear_error();
    if (!pkey)
        return ks_fail(error, KS_PERMANENT, "key-file", "RFC 7468",
                       "the file holds no private key that can be read");
    EVP_PKEY_free(key->ctx);
    key->ctx = pkey;
    return 0;
}

/* The public half as an object of its own: verification must not touch the private key. */
static EVP_PKEY *public_half(EVP_PKEY *pkey)
{
    uint8_t *der = NULL;
    const uint8_t *p;
    int n = i2d_PUBKEY(pkey, &der);
    EVP_PKEY *pub;

    p = der;
    pub = n > 0 ? d2i_PUBKEY(NULL, &p, n) : NULL;
    OPENSSL_free(der);
    return pub;
}

static int file_open(struct ks_key *key, struct ks_facts *facts, struct ks_error *error)
{
    if (load(key, error) != 0)
        return -1;
    facts->public_key = public_half(key->ctx);
    if (!facts->public_key)
        return ks_fail(error, KS_PERMANENT, "key-file", "RFC 7468", "the private key has no public half");
    facts->attributes[0] = (struct ks_attribute){"CKA_SENSITIVE", true, false, true};
    facts->attributes[1] = (struct ks_attribute){"CKA_EXTRACTABLE", true, true, false};
    facts->n_attributes = 2;
    return 0;
}

static bool sign_message(EVP_PKEY *pkey, struct pke_bytes message, uint8_t *sig, size_t *n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok;

    if (!ctx)
        pke_oom();
    ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
         EVP_DigestSign(ctx, sig, n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool sign_hash(EVP_PKEY *pkey, const struct ks_hash *hash, uint8_t *sig, size_t *n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool rsa = EVP_PKEY_is_a(pkey, "RSA") == 1, ok;

    if (!ctx)
        pke_oom();
    ok = EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, ks_md(hash->digest)) == 1 &&
         (!rsa || (hash->signature == KS_SIGNATURE_RSA_PSS
                       ? ks_pss(ctx, hash->digest)
                       : EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1)) &&
         EVP_PKEY_sign(ctx, sig, n, hash->value, hash->n) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int file_sign(struct ks_key *key, const struct ks_hash *hash, struct pke_buf *out,
                     struct ks_error *error)
{
    uint8_t sig[1024];
    size_t n = sizeof sig;
    bool ok = hash->signature == KS_SIGNATURE_ED25519 ? sign_message(key->ctx, hash->message, sig, &n)
                                                      : sign_hash(key->ctx, hash, sig, &n);

    ok = ok && pke_buf_add(out, sig, n) == PKE_OK;
    return ok ? 0 : ks_fail(error, KS_PERMANENT, "key-file", "EVP_PKEY_sign", "the key cannot sign");
}

static int file_recover(struct ks_key *key, enum ks_rung rung, struct ks_facts *facts, struct ks_error *error)
{
    (void)rung;
    return file_open(key, facts, error);
}

static void file_close(struct ks_key *key)
{
    EVP_PKEY_free(key->ctx);
    key->ctx = NULL;
}

const struct ks_backend ks_backend_file = {
    .name = "file", .open = file_open, .sign = file_sign, .recover = file_recover, .close = file_close};
