/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the cryptography of one certificate costs here and now, in microseconds of this thread's
 * CPU time, without anything around it. Decoded keys are reused, as the daemon's CA key is; the device's key
 * is decoded for every request because it is another one each time.
 */
#include "config.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "bench/bench.h"
#include "keystore/keystore.h"

#define TBS_SIZE 700 /* about what the lab's certificates have */

static const uint8_t tbs[TBS_SIZE];

struct subject {
    struct ks_key *ca;
    EVP_PKEY *native;
    X509_REQ *req;
    EVP_PKEY *device;
    uint8_t signature[1024];
    size_t signature_n;
};

static double cpu_micros(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void module_sign(struct subject *s) /* C_Sign and the self-verification behind it */
{
    struct ks_error error;
    struct pke_buf out;

    pke_buf_init(&out, 4096);
    if (ks_sign(s->ca, KS_SHA256, PKE_BYTES(tbs, sizeof tbs), &out, &error) != 0)
        abort();
    pke_buf_done(&out);
}

static void native_sign(struct subject *s)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    s->signature_n = sizeof s->signature;
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->native) != 1 ||
        EVP_DigestSign(ctx, s->signature, &s->signature_n, tbs, sizeof tbs) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
}

static void native_verify(struct subject *s)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, s->native) != 1 ||
        EVP_DigestVerify(ctx, s->signature, s->signature_n, tbs, sizeof tbs) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
}

/* The proof of possession alone: the same number of bytes under the same kind of key. */
static void csr_verify(struct subject *s)
{
    if (X509_REQ_verify(s->req, s->device) != 1)
        abort();
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(void (*fn)(struct subject *), struct subject *s, unsigned rounds)
{
    double *t = pke_calloc(rounds, sizeof *t), at, ret;

    fn(s); /* fetches, caches */
    for (unsigned i = 0; i < rounds; i++) {
        at = cpu_micros();
        fn(s);
        t[i] = cpu_micros() - at;
    }
    qsort(t, rounds, sizeof *t, by_value);
    ret = t[rounds / 2];
    free(t);
    return ret;
}

static EVP_PKEY *like(const struct ks_key *ca)
{
    const uint8_t *p = ks_spki(ca).p;
    EVP_PKEY *public = d2i_PUBKEY(NULL, &p, (long)ks_spki(ca).n), *key;

    if (EVP_PKEY_is_a(public, "RSA"))
        key = EVP_RSA_gen((unsigned)EVP_PKEY_get_bits(public));
    else
        key = EVP_EC_gen(EVP_PKEY_get_bits(public) == 256 ? "P-256" : "P-384");
    EVP_PKEY_free(public);
    return key;
}

static enum pke_err prepare(const struct bench_options *o, struct subject *s, struct pke_secret **pin,
                            struct pke_buf *file, struct pke_fail *fail)
{
    struct bench_csr *csr = NULL;
    struct ks_config config = {.backend = KS_PKCS11, .module = o->module, .uri = o->uri};
    struct ks_error error;
    enum pke_err err = bench_pool_read(o, file, &csr, fail);
    const unsigned char *der = csr ? csr->der.p : NULL;

    if (err == PKE_OK)
        err = pke_secret_read_file(o->pin_file, 128, pin, fail);
    config.pin = *pin;
    if (err == PKE_OK && ks_open(&config, PKE_BYTES(NULL, 0), &s->ca, &error) != 0) {
        *fail = error.fail;
        err = fail->err;
    }
    if (err == PKE_OK) {
        s->native = like(s->ca);
        s->req = d2i_X509_REQ(NULL, &der, (long)csr->der.n);
        s->device = s->req ? X509_REQ_get0_pubkey(s->req) : NULL;
        if (!s->native || !s->device)
            err = pke_fail_set(fail, PKE_CONFIG, "pool", "bench", "the pool holds no certificate requests");
    }
    free(csr);
    return err;
}

int bench_calibrate(const struct bench_options *o)
{
    struct subject s = {0};
    struct pke_secret *pin = NULL;
    struct pke_buf file;
    struct pke_fail fail = {0};
    enum pke_err err;

    pke_buf_init(&file, BENCH_MAX_FILE);
    err = prepare(o, &s, &pin, &file, &fail);
    if (err == PKE_OK) {
        double module = median(module_sign, &s, o->rounds), native = median(native_sign, &s, o->rounds);
        double verify = median(native_verify, &s, o->rounds), csr = median(csr_verify, &s, o->rounds);

        printf("{\"ca_key\":\"%s\",\"device_key\":\"%s-%d\",\"module_sign_us\":%.1f,\"native_sign_us\":%.1f,"
               "\"self_verify_us\":%.1f,\"csr_verify_us\":%.1f}\n",
               ks_algorithm(s.ca), EVP_PKEY_get0_type_name(s.device), EVP_PKEY_get_bits(s.device),
               module - verify, native, verify, csr);
    } else {
        fprintf(stderr, "pkienroll-bench: %s\n", fail.text);
    }
    X509_REQ_free(s.req);
    EVP_PKEY_free(s.native);
    ks_close(s.ca);
    pke_secret_free(pin);
    pke_buf_done(&file);
    return err == PKE_OK ? 0 : 1;
}
