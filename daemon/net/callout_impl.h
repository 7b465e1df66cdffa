/* SPDX-License-Identifier: Apache-2.0 */
/** @file The inside of the calls to other programs: callout.c (calls), callout_target.c (destinations),
 * callout_loop.c (libcurl on the event loop). */
#ifndef DAEMON_NET_CALLOUT_IMPL_H
#define DAEMON_NET_CALLOUT_IMPL_H

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "base/secret.h"
#include "daemon/common/uids.h"
#include "daemon/net/callout.h"

/* What is counted of one name. Lives as long as the process. */
struct callout_tally {
    struct callout_tally *next;
    char *section, *name;
    struct callout_counts counts;
};

struct callouts {
    struct event_base *base;
    struct callout_tally *tallies;
};

/* One multi handle each: nothing that libcurl keeps is shared between targets. */
struct callout_target {
    unsigned refs;
    struct callouts *owner;
    struct callout_tally *tally;
    char *url, *unix_path;
    struct uids uids; /* who may listen on unix_path; none: anybody */
    struct pke_secret *secret;
    SSL_CTX *tls; /* holds anchors, certificate and key; never used for a connection itself */
    uint64_t timeout;
    size_t max_in_flight;
    uint64_t mean_ms; /* moving average of a call */

    CURLM *multi;
    struct event *timer;
    struct callout *calls; /* under way and waiting, oldest first */
    size_t in_flight, waiting;
};

struct callout {
    struct callout *next;
    struct callout_target *target;
    CURL *easy; /* NULL: waits for its turn */
    struct curl_slist *headers;
    callout_done_fn *done;
    void *arg;
    char *id, *purpose, *type;
    struct pke_buf body, answer;
    size_t header_bytes;
    int fd;
    struct event *timer; /* the deadline */
    uint64_t started, deadline;
    bool second;         /* attempt */
    struct pke_fail why; /* found in a callback of libcurl; err PKE_OK: nothing */
    char error[CURL_ERROR_SIZE];
};

/** Prepare libcurl for this process, and the loop's part of @p t. */
void callout_loop_init(void);
void callout_loop_open(struct callout_target *t);
void callout_loop_close(struct callout_target *t);

/** libcurl is through with one attempt. May end the call, and with it the target. */
void callout_attempt_ended(struct callout *call, CURLcode result);

/** Does one of t->uids listen at the other end of @p fd? Always, when they are not looked at. *fail is set
 * when it is somebody else, and left alone when nobody is there. */
bool callout_peer_known(const struct callout_target *t, int fd, struct pke_fail *fail);

/** For libcurl: put what @p t loaded into the context of a connection. */
CURLcode callout_tls_apply(CURL *easy, void *ctx, void *target);

#endif
