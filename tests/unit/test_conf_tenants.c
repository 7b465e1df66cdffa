/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/conf_check_tenants.c, conf_check_frontends.c, rate.c: whose is what, and nothing is shared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf.h"
#include "daemon/common/rate.h"

/* Two tenants with all that belongs to one; the marks are the lines that the cases change. */
static const char good[] =
    "state-directory: /s\n"                                                                       /* 1 */
    "control-socket: /c\n"                                                                        /* 2 */
    "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"           /* 3 */
    "issuers: {lab: {certificate: ca.pem, key: k}}\n"                                             /* 4 */
    "listeners:\n"                                                                                /* 5 */
    "  l: {address: 127.0.0.1, port: 443, tls-certificate: a, tls-key: b}\n"                      /* 6 */
    "  m: {address: 127.0.0.1, port: 444, tls-certificate: a, tls-key: b}\n"                      /* 7 */
    "tenants:\n"                                                                                  /* 8 */
    "  red: {hosts: [red.example], user-file: red-users, audiences: [\"https://red.example\"]}\n" /* 9 */
    "  blue: {path-prefix: /blue}\n"                                                              /* 10 */
    "templates:\n"                                                                                /* 11 */
    "  rt: {tenant: red, issuer: lab, common-name: R, allow: [\"*\"]}\n"                          /* 12 */
    "  bt: {tenant: blue, issuer: lab, common-name: B, allow: [\"*\"]}\n"                         /* 13 */
    "token-issuers:\n"                                                                            /* 14 */
    "  ri: {tenant: red, kind: custom, keys-file: k, issuer: [i], audience: [\"https://red.example\"]}\n"
    "  bi: {tenant: blue, kind: custom, keys-file: k, issuer: [i], audience: [\"https://blue.example\"]}\n"
    "endpoints:\n" /* 17 */
    "  rp: {tenant: red, listeners: [l], path: /P, stage: policy, template: rt, credentials: [username]}\n"
    "  bp: {tenant: blue, listeners: [l], path: /P, stage: policy, template: bt, credentials: [jwt], "
    "token-issuers: [bi]}\n"
    "frontends:\n"                                                                              /* 20 */
    "  rf: {users: [\"1000\"], tenants: [red], templates: [rt], dns-suffixes: [red.example]}\n" /* 21 */
    "  bf: {groups: [\"2000\"], tenants: [blue]}\n";                                            /* 22 */

