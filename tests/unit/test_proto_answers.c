/* SPDX-License-Identifier: Apache-2.0 */
/* What proto/ writes: envelopes, GetPoliciesResponse, RSTRC, provisioning document, faults; read back by our
 * parser and validated against the published schemas by xmllint. Numbers: the MDM conformance checklist. */
#include "test_proto_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/fault.h"
#include "proto/provdoc.h"

#define TRACE        "11d1f0a2-6f7a-4b2b-9c1e-0c6a1b7f9001"
#define ROOT_SHA1    "A4CADA969E1F94ACF1E992F03775385DB7FBF6E8"
#define USER_SHA1    "5C4556D253BCEDEA7D834D5953939FBB8E2BBD5F"
#define RENEWED_SHA1 "1C6E0224F39A0F8EC29EB71166FD5E895A2FB933"
#define NASTY        "a&b<c>\"d'e ]]> \xc3\xa9\xe2\x82\xac \t\n\r z" /* 57 */

static char *taken(struct pke_buf *b)
{
    char *s = pke_arena_str(test_arena, pke_buf_bytes(b));

    assert_false(b->overflow);
    pke_buf_done(b);
    return s;
}

static const struct xml_node *parsed(const char *s)
{
    struct xml_node *root;

    if (test_tree(s, strlen(s), &root) != PKE_OK)
        fail_msg("%s: %s", test_fail.text, s);
    return root;
}

static const char *text_of(const struct xml_node *n, const char *ns, const char *name)
{
    const struct xml_node *found = test_find(n, ns, name);

    return found ? found->text : NULL;
}

/* xmllint is another implementation of nothing but the schema processor: it judges, we do not. */
static void validates(const char *message)
{
    char path[] = "/tmp/pke-proto-XXXXXX";
    int fd = mkstemp(path);
    const char *top = getenv("top_srcdir");
    char *command;
    int rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, message, strlen(message)), strlen(message));
    close(fd);
    command =
        pke_arena_printf(test_arena,
                         "out=$(xmllint --nonet --noout --schema '%s/tests/data/xsd/all.xsd' %s 2>&1) || "
                         "{ echo \"# $out\"; exit 1; }",
                         top ? top : "..", path);
    rc = system(command);
    unlink(path);
    assert_int_equal(rc, 0);
}

static char *envelope(const char *action, const char *body, const char *body_attributes)
{
    struct soap_reply r = {.action = action,
                           .relates_to = "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e",
                           .activity_id = TRACE,
                           .created = "2026-03-01T12:00:00Z",
                           .expires = "2026-03-01T12:05:00Z",
                           .body_attributes = body_attributes};
    struct pke_buf b;

    pke_buf_init(&b, 1 << 20);
    assert_int_equal(soap_reply_write(&r, pke_bytes_str(body), &b), PKE_OK);
    return taken(&b);
}

/* 6: action and attempt id; 5 and A10: RelatesTo byte for byte, escaped. */
static void test_06_reply_header(void **state)
{
    struct soap_reply r = {.action = SOAP_ACTION_RSTRC, .relates_to = "urn:x]]>&<\"'y", .activity_id = TRACE};
    const struct xml_node *root, *activity;
    struct pke_buf b;
    char *s;

    (void)state;
    root = parsed(envelope(SOAP_ACTION_GET_POLICIES_RESPONSE, "", NULL));
    assert_string_equal(root->ns, SOAP12);
    assert_string_equal(text_of(root, WSA, "Action"), SOAP_ACTION_GET_POLICIES_RESPONSE);
    assert_string_equal(text_of(root, WSA, "RelatesTo"), "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e");
    activity = test_find(root, "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics", "ActivityId");
    assert_string_equal(activity->text, TRACE);
    assert_string_equal(xml_attr_any_ns(activity, "CorrelationId"), TRACE);
    assert_int_equal(test_count(root, "Timestamp"), 1);
    pke_buf_init(&b, 1 << 20);
    assert_int_equal(soap_reply_write(&r, pke_bytes_str(""), &b), PKE_OK);
    s = taken(&b);
    root = parsed(s);
    assert_string_equal(text_of(root, WSA, "RelatesTo"), r.relates_to);
    assert_int_equal(test_count(root, "Security"), 0);
    r.relates_to = NULL;
    pke_buf_init(&b, 1 << 20);
    assert_int_equal(soap_reply_write(&r, pke_bytes_str(""), &b), PKE_OK);
    assert_int_equal(test_count(parsed(taken(&b)), "RelatesTo"), 0);
    pke_buf_init(&b, 100);
    assert_int_equal(soap_reply_write(&r, pke_bytes_str(""), &b), PKE_LIMIT);
    pke_buf_done(&b);
}

static const struct xcep_policy example_policy = {
    .policy_id = "pkienrolld-mdm-device",
    .common_name = "MDMDevice",
    .validity_seconds = 31536000,
    .renewal_seconds = 3628800,
    .minimal_key_length = 2048,
    .major_revision = 101,
};

