/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 of the writer at random points: nothing that it acknowledged is lost, no serial comes twice. */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define KILLS 40

enum step { INTENT, ISSUED, REVOKED, STEPS };

/* What the writer says through the pipe, each only after the commit that made it durable. */
struct ack {
    unsigned n; /* which sample */
    unsigned step;
};

static void acknowledge(int fd, unsigned n, unsigned step)
{
    struct ack a = {n, step};

    if (write(fd, &a, sizeof a) != sizeof a)
        _exit(3);
}

/* What becomes of a sample: every second is revoked for good, the others are held, and of these half
 * released. */
static bool do_revoke(struct ledger *l, const struct sample *s, unsigned n)
{
    struct ledger_revoke how = {
        .reason = n % 2 ? LEDGER_REASON_KEY_COMPROMISE : LEDGER_REASON_HOLD, .by = "uid=7", .at = T0 + n};
    struct ledger_revoked done;
    struct pke_fail fail;
    uint8_t sha256[32];

    return EVP_Digest(s->der, s->der_n, sha256, NULL, EVP_sha256(), NULL) == 1 &&
           ledger_revoke(l, sha256, &how, &done, &fail) == PKE_OK &&
           (n % 4 || ledger_release_hold(l, sha256, &how, &done, &fail) == PKE_OK);
}

static bool step_one(struct ledger *l, unsigned n, enum step step)
{
    struct pke_fail fail;
    struct sample s;

    sample(&s, n);
    switch (step) {
    case INTENT:
        return ledger_intent(l, &s.in, &fail) == PKE_OK;
    case ISSUED:
        return ledger_issued(l, s.request_id, der_of(&s), T0, &fail) == PKE_OK;
    default:
        return do_revoke(l, &s, n);
    }
}

/* Groups of intents, then their certificates, then their revocations, as the issuer role does it, until
 * killed. */
static void writer(const char *path, unsigned from, int fd)
{
    struct pke_fail fail;
    struct ledger *l;
    unsigned closed;

    if (ledger_open(path, &l, &fail) != PKE_OK || ledger_abandon_intents(l, T0, &closed, &fail) != PKE_OK)
        _exit(1);
    for (unsigned n = from;; n += 3) {
        for (unsigned step = 0; step < STEPS; step++) {
            bool ok = ledger_begin(l, &fail) == PKE_OK;

            for (unsigned i = 0; ok && i < 3; i++)
                ok = step_one(l, n + i, step);
            if (!ok || ledger_commit(l, &fail) != PKE_OK)
                _exit(2);
            for (unsigned i = 0; i < 3; i++)
                acknowledge(fd, n + i, step);
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
        assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
        if (acks[i].step >= ISSUED) {
            assert_string_equal(row.state, "issued");
            assert_true(pke_bytes_eq(row.certificate, der_of(&s)));
        }
        if (acks[i].step == REVOKED) {
            assert_int_equal(row.revoked_at, acks[i].n % 4 ? T0 + acks[i].n : 0);
            assert_string_equal(row.revocation.reason, acks[i].n % 2 ? "keyCompromise" : "certificateHold");
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
    int64_t revocations;
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
    revocations =
        number(f->path, "SELECT count(*) FROM audit WHERE event IN ('revoked','held','hold-released')");
    assert_true(revocations > 0);
    assert_audit_whole(f,
                       2 * (c.issued + c.abandoned) + (uint64_t)revocations); /* two rows for each intent */
    assert_int_equal(number(f->path, "SELECT count(*) FROM revocation WHERE released_at = 0"),
                     c.revoked + c.held);
    assert_int_equal(number(f->path, "SELECT count(*) FROM certificate WHERE revoked_at <> 0"),
                     c.revoked + c.held);
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
