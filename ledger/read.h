/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Read-only view of the ledger for the control role: its own connection, opened query-only; look-ups and
 * paged listings. Blocks on disk for microseconds (indexed). Never creates the file.
 */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"
#include "ledger/admission.h"
#include "ledger/device.h"
#include "ledger/revoke.h"
#include "ledger/token.h"

struct ledger_reader;

/**
 * PKE_OK and *ret, or PKE_STORE_DOWN (file not there yet) / PKE_CONFIG (not a ledger, other schema). Runs
 * under the writer's uid: WAL readers share its "-shm" file. Sees whole commits only, and never makes the
 * writer wait.
 */
enum pke_err ledger_reader_open(const char *path, struct ledger_reader **ret, struct pke_fail *fail);
void ledger_reader_close(struct ledger_reader *r); /* accepts NULL */

/** What became of a request that had to wait for an operator (ledger/admission.h). */
struct ledger_approval {
    const char *state; /* as stored; NULL: nobody was asked */
    const char *decided_by, *used_by;
    uint64_t attempts;
    int64_t last_at, decided_at, expires_at; /* ms */
};

/** What became of a request that had to wait for the key (ledger/ticket.h). */
struct ledger_waiting {
    uint64_t number;                             /* 0: it did not have to wait */
    const char *state;                           /* "waiting" "issued" "denied" "abandoned" */
    const char *reason;                          /* denied, abandoned: why */
    const char *result;                          /* issued: the request id of the attempt that was signed */
    int64_t waiting_at, expires_at, finished_at; /* ms */
};

/** A certificate that is or was revoked (ledger/revoke.h). */
struct ledger_row_revocation {
    const char *reason; /* RFC 5280 5.3.1; NULL: it never was */
    bool is_hold;
    const char *by, *comment;
    int64_t at, released_at; /* ms; released_at: its hold ended */
    const char *released_by;
};

/** One request, joined with its certificate. Strings in the caller's arena; absent = NULL or empty. */
struct ledger_row {
    const char *request_id, *state; /* "intent" "issued" "failed" "abandoned" "refused" */
    const char *tenant, *principal, *credential, *endpoint, *template_name, *operation, *stage;
    const char *device_id, *enrollment_type, *device_name, *hwdev_id, *source, *ent_dmid;
    const char *user_id, *provider, *attestation;
    const char *renewed_from; /* request id of the certificate's predecessor */
    struct pke_pairs context, attributes;
    struct pke_pairs names;                   /* of the certificate: base/names.h */
    struct pke_fail fail;                     /* err PKE_OK unless failed or refused */
    int64_t received_at, finished_at;         /* ms, 0 = not yet */
    const char *serial, *subject, *issuer_id; /* hex serial and hex ca_issuer_id() */
    const char *sha1, *sha256;                /* hex thumbprints */
    const char *spki_sha256;
    int64_t not_before, not_after;                   /* seconds */
    int64_t confirmed_at, superseded_at, revoked_at; /* ms, 0 = not */
    struct ledger_approval approval;
    struct ledger_waiting waiting;
    struct ledger_row_revocation revocation;
    struct pke_bytes certificate, request;
    const char *explanation; /* JSON array; NULL: none, or a listing */
};

/**
 * What an issued certificate is at @p now (seconds): "revoked", "held", "superseded", "expired", "active"
 * (its use was seen) or "unconfirmed", the first that holds. Static text.
 */
const char *ledger_life(const struct ledger_row *row, int64_t now);

struct ledger_filter {
    const char *state; /* of the request, of its approval ("pending"), "waiting" for the key, or of a
                          certificate's life; NULL: any */
    const char *tenant, *principal, *device_id,
        *template_name;     /* NULL: any; ids without regard to ASCII case */
    bool certificates_only; /* only rows with a certificate; only these have a life */
    int64_t now;            /* seconds; for a state of a life */
};

/**
 * Newest first; @p filter may be NULL. @p cursor is NULL or what *next gave (opaque, URL-safe); *next is NULL
 * at the end. At most @p limit rows (1..500). certificate and request bytes are left out of listings. Rows
 * that arrive while a client pages come before its cursor: nothing is shown twice or skipped.
 * @return PKE_OK; PKE_MALFORMED (cursor, limit, unknown state); PKE_STORE_DOWN.
 */
