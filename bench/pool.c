/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of certificate requests in the shape that Windows sends. The daemon takes one key for one device
 * only, and a 2048-bit key costs a hundred times its certificate: the requests are made once and used against
 * a new ledger in every run, and the RSA keys are the products of all pairs of a few primes. Such keys are
 * worth nothing as keys and as good as any other for measuring. Format: repeated 4 octets length, device id,
 * DER.
 */
#include "config.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "bench/bench.h"

#define PRIME_BITS    1024
#define PRIMES_MAX    512
#define EXPONENT      65537
#define DEVICE_ID_OID "1.3.6.1.4.1.311.66.1.0"

static void free_extensions(STACK_OF(X509_EXTENSION) * *list)
{
    sk_X509_EXTENSION_pop_free(*list, X509_EXTENSION_free);
}

static bool push(STACK_OF(X509_EXTENSION) * list, X509_EXTENSION *ext)
{
    if (ext && sk_X509_EXTENSION_push(list, ext) > 0)
        return true;
    X509_EXTENSION_free(ext);
    return false;
}

/* The extension of the device id holds its characters and a NUL, which is not DER: what Windows sends. */
static bool add_extensions(X509_REQ *req, const char *device_id)
{
    STACK_OF(X509_EXTENSION) * list PKE_CLEANUP(free_extensions) = sk_X509_EXTENSION_new_null();
    ASN1_OBJECT *oid = OBJ_txt2obj(DEVICE_ID_OID, 1);
    ASN1_OCTET_STRING *raw = ASN1_OCTET_STRING_new();
    bool ok = list && oid && raw &&
              push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth")) &&
              ASN1_OCTET_STRING_set(raw, (const unsigned char *)device_id, BENCH_DEVICE_ID + 1) == 1 &&
              push(list, X509_EXTENSION_create_by_OBJ(NULL, oid, 0, raw)) &&
              X509_REQ_add_extensions(req, list) == 1;

    ASN1_OCTET_STRING_free(raw);
    ASN1_OBJECT_free(oid);
    return ok;
}

static int make_request(EVP_PKEY *key, const char *device_id, unsigned char **der)
{
    X509_REQ *req = X509_REQ_new();
    char name[64];
    int n = -1;

    snprintf(name, sizeof name, "%.30s!%s", device_id, device_id);
    if (key && req && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
        X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, V_ASN1_PRINTABLESTRING,
                                   (unsigned char *)name, -1, -1, 0) == 1 &&
        X509_REQ_set_pubkey(req, key) == 1 && add_extensions(req, device_id) &&
        X509_REQ_sign(req, key, EVP_sha256()) > 0)
        n = i2d_X509_REQ(req, der);
    X509_REQ_free(req);
    return n;
}

/* The primes made so far; the next key is the product of the pair (high, low), low < high. */
struct primes {
    BIGNUM *p[PRIMES_MAX];
    size_t n, low, high;
    BN_CTX *ctx;
};

static BIGNUM *new_prime(void)
{
    BIGNUM *p = BN_new();

    do
        if (!p || BN_generate_prime_ex(p, PRIME_BITS, 0, NULL, NULL, NULL) != 1)
            pke_oom();
    while (BN_mod_word(p, EXPONENT) == 1);
    return p;
}

static EVP_PKEY *from_numbers(BIGNUM *v[8])
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
                                        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < PKE_LEN(names); i++)
        if (OSSL_PARAM_BLD_push_BN(bld, names[i], v[i]) != 1)
            pke_oom();
    params = OSSL_PARAM_BLD_to_param(bld);
    if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* RFC 8017 3.2: n, e, d, p, q, d mod p-1, d mod q-1, 1/q mod p */
static EVP_PKEY *from_primes(const BIGNUM *p, const BIGNUM *q, BN_CTX *ctx)
{
    BIGNUM *v[8], *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new();
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < PKE_LEN(v); i++)
        v[i] = BN_new();
    if (BN_sub_word(p1, 1) && BN_sub_word(q1, 1) && BN_mul(v[0], p, q, ctx) && BN_set_word(v[1], EXPONENT) &&
        BN_mul(phi, p1, q1, ctx) && BN_mod_inverse(v[2], v[1], phi, ctx) && BN_copy(v[3], p) &&
        BN_copy(v[4], q) && BN_mod(v[5], v[2], p1, ctx) && BN_mod(v[6], v[2], q1, ctx) &&
        BN_mod_inverse(v[7], q, p, ctx))
        key = from_numbers(v);
    for (size_t i = 0; i < PKE_LEN(v); i++)
        BN_free(v[i]);
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    return key;
}

