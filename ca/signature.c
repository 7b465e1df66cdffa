/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signature.h"

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
    [SHA256_RSA] = {"sha256WithRSAEncryption", PKCS1(0x0b), false, CA_SHA256},
    [SHA384_RSA] = {"sha384WithRSAEncryption", PKCS1(0x0c), false, CA_SHA384},
    [SHA512_RSA] = {"sha512WithRSAEncryption", PKCS1(0x0d), false, CA_SHA512},
    [SHA256_EC] = {"ecdsa-with-SHA256", ECDSA(0x02), true, CA_SHA256},
    [SHA384_EC] = {"ecdsa-with-SHA384", ECDSA(0x03), true, CA_SHA384},
    [SHA1_RSA] = {"sha1WithRSAEncryption", PKCS1(0x05), false, CA_SHA1},
    /* 1.3.14.3.2.29, what older Windows calls the same */
    [SHA1_OIW] = {"sha1WithRSASignature",
                  BYTES(0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00), false, CA_SHA1},
};

const struct ca_signature *ca_signature_find(struct pke_bytes der)
{
    for (size_t i = 0; i < PKE_LEN(algorithms); i++)
        if (pke_bytes_eq(der, algorithms[i].der))
            return &algorithms[i];
    return NULL;
}

bool ca_signature_is_pss(struct pke_bytes der)
{
    static const uint8_t pss[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
    struct pke_cursor c = pke_cursor_of(der), inside;
    struct ca_der oid;

    return ca_der_enter(&c, CA_DER_SEQUENCE, &inside) && ca_der_take_tag(&inside, CA_DER_OID, &oid) &&
           pke_bytes_eq(oid.value, PKE_BYTES(pss, sizeof pss));
}

const char *ca_signature_name(struct pke_bytes der, bool *sha1)
{
    const struct ca_signature *a = ca_signature_find(der);

    if (sha1)
        *sha1 = a && a->digest == CA_SHA1;
    return a ? a->name : ca_signature_is_pss(der) ? "id-RSASSA-PSS" : "unknown";
}

const struct ca_signature *ca_signature_of_key(EVP_PKEY *key)
{
    char group[32];

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return EVP_PKEY_get_bits(key) >= 2048 ? &algorithms[SHA256_RSA] : NULL;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return NULL;
    if (strcmp(group, "prime256v1") == 0)
        return &algorithms[SHA256_EC];
    return strcmp(group, "secp384r1") == 0 ? &algorithms[SHA384_EC] : NULL;
}
