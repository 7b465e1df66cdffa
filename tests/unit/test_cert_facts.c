/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of certificates: what is read is what OpenSSL reads, of all certificates of tests/data/cert and
 * tests/data/mdm/pki that are accepted; what is refused is refused for its defect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/facts.h"

static char *data_path(const char *relative)
{
    const char *top = getenv("top_srcdir");

    return pke_asprintf("%s/tests/data/%s", top ? top : ".", relative);
}

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

static void drop(struct pke_bytes b)
{
    free((void *)(uintptr_t)b.p);
}

static bool same_as(unsigned char *der, int n, struct pke_bytes want)
{
    bool same = n > 0 && pke_bytes_eq(PKE_BYTES(der, (size_t)n), want);

    OPENSSL_free(der);
    return same;
}

static bool same_names(X509 *x, const struct ca_cert_facts *f)
{
    unsigned char *issuer = NULL, *subject = NULL, *spki = NULL;
    int ni = i2d_X509_NAME(X509_get_issuer_name(x), &issuer);
    int ns = i2d_X509_NAME(X509_get_subject_name(x), &subject);
    int nk = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    bool issuers = same_as(issuer, ni, f->issuer), subjects = same_as(subject, ns, f->subject);

    return same_as(spki, nk, f->spki) && issuers && subjects;
}

static bool same_cn(X509 *x, const struct ca_cert_facts *f)
{
    X509_NAME *name = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    ASN1_STRING *cn = at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));

    if (!f->subject_cn)
        return true;
    return cn && pke_bytes_eq_str(PKE_BYTES(ASN1_STRING_get0_data(cn), (size_t)ASN1_STRING_length(cn)),
                                  f->subject_cn);
}

static bool same_time(const ASN1_TIME *t, int64_t seconds)
{
    time_t want = (time_t)seconds;

    return ASN1_TIME_cmp_time_t(t, want) == 0;
}

static bool same_octets(const ASN1_OCTET_STRING *id, struct pke_bytes want)
{
    return id ? pke_bytes_eq(PKE_BYTES(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)), want)
              : want.n == 0;
}

/* Read one by one: of a certificate with any extension that it cannot read OpenSSL's summary says nothing. */
static bool same_key_ids(X509 *x, const struct ca_cert_facts *f)
{
    ASN1_OCTET_STRING *subject = X509_get_ext_d2i(x, NID_subject_key_identifier, NULL, NULL);
    AUTHORITY_KEYID *authority = X509_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
    bool same = same_octets(subject, f->subject_key_id) &&
                same_octets(authority ? authority->keyid : NULL, f->authority_key_id);

    ASN1_OCTET_STRING_free(subject);
    AUTHORITY_KEYID_free(authority);
    return same;
}

static bool same_ekus(X509 *x, const struct ca_cert_facts *f)
{
    EXTENDED_KEY_USAGE *list = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    bool same = (list != NULL) == f->has_eku;
    char dotted[80];

    for (int i = 0; list && i < sk_ASN1_OBJECT_num(list); i++) {
        OBJ_obj2txt(dotted, sizeof dotted, sk_ASN1_OBJECT_value(list, i), 1);
        same = same && pke_strings_has(&f->ekus, dotted);
    }
    same = same && (!list || (size_t)sk_ASN1_OBJECT_num(list) >= f->ekus.n);
    EXTENDED_KEY_USAGE_free(list);
    return same;
}

static bool same_constraints(X509 *x, const struct ca_cert_facts *f)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    bool same = f->ca == (basic && basic->ca) && f->has_key_usage == (usage != NULL);

    for (int bit = 0; usage && bit < 8; bit++)
        same = same && ASN1_BIT_STRING_get_bit(usage, bit) == (f->key_usage >> (7 - bit) & 1);
    BASIC_CONSTRAINTS_free(basic);
    ASN1_BIT_STRING_free(usage);
    return same;
}

