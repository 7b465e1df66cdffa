/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/rollover: the rows, their audit, and how long certificates of an issuer live. */
#include "ledger/rollover.h"
#include "ledger_fixture.h"

static struct ledger_rollover *list(struct fixture *f, size_t want)
{
    struct ledger_rollover *rows;
    size_t n;

    assert_int_equal(ledger_rollovers(f->l, f->arena, &rows, &n, &f->fail), PKE_OK);
    assert_int_equal(n, want);
    return rows;
}

static enum pke_err in_group(struct fixture *f, enum pke_err err)
{
    assert_int_equal(ledger_commit(f->l, NULL), PKE_OK);
    return err;
}

static enum pke_err schedule(struct fixture *f, const char *from, const char *to)
{
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
    return in_group(f, ledger_rollover_schedule(f->l, from, to, T0 + 1000, "uid=0", T0, &f->fail));
}

static enum pke_err change(struct fixture *f, enum ledger_rollover_change what, const char *from, int64_t at)
{
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
    return in_group(f, ledger_rollover_change(f->l, what, from, "uid=1", at, &f->fail));
}

static void reopen(struct fixture *f)
{
    ledger_close(f->l);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
}

static void test_life_of_a_row(void **state)
{
    struct fixture *f = *state;
    struct ledger_rollover *rows;

    list(f, 0);
    assert_int_equal(schedule(f, "old", "new"), PKE_OK);
    assert_int_equal(schedule(f, "old", "other"), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "rollover-exists");
    reopen(f);
    rows = list(f, 1);
    assert_string_equal(rows->from, "old");
    assert_string_equal(rows->to, "new");
    assert_string_equal(rows->scheduled_by, "uid=0");
    assert_true(rows->switch_at == T0 + 1000 && rows->scheduled_at == T0);
    assert_true(rows->acknowledged_at == 0 && rows->switched_at == 0 && !rows->acknowledged_by);
    assert_int_equal(change(f, LEDGER_ROLLOVER_ACKNOWLEDGE, "old", T0 + 1), PKE_OK);
    assert_int_equal(change(f, LEDGER_ROLLOVER_SWITCH, "old", T0 + 2), PKE_OK);
    assert_int_equal(change(f, LEDGER_ROLLOVER_SWITCH, "old", T0 + 3), PKE_NOT_FOUND);
    assert_int_equal(change(f, LEDGER_ROLLOVER_ACKNOWLEDGE, "old", T0 + 3), PKE_NOT_FOUND);
    reopen(f);
    rows = list(f, 1);
    assert_true(rows->acknowledged_at == T0 + 1 && rows->switched_at == T0 + 2);
    assert_int_equal(schedule(f, "old", "other"), PKE_EXISTS);
    assert_int_equal(change(f, LEDGER_ROLLOVER_CANCEL, "old", T0 + 4), PKE_OK);
    list(f, 0);
    assert_int_equal(schedule(f, "old", "other"), PKE_OK);
    list(f, 1);
}

static void test_nothing_to_change(void **state)
{
    struct fixture *f = *state;

    for (int what = LEDGER_ROLLOVER_ACKNOWLEDGE; what <= LEDGER_ROLLOVER_CANCEL; what++) {
        assert_int_equal(change(f, (enum ledger_rollover_change)what, "old", T0), PKE_NOT_FOUND);
        assert_string_equal(f->fail.reason, "rollover-none");
    }
}

static void test_a_group_that_is_rolled_back(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_rollover_schedule(f->l, "old", "new", T0, "uid=0", T0, &f->fail), PKE_OK);
    ledger_rollback(f->l);
    list(f, 0);
}

static void test_many(void **state)
{
    struct fixture *f = *state;
    char from[16];

    for (int i = 0; i < 30; i++) {
        snprintf(from, sizeof from, "issuer-%d", i);
        assert_int_equal(schedule(f, from, "new"), PKE_OK);
    }
    assert_string_equal(list(f, 30)[29].from, "issuer-29");
}

static void test_issuer_life(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    int64_t until = -1;
    uint8_t other[20] = {1};
    struct pke_blobs alive = {0};

    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
    for (unsigned n = 1; n <= 3; n++) {
        sample(&s, n);
        s.in.not_after = n == 2 ? 5000 : 100;
        s.in.not_before = 1;
        memset(s.in.idempotency_key, (int)n, sizeof s.in.idempotency_key);
        assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    }
    assert_int_equal(ledger_commit(f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_issuer_life(f->l, s.in.issuer_id, &until, &f->fail), PKE_OK);
    assert_true(until == 5000);
    assert_int_equal(ledger_issuers_alive(f->l, 4999, f->arena, &alive, &f->fail), PKE_OK);
    assert_true(alive.n == 1 && pke_bytes_eq(alive.v[0], s.in.issuer_id));
    assert_int_equal(ledger_issuers_alive(f->l, 5000, f->arena, &alive, &f->fail), PKE_OK);
    assert_int_equal(alive.n, 1); /* none was added */
    assert_int_equal(ledger_issuer_life(f->l, PKE_BYTES(other, sizeof other), &until, &f->fail), PKE_OK);
    assert_true(until == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_group_that_is_rolled_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_issuer_life, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
