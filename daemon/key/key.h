/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Inside the key role: its state and the functions its files give each other. One process, one instance of
 * one CA key, one thing at a time; every call into the device blocks.
 */
#ifndef DAEMON_KEY_KEY_H
#define DAEMON_KEY_KEY_H

#include "daemon/common/role.h"
#include "daemon/key/setup.h"
#include "keystore/keystore.h"

/** Why a signature was not made: the classes of keystore.h, and what never reached the device. */
enum key_failure { KEY_FAILURE_REFUSED = KS_INTEGRITY + 1, KEY_FAILURE_LATE, KEY_FAILURE__MAX };

/** Since the process began. */
struct key_totals {
    uint64_t signatures, failures, recoveries, health_checks;
    uint64_t failed[KEY_FAILURE__MAX]; /* by enum ks_class or key_failure; a recovered one counts, too */
    uint64_t last_micros, ewma_micros, max_micros, sum_micros;
    uint64_t buckets[MSG_KEY_BUCKETS]; /* of msg_key_bounds; each signature in one of them */
    uint64_t good_at;                  /* wall ms of the last signature that verified */
};

struct key_role {
    struct role *role;
    struct key_setup *setup;
    struct ks_key *key; /* NULL: not open */
    struct chan *issuer;
    const char *state; /* of msg_key_state */
    uint64_t since;    /* wall ms: in this state */
    struct ks_error now, last;
    uint64_t last_at; /* wall ms of last */
    struct key_totals n;
    struct event *reopen, *health, *keep_alive, *settle;
    uint64_t reopen_ms;  /* back-off */
    uint64_t used_at;    /* monotonic ms of the last call into the device */
    int64_t crl_number;  /* the greatest CRL number that was let through, of the CA with the next key */
    uint8_t crl_key[32]; /* SHA-256 of its SubjectPublicKeyInfo */
    bool untold;         /* issuer does not know the last numbers */
};

/* ---- state.c: what the key is, and how it becomes something else */

/** Tell main and issuer. */
void state_tell(struct key_role *k);
/** Tell issuer alone: the state is what it was. */
void state_tell_numbers(struct key_role *k);
/** Fill the message; lists and texts are in @p arena. */
void state_message(const struct key_role *k, struct pke_arena *arena, struct msg_key_state *m);
bool state_is(const struct key_role *k, const char *state);
/** Close what is open and open the key: one login, unless the secret is latched or the key is paused. */
void state_open(struct key_role *k);
/** One climb of the ladder. 0 or -1; a refused secret is latched then. */
int state_recover(struct key_role *k, const struct ks_error *why, struct ks_error *e);
/** Where an error leads: back-off, a slow look, or an operator. */
void state_failed(struct key_role *k, const struct ks_error *e);
/** Read secret and certificate again, forget the latch, open once. PKE_OK when it was tried: the state says
 * the rest. */
enum pke_err state_unlock(struct key_role *k, struct pke_fail *fail);
/** No signature until state_resume(), of this process or another. PKE_STORE_DOWN: only of this one. */
enum pke_err state_pause(struct key_role *k, struct pke_fail *fail);
/** PKE_STORE_DOWN: it cannot be written down, and the key stays paused. */
enum pke_err state_resume(struct key_role *k, struct pke_fail *fail);
/** Take a configuration into force. */
void state_switch(struct key_role *k, struct key_setup *setup);

/* ---- sign.c */

/** Sign with the ladder below: one climb, one more try. The caller decides what an error does to the state.
 */
int sign_message(struct key_role *k, struct pke_bytes message, struct pke_buf *out, struct ks_error *e);
/** MSG_SIGN. */
void sign_frame(struct key_role *k, struct chan *c, const struct ipc_frame *f);

/* ---- health.c: what happens while nobody asks for anything */

void key_health_start(struct key_role *k, struct event_base *base);
/** The key has just become ready, or a configuration has changed the intervals. */
void key_health_arm(struct key_role *k);
/** The device was used: it is given back when it rests. */
void key_health_used(struct key_role *k);
/** Something is to be told soon. */
void key_health_settle(struct key_role *k);
/** A signature over a text that is no certificate, made and verified now; its result is the key's state. */
void key_health_check(struct key_role *k);

/* ---- guard.c */

/* After the key's deadline: by then issuer has had this process ended, and a backend that keeps deadlines
 * itself has told of it. */
#define GUARD_GRACE_MS 5000

/** From here a call that does not return within @p ms ends the process (main starts another). */
void guard_begin(uint64_t ms);
void guard_end(void);

#endif
