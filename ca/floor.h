/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The floor: what no policy may ever ask a CA key to sign. Runs in the key role over the whole to-be-signed
 * bytes, so that a compromised issuer cannot get a sub-CA. A pure function but for the memory of recent
 * serials.
 */
#ifndef CA_FLOOR_H
#define CA_FLOOR_H

#include "base/option.h"
#include "ca/issuer.h"

struct ca_floor;

struct ca_floor_limits {
    int64_t max_validity; /* seconds */
    int64_t max_backdate; /* seconds */
    struct pke_strings allowed_ekus;
    enum ca_scheme scheme; /* of the CA's key: no other AlgorithmIdentifier is let through */
};

/** Load the issuer's certificate from PEM and copy @p limits. PKE_CONFIG when the certificate cannot be used.
 */
enum pke_err ca_floor_new(struct pke_bytes certificate_pem, const struct ca_floor_limits *limits,
                          struct ca_floor **ret, struct pke_fail *fail);
void ca_floor_free(struct ca_floor *f); /* accepts NULL */

/** The CA certificate's public key: the only source of it. Borrowed. */
EVP_PKEY *ca_floor_public_key(const struct ca_floor *f);

/** The CA itself, for ca_cert_verify() of what was just signed; it has no root. Borrowed. */
const struct ca_issuer *ca_floor_issuer(const struct ca_floor *f);

/** DER SubjectPublicKeyInfo of the CA certificate. Borrowed. */
struct pke_bytes ca_floor_spki(const struct ca_floor *f);

/**
 * May these TBSCertificate bytes be signed at time @p now (seconds)? Remembers the serial on success.
 * A serial that was let through once is refused for the next 4096 certificates, also when signing it failed:
 * a new attempt takes a new serial.
 * Refused: not DER (floor-der), too large (-size), not v3 (-version), foreign issuer (-issuer) or algorithm
 * (-algorithm), serial not of 64 to 159 bits (-serial) or repeated (-serial-repeated), the CA's own key
 * (-own-key) or name (-subject), a key of unknown type (-key), unique identifiers (-unique-id), validity over
 * the limit (-validity), past the CA's (-outlives-issuer), more than max_backdate ago (-backdated) or 5
 * minutes ahead (-postdated), no basicConstraints or more than CA:FALSE (-basic-constraints), keyUsage absent
 * or with keyCertSign, cRLSign or another bit that is not issued (-key-usage), an EKU outside the list or
 * none (-eku), AKI other than the CA's SKI (-aki), a SAN that is not a URI (-san), any other extension
 * (-extension).
 * @return PKE_OK or PKE_POLICY, reason "floor-...".
 */
enum pke_err ca_floor_check(struct ca_floor *f, struct pke_bytes tbs, int64_t now, struct pke_fail *fail);

#endif
