/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwks.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jose/json.h"
#include "jose/jwk.h"

struct jose_keys {
    unsigned refs;
    size_t n, skipped, unfit;
    size_t listed;       /* in the file, of whatever kind */
    struct pke_fail why; /* the first that is unfit */
    struct jwk *v[JOSE_KEYS_MAX];
};

static enum pke_err refused(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, reason, rule, "%s", text);
}

/* A key of a set is the first member of its struct jwk. */
static struct jwk *jwk_of(const struct jose_key *key)
{
    return (struct jwk *)(uintptr_t)key;
}

static void jwk_free(struct jwk *k)
{
    while (k) {
        struct jwk *also = jwk_of(k->key.also);

        EVP_PKEY_free(k->pkey);
        free(k);
        k = also;
    }
}
PKE_DEFINE_CLEANUP(struct jwk, jwk_free);

struct jose_keys *jose_keys_ref(struct jose_keys *keys)
{
    keys->refs++;
    return keys;
}

void jose_keys_unref(struct jose_keys *keys)
{
    if (!keys || --keys->refs)
        return;
    for (size_t i = 0; i < keys->n; i++)
        jwk_free(keys->v[i]);
    free(keys);
}

size_t jose_keys_count(const struct jose_keys *keys)
{
    return keys->n;
}

size_t jose_keys_skipped(const struct jose_keys *keys)
{
    return keys->skipped;
}

size_t jose_keys_unfit(const struct jose_keys *keys)
{
    return keys->unfit;
}

const struct pke_fail *jose_keys_unfit_why(const struct jose_keys *keys)
{
    return &keys->why;
}

const struct jose_key *jose_keys_at(const struct jose_keys *keys, size_t i)
{
    return i < keys->n ? &keys->v[i]->key : NULL;
}

const struct jose_key *jose_keys_find(const struct jose_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->n; i++)
        if (keys->v[i]->key.kid && strcmp(keys->v[i]->key.kid, kid) == 0)
            return &keys->v[i]->key;
    return NULL;
}

static void pass_over(struct jose_keys *keys, const struct pke_fail *why)
{
    if (keys->unfit++ == 0)
        keys->why = *why;
}

/* The key @p k once more, @p again: for another issuer than those of which it is known? */
static bool adds_issuer(const struct jwk *k, const struct jwk *again)
{
    const char *issuer = again->key.issuer;

    for (const struct jose_key *have = &k->key; have; have = have->also)
        if (issuer && have->issuer ? strcmp(issuer, have->issuer) == 0 : issuer == have->issuer)
            return false;
    return true;
}

static bool same_key(const struct jwk *a, const struct jwk *b)
{
    bool same = a->key.alg == b->key.alg && EVP_PKEY_eq(a->pkey, b->pkey) == 1;

    ERR_clear_error();
    return same;
}

/* Takes @p k over. Which of two keys of a name a token means would be chance: neither. */
static void add_key(struct jose_keys *keys, struct jwk *k)
{
    struct jwk *fresh PKE_CLEANUP(jwk_free_p) = k;
    struct jwk *have = k->key.kid ? jwk_of(jose_keys_find(keys, k->key.kid)) : NULL;
    struct pke_fail why = {0};

    if (!have) {
        keys->v[keys->n++] = PKE_TAKE(fresh);
    } else if (!have->doubled && same_key(have, fresh)) {
        if (adds_issuer(have, fresh)) {
            fresh->key.also = have->key.also;
            have->key.also = &PKE_TAKE(fresh)->key;
        }
    } else {
        refused(&why, "jwks-kid", "RFC 7517 4.5", "two different keys have the same kid");
        if (!have->doubled)
            pass_over(keys, &why);
        pass_over(keys, &why);
        have->doubled = true; /* it stays, until the last one is read, for a third of that name */
    }
}

static void drop_doubled(struct jose_keys *keys)
{
    size_t n = 0;

    for (size_t i = 0; i < keys->n; i++) {
        if (keys->v[i]->doubled)
            jwk_free(keys->v[i]);
        else
            keys->v[n++] = keys->v[i];
    }
    keys->n = n;
}

