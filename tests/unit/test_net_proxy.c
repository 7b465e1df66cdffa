/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy in front says: PROXY protocol, forwarded certificates and addresses (attack A15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/net/forwarded.h"
#include "daemon/net/proxyproto.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"

static const char *why;

/* Byte by byte, as the wire may cut it; what is asked for never goes past the header's end. */
static enum proxyproto_result read_all(const char *bytes, size_t n, struct proxyproto *ret, size_t *used)
{
    enum proxyproto_result result = PROXYPROTO_MORE;
    size_t have = 0, need = 0;

    for (;;) {
        result = proxyproto_read(PKE_BYTES(bytes, have), &need, ret, &why);
        if (result != PROXYPROTO_MORE)
            break;
        assert_in_range(need, 1, PROXYPROTO_MAX - have);
        if (have == n)
            break;
        have++;
    }
    *used = have;
    return result;
}

static void expect_source(const char *bytes, size_t n, const char *source)
{
    char text[NETADDR_TEXT] = "";
    struct proxyproto said;
    size_t used;

    assert_int_equal(read_all(bytes, n, &said, &used), PROXYPROTO_DONE);
    assert_int_equal(used, n);
    if (said.has_source)
        netaddr_text(&said.source, text);
    assert_string_equal(text, source);
}

static void test_proxy_header(void **state)
{
    static const char v4[] = SIG "\x21\x11\x00\x0c" V4;
    static const char tlv[] = SIG "\x21\x11\x00\x11" V4 "\x05\x00\x02"
                                  "id";
    static const char v6[] = SIG "\x21\x21\x00\x24"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x01\xbb";
    static const char mapped[] = SIG "\x21\x21\x00\x24"
                                     "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x09"
                                     "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x01\x30\x39\x01\xbb";
    static const char local[] = SIG "\x20\x11\x00\x03xyz";
    static const char unspec[] = SIG "\x21\x00\x00\x02zz";

    (void)state;
    expect_source(v4, sizeof v4 - 1, "192.0.2.7");
    expect_source(tlv, sizeof tlv - 1, "192.0.2.7");
    expect_source(v6, sizeof v6 - 1, "2001:db8::7");
    expect_source(mapped, sizeof mapped - 1, "192.0.2.9");
    expect_source(local, sizeof local - 1, "");
    expect_source(unspec, sizeof unspec - 1, "");
}

static void test_proxy_header_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, used; /* refused as early as it can be seen */
    } bad[] = {
        {"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", 35, 1}, /* version 1 */
        {"GET / HTTP/1.1\r\n\r\n", 18, 1},                /* none */
        {"\r\n\r\n\0\r\nQUIX\n", 12, 11},                 /* almost */
        {SIG "\x11\x11\x00\x0c" V4, 28, 16},              /* version 1 in binary */
        {SIG "\x22\x11\x00\x0c" V4, 28, 16},              /* a command of its own */
        {SIG "\x21\x12\x00\x0c" V4, 28, 28},              /* UDP */
        {SIG "\x21\x41\x00\x0c" V4, 28, 28},              /* an unknown family */
        {SIG "\x21\x11\x00\x0b\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01", 27, 27}, /* too short */
        {SIG "\x21\x11\x10\x01", 16, 16},                                             /* 4097 bytes */
        {SIG "\x21\x11\x00\x0f" V4 "\x05\x00\x01", 31, 31}, /* a TLV longer than the header */
        {SIG "\x21\x11\x00\x0e" V4 "\x05\x00", 30, 30},     /* half a TLV */
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        struct proxyproto said;
        size_t used;

        why = NULL;
        if (read_all(bad[i].bytes, bad[i].n, &said, &used) != PROXYPROTO_BAD || used != bad[i].used || !why)
            fail_msg("case %zu: used %zu", i, used);
        assert_false(said.has_source);
    }
}

static void test_ranges(void **state)
{
    static const char *const valid[] = {"10.0.0.0/8",    "192.0.2.7", "0.0.0.0/0",
                                        "2001:db8::/32", "::1",       "10.1.2.3/32"};
    static const char *const invalid[] = {
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/8 ", "2001:db8::1/32",
        "::/129",     "localhost",   "",          "/8",          "10.0.0.0/-1"};
    static const struct {
        const char *address;
        bool in;
    } cases[] = {{"10.255.0.1", true},     {"11.0.0.1", false},      {"192.0.2.7", true},
                 {"192.0.2.8", false},     {"2001:db8:ff::1", true}, {"2001:db9::1", false},
                 {"::ffff:10.1.1.1", true}};
    static char one[] = "10.0.0.0/8", two[] = "192.0.2.7", three[] = "2001:db8::/32";
    char *v[] = {one, two, three};
    struct pke_strings ranges = {.v = v, .n = PKE_LEN(v)};
    struct netaddr a;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(valid); i++)
        if (!netaddr_range_valid(valid[i]))
            fail_msg("%s", valid[i]);
    for (size_t i = 0; i < PKE_LEN(invalid); i++)
        if (netaddr_range_valid(invalid[i]))
            fail_msg("%s", invalid[i]);
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        assert_true(netaddr_parse(pke_bytes_str(cases[i].address), &a));
        if (netaddr_in(&a, &ranges) != cases[i].in)
            fail_msg("%s", cases[i].address);
    }
    assert_false(netaddr_parse(pke_bytes_str("[::1]"), &a));
    assert_false(netaddr_parse(pke_bytes_str("192.0.2.7:1"), &a));
    assert_false(netaddr_parse(pke_bytes_str("192.0.2.7, 10.0.0.1"), &a));
    assert_false(netaddr_parse(PKE_BYTES("::1\0", 4), &a));
}

