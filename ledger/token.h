/* SPDX-License-Identifier: Apache-2.0 */
/** @file An enrollment token as the ledger tells of it, to its writer and to its readers. */
#ifndef LEDGER_TOKEN_H
#define LEDGER_TOKEN_H

#include <stdint.h>

/** An enrollment token. Its secret is never here: only SHA-256 of it is kept. Times in ms. */
struct ledger_token {
    const char *token_id; /* public handle for lists and revocation */
    const char *tenant, *principal;
    const char *enrollment_type; /* "Full", "Device" or NULL: either */
    const char *created_by;
    uint64_t uses, used;                        /* allowed; reserved or consumed */
    int64_t created_at, expires_at, revoked_at; /* revoked_at 0: not revoked */
};

#endif
