/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/control/context_view.h: what people see of the ContextItems of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/control/context_view.h"
#include "daemon/control/json.h"

static struct pke_arena *arena;

static int setup(void **state)
{
    (void)state;
    control_json_setup();
    arena = pke_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* One item and what is to be seen of it; type NULL: unknown. */
static void shows(const char *name, const char *value, const char *type, bool fits, const char *shown)
{
    struct pke_pairs items = {0};
    json_t *list, *o;

    pke_pairs_add(&items, arena, name, value);
    list = context_view(&items);
    o = json_array_get(list, 0);
    if (type) {
        assert_string_equal(text_of(o, "type"), type);
        assert_int_equal(json_is_true(json_object_get(o, "fits")), fits);
    } else {
        assert_true(json_is_null(json_object_get(o, "type")));
        assert_true(json_is_null(json_object_get(o, "fits")));
    }
    assert_int_equal(json_is_true(json_object_get(o, "digest")), strstr(shown, ", SHA-256 ") != NULL);
    assert_string_equal(text_of(o, "value"), shown);
    json_decref(list);
}

static void test_types_and_marks(void **state)
{
    (void)state;
    shows("OSVersion", "10.0.22631.3880", "version", true, "10.0.22631.3880");
    shows("OSVersion", "eleven", "version", false, "eleven");
    shows("BulkAADJ", "True", "bool", true, "True");
    shows("BulkAADJ", "1", "bool", false, "1");
    shows("MAC", "", "mac", true, "");
    shows("Invented", "a", NULL, false, "a");
    shows("DeviceName", "PC \xc3\xa9", "text", true, "PC \xc3\xa9");
}

/* FIPS 180-4 "abc": ba7816bf 8f01cfea ... */
static void test_guarded_and_long_values(void **state)
{
    char *just = pke_arena_alloc(arena, 257), *over = pke_arena_alloc(arena, 258);
    struct pke_pairs items = {0};
    json_t *list;

    (void)state;
    shows("EnrollmentData", "abc", "text", true, "3 bytes, SHA-256 ba7816bf8f01cfea");
    shows("enrollmentdata", "abc", "text", true, "3 bytes, SHA-256 ba7816bf8f01cfea");
    shows("EnrollmentData", "", "text", true, "");
    shows("AIKPub", "abc", "base64", false, "3 bytes, SHA-256 ba7816bf8f01cfea");
    memcpy(just, "sha256:", 7); /* what issuer left of an attestation item is one already */
    memset(just + 7, 'a', 64);
    pke_pairs_add(&items, arena, "AIKPub", just);
    list = context_view(&items);
    assert_string_equal(text_of(json_array_get(list, 0), "value"), just);
    assert_true(json_is_true(json_object_get(json_array_get(list, 0), "digest")));
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "fits")));
    json_decref(list);
    items.n = 0;
    memset(just, 'a', 256);
    memset(over, 'a', 257);
    shows("Invented", just, NULL, false, just);
    pke_pairs_add(&items, arena, "Invented", over);
    list = context_view(&items);
    assert_int_equal(strncmp(text_of(json_array_get(list, 0), "value"), "257 bytes, SHA-256 ", 19), 0);
    json_decref(list);
}

/* The record has the hash of attestation evidence; only that of the right form, under the right name. */
static void test_recorded_hashes(void **state)
{
    static const char hash[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct pke_pairs items = {0};
    json_t *list, *o;

    (void)state;
    pke_pairs_add(&items, arena, "AIKPub", hash);
    pke_pairs_add(&items, arena, "EnrollmentData", hash);
    list = context_view(&items);
    o = json_array_get(list, 0);
    assert_string_equal(text_of(o, "value"), hash);
    assert_true(json_is_null(json_object_get(o, "fits")));
    assert_true(json_is_true(json_object_get(o, "digest")));
    assert_int_equal(strncmp(text_of(json_array_get(list, 1), "value"), "71 bytes, SHA-256 ", 18), 0);
    json_decref(list);
}

static void test_control_characters_are_left_out(void **state)
{
    (void)state;
    shows("DeviceName", "a\tb\r\nc\x7f\xc2\x85\xc2\x9f\xc2\xa0z", "text", true, "abc\xc2\xa0z");
    shows("In\nvented", "\x1b[2J", NULL, false, "[2J");
    shows("DeviceName", "cut \xc2", "text", true, "cut ?");
}

static void test_order_and_repetition(void **state)
{
    struct pke_pairs items = {0};
    json_t *list;

    (void)state;
    pke_pairs_add(&items, arena, "MAC", "A2-19-7D-41-B3-9C");
    pke_pairs_add(&items, arena, "Locale", "en-US");
    pke_pairs_add(&items, arena, "MAC", "FF:FF:FF:00:00:01");
    list = context_view(&items);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(text_of(json_array_get(list, 2), "value"), "FF:FF:FF:00:00:01");
    json_decref(list);
    items.n = 0;
    list = context_view(&items);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types_and_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guarded_and_long_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recorded_hashes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_characters_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_and_repetition, setup, teardown),
    };

    return cmocka_run_group_tests_name("control context", tests, NULL, NULL);
}