static char *policy_body(const struct xcep_policy *p)
{
    struct pke_buf b;

    pke_buf_init(&b, 1 << 16);
    assert_int_equal(xcep_response_write(p, &b, &test_fail), PKE_OK);
    return taken(&b);
}

static struct pke_strings windows_providers(void)
{
    struct pke_strings list = {NULL, 0};

    pke_strings_add(&list, test_arena, "Microsoft Platform Crypto Provider");
    pke_strings_add(&list, test_arena, "Microsoft Software Key Storage Provider");
    return list;
}

/* The documented messages, byte for byte (mdm.md examples 50 and 51). */
static void test_27_equals_the_examples(void **state)
{
    struct xcep_policy p = example_policy;
    struct pke_strings providers = windows_providers();

    (void)state;
    assert_non_null(strstr(test_data("mdm/51-getpolicies-nil-providers.resp.xml"), policy_body(&p)));
    p.providers = &providers;
    assert_non_null(strstr(test_data("mdm/50-getpolicies.resp.xml"), policy_body(&p)));
}

/* 30: no scalar holds white space, and no text stands between elements. */
static void no_white_space(const struct xml_node *n)
{
    if (strcmp(n->name, "provider") != 0)
        assert_null(strpbrk(n->text, " \t\r\n"));
    for (const struct xml_node *c = n->first; c; c = c->next)
        no_white_space(c);
}

static struct xcep_ca example_ca(void)
{
    return (struct xcep_ca){.url = "https://enroll.corp.example/EnrollmentServer/Enrollment.svc?a=1&b=2",
                            .client_authentication = 4,
                            .certificate = test_data_bytes("mdm/pki/root.der"),
                            .enroll_permission = true};
}

/* 27, 28, 29, 30: schema, one policy, one oID, providers, white space; with and without an advertised CA. */
static void test_27_to_30_policy_response(void **state)
{
    struct pke_strings providers = windows_providers();
    struct xcep_ca ca = example_ca();

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct xcep_policy p = example_policy;
        const struct xml_node *root, *oid;
        char *body, *message;

        p.providers = i & 1 ? &providers : NULL;
        p.ca = i & 2 ? &ca : NULL;
        body = policy_body(&p);
        assert_null(strpbrk(body, "\t\r\n"));
        assert_null(strstr(body, "> <"));
        message = envelope(SOAP_ACTION_GET_POLICIES_RESPONSE, body, XCEP_BODY_ATTRIBUTES);
        validates(message);
        root = test_find(parsed(message), XCEP, "GetPoliciesResponse");
        no_white_space(root);
        assert_int_equal(test_count(root, "policy"), 1);
        assert_string_equal(text_of(root, XCEP, "policySchema"), "3");
        assert_int_equal(test_count(root, "oID"), 1);
        oid = test_find(root, XCEP, "oID");
        assert_string_equal(text_of(oid, XCEP, "value"), "2.16.840.1.101.3.4.2.1");
        assert_string_equal(text_of(oid, XCEP, "group"), "1");
        assert_string_equal(text_of(root, XCEP, "hashAlgorithmOIDReference"),
                            text_of(oid, XCEP, "oIDReferenceID"));
        assert_int_equal(test_count(test_find(root, XCEP, "cryptoProviders"), "provider"), i & 1 ? 2 : 0);
        assert_string_equal(test_find(root, XCEP, "cryptoProviders")->attrs ? "true" : "",
                            i & 1 ? "" : "true");
        assert_int_equal(test_count(root, "cA"), i & 2 ? 1 : 0);
        assert_int_equal(test_count(root, "cAReference"), i & 2 ? 1 : 0);
    }
}

/* The advertised CA: address, certificate, permission, and the policy points at it. */
static void test_27_advertised_ca(void **state)
{
    struct xcep_policy p = example_policy;
    struct xcep_ca ca = example_ca();
    const struct xml_node *root, *node;
    struct pke_buf der;

    (void)state;
    p.ca = &ca;
    root = parsed(envelope(SOAP_ACTION_GET_POLICIES_RESPONSE, policy_body(&p), XCEP_BODY_ATTRIBUTES));
    node = test_find(root, XCEP, "cA");
    assert_string_equal(text_of(node, XCEP, "uri"), ca.url);
    assert_string_equal(text_of(node, XCEP, "clientAuthentication"), "4");
    assert_string_equal(text_of(node, XCEP, "enrollPermission"), "true");
    assert_string_equal(text_of(node, XCEP, "renewalOnly"), "false");
    assert_string_equal(text_of(node, XCEP, "priority"), "1"); /* cepces needs one that is not nil */
    assert_string_equal(text_of(node, XCEP, "cAReferenceID"), text_of(root, XCEP, "cAReference"));
    pke_buf_init(&der, 1 << 16);
    assert_int_equal(
        pke_base64_decode(pke_bytes_str(text_of(node, XCEP, "certificate")), PKE_B64_STRICT, &der), PKE_OK);
    assert_true(pke_bytes_eq(pke_buf_bytes(&der), ca.certificate));
    pke_buf_done(&der);
}

