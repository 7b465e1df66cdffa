/* SPDX-License-Identifier: Apache-2.0 */
/* Single-use tokens of others (RFC 7519 4.1.7) in the ledger: a jti is reserved with the intent, consumed by
 * the certificate, released by any other end, and forgotten once nobody accepts the token any more. */
#include "tests/unit/ledger_fixture.h"

#define EXPIRES (T0 / 1000 + 600)
#define DAY     86400

static enum pke_err use_of(struct fixture *f, struct sample *s, unsigned n, const char *issuer,
                           const char *jti)
{
    enum pke_err err;

    sample(s, n);
    s->in.jti_issuer = issuer;
    s->in.jti = jti;
    s->in.jti_expires = EXPIRES;
    begin(f);
    err = ledger_intent(f->l, &s->in, &f->fail);
    commit(f);
    return err;
}

static enum pke_err use(struct fixture *f, struct sample *s, unsigned n)
{
    return use_of(f, s, n, "sts", "j-1");
}

static void refused(struct fixture *f, unsigned n)
{
    struct ledger_row row;
    struct sample s;

    assert_int_equal(use(f, &s, n), PKE_UNAUTHENTICATED);
    assert_string_equal(f->fail.reason, "token-used");
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_jti_unused(f->l, "default", "sts", "j-1", &f->fail), PKE_UNAUTHENTICATED);
    assert_string_equal(f->fail.reason, "token-used");
}

static void is_free(struct fixture *f)
{
    assert_int_equal(ledger_jti_unused(f->l, "default", "sts", "j-1", &f->fail), PKE_OK);
}

static int rows(struct fixture *f)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    int n;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM jti_use", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

static void test_a_jti_is_reserved_and_consumed(void **state)
{
    struct fixture *f = *state;
    struct sample a;

    is_free(f);
    assert_int_equal(use(f, &a, 1), PKE_OK);
    refused(f, 2); /* reserved */
    begin(f);
    assert_int_equal(ledger_issued(f->l, a.request_id, der_of(&a), T0 + 9, &f->fail), PKE_OK);
    commit(f);
    refused(f, 3); /* consumed */
    assert_int_equal(rows(f), 1);
}

static void test_a_failure_releases(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_KEY_DOWN, .reason = "key-down"};
    struct sample a, b;

    assert_int_equal(use(f, &a, 1), PKE_OK);
    begin(f);
    assert_int_equal(ledger_failed(f->l, a.request_id, &why, NULL, T0 + 9, &f->fail), PKE_OK);
    commit(f);
    is_free(f);
    assert_int_equal(use(f, &b, 2), PKE_OK); /* the other request has it now */
    refused(f, 3);
    begin(f);
    assert_int_equal(ledger_issued(f->l, b.request_id, der_of(&b), T0 + 9, &f->fail), PKE_OK);
    commit(f);
    refused(f, 4);
    assert_int_equal(rows(f), 1);
}

static void test_a_crash_releases(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;
    unsigned n = 0;

    assert_int_equal(use(f, &a, 1), PKE_OK);
    ledger_close(f->l); /* between the two commits */
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    refused(f, 2); /* nobody said yet what became of it */
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 100, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    is_free(f);
    assert_int_equal(use(f, &b, 3), PKE_OK);
}

/* An intent that is refused for something else leaves the jti as it was, in whatever order they are asked. */
static void test_a_refused_intent_reserves_nothing(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    sample(&s, 1);
    s.in.jti_issuer = "sts";
    s.in.jti = "j-1";
    s.in.jti_expires = EXPIRES;
    s.in.admission_request_id = "00000000-0000-4000-8000-000000000000";
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_DENIED);
    commit(f);
    is_free(f);
    assert_int_equal(rows(f), 0);
}

/* Two requests in one group, as two that arrive together. */
static void test_two_in_one_group(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;

    sample(&a, 1);
    sample(&b, 2);
    a.in.jti_issuer = b.in.jti_issuer = "sts";
    a.in.jti = b.in.jti = "j-1";
    a.in.jti_expires = b.in.jti_expires = EXPIRES;
    begin(f);
    assert_int_equal(ledger_intent(f->l, &a.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_UNAUTHENTICATED);
    assert_int_equal(ledger_issued(f->l, a.request_id, der_of(&a), T0 + 9, &f->fail), PKE_OK);
    commit(f);
    refused(f, 3);
}

/* A jti is unique to its issuer, RFC 7519; and compared byte by byte. */
static void test_whose_jti(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    assert_int_equal(use(f, &s, 1), PKE_OK);
    assert_int_equal(use_of(f, &s, 2, "other", "j-1"), PKE_OK);
    assert_int_equal(use_of(f, &s, 3, "sts", "J-1"), PKE_OK);
    assert_int_equal(use_of(f, &s, 4, "sts", "j-1 "), PKE_OK);
    assert_int_equal(ledger_jti_unused(f->l, "another", "sts", "j-1", &f->fail), PKE_OK);
    refused(f, 5);
}

static void use_at(struct fixture *f, unsigned n, int64_t at, int64_t expires)
{
    struct sample s;
    char jti[16];

    sample(&s, n);
    snprintf(jti, sizeof jti, "late-%u", n);
    s.in.jti_issuer = "sts";
    s.in.jti = jti;
    s.in.jti_expires = expires;
    s.in.request.at = at * 1000;
    do_intent(f, &s);
}

/* Kept for a day after the token expired, then forgotten, a few with each use. */
static void test_old_ones_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    char jti[16];

    for (unsigned n = 1; n <= 10; n++) {
        snprintf(jti, sizeof jti, "j-%u", n);
        assert_int_equal(use_of(f, &s, n, "sts", jti), PKE_OK);
    }
    use_at(f, 20, EXPIRES + DAY, EXPIRES + 2 * DAY);
    assert_int_equal(rows(f), 11);
    refused(f, 21);
    for (unsigned n = 30; n < 33; n++) /* 4 old ones less and one more, each time */
        use_at(f, n, EXPIRES + DAY + 1, EXPIRES + 2 * DAY);
    assert_int_equal(rows(f), 4);
    is_free(f);
    assert_int_equal(ledger_jti_unused(f->l, "default", "sts", "late-20", &f->fail), PKE_UNAUTHENTICATED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_jti_is_reserved_and_consumed),
        TEST(test_a_failure_releases),
        TEST(test_a_crash_releases),
        TEST(test_a_refused_intent_reserves_nothing),
        TEST(test_two_in_one_group),
        TEST(test_whose_jti),
        TEST(test_old_ones_are_forgotten),
    };
    return cmocka_run_group_tests_name("ledger jti", tests, NULL, NULL);
}
