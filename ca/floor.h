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
};

/** Load the issuer's certificate from PEM and copy @p limits. PKE_CONFIG when the certificate cannot be used.
 */
enum pke_err ca_floor_new(struct pke_bytes certificate_pem, const struct ca_floor_limits *limits,
                          struct ca_floor **ret, struct pke_fail *fail);
void ca_floor_free(struct ca_floor *f); /* accepts NULL */

/** The CA certificate's public key: the only source of it. Borrowed. */
EVP_PKEY *ca_floor_public_key(const struct ca_floor *f);

/** DER SubjectPublicKeyInfo of the CA certificate. Borrowed. */
struct pke_bytes ca_floor_spki(const struct ca_floor *f);

/**
 * May these TBSCertificate bytes be signed at time @p now (seconds)? Remembers the serial on success.
 * Refused: not DER, not v3, foreign issuer or algorithm, AKI other than the CA's SKI, serial shorter than 64
 * bits, longer than 159, repeated; CA:TRUE or no basicConstraints; keyCertSign or cRLSign; validity over the
 * limit, past the CA's, backdated; the CA's own key; an EKU outside the list or none; any extension the
 * project does not issue.
 * @return PKE_OK or PKE_POLICY, reason "floor-...".
 */
enum pke_err ca_floor_check(struct ca_floor *f, struct pke_bytes tbs, int64_t now, struct pke_fail *fail);

#endif
