/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signature.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "ca/der.h"

#define TAG_PSS_MGF  0xa1
#define TAG_PSS_SALT 0xa2

#define BYTES(...)                                                             \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }
/* 1.2.840.113549.1.1.n with NULL (RFC 4055 5: the parameters are NULL and present) */
#define PKCS1(n) BYTES(0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n, 0x05, 0x00)
/* 1.2.840.10045.4.3.n without parameters (RFC 5758 3.2) */
#define ECDSA(n) BYTES(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n)

enum { SHA256_RSA, SHA384_RSA, SHA512_RSA, SHA256_EC, SHA384_EC, SHA512_EC, SHA1_RSA, SHA1_OIW };

static const struct ca_signature algorithms[] = {
    [SHA256_RSA] = {"sha256WithRSAEncryption", PKCS1(0x0b), false, CA_SHA256, CA_SCHEME_DEFAULT},
    [SHA384_RSA] = {"sha384WithRSAEncryption", PKCS1(0x0c), false, CA_SHA384, CA_SCHEME_DEFAULT},
    [SHA512_RSA] = {"sha512WithRSAEncryption", PKCS1(0x0d), false, CA_SHA512, CA_SCHEME_DEFAULT},
    [SHA256_EC] = {"ecdsa-with-SHA256", ECDSA(0x02), true, CA_SHA256, CA_SCHEME_DEFAULT},
    [SHA384_EC] = {"ecdsa-with-SHA384", ECDSA(0x03), true, CA_SHA384, CA_SCHEME_DEFAULT},
    [SHA512_EC] = {"ecdsa-with-SHA512", ECDSA(0x04), true, CA_SHA512, CA_SCHEME_DEFAULT},
    [SHA1_RSA] = {"sha1WithRSAEncryption", PKCS1(0x05), false, CA_SHA1, CA_SCHEME_DEFAULT},
    /* 1.3.14.3.2.29, what older Windows calls the same */
    [SHA1_OIW] = {"sha1WithRSASignature",
                  BYTES(0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00), false, CA_SHA1,
                  CA_SCHEME_DEFAULT},
};

/* id-RSASSA-PSS with MGF1 of the same digest (both with NULL, as RFC 4055 2.1 and 3.1 have them) and a salt
 * of its length; trailerField is the default and so absent. */
#define SHA2(n) 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n, 0x05, 0x00
#define PSS(n, salt)                                                                                         \
    BYTES(0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0,    \
          0x0f, SHA2(n), 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, \
          0x08, SHA2(n), 0xa2, 0x03, 0x02, 0x01, salt)
static const struct ca_signature pss[] = {
    {"id-RSASSA-PSS", PSS(0x01, 0x20), false, CA_SHA256, CA_SCHEME_RSA_PSS},
    {"id-RSASSA-PSS", PSS(0x02, 0x30), false, CA_SHA384, CA_SCHEME_RSA_PSS},
    {"id-RSASSA-PSS", PSS(0x03, 0x40), false, CA_SHA512, CA_SCHEME_RSA_PSS},
};

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
    if (pke_bytes_eq(der, pss[0].der))
        return &pss[0];
    return pke_bytes_eq(der, ed25519.der) ? &ed25519 : ca_signature_find(der);
}

/* SHA-256, SHA-384 or SHA-512 with NULL or without: both forms must be accepted (RFC 4055 2.1). */
static bool take_sha2(struct pke_cursor *c, size_t *which)
{
    static const uint8_t arc[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02};
    struct pke_cursor inside;
    struct ca_der oid, null;

    if (!ca_der_enter(c, CA_DER_SEQUENCE, &inside) || !ca_der_take_tag(&inside, CA_DER_OID, &oid))
        return false;
    (void)ca_der_take_tag(&inside, CA_DER_NULL, &null);
    if (pke_cursor_left(&inside) > 0 || oid.value.n != sizeof arc + 1 ||
        memcmp(oid.value.p, arc, sizeof arc) != 0)
        return false;
    *which = (size_t)oid.value.p[sizeof arc] - 1; /* 0 wraps */
    return *which < PKE_LEN(pss);
}

