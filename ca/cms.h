/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The body of a renewal (mdm.md 10.2, MS-WSTEP 3.1.4.2): CMS SignedData (RFC 5652) over a PKCS#10, signed
 * with the key of the certificate to be renewed. Pure; no clock, no I/O, no ledger; none of libcrypto's
 * decoders sees the message, only EVP the key and the signature.
 *
 * What PKE_OK says: the owner of the key in that very certificate signed that very content. It does NOT say
 * whose certificate it is: anybody makes a look-alike with the same issuer, serial number and subject and a
 * key of his own, and one byte of a genuine certificate can be changed without a trace in this signature. The
 * caller compares the bytes (or the SHA-256) with what the ledger holds, before it believes anything that
 * stands in the certificate (mdm.md 10.3 check 2).
 */
#ifndef CA_CMS_H
#define CA_CMS_H

#include "base/arena.h"
#include "base/bytes.h"
#include "ca/kinds.h"

#define CA_CMS_MAX              65536
#define CA_CMS_MAX_CERTIFICATES 8
#define CA_CMS_MAX_ATTRIBUTES   32 /* signed and unsigned ones, each */

struct ca_cms_rules {
    unsigned key_types;    /* set of enum ca_key_type, of the signer */
    unsigned rsa_min_bits; /* of the signer's key, as in struct ca_csr_rules: never below 2048 */
    unsigned rsa_max_bits; /* nor above 8192, whatever they say */
    unsigned digests;      /* set of enum ca_digest, for RSA and ECDSA; SHA-1 not for ECDSA */
};

/** A renewal whose signature was verified. An ECDSA signature has a twin: what is one request is told by
 * certificate and content. Ranges point into the DER that was given. */
struct ca_cms_renewal {
    struct pke_bytes content;       /* one DER SEQUENCE: for ca_csr_check() */
    struct pke_bytes certificate;   /* DER of the signer's certificate as embedded */
    uint8_t certificate_sha256[32]; /* of those octets: the key into the ledger */
    struct pke_bytes spki;          /* of that certificate */
};

/**
 * Read strictly and verify: DER, nothing after it, ContentInfo signedData, content type id-data with the
 * content inside, exactly one SignerInfo, exactly one embedded certificate that it names (issuerAndSerial
 * number or subjectKeyIdentifier). Digests and keys of @p rules; RSASSA-PKCS1-v1_5, ECDSA, or Ed25519 with
 * SHA-512 (RFC 8419); RSASSA-PSS is refused (no client of this protocol sends it). Signed attributes, when
 * there are any: in DER order, one contentType id-data, one messageDigest that fits, all others ignored. CRLs
 * and unsigned attributes (countersignatures among them) are ignored once they are well formed. Sizes and
 * exponent of the key come before any use of it.
 * @p arena holds scratch memory; ranges point into @p der, which must live as long.
 * @return PKE_OK;
 * PKE_LIMIT: cms-size, cms-certificates-many, cms-attributes-many, cert-size, tbs-extensions;
 * PKE_MALFORMED: cms-der, cms-trailing, cms-structure, cms-not-signed-data, cms-version,
 * cms-digest-algorithms, cms-content-type, cms-content-absent, cms-content-not-request, cms-certificates,
 * cms-crls, cms-signers, cms-signer-unknown, cms-signer-ambiguous, cms-attributes, cms-attributes-order,
 * cms-attribute-content-type, cms-attribute-message-digest, cms-unsigned-attributes, and cert-*, tbs-* of
 * ca_cert_facts_read() for an embedded certificate;
 * PKE_CSR_BAD: cms-digest, cms-signature-algorithm, cms-signature-pss, cms-signature-key
 * (made for another key type), cms-signer-key-* (the reasons of ca_key_decode() and ca_key_rsa_size()),
 * cms-message-digest, cms-signature.
 */
enum pke_err ca_cms_renewal_read(struct pke_bytes der, const struct ca_cms_rules *rules,
                                 struct pke_arena *arena, struct ca_cms_renewal *ret, struct pke_fail *fail);

#endif
