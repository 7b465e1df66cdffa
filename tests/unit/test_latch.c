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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_latch)};
    return cmocka_run_group_tests_name("latch", tests, NULL, NULL);
}
