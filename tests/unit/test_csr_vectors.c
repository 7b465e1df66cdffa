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
    {"cost-rsa2048-e2048", PKE_KEY_WEAK, "csr-key-exponent"},
    {"cost-rsa3072-e3072", PKE_KEY_WEAK, "csr-key-exponent"},
    {"cost-rsa4096-e64", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"cost-rsa8192-e64", PKE_KEY_WEAK, "csr-key-bits"},
    {"der-deep-indefinite", PKE_MALFORMED, "csr-der"},
    {"der-deep", PKE_MALFORMED, "csr-der"},
    {"der-empty-sequence", PKE_MALFORMED, "csr-structure"},
    {"der-empty", PKE_MALFORMED, "csr-der"},
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
    {"ec-off-curve-p384", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-off-curve", PKE_KEY_WEAK, "csr-key-point"},
    {"ec-p192", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-p521", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-secp256k1", PKE_KEY_WEAK, "csr-key-type"},
    {"ec-sha1", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"ec-sig-null", PKE_CSR_BAD, "csr-signature-algorithm"},
    {"ec-wrong-curve", PKE_KEY_WEAK, "csr-key-point"},
    {"ed25519", PKE_KEY_WEAK, "csr-key-type"},
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
    {"good-rsa2048", PKE_OK, NULL},
    {"rsa-e-even", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e-negative", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e1", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e3", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-e64bit", PKE_OK, NULL},
    {"rsa-e65bit", PKE_KEY_WEAK, "csr-key-exponent"},
    {"rsa-even-modulus", PKE_KEY_WEAK, "csr-key-modulus"},
    {"rsa-factor-3", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"rsa-factor-65539", PKE_OK, NULL},
    {"rsa-factor-751", PKE_KEY_WEAK, "csr-key-small-factor"},
    {"rsa-factor-757", PKE_OK, NULL},
    {"rsa-fermat-late", PKE_KEY_WEAK, "csr-key-fermat"},
    {"rsa-fermat", PKE_KEY_WEAK, "csr-key-fermat"},
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
    {"sig-pss-salt0", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-pss-salt32", PKE_CSR_BAD, "csr-signature-pss"},
    {"sig-sha1-oiw", PKE_CSR_BAD, "csr-signature-sha1"},
    {"sig-sha1", PKE_CSR_BAD, "csr-signature-sha1"},
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
    .rsa_min_bits = 2048, .rsa_max_bits = 4096, .allow_ec = true};

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

/* What a template switches: EC keys, SHA-1 signatures, sizes; and the CA's own key, whoever asks. */
static void test_csr_rules_of_a_template(void **state)
{
    struct ca_csr_rules rules = {.rsa_min_bits = 3072, .rsa_max_bits = 3072};
    static const uint8_t not_it[32];
    struct pke_arena *arena = pke_arena_new();
    struct pke_bytes der = load("good-rsa2048"), blocked[2] = {PKE_BYTES(not_it, sizeof not_it)};
    struct pke_fail fail;
    struct ca_csr csr;

    (void)state;
    assert_int_equal(check("good-p256", &rules, &fail), PKE_KEY_WEAK);
    assert_string_equal(fail.reason, "csr-key-type");
    assert_int_equal(check("good-rsa2048", &rules, &fail), PKE_KEY_WEAK);
    assert_string_equal(fail.reason, "csr-key-bits");
    assert_int_equal(check("rsa4096", &rules, &fail), PKE_KEY_WEAK);
    assert_int_equal(check("rsa3072", &rules, &fail), PKE_OK);
    rules = template_rules;
    rules.allow_sha1 = true;
    assert_int_equal(check("sig-sha1", &rules, &fail), PKE_OK);
    assert_int_equal(check("sig-sha1-oiw", &rules, &fail), PKE_OK);
    assert_int_equal(check("ec-sha1", &rules, &fail), PKE_CSR_BAD);
    assert_int_equal(check("sig-md5", &rules, &fail), PKE_CSR_BAD);
    rules.rsa_min_bits = 512; /* a template cannot go below 2048 */
    assert_int_equal(check("rsa1024", &rules, &fail), PKE_KEY_WEAK);
    assert_int_equal(ca_csr_check(der, &template_rules, arena, &csr, &fail), PKE_OK);
    blocked[1] = PKE_BYTES(csr.spki_sha256, sizeof csr.spki_sha256);
    rules = template_rules;
    rules.blocked_spki_sha256 = blocked;
    rules.n_blocked = 2;
    assert_int_equal(check("good-rsa2048", &rules, &fail), PKE_KEY_WEAK);
    assert_string_equal(fail.reason, "csr-key-blocked");
    free((void *)(uintptr_t)der.p);
    pke_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csr_vectors),
        cmocka_unit_test(test_csr_every_file_has_a_row),
        cmocka_unit_test(test_csr_rules_of_a_template),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
