/* SPDX-License-Identifier: Apache-2.0 */
/* The extensions of a template, as libcrypto reads them from the certificate that they end up in. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ca/cert.h"
#include "ca/tbs.h"

#define NOW      1793491200
#define ALL      0xf8 /* every CA_USAGE_* */
#define POLICY   "1.3.6.1.4.1.99999.1"
#define TEMPLATE "1.3.6.1.4.1.99999.2.4294967295"
#define CPS      "http://pki.corp.example/cps"
#define CRL      "http://pki.corp.example/corp.crl"
#define CRL_LDAP "ldap:///CN=Corp%20CA,DC=corp?certificateRevocationList?base"
#define AIA      "http://pki.corp.example/corp.crt"

static char client_auth[] = "1.3.6.1.5.5.7.3.2", server_auth[] = "1.3.6.1.5.5.7.3.1", policy[] = POLICY,
            other_policy[] = "1.3.6.1.4.1.99999.9", crl[] = CRL, crl_ldap[] = CRL_LDAP, aia[] = AIA;
static char *eku_v[] = {client_auth, server_auth}, *policy_v[] = {policy, other_policy},
            *crl_v[] = {crl, crl_ldap}, *aia_v[] = {aia};
static const struct pke_strings ekus = {eku_v, 2}, one_eku = {eku_v, 1}, policies = {policy_v, 2},
                                crls = {crl_v, 2}, aias = {aia_v, 1};

static int64_t from = NOW, until = NOW + 86400;
static struct ca_issuer *ca;
static EVP_PKEY *rsa, *ec;

static void add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e;
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_true(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static int setup_all(void **state)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long n;

    (void)state;
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW - 86400);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW + 3650LL * 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Corp CA", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    add_ext(x, NID_basic_constraints, "critical,CA:TRUE");
    add_ext(x, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_ext(x, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, x) == 1);
    n = BIO_get_mem_data(bio, &pem);
    assert_int_equal(
        ca_issuer_load(PKE_BYTES(pem, (size_t)n), PKE_BYTES(NULL, 0), CA_SCHEME_DEFAULT, &ca, NULL), PKE_OK);
    BIO_free(bio);
    X509_free(x);
    EVP_PKEY_free(key);
    return 0;
}

static int teardown_all(void **state)
{
    (void)state;
    ca_issuer_free(ca);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    return 0;
}

static struct ca_profile_spec full(void)
{
    return (struct ca_profile_spec){.ekus = &ekus,
                                    .key_usage = CA_USAGE_DIGITAL_SIGNATURE,
                                    .application_policies = &one_eku,
                                    .policies = &policies,
                                    .cps_uri = CPS,
                                    .template_oid = TEMPLATE,
                                    .template_major = 0xffffffff,
                                    .template_minor = 128,
                                    .crl_urls = &crls,
                                    .ca_issuers_urls = &aias};
}

/* TBS of a certificate for @p key; @p err what building it ends with. */
static struct pke_buf build(const struct ca_profile_spec *spec, EVP_PKEY *key, enum pke_err err,
                            const char *reason)
{
    static struct pke_pair names[] = {{PKE_RDN_CN, "ada@corp.example"}},
                           san[] = {{PKE_SAN_DNS, "pc.corp.example"}};
    const struct pke_pairs subject = {names, 1}, sans = {san, 1};
    struct ca_cert_spec cert = {.serial = {0x11, 0x22},
                                .subject = &subject,
                                .san = &sans,
                                .sid = "S-1-5-21-1-2-3-1104",
                                .not_before = from,
                                .not_after = until};
    struct ca_profile *profile = NULL;
    struct pke_fail fail = {0};
    unsigned char *spki = NULL;
    struct pke_buf tbs;

    cert.spki = PKE_BYTES(NULL, (size_t)i2d_PUBKEY(key, &spki));
    cert.spki.p = spki;
    assert_int_equal(ca_profile_new(ca, spec, &profile, &fail), PKE_OK);
    pke_buf_init(&tbs, CA_TBS_MAX);
    assert_int_equal(ca_tbs_build(ca, profile, &cert, &tbs, &fail), err);
    if (reason)
        assert_string_equal(fail.reason, reason);
    ca_profile_free(profile);
    OPENSSL_free(spki);
    return tbs;
}

