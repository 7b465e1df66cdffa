/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/net without its event loop: catalogue, URLs, policy bodies, provisioning documents, routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/net/provision.h"
#include "daemon/net/route.h"
#include "daemon/net/snapshot.h"

static const char conf_text[] = "state-directory: /state\n"
                                "control-socket: /control.sock\n"
                                "keys:\n"
                                "  lab:\n"
                                "    module: /module.so\n"
                                "    uri: \"pkcs11:token=lab;object=lab;type=private\"\n"
                                "    pin-file: /pin\n"
                                "issuers:\n"
                                "  lab:\n"
                                "    certificate: /ca.pem\n"
                                "    key: lab\n"
                                "templates:\n"
                                "  device:\n"
                                "    issuer: lab\n"
                                "    common-name: device\n"
                                "    allow: [\"*\"]\n"
                                "    advertise-ca: yes\n"
                                "  silent:\n"
                                "    issuer: lab\n"
                                "    common-name: silent\n"
                                "    allow: [\"*\"]\n"
                                "    advertise-ca: no\n"
                                "listeners:\n"
                                "  v4:\n"
                                "    address: 192.0.2.1\n"
                                "    port: 0\n"
                                "    tls-certificate: /tls.pem\n"
                                "    tls-key: /tls.key\n"
                                "  v6:\n"
                                "    address: \"2001:db8::1\"\n"
                                "    port: 8443\n"
                                "    tls-certificate: /tls.pem\n"
                                "    tls-key: /tls.key\n"
                                "  public:\n"
                                "    unix: /run/frontend.sock\n"
                                "    public-url: https://enroll.corp.example\n"
                                "  local:\n"
                                "    unix: /run/local.sock\n"
                                "provisioning:\n"
                                "  corp:\n"
                                "    provider-id: corp.example\n"
                                "    display-name: Corp\n"
                                "    management-url: https://mdm.corp.example/manage\n"
                                "    client-secret-file: /client\n"
                                "    client-nonce: bm9uY2U=\n"
                                "    server-name: device\n"
                                "    server-secret-file: /server\n"
                                "    server-nonce: bm9uY2U=\n"
                                "    renew-period: 60\n"
                                "    retry-interval: 4\n"
                                "    poll-first-retries: 8\n"
                                "    poll-first-interval: 3m\n"
                                "    help-phone: \"+49 0\"\n"
                                "endpoints:\n"
                                "  policy:\n"
                                "    listeners: [v4]\n"
                                "    path: /policy\n"
                                "    stage: policy\n"
                                "    template: device\n"
                                "    enroll-endpoint: enroll\n"
                                "  policy-silent:\n"
                                "    listeners: [v6]\n"
                                "    path: /policy\n"
                                "    stage: policy\n"
                                "    template: silent\n"
                                "    enroll-endpoint: enroll-silent\n"
                                "  enroll-silent:\n"
                                "    listeners: [v4]\n"
                                "    path: /enroll-silent\n"
                                "    stage: enroll\n"
                                "    template: silent\n"
                                "    provisioning: corp\n"
                                "  enroll:\n"
                                "    listeners: [v4, public]\n"
                                "    path: /enroll\n"
                                "    stage: enroll\n"
                                "    template: device\n"
                                "    provisioning: corp\n"
                                "  enroll-local:\n"
                                "    listeners: [local]\n"
                                "    path: /enroll\n"
                                "    stage: enroll\n"
                                "    template: device\n"
                                "    provisioning: corp\n";

static struct conf *conf;
static struct pke_arena *arena;

