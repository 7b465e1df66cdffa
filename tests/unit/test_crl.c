/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists (RFC 5280 5) by builder, decoder, lint and floor; OpenSSL reads and verifies what is
 * built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "ca/cert.h"
#include "ca/crl.h"
#include "ca/crl_floor.h"

#define NOW   INT64_C(1900000000)
#define DAY   86400
#define Y2050 INT64_C(2524608000) /* 2050-01-01 */
#define MANY  20000

static EVP_PKEY *key, *other_key;
static struct ca_issuer *ca, *other_ca;
static X509 *ca_x509;

static void add(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_true(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static struct ca_issuer *make_ca(EVP_PKEY *k, const char *name, X509 **keep)
{
    X509 *x = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    struct ca_issuer *ret = NULL;
    struct pke_fail fail;
    char *text;
    long n;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW - DAY);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW + 10000 * (time_t)DAY);
    X509_set_pubkey(x, k);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    add(x, NID_basic_constraints, "critical,CA:TRUE");
    add(x, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(x, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(x, k, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    assert_int_equal(
        ca_issuer_load(PKE_BYTES(text, (size_t)n), PKE_BYTES(NULL, 0), CA_SCHEME_DEFAULT, &ret, &fail),
        PKE_OK);
    BIO_free(bio);
    if (keep)
        *keep = x;
    else
        X509_free(x);
    return ret;
}

static int set_up(void **state)
{
    (void)state;
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    other_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    ca = make_ca(key, "CA", &ca_x509);
    other_ca = make_ca(other_key, "Other", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ca_issuer_free(ca);
    ca_issuer_free(other_ca);
    X509_free(ca_x509);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return 0;
}

static struct ca_crl_spec spec_of(int64_t number, struct pke_bytes entries)
{
    return (struct ca_crl_spec){
        .number = number, .this_update = NOW - 300, .next_update = NOW + 7 * DAY, .entries = entries};
}

static void build(const struct ca_issuer *issuer, const struct ca_crl_spec *spec, struct pke_buf *out)
{
    struct pke_fail fail = {0};

    pke_buf_init(out, CA_CRL_MAX);
    if (ca_crl_build(issuer, spec, out, &fail) != PKE_OK)
        fail_msg("%s: %s", fail.reason, fail.text);
}

static void sign(struct pke_bytes tbs, struct pke_buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[256];
    size_t n = sizeof signature;

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, tbs.p, tbs.n), 1);
    EVP_MD_CTX_free(ctx);
    assert_true(ca_cert_verify(ca, tbs, PKE_BYTES(signature, n)));
    pke_buf_init(out, CA_CRL_MAX);
    assert_int_equal(ca_crl_assemble(ca, tbs, PKE_BYTES(signature, n), out), PKE_OK);
}

/* Signed, as OpenSSL reads it; verified with the CA's key. */
static X509_CRL *openssl_crl(const struct ca_crl_spec *spec)
{
    struct pke_buf tbs, der;
    const unsigned char *at;
    X509_CRL *crl;

    build(ca, spec, &tbs);
    sign(pke_buf_bytes(&tbs), &der);
    at = der.p;
    crl = d2i_X509_CRL(NULL, &at, (long)der.n);
    assert_non_null(crl);
    assert_ptr_equal(at, der.p + der.n);
    assert_int_equal(X509_CRL_verify(crl, key), 1);
    pke_buf_done(&tbs);
    pke_buf_done(&der);
    return crl;
}

static void serial_of(uint32_t n, uint8_t out[8])
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(i < 4 ? 0x41 + i : n >> (56 - 8 * i));
}

static void add_entries(struct pke_buf *b, uint32_t count, unsigned reason)
{
    uint8_t serial[8];

    pke_buf_init(b, CA_CRL_MAX);
    for (uint32_t i = 0; i < count; i++) {
        serial_of(i, serial);
        assert_true(ca_crl_entry_add(b, PKE_BYTES(serial, 8), NOW - i, reason));
    }
}

static void test_empty(void **state)
{
    struct ca_crl_spec spec = spec_of(1, PKE_BYTES(NULL, 0));
    X509_CRL *crl = openssl_crl(&spec);

    (void)state;
    assert_int_equal(X509_CRL_get_version(crl), X509_CRL_VERSION_2);
    assert_null(X509_CRL_get_REVOKED(crl)); /* RFC 5280 5.1.2.6: absent, not empty */
    assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca_x509)), 0);
    assert_int_equal(X509_CRL_get_ext_count(crl), 2);
    X509_CRL_free(crl);
}

