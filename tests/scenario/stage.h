/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The real issuer and key roles as processes of the built daemon. The test is main, net and, with the MAC
 * key that it handed out itself, auth; towards the issuer it can also be the key role, and towards the key
 * role it is the issuer.
 */
#ifndef TESTS_SCENARIO_STAGE_H
#define TESTS_SCENARIO_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <sys/types.h>

#include "ca/cert.h"
#include "daemon/common/assertion.h"
#include "daemon/common/role.h"
#include "ledger/ledger.h"
#include "ledger/read.h"

/** What the test does as key role when it is asked for a signature. */
enum key_mode {
    KEY_SIGNS,
    KEY_SILENT,
    KEY_FAILS,
    KEY_NONSENSE,    /* a MSG_SIGNED that is no record */
    KEY_CLOSES,      /* ends its channel instead of answering */
    KEY_OTHER_BYTES, /* signs, but another certificate than it was asked for */
    KEY_OTHER_KEY,   /* signs with a key that is not the CA's */
};

struct answer {
    struct answer *next;
    uint64_t id;
    uint16_t kind;
    union {
        struct msg_issued issued;
        struct msg_failed failed;
        struct msg_prepared prepared;
        struct msg_pending pending;
        struct msg_signed sign;
        struct msg_key_state state;
    };
};

struct stage;

/** One role as main sees it. */
struct actor {
    struct stage *stage;
    pid_t pid;
    struct chan *main;
    unsigned ready, refused, states, kills;
    char state[16];
    struct pke_fail conf_fail;
    bool gone;
};

struct stage {
    char dir[64];
    struct event_base *base;
    struct pke_arena *arena;
    uint8_t assertion_key[ASSERTION_KEY_SIZE];
    EVP_PKEY *ca_key;                          /* NULL: inside the token */
    const char *softhsm;                       /* module; NULL: a PEM file */
    const char *extra;                         /* more lines of configuration */
    const char *issuer_extra, *template_extra; /* more options of the issuer and of the template */
    const char *allow;                         /* whom the template allows */
    const char *key_deadline;                  /* time for one signature: long, unless a test lets it pass */
    const char *crl_lifetime; /* NULL: no CRLs, so that the key is asked for certificates alone */
    struct actor issuer, key;
    uint64_t next_id;
    struct answer *answers;
    /* as net */
    struct chan *net;
    unsigned catalogues;
    struct pke_bytes generation;
    /* as the key role, towards the issuer; or as the issuer, towards the key role */
    struct chan *keyside;
    enum key_mode key_mode;
    unsigned signs;
    uint64_t sign_id;
    struct msg_sign sign;
};

/** Folder, CA, event loop. @p softhsm: module path, or NULL for a CA key in a file. */
struct stage *stage_new(const char *softhsm);
/** Another CA in its file, with nameConstraints as OpenSSL's configuration writes them. */
void stage_new_ca(struct stage *s, const char *constraints);
/** Stop what runs (each must exit 0, leaving an audit chain that verifies) and remove the folder. */
void stage_free(struct stage *s);
/** Path of SoftHSM's module when it and its tool are installed, else NULL. */
const char *stage_softhsm(void);

/** Start the issuer, configure it, be its net. */
void stage_issuer(struct stage *s);
/** Start the key role and configure it; wait until it told its state. */
void stage_key(struct stage *s);
/** PREPARE and SWITCH with s->extra. False: refused, why is in conf_fail. */
bool stage_configure(struct actor *a);
/** Give the issuer a new channel to net. */
void stage_link_net(struct stage *s);
/** The test is the issuer's key role, and ready. */
void stage_play_key(struct stage *s);
/** As key role: sign what was asked last (KEY_SILENT kept it waiting). */
void stage_sign_now(struct stage *s);
/** The test is the issuer of the key role. */
void stage_play_issuer(struct stage *s);
/** The issuer and the key role have each other. */
void stage_link_roles(struct stage *s);
/** Ask the issuer as its control role, and wait for the reply, whatever it is. */
void stage_verb(struct stage *s, const struct msg_verb *verb);
/** SIGKILL, and reap. */
void stage_kill(struct actor *a);

void stage_pump(struct stage *s);
/** Pump until @p value appears in @p counter; fails after some seconds. */
void stage_wait(struct stage *s, const unsigned *counter, unsigned value);
/** Pump until the answer of frame @p id is here. */
const struct answer *stage_answer(struct stage *s, uint64_t id);
/** The answer if it is here. */
const struct answer *stage_peek(const struct stage *s, uint64_t id);
/** Pump until the issuer has dealt with all that was sent to it so far (a refusal's acknowledgement). */
void stage_settle(struct stage *s);

/** A certificate request: a fresh EC key, DER. */
struct pke_bytes stage_csr(struct stage *s);

/** What net sends. stage_ask() fills in a valid request, a test bends it. */
struct ask {
    struct msg_prepare msg;
    struct assertion who; /* written into msg.assertion unless that is set already */
    struct pke_bytes mac_key;
    const char *device, *type;
};
struct ask stage_ask(struct stage *s, struct pke_bytes csr);
/** Send it under a new frame id, which is returned. */
uint64_t stage_send(struct stage *s, struct ask *ask);
/** COMMIT; @p decision is what an authoriser would have said. */
uint64_t stage_commit(struct stage *s, uint64_t prep_id, struct pke_bytes decision);
/** Send a TBS to the key role. */
uint64_t stage_sign(struct stage *s, const char *kind, struct pke_bytes tbs);

/** It must be an issued certificate that verifies with the CA, of this CSR's key. */
void stage_must_be_issued(struct stage *s, const struct answer *a, struct pke_bytes csr);
/** It must be a refusal of this class and reason. */
void stage_must_fail(const struct answer *a, enum pke_err err, const char *reason);

/** The ledger's row of a TraceId; state NULL when there is none. */
struct ledger_row stage_row(struct stage *s, const char *trace_id);
struct ledger_counts stage_counts(struct stage *s);
/** Rows of the audit with this event. */
unsigned stage_audited(struct stage *s, const char *event);

/** A new random UUID. */
const char *stage_uuid(struct stage *s);
/** The CA as the library sees it; ca_issuer_free(). */
struct ca_issuer *stage_ca(struct stage *s);

#endif