static void check_against_openssl(const char *name, const struct ca_cert_facts *f)
{
    const unsigned char *p = f->der.p;
    X509 *x = d2i_X509(NULL, &p, (long)f->der.n);
    BIGNUM *serial;
    char hex[64] = "";

    if (!x && !f->subject_cn && strcmp(name, "bad_cn_badutf8.der") == 0)
        return; /* character strings are opaque here: no text comes of this one */
    if (!x)
        fail_msg("%s: OpenSSL cannot read it", name);
    serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    if (f->serial.n > 0 && f->serial.n <= 21 && !(f->serial.p[0] & 0x80)) {
        BIGNUM *mine = BN_bin2bn(f->serial.p, (int)f->serial.n, NULL);

        pke_hex(f->serial, true, hex);
        if (BN_cmp(mine, serial) != 0)
            fail_msg("%s: another serial number (%s)", name, hex);
        BN_free(mine);
    }
    BN_free(serial);
    if (!same_names(x, f) || !same_cn(x, f))
        fail_msg("%s: other names or another key", name);
    if (!same_time(X509_get0_notBefore(x), f->not_before) || !same_time(X509_get0_notAfter(x), f->not_after))
        fail_msg("%s: another validity", name);
    if (!same_key_ids(x, f))
        fail_msg("%s: other key identifiers", name);
    if (!same_ekus(x, f) || !same_constraints(x, f))
        fail_msg("%s: another usage", name);
    X509_free(x);
}

static enum pke_err read_file(const char *relative, struct pke_arena *arena, struct ca_cert_facts *f,
                              struct pke_fail *fail)
{
    struct pke_bytes file = load(relative), der = pke_arena_bytes(arena, file);

    drop(file);
    *fail = (struct pke_fail){0};
    return ca_cert_facts_read(der, arena, f, fail);
}

static unsigned read_folder(const char *folder, unsigned *refused)
{
    PKE_CLEANUP(pke_free_p) char *path = data_path(folder);
    struct pke_arena *arena = pke_arena_new();
    DIR *dir = opendir(path);
    unsigned accepted = 0;
    struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir))) {
        PKE_CLEANUP(pke_free_p) char *relative = pke_asprintf("%s/%s", folder, e->d_name);
        struct ca_cert_facts f;
        struct pke_fail fail;
        enum pke_err err;

        if (strlen(e->d_name) < 5 || strcmp(e->d_name + strlen(e->d_name) - 4, ".der") != 0)
            continue;
        err = read_file(relative, arena, &f, &fail);
        if (err == PKE_OK)
            accepted++, check_against_openssl(e->d_name, &f);
        else
            (*refused)++;
        if (err && (!*fail.reason || !*fail.rule || !*fail.text || fail.err != err))
            fail_msg("%s: refused without a reason", e->d_name);
        pke_arena_reset(arena);
    }
    closedir(dir);
    pke_arena_free(arena);
    return accepted;
}

static void test_facts_are_those_of_openssl(void **state)
{
    unsigned refused = 0;

    (void)state;
    assert_true(read_folder("cert", &refused) > 50);
    assert_true(refused > 10);
    refused = 0;
    assert_true(read_folder("mdm/pki", &refused) >= 6);
    refused = 0;
    assert_int_equal(read_folder("cms", &refused), 3);
    assert_int_equal(refused, 0);
}

static void test_facts_refused(void **state)
{
    static const struct {
        const char *file, *reason;
    } vectors[] = {
        {"cert/bad_trailing_bytes.der", "cert-trailing"},
        {"cert/bad_ber_indef.der", "cert-der"},
        {"cert/bad_long_len.der", "cert-der"},
        {"cert/bad_bool_01.der", "cert-der"},
        {"cert/bad_serial_nonmin.der", "cert-der"},
        {"cert/bad_dup_ext.der", "cert-extension-duplicate"},
        {"cert/bad_sigalg_mismatch.der", "cert-algorithm"},
        {"cert/bad_v1_with_ext.der", "cert-version"},
        {"cert/bad_ver_explicit_v1.der", "tbs-structure"},
        {"cert/bad_crit_false_encoded.der", "tbs-der"},
        {"cert/bad_bc_default_false.der", "cert-basic-constraints"},
        {"cert/bad_eku_empty.der", "cert-eku"},
        {"cert/bad_ku_empty.der", "cert-key-usage"},
        {"cert/bad_utc_no_seconds.der", "tbs-time"},
        {"cert/bad_utc_offset.der", "tbs-time"},
        {"cert/bad_gt_fraction.der", "tbs-time"},
        {"csr/good-rsa2048.csr", "tbs-structure"},
        {"csr/der-empty.csr", "cert-der"},
    };
    struct pke_arena *arena = pke_arena_new();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(vectors); i++) {
        struct ca_cert_facts f;
        struct pke_fail fail;

        if (read_file(vectors[i].file, arena, &f, &fail) != PKE_MALFORMED ||
            strcmp(fail.reason, vectors[i].reason) != 0)
            fail_msg("%s: %s", vectors[i].file, fail.reason);
    }
    pke_arena_free(arena);
}