static void test_entries(void **state)
{
    static const unsigned reasons[] = {0, 1, 3, 4, 5, 6, 9, 10};
    struct ca_crl_spec spec;
    struct pke_buf entries;
    uint8_t serial[8];
    X509_CRL *crl;

    (void)state;
    pke_buf_init(&entries, CA_CRL_MAX);
    for (uint32_t i = 0; i < PKE_LEN(reasons); i++) {
        serial_of(i, serial);
        assert_true(ca_crl_entry_add(&entries, PKE_BYTES(serial, 8), NOW - i, reasons[i]));
    }
    spec = spec_of(300, pke_buf_bytes(&entries));
    crl = openssl_crl(&spec);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), PKE_LEN(reasons));
    for (uint32_t i = 0; i < PKE_LEN(reasons); i++) {
        X509_REVOKED *r = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), (int)i);
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);

        if (reasons[i]) /* unspecified is not written (RFC 5280 5.3.1) */
            assert_int_equal(ASN1_ENUMERATED_get(reason), reasons[i]);
        else
            assert_null(reason);
        ASN1_ENUMERATED_free(reason);
        assert_int_equal(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(r), NOW - i), 0);
    }
    X509_CRL_free(crl);
    pke_buf_done(&entries);
}

/* Serials with a high bit, of one octet and of twenty; what has no encoding is refused and leaves nothing. */
static void test_serials(void **state)
{
    static const uint8_t high[] = {0x80, 0x01}, longest[20] = {0x7f, 1}, too_long[21] = {0x01},
                         zero[] = {0x00, 0x01}, too_high[20] = {0x80};
    struct pke_buf entries;
    struct pke_cursor at;
    struct ca_crl_entry e;
    size_t n;

    (void)state;
    pke_buf_init(&entries, CA_CRL_MAX);
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\5", 1), NOW, 0));
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES(high, 2), NOW, 1));
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES(longest, 20), NOW, 0));
    n = entries.n;
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(too_long, 21), NOW, 0));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(too_high, 20), NOW, 0));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(zero, 2), NOW, 0));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES("", 0), NOW, 0));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(high, 2), NOW, 7));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(high, 2), NOW, 11));
    assert_false(ca_crl_entry_add(&entries, PKE_BYTES(high, 2), INT64_MAX, 0));
    assert_int_equal(entries.n, n);
    at = pke_cursor_of(pke_buf_bytes(&entries));
    assert_int_equal(ca_crl_next(&at, &e, NULL), PKE_OK);
    assert_true(pke_bytes_eq(e.serial, PKE_BYTES("\5", 1)));
    assert_int_equal(ca_crl_next(&at, &e, NULL), PKE_OK);
    assert_true(pke_bytes_eq(e.serial, PKE_BYTES(high, 2)) && e.reason == 1 && e.revoked_at == NOW);
    assert_int_equal(ca_crl_next(&at, &e, NULL), PKE_OK);
    assert_true(pke_bytes_eq(e.serial, PKE_BYTES(longest, 20)));
    assert_int_equal(ca_crl_next(&at, &e, NULL), PKE_NOT_FOUND);
    pke_buf_done(&entries);
}

static void test_delta_and_freshest(void **state)
{
    static char url[] = "http://pki.example/ca-delta.crl", *list[] = {url};
    static const struct pke_strings urls = {list, 1};
    struct ca_crl_spec spec = spec_of(9, PKE_BYTES(NULL, 0));
    int critical = 0;
    X509_CRL *crl;
    ASN1_INTEGER *base;
    CRL_DIST_POINTS *points;

    (void)state;
    spec.base = 4;
    spec.delta_urls = &urls; /* a delta has no pointer to deltas (RFC 5280 5.2.6) */
    crl = openssl_crl(&spec);
    base = X509_CRL_get_ext_d2i(crl, NID_delta_crl, &critical, NULL);
    assert_true(base && ASN1_INTEGER_get(base) == 4 && critical == 1);
    assert_int_equal(X509_CRL_get_ext_by_NID(crl, NID_freshest_crl, -1), -1);
    ASN1_INTEGER_free(base);
    X509_CRL_free(crl);
    spec.base = 0;
    crl = openssl_crl(&spec);
    points = X509_CRL_get_ext_d2i(crl, NID_freshest_crl, &critical, NULL);
    assert_true(points && critical == 0);
    assert_int_equal(sk_DIST_POINT_num(points), 1);
    CRL_DIST_POINTS_free(points);
    X509_CRL_free(crl);
}

