/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signature.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "ca/der.h"

#define BYTES(...)                                                             \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }
/* 1.2.840.113549.1.1.n with NULL (RFC 4055 5: the parameters are NULL and present) */
#define PKCS1(n) BYTES(0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n, 0x05, 0x00)
/* 1.2.840.10045.4.3.n without parameters (RFC 5758 3.2) */
#define ECDSA(n) BYTES(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n)

enum { SHA256_RSA, SHA384_RSA, SHA512_RSA, SHA256_EC, SHA384_EC, SHA1_RSA, SHA1_OIW };

static const struct ca_signature algorithms[] = {
    [SHA256_RSA] = {"sha256WithRSAEncryption", PKCS1(0x0b), false, CA_SHA256, CA_SCHEME_DEFAULT},
    [SHA384_RSA] = {"sha384WithRSAEncryption", PKCS1(0x0c), false, CA_SHA384, CA_SCHEME_DEFAULT},
    [SHA512_RSA] = {"sha512WithRSAEncryption", PKCS1(0x0d), false, CA_SHA512, CA_SCHEME_DEFAULT},
    [SHA256_EC] = {"ecdsa-with-SHA256", ECDSA(0x02), true, CA_SHA256, CA_SCHEME_DEFAULT},
    [SHA384_EC] = {"ecdsa-with-SHA384", ECDSA(0x03), true, CA_SHA384, CA_SCHEME_DEFAULT},
    [SHA1_RSA] = {"sha1WithRSAEncryption", PKCS1(0x05), false, CA_SHA1, CA_SCHEME_DEFAULT},
    /* 1.3.14.3.2.29, what older Windows calls the same */
    [SHA1_OIW] = {"sha1WithRSASignature",
                  BYTES(0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00), false, CA_SHA1,
                  CA_SCHEME_DEFAULT},
};

/* id-RSASSA-PSS with SHA-256, MGF1 with SHA-256 (both with NULL, as RFC 4055 2.1 and 3.1 have them) and a
 * salt of 32 octets; trailerField is the default and so absent. */
#define SHA256_OID 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01
static const struct ca_signature pss = {"id-RSASSA-PSS",
                                        BYTES(0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                              0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d,
                                              SHA256_OID, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09,
                                              0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
                                              0x0d, SHA256_OID, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x20),
                                        false, CA_SHA256, CA_SCHEME_RSA_PSS};

/* 1.3.101.112 without parameters (RFC 8410 3) */
static const struct ca_signature ed25519 = {"Ed25519", BYTES(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70), false,
                                            CA_SHA512, CA_SCHEME_ED25519};

const struct ca_signature *ca_signature_find(struct pke_bytes der)
{
    for (size_t i = 0; i < PKE_LEN(algorithms); i++)
        if (pke_bytes_eq(der, algorithms[i].der))
            return &algorithms[i];
    return NULL;
}

const struct ca_signature *ca_signature_find_issued(struct pke_bytes der)
{
    if (pke_bytes_eq(der, pss.der))
        return &pss;
    return pke_bytes_eq(der, ed25519.der) ? &ed25519 : ca_signature_find(der);
}

bool ca_signature_is_pss(struct pke_bytes der)
{
    static const uint8_t id[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
    struct pke_cursor c = pke_cursor_of(der), inside;
    struct ca_der oid;

    return ca_der_enter(&c, CA_DER_SEQUENCE, &inside) && ca_der_take_tag(&inside, CA_DER_OID, &oid) &&
           pke_bytes_eq(oid.value, PKE_BYTES(id, sizeof id));
}

const char *ca_signature_name(struct pke_bytes der, bool *sha1)
{
    const struct ca_signature *a = ca_signature_find(der);

    if (sha1)
        *sha1 = a && a->digest == CA_SHA1;
    return a ? a->name : ca_signature_is_pss(der) ? "id-RSASSA-PSS" : "unknown";
}

const struct ca_signature *ca_signature_of_key(EVP_PKEY *key, enum ca_scheme scheme)
{
    char group[32];

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        return scheme == CA_SCHEME_ED25519 ? &ed25519 : NULL;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048)
        return scheme == CA_SCHEME_DEFAULT   ? &algorithms[SHA256_RSA]
               : scheme == CA_SCHEME_RSA_PSS ? &pss
                                             : NULL;
    if (scheme != CA_SCHEME_DEFAULT || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return NULL;
    if (strcmp(group, "prime256v1") == 0)
        return &algorithms[SHA256_EC];
    return strcmp(group, "secp384r1") == 0 ? &algorithms[SHA384_EC] : NULL;
}

EVP_PKEY *ca_signature_ed25519_key(struct pke_bytes spki)
{
    static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

    if (spki.n != sizeof head + 32 || memcmp(spki.p, head, sizeof head) != 0)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, spki.p + sizeof head, 32);
}

bool ca_signature_verify(EVP_PKEY *key, const struct ca_signature *algorithm, struct pke_bytes data,
                         struct pke_bytes signature)
{
    PKE_CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = NULL;
    const EVP_MD *md = algorithm->scheme == CA_SCHEME_ED25519 ? NULL : ca_digest_md(algorithm->digest);
    EVP_PKEY_CTX *pctx; /* of ctx */
    bool good;

    if (algorithm->scheme == CA_SCHEME_DEFAULT)
        return ca_verify(key, algorithm->digest, data, signature);
    if (!(ctx = EVP_MD_CTX_new()))
        pke_oom();
    good = EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) == 1 &&
           (algorithm->scheme != CA_SCHEME_RSA_PSS ||
            (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
           EVP_DigestVerify(ctx, signature.p, signature.n, data.p, data.n) == 1;
    ERR_clear_error();
    return good;
}