static X509 *certificate(const struct ca_profile_spec *spec, EVP_PKEY *key)
{
    struct pke_buf tbs = build(spec, key, PKE_OK, NULL), der;
    const uint8_t *p;
    X509 *x;

    pke_buf_init(&der, 16384);
    assert_int_equal(ca_cert_assemble(ca, pke_buf_bytes(&tbs), pke_bytes_str("signature"), &der), PKE_OK);
    p = der.p;
    x = d2i_X509(NULL, &p, (long)der.n);
    assert_non_null(x);
    assert_ptr_equal(p, der.p + der.n);
    pke_buf_done(&der);
    pke_buf_done(&tbs);
    return x;
}

static void key_usage_is_what_the_key_can_do(void **state)
{
    const struct {
        uint8_t asked;
        EVP_PKEY *key;
        uint32_t want; /* KU_* */
    } rows[] = {
        {ALL, rsa, KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION | KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT},
        {ALL, ec, KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION | KU_KEY_AGREEMENT},
        {CA_USAGE_DIGITAL_SIGNATURE, rsa, KU_DIGITAL_SIGNATURE},
        {CA_USAGE_DIGITAL_SIGNATURE, ec, KU_DIGITAL_SIGNATURE},
        {CA_USAGE_KEY_ENCIPHERMENT, rsa, KU_KEY_ENCIPHERMENT},
        {CA_USAGE_KEY_AGREEMENT, ec, KU_KEY_AGREEMENT},
        {CA_USAGE_DIGITAL_SIGNATURE | CA_USAGE_KEY_ENCIPHERMENT, ec, KU_DIGITAL_SIGNATURE},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ca_profile_spec spec = {.ekus = &ekus, .key_usage = rows[i].asked};
        X509 *x = certificate(&spec, rows[i].key);
        int at = X509_get_ext_by_NID(x, NID_key_usage, -1);
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(x, at));
        const uint8_t *bits = ASN1_STRING_get0_data(value);

        assert_int_equal(X509_get_key_usage(x), rows[i].want);
        assert_true(X509_EXTENSION_get_critical(X509_get_ext(x, at)));
        assert_true(bits[3] >> bits[2] & 1); /* no trailing zero bit (X.690 11.2.2) */
        X509_free(x);
    }
}

static void a_key_that_can_do_nothing_gets_no_certificate(void **state)
{
    struct ca_profile_spec encipher = {.ekus = &ekus, .key_usage = CA_USAGE_KEY_ENCIPHERMENT},
                           agree = {.ekus = &ekus, .key_usage = CA_USAGE_KEY_AGREEMENT};
    struct pke_buf b;

    (void)state;
    b = build(&encipher, ec, PKE_POLICY, "tbs-key-usage");
    pke_buf_done(&b);
    b = build(&agree, rsa, PKE_POLICY, "tbs-key-usage");
    pke_buf_done(&b);
}

static const ASN1_STRING *extension(X509 *x, const char *oid)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    int at = X509_get_ext_by_OBJ(x, o, -1);
    X509_EXTENSION *e = at < 0 ? NULL : X509_get_ext(x, at);

    ASN1_OBJECT_free(o);
    assert_true(!e || !X509_EXTENSION_get_critical(e));
    return e ? X509_EXTENSION_get_data(e) : NULL;
}

