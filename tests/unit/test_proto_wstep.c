/* SPDX-License-Identifier: Apache-2.0 */
/* proto/wstep.h: RequestSecurityToken. Numbers: the MDM conformance checklist; Axx: the attack list. */
#include "test_proto_util.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "proto/limits.h"

#define ONPREM_EXAMPLE    "mdm/12-rst-issue-onprem.req.xml"
#define ITEM(name, value) "<ac:ContextItem Name=\"" name "\"><ac:Value>" value "</ac:Value></ac:ContextItem>"
#define DEVICE_ID         "8090C8B484A0E24EB5C56E806CB4EE5B"
#define ISSUE             WST "/Issue"
#define PKCS10            WSTEP "#PKCS10"
#define TOKEN_START       "<wsse:BinarySecurityToken ValueType=\"" PKCS10
#define TOKEN_END         "<ac:AdditionalContext"
#define CONTEXT_END       "</ac:AdditionalContext>"
#define ENCODING          " EncodingType=\"" WSSE "#base64binary\""

static void refused(const char *message, enum pke_err want, const char *reason)
{
    enum pke_err err = test_read(message);

    if (err != want || strcmp(test_fail.reason, reason) != 0)
        fail_msg("got %s %s (%s), want %s %s", pke_err_token(err), test_fail.reason, test_fail.text,
                 pke_err_token(want), reason);
    assert_true(*test_fail.rule && *test_fail.text);
    assert_null(test_rst.device_id);
}

static const char *item(const char *name)
{
    return pke_pairs_get(&test_rst.context, name);
}

static void decodes(const char *file, enum wstep_operation operation, const char *type, const char *der)
{
    if (test_read(test_data(file)) != PKE_OK)
        fail_msg("%s: %s", file, test_fail.text);
    assert_int_equal(test_rst.operation, operation);
    assert_string_equal(test_rst.device_id, DEVICE_ID);
    assert_string_equal(test_rst.enrollment_type, type);
    if (der)
        assert_true(pke_bytes_eq(test_rst.request, test_data_bytes(der)));
    assert_null(test_rst.rst_context);
}

/* 34: every example decodes, of kinds that are not offered yet, too. 58: both layers of renewals. */
static void test_34_examples_decode(void **state)
{
    (void)state;
    decodes("mdm/10-rst-issue-federated-custom.req.xml", WSTEP_ISSUE, "Full", "mdm/pki/device.csr.der");
    decodes("mdm/11-rst-issue-entra-jwt-device.req.xml", WSTEP_ISSUE, "Device", "mdm/pki/device.csr.der");
    assert_string_equal(item("EnrollmentData"), "opaque-terms-of-use-blob");
    decodes(ONPREM_EXAMPLE, WSTEP_ISSUE, "Full", "mdm/pki/device.csr.der");
    assert_string_equal(item("DeviceName"), "DESKTOP-LAB0001");
    decodes("mdm/13-rst-issue-certificate.req.xml", WSTEP_ISSUE, "Device", "mdm/pki/device.csr.der");
    decodes("mdm/14-rst-issue-v5-attestation-items.req.xml", WSTEP_ISSUE, "Full", "mdm/pki/device.csr.der");
    assert_non_null(item("AIKAttestationClaim"));
    decodes("mdm/20-rst-renew-robo.req.xml", WSTEP_RENEW, "Device", "mdm/pki/renew.p7.der");
    decodes("mdm/21-rst-renew-manual-double-base64.req.xml", WSTEP_RENEW, "Device", "mdm/pki/renew.p7.der");
    decodes("mdm/22-rst-recovery.req.xml", WSTEP_RECOVERY, "Full", NULL);
}

/* Put @p text in the place of the certificate request, and its ValueType. */
static char *with_token(const char *message, const char *value_type, const char *text)
{
    return test_cut(
        message, TOKEN_START, TOKEN_END,
        pke_arena_printf(test_arena,
                         "<wsse:BinarySecurityToken ValueType=\"%s\"%s>%s</wsse:BinarySecurityToken>",
                         value_type, ENCODING, text));
}

