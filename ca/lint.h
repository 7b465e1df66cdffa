/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Pre-issuance lint: rules over the bytes that will be signed (RFC 5280, profile, template). A refusal here
 * is a mistake of ours or of a template, never of a client; nothing is signed.
 */
#ifndef CA_LINT_H
#define CA_LINT_H

#include "base/option.h"
#include "ca/issuer.h"

struct ca_lint_context {
    const struct ca_issuer *issuer;
    const struct pke_strings *ekus; /* the template's: nothing else may be in the certificate */
    int64_t max_validity;           /* seconds */
    int64_t now;                    /* seconds; notBefore lies from an hour before to 5 minutes after */
};

struct ca_lint_rule {
    const char *name;   /* "serial-positive-64-bits" */
    const char *clause; /* "RFC 5280 4.1.2.2" */
};

/** All rules, in the order they run; ends with name NULL. For documentation and tests. */
extern const struct ca_lint_rule ca_lint_rules[];

/** @return PKE_OK, or PKE_POLICY with reason = rule name and rule = clause of the first rule that failed. */
enum pke_err ca_lint(struct pke_bytes tbs, const struct ca_lint_context *ctx, struct pke_fail *fail);

#endif
