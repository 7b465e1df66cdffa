/* SPDX-License-Identifier: Apache-2.0 */
/** @file One key of a set: from its JWK or its SubjectPublicKeyInfo to libcrypto. Private to jose/. */
#ifndef JOSE_JWK_H
#define JOSE_JWK_H

#include <jansson.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "jose/jwks.h"

/** What a struct jose_key of a set really is. */
struct jwk {
    struct jose_key key;
    char kid[JOSE_KID_MAX + 1];
    char detail[16];
    char issuer[JOSE_ISSUER_MAX + 1];
    EVP_PKEY *pkey;
    bool doubled; /* another key has the same kid: none of them is used */
};

PKE_DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free);

/**
 * @return PKE_OK and *used: whether the key can be used; false when it is one of those that are skipped.
 * PKE_CONFIG when the key is unfit, jwks-private when the file must be refused. *out is zeroed by the caller;
 * out->pkey is the caller's to free.
 */
enum pke_err jwk_read(const json_t *jwk, unsigned algorithms, struct jwk *out, bool *used,
                      struct pke_fail *fail);

/** The same for a key that a PEM block holds; takes over @p pkey. */
enum pke_err jwk_of_pkey(EVP_PKEY *pkey, unsigned algorithms, struct jwk *out, bool *used,
                         struct pke_fail *fail);

#endif