/* The CSR of the example in base64, each @p columns followed by @p eol. */
static char *wrapped(const char *file, size_t columns, const char *eol)
{
    struct pke_bytes der = test_data_bytes(file);
    struct pke_buf b, text;
    char *r;

    pke_buf_init(&b, 1 << 16);
    pke_buf_init(&text, 1 << 17);
    pke_base64_encode(der, PKE_B64_STRICT, &b);
    for (size_t i = 0; i < b.n; i++) {
        pke_buf_add_u8(&text, b.p[i]);
        if (columns && (i + 1) % columns == 0)
            pke_buf_add_str(&text, eol);
    }
    r = pke_arena_str(test_arena, pke_buf_bytes(&text));
    pke_buf_done(&b);
    pke_buf_done(&text);
    return r;
}

/* 9: however the base64 is broken into lines. */
static void test_09_base64_line_ends(void **state)
{
    static const char *const eol[] = {"\n", "\r\n", "&#xD;\n", "&#13;", "\r", "\t ", "<![CDATA[\n]]>"};
    const char *m = test_data(ONPREM_EXAMPLE);
    struct pke_bytes der = test_data_bytes("mdm/pki/device.csr.der");

    (void)state;
    for (size_t i = 0; i < sizeof eol / sizeof *eol; i++) {
        assert_int_equal(test_read(with_token(m, PKCS10, wrapped("mdm/pki/device.csr.der", 64, eol[i]))),
                         PKE_OK);
        assert_true(pke_bytes_eq(test_rst.request, der));
    }
    assert_int_equal(test_read(with_token(m, PKCS10, wrapped("mdm/pki/device.csr.der", 0, ""))), PKE_OK);
    assert_true(pke_bytes_eq(test_rst.request, der));
}

/* 35: undecodable, empty, not DER; the encoding named otherwise. */
static void test_35_token_text(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    char *good = wrapped("mdm/pki/device.csr.der", 64, "\n");

    (void)state;
    refused(with_token(m, PKCS10, ""), PKE_MALFORMED, "wstep-der");
    refused(with_token(m, PKCS10, " \n"), PKE_MALFORMED, "wstep-der");
    refused(with_token(m, PKCS10, "TUlJ"), PKE_MALFORMED, "wstep-der");
    refused(with_token(m, PKCS10, "MII*"), PKE_MALFORMED, "wstep-base64");
    refused(with_token(m, PKCS10, "MIJ"), PKE_MALFORMED, "wstep-base64");
    refused(with_token(m, PKCS10, pke_arena_printf(test_arena, "%.40s<!-- -->%s", good, good + 40)),
            PKE_MALFORMED, "xml-comment-in-value");
    refused(with_token(m, PKCS10, "MIIC<x/>"), PKE_MALFORMED, "xml-mixed-content");
    m = with_token(m, PKCS10, good);
    assert_int_equal(test_read(test_replace(m, ENCODING, "")), PKE_OK);
    assert_int_equal(test_read(test_replace(m, "#base64binary", "#Base64Binary")), PKE_OK);
    refused(test_replace(m, "#base64binary", "#HexBinary"), PKE_MALFORMED, "wstep-encoding-type");
}

/* 35, A08: TokenType, RequestType and ValueType, each wrong, absent, doubled and inconsistent. */
static void test_35_types(void **state)
{
    static const char *const unknown[] = {
        WST "/Validate",           WST "/Cancel", WST "/issue", WST "/Issue/", WST, "", "Issue",
        WSTEP "/QueryTokenStatus", WST "/KET"};
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *type = "<wst:RequestType>" ISSUE "</wst:RequestType>";
    const char *other = "<wst:RequestType>" WST "/Renew</wst:RequestType>";

    (void)state;
    refused(test_replace(m, "Enrollment/DeviceEnrollmentToken", "Enrollment/DeviceEnrollmentUserToken"),
            PKE_MALFORMED, "wstep-token-type");
    refused(test_replace(m, "Enrollment/DeviceEnrollmentToken", "Enrollment/DeviceEnrollmentOnBehalfOfToken"),
            PKE_DEVICE_UNSUPPORTED, "wstep-mde-v1");
    refused(test_replace(m, "Name=\"UXInitiated\"", "Name=\"EnrollmentOnBehalfOfUser\""),
            PKE_DEVICE_UNSUPPORTED, "wstep-mde-v1");
    refused(test_cut(m, "<wst:TokenType>", "<wst:RequestType>", ""), PKE_MALFORMED, "wstep-child");
    refused(test_replace(m, "<wst:TokenType>", "<wst:TokenType/><wst:TokenType>"), PKE_MALFORMED,
            "wstep-child");
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        refused(
            test_replace(m, type,
                         pke_arena_printf(test_arena, "<wst:RequestType>%s</wst:RequestType>", unknown[i])),
            PKE_MALFORMED, "wstep-request-type");
    refused(test_replace(m, type, ""), PKE_MALFORMED, "wstep-child");
    refused(test_replace(m, type, pke_arena_printf(test_arena, "%s%s", type, type)), PKE_MALFORMED,
            "wstep-child");
    refused(test_replace(m, type, pke_arena_printf(test_arena, "%s%s", type, other)), PKE_MALFORMED,
            "wstep-child");
    refused(test_replace(m, type, other), PKE_MALFORMED, "wstep-value-type");
    refused(test_replace(m, PKCS10, WSTEP "#PKCS7"), PKE_MALFORMED, "wstep-value-type");
    refused(test_replace(m, PKCS10, WSSE "#PKCS7"), PKE_MALFORMED, "wstep-value-type");
    refused(test_replace(m, " ValueType=\"" PKCS10 "\"", ""), PKE_MALFORMED, "wstep-value-type");
    refused(test_cut(m, TOKEN_START, TOKEN_END, ""), PKE_MALFORMED, "wstep-child");
    refused(test_replace(m, TOKEN_END, "<wsse:BinarySecurityToken/>" TOKEN_END), PKE_MALFORMED,
            "wstep-child");
    /* the token in a wrapper is not the request's child */
    refused(test_replace(test_replace(m, TOKEN_START, "<w>" TOKEN_START), TOKEN_END, "</w>" TOKEN_END),
            PKE_MALFORMED, "wstep-child");
}

