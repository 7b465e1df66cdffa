/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * PKCS#10 (RFC 2986): facts of a certificate request, DER strictness, screening of its key, proof of
 * possession. Order is cheap before dear (ca_csr_check runs all): size, DER, SPKI algorithm bytes, bits and
 * exponent, blocked keys, ROCA, small factors, Fermat, signature algorithm, signature. Pure; no clock, no
 * I/O.
 *
 * The subject and the extensions of a CSR are untrusted hints: nothing here copies them anywhere. No
 * d2i_X509_REQ (112 us of eager key decoding): ASN.1 templates of our own keep the SPKI raw.
 */
#ifndef CA_CSR_H
#define CA_CSR_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"

#define CA_CSR_MAX 16384

enum ca_key_type { CA_KEY_RSA, CA_KEY_P256, CA_KEY_P384 };

/** Facts of one CSR. Ranges point into the DER that was given. */
struct ca_csr {
    struct pke_bytes der;
    struct pke_bytes info;      /* CertificationRequestInfo: what is signed */
    struct pke_bytes spki;      /* whole SubjectPublicKeyInfo */
    struct pke_bytes signature; /* BIT STRING content without the unused-bits octet */
    enum ca_key_type key_type;
    unsigned key_bits;
    bool sha1_signature;
    const char *signature_algorithm; /* "sha256WithRSAEncryption", static */
    uint8_t spki_sha256[32];
    uint8_t der_sha256[32];
    const char *subject_text; /* escaped, for the log and the record only */
    struct pke_pairs
        requested; /* what the CSR asked for and nobody will copy: "extension" -> dotted OID, once each */
    bool eku_requested; /* an EKU extension is present; ekus holds its dotted OIDs */
    struct pke_strings ekus;
};

struct ca_csr_rules {
    unsigned rsa_min_bits,
        rsa_max_bits; /* multiples of 1024 within [2048, 8192] are meaningful; 3072 allowed */
    bool allow_ec;
    bool allow_sha1;
    const struct pke_bytes *blocked_spki_sha256; /* issuing CA's own key and configured ones */
    size_t n_blocked;
};

/**
 * Decode strictly: DER only, nothing after it, version 0, at most one extension request with one value and no
 * duplicate extension. The three Windows shapes (UTF8String, PrintableString with '!', with a NUL) pass.
 * @return PKE_OK; PKE_MALFORMED (not DER, trailing bytes); PKE_CSR_BAD; PKE_LIMIT.
 */
enum pke_err ca_csr_parse(struct pke_bytes der, struct pke_arena *arena, struct ca_csr *ret,
                          struct pke_fail *fail);

/** Screen the public key by @p rules. @return PKE_OK or PKE_KEY_WEAK with the rule that refused it. */
enum pke_err ca_csr_screen(const struct ca_csr *csr, const struct ca_csr_rules *rules, struct pke_fail *fail);

/** Signature algorithm allow-list, then the CSR's own signature. @return PKE_OK or PKE_CSR_BAD. */
enum pke_err ca_csr_possession(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                               struct pke_fail *fail);

/** parse, screen, possession. */
enum pke_err ca_csr_check(struct pke_bytes der, const struct ca_csr_rules *rules, struct pke_arena *arena,
                          struct ca_csr *ret, struct pke_fail *fail);

#endif
