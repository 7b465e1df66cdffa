/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * So many of something in a time, each name for itself: tenants, frontends. What was not used is saved up to
 * one whole allowance, so that a quiet minute may be followed by a busy one. Lives in memory: a role that
 * starts again gives everybody a full allowance. Pure; the time is an argument.
 */
#ifndef DAEMON_COMMON_RATE_H
#define DAEMON_COMMON_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate;

/** An empty one is NULL. Names are never many: those of a section of the configuration. */
struct rates {
    struct rate *first;
};

/**
 * Take one of the @p limit of @p name in @p period_ms; @p limit 0 is none. @p now_ms is CLOCK_MONOTONIC.
 * @return 0, or the ms after which the next is there: nothing was taken.
 */
uint64_t rates_take(struct rates *r, const char *name, uint64_t limit, uint64_t period_ms, uint64_t now_ms);

void rates_done(struct rates *r);

#endif
