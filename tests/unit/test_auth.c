/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth: verifying credentials, the same work for every answer, the cache, the user verbs, the role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <crypt.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth/backoff.h"
#include "daemon/auth/core.h"
#include "daemon/auth/password.h"
#include "daemon/common/assertion.h"
#include "daemon/common/log.h"

char *__real_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size);

static unsigned hashes;

char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    hashes += strncmp(setting, PASSWORD_SETTING, sizeof PASSWORD_SETTING - 1) == 0; /* of the one cost */
    return __real_crypt_rn(phrase, setting, data, size);
}

static const uint8_t key_bytes[ASSERTION_KEY_SIZE] = {7, 7};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};
static const uint8_t hash32[32] = {1, 2, 3};

static char dir[32];
static struct conf *conf;
static struct auth_core *core;
static struct pke_arena *arena;
static struct pke_fail fail;
static struct pke_buf out;
static const char *principal;

static struct conf *make_conf(void)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_asprintf("%s/tests/data/conf/good.yaml", top ? top : "."), *text = pke_calloc(1, 65536),
         *at;
    char *name = pke_asprintf("%s/c.yaml", dir), *all;
    struct conf_errors errors = {0};
    struct conf *c = NULL;
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    at = strstr(text, "state-directory: /var/lib/pkienrolld");
    assert_non_null(at);
    *at = '\0';
    all = pke_asprintf("%sstate-directory: .\n%s", text, strchr(at + 1, '\n'));
    if (conf_parse(name, pke_bytes_str(all), &c, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    free(all);
    free(name);
    free(text);
    free(path);
    return c;
}

static int begin(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/pke-auth-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    log_level(-1);
    conf = make_conf();
    arena = pke_arena_new();
    pke_buf_init(&out, 65536);
    assert_int_equal(auth_core_new(conf, key, true, &core, &fail), PKE_OK);
    return 0;
}

static int end(void **state)
{
    char *cmd = pke_asprintf("rm -rf '%s'", dir);

    (void)state;
    auth_core_free(core);
    conf_unref(conf);
    pke_arena_free(arena);
    pke_buf_done(&out);
    if (system(cmd) != 0)
        return -1;
    free(cmd);
    return 0;
}

static enum pke_err verb(const char *name, const char *const args[], const char *password)
{
    struct msg_verb m = {.verb = name, .actor = "test", .secret = pke_bytes_str(password)};

    for (; args && args[0]; args += 2)
        pke_pairs_add(&m.args, arena, args[0], args[1]);
    pke_buf_clear(&out);
    return auth_core_verb(core, &m, &out, &fail);
}

static enum pke_err add(const char *name, const char *password)
{
    const char *args[] = {"name", name, NULL, NULL};

    return verb("user-add", args, password);
}

static struct msg_auth request(const char *user, const char *password)
{
    return (struct msg_auth){.tenant = "default",
                             .endpoint = "enroll",
                             .stage = "enroll",
                             .kind = "username",
                             .username = user,
                             .password = pke_bytes_str(password),
                             .source = "192.0.2.1",
                             .request_hash = {hash32, sizeof hash32},
                             .deadline = UINT64_MAX};
}

static enum pke_err ask(const struct msg_auth *m, uint64_t now)
{
    pke_buf_clear(&out);
    principal = NULL;
    struct auth_now at = {now, 0};
    struct auth_identity who = {0};
    enum pke_err err = auth_core_verify(core, m, &at, arena, &out, &who, &fail);

    principal = who.principal;
    return err;
}

static enum pke_err ask_user(const char *user, const char *password, uint64_t now)
{
    struct msg_auth m = request(user, password);

    return ask(&m, now);
}

static void test_right_password(void **state)
{
    const char *args[] = {"name", "Alice@corp.example", "attribute", "upn=alice@corp.example", NULL, NULL};
    struct assertion a;

    (void)state;
    assert_int_equal(verb("user-add", args, "correct horse"), PKE_OK);
    assert_int_equal(ask_user("alice@CORP.example", "correct horse", 1000), PKE_OK);
    assert_string_equal(principal, "Alice@corp.example");
    assert_int_equal(assertion_read(pke_buf_bytes(&out), key, 1000, arena, &a, &fail), PKE_OK);
    assert_string_equal(a.principal, "Alice@corp.example");
    assert_string_equal(a.tenant, "default");
    assert_string_equal(a.kind, "username");
    assert_string_equal(a.stage, "enroll");
    assert_string_equal(a.endpoint, "enroll");
    assert_string_equal(pke_pairs_get(&a.attributes, "upn"), "alice@corp.example");
    assert_true(pke_bytes_eq(a.request_hash, PKE_BYTES(hash32, 32)));
    assert_int_equal(a.expires, 1000 + ASSERTION_LIFETIME_MS);
}

/* One hash and one text, whatever was wrong. */
static void test_wrong_is_uniform(void **state)
{
    static char long_name[5000], long_password[PASSWORD_MAX + 2];
    struct {
        const char *user;
        struct pke_bytes password;
    } cases[] = {{"alice", pke_bytes_str("wrong")},    {"nobody", pke_bytes_str("secret")},
                 {"alice", pke_bytes_str("")},         {"alice", PKE_BYTES(NULL, 0)},
                 {"alice", PKE_BYTES("secret\0x", 8)}, {"alice", pke_bytes_str("secret\n")},
                 {"alice", pke_bytes_str("\xff\xfe")}, {"alice", pke_bytes_str(long_password)},
                 {"", pke_bytes_str("secret")},        {"alice:x", pke_bytes_str("secret")},
                 {long_name, pke_bytes_str("secret")}};

    (void)state;
    memset(long_name, 'a', sizeof long_name - 1);
    memset(long_password, 'p', sizeof long_password - 1);
    cases[7].password = pke_bytes_str(long_password);
    assert_int_equal(add("alice", "secret"), PKE_OK);
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        struct msg_auth m = request(cases[i].user, "");
        m.password = cases[i].password;
        hashes = 0;
        /* far apart in time, so that no back-off is involved */
        assert_int_equal(ask(&m, (i + 1) * 10 * BACKOFF_FORGET_MS), PKE_UNAUTHENTICATED);
        assert_int_equal(hashes, 1);
        assert_string_equal(fail.text, "the user name or password is wrong");
        assert_string_equal(fail.reason, "credential");
        assert_null(principal);
        assert_int_equal(out.n, 0);
    }
    assert_int_equal(ask_user("alice", "secret", 1), PKE_OK);
}

