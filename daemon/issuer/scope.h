/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Whose verb a verb is. control has held a frontend against its binding; here, where things change, that is
 * done again from the configuration, and every verb gets its tenant from one of two functions:
 *   - scope_tenant() where the verb makes or names something that is unique in one tenant only: a device, a
 *     user, a new token, a new certificate;
 *   - scope_limit() where it names something by an id that is unique in the ledger: what is another tenant's
 *     is then not found.
 */
#ifndef DAEMON_ISSUER_SCOPE_H
#define DAEMON_ISSUER_SCOPE_H

#include "daemon/issuer/issuer.h"

/** Before any verb: may this frontend ask it, of this tenant, with this template? PKE_OK for operators. */
enum pke_err scope_check(const struct issuer *is, const struct msg_verb *v, struct pke_fail *fail);

/** *ret: the tenant named, or the only one; of the configuration. PKE_MALFORMED ("tenant-needed"),
 * PKE_NOT_FOUND. */
enum pke_err scope_tenant(const struct issuer *is, const struct msg_verb *v, const char **ret,
                          struct pke_fail *fail);

/** The tenant that the verb is limited to; NULL: none. Borrowed from @p v. */
const char *scope_limit(const struct msg_verb *v);

/** The binding of the frontend that asks; NULL: an operator. */
const struct conf_frontend *scope_frontend(const struct issuer *is, const struct msg_verb *v);

/**
 * Are these alternative names, and the account @p sid (NULL: none), within what @p f may name? What it has no
 * bounds for it may not name at all. PKE_DENIED.
 */
enum pke_err scope_names(const struct conf_frontend *f, const struct pke_pairs *san, const char *sid,
                         struct pke_fail *fail);

/** One more certificate for @p f: PKE_OK, or PKE_QUOTA when certificates-per-hour are made. */
enum pke_err scope_certificate(struct issuer *is, const struct conf_frontend *f, struct pke_fail *fail);

#endif
