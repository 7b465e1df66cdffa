/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The durable record: requests, certificates, serials, audit. Written by the issuer role alone; every call
 * blocks on disk. SQLite, WAL and synchronous=FULL, asserted at open. Read-only access is ledger/read.h.
 *
 * Life of a request:  intent (serial and TBS durable before the key is touched) -> issued | failed |
 * abandoned; or refused, which never has a serial. Changes happen between ledger_begin() and ledger_commit();
 * only after the commit may anything be acknowledged. Each change is atomic by itself (savepoint): one that
 * fails leaves the others of the group untouched.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"

#define LEDGER_SCHEMA   1
#define LEDGER_KEY_SIZE 32

struct ledger;

/**
 * Open or create. Refused: a newer schema, pragmas that did not take effect, a failed quick_check, a file
 * system where WAL does not work.
 * @return PKE_OK and *ret (ledger_close), or PKE_STORE_DOWN / PKE_CONFIG.
 */
enum pke_err ledger_open(const char *path, struct ledger **ret, struct pke_fail *fail);
void ledger_close(struct ledger *l); /* rolls back an open group; accepts NULL */

enum pke_err ledger_begin(struct ledger *l, struct pke_fail *fail);
enum pke_err ledger_commit(struct ledger *l, struct pke_fail *fail); /* durable when it returns PKE_OK */
void ledger_rollback(struct ledger *l);

/** Who asked for what; common to intents and refusals. Times are milliseconds since 1970 UTC. */
struct ledger_request {
    const char *request_id; /* the attempt id (TraceId), UUID */
    const char *tenant, *principal, *credential, *endpoint, *template_name, *operation, *stage;
    const char *device_id, *enrollment_type, *device_name, *hwdev_id, *source; /* may be NULL */
    struct pke_pairs context;                                                  /* ContextItems as sent */
    struct pke_bytes request; /* CSR DER; empty for refusals before it was decoded */
    int64_t at;
};

struct ledger_intent {
    struct ledger_request request;
    uint8_t idempotency_key[LEDGER_KEY_SIZE];
    struct pke_bytes issuer_id; /* SHA-1 of the issuing certificate */
    struct pke_bytes serial;
    struct pke_bytes tbs;
    struct pke_bytes spki_sha256;
    const char *subject;
    const char *ent_dmid;          /* UUID given to this device enrollment */
    int64_t not_before, not_after; /* seconds */
};

/**
 * T1: the request with its serial and TBS, and audit "intent".
 * @return PKE_OK; PKE_EXISTS when another intent or issued request holds the idempotency key's live slot;
 *         PKE_INTERNAL when the serial exists; PKE_STORE_DOWN.
 */
enum pke_err ledger_intent(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail);

/** T2: certificate, audit "issued", and the wall clock @p at. */
enum pke_err ledger_issued(struct ledger *l, const char *request_id, struct pke_bytes certificate, int64_t at,
                           struct pke_fail *fail);

/** T2 of a failure: the reason, audit "failed"; frees the idempotency slot. */
enum pke_err ledger_failed(struct ledger *l, const char *request_id, const struct pke_fail *why, int64_t at,
                           struct pke_fail *fail);

/** A refusal, with audit "refused". */
enum pke_err ledger_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail);

/** One audit row: hash-chained to the one before. @p detail is JSON text or NULL. */
enum pke_err ledger_audit(struct ledger *l, const char *event, const char *actor, const char *request_id,
                          const char *detail, int64_t at, struct pke_fail *fail);

/** Close every intent without a result as abandoned, audited; *count of them. In a group of its own, durable.
 */
enum pke_err ledger_abandon_intents(struct ledger *l, int64_t at, unsigned *count, struct pke_fail *fail);

/** Largest wall clock (ms) ever recorded by ledger_issued or ledger_clock; 0 when none. */
enum pke_err ledger_wall_clock(struct ledger *l, int64_t *ret, struct pke_fail *fail);
enum pke_err ledger_clock(struct ledger *l, int64_t at, struct pke_fail *fail);

/** What holds an idempotency key. Strings and bytes in @p arena. */
struct ledger_hit {
    const char *request_id, *state, *ent_dmid, *subject, *serial_hex, *principal;
    struct pke_bytes certificate; /* when issued */
    int64_t issued_at;            /* ms */
};

/** Newest issued or in-flight request with this key. PKE_NOT_FOUND when there is none. */
enum pke_err ledger_find_key(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE], struct pke_arena *arena,
                             struct ledger_hit *ret, struct pke_fail *fail);

/** Device and principal of a live (unexpired at @p now s) certificate with this SPKI; PKE_NOT_FOUND. */
enum pke_err ledger_find_spki(struct ledger *l, const char *tenant, struct pke_bytes spki_sha256, int64_t now,
                              struct pke_arena *arena, const char **device_id, const char **principal,
                              struct pke_fail *fail);

/** Principal and EntDMID of the newest live certificate of this device; PKE_NOT_FOUND. */
enum pke_err ledger_find_device(struct ledger *l, const char *tenant, const char *device_id, int64_t now,
                                struct pke_arena *arena, const char **principal, const char **ent_dmid,
                                struct pke_fail *fail);

/** True after an error that must end the process (I/O error on sync, corruption): stop issuing, exit 74. */
bool ledger_broken(const struct ledger *l);

#endif
