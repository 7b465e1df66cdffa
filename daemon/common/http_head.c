/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/http_head.h"

#include <string.h>
#include <strings.h>

/* Longer is no method that anyone serves (RFC 9112 3: 501 for a method longer than implemented). */
#define METHOD_MAX 32

static bool refuse(struct http_refusal *no, unsigned status, const char *why)
{
    no->status = status;
    no->why = why;
    return false;
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_token_byte(uint8_t c)
{
    return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_token(struct pke_bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!is_token_byte(b.p[i]))
            return false;
    return b.n > 0;
}

static bool eq_nocase(struct pke_bytes b, const char *s)
{
    return b.n == strlen(s) && strncasecmp((const char *)b.p, s, b.n) == 0;
}

static struct pke_bytes trim(struct pke_bytes b)
{
    while (b.n > 0 && (b.p[0] == ' ' || b.p[0] == '\t')) {
        b.p++;
        b.n--;
    }
    while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
        b.n--;
    return b;
}

/* Up to the first @p sep; what follows it stays in *rest. Without one everything is taken, *found is false.
 */
static struct pke_bytes split(struct pke_bytes *rest, uint8_t sep, bool *found)
{
    const uint8_t *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    struct pke_bytes head = *rest;

    *found = at != NULL;
    if (at) {
        head.n = (size_t)(at - rest->p);
        *rest = PKE_BYTES(at + 1, rest->n - head.n - 1);
    } else {
        *rest = PKE_BYTES(NULL, 0);
    }
    return head;
}

static bool read_method(struct pke_bytes text, struct http_request *req, struct http_refusal *no)
{
    if (!http_is_token(text))
        return refuse(no, 400, "the method is no token (RFC 9112 3.1)");
    if (text.n > METHOD_MAX)
        return refuse(no, 501, "the method is too long (RFC 9112 3)");
    req->method_text = text;
    req->method = pke_bytes_eq_str(text, "GET")    ? HTTP_GET
                  : pke_bytes_eq_str(text, "HEAD") ? HTTP_HEAD
                  : pke_bytes_eq_str(text, "POST") ? HTTP_POST
                                                   : HTTP_OTHER;
    return true;
}

static bool read_target(struct pke_bytes text, struct http_request *req, struct http_refusal *no)
{
    bool found;

    if (text.n == 0 || text.p[0] != '/')
        return refuse(no, 400, "the request target is not in origin form (RFC 9112 3.2.1)");
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
            return refuse(no, 400, "a byte in the request target is not allowed (RFC 3986 2)");
    req->path = split(&text, '?', &found);
    req->query = text;
    return true;
}

static bool read_version(struct pke_bytes text, struct http_request *req, struct http_refusal *no)
{
    if (pke_bytes_eq_str(text, "HTTP/1.1") || pke_bytes_eq_str(text, "HTTP/1.0")) {
        req->http_1_0 = text.p[7] == '0';
        return true;
    }
    if (text.n == 8 && memcmp(text.p, "HTTP/", 5) == 0 && text.p[6] == '.' && text.p[5] >= '0' &&
        text.p[5] <= '9' && text.p[7] >= '0' && text.p[7] <= '9')
        return refuse(no, 505, "only HTTP/1.0 and HTTP/1.1 are spoken (RFC 9110 15.6.6)");
    return refuse(no, 400, "the request line ends in no HTTP version (RFC 9112 2.3)");
}

bool http_head_request_line(struct pke_bytes line, struct http_request *req, struct http_refusal *no)
{
    struct pke_bytes rest = line, method, target;
    bool one, two;

    method = split(&rest, ' ', &one);
    target = split(&rest, ' ', &two);
    if (!one || !two)
        return refuse(no, 400, "the request line has not three parts (RFC 9112 3)");
    return read_method(method, req, no) && read_target(target, req, no) && read_version(rest, req, no);
}

bool http_head_field(struct pke_bytes line, struct http_header *ret, struct http_refusal *no)
{
    struct pke_bytes rest = line;
    bool found;

    if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
        return refuse(no, 400, "a folded header line (RFC 9112 5.2)");
    ret->name = split(&rest, ':', &found);
    if (!found)
        return refuse(no, 400, "a header line without a colon (RFC 9112 5)");
    if (!http_is_token(ret->name))
        return refuse(no, 400, "a header name is no token (RFC 9112 5.1)");
    ret->value = trim(rest);
    return true;
}

/* RFC 3986 3.2.2: enough to keep white space, user info and paths out; the name is not looked up. */
static bool host_ok(struct pke_bytes v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_alnum(v.p[i]) && (v.p[i] == 0 || !strchr("-._~%!$&'()*+,;=:[]", v.p[i])))
            return false;
    return true;
}

