/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who signs for an issuer, and what a scheduled switch waits for. Plain data: no clock, no ledger, no
 * message.
 */
#ifndef DAEMON_ISSUER_SUCCESSION_H
#define DAEMON_ISSUER_SUCCESSION_H

#include <stdbool.h>

#include "ledger/rollover.h"

/** The rows that count, one at most for each .from (ledger_rollovers()). */
struct succession {
    const struct ledger_rollover *rows;
    size_t n;
};

/** The row of @p from, switched or not; NULL: it has no successor. */
const struct ledger_rollover *succession_of(const struct succession *s, const char *from);

/** Who signs for templates that name @p issuer: it, or whom the switches lead to. Ends whatever the rows say.
 */
const char *succession_effective(const struct succession *s, const char *issuer);

/**
 * May @p from get the successor @p to? PKE_EXISTS: @p from has one, or is about to be one itself, or @p to
 * is on its way elsewhere, so that signing would go in a circle or further than was looked at;
 * PKE_CONFIG: they are the same.
 */
enum pke_err succession_check(const struct succession *s, const char *from, const char *to,
                              struct pke_fail *fail);

/** What a switch that is due waits for. */
enum succession_step {
    SUCCESSION_DONE,            /* it was switched */
    SUCCESSION_TIME,            /* its time has not come */
    SUCCESSION_ACKNOWLEDGEMENT, /* nobody said that the successor is trusted */
    SUCCESSION_OBSTACLE,        /* the successor cannot take over as things are */
    SUCCESSION_SWITCH,          /* nothing: now */
};

/** @p fit: does the successor pass the checks of today? Asked for what is due and acknowledged only, so that
 * the caller may leave it false before. */
enum succession_step succession_next(const struct ledger_rollover *row, int64_t now_ms, bool fit);

/** "active": signs for a template; "scheduled": will, "retired": did; "standby": configured and nothing else.
 * @p templates: how many it signs for now. */
const char *succession_state(const struct succession *s, const char *issuer, size_t templates);

#endif
