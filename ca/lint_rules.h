/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the lint rules share. Private to ca/: lint.c drives, lint_fields.c and lint_extensions.c hold the
 * rules. A rule says whether the bytes keep it; it may assume that they decode and nothing else.
 */
#ifndef CA_LINT_RULES_H
#define CA_LINT_RULES_H

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

/* name (also the reason token), clause, function. In the order they run: what later rules build on first. */
#define LINT_RULES(X)                                                                  \
    X("der-strict", "X.690 10, 11; RFC 5280 4.1", lint_decoded)                        \
    X("der-round-trip", "X.690 10, 11", lint_round_trip)                               \
    X("size-cap", "limit", lint_size)                                                  \
    X("version-v3", "RFC 5280 4.1.2.1", lint_version)                                  \
    X("serial-positive-64-to-159-bits", "RFC 5280 4.1.2.2; BR 7.1", lint_serial_range) \
    X("serial-16-octets", "profile", lint_serial_size)                                 \
    X("signature-algorithm-of-issuer", "RFC 5280 4.1.2.3", lint_algorithm)             \
    X("issuer-is-ca-subject", "RFC 5280 4.1.2.4", lint_issuer)                         \
    X("validity-encoding", "RFC 5280 4.1.2.5", lint_validity_encoding)                 \
    X("validity-order", "RFC 5280 4.1.2.5", lint_validity_order)                       \
    X("validity-within-issuer", "RFC 5280 6.1.3", lint_validity_issuer)                \
    X("validity-maximum", "template", lint_validity_maximum)                           \
    X("validity-starts-now", "profile", lint_validity_start)                           \
    X("subject-single-cn", "profile; RFC 5280 4.1.2.6", lint_subject_shape)            \
    X("subject-cn-length", "RFC 5280 A.1 ub-common-name", lint_subject_length)         \
    X("subject-cn-characters", "profile", lint_subject_characters)                     \
    X("subject-not-issuer", "RFC 5280 3.2", lint_subject_not_issuer)                   \
    X("spki-known-type", "RFC 3279 2.3.1; RFC 5480 2.1.1", lint_key_type)              \
    X("spki-strength", "BR 6.1.5", lint_key_strength)                                  \
    X("spki-not-issuer", "BR 6.1.1.3", lint_key_not_issuer)                            \
    X("no-unique-ids", "RFC 5280 4.1.2.8", lint_no_unique_ids)                         \
    X("extensions-known", "profile", lint_extensions_known)                            \
    X("extensions-unique", "RFC 5280 4.2", lint_extensions_unique)                     \
    X("extensions-der", "RFC 5280 4.2", lint_extensions_der)                           \
    X("extensions-criticality", "RFC 5280 4.2.1", lint_extensions_criticality)         \
    X("key-usage-present", "RFC 5280 4.2.1.3", lint_key_usage_present)                 \
    X("key-usage-minimal", "X.690 11.2.2", lint_key_usage_minimal)                     \
    X("key-usage-no-ca", "RFC 5280 4.2.1.3", lint_key_usage_no_ca)                     \
    X("key-usage-of-profile", "profile", lint_key_usage_bits)                          \
    X("key-usage-fits-key", "RFC 8813 3", lint_key_usage_key)                          \
    X("eku-present", "RFC 5280 4.2.1.12", lint_eku_present)                            \
    X("eku-not-any", "RFC 5280 4.2.1.12", lint_eku_not_any)                            \
    X("eku-of-template", "template", lint_eku_subset)                                  \
    X("basic-constraints-leaf", "RFC 5280 4.2.1.9", lint_basic_constraints)            \
    X("ski-of-key", "RFC 5280 4.2.1.2", lint_ski)                                      \
    X("aki-of-issuer", "RFC 5280 4.2.1.1", lint_aki)                                   \
    X("san-syntax", "RFC 5280 4.2.1.6", lint_san_syntax)                               \
    X("san-critical-iff-subject-empty", "RFC 5280 4.2.1.6", lint_san_critical)

#define X(name, clause, fn) bool fn(const struct lint *l);
LINT_RULES(X)
#undef X

#endif