static void test_dates_of_2050(void **state)
{
    struct ca_crl_spec spec = spec_of(1, PKE_BYTES(NULL, 0));
    struct pke_buf entries;
    X509_CRL *crl;

    (void)state;
    pke_buf_init(&entries, 1000);
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\1", 1), Y2050 - 1, 0));
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\2", 1), Y2050, 0));
    spec.entries = pke_buf_bytes(&entries);
    spec.this_update = Y2050 - 1;
    spec.next_update = Y2050;
    crl = openssl_crl(&spec);
    assert_int_equal(ASN1_STRING_type(X509_CRL_get0_lastUpdate(crl)), V_ASN1_UTCTIME);
    assert_int_equal(ASN1_STRING_type(X509_CRL_get0_nextUpdate(crl)), V_ASN1_GENERALIZEDTIME);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_CRL_get0_nextUpdate(crl), Y2050), 0);
    X509_CRL_free(crl);
    pke_buf_done(&entries);
}

static void test_numbers(void **state)
{
    static const struct {
        int64_t n;
        size_t octets;
    } numbers[] = {{1, 1}, {127, 1}, {128, 2}, {255, 2}, {256, 2}, {INT64_MAX, 8}};
    struct pke_buf tbs;
    struct pke_fail fail;
    struct ca_crl crl;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(numbers); i++) {
        struct ca_crl_spec spec = spec_of(numbers[i].n, PKE_BYTES(NULL, 0));

        build(ca, &spec, &tbs);
        assert_int_equal(ca_crl_decode(pke_buf_bytes(&tbs), &crl, &fail), PKE_OK);
        assert_int_equal(crl.number, numbers[i].n);
        for (size_t k = 0; k < crl.n_ext; k++)
            if (strcmp(crl.ext[k].oid, "2.5.29.20") == 0)
                assert_int_equal(crl.ext[k].value.n, numbers[i].octets + 2);
        pke_buf_done(&tbs);
    }
}

static void test_what_cannot_be_built(void **state)
{
    static char bad[] = "no url", *list[] = {bad};
    static const struct pke_strings urls = {list, 1};
    struct ca_crl_spec good = spec_of(5, PKE_BYTES(NULL, 0)), spec;
    struct pke_buf out;
    struct pke_fail fail;

    (void)state;
    pke_buf_init(&out, CA_CRL_MAX);
#define REFUSED(change, why)                                                \
    do {                                                                    \
        spec = good;                                                        \
        change;                                                             \
        assert_int_equal(ca_crl_build(ca, &spec, &out, &fail), PKE_POLICY); \
        assert_string_equal(fail.reason, why);                              \
        assert_int_equal(out.n, 0);                                         \
    } while (0)
    REFUSED(spec.number = 0, "crl-number");
    REFUSED(spec.number = -1, "crl-number");
    REFUSED(spec.base = 5, "crl-base");
    REFUSED(spec.base = -1, "crl-base");
    REFUSED(spec.next_update = spec.this_update, "crl-dates");
    REFUSED(spec.next_update = INT64_C(253402300800), "crl-dates"); /* the year 10000 */
    REFUSED(spec.delta_urls = &urls, "crl-urls");
#undef REFUSED
    pke_buf_done(&out);
}

/* Whatever octet is changed, the decoder never reads beyond, and the floor lets nothing else through than
 * another date, reason, serial or number. */