static void policy_refused(struct xcep_policy p)
{
    struct pke_buf b;

    pke_buf_init(&b, 1 << 16);
    assert_int_equal(xcep_response_write(&p, &b, &test_fail), PKE_POLICY);
    assert_int_equal(b.n, 0);
    pke_buf_done(&b);
}

/* 31: what version 5.0 asks for, then the block of 6.0 byte for byte (mdm.md example 52, where the two
 * behaviours differ); nothing of it before. */
static void test_31_attestation_elements(void **state)
{
    struct xcep_policy p = example_policy;
    struct pke_strings providers = windows_providers();
    struct xcep_attestation a = {.failure = "RetryOnError", .timeout_seconds = 100};
    char *example = pke_strdup(test_data("mdm/52-getpolicies-v6-attestation.resp.xml")), *at, *body;

    (void)state;
    p.providers = &providers;
    assert_null(strcasestr(policy_body(&p), "attestation"));
    p.attestation = &a;
    body = policy_body(&p);
    assert_non_null(strstr(body,
                           "<algorithmOIDReference xsi:nil=\"true\"/><AttestationFailureBehavior>RetryOnError"
                           "</AttestationFailureBehavior><OperationTimeout>100</OperationTimeout>"
                           "<cryptoProviders><provider>Microsoft Platform Crypto Provider</provider>"));
    assert_null(strstr(body, "<attestation>"));
    a.block = true;
    at = strstr(example, ">IgnoreOnError<");
    assert_non_null(at);
    memcpy(at, ">RetryOnError<", 14);
    memmove(at + 14, at + 15, strlen(at + 15) + 1);
    assert_non_null(strstr(example, policy_body(&p)));
    free(example);
    a.maa_url = "https://lab.attest.example/?a=1&b=2";
    a.maa_relying = "https://rp.example";
    assert_non_null(strstr(policy_body(&p),
                           "<operationTimeout>100</operationTimeout><azureAttestation><relyingPartyId>"
                           "https://rp.example</relyingPartyId><endpointUri>https://lab.attest.example/"
                           "?a=1&amp;b=2</endpointUri></azureAttestation></attestation></attributes>"));
    a.maa_url = "https://lab.attest.example/ x";
    policy_refused(p);
}

/* 30: white space is refused, not written; 57: other characters are escaped. */
static void test_30_scalars_are_checked(void **state)
{
    struct xcep_policy p = example_policy;
    struct xcep_ca ca = example_ca();
    struct pke_strings providers = {NULL, 0};

    (void)state;
    p.common_name = "a b";
    policy_refused(p);
    p.common_name = "";
    policy_refused(p);
    p.common_name = "a\xff";
    policy_refused(p);
    p = example_policy;
    p.policy_id = "a\n";
    policy_refused(p);
    p = example_policy;
    p.ca = &ca;
    ca.url = "https://h/a b";
    policy_refused(p);
    ca = example_ca();
    ca.certificate.n = 0;
    policy_refused(p);
    p = example_policy;
    pke_strings_add(&providers, test_arena, "");
    p.providers = &providers;
    policy_refused(p);
    p = example_policy;
    p.common_name = "a&b<c>\"'\xc3\xa9";
    assert_string_equal(
        text_of(parsed(envelope("x", policy_body(&p), XCEP_BODY_ATTRIBUTES)), XCEP, "commonName"),
        p.common_name);
}

/* 34, 39: the RSTRC of the documentation byte for byte; the document comes out again; @Context is echoed. */
static void test_34_rstrc(void **state)
{
    struct pke_bytes doc = test_data_bytes("mdm/61-provdoc-issue-device-system.xml");
    const struct xml_node *root, *token;
    struct pke_buf b;
    char *body;

    (void)state;
    while (doc.p[doc.n - 1] == '\n')
        doc.n--;
    pke_buf_init(&b, 1 << 18);
    assert_int_equal(wstep_response_write(NULL, doc, &b), PKE_OK);
    body = taken(&b);
    assert_non_null(strstr(test_data("mdm/61-rstrc-issue-device-system.resp.xml"), body));
    validates(envelope(SOAP_ACTION_RSTRC, body, NULL));
    root = parsed(body);
    assert_int_equal(test_count(root, "BinarySecurityToken"), 1);
    token = test_find(root, WSSE, "BinarySecurityToken");
    assert_string_equal(token->parent->name, "RequestedSecurityToken");
    assert_non_null(strstr(xml_attr_any_ns(token, "ValueType"), "/5.0.0.0/ConfigurationManager/Enrollment/"
                                                                "DeviceEnrollmentProvisionDoc"));
    pke_buf_init(&b, 1 << 18);
    assert_int_equal(pke_base64_decode(pke_bytes_str(token->text), PKE_B64_STRICT, &b), PKE_OK);
    assert_true(pke_bytes_eq(pke_buf_bytes(&b), doc));
    pke_buf_clear(&b);
    assert_int_equal(wstep_response_write(NASTY, doc, &b), PKE_OK);
    root = parsed(taken(&b));
    assert_string_equal(xml_attr_any_ns(root->first, "Context"), NASTY);
    pke_buf_init(&b, 1000);
    assert_int_equal(wstep_response_write(NULL, doc, &b), PKE_LIMIT);
    pke_buf_done(&b);
}

