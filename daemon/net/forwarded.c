/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/forwarded.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"

#define RULE            "pkienrolld.conf listeners: what a frontend forwards"
#define CERTIFICATE_MAX (12u << 10) /* DER; the head of a request is bounded as well */
#define TRACEPARENT     55          /* 00-<32 hex>-<16 hex>-<2 hex> */

static bool is_named(struct pke_bytes name, const char *wanted)
{
    return name.n == strlen(wanted) && strncasecmp((const char *)name.p, wanted, name.n) == 0;
}

/* A comma-separated list of tokens (RFC 9110 7.6.1). */
static bool lists(struct pke_bytes value, const char *name)
{
    size_t i = 0;

    while (i < value.n) {
        size_t from, to;

        while (i < value.n && (value.p[i] == ' ' || value.p[i] == '\t' || value.p[i] == ','))
            i++;
        from = i;
        while (i < value.n && value.p[i] != ',')
            i++;
        for (to = i; to > from && (value.p[to - 1] == ' ' || value.p[to - 1] == '\t');)
            to--;
        if (is_named(PKE_BYTES(value.p + from, to - from), name))
            return true;
    }
    return false;
}

enum pke_err forwarded_field(const struct http_request *req, const char *name, struct pke_bytes *value,
                             struct pke_fail *fail)
{
    bool found = false;

    *value = PKE_BYTES(NULL, 0);
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct http_header *h = &req->headers[i];

        if (is_named(h->name, "connection") && lists(h->value, name))
            return pke_fail_set(fail, PKE_MALFORMED, "forwarded-connection", RULE,
                                "the Connection field lists %s", name);
        if (!is_named(h->name, name))
            continue;
        if (found)
            return pke_fail_set(fail, PKE_MALFORMED, "forwarded-twice", RULE, "%s is there twice", name);
        found = true;
        *value = h->value;
    }
    return PKE_OK;
}

static enum pke_err bad_certificate(struct pke_fail *fail, const char *name, const char *what)
{
    ERR_clear_error();
    return pke_fail_set(fail, PKE_MALFORMED, "forwarded-certificate", RULE, "%s %s", name, what);
}

/* Whether it is any good is judged where those of TLS are; here it has to be one. */
static enum pke_err keep_certificate(const char *name, struct pke_bytes der, struct pke_arena *arena,
                                     struct forwarded *ret, struct pke_fail *fail)
{
    const unsigned char *p = der.p;
    X509 *x = der.n && der.n <= CERTIFICATE_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
    bool whole = x && p == der.p + der.n;

    X509_free(x);
    if (!whole)
        return bad_certificate(fail, name, "holds no X.509 certificate");
    ret->client_certificate = pke_arena_bytes(arena, der);
    return PKE_OK;
}

/* RFC 9440 2.1 by RFC 8941: a byte sequence, without parameters. */
static enum pke_err read_rfc9440(const char *name, struct pke_bytes v, struct pke_arena *arena,
                                 struct forwarded *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf der = {0};

    pke_buf_init(&der, CERTIFICATE_MAX);
    if (v.n < 2 || v.p[0] != ':' || v.p[v.n - 1] != ':' ||
        pke_base64_decode(PKE_BYTES(v.p + 1, v.n - 2), PKE_B64_STRICT, &der) != PKE_OK)
        return bad_certificate(fail, name, "is no byte sequence of RFC 9440");
    return keep_certificate(name, pke_buf_bytes(&der), arena, ret, fail);
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool percent_decode(struct pke_bytes v, struct pke_buf *out)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];

        if (c == '%') {
            int high = i + 2 < v.n ? hex_digit(v.p[i + 1]) : -1,
                low = i + 2 < v.n ? hex_digit(v.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        pke_buf_add(out, &c, 1);
    }
    return !out->overflow;
}