static void test_changed_octets(void **state)
{
    const struct ca_crl_limits limits = {.max_lifetime = 8 * DAY};
    struct pke_buf entries, tbs;
    unsigned let_through = 0;

    (void)state;
    add_entries(&entries, 3, 1);
    struct ca_crl_spec spec = spec_of(0x1234, pke_buf_bytes(&entries));
    build(ca, &spec, &tbs);
    for (size_t i = 0; i < tbs.n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t *copy = pke_malloc(tbs.n);
            int64_t last = 0;
            struct pke_fail fail;

            memcpy(copy, tbs.p, tbs.n);
            copy[i] ^= (uint8_t)(1u << bit);
            let_through +=
                ca_crl_floor_check(ca, &limits, &last, PKE_BYTES(copy, tbs.n), NOW, &fail) == PKE_OK;
            free(copy);
        }
        assert_int_not_equal(ca_crl_floor_check(ca, &limits, &(int64_t){0}, PKE_BYTES(tbs.p, i), NOW, NULL),
                             PKE_OK);
    }
    assert_true(let_through > 0 && let_through < 400);
    pke_buf_done(&entries);
    pke_buf_done(&tbs);
}

static void test_decoder_is_strict(void **state)
{
    static const struct {
        const char *name;
        uint8_t der[64];
        size_t n;
    } bad[] = {
        {"empty", {0}, 0},
        {"an empty sequence", {0x30, 0}, 2},
        {"trailing", {0x30, 0, 0}, 3},
        {"indefinite", {0x30, 0x80, 0, 0}, 4},
        {"version 3", {0x30, 3, 2, 1, 2}, 5},
    };
    struct pke_fail fail;
    struct ca_crl crl;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        if (ca_crl_decode(PKE_BYTES(bad[i].der, bad[i].n), &crl, &fail) != PKE_MALFORMED)
            fail_msg("%s is taken", bad[i].name);
}

static void check_floor(const struct ca_crl_spec *spec, const struct ca_issuer *by, int64_t last,
                        const char *reason)
{
    const struct ca_crl_limits limits = {.max_lifetime = 8 * DAY};
    int64_t number = last;
    struct pke_fail fail = {0};
    struct pke_buf tbs;
    enum pke_err err;

    build(by, spec, &tbs);
    err = ca_crl_floor_check(ca, &limits, &number, pke_buf_bytes(&tbs), NOW, &fail);
    if (reason) {
        assert_int_equal(err, PKE_POLICY);
        assert_string_equal(fail.reason, reason);
        assert_int_equal(number, last);
    } else {
        if (err != PKE_OK)
            fail_msg("%s: %s", fail.reason, fail.text);
        assert_int_equal(number, spec->number);
    }
    pke_buf_done(&tbs);
}

static void test_floor(void **state)
{
    struct ca_crl_spec good = spec_of(5, PKE_BYTES(NULL, 0)), spec = good;
    struct pke_buf entries;

    (void)state;
    check_floor(&good, ca, 0, NULL);
    check_floor(&good, ca, 4, NULL);
    check_floor(&good, ca, 5, "floor-crl-number");
    check_floor(&good, ca, INT64_MAX, "floor-crl-number");
    check_floor(&good, other_ca, 0, "floor-crl-issuer");
    spec.next_update = NOW + 9 * DAY;
    check_floor(&spec, ca, 0, "floor-crl-next-update");
    spec.next_update = NOW - 1;
    check_floor(&spec, ca, 0, "floor-crl-next-update");
    spec = good;
    spec.this_update = NOW - 7200;
    check_floor(&spec, ca, 0, "floor-crl-this-update");
    spec.this_update = NOW + 600;
    check_floor(&spec, ca, 0, "floor-crl-this-update");
    pke_buf_init(&entries, 1000);
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\2", 1), NOW, 0));
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\2", 1), NOW, 0));
    spec = good;
    spec.entries = pke_buf_bytes(&entries);
    check_floor(&spec, ca, 0, "floor-crl-order"); /* twice */
    pke_buf_clear(&entries);
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\1\1", 2), NOW, 0));
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\2", 1), NOW, 0));
    spec.entries = pke_buf_bytes(&entries);
    check_floor(&spec, ca, 0, "floor-crl-order");
    pke_buf_clear(&entries);
    assert_true(ca_crl_entry_add(&entries, PKE_BYTES("\2", 1), NOW, CA_REASON_REMOVE));
    spec.entries = pke_buf_bytes(&entries);
    check_floor(&spec, ca, 0, "floor-crl-remove");
    spec.base = 3;
    check_floor(&spec, ca, 0, NULL); /* in a delta it has its place */
    pke_buf_done(&entries);
}

