/* SPDX-License-Identifier: Apache-2.0 */
/* Names of certificates, both ways. What is written is read by libcrypto, which shares nothing with ca/. */
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/names.h"

#define UPN_OID "1.3.6.1.4.1.311.20.2.3"
#define SID     "S-1-5-21-1004336348-1177238915-682003330-512"

static struct pke_arena *arena;

static struct pke_bytes hex(const char *digits)
{
    uint8_t *raw = pke_arena_alloc(arena, strlen(digits) / 2 + 1);
    size_t n = strlen(digits) / 2;

    assert_true(pke_hex_decode(pke_bytes_str(digits), raw, &n));
    return PKE_BYTES(raw, n);
}

static struct pke_pairs list(const char *const *v)
{
    struct pke_pairs ret = {NULL, 0};

    for (; v[0]; v += 2)
        pke_pairs_add(&ret, arena, v[0], v[1]);
    return ret;
}

static void assert_same(const struct pke_pairs *a, const struct pke_pairs *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->v[i].name, b->v[i].name);
        assert_string_equal(a->v[i].value, b->v[i].value);
    }
}

static const char *const full_subject[] = {"DC",
                                           "example",
                                           "DC",
                                           "corp",
                                           "C",
                                           "DE",
                                           "ST",
                                           "Bayern",
                                           "L",
                                           "M\xc3\xbcnchen",
                                           "O",
                                           "Corp, Ltd.",
                                           "OU",
                                           "IT",
                                           "OU",
                                           "Ger\xc3\xa4te",
                                           "CN",
                                           "ada@corp.example",
                                           "serialNumber",
                                           "PC-0815 (2)",
                                           "UID",
                                           "ada",
                                           NULL};

static void test_subject(void **state)
{
    static const struct {
        int nid, type;
    } want[] = {
        {NID_domainComponent, V_ASN1_IA5STRING},
        {NID_domainComponent, V_ASN1_IA5STRING},
        {NID_countryName, V_ASN1_PRINTABLESTRING},
        {NID_stateOrProvinceName, V_ASN1_UTF8STRING},
        {NID_localityName, V_ASN1_UTF8STRING},
        {NID_organizationName, V_ASN1_UTF8STRING},
        {NID_organizationalUnitName, V_ASN1_UTF8STRING},
        {NID_organizationalUnitName, V_ASN1_UTF8STRING},
        {NID_commonName, V_ASN1_UTF8STRING},
        {NID_serialNumber, V_ASN1_PRINTABLESTRING},
        {NID_userId, V_ASN1_UTF8STRING},
    };
    struct pke_pairs subject = list(full_subject), again = {NULL, 0};
    struct pke_fail fail;
    struct pke_buf b;
    X509_NAME *name;
    const uint8_t *p;

    (void)state;
    pke_buf_init(&b, 4096);
    assert_int_equal(ca_subject_encode(&subject, &b, &fail), PKE_OK);
    p = b.p;
    name = d2i_X509_NAME(NULL, &p, (long)b.n);
    assert_non_null(name);
    assert_ptr_equal(p, b.p + b.n);
    assert_int_equal(X509_NAME_entry_count(name), (int)PKE_LEN(want));
    for (int i = 0; i < (int)PKE_LEN(want); i++) {
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(e);

        assert_int_equal(X509_NAME_ENTRY_set(e), i); /* an RDN each */
        assert_int_equal(OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)), want[i].nid);
        assert_int_equal(ASN1_STRING_type(value), want[i].type);
        assert_true(pke_bytes_eq_str(
            PKE_BYTES(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)), subject.v[i].value));
    }
    X509_NAME_free(name);
    assert_int_equal(ca_subject_decode(pke_buf_bytes(&b), arena, &again, &fail), PKE_OK);
    assert_same(&subject, &again);
    pke_buf_clear(&b);
    assert_int_equal(ca_subject_encode(NULL, &b, &fail), PKE_OK);
    assert_int_equal(b.n, 2);
    again.n = 0;
    assert_int_equal(ca_subject_decode(pke_buf_bytes(&b), arena, &again, &fail), PKE_OK);
    assert_int_equal(again.n, 0);
    pke_buf_done(&b);
}

