/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/issuer/succession: who signs for whom, and what a switch waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/issuer/succession.h"

#define AT 1000

static struct ledger_rollover row(const char *from, const char *to, bool switched)
{
    return (struct ledger_rollover){
        .from = from, .to = to, .scheduled_at = 1, .switch_at = AT, .switched_at = switched ? AT : 0};
}

static void test_effective(void **state)
{
    struct ledger_rollover rows[] = {row("a", "b", true), row("b", "c", true), row("x", "y", false)};
    struct succession s = {rows, PKE_LEN(rows)}, none = {NULL, 0};

    (void)state;
    assert_string_equal(succession_effective(&none, "a"), "a");
    assert_string_equal(succession_effective(&s, "a"), "c");
    assert_string_equal(succession_effective(&s, "b"), "c");
    assert_string_equal(succession_effective(&s, "c"), "c");
    assert_string_equal(succession_effective(&s, "x"), "x"); /* scheduled is not switched */
    rows[1].switched_at = 0;
    assert_string_equal(succession_effective(&s, "a"), "b");
}

/* The verbs make none, but who can write the ledger's file can. */
static void test_a_circle_ends(void **state)
{
    struct ledger_rollover rows[] = {row("a", "b", true), row("b", "a", true)};
    struct succession s = {rows, PKE_LEN(rows)};

    (void)state;
    assert_non_null(succession_effective(&s, "a"));
    rows[0] = row("a", "a", true);
    assert_string_equal(succession_effective(&s, "a"), "a");
}

static void check(const struct succession *s, const char *from, const char *to, enum pke_err err,
                  const char *reason)
{
    struct pke_fail fail = {0};

    assert_int_equal(succession_check(s, from, to, &fail), err);
    if (err != PKE_OK)
        assert_string_equal(fail.reason, reason);
}

static void test_check(void **state)
{
    struct ledger_rollover rows[] = {row("a", "b", true), row("x", "y", false)};
    struct succession s = {rows, PKE_LEN(rows)};

    (void)state;
    check(&s, "b", "c", PKE_OK, NULL); /* the next generation */
    check(&s, "m", "m", PKE_CONFIG, "rollover-same");
    check(&s, "a", "c", PKE_EXISTS, "rollover-exists");
    check(&s, "x", "c", PKE_EXISTS, "rollover-exists");
    check(&s, "b", "a", PKE_EXISTS, "rollover-onward"); /* the circle */
    check(&s, "m", "x", PKE_EXISTS, "rollover-onward");
    check(&s, "y", "c", PKE_EXISTS, "rollover-incoming");
    check(&s, "m", "y", PKE_OK, NULL); /* two may become one */
}

static void test_next(void **state)
{
    struct ledger_rollover r = row("a", "b", false);

    (void)state;
    assert_int_equal(succession_next(&r, AT - 1, true), SUCCESSION_TIME);
    assert_int_equal(succession_next(&r, AT, true), SUCCESSION_ACKNOWLEDGEMENT);
    r.acknowledged_at = 5;
    assert_int_equal(succession_next(&r, AT - 1, true), SUCCESSION_TIME);
    assert_int_equal(succession_next(&r, AT, false), SUCCESSION_OBSTACLE);
    assert_int_equal(succession_next(&r, AT, true), SUCCESSION_SWITCH);
    r.switched_at = AT;
    assert_int_equal(succession_next(&r, AT, true), SUCCESSION_DONE);
}

static void test_state(void **state)
{
    struct ledger_rollover rows[] = {row("a", "b", true), row("x", "y", false)};
    struct succession s = {rows, PKE_LEN(rows)};

    (void)state;
    assert_string_equal(succession_state(&s, "a", 0), "retired");
    assert_string_equal(succession_state(&s, "a", 1), "active");
    assert_string_equal(succession_state(&s, "b", 2), "active");
    assert_string_equal(succession_state(&s, "b", 0), "standby");
    assert_string_equal(succession_state(&s, "x", 0), "standby"); /* about to go, and signs nothing */
    assert_string_equal(succession_state(&s, "y", 0), "scheduled");
    assert_string_equal(succession_state(&s, "z", 0), "standby");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effective), cmocka_unit_test(test_a_circle_ends), cmocka_unit_test(test_check),
        cmocka_unit_test(test_next),      cmocka_unit_test(test_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