static void assert_policies(CERTIFICATEPOLICIES *list, const struct pke_strings *want, bool cps)
{
    char dotted[80];

    assert_non_null(list);
    assert_int_equal(sk_POLICYINFO_num(list), (int)want->n);
    for (int i = 0; i < (int)want->n; i++) {
        POLICYINFO *p = sk_POLICYINFO_value(list, i);

        OBJ_obj2txt(dotted, sizeof dotted, p->policyid, 1);
        assert_string_equal(dotted, want->v[i]);
        assert_int_equal(p->qualifiers ? sk_POLICYQUALINFO_num(p->qualifiers) : 0, cps);
        if (cps) {
            const POLICYQUALINFO *q = sk_POLICYQUALINFO_value(p->qualifiers, 0);
            assert_int_equal(OBJ_obj2nid(q->pqualid), NID_id_qt_cps);
            assert_string_equal((const char *)ASN1_STRING_get0_data(q->d.cpsuri), CPS);
        }
    }
    CERTIFICATEPOLICIES_free(list);
}

static void policies_and_addresses_are_read_back(void **state)
{
    struct ca_profile_spec spec = full();
    X509 *x = certificate(&spec, rsa);
    const ASN1_STRING *value = extension(x, "1.3.6.1.4.1.311.21.10");
    const uint8_t *p = ASN1_STRING_get0_data(value);
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
    DIST_POINT *point;

    (void)state;
    assert_policies(X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL), &policies, true);
    assert_policies(d2i_CERTIFICATEPOLICIES(NULL, &p, ASN1_STRING_length(value)), &one_eku, false);
    assert_int_equal(sk_DIST_POINT_num(points), 1);
    point = sk_DIST_POINT_value(points, 0);
    assert_true(!point->CRLissuer && !point->reasons && point->distpoint->type == 0);
    assert_int_equal(sk_GENERAL_NAME_num(point->distpoint->name.fullname), 2);
    for (int i = 0; i < 2; i++) {
        GENERAL_NAME *g = sk_GENERAL_NAME_value(point->distpoint->name.fullname, i);
        assert_int_equal(g->type, GEN_URI);
        assert_string_equal((const char *)ASN1_STRING_get0_data(g->d.ia5), crls.v[i]);
    }
    assert_int_equal(sk_ACCESS_DESCRIPTION_num(access), 1);
    assert_int_equal(OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, 0)->method), NID_ad_ca_issuers);
    assert_string_equal(
        (const char *)ASN1_STRING_get0_data(sk_ACCESS_DESCRIPTION_value(access, 0)->location->d.ia5), AIA);
    CRL_DIST_POINTS_free(points);
    AUTHORITY_INFO_ACCESS_free(access);
    X509_free(x);
}

static void assert_number(const uint8_t **p, long n, uint64_t want)
{
    ASN1_INTEGER *i = d2i_ASN1_INTEGER(NULL, p, n);
    uint64_t got = 0;

    assert_true(i && ASN1_INTEGER_get_uint64(&got, i) == 1 && got == want);
    ASN1_INTEGER_free(i);
}

