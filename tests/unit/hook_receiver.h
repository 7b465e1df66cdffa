/* SPDX-License-Identifier: Apache-2.0 */
/** @file tests/lib/hookserver.py in a process of its own: whom the daemon's calls go to. */
#ifndef TESTS_UNIT_HOOK_RECEIVER_H
#define TESTS_UNIT_HOOK_RECEIVER_H

#include <stdio.h>
#include <sys/types.h>

struct receiver {
    pid_t pid;
    FILE *to, *from;
    char *folder;  /* hook.sock, question.secret, answer.secret; of TLS ca.pem, client.pem, ... */
    char url[256]; /* without its path */
};

/** @p kind: "unix", "https", "mtls". The last part of a request's path says how it is answered. */
void receiver_start(struct receiver *r, const char *kind);
void receiver_stop(struct receiver *r);

/** Requests with a good signature, others, and connections so far. */
void receiver_counts(struct receiver *r, unsigned *requests, unsigned *bad, unsigned *connections);

#endif
