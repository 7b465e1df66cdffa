/* SPDX-License-Identifier: Apache-2.0 */
/* keystore/, its self-verification, and OpenSSL alone. */
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/keys.h"

struct way {
    const struct keys_options *o;
    struct ks_key *key;
    EVP_PKEY *pkey;
    const EVP_MD *md; /* NULL: Ed25519 */
    struct pke_buf signature;
};

static void way_close(void *arg)
{
    struct way *w = arg;

    ks_close(w->key);
    EVP_PKEY_free(w->pkey);
    pke_buf_done(&w->signature);
    free(w);
}

static struct way *new_way(const struct keys_options *o)
{
    struct way *w = pke_calloc(1, sizeof *w);

    w->o = o;
    w->md = o->config.signature == KS_SIGNATURE_ED25519 ? NULL
            : o->digest == KS_SHA384                    ? EVP_sha384()
                                                        : EVP_sha256();
    pke_buf_init(&w->signature, 4096);
    return w;
}

static void *keystore_open(const struct keys_options *o)
{
    struct way *w = new_way(o);
    struct ks_error error = {0};

    if (ks_open(&o->config, PKE_BYTES(NULL, 0), &w->key, &error) == 0)
        return w;
    fprintf(stderr, "pkienroll-bench-keys: %s\n", error.fail.text);
    w->key = NULL;
    way_close(w);
    return NULL;
}

static bool keystore_sign(void *arg)
{
    struct way *w = arg;
    struct ks_error error = {0};

    pke_buf_clear(&w->signature);
    if (ks_sign(w->key, w->o->digest, keys_message(), &w->signature, &error) == 0)
        return true;
    return keys_wrong(error.fail.text, (unsigned long)error.raw);
}

const struct keys_way keys_keystore = {"keystore", keystore_open, keystore_sign, way_close};

static void *verify_open(const struct keys_options *o)
{
    struct way *w = keystore_open(o);
    const unsigned char *p;

    if (!w)
        return NULL;
    p = ks_spki(w->key).p;
    w->pkey = d2i_PUBKEY(NULL, &p, (long)ks_spki(w->key).n);
    if (w->pkey && keystore_sign(w))
        return w;
    way_close(w);
    return NULL;
}

static bool pad(const struct way *w, EVP_PKEY_CTX *ctx)
{
    return w->o->config.signature != KS_SIGNATURE_RSA_PSS ||
           (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool verify_sign(void *arg)
{
    struct way *w = arg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    struct pke_bytes s = pke_buf_bytes(&w->signature), m = keys_message();
    bool good = EVP_DigestVerifyInit(ctx, &pctx, w->md, NULL, w->pkey) == 1 && pad(w, pctx) &&
                EVP_DigestVerify(ctx, s.p, s.n, m.p, m.n) == 1;

    EVP_MD_CTX_free(ctx);
    return good || keys_wrong("EVP_DigestVerify", 0);
}

const struct keys_way keys_verify = {"verify", verify_open, verify_sign, way_close};

static EVP_PKEY *make_key(const char *algorithm)
{
    if (!algorithm)
        return NULL;
    if (strncmp(algorithm, "rsa-", 4) == 0)
        return EVP_RSA_gen((unsigned)strtoul(algorithm + 4, NULL, 10));
    if (strcmp(algorithm, "ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_EC_gen(strcmp(algorithm, "p384") == 0 ? "P-384" : "P-256");
}

static void *evp_open(const struct keys_options *o)
{
    struct way *w = new_way(o);

    w->pkey = make_key(o->algorithm);
    if (w->pkey)
        return w;
    way_close(w);
    return NULL;
}

static bool evp_sign(void *arg)
{
    struct way *w = arg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t signature[1024];
    size_t n = sizeof signature;
    bool good = EVP_DigestSignInit(ctx, &pctx, w->md, NULL, w->pkey) == 1 && pad(w, pctx) &&
                EVP_DigestSign(ctx, signature, &n, keys_message().p, keys_message().n) == 1;

    EVP_MD_CTX_free(ctx);
    return good || keys_wrong("EVP_DigestSign", 0);
}

const struct keys_way keys_evp = {"evp", evp_open, evp_sign, way_close};
