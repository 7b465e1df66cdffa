/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What certificate revocation lists need of the ledger: the changes of an issuer's revocations in order, and
 * numbers that are given out once, durable before the key is touched. Part of ledger/ledger.h: the same
 * writer, the same rules.
 */
#ifndef LEDGER_CRL_H
#define LEDGER_CRL_H

#include "ledger/ledger.h"
#include "ledger/revoke.h"

/** One certificate that is or was revoked. */
struct ledger_revocation {
    int64_t change; /* in the order in which they happened */
    uint8_t serial[20];
    unsigned serial_n;
    int64_t not_after;   /* seconds: of the certificate */
    int64_t revoked_at;  /* ms */
    int64_t released_at; /* ms: a hold that ended; 0: it is revoked */
    unsigned reason;     /* CRLReason */
};

/**
 * Changes of this issuer's revocations after @p after, in their order: at most @p max into @p rows, *n of
 * them. A certificate appears once, with its latest change.
 * @return PKE_OK; PKE_STORE_DOWN.
 */
enum pke_err ledger_crl_changes(struct ledger *l, struct pke_bytes issuer_id, int64_t after,
                                struct ledger_revocation *rows, size_t max, size_t *n, struct pke_fail *fail);

/** A CRL: its number and what is in it. Times in seconds. */
struct ledger_crl {
    int64_t number;
    int64_t base;   /* of a delta: the number of the full CRL that it adds to; 0: it is a full one */
    int64_t change; /* the last change that is in it */
    int64_t entries, this_update, next_update;
    bool tells_deltas;  /* a full one: it says where deltas are */
    uint8_t sha256[32]; /* of the signed CRL */
};

/**
 * Give out a number, in a group: greater than every number of this issuer in this ledger, and not smaller
 * than crl->number, which becomes it. Nothing may be signed before the commit. PKE_LIMIT: there is none left.
 */
enum pke_err ledger_crl_begin(struct ledger *l, struct pke_bytes issuer_id, struct ledger_crl *crl,
                              struct pke_fail *fail);

/** The CRL of this number was signed, audited ("crl-signed"). @p at in ms. PKE_NOT_FOUND. */
enum pke_err ledger_crl_signed(struct ledger *l, struct pke_bytes issuer_id, int64_t number,
                               const uint8_t sha256[32], int64_t at, struct pke_fail *fail);

/** The greatest number given out for this issuer, 0: none. */
enum pke_err ledger_crl_number(struct ledger *l, struct pke_bytes issuer_id, int64_t *ret,
                               struct pke_fail *fail);

/**
 * The oldest signed full CRL that is good beyond @p now (seconds), and may so be in somebody's cache; with
 * @p tells_deltas the oldest of those that say where deltas are. PKE_NOT_FOUND.
 */
enum pke_err ledger_crl_oldest(struct ledger *l, struct pke_bytes issuer_id, int64_t now, bool tells_deltas,
                               struct ledger_crl *ret, struct pke_fail *fail);

/** The newest signed CRL of this issuer, full or delta. PKE_NOT_FOUND. */
enum pke_err ledger_crl_latest(struct ledger *l, struct pke_bytes issuer_id, bool delta,
                               struct ledger_crl *ret, struct pke_fail *fail);

/**
 * What stands revoked in a published CRL that is newer than this ledger, a copy from before (a restored
 * backup), stays so: a certificate that is known here is revoked as by ledger_revoke() at @p at (ms); any
 * other is kept as it stands on the list, its change is 0.
 */
enum pke_err ledger_crl_carry(struct ledger *l, struct pke_bytes issuer_id,
                              const struct ledger_revocation *row, int64_t at, struct pke_fail *fail);

#define LEDGER_SERIAL_KEY_MAX 32

/** A serial as operators write it (ledger_name_certificate()) as octets without leading zero; their number,
 * 0: it is none. */
size_t ledger_serial_of_key(const char *key, uint8_t ret[LEDGER_SERIAL_KEY_MAX]);

/**
 * End the hold of what has this serial of this issuer (octets without leading zero): of a certificate that is
 * known here as by ledger_release_hold(); of one that ledger_crl_carry() kept, audited as that is. One that
 * is released already changes nothing and is PKE_OK.
 * @return PKE_OK; PKE_NOT_FOUND ("not-in-ledger"); PKE_EXISTS ("already-revoked"); PKE_STORE_DOWN.
 */
enum pke_err ledger_crl_release(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes serial,
                                const struct ledger_revoke *how, struct ledger_revoked *ret,
                                struct pke_fail *fail);

/**
 * What was kept so, by serial, after @p after (empty: from the first). Its change is 0; of a hold that ended
 * since, it is behind the last one of that time, whatever comes after.
 */
enum pke_err ledger_crl_carried(struct ledger *l, struct pke_bytes issuer_id, struct pke_bytes after,
                                struct ledger_revocation *rows, size_t max, size_t *n, struct pke_fail *fail);

#endif
