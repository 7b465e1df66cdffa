/* SPDX-License-Identifier: Apache-2.0 */
/* base/: buffers, cursor, arena, encodings, times, option tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/option.h"
#include "base/secret.h"
#include "base/timefmt.h"
#include "base/version.h"

static void test_buf_refuses_beyond_max(void **state)
{
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 10);
    assert_int_equal(pke_buf_add_str(&b, "0123456789"), PKE_OK);
    assert_int_equal(pke_buf_add_u8(&b, 'x'), PKE_LIMIT);
    assert_true(b.overflow);
    assert_int_equal(b.n, 10);
    pke_buf_clear(&b);
    assert_int_equal(pke_buf_printf(&b, "%d-%s", 42, "abc"), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "42-abc");
    pke_buf_drop(&b, 3);
    assert_string_equal(pke_buf_cstr(&b), "abc");
    pke_buf_done(&b);
}

static void test_cursor_takes_all_or_nothing(void **state)
{
    const uint8_t raw[] = {1, 2, 3, 4, 5};
    struct pke_cursor c = pke_cursor_of(PKE_BYTES(raw, sizeof raw));
    uint32_t v;
    uint16_t w;
    uint64_t q;

    (void)state;
    assert_true(pke_take_u32(&c, &v));
    assert_int_equal(v, 0x01020304);
    assert_false(pke_take_u16(&c, &w));
    assert_false(pke_take_u64(&c, &q));
    assert_int_equal(pke_cursor_left(&c), 1);
}

static enum pke_err decode(const char *text, unsigned flags, const char *want)
{
    struct pke_buf b;
    enum pke_err err;

    pke_buf_init(&b, 64);
    err = pke_base64_decode(pke_bytes_str(text), flags, &b);
    if (err == PKE_OK && want)
        assert_true(pke_bytes_eq_str(pke_buf_bytes(&b), want));
    if (err != PKE_OK)
        assert_int_equal(b.n, 0);
    pke_buf_done(&b);
    return err;
}

static void test_base64_is_strict(void **state)
{
    static const char *const bad[] = {"QR==", "QUI=QUI=", "QUJD====", "QUJ-", "Q",
                                      "QU",   "QUI",      "QUI==",    "Q===", "=QUI",
                                      "QU=I", "QUJD\n",   "QU JD",    "====", "="};

    (void)state;
    assert_int_equal(decode("", 0, ""), PKE_OK);
    assert_int_equal(decode("QQ==", 0, "A"), PKE_OK);
    assert_int_equal(decode("QUI=", 0, "AB"), PKE_OK);
    assert_int_equal(decode("QUJD", 0, "ABC"), PKE_OK);
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        assert_int_equal(decode(bad[i], 0, NULL), PKE_MALFORMED);
    assert_int_equal(decode(" Q\r\nUJD\t", PKE_B64_WHITESPACE, "ABC"), PKE_OK);
    assert_int_equal(decode("-_-_", PKE_B64_URL, NULL), PKE_OK);
    assert_int_equal(decode("QQ", PKE_B64_URL, "A"), PKE_OK);
    assert_int_equal(decode("QQ==", PKE_B64_URL, NULL), PKE_MALFORMED);
    assert_int_equal(decode("QR", PKE_B64_URL, NULL), PKE_MALFORMED);
}

static void test_base64_round_trip(void **state)
{
    uint8_t raw[50];

    (void)state;
    for (size_t n = 0; n < sizeof raw; n++) {
        for (unsigned url = 0; url <= PKE_B64_URL; url += PKE_B64_URL) {
            struct pke_buf text, back;
            for (size_t i = 0; i < n; i++)
                raw[i] = (uint8_t)(i * 37 + n * 11);
            pke_buf_init(&text, 100);
            pke_buf_init(&back, 100);
            assert_int_equal(pke_base64_encode(PKE_BYTES(raw, n), url, &text), PKE_OK);
            assert_int_equal(pke_base64_decode(pke_buf_bytes(&text), url, &back), PKE_OK);
            assert_true(pke_bytes_eq(pke_buf_bytes(&back), PKE_BYTES(raw, n)));
            pke_buf_done(&text);
            pke_buf_done(&back);
        }
    }
}

static void test_base64_respects_the_limit(void **state)
{
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 5);
    assert_int_equal(pke_base64_decode(pke_bytes_str("QUJDQUJD"), 0, &b), PKE_LIMIT);
    assert_int_equal(b.n, 0);
    assert_false(b.overflow);
    pke_buf_done(&b);
}

static void test_hex(void **state)
{
    char out[7];
    uint8_t raw[3];
    size_t n = sizeof raw;

    (void)state;
    pke_hex(PKE_BYTES("\x01\xab\xff", 3), true, out);
    assert_string_equal(out, "01ABFF");
    assert_true(pke_hex_decode(pke_bytes_str("01abFF"), raw, &n));
    assert_int_equal(n, 3);
    n = 3;
    assert_false(pke_hex_decode(pke_bytes_str("01a"), raw, &n));
    assert_false(pke_hex_decode(pke_bytes_str("0g"), raw, &n));
    n = 1;
    assert_false(pke_hex_decode(pke_bytes_str("0102"), raw, &n));
}

static void test_oid(void **state)
{
    static const char *const good[] = {"1.3.6.1.5.5.7.3.2", "2.5.29.37", "2.999.1",
                                       "1.3.6.1.4.1.311.21.8.4294967296", "0.9.2342.19200300.100.1.25"};
    static const char *const bad[] = {
        "", "1", "3.1", "1.40", "1.2.", "1..2", "1.02", "1.2.x", "1.2.99999999999999999999"};
    uint8_t der[PKE_OID_DER_MAX];
    char text[80];
    size_t n;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        assert_true(pke_oid_encode(good[i], der, &n));
        assert_true(pke_oid_decode(PKE_BYTES(der, n), text, sizeof text));
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        assert_false(pke_oid_encode(bad[i], der, &n));
    assert_false(pke_oid_decode(PKE_BYTES("\x2a\x80\x01", 3), text, sizeof text)); /* not minimal */
    assert_false(pke_oid_decode(PKE_BYTES("\x2a\x83", 2), text, sizeof text));     /* truncated */
    assert_false(pke_oid_decode(PKE_BYTES("\x2a\x03\x04", 3), text, 5));
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(pke_utf8_valid(pke_bytes_str("Zo\xc3\xab \xe2\x82\xac \xf0\x9f\x98\x80")));
    assert_false(pke_utf8_valid(PKE_BYTES("a\0b", 3)));
    assert_false(pke_utf8_valid(pke_bytes_str("\xc0\xaf")));         /* overlong */
    assert_false(pke_utf8_valid(pke_bytes_str("\xed\xa0\x80")));     /* surrogate */
    assert_false(pke_utf8_valid(pke_bytes_str("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(pke_utf8_valid(pke_bytes_str("\xe2\x82")));
}

static void test_uuid(void **state)
{
    const uint8_t raw[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    char text[PKE_UUID_LEN + 1];

    (void)state;
    pke_uuid_format(raw, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_true(pke_uuid_valid(text));
    assert_false(pke_uuid_valid("ffffffff-ffff-4fff-bfff-fffffffffff"));
    assert_false(pke_uuid_valid("fffffffffffff-4fff-bfff-ffffffffffff"));
}

static void test_times(void **state)
{
    char out[PKE_RFC3339_SIZE];
    int64_t t;

    (void)state;
    pke_time_rfc3339(1772366400, out);
    assert_string_equal(out, "2026-03-01T12:00:00Z");
    assert_true(pke_time_parse(out, &t));
    assert_int_equal(t, 1772366400);
    pke_time_rfc3339_ms(1772366400007, out);
    assert_string_equal(out, "2026-03-01T12:00:00.007Z");
    assert_true(pke_time_parse(out, &t));
    assert_false(pke_time_parse("2026-02-30T12:00:00Z", &t));
    assert_false(pke_time_parse("2026-02-03T12:00:00", &t));
    assert_false(pke_time_parse("2026-02-03T12:00:00+01:00", &t));
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"250ms", 250},    {"10s", 10000},        {"5m", 300000},
                {"24h", 86400000}, {"365d", 31536000000}, {"0", 0}};
    static const char *const bad[] = {"", "10", "s", "-1s", "1y", "10 s", "1.5h", "99999999999999999999d"};
    int64_t ms;
    char text[24];

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        assert_true(pke_duration_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        assert_false(pke_duration_parse(bad[i], &ms));
    pke_duration_format(90000, text);
    assert_string_equal(text, "90s");
}

struct sample {
    bool flag;
    uint64_t count, size;
    int64_t wait;
    char *name, *path;
    int mode;
    struct pke_strings words, oids;
};

static const struct pke_enum_name modes[] = {{"off", 0}, {"on", 1}, {NULL, 0}};
static const struct pke_option sample_options[] = {
    {"flag", PKE_OPT_BOOL, PKE_FIELD(bool, struct sample, flag), "yes", .help = "a flag"},
    {"count", PKE_OPT_UINT, PKE_FIELD(uint64_t, struct sample, count), "3", 1, 10, .help = "a number"},
    {"size", PKE_OPT_SIZE, PKE_FIELD(uint64_t, struct sample, size), "64KiB", .help = "a size"},
    {"wait", PKE_OPT_DURATION, PKE_FIELD(int64_t, struct sample, wait), "5s", 1000, 60000, .help = "a time"},
    {"name", PKE_OPT_STRING, PKE_FIELD(char *, struct sample, name), NULL, 1, 8, .help = "a name"},
    {"path", PKE_OPT_PATH, PKE_FIELD(char *, struct sample, path), NULL, .help = "a path"},
    {"mode", PKE_OPT_ENUM, PKE_FIELD(int, struct sample, mode), "off", .names = modes, .help = "a mode"},
    {"words", PKE_OPT_STRINGS, PKE_FIELD(struct pke_strings, struct sample, words), NULL, .help = "words"},
    {"oids", PKE_OPT_OIDS, PKE_FIELD(struct pke_strings, struct sample, oids), "client-auth", .help = "oids"},
    PKE_OPTION_END,
};

static void test_options(void **state)
{
    struct pke_arena *a = pke_arena_new();
    struct sample s = {0};
    struct pke_fail fail;
    const struct pke_option *o = sample_options;

    (void)state;
    pke_option_defaults(o, &s, a);
    assert_true(s.flag);
    assert_int_equal(s.size, 65536);
    assert_int_equal(s.wait, 5000);
    assert_string_equal(s.oids.v[0], "1.3.6.1.5.5.7.3.2");
    assert_int_equal(pke_option_set(pke_option_find(o, "count", 5), &s, "11", NULL, a, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "from 1 to 10"));
    assert_int_equal(s.count, 3);
    assert_int_equal(pke_option_set(pke_option_find(o, "wait", 4), &s, "10", NULL, a, &fail), PKE_CONFIG);
    assert_int_equal(pke_option_set(pke_option_find(o, "mode", 4), &s, "on", NULL, a, &fail), PKE_OK);
    assert_int_equal(s.mode, 1);
    assert_int_equal(pke_option_set(pke_option_find(o, "mode", 4), &s, "maybe", NULL, a, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "off, on"));
    assert_int_equal(pke_option_set(pke_option_find(o, "path", 4), &s, "x/y", "/etc/z", a, &fail), PKE_OK);
    assert_string_equal(s.path, "/etc/z/x/y");
    assert_int_equal(pke_option_set(pke_option_find(o, "name", 4), &s, "a\nb", NULL, a, &fail), PKE_CONFIG);
    for (int i = 0; i < 5; i++)
        assert_int_equal(pke_option_append(pke_option_find(o, "words", 5), &s, "w", a, &fail), PKE_OK);
    assert_int_equal(s.words.n, 5);
    assert_int_equal(pke_option_append(pke_option_find(o, "oids", 4), &s, "nonsense", a, &fail), PKE_CONFIG);
    assert_null(pke_option_find(o, "coun", 4));
    assert_string_equal(pke_option_text(pke_option_find(o, "wait", 4), &s, a), "5s");
    pke_arena_free(a);
}

static void test_secret_fifo_is_no_wait(void **state)
{
    char dir[] = "/tmp/pke-fifo-XXXXXX", path[64];
    struct pke_secret *s = NULL;
    struct pke_fail fail;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pke_secret_read_file(path, 255, &s, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "secret-not-a-file");
    unlink(path);
    rmdir(dir);
}

static void test_secret_file_rules(void **state)
{
    char path[] = "/tmp/pke-secret-XXXXXX", link[64];
    struct pke_secret *s = NULL;
    struct pke_fail fail;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1234\n", 5), 5);
    assert_int_equal(pke_secret_read_file(path, 255, &s, &fail), PKE_OK);
    assert_true(pke_bytes_eq_str(pke_secret_bytes(s), "1234"));
    pke_secret_free(s);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(pke_secret_read_file(path, 255, &s, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "secret-mode");
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(pke_secret_read_file(path, 2, &s, &fail), PKE_CONFIG);
    snprintf(link, sizeof link, "%s.l", path);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(pke_secret_read_file(link, 255, &s, &fail), PKE_CONFIG);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pke_secret_read_file(path, 255, &s, &fail), PKE_CONFIG);
    unlink(link);
    unlink(path);
    close(fd);
}

/* What mode a credential may have, and that an ordinary secret file may not. Only root can make root's files.
 */
static void test_credential_rules(void **state)
{
    static const struct {
        mode_t mode;
        gid_t group;
        bool fine;
    } cases[] = {{0400, 0, true},  {0440, 0, true},  {0440, 1, false}, {0460, 0, false}, {0444, 0, false},
                 {0404, 0, false}, {0450, 0, false}, {0600, 0, true},  {0660, 0, false}};
    char dir[] = "/tmp/pke-cred-XXXXXX", path[64];
    struct pke_secret *s = NULL;
    struct pke_fail fail;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/pin", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1234\n", 5), 5);
    assert_int_equal(pke_secret_read_credential(dir, "pin", 255, &s, &fail), PKE_OK);
    assert_true(pke_bytes_eq_str(pke_secret_bytes(s), "1234"));
    pke_secret_free(s);
    assert_int_equal(pke_secret_read_credential(NULL, "pin", 255, &s, &fail), PKE_CONFIG);
    assert_int_equal(pke_secret_read_credential("", "pin", 255, &s, &fail), PKE_CONFIG);
    assert_int_equal(pke_secret_read_credential(dir, "../pin", 255, &s, &fail), PKE_CONFIG);
    assert_int_equal(pke_secret_read_credential(dir, "", 255, &s, &fail), PKE_CONFIG);
    assert_int_equal(pke_secret_read_credential(dir, "other", 255, &s, &fail), PKE_CONFIG);
    for (size_t i = 0; geteuid() == 0 && i < PKE_LEN(cases); i++) {
        assert_int_equal(fchown(fd, 0, cases[i].group), 0);
        assert_int_equal(fchmod(fd, cases[i].mode), 0);
        assert_int_equal(pke_secret_read_credential(dir, "pin", 255, &s, &fail),
                         cases[i].fine ? PKE_OK : PKE_CONFIG);
        if (cases[i].fine)
            pke_secret_free(s);
        assert_int_equal(pke_secret_read_file(path, 255, &s, &fail),
                         cases[i].mode & 077 ? PKE_CONFIG : PKE_OK);
        if (!(cases[i].mode & 077))
            pke_secret_free(s);
    }
    assert_int_equal(fchmod(fd, 0440), 0);
    if (geteuid() == 0)
        assert_int_equal(fchown(fd, 1, 0), 0);
    assert_int_equal(pke_secret_read_credential(dir, "pin", 255, &s, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "secret-mode");
    close(fd);
    unlink(path);
    rmdir(dir);
}

static void test_fail_escapes_controls(void **state)
{
    struct pke_fail fail;

    (void)state;
    pke_fail_set(&fail, PKE_POLICY, "r", "u", "%254s\xc3\xa9\xc3\xa9",
                 "\xc3\xa9 \xe9t\xe9"); /* cut inside the last */
    assert_true(pke_utf8_valid(pke_bytes_str(fail.text)));
    assert_non_null(strstr(fail.text, "\xc3\xa9 ?t?"));
    assert_int_equal(fail.text[254], '?');
    assert_int_equal(pke_fail_set(&fail, PKE_POLICY, "r", "u", "a\r\nb%c", 0x7f), PKE_POLICY);
    assert_string_equal(fail.text, "a??b?");
    for (int i = 0; i < PKE_ERR_MAX; i++)
        assert_int_equal(pke_err_from_token(pke_err_token((enum pke_err)i)), i);
}

static void test_versions(void **state)
{
    static const struct {
        const char *text;
        uint32_t v[PKE_VERSION_PARTS];
    } good[] = {
        {"10.0.22631.3880", {10, 0, 22631, 3880}},
        {"8", {8, 0, 0, 0}},
        {"4.0", {4, 0, 0, 0}},
        {"10.0.19045", {10, 0, 19045, 0}},
        {"0.0.0.4294967295", {0, 0, 0, UINT32_MAX}},
        {"010.00", {10, 0, 0, 0}},
    };
    static const char *const bad[] = {
        NULL,         "",         ".",         "1.",   ".1",
        "1..2",       "1.2.3.4.", "1.2.3.4.5", " 1",   "1 ",
        "-1",         "+1",       "1.x",       "a",    "1,2",
        "4294967296", "1.0x10",   "1\n.2",     "1.-2", "99999999999999999999999",
    };
    uint32_t v[PKE_VERSION_PARTS], kept[PKE_VERSION_PARTS] = {7, 7, 7, 7};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        assert_true(pke_version_parse(good[i].text, v));
        assert_int_equal(pke_version_compare(v, good[i].v), 0);
    }
    memcpy(v, kept, sizeof v);
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        assert_false(pke_version_parse(bad[i], v));
        assert_memory_equal(v, kept, sizeof v);
    }
    for (size_t i = 0; i < PKE_VERSION_PARTS; i++) {
        uint32_t newer[PKE_VERSION_PARTS] = {7, 7, 7, 7};

        newer[i]++;
        for (size_t k = i + 1; k < PKE_VERSION_PARTS; k++)
            newer[k] = 0; /* what stands behind does not count any more */
        assert_true(pke_version_compare(kept, newer) < 0);
        assert_true(pke_version_compare(newer, kept) > 0);
    }
}

