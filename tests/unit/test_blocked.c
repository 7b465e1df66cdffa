/* SPDX-License-Identifier: Apache-2.0 */
/* The list of blocked keys: lines, order, and that a million of them are no burden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/blocked.h"

#define A "0000000000000000000000000000000000000000000000000000000000000000"
#define B "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define C "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static enum pke_err add(struct ca_blocked *b, const char *line, struct pke_fail *fail)
{
    return ca_blocked_line(b, pke_bytes_str(line), fail);
}

static bool has(const struct ca_blocked *b, const char *hex)
{
    uint8_t digest[32];
    size_t n = sizeof digest;

    assert_true(pke_hex_decode(pke_bytes_str(hex), digest, &n));
    return ca_blocked_has(b, digest);
}

static void test_lines(void **state)
{
    struct ca_blocked *b = ca_blocked_new();
    struct pke_fail fail;

    (void)state;
    assert_false(has(b, A));
    assert_int_equal(add(b, C, &fail), PKE_OK);
    assert_int_equal(add(b, "", &fail), PKE_OK);
    assert_int_equal(add(b, "# a comment", &fail), PKE_OK);
    assert_int_equal(add(b, "  \t", &fail), PKE_OK);
    assert_int_equal(add(b, "\t" A "  # stolen in May\r", &fail), PKE_OK);
    assert_int_equal(add(b, A "\r", &fail), PKE_OK); /* twice is no mistake */
    ca_blocked_sort(b);
    assert_int_equal(ca_blocked_count(b), 3);
    assert_true(has(b, A) && has(b, C));
    assert_false(has(b, B));
    ca_blocked_free(b);
    ca_blocked_free(NULL);
}

static void test_bad_lines(void **state)
{
    static const char *const lines[] = {
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        B "0",
        B "00",
        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
        "00:11:22",
        "g",
        B " " B,
        "sha256:" B,
        "\xef\xbb\xbf" B,
        "; comment",
    };
    struct ca_blocked *b = ca_blocked_new();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(lines); i++) {
        struct pke_fail fail = {0};

        if (add(b, lines[i], &fail) != PKE_CONFIG || strcmp(fail.reason, "blocked-keys-line") != 0)
            fail_msg("%s", lines[i]);
    }
    assert_int_equal(ca_blocked_count(b), 0);
    ca_blocked_free(b);
}

/* Neighbours in the order are told apart, the first and the last are found. */
static void test_each_of_many(void **state)
{
    enum { N = 1000000 };
    struct ca_blocked *b = ca_blocked_new();
    uint8_t digest[32] = {0};

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t mixed = (i * 2 + 1) * 2654435761u; /* odd numbers, in no order */

        memcpy(digest, &mixed, sizeof mixed);
        ca_blocked_add(b, digest);
    }
    ca_blocked_sort(b);
    assert_int_equal(ca_blocked_count(b), N);
    for (uint32_t i = 0; i < 2 * N; i += 7) {
        uint32_t mixed = i * 2654435761u;

        memcpy(digest, &mixed, sizeof mixed);
        if (ca_blocked_has(b, digest) != (i % 2 == 1))
            fail_msg("%u", i);
    }
    ca_blocked_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_each_of_many),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
