/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 of the writer at random points: nothing that it acknowledged is lost, no serial comes twice. */
#include "tests/unit/ledger_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define KILLS 40

/* What the writer says through the pipe, each only after the commit that made it durable. */
struct ack {
    unsigned n;      /* which sample */
    unsigned issued; /* 0: intent */
};

static void acknowledge(int fd, unsigned n, unsigned issued)
{
    struct ack a = {n, issued};

    if (write(fd, &a, sizeof a) != sizeof a)
        _exit(3);
}

/* Groups of intents, then their certificates, as the issuer role does it, until killed. */
static void writer(const char *path, unsigned from, int fd)
{
    struct pke_fail fail;
    struct ledger *l;
    struct sample s;
    unsigned closed;

    if (ledger_open(path, &l, &fail) != PKE_OK || ledger_abandon_intents(l, T0, &closed, &fail) != PKE_OK)
        _exit(1);
    for (unsigned n = from;; n += 3) {
        for (unsigned issued = 0; issued < 2; issued++) {
            bool ok = ledger_begin(l, &fail) == PKE_OK;

            for (unsigned i = 0; ok && i < 3; i++) {
                sample(&s, n + i);
                ok = issued ? ledger_issued(l, s.request_id, der_of(&s), T0, &fail) == PKE_OK
                            : ledger_intent(l, &s.in, &fail) == PKE_OK;
            }
            if (!ok || ledger_commit(l, &fail) != PKE_OK)
                _exit(2);
            for (unsigned i = 0; i < 3; i++)
                acknowledge(fd, n + i, issued);
        }
        if (n % 16 == 0 && ledger_checkpoint(l, &fail) != PKE_OK)
            _exit(4);
    }
}

/* Run the writer until @p acks arrived and a few microseconds more; returns how many came. */
static size_t run_and_kill(const char *path, unsigned from, size_t acks, useconds_t extra, struct ack *ret)
{
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        writer(path, from, fds[1]);
    }
    close(fds[1]);
    while (n < acks && (got = read(fds[0], &ret[n], sizeof *ret)) == sizeof *ret)
        n++;
    usleep(extra); /* where in its work the writer dies is what varies, not what the test waits for */
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (n < 4000 && read(fds[0], &ret[n], sizeof *ret) == sizeof *ret) /* what it said before it died */
        n++;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it never failed by itself */
    return n;
}

static void assert_acknowledged_is_there(struct fixture *f, const struct ack *acks, size_t n)
{
    struct ledger_row row;
    struct sample s;

    for (size_t i = 0; i < n; i++) {
        sample(&s, acks[i].n);
        assert_int_equal(ledger_request_show(f->r, s.request_id, f->arena, &row, &f->fail), PKE_OK);
        if (acks[i].issued) {
            assert_string_equal(row.state, "issued");
            assert_true(pke_bytes_eq(row.certificate, der_of(&s)));
        }
    }
}

static int64_t number(const char *path, const char *text)
{
    sqlite3_stmt *st;
    sqlite3 *db;
    int64_t v;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return v;
}

static void test_kill_loses_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct ack *acks = pke_calloc(4000, sizeof *acks);
    struct ledger_counts c;
    size_t total = 0;
    unsigned closed;

    shut(f);
    srandom(1);
    for (unsigned round = 0; round < KILLS; round++) {
        size_t n = run_and_kill(f->path, 1 + round * 10000, (size_t)random() % 40,
                                (useconds_t)random() % 2000, acks);

        pke_arena_reset(f->arena);
        if (ledger_reader_open(f->path, &f->r, &f->fail) != PKE_OK)
            fail_msg("round %u: %s", round, f->fail.text);
        assert_acknowledged_is_there(f, acks, n);
        ledger_reader_close(f->r);
        f->r = NULL;
        total += n;
    }
    free(acks);
    assert_true(total > KILLS);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &closed, &f->fail), PKE_OK);
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    assert_int_equal(ledger_counts(f->r, &c, &f->fail), PKE_OK);
    assert_int_equal(c.intent, 0);
    assert_audit_whole(f, 2 * (c.issued + c.abandoned)); /* two rows for each that ever was an intent */
    assert_int_equal(number(f->path, "SELECT count(*) FROM certificate"), c.issued + c.abandoned);
    assert_int_equal(number(f->path, "SELECT count(DISTINCT serial) FROM certificate"),
                     c.issued + c.abandoned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_loses_nothing_acknowledged, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("ledger_kill", tests, NULL, NULL);
}