static void test_facts_of_a_device(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct ca_cert_facts f;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(read_file("mdm/pki/device.der", arena, &f, &fail), PKE_OK);
    assert_string_equal(f.subject_cn, "8090C8B484A0E24EB5C56E806CB4EE5B");
    assert_string_equal(f.subject_text, "CN=8090C8B484A0E24EB5C56E806CB4EE5B");
    assert_int_equal(f.serial.n, 20);
    assert_int_equal(f.ekus.n, 1);
    assert_string_equal(f.ekus.v[0], "1.3.6.1.5.5.7.3.2");
    assert_false(f.ca);
    assert_int_equal(f.key_usage, 0xa0);
    assert_int_equal(f.subject_key_id.n, 20);
    assert_int_equal(f.authority_key_id.n, 20);
    assert_int_equal(ca_cert_facts_client(&f, &fail), PKE_OK);
    pke_arena_free(arena);
}

static void test_facts_validity(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct ca_cert_facts f;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(read_file("mdm/pki/device.der", arena, &f, &fail), PKE_OK);
    assert_int_equal(f.not_before, 1772366400); /* 2026-03-01T12:00:00Z */
    assert_int_equal(f.not_after, 1772366400 + 365 * 86400);
    assert_int_equal(ca_cert_facts_valid(&f, f.not_before, &fail), PKE_OK);
    assert_int_equal(ca_cert_facts_valid(&f, f.not_after, &fail), PKE_OK);
    assert_int_equal(ca_cert_facts_valid(&f, f.not_before - 1, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-not-yet-valid");
    assert_int_equal(ca_cert_facts_valid(&f, f.not_after + 1, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-expired");
    pke_arena_free(arena);
}

static void test_facts_client(void **state)
{
    static const struct {
        const char *file, *reason;
    } vectors[] = {
        {"cert/ok.der", ""},
        {"cert/ok_ec.der", ""},
        {"cert/bad_unknown_noncrit.der", ""},
        {"cert/root.der", "cert-ca"},
        {"cert/ica.der", "cert-ca"},
        {"cert/bad_leaf_is_CA.der", "cert-ca"},
        {"cert/bad_sub_ca.der", "cert-ca"},
        {"cert/bad_ku_certsign_noCA.der", "cert-ca"},
        {"cert/bad_eku_none.der", "cert-no-client-auth"},
        {"cert/bad_eku_any.der", ""}, /* clientAuth is there, too */
        {"cert/bad_unknown_crit.der", "cert-critical-extension"},
    };
    struct pke_arena *arena = pke_arena_new();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(vectors); i++) {
        struct ca_cert_facts f;
        struct pke_fail fail;

        if (read_file(vectors[i].file, arena, &f, &fail))
            fail_msg("%s: %s", vectors[i].file, fail.reason);
        (void)ca_cert_facts_client(&f, &fail);
        if (strcmp(fail.reason, vectors[i].reason) != 0 ||
            fail.err != (*fail.reason ? PKE_UNAUTHENTICATED : PKE_OK))
            fail_msg("%s: %s", vectors[i].file, fail.reason);
    }
    pke_arena_free(arena);
}

/* A key that may decipher only does not sign a handshake; any usage is not this one. */
static void test_facts_client_usages(void **state)
{
    static char any[] = "2.5.29.37.0", *anys[] = {any};
    struct pke_arena *arena = pke_arena_new();
    struct ca_cert_facts f;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(read_file("cert/ok.der", arena, &f, &fail), PKE_OK);
    f.key_usage = 0x20;
    assert_int_equal(ca_cert_facts_client(&f, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-no-digital-signature");
    f.has_key_usage = false;
    assert_int_equal(ca_cert_facts_client(&f, &fail), PKE_OK);
    f.ekus = (struct pke_strings){anys, 1};
    assert_int_equal(ca_cert_facts_client(&f, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-no-client-auth");
    pke_arena_free(arena);
}

static void expect_signed(struct pke_arena *arena, const char *leaf, const char *issuer, const char *reason)
{
    struct ca_cert_facts f, ca;
    struct pke_fail fail;

    assert_int_equal(read_file(issuer, arena, &ca, &fail), PKE_OK);
    if (read_file(leaf, arena, &f, &fail))
        fail_msg("%s: %s", leaf, fail.reason);
    (void)ca_cert_facts_signed_by(&f, ca.subject, ca.spki, &fail);
    if (strcmp(fail.reason, reason) != 0 || fail.err != (*reason ? PKE_UNAUTHENTICATED : PKE_OK))
        fail_msg("%s by %s: %s", leaf, issuer, fail.reason);
}

static void test_facts_signed_by(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_bytes spki = load("cms/issuer.spki");
    struct ca_cert_facts f, other;
    struct pke_fail fail;

    (void)state;
    expect_signed(arena, "mdm/pki/device.der", "mdm/pki/root.der", "");
    expect_signed(arena, "mdm/pki/root.der", "mdm/pki/root.der", "");
    expect_signed(arena, "cert/ok.der", "cert/ica.der", "");
    expect_signed(arena, "cert/ok_ec.der", "cert/ica.der", "");
    expect_signed(arena, "cert/ica.der", "cert/root.der", "");
    expect_signed(arena, "cert/ok.der", "cert/root.der", "cert-issuer");
    expect_signed(arena, "cert/bad_badsig.der", "cert/ica.der", "cert-signature");
    expect_signed(arena, "cert/bad_sha1.der", "cert/ica.der", "cert-signature-algorithm");
    expect_signed(arena, "cms/self-signed-sha1.der", "cms/self-signed-sha1.der", "cert-signature-algorithm");
    /* the look-alike: the right issuer in words, signed by another */
    assert_int_equal(read_file("cms/genuine.der", arena, &f, &fail), PKE_OK);
    assert_int_equal(ca_cert_facts_signed_by(&f, f.issuer, spki, &fail), PKE_OK);
    assert_int_equal(read_file("cms/lookalike.der", arena, &other, &fail), PKE_OK);
    assert_true(pke_bytes_eq(f.issuer, other.issuer) && pke_bytes_eq(f.serial, other.serial) &&
                pke_bytes_eq(f.subject, other.subject));
    assert_int_equal(ca_cert_facts_signed_by(&other, f.issuer, spki, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-signature");
    assert_int_equal(ca_cert_facts_signed_by(&f, f.issuer, f.spki, &fail), PKE_UNAUTHENTICATED);
    assert_int_equal(ca_cert_facts_signed_by(&f, f.issuer, PKE_BYTES("x", 1), &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "cert-issuer-key");
    drop(spki);
    pke_arena_free(arena);
}

/* No octet of a certificate can be turned without its issuer's signature telling. */
static void test_facts_every_octet_turned(void **state)
{
    struct pke_bytes der = load("cms/genuine.der"), spki = load("cms/issuer.spki");
    struct pke_arena *arena = pke_arena_new();
    uint8_t *turned = pke_malloc(der.n);
    struct ca_cert_facts f, was;

    (void)state;
    assert_int_equal(ca_cert_facts_read(der, arena, &was, NULL), PKE_OK);
    for (size_t i = 0; i < der.n; i++) {
        memcpy(turned, der.p, der.n);
        turned[i] ^= 0x01;
        pke_arena_reset(arena);
        if (ca_cert_facts_read(PKE_BYTES(turned, der.n), arena, &f, NULL) == PKE_OK &&
            ca_cert_facts_signed_by(&f, was.issuer, spki, NULL) == PKE_OK)
            fail_msg("octet %zu", i);
    }
    free(turned);
    pke_arena_free(arena);
    drop(der);
    drop(spki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_are_those_of_openssl),
        cmocka_unit_test(test_facts_refused),
        cmocka_unit_test(test_facts_of_a_device),
        cmocka_unit_test(test_facts_validity),
        cmocka_unit_test(test_facts_client),
        cmocka_unit_test(test_facts_client_usages),
        cmocka_unit_test(test_facts_signed_by),
        cmocka_unit_test(test_facts_every_octet_turned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
