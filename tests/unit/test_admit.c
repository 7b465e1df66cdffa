/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/issuer/admit: how long a queue takes, and whose turn it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/issuer/admit.h"

static void key_of(unsigned n, uint8_t key[TURN_KEY])
{
    memset(key, 0, TURN_KEY);
    memcpy(key, &n, sizeof n);
}

static struct latency measured(double us, int times)
{
    struct latency l;

    latency_guess(&l, 10000);
    for (int i = 0; i < times; i++)
        latency_add(&l, us);
    return l;
}

static void test_the_first_measurement_replaces_the_guess(void **state)
{
    struct latency l = measured(200000, 1);

    (void)state;
    assert_true(l.mean_us == 200000);
    assert_int_equal(l.samples, 1);
}

static void test_waiting_time(void **state)
{
    struct latency l = measured(200000, 100);
    uint64_t ten = latency_wait_ms(&l, 10, 1, 0);

    (void)state;
    assert_in_range(ten, 2000, 2100);
    assert_in_range(latency_wait_ms(&l, 10, 2, 0), 1000, 1100);
    assert_in_range(latency_wait_ms(&l, 11, 2, 0), 1200, 1300);
    assert_int_equal(latency_wait_ms(&l, 10, 1, 100000), ten); /* the one under way is in time */
    assert_int_equal(latency_wait_ms(&l, 10, 1, 3200000), ten + 3000);
}

/* A key that becomes slow is believed within a few signatures, one that becomes fast a little later. */
static void test_a_latency_that_changes(void **state)
{
    struct latency slow = measured(1000, 100), fast = measured(1000000, 100);
    int up = 0, down = 0;

    (void)state;
    for (; slow.mean_us < 500000; up++)
        latency_add(&slow, 1000000);
    for (; fast.mean_us > 500000; down++)
        latency_add(&fast, 1000);
    assert_in_range(up, 1, 4);
    assert_in_range(down, up + 1, 10);
    slow = measured(100000, 100);
    latency_add(&slow, 1000000); /* one that took ten times as long makes careful, not blind */
    assert_true(slow.mean_us < 400000);
}

static void test_who_waits_longest_may_use_most(void **state)
{
    struct turns t = {0};
    uint8_t key[TURN_KEY];
    unsigned last = 1001;

    (void)state;
    key_of(99, key);
    assert_int_equal(turns_share(&t, key, 1), 500);
    for (unsigned i = 0; i < 10; i++) {
        key_of(i, key);
        assert_int_equal(turns_refused(&t, key, 1000 + i), i);
        turns_refused(&t, key, 2000 + i); /* again: its place stays */
    }
    for (unsigned i = 0; i < 10; i++) {
        unsigned share;

        key_of(i, key);
        share = turns_share(&t, key, 3000);
        assert_in_range(share, 501, last - 1);
        last = share;
    }
    key_of(0, key);
    assert_int_equal(turns_share(&t, key, 3000), 1000);
    turns_forget(&t, key);
    assert_int_equal(turns_share(&t, key, 3000), 500);
    key_of(1, key);
    assert_int_equal(turns_share(&t, key, 3000), 1000);
    turns_done(&t);
}

static void test_who_does_not_come_again_is_forgotten(void **state)
{
    struct turns t = {0};
    uint8_t key[TURN_KEY];

    (void)state;
    key_of(1, key);
    turns_refused(&t, key, 0);
    turns_expect(&t, key, 0, 10000);
    assert_int_equal(turns_share(&t, key, 79999), 1000);
    assert_int_equal(turns_share(&t, key, 80000), 500);
    assert_int_equal(t.n, 0);
    turns_done(&t);
}

static void test_the_table_is_bounded(void **state)
{
    struct turns t = {0};
    uint8_t key[TURN_KEY];

    (void)state;
    for (unsigned i = 0; i < 9000; i++) {
        key_of(i, key);
        turns_refused(&t, key, 1);
    }
    assert_in_range(t.n, 8000, 8192);
    assert_int_equal(turns_share(&t, key, 2), 500); /* served as a newcomer */
    key_of(0, key);
    assert_int_equal(turns_share(&t, key, 2), 1000);
    turns_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_measurement_replaces_the_guess),
        cmocka_unit_test(test_waiting_time),
        cmocka_unit_test(test_a_latency_that_changes),
        cmocka_unit_test(test_who_waits_longest_may_use_most),
        cmocka_unit_test(test_who_does_not_come_again_is_forgotten),
        cmocka_unit_test(test_the_table_is_bounded),
    };

    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