static void test_text_passwords(void **state)
{
    char longest[PASSWORD_MAX + 1];

    (void)state;
    memset(longest, 'x', PASSWORD_MAX);
    longest[PASSWORD_MAX] = '\0';
    assert_int_equal(add("zo\xc3\xab", "p\xc3\xa4ss \xe2\x82\xac"), PKE_OK);
    assert_int_equal(add("long", longest), PKE_OK);
    assert_int_equal(ask_user("zo\xc3\xab", "p\xc3\xa4ss \xe2\x82\xac", 1), PKE_OK);
    assert_int_equal(ask_user("long", longest, 1), PKE_OK);
    longest[PASSWORD_MAX - 1] = 'y'; /* the last byte counts */
    assert_int_equal(ask_user("long", longest, 1), PKE_UNAUTHENTICATED);
}

static void test_request_is_checked(void **state)
{
    struct msg_auth m;

    (void)state;
    assert_int_equal(add("alice", "secret"), PKE_OK);
    hashes = 0;
    m = request("alice", "secret");
    m.deadline = 1000;
    assert_int_equal(ask(&m, 1000), PKE_DEADLINE);
    m = request("alice", "secret");
    m.kind = "certificate"; /* not a kind that an endpoint could name */
    assert_int_equal(ask(&m, 1000), PKE_DENIED);
    m = request("alice", "secret");
    m.endpoint = "other";
    assert_int_equal(ask(&m, 1000), PKE_STALE);
    m = request("alice", "secret");
    m.stage = "policy";
    assert_int_equal(ask(&m, 1000), PKE_DENIED);
    m = request("alice", "secret");
    m.tenant = "other";
    assert_int_equal(ask(&m, 1000), PKE_DENIED);
    m = request("alice", "secret");
    m.request_hash = PKE_BYTES(NULL, 0);
    assert_int_equal(ask(&m, 1000), PKE_MALFORMED);
    assert_int_equal(hashes, 0);
    m = request("alice", "secret");
    m.endpoint = m.stage = "policy";
    assert_int_equal(ask(&m, 1000), PKE_MALFORMED);
    m.request_hash = PKE_BYTES(NULL, 0);
    assert_int_equal(ask(&m, 1000), PKE_OK);
}

static void test_back_off(void **state)
{
    (void)state;
    assert_int_equal(add("alice", "secret"), PKE_OK);
    assert_int_equal(add("bob", "secret"), PKE_OK);
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_OK); /* remembered, which must not show below */
    for (int i = 0; i < BACKOFF_USER_LIMIT; i++)
        assert_int_equal(ask_user("alice", "wrong", 1000), PKE_UNAUTHENTICATED);
    hashes = 0;
    assert_int_equal(ask_user("alice", "secret", 1999), PKE_UNAUTHENTICATED); /* right, but blocked */
    assert_int_equal(hashes, 1);
    assert_string_equal(fail.text, "the user name or password is wrong");
    assert_int_equal(ask_user("bob", "secret", 1999), PKE_OK);
    assert_int_equal(ask_user("alice", "secret", 2000), PKE_OK);
    assert_int_equal(ask_user("alice", "wrong", 2000), PKE_UNAUTHENTICATED); /* forgiven: counts from one */
    assert_int_equal(ask_user("alice", "secret", 2000), PKE_OK);
}

