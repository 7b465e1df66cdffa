/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/signature.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "attest/tpm.h"

#define RSA_BYTES 1024
#define ECC_BYTES 66

static bool verify(EVP_PKEY *key, const EVP_MD *md, bool pss, struct pke_bytes data, struct pke_bytes sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool ok = ctx && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) == 1;

    if (ok && pss) /* a TPM takes the longest salt or one like the digest, by its version */
        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) == 1;
    ok = ok && EVP_DigestVerify(ctx, sig.p, sig.n, data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool verify_ecdsa(EVP_PKEY *key, const EVP_MD *md, struct pke_bytes data, struct pke_bytes r,
                         struct pke_bytes s)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *bn_r = BN_bin2bn(r.p, (int)r.n, NULL), *bn_s = BN_bin2bn(s.p, (int)s.n, NULL);
    unsigned char *der = NULL;
    int n = -1;
    bool ok;

    if (sig && bn_r && bn_s && ECDSA_SIG_set0(sig, bn_r, bn_s) == 1) {
        bn_r = bn_s = NULL;
        n = i2d_ECDSA_SIG(sig, &der);
    }
    ok = n > 0 && verify(key, md, false, data, PKE_BYTES(der, (size_t)n));
    BN_free(bn_r);
    BN_free(bn_s);
    ECDSA_SIG_free(sig);
    OPENSSL_free(der);
    return ok;
}

/* TPMT_SIGNATURE (11.3.4) */
static bool verify_tpmt(EVP_PKEY *key, bool rsa, struct pke_bytes data, struct pke_bytes signature)
{
    struct pke_cursor c = pke_cursor_of(signature);
    struct pke_bytes r, s;
    const EVP_MD *md;
    uint16_t alg, hash;

    if (!pke_take_u16(&c, &alg) || !pke_take_u16(&c, &hash) || !(md = attest_digest(hash)))
        return false;
    if (rsa && (alg == TPM_ALG_RSASSA || alg == TPM_ALG_RSAPSS))
        return attest_take_2b(&c, RSA_BYTES, &r) && pke_cursor_left(&c) == 0 &&
               verify(key, md, alg == TPM_ALG_RSAPSS, data, r);
    return !rsa && alg == TPM_ALG_ECDSA && attest_take_2b(&c, ECC_BYTES, &r) &&
           attest_take_2b(&c, ECC_BYTES, &s) && pke_cursor_left(&c) == 0 && verify_ecdsa(key, md, data, r, s);
}

bool attest_signature_ok(EVP_PKEY *key, struct pke_bytes data, struct pke_bytes signature)
{
    bool rsa = EVP_PKEY_is_a(key, "RSA");
    size_t field = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;

    if (!rsa && !EVP_PKEY_is_a(key, "EC"))
        return false;
    if (rsa && signature.n == field)
        return verify(key, EVP_sha256(), false, data, signature);
    if (!rsa && signature.n == 2 * field)
        return verify_ecdsa(key, EVP_sha256(), data, PKE_BYTES(signature.p, field),
                            PKE_BYTES(signature.p + field, field));
    return verify_tpmt(key, rsa, data, signature);
}