/* $ssl_client_escaped_cert of nginx: PEM with everything but letters, digits and -._~ escaped. */
static enum pke_err read_escaped_pem(const char *name, struct pke_bytes v, struct pke_arena *arena,
                                     struct forwarded *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf pem = {0};
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    enum pke_err err;
    BIO *in;
    bool one;

    pke_buf_init(&pem, 2 * CERTIFICATE_MAX);
    if (!percent_decode(v, &pem) || pem.n == 0)
        return bad_certificate(fail, name, "is no escaped PEM");
    in = BIO_new_mem_buf(pem.p, (int)pem.n);
    one = in && PEM_read_bio(in, &label, &header, &der, &n) == 1 && strcmp(label, PEM_STRING_X509) == 0 &&
          *header == '\0' && BIO_pending(in) == 0;
    BIO_free(in);
    err = one ? keep_certificate(name, PKE_BYTES(der, (size_t)n), arena, ret, fail)
              : bad_certificate(fail, name, "is not one PEM certificate");
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return err;
}

static enum pke_err read_certificate(const struct http_request *req, const struct conf_listener *l,
                                     struct pke_arena *arena, struct forwarded *ret, struct pke_fail *fail)
{
    struct pke_bytes v;
    enum pke_err err;

    if (!l->client_cert_header)
        return PKE_OK;
    err = forwarded_field(req, l->client_cert_header, &v, fail);
    if (err != PKE_OK || v.n == 0)
        return err;
    return l->client_cert_format == CONF_CLIENT_CERT_ESCAPED_PEM
               ? read_escaped_pem(l->client_cert_header, v, arena, ret, fail)
               : read_rfc9440(l->client_cert_header, v, arena, ret, fail);
}

/* One address. A list such as X-Forwarded-For has entries that clients wrote. */
static enum pke_err read_source(const struct http_request *req, const struct conf_listener *l,
                                struct forwarded *ret, struct pke_fail *fail)
{
    struct pke_bytes v;
    enum pke_err err;

    if (!l->source_header)
        return PKE_OK;
    err = forwarded_field(req, l->source_header, &v, fail);
    if (err != PKE_OK || v.n == 0)
        return err;
    ret->has_source = netaddr_parse(v, &ret->source);
    return ret->has_source ? PKE_OK
                           : pke_fail_set(fail, PKE_MALFORMED, "forwarded-source", RULE,
                                          "%s is not exactly one IP address", l->source_header);
}

static bool is_id(struct pke_bytes v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '\\')
            return false;
    return v.n > 0 && v.n <= FORWARDED_ID_MAX;
}

static bool is_traceparent(struct pke_bytes v)
{
    for (size_t i = 0; i < v.n; i++) {
        bool dash = i == 2 || i == 35 || i == 52;

        if (dash ? v.p[i] != '-' : hex_digit(v.p[i]) < 0 || (v.p[i] >= 'A' && v.p[i] <= 'F'))
            return false;
    }
    return v.n == TRACEPARENT && (v.p[0] != 'f' || v.p[1] != 'f');
}

/* They decide nothing: what cannot be logged is left out, no request fails for it. */
static const char *read_id(const struct http_request *req, const char *name, bool (*good)(struct pke_bytes),
                           struct pke_arena *arena)
{
    struct pke_bytes v;

    return http_header_get(req, name, &v) && good(v)
               ? (const char *)pke_arena_printf(arena, "%.*s", (int)v.n, v.p)
               : NULL;
}

enum pke_err forwarded_read(const struct http_request *req, const struct conf_listener *l,
                            struct pke_arena *arena, struct forwarded *ret, struct pke_fail *fail)
{
    enum pke_err err;

    *ret = (struct forwarded){0};
    if (!l->frontend)
        return PKE_OK;
    err = read_certificate(req, l, arena, ret, fail);
    if (err == PKE_OK)
        err = read_source(req, l, ret, fail);
    if (err == PKE_OK && l->assertion_header)
        err = forwarded_field(req, l->assertion_header, &ret->assertion, fail);
    if (err == PKE_OK && ret->assertion.n > FORWARDED_ASSERTION_MAX)
        err = pke_fail_set(fail, PKE_MALFORMED, "forwarded-assertion", RULE, "%s is longer than %d bytes",
                           l->assertion_header, FORWARDED_ASSERTION_MAX);
    ret->request_id = read_id(req, "x-request-id", is_id, arena);
    ret->traceparent = read_id(req, "traceparent", is_traceparent, arena);
    return err;
}
