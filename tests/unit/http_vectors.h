/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests at the border of the grammar. The 38 marked MUST are the ones that a reader must refuse, because
 * each of them was seen to be read in two ways by servers and proxies in use.
 */
#ifndef TESTS_UNIT_HTTP_VECTORS_H
#define TESTS_UNIT_HTTP_VECTORS_H

#include <stddef.h>

struct http_vector {
    const char *name;
    const char *bytes;
    size_t n;
    unsigned status;  /* 0: accepted */
    const char *body; /* when accepted */
    size_t body_n;
    size_t rest; /* bytes behind the request that must be left untouched */
    int must;    /* one of the 38 */
};

#define P "POST /a HTTP/1.1\r\nHost: x\r\n"
#define C "Transfer-Encoding: chunked\r\n\r\n"
#define S "GET /smug HTTP/1.1\r\nHost: x\r\n\r\n" /* 31 bytes */

#define MUST(label, text, want)                            \
    {                                                      \
        label, text, sizeof(text) - 1, want, NULL, 0, 0, 1 \
    }
#define NO(label, text, want)                              \
    {                                                      \
        label, text, sizeof(text) - 1, want, NULL, 0, 0, 0 \
    }
#define YES(label, text, body, rest)                                      \
    {                                                                     \
        label, text, sizeof(text) - 1, 0, body, sizeof(body) - 1, rest, 0 \
    }

