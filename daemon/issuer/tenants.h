/* SPDX-License-Identifier: Apache-2.0 */
/** @file Tenants in the issuer: quotas of each, and what was done for each since the process began. */
#ifndef DAEMON_ISSUER_TENANTS_H
#define DAEMON_ISSUER_TENANTS_H

#include <jansson.h>

#include "daemon/issuer/explain.h"
#include "daemon/issuer/issuer.h"

enum tenant_result { TENANT_ISSUED, TENANT_REFUSED, TENANT_FAILED, TENANT__RESULTS };

/** May one more be enrolled for the tenant of req->endpoint? A renewal always may. PKE_QUOTA in req->fail; or
 * what the ledger says. */
enum pke_err tenant_check_quota(struct request *req);

/** T2 of @p req is durable. */
void tenant_issued(struct request *req);

/** Something else became of a request of @p name; NULL: nobody's. */
void tenant_count(struct issuer *is, const char *name, enum tenant_result result);

/** [{"tenant": NAME, "issued": N, "refused": N, "failed": N}] for each of the configuration. */
json_t *tenants_metrics(struct issuer *is);

#endif
