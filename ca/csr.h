/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * PKCS#10 (RFC 2986): facts of a certificate request, DER strictness, screening of its key, proof of
 * possession. Order is cheap before dear (ca_csr_check runs all): size, DER, SPKI algorithm bytes, bits and
 * exponent, blocked keys, ROCA, small factors, Fermat, signature algorithm, signature. Pure; no clock, no
 * I/O.
 *
 * The subject and the extensions of a CSR are untrusted hints: nothing here copies them anywhere. No
 * d2i_X509_REQ (112 us of eager key decoding): a cursor of our own keeps the SPKI raw.
 */
#ifndef CA_CSR_H
#define CA_CSR_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"
#include "ca/blocked.h"
#include "ca/kinds.h"

#define CA_CSR_MAX 16384

#define CA_CSR_MAX_EXTENSIONS 64
#define CA_CSR_MAX_ATTRIBUTES 16
#define CA_CSR_MAX_RDNS       32
#define CA_CSR_MAX_EKUS       32
#define CA_CSR_MAX_SANS       100

/* Kinds of asked names that no certificate of ours has, or that need another decision than their like. */
#define CA_ASKED_SID_URI    "sid-uri" /* a URI for which ca_is_sid_uri() is true */
#define CA_ASKED_IP         "ip"
#define CA_ASKED_DN         "dn"        /* directoryName */
#define CA_ASKED_RID        "rid"       /* registeredID, dotted */
#define CA_ASKED_OTHER_NAME "otherName" /* of an OID that is none of ours: a Kerberos principal, say */
#define CA_ASKED_NAME       "name"      /* x400Address, ediPartyName, or no GeneralName at all */
#define CA_ASKED_SAN        "san"

/** One extension that a CSR asks for. */
struct ca_csr_extension {
    const char *oid; /* dotted */
    bool critical;
    bool readable; /* its value is one of the shapes below; false: it is not, or its kind is unknown */
    struct pke_bytes value; /* content of the OCTET STRING: opaque, Windows sends one that is not DER */
};

/**
 * What a CSR asks for beside a key. Wishes of whoever made it: compared, reported, copied by nobody. Reading
 * them refuses nothing but too many; what cannot be read is said to be so.
 */
struct ca_csr_asked {
    /* PKE_RDN_* of the subject, then PKE_SAN_* and CA_ASKED_* of the SAN, then PKE_NAME_SID of its
     * extension: plain text (ca_text_plain; a NUL at the end, as Windows writes it, left out) */
    struct pke_pairs names;
    size_t n_subject; /* the first n_subject of names are the subject's */
    /* names that are not plain text (NUL, controls, bidirectional marks, over 512 octets) or have another
     * ASN.1 type than their kind: kind -> hex of the first 64 octets. Kinds as in names (one of an otherName
     * whose OID says upn is "upn"), CA_ASKED_SAN for a whole SAN extension, and the dotted OID of a subject
     * attribute that is none of PKE_RDN_* */
    struct pke_pairs unreadable;
    bool has_key_usage; /* and the next: RFC 5280 4.2.1.3, first octet below, decipherOnly is 0x8000 */
    uint16_t key_usage; /* keyCertSign where it cannot be read */
    bool ca;            /* basicConstraints with cA TRUE or a path length, or one that cannot be read */
    struct pke_strings application_policies; /* 1.3.6.1.4.1.311.21.10, dotted */
    struct pke_strings certificate_policies; /* 2.5.29.32, dotted */
    const char *template_name;               /* 1.3.6.1.4.1.311.20.2; NULL: absent or not readable */
    const char *template_oid;                /* 1.3.6.1.4.1.311.21.7; NULL: the same */
    uint64_t template_major, template_minor; /* 0 where absent */
    struct pke_strings attributes; /* dotted OIDs of the request's attributes but extension requests */
    struct ca_csr_extension ext[CA_CSR_MAX_EXTENSIONS];
    size_t n_ext;
};