/* 58: both spellings of PKCS7; a third layer of base64 is refused, a PKCS#10 has one only. */
static void test_58_renewal_layers(void **state)
{
    const char *m = test_replace(test_data(ONPREM_EXAMPLE), ISSUE, WST "/Renew");
    struct pke_bytes cms = test_data_bytes("mdm/pki/renew.p7.der");
    char *layer[4] = {NULL};
    struct pke_buf b;

    (void)state;
    layer[1] = wrapped("mdm/pki/renew.p7.der", 0, "");
    for (int i = 2; i < 4; i++) {
        pke_buf_init(&b, 1 << 17);
        pke_base64_encode(pke_bytes_str(layer[i - 1]), PKE_B64_STRICT, &b);
        layer[i] = pke_arena_str(test_arena, pke_buf_bytes(&b));
        pke_buf_done(&b);
    }
    for (int i = 1; i < 3; i++) {
        assert_int_equal(test_read(with_token(m, WSTEP "#PKCS7", layer[i])), PKE_OK);
        assert_true(pke_bytes_eq(test_rst.request, cms));
        assert_int_equal(test_read(with_token(m, WSSE "#PKCS7", layer[i])), PKE_OK);
    }
    refused(with_token(m, WSSE "#PKCS7", layer[3]), PKE_MALFORMED, "wstep-der");
    refused(with_token(test_data(ONPREM_EXAMPLE), PKCS10, layer[2]), PKE_MALFORMED, "wstep-der");
}

/* 36: DeviceID and EnrollmentType are the mandatory items, for Renew not even those. */
static void test_36_mandatory_items(void **state)
{
    static const char *const optional[] = {
        "HWDevID",   "Locale",     "OSEdition",  "OSVersion",   "ApplicationVersion",
        "NotInOobe", "DeviceType", "DeviceName", "UXInitiated", "TargetedUserLoggedIn"};
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *id = ITEM("DeviceID", DEVICE_ID);
    const char *type = ITEM("EnrollmentType", "Full");
    const char *renew = test_data("mdm/20-rst-renew-robo.req.xml");

    (void)state;
    refused(test_replace(m, id, ""), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, id, ITEM("DeviceID", " ")), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, id, "<ac:ContextItem Name=\"DeviceID\"/>"), PKE_ENROLLMENT_DATA,
            "wstep-device-id");
    refused(test_replace(m, id, ITEM("DeviceID", "a b")), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, id, ITEM("DeviceID", "a&#10;b")), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, id, ITEM("DeviceID", "\xc3\xa9")), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, type, ""), PKE_ENROLLMENT_DATA, "wstep-enrollment-type");
    refused(test_replace(m, type, ITEM("EnrollmentType", "Lite")), PKE_ENROLLMENT_DATA,
            "wstep-enrollment-type");
    refused(test_replace(m, type, ITEM("EnrollmentType", "")), PKE_ENROLLMENT_DATA, "wstep-enrollment-type");
    refused(test_cut(m, TOKEN_END, "</wst:RequestSecurityToken>", ""), PKE_ENROLLMENT_DATA,
            "wstep-enrollment-type");
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        char *from = pke_arena_printf(test_arena, "<ac:ContextItem Name=\"%s\">", optional[i]);

        m = test_cut(m, from, "</ac:Value></ac:ContextItem>", "<ac:ContextItem Name=\"zz\"><ac:Value>");
    }
    m = test_replace(m, ITEM("MAC", "A2-19-7D-41-B3-9C"), "");
    m = test_replace(m, ITEM("MAC", "A2-19-7D-41-B3-9D"), "");
    assert_int_equal(test_read(m), PKE_OK);
    assert_int_equal(test_rst.context.n, 3); /* DeviceID, EnrollmentType, the first zz */
    assert_int_equal(test_read(test_cut(renew, TOKEN_END, "</wst:RequestSecurityToken>", "")), PKE_OK);
    assert_null(test_rst.device_id);
    assert_null(test_rst.enrollment_type);
    refused(test_replace(renew, id, ITEM("DeviceID", "a b")), PKE_ENROLLMENT_DATA, "wstep-device-id");
}

