/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Signed HTTP calls to programs of the administrator: the authoriser that is asked, the sink that gets
 * events. One POST and one bounded answer; libcurl on net's event loop, names are resolved in a thread of
 * libcurl, so nothing here blocks but callout_target_new().
 *
 * What is sent carries
 *     X-Pkienroll-Id: ID
 *     X-Pkienroll-Timestamp: SECONDS
 *     X-Pkienroll-Signature: v1=HEX      (with a secret only)
 * HEX = HMAC-SHA256(secret, "pkienroll-" purpose "-v1\n" ID "\n" SECONDS "\n" body). doc/authoriser.md
 *
 * Each attempt has a connection of its own, so that no answer can be taken for that of another question.
 *
 * Never: a redirect that is followed, a proxy or credentials of the environment, another protocol than http
 * and https, http over a network, TLS below 1.2 or without verification, a body in a log.
 */
#ifndef DAEMON_NET_CALLOUT_H
#define DAEMON_NET_CALLOUT_H

#include <event2/event.h>

#include "base/bytes.h"
#include "base/list.h"

#define CALLOUT_ANSWER_MAX (64u << 10) /* body of an answer; a longer one is a failure */
#define CALLOUT_HEADER_MAX (16u << 10) /* all header fields of an answer */

struct callouts;       /* the event loop and what is counted; one per process */
struct callout_target; /* one destination with its queue and its secrets; counted */
struct callout;        /* one call under way */

/** Where to, from the configuration. Borrowed for callout_target_new() only. */
struct callout_target_conf {
    const char *section, *name;   /* "authorisers", "mdm": names in the log, labels of what is counted */
    const char *url;              /* https://..., or with unix_path also http://... */
    const char *unix_path;        /* unix socket to connect to instead of the URL's host; NULL: none */
    struct pke_strings peer_uids; /* users or numeric uids who may listen there; empty: not looked at */
    const char *tls_ca;           /* PEM: the only trust anchors; NULL: those of the system */
    const char *tls_certificate;  /* PEM with its chain, and its key: what we show; NULL: nothing */
    const char *tls_key;
    const char *secret_file; /* HMAC key of what is sent, 16..255 bytes; NULL: not signed */
    int64_t timeout_ms;      /* of one call, queue and second attempt included */
    size_t max_in_flight;    /* at a time; others wait as long as their deadline and the pace allow */
};

struct callout_request {
    struct callout_target *target;
    const char *purpose;   /* "question", "event": of the signature, see above */
    const char *id;        /* X-Pkienroll-Id: a trace id, an event id; no control characters */
    struct pke_bytes body; /* copied; wiped when the call ends */
    const char *type;      /* Content-Type; NULL: application/json */
    uint64_t deadline;     /* CLOCK_MONOTONIC ms; the target's timeout may end the call earlier */
};

/** An HTTP answer, whatever its status. Borrowed for the call. */
struct callout_answer {
    unsigned status; /* 200..599; a redirect is one like any other */
    struct pke_bytes body;
    const char *type;       /* Content-Type without parameters, lower case; "" when absent */
    const char *signature;  /* X-Pkienroll-Signature; NULL: absent. Not verified here */
    uint64_t retry_after_s; /* Retry-After in seconds; 0: none, or a date */
    bool peer_checked;      /* unix socket of one of peer_uids: the kernel's word for who answers */
};

/**
 * The end of a call: an answer, or NULL and why there is none (all of them of class PKE_BUSY or PKE_DEADLINE:
 * nobody was refused). Reasons:
 *   callout-late       PKE_DEADLINE: no whole answer in time
 *   callout-queue      PKE_BUSY: so many are waiting that this one would be late
 *   callout-down       no connection, or it broke (after the second attempt)
 *   callout-tls        the server's certificate or the handshake was not acceptable
 *   callout-peer       somebody else than peer_uids listens on the unix socket; nothing was sent
 *   callout-too-long   more than CALLOUT_ANSWER_MAX or CALLOUT_HEADER_MAX
 *   callout-malformed  not HTTP, or the signature header more than once
 * Called exactly once unless cancelled, never inside callout_start(). It may start other calls.
 */
typedef void callout_done_fn(const struct callout_answer *answer, const struct pke_fail *fail, void *arg);

/** For the life of the process. */
struct callouts *callouts_new(struct event_base *base);

/** When no target is left. Accepts NULL. */
void callouts_free(struct callouts *c);

/**
 * Read secret, certificates and user names; what is read here counts until the last call with it ended.
 * Blocks on disk: called while a configuration is prepared. Nothing is connected.
 * @return PKE_OK and *ret (one owner), or PKE_CONFIG naming what cannot be used.
 */
enum pke_err callout_target_new(struct callouts *c, const struct callout_target_conf *conf,
                                struct callout_target **ret, struct pke_fail *fail);
struct callout_target *callout_target_ref(struct callout_target *t);
void callout_target_unref(struct callout_target *t); /* accepts NULL; calls under way own it too */

/**
 * Send. Never blocks. A connection that cannot be made or breaks without an answer, and the statuses 502, 503
 * and 504, are tried a second time on a new connection while the deadline allows: the receiver may see a
 * request twice and knows it by its id.
 * @return the call, or NULL with *fail of reason callout-queue or callout-late (@p done is not called then).
 */
struct callout *callout_start(struct callouts *c, const struct callout_request *req, callout_done_fn *done,
                              void *arg, struct pke_fail *fail);

/** Nobody waits any more: the connection is closed, @p done is not called. Accepts NULL. Not from within the
 * call's own @p done. */
void callout_cancel(struct callout *call);

/** How the calls to one target ended since the process started, over reloads. */
struct callout_counts {
    const char *section, *name;
    uint64_t answered, refused_status, late, queue, down, tls, peer, too_long, malformed; /* by end */
    uint64_t retries;
    uint64_t in_flight, waiting; /* now */
    uint64_t sum_ms, max_ms;     /* of the ended ones, whatever their end, but for those of `queue` */
};

/** Every target that there ever was, in the order in which they came; a reload changes no number. */
typedef void callout_counts_fn(const struct callout_counts *counts, void *arg);
void callouts_each(const struct callouts *c, callout_counts_fn *fn, void *arg);

/** All of it as the fact "callouts", a JSON object: section -> name -> counts. No fact without a target. */
void callouts_facts(const struct callouts *c, struct pke_arena *arena, struct pke_pairs *out);

#endif