/* ---- forwarded fields */

static struct pke_arena *arena;
static struct pke_bytes certificate; /* DER */
static char *escaped, *rfc9440;

static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    unsigned char *der = NULL;
    int n;

    assert_true(key && x && X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, key));
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    n = i2d_X509(x, &der);
    assert_true(n > 0);
    certificate = pke_arena_bytes(arena, PKE_BYTES(der, (size_t)n));
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* As nginx writes it. */
static char *escape_pem(struct pke_bytes der)
{
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    BIO *b = BIO_new(BIO_s_mem());
    char *text, *out;
    size_t at = 0;
    long n;

    assert_true(PEM_write_bio_X509(b, x));
    n = BIO_get_mem_data(b, &text);
    out = pke_arena_alloc(arena, (size_t)n * 3 + 1);
    for (long i = 0; i < n; i++) {
        if (strchr("+/=\n ", text[i]))
            at += (size_t)sprintf(out + at, "%%%02X", (unsigned char)text[i]);
        else
            out[at++] = text[i];
    }
    out[at] = '\0';
    BIO_free(b);
    X509_free(x);
    return out;
}

static int setup(void **state)
{
    char *b64;

    (void)state;
    arena = pke_arena_new();
    make_certificate();
    escaped = escape_pem(certificate);
    b64 = pke_arena_alloc(arena, certificate.n * 2);
    EVP_EncodeBlock((unsigned char *)b64, certificate.p, (int)certificate.n);
    rfc9440 = pke_arena_printf(arena, ":%s:", b64);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

static struct http_request request_of(const char *const (*fields)[2])
{
    struct http_request req = {0};

    for (; (*fields)[0]; fields++)
        req.headers[req.n_headers++] =
            (struct http_header){pke_bytes_str((*fields)[0]), pke_bytes_str((*fields)[1])};
    return req;
}

static char client_cert[] = "client-cert", x_client[] = "x-ssl-client-escaped", real_ip[] = "x-real-ip",
            assertion[] = "x-assertion";

static enum pke_err read_fields(const struct conf_listener *l, const char *const (*fields)[2],
                                struct forwarded *ret, struct pke_fail *fail)
{
    struct http_request req = request_of(fields);

    return forwarded_read(&req, l, arena, ret, fail);
}

static void test_certificates(void **state)
{
    struct conf_listener rfc = {.frontend = true, .client_cert_header = client_cert};
    struct conf_listener nginx = {
        .frontend = true, .client_cert_header = x_client, .client_cert_format = CONF_CLIENT_CERT_ESCAPED_PEM};
    struct conf_listener off = {.frontend = true}, clients = rfc;
    struct forwarded f;
    struct pke_fail fail;

    (void)state;
    clients.frontend = false;
    assert_int_equal(
        read_fields(&rfc, (const char *const[][2]){{"Client-Cert", rfc9440}, {NULL, NULL}}, &f, &fail),
        PKE_OK);
    assert_true(pke_bytes_eq(f.client_certificate, certificate));
    assert_int_equal(read_fields(&nginx,
                                 (const char *const[][2]){{"X-SSL-Client-Escaped", escaped}, {NULL, NULL}},
                                 &f, &fail),
                     PKE_OK);
    assert_true(pke_bytes_eq(f.client_certificate, certificate));
    /* absent and empty: the client showed none; the twin with an underscore is another name */
    assert_int_equal(
        read_fields(&nginx, (const char *const[][2]){{"X-SSL-Client-Escaped", ""}, {NULL, NULL}}, &f, &fail),
        PKE_OK);
    assert_int_equal(f.client_certificate.n, 0);
    assert_int_equal(
        read_fields(&rfc, (const char *const[][2]){{"Client_Cert", rfc9440}, {NULL, NULL}}, &f, &fail),
        PKE_OK);
    assert_int_equal(f.client_certificate.n, 0);
    /* nobody asked for it, or nobody may say it */
    assert_int_equal(
        read_fields(&off, (const char *const[][2]){{"Client-Cert", rfc9440}, {NULL, NULL}}, &f, &fail),
        PKE_OK);
    assert_int_equal(f.client_certificate.n, 0);
    assert_int_equal(
        read_fields(&clients, (const char *const[][2]){{"Client-Cert", rfc9440}, {NULL, NULL}}, &f, &fail),
        PKE_OK);
    assert_int_equal(f.client_certificate.n, 0);
}

static void test_refused_fields(void **state)
{
    struct conf_listener rfc = {.frontend = true,
                                .client_cert_header = client_cert,
                                .source_header = real_ip,
                                .assertion_header = assertion};
    struct conf_listener nginx = {
        .frontend = true, .client_cert_header = x_client, .client_cert_format = CONF_CLIENT_CERT_ESCAPED_PEM};
    char *twice = pke_arena_printf(arena, "%s%s", escaped, escaped);
    char *behind = pke_arena_printf(arena, "%sx", escaped);
    char *parameter = pke_arena_printf(arena, "%s;a=1", rfc9440);
    char *long_token = pke_arena_alloc(arena, FORWARDED_ASSERTION_MAX + 2);
    const struct {
        const struct conf_listener *l;
        const char *fields[3][2];
        const char *reason;
    } bad[] = {
        {&rfc, {{"Client-Cert", rfc9440}, {"client-cert", rfc9440}}, "forwarded-twice"},
        {&rfc, {{"Client-Cert", rfc9440}, {"Client-Cert", ""}}, "forwarded-twice"},
        {&rfc, {{"Client-Cert", rfc9440}, {"Connection", "close, Client-Cert"}}, "forwarded-connection"},
        {&rfc, {{"Connection", "x-real-ip"}}, "forwarded-connection"},
        {&rfc, {{"Client-Cert", rfc9440 + 1}}, "forwarded-certificate"},
        {&rfc, {{"Client-Cert", parameter}}, "forwarded-certificate"},
        {&rfc, {{"Client-Cert", "::"}}, "forwarded-certificate"},
        {&rfc, {{"Client-Cert", ":MAo=:"}}, "forwarded-certificate"},
        {&rfc, {{"Client-Cert", escaped}}, "forwarded-certificate"},
        {&nginx, {{"X-SSL-Client-Escaped", rfc9440}}, "forwarded-certificate"},
        {&nginx, {{"X-SSL-Client-Escaped", twice}}, "forwarded-certificate"},
        {&nginx, {{"X-SSL-Client-Escaped", behind}}, "forwarded-certificate"},
        {&nginx, {{"X-SSL-Client-Escaped", "%4"}}, "forwarded-certificate"},
        {&nginx, {{"X-SSL-Client-Escaped", "%zz"}}, "forwarded-certificate"},
        {&rfc, {{"X-Real-IP", "192.0.2.7, 10.0.0.1"}}, "forwarded-source"},
        {&rfc, {{"X-Real-IP", "unknown"}}, "forwarded-source"},
        {&rfc, {{"X-Assertion", long_token}}, "forwarded-assertion"},
    };
    struct forwarded f;
    struct pke_fail fail;

    (void)state;
    memset(long_token, 'a', FORWARDED_ASSERTION_MAX + 1);
    long_token[FORWARDED_ASSERTION_MAX + 1] = '\0';
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        fail = (struct pke_fail){0};
        if (read_fields(bad[i].l, bad[i].fields, &f, &fail) != PKE_MALFORMED)
            fail_msg("case %zu passed", i);
        assert_string_equal(fail.reason, bad[i].reason);
    }
}

