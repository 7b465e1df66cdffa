/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * `GET /v1/metrics`: what main, issuer and the ledger count, as OpenMetrics 1.0 text. A pure function over
 * their answers.
 */
#ifndef DAEMON_CONTROL_METRICS_H
#define DAEMON_CONTROL_METRICS_H

#include <jansson.h>

#include "base/bytes.h"
#include "ledger/read.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/**
 * Append the whole exposition, "# EOF" included. @p status is main's answer to status, @p keys the issuer's
 * to metrics, @p counts those of the ledger; each may be NULL: its families are left out but for an _up of 0.
 * PKE_LIMIT when it does not fit.
 */
enum pke_err metrics_write(const json_t *status, const json_t *keys, const struct ledger_counts *counts,
                           struct pke_buf *out);

#endif
