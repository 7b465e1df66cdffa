/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Telling the administrator's programs what happened (doc/events.md). The audit log is the outbox: an event
 * is a row that was written in the transaction of what it tells, ledger/event.h. Here each receiver of the
 * section event-sinks is led along it: net carries, the issuer decides what is sent when, what an answer
 * means and what is recorded of it.
 *
 * Order: an event is sent when all earlier ones of the same request are done with; others pass each other.
 * At least once: what was taken is recorded twice a second and at the stop; after a crash it is sent again
 * under the same id.
 */
#ifndef DAEMON_ISSUER_OUTBOX_H
#define DAEMON_ISSUER_OUTBOX_H

#include "daemon/issuer/issuer.h"
#include "ledger/event.h"

/** is->setup is new: its receivers take the place of the old ones. Reads the ledger. */
void outbox_configured(struct issuer *is);
/** Something was committed: there may be events. */
void outbox_wake(struct issuer *is);
void outbox_tick(struct issuer *is);
/** net is another one, or gone: what it had is sent again. */
void outbox_forget_net(struct issuer *is);
/** MSG_EVENT_DONE of net. */
void outbox_done(struct issuer *is, const struct ipc_frame *f);
/** Record how far the receivers are; before the stop. */
void outbox_save(struct issuer *is);
/** The facts "sink NAME" of @p m, and m->text when somebody has to look. */
void outbox_facts(struct issuer *is, struct pke_arena *arena, struct msg_state *m);
/** Verbs events, events-dead, events-retry. */
bool outbox_verbs(struct issuer *is, uint64_t id, const struct msg_verb *v);

#endif
