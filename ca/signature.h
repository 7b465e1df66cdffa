/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Signature AlgorithmIdentifiers, known by their bytes: parameters have no room. Private to ca/.
 */
#ifndef CA_SIGNATURE_H
#define CA_SIGNATURE_H

#include "ca/issuer.h"
#include "ca/ossl.h"

struct ca_signature {
    const char *name;
    struct pke_bytes der;
    bool ec;
    enum ca_digest digest; /* of no meaning for Ed25519 */
    enum ca_scheme scheme; /* what makes RSASSA-PSS and Ed25519 of it */
};

/** The algorithm whose AlgorithmIdentifier is exactly @p der; NULL when it is not one that clients sign with
 * here. */
const struct ca_signature *ca_signature_find(struct pke_bytes der);

/** As ca_signature_find, also for those that only a CA of ours signs with when it is told to: RSASSA-PSS as
 * in ca_scheme, and Ed25519. */
const struct ca_signature *ca_signature_find_issued(struct pke_bytes der);

/** Its name, or the name of one that is known and refused, or "unknown". Static. @p sha1 may be NULL. */
const char *ca_signature_name(struct pke_bytes der, bool *sha1);

/** id-RSASSA-PSS with any parameters. */
bool ca_signature_is_pss(struct pke_bytes der);

/** What @p key signs certificates with, as ca_scheme says. NULL: not a CA key for that scheme. */
const struct ca_signature *ca_signature_of_key(EVP_PKEY *key, enum ca_scheme scheme);

/** The key of a SubjectPublicKeyInfo that is Ed25519, octet for octet (RFC 8410 4); NULL for all others. */
EVP_PKEY *ca_signature_ed25519_key(struct pke_bytes spki);

/** Is @p signature over @p data by @p key, with this algorithm and these parameters? The caller sees to it
 * that algorithm and type of the key belong together. Leaves no entry in the error queue. */
bool ca_signature_verify(EVP_PKEY *key, const struct ca_signature *algorithm, struct pke_bytes data,
                         struct pke_bytes signature);

#endif
