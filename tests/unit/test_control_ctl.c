/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/: hostile strings on a terminal, tables, the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/help.h"
#include "ctl/options.h"
#include "ctl/show.h"
#include "ctl/text.h"

static void escaped_is(struct pke_bytes in, const char *want)
{
    struct pke_buf b;

    pke_buf_init(&b, 4096);
    text_escape(in, &b);
    assert_string_equal(pke_buf_cstr(&b), want);
    pke_buf_done(&b);
}

static void test_escape(void **state)
{
    (void)state;
    escaped_is(pke_bytes_str("plain J\xc3\xb6rg \xe6\x97\xa5"), "plain J\xc3\xb6rg \xe6\x97\xa5");
    escaped_is(pke_bytes_str("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    escaped_is(pke_bytes_str("\033[2J\033]0;x\a"), "\\x1b[2J\\x1b]0;x\\x07");
    escaped_is(PKE_BYTES("a\0b", 3), "a\\x00b");
    escaped_is(pke_bytes_str("\x7f"), "\\x7f");
    escaped_is(pke_bytes_str("\xc2\x9b"
                             "31m"),
               "\\x9b31m"); /* C1 CSI */
    escaped_is(pke_bytes_str("user\xe2\x80\xae"
                             "nimda"),
               "user\\u{202e}nimda");
    escaped_is(pke_bytes_str("\xe2\x81\xa6x\xe2\x81\xa9"), "\\u{2066}x\\u{2069}");
    escaped_is(pke_bytes_str("a\xe2\x80\x8b"
                             "b\xef\xbb\xbf"),
               "a\\u{200b}b\\u{feff}");
    escaped_is(pke_bytes_str("\xe2\x80\xa8"), "\\u{2028}");
    escaped_is(pke_bytes_str("\xf3\xa0\x81\x81"), "\\u{e0041}"); /* tag character */
    escaped_is(pke_bytes_str("\xff\xfe"), "\\xff\\xfe");
    escaped_is(pke_bytes_str("\xc3"), "\\xc3");
    escaped_is(pke_bytes_str("\xc0\xaf"), "\\xc0\\xaf");          /* overlong */
    escaped_is(pke_bytes_str("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    escaped_is(pke_bytes_str("\x80"
                             "a"),
               "\\x80"
               "a");
}

static char *table_text(const struct text_table *t, bool bold)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    text_table_print(t, bold, f);
    fclose(f);
    return text;
}

static void test_table_is_aligned_and_escaped(void **state)
{
    struct text_table t;
    char *text;

    (void)state;
    text_table_init(&t, 3);
    for (size_t i = 0; i < 3; i++)
        text_table_add(&t, (const char *[]){"A", "LONG HEADER", "C"}[i]);
    text_table_add(&t, "x\033[31m\n");
    text_table_add(&t, NULL);
    text_table_add(&t, "end");
    text_table_add(&t, "J\xc3\xb6");
    text_table_add(&t, "");
    text_table_add(&t, "y");
    text = table_text(&t, false);
    assert_string_equal(text, "A            LONG HEADER  C\n"
                              "x\\x1b[31m\\n  -            end\n"
                              "J\xc3\xb6           -            y\n");
    free(text);
    text = table_text(&t, true);
    assert_int_equal(strncmp(text, "\033[1mA ", 6), 0);
    assert_non_null(strstr(text, "C\033[0m\n"));
    free(text);
    text_table_done(&t);
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("J\xc3\xb6rg"), 4);
    assert_int_equal(text_width("\xe6\x97\xa5"), 2);
}

static char *shown(void (*print)(const json_t *, FILE *), const char *json)
{
    json_t *j = json_loads(json, 0, NULL);
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    assert_non_null(j);
    print(j, f);
    fclose(f);
    json_decref(j);
    return text;
}

static void requests_out(const json_t *j, FILE *f)
{
    show_list(&verbs[VERB_REQUEST_LIST], j, false, f);
}

static void object_out(const json_t *j, FILE *f)
{
    show_object(j, false, f);
}

static void error_out(const json_t *j, FILE *f)
{
    show_error(j, 404, f);
}

/* A device may call itself what it likes: one row stays one row, and no byte reaches the terminal's parser.
 */
