/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_open(): what it makes, what it refuses; faults of the storage beneath it. */
#include "tests/unit/ledger_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ledger/writer.h"

/* ---- opening ---- */

static void reopen_refused(struct fixture *f, enum pke_err want, const char *reason)
{
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), want);
    assert_string_equal(f->fail.reason, reason);
    assert_null(f->l);
}

static void test_file_is_private(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = {"", "-wal", "-shm", ".lock"};
    struct sample a;
    struct stat st;

    sample(&a, 90);
    do_intent(f, &a);
    for (size_t i = 0; i < PKE_LEN(names); i++) {
        assert_int_equal(stat(pke_arena_printf(f->arena, "%s%s", f->path, names[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    shut(f);
    assert_int_equal(chmod(f->path, 0640), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-file");
}

static void test_connection_is_durable_and_hardened(void **state)
{
    struct fixture *f = *state;
    static const char *const pragmas[][2] = {{"journal_mode", "wal"},  {"synchronous", "2"},
                                             {"foreign_keys", "1"},    {"trusted_schema", "0"},
                                             {"cell_size_check", "1"}, {"wal_autocheckpoint", "0"},
                                             {"busy_timeout", "250"},  {"application_id", "1347110220"},
                                             {"user_version", "5"}};
    struct store *s = &f->l->store;
    int on = -1;

    for (size_t i = 0; i < PKE_LEN(pragmas); i++)
        if (store_expect(s, pragmas[i][0], pragmas[i][1], &f->fail) != PKE_OK)
            fail_msg("%s", f->fail.text);
    assert_int_equal(store_expect(s, "synchronous", "1", &f->fail), PKE_STORE_DOWN);
    assert_int_equal(sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, -1, &on), SQLITE_OK);
    assert_int_equal(on, 1);
    assert_int_equal(sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1, &on), SQLITE_OK);
    assert_int_equal(on, 0);
    assert_int_not_equal(store_exec(s, "SELECT load_extension('x')", &f->fail), PKE_OK);
    assert_int_not_equal(store_exec(s, "ATTACH ':memory:' AS x", &f->fail), PKE_OK);
}

static void test_second_writer_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ledger *second = NULL;

    assert_int_equal(ledger_open(f->path, &second, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-locked");
    assert_null(second);
    begin(f); /* and the first is not disturbed */
    commit(f);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ledger_reader *r = NULL;

    shut(f);
    sql(f->path, "PRAGMA user_version=6");
    reopen_refused(f, PKE_CONFIG, "ledger-schema");
    assert_int_equal(ledger_reader_open(f->path, &r, &f->fail), PKE_CONFIG);
    sql(f->path, "PRAGMA user_version=5");
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
}

static void test_foreign_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char junk[8192];
    int fd;

    shut(f);
    assert_int_equal(unlink(f->path), 0);
    sql(f->path, "CREATE TABLE passwords (x)");
    assert_int_equal(chmod(f->path, 0600), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-foreign");
    memset(junk, 'j', sizeof junk);
    fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    reopen_refused(f, PKE_STORE_DOWN, "ledger-broken");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink("/dev/null", f->path), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-file");
    snprintf(f->path, sizeof f->path, "%s/no/l.db", f->dir);
    reopen_refused(f, PKE_STORE_DOWN, "ledger-directory");
}

static void test_corruption_is_found_at_open(void **state)
{
    struct fixture *f = *state;
    struct sample a;
    char junk[1024];
    struct stat st;
    int fd;

    for (unsigned i = 0; i < 30; i++) {
        sample(&a, 100 + i);
        do_issue(f, &a);
    }
    shut(f);
    assert_int_equal(stat(f->path, &st), 0);
    memset(junk, 0xa5, sizeof junk);
    fd = open(f->path, O_WRONLY);
    for (off_t at = 4096; at < st.st_size; at += 4096) /* the start of every page but the first */
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_STORE_DOWN);
    assert_null(f->l);
}

/* ---- storage faults ---- */

/* Fill a small file system of its own; needs to mount. */
static void test_full_disk_is_refused_and_passes(void **state)
{
    struct fixture *f = *state;
    PKE_CLEANUP(pke_free_p) char *pad = pke_malloc(60001);
    char mount_point[80], ballast[96];
    struct ledger_counts counts = {0};
    unsigned acked = 0;
    enum pke_err err = PKE_OK;
    struct sample s;
    int fd;

    shut(f);
    snprintf(mount_point, sizeof mount_point, "%s/m", f->dir);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("none", mount_point, "tmpfs", 0, "size=2m") != 0) {
        assert_int_equal(rmdir(mount_point), 0);
        print_message(
            "# left out: mounts are not allowed here\n"); /* not skip(): cmocka says "not ok" of it */
        return;
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
    snprintf(f->path, sizeof f->path, "%s/l.db", mount_point);
    memset(pad, 'p', 60000);
    pad[60000] = '\0';
    fd = open(ballast, O_CREAT | O_WRONLY, 0600);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(write(fd, pad, 60000), 60000);
    close(fd);
    err = ledger_open(f->path, &f->l, &f->fail);
    for (unsigned i = 0; err == PKE_OK && i < 200; i++) {
        sample(&s, 1000 + i);
        s.in.request.device_name = pad;
        err = ledger_begin(f->l, &f->fail);
        if (err == PKE_OK)
            err = ledger_intent(f->l, &s.in, &f->fail);
        if (err == PKE_OK)
            err = ledger_commit(f->l, &f->fail);
        acked += err == PKE_OK;
    }
    ledger_rollback(f->l);
    bool broken = ledger_broken(f->l);
    unlink(ballast); /* somebody made room: no restart is needed */
    sample(&s, 5000);
    enum pke_err after = ledger_begin(f->l, &f->fail);
    if (after == PKE_OK)
        after = ledger_intent(f->l, &s.in, &f->fail);
    if (after == PKE_OK)
        after = ledger_commit(f->l, &f->fail);
    enum pke_err counted = ledger_reader_open(f->path, &f->r, &f->fail);
    if (counted == PKE_OK)
        counted = ledger_counts(f->r, &counts, &f->fail);
    shut(f);
    (void)umount2(mount_point, MNT_DETACH);
    (void)rmdir(mount_point);
    assert_int_equal(err, PKE_STORE_DOWN);
    assert_true(acked > 0);
    assert_false(broken);
    assert_int_equal(after, PKE_OK);
    assert_int_equal(counted, PKE_OK);
    assert_int_equal(counts.intent, acked + 1);
}

/* Space runs out in the middle of a group: its commit says truthfully what became of the changes before. */
static void test_group_lost_to_a_full_disk_is_not_committed(void **state)
{
    struct fixture *f = *state;
    PKE_CLEANUP(pke_free_p) char *pad = pke_malloc(100001);
    struct ledger_row row;
    struct sample first, s;
    enum pke_err err = PKE_OK, committed;

    memset(pad, 'p', 100000);
    pad[100000] = '\0';
    assert_int_equal(store_exec(&f->l->store, "PRAGMA max_page_count=100", &f->fail), PKE_OK);
    begin(f);
    sample(&first, 7000);
    assert_int_equal(ledger_intent(f->l, &first.in, &f->fail), PKE_OK);
    for (unsigned i = 1; err == PKE_OK && i < 20; i++) {
        sample(&s, 7000 + i);
        s.in.request.device_name = pad;
        err = ledger_intent(f->l, &s.in, &f->fail);
    }
    assert_int_equal(err, PKE_STORE_DOWN);
    committed = ledger_commit(f->l, &f->fail);
    assert_int_equal(ledger_request_show(f->r, NULL, first.request_id, f->arena, &row, &f->fail),
                     committed == PKE_OK ? PKE_OK : PKE_NOT_FOUND);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(store_exec(&f->l->store, "PRAGMA max_page_count=10000", &f->fail), PKE_OK);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    commit(f);
    assert_false(ledger_broken(f->l));
    begin(f); /* and when SQLite gave up the transaction by itself */
    sample(&s, 7100);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    assert_int_equal(store_exec(&f->l->store, "ROLLBACK", &f->fail), PKE_OK);
    sample(&first, 7101);
    assert_int_not_equal(ledger_intent(f->l, &first.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_commit(f->l, &f->fail), PKE_STORE_DOWN);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_request_show(f->r, NULL, first.request_id, f->arena, &row, &f->fail),
                     PKE_NOT_FOUND);
}

/* A write that fails for another reason than space: the ledger latches and stays shut. */
static void test_write_error_latches(void **state)
{
    struct fixture *f = *state;
    struct rlimit saved, none;
    enum pke_err err;
    struct sample s;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
    none = (struct rlimit){4096, saved.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    begin(f);
    sample(&s, 6000);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    err = ledger_commit(f->l, &f->fail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
    assert_int_equal(err, PKE_STORE_DOWN);
    assert_true(ledger_broken(f->l));
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-broken");
    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_STORE_DOWN);
}

/* Another program holds the write lock: refused soon, not broken, and goes on afterwards. */
static void test_foreign_lock_is_waited_for_briefly(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-unavailable");
    assert_false(ledger_broken(f->l));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    begin(f);
    commit(f);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_file_is_private),
        T(test_connection_is_durable_and_hardened),
        T(test_second_writer_is_refused),
        T(test_newer_schema_is_refused),
        T(test_foreign_files_are_refused),
        T(test_corruption_is_found_at_open),
        T(test_full_disk_is_refused_and_passes),
        T(test_group_lost_to_a_full_disk_is_not_committed),
        T(test_write_error_latches),
        T(test_foreign_lock_is_waited_for_briefly),
    };

    return cmocka_run_group_tests_name("ledger_open", tests, NULL, NULL);
}