static int setup(void **state)
{
    struct conf_errors errors = {0};

    (void)state;
    if (conf_parse("test.yaml", pke_bytes_str(conf_text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    conf_errors_done(&errors);
    arena = pke_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    conf_unref(conf);
    pke_arena_free(arena);
    return 0;
}

static unsigned port(void *arg, const struct conf_listener *l)
{
    (void)arg;
    return l->port ? (unsigned)l->port : 4711;
}

static struct catalogue *make_catalogue(const char *issuer, const char *ca, const char *root)
{
    struct msg_catalogue m = {.generation = pke_bytes_str("g")};
    struct catalogue *c;
    struct pke_fail fail;
    struct pke_buf b;

    pke_pairs_add(&m.issuers, arena, issuer, "hex");
    pke_blobs_add(&m.certificates, arena, pke_bytes_str(ca));
    pke_blobs_add(&m.roots, arena, pke_bytes_str(root));
    for (size_t i = 0; conf && i < conf->n_templates; i++)
        pke_pairs_add(&m.templates, arena, conf->templates[i].name, issuer);
    pke_buf_init(&b, 1 << 16);
    assert_int_equal(ipc_record_write(msg_catalogue_fields, &m, &b), PKE_OK);
    assert_int_equal(catalogue_read(pke_buf_bytes(&b), &c, &fail), PKE_OK);
    pke_buf_done(&b);
    return c;
}

static bool has(struct pke_buf *b, const char *s)
{
    return strstr(pke_buf_cstr(b), s) != NULL;
}

static void test_catalogue(void **state)
{
    struct catalogue *c = make_catalogue("lab", "abc", "root");
    const struct catalogue_issuer *i = catalogue_find(c, "lab");
    struct msg_catalogue bad = {.generation = pke_bytes_str("g")};
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    assert_non_null(i);
    assert_string_equal(i->ca.sha1, "A9993E364706816ABA3E25717850C26C9CD0D89D"); /* FIPS 180 "abc" */
    assert_false(i->self_signed);
    assert_null(catalogue_find(c, "other"));
    assert_null(catalogue_find(NULL, "lab"));
    catalogue_unref(c);
    c = make_catalogue("lab", "root", "root");
    assert_true(catalogue_find(c, "lab")->self_signed);
    catalogue_unref(c);

    pke_pairs_add(&bad.issuers, arena, "lab", "hex");
    pke_buf_init(&b, 4096);
    assert_int_equal(ipc_record_write(msg_catalogue_fields, &bad, &b), PKE_OK);
    assert_int_equal(catalogue_read(pke_buf_bytes(&b), &c, &fail), PKE_MALFORMED);
    assert_int_equal(catalogue_read(pke_bytes_str("junk"), &c, &fail), PKE_MALFORMED);
    pke_buf_done(&b);
}

static void test_urls(void **state)
{
    struct snapshot *s = snapshot_new(conf);

    (void)state;
    snapshot_set_urls(s, port, NULL);
    assert_string_equal(snapshot_endpoint(s, "policy")->url, "https://192.0.2.1:4711/policy");
    assert_string_equal(snapshot_endpoint(s, "policy-silent")->url, "https://[2001:db8::1]:8443/policy");
    assert_string_equal(snapshot_endpoint(s, "enroll")->url, "https://enroll.corp.example/enroll");
    assert_null(snapshot_endpoint(s, "enroll-local")->url);
    assert_null(snapshot_endpoint(s, "none"));
    snapshot_unref(s);
}

/* The status of the last look that found nothing. */
static unsigned status;

static struct net_endpoint *route(struct snapshot *s, const char *listener, const char *host,
                                  struct pke_bytes path)
{
    struct http_request req = {.path = path};

    if (host)
        req.headers[req.n_headers++] = (struct http_header){pke_bytes_str("hOST"), pke_bytes_str(host)};
    return route_find(s, listener, &req, &status);
}

/* The endpoint's name, or the status. */
static const char *where(struct snapshot *s, const char *host, const char *path)
{
    struct net_endpoint *ep = route(s, "l", host, pke_bytes_str(path));

    return ep ? ep->conf->name : status == 421 ? "421" : "404";
}

static void test_tenants(void **state)
{
    static const char text[] =
        "state-directory: /s\ncontrol-socket: /c\n"
        "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"
        "issuers: {lab: {certificate: ca.pem, key: k}}\n"
        "listeners: {l: {address: 127.0.0.1, port: 4711, tls-certificate: a, tls-key: b}}\n"
        "tenants: {a: {hosts: [a.example, \"b.example:8443\"]}, b: {hosts: [\"b.example:443\"]},\n"
        "  c: {path-prefix: /c}}\n"
        "templates: {ta: {tenant: a, issuer: lab, common-name: A, allow: [\"*\"]},\n"
        "  tb: {tenant: b, issuer: lab, common-name: B, allow: [\"*\"]},\n"
        "  tc: {tenant: c, issuer: lab, common-name: C, allow: [\"*\"]}}\n"
        "endpoints:\n"
        "  pa: {tenant: a, listeners: [l], path: /P, stage: policy, template: ta, credentials: "
        "[one-time-token]}\n"
        "  pb: {tenant: b, listeners: [l], path: /P, stage: policy, template: tb, credentials: "
        "[one-time-token]}\n"
        "  pc: {tenant: c, listeners: [l], path: /P, stage: policy, template: tc, credentials: "
        "[one-time-token]}\n";
    struct conf_errors errors = {0};
    struct conf *c = NULL;
    struct snapshot *s;

    (void)state;
    if (conf_parse("/etc/c.yaml", pke_bytes_str(text), &c, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    s = snapshot_new(c);
    assert_string_equal(where(s, "a.example", "/P"), "pa");
    assert_string_equal(where(s, "A.EXAMPLE:9999", "/P"), "pa");
    assert_string_equal(where(s, "b.example:8443", "/P"), "pa");
    assert_string_equal(where(s, "b.example:443", "/P"), "pb");
    /* nobody by default */
    assert_string_equal(where(s, "b.example", "/P"), "421");
    assert_string_equal(where(s, "b.example:44", "/P"), "421");
    assert_string_equal(where(s, "b.example:4433", "/P"), "421");
    assert_string_equal(where(s, "c.example", "/P"), "421");
    assert_string_equal(where(s, NULL, "/P"), "421");
    assert_string_equal(where(s, "", "/P"), "421");
    assert_string_equal(where(s, "a.example.", "/P"), "421");
    assert_string_equal(where(s, "a.example:", "/P"), "421");
    assert_string_equal(where(s, "a.example:80x", "/P"), "421");
    assert_string_equal(where(s, "xa.example", "/P"), "421");
    assert_string_equal(where(s, "a.example", "/p"), "404");
    /* by its path, unless the host is another's */
    assert_string_equal(where(s, "c.example", "/c/P"), "pc");
    assert_string_equal(where(s, NULL, "/c/P"), "pc");
    assert_string_equal(where(s, "a.example", "/c/P"), "421");
    snapshot_set_urls(s, port, NULL);
    assert_string_equal(snapshot_endpoint(s, "pa")->url, "https://a.example:4711/P");
    assert_string_equal(snapshot_endpoint(s, "pb")->url, "https://b.example:443/P");
    assert_string_equal(snapshot_endpoint(s, "pc")->url, "https://127.0.0.1:4711/c/P");
    snapshot_unref(s);
    conf_unref(c);
}

static void test_routes(void **state)
{
    struct snapshot *s = snapshot_new(conf);

    (void)state;
    assert_string_equal(route(s, "v4", NULL, pke_bytes_str("/policy"))->conf->name, "policy");
    assert_string_equal(route(s, "v6", NULL, pke_bytes_str("/policy"))->conf->name, "policy-silent");
    assert_string_equal(route(s, "public", NULL, pke_bytes_str("/enroll"))->conf->name, "enroll");
    assert_string_equal(route(s, "local", NULL, pke_bytes_str("/enroll"))->conf->name, "enroll-local");
    assert_null(route(s, "v6", NULL, pke_bytes_str("/enroll")));
    assert_null(route(s, "v4", NULL, pke_bytes_str("/policy/")));
    assert_null(route(s, "v4", NULL, pke_bytes_str("/Policy")));
    assert_null(route(s, "v4", NULL, pke_bytes_str("/%70olicy")));
    assert_null(route(s, "v4", NULL, PKE_BYTES("/policy\0", 8)));
    assert_null(route(s, "v4", NULL, PKE_BYTES(NULL, 0)));
    snapshot_unref(s);
}

static void test_policy_bodies(void **state)
{
    struct snapshot *s = snapshot_new(conf);
    struct catalogue *c = make_catalogue("lab", "abc", "root");
    struct net_endpoint *loud, *silent;

    (void)state;
    snapshot_set_urls(s, port, NULL);
    loud = snapshot_endpoint(s, "policy");
    silent = snapshot_endpoint(s, "policy-silent");
    assert_int_equal(loud->no_policy.err, PKE_OK); /* before issuer told anything: no CA */
    assert_true(has(&loud->policy, "<commonName>device</commonName>"));
    assert_false(has(&loud->policy, "YWJj"));
    snapshot_set_catalogue(s, c);
    assert_true(has(&loud->policy, "YWJj")); /* base64("abc") */
    assert_true(has(&loud->policy, ">https://enroll.corp.example/enroll<"));
    assert_true(has(&loud->policy, "<clientAuthentication>4</clientAuthentication>"));
    assert_true(has(&silent->policy, "<commonName>silent</commonName>"));
    assert_false(has(&silent->policy, "YWJj"));
    assert_int_equal(snapshot_endpoint(s, "enroll")->policy.n, 0);
    catalogue_unref(c);
    snapshot_unref(s);
}

/* The scalars of a policy are cut by the client at white space: such a template is not served at all. */
static void test_policy_that_cannot_be_served(void **state)
{
    struct snapshot *s = snapshot_new(conf);
    struct policy_template t = *snapshot_endpoint(s, "policy")->conf->template_ref;
    struct conf_endpoint ep = *snapshot_endpoint(s, "policy")->conf;

    (void)state;
    t.common_name = (char[]){"two words"};
    ep.template_ref = &t;
    s->endpoints[0].conf = &ep;
    snapshot_set_urls(s, port, NULL);
    assert_int_equal(s->endpoints[0].no_policy.err, PKE_POLICY);
    s->endpoints[0].conf = &conf->endpoints[0];
    snapshot_set_urls(s, port, NULL);
    assert_int_equal(s->endpoints[0].no_policy.err, PKE_OK);
    snapshot_unref(s);
}

static struct pke_buf provision(const char *type, const char *ca, const char *root)
{
    struct catalogue *c = make_catalogue("lab", ca, root);
    struct pke_pairs context = {0};
    struct msg_issued issued = {
        .certificate = pke_bytes_str("leaf"),
        .principal = "ada@corp.example",
        .subject_cn = "ada@corp.example",
        .ent_dmid = "ENT-DMID",
        .operation = "issue",
        .enrollment_type = type,
        .upn = "ada@corp.example",
    };
    struct net_secrets secrets = {.client = pke_secret_new(pke_bytes_str("cs")),
                                  .server = pke_secret_new(pke_bytes_str("ss"))};
    struct provision_input in = {
        .conf = conf_find_endpoint(conf, "enroll")->provisioning_ref,
        .secrets = &secrets,
        .issuer = catalogue_find(c, "lab"),
        .issued = &issued,
        .context = &context,
    };
    struct pke_fail fail;
    struct pke_buf b;

    pke_pairs_add(&context, arena, "EnrollmentType", type);
    pke_pairs_add(&context, arena, "DeviceName", "ADA-PC");
    pke_buf_init(&b, 1 << 20);
    if (provision_write(&in, &b, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    in.issuer = NULL;
    assert_int_equal(provision_write(&in, &b, &fail), PKE_INTERNAL);
    catalogue_unref(c);
    pke_secret_free(secrets.client);
    pke_secret_free(secrets.server);
    return b;
}

static void test_provisioning_of_a_user(void **state)
{
    struct pke_buf b = provision("Full", "root", "root");

    (void)state;
    assert_true(has(&b, "<characteristic type=\"My\"><characteristic type=\"User\">"));
    assert_false(has(&b, "<characteristic type=\"CA\">"));
    assert_true(has(&b, "name=\"AAUTHSECRET\" value=\"cs\""));
    assert_true(has(&b, "name=\"AAUTHSECRET\" value=\"ss\""));
    assert_true(has(&b, "name=\"RenewPeriod\" value=\"60\""));
    assert_true(has(&b, "name=\"RetryInterval\" value=\"4\""));
    assert_true(has(&b, "name=\"NumberOfFirstRetries\" value=\"8\""));
    assert_true(has(&b, "name=\"IntervalForFirstSetOfRetries\" value=\"3\"")); /* minutes */
    assert_true(has(&b, "name=\"IntervalForRemainingScheduledRetries\" value=\"1440\""));
    assert_true(has(&b, "name=\"INITIALBACKOFFTIME\" value=\"16000\"")); /* milliseconds */
    assert_true(has(&b, "name=\"UPN\" value=\"ada@corp.example\""));
    assert_true(has(&b, "name=\"EntDMID\" value=\"ENT-DMID\""));
    assert_true(has(&b, "name=\"EntDeviceName\" value=\"ADA-PC\""));
    assert_true(has(&b, "name=\"HelpPhoneNumber\" value=\"+49 0\""));
    assert_true(has(&b, "value=\"Subject=CN%3Dada%40corp.example&amp;Stores=My%5CUser\""));
    pke_buf_done(&b);
}

static void test_provisioning_of_a_device(void **state)
{
    struct pke_buf b = provision("Device", "abc", "root");

    (void)state;
    assert_true(has(&b, "<characteristic type=\"My\"><characteristic type=\"System\">"));
    assert_true(has(&b, "<characteristic type=\"CA\">"));
    assert_true(has(&b, "A9993E364706816ABA3E25717850C26C9CD0D89D"));
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_catalogue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_urls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tenants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_that_cannot_be_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_provisioning_of_a_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_provisioning_of_a_device, setup, teardown),
    };

    return cmocka_run_group_tests_name("net parts", tests, NULL, NULL);
}
