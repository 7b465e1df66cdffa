/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a frontend may reach: the one place before a call is answered or forwarded. Default deny. After it
 * every call of a frontend names one tenant, in the argument "tenant", and whoever answers keeps to it; the
 * issuer asks again for changes (daemon/issuer/scope.h). An operator is bound to nothing; "tenant" narrows
 * what he asks for.
 */
#ifndef DAEMON_CONTROL_SCOPE_H
#define DAEMON_CONTROL_SCOPE_H

#include "daemon/common/rate.h"
#include "daemon/control/peer.h"
#include "daemon/control/request.h"

/**
 * Hold @p req of @p peer against the binding that @p conf has for it: verb, tenant (put into the arguments
 * when the frontend has only one), template, requests-per-minute. Another's tenant or template is as unknown
 * as one that does not exist.
 * @return PKE_OK; PKE_DENIED (not a verb for frontends, or the binding is gone); PKE_MALFORMED (several
 *         tenants, and none is named); PKE_NOT_FOUND; PKE_BUSY (too many calls).
 */
enum pke_err scope_apply(const struct conf *conf, const struct peer *peer, struct rates *rates,
                         uint64_t now_ms, struct pke_arena *arena, struct control_request *req,
                         struct pke_fail *fail);

#endif
