/* SPDX-License-Identifier: Apache-2.0 */
/* What libcrypto lets through and a CA must not, row by row: each row is a defect, the vectors of
 * tests/data/csr that have it, and what becomes of them. A failure names row and vector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/csr.h"

#define MAX_VECTORS 14

enum how { USUAL, LEGACY, STRICT }; /* rules: all kinds of keys; SHA-1 named; strict-key-check */

static const struct row {
    const char *what;
    enum how how;
    const char *reason; /* NULL: accepted */
    const char *vectors[MAX_VECTORS];
} rows[] = {
    {"RSA of 512, 1024, 1536 bits", USUAL, "csr-key-bits", {"rsa512", "rsa1024", "rsa1536", "rsa2056"}},
    {"RSA of 2048, 3072, 4096 bits", USUAL, NULL, {"good-rsa2048", "rsa3072", "rsa4096"}},
    {"e = 1", USUAL, "csr-key-exponent", {"rsa-e1"}},
    {"e = 3", USUAL, "csr-key-exponent", {"rsa-e3"}},
    {"e even, zero or negative", USUAL, "csr-key-exponent", {"rsa-e-even", "rsa-e-zero", "rsa-e-negative"}},
    {"modulus even, zero or negative",
     USUAL,
     "csr-key-modulus",
     {"rsa-even-modulus", "rsa-zero-modulus", "rsa-negative-modulus"}},
    {"prime modulus", USUAL, NULL, {"rsa-prime-modulus"}},
    {"prime modulus, strictly", STRICT, "csr-key-strict", {"rsa-prime-modulus"}},
    {"close primes", USUAL, "csr-key-fermat", {"rsa-fermat", "rsa-fermat-late", "rsa-square"}},
    {"ROCA", USUAL, "csr-key-roca", {"rsa-roca"}},
    {"small factors", USUAL, "csr-key-small-factor", {"rsa-factor-3", "rsa-factor-751"}},
    {"factors above 751", USUAL, NULL, {"rsa-factor-757", "rsa-factor-65539"}},
    {"modulus of 16,384 bits and more",
     USUAL,
     "csr-key-bits",
     {"cost-rsa16384-e64", "cost-rsa16384-e17", "cost-rsa16400-e17", "cost-rsa8192-e64"}},
    {"modulus of 65,536 bits", USUAL, "csr-size", {"cost-rsa65536-e17"}},
    {"e of 2048 and 3072 bits",
     USUAL,
     "csr-key-exponent",
     {"cost-rsa2048-e2048", "cost-rsa3072-e3072", "rsa-e65bit"}},
    {"RSASSA-PSS with a salt of the digest's length",
     USUAL,
     NULL,
     {"sig-pss-salt32", "sig-pss-null", "sig-pss-sha384", "sig-pss-sha512"}},
    {"RSASSA-PSS with another salt",
     USUAL,
     "csr-signature-pss",
     {"sig-pss-salt0", "sig-pss-salt20", "sig-pss-salt33", "sig-pss-salt-longer", "sig-pss-salt-long",
      "sig-pss-salt-negative"}},
    {"RSASSA-PSS with another digest in MGF1, with SHA-1, with defaults",
     LEGACY,
     "csr-signature-pss",
     {"sig-pss-mgf-other", "sig-pss-mgf-sha1", "sig-pss-sha1", "sig-pss-sha224", "sig-pss-defaults",
      "sig-pss-trailer"}},
    {"RSASSA-PSS that does not verify", USUAL, "csr-signature", {"sig-pss-bad"}},
    {"MD5", LEGACY, "csr-signature-algorithm", {"sig-md5"}},
    {"SHA-1", USUAL, "csr-signature-digest", {"sig-sha1", "sig-sha1-oiw"}},
    {"SHA-1 where it is named", LEGACY, NULL, {"sig-sha1", "sig-sha1-oiw"}},
    {"ECDSA with SHA-1", LEGACY, "csr-signature-algorithm", {"ec-sha1"}},
    {"BER", USUAL, "csr-der", {"der-indefinite", "der-long-length", "ext-boolean-01", "ext-default-false"}},
    {"trailing octets", USUAL, "csr-trailing", {"der-trailing"}},
    {"version 1", USUAL, "csr-version", {"version-1"}},
    {"attributes absent", USUAL, NULL, {"attributes-absent"}},
    {"extensionRequest twice", USUAL, "csr-attribute-duplicate", {"ext-two-requests"}},
    {"extensionRequest with two values", USUAL, "csr-extension-values", {"ext-two-values"}},
    {"PKCS #9's and Microsoft's extensionRequest", USUAL, "csr-extension-requests", {"ext-ms-and-pkcs9"}},
    {"an extension twice in it", USUAL, "csr-extension-duplicate", {"ext-duplicate"}},
    {"more than 16 KiB",
     USUAL,
     "csr-size",
     {"limit-extension", "limit-alternative-names", "limit-common-name"}},
    {"more than 64 extensions", USUAL, "csr-extensions", {"limit-extensions", "ext-65"}},
    {"more than 32 RDNs, or a long name",
     USUAL,
     "csr-subject-size",
     {"limit-subject", "subject-33-names", "subject-long"}},
    {"NUL in a name", USUAL, "csr-subject-nul", {"subject-nul-inside"}},
    {"multi-valued RDN", USUAL, "csr-subject-multivalued", {"subject-multivalued"}},
    {"EC off the curve",
     USUAL,
     "csr-key-point",
     {"ec-off-curve", "ec-off-curve-p384", "ec-off-curve-p521", "ec-wrong-curve",
      "ec-coordinate-over-prime"}},
    {"EC with parameters of a tiny curve", USUAL, "csr-key-type", {"ec-explicit-tiny"}},
    {"EC point at infinity", USUAL, "csr-key-point", {"ec-infinity"}},
    {"P-192, secp256k1", USUAL, "csr-key-type", {"ec-p192", "ec-secp256k1"}},
    {"explicit parameters", USUAL, "csr-key-type", {"ec-explicit-p256", "ec-explicit-generator"}},
    {"compressed or hybrid point", USUAL, "csr-key-point", {"ec-compressed", "ec-hybrid", "ec-short-p521"}},
    {"DSA, X25519, X448, Ed448", USUAL, "csr-key-type", {"dsa2048", "x25519", "x448", "ed448"}},
    {"RSA key for PSS only, RSA without NULL", USUAL, "csr-key-type", {"sig-pss-key", "rsa-no-null"}},
    {"P-256, P-384, P-521, Ed25519",
     STRICT,
     NULL,
     {"good-p256", "good-p384", "good-p521", "ec-p521", "ec-sha512", "ed25519"}},
    {"Ed25519 of small order, not reduced",
     USUAL,
     "csr-key-point",
     {"ed25519-identity", "ed25519-identity-negative", "ed25519-order2", "ed25519-order2-negative",
      "ed25519-order4", "ed25519-order4-negative", "ed25519-order8", "ed25519-order8-negative",
      "ed25519-order8b", "ed25519-order8b-negative", "ed25519-not-reduced", "ed25519-not-reduced-negative"}},
};

