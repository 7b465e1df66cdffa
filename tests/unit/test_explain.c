/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a decision as text: valid JSON within its bound, whatever a CSR put into the values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/issuer/explain.h"
#include "ipc/wipealloc.h"

static struct pke_trail trail_new(void)
{
    return (struct pke_trail){.arena = pke_arena_new()};
}

static json_t *parse(const char *text)
{
    json_t *j;

    for (const char *c = text; *c; c++)
        assert_true(*c >= 0x20); /* ASCII: no octet above 0x7f */
    j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_array(j));
    return j;
}

static const char *member(const json_t *steps, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(steps, i), name));
}

static void test_members(void **state)
{
    struct pke_trail t = trail_new();
    json_t *j;

    (void)state;
    pke_trail_add(&t, "subject CN", PKE_TRAIL_TAKEN, "template: subject-full", "ada", "credential upn");
    pke_trail_add(&t, "key screening", PKE_TRAIL_PASSED, NULL, NULL, NULL);
    j = parse(explain_text(&t, EXPLAIN_MAX, t.arena));
    assert_int_equal(json_array_size(j), 2);
    assert_string_equal(member(j, 0, "step"), "subject CN");
    assert_string_equal(member(j, 0, "outcome"), "taken");
    assert_string_equal(member(j, 0, "rule"), "template: subject-full");
    assert_string_equal(member(j, 0, "value"), "ada");
    assert_string_equal(member(j, 0, "source"), "credential upn");
    assert_int_equal(json_object_size(json_array_get(j, 1)), 2);
    json_decref(j);
    pke_arena_free(t.arena);
}

static void test_empty(void **state)
{
    struct pke_trail t = trail_new();

    (void)state;
    assert_string_equal(explain_text(&t, EXPLAIN_MAX, t.arena), "[]");
    assert_null(explain_dropped(&t, t.arena));
    pke_arena_free(t.arena);
}

/* Each comes back as it was, or as '?' where it is no UTF-8; none ends the string or the line. */
static void test_hostile_values(void **state)
{
    static const struct {
        const char *in, *out;
    } v[] = {{"a\"b\\c", "a\"b\\c"},
             {"\"},{\"step\":\"forged\",\"outcome\":\"passed\"",
              "\"},{\"step\":\"forged\",\"outcome\":\"passed\""},
             {"line\r\nbreak\t\x01\x1b[31m\x7f", "line\r\nbreak\t\x01\x1b[31m\x7f"},
             {"\xe2\x80\xae"
              "evil\xe2\x81\xa6",
              "\xe2\x80\xae"
              "evil\xe2\x81\xa6"},                             /* U+202E, U+2066 */
             {"\xe2\x80\xa8\xc2\x85", "\xe2\x80\xa8\xc2\x85"}, /* line separator, NEL */
             {"\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
             {"bad\xff\xc3(", "bad?\?("},
             {"\xed\xa0\x80", "?\?\?"}}; /* a surrogate */

    (void)state;
    for (size_t i = 0; i < PKE_LEN(v); i++) {
        struct pke_trail t = trail_new();
        json_t *j;

        pke_trail_add(&t, v[i].in, PKE_TRAIL_DROPPED, v[i].in, v[i].in, "csr");
        j = parse(explain_text(&t, EXPLAIN_MAX, t.arena));
        assert_int_equal(json_array_size(j), 1);
        assert_string_equal(member(j, 0, "step"), v[i].out);
        assert_string_equal(member(j, 0, "rule"), v[i].out);
        assert_string_equal(member(j, 0, "value"), v[i].out);
        json_decref(j);
        pke_arena_free(t.arena);
    }
}

/* A long value is cut between characters. */
static void test_long_value(void **state)
{
    struct pke_trail t = trail_new();
    char value[4 * EXPLAIN_TEXT_MAX + 1];
    const char *got;
    json_t *j;

    (void)state;
    for (size_t i = 0; i < EXPLAIN_TEXT_MAX; i++)
        memcpy(value + 4 * i, "\xf0\x9f\x94\x91", 5);
    pke_trail_add(&t, "asked name dns", PKE_TRAIL_NOTED, NULL, value, "csr");
    j = parse(explain_text(&t, EXPLAIN_MAX, t.arena));
    got = member(j, 0, "value");
    assert_true(strlen(got) <= EXPLAIN_TEXT_MAX && strlen(got) > EXPLAIN_TEXT_MAX - 8);
    assert_string_equal(got + strlen(got) - 3, "...");
    assert_memory_equal(got + strlen(got) - 7, "\xf0\x9f\x94\x91", 4);
    json_decref(j);
    pke_arena_free(t.arena);
}

/* Never longer than it may be; the last step is there, and one before it counts what is not. */
static void test_bound(void **state)
{
    (void)state;
    for (size_t n = 1; n < 2 * PKE_TRAIL_MAX; n += 37) {
        struct pke_trail t = trail_new();
        const char *text;
        char value[500];
        size_t count, kept;
        json_t *j;

        memset(value, '\x02', sizeof value - 1); /* six octets each */
        value[sizeof value - 1] = '\0';
        for (size_t i = 0; i + 1 < n; i++)
            pke_trail_add(&t, "asked name", PKE_TRAIL_NOTED, "rule", value, "csr");
        if (t.n == PKE_TRAIL_MAX) { /* as explain_refused() */
            t.n--;
            t.lost++;
        }
        pke_trail_add(&t, "csr-asks-sid", PKE_TRAIL_REFUSED, "KB5014754", "no", NULL);
        text = explain_text(&t, 16384, t.arena);
        assert_true(strlen(text) <= 16384);
        j = parse(text);
        kept = json_array_size(j);
        assert_string_equal(member(j, kept - 1, "step"), "csr-asks-sid");
        assert_string_equal(member(j, kept - 1, "outcome"), "refused");
        if (kept < n) {
            assert_string_equal(member(j, kept - 2, "step"), "steps left out");
            count = strtoul(member(j, kept - 2, "value"), NULL, 10);
            assert_int_equal(count + kept - 1, n);
        }
        json_decref(j);
        pke_arena_free(t.arena);
    }
}

static void test_dropped(void **state)
{
    struct pke_trail t = trail_new();
    const char *line;

    (void)state;
    pke_trail_add(&t, "subject CN", PKE_TRAIL_DROPPED, "the subject is the template's", "ada", "csr");
    pke_trail_add(&t, "key", PKE_TRAIL_NOTED, NULL, "RSA 2048", "csr");
    pke_trail_add(&t, "san upn", PKE_TRAIL_DROPPED, "template: san", "eve@corp.example", "csr");
    assert_string_equal(explain_dropped(&t, t.arena), "subject CN ada, san upn eve@corp.example");
    for (int i = 0; i < 100; i++)
        pke_trail_add(&t, "extension", PKE_TRAIL_DROPPED, NULL, "1.3.6.1.4.1.311.66.1.0", "csr");
    line = explain_dropped(&t, t.arena);
    assert_true(strlen(line) < 264);
    assert_non_null(strstr(line, " more"));
    pke_arena_free(t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_hostile_values), cmocka_unit_test(test_long_value),
        cmocka_unit_test(test_bound),          cmocka_unit_test(test_dropped)};

    json_set_alloc_funcs(wipe_malloc, wipe_free); /* as the role */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