static const char *repeat(char c, size_t n)
{
    char *s = pke_arena_alloc(arena, n + 1);

    memset(s, c, n);
    return s;
}

static void test_subject_bounds(void **state)
{
    const struct {
        const char *kind, *value, *reason; /* NULL: good */
    } rows[] = {
        {"CN", repeat('a', 64), NULL},
        {"CN", repeat('a', 65), "name-length"},
        {"CN", "", "name-length"},
        {"CN", "a\x01", "name-characters"},
        {"CN", "a\xe2\x80\xae", "name-characters"}, /* right-to-left override */
        {"CN", "a\xff", "name-characters"},
        {"L", repeat('a', 128), NULL},
        {"L", repeat('a', 129), "name-length"},
        {"ST", repeat('a', 129), "name-length"},
        {"O", repeat('a', 65), "name-length"},
        {"OU", repeat('a', 65), "name-length"},
        {"UID", repeat('a', 256), NULL},
        {"UID", repeat('a', 257), "name-length"},
        {"C", "DE", NULL},
        {"C", "de", "name-characters"},
        {"C", "D", "name-characters"},
        {"C", "DEU", "name-length"},
        {"C", "", "name-length"},
        {"DC", "corp", NULL},
        {"DC", "corp.example", "name-characters"},
        {"DC", "-corp", "name-characters"},
        {"DC", "c\xc3\xb6rp", "name-characters"},
        {"DC", repeat('a', 64), "name-length"},
        {"serialNumber", repeat('1', 64), NULL},
        {"serialNumber", repeat('1', 65), "name-length"},
        {"serialNumber", "a@b", "name-characters"}, /* not in PrintableString */
        {"serialNumber", "a_b", "name-characters"},
        {"emailAddress", "a@b.example", "name-kind"},
        {"cn", "a", "name-kind"},
    };
    struct pke_buf b;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        const char *const one[] = {rows[i].kind, rows[i].value, NULL};
        struct pke_pairs subject = list(one);
        struct pke_fail fail = {0};

        pke_buf_init(&b, 4096);
        assert_int_equal(ca_subject_encode(&subject, &b, &fail), rows[i].reason ? PKE_POLICY : PKE_OK);
        if (rows[i].reason)
            assert_string_equal(fail.reason, rows[i].reason);
        pke_buf_done(&b);
    }
}

static void test_subject_lists(void **state)
{
    static const char *const twice[] = {"CN", "a", "CN", "b", NULL};
    struct pke_pairs subject = list(twice);
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 4096);
    assert_int_equal(ca_subject_encode(&subject, &b, &fail), PKE_POLICY);
    assert_string_equal(fail.reason, "name-repeated");
    subject.n = 0;
    for (unsigned i = 0; i <= CA_NAMES_MAX_RDN; i++)
        pke_pairs_add(&subject, arena, "OU", "x");
    assert_int_equal(ca_subject_encode(&subject, &b, &fail), PKE_POLICY);
    assert_string_equal(fail.reason, "name-count");
    subject.n--;
    assert_int_equal(ca_subject_encode(&subject, &b, &fail), PKE_OK);
    pke_buf_done(&b);
}