/** Facts of one CSR. Ranges point into the DER that was given. */
struct ca_csr {
    struct pke_bytes der;
    struct pke_bytes info;      /* CertificationRequestInfo: what is signed */
    struct pke_bytes spki;      /* whole SubjectPublicKeyInfo */
    struct pke_bytes algorithm; /* DER AlgorithmIdentifier of the signature */
    struct pke_bytes signature; /* BIT STRING content without the unused-bits octet */
    enum ca_key_type key_type;
    unsigned key_bits;
    bool has_digest; /* the signature is of a known kind, and a digest is a choice in it: not of Ed25519 */
    enum ca_digest digest;
    const char *signature_algorithm; /* "sha256WithRSAEncryption", static; "unknown" is refused later */
    uint8_t spki_sha256[32];
    uint8_t der_sha256[32];
    const char *subject_text; /* escaped, for the log and the record only */
    struct ca_csr_asked asked;
    bool eku_requested; /* an EKU extension is present; ekus holds its dotted OIDs */
    struct pke_strings ekus;
};

struct ca_csr_rules {
    unsigned key_types;    /* set of enum ca_key_type: CA_KINDS() */
    unsigned rsa_min_bits; /* a modulus of k * 1024 bits passes if min <= bits <= max; whatever they say,  */
    unsigned rsa_max_bits; /* never below 2048 nor above 8192 */
    unsigned digests;      /* set of enum ca_digest, for RSA and ECDSA; SHA-1 is for PKCS#1 v1.5 only, under
                            * its own or its OIW identifier */
    bool strict;           /* also EVP_PKEY_public_check(): dear, see ca_csr_screen() */
    const struct ca_blocked *blocked[2]; /* the CAs' own keys, the list of the configuration; may be NULL */
};

/**
 * Decode strictly: DER only, nothing after it, version 0, at most one extension request (PKCS#9 or
 * Microsoft's) with one value and no duplicate attribute or extension, a key of a known type. The three
 * Windows shapes (UTF8String, PrintableString with '!', with a NUL at the end) pass. Extension values are
 * opaque but for EKU: Windows puts one there that is not DER (MS-MDE2; 1.3.6.1.4.1.311.66.1.0).
 * @p arena holds the texts and lists; ranges point into @p der, which must live as long.
 * @return PKE_OK; PKE_MALFORMED (csr-der, csr-trailing, csr-structure); PKE_LIMIT (csr-size,
 * csr-subject-size, csr-attributes, csr-extensions, csr-names); PKE_CSR_BAD (csr-version, csr-subject-*,
 * csr-attribute-*, csr-extension-*, csr-eku); PKE_KEY_WEAK (csr-key-type, csr-key-encoding, csr-key-point).
 * "asked" and "ekus" list what was read up to a refusal.
 */
enum pke_err ca_csr_parse(struct pke_bytes der, struct pke_arena *arena, struct ca_csr *ret,
                          struct pke_fail *fail);

/**
 * Screen the public key of a parsed CSR by @p rules. What rules.strict adds is what libcrypto knows: a
 * modulus that is itself a prime (its private half is everybody's), among others. It costs a primality test
 * of the modulus, 3 ms for RSA of 2048 bits: a hundred times all the rest.
 * @return PKE_OK or PKE_KEY_WEAK: csr-key-type, csr-key-modulus, csr-key-bits, csr-key-exponent,
 * csr-key-blocked, csr-key-roca, csr-key-small-factor, csr-key-fermat, csr-key-point, csr-key-strict.
 */
enum pke_err ca_csr_screen(const struct ca_csr *csr, const struct ca_csr_rules *rules, struct pke_fail *fail);

/**
 * Signature algorithm allow-list, then the CSR's own signature.
 * RSASSA-PSS passes where hash and MGF1 have the same digest and the salt its length (RFC 4055 3.1).
 * @return PKE_OK or PKE_CSR_BAD: csr-signature-algorithm, csr-signature-pss, csr-signature-digest,
 * csr-signature-key (made for another key type), csr-signature.
 */
enum pke_err ca_csr_possession(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                               struct pke_fail *fail);

/** parse, screen, possession. */
enum pke_err ca_csr_check(struct pke_bytes der, const struct ca_csr_rules *rules, struct pke_arena *arena,
                          struct ca_csr *ret, struct pke_fail *fail);

#endif
