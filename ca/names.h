/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Names of a certificate, base/names.h <-> DER (RFC 5280 4.1.2.6, 4.2.1.6, A.1; MS-WCCE 2.2.2.7.7.4).
 * Encoding and decoding are each strict and complete: what one writes the other reads as the same pairs, and
 * anything else - an unknown kind, another string type, a value out of bounds - is refused, never dropped.
 *
 * Kinds and values of a subject (one attribute per RDN; only OU and DC may repeat, at most CA_NAMES_MAX_RDN):
 *   CN, O, OU   UTF8String, 1 to 64 characters       L, ST         UTF8String, 1 to 128
 *   UID         UTF8String, 1 to 256                 C             PrintableString, two capital letters
 *   DC          IA5String, one LDH label             serialNumber  PrintableString, 1 to 64
 * UTF8String values are ca_text_plain(). Of a SAN (no name twice, at most CA_NAMES_MAX_SAN):
 *   dns    IA5String: LDH labels of 1 to 63, together at most 253, no final dot, the last not all digits
 *   email  IA5String: dot-atom of at most 64, "@", a name as in dns; at most 254
 *   uri    IA5String: ca_text_uri(); one that begins with PKE_SID_URI_PREFIX ends with a SID
 *   upn    otherName with UTF8String: plain text without a space, one "@", a name as in dns; at most 1024
 *          octets
 *   guid   otherName with OCTET STRING of 16 octets, in Windows' order: 8-4-4-4-12 digits, decoded in lower
 *          case
 * A SID is "S-1-", an authority below 2^48 and 1 to 15 subauthorities below 2^32, decimal, without leading
 * zeros.
 *
 * Failures: reason name-kind (unknown), name-length, name-characters, name-repeated, name-count; of decoding
 * also name-structure (not the ASN.1 of the RFC) and name-type (another string type). Encoding fails with
 * PKE_POLICY, decoding with PKE_MALFORMED.
 */
#ifndef CA_NAMES_H
#define CA_NAMES_H

#include "base/arena.h"
#include "base/list.h"
#include "base/names.h"
#include "ca/tbs.h"

#define CA_NAMES_MAX_RDN 16
#define CA_NAMES_MAX_SAN 64
#define CA_UPN_MAX       1024 /* octets; the bound of the directory's attribute (MS-ADA3 2.349) */

/** DER Name, appended to @p out; of an empty list or NULL the empty Name. */
enum pke_err ca_subject_encode(const struct pke_pairs *subject, struct pke_buf *out, struct pke_fail *fail);

/** @p name is a DER Name, as ca_tbs.subject. The pairs are appended to @p ret, in @p arena. */
enum pke_err ca_subject_decode(struct pke_bytes name, struct pke_arena *arena, struct pke_pairs *ret,
                               struct pke_fail *fail);

/** GeneralNames, the value of the extension 2.5.29.17, appended to @p out. @p san is not empty. */
enum pke_err ca_san_encode(const struct pke_pairs *san, struct pke_buf *out, struct pke_fail *fail);
enum pke_err ca_san_decode(struct pke_bytes value, struct pke_arena *arena, struct pke_pairs *ret,
                           struct pke_fail *fail);

/** Value of the extension 1.3.6.1.4.1.311.25.2, appended to @p out. */
enum pke_err ca_sid_encode(const char *sid, struct pke_buf *out, struct pke_fail *fail);
enum pke_err ca_sid_decode(struct pke_bytes value, struct pke_arena *arena, const char **ret,
                           struct pke_fail *fail);

/** Would this one value be encoded? For checks before a certificate is built. */
enum pke_err ca_subject_value_check(const char *kind, struct pke_bytes value, struct pke_fail *fail);
enum pke_err ca_san_value_check(const char *kind, struct pke_bytes value, struct pke_fail *fail);
bool ca_sid_valid(struct pke_bytes text);

/** LDH labels as "dns" above. */
bool ca_dns_valid(struct pke_bytes text);

/** @p uri begins with PKE_SID_URI_PREFIX in any letter case: it stands for an account. */
bool ca_is_sid_uri(struct pke_bytes uri);

/** The SID that a valid SID URI names: the end of it; empty when it is another URI. */
struct pke_bytes ca_sid_of_uri(struct pke_bytes uri);

/** All names of a certificate. */
struct ca_names {
    struct pke_pairs subject, san;
    bool has_san, san_critical;
    const char *sid; /* of the extension; NULL: there is none */
};

/** Subject, SAN and SID extension of @p tbs, decoded as above. In @p arena. */
enum pke_err ca_names_decode(const struct ca_tbs *tbs, struct pke_arena *arena, struct ca_names *ret,
                             struct pke_fail *fail);

#endif
