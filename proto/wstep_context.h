/* SPDX-License-Identifier: Apache-2.0 */
/** @file ContextItems of a RequestSecurityToken (MS-MDE2 3.4.4.1.1.1). Private to proto/. */
#ifndef PROTO_WSTEP_CONTEXT_H
#define PROTO_WSTEP_CONTEXT_H

#include "proto/wstep.h"

/** Read the AdditionalContext of @p rst into ret->context, device_id, enrollment_type and check the latter
 * two. */
enum pke_err wstep_context_read(const struct xml_node *rst, struct pke_arena *arena,
                                struct wstep_request *ret, struct pke_fail *fail);

#endif
