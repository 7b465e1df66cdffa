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

struct ledger_reader;

/** PKE_OK and *ret, or PKE_STORE_DOWN (file not there yet, wrong schema). */
enum pke_err ledger_reader_open(const char *path, struct ledger_reader **ret, struct pke_fail *fail);
void ledger_reader_close(struct ledger_reader *r); /* accepts NULL */

/** One request, joined with its certificate. Strings in the caller's arena; absent = NULL or empty. */
struct ledger_row {
    const char *request_id, *state; /* "intent" "issued" "failed" "abandoned" "refused" */
    const char *tenant, *principal, *credential, *endpoint, *template_name, *operation, *stage;
    const char *device_id, *enrollment_type, *device_name, *hwdev_id, *source, *ent_dmid;
    struct pke_pairs context;
    struct pke_fail fail;                     /* err PKE_OK unless failed or refused */
    int64_t received_at, finished_at;         /* ms, 0 = not yet */
    const char *serial, *subject, *issuer_id; /* hex serial and hex SHA-1 of the issuer */
    const char *sha1, *sha256;                /* hex thumbprints */
    const char *spki_sha256;
    int64_t not_before, not_after; /* seconds */
    struct pke_bytes certificate, request;
};

struct ledger_filter {
    const char *state, *principal, *device_id, *template_name; /* NULL: any */
    bool certificates_only;                                    /* only rows with a certificate */
};

/**
 * Newest first. @p cursor is NULL or what *next gave; *next is NULL at the end. At most @p limit rows
 * (1..500). certificate and request bytes are left out of listings.
 */
enum pke_err ledger_list(struct ledger_reader *r, const struct ledger_filter *filter, const char *cursor,
                         unsigned limit, struct pke_arena *arena, struct ledger_row **rows, size_t *n,
                         const char **next, struct pke_fail *fail);

/** By request id (TraceId). PKE_NOT_FOUND. */
enum pke_err ledger_request_show(struct ledger_reader *r, const char *request_id, struct pke_arena *arena,
                                 struct ledger_row *ret, struct pke_fail *fail);

/**
 * By serial (hex), SHA-1 or SHA-256 thumbprint (hex, any case, colons and spaces ignored), device id or
 * request id. A device gives its newest certificate. PKE_NOT_FOUND.
 */
enum pke_err ledger_cert_show(struct ledger_reader *r, const char *key, struct pke_arena *arena,
                              struct ledger_row *ret, struct pke_fail *fail);

/** Counts for status: requests by state. */
struct ledger_counts {
    uint64_t issued, intent, failed, refused, abandoned, audit;
};
enum pke_err ledger_counts(struct ledger_reader *r, struct ledger_counts *ret, struct pke_fail *fail);

#endif