static struct provdoc example_doc(void)
{
    return (struct provdoc){
        .root = {test_data_bytes("mdm/pki/root.der"), ROOT_SHA1},
        .certificate = {test_data_bytes("mdm/pki/user.der"), USER_SHA1},
        .renew_period = 42,
        .retry_interval = 4,
        .provider_id = "CorpMDM",
        .display_name = "Corp Example MDM",
        .management_url = "https://mdm.corp.example/ManagementServer/MDM.svc",
        .connection_retries = 6,
        .initial_backoff_ms = 30000,
        .max_backoff_ms = 120000,
        .backcompat_retry_disabled = true,
        .default_encoding = "application/vnd.syncml.dm+xml",
        .search_subject = "CN=ada@corp.example",
        .client_secret = "srv-secret-0001",
        .client_nonce = "bm9uY2UtMDAwMQ==",
        .server_auth_type = "DIGEST",
        .server_name = "8090C8B484A0E24EB5C56E806CB4EE5B",
        .server_secret = "dev-secret-0001",
        .server_nonce = "bm9uY2UtMDAwMg==",
        .upn = "ada@corp.example",
        .ent_dmid = "9A51D698-40C7-499C-928E-EF7FD76E62C0",
        .ent_device_name = "DESKTOP-LAB0001",
        .first_retries = 5,
        .first_interval_min = 15,
        .second_retries = 10,
        .second_interval_min = 60,
        .remaining_interval_min = 1440,
        .poll_on_login = true,
    };
}

static char *written(const struct provdoc *doc)
{
    struct pke_buf b;

    pke_buf_init(&b, 1 << 18);
    if (provdoc_write(doc, &b, &test_fail) != PKE_OK)
        fail_msg("%s", test_fail.text);
    return taken(&b);
}

/* The node at a path of characteristic types "A/B/C". */
static const struct xml_node *at(const struct xml_node *n, const char *path)
{
    size_t len = strcspn(path, "/");

    for (const struct xml_node *c = n->first; c; c = c->next) {
        const char *type = xml_attr_any_ns(c, "type");

        if (strcmp(c->name, "characteristic") == 0 && strlen(type) == len && strncmp(type, path, len) == 0)
            return path[len] ? at(c, path + len + 1) : c;
    }
    return NULL;
}

static const struct xml_node *parm_node(const struct xml_node *n, const char *name)
{
    for (const struct xml_node *c = n ? n->first : NULL; c; c = c->next)
        if (strcmp(c->name, "parm") == 0 && strcmp(xml_attr_any_ns(c, "name"), name) == 0)
            return c;
    return NULL;
}

static const char *parm(const struct xml_node *n, const char *name)
{
    const struct xml_node *p = parm_node(n, name);

    return p ? xml_attr_any_ns(p, "value") : NULL;
}

/* 48 to 53, 55: the documentation's document, byte for byte. */
static void test_48_equals_the_example(void **state)
{
    struct provdoc doc = example_doc();
    char *want = test_data("mdm/60-provdoc-issue-full-user.xml");

    (void)state;
    want[strcspn(want, "\n")] = '\0';
    assert_string_equal(written(&doc), want);
}

static void holds_certificate(const struct xml_node *node, struct pke_bytes want)
{
    const char *value = parm(node, "EncodedCertificate");
    struct pke_buf b;

    assert_non_null(value);
    assert_null(strpbrk(value, " \t\r\n"));
    pke_buf_init(&b, 1 << 16);
    assert_int_equal(pke_base64_decode(pke_bytes_str(value), PKE_B64_STRICT, &b), PKE_OK);
    assert_true(pke_bytes_eq(pke_buf_bytes(&b), want));
    pke_buf_done(&b);
}

