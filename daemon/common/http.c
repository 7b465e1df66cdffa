/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "daemon/common/http_head.h"

#define TRAILER_MAX  (2u << 10) /* all trailer lines of one request, bytes */
#define CHUNK_DIGITS 8
#define KEEP_CAP     (4u << 10) /* an idle connection keeps at most this much of each buffer */

const struct http_limits http_client_limits = {16u << 10, 256u << 10, HTTP_MAX_HEADERS, false};
const struct http_limits http_control_limits = {16u << 10, 64u << 10, HTTP_MAX_HEADERS, true};

enum state {
    ST_START,    /* nothing of a request yet; one empty line is forgiven (RFC 9112 2.2) */
    ST_START_LF, /* after the CR of that empty line */
    ST_HEAD,     /* collecting lines up to the empty one */
    ST_BODY,     /* content_length bytes */
    ST_SIZE,     /* digits of a chunk size */
    ST_SIZE_LF,  /* after the CR behind them */
    ST_DATA,     /* bytes of a chunk */
    ST_DATA_CR,  /* the CRLF behind them */
    ST_DATA_LF,  /* */
    ST_TRAILER,  /* trailer lines up to the empty one */
    ST_DONE,
    ST_ERROR,
};

struct http_reader {
    struct http_limits limits;
    enum state state;
    bool forgiven;       /* the one empty line in front was taken */
    bool cr;             /* the last byte of the line was a CR */
    bool reported;       /* HTTP_HEAD_DONE was given */
    size_t line;         /* where the current line starts in its buffer */
    size_t lines;        /* complete header lines */
    struct pke_buf head; /* not moved any more once the head is complete: req points into it */
    struct pke_buf trailer;
    struct pke_buf body;
    size_t left;     /* of the body or the chunk */
    unsigned digits; /* of the chunk size */
    struct http_request req;
    struct http_refusal no;
};

struct http_reader *http_reader_new(const struct http_limits *limits)
{
    struct http_reader *r = pke_calloc(1, sizeof *r);

    r->limits = *limits;
    if (r->limits.headers > HTTP_MAX_HEADERS)
        r->limits.headers = HTTP_MAX_HEADERS;
    pke_buf_init(&r->head, r->limits.head);
    pke_buf_init(&r->trailer, TRAILER_MAX);
    pke_buf_init(&r->body, r->limits.body);
    return r;
}

static void drop(struct pke_buf *b, bool wipe)
{
    size_t max = b->max;

    if (wipe)
        pke_buf_wipe(b);
    else if (b->cap > KEEP_CAP)
        pke_buf_done(b);
    else
        pke_buf_clear(b);
    b->max = max;
}

static void restart(struct http_reader *r, bool wipe)
{
    drop(&r->head, wipe);
    drop(&r->trailer, wipe);
    drop(&r->body, wipe);
    r->state = ST_START;
    r->forgiven = r->cr = r->reported = false;
    r->line = r->lines = r->left = r->digits = 0;
    r->req = (struct http_request){0};
    r->no = (struct http_refusal){0};
}

void http_reader_free(struct http_reader *r)
{
    if (!r)
        return;
    restart(r, true);
    free(r);
}

void http_reader_reset(struct http_reader *r)
{
    restart(r, false);
}

void http_reader_wipe(struct http_reader *r)
{
    restart(r, true);
}

static void refuse(struct http_reader *r, unsigned status, const char *why)
{
    r->state = ST_ERROR;
    r->no = (struct http_refusal){status, why};
}

/* Append. False when the limit is reached; then nothing was added. */
static bool keep(struct pke_buf *b, const uint8_t *p, size_t n)
{
    return n <= b->max - b->n && pke_buf_add(b, p, n) == PKE_OK;
}

/* One byte of a line. CRLF and nothing else ends it; no control but HT is in it (RFC 9112 2.2, RFC 9110 5.5).
 */