/* 37: MAC, IMEI and ExternalMgmtAgentHint repeat; of others the first counts, whatever its letter case. */
static void test_37_duplicates(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    unsigned macs = 0, imeis = 0, hints = 0;

    (void)state;
    m = test_replace(m, CONTEXT_END,
                     ITEM("IMEI", "1") ITEM("imei", "2") ITEM("ExternalMgmtAgentHint", "a:b")
                         ITEM("ExternalMgmtAgentHint", "c:d") ITEM("DeviceID", "EVIL")
                             ITEM("deviceid", "EVIL") ITEM("EnrollmentType", "Device") ITEM("Mac", "third")
                                 CONTEXT_END);
    assert_int_equal(test_read(m), PKE_OK);
    for (size_t i = 0; i < test_rst.context.n; i++) {
        macs += strcmp(test_rst.context.v[i].name, "MAC") == 0;
        imeis += strcmp(test_rst.context.v[i].name, "IMEI") == 0;
        hints += strcmp(test_rst.context.v[i].name, "ExternalMgmtAgentHint") == 0;
        assert_string_not_equal(test_rst.context.v[i].value, "EVIL");
    }
    assert_int_equal(macs, 3);
    assert_int_equal(imeis, 2);
    assert_int_equal(hints, 2);
    assert_string_equal(test_rst.device_id, DEVICE_ID);
    assert_string_equal(test_rst.enrollment_type, "Full");
}

/* 38: letter case of names and of booleans. */
static void test_38_letter_case(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    bool ok;

    (void)state;
    assert_int_equal(test_read(test_replace(m, CONTEXT_END, ITEM("PlugAndForget", "True") CONTEXT_END)),
                     PKE_OK);
    assert_string_equal(item("PlugandForget"), "True");
    assert_null(item("PlugAndForget"));
    assert_int_equal(test_read(test_replace(m, CONTEXT_END, ITEM("PlugandForget", "x") CONTEXT_END)), PKE_OK);
    assert_string_equal(item("PlugandForget"), "x");
    assert_true(wstep_context_bool("true", &ok) && ok);
    assert_true(wstep_context_bool("TRUE", &ok) && ok);
    assert_true(!wstep_context_bool("False", &ok) && ok);
    assert_true(!wstep_context_bool("1", &ok) && !ok);
    assert_true(!wstep_context_bool("", &ok) && !ok);
}

/* 39: order of the children, and @Context kept as it is. */
static void test_39_order_and_context(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *token_type =
        "<wst:TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/"
        "DeviceEnrollmentToken</wst:TokenType>";
    const char *request_type = "<wst:RequestType>" ISSUE "</wst:RequestType>";
    char *want = test_summary(m);
    char *moved, *both, longest[LIMIT_RST_CONTEXT + 2];

    (void)state;
    both = pke_arena_printf(test_arena, "%s%s</wst:RequestSecurityToken>", request_type, token_type);
    moved = test_replace(test_replace(m, token_type, ""), request_type, "");
    moved = test_replace(moved, "</wst:RequestSecurityToken>", both);
    assert_string_equal(test_summary(moved), want);
    moved = test_replace(m, "<wst:RequestSecurityToken>",
                         "<wst:RequestSecurityToken wst:Context=\"no\" Context=\" a&amp;b \">");
    assert_int_equal(test_read(moved), PKE_OK);
    assert_string_equal(test_rst.rst_context, " a&b ");
    memset(longest, 'x', sizeof longest);
    longest[LIMIT_RST_CONTEXT + 1] = '\0';
    refused(test_replace(moved, " a&amp;b ", longest), PKE_LIMIT, "wstep-rst-context");
}

