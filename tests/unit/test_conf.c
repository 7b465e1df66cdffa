/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/conf*.c: the YAML subset, option tables, rules between options, dump, schema, reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/conf.h"

/* tests/data/conf/good.yaml, which other tests start from */
static char *good_text(void)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_asprintf("%s/tests/data/conf/good.yaml", top ? top : ".");
    FILE *f = fopen(path, "re");
    char *text = pke_calloc(1, 65536);

    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 100);
    fclose(f);
    free(path);
    return text;
}

/* good.yaml with the one occurrence of @p from replaced */
static char *changed(const char *from, const char *to)
{
    char *good = good_text(), *at = strstr(good, from), *out;

    if (!at || strstr(at + 1, from))
        fail_msg("'%s' must occur once in good.yaml", from);
    *at = '\0';
    out = pke_asprintf("%s%s%s", good, to, at + strlen(from));
    free(good);
    return out;
}

static struct conf *must_parse(const char *text)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;

    if (conf_parse("/etc/p/c.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    assert_int_equal(errors.count, 0);
    conf_errors_done(&errors);
    return conf;
}

static void must_refuse(const char *text, const char *lines)
{
    struct conf_errors errors = {0};
    struct conf *conf = (struct conf *)&errors;
    unsigned count = 0;

    assert_int_equal(conf_parse("c.yaml", pke_bytes_str(text), &conf, &errors), PKE_CONFIG);
    assert_null(conf);
    assert_string_equal(pke_buf_cstr(&errors.text), lines);
    for (const char *c = lines; *c; c++)
        count += *c == '\n';
    assert_int_equal(errors.count, count);
    conf_errors_done(&errors);
}

static void test_good_file(void **state)
{
    char *text = good_text();
    struct conf *c = must_parse(text);
    const struct conf_endpoint *policy = conf_find_endpoint(c, "policy"),
                               *enroll = conf_find_endpoint(c, "enroll");

    (void)state;
    assert_string_equal(c->global.tenant, "default");
    assert_string_equal(c->global.user_file, "/etc/p/users");
    assert_string_equal(c->global.ledger_file, "/var/lib/pkienrolld/ledger.db");
    assert_int_equal(c->global.retry_window, 3600000);
    assert_int_equal(c->global.auth_workers, 2);
    assert_int_equal(c->global.officer_groups.n, 2);
    assert_string_equal(c->global.officer_groups.v[1], "helpdesk");
    assert_int_equal(c->n_listeners, 2);
    assert_true(conf_find_listener(c, "frontend")->frontend);
    assert_false(conf_find_listener(c, "main")->frontend);
    assert_string_equal(conf_find_listener(c, "main")->tls_key, "/etc/p/tls.key");
    assert_ptr_equal(conf_find_issuer(c, "device-ca")->key_ref, conf_find_key(c, "device-ca"));
    assert_ptr_equal(policy->enroll_ref, enroll);
    assert_ptr_equal(policy->template_ref, conf_find_template(c, "device"));
    assert_string_equal(policy->template_ref->policy_id, "device");
    assert_ptr_equal(enroll->provisioning_ref, conf_find_provisioning(c, "corp"));
    assert_int_equal(policy->stage, CONF_STAGE_POLICY);
    assert_int_equal(enroll->stage, CONF_STAGE_ENROLL);
    assert_string_equal(policy->credentials.v[0], "username");
    assert_string_equal(enroll->provisioning_ref->display_name, "Corp \"Device\" \\ Management");
    assert_null(conf_find_key(c, "other"));
    assert_int_equal(strlen(c->generation_hex), 64);
    conf_unref(c);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
    };
    (void)must_refuse;
    (void)changed;

    return cmocka_run_group_tests(tests, NULL, NULL);
}
