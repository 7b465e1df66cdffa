/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The successor of an issuer as it was scheduled, acknowledged and switched. Issuers are named as the
 * configuration names them; what follows from the rows is daemon/issuer/succession.h.
 */
#ifndef LEDGER_ROLLOVER_H
#define LEDGER_ROLLOVER_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"

/** Times are milliseconds since 1970 UTC; 0: it did not happen. Whoever did it is NULL then. */
struct ledger_rollover {
    const char *from, *to;
    int64_t scheduled_at, switch_at, acknowledged_at, switched_at;
    const char *scheduled_by, *acknowledged_by, *switched_by;
};

struct ledger;

/** All that were not cancelled, the oldest first; one at most for each .from. In @p arena. */
enum pke_err ledger_rollovers(struct ledger *l, struct pke_arena *arena, struct ledger_rollover **ret,
                              size_t *n, struct pke_fail *fail);

/** Audit "issuer-scheduled". PKE_EXISTS when @p from has one already ("rollover-exists"). */
enum pke_err ledger_rollover_schedule(struct ledger *l, const char *from, const char *to, int64_t switch_at,
                                      const char *by, int64_t at, struct pke_fail *fail);

enum ledger_rollover_change {
    LEDGER_ROLLOVER_ACKNOWLEDGE, /* audit "issuer-acknowledged" */
    LEDGER_ROLLOVER_SWITCH,      /* audit "issuer-switched" */
    LEDGER_ROLLOVER_CANCEL,      /* audit "issuer-cancelled"; also one that was switched */
};

/** PKE_NOT_FOUND when there is none that this can be done to ("rollover-none"). */
enum pke_err ledger_rollover_change(struct ledger *l, enum ledger_rollover_change change, const char *from,
                                    const char *by, int64_t at, struct pke_fail *fail);

/**
 * When the last certificate expires that this issuer (SHA-1 of its certificate) signed or was about to sign,
 * in seconds; 0: it never did.
 */
enum pke_err ledger_issuer_life(struct ledger *l, struct pke_bytes issuer_id, int64_t *not_after,
                                struct pke_fail *fail);

/** The ids of all issuers with a certificate that is valid after @p now, seconds, added to @p ids. Goes
 * through an index of all certificates: for the start. */
enum pke_err ledger_issuers_alive(struct ledger *l, int64_t now, struct pke_arena *arena,
                                  struct pke_blobs *ids, struct pke_fail *fail);

#endif
