/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/assertion.c: every field survives, every changed byte is refused, time ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/common/assertion.h"

static const uint8_t key_bytes[ASSERTION_KEY_SIZE] = {1, 2, 3};
static const uint8_t hash[32] = {9, 8, 7};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};

static void make(struct pke_arena *arena, struct pke_buf *out)
{
    struct assertion a = {.tenant = "default",
                          .principal = "user@corp.example",
                          .kind = "username",
                          .stage = "enroll",
                          .endpoint = "enroll",
                          .request_hash = {hash, sizeof hash},
                          .expires = 61000};

    pke_pairs_add(&a.attributes, arena, "upn", "user@corp.example");
    pke_pairs_add(&a.attributes, arena, "group", "");
    pke_buf_init(out, 4096);
    assert_int_equal(assertion_write(&a, key, out), PKE_OK);
}

static void test_round_trip(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct assertion a;
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    make(arena, &b);
    assert_int_equal(assertion_read(pke_buf_bytes(&b), key, 1000, arena, &a, &fail), PKE_OK);
    assert_string_equal(a.tenant, "default");
    assert_string_equal(a.principal, "user@corp.example");
    assert_string_equal(a.kind, "username");
    assert_string_equal(a.stage, "enroll");
    assert_string_equal(a.endpoint, "enroll");
    assert_string_equal(pke_pairs_get(&a.attributes, "upn"), "user@corp.example");
    assert_int_equal(a.attributes.n, 2);
    assert_true(pke_bytes_eq(a.request_hash, PKE_BYTES(hash, sizeof hash)));
    assert_int_equal(a.expires, 61000);
    pke_buf_done(&b);
    pke_arena_free(arena);
}

static void test_every_bit_counts(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct assertion a;
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    make(arena, &b);
    for (size_t i = 0; i < 8 * b.n; i++) {
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(assertion_read(pke_buf_bytes(&b), key, 1000, arena, &a, &fail), PKE_UNAUTHENTICATED);
        assert_string_equal(fail.reason, "assertion-forged");
        assert_null(a.principal);
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(assertion_read(PKE_BYTES(b.p, n), key, 1000, arena, &a, &fail), PKE_UNAUTHENTICATED);
    pke_buf_done(&b);
    pke_arena_free(arena);
}

static void test_time_and_key(void **state)
{
    static const uint8_t other[ASSERTION_KEY_SIZE] = {1, 2, 4};
    struct pke_arena *arena = pke_arena_new();
    struct assertion a;
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    make(arena, &b);
    assert_int_equal(assertion_read(pke_buf_bytes(&b), key, 60999, arena, &a, &fail), PKE_OK);
    assert_int_equal(assertion_read(pke_buf_bytes(&b), key, 61000, arena, &a, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "assertion-expired");
    assert_int_equal(assertion_read(pke_buf_bytes(&b), PKE_BYTES(other, sizeof other), 0, arena, &a, &fail),
                     PKE_UNAUTHENTICATED);
    assert_int_equal(assertion_read(pke_buf_bytes(&b), PKE_BYTES(NULL, 0), 0, arena, &a, &fail),
                     PKE_UNAUTHENTICATED);
    pke_buf_done(&b);
    pke_arena_free(arena);
}

static void test_refuses_to_write_nonsense(void **state)
{
    struct assertion a = {.tenant = "t", .principal = "p", .kind = "k", .stage = "policy", .endpoint = "e"};
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 4096);
    assert_int_equal(assertion_write(&a, PKE_BYTES(key_bytes, 16), &b), PKE_INTERNAL);
    a.request_hash = PKE_BYTES(hash, 20);
    assert_int_equal(assertion_write(&a, key, &b), PKE_INTERNAL);
    a.request_hash = PKE_BYTES(NULL, 0);
    a.principal = NULL;
    assert_int_equal(assertion_write(&a, key, &b), PKE_INTERNAL);
    pke_buf_done(&b);
    pke_buf_init(&b, 60);
    a.principal = "p";
    assert_int_equal(assertion_write(&a, key, &b), PKE_LIMIT);
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_time_and_key),
        cmocka_unit_test(test_refuses_to_write_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
