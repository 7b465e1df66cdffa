/* SPDX-License-Identifier: Apache-2.0 */
/** @file The answer of a simulation; only simulate.c and simulate_view.c include it. */
#ifndef DAEMON_ISSUER_SIMULATE_H
#define DAEMON_ISSUER_SIMULATE_H

#include "daemon/issuer/issuer.h"

/** What became of @p req: result, error, the certificate as it would be signed, and every step. Nothing in it
 * could be made a certificate. @p new_ent_dmid: its EntDMID was drawn for this answer. */
json_t *simulate_json(const struct request *req, bool new_ent_dmid);

#endif
