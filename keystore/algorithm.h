/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: the key algorithms a CA may use, and public keys made from what a token says about
 * them.
 */
#ifndef KEYSTORE_ALGORITHM_H
#define KEYSTORE_ALGORITHM_H

#include "keystore/keystore.h"

struct ks_algorithm_info {
    enum ks_key_algorithm id;
    const char *name;        /* "RSA-2048" */
    bool ec;                 /* ECDSA on a named curve */
    bool ed;                 /* EdDSA */
    unsigned bits;           /* modulus bits, or field bits of the curve */
    const char *group;       /* OpenSSL group name, EC only */
    struct pke_bytes params; /* DER of CKA_EC_PARAMS (the named curve), EC and EdDSA only */
};

/** Entry of @p id; NULL when out of range. */
const struct ks_algorithm_info *ks_algorithm_info(enum ks_key_algorithm id);

/** The entry that describes @p pkey; NULL when a CA of ours may not use such a key. */
const struct ks_algorithm_info *ks_algorithm_of(const EVP_PKEY *pkey);

/**
 * The curve whose CKA_EC_PARAMS are @p params; NULL when it is none of ours. Edwards25519 by its OID (RFC
 * 8410 3) or by the name that PKCS#11 3.0 2.3.10 gives it.
 */
const struct ks_algorithm_info *ks_algorithm_of_params(struct pke_bytes params);

/** RSA public key from big-endian modulus and exponent. NULL when they are not one. */
EVP_PKEY *ks_public_rsa(struct pke_bytes modulus, struct pke_bytes exponent);

/**
 * EC public key from CKA_EC_POINT: the DER OCTET STRING that PKCS#11 asks for, or the bare uncompressed point
 * that some modules give. NULL for other forms and points that are not on the curve.
 */
EVP_PKEY *ks_public_ec(const struct ks_algorithm_info *curve, struct pke_bytes point);

/**
 * Ed25519 public key from CKA_EC_POINT: 32 octets, bare (PKCS#11 3.0), in an OCTET STRING or in a BIT STRING
 * (what modules give). NULL for other forms.
 */
EVP_PKEY *ks_public_ed(struct pke_bytes point);

/** The name of the curve that PKCS#11 3.0 allows in CKA_EC_PARAMS instead of the OID: DER PrintableString. */
extern const struct pke_bytes ks_ed25519_name;

/**
 * May a key of this algorithm sign so? Ed25519 and RSA-PSS are asked for by name and nothing else makes them.
 * @return 0, or -1 with @p error (key-signature).
 */
int ks_signature_check(const struct ks_algorithm_info *algorithm, enum ks_signature signature,
                       struct ks_error *error);

#endif
