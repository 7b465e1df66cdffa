/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * An issuing CA as the signer of certificates sees it: certificate, subject bytes, key identifier, signature
 * algorithm. Immutable once loaded.
 */
#ifndef CA_ISSUER_H
#define CA_ISSUER_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "ca/names.h"

#define CA_ISSUER_ID 20

struct ca_issuer;

/**
 * What the CA's key signs certificates with. Default: RSA of 2048 bits or more sha256WithRSAEncryption, P-256
 * ecdsa-with-SHA256, P-384 ecdsa-with-SHA384. RSA-PSS (with an rsaEncryption key: SHA-256, MGF1 with SHA-256,
 * 32 octets of salt, RFC 4055 3.1) and Ed25519 (RFC 8410 3) are asked for: not every client knows them.
 */
/* CA_SCHEME_LEGACY: nothing is signed; its key and identifiers are as they are. Only ca_issuer_load() takes
 * it. */
enum ca_scheme { CA_SCHEME_DEFAULT, CA_SCHEME_RSA_PSS, CA_SCHEME_ED25519, CA_SCHEME_LEGACY };

/** DER AlgorithmIdentifier that @p key signs with; empty when it is no key for that scheme. Static. */
struct pke_bytes ca_algorithm_of_key(EVP_PKEY *key, enum ca_scheme scheme);

/**
 * Load from PEM: @p certificate_pem one certificate (CA:TRUE, keyCertSign, SKI), @p root_pem the self-signed
 * root or empty when the certificate is self-signed. Checks that the certificate verifies under the root, and
 * that its key is one for @p scheme. Whether it is valid now is the caller's question: there is no clock
 * here.
 * @return PKE_OK and *ret (ca_issuer_free), or PKE_CONFIG: issuer-pem, issuer-extensions, issuer-not-ca,
 * issuer-key-usage, issuer-constraints, issuer-constraint-form (ca/constraints.h), issuer-key-id,
 * issuer-key-type, issuer-subject, issuer-validity, issuer-no-root, issuer-root.
 */
enum pke_err ca_issuer_load(struct pke_bytes certificate_pem, struct pke_bytes root_pem,
                            enum ca_scheme scheme, struct ca_issuer **ret, struct pke_fail *fail);

/** As ca_issuer_load without a root, for the key role, which trusts its configuration for the chain:
 * ca_issuer_root_der() is empty. */
enum pke_err ca_issuer_load_unanchored(struct pke_bytes certificate_pem, enum ca_scheme scheme,
                                       struct ca_issuer **ret, struct pke_fail *fail);
void ca_issuer_free(struct ca_issuer *ca); /* accepts NULL */

/* All ranges live as long as the issuer. */
struct pke_bytes ca_issuer_der(const struct ca_issuer *ca);
struct pke_bytes ca_issuer_root_der(const struct ca_issuer *ca);
bool ca_issuer_self_signed(const struct ca_issuer *ca);
struct pke_bytes ca_issuer_subject(const struct ca_issuer *ca);     /* DER Name */
struct pke_bytes ca_issuer_spki(const struct ca_issuer *ca);        /* DER SubjectPublicKeyInfo */
struct pke_bytes ca_issuer_spki_sha256(const struct ca_issuer *ca); /* 32 bytes */
struct pke_bytes ca_issuer_key_id(const struct ca_issuer *ca);      /* SKI value */
struct pke_bytes ca_issuer_serial(const struct ca_issuer *ca);      /* content octets of the INTEGER */
/**
 * Who the issuer is, whatever certificate it has now: the first octets of the SHA-256 of subject and key (DER
 * Name, DER SubjectPublicKeyInfo). Its CRL covers all that this name and key signed (RFC 5280 5), so a CA
 * certificate that was made again for the same key is the same issuer. CA_ISSUER_ID octets.
 */
struct pke_bytes ca_issuer_id(const struct ca_issuer *ca);
int64_t ca_issuer_not_before(const struct ca_issuer *ca); /* seconds */
int64_t ca_issuer_not_after(const struct ca_issuer *ca);
struct pke_bytes
ca_issuer_algorithm(const struct ca_issuer *ca);            /* DER AlgorithmIdentifier its key signs with */
EVP_PKEY *ca_issuer_public_key(const struct ca_issuer *ca); /* borrowed */
/**
 * Do the name constraints of the CA, and of its root where one was given, let these names be certified
 * (ca/constraints.h)? PKE_POLICY: name-constraint.
 */
enum pke_err ca_issuer_check_names(const struct ca_issuer *ca, const struct ca_names *names,
                                   struct pke_fail *fail);
const char *ca_issuer_subject_text(const struct ca_issuer *ca); /* RFC 2253, for people */

#endif
