/* SPDX-License-Identifier: Apache-2.0 */
/* What a CA signs with is what its configuration says: RSASSA-PSS and Ed25519 (RFC 4055, RFC 8410) from
 * loading of the CA to the finished certificate, and each scheme refused where another one is configured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "ca/cert.h"
#include "ca/facts.h"
#include "ca/floor.h"
#include "ca/lint.h"
#include "ca/tbs.h"

#define NOW  1900000000
#define DAY  86400
#define KEYS 4

static char client_auth[] = "1.3.6.1.5.5.7.3.2", *client_auths[] = {client_auth};
static const struct pke_strings ekus = {client_auths, 1};

static struct {
    const char *name;
    EVP_PKEY *key;
    char pem[8192];
    size_t n;
    enum ca_scheme fits[2];
    size_t n_fits;
} cas[KEYS] = {
    {.name = "RSA", .fits = {CA_SCHEME_DEFAULT, CA_SCHEME_RSA_PSS}, .n_fits = 2},
    {.name = "P-256", .fits = {CA_SCHEME_DEFAULT}, .n_fits = 1},
    {.name = "Ed25519", .fits = {CA_SCHEME_ED25519}, .n_fits = 1},
    {.name = "RSA-PSS key"}, /* id-RSASSA-PSS in the SubjectPublicKeyInfo: not what is meant */
};
static EVP_PKEY *leaf;

static void add(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void make_ca(size_t i, const char *name, long serial)
{
    X509 *x = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    assert_true(cas[i].key && x && bio);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW - DAY);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW + 1000 * (time_t)DAY);
    X509_set_pubkey(x, cas[i].key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    add(x, NID_basic_constraints, "critical,CA:TRUE");
    add(x, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(x, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(x, cas[i].key, EVP_PKEY_is_a(cas[i].key, "ED25519") ? NULL : EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    assert_true(n > 0 && (size_t)n < sizeof cas[i].pem);
    memcpy(cas[i].pem, text, (size_t)n);
    cas[i].n = (size_t)n;
    BIO_free(bio);
    X509_free(x);
}

static int set_up(void **state)
{
    (void)state;
    cas[0].key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    cas[1].key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    cas[2].key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    cas[3].key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)2048);
    if (!cas[3].key) { /* Q_keygen knows no RSA-PSS */
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);

        assert_true(ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
                    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
                    EVP_PKEY_generate(ctx, &cas[3].key) == 1);
        EVP_PKEY_CTX_free(ctx);
    }
    leaf = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    for (size_t i = 0; i < KEYS; i++)
        make_ca(i, "CA", 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        EVP_PKEY_free(cas[i].key);
    EVP_PKEY_free(leaf);
    return 0;
}

static bool fits(size_t i, enum ca_scheme scheme)
{
    for (size_t f = 0; f < cas[i].n_fits; f++)
        if (cas[i].fits[f] == scheme)
            return true;
    return false;
}

static struct pke_bytes pem(size_t i)
{
    return PKE_BYTES(cas[i].pem, cas[i].n);
}

static struct ca_issuer *load(size_t i, enum ca_scheme scheme)
{
    struct ca_issuer *ca = NULL;
    struct pke_fail fail = {0};

    if (ca_issuer_load(pem(i), PKE_BYTES(NULL, 0), scheme, &ca, &fail) != PKE_OK)
        fail_msg("%s: %s", cas[i].name, fail.text);
    return ca;
}

static void a_key_and_a_scheme_fit_or_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        for (int s = CA_SCHEME_DEFAULT; s <= CA_SCHEME_ED25519; s++) {
            struct ca_issuer *ca = NULL;
            struct pke_fail fail = {0};
            enum pke_err err = ca_issuer_load(pem(i), PKE_BYTES(NULL, 0), (enum ca_scheme)s, &ca, &fail);

            if ((err == PKE_OK) != fits(i, (enum ca_scheme)s))
                fail_msg("%s with scheme %d: %s", cas[i].name, s, fail.text);
            if (err != PKE_OK)
                assert_string_equal(fail.reason, "issuer-key-type");
            assert_int_equal(ca_algorithm_of_key(cas[i].key, (enum ca_scheme)s).n > 0, err == PKE_OK);
            ca_issuer_free(ca);
        }
}

static struct pke_pair names[] = {{PKE_RDN_CN, "ada@corp.example"}};
static const struct pke_pairs subject = {names, 1};

static struct pke_buf build(const struct ca_issuer *ca)
{
    struct ca_profile_spec profile_spec = {.ekus = &ekus, .key_usage = CA_USAGE_DIGITAL_SIGNATURE};
    struct ca_cert_spec spec = {.subject = &subject, .not_before = NOW - 600, .not_after = NOW + 30 * DAY};
    struct ca_profile *profile = NULL;
    struct pke_fail fail;
    unsigned char *spki = NULL;
    struct pke_buf b;
    int n = i2d_PUBKEY(leaf, &spki);