static void test_hostile_listing(void **state)
{
    char *text = shown(requests_out,
                       "[{\"received_at\":\"2026-03-01T12:00:00.000Z\",\"state\":\"refused\","
                       "\"principal\":\"eve\\u001b[1A\\u202eadmin\\n2026 issued root\",\"device_id\":null,"
                       "\"template\":\"t\",\"request_id\":\"r1\",\"error\":{\"reason\":\"csr-weak\"}}]");

    unsigned lines = 0;

    (void)state;
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_non_null(strstr(text, "eve\\x1b[1A\\u{202e}admin\\n2026 issued root"));
    assert_non_null(strstr(text, "  csr-weak\n"));
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 2);
    free(text);
}

static void test_object_block(void **state)
{
    char *text = shown(object_out, "{\"name\":\"lab\\u0007\",\"not_after\":null,\"enabled\":true,\"n\":3,"
                                   "\"ekus\":[\"1.2\",\"1.3\"],\"urls\":{\"a\":\"https://x\"},"
                                   "\"roles\":[{\"role\":\"net\",\"pid\":7},{\"role\":\"auth\",\"pid\":12}],"
                                   "\"pem\":\"-----BEGIN X-----\\nAA\\u001b\\n\"}");

    (void)state;
    assert_string_equal(text, "Name       lab\\x07\n"
                              "Not after  -\n"
                              "Enabled    yes\n"
                              "N          3\n"
                              "Ekus       1.2, 1.3\n"
                              "Urls\n"
                              "  a  https://x\n"
                              "Roles\n"
                              "   ROLE  PID\n"
                              "   net   7\n"
                              "   auth  12\n"
                              "Pem\n"
                              "  -----BEGIN X-----\n"
                              "  AA\\x1b\n");
    free(text);
}

static void test_error_text(void **state)
{
    char *text =
        shown(error_out, "{\"error\":{\"code\":\"not-found\",\"reason\":\"control-template\",\"rule\":"
                         "\"control API: templates\",\"text\":\"no\\u001b such\",\"trace_id\":\"t1\"}}");

    (void)state;
    assert_string_equal(text, "pkienrollctl: no\\x1b such\n  error: not-found (control-template)\n"
                              "  rule:  control API: templates\n  trace: t1\n");
    free(text);
}

static enum pke_err parse(struct pke_arena *arena, struct ctl_options *o, const char *line)
{
    PKE_CLEANUP(pke_free_p) char *copy = pke_strdup(line);
    char *argv[32], *save = NULL;
    struct pke_fail fail;
    int argc = 0;

    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = pke_arena_strdup(arena, w);
    argv[argc] = NULL;
    return ctl_options_parse(argc, memcpy(pke_arena_alloc(arena, sizeof argv), argv, sizeof argv), NULL,
                             arena, o, &fail);
}

