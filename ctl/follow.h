/* SPDX-License-Identifier: Apache-2.0 */
/** @file `events --follow`: events as they happen, over restarts of the daemon. */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include "ctl/options.h"

/** Print events from --since (default: from now) until the output ends or the process is ended; one line
 * each, JSON with --json or --jsonl. Blocks. Returns an exit code: CTL_REFUSED when the daemon refuses the
 * question. */
int follow_events(const struct ctl_options *o, bool color);

#endif
