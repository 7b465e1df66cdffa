/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/http: the grammar, that a cut anywhere changes nothing, limits, replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "daemon/common/http.h"
#include "tests/unit/http_vectors.h"

/* All that a caller can observe of one request. */
struct outcome {
    enum http_result result;
    unsigned status;
    char why[128];
    unsigned heads; /* times that HTTP_HEAD_DONE was given */
    size_t used;
    uint8_t body[512];
    size_t body_n;
    char path[64];
    size_t n_headers;
    bool keep_alive;
};

static bool feed_all(struct http_reader *r, struct pke_bytes in, struct outcome *o)
{
    size_t used;

    do {
        o->result = http_reader_feed(r, in, &used);
        assert_true(used <= in.n);
        in.p += used;
        in.n -= used;
        o->used += used;
        o->heads += o->result == HTTP_HEAD_DONE;
    } while (o->result == HTTP_HEAD_DONE);
    assert_true(in.n == 0 || o->result >= HTTP_DONE);
    return o->result < HTTP_DONE;
}

static void observe(struct http_reader *r, struct outcome *o)
{
    const struct http_request *req = http_reader_request(r);
    struct pke_bytes body = http_reader_body(r);

    o->status = http_reader_status(r);
    strncpy(o->why, http_reader_why(r), sizeof o->why - 1);
    if (o->result == HTTP_DONE) {
        assert_true(body.n <= sizeof o->body && req->path.n < sizeof o->path);
        if (body.n)
            memcpy(o->body, body.p, body.n);
        memcpy(o->path, req->path.p, req->path.n);
        o->body_n = body.n;
        o->n_headers = req->n_headers;
        o->keep_alive = req->keep_alive;
    }
}

/* Feed @p in in pieces of @p step bytes, the first of @p first bytes. Every piece is a copy of exact size, so
 * that a sanitizer sees a read beyond it. */
static struct outcome run(struct http_reader *r, struct pke_bytes in, size_t first, size_t step)
{
    struct outcome o;
    size_t at = 0, n = first;
    bool more = true;

    memset(&o, 0, sizeof o);
    http_reader_reset(r);
    while (more && at < in.n) {
        uint8_t *copy;

        n = n > in.n - at ? in.n - at : n;
        copy = pke_malloc(n ? n : 1);
        memcpy(copy, in.p + at, n);
        more = feed_all(r, PKE_BYTES(copy, n), &o);
        free(copy);
        at += n;
        n = step;
    }
    observe(r, &o);
    return o;
}

static struct outcome run_text(const char *text)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct outcome o = run(r, pke_bytes_str(text), SIZE_MAX, SIZE_MAX);

    http_reader_free(r);
    return o;
}

static void check_vector(const struct http_vector *v, const struct outcome *o)
{
    if (v->status) {
        if (o->result != HTTP_ERROR || o->status != v->status || !strchr(o->why, '('))
            fail_msg("%s: result %d, status %u, %s", v->name, o->result, o->status, o->why);
        return;
    }
    if (o->result != HTTP_DONE || o->heads != 1)
        fail_msg("%s: refused with %u: %s", v->name, o->status, o->why);
    if (o->used != v->n - v->rest)
        fail_msg("%s: took %zu of %zu bytes", v->name, o->used, v->n);
    if (o->body_n != v->body_n || memcmp(o->body, v->body, o->body_n) != 0)
        fail_msg("%s: wrong body", v->name);
}

static void test_vectors(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    unsigned must = 0;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(http_vectors); i++) {
        const struct http_vector *v = &http_vectors[i];
        struct outcome o = run(r, PKE_BYTES(v->bytes, v->n), SIZE_MAX, SIZE_MAX);

        check_vector(v, &o);
        must += v->must && v->status;
    }
    assert_int_equal(must, 38);
    http_reader_free(r);
}

static void test_cuts_change_nothing(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(http_vectors); i++) {
        const struct http_vector *v = &http_vectors[i];
        struct pke_bytes in = PKE_BYTES(v->bytes, v->n);
        struct outcome whole = run(r, in, SIZE_MAX, SIZE_MAX), cut = run(r, in, 1, 1);

        if (memcmp(&whole, &cut, sizeof cut) != 0)
            fail_msg("%s: byte by byte: %u %s", v->name, cut.status, cut.why);
        for (size_t at = 0; at <= v->n; at++) {
            cut = run(r, in, at, SIZE_MAX);
            if (memcmp(&whole, &cut, sizeof cut) != 0)
                fail_msg("%s: cut at %zu: %u %s", v->name, at, cut.status, cut.why);
        }
    }
    http_reader_free(r);
}

static void test_every_prefix_of_a_good_request_waits(void **state)
{
    static const char text[] = P C "3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    struct http_reader *r = http_reader_new(&http_client_limits);

    (void)state;
    for (size_t n = 1; n < sizeof text - 1; n++) {
        struct outcome o = run(r, PKE_BYTES(text, n), SIZE_MAX, SIZE_MAX);

        assert_int_equal(o.result, HTTP_MORE);
        assert_int_equal(o.used, n);
        assert_true(http_reader_started(r));
    }
    http_reader_free(r);
}

