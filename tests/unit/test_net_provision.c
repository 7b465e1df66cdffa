/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/net/provision.h, daemon/common/pattern.h: from options and one request to the provisioning document.
 * Numbers: the MDM checklist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/pattern.h"
#include "daemon/net/provision.h"
#include "daemon/net/unknown_items.h"
#include "proto/xmltree.h"

#define DEVICE_ID "8090C8B484A0E24EB5C56E806CB4EE5B"
#define NASTY     "a&b<c>\"d'e ]]> \xc3\xa9\xe2\x82\xac z" /* 57 */
#define LONG_URL  1024

static const char conf_head[] = "state-directory: /state\n"
                                "control-socket: /control.sock\n"
                                "provisioning:\n"
                                "  corp:\n"
                                "    provider-id: corp.example\n"
                                "    management-url: https://mdm.corp.example/manage\n"
                                "    client-secret-file: client\n"
                                "    client-nonce: bm9uY2U=\n"
                                "    server-name: device\n"
                                "    server-secret-file: server\n"
                                "    server-nonce: bm9uY2U=\n";

static struct pke_arena *arena;
static struct conf *conf;
static struct pke_pairs context;
static struct provision_input in;
static struct msg_issued issued;
static struct net_secrets secrets;
static struct catalogue_issuer issuer;

static int setup(void **state)
{
    (void)state;
    arena = pke_arena_new();
    context = (struct pke_pairs){0};
    issued = (struct msg_issued){
        .certificate = pke_bytes_str("leaf"),
        .principal = "ada@corp.example",
        .subject_cn = "ada@corp.example",
        .ent_dmid = "ENT-DMID",
        .operation = "issue",
        .enrollment_type = "Full",
    };
    secrets = (struct net_secrets){.client = pke_secret_new(pke_bytes_str("cs")),
                                   .server = pke_secret_new(pke_bytes_str("ss"))};
    issuer = (struct catalogue_issuer){0};
    issuer.ca.der = pke_bytes_str("ca");
    issuer.root.der = pke_bytes_str("root");
    catalogue_sha1(issuer.ca.der, issuer.ca.sha1);
    catalogue_sha1(issuer.root.der, issuer.root.sha1);
    in = (struct provision_input){
        .secrets = &secrets, .issuer = &issuer, .issued = &issued, .context = &context};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_secret_free(secrets.client);
    pke_secret_free(secrets.server);
    provfrag_free(secrets.fragment);
    conf_unref(conf);
    conf = NULL;
    pke_arena_free(arena);
    return 0;
}

static char *text_of(char c, size_t n)
{
    char *s = pke_arena_alloc(arena, n + 1);

    memset(s, c, n);
    return s;
}