static bool check_host(const struct http_request *req, struct http_refusal *no)
{
    unsigned seen = 0;

    for (size_t i = 0; i < req->n_headers; i++) {
        if (!eq_nocase(req->headers[i].name, "Host"))
            continue;
        seen++;
        if (!host_ok(req->headers[i].value))
            return refuse(no, 400, "the Host field is malformed (RFC 9112 3.2)");
    }
    if (seen > 1 || (seen == 0 && !req->http_1_0))
        return refuse(no, 400, "not exactly one Host field (RFC 9112 3.2)");
    return true;
}

/* 1*DIGIT; more than fits becomes SIZE_MAX, which no limit allows. */
static bool read_length(struct pke_bytes v, size_t *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        n = n > (SIZE_MAX - 9) / 10 ? SIZE_MAX : n * 10 + (size_t)(v.p[i] - '0');
    }
    *ret = n;
    return v.n > 0;
}

static bool check_framing(struct http_request *req, const struct http_limits *limits, struct http_refusal *no)
{
    unsigned lengths = 0, codings = 0;
    bool foreign = false;

    for (size_t i = 0; i < req->n_headers; i++) {
        struct pke_bytes value = req->headers[i].value;

        if (eq_nocase(req->headers[i].name, "Content-Length")) {
            lengths++;
            if (!read_length(value, &req->content_length))
                return refuse(no, 400, "Content-Length is not a number (RFC 9112 6.3)");
        } else if (eq_nocase(req->headers[i].name, "Transfer-Encoding")) {
            codings++;
            foreign = foreign || !eq_nocase(value, "chunked");
        }
    }
    if (lengths > 1)
        return refuse(no, 400, "more than one Content-Length (RFC 9112 6.3)");
    if (codings > 1)
        return refuse(no, 400, "more than one Transfer-Encoding (RFC 9112 6.1)");
    if (codings && lengths)
        return refuse(no, 400, "Transfer-Encoding beside Content-Length (RFC 9112 6.1)");
    if (codings && req->http_1_0)
        return refuse(no, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
    if (foreign)
        return refuse(no, 501, "a transfer coding other than chunked (RFC 9112 6.1)");
    req->chunked = codings == 1;
    if ((req->method == HTTP_GET || req->method == HTTP_HEAD) && (req->chunked || req->content_length))
        return refuse(no, 400, "a body on GET or HEAD (RFC 9110 9.3.1)");
    if (req->method == HTTP_POST && !codings && !lengths && !limits->no_length)
        return refuse(no, 411, "POST without Content-Length or chunks (RFC 9110 15.5.12)");
    return true;
}

static void read_connection(struct http_request *req)
{
    bool close = false, keep = false;

    for (size_t i = 0; i < req->n_headers; i++) {
        struct pke_bytes rest = req->headers[i].value;
        bool more = eq_nocase(req->headers[i].name, "Connection");

        while (more) {
            struct pke_bytes option = trim(split(&rest, ',', &more));
            close = close || eq_nocase(option, "close");
            keep = keep || eq_nocase(option, "keep-alive");
        }
    }
    req->keep_alive = !close && (keep || !req->http_1_0); /* RFC 9112 9.3 */
}

static bool check_expect(struct http_request *req, struct http_refusal *no)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (!eq_nocase(req->headers[i].name, "Expect"))
            continue;
        if (!eq_nocase(req->headers[i].value, "100-continue"))
            return refuse(no, 417, "an expectation other than 100-continue (RFC 9110 10.1.1)");
        /* ignored on 1.0 and where no body follows, as RFC 9110 10.1.1 asks */
        req->expect_continue = !req->http_1_0 && (req->chunked || req->content_length > 0);
    }
    return true;
}

bool http_head_finish(struct http_request *req, const struct http_limits *limits, struct http_refusal *no)
{
    read_connection(req);
    if (!check_host(req, no) || !check_framing(req, limits, no) || !check_expect(req, no))
        return false;
    if (req->content_length > limits->body)
        return refuse(no, 413, "the body is larger than allowed (RFC 9110 15.5.14)");
    return true;
}