static void test_subject_refused(void **state)
{
    static const struct {
        const char *der, *reason;
    } rows[] = {
        {"", "name-structure"},
        {"3000"
         "00",
         "name-structure"},                                   /* an octet after it */
        {"300c310a3008060355040313014161", "name-structure"}, /* after the value */
        {"3004310230003100", "name-structure"},               /* an empty RDN */
        {"300e310c300a06035504030c036162", "name-structure"}, /* cut off */
        {"300c310a30080603550403130141", "name-type"},        /* CN as PrintableString */
        {"300c310a300806035504031e020041", "name-structure"}, /* wrong length */
        {"300d310b300906035504031e020041", "name-type"},      /* BMPString */
        {"300c310a300806035504030c0100", "name-characters"},  /* NUL */
        {"300b310930070603550403"
         "0c00",
         "name-length"},
        {"300d310b300906035504060c024445", "name-type"}, /* C as UTF8String */
        {"300d310b30090603550406130264"
         "65",
         "name-characters"},
        {"300c310a300806035504040c0141", "name-kind"}, /* surname */
        {"3016311430080603550403"
         "0c0141"
         "3008060355040b"
         "0c0142",
         "name-structure"}, /* RDN of two */
        {"30183"
         "10a300806035504030c0141"
         "310a300806035504030c0142",
         "name-repeated"},
        {"300f310d300b06092a864886f70d010901160161", "name-structure"},
        {"3012311030"
         "0e06092a864886f70d010901"
         "160161",
         "name-kind"}, /* emailAddress */
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct pke_pairs got = {NULL, 0};
        struct pke_fail fail = {0};

        assert_int_equal(ca_subject_decode(hex(rows[i].der), arena, &got, &fail), PKE_MALFORMED);
        assert_string_equal(fail.reason, rows[i].reason);
    }
}

static const char *const full_san[] = {"dns",
                                       "pc-1.corp.example",
                                       "email",
                                       "ada.l+x@corp.example",
                                       "uri",
                                       "urn:uuid:6ba7b810-9dad-11d1-80b4",
                                       "upn",
                                       "\xc3\xa4"
                                       "da@corp.example",
                                       "guid",
                                       "33221100-5544-7766-8899-aabbccddeeff",
                                       "uri",
                                       PKE_SID_URI_PREFIX SID,
                                       NULL};

static void check_other(const OTHERNAME *o, const char *oid, int type, struct pke_bytes value)
{
    char dotted[80];

    OBJ_obj2txt(dotted, sizeof dotted, o->type_id, 1);
    assert_string_equal(dotted, oid);
    assert_int_equal(o->value->type, type);
    assert_true(pke_bytes_eq(PKE_BYTES(ASN1_STRING_get0_data(o->value->value.asn1_string),
                                       (size_t)ASN1_STRING_length(o->value->value.asn1_string)),
                             value));
}

static void test_san(void **state)
{
    static const int types[] = {GEN_DNS, GEN_EMAIL, GEN_URI, GEN_OTHERNAME, GEN_OTHERNAME, GEN_URI};
    struct pke_pairs san = list(full_san), again = {NULL, 0};
    GENERAL_NAMES *names;
    struct pke_fail fail;
    struct pke_buf b;
    const uint8_t *p;

    (void)state;
    pke_buf_init(&b, 4096);
    assert_int_equal(ca_san_encode(&san, &b, &fail), PKE_OK);
    p = b.p;
    names = d2i_GENERAL_NAMES(NULL, &p, (long)b.n);
    assert_non_null(names);
    assert_ptr_equal(p, b.p + b.n);
    assert_int_equal(sk_GENERAL_NAME_num(names), (int)PKE_LEN(types));
    for (int i = 0; i < (int)PKE_LEN(types); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

        assert_int_equal(g->type, types[i]);
        if (g->type != GEN_OTHERNAME)
            assert_true(pke_bytes_eq_str(
                PKE_BYTES(ASN1_STRING_get0_data(g->d.ia5), (size_t)ASN1_STRING_length(g->d.ia5)),
                san.v[i].value));
    }
    check_other(sk_GENERAL_NAME_value(names, 3)->d.otherName, UPN_OID, V_ASN1_UTF8STRING,
                pke_bytes_str(full_san[7]));
    check_other(sk_GENERAL_NAME_value(names, 4)->d.otherName, "1.3.6.1.4.1.311.25.1", V_ASN1_OCTET_STRING,
                hex("00112233445566778899aabbccddeeff"));
    GENERAL_NAMES_free(names);
    assert_int_equal(ca_san_decode(pke_buf_bytes(&b), arena, &again, &fail), PKE_OK);
    assert_same(&san, &again);
    pke_buf_done(&b);
}

