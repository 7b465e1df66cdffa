/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many signatures in one process: does it go on, and does it grow? The key goes idle now and then, as in the
 * daemon, so that sessions are given back and taken again.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "bench/keys.h"

#define VERIFY_EVERY 100
#define IDLE_EVERY   500

struct soak {
    struct ks_key *key;
    EVP_PKEY *public;
    const EVP_MD *md; /* NULL: Ed25519 */
    bool pss;
    unsigned long verified;
};

static unsigned long resident_kb(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f) {
        if (fscanf(f, "%lu %lu", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static unsigned long open_files(void)
{
    unsigned long n = 0;
    DIR *d = opendir("/proc/self/fd");

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* By OpenSSL from the SubjectPublicKeyInfo, not by keystore/. */
static bool verifies(struct soak *s, struct pke_bytes message, struct pke_bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool good = EVP_DigestVerifyInit(ctx, &pctx, s->md, NULL, s->public) == 1 &&
                (!s->pss || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
                EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;

    EVP_MD_CTX_free(ctx);
    s->verified += good;
    return good;
}

static bool sign_one(struct soak *s, const struct keys_options *o, unsigned long i)
{
    uint8_t message[KEYS_MESSAGE] = {0};
    struct pke_buf out;
    struct ks_error error = {0};
    bool good;

    memcpy(message, &i, sizeof i); /* another one each time */
    pke_buf_init(&out, 4096);
    good = ks_sign(s->key, o->digest, PKE_BYTES(message, sizeof message), &out, &error) == 0;
    if (!good)
        fprintf(stderr, "pkienroll-bench-keys: signature %lu: %s [%s] 0x%llx\n", i, error.fail.text,
                error.fail.reason, (unsigned long long)error.raw);
    else if (i % VERIFY_EVERY == 0 && !verifies(s, PKE_BYTES(message, sizeof message), pke_buf_bytes(&out)))
        good = keys_wrong("a signature does not verify", i);
    pke_buf_done(&out);
    return good;
}

static bool prepare(struct soak *s, const struct keys_options *o)
{
    struct ks_error error = {0};
    const unsigned char *p;

    if (ks_open(&o->config, PKE_BYTES(NULL, 0), &s->key, &error) != 0) {
        fprintf(stderr, "pkienroll-bench-keys: %s\n", error.fail.text);
        return false;
    }
    p = ks_spki(s->key).p;
    s->public = d2i_PUBKEY(NULL, &p, (long)ks_spki(s->key).n);
    s->pss = o->config.signature == KS_SIGNATURE_RSA_PSS;
    if (o->config.signature != KS_SIGNATURE_ED25519)
        s->md = o->digest == KS_SHA384 ? EVP_sha384() : EVP_sha256();
    return s->public != NULL;
}

int keys_soak(const struct keys_options *o)
{
    struct soak s = {0};
    bool good = prepare(&s, o);
    double start = seconds();

    for (unsigned long i = 1; good && i <= o->count; i++) {
        good = sign_one(&s, o, i);
        if (i % IDLE_EVERY == 0)
            ks_idle(s.key);
        if (good && (i % o->every == 0 || i == o->count)) {
            printf("{\"signed\":%lu,\"verified\":%lu,\"seconds\":%.2f,\"rss_kb\":%lu,\"fds\":%lu}\n", i,
                   s.verified, seconds() - start, resident_kb(), open_files());
            fflush(stdout);
        }
    }
    EVP_PKEY_free(s.public);
    ks_close(s.key);
    return good ? 0 : 1;
}
