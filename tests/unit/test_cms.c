/* SPDX-License-Identifier: Apache-2.0 */
/* Renewals that must be told apart (tests/data/cms, made by generate.py there): each with the one reason that
 * refuses it. What is accepted OpenSSL verifies too and finds the same content in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/cms.h"
#include "tests/unit/cms_vectors.h"

static const struct ca_cms_rules usual = {
    .key_types = CA_ALL_KEYS, .rsa_min_bits = 2048, .rsa_max_bits = 4096, .digests = CA_SHA2};

static char *data_path(const char *relative)
{
    const char *top = getenv("top_srcdir");

    return pke_asprintf("%s/tests/data/%s", top ? top : ".", relative);
}

/* In a buffer of exact size, so that a sanitizer sees a read beyond it. */
static struct pke_bytes load(const char *relative)
{
    PKE_CLEANUP(pke_free_p) char *path = data_path(relative);
    FILE *f = fopen(path, "rb");
    uint8_t big[65536], *exact;
    size_t n;

    if (!f)
        fail_msg("%s", path);
    n = fread(big, 1, sizeof big, f);
    fclose(f);
    exact = pke_malloc(n ? n : 1);
    memcpy(exact, big, n);
    return PKE_BYTES(exact, n);
}

static struct pke_bytes load_vector(const char *name)
{
    PKE_CLEANUP(pke_free_p) char *relative = pke_asprintf("cms/%s.p7", name);

    return load(relative);
}

static void drop(struct pke_bytes b)
{
    free((void *)(uintptr_t)b.p);
}

/* What `openssl cms -verify -noverify` says, with the content that it found. */
static bool openssl_verifies(struct pke_bytes der, struct pke_bytes content)
{
    const unsigned char *p = der.p;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.n);
    BIO *out = BIO_new(BIO_s_mem());
    char *got = NULL;
    bool same;
    long n;

    same = cms && p == der.p + der.n &&
           CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;
    n = BIO_get_mem_data(out, &got);
    same = same && n >= 0 && pke_bytes_eq(PKE_BYTES(got, (size_t)n), content);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return same;
}

static bool inside(struct pke_bytes outer, struct pke_bytes b)
{
    return b.p > outer.p && b.n > 0 && b.p + b.n <= outer.p + outer.n;
}

/* What holds for everything that is accepted. */
static void check_accepted(const char *name, struct pke_bytes der, const struct ca_cms_renewal *r)
{
    uint8_t sha256[32];

    if (!inside(der, r->content) || !inside(der, r->certificate) || !inside(r->certificate, r->spki))
        fail_msg("%s: a range lies outside", name);
    assert_int_equal(EVP_Digest(r->certificate.p, r->certificate.n, sha256, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(sha256, r->certificate_sha256, sizeof sha256);
    /* the algorithms that OpenSSL 3.0 does not know in CMS: one that Windows writes, and RFC 8419's */
    if (strcmp(name, "sha1-oiw") != 0 && strncmp(name, "ed25519", 7) != 0 &&
        !openssl_verifies(der, r->content))
        fail_msg("%s: OpenSSL does not find the same in it", name);
}

static enum pke_err check(const char *name, struct pke_bytes der, const struct ca_cms_rules *rules,
                          struct pke_fail *fail)
{
    static const struct ca_cms_renewal nothing;
    struct pke_arena *arena = pke_arena_new();
    struct ca_cms_renewal r;
    enum pke_err err;

    *fail = (struct pke_fail){0};
    err = ca_cms_renewal_read(der, rules, arena, &r, fail);
    if (err == PKE_OK)
        check_accepted(name, der, &r);
    else if (!*fail->rule || !*fail->text || fail->err != err || memcmp(&r, &nothing, sizeof r) != 0)
        fail_msg("%s: refused without a rule or a sentence, or something of it is left", name);
    pke_arena_free(arena);
    return err;
}

static enum pke_err check_vector(const char *name, const struct ca_cms_rules *rules, struct pke_fail *fail)
{
    struct pke_bytes der = load_vector(name);
    enum pke_err err = check(name, der, rules, fail);

    drop(der);
    return err;
}

static void test_cms_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(cms_vectors); i++) {
        const struct cms_vector *v = &cms_vectors[i];
        struct pke_fail fail;
        enum pke_err err = check_vector(v->name, &usual, &fail);

        if (err != v->err || strcmp(fail.reason, v->reason ? v->reason : "") != 0)
            fail_msg("%s: %s %s", v->name, pke_err_token(err), fail.reason);
    }
}

