/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/verbs: the table agrees with itself; words, paths and arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/verbs.h"
#include "ipc/wipealloc.h"

static void test_rows_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++) {
        assert_int_equal(verbs[i].id, i);
        for (size_t k = i + 1; k < VERB__MAX; k++) {
            assert_string_not_equal(verbs[i].token, verbs[k].token);
            assert_string_not_equal(verbs[i].words, verbs[k].words);
            assert_false(!strcmp(verbs[i].path, verbs[k].path) && !strcmp(verbs[i].method, verbs[k].method));
        }
    }
}

/* The token is the words with dashes, what is read is GET, what changes is not and needs more than a viewer.
 */
static void test_rows_follow_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++) {
        const struct verb *v = &verbs[i];
        unsigned role = v->role & ~(unsigned)VERB_ROLE_FRONTEND;
        struct pke_bytes tenant = pke_bytes_str("tenant");
        char token[64];
        snprintf(token, sizeof token, "%s", v->words);
        for (char *p = token; *p; p++)
            if (*p == ' ')
                *p = '-';
        assert_string_equal(v->token, token);
        assert_int_equal(strncmp(v->path, "/v1/", 4), 0);
        assert_true(!strcmp(v->method, "GET") || !strcmp(v->method, "POST") || !strcmp(v->method, "DELETE"));
        if (strcmp(v->method, "GET") != 0)
            assert_true(v->role > VERB_ROLE_VIEWER);
        assert_true(role == VERB_ROLE_VIEWER || role == VERB_ROLE_OFFICER || role == VERB_ROLE_ADMIN ||
                    !role);
        assert_true(v->role != 0);
        /* a frontend is bound to tenants: what it may ask names one */
        if ((v->role & VERB_ROLE_FRONTEND) && v->id != VERB_VERSION && v->id != VERB_OPENAPI)
            assert_true(verb_arg_find(v, VERB_PLACE_QUERY, tenant) ||
                        verb_arg_find(v, VERB_PLACE_BODY, tenant));
        assert_true(v->seconds >= 1 && v->seconds <= 60);
        assert_true(strlen(v->help) > 10 && v->help[strlen(v->help) - 1] != '.');
    }
}

/* A path has a segment in braces exactly when the verb has one path argument, and of its name. */
static void test_arguments_fit_their_verbs(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++) {
        const struct verb *v = &verbs[i];
        unsigned in_path = 0, limit = 0;
        for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));) {
            char want[64];
            snprintf(want, sizeof want, "{%s}", a->name);
            if (a->place == VERB_PLACE_PATH) {
                in_path++;
                assert_true(a->required);
                assert_non_null(strstr(v->path, want));
            }
            assert_false(a->place == VERB_PLACE_BODY && strcmp(v->method, "POST") != 0);
            assert_false(a->type == VERB_ARG_SECRET && a->place != VERB_PLACE_BODY);
            assert_false(a->place == VERB_PLACE_QUERY &&
                         a->required); /* it would be neither word nor option */
            assert_int_equal(verb_arg_is_word(a) + verb_arg_is_option(a), a->type != VERB_ARG_SECRET);
            limit += a->type == VERB_ARG_LIMIT;
            assert_ptr_equal(verb_arg_find(v, a->place, pke_bytes_str(a->name)), a);
        }
        assert_int_equal(in_path, strchr(v->path, '{') ? 1 : 0);
        /* a batch answers what it was asked, part by part */
        assert_int_equal(limit, v->shape == VERB_SHAPE_LIST && strcmp(v->method, "GET") == 0);
    }
}

static enum pke_err match(const char *method, const char *path, enum verb_id *id, char *value)
{
    struct pke_bytes b;
    const struct verb *v;
    enum pke_err err = verb_match(pke_bytes_str(method), pke_bytes_str(path), &v, &b);

    *id = v ? v->id : VERB__MAX;
    snprintf(value, 64, "%.*s", (int)b.n, b.n ? (const char *)b.p : "");
    return err;
}

