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
#include "ledger/admission.h"
#include "ledger/device.h"
#include "ledger/revoke.h"
#include "ledger/ticket.h"
#include "ledger/token.h"

#define LEDGER_SCHEMA   5 /* doc/ledger.md */
#define LEDGER_KEY_SIZE 32

struct ledger;

/**
 * Open or create (mode 0600); a file of an older schema is converted, all at once or not at all. One writer
 * at a time: the lock is "PATH.lock", held until ledger_close(). Refused: a second writer, a file that others
 * may read, a foreign file or newer schema, pragmas that did not take effect, a failed quick_check (reads the
 * whole file), a network file system.
 * @return PKE_OK and *ret (ledger_close), or PKE_STORE_DOWN / PKE_CONFIG.
 */
enum pke_err ledger_open(const char *path, struct ledger **ret, struct pke_fail *fail);
void ledger_close(struct ledger *l); /* rolls back an open group; accepts NULL */

/** This ledger's serial prefix, 0x01..0x7f, drawn when it was created: the node argument of ca_serial_new().
 */
uint8_t ledger_node(const struct ledger *l);

/**
 * A group of changes. ledger_commit() is durable when it returns PKE_OK; otherwise the whole group is rolled
 * back and nothing of it may be acknowledged. A full disk can cost the group at any change: later changes of
 * it and its commit are then refused with PKE_STORE_DOWN; the next ledger_begin() starts afresh.
 * ledger_rollback() without a group does nothing.
 */
enum pke_err ledger_begin(struct ledger *l, struct pke_fail *fail);
enum pke_err ledger_commit(struct ledger *l, struct pke_fail *fail);
void ledger_rollback(struct ledger *l);

/**
 * Move committed pages from the WAL to the main file without waiting for readers. Call it when idle, outside
 * a group: commits do not do it on their own, unless about 32 MiB gathered. Cheap when there is nothing to
 * move.
 */
enum pke_err ledger_checkpoint(struct ledger *l, struct pke_fail *fail);

/** Who asked for what; common to intents and refusals. Times are milliseconds since 1970 UTC. */
struct ledger_request {
    const char *request_id; /* the attempt id (TraceId), UUID */
    /* required for an intent: tenant, principal; the others may be NULL */
    const char *tenant, *principal, *credential, *endpoint, *template_name, *operation, *stage;
    const char *device_id, *enrollment_type, *device_name, *hwdev_id, *source; /* may be NULL */
    const char *user_id;         /* immutable id of the identity; NULL: it has none */
    const char *provider;        /* PROVIDER-ID of the profile that serves the request; NULL: "" */
    const char *attestation;     /* verdict, one line; NULL: not asked for */
    struct pke_pairs context;    /* ContextItems as sent */
    struct pke_pairs attributes; /* of the identity, as authenticated */
    struct pke_bytes request;    /* CSR DER; empty for refusals before it was decoded */
    const char *explanation;     /* JSON, how it was decided; NULL: not kept */
    int64_t at;
};

struct ledger_intent {
    struct ledger_request request;
    uint8_t idempotency_key[LEDGER_KEY_SIZE];
    struct pke_bytes issuer_id; /* ca_issuer_id() of the issuer */
    struct pke_bytes serial;    /* 1..20 octets, the first not zero */
    struct pke_bytes tbs;
    struct pke_bytes spki_sha256;
    const char *subject;
    const char *ent_dmid;           /* UUID given to this device enrollment */
    struct pke_pairs names;         /* all names of the certificate (base/names.h) */
    struct pke_bytes renews_sha256; /* SHA-256 of the certificate that this one renews; empty: none */
    const char *token_id;           /* the enrollment token that this request uses up; NULL: none */
    const char *jti_issuer, *jti; /* the single-use token of somebody else that it uses up; jti NULL: none */
    int64_t jti_expires;          /* seconds: nobody accepts that token later */
    const char *admission_request_id; /* the admission that it uses up (ledger_admission); NULL: none */
    bool allow_superseded;            /* a superseded certificate may still be renewed (overlap) */
    bool uses_recovery, uses_renewal; /* the device's one-time permission that it uses up */
    uint32_t ticket;                  /* the waiting request that this is an attempt of; 0: none */
    int64_t not_before, not_after;    /* seconds */
};

