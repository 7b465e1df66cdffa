/* SPDX-License-Identifier: Apache-2.0 */
/** @file A device as the ledger tells of it, to its writer and to its readers. Functions: ledger.h, read.h.
 */
#ifndef LEDGER_DEVICE_H
#define LEDGER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/** One PROVIDER-ID's enrollment of one device. Times in ms, 0: never or not. */
struct ledger_device {
    const char *tenant, *provider, *device_id; /* provider "": recorded before providers were */
    const char *principal, *user_id; /* the owner; both NULL: none, it was released or never enrolled */
    const char *enrollment_type, *ent_dmid, *device_name, *hwdev_id;
    const char *blocked_by;
    int64_t first_at,
        last_at; /* first and newest issuance; 0: its first is on the way, or it is only blocked */
    int64_t blocked_at, released_at;       /* released_at goes back to 0 with the next enrollment */
    int64_t recovery_until, renewal_until; /* one recovery, one renewal is allowed until then */
    bool live_template; /* live with a certificate of the template asked for; ledger_find_device() only */
    bool live;          /* has a certificate, or one on its way, that is not expired, revoked or superseded */
};

/** What an operator does to a device. */
enum ledger_device_change {
    LEDGER_DEVICE_BLOCK,          /* of one that was never enrolled, too, if the provider is named */
    LEDGER_DEVICE_UNBLOCK,        /* one that was never enrolled is forgotten */
    LEDGER_DEVICE_RELEASE,        /* the owner is forgotten, every certificate released and superseded */
    LEDGER_DEVICE_ALLOW_RECOVERY, /* once, until a time; a time of 0 takes it back */
    LEDGER_DEVICE_ALLOW_RENEWAL
};

#endif