/* 48, 49, 50: shape, thumbprints, stores; an intermediate goes to CA/System; 44: the device's store. */
static void test_48_to_50_certificate_store(void **state)
{
    struct provdoc doc = example_doc();
    const struct xml_node *root, *my;

    (void)state;
    doc.device_store = true;
    doc.intermediate = (struct provdoc_certificate){test_data_bytes("mdm/pki/device.der"), ROOT_SHA1};
    doc.renew_url = "https://enroll.corp.example/renew";
    root = parsed(written(&doc));
    assert_string_equal(root->name, "wap-provisioningdoc");
    assert_string_equal(root->ns, "");
    assert_string_equal(xml_attr_any_ns(root, "version"), "1.1");
    holds_certificate(at(root, "CertificateStore/Root/System/" ROOT_SHA1), doc.root.der);
    holds_certificate(at(root, "CertificateStore/CA/System/" ROOT_SHA1), doc.intermediate.der);
    my = at(root, "CertificateStore/My/System");
    holds_certificate(at(my, USER_SHA1), doc.certificate.der);
    assert_non_null(at(my, "PrivateKeyContainer"));
    assert_null(at(root, "CertificateStore/My/User"));
    my = at(root, "CertificateStore/My/WSTEP/Renew");
    assert_string_equal(parm(my, "RenewPeriod"), "42");
    assert_string_equal(xml_attr_any_ns(parm_node(my, "RenewPeriod"), "datatype"), "integer");
    assert_string_equal(xml_attr_any_ns(parm_node(my, "ROBOSupport"), "datatype"), "boolean");
    assert_string_equal(parm(my, "ServerURL"), doc.renew_url);
    doc.device_store = false;
    doc.intermediate.der.n = 0;
    root = parsed(written(&doc));
    assert_non_null(at(root, "CertificateStore/My/User/" USER_SHA1));
    assert_null(at(root, "CertificateStore/My/System"));
    assert_null(at(root, "CertificateStore/CA"));
}

/* 52: APPLICATION; 53: DMClient. */
static void test_52_53_application_and_dmclient(void **state)
{
    struct provdoc doc = example_doc();
    const struct xml_node *root, *app, *provider;
    unsigned auths = 0;

    (void)state;
    doc.help_phone = "+1";
    doc.help_website = "https://help";
    doc.help_email = "h@e";
    root = parsed(written(&doc));
    app = at(root, "APPLICATION");
    assert_string_equal(parm(app, "APPID"), "w7");
    assert_null(parm_node(app, "INIT"));
    assert_null(parm(app, "BACKCOMPATRETRYDISABLED"));
    assert_non_null(parm_node(app, "BACKCOMPATRETRYDISABLED"));
    for (const struct xml_node *c = app->first; c; c = c->next) {
        const char *name = xml_attr_any_ns(c, "name");

        for (size_t i = 0; name && name[i]; i++)
            assert_false(name[i] >= 'a' && name[i] <= 'z');
        if (!name) {
            assert_string_equal(xml_attr_any_ns(c, "type"), "APPAUTH");
            assert_string_equal(parm(c, "AAUTHLEVEL"), auths++ ? "APPSRV" : "CLIENT");
            assert_string_equal(parm(c, "AAUTHTYPE"), "DIGEST");
            assert_non_null(parm(c, "AAUTHSECRET"));
        }
    }
    assert_int_equal(auths, 2);
    provider = at(root, pke_arena_printf(test_arena, "DMClient/Provider/%s", parm(app, "PROVIDER-ID")));
    assert_string_equal(parm(provider, "EntDMID"), doc.ent_dmid);
    assert_string_equal(parm(provider, "HelpEmailAddress"), "h@e");
    assert_string_equal(parm(at(provider, "Poll"), "NumberOfFirstRetries"), "5");
    doc.backcompat_retry_disabled = false;
    doc.upn = doc.ent_device_name = doc.help_phone = doc.display_name = NULL;
    root = parsed(written(&doc));
    assert_null(parm_node(at(root, "APPLICATION"), "BACKCOMPATRETRYDISABLED"));
    assert_null(parm_node(at(root, "DMClient/Provider/CorpMDM"), "UPN"));
}

/* 55: percent-encoded, escaped once. */
static void test_55_search_criteria(void **state)
{
    struct provdoc doc = example_doc();
    char *s;

    (void)state;
    doc.search_subject = "CN=a&b \xc3\xa9*(~)";
    doc.device_store = true;
    s = written(&doc);
    assert_non_null(strstr(s, "value=\"Subject=CN%3Da%26b%20%C3%A9*(~)&amp;Stores=My%5CSystem\""));
    assert_null(strstr(s, "&amp;amp;"));
    assert_string_equal(parm(at(parsed(s), "APPLICATION"), "SSLCLIENTCERTSEARCHCRITERIA"),
                        "Subject=CN%3Da%26b%20%C3%A9*(~)&Stores=My%5CSystem");
    doc.search_subject = NULL;
    assert_null(strstr(written(&doc), "SSLCLIENTCERTSEARCHCRITERIA"));
}

/* 57: any character comes back; 48: the document is UTF-8. */
static void test_57_values_round_trip(void **state)
{
    struct provdoc doc = example_doc();
    const struct xml_node *root;
    char *s;

    (void)state;
    doc.display_name = doc.upn = doc.ent_device_name = doc.server_secret = NASTY;
    doc.provider_id = "P<&\"'>\xc3\xa9";
    s = written(&doc);
    assert_true(pke_utf8_valid(pke_bytes_str(s)));
    assert_non_null(strstr(s, "\xe2\x82\xac"));
    root = parsed(s);
    assert_string_equal(parm(at(root, "APPLICATION"), "NAME"), NASTY);
    assert_string_equal(parm(at(root, "APPLICATION"), "PROVIDER-ID"), doc.provider_id);
    assert_non_null(at(root, pke_arena_printf(test_arena, "DMClient/Provider/%s", doc.provider_id)));
    assert_string_equal(
        parm(at(root, pke_arena_printf(test_arena, "DMClient/Provider/%s", doc.provider_id)), "UPN"), NASTY);
}