static void test_paths(void **state)
{
    static const char *const unknown[] = {"",
                                          "/",
                                          "/v1",
                                          "/v1/",
                                          "/v2/status",
                                          "/v1/status/",
                                          "/v1/statu",
                                          "/v1/statuss",
                                          "//v1/status",
                                          "v1/status",
                                          "/v1/issuers/",
                                          "/v1//issuers",
                                          "/v1/issuers/a/b",
                                          "/v1/keys/a/tes",
                                          "/v1/keys//test",
                                          "/V1/status",
                                          "/v1/status%00"};
    enum verb_id id;
    char value[64];

    (void)state;
    for (size_t i = 0; i < PKE_LEN(unknown); i++)
        assert_int_equal(match("GET", unknown[i], &id, value), PKE_NOT_FOUND);
    assert_int_equal(match("GET", "/v1/status", &id, value), PKE_OK);
    assert_int_equal(id, VERB_STATUS);
    assert_string_equal(value, "");
    assert_int_equal(match("GET", "/v1/issuers/lab-ca", &id, value), PKE_OK);
    assert_int_equal(id, VERB_ISSUER_SHOW);
    assert_string_equal(value, "lab-ca");
    assert_int_equal(match("POST", "/v1/keys/k1/test", &id, value), PKE_OK);
    assert_int_equal(id, VERB_KEY_TEST);
    assert_string_equal(value, "k1");
    assert_int_equal(match("GET", "/v1/users", &id, value), PKE_OK);
    assert_int_equal(id, VERB_USER_LIST);
    assert_int_equal(match("POST", "/v1/users", &id, value), PKE_OK);
    assert_int_equal(id, VERB_USER_ADD);
    assert_int_equal(match("DELETE", "/v1/users/a%40b", &id, value), PKE_OK);
    assert_int_equal(id, VERB_USER_REMOVE);
    assert_string_equal(value, "a%40b");
    assert_int_equal(match("PUT", "/v1/status", &id, value), PKE_UNSUPPORTED);
    assert_int_equal(match("get", "/v1/status", &id, value), PKE_UNSUPPORTED);
    assert_int_equal(id, VERB_STATUS);
}

static const struct verb *by_words(const char *line, size_t *used)
{
    char copy[128], *words[8], *save = NULL;
    size_t n = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    return verb_by_words(words, n, used);
}

static void test_words(void **state)
{
    size_t used;

    (void)state;
    assert_int_equal(by_words("issuer show lab", &used)->id, VERB_ISSUER_SHOW);
    assert_int_equal(used, 2);
    assert_null(by_words("issuer", &used));
    assert_int_equal(by_words("status now", &used)->id, VERB_STATUS);
    assert_int_equal(used, 1);
    assert_null(by_words("stat", &used));
    assert_null(by_words("", &used));
    assert_int_equal(verb_by_token("cert-show")->id, VERB_CERT_SHOW);
    assert_null(verb_by_token("cert-shoW"));
}

static enum pke_err check(enum verb_id verb, enum verb_place place, const char *arg, const char *value,
                          size_t n)
{
    struct pke_fail fail;
    const struct verb_arg *a = verb_arg_find(&verbs[verb], place, pke_bytes_str(arg));

    assert_non_null(a);
    return verb_arg_check(a, PKE_BYTES(value, n), &fail);
}

#define CHECK(verb, place, arg, value) check(VERB_##verb, VERB_PLACE_##place, arg, value, sizeof(value) - 1)

static void test_argument_values(void **state)
{
    static char file[VERB_FILE_MAX / 3 * 4 + 4];
    char longest[1026];

    (void)state;
    memset(longest, 'a', sizeof longest);
    memset(file, 'a', sizeof file);
    assert_int_equal(CHECK(ISSUER_SHOW, PATH, "name", "lab-ca_1.x"), PKE_OK);
    assert_int_equal(CHECK(ISSUER_SHOW, PATH, "name", ""), PKE_MALFORMED);
    assert_int_equal(CHECK(ISSUER_SHOW, PATH, "name", "../etc"), PKE_MALFORMED);
    assert_int_equal(CHECK(ISSUER_SHOW, PATH, "name", "a;rm -rf"), PKE_MALFORMED);
    assert_int_equal(CHECK(ISSUER_SHOW, PATH, "name", "a\0b"), PKE_MALFORMED);
    assert_int_equal(check(VERB_ISSUER_SHOW, VERB_PLACE_PATH, "name", longest, 64), PKE_OK);
    assert_int_equal(check(VERB_ISSUER_SHOW, VERB_PLACE_PATH, "name", longest, 65), PKE_MALFORMED);
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "CORP\\j\xc3\xb6rg@corp.example"), PKE_OK);
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "a\nb"), PKE_MALFORMED);
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "a\xc2\x85"), PKE_MALFORMED); /* U+0085, a C1 control */
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "a\xc2\xa0"), PKE_OK);
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "\xff"), PKE_MALFORMED);
    assert_int_equal(CHECK(USER_ADD, BODY, "name", "a\x7f"), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "count", "1"), PKE_OK);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "count", "999999999"), PKE_OK);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "count", "0"), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "count", "-1"), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "count", "1000000000"), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_REVOKE, PATH, "id", "0123456789abcdef"), PKE_OK);
    assert_int_equal(CHECK(TOKEN_REVOKE, PATH, "id", "pket_abcdef"), PKE_MALFORMED); /* it would be logged */
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "lifetime", "90s"), PKE_OK);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "lifetime", "90"), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "lifetime", "1h "), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "lifetime", ""), PKE_MALFORMED);
    assert_int_equal(CHECK(TOKEN_MINT, BODY, "lifetime", "111111111111111111111111111111111h"),
                     PKE_MALFORMED);
    assert_int_equal(check(VERB_USER_ADD, VERB_PLACE_BODY, "name", longest, 256), PKE_OK);
    assert_int_equal(check(VERB_USER_ADD, VERB_PLACE_BODY, "name", longest, 257), PKE_MALFORMED);
    assert_int_equal(check(VERB_USER_ADD, VERB_PLACE_BODY, "password", longest, 1024), PKE_OK);
    assert_int_equal(check(VERB_USER_ADD, VERB_PLACE_BODY, "password", longest, 1025), PKE_MALFORMED);
    assert_int_equal(CHECK(USER_ADD, BODY, "password", ""), PKE_MALFORMED);
    assert_int_equal(CHECK(SIMULATE, BODY, "csr", "MAMCAQA="), PKE_OK);
    assert_int_equal(CHECK(SIMULATE, BODY, "csr", ""), PKE_MALFORMED);
    assert_int_equal(CHECK(SIMULATE, BODY, "csr", "MAMCAQA"), PKE_MALFORMED);
    assert_int_equal(CHECK(SIMULATE, BODY, "csr", "MAMC AQA="), PKE_MALFORMED);
    assert_int_equal(check(VERB_SIMULATE, VERB_PLACE_BODY, "csr", file, sizeof file - 4), PKE_OK);
    assert_int_equal(check(VERB_SIMULATE, VERB_PLACE_BODY, "csr", file, sizeof file), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "1"), PKE_OK);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "500"), PKE_OK);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "501"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "0"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "-1"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "01"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "limit", "1e2"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "state", "issued"), PKE_OK);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "state", "Issued"), PKE_MALFORMED);
    assert_int_equal(CHECK(CERT_LIST, QUERY, "cursor", "a b"), PKE_MALFORMED);
}

