/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Revocation in the ledger: revoked for good, on hold, released from hold. Part of ledger.h's contract: a
 * change stands in a group of changes, is atomic by itself with its audit row, and may be acknowledged after
 * the commit. One change costs the same whatever is revoked already: a few index look-ups. Each gives its
 * certificate the next change number, by which ledger/crl.h lists them for CRLs.
 *
 *     live -> revoked                     certificateHold (6) is the hold; every other reason is final.
 *     live -> held -> revoked             A hold that becomes final keeps its date (X.509 8.5.2.2).
 *     live -> held -> live (released) -> held again, or revoked
 *
 * Times are ms since 1970 UTC unless a name says seconds.
 */
#ifndef LEDGER_REVOKE_H
#define LEDGER_REVOKE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

struct ledger;

/* RFC 5280 5.3.1. 7 is not used; removeFromCRL (8) is the business of who writes a delta. */
#define LEDGER_REASONS(X)                           \
    X(UNSPECIFIED, 0, "unspecified")                \
    X(KEY_COMPROMISE, 1, "keyCompromise")           \
    X(CA_COMPROMISE, 2, "cACompromise")             \
    X(AFFILIATION, 3, "affiliationChanged")         \
    X(SUPERSEDED, 4, "superseded")                  \
    X(CESSATION, 5, "cessationOfOperation")         \
    X(HOLD, 6, "certificateHold")                   \
    X(PRIVILEGE_WITHDRAWN, 9, "privilegeWithdrawn") \
    X(AA_COMPROMISE, 10, "aACompromise")

enum ledger_reason {
#define X(name, code, text) LEDGER_REASON_##name = (code),
    LEDGER_REASONS(X)
#undef X
};

/** Name of a reason as RFC 5280 writes it; "unspecified" for a number that is none. Static. */
const char *ledger_reason_text(int64_t reason);

/** A reason by its name, in any case, with or without hyphens ("key-compromise"). */
bool ledger_reason_parse(const char *text, enum ledger_reason *ret);

/* ---- one certificate ---- */

struct ledger_revoke {
    enum ledger_reason reason; /* LEDGER_REASON_HOLD: a hold */
    const char *by;            /* who; required */
    const char *comment;       /* NULL: none */
    int64_t at;
    bool dry_run; /* only say what would be: nothing is recorded */
};

struct ledger_revoked {
    bool changed; /* false: it was so already, and nothing was recorded */
    uint8_t issuer_id[20];
};

/**
 * Revoke the issued certificate of this SHA-256, or put it on hold; an expired one too. Audited ("revoked",
 * "held"). The same reason again changes nothing and is PKE_OK.
 * @return PKE_OK; PKE_NOT_FOUND ("not-in-ledger"); PKE_EXISTS when it is revoked for good for another reason,
 * which a hold would be too ("already-revoked"); PKE_STORE_DOWN.
 */
enum pke_err ledger_revoke(struct ledger *l, const uint8_t sha256[32], const struct ledger_revoke *how,
                           struct ledger_revoked *ret, struct pke_fail *fail);

/**
 * End the hold of a certificate (how->reason is not looked at). Audited ("hold-released"). What would have
 * superseded it meanwhile, a newer certificate of its device in use or the release of the device, does now. A
 * certificate that was released from its hold already, or never was revoked, changes nothing and is PKE_OK.
 * @return PKE_OK; PKE_NOT_FOUND ("not-in-ledger"); PKE_EXISTS when it is revoked for good
 * ("already-revoked"); PKE_STORE_DOWN.
 */
enum pke_err ledger_release_hold(struct ledger *l, const uint8_t sha256[32], const struct ledger_revoke *how,
                                 struct ledger_revoked *ret, struct pke_fail *fail);

/**
 * SHA-256 of the certificate that an operator names, as ledger_name_certificate(); and "decimal:123", a
 * serial in decimal digits. A number is never read in another way than it is written: not decimal for hex,
 * not bytes in reverse. Whatever has no certificate is told apart.
 * @return PKE_OK; PKE_NOT_FOUND ("not-in-ledger", or "never-issued": it failed, was abandoned or refused);
 * PKE_EXISTS when its request is still under way ("not-issued-yet"), or when two issuers gave out the serial
 * ("serial-ambiguous"; the text has their thumbprints).
 */
enum pke_err ledger_revoke_name(struct ledger *l, const char *tenant, const char *key, uint8_t ret[32],
                                struct pke_fail *fail);

/* ---- many certificates ---- */

enum ledger_select {
    LEDGER_SELECT_REVOCABLE, /* unexpired, live or held */
    LEDGER_SELECT_LIVE,      /* unexpired, neither revoked nor held: what a hold would change */
    LEDGER_SELECT_HELD,      /* on hold, also expired */
};

/** Which certificates: of a device, or of an identity. Superseded ones count: relying parties accept them. */
struct ledger_selection {
    enum ledger_select what;
    const char *tenant;
    const char *device_id; /* NULL: of an identity */
    const char *provider;  /* with device_id; NULL: whatever provider */
    const char *principal; /* without device_id */
    const char *user_id;   /* with principal: only certificates of this immutable id; NULL: any */
    int64_t now;           /* seconds */
};

/** Where a page ended; {0}: begin. */
struct ledger_place {
    int64_t received_at, id;
};

/** One of them. Strings in the caller's arena. */
struct ledger_selected {
    uint8_t sha256[32];
    const char *request_id, *serial_hex, *subject, *device_id, *principal;
    int64_t not_after; /* seconds */
    bool held;
    struct ledger_place place;
};

/**
 * The next of a selection behind @p after, oldest first, at most @p limit. Fewer than that: there are no
 * more. Costs what it returns, and the refused requests of the same device or principal in between.
 */
enum pke_err ledger_select(struct ledger *l, const struct ledger_selection *which,
                           const struct ledger_place *after, unsigned limit, struct pke_arena *arena,
                           struct ledger_selected *rows, size_t *n, struct pke_fail *fail);

/**
 * Does the ledger have any certificate of the device or principal, in whatever state, or one on its way to a
 * key? Provider and user id are not looked at.
 * @return PKE_OK; PKE_NOT_FOUND ("not-in-ledger").
 */
enum pke_err ledger_select_known(struct ledger *l, const struct ledger_selection *which,
                                 struct pke_fail *fail);

/** How many certificates of the selection are on their way to a key: none of them is revoked by now. */
enum pke_err ledger_select_in_flight(struct ledger *l, const struct ledger_selection *which, unsigned *n,
                                     struct pke_fail *fail);

#endif
