/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a certificate says (RFC 5280), read from its DER by a cursor of our own: for certificates that others
 * hand in - the signer of a renewal, a TLS client - before and after they are known. Reading proves nothing:
 * a look-alike reads like the original. Either compare the bytes with what the ledger holds or ask
 * ca_cert_facts_signed_by(). Pure; no clock, no I/O; d2i_X509 is not called.
 */
#ifndef CA_FACTS_H
#define CA_FACTS_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"

#define CA_FACTS_MAX      16384 /* octets of a certificate */
#define CA_FACTS_MAX_EKUS 32

/** Facts of one certificate. Ranges point into the DER that was given; an absent one is {NULL, 0}. */
struct ca_cert_facts {
    struct pke_bytes der;
    uint8_t sha256[32];               /* of der */
    struct pke_bytes tbs;             /* what is signed */
    struct pke_bytes serial;          /* content octets of the INTEGER */
    struct pke_bytes issuer, subject; /* DER Names */
    struct pke_bytes spki;            /* whole SubjectPublicKeyInfo; not decoded */
    struct pke_bytes algorithm;    /* DER AlgorithmIdentifier of the signature, the same inside and outside */
    struct pke_bytes signature;    /* BIT STRING content without the unused-bits octet */
    int64_t not_before, not_after; /* seconds; both belong to the validity */
    struct pke_bytes subject_key_id, authority_key_id; /* content octets of the identifiers */
    const char *subject_cn;   /* NULL unless there is exactly one common name and it is plain text */
    const char *subject_text; /* escaped, for the log and the record only */
    bool ca;                  /* basicConstraints has cA TRUE */
    bool has_key_usage;
    uint8_t key_usage; /* first octet of the bits: digitalSignature 0x80, keyCertSign 0x04, cRLSign 0x02 */
    bool has_eku;
    struct pke_strings ekus; /* dotted OIDs, each once */
    bool unknown_critical; /* a critical extension other than keyUsage, extendedKeyUsage, basicConstraints */
};

/**
 * Decode strictly: DER only, nothing after it, no extension twice, extensions in version 3 only, the same
 * algorithm inside and outside. @p arena holds texts and lists; ranges point into @p der, which must live as
 * long. Whether it is valid, whose it is and what it may be used for is not judged.
 * @return PKE_OK; PKE_MALFORMED: cert-der, cert-trailing, cert-structure, cert-version, cert-algorithm,
 * cert-extension-duplicate, cert-basic-constraints, cert-key-usage, cert-eku, cert-key-id, tbs-* of
 * ca_tbs_decode(); PKE_LIMIT: cert-size, tbs-extensions.
 */
enum pke_err ca_cert_facts_read(struct pke_bytes der, struct pke_arena *arena, struct ca_cert_facts *ret,
                                struct pke_fail *fail);

/** @p now (seconds) lies in the validity. PKE_UNAUTHENTICATED: cert-not-yet-valid, cert-expired. */
enum pke_err ca_cert_facts_valid(const struct ca_cert_facts *f, int64_t now, struct pke_fail *fail);

/**
 * The certificate of an end entity that may authenticate a TLS client: no CA (cert-ca), an extended key usage
 * with clientAuth itself - absent or anyExtendedKeyUsage is not enough - (cert-no-client-auth), a key usage,
 * if any, with digitalSignature and without keyCertSign (cert-no-digital-signature, cert-ca), no critical
 * extension that is not read here (cert-critical-extension). PKE_UNAUTHENTICATED otherwise.
 */
enum pke_err ca_cert_facts_client(const struct ca_cert_facts *f, struct pke_fail *fail);

/**
 * Issued by the CA of that name and key: issuer equal octet for octet, then the signature (RSA of 2048 to
 * 8192 bits or ECDSA with SHA-256, SHA-384 or SHA-512; never SHA-1). That the CA is one to trust, and valid,
 * the caller knows. PKE_UNAUTHENTICATED: cert-issuer, cert-signature-algorithm, cert-issuer-key,
 * cert-signature.
 */
enum pke_err ca_cert_facts_signed_by(const struct ca_cert_facts *f, struct pke_bytes issuer_subject,
                                     struct pke_bytes issuer_spki, struct pke_fail *fail);

/** Is the subject of this certificate one attribute and no more? False also when it cannot be read. */
bool ca_cert_subject_is_single(struct pke_bytes der);

#endif