static void test_request_fields(void **state)
{
    static const char text[] =
        "POST /EnrollmentServer/Policy.svc?a=%20&b?c HTTP/1.1\r\nHost: enroll.example\r\n"
        "content-length: 2\r\nX-One:  1 \r\nX-Two: a\r\nx-two: b\r\nExpect: 100-Continue\r\n\r\nhi";
    struct http_reader *r = http_reader_new(&http_client_limits);
    const struct http_request *req = http_reader_request(r);
    struct pke_bytes in = pke_bytes_str(text), value;
    size_t used;

    (void)state;
    assert_false(http_reader_started(r));
    assert_int_equal(http_reader_feed(r, in, &used), HTTP_HEAD_DONE);
    assert_int_equal(used, sizeof text - 3);
    assert_int_equal(req->method, HTTP_POST);
    assert_true(pke_bytes_eq_str(req->path, "/EnrollmentServer/Policy.svc"));
    assert_true(pke_bytes_eq_str(req->query, "a=%20&b?c"));
    assert_true(req->expect_continue && req->keep_alive && !req->http_1_0 && !req->chunked);
    assert_int_equal(req->content_length, 2);
    assert_int_equal(req->n_headers, 6);
    assert_true(http_header_get(req, "x-one", &value));
    assert_true(pke_bytes_eq_str(value, "1"));
    assert_false(http_header_get(req, "X-Two", &value)); /* twice */
    assert_false(http_header_get(req, "X-Three", &value));
    assert_int_equal(http_reader_feed(r, PKE_BYTES(in.p + used, in.n - used), &used), HTTP_DONE);
    assert_true(pke_bytes_eq_str(http_reader_body(r), "hi"));
    http_reader_wipe(r);
    assert_false(http_reader_started(r));
    assert_int_equal(http_reader_body(r).n, 0);
    http_reader_free(r);
}