static char *changed(const char *from, const char *to)
{
    const char *at = strstr(good, from);

    if (!at || strstr(at + 1, from))
        fail_msg("'%s' must occur once", from);
    return pke_asprintf("%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
}

static struct conf *must_parse(const char *text)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;

    if (conf_parse("/etc/p/c.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    return conf;
}

static void must_refuse(const char *text, const char *lines)
{
    struct conf_errors errors = {0};
    struct conf *conf;

    assert_int_equal(conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors), PKE_CONFIG);
    assert_string_equal(pke_buf_cstr(&errors.text), lines);
    conf_errors_done(&errors);
}

static void test_two_tenants(void **state)
{
    struct conf *c = must_parse(good);
    const struct conf_endpoint *rp = conf_find_endpoint(c, "rp"), *bp = conf_find_endpoint(c, "bp");

    (void)state;
    assert_int_equal(c->n_tenants, 2);
    assert_null(conf_only_tenant(c));
    assert_null(c->global.tenant);
    assert_ptr_equal(rp->tenant_ref, conf_find_tenant(c, "red"));
    assert_string_equal(rp->route, "/P");
    assert_string_equal(bp->route, "/blue/P");
    assert_string_equal(rp->tenant_ref->user_file, "/etc/p/red-users");
    assert_null(bp->tenant_ref->user_file);
    assert_string_equal(conf_find_frontend(c, "rf")->tenants.v[0], "red");
    conf_unref(c);
}

/* What a dump says is the same configuration, with a section tenants or without. */
static void test_dump(void **state)
{
    static const char one[] =
        "state-directory: /s\ncontrol-socket: /c\ntenant: only\nuser-file: /u\n"
        "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"
        "issuers: {lab: {certificate: ca.pem, key: k}}\n"
        "templates: {t: {issuer: lab, common-name: R, allow: [\"*\"]}}\n"
        "frontends: {f: {users: [mdm]}}\n";
    const char *texts[] = {good, one};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(texts); i++) {
        struct conf *c = must_parse(texts[i]), *again;
        struct pke_buf first, second;

        pke_buf_init(&first, 1 << 20);
        pke_buf_init(&second, 1 << 20);
        assert_int_equal(conf_dump(c, &first), PKE_OK);
        again = must_parse(pke_buf_cstr(&first));
        assert_int_equal(conf_dump(again, &second), PKE_OK);
        assert_string_equal(pke_buf_cstr(&first), pke_buf_cstr(&second));
        if (i == 1) {
            assert_string_equal(conf_only_tenant(again), "only");
            assert_string_equal(again->tenants[0].user_file, "/u");
            assert_string_equal(again->templates[0].tenant, "only");
            assert_string_equal(again->frontends[0].tenants.v[0], "only");
        }
        pke_buf_done(&first);
        pke_buf_done(&second);
        conf_unref(c);
        conf_unref(again);
    }
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *from, *to, *lines;
    } cases[] = {
        /* whose it is */
        {"rt: {tenant: red, ", "rt: {",
         "c.yaml:12:3: templates.rt.tenant: there are several tenants: whose it is must be said\n"},
        {"bt: {tenant: blue", "bt: {tenant: green",
         "c.yaml:13:16: templates.bt.tenant: there is no tenant green\n"
         "c.yaml:19:73: endpoints.bp.template: bt is another tenant's\n"},
        {"tenants:\n  red", "tenant: red\ntenants:\n  red",
         "c.yaml:8:9: tenant: belongs to a file without the section tenants\n"},
        {"stage: policy, template: bt", "stage: policy, template: rt",
         "c.yaml:19:73: endpoints.bp.template: rt is another tenant's\n"},
        {"token-issuers: [bi]", "token-issuers: [ri]",
         "c.yaml:19:113: endpoints.bp.token-issuers[0]: ri is another tenant's\n"},
        {"template: rt, credentials: [username]",
         "template: rt, credentials: [username], enroll-endpoint: bp",
         "c.yaml:18:118: endpoints.rp.enroll-endpoint: the endpoint bp is not of the stage enroll\n"
         "c.yaml:18:118: endpoints.rp.enroll-endpoint: bp is another tenant's\n"},
        /* attack A14: an aud of two tenants is good at both */
        {"audience: [\"https://blue.example\"]",
         "audience: [\"https://blue.example\", \"https://red.example\"]",
         "c.yaml:15:73: token-issuers.ri.audience[0]: the audience https://red.example is the tenant blue's "
         "as well\n"
         "c.yaml:16:98: token-issuers.bi.audience[1]: the audience https://red.example is the tenant red's "
         "as well\n"},
        {"blue: {path-prefix: /blue}", "blue: {path-prefix: /blue, audiences: [\"https://red.example\"]}",
         "c.yaml:10:42: tenants.blue.audiences[0]: the audience https://red.example is the tenant red's as "
         "well\n"
         "c.yaml:15:73: token-issuers.ri.audience[0]: the audience https://red.example is the tenant blue's "
         "as well\n"
         "c.yaml:16:74: token-issuers.bi.audience[0]: the audience https://blue.example is not one of the "
         "tenant blue\n"},
        /* who is a user of whom */
        {"path-prefix: /blue}", "path-prefix: /blue, user-file: red-users}",
         "c.yaml:10:41: tenants.blue.user-file: is the tenant red's as well\n"},
        {", user-file: red-users", "",
         "c.yaml:9:3: tenants.red.user-file: is needed: its endpoint rp takes user names, and there are "
         "several tenants\n"},
        /* what selects */
        {"path-prefix: /blue}", "hosts: [\"red.example:8443\"]}",
         "c.yaml:10:18: tenants.blue.hosts[0]: red.example:8443 is a host of the tenant red already\n"},
        {"hosts: [red.example]", "hosts: [Red.example]",
         "c.yaml:9:17: tenants.red.hosts[0]: expects a host name in lower case, with :PORT or without\n"},
        {"hosts: [red.example]", "hosts: [\"red.example:\"]",
         "c.yaml:9:17: tenants.red.hosts[0]: expects a host name in lower case, with :PORT or without\n"},
        {"path-prefix: /blue}", "path-prefix: blue/}",
         "c.yaml:10:23: tenants.blue.path-prefix: begins with / and does not end with it\n"},
        {"{path-prefix: /blue}", "{max-devices: 1}",
         "c.yaml:10:3: tenants.blue: hosts or path-prefix is needed: others are served on the listeners of "
         "its endpoint bp as well\n"
         "c.yaml:19:44: endpoints.bp.path: the endpoint rp has the same path on the listener l\n"},
        {"listeners: [l], path: /P, stage: policy, template: bt",
         "listeners: [l], path: /P, stage: policy, "
         "template: bt, credential-ca: x",
         "c.yaml:19:92: endpoints.bp.credential-ca: has no effect without the credentials signed-header or "
         "client-certificate\n"},
        /* frontends: default deny */
        {"{groups: [\"2000\"], tenants: [blue]}", "{groups: [\"2000\"]}",
         "c.yaml:22:3: frontends.bf.tenants: there are several tenants: for which ones is it?\n"},
        {"{groups: [\"2000\"], tenants: [blue]}", "{tenants: [blue]}",
         "c.yaml:22:3: frontends.bf.users: users, groups or certificates is needed: who is it?\n"},
        {"{groups: [\"2000\"], ", "{users: [\"1000\"], ",
         "c.yaml:22:16: frontends.bf.users[0]: 1000 is the frontend rf already\n"},
        {"templates: [rt]", "templates: [bt]",
         "c.yaml:21:53: frontends.rf.templates[0]: bt is of the tenant blue, for which it is not\n"},
        {"templates: [rt]", "templates: [no]",
         "c.yaml:21:53: frontends.rf.templates[0]: there is no template no\n"},
        {"tenants: [red], templates", "tenants: [green], templates",
         "c.yaml:21:35: frontends.rf.tenants[0]: there is no tenant green\n"
         "c.yaml:21:55: frontends.rf.templates[0]: rt is of the tenant red, for which it is not\n"},
        {"dns-suffixes: [red.example]", "dns-suffixes: [.red.example]",
         "c.yaml:21:73: frontends.rf.dns-suffixes[0]: expects domains such as corp.example\n"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *text = changed(cases[i].from, cases[i].to);

        must_refuse(text, cases[i].lines);
        free(text);
    }
}