/* 12: unknown children, attributes and items. */
static void test_12_unknown_content(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    m = test_replace(m, "<wst:TokenType>",
                     "<wst:Lifetime/><x xmlns=\"urn:x\"><y>z</y></x><wst:TokenType a=\"b\">");
    m = test_replace(
        m, CONTEXT_END,
        ITEM("NewInWindows13",
             "v") "<ac:ContextItem Name=\"NoValue\"/><ac:ContextItem/><ac:Other/>"
                  "<ac:ContextItem Name=\" \"><ac:Value>x</ac:Value></ac:ContextItem>" CONTEXT_END);
    assert_int_equal(test_read(m), PKE_OK);
    assert_string_equal(item("NewInWindows13"), "v");
    assert_string_equal(item("NoValue"), "");
}

/* 45: mobile application management. */
static void test_45_app_management(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    refused(test_replace(m, ITEM("EnrollmentType", "Full"), ITEM("EnrollmentType", "AppManagement")),
            PKE_UNSUPPORTED, "wstep-app-management");
}

static char *many_items(unsigned n)
{
    struct pke_buf b;
    char *r;

    pke_buf_init(&b, 1 << 17);
    for (unsigned i = 0; i < n; i++)
        pke_buf_printf(&b, "<ac:ContextItem Name=\"n%u\"/>", i);
    pke_buf_add_str(&b, CONTEXT_END);
    r = pke_arena_str(test_arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return r;
}

/* A06: number and size of context items. */
static void test_a06_context_limits(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    char *big = pke_arena_alloc(test_arena, LIMIT_CONTEXT_VALUE + 2);
    size_t have;

    (void)state;
    assert_int_equal(test_read(m), PKE_OK);
    have = test_rst.context.n;
    assert_int_equal(
        test_read(test_replace(m, CONTEXT_END, many_items((unsigned)(LIMIT_CONTEXT_ITEMS - have)))), PKE_OK);
    assert_int_equal(test_rst.context.n, LIMIT_CONTEXT_ITEMS);
    refused(test_replace(m, CONTEXT_END, many_items((unsigned)(LIMIT_CONTEXT_ITEMS - have + 1))), PKE_LIMIT,
            "wstep-context-items");
    memset(big, 'x', LIMIT_CONTEXT_VALUE + 1);
    refused(test_replace(m, "DESKTOP-LAB0001", big), PKE_LIMIT, "wstep-context-value");
    big[LIMIT_CONTEXT_VALUE] = '\0';
    assert_int_equal(test_read(test_replace(m, "DESKTOP-LAB0001", big)), PKE_OK);
    big[LIMIT_CONTEXT_NAME + 1] = '\0';
    refused(test_replace(m, "Name=\"DeviceName\"", pke_arena_printf(test_arena, "Name=\"%s\"", big)),
            PKE_LIMIT, "wstep-context-name");
    big[LIMIT_DEVICE_ID + 1] = '\0';
    refused(test_replace(m, DEVICE_ID, big), PKE_ENROLLMENT_DATA, "wstep-device-id");
    refused(test_replace(m, "DESKTOP-LAB0001</ac:Value>", "a</ac:Value><ac:Value>b</ac:Value>"),
            PKE_MALFORMED, "wstep-context-item");
    refused(test_replace(m, "DESKTOP-LAB0001", "<ac:Value>b</ac:Value>"), PKE_MALFORMED,
            "wstep-context-item");
    refused(test_replace(m, CONTEXT_END, CONTEXT_END "<ac:AdditionalContext/>"), PKE_MALFORMED,
            "wstep-context");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        T(test_34_examples_decode), T(test_09_base64_line_ends), T(test_35_token_text),
        T(test_35_types),           T(test_58_renewal_layers),   T(test_36_mandatory_items),
        T(test_37_duplicates),      T(test_38_letter_case),      T(test_39_order_and_context),
        T(test_12_unknown_content), T(test_45_app_management),   T(test_a06_context_limits),
    };
    return cmocka_run_group_tests_name("proto/wstep", tests, NULL, NULL);
}