static void test_back_off_of_sources(void **state)
{
    struct msg_auth m;
    char name[16];

    (void)state;
    assert_int_equal(add("bob", "secret"), PKE_OK);
    for (int i = 0; i < BACKOFF_SOURCE_LIMIT; i++) { /* one client, all of its /64 */
        char source[32];
        snprintf(name, sizeof name, "u%d", i);
        snprintf(source, sizeof source, "2001:db8::%x", i + 1);
        m = request(name, "wrong");
        m.source = source;
        assert_int_equal(ask(&m, 1000), PKE_UNAUTHENTICATED);
    }
    m = request("bob", "secret");
    m.source = "2001:db8::ffff";
    assert_int_equal(ask(&m, 1500), PKE_UNAUTHENTICATED);
    m.source = "2001:db8:0:1::1";
    assert_int_equal(ask(&m, 1500), PKE_OK);
    m.source = NULL; /* a frontend listener */
    assert_int_equal(ask(&m, 1500), PKE_OK);
}

static void test_cache(void **state)
{
    const char *args[] = {"name", "alice", NULL, NULL};

    (void)state;
    assert_int_equal(add("alice", "secret"), PKE_OK);
    assert_int_equal(add("bob", "secret"), PKE_OK);
    hashes = 0;
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_OK);
    assert_int_equal(ask_user("alice", "secret", 1000 + PASSWORD_CACHE_MS - 1), PKE_OK);
    assert_int_equal(hashes, 1);
    assert_int_equal(ask_user("bob", "secret", 1000), PKE_OK); /* the same password of another user */
    assert_int_equal(hashes, 2);
    assert_int_equal(ask_user("alice", "wrong", 1000), PKE_UNAUTHENTICATED);
    assert_int_equal(hashes, 3);
    assert_int_equal(ask_user("alice", "secret", 1000 + PASSWORD_CACHE_MS), PKE_OK);
    assert_int_equal(hashes, 4);
    assert_int_equal(verb("user-remove", args, NULL), PKE_OK); /* any change of the file forgets */
    assert_int_equal(ask_user("alice", "secret", 61001), PKE_UNAUTHENTICATED);
    hashes = 0;
    assert_int_equal(ask_user("bob", "secret", 61001), PKE_OK);
    assert_int_equal(hashes, 1);
}

/* Somebody edits the file by hand while the role runs. */
static void test_file_changes(void **state)
{
    char *path = pke_asprintf("%s/users", dir);
    int fd;

    (void)state;
    assert_int_equal(add("alice", "secret"), PKE_OK);
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_OK);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "nonsense\n", 9) == 9 && close(fd) == 0);
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_STORE_DOWN);
    assert_string_equal(fail.text, "line 2 of the user file has no password hash");
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_STORE_DOWN); /* and stays so */
    assert_int_equal(add("bob", "secret"), PKE_STORE_DOWN);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_UNAUTHENTICATED);
    free(path);
}

/* The names of a page of users in order, each with an id of its own, and where the next page begins. */
static void check_page(const char *first, const char *second, const char *next)
{
    char form[512];
    char ids[2][40] = {"", ""};
    const char *text = pke_buf_cstr(&out);

    for (size_t i = 0; i < 2 && (text = strstr(text, "\"id\":\"")); i++, text++)
        snprintf(ids[i], sizeof ids[i], "%.36s", text + 6);
    snprintf(form, sizeof form,
             "{\"items\":[{\"name\":\"%s\",\"attributes\":{\"id\":\"%s\"}}%s%s%s%s%s],\"next\":%s%s%s}",
             first, ids[0], second ? ",{\"name\":\"" : "", second ? second : "",
             second ? "\",\"attributes\":{\"id\":\"" : "", ids[1], second ? "\"}}" : "", next ? "\"" : "",
             next ? next : "null", next ? "\"" : "");
    assert_string_equal(pke_buf_cstr(&out), form);
    assert_string_not_equal(ids[0], ids[1]);
}