static bool enter_pss(struct pke_bytes der, struct pke_cursor *inside)
{
    static const uint8_t id[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
    struct pke_cursor c = pke_cursor_of(der);
    struct ca_der oid;

    return ca_der_enter(&c, CA_DER_SEQUENCE, inside) && ca_der_take_tag(inside, CA_DER_OID, &oid) &&
           pke_bytes_eq(oid.value, PKE_BYTES(id, sizeof id));
}

/* One digest throughout and a salt of its length. Each default would be SHA-1's: nothing may be left out but
 * the trailerField, which has one value. */
static const struct ca_signature *find_pss(struct pke_bytes der)
{
    static const uint8_t mgf1[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};
    static const uint8_t salts[] = {32, 48, 64};
    struct pke_cursor inside, p, c, mgf;
    struct ca_der oid, salt;
    size_t hash, of_mgf;

    if (!enter_pss(der, &inside) || !ca_der_enter(&inside, CA_DER_SEQUENCE, &p) ||
        pke_cursor_left(&inside) > 0)
        return NULL;
    if (!ca_der_enter(&p, CA_DER_CONTEXT_0, &c) || !take_sha2(&c, &hash) || pke_cursor_left(&c) > 0)
        return NULL;
    if (!ca_der_enter(&p, TAG_PSS_MGF, &c) || !ca_der_enter(&c, CA_DER_SEQUENCE, &mgf) ||
        pke_cursor_left(&c) > 0 || !ca_der_take_tag(&mgf, CA_DER_OID, &oid) ||
        !pke_bytes_eq(oid.value, PKE_BYTES(mgf1, sizeof mgf1)) || !take_sha2(&mgf, &of_mgf) ||
        pke_cursor_left(&mgf) > 0)
        return NULL;
    if (!ca_der_enter(&p, TAG_PSS_SALT, &c) || !ca_der_take_tag(&c, CA_DER_INTEGER, &salt) ||
        pke_cursor_left(&c) > 0 || pke_cursor_left(&p) > 0)
        return NULL;
    return hash == of_mgf && salt.value.n == 1 && salt.value.p[0] == salts[hash] ? &pss[hash] : NULL;
}

const struct ca_signature *ca_signature_find_request(struct pke_bytes der)
{
    const struct ca_signature *a = pke_bytes_eq(der, ed25519.der) ? &ed25519 : ca_signature_find(der);

    return a ? a : find_pss(der);
}

bool ca_signature_is_pss(struct pke_bytes der)
{
    struct pke_cursor inside;

    return enter_pss(der, &inside);
}

bool ca_signature_fits(const struct ca_signature *a, enum ca_key_type type)
{
    if (a->scheme == CA_SCHEME_ED25519)
        return type == CA_KEY_ED25519;
    return a->ec ? type != CA_KEY_RSA && type != CA_KEY_ED25519 : type == CA_KEY_RSA;
}

const char *ca_signature_name(struct pke_bytes der, bool *has_digest, enum ca_digest *digest)
{
    const struct ca_signature *a = ca_signature_find_request(der);

    *has_digest = a && a->scheme != CA_SCHEME_ED25519;
    *digest = a ? a->digest : CA_SHA1;
    return a ? a->name : ca_signature_is_pss(der) ? "id-RSASSA-PSS" : "unknown";
}

const struct ca_signature *ca_signature_of_key(EVP_PKEY *key, enum ca_scheme scheme)
{
    char group[32];

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        return scheme == CA_SCHEME_ED25519 ? &ed25519 : NULL;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048)
        return scheme == CA_SCHEME_DEFAULT   ? &algorithms[SHA256_RSA]
               : scheme == CA_SCHEME_RSA_PSS ? &pss[0]
                                             : NULL;
    if (scheme != CA_SCHEME_DEFAULT || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return NULL;
    if (strcmp(group, "prime256v1") == 0)
        return &algorithms[SHA256_EC];
    return strcmp(group, "secp384r1") == 0 ? &algorithms[SHA384_EC] : NULL;
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
