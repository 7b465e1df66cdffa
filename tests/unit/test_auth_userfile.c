/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth/userfile*.c: what is refused, look-up, editing, and replacing the file on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth/userfile.h"

#define HASH "$y$j9T$k1S0J0Ej1J9xkqnmBYBIw/$7M1J1Q0XcXGZ8Jm3fOe5T2aW4K0Vp9mOqv6dZl3YyC9"

static void test_refused_lines(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"alice\n", "line 1 of the user file has no password hash"},
        {"# c\n\nalice:" HASH "\nbob:x\n",
         "line 4 of the user file has no yescrypt hash of the expected cost"},
        {":" HASH "\n", "line 1 of the user file has no valid user name"},
        {" alice:" HASH "\n", "line 1 of the user file has no valid user name"},
        {"a,b:" HASH "\n", "line 1 of the user file has no valid user name"},
        {"a\tb:" HASH "\n", "line 1 of the user file has no valid user name"},
        {"a\xff:" HASH "\n", "line 1 of the user file has no valid user name"},
        {"alice:\n", "line 1 of the user file has no yescrypt hash of the expected cost"},
        {"alice:$6$salt$abc\n", "line 1 of the user file has no yescrypt hash of the expected cost"},
        {"alice:$y$j8T$k1S0J0Ej1J9xkqnmBYBIw/$7M1J1Q0XcXGZ8Jm3fOe5T2aW4K0Vp9mOqv6dZl3YyC9\n",
         "line 1 of the user file has no yescrypt hash of the expected cost"},
        {"alice:" HASH "x\n", "line 1 of the user file has no yescrypt hash of the expected cost"},
        {"alice:" HASH ":upn\n", "line 1 of the user file has no valid attributes"},
        {"alice:" HASH ":UPN=a\n", "line 1 of the user file has no valid attributes"},
        {"alice:" HASH ":upn=\n", "line 1 of the user file has no valid attributes"},
        {"alice:" HASH ":upn=a,upn=b\n", "line 1 of the user file has no valid attributes"},
        {"alice:" HASH "\r\n", "line 1 of the user file has no yescrypt hash of the expected cost"},
        {"alice:" HASH "\nALICE:" HASH "\n", "the user file has the user ALICE twice"},
    };
    struct userfile *f = NULL;
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        assert_int_equal(userfile_parse(pke_bytes_str(bad[i].text), &f, &fail), PKE_CONFIG);
        if (strncmp(fail.text, "the user file has", 17) != 0) /* which of two equal ones is not promised */
            assert_string_equal(fail.text, bad[i].why);
        assert_null(f);
    }
    assert_int_equal(userfile_parse(PKE_BYTES("a\0:x\n", 5), &f, &fail), PKE_CONFIG);
}

static void test_find_and_edit(void **state)
{
    static const char text[] = "# people\nBob@corp.example:" HASH ":upn=bob@corp.example,group=a:b=c\n"
                               "\nzo\xc3\xab:" HASH "\nalice:" HASH; /* no newline at the end */
    struct user carol = {.name = "carol", .hash = HASH};
    struct pke_arena *arena = pke_arena_new();
    struct userfile *f, *g;
    struct pke_fail fail;
    struct pke_buf out;

    (void)state;
    assert_int_equal(userfile_parse(pke_bytes_str(text), &f, &fail), PKE_OK);
    assert_int_equal(userfile_count(f), 3);
    assert_string_equal(userfile_at(f, 0)->name, "alice");
    assert_string_equal(userfile_find(f, "bob@CORP.example")->name, "Bob@corp.example");
    assert_string_equal(pke_pairs_get(&userfile_find(f, "bob@corp.example")->attributes, "group"), "a:b=c");
    assert_non_null(userfile_find(f, "zo\xc3\xab"));
    assert_null(userfile_find(f, "zo\xc3\x8b")); /* only ASCII is folded */
    assert_null(userfile_find(f, ""));
    pke_pairs_add(&carol.attributes, arena, "upn", "c@d");
    pke_pairs_add(&carol.attributes, arena, "x", "y");
    pke_buf_init(&out, 4096);
    userfile_text_add(f, &carol, &out);
    assert_int_equal(userfile_parse(pke_buf_bytes(&out), &g, &fail), PKE_OK);
    assert_string_equal(pke_pairs_get(&userfile_find(g, "carol")->attributes, "x"), "y");
    pke_buf_clear(&out);
    userfile_text_remove(g, userfile_find(g, "carol"), &out);
    assert_int_equal(out.n, strlen(text) + 1);
    assert_memory_equal(out.p, text, strlen(text)); /* comments and order stay */
    pke_buf_clear(&out);
    userfile_text_remove(f, userfile_find(f, "alice"), &out);
    assert_true(pke_bytes_eq(pke_buf_bytes(&out), PKE_BYTES(text, strstr(text, "alice") - text)));
    pke_buf_done(&out);
    userfile_free(f);
    userfile_free(g);
    pke_arena_free(arena);
}

static char *temp_dir(void)
{
    char *dir = pke_strdup("/tmp/pke-users-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static void test_disk(void **state)
{
    char *dir = temp_dir(), *path = pke_asprintf("%s/users", dir), *link = pke_asprintf("%s/link", dir);
    struct userfile *f = NULL;
    struct pke_fail fail;
    struct stat st;

    (void)state;
    assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_OK); /* absent: no users */
    assert_int_equal(userfile_count(f), 0);
    assert_false(userfile_changed(path, &st));
    userfile_free(f);
    umask(0);
    assert_int_equal(userfile_store(path, pke_bytes_str("alice:" HASH "\n"), &fail), PKE_OK);
    assert_true(userfile_changed(path, &st));
    assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_OK);
    assert_non_null(userfile_find(f, "alice"));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(userfile_changed(path, &st));
    userfile_free(f);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(userfile_changed(path, &st));
    f = NULL;
    assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "chmod 0600"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(userfile_load(link, &f, &st, &fail), PKE_CONFIG);
    assert_int_equal(userfile_load(dir, &f, &st, &fail), PKE_CONFIG);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_CONFIG);
        assert_non_null(strstr(fail.text, "belongs to neither"));
    }
    assert_null(f);
    unlink(link);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
    free(link);
    free(path);
    free(dir);
}

/* Killed while the temporary file is half written (the kernel does it: SIGXFSZ at the size limit). */
static void test_kill_before_rename_is_harmless(void **state)
{
    char *dir = temp_dir(), *path = pke_asprintf("%s/users", dir), *left = pke_asprintf("%s.new", path);
    struct userfile *f;
    struct pke_fail fail;
    struct stat st;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(userfile_store(path, pke_bytes_str("alice:" HASH "\n"), &fail), PKE_OK);
    pid = fork();
    if (pid == 0) {
        struct rlimit small = {40, 40};
        setrlimit(RLIMIT_FSIZE, &small);
        userfile_store(path, pke_bytes_str("alice:" HASH "\nbob:" HASH "\n"), &fail);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(left, F_OK), 0); /* it was under way */
    assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_OK);
    assert_int_equal(userfile_count(f), 1);
    userfile_free(f);
    assert_int_equal(userfile_store(path, pke_bytes_str("bob:" HASH "\n"), &fail), PKE_OK);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(userfile_load(path, &f, &st, &fail), PKE_OK);
    assert_non_null(userfile_find(f, "bob"));
    userfile_free(f);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(userfile_store(path, pke_bytes_str(""), &fail), PKE_STORE_DOWN);
    free(left);
    free(path);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_lines),
        cmocka_unit_test(test_find_and_edit),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_kill_before_rename_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
