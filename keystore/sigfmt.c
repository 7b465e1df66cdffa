/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/sigfmt.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/mem.h"

/* RFC 8017 9.2 note 1, verbatim. */
static const uint8_t prefix_sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const uint8_t prefix_sha384[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};

const EVP_MD *ks_md(enum ks_digest digest)
{
    switch (digest) {
    case KS_SHA256:
        return EVP_sha256();
    case KS_SHA384:
        return EVP_sha384();
    }
    return NULL;
}

bool ks_hash_message(enum ks_digest digest, struct pke_bytes message, struct ks_hash *ret)
{
    const EVP_MD *md = ks_md(digest);
    unsigned n = 0;

    if (!md || EVP_Digest(message.p, message.n, ret->value, &n, md, NULL) != 1)
        return false;
    ret->digest = digest;
    ret->n = n;
    ret->signature = KS_SIGNATURE_DEFAULT;
    ret->message = message;
    return true;
}

size_t ks_digestinfo(const struct ks_hash *hash, uint8_t out[KS_DIGESTINFO_MAX])
{
    const uint8_t *prefix = hash->digest == KS_SHA384 ? prefix_sha384 : prefix_sha256;
    size_t n = sizeof prefix_sha256; /* both have 19 octets */

    memcpy(out, prefix, n);
    memcpy(out + n, hash->value, hash->n);
    return n + hash->n;
}

bool ks_ecdsa_der(struct pke_bytes raw, size_t order_bytes, struct pke_buf *out)
{
    ECDSA_SIG *sig;
    BIGNUM *r, *s;
    uint8_t *der = NULL;
    int n = -1;

    if (raw.n == 0 || raw.n % 2 || raw.n > 2 * order_bytes)
        return false;
    sig = ECDSA_SIG_new();
    r = BN_bin2bn(raw.p, (int)(raw.n / 2), NULL);
    s = BN_bin2bn(raw.p + raw.n / 2, (int)(raw.n / 2), NULL);
    if (!sig || !r || !s)
        pke_oom();
    if (!BN_is_zero(r) && !BN_is_zero(s) && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* the signature owns them now */
        n = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    n = n > 0 && pke_buf_add(out, der, (size_t)n) == PKE_OK ? n : -1;
    OPENSSL_free(der);
    return n > 0;
}

bool ks_pss(EVP_PKEY_CTX *ctx, enum ks_digest digest)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, ks_md(digest)) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool verify_message(EVP_PKEY *public_key, struct pke_bytes message, struct pke_bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok;

    if (!ctx)
        pke_oom();
    ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1 &&
         EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool ks_verify(EVP_PKEY *public_key, const struct ks_hash *hash, struct pke_bytes signature)
{
    bool rsa = EVP_PKEY_is_a(public_key, "RSA") == 1;
    EVP_PKEY_CTX *ctx;
    bool ok;

    if (hash->signature == KS_SIGNATURE_ED25519)
        return EVP_PKEY_is_a(public_key, "ED25519") == 1 &&
               verify_message(public_key, hash->message, signature);
    if (hash->signature == KS_SIGNATURE_RSA_PSS && !rsa)
        return false;
    ctx = EVP_PKEY_CTX_new(public_key, NULL);
    if (!ctx)
        pke_oom();
    ok = EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, ks_md(hash->digest)) == 1 &&
         (!rsa || (hash->signature == KS_SIGNATURE_RSA_PSS
                       ? ks_pss(ctx, hash->digest)
                       : EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1)) &&
         EVP_PKEY_verify(ctx, signature.p, signature.n, hash->value, hash->n) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}
