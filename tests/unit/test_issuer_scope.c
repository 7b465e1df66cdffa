/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/issuer/scope.c: what issuer lets a frontend do, whatever control forwards; identity_map.c by tenant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/names.h"
#include "daemon/issuer/identity_map.h"
#include "daemon/issuer/scope.h"

static const char text[] =
    "state-directory: /s\ncontrol-socket: /c\n"
    "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"
    "issuers: {lab: {certificate: ca.pem, key: k}}\n"
    "tenants: {red: {}, blue: {}}\n"
    "templates:\n"
    "  rt: {tenant: red, issuer: lab, common-name: R, allow: [\"*\"]}\n"
    "  r2: {tenant: red, issuer: lab, common-name: R, allow: [\"*\"]}\n"
    "  bt: {tenant: blue, issuer: lab, common-name: B, allow: [\"*\"]}\n"
    "frontends:\n"
    "  one: {users: [\"1000\"], tenants: [red], templates: [rt], certificates-per-hour: 2,\n"
    "    dns-suffixes: [red.example], email-suffixes: [red.example], upn-suffixes: [.red.example],\n"
    "    sid-prefixes: [S-1-5-21-1-2-3], uri-prefixes: [\"urn:red:\"]}\n"
    "  two: {users: [\"1001\"], tenants: [red, blue], templates: [rt, bt]}\n";

static struct conf *conf;
static struct setup setup;
static struct issuer is;
static struct pke_arena *arena;
static struct pke_fail fail;

