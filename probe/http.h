/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * HTTPS exchanges in the manner of the Windows enrollment client: HTTP/1.1, its headers, one connection kept
 * alive, no redirect followed, no proxy. Blocks until the answer is there or the time is over.
 */
#ifndef PROBE_HTTP_H
#define PROBE_HTTP_H

#include <stdbool.h>

#include "base/bytes.h"

#define HTTP_REPLY_MAX (4u << 20)

struct http;

enum http_result {
    HTTP_ANSWERED,    /* a response came, of whatever status */
    HTTP_UNREACHABLE, /* no name, no connection, no answer in time */
    HTTP_TLS,         /* the server's certificate or handshake was not acceptable */
    HTTP_BROKEN,      /* the answer is not HTTP, too large, or was cut off */
};

struct http_reply {
    long status;
    char content_type[160];     /* "" when absent */
    char transfer_encoding[80]; /* "" when absent */
    long long content_length;   /* -1 when absent */
    bool reused;                /* came over the connection of the exchange before */
    char error[300];            /* for results other than HTTP_ANSWERED */
    struct pke_buf body;
};

/** @p ca_file: PEM trust anchors, NULL for the system's. Never NULL. */
struct http *http_new(const char *ca_file, long timeout_seconds);

/**
 * Present this certificate (PEM, a chain may follow it) with its key (PEM) from the next exchange on; an
 * empty range: none. Another certificate than before means another connection.
 */
void http_identity(struct http *h, struct pke_bytes certificate, struct pke_bytes key);

/** POST one SOAP message. @p reply is filled in every case; http_reply_done. */
enum http_result http_post(struct http *h, const char *url, struct pke_bytes message,
                           struct http_reply *reply);

void http_reply_done(struct http_reply *reply);

/** Accepts NULL. */
void http_free(struct http *h);

#endif
