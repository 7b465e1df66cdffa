/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests that must be told apart (tests/data/csr, made by generate.py there): each with the one
 * reason that refuses it. Each is signed by its own key where that is possible, so that nothing but its
 * defect can be the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/csr.h"

static const struct vector {
    const char *name;
    enum pke_err err;
    const char *reason; /* NULL: accepted */
} vectors[] = {
    {"after-attributes", PKE_MALFORMED, "csr-structure"},
    {"attribute-17", PKE_LIMIT, "csr-attributes"},
    {"attribute-duplicate", PKE_CSR_BAD, "csr-attribute-duplicate"},
    {"attributes-absent", PKE_OK, NULL},
    {"badsig", PKE_CSR_BAD, "csr-signature"},
    {"cost-rsa16384-e17", PKE_KEY_WEAK, "csr-key-bits"},
    {"cost-rsa16384-e64", PKE_KEY_WEAK, "csr-key-bits"},
    {"cost-rsa16400-e17", PKE_KEY_WEAK, "csr-key-bits"},
    {"cost-rsa2048-e2048", PKE_KEY_WEAK, "csr-key-exponent"},
    {"cost-rsa3072-e3072", PKE_KEY_WEAK, "csr-key-exponent"},
    {"cost-rsa4096-e64", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"cost-rsa65536-e17", PKE_LIMIT, "csr-size"},
    {"cost-rsa8192-e64", PKE_KEY_WEAK, "csr-key-bits"},
    {"der-deep", PKE_MALFORMED, "csr-der"},
    {"der-deep-indefinite", PKE_MALFORMED, "csr-der"},
    {"der-empty", PKE_MALFORMED, "csr-der"},
    {"der-empty-sequence", PKE_MALFORMED, "csr-structure"},
    {"der-indefinite", PKE_MALFORMED, "csr-der"},
    {"der-length-overflow", PKE_MALFORMED, "csr-der"},
    {"der-long-length", PKE_MALFORMED, "csr-der"},
    {"der-trailing", PKE_MALFORMED, "csr-trailing"},
    {"der-truncated", PKE_MALFORMED, "csr-der"},
    {"dsa2048", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-compressed", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-coordinate-over-prime", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-explicit-generator", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-explicit-p256", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-explicit-tiny", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-hybrid", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-infinity", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-off-curve", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-off-curve-p384", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-off-curve-p521", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-p192", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-p521", PKE_OK, NULL},
    {"ec-secp256k1", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-sha1", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"ec-sha512", PKE_OK, NULL},
    {"ec-short-p521", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-sig-null", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"ec-wrong-curve", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519", PKE_OK, NULL},
    {"ed25519-bad", PKE_CSR_BAD, "csr-signature"},
    {"ed25519-ecdsa", PKE_CSR_BAD, "csr-signature-key"},
    {"ed25519-identity", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-identity-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-not-reduced", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-not-reduced-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-null", PKE_KEY_WEAK, "csr-key-type"},
    {"ed25519-order2", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order2-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order4", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order4-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order8", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order8-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order8b", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-order8b-negative", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519-short", PKE_KEY_WEAK, "csr-key-encoding"},
    {"ed448", PKE_KEY_WEAK, "csr-key-type"},
    {"ext-64", PKE_OK, NULL},
    {"ext-65", PKE_LIMIT, "csr-extensions"},
    {"ext-boolean-01", PKE_MALFORMED, "csr-der"},
    {"ext-ca-and-any-eku", PKE_OK, NULL},
    {"ext-default-false", PKE_MALFORMED, "csr-der"},
    {"ext-duplicate", PKE_CSR_BAD, "csr-extension-duplicate"},
    {"ext-eku-empty", PKE_CSR_BAD, "csr-eku"},
    {"ext-eku-foreign", PKE_CSR_BAD, "csr-eku"},
    {"ext-eku-garbage", PKE_CSR_BAD, "csr-eku"},
    {"ext-ms-and-pkcs9", PKE_CSR_BAD, "csr-extension-requests"},
    {"ext-ms-request", PKE_OK, NULL},
    {"ext-no-value", PKE_MALFORMED, "csr-structure"},
    {"ext-not-der-value", PKE_OK, NULL},
    {"ext-two-requests", PKE_CSR_BAD, "csr-attribute-duplicate"},
    {"ext-two-values", PKE_CSR_BAD, "csr-extension-values"},
    {"good-p256", PKE_OK, NULL},
    {"good-p384", PKE_OK, NULL},
    {"good-p521", PKE_OK, NULL},
    {"good-rsa2048", PKE_OK, NULL},
    {"limit-alternative-names", PKE_LIMIT, "csr-size"},
    {"limit-common-name", PKE_LIMIT, "csr-size"},
    {"limit-extension", PKE_LIMIT, "csr-size"},
    {"limit-extensions", PKE_LIMIT, "csr-extensions"},
    {"limit-subject", PKE_LIMIT, "csr-subject-size"},
    {"rsa-e-even", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e-negative", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e-zero", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e1", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e3", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e64bit", PKE_OK, NULL},
    {"rsa-e65bit", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-even-modulus", PKE_KEY_WEAK, "csr-key-modulus"},
    {"rsa-factor-3", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"rsa-factor-65539", PKE_OK, NULL},
    {"rsa-factor-751", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"rsa-factor-757", PKE_OK, NULL},
    {"rsa-fermat", PKE_KEY_WEAK, "csr-key-fermat"},
    {"rsa-fermat-late", PKE_KEY_WEAK, "csr-key-fermat"},
    {"rsa-negative-modulus", PKE_KEY_WEAK, "csr-key-modulus"},
    {"rsa-no-null", PKE_KEY_WEAK, "csr-key-type"},
    {"rsa-nonminimal-modulus", PKE_KEY_WEAK, "csr-key-encoding"},
    {"rsa-prime-modulus", PKE_OK, NULL},
    {"rsa-roca", PKE_KEY_WEAK, "csr-key-roca"},
    {"rsa-square", PKE_KEY_WEAK, "csr-key-fermat"},
    {"rsa-three-integers", PKE_KEY_WEAK, "csr-key-encoding"},
    {"rsa-zero-modulus", PKE_KEY_WEAK, "csr-key-modulus"},
    {"rsa1024", PKE_KEY_WEAK, "csr-key-bits"},
    {"rsa1536", PKE_KEY_WEAK, "csr-key-bits"},
    {"rsa2056", PKE_KEY_WEAK, "csr-key-bits"},
    {"rsa3072", PKE_OK, NULL},
    {"rsa4096", PKE_OK, NULL},
    {"rsa512", PKE_KEY_WEAK, "csr-key-bits"},
    {"sig-md5", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"sig-no-null", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"sig-pss-bad", PKE_CSR_BAD, "csr-signature"},
    {"sig-pss-defaults", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-key", PKE_KEY_WEAK, "csr-key-type"},
    {"sig-pss-mgf-other", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-mgf-sha1", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-null", PKE_OK, NULL},
    {"sig-pss-salt-long", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt-longer", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt-negative", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt0", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt20", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt32", PKE_OK, NULL},
    {"sig-pss-salt33", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-sha1", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-sha224", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-sha384", PKE_OK, NULL},
    {"sig-pss-sha512", PKE_OK, NULL},
    {"sig-pss-trailer", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-sha1", PKE_CSR_BAD, "csr-signature-digest"},
    {"sig-sha1-oiw", PKE_CSR_BAD, "csr-signature-digest"},
    {"sig-sha384", PKE_OK, NULL},
    {"sig-sha512", PKE_OK, NULL},
    {"sig-unused-bits", PKE_MALFORMED, "csr-structure"},
    {"sig-wrong-type", PKE_CSR_BAD, "csr-signature-key"},
    {"subject-32-names", PKE_OK, NULL},
    {"subject-33-names", PKE_LIMIT, "csr-subject-size"},
    {"subject-bad-utf8", PKE_OK, NULL},
    {"subject-bidi", PKE_OK, NULL},
    {"subject-big-arc", PKE_OK, NULL},
    {"subject-bmp", PKE_OK, NULL},
    {"subject-control", PKE_OK, NULL},
    {"subject-empty", PKE_OK, NULL},
    {"subject-long", PKE_LIMIT, "csr-subject-size"},
    {"subject-multivalued", PKE_CSR_BAD, "csr-subject-multivalued"},
    {"subject-nul-inside", PKE_CSR_BAD, "csr-subject-nul"},
    {"subject-printable", PKE_OK, NULL},
    {"version-1", PKE_CSR_BAD, "csr-version"},
    {"version-nonminimal", PKE_MALFORMED, "csr-der"},
    {"windows-printable-bang", PKE_OK, NULL},
    {"windows-printable-nul", PKE_OK, NULL},
    {"windows-renew", PKE_OK, NULL},
    {"windows-utf8", PKE_OK, NULL},
    {"x25519", PKE_KEY_WEAK, "csr-key-type"},
    {"x448", PKE_KEY_WEAK, "csr-key-type"},
};

static char *folder(void)
{
    const char *top = getenv("top_srcdir");

    return pke_asprintf("%s/tests/data/csr", top ? top : ".");
}

/* In a buffer of exact size, so that a sanitizer sees a read beyond it. */
static struct pke_bytes load(const char *name)
{
    PKE_CLEANUP(pke_free_p) char *dir = folder();
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/%s.csr", dir, name);
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

static enum pke_err check(const char *name, const struct ca_csr_rules *rules, struct pke_fail *fail)
{
    struct pke_bytes der = load(name);
    struct pke_arena *arena = pke_arena_new();
    struct ca_csr csr;
    enum pke_err err = ca_csr_check(der, rules, arena, &csr, fail);

    pke_arena_free(arena);
    free((void *)(uintptr_t)der.p);
    return err;
}

static const struct ca_csr_rules template_rules = {
    .key_types = CA_ALL_KEYS, .rsa_min_bits = 2048, .rsa_max_bits = 4096, .digests = CA_SHA2};

static void test_csr_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct pke_fail fail = {0};
        enum pke_err err = check(v->name, &template_rules, &fail);

        if (err != v->err || strcmp(fail.reason, v->reason ? v->reason : "") != 0)
            fail_msg("%s: %s %s", v->name, pke_err_token(err), fail.reason);
        if (err != PKE_OK && (!*fail.rule || !*fail.text))
            fail_msg("%s: refused without a rule or a sentence", v->name);
    }
}

static void test_csr_every_file_has_a_row(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = folder();
    DIR *dir = opendir(path);
    struct dirent *e;
    size_t files = 0;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        char *dot = strrchr(e->d_name, '.');
        bool found = false;

        if (!dot || strcmp(dot, ".csr") != 0)
            continue;
        *dot = '\0';
        for (size_t i = 0; i < PKE_LEN(vectors); i++)
            found = found || strcmp(vectors[i].name, e->d_name) == 0;
        if (!found)
            fail_msg("%s has no row", e->d_name);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, PKE_LEN(vectors));
}

/* What a template switches: kinds of keys, digests, sizes. */
static void test_csr_rules_of_a_template(void **state)
{
    struct ca_csr_rules rules = {.key_types = CA_KINDS(CA_KEY_RSA),
                                 .rsa_min_bits = 3072,
                                 .rsa_max_bits = 3072,
                                 .digests = CA_KINDS(CA_SHA256)};
    static const char *const others[] = {"good-p256", "good-p384", "good-p521", "ed25519"};
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(others); i++) {
        assert_int_equal(check(others[i], &rules, &fail), PKE_KEY_WEAK);
        assert_string_equal(fail.reason, "csr-key-type");
    }
    assert_int_equal(check("good-rsa2048", &rules, &fail), PKE_KEY_WEAK);
    assert_string_equal(fail.reason, "csr-key-bits");
    assert_int_equal(check("rsa4096", &rules, &fail), PKE_KEY_WEAK);
    assert_int_equal(check("rsa3072", &rules, &fail), PKE_OK);
    rules.rsa_min_bits = 512; /* a template cannot go below 2048 */
    assert_int_equal(check("rsa1024", &rules, &fail), PKE_KEY_WEAK);
    rules = (struct ca_csr_rules){0}; /* rules that nobody filled in allow nothing */
    assert_int_equal(check("good-rsa2048", &rules, &fail), PKE_KEY_WEAK);
    assert_int_equal(check("good-p256", &rules, &fail), PKE_KEY_WEAK);
}

/* Each kind of key alone lets that kind through and no other. */
static void test_csr_key_types_one_by_one(void **state)
{
    static const char *const of[] = {[CA_KEY_RSA] = "good-rsa2048",
                                     [CA_KEY_P256] = "good-p256",
                                     [CA_KEY_P384] = "good-p384",
                                     [CA_KEY_P521] = "good-p521",
                                     [CA_KEY_ED25519] = "ed25519"};
    struct ca_csr_rules rules = template_rules;
    struct pke_fail fail;

    (void)state;
    for (size_t allowed = 0; allowed < PKE_LEN(of); allowed++) {
        rules.key_types = CA_KINDS(allowed);
        for (size_t i = 0; i < PKE_LEN(of); i++)
            if (check(of[i], &rules, &fail) != (i == allowed ? PKE_OK : PKE_KEY_WEAK))
                fail_msg("%s where %s is allowed", of[i], ca_key_type_name((enum ca_key_type)allowed));
    }
}

static void test_csr_digests_of_a_template(void **state)
{
    struct ca_csr_rules rules = template_rules;
    struct pke_fail fail;

    (void)state;
    rules.digests = CA_KINDS(CA_SHA1);
    assert_int_equal(check("sig-sha1", &rules, &fail), PKE_OK);
    assert_int_equal(check("sig-sha1-oiw", &rules, &fail), PKE_OK);
    assert_int_equal(check("ec-sha1", &rules, &fail), PKE_CSR_BAD); /* never existed among Windows' */
    assert_int_equal(check("sig-pss-sha1", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check("sig-md5", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check("good-rsa2048", &rules, &fail), PKE_CSR_BAD);
    assert_string_equal(fail.reason, "csr-signature-digest");
    assert_int_equal(check("ed25519", &rules, &fail), PKE_OK); /* its digest is no choice */
    rules.digests = CA_KINDS(CA_SHA384);
    assert_int_equal(check("sig-sha384", &rules, &fail), PKE_OK);
    assert_int_equal(check("sig-pss-sha384", &rules, &fail), PKE_OK);
    assert_int_equal(check("good-p384", &rules, &fail), PKE_OK);
    assert_int_equal(check("sig-pss-salt32", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check("good-p256", &rules, &fail), PKE_CSR_BAD);
    assert_string_equal(fail.reason, "csr-signature-digest");
}

/* strict-key-check finds what the rest does not, and nothing wrong with what is good. */
static void test_csr_strict_key_check(void **state)
{
    struct ca_csr_rules rules = template_rules;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(check("rsa-prime-modulus", &rules, &fail), PKE_OK);
    rules.strict = true;
    assert_int_equal(check("rsa-prime-modulus", &rules, &fail), PKE_KEY_WEAK);
    assert_string_equal(fail.reason, "csr-key-strict");
    for (size_t i = 0; i < PKE_LEN(vectors); i++)
        if (!vectors[i].reason && strcmp(vectors[i].name, "rsa-prime-modulus") != 0 &&
            check(vectors[i].name, &rules, &fail) != PKE_OK)
            fail_msg("%s: %s", vectors[i].name, fail.reason);
}

/* Keys of the CAs, and of the list: of every kind of key. */
static void test_csr_blocked_keys(void **state)
{
    static const char *const names[] = {"good-rsa2048", "good-p256", "ed25519"};
    struct pke_arena *arena = pke_arena_new();
    struct ca_blocked *list = ca_blocked_new(), *other = ca_blocked_new();
    struct ca_csr_rules rules = template_rules;
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(names); i++) {
        struct pke_bytes der = load(names[i]);
        struct ca_csr csr;

        assert_int_equal(ca_csr_check(der, &template_rules, arena, &csr, &fail), PKE_OK);
        ca_blocked_add(list, csr.spki_sha256);
        free((void *)(uintptr_t)der.p);
    }
    ca_blocked_sort(list);
    for (size_t which = 0; which < 2; which++) {
        rules.blocked[which] = list;
        rules.blocked[!which] = which ? NULL : other;
        for (size_t i = 0; i < PKE_LEN(names); i++) {
            assert_int_equal(check(names[i], &rules, &fail), PKE_KEY_WEAK);
            assert_string_equal(fail.reason, "csr-key-blocked");
        }
        assert_int_equal(check("rsa3072", &rules, &fail), PKE_OK);
    }
    ca_blocked_free(list);
    ca_blocked_free(other);
    pke_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csr_vectors),
        cmocka_unit_test(test_csr_every_file_has_a_row),
        cmocka_unit_test(test_csr_rules_of_a_template),
        cmocka_unit_test(test_csr_key_types_one_by_one),
        cmocka_unit_test(test_csr_digests_of_a_template),
        cmocka_unit_test(test_csr_strict_key_check),
        cmocka_unit_test(test_csr_blocked_keys),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
