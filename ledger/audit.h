/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The audit chain: hash = SHA-256 over the length-prefixed fields of the row and the hash before. Private to
 * ledger/; doc/ledger.md has the byte layout for independent verifiers.
 */
#ifndef LEDGER_AUDIT_H
#define LEDGER_AUDIT_H

#include "ledger/writer.h"

struct audit_row {
    int64_t seq, at;
    const char *event, *actor, *request_id, *detail; /* but event may be NULL */
    struct pke_bytes serial;
    struct pke_bytes digest; /* SHA-256: of the TBS for "intent", of the certificate for "issued" */
    const char *tenant;      /* written into detail; NULL: nobody's, or detail has it */
};

void audit_hash(const struct audit_row *row, struct pke_bytes prev, uint8_t ret[STORE_DIGEST]);

/** Append inside a change; @p row->seq is set here. */
enum pke_err audit_append(struct ledger *l, struct audit_row *row, struct pke_fail *fail);

/** Append with row->tenant as its only detail. */
enum pke_err audit_append_tenant(struct ledger *l, struct audit_row *row, struct pke_fail *fail);

/** Append with @p detail as its text: "{" and what audit_json() added; row->tenant and "}" are added here. */
enum pke_err audit_append_detail(struct ledger *l, struct audit_row *row, struct pke_buf *detail,
                                 struct pke_fail *fail);

/** Append with why as detail, behind @p number when it is not NULL. */
enum pke_err audit_append_why(struct ledger *l, struct audit_row *row, const char *number,
                              const struct pke_fail *why, struct pke_fail *fail);

/** Start a detail, which pke_buf_done() ends, and add a JSON string to it; a NULL value is left out. */
void audit_json_init(struct pke_buf *b);
void audit_json(struct pke_buf *b, const char *name, const char *value);

/** SHA-256 by the library that cannot fail for lack of input; anything else ends the process. */
void audit_sha256(struct pke_bytes b, uint8_t ret[STORE_DIGEST]);

#endif
