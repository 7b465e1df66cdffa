/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth/backoff.c: engages, doubles, decays, is shared by processes, and cannot be flooded out cheaply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth/backoff.h"

static char dir[32], path[64];
static const uint8_t key_bytes[32] = {1};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};

static int begin(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/pke-backoff-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/auth-backoff", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct backoff *must_open(struct pke_bytes k)
{
    struct backoff *b = NULL;
    struct pke_fail fail;

    assert_int_equal(backoff_open(path, k, &b, &fail), PKE_OK);
    return b;
}

static void test_engages_and_decays(void **state)
{
    struct backoff *b = must_open(key);
    uint64_t now = 1000000;

    (void)state;
    for (int i = 0; i < BACKOFF_USER_LIMIT; i++) {
        assert_false(backoff_blocked(b, BACKOFF_USER, "alice", now));
        backoff_failed(b, BACKOFF_USER, "alice", now);
    }
    assert_true(backoff_blocked(b, BACKOFF_USER, "ALICE", now));
    assert_true(backoff_blocked(b, BACKOFF_USER, "alice", now + 999));
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", now + 1000));
    assert_false(backoff_blocked(b, BACKOFF_USER, "bob", now));
    assert_false(backoff_blocked(b, BACKOFF_SOURCE, "alice", now)); /* another kind of name */
    now += 1000;
    backoff_failed(b, BACKOFF_USER, "alice", now);
    assert_true(backoff_blocked(b, BACKOFF_USER, "alice", now + 1999));
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", now + 2000));
    for (int i = 0; i < 50; i++)
        backoff_failed(b, BACKOFF_USER, "alice", now);
    assert_true(backoff_blocked(b, BACKOFF_USER, "alice", now + BACKOFF_MAX_MS - 1));
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", now + BACKOFF_MAX_MS));
    backoff_failed(b, BACKOFF_USER, "alice", now + BACKOFF_FORGET_MS); /* forgotten: the first one again */
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", now + BACKOFF_FORGET_MS));
    backoff_close(b);
}

static void test_delays(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay(BACKOFF_USER, 4), 0);
    assert_int_equal(backoff_delay(BACKOFF_USER, 5), 1000);
    assert_int_equal(backoff_delay(BACKOFF_USER, 8), 8000);
    assert_int_equal(backoff_delay(BACKOFF_USER, 13), 256000);
    assert_int_equal(backoff_delay(BACKOFF_USER, 14), BACKOFF_MAX_MS);
    assert_int_equal(backoff_delay(BACKOFF_USER, 1000), BACKOFF_MAX_MS);
    assert_int_equal(backoff_delay(BACKOFF_SOURCE, 19), 0);
    assert_int_equal(backoff_delay(BACKOFF_SOURCE, 20), 1000);
}

static void test_forgive_and_clock(void **state)
{
    struct backoff *b = must_open(key);

    (void)state;
    for (int i = 0; i < 6; i++)
        backoff_failed(b, BACKOFF_USER, "alice", 500000);
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", 400000)); /* a time of an earlier boot */
    assert_true(backoff_blocked(b, BACKOFF_USER, "alice", 500000));
    backoff_forgive(b, BACKOFF_USER, "Alice");
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", 500000));
    backoff_close(b);
}

static void test_shared_by_processes(void **state)
{
    static const uint8_t other[32] = {2};
    struct backoff *b = must_open(key), *next_run;
    int status;

    (void)state;
    for (int i = 0; i < 4; i++) { /* four workers, each its own descriptor and mapping */
        pid_t pid = fork();
        if (pid == 0) {
            struct backoff *mine = must_open(key);
            for (int k = 0; k < 25; k++)
                backoff_failed(mine, BACKOFF_USER, k < 2 ? "alice" : "many", 1000);
            _exit(0);
        }
        assert_true(pid > 0);
    }
    for (int i = 0; i < 4; i++)
        assert_true(wait(&status) > 0 && status == 0);
    /* eight failures of alice, none lost: eight seconds */
    assert_true(backoff_blocked(b, BACKOFF_USER, "alice", 1000 + 7999));
    assert_false(backoff_blocked(b, BACKOFF_USER, "alice", 1000 + 8000));
    next_run = must_open(PKE_BYTES(other, sizeof other));
    assert_false(backoff_blocked(next_run, BACKOFF_USER, "alice", 1000));
    backoff_close(next_run);
    backoff_close(b);
}

static void test_bounded_and_hard_to_flood(void **state)
{
    struct backoff *b = must_open(key);
    struct stat st;
    char name[32];

    (void)state;
    for (int i = 0; i < 10; i++)
        backoff_failed(b, BACKOFF_USER, "victim", 1000);
    for (int i = 0; i < 20000; i++) { /* names that fail once give way to each other first */
        snprintf(name, sizeof name, "made-up-%d", i);
        backoff_failed(b, BACKOFF_USER, name, 1001);
    }
    assert_true(backoff_blocked(b, BACKOFF_USER, "victim", 1002));
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 1 << 20);
    assert_int_equal(st.st_mode & 07777, 0600);
    backoff_close(b);
}

static void test_refuses_a_foreign_file(void **state)
{
    struct backoff *b = NULL;
    struct pke_fail fail;

    (void)state;
    backoff_close(must_open(key));
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(backoff_open(path, key, &b, &fail), PKE_CONFIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(backoff_open(path, key, &b, &fail), PKE_CONFIG);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_engages_and_decays, begin, end),
        cmocka_unit_test(test_delays),
        cmocka_unit_test_setup_teardown(test_forgive_and_clock, begin, end),
        cmocka_unit_test_setup_teardown(test_shared_by_processes, begin, end),
        cmocka_unit_test_setup_teardown(test_bounded_and_hard_to_flood, begin, end),
        cmocka_unit_test_setup_teardown(test_refuses_a_foreign_file, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
