/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The claims of a verified token (RFC 7519 4.1). Time is an argument, in seconds since 1970 UTC. Every claim
 * that is looked at must have its type: a number where a text belongs refuses the token.
 */
#ifndef JOSE_CLAIMS_H
#define JOSE_CLAIMS_H

#include <jansson.h>

#include "base/list.h"

#define CLAIMS_TEXT_MAX 320 /* bytes of a text that is used */

struct claims_rules {
    const struct pke_strings *issuers;   /* one of them, exactly; NULL: the caller compares iss */
    const struct pke_strings *audiences; /* one of them, exactly; never NULL */
    int64_t leeway;                      /* seconds that clocks may differ */
    int64_t max_lifetime;                /* seconds from iat to exp, and from now to exp */
};

/** What claims_check found. */
struct claims_times {
    int64_t expires;
};

/**
 * The payload as JSON; the caller releases *ret with json_decref().
 * @return PKE_OK or PKE_UNAUTHENTICATED: claims-json (a member twice included).
 */
enum pke_err claims_read(struct pke_bytes payload, json_t **ret, struct pke_fail *fail);

/**
 * iss, aud (a text or a list of at most 32 texts), exp (required), nbf and iat (when present) at @p now.
 * Times are whole numbers.
 * @return PKE_OK or PKE_UNAUTHENTICATED: claims-type, claims-iss, claims-aud, claims-exp, claims-expired,
 * claims-nbf, claims-iat, claims-lifetime.
 */
enum pke_err claims_check(const json_t *claims, const struct claims_rules *rules, int64_t now,
                          struct claims_times *ret, struct pke_fail *fail);

/**
 * A claim that is a text of 1 to CLAIMS_TEXT_MAX bytes without control characters. *ret, borrowed from
 * @p claims, is NULL when there is none.
 * @return PKE_OK, or PKE_UNAUTHENTICATED: claims-type when it is something else.
 */
enum pke_err claims_text(const json_t *claims, const char *name, const char **ret, struct pke_fail *fail);

#endif
