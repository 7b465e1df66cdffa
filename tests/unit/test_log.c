/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/log.c: one bounded line per event, nothing from outside can forge a line or steer a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/log.h"

/* A sequenced-packet socket in place of stderr: each write(2) is one record. */
static int saved, sink[2];

static int begin(void **state)
{
    (void)state;
    log_identity("net");
    log_level(LOG_INFO);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sink) != 0)
        return -1;
    return dup2(sink[1], STDERR_FILENO) < 0;
}

static int end(void **state)
{
    (void)state;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(sink[0]);
    close(sink[1]);
    return 0;
}

/* What one write brought, "" when there is none. */
static const char *record(void)
{
    static char text[8192];
    ssize_t n = recv(sink[0], text, sizeof text - 1, MSG_DONTWAIT);

    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void test_line(void **state)
{
    (void)state;
    log_event(LOG_NOTICE, "request done", "op", "enroll", "absent", NULL, "user", "a b", "empty", "", NULL);
    assert_string_equal(record(), "<5>net: request done op=enroll user=\"a b\" empty=\"\"\n");
    assert_string_equal(record(), "");
    log_identity("key lab-ca/0");
    log_event(LOG_ERR, "no pairs", NULL);
    assert_string_equal(record(), "<3>key lab-ca/0: no pairs\n");
}

static void test_escapes(void **state)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"a\n<0>net: forged", "\"a\\x0a<0>net: forged\""},
        {"\x1b[2J", "\"\\x1b[2J\""},
        {"q\"b\\", "\"q\\\"b\\\\\""},
        {"a=b", "\"a=b\""},
        {"Zo\xc3\xab", "\"Zo\xc3\xab\""},
        {"\xc2\x9b", "\"\\xc2\\x9b\""},          /* C1: CSI */
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""}, /* right-to-left override */
        {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
        {"\xff\xc3\xab", "\"\\xff\\xc3\\xab\""}, /* not UTF-8 */
        {"\x7f", "\"\\x7f\""},
    };
    char want[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        log_event(LOG_INFO, "m", "v", cases[i].value, NULL);
        snprintf(want, sizeof want, "<6>net: m v=%s\n", cases[i].want);
        assert_string_equal(record(), want);
    }
    log_event(LOG_INFO, "m\n", "n a", "v", NULL);
    assert_string_equal(record(), "<6>net: m\\x0a n_a=v\n");
}

static void test_level(void **state)
{
    (void)state;
    log_event(LOG_DEBUG, "quiet", NULL);
    assert_string_equal(record(), "");
    log_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "heard", NULL);
    assert_string_equal(record(), "<7>net: heard\n");
}

static void test_fail(void **state)
{
    struct pke_fail fail;

    (void)state;
    pke_fail_set(&fail, PKE_KEY_WEAK, "csr-key-roca", "CVE-2017-15361", "the key is weak");
    log_fail(LOG_WARNING, "refused", &fail, "trace", "t1", NULL);
    assert_string_equal(record(), "<4>net: refused error=key-weak reason=csr-key-roca rule=CVE-2017-15361 "
                                  "text=\"the key is weak\" trace=t1\n");
}

static void test_bounded(void **state)
{
    static char huge[9000];
    const char *got;

    (void)state;
    memset(huge, 'x', sizeof huge - 1);
    log_event(LOG_INFO, "m", "first", "1", "v", huge, NULL);
    got = record();
    assert_true(strlen(got) <= 4096);
    assert_string_equal(got, "<6>net: m first=1 v=...\n");
    memset(huge, '\n', 2000);
    huge[2000] = '\0';
    log_event(LOG_INFO, "m", "v", huge, NULL);
    got = record();
    assert_true(strlen(got) <= 4096 && strlen(got) > 4000);
    assert_string_equal(got + strlen(got) - 4, "...\n");
}

static void test_not_the_journal(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, but stderr was redirected since */
    log_event(LOG_INFO, "m", NULL);
    assert_string_equal(record(), "<6>net: m\n");
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, begin, end),
        cmocka_unit_test_setup_teardown(test_escapes, begin, end),
        cmocka_unit_test_setup_teardown(test_level, begin, end),
        cmocka_unit_test_setup_teardown(test_fail, begin, end),
        cmocka_unit_test_setup_teardown(test_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_not_the_journal, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
