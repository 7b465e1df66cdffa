/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The GetPoliciesResponse of one policy endpoint: the same for everyone who may see the template, so it is
 * rendered once per snapshot and catalogue and not once per request.
 */
#ifndef DAEMON_NET_POLICY_BODY_H
#define DAEMON_NET_POLICY_BODY_H

#include "base/bytes.h"
#include "daemon/common/conf.h"
#include "daemon/net/catalogue.h"

/**
 * Append the body. The CA is carried when the template asks for it, @p enroll_url is known and @p catalogue
 * (may be NULL) has its certificate; else it is nil, as Windows documents.
 * @return PKE_OK; PKE_TEMPLATE without a template; PKE_POLICY for a value that the client would cut.
 */
enum pke_err policy_body_render(const struct conf_endpoint *ep, const char *enroll_url,
                                const struct catalogue *catalogue, struct pke_buf *out,
                                struct pke_fail *fail);

#endif
