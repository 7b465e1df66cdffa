/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/conf_*_tokens.c: token issuers and the endpoints that name them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf.h"

#define TID "6f0d7c1e-3f0b-4d0c-9a53-1d7f5f1f9a10"

static const char good[] = "state-directory: /var/lib/p\n"                 /* 1 */
                           "control-socket: /run/p/c\n"                    /* 2 */
                           "token-issuers:\n"                              /* 3 */
                           "  sts:\n"                                      /* 4 */
                           "    kind: custom\n"                            /* 5 */
                           "    keys-file: sts.json\n"                     /* 6 */
                           "    issuer: [https://i]\n"                     /* 7 */
                           "    audience: [a]\n"                           /* 8 */
                           "  aad:\n"                                      /* 9 */
                           "    kind: entra\n"                             /* 10 */
                           "    keys-file: aad.json\n"                     /* 11 */
                           "    audience: [b]\n"                           /* 12 */
                           "    tenants: [" TID "]\n"                      /* 13 */
                           "endpoints:\n"                                  /* 14 */
                           "  p:\n"                                        /* 15 */
                           "    listeners: [l]\n"                          /* 16 */
                           "    path: /p\n"                                /* 17 */
                           "    stage: policy\n"                           /* 18 */
                           "    template: t\n"                             /* 19 */
                           "    credentials: [username, jwt, entra-jwt]\n" /* 20 */
                           "    token-issuers: [sts, aad]\n"               /* 21 */
                           "listeners:\n"
                           "  l: {unix: /run/p/l}\n"
                           "templates:\n"
                           "  t: {issuer: i, common-name: T, allow: ['*']}\n"
                           "issuers:\n"
                           "  i: {certificate: c.pem, key: k}\n"
                           "keys:\n"
                           "  k: {backend: file, uri: k.pem}\n";

static char *changed(const char *from, const char *to)
{
    char *at = strstr(good, from);

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
    conf_errors_done(&errors);
    return conf;
}

static void check_good(const struct conf *c)
{
    const struct conf_token_issuer *sts = conf_find_token_issuer(c, "sts"),
                                   *aad = conf_find_token_issuer(c, "aad");

    assert_int_equal(c->n_token_issuers, 2);
    assert_null(conf_find_token_issuer(c, "other"));
    assert_int_equal(sts->kind, CONF_TOKENS_CUSTOM);
    assert_string_equal(sts->keys_file, "/etc/p/sts.json");
    assert_int_equal(sts->leeway, 60000);
    assert_int_equal(sts->max_lifetime, 3600000);
    assert_string_equal(sts->principal_claim, "sub");
    assert_string_equal(sts->token_type, "JWT");
    assert_int_equal(sts->principals.n, 0);
    assert_string_equal(sts->upn_claim, "upn");
    assert_int_equal(sts->algorithms.n, 5);
    assert_null(sts->required_scope);
    assert_false(sts->one_time || sts->allow_missing_kid);
    assert_int_equal(aad->kind, CONF_TOKENS_ENTRA);
    assert_int_equal(aad->leeway, 300000);
    assert_int_equal(aad->max_lifetime, 100800000);
    assert_string_equal(aad->required_scope, "mdm_delegation");
    assert_int_equal(aad->algorithms.n, 1);
    assert_string_equal(aad->algorithms.v[0], "RS256");
    assert_int_equal(aad->issuer.n, 2);
    assert_int_equal(aad->app_ids.n, 0);
    assert_int_equal(conf_find_endpoint(c, "p")->token_issuers.n, 2);
}

static void test_defaults(void **state)
{
    struct conf *c = must_parse(good);

    (void)state;
    check_good(c);
    conf_unref(c);
}

/* What is dumped is a configuration, with the same values. */
static void test_dump(void **state)
{
    struct conf *c = must_parse(good), *again;
    struct pke_buf text;

    (void)state;
    pke_buf_init(&text, 1u << 20);
    assert_int_equal(conf_dump(c, &text), PKE_OK);
    again = must_parse(pke_buf_cstr(&text));
    check_good(again);
    conf_unref(again);
    conf_unref(c);
    pke_buf_done(&text);
}

static void test_values(void **state)
{
    char *text =
        changed("    tenants: [" TID "]\n",
                "    tenants: [" TID "]\n    leeway: 0\n    max-lifetime: 90m\n    required-scope: \"\"\n"
                "    app-ids: [" TID "]\n    issuer: [\"https://sts.windows.net/{tid}/\"]\n"
                "    algorithms: [RS256, PS256]\n    allow-missing-kid: yes\n");
    struct conf *c = must_parse(text);
    const struct conf_token_issuer *aad = conf_find_token_issuer(c, "aad");

    (void)state;
    assert_int_equal(aad->leeway, 0);
    assert_int_equal(aad->max_lifetime, 5400000);
    assert_string_equal(aad->required_scope, "");
    assert_int_equal(aad->issuer.n, 1);
    assert_int_equal(aad->algorithms.n, 2);
    assert_true(aad->allow_missing_kid);
    conf_unref(c);
    free(text);
}