static void test_connection(void **state)
{
    (void)state;
    assert_true(run_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n").keep_alive);
    assert_false(run_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").keep_alive);
    assert_false(run_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: X , CLOSE\r\n\r\n").keep_alive);
    assert_false(
        run_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: a\r\nConnection: close\r\n\r\n").keep_alive);
    assert_false(run_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
    assert_false(run_text("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(run_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

/* "POST /a", then header lines of @p line bytes up to a head of exactly @p total bytes. */
static void make_head(struct pke_buf *b, size_t total)
{
    pke_buf_init(b, 1 << 20);
    pke_buf_add_str(b, P "Content-Length: 0\r\nX: ");
    while (b->n < total - 4)
        pke_buf_add_u8(b, 'a');
    pke_buf_add_str(b, "\r\n\r\n");
}

static void test_head_limits(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct pke_buf b;
    struct outcome o;

    (void)state;
    make_head(&b, http_client_limits.head);
    o = run(r, pke_buf_bytes(&b), 1000, 1000);
    assert_int_equal(o.result, HTTP_DONE);
    pke_buf_done(&b);
    make_head(&b, http_client_limits.head + 1);
    o = run(r, pke_buf_bytes(&b), 1000, 1000);
    assert_int_equal(o.status, 431);
    assert_true(o.used <= http_client_limits.head + 1);
    pke_buf_done(&b);

    pke_buf_init(&b, 1 << 20);
    pke_buf_add_str(&b, "GET /");
    while (b.n < http_client_limits.head)
        pke_buf_add_u8(&b, 'a');
    o = run(r, pke_buf_bytes(&b), 777, 777);
    assert_int_equal(o.status, 414);
    assert_true(o.used <= http_client_limits.head / 2 + 1);
    pke_buf_done(&b);
    http_reader_free(r);
}

static void test_header_count(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);

    (void)state;
    for (size_t n = HTTP_MAX_HEADERS; n <= HTTP_MAX_HEADERS + 1; n++) {
        struct pke_buf b;
        struct outcome o;

        pke_buf_init(&b, 1 << 16);
        pke_buf_add_str(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
        for (size_t i = 1; i < n; i++)
            pke_buf_printf(&b, "X-%zu: y\r\n", i);
        pke_buf_add_str(&b, "\r\n");
        o = run(r, pke_buf_bytes(&b), 10, 10);
        assert_int_equal(o.status, n > HTTP_MAX_HEADERS ? 431 : 0);
        assert_int_equal(o.n_headers, n > HTTP_MAX_HEADERS ? 0 : n);
        pke_buf_done(&b);
    }
    http_reader_free(r);
}

static void test_body_limit_is_seen_in_the_head(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct outcome o = run(r, pke_bytes_str(P "Content-Length: 999999\r\n\r\n"), SIZE_MAX, SIZE_MAX);

    (void)state;
    assert_int_equal(o.status, 413);
    assert_int_equal(o.heads, 0);
    assert_true(pke_bytes_eq_str(http_reader_request(r)->path, "/a")); /* the answer needs the endpoint */
    o = run(r, pke_bytes_str("POST /b HTTP/1.1\r\nHost: x\r\n\r\n"), SIZE_MAX, SIZE_MAX);
    assert_int_equal(o.status, 411);
    assert_true(pke_bytes_eq_str(http_reader_request(r)->path, "/b"));
    http_reader_free(r);
}

/* A body of exactly the limit passes, whole or in chunks; one byte more is 413. */
static void test_body_limits(void **state)
{
    struct http_reader *r = http_reader_new(&http_control_limits);
    size_t max = http_control_limits.body, used;

    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        struct pke_buf b;
        struct pke_bytes in;
        enum http_result result;

        pke_buf_init(&b, 1 << 20);
        if (chunked)
            pke_buf_add_str(&b, P C);
        else
            pke_buf_printf(&b, P "Content-Length: %zu\r\n\r\n", max);
        for (size_t i = 0; i < max; i++)
            pke_buf_printf(&b, chunked ? "1\r\n%c\r\n" : "%c", 'a' + (int)(i % 26));
        in = pke_buf_bytes(&b);
        http_reader_reset(r);
        result = http_reader_feed(r, in, &used);
        assert_int_equal(result, HTTP_HEAD_DONE);
        in = PKE_BYTES(in.p + used, in.n - used);
        result = http_reader_feed(r, in, &used);
        assert_int_equal(result, chunked ? HTTP_MORE : HTTP_DONE);
        assert_int_equal(http_reader_body(r).n, max);
        assert_int_equal(http_reader_body(r).p[max - 1], 'a' + (int)((max - 1) % 26));
        if (chunked) {
            assert_int_equal(http_reader_feed(r, pke_bytes_str("1\r\n"), &used), HTTP_ERROR);
            assert_int_equal(http_reader_status(r), 413);
        }
        pke_buf_done(&b);
    }
    http_reader_free(r);
}

static void test_trailer_limit(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct pke_buf b;
    struct outcome o;

    (void)state;
    pke_buf_init(&b, 1 << 16);
    pke_buf_add_str(&b, P C "0\r\n");
    while (b.n < 3000)
        pke_buf_add_str(&b, "A: b\r\n");
    pke_buf_add_str(&b, "\r\n");
    o = run(r, pke_buf_bytes(&b), 100, 100);
    assert_int_equal(o.status, 431);
    pke_buf_done(&b);
    http_reader_free(r);
}

static void test_errors_stay_and_a_reset_clears_them(void **state)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct outcome o;
    size_t used;

    (void)state;
    run(r, pke_bytes_str("GET /a\r\n"), SIZE_MAX, SIZE_MAX);
    assert_int_equal(http_reader_feed(r, pke_bytes_str(S), &used), HTTP_ERROR);
    assert_int_equal(used, 0);
    o = run(r, pke_bytes_str(S), 3, 5);
    assert_int_equal(o.result, HTTP_DONE);
    assert_string_equal(o.path, "/smug");
    assert_int_equal(http_reader_feed(r, pke_bytes_str(S), &used), HTTP_DONE);
    assert_int_equal(used, 0);
    http_reader_free(r);
}

static double seconds_for(size_t body)
{
    struct http_reader *r;
    struct http_limits limits = {16 << 10, 8 << 20, 64, false};
    struct timespec a, b;
    size_t used;

    r = http_reader_new(&limits);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    assert_int_equal(http_reader_feed(r, pke_bytes_str(P C), &used), HTTP_HEAD_DONE);
    for (size_t i = 0; i < body; i++) {
        assert_int_equal(http_reader_feed(r, pke_bytes_str("1\r\nx"), &used), HTTP_MORE);
        assert_int_equal(http_reader_feed(r, pke_bytes_str("\r\n"), &used), HTTP_MORE);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    assert_int_equal(http_reader_body(r).n, body);
    http_reader_free(r);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* 16 times the input may cost 16 times the work and some noise, but not 256 times. */
static void test_work_is_linear(void **state)
{
    double small = seconds_for(20000), large = seconds_for(320000);

    (void)state;
    assert_true(large < 80 * small + 0.05);
}

static void test_reply(void **state)
{
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 4096);
    assert_int_equal(http_reply_write(&b, 405, "text/plain", pke_bytes_str("no\n"), true, "Allow: POST\r\n"),
                     PKE_OK);
    assert_string_equal(pke_buf_cstr(&b),
                        "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 3\r\n"
                        "Connection: keep-alive\r\nContent-Type: text/plain\r\nAllow: POST\r\n\r\nno\n");
    pke_buf_clear(&b);
    assert_int_equal(http_reply_write(&b, 200, NULL, PKE_BYTES(NULL, 0), false, NULL), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b),
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    b.max = 100;
    assert_int_equal(http_reply_write(&b, 200, NULL, pke_bytes_str("long enough"), false, NULL), PKE_LIMIT);
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_every_prefix_of_a_good_request_waits),
        cmocka_unit_test(test_request_fields),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_header_count),
        cmocka_unit_test(test_body_limit_is_seen_in_the_head),
        cmocka_unit_test(test_body_limits),
        cmocka_unit_test(test_trailer_limit),
        cmocka_unit_test(test_errors_stay_and_a_reset_clears_them),
        cmocka_unit_test(test_work_is_linear),
        cmocka_unit_test(test_reply),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
