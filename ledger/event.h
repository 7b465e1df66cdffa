/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The outbox: what programs of the administrator are told. There is no second record of what happened: an
 * event is a row of the audit log, written in the transaction of what it tells, together with the request and
 * the certificate that it is about. Here is who has been told how far. Writer's side of the ledger;
 * doc/events.md.
 */
#ifndef LEDGER_EVENT_H
#define LEDGER_EVENT_H

#include "base/arena.h"
#include "base/list.h"
#include "ledger/ledger.h"

#define LEDGER_EVENTS_MAX 64   /* rows of one call */
#define LEDGER_EVENT_SPAN 4096 /* rows of the audit log that one call looks at */

/** What happened. Strings in the arena; absent: NULL, empty, 0. */
struct ledger_event {
    int64_t seq, at;  /* of the audit row; ms */
    const char *kind; /* static: "issued" "renewed" "failed" "refused" "pending" "denied" "approved" "revoked"
                         "released" "imported" "expiring" "issuer-scheduled" "issuer-acknowledged"
                         "issuer-switched" "issuer-cancelled" */
    const char *actor, *request_id;
    const char *detail; /* JSON object of the audit row */
    /* of the request */
    const char *tenant, *principal, *user_id, *credential, *endpoint, *template_name, *operation;
    const char *device_id, *enrollment_type, *provider;
    struct pke_fail fail; /* failed: why */
    /* of its certificate */
    const char *ent_dmid, *subject, *serial_hex, *issuer_id_hex, *sha1_hex, *sha256_hex, *renews;
    struct pke_bytes der;
    struct pke_pairs names;
    int64_t not_before, not_after; /* seconds */
};

/** Is this a kind that there is? */
bool ledger_event_kind(const char *kind);

/**
 * The events behind @p after, oldest first, at most LEDGER_EVENTS_MAX and of the next LEDGER_EVENT_SPAN audit
 * rows. *seen: how far was looked; equal to @p after when there is nothing new. Of @p tenant and of issuers;
 * NULL: of all.
 */
enum pke_err ledger_events(struct ledger *l, int64_t after, const char *tenant, size_t max,
                           struct pke_arena *arena, struct ledger_event *ret, size_t *n, int64_t *seen,
                           struct pke_fail *fail);

/** The newest audit row; 0: there is none. */
enum pke_err ledger_events_end(struct ledger *l, int64_t *seq, struct pke_fail *fail);

/** Where to begin for what happened at @p at (ms) or later: the row before the first of them. */
enum pke_err ledger_events_since(struct ledger *l, int64_t at, int64_t *after, struct pke_fail *fail);

/** A receiver by its name in the configuration: all events up to *position are done with. A new one begins
 * with what happens from now on. */
enum pke_err ledger_sink_open(struct ledger *l, const char *name, int64_t *position, struct pke_fail *fail);
enum pke_err ledger_sink_moved(struct ledger *l, const char *name, int64_t position, struct pke_fail *fail);

/** An event that a receiver did not take; the later ones have passed it. */
struct ledger_late {
    int64_t seq;
    const char *request_id; /* NULL: it is about none */
    unsigned attempts;
    int64_t next_at; /* ms: when it is tried again */
    int64_t dead_at; /* ms: given up; 0: not */
    const char *error;
};

/** Those of @p name behind seq @p after, oldest first: dead ones or the others. At most @p max. */
enum pke_err ledger_sink_late(struct ledger *l, const char *name, bool dead, int64_t after, size_t max,
                              struct pke_arena *arena, struct ledger_late *ret, size_t *n,
                              struct pke_fail *fail);
/** Keep it, as it is now. */
enum pke_err ledger_sink_keep(struct ledger *l, const char *name, const struct ledger_late *late,
                              struct pke_fail *fail);
/** It was taken. */
enum pke_err ledger_sink_done(struct ledger *l, const char *name, int64_t seq, struct pke_fail *fail);
enum pke_err ledger_sink_dead_count(struct ledger *l, const char *name, int64_t *n, struct pke_fail *fail);
/** Try a dead one again from the start; @p actor is audited. PKE_NOT_FOUND. */
enum pke_err ledger_sink_revive(struct ledger *l, const char *name, int64_t seq, const char *actor,
                                int64_t at, struct pke_fail *fail);

/**
 * Tell of the certificates of @p issuer_id that end between what was told before and @p until (seconds), but
 * for those that are not in use any more: one audit row for each, at most @p max. *more: there are further
 * ones. The first call begins at @p now.
 */
enum pke_err ledger_tell_expiring(struct ledger *l, struct pke_bytes issuer_id, int64_t now, int64_t until,
                                  int64_t at, unsigned max, bool *more, struct pke_fail *fail);

#endif
