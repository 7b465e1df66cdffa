/* SPDX-License-Identifier: Apache-2.0 */
/* Enrollment tokens in the ledger: a use is reserved with the intent, consumed by the result, released by a
 * failure. */
#include "tests/unit/ledger_fixture.h"

static const uint8_t hash[32] = {1, 2, 3};

static struct ledger_token token(uint64_t uses)
{
    return (struct ledger_token){.token_id = "tok-1",
                                 .tenant = "default",
                                 .principal = "ada@corp.example",
                                 .created_by = "uid=0",
                                 .uses = uses,
                                 .created_at = T0,
                                 .expires_at = T0 + 600000};
}

static void mint(struct fixture *f, uint64_t uses)
{
    struct ledger_token t = token(uses);

    begin(f);
    assert_int_equal(ledger_token_add(f->l, &t, hash, &f->fail), PKE_OK);
    commit(f);
}

static enum pke_err use(struct fixture *f, struct sample *s, unsigned n)
{
    enum pke_err err;

    sample(s, n);
    s->in.token_id = "tok-1";
    begin(f);
    err = ledger_intent(f->l, &s->in, &f->fail);
    commit(f);
    return err;
}

static uint64_t used(struct fixture *f)
{
    struct ledger_token t;

    assert_int_equal(ledger_find_token(f->l, hash, f->arena, &t, &f->fail), PKE_OK);
    return t.used;
}

static void test_a_use_is_reserved_and_consumed(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;

    mint(f, 1);
    assert_int_equal(use(f, &a, 1), PKE_OK);
    assert_int_equal(used(f), 1);
    assert_int_equal(use(f, &b, 2), PKE_UNAUTHENTICATED); /* reserved: a second request gets nothing */
    assert_string_equal(f->fail.reason, "token-used");
    begin(f);
    assert_int_equal(ledger_issued(f->l, a.request_id, der_of(&a), T0 + 9, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(used(f), 1);
    assert_int_equal(use(f, &b, 3), PKE_UNAUTHENTICATED);
}

static void test_a_failure_releases(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_KEY_DOWN, .reason = "key-down"};
    struct sample a, b;

    mint(f, 1);
    assert_int_equal(use(f, &a, 1), PKE_OK);
    begin(f);
    assert_int_equal(ledger_failed(f->l, a.request_id, &why, NULL, T0 + 9, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(used(f), 0);
    assert_int_equal(use(f, &b, 2), PKE_OK);
}

static void test_a_crash_releases(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;
    unsigned n = 0;

    mint(f, 1);
    assert_int_equal(use(f, &a, 1), PKE_OK);
    ledger_close(f->l); /* between the two commits */
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 100, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(used(f), 0);
    assert_int_equal(use(f, &b, 2), PKE_OK);
}

static void test_a_refused_use_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a, b;

    mint(f, 1);
    assert_int_equal(use(f, &a, 1), PKE_OK);
    assert_int_equal(use(f, &b, 2), PKE_UNAUTHENTICATED);
    assert_int_equal(ledger_request_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
}

static void test_several_uses(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    mint(f, 3);
    for (unsigned n = 1; n <= 3; n++)
        assert_int_equal(use(f, &s, n), PKE_OK);
    assert_int_equal(use(f, &s, 4), PKE_UNAUTHENTICATED);
    assert_int_equal(used(f), 3);
}

static void test_expired_and_revoked(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    mint(f, 5);
    sample(&s, 1);
    s.in.token_id = "tok-1";
    s.in.request.at = T0 + 600000;
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_UNAUTHENTICATED);
    assert_int_equal(ledger_token_revoke(f->l, NULL, "tok-1", "uid=0", T0 + 5, &f->fail), PKE_OK);
    assert_int_equal(ledger_token_revoke(f->l, NULL, "tok-1", "uid=0", T0 + 6, &f->fail), PKE_EXISTS);
    assert_int_equal(ledger_token_revoke(f->l, NULL, "tok-2", "uid=0", T0 + 6, &f->fail), PKE_NOT_FOUND);
    commit(f);
    assert_int_equal(use(f, &s, 2), PKE_UNAUTHENTICATED);
}

static void test_unknown_and_double(void **state)
{
    struct fixture *f = *state;
    struct ledger_token t = token(1), found;
    uint8_t other[32] = {9};

    mint(f, 1);
    assert_int_equal(ledger_find_token(f->l, other, f->arena, &found, &f->fail), PKE_NOT_FOUND);
    begin(f);
    assert_int_equal(ledger_token_add(f->l, &t, hash, &f->fail), PKE_INTERNAL);
    commit(f);
}

static void test_list_pages(void **state)
{
    struct fixture *f = *state;
    struct ledger_token t = token(1), *rows;
    const char *next, *cursor = NULL;
    char id[16];
    uint8_t h[32] = {0};
    unsigned seen = 0;
    size_t n;

    begin(f);
    for (unsigned i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "t-%u", i);
        t.token_id = id;
        t.created_at = T0 + i / 2; /* equal times: the row id decides */
        h[0] = (uint8_t)i;
        assert_int_equal(ledger_token_add(f->l, &t, h, &f->fail), PKE_OK);
    }
    commit(f);
    do {
        assert_int_equal(ledger_token_list(f->r, NULL, NULL, cursor, 3, f->arena, &rows, &n, &next, &f->fail),
                         PKE_OK);
        for (size_t i = 0; i < n; i++) {
            snprintf(id, sizeof id, "t-%u", 6 - seen);
            assert_string_equal(rows[i].token_id, id);
            seen++;
        }
        cursor = next;
    } while (cursor);
    assert_int_equal(seen, 7);
    assert_int_equal(ledger_token_list(f->r, NULL, "eve", NULL, 3, f->arena, &rows, &n, &next, &f->fail),
                     PKE_OK);
    assert_int_equal(n, 0);
    assert_int_equal(ledger_token_list(f->r, NULL, NULL, "garbage", 3, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
    assert_audit_whole(f, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_use_is_reserved_and_consumed),
        TEST(test_a_failure_releases),
        TEST(test_a_crash_releases),
        TEST(test_a_refused_use_leaves_nothing),
        TEST(test_several_uses),
        TEST(test_expired_and_revoked),
        TEST(test_unknown_and_double),
        TEST(test_list_pages),
    };
    return cmocka_run_group_tests_name("ledger tokens", tests, NULL, NULL);
}
