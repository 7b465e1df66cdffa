/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a CSR asks for beside its key, against what will be certified. Nothing of it is ever copied; a request
 * that wants rights is refused, or, where the template says so, goes on without them.
 */
#ifndef POLICY_ASKED_H
#define POLICY_ASKED_H

#include "policy/decide.h"

/** An extension of a CSR. */
struct policy_asked_extension {
    const char *oid;
    bool critical;
    bool readable; /* its value has the shape of its kind; false of kinds that are not known */
};

/** Facts of a CSR, copied from ca/ by the issuer. Borrowed. */
struct policy_asked {
    const struct pke_pairs *names; /* kinds of base/names.h, "sid-uri", "ip", "dn"; the subject's first */
    size_t n_subject;              /* so many of them */
    const struct pke_pairs *unreadable; /* kind -> hex, of names that are no plain text or of no known type */
    bool ca;                            /* CA:TRUE, a path length, keyCertSign or cRLSign */
    const struct pke_strings *ekus, *application_policies, *certificate_policies;
    const char *template_name, *template_oid; /* NULL: not asked for */
    const struct policy_asked_extension *ext;
    size_t n_ext;
};

/**
 * Compare with decision @p d of template @p t; what is dropped, and why, goes to @p trail.
 * @return PKE_OK, also with everything dropped where the template says csr-disallowed: strip; PKE_CSR_BAD:
 * csr-eku, csr-asks-ca, csr-asks-sid, csr-asks-upn, csr-asks-name (a name that cannot be read),
 * csr-asks-application-policy, csr-asks-policy, csr-asks-template, csr-asks-issuer (authority key, CRL or
 * issuer addresses), csr-asks-constraint, csr-asks-critical.
 */
enum pke_err policy_asked_check(const struct policy_template *t, const struct policy_asked *asked,
                                const struct policy_decision *d, struct pke_trail *trail,
                                struct pke_fail *fail);

#endif