static void assert_content(const char *path, const char *text)
{
    char got[64] = "";
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    assert_true(fread(got, 1, sizeof got - 1, f) > 0);
    fclose(f);
    assert_string_equal(got, text);
}

static void test_publish(void **state)
{
    char dir[] = "/tmp/pke-publish-XXXXXX", path[64], fresh[64];
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    snprintf(fresh, sizeof fresh, "%s/file.new", dir);
    assert_int_equal(pke_file_publish(path, pke_bytes_str("one"), 0600, PKE_PUBLISH_NEW), 0);
    assert_int_equal(pke_file_publish(path, pke_bytes_str("two"), 0644, PKE_PUBLISH_NEW), EEXIST);
    assert_content(path, "one");
    assert_int_equal(symlink("/nowhere", fresh), 0); /* what a killed writer or a joker left */
    assert_int_equal(pke_file_publish(path, pke_bytes_str("three"), 0644, PKE_PUBLISH_REPLACE), 0);
    assert_content(path, "three");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(access(fresh, F_OK), -1);
    assert_int_equal(mkdir(fresh, 0700), 0);
    assert_int_not_equal(pke_file_publish(path, pke_bytes_str("four"), 0644, PKE_PUBLISH_REPLACE), 0);
    assert_content(path, "three");
    assert_int_equal(rmdir(fresh), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Writers of one path: every file that is ever seen is whole, and nothing stays behind. */
static void test_publish_together(void **state)
{
    enum { WRITERS = 4, ROUNDS = 50, SIZE = 20000 };
    char dir[] = "/tmp/pke-publish-XXXXXX", path[64], text[SIZE];
    pid_t pids[WRITERS];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    for (int w = 0; w < WRITERS; w++) {
        pids[w] = fork();
        assert_true(pids[w] >= 0);
        if (pids[w] > 0)
            continue;
        memset(text, 'a' + w, sizeof text);
        for (int i = 0; i < ROUNDS; i++)
            if (pke_file_publish(path, PKE_BYTES(text, sizeof text), 0600, PKE_PUBLISH_REPLACE) != 0)
                _exit(1);
        _exit(0);
    }
    for (int w = 0; w < WRITERS;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC), status = 0;

        if (fd >= 0) {
            assert_int_equal(read(fd, text, sizeof text), SIZE);
            for (size_t i = 1; i < sizeof text; i++)
                assert_true(text[i] == text[0]);
            close(fd);
        }
        if (waitpid(pids[w], &status, WNOHANG) == pids[w]) {
            assert_int_equal(status, 0);
            w++;
        }
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* no "file.new" in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_refuses_beyond_max),
        cmocka_unit_test(test_cursor_takes_all_or_nothing),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_respects_the_limit),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_oid),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_secret_file_rules),
        cmocka_unit_test(test_secret_fifo_is_no_wait),
        cmocka_unit_test(test_credential_rules),
        cmocka_unit_test(test_fail_escapes_controls),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_publish_together),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