static void test_san_values(void **state)
{
    const struct {
        const char *kind, *value, *reason;
    } rows[] = {
        {"dns", "pc", NULL},
        {"dns", "xn--bcher-kva.example", NULL},
        {"dns", pke_arena_printf(arena, "%s.example", repeat('a', 63)), NULL},
        {"dns", pke_arena_printf(arena, "%s.example", repeat('a', 64)), "name-characters"},
        {"dns", repeat('a', 254), "name-length"},
        {"dns", "", "name-length"},
        {"dns", "a..b", "name-characters"},
        {"dns", ".a", "name-characters"},
        {"dns", "a.", "name-characters"},
        {"dns", "*.corp.example", "name-characters"},
        {"dns", "a_b.example", "name-characters"},
        {"dns", "-a.example", "name-characters"},
        {"dns", "a-.example", "name-characters"},
        {"dns", "10.0.0.1", "name-characters"},
        {"dns", "a b", "name-characters"},
        {"dns", "b\xc3\xbc.example", "name-characters"},
        {"email", "a@corp.example", NULL},
        {"email", "corp.example", "name-characters"},
        {"email", "@corp.example", "name-characters"},
        {"email", "a@b@corp.example", "name-characters"},
        {"email", "a..b@corp.example", "name-characters"},
        {"email", ".a@corp.example", "name-characters"},
        {"email", "a.@corp.example", "name-characters"},
        {"email", "\"a b\"@corp.example", "name-characters"},
        {"email", "Ada <a@corp.example>", "name-characters"},
        {"email", pke_arena_printf(arena, "%s@corp.example", repeat('a', 64)), NULL},
        {"email", pke_arena_printf(arena, "%s@corp.example", repeat('a', 65)), "name-characters"},
        {"uri", "urn:x:1", NULL},
        {"uri", "relative/path", "name-characters"},
        {"uri", "urn:x:a b", "name-characters"},
        {"uri", PKE_SID_URI_PREFIX "S-1-5-18", NULL},
        {"uri", PKE_SID_URI_PREFIX, "name-characters"},
        {"uri", PKE_SID_URI_PREFIX "S-1-5-21-x", "name-characters"},
        {"uri", "TAG:microsoft.com,2022-09-14:sid:S-1-5-18", "name-characters"},
        {"upn", "ada@corp.example", NULL},
        {"upn", "ada", "name-characters"},
        {"upn", "ada@b@corp.example", "name-characters"},
        {"upn", "a da@corp.example", "name-characters"},
        {"upn", "ada@corp_.example", "name-characters"},
        {"upn", "ada\xe2\x80\xae@corp.example", "name-characters"},
        {"guid", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", NULL},
        {"guid", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "name-characters"},
        {"guid", "{6ba7b810-9dad-11d1-80b4-00c04fd430}", "name-characters"},
        {"ip", "10.0.0.1", "name-kind"},
        {"sid", SID, "name-kind"},
    };
    struct pke_buf b;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        const char *const one[] = {rows[i].kind, rows[i].value, NULL};
        struct pke_pairs san = list(one);
        struct pke_fail fail = {0};
        enum pke_err err;

        pke_buf_init(&b, 4096);
        err = ca_san_encode(&san, &b, &fail);
        if (err != (rows[i].reason ? PKE_POLICY : PKE_OK))
            print_error("%s %s: %s\n", rows[i].kind, rows[i].value, fail.text);
        assert_int_equal(err, rows[i].reason ? PKE_POLICY : PKE_OK);
        if (rows[i].reason)
            assert_string_equal(fail.reason, rows[i].reason);
        pke_buf_done(&b);
    }
}