/**
 * T1: the request with its serial and TBS, and audit "intent".
 * Asked again in the same transaction, whatever the caller had decided: a blocked device is PKE_DENIED
 * ("device-blocked"). A renewal is PKE_RENEW_INELIGIBLE when its device is blocked ("renew-blocked"), was
 * released, or the certificate is one of an earlier, released enrollment ("renew-released"), when the device
 * has an owner and it is another identity ("renew-owner"), or when the certificate is superseded and
 * @p in->allow_superseded is not set ("renew-superseded"). Otherwise the certificate to be renewed was seen
 * in use: it is confirmed as by ledger_confirm(), actor "renewal", together with the intent or not at all.
 * What it uses up (token, jti, admission, permission) is reserved with it, consumed by ledger_issued(), and
 * free again after any other end.
 * @return PKE_OK; PKE_UNAUTHENTICATED when the token has no use left, expired or was revoked, or the jti of
 * this tenant and issuer is used ("token-used" all of them); PKE_DENIED when the admission is not granted to
 * this identity, device and template, expired, or used
 * ("admission-unusable"), or the permission is not there any more ("device-permission"); PKE_RENEW_INELIGIBLE
 * when the certificate to be renewed was not issued to this tenant ("renewed-certificate") or is revoked or
 * on hold ("renew-revoked"); PKE_DENIED when @p in->ticket does not wait any more ("ticket-ended");
 * PKE_EXISTS when the same request waits for the key as a ticket that is not @p in->ticket ("ticket-waits"),
 * or when another intent holds the idempotency key's live slot (an issued request does not: whether its
 * certificate still answers is the caller's retry window, see ledger_find_key()); PKE_INTERNAL when the
 * serial or the request id exists; PKE_LIMIT; PKE_STORE_DOWN.
 */
enum pke_err ledger_intent(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail);

/**
 * T2: certificate, audit "issued", the device, and the wall clock @p at. The device gets the request's
 * identity as its owner (a user id that it has stays when the same principal comes without one); a renewal
 * keeps owner, EntDMID and HWDevID. A device recorded without a provider becomes this provider's.
 * @return PKE_OK; PKE_NOT_FOUND when there is no such intent; PKE_DENIED when the device was blocked
 * meanwhile
 * ("device-blocked") or, for a renewal, released ("device-released"), or the certificate that it renews was
 * revoked or put on hold ("renew-revoked"): nothing changes, the certificate must not be given out, and the
 * caller records ledger_failed(); PKE_INTERNAL when the certificate does not hold exactly the TBS of the
 * intent; PKE_STORE_DOWN.
 */
enum pke_err ledger_issued(struct ledger *l, const char *request_id, struct pke_bytes certificate, int64_t at,
                           struct pke_fail *fail);

/** T2 of a failure: the reason and its explanation (NULL: none), audit "failed"; frees the idempotency slot.
 * PKE_NOT_FOUND: no such intent. */
enum pke_err ledger_failed(struct ledger *l, const char *request_id, const struct pke_fail *why,
                           const char *explanation, int64_t at, struct pke_fail *fail);

/** A refusal, with audit "refused". PKE_EXISTS when the attempt was recorded already. */
enum pke_err ledger_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail);

/** One audit row in a group: hash-chained to the one before. @p detail is JSON text or NULL. */
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
    const char *request_id, *ent_dmid, *subject, *serial_hex, *principal;
    struct pke_bytes certificate;      /* when issued */
    struct pke_bytes issuer_id;        /* ca_issuer_id() of the issuer */
    int64_t issued_at;                 /* ms */
    int64_t superseded_at, revoked_at; /* ms; not 0: it must not be replayed */
    int64_t not_after;                 /* seconds */
};

/** Newest issued or in-flight request with this key. PKE_NOT_FOUND when there is none. */
enum pke_err ledger_find_key(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE], struct pke_arena *arena,
                             struct ledger_hit *ret, struct pke_fail *fail);

/**
 * Who holds this key: device, principal and user id of the newest unexpired certificate (at @p now, seconds)
 * with this SPKI, superseded ones included, issued or still an intent, so that two requests under way cannot
 * share a key. A key that was in a revoked certificate, of whatever time and tenant, is nobody's any more:
 * that one is told first, with *revoked set. PKE_NOT_FOUND: the key is free.
 */
enum pke_err ledger_find_spki(struct ledger *l, const char *tenant, struct pke_bytes spki_sha256, int64_t now,
                              struct pke_arena *arena, const char **device_id, const char **principal,
                              const char **user_id, bool *revoked, struct pke_fail *fail);

/**
 * Was this key ever in a certificate that is revoked for keyCompromise (RFC 5280 5.3.1), of whatever tenant,
 * identity, issuer and time? Asked apart from ledger_find_spki(), which tells one certificate of several.
 */
enum pke_err ledger_key_compromised(struct ledger *l, struct pke_bytes spki_sha256, bool *ret,
                                    struct pke_fail *fail);

/** An issued certificate and what was recorded with it. Absent: NULL or empty. Strings and bytes in an arena.
 */