static void the_template_is_named(void **state)
{
    struct ca_profile_spec spec = full(),
                           name = {.ekus = &ekus, .key_usage = 0x80, .template_name = "Ger\xc3\xa4te"};
    X509 *x = certificate(&spec, rsa);
    const ASN1_STRING *value = extension(x, "1.3.6.1.4.1.311.21.7");
    const uint8_t *p = ASN1_STRING_get0_data(value), *end = p + ASN1_STRING_length(value);
    ASN1_OBJECT *o;
    ASN1_STRING *text;
    char dotted[80];
    unsigned char *utf8 = NULL;
    long n;
    int tag, class;

    (void)state;
    assert_int_equal(ASN1_get_object(&p, &n, &tag, &class, end - p), V_ASN1_CONSTRUCTED);
    assert_true(tag == V_ASN1_SEQUENCE && p + n == end);
    o = d2i_ASN1_OBJECT(NULL, &p, end - p);
    OBJ_obj2txt(dotted, sizeof dotted, o, 1);
    assert_string_equal(dotted, TEMPLATE);
    ASN1_OBJECT_free(o);
    assert_number(&p, end - p, 0xffffffff);
    assert_number(&p, end - p, 128);
    assert_ptr_equal(p, end);
    assert_null(extension(x, "1.3.6.1.4.1.311.20.2"));
    X509_free(x);

    x = certificate(&name, ec);
    value = extension(x, "1.3.6.1.4.1.311.20.2");
    p = ASN1_STRING_get0_data(value);
    text = d2i_ASN1_BMPSTRING(NULL, &p, ASN1_STRING_length(value));
    assert_true(text && ASN1_STRING_to_UTF8(&utf8, text) > 0);
    assert_string_equal((const char *)utf8, "Ger\xc3\xa4te");
    assert_null(extension(x, "1.3.6.1.4.1.311.21.7"));
    OPENSSL_free(utf8);
    ASN1_STRING_free(text);
    X509_free(x);
}

/* The order of all extensions is the same whatever the template leaves out, and the bytes repeat. */
static void the_order_is_fixed(void **state)
{
    static const char *const order[] = {"2.5.29.15",
                                        "2.5.29.37",
                                        "2.5.29.19",
                                        "2.5.29.14",
                                        "2.5.29.35",
                                        "2.5.29.17",
                                        "1.3.6.1.4.1.311.25.2",
                                        "2.5.29.32",
                                        "2.5.29.31",
                                        "1.3.6.1.5.5.7.1.1",
                                        "1.3.6.1.4.1.311.21.7",
                                        "1.3.6.1.4.1.311.21.10"};
    struct ca_profile_spec spec = full();
    struct pke_buf a = build(&spec, ec, PKE_OK, NULL), b = build(&spec, ec, PKE_OK, NULL);
    struct ca_tbs tbs;

    (void)state;
    assert_true(pke_bytes_eq(pke_buf_bytes(&a), pke_buf_bytes(&b)));
    assert_int_equal(ca_tbs_decode(pke_buf_bytes(&a), &tbs, NULL), PKE_OK);
    assert_int_equal(tbs.n_ext, PKE_LEN(order));
    for (size_t i = 0; i < tbs.n_ext; i++)
        assert_string_equal(tbs.ext[i].oid, order[i]);
    pke_buf_done(&a);
    pke_buf_done(&b);
}

