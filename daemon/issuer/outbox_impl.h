/* SPDX-License-Identifier: Apache-2.0 */
/** @file Private to outbox*.c. */
#ifndef DAEMON_ISSUER_OUTBOX_IMPL_H
#define DAEMON_ISSUER_OUTBOX_IMPL_H

#include <jansson.h>

#include "daemon/issuer/outbox.h"

#define SINK_WINDOW   16  /* events that are looked at beyond the first that was not taken */
#define SINK_LATE_MAX 256 /* refused ones that are tried again, before nothing else is sent */

enum entry_state { ENTRY_WAITING, ENTRY_SENT, ENTRY_DONE };

/** An event on its way to one receiver. */
struct entry {
    struct entry *next;
    int64_t seq, at;
    char *request_id; /* NULL: it is about none */
    char *body;       /* JSON; of a late one NULL until it is sent */
    enum entry_state state;
    uint64_t sent_at;  /* monotonic ms: when it was sent last; 0: not yet */
    unsigned broken;   /* how often there was no answer */
    uint64_t taken_at; /* sink.taken when it was sent first */
    bool late;         /* the following is of such ones: */
    unsigned attempts;
    int64_t next_at; /* wall ms */
    int64_t dead_at; /* given up; it leaves with the next save */
    char *error;
    bool dirty; /* differs from its row */
};

struct sink {
    struct sink *next;
    char *name;
    const struct conf_sink *conf; /* of is->setup; NULL: it is not in the configuration any more */
    int64_t position;             /* recorded: all events up to here are done with or late */
    int64_t reading;              /* looked at up to here */
    struct entry *fresh;          /* window behind position, oldest first */
    struct entry *late;           /* refused ones, oldest first */
    unsigned n_fresh, n_late, n_sent;
    uint64_t taken;   /* how many it took since the process began */
    uint64_t backoff; /* ms; 0: it takes events */
    uint64_t down_until;
    int64_t down_since; /* wall ms; 0: it is not down */
    char why[256];
    int64_t dead;
    bool open;   /* position is what the ledger has */
    bool saving; /* a batch has it: not to be freed */
};

struct listing;

struct outbox {
    struct sink *sinks;
    struct listing *listeners; /* outbox_verbs.c: calls that wait for something to happen */
    struct event *wake;
    int64_t looked;       /* newest audit row that was seen, over all receivers */
    uint64_t tell_at;     /* monotonic ms */
    char *told;           /* what status knows */
    uint64_t expiring_at; /* monotonic ms: when to look for certificates that end soon */
};

struct sink *outbox_find(struct issuer *is, const char *name);
/** Read, send. */
void outbox_run(struct issuer *is, struct sink *s);
/** @p e was refused or broke alone: it is tried again later, and no other waits for it but of its request. */
void outbox_set_late(struct sink *s, struct entry *e, const struct pke_fail *why);
void outbox_entry_free(struct entry *e);
/** Something may have happened, or it is late: answer who waits. */
void outbox_listeners(struct issuer *is);
/** A dead one was revived in the ledger. */
void outbox_revived(struct issuer *is, const char *sink);
/** As a receiver gets it; one owner. */
json_t *outbox_json(const struct issuer *is, const struct ledger_event *e);
/** Is it for the eyes of @p tenant? NULL: of everybody. What a request is about is its tenant's, by the
 * ledger; issuers are of those whose templates name them. */
bool outbox_is_for(const struct issuer *is, const struct ledger_event *e, const char *tenant);
char *outbox_id(int64_t seq);

#endif