static void test_percent_encoding(void **state)
{
    static const char *const bad[] = {"%", "%4", "%4g", "a%", "%00", "%-1"};
    struct pke_buf b;

    (void)state;
    pke_buf_init(&b, 64);
    assert_int_equal(verb_pct_encode(pke_bytes_str("a b/\\+~\xc3\xb6"), &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "a%20b%2F%5C%2B~%C3%B6");
    pke_buf_clear(&b);
    assert_int_equal(verb_pct_decode(pke_bytes_str("a%20b%2f+%C3%b6"), &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "a b/+\xc3\xb6");
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        pke_buf_clear(&b);
        assert_int_equal(verb_pct_decode(pke_bytes_str(bad[i]), &b), PKE_MALFORMED);
    }
    pke_buf_clear(&b);
    assert_int_equal(verb_path_write(&verbs[VERB_KEY_TEST], "k/1", &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), "/v1/keys/k%2F1/test");
    pke_buf_done(&b);
}

/* What pkienrollctl writes, the daemon finds again: for every verb. */
static void test_path_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++) {
        struct pke_buf b, value;
        const struct verb *v;
        struct pke_bytes raw;
        pke_buf_init(&b, 256);
        pke_buf_init(&value, 256);
        assert_int_equal(verb_path_write(&verbs[i], "x/y?z#%&", &b), PKE_OK);
        assert_int_equal(verb_match(pke_bytes_str(verbs[i].method), pke_buf_bytes(&b), &v, &raw), PKE_OK);
        assert_ptr_equal(v, &verbs[i]);
        assert_int_equal(verb_pct_decode(raw, &value), PKE_OK);
        assert_string_equal(pke_buf_cstr(&value), strchr(v->path, '{') ? "x/y?z#%&" : "");
        pke_buf_done(&b);
        pke_buf_done(&value);
    }
}

static void test_roles(void **state)
{
    (void)state;
    assert_int_equal(verb_role_expand(VERB_ROLE_ADMIN),
                     VERB_ROLE_ADMIN | VERB_ROLE_OFFICER | VERB_ROLE_VIEWER);
    assert_int_equal(verb_role_expand(VERB_ROLE_OFFICER), VERB_ROLE_OFFICER | VERB_ROLE_VIEWER);
    assert_int_equal(verb_role_expand(VERB_ROLE_VIEWER), VERB_ROLE_VIEWER);
    assert_int_equal(verb_role_expand(VERB_ROLE_FRONTEND), VERB_ROLE_FRONTEND);
    assert_int_equal(verb_role_expand(VERB_ROLE_NONE), VERB_ROLE_NONE);
    assert_string_equal(verb_role_name(VERB_ROLE_OFFICER | VERB_ROLE_VIEWER), "officer");
    assert_string_equal(verb_role_name(VERB_ROLE_NONE), "none");
}

static void test_wiping_allocator(void **state)
{
    char *p;

    (void)state;
    wipe_free(NULL);
    p = wipe_malloc(0);
    assert_non_null(p);
    wipe_free(p);
    p = wipe_malloc(1000);
    assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    memset(p, 'x', 1000);
    wipe_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_unique),
        cmocka_unit_test(test_rows_follow_the_rules),
        cmocka_unit_test(test_arguments_fit_their_verbs),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_argument_values),
        cmocka_unit_test(test_percent_encoding),
        cmocka_unit_test(test_path_round_trip),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_wiping_allocator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
