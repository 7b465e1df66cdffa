/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the lint rules share. Private to ca/: lint.c drives; lint_fields.c, lint_subject.c, lint_extensions.c,
 * lint_usage.c, lint_san.c and lint_profile.c hold the rules. A rule says whether the bytes keep it. It may
 * assume that they decode and that the rules before it were kept: each group begins with what the rest is
 * built on.
 */
#ifndef CA_LINT_RULES_H
#define CA_LINT_RULES_H

#include "ca/der.h"
#include "ca/key.h"
#include "ca/lint.h"
#include "ca/tbs.h"

struct lint {
    struct ca_tbs tbs;
    const struct ca_lint_context *ctx;
    struct ca_key key;
    bool key_known; /* the SubjectPublicKeyInfo decoded into key */
};

#define LINT_BACKDATE 3600 /* seconds: mdm.md 7.3, MS-XCEP renewal windows count from notBefore */
#define LINT_FUTURE   300  /* seconds of notBefore after now: two roles, one machine, a stepped clock */

/* name (also the reason token), clause, function. In the order they run: what later rules build on first,
 * what was decided about this certificate last. */
#define LINT_RULES(X)                                                                         \
    X("der-strict", "X.690 10, 11; RFC 5280 4.1", lint_decoded)                               \
    X("der-round-trip", "X.690 10, 11", lint_round_trip)                                      \
    X("size-cap", "limit", lint_size)                                                         \
    X("version-v3", "RFC 5280 4.1.2.1", lint_version)                                         \
    X("serial-positive-64-to-159-bits", "RFC 5280 4.1.2.2; BR 7.1", lint_serial_range)        \
    X("serial-16-octets", "profile", lint_serial_size)                                        \
    X("signature-algorithm-of-issuer", "RFC 5280 4.1.2.3", lint_algorithm)                    \
    X("issuer-is-ca-subject", "RFC 5280 4.1.2.4", lint_issuer)                                \
    X("validity-encoding", "RFC 5280 4.1.2.5", lint_validity_encoding)                        \
    X("validity-order", "RFC 5280 4.1.2.5", lint_validity_order)                              \
    X("validity-within-issuer", "RFC 5280 6.1.3", lint_validity_issuer)                       \
    X("validity-maximum", "template", lint_validity_maximum)                                  \
    X("validity-starts-now", "profile", lint_validity_start)                                  \
    X("subject-structure", "RFC 5280 4.1.2.4", lint_subject_structure)                        \
    X("subject-one-attribute-per-rdn", "profile", lint_subject_single)                        \
    X("subject-known-attributes", "RFC 4519; profile", lint_subject_known)                    \
    X("subject-string-types", "RFC 5280 4.1.2.4, A.1", lint_subject_strings)                  \
    X("subject-upper-bounds", "RFC 5280 A.1", lint_subject_bounds)                            \
    X("subject-country", "RFC 5280 A.1; ISO 3166-1", lint_subject_country)                    \
    X("subject-characters", "profile; X.680 41.4", lint_subject_characters)                   \
    X("subject-no-repeats", "profile", lint_subject_repeats)                                  \
    X("subject-not-issuer", "RFC 5280 3.2", lint_subject_not_issuer)                          \
    X("spki-known-type", "RFC 3279 2.3.1; RFC 5480 2.1.1; RFC 8410", lint_key_type)           \
    X("spki-strength", "BR 6.1.5", lint_key_strength)                                         \
    X("spki-not-issuer", "BR 6.1.1.3", lint_key_not_issuer)                                   \
    X("no-unique-ids", "RFC 5280 4.1.2.8", lint_no_unique_ids)                                \
    X("extensions-known", "profile", lint_extensions_known)                                   \
    X("extensions-unique", "RFC 5280 4.2", lint_extensions_unique)                            \
    X("extensions-der", "RFC 5280 4.2", lint_extensions_der)                                  \
    X("extensions-not-empty", "RFC 5280 4.2.1 SIZE (1..MAX)", lint_extensions_not_empty)      \
    X("extensions-criticality", "RFC 5280 4.2.1", lint_extensions_criticality)                \
    X("key-usage-present", "RFC 5280 4.2.1.3", lint_key_usage_present)                        \
    X("key-usage-minimal", "X.690 11.2.2", lint_key_usage_minimal)                            \
    X("key-usage-no-ca", "RFC 5280 4.2.1.3", lint_key_usage_no_ca)                            \
    X("key-usage-fits-key", "RFC 3279 2.3.1; RFC 8813 3; RFC 8410 5", lint_key_usage_key)     \
    X("key-usage-of-profile", "profile", lint_key_usage_bits)                                 \
    X("eku-present", "RFC 5280 4.2.1.12", lint_eku_present)                                   \
    X("eku-not-any", "RFC 5280 4.2.1.12", lint_eku_not_any)                                   \
    X("eku-of-template", "template", lint_eku_template)                                       \
    X("basic-constraints-leaf", "RFC 5280 4.2.1.9", lint_basic_constraints)                   \
    X("ski-of-key", "RFC 5280 4.2.1.2", lint_ski)                                             \
    X("aki-of-issuer", "RFC 5280 4.2.1.1", lint_aki)                                          \
    X("application-policies-of-template", "template; MS-WCCE 2.2.2.7.7.3", lint_app_policies) \
    X("application-policies-within-eku", "CVE-2024-49019", lint_app_policies_eku)             \
    X("certificate-policies-syntax", "RFC 5280 4.2.1.4", lint_policies_syntax)                \
    X("certificate-policies-of-template", "template", lint_policies_template)                 \
    X("crl-urls-of-issuer", "RFC 5280 4.2.1.13", lint_crl_urls)                               \
    X("aia-urls-of-issuer", "RFC 5280 4.2.2.1", lint_aia_urls)                                \
    X("template-extension-of-template", "MS-WCCE 2.2.2.7.7.1, 2.2.2.7.7.2", lint_template)    \
    X("san-structure", "RFC 5280 4.2.1.6", lint_san_structure)                                \
    X("san-known-kinds", "profile", lint_san_known)                                           \
    X("san-dns", "RFC 5280 4.2.1.6; RFC 1034 3.5", lint_san_dns)                              \
    X("san-email", "RFC 5280 4.2.1.6; RFC 5321 4.1.2", lint_san_email)                        \
    X("san-uri", "RFC 5280 4.2.1.6; RFC 3986 4.3", lint_san_uri)                              \
    X("san-upn", "MS-WCCE 2.2.2.7.7", lint_san_upn)                                           \
    X("san-guid", "MS-WCCE 2.2.2.7.7", lint_san_guid)                                         \
    X("san-unique", "profile", lint_san_unique)                                               \
    X("san-critical-iff-subject-empty", "RFC 5280 4.2.1.6", lint_san_critical)                \
    X("sid-syntax", "MS-WCCE 2.2.2.7.7.4; MS-DTYP 2.4.2.1", lint_sid_syntax)                  \
    X("sid-consistent", "KB5014754", lint_sid_consistent)                                     \
    X("name-constraints-of-issuer", "RFC 5280 4.2.1.10", lint_constraints)                    \
    X("subject-as-decided", "decision", lint_subject_decided)                                 \
    X("san-as-decided", "decision", lint_san_decided)                                         \
    X("sid-as-decided", "decision", lint_sid_decided)                                         \
    X("validity-as-decided", "decision", lint_validity_decided)                               \
    X("spki-as-screened", "decision", lint_key_screened)                                      \
    X("serial-as-recorded", "decision", lint_serial_recorded)

#define X(name, clause, fn) bool fn(const struct lint *l);
LINT_RULES(X)
#undef X

/* lint_extensions.c */

/** Cursor over the content of the SEQUENCE that an extension's value is. False: absent, or another value. */
bool lint_list(const struct lint *l, const char *oid, struct pke_cursor *list);

/** Does the list have an entry? A list that may be NULL. */
bool lint_has(const struct pke_strings *list);

/* lint_san.c */

/** "S-1-" and numbers (MS-DTYP 2.4.2.1). */
bool lint_sid_text(struct pke_bytes sid);

/** LDH labels (RFC 1034 3.5, RFC 1123 2.1), no final dot. */
bool lint_host(struct pke_bytes name);

#endif
