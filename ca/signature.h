/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Signature AlgorithmIdentifiers, known by their bytes: parameters have no room. Private to ca/.
 */
#ifndef CA_SIGNATURE_H
#define CA_SIGNATURE_H

#include "ca/ossl.h"

struct ca_signature {
    const char *name;
    struct pke_bytes der;
    bool ec;
    enum ca_digest digest;
};

/** The algorithm whose AlgorithmIdentifier is exactly @p der; NULL when it is not one that we verify. */
const struct ca_signature *ca_signature_find(struct pke_bytes der);

/** Its name, or the name of one that is known and refused, or "unknown". Static. @p sha1 may be NULL. */
const char *ca_signature_name(struct pke_bytes der, bool *sha1);

/** id-RSASSA-PSS with any parameters. */
bool ca_signature_is_pss(struct pke_bytes der);

/** What @p key signs certificates with: RSA and P-256 with SHA-256, P-384 with SHA-384. NULL: not a CA key.
 */
const struct ca_signature *ca_signature_of_key(EVP_PKEY *key);

#endif