static void test_lint(void **state)
{
    struct ca_crl_lint_context good = {
        .issuer = ca, .now = NOW, .number = 5, .next_update = NOW + 7 * DAY, .entries = 3};
    struct ca_crl_lint_context ctx;
    struct pke_buf entries, tbs;
    struct pke_fail fail;

    (void)state;
    add_entries(&entries, 3, 4);
    struct ca_crl_spec spec = spec_of(5, pke_buf_bytes(&entries));
    build(ca, &spec, &tbs);
    assert_int_equal(ca_crl_lint(pke_buf_bytes(&tbs), &good, &fail), PKE_OK);
#define FINDS(change, why)                                                           \
    do {                                                                             \
        ctx = good;                                                                  \
        change;                                                                      \
        assert_int_equal(ca_crl_lint(pke_buf_bytes(&tbs), &ctx, &fail), PKE_POLICY); \
        assert_string_equal(fail.reason, why);                                       \
    } while (0)
    FINDS(ctx.number = 6, "crl-number-decided");
    FINDS(ctx.base = 2, "crl-delta-indicator");
    FINDS(ctx.entries = 2, "crl-entries-decided");
    FINDS(ctx.next_update++, "crl-next-update-decided");
    FINDS(ctx.now += DAY, "crl-this-update-now");
    FINDS(ctx.issuer = other_ca, "crl-issuer-name");
#undef FINDS
    pke_buf_done(&entries);
    pke_buf_done(&tbs);
}

/* What is read back from the publish folder is believed only with this CA's signature. */
static void test_read(void **state)
{
    struct pke_buf entries, tbs, der;
    struct pke_fail fail;
    struct ca_crl crl;

    (void)state;
    add_entries(&entries, 10, 1);
    struct ca_crl_spec spec = spec_of(77, pke_buf_bytes(&entries));
    build(ca, &spec, &tbs);
    sign(pke_buf_bytes(&tbs), &der);
    assert_int_equal(ca_crl_read(ca, pke_buf_bytes(&der), &crl, &fail), PKE_OK);
    assert_int_equal(crl.number, 77);
    assert_int_equal(ca_crl_read(other_ca, pke_buf_bytes(&der), &crl, &fail), PKE_DENIED);
    for (size_t i = 0; i < der.n; i += 7) {
        der.p[i] ^= 0x01;
        assert_int_not_equal(ca_crl_read(ca, pke_buf_bytes(&der), &crl, &fail), PKE_OK);
        der.p[i] ^= 0x01;
        assert_int_not_equal(ca_crl_read(ca, PKE_BYTES(der.p, i), &crl, &fail), PKE_OK);
    }
    pke_buf_done(&entries);
    pke_buf_done(&tbs);
    pke_buf_done(&der);
}

static void test_many_entries(void **state)
{
    struct pke_buf entries;
    struct ca_crl_spec spec;
    X509_CRL *crl;

    (void)state;
    add_entries(&entries, MANY, 1);
    spec = spec_of(5, pke_buf_bytes(&entries));
    check_floor(&spec, ca, 4, NULL);
    crl = openssl_crl(&spec);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), MANY);
    X509_CRL_free(crl);
    pke_buf_done(&entries);
}

static void test_too_large(void **state)
{
    struct pke_buf entries, out;
    struct ca_crl_spec spec;
    struct pke_fail fail;
    uint8_t serial[8];
    uint32_t n = 0;

    (void)state;
    pke_buf_init(&entries, CA_CRL_MAX);
    for (serial_of(0, serial); ca_crl_entry_add(&entries, PKE_BYTES(serial, 8), NOW, 1);
         serial_of(++n, serial))
        ;
    assert_true(entries.overflow && n > 500000);
    spec = spec_of(5, pke_buf_bytes(&entries));
    pke_buf_init(&out, 2 * CA_CRL_MAX);
    assert_int_equal(ca_crl_build(ca, &spec, &out, &fail), PKE_LIMIT);
    assert_string_equal(fail.reason, "crl-size");
    assert_int_equal(out.n, 0);
    pke_buf_done(&entries);
    pke_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_serials),
        cmocka_unit_test(test_delta_and_freshest),
        cmocka_unit_test(test_dates_of_2050),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_cannot_be_built),
        cmocka_unit_test(test_changed_octets),
        cmocka_unit_test(test_decoder_is_strict),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_lint),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_many_entries),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests_name("crl", tests, set_up, tear_down);
}
