/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Pre-issuance lint: rules over the bytes that will be signed (RFC 5280, profile, template, decision). A
 * refusal here is a mistake of ours or of a template, never of a client; nothing is signed. Every rule, with
 * what it catches, is in doc/lint.md.
 */
#ifndef CA_LINT_H
#define CA_LINT_H

#include "base/list.h"
#include "ca/issuer.h"
#include "ca/profile.h"

/** What was decided about this one. The builder was told the same; lint finds it again in the bytes. */
struct ca_lint_decision {
    const struct pke_pairs *subject, *san; /* as in struct ca_cert_spec; san may be NULL */
    const char *sid;                       /* NULL: no extension */
    int64_t not_before, not_after;         /* seconds */
    struct pke_bytes spki;                 /* that was screened */
    struct pke_bytes serial;               /* that will be recorded */
};

struct ca_lint_context {
    const struct ca_issuer *issuer;
    const struct ca_profile_spec *profile; /* what template and issuer say of each certificate */
    int64_t max_validity;                  /* seconds; the template's */
    const struct ca_lint_decision *decision;
    int64_t now; /* seconds; notBefore lies from an hour before to 5 minutes after */
};

struct ca_lint_rule {
    const char *name;   /* "serial-positive-64-to-159-bits" */
    const char *clause; /* "RFC 5280 4.1.2.2" */
};

/** All rules, in the order they run; ends with name NULL. For documentation and tests. */
extern const struct ca_lint_rule ca_lint_rules[];

#define CA_LINT_DIGEST 32

/**
 * @param digest  SHA-256 of @p tbs when it passed, for ca_release_check(); may be NULL
 * @return PKE_OK, or PKE_POLICY with reason = rule name and rule = clause of the first rule that failed.
 */
enum pke_err ca_lint(struct pke_bytes tbs, const struct ca_lint_context *ctx, uint8_t digest[CA_LINT_DIGEST],
                     struct pke_fail *fail);

#endif