/* What became of one key of the file; takes @p k over. Only a key that should be secret refuses all. */
static enum pke_err take_key(struct jose_keys *keys, struct jwk *k, enum pke_err err, bool used,
                             const struct pke_fail *why, struct pke_fail *fail)
{
    struct jwk *taken PKE_CLEANUP(jwk_free_p) = k;

    if (err != PKE_OK && strcmp(why->reason, "jwks-private") == 0)
        return pke_fail_set(fail, err, why->reason, why->rule, "%s", why->text);
    if (err != PKE_OK)
        pass_over(keys, why);
    else if (used)
        add_key(keys, PKE_TAKE(taken));
    else
        keys->skipped++;
    return PKE_OK;
}

static enum pke_err check_room(struct jose_keys *keys, struct pke_fail *fail)
{
    if (keys->listed++ < JOSE_KEYS_MAX)
        return PKE_OK;
    return pke_fail_set(fail, PKE_CONFIG, "jwks-size", "limits: keys of a token issuer",
                        "the file holds more than %d keys", JOSE_KEYS_MAX);
}

static enum pke_err read_jwks(struct pke_bytes file, unsigned algorithms, struct jose_keys *keys,
                              struct pke_fail *fail)
{
    const char *why = "";
    json_t *set PKE_CLEANUP(jose_json_free_p) = jose_json_object(file, &why);
    const json_t *list = json_object_get(set, "keys"), *item;
    enum pke_err err = PKE_OK;
    size_t i;

    if (!set)
        return pke_fail_set(fail, PKE_CONFIG, "jwks-json", "RFC 7517 5", "the file %s", why);
    if (!json_is_array(list))
        return refused(fail, "jwks-form", "RFC 7517 5.1", "the file has no list named keys");
    json_array_foreach(list, i, item)
    {
        struct jwk *k PKE_CLEANUP(jwk_free_p) = pke_calloc(1, sizeof *k);
        struct pke_fail odd = {0};
        bool used = false;

        err = check_room(keys, fail);
        if (err == PKE_OK) {
            enum pke_err got = jwk_read(item, algorithms, k, &used, &odd);
            err = take_key(keys, PKE_TAKE(k), got, used, &odd, fail);
        }
        if (err != PKE_OK)
            break;
    }
    return err;
}

/* One block of the file; *type NULL at its end. */
static bool next_block(BIO *bio, char **type, uint8_t **der, long *n)
{
    char *header = NULL;
    bool more;

    *type = NULL;
    more = PEM_read_bio(bio, type, &header, der, n) == 1;
    OPENSSL_free(header);
    ERR_clear_error();
    return more;
}

static enum pke_err read_block(const char *type, const uint8_t *der, long n, unsigned algorithms,
                               struct jose_keys *keys, struct pke_fail *fail)
{
    struct jwk *k PKE_CLEANUP(jwk_free_p) = pke_calloc(1, sizeof *k);
    const uint8_t *at = der;
    struct pke_fail odd = {0};
    EVP_PKEY *pkey;
    bool used = false;
    enum pke_err err = check_room(keys, fail);

    if (err == PKE_OK && strstr(type, "PRIVATE"))
        err = refused(fail, "jwks-private", "RFC 7468 13", "the file holds a private key");
    if (err == PKE_OK && strcmp(type, "PUBLIC KEY") != 0)
        err = refused(fail, "jwks-pem", "RFC 7468 13", "a PEM block is not a PUBLIC KEY");
    if (err != PKE_OK)
        return err;
    pkey = d2i_PUBKEY(NULL, &at, n);
    ERR_clear_error();
    if (!pkey || at != der + n) {
        EVP_PKEY_free(pkey);
        return refused(fail, "jwks-pem", "RFC 7468 13", "a PEM block holds no public key");
    }
    err = jwk_of_pkey(pkey, algorithms, k, &used, &odd);
    return take_key(keys, PKE_TAKE(k), err, used, &odd, fail);
}

static enum pke_err read_pem(struct pke_bytes file, unsigned algorithms, struct jose_keys *keys,
                             struct pke_fail *fail)
{
    BIO *bio = BIO_new_mem_buf(file.n ? (const void *)file.p : "", (int)file.n);
    enum pke_err err = PKE_OK;
    uint8_t *der;
    char *type;
    long n;