enum pke_err ledger_list(struct ledger_reader *r, const struct ledger_filter *filter, const char *cursor,
                         unsigned limit, struct pke_arena *arena, struct ledger_row **rows, size_t *n,
                         const char **next, struct pke_fail *fail);

/** By request id (TraceId). @p tenant, here and below: what is another's is not found; NULL: whoever's.
 * PKE_NOT_FOUND. */
enum pke_err ledger_request_show(struct ledger_reader *r, const char *tenant, const char *request_id,
                                 struct pke_arena *arena, struct ledger_row *ret, struct pke_fail *fail);

/**
 * One issued certificate by what people have at hand. Tried in this order, the first that is found wins:
 *  1. SHA-256 thumbprint, 64 hex digits      3. serial, 1..40 hex digits, leading zeros tolerated
 *  2. SHA-1 thumbprint, 40 hex digits           or "decimal:" and decimal digits
 *  4. device id        5. request id
 * Hex is any case; colons and spaces in it are ignored. A device, and a serial that two issuers gave out,
 * yield the newest certificate. PKE_NOT_FOUND.
 */
enum pke_err ledger_cert_show(struct ledger_reader *r, const char *tenant, const char *key,
                              struct pke_arena *arena, struct ledger_row *ret, struct pke_fail *fail);

/** Enrollment tokens, newest first, paged as ledger_list(). @p principal NULL: any. */
enum pke_err ledger_token_list(struct ledger_reader *r, const char *tenant, const char *principal,
                               const char *cursor, unsigned limit, struct pke_arena *arena,
                               struct ledger_token **rows, size_t *n, const char **next,
                               struct pke_fail *fail);

/** What a device is at a time: "blocked", "released", "live" or "expired", the first that holds. Static text.
 */
const char *ledger_device_state(const struct ledger_device *device);

struct ledger_device_filter {
    const char *tenant, *principal, *state; /* NULL: any */
    int64_t now;                            /* seconds: what is live */
};

/** Devices, the newest first, paged as ledger_list(). PKE_MALFORMED also for an unknown state. */
enum pke_err ledger_device_list(struct ledger_reader *r, const struct ledger_device_filter *filter,
                                const char *cursor, unsigned limit, struct pke_arena *arena,
                                struct ledger_device **rows, size_t *n, const char **next,
                                struct pke_fail *fail);

/**
 * One device; @p tenant and @p provider NULL: the only one of this id. @p now in seconds. PKE_NOT_FOUND;
 * PKE_EXISTS when there are several ("device-ambiguous").
 */
enum pke_err ledger_device_show(struct ledger_reader *r, const char *tenant, const char *provider,
                                const char *device_id, int64_t now, struct pke_arena *arena,
                                struct ledger_device *ret, struct pke_fail *fail);

/** Counts for status: requests by state; certificates that are revoked for good, and those on hold. */
struct ledger_counts {
    uint64_t issued, intent, failed, refused, abandoned, audit, revoked, held;
};
enum pke_err ledger_counts(struct ledger_reader *r, struct ledger_counts *ret, struct pke_fail *fail);

/** Verdict of ledger_audit_verify(). */
struct ledger_verdict {
    uint64_t rows; /* audit rows that are as they were written */
    uint64_t
        first_bad; /* sequence number of the first that is changed, missing or misplaced; 0: none of them */
    const char *problem; /* static text; NULL: all is well */
    uint64_t head_seq;   /* newest row and its hash: the anchor to keep elsewhere */
    char head_hash[65];
    uint64_t certificates; /* issued certificates whose bytes match their audit row */
};

/**
 * Walk the whole audit chain, and compare every certificate with the row that recorded its issuance. Blocks:
 * a few seconds per million rows. A rewrite of everything by whoever may write the file shows only against an
 * earlier head_seq/head_hash kept elsewhere.
 * @return PKE_OK when the walk was done (the finding is in *ret), PKE_STORE_DOWN.
 */
enum pke_err ledger_audit_verify(struct ledger_reader *r, struct ledger_verdict *ret, struct pke_fail *fail);

#endif