    ca_serial_new(1, spec.serial);
    spec.spki = PKE_BYTES(spki, (size_t)n);
    assert_int_equal(ca_profile_new(ca, &profile_spec, &profile, &fail), PKE_OK);
    pke_buf_init(&b, CA_TBS_MAX);
    assert_int_equal(ca_tbs_build(ca, profile, &spec, &b, &fail), PKE_OK);
    ca_profile_free(profile);
    OPENSSL_free(spki);
    return b;
}

/* As a key does it: nothing of ca/ in it. */
static size_t sign(EVP_PKEY *key, enum ca_scheme scheme, int salt, struct pke_bytes tbs, uint8_t out[512])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = scheme == CA_SCHEME_ED25519 ? NULL : EVP_sha256();
    EVP_PKEY_CTX *pctx;
    size_t n = 512;

    assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, key), 1);
    if (scheme == CA_SCHEME_RSA_PSS)
        assert_true(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt) == 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &n, tbs.p, tbs.n), 1);
    EVP_MD_CTX_free(ctx);
    return n;
}

/* By OpenSSL alone, from the bytes that a client gets. */
static int verifies(struct pke_bytes der, EVP_PKEY *key, int nid)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    int good;

    assert_non_null(x);
    assert_int_equal(X509_get_signature_nid(x), nid);
    good = X509_verify(x, key);
    X509_free(x);
    return good;
}

static void check_chain(size_t i, enum ca_scheme scheme, int nid)
{
    struct ca_issuer *ca = load(i, scheme);
    struct pke_arena *arena = pke_arena_new();
    struct pke_buf tbs = build(ca), der;
    struct ca_cert_facts facts;
    uint8_t sig[512];
    size_t n = sign(cas[i].key, scheme, 32, pke_buf_bytes(&tbs), sig);

    pke_buf_init(&der, 16384);
    assert_true(ca_cert_verify(ca, pke_buf_bytes(&tbs), PKE_BYTES(sig, n)));
    assert_int_equal(ca_cert_assemble(ca, pke_buf_bytes(&tbs), PKE_BYTES(sig, n), &der), PKE_OK);
    assert_int_equal(verifies(pke_buf_bytes(&der), cas[i].key, nid), 1);
    assert_int_equal(ca_cert_facts_read(pke_buf_bytes(&der), arena, &facts, NULL), PKE_OK);
    assert_int_equal(ca_cert_facts_signed_by(&facts, ca_issuer_subject(ca), ca_issuer_spki(ca), NULL),
                     PKE_OK);
    sig[n / 2] ^= 4;
    assert_false(ca_cert_verify(ca, pke_buf_bytes(&tbs), PKE_BYTES(sig, n)));
    der.p[der.n - n / 2] ^= 4;
    assert_int_equal(ca_cert_facts_read(pke_buf_bytes(&der), arena, &facts, NULL), PKE_OK);
    assert_int_not_equal(ca_cert_facts_signed_by(&facts, ca_issuer_subject(ca), ca_issuer_spki(ca), NULL),
                         PKE_OK);
    for (size_t other = 0; other < 3; other++) { /* the name fits, the key does not */
        struct ca_issuer *o = load(other, cas[other].fits[0]);

        if (other != i)
            assert_int_not_equal(
                ca_cert_facts_signed_by(&facts, ca_issuer_subject(ca), ca_issuer_spki(o), NULL), PKE_OK);
        ca_issuer_free(o);
    }
    pke_buf_done(&tbs);
    pke_buf_done(&der);
    pke_arena_free(arena);
    ca_issuer_free(ca);
}

static void certificates_of_every_scheme(void **state)
{
    (void)state;
    check_chain(0, CA_SCHEME_DEFAULT, NID_sha256WithRSAEncryption);
    check_chain(0, CA_SCHEME_RSA_PSS, NID_rsassaPss);
    check_chain(1, CA_SCHEME_DEFAULT, NID_ecdsa_with_SHA256);
    check_chain(2, CA_SCHEME_ED25519, NID_ED25519);
}

/* The bytes say a salt of 32: no other one is accepted, nor PKCS #1 v1.5 under the name of PSS. */
static void pss_is_what_the_certificate_says(void **state)
{
    static const int salts[] = {0, 20, 31, 33, RSA_PSS_SALTLEN_MAX};
    struct ca_issuer *ca = load(0, CA_SCHEME_RSA_PSS);
    struct pke_buf tbs = build(ca);
    uint8_t sig[512];

    (void)state;
    for (size_t i = 0; i < PKE_LEN(salts); i++) {
        size_t n = sign(cas[0].key, CA_SCHEME_RSA_PSS, salts[i], pke_buf_bytes(&tbs), sig);

        assert_false(ca_cert_verify(ca, pke_buf_bytes(&tbs), PKE_BYTES(sig, n)));
    }
    assert_false(
        ca_cert_verify(ca, pke_buf_bytes(&tbs),
                       PKE_BYTES(sig, sign(cas[0].key, CA_SCHEME_DEFAULT, 0, pke_buf_bytes(&tbs), sig))));
    pke_buf_done(&tbs);
    ca_issuer_free(ca);
}