static void doc_refused(struct provdoc doc, const char *reason)
{
    struct pke_buf b;

    pke_buf_init(&b, 1 << 18);
    assert_int_equal(provdoc_write(&doc, &b, &test_fail), PKE_POLICY);
    assert_string_equal(test_fail.reason, reason);
    assert_int_equal(b.n, 0);
    pke_buf_done(&b);
}

/* 49 to 53: a document that a client could not use is not written. */
static void test_53_mandatory_values(void **state)
{
    const char **needed[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    struct provdoc doc = example_doc();
    struct pke_buf b;

    (void)state;
    needed[0] = &doc.provider_id;
    needed[1] = &doc.management_url;
    needed[2] = &doc.client_secret;
    needed[3] = &doc.client_nonce;
    needed[4] = &doc.server_name;
    needed[5] = &doc.server_secret;
    needed[6] = &doc.server_nonce;
    needed[7] = &doc.ent_dmid;
    for (size_t i = 0; i < 8; i++) {
        const char *kept = *needed[i];
        static const char *const bad[] = {NULL, "", "a\x02", "\xff"};

        for (size_t k = 0; k < 4; k++) {
            *needed[i] = bad[k];
            doc_refused(doc, "provdoc-value");
        }
        *needed[i] = kept;
    }
    doc.server_auth_type = "BASIC";
    doc.server_nonce = NULL;
    written(&doc);
    doc.server_auth_type = "basic";
    doc_refused(doc, "provdoc-auth-type");
    doc = example_doc();
    doc.certificate.sha1_hex = "5c4556d253bcedea7d834d5953939fbb8e2bbd5f";
    doc_refused(doc, "provdoc-certificate");
    doc = example_doc();
    doc.root.der.n = 0;
    doc_refused(doc, "provdoc-certificate");
    doc = example_doc();
    doc.retry_interval = 43;
    doc_refused(doc, "provdoc-renew");
    doc = example_doc();
    doc.renew_period = 1001;
    doc_refused(doc, "provdoc-renew");
    doc = example_doc();
    pke_buf_init(&b, 2000);
    assert_int_equal(provdoc_write(&doc, &b, &test_fail), PKE_LIMIT);
    pke_buf_done(&b);
}

/* 63: the documentation's document of a renewal, byte for byte; without the CA when it is known already. */
static void test_63_renewal(void **state)
{
    struct provdoc doc = {
        .renewal = true,
        .with_ca = true,
        .device_store = true,
        .root = {test_data_bytes("mdm/pki/root.der"), ROOT_SHA1},
        .certificate = {test_data_bytes("mdm/pki/device-new.der"), RENEWED_SHA1},
        .provider_id = "CorpMDM",
        .upn = "left out",
        .client_secret = "left out",
    };
    char *want = test_data("mdm/62-provdoc-renew.xml");
    const struct xml_node *root;

    (void)state;
    want[strcspn(want, "\n")] = '\0';
    assert_string_equal(written(&doc), want);
    doc.intermediate = (struct provdoc_certificate){test_data_bytes("mdm/pki/device.der"), USER_SHA1};
    root = parsed(written(&doc));
    holds_certificate(at(root, "CertificateStore/CA/System/" USER_SHA1), doc.intermediate.der);
    doc.with_ca = false;
    doc.root = (struct provdoc_certificate){0};
    root = parsed(written(&doc));
    assert_null(at(root, "CertificateStore/Root"));
    assert_null(at(root, "CertificateStore/CA"));
    assert_null(at(root, "CertificateStore/My/WSTEP"));
    assert_null(at(root, "DMClient"));
    assert_int_equal(test_count(at(root, "APPLICATION"), "parm"), 1);
    assert_int_equal(test_count(at(root, "APPLICATION"), "characteristic"), 1);
    doc.provider_id = "";
    doc_refused(doc, "provdoc-value");
    doc.provider_id = "CorpMDM";
    doc.certificate.der.n = 0;
    doc_refused(doc, "provdoc-certificate");
}

/* 56: what a fragment holds goes through the same writer: DMClient joins, everything else follows. */
static void test_56_fragment_joins(void **state)
{
    static const char text[] =
        "<characteristic type=\"DMClient\"><characteristic type=\"Provider\"><characteristic "
        "type=\"CorpMDM\">"
        "<characteristic type=\"FirstSyncStatus\"><parm name=\"T\" value=\"1\" datatype=\"integer\"/>"
        "</characteristic><parm name=\"Flag\"/></characteristic></characteristic></characteristic>"
        "<characteristic type=\"Policy\"><parm name=\"a&amp;b\" value=\"&lt;&#10;]]>\"/></characteristic>"
        "<characteristic type=\"Policy\"/>";
    struct provdoc doc = example_doc();
    struct provfrag *fragment;
    const struct xml_node *root, *provider;
    unsigned line, clients = 0, policies = 0;

    (void)state;
    assert_int_equal(provfrag_read(pke_bytes_str(text), "CorpMDM", &fragment, &line, &test_fail), PKE_OK);
    doc.fragment = fragment;
    root = parsed(written(&doc));
    for (const struct xml_node *c = root->first; c; c = c->next) {
        clients += strcmp(xml_attr_any_ns(c, "type"), "DMClient") == 0;
        policies += strcmp(xml_attr_any_ns(c, "type"), "Policy") == 0;
    }
    assert_int_equal(clients, 1);
    assert_int_equal(policies, 2);
    provider = at(root, "DMClient/Provider/CorpMDM");
    assert_string_equal(parm(provider, "EntDMID"), doc.ent_dmid);
    assert_non_null(parm_node(provider, "Flag"));
    assert_string_equal(xml_attr_any_ns(parm_node(at(provider, "FirstSyncStatus"), "T"), "datatype"),
                        "integer");
    assert_string_equal(parm(at(root, "Policy"), "a&b"), "<\n]]>");
    provfrag_free(fragment);
}

static struct pke_fail failure(enum pke_err err, const char *text)
{
    struct pke_fail f = {.err = err};

    snprintf(f.text, sizeof f.text, "%s", text);
    return f;
}

static char *fault(const struct pke_fail *f)
{
    struct pke_buf b;

    pke_buf_init(&b, 1 << 16);
    assert_int_equal(fault_mdm_write(f, TRACE, NULL, &b), PKE_OK);
    return envelope(SOAP_ACTION_RSTRC, taken(&b), NULL);
}

static const struct {
    enum pke_err err;
    const char *subcode, *error_type;
    unsigned status;
} expected[] = {
    {PKE_MALFORMED, "s:MessageFormat", NULL, 500},
    {PKE_LIMIT, "s:MessageFormat", NULL, 500},
    {PKE_UNSUPPORTED, "s:Authorization", "NotSupported", 500},
    {PKE_INVALID_SECURITY, "a:InvalidSecurity", NULL, 500},
    {PKE_UNAUTHENTICATED, "s:Authentication", NULL, 500},
    {PKE_DENIED, "s:Authorization", NULL, 500},
    {PKE_QUOTA, "s:Authorization", "DeviceCapReached", 500},
    {PKE_POLICY, "s:Authorization", NULL, 500},
    {PKE_DEVICE_UNSUPPORTED, "s:Authorization", "DeviceNotSupported", 500},
    {PKE_LICENSE, "s:Authorization", "UserLicense", 500},
    {PKE_CUSTOM, "s:EnrollmentServer", "CustomServerError", 500},
    {PKE_ENROLLMENT_DATA, "s:Authorization", "InvalidEnrollmentData", 500},
    {PKE_CSR_BAD, "s:CertificateRequest", NULL, 500},
    {PKE_KEY_WEAK, "s:CertificateRequest", NULL, 500},
    {PKE_TEMPLATE, "s:Authorization", NULL, 500},
    {PKE_RENEW_INELIGIBLE, "s:CertificateRequest", "NotEligibleToRenew", 500},
    {PKE_NOT_FOUND, "a:InternalServiceFault", NULL, 500},
    {PKE_EXISTS, "a:InternalServiceFault", NULL, 500},
    {PKE_PENDING, "s:EnrollmentServer", "CustomServerError", 500},
    {PKE_BUSY, "s:EnrollmentServer", NULL, 500},
    {PKE_DEADLINE, "s:EnrollmentServer", NULL, 500},
    {PKE_MAINTENANCE, "s:EnrollmentServer", "InMaintenance", 503},
    {PKE_KEY_DOWN, "s:EnrollmentServer", NULL, 500},
    {PKE_KEY_LOCKED, "s:EnrollmentServer", NULL, 500},
    {PKE_STORE_DOWN, "s:EnrollmentServer", NULL, 500},
    {PKE_STALE, "s:EnrollmentServer", NULL, 500},
    {PKE_CONFIG, "s:EnrollmentServer", NULL, 500},
    {PKE_INTERNAL, "a:InternalServiceFault", NULL, 500},
    {PKE_ERR_MAX, "a:InternalServiceFault", NULL, 500},
};

/* 68, 69, 45: names and spelling as Windows looks for them, every class has its fault; 71: TraceId. */
static void test_68_69_faults(void **state)
{
    (void)state;
    assert_int_equal(sizeof expected / sizeof *expected, PKE_ERR_MAX); /* all but OK, and one out of range */
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct pke_fail f = failure(expected[i].err, "internal detail /etc/pki 42");
        char *message = fault(&f);
        const struct xml_node *root = parsed(message), *body, *code, *error;

        validates(message);
        body = test_find(root, SOAP12, "Fault");
        assert_ptr_equal(body->parent, root->last);
        code = xml_child(body, SOAP12, "Code");
        assert_string_equal(code->first->text, "s:Receiver");
        assert_string_equal(text_of(test_find(code, SOAP12, "Subcode"), SOAP12, "Value"),
                            expected[i].subcode);
        error = test_find(xml_child(body, SOAP12, "Detail"), WSTEP, "DeviceEnrollmentServiceError");
        if (expected[i].error_type)
            assert_string_equal(text_of(error, WSTEP, "ErrorType"), expected[i].error_type);
        else
            assert_null(text_of(error, WSTEP, "ErrorType"));
        assert_string_equal(text_of(error, WSTEP, "TraceId"), TRACE);
        assert_string_equal(text_of(error, WSTEP, "Message"), text_of(body, SOAP12, "Text"));
        assert_string_equal(xml_attr_any_ns(test_find(body, SOAP12, "Text"), "lang"), "en-US");
        assert_int_equal(fault_mdm_lookup(expected[i].err)->http_status, expected[i].status);
    }
}

