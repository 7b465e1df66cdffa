/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/key/latch: a refused PIN is remembered across processes, a changed one is not blocked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/key/latch.h"
#include "daemon/key/pause.h"

#define URI "pkcs11:token=lab;object=ca"

static void test_latch(void **state)
{
    char dir[] = "/tmp/pke-latch-XXXXXX", path[600];
    struct pke_bytes pin = pke_bytes_str("1234"), other = pke_bytes_str("5678");
    struct dirent *d;
    DIR *open_dir;
    FILE *f;
    char content[256] = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_false(latch_is_set(dir, URI, pin));
    assert_true(latch_set(dir, URI, pin));
    assert_true(latch_is_set(dir, URI, pin));
    assert_false(latch_is_set(dir, URI, other));
    assert_false(latch_is_set(dir, "pkcs11:token=lab;object=other", pin));
    open_dir = opendir(dir);
    while ((d = readdir(open_dir)))
        if (strncmp(d->d_name, "pin-latch-", 10) == 0)
            snprintf(path, sizeof path, "%s/%s", dir, d->d_name);
    closedir(open_dir);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(content, 1, sizeof content, f) > 0);
    fclose(f);
    assert_null(memmem(content, sizeof content, "1234", 4)); /* the PIN itself is not in it */
    assert_int_equal(truncate(path, 5), 0);
    assert_true(latch_is_set(dir, URI, other)); /* a torn latch is on the safe side */
    latch_clear(dir, URI);
    assert_false(latch_is_set(dir, URI, pin));
    rmdir(dir);
}

/* A token with a keypad of its own: no PIN is latched like a PIN. */
static void test_no_pin_is_latched(void **state)
{
    char dir[] = "/tmp/pke-latch-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(latch_set(dir, URI, PKE_BYTES(NULL, 0)));
    assert_true(latch_is_set(dir, URI, PKE_BYTES(NULL, 0)));
    assert_false(latch_is_set(dir, URI, pke_bytes_str("1234")));
    latch_clear(dir, URI);
    assert_false(latch_is_set(dir, URI, PKE_BYTES(NULL, 0)));
    assert_int_equal(rmdir(dir), 0);
}

static void test_one_at_a_time(void **state)
{
    char dir[] = "/tmp/pke-latch-XXXXXX", command[64];
    int first, other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    first = latch_lock(dir, URI, 0);
    assert_true(first >= 0);
    assert_int_equal(latch_lock(dir, URI, 20), -1);
    other = latch_lock(dir, "pkcs11:token=lab;object=other", 0); /* another key is nobody's business */
    assert_true(other >= 0);
    latch_unlock(other);
    latch_unlock(first);
    first = latch_lock(dir, URI, 0);
    assert_true(first >= 0);
    latch_unlock(first);
    assert_int_equal(latch_lock("/nonexistent", URI, 0), -2);
    latch_unlock(-1);
    latch_unlock(-2);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void test_pause(void **state)
{
    char dir[] = "/tmp/pke-pause-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_false(pause_is_set(dir, "ca"));
    assert_true(pause_clear(dir, "ca"));
    assert_true(pause_set(dir, "ca"));
    assert_true(pause_set(dir, "ca"));
    assert_true(pause_is_set(dir, "ca"));
    assert_false(pause_is_set(dir, "ca2"));
    assert_true(pause_clear(dir, "ca"));
    assert_false(pause_is_set(dir, "ca"));
    assert_int_equal(rmdir(dir), 0);
    assert_false(pause_set(dir, "ca"));
    assert_true(pause_is_set("/dev/null", "ca")); /* not to know is not to sign */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_latch), cmocka_unit_test(test_no_pin_is_latched),
                                       cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_pause)};
    return cmocka_run_group_tests_name("latch", tests, NULL, NULL);
}
