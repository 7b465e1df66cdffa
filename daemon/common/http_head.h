/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The grammar of a request head, line by line: pure functions without state, used by http.c only.
 */
#ifndef DAEMON_COMMON_HTTP_HEAD_H
#define DAEMON_COMMON_HTTP_HEAD_H

#include "daemon/common/http.h"

/** What to answer and why. @p why is static text that names the rule. */
struct http_refusal {
    unsigned status;
    const char *why;
};

/** A name that is a token of RFC 9110 5.6.2. */
bool http_is_token(struct pke_bytes b);

/** `METHOD SP origin-form SP HTTP/1.0|1.1` without its CRLF. Fills method, path, query and version. */
bool http_head_request_line(struct pke_bytes line, struct http_request *req, struct http_refusal *no);

/** `name ":" OWS value OWS` without its CRLF; false with 400. Used for trailers too. */
bool http_head_field(struct pke_bytes line, struct http_header *ret, struct http_refusal *no);

/**
 * Everything that several fields decide together: Host, framing, Connection, Expect. On a refusal @p req
 * still holds what was read, so that the caller can choose the form of its answer by path.
 */
bool http_head_finish(struct http_request *req, const struct http_limits *limits, struct http_refusal *no);

#endif
