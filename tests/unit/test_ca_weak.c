/* SPDX-License-Identifier: Apache-2.0 */
/* RSA moduli that can be factored: the vectors of tests/data/csr, and Fermat's method at both ends of its
 * rounds. */
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ca/key.h"

#define MODULUS       256
#define RANDOM_ROUNDS 300

/* Of a 2048-bit key: the one INTEGER of 257 octets, or of 256 when the first bit is clear. */
static struct pke_bytes vector_modulus(const char *name, uint8_t *der, size_t size)
{
    static const uint8_t head[] = {0x02, 0x82, 0x01, 0x01, 0x00};
    const char *top = getenv("top_srcdir");
    char path[4096];
    const uint8_t *at;
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/data/csr/%s.csr", top ? top : ".", name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(der, 1, size, f);
    fclose(f);
    at = memmem(der, n, head, sizeof head);
    assert_non_null(at);
    return PKE_BYTES(at + sizeof head, MODULUS);
}

static void test_vectors(void **state)
{
    static const char *const vectors[][2] = {{"good-rsa2048", ""},
                                             {"rsa-factor-3", "csr-key-small-factor"},
                                             {"rsa-factor-751", "csr-key-small-factor"},
                                             {"rsa-factor-757", ""},
                                             {"rsa-fermat", "csr-key-fermat"},
                                             {"rsa-fermat-late", "csr-key-fermat"},
                                             {"rsa-square", "csr-key-fermat"},
                                             {"rsa-roca", "csr-key-roca"}};
    uint8_t der[8192];

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct pke_bytes n = vector_modulus(vectors[i][0], der, sizeof der);
        struct pke_fail fail = {0};
        enum pke_err err = ca_key_weak_modulus(n, &fail);

        assert_string_equal(fail.reason, vectors[i][1]);
        assert_int_equal(err, vectors[i][1][0] ? PKE_KEY_WEAK : PKE_OK);
    }
}

/* Floor of the square root. */
static void root_of(BIGNUM *x, const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *next = BN_new();

    BN_one(x);
    BN_lshift(x, x, (BN_num_bits(n) + 1) / 2);
    for (;;) {
        BN_div(next, NULL, n, x, ctx);
        BN_add(next, next, x);
        BN_rshift1(next, next);
        if (BN_cmp(next, x) >= 0)
            break;
        BN_copy(x, next);
    }
    BN_free(next);
}

/* n = (s + round)^2 - b^2 whose root is s, so that Fermat's method finds it in exactly this round. */
static void found_in(unsigned round, uint8_t n[MODULUS], BN_CTX *ctx)
{
    BIGNUM *s = BN_new(), *a = BN_new(), *b = BN_new(), *t = BN_new();

    do {
        BN_rand(s, MODULUS * 4, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
        BN_copy(a, s);
        BN_add_word(a, round);
        BN_sqr(a, a, ctx);
        BN_sqr(t, s, ctx);
        BN_sub(t, a, t);
        root_of(b, t, ctx);
        BN_sqr(b, b, ctx);
        BN_sub(t, a, b);
    } while (!BN_is_odd(t) || BN_num_bits(t) != MODULUS * 8);
    BN_bn2binpad(t, n, MODULUS);
    BN_free(s), BN_free(a), BN_free(b), BN_free(t);
}

static void test_fermat_rounds(void **state)
{
    static const unsigned ends[] = {1, 2, 99, 100, 101, 102};
    BN_CTX *ctx = BN_CTX_new();

    (void)state;
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) { /* enough for every residue that a square can have */
        unsigned round = i < sizeof ends / sizeof *ends ? ends[i] : 1 + i % 100;
        struct pke_fail fail;
        uint8_t n[MODULUS];

        do { /* most candidates have a small factor, which is found first */
            found_in(round, n, ctx);
            fail = (struct pke_fail){0};
            ca_key_weak_modulus(PKE_BYTES(n, MODULUS), &fail);
        } while (strcmp(fail.reason, "csr-key-small-factor") == 0);
        assert_string_equal(fail.reason, round <= 100 ? "csr-key-fermat" : "");
    }
    BN_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_fermat_rounds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