static void test_command_line(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    struct ctl_options o;
    struct pke_buf b;

    (void)state;
    assert_int_equal(parse(arena, &o, "ctl --json cert list --limit 5 --device D/1 --wait 3s"), PKE_OK);
    assert_int_equal(o.verb->id, VERB_CERT_LIST);
    assert_int_equal(o.format, CTL_JSON);
    assert_int_equal(o.wait_ms, 3000);
    assert_string_equal(o.socket, CTL_DEFAULT_SOCKET);
    pke_buf_init(&b, 256);
    assert_int_equal(ctl_options_target(&o, NULL, &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "/v1/certificates?limit=5&device=D%2F1");
    pke_buf_clear(&b);
    assert_int_equal(ctl_options_target(&o, "n=2", &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "/v1/certificates?limit=5&device=D%2F1&cursor=n%3D2");
    pke_buf_clear(&b);
    assert_int_equal(parse(arena, &o, "ctl user remove a@b --socket /x"), PKE_OK);
    assert_string_equal(o.socket, "/x");
    assert_int_equal(ctl_options_target(&o, NULL, &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "/v1/users/a%40b");
    pke_buf_done(&b);
    pke_arena_free(arena);
}

static void test_usage_errors(void **state)
{
    static const char *const bad[] = {
        "ctl",
        "ctl issuer",
        "ctl nothing",
        "ctl issuer show",
        "ctl issuer show a b",
        "ctl issuer show ../x",
        "ctl status --limit 3",
        "ctl cert list --limit 0",
        "ctl cert list --limit 1 --limit 2",
        "ctl status --all",
        "ctl status --pem",
        "ctl user list --password-file x",
        "ctl user add u secret",
        "ctl user add u --password secret-on-the-command-line extra",
        "ctl status --timeout 5",
        "ctl status --timeout 0s",
        "ctl status --color sometimes",
        "ctl status --nosuch",
        "ctl status --socket",
    };
    struct pke_arena *arena = pke_arena_new();
    struct ctl_options o;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        if (parse(arena, &o, bad[i]) == PKE_OK)
            fail_msg("accepted: %s", bad[i]);
    pke_arena_free(arena);
}

static void test_missing_argument_is_named(void **state)
{
    struct pke_arena *arena = pke_arena_new();
    char line[] = "ctl\0issuer\0schedule\0lab";
    char *words[] = {line, line + 4, line + 11, line + 20, NULL};
    struct ctl_options o;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(ctl_options_parse(4, words, NULL, arena, &o, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "<to> is missing: issuer that takes over"));
    pke_arena_free(arena);
}

static void lines_fit(const char *text)
{
    for (size_t n; *text; text += n + (text[n] == '\n'))
        if ((n = strcspn(text, "\n")) > 80)
            fail_msg("%zu columns: %.*s", n, (int)n, text);
}

/* What is printed is narrow and has upper-case titles; what is left out is in the JSON only. */
static void test_nested_tables_fit(void **state)
{
    json_t *j = json_pack("{s:[{s:s, s:s, s:s, s:s, s:s, s:s}], s:[{s:s, s:n, s:b, s:s, s:s}]}", "items",
                          "result", "revoked", "serial", "00112233445566778899aabbccddeeff", "subject",
                          "CN=somebody with a long name", "device_id", "00112233445566778899aabbccddeeff",
                          "not_after", "2027-01-01T00:00:00Z", "sha256",
                          "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "extensions",
                          "oid", "1.2.3.4", "name", "critical", 1, "text", "abc", "value",
                          "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0011223344556677");
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    (void)state;
    show_object(j, false, f);
    fclose(f);
    lines_fit(text);
    assert_non_null(strstr(text, "RESULT"));
    assert_non_null(strstr(text, "DEVICE ID"));
    assert_non_null(strstr(text, "1.2.3.4")); /* in place of the name that it has not */
    assert_null(strstr(text, "eeff0011"));
    assert_null(strstr(text, "SHA256"));
    free(text);
    json_decref(j);
}

/* Lines that were broken, as one. */
static void unwrap(char *s)
{
    const char *first = s;
    char *to = s;

    for (; *s; s++)
        if (!isspace((unsigned char)*s) || (to > first && to[-1] != ' '))
            *to++ = isspace((unsigned char)*s) ? ' ' : *s;
    *to = 0;
}

/* Every command is in the help, and every command's own help names all its arguments. */
static void test_help_is_complete(void **state)
{
    char none[] = "nothing", *nothing = none, *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    (void)state;
    assert_true(help_print(NULL, 0, f));
    fclose(f);
    lines_fit(text);
    for (size_t i = 0; i < VERB__MAX; i++) {
        char row[64], *own = NULL;
        char *words[4], copy[64], *save = NULL;
        size_t k = 0;
        snprintf(row, sizeof row, "\n  %s", verbs[i].words);
        assert_non_null(strstr(text, row));
        snprintf(copy, sizeof copy, "%s", verbs[i].words);
        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
            words[k++] = w;
        f = open_memstream(&own, &n);
        assert_true(help_print(words, k, f));
        fclose(f);
        lines_fit(own);
        unwrap(own);
        for (const struct verb_arg *a = NULL; (a = verb_arg_next(&verbs[i], a));)
            assert_non_null(strstr(own, a->help));
        free(own);
    }
    free(text);
    f = fopen("/dev/null", "w");
    assert_false(help_print(&nothing, 1, f));
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_table_is_aligned_and_escaped),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_hostile_listing),
        cmocka_unit_test(test_object_block),
        cmocka_unit_test(test_error_text),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_missing_argument_is_named),
        cmocka_unit_test(test_nested_tables_fit),
        cmocka_unit_test(test_help_is_complete),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
