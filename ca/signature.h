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

/** The algorithm whose AlgorithmIdentifier is exactly @p der: PKCS #1 v1.5 or ECDSA. NULL: another. */
const struct ca_signature *ca_signature_find(struct pke_bytes der);

/** As ca_signature_find, also for those that only a CA of ours signs with when it is told to: RSASSA-PSS as
 * in ca_scheme, and Ed25519. */
const struct ca_signature *ca_signature_find_issued(struct pke_bytes der);

/** As ca_signature_find, also Ed25519 and RSASSA-PSS with one of SHA-256, SHA-384 and SHA-512, MGF1 of the
 * same and a salt of its length: what a request may be signed with. */
const struct ca_signature *ca_signature_find_request(struct pke_bytes der);

/** Do algorithm and type of key belong together? */
bool ca_signature_fits(const struct ca_signature *a, enum ca_key_type type);

/** Its name, or the name of one that is known and refused, or "unknown". Static. Where the digest is a choice
 * (not: Ed25519, and of an unknown one nobody knows) *has_digest is set. */
const char *ca_signature_name(struct pke_bytes der, bool *has_digest, enum ca_digest *digest);

/** id-RSASSA-PSS with any parameters. */
bool ca_signature_is_pss(struct pke_bytes der);

/** What @p key signs certificates with, as ca_scheme says. NULL: not a CA key for that scheme. */
const struct ca_signature *ca_signature_of_key(EVP_PKEY *key, enum ca_scheme scheme);

/** Is @p signature over @p data by @p key, with this algorithm and these parameters? The caller sees to it
 * that algorithm and type of the key belong together. Leaves no entry in the error queue. */
bool ca_signature_verify(EVP_PKEY *key, const struct ca_signature *algorithm, struct pke_bytes data,
                         struct pke_bytes signature);

#endif