static void test_cms_every_file_has_a_row(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = data_path("cms");
    DIR *dir = opendir(path);
    struct dirent *e;
    size_t files = 0;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        char *dot = strrchr(e->d_name, '.');
        bool found = false;

        if (!dot || strcmp(dot, ".p7") != 0)
            continue;
        *dot = '\0';
        for (size_t i = 0; i < PKE_LEN(cms_vectors); i++)
            found = found || strcmp(cms_vectors[i].name, e->d_name) == 0;
        if (!found)
            fail_msg("%s has no row", e->d_name);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, PKE_LEN(cms_vectors));
}

/* The content is the request, to the octet, in all that is good; the certificate is the one that signed. */
static void test_cms_gives_content_and_certificate(void **state)
{
    static const char *const names[] = {
        "good-rsa",           "good-no-attributes", "good-keyid",        "good-8-certificates",
        "good-countersigned", "good-crl",           "openssl-rsa",       "openssl-rsa-chain",
        "openssl-rsa-keyid",  "openssl-rsa-noattr", "openssl-rsa-sha384"};
    struct pke_bytes request = load("cms/request.csr"), genuine = load("cms/genuine.der");
    struct pke_arena *arena = pke_arena_new();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(names); i++) {
        struct pke_bytes der = load_vector(names[i]);
        struct ca_cms_renewal r;

        assert_int_equal(ca_cms_renewal_read(der, &usual, arena, &r, NULL), PKE_OK);
        if (!pke_bytes_eq(r.content, request) || !pke_bytes_eq(r.certificate, genuine))
            fail_msg("%s: not the request or not the certificate", names[i]);
        drop(der);
    }
    pke_arena_free(arena);
    drop(request);
    drop(genuine);
}

/* mdm.md 10.3 check 2: the same issuer, serial number, subject and key identifier, another key. The signature
 * is good and OpenSSL says so; the octets and their digest are not those of the ledger's certificate. */
static void test_59_lookalike(void **state)
{
    static const char *const names[] = {"lookalike", "lookalike-keyid"};
    struct pke_bytes genuine = load("cms/genuine.der"), forged = load("cms/lookalike.der");
    struct pke_arena *arena = pke_arena_new();
    uint8_t sha256[32];

    (void)state;
    EVP_Digest(genuine.p, genuine.n, sha256, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < PKE_LEN(names); i++) {
        struct pke_bytes der = load_vector(names[i]);
        struct ca_cms_renewal r;

        assert_int_equal(ca_cms_renewal_read(der, &usual, arena, &r, NULL), PKE_OK);
        assert_true(openssl_verifies(der, r.content));
        assert_true(pke_bytes_eq(r.certificate, forged));
        assert_memory_not_equal(r.certificate_sha256, sha256, sizeof sha256);
        drop(der);
    }
    pke_arena_free(arena);
    drop(genuine);
    drop(forged);
}

