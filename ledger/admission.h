/* SPDX-License-Identifier: Apache-2.0 */
/** @file An approval as the ledger tells of it, to its writer and to its readers. Functions: ledger.h,
 * read.h. */
#ifndef LEDGER_ADMISSION_H
#define LEDGER_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

/** One question to an operator: may this identity enroll this device with this template? Times in ms. */
struct ledger_admission {
    const char *request_id; /* of the first attempt: what an operator names it by */
    const char *state;      /* "pending" "granted" "denied" "used" "expired" */
    const char *tenant, *principal, *user_id, *provider, *device_id, *template_name;
    const char *decided_by, *used_by; /* used_by: the request that has it reserved or used */
    uint64_t attempts;
    int64_t first_at, last_at, decided_at;
    int64_t expires_at; /* granted: good until then. denied: the question is not asked again before */
    bool usable;        /* granted, and neither expired nor reserved */
};

#endif