static const struct http_vector http_vectors[] = {
    MUST("TE+CL", P "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    MUST("TE xchunked + CL", P "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc", 400),
    MUST("TE gzip, chunked + CL", P "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
         400),
    MUST("TE identity, then a second request",
         P "Transfer-Encoding: identity\r\nConnection: keep-alive\r\n\r\n" S, 501),
    MUST("TE unknown coding, body is a request", P "Transfer-Encoding: gzip\r\n\r\n" S, 501),
    MUST("two TE chunked", P "Transfer-Encoding: chunked\r\n" C "0\r\n\r\n", 400),
    MUST("space before colon of CL", P "Content-Length : 3\r\n\r\nabc", 400),
    MUST("space before colon of TE", P "Transfer-Encoding : chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),
    MUST("two CL that differ", P "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc", 400),
    MUST("CL +3", P "Content-Length: +3\r\n\r\nabc", 400),
    MUST("CL -3", P "Content-Length: -3\r\n\r\nabc", 400),
    MUST("CL 0x3", P "Content-Length: 0x3\r\n\r\nabc", 400),
    MUST("CL 2^64+3", P "Content-Length: 18446744073709551619\r\n\r\nabc", 413),
    MUST("chunk size 0x3", P C "0x3\r\nabc\r\n0\r\n\r\n", 400),
    MUST("chunk size +3", P C "+3\r\nabc\r\n0\r\n\r\n", 400),
    MUST("chunk size -0", P C "3\r\nabc\r\n-0\r\n\r\n", 400),
    MUST("chunk size with a space in front", P C " 3\r\nabc\r\n0\r\n\r\n", 400),
    MUST("chunk size 3 junk", P C "3 junk\r\nabc\r\n0\r\n\r\n", 400),
    MUST("chunks with bare LF", P C "3\nabc\n0\n\n", 400),
    MUST("chunk data overrun", P C "3\r\nabcX\r\n0\r\n\r\n", 400),
    MUST("no CRLF after chunk data", P C "3\r\nabc0\r\n\r\n", 400),
    MUST("chunk size overflow", P C "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
    MUST("bare CR in a value", P "X: a\rb\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("NUL in a value", P "X: a\0b\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("NUL in a name", P "X\0Y: a\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("NUL in the target", "POST /a\0b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("folded line", P "X: a\r\n folded\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("folded TE", P "Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),
    MUST("first line folded", "POST /a HTTP/1.1\r\n Host: x\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("empty header name", P ": v\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("bad character in a name", P "X(Y): v\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("line without colon", P "junk\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("two Host", P "Host: y\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("no Host on 1.1", "POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("space in the target", "POST /a b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("HTTP/2.0", "POST /a HTTP/2.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 505),
    MUST("HTTP/1.10", "POST /a HTTP/1.10\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    MUST("TE on 1.0",
         "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),

    NO("two CL that agree", P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    NO("CL list", P "Content-Length: 3, 3\r\n\r\nabc", 400),
    NO("CL empty", P "Content-Length:\r\n\r\nabc", 400),
    NO("TE gzip, chunked", P "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 501),
    NO("TE chunked, identity",
       P "Content-Length: 36\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" S, 400),
    NO("TE with a parameter", P "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" S, 501),
    NO("TE behind a vertical tab",
       P "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n0\r\n\r\n" S,
       400),
    NO("tab before colon", P "Content-Length: 36\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" S, 400),
    NO("folded line hides CL", P "X: a\r\n Content-Length: 31\r\n\r\n" S, 400),
    NO("chunk extension", P C "3;a=b\r\nabc\r\n0\r\n\r\n", 400),
    NO("chunk extension with LF", P C "1;\n1f\r\n" S "\r\n0\r\n\r\n", 400),
    NO("chunk size of nine digits", P C "000000003\r\nabc\r\n0\r\n\r\n", 400),
    NO("chunk size empty", P C "\r\nabc\r\n0\r\n\r\n", 400),
    NO("chunk CR X", P C "3\rXabc\r\n0\r\n\r\n", 400),
    NO("trailer is no field", P C "0\r\njunk\r\n\r\n", 400),
    NO("trailer folded", P C "0\r\nA: b\r\n c\r\n\r\n", 400),
    NO("trailer with bare LF", P C "0\r\nA: b\n\r\n", 400),
    NO("bare LF line ends", "POST /a HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc", 400),
    NO("bare LF in the header", "POST /a HTTP/1.1\r\nHost: x\nContent-Length: 31\r\n\r\n" S, 400),
    NO("DEL in a value", P "X: a\x7f\r\nContent-Length: 0\r\n\r\n", 400),
    NO("absolute form", "POST http://evil/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    NO("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    NO("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    NO("8-bit target", "POST /\xc3\xa4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    NO("HTTP/1.2", "POST /a HTTP/1.2\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 505),
    NO("lower-case version", "POST /a http/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    NO("no version", "GET /a\r\n", 400),
    NO("two spaces", "POST  /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
    NO("tab in the request line", "POST\t/a\tHTTP/1.1\r\nHost: x\r\n\r\n", 400),
    NO("space behind the version", "POST /a HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    NO("GET with a body", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 400),
    NO("HEAD with a body", "HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" S, 400),
    NO("HEAD with chunks", "HEAD /a HTTP/1.1\r\nHost: x\r\n" C "1f\r\n" S "\r\n0\r\n\r\n", 400),
    NO("POST without length", "POST /a HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    NO("Expect other", P "Content-Length: 3\r\nExpect: foo\r\n\r\nabc", 417),
    NO("h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    NO("PROXY v1 in front", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" P "Content-Length: 0\r\n\r\n", 400),
    NO("TLS ClientHello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400),
    NO("two empty lines in front", "\r\n\r\n" P "Content-Length: 0\r\n\r\n", 400),
    NO("CR X in front", "\rX" P "Content-Length: 0\r\n\r\n", 400),
    NO("bad character in the method", "PO{T /a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    NO("method too long", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ /a HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    NO("Host with a path", "GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    NO("Host with user info", "GET /a HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
    NO("Host with a space", "GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    NO("two Host on 1.0", "GET /a HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    NO("CL above the limit", P "Content-Length: 262145\r\n\r\n", 413),
    NO("chunk above the limit", P C "40001\r\n", 413),

    YES("plain", P "Content-Length: 3\r\n\r\nabc", "abc", 0),
    YES("chunked", P C "3\r\nabc\r\n0\r\n\r\n", "abc", 0),
    YES("several chunks, upper and lower case",
        P C "A\r\n0123456789\r\n1\r\nx\r\n00a\r\n9876543210\r\n0\r\n\r\n", "0123456789x9876543210", 0),
    YES("chunked without content", P C "0\r\n\r\n", "", 0),
    YES("TE in capitals", P "TRANSFER-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc", 0),
    YES("TE with a tab before the value", P "Transfer-Encoding:\tchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc",
        0),
    YES("CL with a tab before the value", P "Content-Length: \t3 \r\n\r\nabc", "abc", 0),
    YES("CL 003", P "Content-Length: 003\r\n\r\nabc", "abc", 0),
    YES("CL without white space", P "Content-Length:3\r\n\r\nabc", "abc", 0),
    YES("trailers", P C "3\r\nabc\r\n0\r\nX-Ssl-Client: admin\r\nHost: y\r\n\r\n", "abc", 0),
    YES("empty value", P "X:\r\nContent-Length: 0\r\n\r\n", "", 0),
    YES("obs-text value", P "X: \xe4\r\nContent-Length: 0\r\n\r\n", "", 0),
    YES("body of any bytes", P "Content-Length: 5\r\n\r\n\0\r\n\xff\n", "\0\r\n\xff\n", 0),
    YES("pipelined", P "Content-Length: 1\r\n\r\nA" P "Content-Length: 1\r\n\r\nB", "A",
        sizeof(P "Content-Length: 1\r\n\r\nB") - 1),
    YES("GET", "GET /a?b=c&d HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "", 0),
    YES("GET with CL 0", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "", 0),
    YES("GET, then bytes that look like a body", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nabc", "", 3),
    YES("1.0 without Host", "POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "abc", 0),
    YES("empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "", 0),
    YES("Expect 100-continue", P "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "abc", 0),
    YES("Upgrade h2c is ignored",
        P "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
          "Content-Length: 0\r\n\r\n",
        "", 0),
    YES("empty line in front", "\r\n" P "Content-Length: 0\r\n\r\n", "", 0),
    YES("unknown method", "BREW /aaaaaaaa HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "abc", 0),
    YES("lower-case method", "post /aaaaaaaa HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" S, S, 0),
    YES("DELETE with a body", "DELETE /a HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" S, S, 0),
    YES("TRACE", "TRACE /a HTTP/1.1\r\nHost: x\r\n\r\n", "", 0),
    YES("two slashes", "POST //evil/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "", 0),
    YES("underscore in a name", P "X_Client_Cert: admin\r\nContent-Length: 0\r\n\r\n", "", 0),
};

#endif
