/* SPDX-License-Identifier: Apache-2.0 */
/** @file A request that waits for the key, as the ledger tells of it. Functions: ledger.h. */
#ifndef LEDGER_TICKET_H
#define LEDGER_TICKET_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/** Times in ms. Absent: NULL, empty or 0. */
struct ledger_ticket {
    uint32_t number;                          /* RequestID: 1..4294967295, never given out twice */
    const char *request_id;                   /* of the attempt that had to wait */
    const char *state;                        /* "waiting" "issued" "denied" "abandoned" */
    const char *tenant, *principal, *user_id; /* who may ask for it */
    const char *endpoint, *operation, *enrollment_type;
    const char *upn; /* of the identity's attributes */
    int64_t waiting_at, expires_at, finished_at;
    struct pke_fail fail; /* denied: why; waiting: why it has to */
    /* issued: */
    const char *result_id, *serial_hex, *subject, *ent_dmid;
    struct pke_bytes issuer_id; /* ca_issuer_id() of the result's issuer */
    struct pke_bytes certificate;
    int64_t revoked_at, released_at; /* not 0: it must not be given out any more, */
    int64_t blocked_at;              /* nor while its device is blocked */
};

#endif