/* A listener of its own selects as well as a host does. */
static void test_own_listener(void **state)
{
    char *text = changed("{path-prefix: /blue}", "{max-devices: 1}"),
         *at = strstr(text, "blue, listeners: [l]");

    (void)state;
    assert_non_null(at);
    at[strlen("blue, listeners: [")] = 'm';
    conf_unref(must_parse(text));
    free(text);
}

/* A CA outside says nothing of our tenants; of a certificate of our own the ledger does. */
static void test_credential_ca(void **state)
{
    static const char *const cas[] = {"other.pem", "ca.pem"};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cas); i++) {
        char *text = pke_asprintf("%s", good), *next;
        static const char *const marks[] = {"[username]}", "[jwt], "};

        for (size_t k = 0; k < 2; k++) {
            char *at = strstr(text, marks[k]), *end = strchr(at, ']');

            next = pke_asprintf("%.*s, signed-header], credential-ca: %s%s", (int)(end - text), text, cas[i],
                                end + 1);
            free(text);
            text = next;
        }
        if (i == 0)
            must_refuse(text, "c.yaml:19:127: endpoints.bp.credential-ca: vouches for the clients of the "
                              "endpoint rp of another tenant as well\n");
        else
            conf_unref(must_parse(text));
        free(text);
    }
}

static void test_rates(void **state)
{
    struct rates r = {0};

    (void)state;
    assert_int_equal(rates_take(&r, "any", 0, 60000, 5), 0);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(rates_take(&r, "a", 60, 60000, 1000), 0);
    assert_int_equal(rates_take(&r, "a", 60, 60000, 1000), 1001); /* one each second */
    assert_int_equal(rates_take(&r, "b", 60, 60000, 1000), 0);    /* each for itself */
    assert_int_equal(rates_take(&r, "a", 60, 60000, 1500), 501);
    assert_int_equal(rates_take(&r, "a", 60, 60000, 2001), 0);
    assert_int_equal(rates_take(&r, "a", 61, 60000, 2001), 0); /* a reload raised it */
    assert_int_not_equal(rates_take(&r, "a", 61, 60000, 2001), 0);
    for (unsigned i = 0; i < 60; i++) /* saved up: one allowance, no more */
        assert_int_equal(rates_take(&r, "a", 60, 60000, 10000000), 0);
    assert_int_not_equal(rates_take(&r, "a", 60, 60000, 10000000), 0);
    rates_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_tenants),   cmocka_unit_test(test_dump),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_own_listener),
        cmocka_unit_test(test_credential_ca), cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
