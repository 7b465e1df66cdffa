/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Whose token is it: iss, the tenant in it, and the issuer that a key may be bound to. And what is told of
 * tokens whose key an issuer does not have.
 */
#ifndef DAEMON_AUTH_TOKENISS_H
#define DAEMON_AUTH_TOKENISS_H

#include "daemon/auth/core.h"
#include "daemon/auth/tokenkeys.h"

/** Is the GUID in @p list, in any letter case? */
bool token_guid_listed(const struct pke_strings *list, const char *guid);

/**
 * Is @p iss one that @p conf takes? custom: exactly one of its list; entra: one of its list with @p tid, the
 * token's own tenant, in it, exactly (CVE-2026-24899: any tenant's token was taken).
 */
bool token_iss_matches(const struct conf_token_issuer *conf, const char *iss, const char *tid);

/**
 * Entra: may @p key, by its member "issuer", sign a token of the tenant @p tid? {tenantid} in it stands for
 * any tenant; the forms of one tenant's iss that versions 1.0 and 2.0 have, and those of conf->issuer, are
 * the same issuer. True when the file does not say whose tokens it signs.
 */
bool token_key_matches(const struct conf_token_issuer *conf, const struct jose_key *key, const char *tid,
                       struct pke_arena *arena);

/**
 * @p token names a key, @p kid, that none of the @p n sources has. Those whose iss it claims count it, keep
 * it for status and log it: not twice in a row, and not more than ten a minute. Nothing else is done with
 * what the token says: it is not verified.
 */
void token_tell_unknown(struct token_source *const *sources, size_t n, struct pke_bytes token,
                        const char *kid, const struct auth_now *now);

/** "<oid>@<tid>" is a principal of Entra, and "*@<tid>" means nobody else: no other source may name one. */
bool token_principal_of_tenant(const char *principal);

#endif