    if (!bio)
        pke_oom();
    while (err == PKE_OK && next_block(bio, &type, &der, &n)) {
        err = read_block(type, der, n, algorithms, keys, fail);
        OPENSSL_cleanse(der, (size_t)n); /* it may have been a private key */
        OPENSSL_free(der);
        OPENSSL_free(type);
    }
    BIO_free(bio);
    if (err == PKE_OK && keys->listed == 0)
        return refused(fail, "jwks-form", "RFC 7517 5", "the file is neither a JWKS nor PEM public keys");
    return err;
}

static enum pke_err check_usable(const struct jose_keys *keys, struct pke_fail *fail)
{
    if (keys->n > 0)
        return PKE_OK;
    if (keys->unfit > 0)
        return pke_fail_set(fail, PKE_CONFIG, keys->why.reason, keys->why.rule,
                            "the file has no key that can be used: %s", keys->why.text);
    return pke_fail_set(fail, PKE_CONFIG, "jwks-empty", "RFC 7517 5",
                        "the file has no key that can be used (%zu are for something else)", keys->skipped);
}

enum pke_err jose_keys_parse(struct pke_bytes file, unsigned algorithms, struct jose_keys **ret,
                             struct pke_fail *fail)
{
    struct jose_keys *keys;
    enum pke_err err;
    size_t blank = 0;

    *ret = NULL;
    if (file.n > JOSE_KEYS_MAX_BYTES)
        return pke_fail_set(fail, PKE_CONFIG, "jwks-size", "limits: keys of a token issuer",
                            "the file is larger than %u KiB", JOSE_KEYS_MAX_BYTES >> 10);
    keys = pke_calloc(1, sizeof *keys);
    keys->refs = 1;
    while (blank < file.n && strchr(" \t\r\n", file.p[blank]) && file.p[blank])
        blank++;
    err = blank < file.n && file.p[blank] == '{' ? read_jwks(file, algorithms, keys, fail)
                                                 : read_pem(file, algorithms, keys, fail);
    drop_doubled(keys);
    if (err == PKE_OK)
        err = check_usable(keys, fail);
    if (err == PKE_OK)
        *ret = keys;
    else
        jose_keys_unref(keys);
    return err;
}

/* ---- verifying */

/* RFC 7518 3.4: r and s, each as long as the curve's order, and nothing else. */
static bool ecdsa_der(struct pke_bytes signature, size_t half, uint8_t **der, int *n)
{
    ECDSA_SIG *sig;
    BIGNUM *r, *s;

    *der = NULL;
    if (signature.n != 2 * half)
        return false;
    sig = ECDSA_SIG_new();
    r = BN_bin2bn(signature.p, (int)half, NULL);
    s = BN_bin2bn(signature.p + half, (int)half, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
        pke_oom();
    *n = i2d_ECDSA_SIG(sig, der);
    ECDSA_SIG_free(sig);
    return *n > 0;
}

static bool digest_verify(const struct jwk *k, const EVP_MD *md, bool pss, struct pke_bytes data,
                          struct pke_bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool good;

    if (!ctx)
        pke_oom();
    good = EVP_DigestVerifyInit(ctx, &pctx, md, NULL, k->pkey) == 1;
    if (good && pss) /* RFC 7518 3.5: the salt is as long as the hash, MGF1 with the same hash */
        good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    good = good && EVP_DigestVerify(ctx, signature.p, signature.n, data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool jose_key_verify(const struct jose_key *key, struct pke_bytes data, struct pke_bytes signature)
{
    const struct jwk *k = jwk_of(key);
    uint8_t *der = NULL;
    bool good;
    int n = 0;

    switch (key->alg) {
    case JOSE_RS256:
    case JOSE_PS256:
        return digest_verify(k, EVP_sha256(), key->alg == JOSE_PS256, data, signature);
    case JOSE_EDDSA:
        return digest_verify(k, NULL, false, data, signature);
    case JOSE_ES256:
    case JOSE_ES384:
        good = ecdsa_der(signature, key->alg == JOSE_ES384 ? 48 : 32, &der, &n) &&
               digest_verify(k, key->alg == JOSE_ES384 ? EVP_sha384() : EVP_sha256(), false, data,
                             PKE_BYTES(der, (size_t)n));
        OPENSSL_free(der);
        return good;
    case JOSE_ALG__MAX:
        break;
    }
    return false;
}