static void what_no_certificate_may_say_is_refused(void **state)
{
    static char addresses[9][16];
    static char any_eku[] = "2.5.29.37.0", any_policy[] = "2.5.29.32.0", word[] = "policy",
                file[] = "file:///a", ldaps[] = "ldaps://a/", agent[] = "1.3.6.1.4.1.311.20.2.1",
                longname[80];
    static char *any_v[] = {any_eku}, *any_policy_v[] = {any_policy}, *twice_v[] = {client_auth, client_auth},
                *word_v[] = {word}, *file_v[] = {file}, *ldaps_v[] = {ldaps}, *twice_url[] = {crl, crl},
                *agent_v[] = {agent}, *nine[9];
    static const struct pke_strings none = {NULL, 0}, any = {any_v, 1}, twice = {twice_v, 2},
                                    words = {word_v, 1}, any_policies = {any_policy_v, 1},
                                    files = {file_v, 1}, ldaps_l = {ldaps_v, 1}, urls_twice = {twice_url, 2},
                                    agents = {agent_v, 1}, many = {nine, 9};
    static const struct {
        struct ca_profile_spec spec;
        const char *reason;
    } rows[] = {
        {{.key_usage = 0x80}, "profile-eku"},
        {{.ekus = &none, .key_usage = 0x80}, "profile-eku"},
        {{.ekus = &any, .key_usage = 0x80}, "profile-eku"},
        {{.ekus = &twice, .key_usage = 0x80}, "profile-eku"},
        {{.ekus = &words, .key_usage = 0x80}, "profile-eku"},
        {{.ekus = &ekus}, "profile-key-usage"},
        {{.ekus = &ekus, .key_usage = 0x84}, "profile-key-usage"}, /* keyCertSign */
        {{.ekus = &ekus, .key_usage = 0x82}, "profile-key-usage"}, /* cRLSign */
        {{.ekus = &ekus, .key_usage = 0x80, .application_policies = &agents}, "profile-application-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .application_policies = &any}, "profile-application-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .application_policies = &twice}, "profile-application-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .policies = &any_policies}, "profile-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .policies = &words}, "profile-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .policies = &twice}, "profile-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .cps_uri = CPS}, "profile-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .policies = &policies, .cps_uri = "ldap://a/"},
         "profile-policies"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_name = ""}, "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_name = longname}, "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_name = "\xf0\x9f\x94\x91"}, "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_name = "a\x01"}, "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_oid = "x"}, "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .template_oid = POLICY, .template_name = "a"},
         "profile-template"},
        {{.ekus = &ekus, .key_usage = 0x80, .crl_urls = &files}, "profile-urls"},
        {{.ekus = &ekus, .key_usage = 0x80, .crl_urls = &ldaps_l}, "profile-urls"},
        {{.ekus = &ekus, .key_usage = 0x80, .crl_urls = &urls_twice}, "profile-urls"},
        {{.ekus = &ekus, .key_usage = 0x80, .ca_issuers_urls = &many}, "profile-urls"},
        {{.ekus = &ekus, .key_usage = 0x80, .ca_issuers_urls = &files}, "profile-urls"},
    };

    (void)state;
    memset(longname, 'a', 65);
    for (size_t i = 0; i < PKE_LEN(nine); i++) {
        addresses[i][0] = '\0';
        strcat(strcat(addresses[i], "http://a/"), (char[]){(char)('0' + i), '\0'});
        nine[i] = addresses[i];
    }
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ca_profile *p = NULL;
        struct pke_fail fail = {0};

        if (ca_profile_new(ca, &rows[i].spec, &p, &fail) != PKE_CONFIG ||
            strcmp(fail.reason, rows[i].reason) != 0)
            fail_msg("row %zu: %s", i, fail.reason ? fail.reason : "taken");
        assert_null(p);
    }
}

/* RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on; and no 32-bit second of 2038. */
static void dates_are_those_that_were_decided(void **state)
{
    const struct {
        int64_t at;
        int type;
    } rows[] = {
        {0x7fffffff, V_ASN1_UTCTIME},
        {INT64_C(0x80000000), V_ASN1_UTCTIME},
        {INT64_C(2524607999), V_ASN1_UTCTIME},
        {INT64_C(2524608000), V_ASN1_GENERALIZEDTIME}, /* 2050-01-01 */
        {INT64_C(253402300799), V_ASN1_GENERALIZEDTIME},
    };
    const struct ca_profile_spec spec = {.ekus = &ekus, .key_usage = CA_USAGE_DIGITAL_SIGNATURE};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        X509 *x;

        from = rows[i].at - 1;
        until = rows[i].at;
        x = certificate(&spec, ec);
        assert_int_equal(X509_get0_notAfter(x)->type, rows[i].type);
        assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), (time_t)until), 0);
        assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), (time_t)from), 0);
        X509_free(x);
    }
    from = NOW;
    until = NOW + 86400;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_those_that_were_decided),
        cmocka_unit_test(key_usage_is_what_the_key_can_do),
        cmocka_unit_test(a_key_that_can_do_nothing_gets_no_certificate),
        cmocka_unit_test(policies_and_addresses_are_read_back),
        cmocka_unit_test(the_template_is_named),
        cmocka_unit_test(the_order_is_fixed),
        cmocka_unit_test(what_no_certificate_may_say_is_refused),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