struct ledger_certificate {
    const char *request_id, *serial_hex, *tenant, *provider, *principal, *user_id, *template_name;
    const char *device_id, *enrollment_type, *subject, *ent_dmid;
    struct pke_bytes der, issuer_id;
    struct pke_pairs attributes;   /* of the identity */
    struct pke_pairs names;        /* base/names.h; of a row older than schema 4 what it had */
    int64_t not_before, not_after; /* seconds */
    int64_t issued_at;             /* ms, as the next; 0: not */
    int64_t confirmed_at, superseded_at, revoked_at;
    int64_t released_at; /* its device was released since: it is not renewed, whatever the overlap */
};

/** The issued certificate with this SHA-256, in whatever state it is now. PKE_NOT_FOUND. */
enum pke_err ledger_find_certificate(struct ledger *l, const uint8_t sha256[32], struct pke_arena *arena,
                                     struct ledger_certificate *ret, struct pke_fail *fail);

/** How many certificates of a tenant are valid at @p now (seconds), and on how many devices. Reads all that
 * are valid: some tens of milliseconds for 100,000. */
enum pke_err ledger_count_tenant(struct ledger *l, const char *tenant, int64_t now, uint64_t *certificates,
                                 uint64_t *devices, struct pke_fail *fail);

/**
 * SHA-256 of the issued certificate that an operator names: by SHA-256 or SHA-1 thumbprint, serial or request
 * id, in this order, in hex of any case with colons or spaces; a serial also as "decimal:123". @p tenant,
 * here and wherever an operator names something: only what is this tenant's, all else is not found as if it
 * were not there; NULL: whoever's. PKE_NOT_FOUND; PKE_EXISTS when two issuers gave out the serial: the text
 * has the thumbprints.
 */
enum pke_err ledger_name_certificate(struct ledger *l, const char *tenant, const char *key, uint8_t ret[32],
                                     struct pke_fail *fail);

/**
 * A certificate was seen in use: the first time it is confirmed, and every issued certificate of the same
 * device and provider that was asked for before it is superseded. Audited once; a second time changes
 * nothing.
 * @return PKE_OK; PKE_NOT_FOUND; PKE_STORE_DOWN.
 */
enum pke_err ledger_confirm(struct ledger *l, const uint8_t sha256[32], const char *actor, int64_t at,
                            struct pke_fail *fail);

/**
 * The enrollment of this device with this provider; a provider that has none gets the one recorded before
 * providers were (its provider is ""). An enrollment on its way counts: where the newest live certificate is
 * still an intent of an enrollment, the owner is who asked for it. One that was blocked before it ever
 * enrolled has no owner. @p template_name is what live_template asks about; NULL: any. @p now in seconds.
 * Device ids compare ASCII case-insensitively. PKE_NOT_FOUND.
 */
enum pke_err ledger_find_device(struct ledger *l, const char *tenant, const char *provider,
                                const char *device_id, const char *template_name, int64_t now,
                                struct pke_arena *arena, struct ledger_device *ret, struct pke_fail *fail);

/** Whose devices to count: by @p user_id where both have one, else by @p principal. */
struct ledger_owner {
    const char *tenant, *principal, *user_id;       /* user_id may be NULL */
    const char *except_provider, *except_device_id; /* one that does not count; NULL: none */
};

/** How many live devices an owner has, those on their way included. @p now in seconds. */
enum pke_err ledger_count_devices(struct ledger *l, const struct ledger_owner *owner, int64_t now,
                                  unsigned *n, struct pke_fail *fail);

/**
 * An operator's change of a device, audited. @p provider NULL: the only one that this device has; a provider
 * that has none means the one recorded before providers were. @p until (ms) is for the two permissions;
 * ledger_issued() clears the one that was used. Blocking a device that is not known with any provider records
 * it, if a provider is named.
 * @return PKE_OK; PKE_NOT_FOUND; PKE_EXISTS when it is so already ("device-blocked", "device-not-blocked",
 * "device-released") or when the device has several providers ("device-ambiguous"); PKE_STORE_DOWN.
 */
enum pke_err ledger_device_change(struct ledger *l, const char *tenant, const char *provider,
                                  const char *device_id, enum ledger_device_change change, const char *actor,
                                  int64_t until, int64_t at, struct pke_fail *fail);

/**
 * The newest admission of this identity, device and template, in whatever state; a granted one is "expired"
 * after its time. One of another user id under the same name is not found. @p req needs tenant, principal,
 * device_id and template_name, and has user_id and provider or NULL; @p now in ms. PKE_NOT_FOUND.
 */
enum pke_err ledger_admission_find(struct ledger *l, const struct ledger_request *req, int64_t now,
                                   struct pke_arena *arena, struct ledger_admission *ret,
                                   struct pke_fail *fail);

/** How many questions of this identity (by @p user_id where both have one, else by @p principal) are pending.
 */
enum pke_err ledger_admission_open(struct ledger *l, const char *tenant, const char *principal,
                                   const char *user_id, unsigned *n, struct pke_fail *fail);

