/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One revocation costs the same whatever is revoked already. Counted in steps of SQLite's machine, which do
 * not depend on how busy the machine is; times are only told. REVOKE_ENTRIES=100000 in the environment makes
 * the long measurement of doc/performance.md.
 */
#include "tests/unit/ledger_fixture.h"

#include <time.h>

#include "ledger/revoke.h"
#include "ledger/writer.h"

#define FEW   1000 /* entries of the short end */
#define GROUP 50   /* as the issuer revokes many */
#define NOW   (T0 / 1000)

static unsigned entries(void)
{
    const char *text = getenv("REVOKE_ENTRIES");

    return text ? (unsigned)strtoul(text, NULL, 10) : 4 * FEW;
}

/* @p n more certificates: copies of the only one, with names of their own. */
static void fill(struct fixture *f, unsigned n)
{
    char *text = pke_asprintf(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
        " SELECT i, CAST(printf('A%%015d', i) AS BLOB) AS serial FROM n;"
        "BEGIN;"
        "INSERT INTO request (id, request_id, state, tenant, principal, device_id, idempotency_key, "
        "received_at,"
        " finished_at) SELECT 1 + i, 'r-' || i, 'issued', tenant, principal, 'd-' || i, randomblob(32), "
        "received_at"
        " + i, finished_at + i FROM request, n WHERE id = 1;"
        "INSERT INTO certificate (request, issuer_id, serial, tbs, spki_sha256, subject, not_before, "
        "not_after,"
        " tenant, principal, device_id, der, sha1, sha256) SELECT 1 + i, issuer_id, n.serial, "
        "randomblob(1200),"
        " randomblob(32), subject, not_before, not_after, tenant, principal, 'd-' || i, randomblob(1500),"
        " randomblob(20), CAST(printf('%%032d', i) AS BLOB) FROM certificate, n WHERE request = 1;"
        "COMMIT",
        n);

    sql(f->path, text);
    free(text);
}

static int64_t steps(const struct fixture *f)
{
    int64_t total = 0;

    for (size_t i = 0; i < WRITER_N; i++)
        if (f->l->store.cache[i])
            total += sqlite3_stmt_status(f->l->store.cache[i], SQLITE_STMTSTATUS_VM_STEP, 0) +
                     sqlite3_stmt_status(f->l->store.cache[i], SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
    return total;
}

static double now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* What it took for each of them. */
struct cost {
    double us;
    int64_t steps;
};

/* Revoke the certificates @p from.. as the issuer does, @p group in each commit. */
static struct cost revoke_many(struct fixture *f, unsigned from, unsigned n, unsigned group)
{
    struct ledger_revoke how = {.reason = LEDGER_REASON_SUPERSEDED, .by = "uid=7", .at = T0 + 1000};
    int64_t before = steps(f);
    double start = now_us();
    struct ledger_revoked done;
    char sha256[33];

    for (unsigned i = 0; i < n; i++) {
        if (i % group == 0)
            begin(f);
        snprintf(sha256, sizeof sha256, "%032u", from + i);
        assert_int_equal(ledger_revoke(f->l, (const uint8_t *)sha256, &how, &done, &f->fail), PKE_OK);
        assert_true(done.changed);
        if (i % group == group - 1 || i + 1 == n)
            commit(f);
    }
    return (struct cost){(now_us() - start) / n, (steps(f) - before) / n};
}

static void told(const char *what, unsigned have, struct cost c)
{
    print_message("%s at %u entries: %.0f us, %lld steps\n", what, have, c.us, (long long)c.steps);
}

static void test_cost_does_not_grow(void **state)
{
    struct fixture *f = *state;
    unsigned n = entries();
    struct ledger_counts counts;
    struct cost few[2], many[2];
    struct sample s;

    assert_true(n >= 2 * FEW);
    sample(&s, 1);
    do_issue(f, &s);
    fill(f, n + 1000);
    (void)revoke_many(f, 1, FEW, GROUP);
    few[0] = revoke_many(f, FEW + 1, 100, 1);
    few[1] = revoke_many(f, FEW + 101, 100, GROUP);
    told("one by one", FEW, few[0]);
    told("50 in a commit", FEW, few[1]);
    told("all between", n, revoke_many(f, FEW + 201, n - FEW - 200, GROUP));
    many[0] = revoke_many(f, n + 1, 100, 1);
    many[1] = revoke_many(f, n + 101, 100, GROUP);
    told("one by one", n, many[0]);
    told("50 in a commit", n, many[1]);
    print_message("ratio of the times: %.2f, %.2f\n", many[0].us / few[0].us, many[1].us / few[1].us);
    for (unsigned i = 0; i < 2; i++)
        assert_in_range(many[i].steps, few[i].steps * 9 / 10, few[i].steps * 11 / 10);
    assert_int_equal(ledger_counts(f->r, &counts, &f->fail), PKE_OK);
    assert_int_equal(counts.revoked, n + 200);
}

/* A page of a selection costs what it returns, wherever it begins. */
static void test_page_does_not_grow(void **state)
{
    struct fixture *f = *state;
    struct ledger_selection which = {.tenant = "default", .principal = "ada@corp.example", .now = NOW};
    struct ledger_selected rows[GROUP];
    struct ledger_place place = {0};
    int64_t first = 0, last = 0, before;
    struct sample s;
    size_t n;

    sample(&s, 1);
    do_issue(f, &s);
    fill(f, 2 * FEW);
    do {
        before = steps(f);
        assert_int_equal(ledger_select(f->l, &which, &place, GROUP, f->arena, rows, &n, &f->fail), PKE_OK);
        if (n == GROUP)
            last = steps(f) - before;
        if (!first)
            first = last;
        if (n)
            place = rows[n - 1].place;
    } while (n == GROUP);
    assert_in_range(last, first * 9 / 10, first * 11 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cost_does_not_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_page_does_not_grow, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("ledger_revoke_cost", tests, NULL, NULL);
}
