/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Logging, for daemon/ only: one line per event on stderr with a <N> priority prefix (the journal understands
 * it), or journald fields when stderr is the journal. Values are escaped; secrets have no way in.
 */
#ifndef DAEMON_COMMON_LOG_H
#define DAEMON_COMMON_LOG_H

#include <syslog.h>

#include "base/error.h"

/** Name shown in front of every line: "net", "key lab-ca/0". Copied. */
void log_identity(const char *role);

/** Lines less important than @p level (LOG_*) are dropped. Default LOG_INFO. */
void log_level(int level);

/**
 * One event: a fixed @p message and name/value pairs, ended by NULL. A NULL value is left out.
 * Names are lower-case; control characters and quotes in values are escaped.
 */
void log_event(int priority, const char *message, ...) __attribute__((sentinel));

/** log_event with the four fields of @p fail in front of the pairs. */
void log_fail(int priority, const char *message, const struct pke_fail *fail, ...) __attribute__((sentinel));

#endif