static void test_one_mistake(void **state)
{
    static const struct {
        const char *from, *to, *lines;
    } cases[] = {
        {"    kind: custom\n", "", "c.yaml:4:3: token-issuers.sts: the option kind is missing\n"},
        {"kind: custom", "kind: saml", "c.yaml:5:11: token-issuers.sts.kind: expects one of custom, entra\n"},
        {"    keys-file: sts.json\n", "", "c.yaml:4:3: token-issuers.sts: the option keys-file is missing\n"},
        {"    issuer: [https://i]\n", "",
         "c.yaml:4:3: token-issuers.sts.issuer: at least one value of iss is needed\n"},
        {"[https://i]", "https://i", "c.yaml:7:13: token-issuers.sts.issuer: expects a list\n"},
        {"[https://i]", "['https://i/{tid}']",
         "c.yaml:7:14: token-issuers.sts.issuer[0]: {tid} belongs to the kind entra\n"},
        {"    audience: [a]\n", "", "c.yaml:4:3: token-issuers.sts: the option audience is missing\n"},
        {"audience: [a]", "audience: []", "c.yaml:8:15: token-issuers.sts.audience: must not be empty\n"},
        {"    audience: [a]\n", "    audience: [a]\n    tenants: [" TID "]\n",
         "c.yaml:9:14: token-issuers.sts.tenants: belongs to the kind entra\n"},
        {"    audience: [a]\n", "    audience: [a]\n    required-scope: x\n",
         "c.yaml:9:21: token-issuers.sts.required-scope: belongs to the kind entra\n"},
        {"    audience: [a]\n", "    audience: [a]\n    app-ids: [" TID "]\n",
         "c.yaml:9:14: token-issuers.sts.app-ids: belongs to the kind entra\n"},
        {"    audience: [a]\n", "    audience: [a]\n    leeway: 6m\n",
         "c.yaml:9:13: token-issuers.sts.leeway: expects a value from 0 to 5m\n"},
        {"    audience: [a]\n", "    audience: [a]\n    algorithms: []\n",
         "c.yaml:9:17: token-issuers.sts.algorithms: must not be empty\n"},
        {"    audience: [a]\n", "    audience: [a]\n    algorithms: [ES256, HS256]\n",
         "c.yaml:9:25: token-issuers.sts.algorithms[1]: HS256 is not one of RS256, PS256, ES256, ES384, "
         "EdDSA\n"},
        {"    audience: [a]\n", "    audience: [a]\n    algorithms: [none]\n",
         "c.yaml:9:18: token-issuers.sts.algorithms[0]: none is not one of RS256, PS256, ES256, ES384, "
         "EdDSA\n"},
        {"    tenants: [" TID "]\n", "",
         "c.yaml:9:3: token-issuers.aad.tenants: the tenants must be named: Microsoft signs for every tenant "
         "with the "
         "same keys\n"},
        {"tenants: [" TID "]", "tenants: [common]",
         "c.yaml:13:15: token-issuers.aad.tenants[0]: expects a GUID\n"},
        {"    audience: [b]\n", "    audience: [b]\n    app-ids: [x]\n",
         "c.yaml:13:15: token-issuers.aad.app-ids[0]: expects a GUID\n"},
        {"    audience: [b]\n", "    audience: [b]\n    issuer: [https://sts.windows.net/common/]\n",
         "c.yaml:13:14: token-issuers.aad.issuer[0]: must hold {tid} once\n"},
        {"    audience: [b]\n", "    audience: [b]\n    issuer: ['https://{tid}/{tid}']\n",
         "c.yaml:13:14: token-issuers.aad.issuer[0]: must hold {tid} once\n"},
        {"    audience: [b]\n", "    audience: [b]\n    principal-claim: upn\n",
         "c.yaml:13:22: token-issuers.aad.principal-claim: belongs to the kind custom\n"},
        {"    audience: [b]\n", "    audience: [b]\n    principals: ['*']\n",
         "c.yaml:13:17: token-issuers.aad.principals: belongs to the kind custom\n"},
        {"    audience: [a]\n", "    audience: [a]\n    principals: ['*', '*@x', a*]\n",
         "c.yaml:9:30: token-issuers.sts.principals[2]: takes exact names, *@domain or *\n"},
        {"    audience: [a]\n", "    audience: [a]\n    token-type: application/at+jwt\n",
         "c.yaml:9:17: token-issuers.sts.token-type: is a media type without application/, such as at+jwt\n"},
        {"token-issuers:\n  sts:\n",
         "token-issuers:\n  x509: {kind: custom, keys-file: k, issuer: [i], audience: "
         "[a]}\n  sts:\n",
         "c.yaml:4:3: token-issuers.x509: the name is reserved: the ids of certificates begin with it\n"},
        {"    audience: [b]\n", "    audience: [b]\n    one-time: yes\n",
         "c.yaml:13:15: token-issuers.aad.one-time: belongs to the kind custom\n"},
        {"    audience: [b]\n", "    audience: [b]\n    required-scope: a b\n",
         "c.yaml:13:21: token-issuers.aad.required-scope: is one scope, without blanks\n"},
        {"token-issuers: [sts, aad]", "token-issuers: [sts, nobody]",
         "c.yaml:21:26: endpoints.p.token-issuers[1]: there is no token issuer nobody\n"},
        {"token-issuers: [sts, aad]", "token-issuers: [sts]",
         "c.yaml:20:34: endpoints.p.credentials[2]: entra-jwt needs a token issuer of its kind in "
         "token-issuers\n"},
        {"    token-issuers: [sts, aad]\n", "",
         "c.yaml:20:29: endpoints.p.credentials[1]: jwt needs a token issuer of its kind in token-issuers\n"
         "c.yaml:20:34: endpoints.p.credentials[2]: entra-jwt needs a token issuer of its kind in "
         "token-issuers\n"},
        {"[username, jwt, entra-jwt]", "[username, jwt]",
         "c.yaml:21:26: endpoints.p.token-issuers[1]: aad has no effect without the credential kind "
         "entra-jwt\n"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *text = changed(cases[i].from, cases[i].to);
        struct conf_errors errors = {0};
        struct conf *conf = NULL;

        assert_int_equal(conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors), PKE_CONFIG);
        assert_string_equal(pke_buf_cstr(&errors.text), cases[i].lines);
        conf_errors_done(&errors);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_one_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