static void test_cms_rules(void **state)
{
    struct ca_cms_rules rules = usual;
    struct pke_fail fail;

    (void)state;
    rules.digests |= CA_KINDS(CA_SHA1);
    assert_int_equal(check_vector("sha1", &rules, &fail), PKE_OK);
    assert_int_equal(check_vector("sha1-oiw", &rules, &fail), PKE_OK);
    assert_int_equal(check_vector("openssl-rsa-sha1", &rules, &fail), PKE_OK);
    assert_int_equal(check_vector("md5", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check_vector("sha1-signature-sha256-digest", &rules, &fail), PKE_CSR_BAD);
    rules = usual;
    rules.key_types = CA_KINDS(CA_KEY_RSA);
    assert_int_equal(check_vector("openssl-p256", &rules, &fail), PKE_CSR_BAD);
    assert_string_equal(fail.reason, "cms-signer-key-type");
    assert_int_equal(check_vector("good-rsa", &rules, &fail), PKE_OK);
    rules.rsa_min_bits = 3072;
    assert_int_equal(check_vector("good-rsa", &rules, &fail), PKE_CSR_BAD);
    assert_string_equal(fail.reason, "cms-signer-key-bits");
    rules.rsa_min_bits = 512; /* nobody goes below 2048 or above 8192 */
    rules.rsa_max_bits = 65536;
    assert_int_equal(check_vector("rsa1024", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check_vector("rsa16384", &rules, &fail), PKE_CSR_BAD);
    rules = (struct ca_cms_rules){0}; /* rules that nobody filled in allow nothing */
    assert_int_equal(check_vector("good-rsa", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check_vector("openssl-p256", &rules, &fail), PKE_CSR_BAD);
}

static void test_cms_sha1_where_allowed(void **state)
{
    const struct ca_cms_rules rules = {CA_ALL_KEYS, 2048, 4096, CA_KINDS(CA_SHA1)};
    struct pke_bytes der = load_vector("sha1");
    struct pke_arena *arena = pke_arena_new();
    struct ca_cms_renewal r;

    (void)state;
    assert_int_equal(ca_cms_renewal_read(der, &rules, arena, &r, NULL), PKE_OK);
    pke_arena_free(arena);
    drop(der);
}

static void test_cms_size(void **state)
{
    uint8_t *zeros = pke_calloc(1, CA_CMS_MAX + 1);
    struct pke_fail fail;

    (void)state;
    assert_int_equal(check("too large", PKE_BYTES(zeros, CA_CMS_MAX + 1), &usual, &fail), PKE_LIMIT);
    assert_string_equal(fail.reason, "cms-size");
    assert_int_equal(check("largest", PKE_BYTES(zeros, CA_CMS_MAX), &usual, &fail), PKE_MALFORMED);
    assert_string_equal(fail.reason, "cms-der");
    free(zeros);
}

/* One octet turned. What is still accepted has the same content; and the same certificate, unless the octet
 * lies in it: there the signature of the message does not reach, and the digest of the octets tells. */
static unsigned turn_each_octet(const char *name, uint8_t mask)
{
    struct pke_bytes der = load_vector(name);
    struct pke_arena *arena = pke_arena_new();
    struct ca_cms_renewal was, r;
    uint8_t *turned = pke_malloc(der.n);
    size_t content, certificate;
    unsigned accepted = 0;

    assert_int_equal(ca_cms_renewal_read(der, &usual, arena, &was, NULL), PKE_OK);
    content = (size_t)(was.content.p - der.p);
    certificate = (size_t)(was.certificate.p - der.p);
    for (size_t i = 0; i < der.n; i++) {
        bool in_certificate = i >= certificate && i < certificate + was.certificate.n;

        memcpy(turned, der.p, der.n);
        turned[i] ^= mask;
        pke_arena_reset(arena);
        if (ca_cms_renewal_read(PKE_BYTES(turned, der.n), &usual, arena, &r, NULL))
            continue;
        accepted++;
        if (r.content.p != turned + content || !pke_bytes_eq(r.content, was.content))
            fail_msg("%s: another content with octet %zu turned by %02x", name, i, mask);
        if (pke_bytes_eq(r.certificate, was.certificate) == in_certificate ||
            (memcmp(r.certificate_sha256, was.certificate_sha256, 32) == 0) == in_certificate)
            fail_msg("%s: the wrong certificate with octet %zu turned by %02x", name, i, mask);
        if (!pke_bytes_eq(r.spki, was.spki))
            fail_msg("%s: another key with octet %zu turned by %02x", name, i, mask);
    }
    free(turned);
    pke_arena_free(arena);
    drop(der);
    return accepted;
}

static void test_cms_every_octet_turned(void **state)
{
    static const char *const names[] = {"good-rsa",     "good-no-attributes", "good-keyid",
                                        "openssl-p256", "openssl-p384",       "openssl-rsa-chain",
                                        "good-crl",     "good-countersigned"};
    static const uint8_t masks[] = {0x01, 0x02, 0x20, 0x80, 0xff};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(names); i++)
        for (size_t k = 0; k < PKE_LEN(masks); k++)
            (void)turn_each_octet(names[i], masks[k]);
    /* where nothing covers the octets some must get through, or the test has looked at nothing */
    assert_true(turn_each_octet("good-countersigned", 0x01) > turn_each_octet("good-rsa", 0x01));
}

static void test_cms_every_length(void **state)
{
    struct pke_bytes der = load_vector("good-rsa");
    struct pke_fail fail;

    (void)state;
    for (size_t n = 0; n < der.n; n++) {
        uint8_t *part = pke_malloc(n ? n : 1);

        memcpy(part, der.p, n);
        assert_int_equal(check("part", PKE_BYTES(part, n), &usual, &fail), PKE_MALFORMED);
        free(part);
    }
    drop(der);
}

/* The base64 text of the BinarySecurityToken of a request that is one of the examples. */
static struct pke_bytes token_of(struct pke_bytes xml)
{
    static const char mark[] = "#base64binary\"";
    const char *p = (const char *)xml.p, *end = p + xml.n, *from = NULL;

    for (; p + sizeof mark < end && !from; p++)
        if (memcmp(p, mark, sizeof mark - 1) == 0)
            from = memchr(p, '>', (size_t)(end - p));
    assert_non_null(from);
    p = memchr(from, '<', (size_t)(end - from));
    assert_non_null(p);
    return PKE_BYTES(from + 1, (size_t)(p - from - 1));
}

static void check_example(const char *file, unsigned layers)
{
    struct pke_bytes xml = load(file), want = load("mdm/pki/renew.csr.der"),
                     signer = load("mdm/pki/device-old.der");
    struct pke_arena *arena = pke_arena_new();
    struct pke_buf text[3] = {{0}};
    struct ca_cms_renewal r;
    struct pke_fail fail = {0};

    pke_buf_init(&text[0], xml.n);
    pke_buf_add_bytes(&text[0], token_of(xml));
    for (unsigned i = 0; i < layers; i++) {
        pke_buf_init(&text[i + 1], CA_CMS_MAX);
        assert_int_equal(pke_base64_decode(pke_buf_bytes(&text[i]), PKE_B64_WHITESPACE, &text[i + 1]),
                         PKE_OK);
    }
    if (ca_cms_renewal_read(pke_buf_bytes(&text[layers]), &usual, arena, &r, &fail))
        fail_msg("%s: %s %s", file, fail.reason, fail.text);
    check_accepted(file, pke_buf_bytes(&text[layers]), &r);
    assert_true(pke_bytes_eq(r.content, want));
    assert_true(pke_bytes_eq(r.certificate, signer));
    for (unsigned i = 0; i <= layers; i++)
        pke_buf_done(&text[i]);
    pke_arena_free(arena);
    drop(xml);
    drop(want);
    drop(signer);
}

static void test_58_examples(void **state)
{
    (void)state;
    check_example("mdm/20-rst-renew-robo.req.xml", 1);
    check_example("mdm/21-rst-renew-manual-double-base64.req.xml", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cms_vectors),
        cmocka_unit_test(test_cms_every_file_has_a_row),
        cmocka_unit_test(test_cms_gives_content_and_certificate),
        cmocka_unit_test(test_59_lookalike),
        cmocka_unit_test(test_cms_rules),
        cmocka_unit_test(test_cms_sha1_where_allowed),
        cmocka_unit_test(test_cms_size),
        cmocka_unit_test(test_cms_every_octet_turned),
        cmocka_unit_test(test_cms_every_length),
        cmocka_unit_test(test_58_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