static struct pke_bytes load(struct pke_arena *arena, const char *name)
{
    const char *top = getenv("top_srcdir");
    const char *path = pke_arena_printf(arena, "%s/tests/data/csr/%s.csr", top ? top : ".", name);
    uint8_t *der = pke_arena_alloc(arena, 65536);
    FILE *file = fopen(path, "rb");
    size_t n;

    if (!file)
        fail_msg("%s", path);
    n = fread(der, 1, 65536, file);
    assert_int_equal(fclose(file), 0);
    return PKE_BYTES(der, n);
}

static void check(const struct row *row, const char *name)
{
    struct ca_csr_rules rules = {.key_types = CA_ALL_KEYS,
                                 .rsa_min_bits = 2048,
                                 .rsa_max_bits = 4096,
                                 .digests = CA_SHA2 | (row->how == LEGACY ? CA_KINDS(CA_SHA1) : 0),
                                 .strict = row->how == STRICT};
    struct pke_arena *arena = pke_arena_new();
    struct pke_fail fail = {0};
    struct ca_csr csr;
    enum pke_err err = ca_csr_check(load(arena, name), &rules, arena, &csr, &fail);

    if ((err == PKE_OK) != !row->reason || strcmp(fail.reason, row->reason ? row->reason : "") != 0)
        fail_msg("%s: %s: %s %s", row->what, name, pke_err_token(err), fail.reason);
    pke_arena_free(arena);
}

static void test_s5_row_by_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++)
        for (size_t k = 0; k < MAX_VECTORS && rows[i].vectors[k]; k++)
            check(&rows[i], rows[i].vectors[k]);
}

/* The key is refused for what it is even where its owner proved nothing: with the signature spoilt the
 * reason stays, so screening comes first. */
static void test_s5_before_the_signature(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        if (!rows[i].reason || strncmp(rows[i].reason, "csr-key-", 8) != 0)
            continue;
        for (size_t k = 0; k < MAX_VECTORS && rows[i].vectors[k]; k++) {
            struct ca_csr_rules rules = {.key_types = CA_ALL_KEYS,
                                         .rsa_min_bits = 2048,
                                         .rsa_max_bits = 4096,
                                         .digests = CA_SHA2,
                                         .strict = rows[i].how == STRICT};
            struct pke_arena *arena = pke_arena_new();
            struct pke_bytes der = load(arena, rows[i].vectors[k]);
            struct pke_fail fail = {0};
            struct ca_csr csr;

            ((uint8_t *)(uintptr_t)der.p)[der.n - 1] ^= 1;
            assert_int_not_equal(ca_csr_check(der, &rules, arena, &csr, &fail), PKE_OK);
            if (strcmp(fail.reason, rows[i].reason) != 0)
                fail_msg("%s: %s: %s", rows[i].what, rows[i].vectors[k], fail.reason);
            pke_arena_free(arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s5_row_by_row),
        cmocka_unit_test(test_s5_before_the_signature),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