static int begin(void **state)
{
    struct conf_errors errors = {0};

    (void)state;
    arena = pke_arena_new();
    if (conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    setup = (struct setup){.conf = conf};
    is = (struct issuer){.setup = &setup};
    return 0;
}

static int end(void **state)
{
    (void)state;
    conf_unref(conf);
    pke_arena_free(arena);
    rates_done(&is.frontend_rates);
    return 0;
}

static struct msg_verb call(const char *frontend, const char *verb, const char *tenant,
                            const char *template_name)
{
    struct msg_verb v = {.verb = verb, .actor = "uid=1", .frontend = frontend};

    if (tenant)
        pke_pairs_add(&v.args, arena, "tenant", tenant);
    if (template_name)
        pke_pairs_add(&v.args, arena, "template", template_name);
    return v;
}

static enum pke_err check(const char *frontend, const char *verb, const char *tenant,
                          const char *template_name)
{
    struct msg_verb v = call(frontend, verb, tenant, template_name);

    return scope_check(&is, &v, &fail);
}

static void test_frontends(void **state)
{
    (void)state;
    assert_int_equal(check("one", "device-block", "red", NULL), PKE_OK);
    assert_int_equal(check("one", "device-block", "blue", NULL), PKE_DENIED);
    assert_int_equal(check("one", "device-block", NULL, NULL), PKE_DENIED);
    assert_int_equal(check("gone", "device-block", "red", NULL), PKE_DENIED);
    assert_int_equal(check("one", "simulate", "red", NULL), PKE_DENIED);
    assert_int_equal(check("one", "key-pause", "red", NULL), PKE_DENIED);
    assert_int_equal(check("one", "no-such-verb", "red", NULL), PKE_DENIED);
    /* its templates, of the tenant that it names */
    assert_int_equal(check("one", "token-mint", "red", "rt"), PKE_OK);
    assert_int_equal(check("one", "token-mint", "red", "r2"), PKE_DENIED);
    assert_int_equal(check("one", "token-mint", "red", "none"), PKE_DENIED);
    assert_int_equal(check("two", "token-mint", "red", "bt"), PKE_DENIED);
    assert_int_equal(check("two", "token-mint", "blue", "bt"), PKE_OK);
    assert_int_equal(check(NULL, "key-pause", NULL, NULL), PKE_OK); /* an operator */
}

static void test_whose_it_is(void **state)
{
    struct msg_verb named = call(NULL, "device-block", "blue", NULL),
                    open = call(NULL, "device-block", NULL, NULL),
                    none = call(NULL, "device-block", "green", NULL);
    const char *tenant;

    (void)state;
    assert_int_equal(scope_tenant(&is, &named, &tenant, &fail), PKE_OK);
    assert_string_equal(tenant, "blue");
    assert_int_equal(scope_tenant(&is, &open, &tenant, &fail), PKE_MALFORMED);
    assert_int_equal(scope_tenant(&is, &none, &tenant, &fail), PKE_NOT_FOUND);
    assert_string_equal(scope_limit(&named), "blue");
    assert_null(scope_limit(&open));
}

static enum pke_err name(const char *frontend, const char *kind, const char *value, const char *sid)
{
    struct pke_pairs san = {0};

    if (kind)
        pke_pairs_add(&san, arena, kind, value);
    return scope_names(conf_find_frontend(conf, frontend), &san, sid, &fail);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(name("one", NULL, NULL, NULL), PKE_OK);
    assert_int_equal(name("one", PKE_SAN_DNS, "pc1.red.example", NULL), PKE_OK);
    assert_int_equal(name("one", PKE_SAN_DNS, "pc1.blue.example", NULL), PKE_DENIED);
    assert_int_equal(name("one", PKE_SAN_DNS, "notred.example", NULL), PKE_DENIED);
    assert_int_equal(name("one", PKE_SAN_EMAIL, "a@red.example", NULL), PKE_OK);
    assert_int_equal(name("one", PKE_SAN_EMAIL, "a@x.red.example", NULL), PKE_DENIED);
    assert_int_equal(name("one", PKE_SAN_UPN, "a@x.red.example", NULL), PKE_OK);
    assert_int_equal(name("one", PKE_SAN_UPN, "a@red.example", NULL), PKE_DENIED);
    assert_int_equal(name("one", PKE_SAN_URI, "urn:red:1", NULL), PKE_OK);
    assert_int_equal(name("one", PKE_SAN_URI, "urn:blue:1", NULL), PKE_DENIED);
    assert_int_equal(name("one", PKE_SAN_GUID, "0e1c9a52-64f7-4bb8-a8a9-26b6a1c4a7f2", NULL), PKE_DENIED);
    assert_int_equal(name("one", NULL, NULL, "S-1-5-21-1-2-3-1104"), PKE_OK);
    assert_int_equal(name("one", NULL, NULL, "S-1-5-21-1-2-3-500"), PKE_DENIED); /* the administrator */
    assert_int_equal(name("one", NULL, NULL, "S-1-5-21-1-2-4-1104"), PKE_DENIED);
    assert_int_equal(name("two", PKE_SAN_DNS, "pc1.red.example", NULL), PKE_DENIED); /* no bounds, no names */
}

static void test_certificates_are_bounded(void **state)
{
    const struct conf_frontend *one = conf_find_frontend(conf, "one"), *two = conf_find_frontend(conf, "two");

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(scope_certificate(&is, one, &fail), PKE_OK);
    assert_int_equal(scope_certificate(&is, one, &fail), PKE_QUOTA);
    assert_int_equal(scope_certificate(&is, two, &fail), PKE_OK);
}

/* The same principal in two tenants is two. */
static void test_identity_map(void **state)
{
    static const char lines[] = "{\"tenant\":\"red\",\"principal\":\"a\",\"email\":\"a@red.example\"}\n"
                                "{\"tenant\":\"blue\",\"principal\":\"A\",\"email\":\"a@blue.example\"}\n";
    static const char open[] = "{\"principal\":\"a\",\"email\":\"a@red.example\"}\n";
    char path[] = "/tmp/pke-map-XXXXXX";
    int fd = mkstemp(path);
    struct identity_map *m;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, lines, sizeof lines - 1), sizeof lines - 1);
    assert_int_equal(identity_map_load(path, NULL, &m, &fail), PKE_OK);
    assert_string_equal(pke_pairs_get(identity_map_find(m, "red", "a"), "email"), "a@red.example");
    assert_string_equal(pke_pairs_get(identity_map_find(m, "blue", "a"), "email"), "a@blue.example");
    assert_null(identity_map_find(m, "green", "a"));
    identity_map_free(m);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, open, sizeof open - 1, 0), sizeof open - 1);
    assert_int_equal(identity_map_load(path, NULL, &m, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, ":1: \"tenant\" must name one"));
    assert_int_equal(identity_map_load(path, "red", &m, &fail), PKE_OK);
    assert_non_null(identity_map_find(m, "red", "a"));
    identity_map_free(m);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frontends, begin, end),
        cmocka_unit_test_setup_teardown(test_whose_it_is, begin, end),
        cmocka_unit_test_setup_teardown(test_names, begin, end),
        cmocka_unit_test_setup_teardown(test_certificates_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_identity_map, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
