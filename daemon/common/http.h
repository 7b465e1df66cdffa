/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One strict HTTP/1.1 request reader for the client listeners and the control socket: a pure function over
 * bytes.
 *
 * Grammar (RFC 9112, the parts that are refused elsewhere): request line `METHOD SP origin-form SP
 * HTTP/1.0|1.1 CRLF`; CRLF only; header name = token directly before ':'; value = visible, SP, HT, obs-text;
 * no folding, no NUL, no other control; exactly one Host on 1.1; at most one Content-Length of digits only;
 * Transfer-Encoding exactly "chunked", never with Content-Length, never on 1.0; chunk size 1*8HEXDIG, no
 * extension; trailers (at most 2 KiB) checked and dropped; a body on GET or HEAD is refused; POST without
 * Content-Length and chunked is 411. Anything else is an error that closes the connection.
 *
 * What RFC 9112 leaves open: one empty line before the request line is forgiven (2.2) and is not yet a
 * request (http_reader_started); leading zeros of Content-Length are digits; "Content-Length: 0" on GET is no
 * body; an unknown or lower-case method is HTTP_OTHER with a body by its framing, for the caller to answer
 * 405; Host may be missing on 1.0; Expect is ignored on 1.0 and without a body; Upgrade is ignored.
 */
#ifndef DAEMON_COMMON_HTTP_H
#define DAEMON_COMMON_HTTP_H

#include "base/bytes.h"

struct http_limits {
    size_t head;    /* request line and header lines, bytes */
    size_t body;    /* decoded body, bytes */
    size_t headers; /* lines */
    bool no_length; /* a POST without Content-Length has no body (RFC 9112 6.3); else it is 411 */
};

extern const struct http_limits http_client_limits;  /* 16 KiB, 256 KiB, 64 */
extern const struct http_limits http_control_limits; /* 16 KiB, 64 KiB, 64, no_length */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

struct http_header {
    struct pke_bytes name;  /* as sent */
    struct pke_bytes value; /* without surrounding white space */
};

#define HTTP_MAX_HEADERS 64

struct http_request {
    enum http_method method;
    struct pke_bytes method_text;
    struct pke_bytes path;  /* up to '?', exactly as sent: no decoding, routing compares bytes */
    struct pke_bytes query; /* after '?', empty when absent */
    bool http_1_0;
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    size_t content_length; /* when not chunked */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t n_headers;
};

enum http_result {
    HTTP_MORE,      /* need more bytes */
    HTTP_HEAD_DONE, /* head is complete (reported once): answer 100-continue or refuse before the body arrives
                     */
    HTTP_DONE,      /* request and body are complete */
    HTTP_ERROR,     /* status says what to answer; then close */
};

/**
 * Incremental reader of one request. The caller feeds bytes as they come; the reader keeps its own copy of
 * the head and the decoded body (bounded by the limits), so that request ranges stay valid until
 * http_reader_reset().
 */
struct http_reader;

struct http_reader *http_reader_new(const struct http_limits *limits);
void http_reader_free(struct http_reader *r);  /* accepts NULL */
void http_reader_reset(struct http_reader *r); /* for the next request of the connection */
/** Overwrite what was kept, for requests that carried a secret. Then reset. */
void http_reader_wipe(struct http_reader *r);

/**
 * Consume from @p in. @p *used is how much was taken; bytes after the end of the request are not taken.
 * Call again with the rest after HTTP_HEAD_DONE, also when nothing is left: a request without a body then
 * gives HTTP_DONE. HTTP_DONE and HTTP_ERROR are given again until the reset. However the input is cut, the
 * result is the same. Work is linear in the input. Never blocks, no I/O.
 */
enum http_result http_reader_feed(struct http_reader *r, struct pke_bytes in, size_t *used);

/**
 * The request so far; valid from HTTP_HEAD_DONE on. After HTTP_ERROR it is what had been read: with 411, 413
 * and 417 the whole head, so that the answer can take the form of its endpoint; otherwise path may be empty.
 */
const struct http_request *http_reader_request(const struct http_reader *r);
/** The decoded body, valid after HTTP_DONE. */
struct pke_bytes http_reader_body(const struct http_reader *r);
/** After HTTP_ERROR: 400, 411, 413, 414, 417, 431, 501 or 505, and one line why. */
unsigned http_reader_status(const struct http_reader *r);
const char *http_reader_why(const struct http_reader *r);
/** True when any byte of a request was taken; false: an idle connection, which may be closed silently. */
bool http_reader_started(const struct http_reader *r);

/** Only header named @p name (ASCII case-insensitive, byte-wise otherwise); false when absent or present
 * twice. */
bool http_header_get(const struct http_request *req, const char *name, struct pke_bytes *value);

/** The whole answer to expect_continue, before the body is awaited. */
#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/**
 * Append a reply head and body in one piece; always with Content-Length and Connection. @p content_type NULL:
 * none. @p extra_headers: whole lines with CRLF, or NULL. PKE_LIMIT when @p out is full.
 */
enum pke_err http_reply_write(struct pke_buf *out, unsigned status, const char *content_type,
                              struct pke_bytes body, bool keep_alive, const char *extra_headers);

/** Reason phrase for a status. */
const char *http_reason(unsigned status);

#endif
