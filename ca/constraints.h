/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Name constraints of a CA certificate (RFC 5280 4.2.1.10): which names verifiers will accept below it.
 * Checked before anything is recorded, again by lint, and again by the floor.
 *
 * A name that verifiers may read in two ways is refused: what is permitted is read narrowly, what is excluded
 * widely. dNSName: the name itself and all below; ".x" only below (excluded: also x). rfc822Name: one
 * address, one host, or ".x" all hosts below. URI: the host likewise; a URI without a host name is refused
 * where there is any constraint on URIs. directoryName: the subject begins with these RDNs (letter case and
 * repeated spaces of ASCII do not count). A common name with a dot that could be a host is held against those
 * of dNSName where no alternative name is one, as verifiers do. otherName with a UPN: "@x" and "x" the
 * domain, "x" also all below,
 * ".x" all below, one whole UPN itself. iPAddress: understood, and never issued.
 */
#ifndef CA_CONSTRAINTS_H
#define CA_CONSTRAINTS_H

#include "base/bytes.h"
#include "ca/names.h"

struct ca_constraints;

/**
 * @p value of the extension 2.5.29.30, copied. A form that is not understood is an error where the extension
 * is @p critical (as it must be), and where it is of a kind of name that is issued.
 * @return PKE_OK and *ret, or PKE_CONFIG: issuer-constraints (not DER, or not its structure),
 * issuer-constraint-form.
 */
enum pke_err ca_constraints_parse(struct pke_bytes value, bool critical, struct ca_constraints **ret,
                                  struct pke_fail *fail);
void ca_constraints_free(struct ca_constraints *c); /* accepts NULL */

/** May these names be below that CA? NULL has no constraints. PKE_POLICY: name-constraint. */
enum pke_err ca_constraints_check(const struct ca_constraints *c, const struct ca_names *names,
                                  struct pke_fail *fail);

#endif