/* As if all had been decided that the bytes say; the names of build(). */
static enum pke_err ask_lint(const struct ca_issuer *ca, struct pke_bytes der, struct pke_fail *fail)
{
    const struct ca_profile_spec profile = {.ekus = &ekus, .key_usage = CA_USAGE_DIGITAL_SIGNATURE};
    struct ca_tbs tbs;
    struct ca_lint_decision decision = {.subject = &subject};

    assert_int_equal(ca_tbs_decode(der, &tbs, NULL), PKE_OK);
    decision.not_before = tbs.not_before;
    decision.not_after = tbs.not_after;
    decision.spki = tbs.spki;
    decision.serial = tbs.serial;
    const struct ca_lint_context context = {ca, &profile, 366 * DAY, &decision, NOW};
    return ca_lint(der, &context, NULL, fail);
}

/* Of one CA with two schemes: lint and floor let through the configured one and nothing else. */
static void lint_and_floor_know_the_configured_scheme_only(void **state)
{
    static const enum ca_scheme schemes[] = {CA_SCHEME_DEFAULT, CA_SCHEME_RSA_PSS};

    (void)state;
    for (size_t built = 0; built < 2; built++)
        for (size_t asked = 0; asked < 2; asked++) {
            struct ca_issuer *ca = load(0, schemes[built]), *configured = load(0, schemes[asked]);
            const struct ca_floor_template any = {.key_usage = CA_USAGE_DIGITAL_SIGNATURE};
            const struct ca_floor_limits limits = {.issuer = "test",
                                                   .max_validity = 366 * DAY,
                                                   .max_backdate = 3600,
                                                   .allowed_ekus = ekus,
                                                   .scheme = schemes[asked],
                                                   .templates = &any,
                                                   .n_templates = 1};
            struct pke_fail lint = {0}, floor = {0};
            struct pke_buf tbs = build(ca);
            struct ca_floor *f = NULL;

            assert_int_equal(ca_floor_new(pem(0), &limits, &f, NULL), PKE_OK);
            assert_int_equal(ask_lint(configured, pke_buf_bytes(&tbs), &lint),
                             built == asked ? PKE_OK : PKE_POLICY);
            assert_int_equal(ca_floor_check(f, pke_buf_bytes(&tbs), NOW, &floor),
                             built == asked ? PKE_OK : PKE_POLICY);
            if (built != asked) {
                assert_string_equal(lint.reason, "signature-algorithm-of-issuer");
                assert_string_equal(floor.reason, "floor-algorithm");
            }
            pke_buf_done(&tbs);
            ca_floor_free(f);
            ca_issuer_free(ca);
            ca_issuer_free(configured);
        }
}

/* Who an issuer is: its name and its key, whatever else its certificate says. */
static void an_issuer_is_its_name_and_key(void **state)
{
    struct ca_issuer *first = load(1, CA_SCHEME_DEFAULT), *other;
    struct pke_bytes key = ca_issuer_spki(first), name = ca_issuer_subject(first);
    uint8_t both[512], digest[32];

    (void)state;
    assert_true(name.n + key.n <= sizeof both);
    memcpy(both, name.p, name.n);
    memcpy(both + name.n, key.p, key.n);
    assert_int_equal(EVP_Digest(both, name.n + key.n, digest, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(ca_issuer_id(first).n, CA_ISSUER_ID);
    assert_memory_equal(ca_issuer_id(first).p, digest, CA_ISSUER_ID);

    make_ca(1, "CA", 8);
    other = load(1, CA_SCHEME_DEFAULT);
    assert_false(pke_bytes_eq(ca_issuer_der(other), ca_issuer_der(first)));
    assert_true(pke_bytes_eq(ca_issuer_id(other), ca_issuer_id(first)));
    ca_issuer_free(other);

    make_ca(1, "CB", 8);
    other = load(1, CA_SCHEME_DEFAULT);
    assert_false(pke_bytes_eq(ca_issuer_id(other), ca_issuer_id(first)));
    ca_issuer_free(other);
    make_ca(1, "CA", 7);

    other = load(0, CA_SCHEME_DEFAULT); /* another key, the same name */
    assert_true(pke_bytes_eq(ca_issuer_subject(other), name));
    assert_false(pke_bytes_eq(ca_issuer_id(other), ca_issuer_id(first)));
    ca_issuer_free(other);
    ca_issuer_free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_and_a_scheme_fit_or_are_refused),
        cmocka_unit_test(certificates_of_every_scheme),
        cmocka_unit_test(pss_is_what_the_certificate_says),
        cmocka_unit_test(lint_and_floor_know_the_configured_scheme_only),
        cmocka_unit_test(an_issuer_is_its_name_and_key),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