static void test_ids_and_source(void **state)
{
    static const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct conf_listener l = {.frontend = true, .source_header = real_ip, .assertion_header = assertion};
    char text[NETADDR_TEXT];
    struct forwarded f;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(read_fields(&l,
                                 (const char *const[][2]){{"X-Real-IP", "2001:DB8::7"},
                                                          {"X-Request-Id", "req-1"},
                                                          {"Traceparent", parent},
                                                          {"X-Assertion", "a.b.c"},
                                                          {NULL, NULL}},
                                 &f, &fail),
                     PKE_OK);
    netaddr_text(&f.source, text);
    assert_string_equal(text, "2001:db8::7");
    assert_string_equal(f.request_id, "req-1");
    assert_string_equal(f.traceparent, parent);
    assert_true(pke_bytes_eq_str(f.assertion, "a.b.c"));
    /* an id that would spoil the log is left out, and nothing fails for it */
    assert_int_equal(
        read_fields(&l,
                    (const char *const[][2]){
                        {"X-Request-Id", "a b"},
                        {"traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"},
                        {NULL, NULL}},
                    &f, &fail),
        PKE_OK);
    assert_null(f.request_id);
    assert_null(f.traceparent);
    assert_false(f.has_source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_header),   cmocka_unit_test(test_proxy_header_refused),
        cmocka_unit_test(test_ranges),         cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_refused_fields), cmocka_unit_test(test_ids_and_source),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
