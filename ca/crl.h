/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Certificate revocation lists (RFC 5280 5): the to-be-signed bytes are built without the key, linted, signed
 * elsewhere and assembled from bytes. Made for hundreds of thousands of entries: one buffer, no allocation
 * per entry, one pass. There is no clock here.
 */
#ifndef CA_CRL_H
#define CA_CRL_H

#include "base/list.h"
#include "ca/issuer.h"

#define CA_CRL_MAX            (30u << 20) /* octets of a whole CRL */
#define CA_CRL_MAX_EXTENSIONS 8
#define CA_CRL_SERIAL_MAX     20 /* RFC 5280 5.1.2.6, 4.1.2.2 */
#define CA_CRL_NUMBER_MAX     INT64_MAX

/* CRLReason (RFC 5280 5.3.1) */
#define CA_REASON_UNSPECIFIED 0
#define CA_REASON_REMOVE      8 /* in a delta: no longer on hold */
#define CA_REASON_LAST        10

/** True for a CRLReason that an entry may have (7 is none). */
bool ca_crl_reason_valid(unsigned reason);

/**
 * Append one entry: serial (1 to 20 octets, the first 01..7f or followed by more), date, and the reason
 * unless it is unspecified. Entries have to come in ascending order of their numbers. False when a value
 * cannot be encoded (nothing is appended) or @p entries is full (overflow is set).
 */
bool ca_crl_entry_add(struct pke_buf *entries, struct pke_bytes serial, int64_t revoked_at, unsigned reason);

struct ca_crl_spec {
    int64_t number;
    int64_t base; /* of a delta: the number of the full CRL that it adds to; 0: this is a full one */
    int64_t this_update, next_update;     /* seconds */
    const struct pke_strings *delta_urls; /* full: where deltas are (freshestCRL); NULL or empty: nowhere */
    struct pke_bytes entries;             /* of ca_crl_entry_add() */
};

/**
 * DER of the TBSCertList, appended to @p out: version 2, AKI, cRLNumber, deltaCRLIndicator (critical),
 * freshestCRL.
 * @return PKE_OK; PKE_POLICY: crl-number, crl-base, crl-dates, crl-urls; PKE_LIMIT: crl-size (@p out keeps
 * what it had).
 */
enum pke_err ca_crl_build(const struct ca_issuer *ca, const struct ca_crl_spec *spec, struct pke_buf *out,
                          struct pke_fail *fail);

/** SEQUENCE { tbs, algorithm of @p ca, BIT STRING signature }, appended to @p out; PKE_LIMIT without room. */
enum pke_err ca_crl_assemble(const struct ca_issuer *ca, struct pke_bytes tbs, struct pke_bytes signature,
                             struct pke_buf *out);

/** One entry as decoded; the serial without a sign octet. */
struct ca_crl_entry {
    struct pke_bytes serial;
    int64_t revoked_at;
    unsigned reason;
};

struct ca_crl_extension {
    char oid[80];
    bool critical;
    struct pke_bytes value;
};

/** Decoded view; ranges point into the input. */
struct ca_crl {
    struct pke_bytes der;
    bool v2;
    struct pke_bytes algorithm;       /* DER AlgorithmIdentifier */
    struct pke_bytes issuer;          /* DER Name */
    int64_t this_update, next_update; /* next_update 0: absent */
    struct pke_bytes entries;         /* content of revokedCertificates; empty: absent */
    struct ca_crl_extension ext[CA_CRL_MAX_EXTENSIONS];
    size_t n_ext;
    int64_t number, base;    /* 0: the extension is absent */
    struct pke_bytes key_id; /* of AKI; empty: absent */
};

/**
 * Decode a TBSCertList strictly: DER throughout, no DEFAULT encoded, no empty revokedCertificates, times in
 * the forms of RFC 5280, no extension twice, the extensions above with their own structure. Entries are
 * read by ca_crl_next(). PKE_MALFORMED: crl-der, crl-trailing, crl-structure, crl-time; PKE_LIMIT:
 * crl-extensions, crl-size. What the fields say is not judged.
 */
enum pke_err ca_crl_decode(struct pke_bytes tbs, struct ca_crl *ret, struct pke_fail *fail);

/** Next entry of a cursor over crl->entries. PKE_NOT_FOUND at the end; PKE_MALFORMED: crl-entry (also for an
 * extension other than the reason, and an encoded reason "unspecified"). */
enum pke_err ca_crl_next(struct pke_cursor *entries, struct ca_crl_entry *ret, struct pke_fail *fail);

/** Compare two serials as numbers: < 0, 0, > 0. No leading zero octets. */
int ca_crl_serial_compare(struct pke_bytes a, struct pke_bytes b);

/**
 * A whole CRL of @p ca: its signature is verified before anything else of it is believed, then its TBS is
 * decoded into @p ret. PKE_MALFORMED; PKE_LIMIT; PKE_DENIED: not of this CA ("crl-signature", "crl-issuer").
 */
enum pke_err ca_crl_read(const struct ca_issuer *ca, struct pke_bytes der, struct ca_crl *ret,
                         struct pke_fail *fail);

/* ---- lint: rules over the bytes that will be signed; independent of the builder */

struct ca_crl_lint_context {
    const struct ca_issuer *issuer;
    int64_t now;
    int64_t number, base; /* what was decided and recorded */
    int64_t next_update;
    uint64_t entries;
};

/** @return PKE_OK, or PKE_POLICY with reason = name of the rule that failed and rule = its clause. */
enum pke_err ca_crl_lint(struct pke_bytes tbs, const struct ca_crl_lint_context *ctx, struct pke_fail *fail);

#endif