/**
 * An attempt that has to wait for an operator. The first is recorded as a refused request for the reason @p
 * why; further ones, while it is pending or granted and until a denial expires, only count in its admission.
 * Audited. *ret is the admission afterwards: its request_id is the TraceId to answer with.
 */
enum pke_err ledger_admission_attempt(struct ledger *l, const struct ledger_request *req,
                                      const struct pke_fail *why, struct pke_arena *arena,
                                      struct ledger_admission *ret, struct pke_fail *fail);

/**
 * An operator's answer, audited. A grant is good for one certificate until @p expires_at (ms); a denial
 * answers further attempts until then.
 * @return PKE_OK; PKE_NOT_FOUND; PKE_EXISTS when it was decided before; PKE_STORE_DOWN.
 */
enum pke_err ledger_admission_decide(struct ledger *l, const char *tenant, const char *request_id, bool grant,
                                     const char *by, int64_t expires_at, int64_t at, struct pke_fail *fail);

/** Record a new token, audited. PKE_INTERNAL when handle or hash exist. */
enum pke_err ledger_token_add(struct ledger *l, const struct ledger_token *token, const uint8_t hash[32],
                              struct pke_fail *fail);

/** Revoke, audited. PKE_NOT_FOUND; PKE_EXISTS when it was revoked before. */
enum pke_err ledger_token_revoke(struct ledger *l, const char *tenant, const char *token_id,
                                 const char *actor, int64_t at, struct pke_fail *fail);

/** The token with this hash, also when it is used up, expired or revoked. PKE_NOT_FOUND. */
enum pke_err ledger_find_token(struct ledger *l, const uint8_t hash[32], struct pke_arena *arena,
                               struct ledger_token *ret, struct pke_fail *fail);

/**
 * Has no request under way and no certificate used this jti? Only ledger_intent() decides for good.
 * @return PKE_OK; PKE_UNAUTHENTICATED ("token-used"); PKE_STORE_DOWN.
 */
enum pke_err ledger_jti_unused(struct ledger *l, const char *tenant, const char *issuer, const char *jti,
                               struct pke_fail *fail);

/** A request that has to wait for the key: valid and allowed, and not signed now. */
struct ledger_wait {
    struct ledger_request request; /* all that is needed to decide it again */
    bool recorded;                 /* its request id stands in the ledger already, as one that failed */
    uint8_t idempotency_key[LEDGER_KEY_SIZE];
    struct pke_fail why;
    int64_t expires_at;             /* ms */
    uint64_t max, max_of_principal; /* how many may wait */
};

/**
 * Make it wait, audited ("waiting"), and give it a number of its own; of a request that waits already by its
 * key, the number that it has. PKE_BUSY ("waiting-full"); PKE_LIMIT; PKE_STORE_DOWN.
 */
enum pke_err ledger_wait(struct ledger *l, const struct ledger_wait *w, uint32_t *number,
                         struct pke_fail *fail);

/** What became of a number. PKE_NOT_FOUND ("ticket-unknown"). */
enum pke_err ledger_ticket(struct ledger *l, uint32_t number, struct pke_arena *arena,
                           struct ledger_ticket *ret, struct pke_fail *fail);

/** The ticket that waits under this key. PKE_NOT_FOUND. */
enum pke_err ledger_ticket_of_key(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE],
                                  struct pke_arena *arena, struct ledger_ticket *ret, struct pke_fail *fail);

/** The waiting ticket of the smallest number above @p after, and its endpoint; *number 0: there is none. */
enum pke_err ledger_ticket_next(struct ledger *l, uint32_t after, struct pke_arena *arena, uint32_t *number,
                                const char **endpoint, struct pke_fail *fail);

/** The request of a waiting ticket, as it was given to ledger_wait(). PKE_NOT_FOUND: it does not wait. */
enum pke_err ledger_ticket_load(struct ledger *l, uint32_t number, struct pke_arena *arena,
                                struct ledger_request *ret, uint8_t key[LEDGER_KEY_SIZE],
                                struct pke_fail *fail);

/** It waits no more and gets no certificate, audited ("waiting-denied"). PKE_NOT_FOUND: it does not wait. */
enum pke_err ledger_ticket_deny(struct ledger *l, uint32_t number, const struct pke_fail *why,
                                const char *actor, int64_t at, struct pke_fail *fail);

/** The number under which the request of this id waits. PKE_NOT_FOUND. */
enum pke_err ledger_ticket_named(struct ledger *l, const char *tenant, const char *request_id,
                                 uint32_t *number, struct pke_fail *fail);

/** Abandon the one that expired first, audited ("waiting-abandoned"); *n of them, 0 or 1. */
enum pke_err ledger_ticket_expire(struct ledger *l, int64_t now, unsigned *n, struct pke_fail *fail);

/** True after an error that must end the process (I/O error on sync, corruption): stop issuing, exit 74. */
bool ledger_broken(const struct ledger *l);

#endif