static void test_san_refused(void **state)
{
    static const struct {
        const char *der, *reason;
    } rows[] = {
        {"3000", "name-count"},
        {"300382016100", "name-structure"},
        {"3003820161"
         "00",
         "name-structure"},
        {"3006820161820161", "name-repeated"},
        {"3006820161820141", "name-repeated"},   /* in another letter case */
        {"300682046100622e", "name-characters"}, /* NUL */
        {"300687040a000001", "name-kind"},
        {"3004a4023000", "name-kind"},
        {"300588032a0304", "name-kind"},
        /* otherName: of another type; UPN as IA5String, as OCTET STRING; the value twice; none */
        {"300ea00c06032a0304a0050c03614062", "name-kind"},
        {"3015a013060a2b060104018237140203a0051603614062", "name-type"},
        {"3015a013060a2b060104018237140203a0050403614062", "name-type"},
        {"301aa018060a2b060104018237140203a00a0c036140620c03614062", "name-structure"},
        {"300ea00c060a2b060104018237140203", "name-structure"},
        {"3015a013060a2b060104018237140203a0050c03610062", "name-characters"},
        /* GUID of 15 octets */
        {"3020a01e06092b0601040182371901a011040f000102030405060708090a0b0c0d0e", "name-length"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct pke_pairs got = {NULL, 0};
        struct pke_fail fail = {0};

        if (ca_san_decode(hex(rows[i].der), arena, &got, &fail) != PKE_MALFORMED ||
            strcmp(fail.reason, rows[i].reason) != 0)
            fail_msg("%s: %s", rows[i].der, fail.reason);
    }
}

static void test_sid(void **state)
{
    static const char *const good[] = {"S-1-5-18", SID, "S-1-281474976710655-4294967295",
                                       "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"};
    static const char *const bad[] = {"",
                                      "S-1-5",
                                      "s-1-5-18",
                                      "S-2-5-18",
                                      "S-1-5-",
                                      "S-1-05-18",
                                      "S-1-5-018",
                                      "S-1-5-4294967296",
                                      "S-1-281474976710656-1",
                                      "S-1-5-18 ",
                                      "S-1--18",
                                      "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
                                      "S-1-5-18-x"};
    struct pke_bytes as_utf8 = hex("301aa018060a2b060104018237190201a00a0c08532d312d352d3138");
    struct pke_fail fail;
    const char *got;
    struct pke_buf b;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        pke_buf_init(&b, 4096);
        assert_int_equal(ca_sid_encode(good[i], &b, &fail), PKE_OK);
        assert_int_equal(ca_sid_decode(pke_buf_bytes(&b), arena, &got, &fail), PKE_OK);
        assert_string_equal(got, good[i]);
        pke_buf_done(&b);
    }
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        pke_buf_init(&b, 4096);
        assert_int_equal(ca_sid_encode(bad[i], &b, &fail), PKE_POLICY);
        pke_buf_done(&b);
    }
    pke_buf_init(&b, 4096);
    assert_int_equal(ca_sid_encode("S-1-5-18", &b, &fail), PKE_OK);
    assert_true(
        pke_bytes_eq(pke_buf_bytes(&b), hex("301aa018060a2b060104018237190201a00a0408532d312d352d3138")));
    pke_buf_done(&b);
    assert_int_equal(ca_sid_decode(as_utf8, arena, &got, &fail), PKE_MALFORMED);
}

static void test_helpers(void **state)
{
    (void)state;
    assert_true(ca_is_sid_uri(pke_bytes_str("TAG:Microsoft.com,2022-09-14:SID:x")));
    assert_false(ca_is_sid_uri(pke_bytes_str("tag:microsoft.com,2022-09-14:si")));
    assert_true(pke_bytes_eq_str(ca_sid_of_uri(pke_bytes_str(PKE_SID_URI_PREFIX SID)), SID));
    assert_int_equal(ca_sid_of_uri(pke_bytes_str("urn:x:" SID)).n, 0);
    assert_int_equal(ca_sid_of_uri(pke_bytes_str(PKE_SID_URI_PREFIX "S-1")).n, 0);
}

static int setup(void **state)
{
    (void)state;
    arena = pke_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_subject), TEST(test_subject_bounds), TEST(test_subject_lists), TEST(test_subject_refused),
        TEST(test_san),     TEST(test_san_values),     TEST(test_san_refused),   TEST(test_sid),
        TEST(test_helpers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