static bool line_byte(struct http_reader *r, struct pke_buf *b, uint8_t c, bool *end)
{
    const char *why = NULL;

    *end = r->cr && c == '\n';
    if (r->cr && c != '\n')
        why = "CR without LF (RFC 9112 2.2)";
    else if (!r->cr && c == '\n')
        why = "LF without CR (RFC 9112 2.2)";
    else if (c != '\r' && c != '\n' && c != '\t' && (c < ' ' || c == 0x7f))
        why = "a control character in the head (RFC 9110 5.5)";
    if (why) {
        refuse(r, 400, why);
        return false;
    }
    if (!keep(b, &c, 1)) {
        refuse(r, 431, "the head is larger than allowed (RFC 6585 5)");
        return false;
    }
    r->cr = c == '\r';
    return true;
}

/* The line that just ended, without CRLF; the next one starts behind it. */
static struct pke_bytes line_take(struct http_reader *r, const struct pke_buf *b)
{
    struct pke_bytes line = PKE_BYTES(b->p + r->line, b->n - r->line - 2);

    r->line = b->n;
    return line;
}

/* Parse the collected head. Ranges are taken only here, when the buffer does not move any more. */
static bool head_parse(struct http_reader *r)
{
    const uint8_t *p = r->head.p, *end = r->head.p + r->head.n;
    bool first = true;

    for (const uint8_t *lf; p < end - 2; p = lf + 1, first = false) {
        lf = memchr(p, '\n', (size_t)(end - p));
        struct pke_bytes line = PKE_BYTES(p, (size_t)(lf - p) - 1);

        if (first) {
            if (!http_head_request_line(line, &r->req, &r->no))
                return false;
        } else if (!http_head_field(line, &r->req.headers[r->req.n_headers++], &r->no)) {
            return false;
        }
    }
    return http_head_finish(&r->req, &r->limits, &r->no);
}

static void head_complete(struct http_reader *r)
{
    if (!head_parse(r)) {
        r->state = ST_ERROR;
        return;
    }
    r->left = r->req.content_length;
    r->state = r->req.chunked ? ST_SIZE : r->left > 0 ? ST_BODY : ST_DONE;
}

/* Lines are checked as they end, so that a client that speaks something else is told at once. */
static void head_line(struct http_reader *r)
{
    bool first = r->line == 0;
    struct pke_bytes line = line_take(r, &r->head);
    struct http_request scratch;
    struct http_header field;

    if (first) {
        if (!http_head_request_line(line, &scratch, &r->no))
            r->state = ST_ERROR;
    } else if (line.n == 0) {
        head_complete(r);
    } else if (r->lines == r->limits.headers) {
        refuse(r, 431, "too many header lines (RFC 6585 5)");
    } else if (!http_head_field(line, &field, &r->no)) {
        r->state = ST_ERROR;
    } else {
        r->lines++;
    }
}

static void head_byte(struct http_reader *r, uint8_t c)
{
    bool end;

    if (!line_byte(r, &r->head, c, &end))
        return;
    if (end)
        head_line(r);
    else if (r->line == 0 && r->head.n > r->limits.head / 2)
        refuse(r, 414, "the request line is longer than allowed (RFC 9110 15.5.15)");
}

static void start_byte(struct http_reader *r, uint8_t c)
{
    if (r->state == ST_START_LF) {
        if (c != '\n')
            refuse(r, 400, "CR without LF (RFC 9112 2.2)");
        else
            r->state = ST_START;
        return;
    }
    if (c == '\r' && !r->forgiven) {
        r->forgiven = true;
        r->state = ST_START_LF;
        return;
    }
    r->state = ST_HEAD;
    head_byte(r, c);
}

