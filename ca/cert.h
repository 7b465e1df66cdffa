/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Certificates from template and identity: the to-be-signed bytes are built without the key, linted,
 * recorded, signed elsewhere and assembled from bytes. Extensions that do not depend on the request are
 * encoded once per profile.
 */
#ifndef CA_CERT_H
#define CA_CERT_H

#include "base/arena.h"
#include "base/names.h"
#include "ca/issuer.h"
#include "ca/profile.h"

#define CA_SERIAL_SIZE 16
#define CA_TBS_MAX     8192

struct ca_cert_spec {
    uint8_t serial[CA_SERIAL_SIZE];  /* ca_serial_new() */
    const struct pke_pairs *subject; /* PKE_RDN_* -> value, one RDN each, in order; empty only with a SAN */
    const struct pke_pairs *san;     /* PKE_SAN_* -> value, in order; NULL or empty: no SAN */
    const char *sid;                 /* NULL: no security identifier extension */
    int64_t not_before, not_after;   /* seconds */
    struct pke_bytes spki;           /* raw, as in the CSR */
};

/**
 * DER of the TBSCertificate, appended to @p out (max CA_TBS_MAX). Extensions in the order keyUsage,
 * extendedKeyUsage, basicConstraints, SKI (SHA-1 of the key bits), AKI, SAN (critical where the subject is
 * empty), SID,
 * certificatePolicies, cRLDistributionPoints, authorityInfoAccess, the template, application policies.
 * @return PKE_OK; PKE_POLICY when a value cannot be encoded: tbs-serial, tbs-nameless (no subject and no
 * SAN), name-* (ca/names.h), tbs-validity, tbs-key,
 * tbs-key-usage (the profile has no use for such a key), tbs-size; PKE_LIMIT when @p out has no room (@p out
 * keeps what it had).
 */
enum pke_err ca_tbs_build(const struct ca_issuer *ca, const struct ca_profile *profile,
                          const struct ca_cert_spec *spec, struct pke_buf *out, struct pke_fail *fail);

/** SEQUENCE { tbs, algorithm of @p ca, BIT STRING signature }, appended to @p out; PKE_LIMIT without room.
 * The signature is as X.509 wants it: octets of RSA or Ed25519, or DER SEQUENCE { r, s }. */
enum pke_err ca_cert_assemble(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature,
                              struct pke_buf *out);

/** One prefix octet (@p node, 0x01..0x7f; another value ends the process) and 120 random bits. Never fails:
 * no randomness ends the process. */
void ca_serial_new(uint8_t node, uint8_t out[CA_SERIAL_SIZE]);

/** Verify @p signature over @p tbs with the CA certificate's key. Before release: a fault in an RSA-CRT
 * signature gives the key away. */
bool ca_cert_verify(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature);

#endif