/* The section corp with further options. */
static void configure(const char *options)
{
    struct conf_errors errors = {0};
    const char *text = pke_arena_printf(arena, "%s%s", conf_head, options);

    conf_unref(conf);
    conf = NULL;
    if (conf_parse("test.yaml", pke_bytes_str(text), &conf, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    conf_errors_done(&errors);
    in.conf = conf_find_provisioning(conf, "corp");
}

static const struct xml_node *written(void)
{
    struct xml_parser *p = xml_parser_new();
    struct xml_node *root = NULL;
    struct pke_fail fail;
    struct pke_buf b;

    pke_buf_init(&b, PROVISION_MAX);
    if (provision_write(&in, &b, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    xml_parser_attributes(p, 10000);
    if (xml_parse(p, pke_buf_bytes(&b), arena, &root, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    pke_buf_done(&b);
    xml_parser_free(p);
    return root;
}

/* "A/B/name": the parm below characteristics; NULL. */
static const struct xml_node *parm_at(const struct xml_node *n, const char *path)
{
    size_t len = strcspn(path, "/");

    for (const struct xml_node *c = n->first; c; c = c->next) {
        bool group = strcmp(c->name, "characteristic") == 0;
        const char *name = xml_attr_any_ns(c, group ? "type" : "name");

        if (group != (path[len] == '/') || strlen(name) != len || strncmp(name, path, len) != 0)
            continue;
        return group ? parm_at(c, path + len + 1) : c;
    }
    return NULL;
}

static void holds(const struct xml_node *root, const char *path, const char *value, const char *datatype)
{
    const struct xml_node *p = parm_at(root, path);
    const char *got = p ? xml_attr_any_ns(p, "value") : NULL,
               *type = p ? xml_attr_any_ns(p, "datatype") : NULL;

    if (!p)
        fail_msg("%s is missing", path);
    if ((value ? !got || strcmp(got, value) != 0 : got != NULL) ||
        (datatype ? !type || strcmp(type, datatype) != 0 : type != NULL))
        fail_msg("%s is %s (%s)", path, got ? got : "without value", type ? type : "no datatype");
}

static void holds_not(const struct xml_node *root, const char *path)
{
    if (parm_at(root, path))
        fail_msg("%s is there", path);
}

#define PROVIDER "DMClient/Provider/corp.example/"

/* 52, 53: each option is one parm of its documented name and type; without the option there is none. */
static void test_52_53_every_option(void **state)
{
    static const struct {
        const char *option, *path, *value, *datatype;
    } cases[] = {
        {"protocol-version: \"1.2\"", "APPLICATION/PROTOVER", "1.2", NULL},
        {"network-access-point: NAP1", "APPLICATION/TO-NAPID", "NAP1", NULL},
        {"use-hardware-id: yes", "APPLICATION/USEHWDEVID", NULL, NULL},
        {"backcompat-retry-disabled: yes", "APPLICATION/BACKCOMPATRETRYDISABLED", NULL, NULL},
        {"require-message-signing: yes", PROVIDER "RequireMessageSigning", "true", "boolean"},
        {"sync-version: \"5.0\"", PROVIDER "SyncApplicationVersion", "5.0", "string"},
        {"keep-alive: yes", PROVIDER "EnableOmaDmKeepAliveMessage", "true", "boolean"},
        {"aad-resource-id: https://corp.example/", PROVIDER "AADResourceID", "https://corp.example/",
         "string"},
        {"management-servers: [https://a.example]", PROVIDER "ManagementServerAddressList",
         "https://a.example", "string"},
        {"management-servers: [https://a.example, https://b.example/x?y&z]",
         PROVIDER "ManagementServerAddressList", "<https://a.example><https://b.example/x?y&z>", "string"},
        {"poll-all-users-on-first-login: yes", PROVIDER "Poll/AllUsersPollOnFirstLogin", "true", "boolean"},
        {"help-phone: \"1\"", PROVIDER "HelpPhoneNumber", "1", "string"},
        {"help-website: w", PROVIDER "HelpWebsite", "w", "string"},
        {"help-email: e", PROVIDER "HelpEmailAddress", "e", "string"},
        {"renew-url: https://r.example", "CertificateStore/My/WSTEP/Renew/ServerURL", "https://r.example",
         "string"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        configure("");
        holds_not(written(), cases[i].path);
        configure(pke_arena_printf(arena, "    %s\n", cases[i].option));
        holds(written(), cases[i].path, cases[i].value, cases[i].datatype);
    }
    configure("    poll-on-login: no\n    connection-retries: 9\n    default-encoding: "
              "application/vnd.syncml.dm+wbxml\n");
    holds(written(), PROVIDER "Poll/PollOnLogin", "false", "boolean");
    holds(written(), "APPLICATION/CONNRETRYFREQ", "9", NULL);
    holds(written(), "APPLICATION/DEFAULTENCODING", "application/vnd.syncml.dm+wbxml", NULL);
    holds_not(written(), "APPLICATION/INIT");
    holds(written(), "CertificateStore/My/WSTEP/Renew/RenewPeriod", "42", "integer");
    configure("    renew-period: 0\n"); /* 51: no schedule rather than one that renews at once */
    holds_not(written(), "CertificateStore/My/WSTEP/Renew/RenewPeriod");
    holds_not(written(), "CertificateStore/My/WSTEP/Renew/ROBOSupport");
}

/* 57: names come through as they are, wherever they come from. */
static void test_57_names(void **state)
{
    (void)state;
    configure("");
    holds_not(written(), PROVIDER "EntDeviceName"); /* no claim, no name */
    holds_not(written(), PROVIDER "UPN");           /* a principal is no UPN, whatever it looks like */
    issued.upn = "ada@corp.example";
    holds(written(), PROVIDER "UPN", "ada@corp.example", "string");
    pke_pairs_add(&context, arena, "DeviceName", NASTY);
    pke_pairs_add(&context, arena, "DeviceID", DEVICE_ID);
    issued.upn = NASTY;
    holds(written(), PROVIDER "EntDeviceName", NASTY, "string");
    holds(written(), PROVIDER "UPN", NASTY, "string");
    configure("    display-name: \"a&b<c>\\\"d'e ]]> \\u00e9\\u20ac z\"\n    upn: \"\"\n"
              "    device-name: \"{user}: {device-name} ({device-id}, {ent-dmid}, {upn})\"\n");
    holds(written(), "APPLICATION/NAME", NASTY, NULL);
    holds_not(written(), PROVIDER "UPN");
    holds(written(), PROVIDER "EntDeviceName",
          "ada@corp.example: " NASTY " (" DEVICE_ID ", ENT-DMID, " NASTY ")", "string");
    configure("    device-name: fixed\n    upn: \"{user}\"\n");
    holds(written(), PROVIDER "EntDeviceName", "fixed", "string");
    holds(written(), PROVIDER "UPN", "ada@corp.example", "string");
}

/* What a client claims can neither break the document nor make a name of half a value. */
static void test_claims_that_are_left_out(void **state)
{
    static const char *const claims[] = {"",
                                         "a\tb",
                                         "a\nb",
                                         "a\x7f",
                                         "a\xc2\x85"
                                         "b",
                                         "a\xff"};
    char *lengthy = pke_arena_alloc(arena, 258);

    (void)state;
    configure("");
    memset(lengthy, 'n', 256);
    for (size_t i = 0; i < PKE_LEN(claims); i++) {
        context.n = 0;
        pke_pairs_add(&context, arena, "DeviceName", claims[i]);
        holds_not(written(), PROVIDER "EntDeviceName");
        holds(written(), PROVIDER "EntDMID", "ENT-DMID", "string");
    }
    context.n = 0;
    pke_pairs_add(&context, arena, "DeviceName", lengthy);
    holds(written(), PROVIDER "EntDeviceName", lengthy, "string");
    lengthy[256] = 'n';
    context.n = 0;
    pke_pairs_add(&context, arena, "DeviceName", lengthy);
    holds_not(written(), PROVIDER "EntDeviceName");
    issued.principal = "11d1f0a2-6f7a-4b2b-9c1e-0c6a1b7f9001:9a51d698-40c7-499c-928e-ef7fd76e62c0";
    holds_not(written(), PROVIDER "UPN"); /* an id is no UPN */
    issued.upn = "a\x01";
    holds_not(written(), PROVIDER "UPN");
}

static void test_unknown_items_are_told_once(void **state)
{
    struct unknown_items seen = {0};

    (void)state;
    assert_false(unknown_items_first(&seen, "plugandforget"));
    assert_false(unknown_items_first(&seen, text_of('n', 129)));
    assert_true(unknown_items_first(&seen, "New"));
    assert_false(unknown_items_first(&seen, "new"));
    for (unsigned i = 1; i < UNKNOWN_ITEMS_MAX; i++)
        assert_true(unknown_items_first(&seen, pke_arena_printf(arena, "New%u", i)));
    assert_false(unknown_items_first(&seen, "One more"));
}

static void test_patterns(void **state)
{
    static const char *const values[PATTERN__MAX] = {[PATTERN_UPN] = "{user}", [PATTERN_USER] = "u"};
    char *s = pattern_expand("{upn}-{user}", values, 100);

    (void)state;
    assert_string_equal(s, "{user}-u"); /* values are not read again */
    free(s);
    assert_null(pattern_expand("{upn}-{user}", values, 7));
    assert_null(pattern_expand("x{device-id}", values, 100));
    assert_null(pattern_expand("", values, 100));
    assert_true(pattern_valid("", PATTERN_ALL));
    assert_true(pattern_valid("a {upn}{user} b", 1u << PATTERN_UPN | 1u << PATTERN_USER));
    assert_false(pattern_valid("{user}", 1u << PATTERN_UPN));
    assert_false(pattern_valid("{User}", PATTERN_ALL));
    assert_false(pattern_valid("{upn", PATTERN_ALL));
    assert_false(pattern_valid("upn}", PATTERN_ALL));
    assert_false(pattern_valid("{{upn}}", PATTERN_ALL));
}

static unsigned count(const struct xml_node *n)
{
    unsigned k = 1;

    for (const struct xml_node *c = n->first; c; c = c->next)
        k += count(c);
    return k;
}

/* 63: what a renewal is answered; the store is the record's. */
static void test_63_renewal(void **state)
{
    char sha1[CATALOGUE_SHA1_HEX];
    const struct xml_node *root;
    const char *path;

    (void)state;
    configure("    fragment-file: f\n    search-criteria: yes\n");
    in.renewal = true;
    in.secrets = NULL;
    issued.enrollment_type = "Device";
    pke_pairs_add(&context, arena, "EnrollmentType", "Full"); /* not asked */
    root = written();
    assert_string_equal(xml_attr_any_ns(root->first, "type"), "CertificateStore");
    assert_string_equal(xml_attr_any_ns(root->first->next, "type"), "APPLICATION");
    assert_null(root->first->next->next);
    holds(root, "APPLICATION/PROVIDER-ID", "corp.example", NULL);
    assert_int_equal(count(root->first->next), 2);
    catalogue_sha1(issued.certificate, sha1);
    path = pke_arena_printf(arena, "CertificateStore/My/System/%s/EncodedCertificate", sha1);
    holds(root, path, "bGVhZg==", NULL);     /* base64("leaf") */
    assert_int_equal(count(root->first), 6); /* CertificateStore, My, System, the two below it, one value */
    in.with_ca = true;
    root = written();
    assert_int_equal(count(root->first), 6 + 4 + 4); /* Root and CA, each with System, a node and its value */
    holds(root, pke_arena_printf(arena, "CertificateStore/CA/System/%s/EncodedCertificate", issuer.ca.sha1),
          "Y2E=", NULL);
    issuer.self_signed = true;
    assert_int_equal(count(written()->first), 6 + 4);
    issued.enrollment_type = "Full";
    path = pke_arena_printf(arena, "CertificateStore/My/User/%s/EncodedCertificate", sha1);
    holds(written(), path, "bGVhZg==", NULL);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    FILE *f = fopen(pke_arena_printf(arena, "%s/%s", dir, name), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(pke_arena_printf(arena, "%s/%s", dir, name), 0600), 0);
}

static enum pke_err load_snapshot(const char *dir, const char *fragment, struct snapshot **ret,
                                  struct pke_fail *fail)
{
    write_file(dir, "f.xml", fragment);
    *ret = snapshot_new(conf);
    return snapshot_load_secrets(*ret, fail);
}

/* 56: net parses the fragment itself; a bad one never comes to a signature. */
static void test_56_fragment_in_the_document(void **state)
{
    char dir[] = "/tmp/pke-prov-XXXXXX";
    struct snapshot *s;
    struct pke_fail fail;
    const struct xml_node *root;

    (void)state;
    assert_non_null(mkdtemp(dir));
    write_file(dir, "client", "cs");
    write_file(dir, "server", "ss");
    configure(pke_arena_printf(arena, "    fragment-file: %s/f.xml\n", dir));
    conf->provisionings[0].client_secret_file = pke_arena_printf(arena, "%s/client", dir);
    conf->provisionings[0].server_secret_file = pke_arena_printf(arena, "%s/server", dir);
    assert_int_equal(
        load_snapshot(dir,
                      "<characteristic type='DMClient'><characteristic type='Provider'>"
                      "<characteristic type='corp.example'><characteristic type='FirstSyncStatus'>"
                      "<parm name='TimeOut' value='60' datatype='integer'/></characteristic>"
                      "</characteristic></characteristic></characteristic>"
                      "<!-- c --><characteristic type='Policy'><parm name='n' value='&lt;&amp;>'/>"
                      "</characteristic>",
                      &s, &fail),
        PKE_OK);
    in.secrets = snapshot_secrets(s, in.conf);
    root = written();
    holds(root, PROVIDER "FirstSyncStatus/TimeOut", "60", "integer"); /* in the one DMClient that there is */
    holds(root, PROVIDER "EntDMID", "ENT-DMID", "string");
    holds(root, "Policy/n", "<&>", NULL);
    snapshot_unref(s);
    assert_int_equal(load_snapshot(dir, "\n<characteristic type='CertificateStore'/>", &s, &fail),
                     PKE_CONFIG);
    assert_string_equal(fail.reason, "fragment-certificate-store");
    assert_non_null(strstr(fail.text, "/f.xml:2: "));
    snapshot_unref(s);
    unlink(pke_arena_printf(arena, "%s/f.xml", dir));
    unlink(pke_arena_printf(arena, "%s/client", dir));
    unlink(pke_arena_printf(arena, "%s/server", dir));
    assert_int_equal(rmdir(dir), 0);
}

/* The largest document that options, a fragment and a request can make stays below the bound. */
static void test_the_largest_document(void **state)
{
    char *url = text_of('&', LONG_URL);
    unsigned line;
    struct pke_fail fail;
    struct pke_buf b;

    (void)state;
    memcpy(url, "https://a/", 10);
    pke_buf_init(&b, 1 << 20);
    pke_buf_printf(&b, "    management-servers:\n");
    for (char i = 'a'; i < 'i'; i++) {
        url[8] = i; /* a list has no entry twice */
        pke_buf_printf(&b, "    - %s\n", url);
    }
    pke_buf_printf(&b, "    display-name: \"%s\"\n    help-website: \"%s\"\n    help-email: \"%s\"\n",
                   text_of('&', 128), text_of('&', 1024), text_of('&', 320));
    pke_buf_printf(&b, "    network-access-point: \"%s\"\n    aad-resource-id: \"%s\"\n    renew-url: %s\n",
                   text_of('&', 255), text_of('&', 255), url);
    configure(pke_buf_cstr(&b));
    pke_buf_clear(&b);
    pke_buf_add_str(&b, "<characteristic type='Policy'>");
    for (size_t i = 0; i < 100; i++)
        pke_buf_printf(&b, "<parm name='%s' value='%s'/>", text_of('n', 250), text_of('>', 50));
    pke_buf_add_str(&b, "</characteristic>");
    assert_int_equal(provfrag_read(pke_buf_bytes(&b), "corp.example", &secrets.fragment, &line, &fail),
                     PKE_OK);
    pke_buf_done(&b);
    issued.principal = issued.upn = text_of('&', 320);
    issued.subject_cn = text_of('&', 64);
    issued.certificate = issuer.ca.der = issuer.root.der = PKE_BYTES(text_of('c', 8192), 8192);
    pke_pairs_add(&context, arena, "DeviceName", text_of('&', 256));
    pke_buf_init(&b, PROVISION_MAX);
    if (provision_write(&in, &b, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    if (b.n < PROVISION_MAX / 2 || b.n > 3 * PROVISION_MAX / 4)
        fail_msg("%zu bytes", b.n);
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_52_53_every_option, setup, teardown),
        cmocka_unit_test_setup_teardown(test_57_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claims_that_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_items_are_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_63_renewal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_56_fragment_in_the_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_largest_document, setup, teardown),
    };

    return cmocka_run_group_tests_name("net provision", tests, NULL, NULL);
}