static void trailer_byte(struct http_reader *r, uint8_t c)
{
    struct http_header field;
    struct pke_bytes line;
    bool end;

    if (!line_byte(r, &r->trailer, c, &end) || !end)
        return;
    line = line_take(r, &r->trailer);
    if (line.n == 0)
        r->state = ST_DONE;
    else if (!http_head_field(line, &field, &r->no)) /* read and dropped: never merged into the header */
        r->state = ST_ERROR;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void size_byte(struct http_reader *r, uint8_t c)
{
    int v = hex_value(c);

    if (c == '\r' && r->digits > 0)
        r->state = ST_SIZE_LF;
    else if (v < 0)
        refuse(r, 400, "a chunk size is not hexadecimal digits and CRLF (RFC 9112 7.1)");
    else if (++r->digits > CHUNK_DIGITS)
        refuse(r, 400, "a chunk size of more than 8 digits (RFC 9112 7.1)");
    else
        r->left = r->left << 4 | (size_t)v;
}

static void size_end(struct http_reader *r, uint8_t c)
{
    if (c != '\n') {
        refuse(r, 400, "CR without LF behind a chunk size (RFC 9112 7.1)");
    } else if (r->left > r->body.max - r->body.n) {
        refuse(r, 413, "the body is larger than allowed (RFC 9110 15.5.14)");
    } else if (r->left > 0) {
        r->state = ST_DATA;
    } else {
        r->line = 0;
        r->state = ST_TRAILER;
    }
}

static void data_end(struct http_reader *r, uint8_t c)
{
    if (c != (r->state == ST_DATA_CR ? '\r' : '\n')) {
        refuse(r, 400, "no CRLF behind a chunk's data (RFC 9112 7.1)");
    } else if (r->state == ST_DATA_CR) {
        r->state = ST_DATA_LF;
    } else {
        r->digits = 0;
        r->left = 0;
        r->state = ST_SIZE;
    }
}

/* As many bytes of content as there are, in one piece. */
static size_t take_content(struct http_reader *r, const uint8_t *p, size_t n)
{
    if (n > r->left)
        n = r->left;
    keep(&r->body, p, n); /* cannot fail: the size was compared with the limit before */
    r->left -= n;
    if (r->left == 0)
        r->state = r->state == ST_BODY ? ST_DONE : ST_DATA_CR;
    return n;
}

static void one_byte(struct http_reader *r, uint8_t c)
{
    switch (r->state) {
    case ST_START:
    case ST_START_LF:
        start_byte(r, c);
        break;
    case ST_HEAD:
        head_byte(r, c);
        break;
    case ST_SIZE:
        size_byte(r, c);
        break;
    case ST_SIZE_LF:
        size_end(r, c);
        break;
    case ST_DATA_CR:
    case ST_DATA_LF:
        data_end(r, c);
        break;
    case ST_TRAILER:
        trailer_byte(r, c);
        break;
    case ST_BODY:
    case ST_DATA:
    case ST_DONE:
    case ST_ERROR:
        break; /* not fed byte by byte */
    }
}

enum http_result http_reader_feed(struct http_reader *r, struct pke_bytes in, size_t *used)
{
    size_t i = 0;

    while (i < in.n && r->state < ST_DONE && (r->state <= ST_HEAD || r->reported)) {
        if (r->state == ST_BODY || r->state == ST_DATA)
            i += take_content(r, in.p + i, in.n - i);
        else
            one_byte(r, in.p[i++]);
    }
    *used = i;
    if (r->state == ST_ERROR)
        return HTTP_ERROR;
    if (r->state > ST_HEAD && !r->reported) {
        r->reported = true;
        return HTTP_HEAD_DONE;
    }
    return r->state == ST_DONE ? HTTP_DONE : HTTP_MORE;
}

const struct http_request *http_reader_request(const struct http_reader *r)
{
    return &r->req;
}

struct pke_bytes http_reader_body(const struct http_reader *r)
{
    return pke_buf_bytes(&r->body);
}

unsigned http_reader_status(const struct http_reader *r)
{
    return r->no.status;
}

const char *http_reader_why(const struct http_reader *r)
{
    return r->no.why ? r->no.why : "";
}

bool http_reader_started(const struct http_reader *r)
{
    return r->state >= ST_HEAD;
}

bool http_header_get(const struct http_request *req, const char *name, struct pke_bytes *value)
{
    size_t n = strlen(name);
    unsigned seen = 0;

    for (size_t i = 0; i < req->n_headers; i++) {
        const struct http_header *h = &req->headers[i];

        if (h->name.n == n && strncasecmp((const char *)h->name.p, name, n) == 0 && seen++ == 0)
            *value = h->value;
    }
    return seen == 1;
}