static void test_user_verbs(void **state)
{
    static const char *const page1[] = {"limit", "2", NULL, NULL};
    static const char *const page2[] = {"limit", "2", "cursor", "b", NULL, NULL};
    static const char *const bad_limit[] = {"limit", "-1", NULL, NULL};
    static const char *const remove_a[] = {"name", "A", NULL, NULL};
    static const char *const no_name[] = {NULL, NULL};
    static const char *const bad_attribute[] = {"name", "x", "attribute", "upn=a,b", NULL, NULL};
    static const char *const no_value[] = {"name", "x", "attribute", "upn", NULL, NULL};
    static const char *const bad_names[] = {"", "a:b", "a,b", "a\nb", "#a", " a", "a ", "\xff"};
    char name[400];

    (void)state;
    assert_int_equal(verb("user-list", NULL, NULL), PKE_OK);
    assert_string_equal(pke_buf_cstr(&out), "{\"items\":[],\"next\":null}");
    assert_int_equal(add("c", "pw"), PKE_OK);
    assert_int_equal(add("a", "pw"), PKE_OK);
    assert_memory_equal(pke_buf_cstr(&out), "{\"name\":\"a\",\"attributes\":{\"id\":\"", 32);
    assert_int_equal(add("b", "pw"), PKE_OK);
    assert_int_equal(add("B", "pw"), PKE_EXISTS);
    assert_int_equal(verb("user-list", page1, NULL), PKE_OK);
    check_page("a", "b", "b");
    assert_int_equal(verb("user-list", page2, NULL), PKE_OK);
    check_page("c", NULL, NULL);
    assert_int_equal(verb("user-list", bad_limit, NULL), PKE_MALFORMED);
    assert_int_equal(verb("user-remove", remove_a, NULL), PKE_OK);
    assert_memory_equal(pke_buf_cstr(&out), "{\"name\":\"a\",\"attributes\":{\"id\":\"", 32);
    assert_int_equal(verb("user-remove", remove_a, NULL), PKE_NOT_FOUND);
    assert_int_equal(verb("user-remove", no_name, NULL), PKE_NOT_FOUND);
    assert_int_equal(verb("user-add", no_name, "pw"), PKE_MALFORMED);
    assert_int_equal(verb("user-add", bad_attribute, "pw"), PKE_MALFORMED);
    assert_int_equal(verb("user-add", no_value, "pw"), PKE_MALFORMED);
    for (size_t i = 0; i < PKE_LEN(bad_names); i++)
        assert_int_equal(add(bad_names[i], "pw"), PKE_MALFORMED);
    memset(name, 'n', 321);
    name[321] = '\0';
    assert_int_equal(add(name, "pw"), PKE_MALFORMED);
    assert_int_equal(add("x", ""), PKE_MALFORMED);
    assert_int_equal(add("x", "a\tb"), PKE_MALFORMED);
    assert_int_equal(verb("user-frobnicate", NULL, NULL), PKE_UNSUPPORTED);
}

static void test_only_one_writer(void **state)
{
    struct auth_core *second;

    (void)state;
    assert_int_equal(auth_core_new(conf, key, false, &second, &fail), PKE_OK);
    assert_int_equal(add("alice", "secret"), PKE_OK);
    auth_core_free(core);
    core = second; /* sees the change, may not make one */
    assert_int_equal(ask_user("alice", "secret", 1000), PKE_OK);
    assert_int_equal(add("bob", "secret"), PKE_UNSUPPORTED);
    assert_int_equal(verb("user-list", NULL, NULL), PKE_UNSUPPORTED);
}

static void test_open_refusals(void **state)
{
    struct auth_core *other = NULL;
    char *path = pke_asprintf("%s/users", dir);

    (void)state;
    assert_int_equal(auth_core_new(conf, PKE_BYTES(key_bytes, 31), true, &other, &fail), PKE_CONFIG);
    assert_int_equal(add("alice", "secret"), PKE_OK);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(auth_core_new(conf, key, true, &other, &fail), PKE_CONFIG);
    assert_null(other);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_right_password, begin, end),
        cmocka_unit_test_setup_teardown(test_wrong_is_uniform, begin, end),
        cmocka_unit_test_setup_teardown(test_text_passwords, begin, end),
        cmocka_unit_test_setup_teardown(test_request_is_checked, begin, end),
        cmocka_unit_test_setup_teardown(test_back_off, begin, end),
        cmocka_unit_test_setup_teardown(test_back_off_of_sources, begin, end),
        cmocka_unit_test_setup_teardown(test_cache, begin, end),
        cmocka_unit_test_setup_teardown(test_file_changes, begin, end),
        cmocka_unit_test_setup_teardown(test_user_verbs, begin, end),
        cmocka_unit_test_setup_teardown(test_only_one_writer, begin, end),
        cmocka_unit_test_setup_teardown(test_open_refusals, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