static bool shows_own_text(enum pke_err err)
{
    return err == PKE_MALFORMED || err == PKE_ENROLLMENT_DATA || err == PKE_CSR_BAD || err == PKE_KEY_WEAK ||
           err == PKE_PENDING || err == PKE_CUSTOM;
}

/* 70: the word only in its own fault; 22: authentication says the same whatever happened; no inner details.
 */
static void test_70_texts(void **state)
{
    struct pke_fail f;

    (void)state;
    for (int err = 0; err < PKE_ERR_MAX; err++) {
        f = failure((enum pke_err)err, "x NotEligibleToRenew y");
        assert_null(strcasestr(fault_mdm_text(&f), "NotEligibleToRenew"));
        if (err != PKE_RENEW_INELIGIBLE)
            assert_null(strcasestr(fault(&f), "NotEligibleToRenew"));
        f = failure((enum pke_err)err, "told to the client?");
        assert_int_equal(strcmp(fault_mdm_text(&f), f.text) == 0, shows_own_text((enum pke_err)err));
        f = failure((enum pke_err)err, "");
        assert_true(*fault_mdm_text(&f));
    }
    f = failure(PKE_UNAUTHENTICATED, "user ada is locked");
    assert_string_equal(fault_mdm_text(&f), "The credential was refused");
}