static EVP_PKEY *next_rsa(struct primes *s)
{
    EVP_PKEY *key;

    if (s->high == s->n) {
        if (s->n == PRIMES_MAX)
            return NULL;
        s->p[s->n++] = new_prime();
        if (s->n == 1)
            s->p[s->n++] = new_prime();
        s->high = s->n - 1;
        s->low = 0;
    }
    key = from_primes(s->p[s->high], s->p[s->low], s->ctx);
    if (++s->low == s->high)
        s->high++;
    return key;
}

static bool add_one(const struct bench_options *o, struct primes *primes, FILE *f)
{
    EVP_PKEY *key = o->ec ? EVP_EC_gen("P-256") : next_rsa(primes);
    char device_id[BENCH_DEVICE_ID + 1];
    unsigned char *der = NULL;
    uint8_t raw[BENCH_DEVICE_ID / 2];
    bool ok = RAND_bytes(raw, sizeof raw) == 1;
    int n;

    pke_hex(PKE_BYTES(raw, sizeof raw), true, device_id);
    n = ok ? make_request(key, device_id, &der) : -1;
    if (n > 0) {
        uint8_t head[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        ok = fwrite(head, 1, 4, f) == 4 && fwrite(device_id, 1, BENCH_DEVICE_ID, f) == BENCH_DEVICE_ID &&
             fwrite(der, 1, (size_t)n, f) == (size_t)n;
    } else {
        ok = false;
    }
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return ok;
}

int bench_pool_make(const struct bench_options *o)
{
    struct primes primes = {.ctx = BN_CTX_new()};
    FILE *f = fopen(o->pool, "wb");
    bool ok = f != NULL;

    for (size_t i = 0; ok && i < o->count; i++)
        ok = add_one(o, &primes, f);
    if (f && fclose(f) != 0)
        ok = false;
    for (size_t i = 0; i < primes.n; i++)
        BN_free(primes.p[i]);
    BN_CTX_free(primes.ctx);
    if (!ok)
        fprintf(stderr, "pkienroll-bench: %s: the requests cannot be made: %s\n", o->pool, strerror(errno));
    return ok ? 0 : 1;
}

enum pke_err bench_read_file(const char *path, struct pke_buf *out, struct pke_fail *fail)
{
    char block[65536];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f)
        return pke_fail_set(fail, PKE_CONFIG, "file", "bench", "%s: %s", path, strerror(errno));
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        pke_buf_add(out, block, n);
    fclose(f);
    return out->overflow ? pke_fail_set(fail, PKE_LIMIT, "file-size", "bench", "%s is too large", path)
                         : PKE_OK;
}

enum pke_err bench_pool_read(const struct bench_options *o, struct pke_buf *file, struct bench_csr **ret,
                             struct pke_fail *fail)
{
    struct bench_csr *list = pke_calloc(o->count, sizeof *list);
    enum pke_err err = bench_read_file(o->pool, file, fail);
    struct pke_cursor c = pke_cursor_of(pke_buf_bytes(file));
    struct pke_bytes id, der;
    uint32_t n;

    for (size_t i = 0; err == PKE_OK && i < o->first + o->count; i++) {
        if (!pke_take_u32(&c, &n) || !pke_take(&c, BENCH_DEVICE_ID, &id) || !pke_take(&c, n, &der)) {
            err = pke_fail_set(fail, PKE_CONFIG, "pool", "bench", "%s holds %zu requests, %zu are needed",
                               o->pool, i, o->first + o->count);
        } else if (i >= o->first) {
            memcpy(list[i - o->first].device_id, id.p, BENCH_DEVICE_ID);
            list[i - o->first].der = der;
        }
    }
    if (err == PKE_OK)
        *ret = list;
    else
        free(list);
    return err;
}
