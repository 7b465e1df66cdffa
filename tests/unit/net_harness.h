/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The real net role in a process of its own. The test is main, auth and issuer at the other ends of its
 * channels, and the client.
 */
#ifndef TESTS_UNIT_NET_HARNESS_H
#define TESTS_UNIT_NET_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/types.h>

#include "daemon/common/role.h"

enum peer_mode {
    PEER_ANSWERS,
    PEER_REFUSES, /* with harness.refusal */
    PEER_STALE_ONCE,
    PEER_SILENT,
    PEER_ASKS, /* issuer: wants the authoriser's answer first */
    PEER_DIES, /* closes its channel instead of answering */
};

struct harness {
    pid_t pid;
    struct event_base *base;
    struct chan *main, *auth, *issuer;
    char dir[64];
    struct pke_arena *arena;
    struct pke_pairs facts; /* of the newest MSG_STATE */
    unsigned states, ready, refused;
    struct pke_fail conf_fail;

    const char *credentials; /* of both endpoints, at the next configuration */
    enum peer_mode auth_mode, issuer_mode;
    struct pke_fail refusal;
    struct msg_auth auth_seen;
    struct msg_token token_seen;
    struct msg_prepare prepare_seen;
    struct msg_commit commit_seen;
    struct msg_refusal refusal_seen;
    const char *template_more; /* more options of the template, at the next configuration; NULL: none */
    const char *question;      /* PEER_ASKS */
    unsigned auths, tokens, prepares, commits, refusals;
    bool ack_refusals;
    bool main_gone;
};

/** Start the role, hand it the configuration, channels and catalogue, wait until it serves. */
struct harness *harness_start(void);
/** Stop it as main does; the exit code must be 0. */
void harness_stop(struct harness *h);

/** Give (again) a channel to a peer role. */
void harness_link(struct harness *h, enum role_id role);
/** PREPARE, and SWITCH when it is ready. True when it was. @p extra: more lines of configuration. */
bool harness_configure(struct harness *h, const char *extra);
void harness_drain(struct harness *h);

/** One turn: frames, then at most 5 ms for @p fd (-1: none). */
void harness_pump(struct harness *h, int fd);

struct client {
    struct harness *h;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL: plain */
    struct pke_buf in;
    bool eof;
};

/** Connect to the unix listener, or by TLS to the TCP listener. False: refused (TLS only). */
bool client_open(struct client *c, struct harness *h, bool tls, const char *alpn);
void client_close(struct client *c);
void client_send(struct client *c, const void *p, size_t n);
/** Wait for one whole reply; its status, body in *body (valid until the next call). 0: closed without one. */
unsigned client_reply(struct client *c, struct pke_bytes *head, struct pke_bytes *body);
/** Send a POST of @p body to @p path and wait. */
unsigned client_post(struct client *c, const char *path, struct pke_bytes body, struct pke_bytes *reply);
/** True when the server closes without another byte. */
bool client_closed(struct client *c);

/** A file below tests/data; free(). */
char *harness_data(const char *name);

#endif