/* 72: the prefix a is bound to the dispatcher on that element (it is WS-Addressing around it). */
static void test_72_dispatcher_prefix(void **state)
{
    struct pke_fail security = failure(PKE_INVALID_SECURITY, ""), internal = failure(PKE_INTERNAL, "");

    (void)state;
    assert_non_null(strstr(fault(&security), "<s:Value xmlns:a=\"" DISP "\">a:InvalidSecurity</s:Value>"));
    assert_non_null(
        strstr(fault(&internal), "<s:Value xmlns:a=\"" DISP "\">a:InternalServiceFault</s:Value>"));
}

/* 75: an operator's text is escaped and stands in Reason and Message; a language other than the default. */
static void test_75_operator_text(void **state)
{
    struct pke_fail f = failure(PKE_PENDING, "Closed <until> \"Monday\" & 'longer' ]]> \xc3\xa9");
    struct pke_buf b;
    const struct xml_node *root = parsed(fault(&f));

    (void)state;
    assert_string_equal(text_of(root, SOAP12, "Text"), f.text);
    assert_string_equal(text_of(root, WSTEP, "Message"), f.text);
    assert_string_equal(text_of(root, WSTEP, "ErrorType"), "CustomServerError");
    pke_buf_init(&b, 1 << 12);
    assert_int_equal(fault_mdm_write(&f, "\"<&", "de\"DE", &b), PKE_OK);
    root = parsed(envelope(SOAP_ACTION_RSTRC, taken(&b), NULL));
    assert_string_equal(text_of(root, WSTEP, "TraceId"), "\"<&");
    assert_string_equal(xml_attr_any_ns(test_find(root, SOAP12, "Text"), "lang"), "de\"DE");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        T(test_06_reply_header),
        T(test_27_equals_the_examples),
        T(test_31_attestation_elements),
        T(test_27_to_30_policy_response),
        T(test_27_advertised_ca),
        T(test_30_scalars_are_checked),
        T(test_34_rstrc),
        T(test_48_equals_the_example),
        T(test_48_to_50_certificate_store),
        T(test_52_53_application_and_dmclient),
        T(test_55_search_criteria),
        T(test_57_values_round_trip),
        T(test_53_mandatory_values),
        T(test_63_renewal),
        T(test_56_fragment_joins),
        T(test_68_69_faults),
        T(test_70_texts),
        T(test_72_dispatcher_prefix),
        T(test_75_operator_text),
    };
    return cmocka_run_group_tests_name("proto/answers", tests, NULL, NULL);
}
