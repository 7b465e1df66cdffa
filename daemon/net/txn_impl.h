/* SPDX-License-Identifier: Apache-2.0 */
/** @file The inside of a transaction, shared by txn.c (running, refusing, answering) and txn_steps.c. */
#ifndef DAEMON_NET_TXN_IMPL_H
#define DAEMON_NET_TXN_IMPL_H

#include "base/encode.h"
#include "daemon/net/callout.h"
#include "daemon/net/txn.h"
#include "proto/wstep.h"
#include "proto/xcep.h"

#define TXN_TOKEN_MAX 8192      /* a JWT, as auth takes it */
#define KIND_RENEWAL  "renewal" /* the CMS is the credential; not a kind that can be enabled */

enum step_result {
    STEP_NEXT, /* go on with the next step */
    STEP_WAIT, /* txn_resume() comes later */
    STEP_FAIL, /* t->fail says why */
};

struct txn_step {
    const char *name;
    enum step_result (*run)(struct txn *t); /* NULL ends the table */
};

/** The answer to txn_ask(); MSG_FAILED included. */
typedef enum step_result txn_answer_fn(struct txn *t, const struct ipc_frame *f);

struct txn {
    struct net *net;
    struct snapshot *snap;
    struct net_endpoint *ep;
    const struct txn_step *step;
    struct pke_arena *arena;
    txn_done_fn *done; /* NULL: the client is gone */
    void *arg;

    char trace_id[PKE_UUID_LEN + 1]; /* ActivityId, CorrelationId and TraceId */
    uint64_t started, deadline;      /* CLOCK_MONOTONIC ms */
    const char *source;
    const char *request_id, *traceparent; /* of the frontend, for the log */
    bool vouched;                         /* token is the frontend's word about the client */

    struct pke_bytes input; /* the body; only until txn_start() returns */
    struct soap_request soap;
    struct wstep_request rst;
    const char *kind;      /* credential kind, as configuration names it */
    const char *principal; /* claimed, later authenticated */
    uint8_t request_hash[32];
    bool has_hash;
    struct pke_buf token;                /* a one-time token or a JWT, decoded; wiped at the end */
    struct pke_bytes client_certificate; /* of the TLS connection, DER; empty: none */
    struct msg_auth_ok auth;
    struct msg_issued issued;

    struct link_call *call; /* what we wait for, and who reads the answer */
    txn_answer_fn *answer;
    struct callout *callout; /* the authoriser is asked; NULL: it is not */
    struct pke_bytes ticket; /* auth's, while the frontend is asked about a credential */
    uint64_t prep_id;        /* what issuer holds meanwhile */
    struct event *timer;
    bool stale_retried;
    bool issuer_knows;       /* issuer saw this request itself: it keeps the record of the refusal */
    unsigned fault_status;   /* HTTP status of the fault, 0: as its class says */
    const char *folded_id;   /* TraceId of the attempt that this one was counted with; NULL: its own */
    uint64_t retry_ms;       /* of a refusal, 0: no hint */
    struct pke_fail fail;    /* err PKE_OK: answered well */
    struct pke_buf body;     /* what goes into the envelope */
    struct pke_buf envelope; /* the reply */
};

extern const struct txn_step txn_policy_steps[], txn_enroll_steps[];

/** txn_prepare.c: the request to issuer, and between PREPARE and COMMIT the question to the authoriser. */
enum step_result txn_step_prepare(struct txn *t);

/** txn_frontend.c: carry the question of MSG_AUTH_ASK to the frontend, and its answer to auth, whose own is
 * read by
 * @p answer. */
enum step_result txn_ask_frontend(struct txn *t, const struct ipc_frame *f, txn_answer_fn *answer);

/** Is this an answer by its HTTP form? What it says, and whose it is, others read. PKE_BUSY: it is none. */
enum pke_err txn_check_form(const struct callout_answer *a, struct pke_fail *fail);

/** Go on after STEP_WAIT: the waiting step is done (PKE_OK in t->fail) or refused. */
void txn_resume(struct txn *t, enum step_result result);

/** Ask another role; STEP_WAIT, or STEP_FAIL when it cannot be asked. */
enum step_result txn_ask(struct txn *t, const struct link_question *q, txn_answer_fn *answer);

/** Decode an answer that is no success into t->fail. */
enum step_result txn_read_failed(struct txn *t, const struct ipc_frame *f);

/** Wake up after @p ms instead of at the deadline: @p fn runs unless the transaction moved on. */
void txn_set_timer(struct txn *t, uint64_t ms, event_callback_fn fn);

/** The timer's usual meaning: the request's deadline. */
void txn_arm_deadline(struct txn *t);

/** Take over the snapshot in force, for a request that issuer found stale. False: its endpoint is gone. */
bool txn_adopt_snapshot(struct txn *t);

#endif
