/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The credential kinds jwt (a token of the frontend's own issuer) and entra-jwt (an access token of Microsoft
 * Entra ID): mdm.md 4.1, 4.2.
 */
#ifndef DAEMON_AUTH_JWT_H
#define DAEMON_AUTH_JWT_H

#include "daemon/auth/core_impl.h"

/**
 * Verifiers of core_impl.h. Each token issuer of the endpoint that is of the kind is tried; the refusal is
 * that of the one that came furthest. Its text is for the operator: the fault has one text for all.
 *
 * jwt: principal is the principal-claim, user_id "TOKEN-ISSUER:" and the id-claim, if
 * there is one. entra-jwt: both are
 * "<oid>@<tid>" in lower case. Attributes: "token-issuer", "upn", "name"; entra also "tid", "oid",
 * "deviceid", "appid"; with one-time also "jti" and "jti-expires" (seconds since 1970, leeway included): the
 * issuer role takes (token-issuer, jti) at the successful RequestSecurityToken.
 *
 * @return as auth_core_verify(); PKE_STORE_DOWN when no token issuer has keys.
 */
auth_verify_fn jwt_verify_custom, jwt_verify_entra;

#endif
