/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/control/scope.c, frontends.c: which peer is which frontend, and what each may reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/control/frontends.h"
#include "daemon/control/scope.h"

static const char text[] =
    "state-directory: /s\ncontrol-socket: /c\n"
    "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"
    "issuers: {lab: {certificate: ca.pem, key: k}}\n"
    "tenants: {red: {}, blue: {}, green: {}}\n"
    "templates:\n"
    "  rt: {tenant: red, issuer: lab, common-name: R, allow: [\"*\"]}\n"
    "  r2: {tenant: red, issuer: lab, common-name: R, allow: [\"*\"]}\n"
    "  bt: {tenant: blue, issuer: lab, common-name: B, allow: [\"*\"]}\n"
    "frontends:\n"
    "  one: {users: [\"1000\"], groups: [\"77\"], tenants: [red], templates: [rt], requests-per-minute: 3}\n"
    "  two: {users: [\"1001\"], tenants: [red, blue], templates: [rt, bt]}\n";

static struct conf *conf;
static struct pke_arena *arena;
static struct rates rates;
static struct pke_fail fail;

static int begin(void **state)
{
    struct conf_errors errors = {0};

    (void)state;
    arena = pke_arena_new();
    if (conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    return 0;
}

static int end(void **state)
{
    (void)state;
    conf_unref(conf);
    pke_arena_free(arena);
    rates_done(&rates);
    return 0;
}

/* What becomes of a call of @p frontend; the tenant that it has then is in *tenant. */
static enum pke_err apply(const char *frontend, enum verb_id id, const char *asked, const char *template_name,
                          const char **tenant)
{
    struct control_request req = {.verb = &verbs[id]};
    struct peer peer = {.uid = 1000, .roles = VERB_ROLE_FRONTEND};
    enum pke_err err;

    strcpy(peer.frontend, frontend);
    if (asked)
        pke_pairs_add(&req.args, arena, "tenant", asked);
    if (template_name)
        pke_pairs_add(&req.args, arena, "template", template_name);
    memset(&fail, 0, sizeof fail);
    err = scope_apply(conf, &peer, &rates, 1000, arena, &req, &fail);
    *tenant = pke_pairs_get(&req.args, "tenant");
    return err;
}

static void test_one_tenant(void **state)
{
    const char *t;

    (void)state;
    assert_int_equal(apply("one", VERB_CERT_SHOW, NULL, NULL, &t), PKE_OK);
    assert_string_equal(t, "red"); /* put in, so that whoever answers keeps to it */
    assert_int_equal(apply("one", VERB_CERT_SHOW, "red", NULL, &t), PKE_OK);
    assert_int_equal(apply("one", VERB_CERT_SHOW, "blue", NULL, &t), PKE_NOT_FOUND);
    assert_string_equal(fail.reason, "tenant-unknown");
    assert_int_equal(apply("", VERB_CERT_SHOW, "blue", NULL, &t), PKE_OK); /* an operator */
    assert_int_equal(apply("", VERB_STATUS, NULL, NULL, &t), PKE_OK);
    assert_null(t);
}

static void test_several_tenants(void **state)
{
    const char *t;

    (void)state;
    assert_int_equal(apply("two", VERB_DEVICE_BLOCK, "blue", NULL, &t), PKE_OK);
    assert_int_equal(apply("two", VERB_DEVICE_BLOCK, NULL, NULL, &t), PKE_MALFORMED);
    assert_string_equal(fail.reason, "tenant-needed");
    assert_int_equal(apply("two", VERB_DEVICE_BLOCK, "green", NULL, &t), PKE_NOT_FOUND);
    assert_int_equal(apply("two", VERB_DEVICE_BLOCK, "none", NULL, &t), PKE_NOT_FOUND);
    assert_int_equal(apply("two", VERB_VERSION, NULL, NULL, &t), PKE_OK);
    assert_null(t);
}

/* Every verb that is not for frontends, whatever a role check before would say. */
static void test_other_verbs(void **state)
{
    const char *t;

    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++)
        if (!(verbs[i].role & VERB_ROLE_FRONTEND)) {
            assert_int_equal(apply("two", verbs[i].id, "red", NULL, &t), PKE_DENIED);
            assert_int_equal(apply("two", verbs[i].id, NULL, NULL, &t), PKE_DENIED);
        }
    assert_int_equal(apply("gone", VERB_CERT_SHOW, "red", NULL, &t), PKE_DENIED);
    assert_string_equal(fail.reason, "frontend-gone");
}

static void test_templates_of_listings(void **state)
{
    const char *t;

    (void)state;
    assert_int_equal(apply("two", VERB_CERT_LIST, "red", "bt", &t), PKE_OK); /* narrows, tells nothing */
}

static void test_calls_are_bounded(void **state)
{
    enum pke_err err = PKE_OK;
    const char *t;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        err = apply("one", VERB_CERT_LIST, NULL, NULL, &t);
    assert_int_equal(err, PKE_BUSY);
    assert_int_equal(apply("two", VERB_CERT_LIST, "red", NULL, &t), PKE_OK);
}

static void test_peers(void **state)
{
    const gid_t none[] = {5}, group[] = {5, 77};
    struct frontends *f;
    bool several;

    (void)state;
    assert_int_equal(frontends_resolve(conf, 500, &f, &fail), PKE_OK);
    assert_string_equal(frontends_find(f, 1000, none, 1, &several), "one");
    assert_string_equal(frontends_find(f, 1234, group, 2, &several), "one");
    assert_string_equal(frontends_find(f, 1001, none, 1, &several), "two");
    assert_null(frontends_find(f, 1234, none, 1, &several));
    assert_false(several);
    assert_null(frontends_find(f, 1001, group, 2, &several)); /* who is two is none */
    assert_true(several);
    assert_null(frontends_find(NULL, 1000, none, 1, &several));
    frontends_free(f);
    assert_int_equal(frontends_resolve(conf, 1001, &f, &fail), PKE_CONFIG);
    assert_string_equal(fail.reason, "frontend-user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_tenant, begin, end),
        cmocka_unit_test_setup_teardown(test_several_tenants, begin, end),
        cmocka_unit_test_setup_teardown(test_other_verbs, begin, end),
        cmocka_unit_test_setup_teardown(test_templates_of_listings, begin, end),
        cmocka_unit_test_setup_teardown(test_calls_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_peers, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
