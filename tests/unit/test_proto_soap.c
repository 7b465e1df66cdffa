/* SPDX-License-Identifier: Apache-2.0 */
/* proto/soap.h: envelopes, headers, credentials. Numbers: the MDM conformance checklist; Axx: the attack
 * list. */
#include "test_proto_util.h"

#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

#define POLICY_EXAMPLE "mdm/02-getpolicies-onprem.req.xml"
#define ONPREM_EXAMPLE "mdm/12-rst-issue-onprem.req.xml"
#define SECURITY_START "<wsse:Security"
#define SECURITY_END   "</s:Header>"
#define USERNAME_TOKEN "<wsse:UsernameToken"
#define PASSWORD_TYPE_NS                                   \
    " wsse:Type=\"http://docs.oasis-open.org/wss/2004/01/" \
    "oasis-200401-wss-username-token-profile-1.0#PasswordText\""

static void refused(const char *message, enum pke_err want, const char *reason)
{
    enum pke_err err = test_read(message);

    if (err != want || strcmp(test_fail.reason, reason) != 0)
        fail_msg("got %s %s (%s), want %s %s", pke_err_token(err), test_fail.reason, test_fail.text,
                 pke_err_token(want), reason);
    assert_true(*test_fail.rule && *test_fail.text);
}

/* 4: a:To is never compared. */
static void test_04_to_is_not_compared(void **state)
{
    static const char *const to[] = {"https://enroll.corp.example:443/EnrollmentServer/Enrollment.svc",
                                     "HTTPS://ENROLL.CORP.EXAMPLE/", "https://other.example/x", ""};
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            test_read(test_replace(m, "https://enroll.corp.example/EnrollmentServer/Enrollment.svc", to[i])),
            PKE_OK);
        assert_string_equal(test_request.to ? test_request.to : "", to[i]);
    }
}

/* 5: MessageID verbatim after trimming; absent and empty are no MessageID. */
static void test_05_message_id(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *id = "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e";

    (void)state;
    assert_int_equal(test_read(m), PKE_OK);
    assert_string_equal(test_request.message_id, id);
    assert_int_equal(test_read(test_replace(m, id, "\n\t urn:uuid:X&amp;Y'\"&lt;]]&gt; \r\n")), PKE_OK);
    assert_string_equal(test_request.message_id, "urn:uuid:X&Y'\"<]]>");
    assert_int_equal(test_read(test_cut(m, "<a:MessageID>", "<a:ReplyTo>", "")), PKE_OK);
    assert_null(test_request.message_id);
    assert_int_equal(test_read(test_replace(m, id, " ")), PKE_OK);
    assert_null(test_request.message_id);
}

/* A10: a MessageID that would poison logs or answers is refused, not cut. */
static void test_a10_message_id_is_bounded(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *id = "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e";
    char longest[LIMIT_MESSAGE_ID + 2];

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[LIMIT_MESSAGE_ID + 1] = '\0';
    refused(test_replace(m, id, longest), PKE_MALFORMED, "wsa-message-id");
    assert_null(test_request.message_id);
    longest[LIMIT_MESSAGE_ID] = '\0';
    assert_int_equal(test_read(test_replace(m, id, longest)), PKE_OK);
    refused(test_replace(m, id, "urn:a\nb"), PKE_MALFORMED, "wsa-message-id");
    refused(test_replace(m, id, "urn:a b"), PKE_MALFORMED, "wsa-message-id");
    refused(test_replace(m, id, "urn:a&#127;b"), PKE_MALFORMED, "wsa-message-id");
}

/* The MessageID survives a refusal of what follows, so that the fault can relate to the request. */
static void test_05_message_id_of_refused_requests(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    refused(test_replace(m, "enrollment/RST/wstep", "enrollment/RST/other"), PKE_MALFORMED, "wsa-action");
    assert_string_equal(test_request.message_id, "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e");
    assert_int_equal(test_request.credential.kind, SOAP_CRED_NONE);
    assert_null(test_request.body);
    refused(test_cut(m, "<s:Body>", "</s:Envelope>", "<s:Body/>"), PKE_MALFORMED, "soap-body-empty");
    assert_non_null(test_request.message_id);
    refused("<a/>", PKE_MALFORMED, "soap-envelope");
    assert_null(test_request.message_id);
}

static const char *const examples[] = {
    "mdm/01-getpolicies-federated-custom.req.xml",
    "mdm/02-getpolicies-onprem.req.xml",
    "mdm/03-getpolicies-certificate.req.xml",
    "mdm/04-getpolicies-win11-extra-client-children.req.xml",
    "mdm/10-rst-issue-federated-custom.req.xml",
    "mdm/11-rst-issue-entra-jwt-device.req.xml",
    "mdm/12-rst-issue-onprem.req.xml",
    "mdm/13-rst-issue-certificate.req.xml",
    "mdm/14-rst-issue-v5-attestation-items.req.xml",
    "mdm/20-rst-renew-robo.req.xml",
    "mdm/21-rst-renew-manual-double-base64.req.xml",
    "mdm/22-rst-recovery.req.xml",
};

static void rewritten_equals(const char *name, const char *prefix, const char *pad)
{
    const char *m = test_data(name);
    const char *want = test_summary(m);
    struct xml_node *root;
    struct pke_buf b;

    pke_buf_init(&b, 1 << 20);
    assert_int_equal(test_tree(m, strlen(m), &root), PKE_OK);
    test_rewrite(root, prefix, pad, &b);
    assert_string_equal(test_summary(pke_buf_cstr(&b)), want);
    pke_buf_done(&b);
}

/* 7: all prefixes renamed to one that means something else elsewhere, and none at all. */
static void test_07_prefixes_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rewritten_equals(examples[i], "s", "");
        rewritten_equals(examples[i], "zz9", "");
        rewritten_equals(examples[i], NULL, "");
    }
}

/* 8: white space around every value, URI and attribute; 9: the CSR among them. */
static void test_08_white_space_around_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rewritten_equals(examples[i], "p", "\n   ");
        rewritten_equals(examples[i], NULL, " \t&#13;&#10;");
    }
}

/* 7: an element or attribute of a wrong namespace is not the one that is meant. */
static void test_07_namespace_decides(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    refused(
        test_replace(m, "xmlns:s=\"" SOAP12 "\"", "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""),
        PKE_MALFORMED, "soap-envelope");
    refused(test_replace(m, "xmlns:wst=\"" WST "\"", "xmlns:wst=\"urn:x\""), PKE_MALFORMED,
            "soap-body-unknown");
    assert_int_equal(test_parse(test_replace(m, "xmlns:wsse=\"" WSSE "\"", "xmlns:wsse=\"urn:x\"")),
                     PKE_MALFORMED); /* a Security of another namespace must not be understood */
    assert_string_equal(test_fail.reason, "soap-must-understand");
}

/* 11: wrong root, wrong or empty Body, empty request. */
static void test_11_wrong_or_empty_body(void **state)
{
    const char *m = test_data(POLICY_EXAMPLE);
    char *no_body = test_cut(m, "<s:Body", "</s:Envelope>", "");

    (void)state;
    refused("", PKE_MALFORMED, "xml-not-well-formed");
    refused("   ", PKE_MALFORMED, "xml-not-well-formed");
    refused("<html/>", PKE_MALFORMED, "soap-envelope");
    refused(no_body, PKE_MALFORMED, "soap-body");
    refused(test_cut(m, "<s:Body", "</s:Envelope>", "<s:Body> \n </s:Body>"), PKE_MALFORMED,
            "soap-body-empty");
    refused(test_cut(m, "<s:Body", "</s:Envelope>", "<s:Body><x xmlns=\"urn:x\"/></s:Body>"), PKE_MALFORMED,
            "soap-body-unknown");
    refused(test_cut(m, "<s:Body", "</s:Envelope>", "<s:Body><wst:RequestSecurityTokenOnBehalfOf/></s:Body>"),
            PKE_MALFORMED, "soap-body-unknown"); /* A08 */
    refused(test_cut(m, "<s:Body", "</s:Envelope>", "<s:Body>text</s:Body>"), PKE_MALFORMED,
            "soap-body-empty");
}

/* A08: Action of another stage, of another letter case, doubled. Absent is fine. */
static void test_a08_action_must_fit_the_body(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *p = test_data(POLICY_EXAMPLE);
    const char *action = "<a:Action s:mustUnderstand=\"1\">" SOAP_ACTION_RST "</a:Action>";

    (void)state;
    refused(test_replace(m, SOAP_ACTION_RST, SOAP_ACTION_GET_POLICIES), PKE_MALFORMED, "wsa-action");
    refused(test_replace(p, SOAP_ACTION_GET_POLICIES, SOAP_ACTION_RST), PKE_MALFORMED, "wsa-action");
    refused(test_replace(m, "enrollment/RST/wstep", "enrollment/rst/wstep"), PKE_MALFORMED, "wsa-action");
    refused(test_replace(m, action, pke_arena_printf(test_arena, "%s%s", action, action)), PKE_MALFORMED,
            "wsa-header");
    assert_int_equal(test_read(test_replace(m, action, "")), PKE_OK);
    assert_null(test_request.action);
}

/* 12: unknown things in the Header and the credential are ignored; unknown mustUnderstand is not. */
static void test_12_unknown_header_blocks(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    m = test_replace(
        m, "<s:Header>",
        "<s:Header x:y=\"1\" xmlns:x=\"urn:x\"><x:Trace s:mustUnderstand=\"0\">1<!-- --></x:Trace>");
    refused(m, PKE_MALFORMED, "xml-comment-in-value");
    m = test_replace(m, "1<!-- --></x:Trace>", "1</x:Trace><x:Empty/><x:Tree><a><b/></a></x:Tree>");
    m = test_replace(m, "<wsse:Username>",
                     "<wsse:Nonce>AAAA</wsse:Nonce><u:Created>2026-03-01T12:00:00Z</u:Created>"
                     "<new xmlns=\"urn:new\"/><wsse:Username a=\"b\">");
    m = test_replace(
        m, USERNAME_TOKEN,
        "<Saml xmlns=\"urn:oasis\"/><u:Timestamp><u:Created>x</u:Created></u:Timestamp>" USERNAME_TOKEN);
    assert_int_equal(test_read(m), PKE_OK);
    assert_int_equal(test_request.credential.kind, SOAP_CRED_USERNAME);
    refused(test_replace(m, "s:mustUnderstand=\"0\"", "s:mustUnderstand=\"1\""), PKE_MALFORMED,
            "soap-must-understand");
    refused(test_replace(m, "s:mustUnderstand=\"0\"", "s:mustUnderstand=\" true\""), PKE_MALFORMED,
            "soap-must-understand");
}

/* 20: the Type attribute of Password unqualified, prefixed, missing; another type is not taken for text
 * (A11). */
static void test_20_password_type(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *variants[] = {m, test_replace(m, " wsse:Type=", " Type="),
                              test_replace(m, PASSWORD_TYPE_NS, ""),
                              test_replace(m, " wsse:Type=\"", " wsse:Type=\" \n")};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(test_read(variants[i]), PKE_OK);
        assert_int_equal(test_request.credential.kind, SOAP_CRED_USERNAME);
        assert_string_equal(test_request.credential.username, "ada@corp.example");
        assert_true(pke_bytes_eq_str(test_request.credential.password, "correct horse"));
    }
    refused(test_replace(m, "#PasswordText", "#PasswordDigest"), PKE_INVALID_SECURITY, "wsse-password-type");
    refused(test_replace(m, " wsse:Type=", " Type=\"#PasswordDigest\" wsse:Type="), PKE_INVALID_SECURITY,
            "wsse-password-type");
}

/* A password is taken verbatim: white space, references, CDATA, non-ASCII, and its parts joined. */
static void test_20_password_is_verbatim(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    char longest[LIMIT_PASSWORD + 2];

    (void)state;
    assert_int_equal(test_read(test_replace(m, "correct horse", " p&amp;&lt;<![CDATA[<w>&]]>\xc3\xa9 ")),
                     PKE_OK);
    assert_true(pke_bytes_eq_str(test_request.credential.password, " p&<<w>&\xc3\xa9 "));
    assert_int_equal(test_read(test_replace(m, "correct horse", "  ")), PKE_OK);
    assert_int_equal(test_request.credential.kind, SOAP_CRED_USERNAME);
    memset(longest, 'x', sizeof longest);
    longest[LIMIT_PASSWORD + 1] = '\0';
    refused(test_replace(m, "correct horse", longest), PKE_LIMIT, "wsse-password");
    longest[LIMIT_PASSWORD] = '\0';
    assert_int_equal(test_read(test_replace(m, "correct horse", longest)), PKE_OK);
    assert_int_equal(test_request.credential.password.n, LIMIT_PASSWORD);
    memset(longest, 'x', LIMIT_USERNAME + 1);
    longest[LIMIT_USERNAME + 1] = '\0';
    refused(test_replace(m, "ada@corp.example", longest), PKE_LIMIT, "wsse-username");
    refused(test_replace(m, "ada@corp.example", "ada&#10;x"), PKE_INVALID_SECURITY, "wsse-username");
    refused(test_replace(m, "ada@corp.example", "ada<x/>"), PKE_MALFORMED, "xml-mixed-content");
}

/* 20: nothing of the secrets stays in the parser or the arena after the wipe. */
static void test_20_wipe_overwrites_the_secrets(void **state)
{
    struct soap_parser *p = soap_parser_new();
    struct pke_arena *arena = pke_arena_new();
    char *m = test_replace(test_data(ONPREM_EXAMPLE), "correct horse", "battery staple!");
    struct soap_request r;
    const uint8_t *at;

    (void)state;
    assert_int_equal(soap_request_parse(p, pke_bytes_str(m), arena, &r, &test_fail), PKE_OK);
    at = r.credential.password.p;
    assert_memory_equal(at, "battery staple!", 15);
    soap_request_wipe(p);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(at[i], 0);
    for (const struct xml_node *n = r.body; n; n = n->parent)
        assert_true(strstr(n->text, "staple") == NULL);
    pke_arena_free(arena);
    soap_parser_free(p);
}

#define MASK        0x5a
#define MAPPING_MAX (64ul << 20) /* what is larger is a sanitizer's own */

/* Occurrences of the masked pattern in the writable memory of this process, read in place: no copy of it is
 * made. */
__attribute__((no_sanitize("address"))) static unsigned occurrences(const uint8_t *masked, size_t n)
{
    FILE *f = fopen("/proc/self/maps", "r");
    unsigned count = 0;
    char line[512];
    unsigned long from, to;
    char perms[5];

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) != 3 || strncmp(perms, "rw", 2) != 0 ||
            to - from > MAPPING_MAX)
            continue;
        for (const volatile uint8_t *p = (const uint8_t *)from; p + n <= (const uint8_t *)to; p++) {
            size_t i = 0;

            while (i < n && (p[i] ^ MASK) == masked[i])
                i++;
            count += i == n;
        }
    }
    fclose(f);
    return count;
}

/* 20: not one copy of a password is left in the process after the wipe, of an accepted or a refused request.
 */
static void test_20_no_copy_survives_the_wipe(void **state)
{
    static const uint8_t masked[] = {'Z' ^ MASK, '7' ^ MASK, 'q' ^ MASK, '!' ^ MASK, 'v' ^ MASK, 'K' ^ MASK,
                                     '2' ^ MASK, '#' ^ MASK, 'w' ^ MASK, 'J' ^ MASK, '9' ^ MASK, 'u' ^ MASK};
    char *m = test_data(ONPREM_EXAMPLE);
    size_t length = strlen(m);

    (void)state;
    for (int refuse = 0; refuse < 2; refuse++) {
        struct soap_parser *p = soap_parser_new();
        struct pke_arena *arena = pke_arena_new();
        char *body = pke_arena_strdup(arena, m);
        uint8_t *at = (uint8_t *)strstr(body, "correct horse");
        struct soap_request r;

        for (size_t i = 0; i < sizeof masked; i++)
            at[i] = masked[i] ^ MASK;
        if (refuse)
            body[length - 3] = '!'; /* in the end tag of the envelope */
        assert_int_equal(soap_request_parse(p, PKE_BYTES(body, length), arena, &r, &test_fail),
                         refuse ? PKE_MALFORMED : PKE_OK);
        if (!refuse)
            assert_true(occurrences(masked, sizeof masked) >=
                        2); /* the body and the parser's: the search works */
        explicit_bzero(at, sizeof masked);
        soap_request_wipe(p);
        assert_int_equal(occurrences(masked, sizeof masked), 0);
        soap_parser_free(p);
        pke_arena_free(arena);
    }
}

static enum soap_credential_kind kind_of(const char *message)
{
    assert_int_equal(test_parse(message), PKE_OK);
    return test_request.credential.kind;
}

/* 25: classification by content (mdm.md 4.6). */
static void test_25_classification(void **state)
{
    static const struct {
        const char *file;
        enum soap_credential_kind kind;
    } cases[] = {
        {"mdm/01-getpolicies-federated-custom.req.xml", SOAP_CRED_DEVICE_TOKEN},
        {"mdm/02-getpolicies-onprem.req.xml", SOAP_CRED_USERNAME},
        {"mdm/03-getpolicies-certificate.req.xml", SOAP_CRED_CERTIFICATE},
        {"mdm/11-rst-issue-entra-jwt-device.req.xml", SOAP_CRED_JWT},
        {"mdm/13-rst-issue-certificate.req.xml", SOAP_CRED_CERTIFICATE},
        {"mdm/20-rst-renew-robo.req.xml", SOAP_CRED_USERNAME_EMPTY},
    };
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(kind_of(test_data(cases[i].file)), cases[i].kind);
    assert_int_equal(kind_of(test_cut(m, SECURITY_START, SECURITY_END, "")), SOAP_CRED_NONE);
    assert_int_equal(kind_of(test_cut(m, "<s:Header>", "<s:Body>", "")), SOAP_CRED_NONE);
    assert_int_equal(kind_of(test_cut(m, SECURITY_START, SECURITY_END, "<wsse:Security/>")), SOAP_CRED_EMPTY);
    assert_int_equal(kind_of(test_cut(m, USERNAME_TOKEN, "</wsse:Security>", "<o xmlns=\"urn:o\"/>")),
                     SOAP_CRED_EMPTY);
    assert_int_equal(kind_of(test_replace(m, "ada@corp.example", " ")), SOAP_CRED_EMPTY);
    /* 21: an empty password, written in three ways */
    assert_int_equal(kind_of(test_replace(m, "correct horse", "")), SOAP_CRED_USERNAME_EMPTY);
    assert_string_equal(test_request.credential.username, "ada@corp.example");
    assert_int_equal(kind_of(test_replace(m, "correct horse", "<![CDATA[]]>")), SOAP_CRED_USERNAME_EMPTY);
    assert_int_equal(kind_of(test_cut(m, "<wsse:Password", "</wsse:UsernameToken>", "")),
                     SOAP_CRED_USERNAME_EMPTY);
}

static char *add_token(const char *message, const char *value_type)
{
    return test_replace(
        message, "</wsse:Security>",
        pke_arena_printf(test_arena,
                         "<wsse:BinarySecurityToken ValueType=\"%s\"> Q U\nFB </wsse:BinarySecurityToken>"
                         "</wsse:Security>",
                         value_type));
}

/* 25: a token wins over a user name, an unknown token does not; 26: the body's token is none of the header's.
 */
static void test_26_header_token_is_not_the_body_token(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *jwt = "urn:ietf:params:oauth:token-type:jwt";

    (void)state;
    assert_int_equal(kind_of(m), SOAP_CRED_USERNAME);
    assert_int_equal(test_request.credential.token.n, 0);
    assert_int_equal(test_read(add_token(m, jwt)), PKE_OK);
    assert_int_equal(test_request.credential.kind, SOAP_CRED_JWT);
    assert_true(pke_bytes_eq_str(test_request.credential.token, "QUFB"));
    assert_null(test_request.credential.username);
    assert_int_equal(test_rst.request.p[0], 0x30);
    assert_int_equal(kind_of(add_token(m, "X509v3")), SOAP_CRED_USERNAME);
    assert_int_equal(kind_of(add_token(test_cut(m, USERNAME_TOKEN, "</wsse:Security>", ""), "X509v3")),
                     SOAP_CRED_EMPTY);
    refused(test_replace(add_token(m, jwt), "<wsse:BinarySecurityToken ValueType=\"urn",
                         "<wsse:BinarySecurityToken EncodingType=\"" WSSE "#HexBinary\" ValueType=\"urn"),
            PKE_INVALID_SECURITY, "wsse-encoding-type");
}

/* Two of a kind: nobody knows which one another reader takes. */
static void test_a04_doubled_tokens_are_refused(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *jwt = "urn:ietf:params:oauth:token-type:jwt";
    const char *user = "<wsse:Username>ada@corp.example</wsse:Username>";
    char *doubled = pke_arena_printf(test_arena, "%s%s", user, user);

    (void)state;
    refused(add_token(add_token(m, jwt), "x"), PKE_INVALID_SECURITY, "wsse-doubled");
    refused(test_replace(m, SECURITY_END, "<wsse:Security/></s:Header>"), PKE_INVALID_SECURITY,
            "wsse-doubled");
    refused(test_replace(m, USERNAME_TOKEN, "<wsse:UsernameToken/>" USERNAME_TOKEN), PKE_INVALID_SECURITY,
            "wsse-doubled");
    refused(test_replace(m, user, doubled), PKE_INVALID_SECURITY, "wsse-doubled");
    refused(test_replace(m, "</wsse:Password>", "</wsse:Password><wsse:Password>x</wsse:Password>"),
            PKE_INVALID_SECURITY, "wsse-doubled");
    refused(test_replace(m, "</wsse:Security>",
                         "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/><Signature "
                         "xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/></wsse:Security>"),
            PKE_INVALID_SECURITY, "wsse-doubled");
}

/* A01: decoys. Only Envelope/Body/request is read, and nothing of its name may stand anywhere else. */
static void test_a01_wrapping_variants_are_refused(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);
    const char *decoy = "<wst:RequestSecurityToken/>";
    char *twice = pke_arena_printf(test_arena, "%s</s:Body>", decoy);

    (void)state;
    refused(test_replace(m, "<s:Body>", "<wst:RequestSecurityToken/><s:Body>"), PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "<s:Header>", "<s:Header><wst:RequestSecurityToken/>"), PKE_MALFORMED,
            "soap-misplaced");
    refused(test_replace(m, USERNAME_TOKEN, "<wst:RequestSecurityToken/>" USERNAME_TOKEN), PKE_MALFORMED,
            "soap-misplaced");
    refused(test_replace(m, "</s:Body>", twice), PKE_MALFORMED, "soap-body-children");
    refused(test_replace(m, "<s:Body>", "<s:Body><wst:RequestSecurityToken/></s:Body><s:Body>"),
            PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "<s:Header>", "<s:Header><w><s:Body/></w>"), PKE_MALFORMED, "soap-misplaced");
    refused(test_replace(test_replace(m, "<s:Body>", "<w><s:Body>"), "</s:Body>", "</s:Body></w>"),
            PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "<s:Header>", "<s:Header/><s:Header>"), PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "</s:Body>", "</s:Body><s:Header/>"), PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "</s:Body>", "</s:Body><x/>"), PKE_MALFORMED, "soap-body");
    refused(test_replace(m, "<wst:TokenType>", "<wsse:Security/><wst:TokenType>"), PKE_MALFORMED,
            "soap-misplaced");
    refused(test_replace(m, "<wst:TokenType>", "<s:Envelope/><wst:TokenType>"), PKE_MALFORMED,
            "soap-misplaced");
    refused(test_replace(m, "<wst:TokenType>", "<e><wst:RequestSecurityToken/></e><wst:TokenType>"),
            PKE_MALFORMED, "soap-misplaced");
}

/* A02: the same Id twice in whatever spelling; empty ones are no Ids. */
static void test_a02_doubled_id(void **state)
{
    const char *m = test_data(ONPREM_EXAMPLE);

    (void)state;
    refused(test_replace(m, "<s:Body>", "<s:Body u:Id=\"uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4\">"),
            PKE_MALFORMED, "soap-doubled-id");
    refused(test_replace(m, "<s:Body>", "<s:Body ID=\"uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4\">"),
            PKE_MALFORMED, "soap-doubled-id");
    refused(test_replace(m, "<s:Body>", "<s:Body u:Id=\"a\" xml:id=\"a\">"), PKE_MALFORMED,
            "soap-doubled-id");
    assert_int_equal(test_read(test_replace(m, "<s:Body>", "<s:Body u:Id=\"a\" xml:id=\"b\">")), PKE_OK);
    assert_int_equal(test_read(test_replace(m, "<s:Body>", "<s:Body u:Id=\"\" Id=\"\">")), PKE_OK);
}

/* 32: the children that Windows 11 adds; 12: any others; mdm.md 5.1: AdditionalContext beside GetPolicies. */
static void test_32_policy_request_children(void **state)
{
    const char *m = test_data("mdm/04-getpolicies-win11-extra-client-children.req.xml");
    char *two;

    (void)state;
    assert_int_equal(test_read(m), PKE_OK);
    assert_int_equal(test_request.stage, SOAP_GET_POLICIES);
    assert_string_equal(test_policy.tpm_manufacturer, "STM");
    assert_string_equal(test_policy.tpm_firmware_version, "1.258");
    m = test_replace(m, "</client>", "<Future x=\"1\"><b/></Future></client>");
    m = test_replace(m, "</s:Body>",
                     "<ac:AdditionalContext><ac:ContextItem Name=\"x\"/></ac:AdditionalContext></s:Body>");
    assert_int_equal(test_read(m), PKE_OK);
    assert_int_equal(test_read(test_data(POLICY_EXAMPLE)), PKE_OK);
    assert_null(test_policy.tpm_manufacturer);
    two = test_replace(m, "</s:Body>", "<GetPolicies xmlns=\"" XCEP "\"/></s:Body>");
    refused(two, PKE_MALFORMED, "soap-body-children");
    refused(test_replace(m, "</s:Body>", "<x/></s:Body>"), PKE_MALFORMED, "soap-body-children");
    refused(test_replace(m, "<client>", "<client/><client>"), PKE_MALFORMED, "xcep-client");
    refused(test_replace(test_data(ONPREM_EXAMPLE), "</s:Body>", "<ac:AdditionalContext/></s:Body>"),
            PKE_MALFORMED, "soap-body-unknown");
}

/* Cut anywhere, a request is refused; so is one with any single byte changed to '<', without a crash. */
static void test_10_truncated_and_damaged(void **state)
{
    char *m = test_data("mdm/02-getpolicies-onprem.req.xml");
    size_t n = strlen(m);
    struct pke_arena *kept = test_arena;

    (void)state;
    while (n > 0 && m[n - 1] != '>')
        m[--n] = '\0';
    for (size_t i = 0; i < n; i++) {
        char byte = m[i];

        test_arena = pke_arena_new();
        m[i] = '\0';
        assert_int_not_equal(test_parse(m), PKE_OK);
        m[i] = byte == '<' ? '&' : '<';
        assert_int_not_equal(test_parse(m), PKE_OK);
        m[i] = byte;
        pke_arena_free(test_arena);
    }
    test_arena = kept;
    assert_int_equal(test_read(m), PKE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_04_to_is_not_compared, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_05_message_id, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_05_message_id_of_refused_requests, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_a10_message_id_is_bounded, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_07_prefixes_do_not_matter, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_07_namespace_decides, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_08_white_space_around_values, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_11_wrong_or_empty_body, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_a08_action_must_fit_the_body, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_12_unknown_header_blocks, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_20_password_type, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_20_password_is_verbatim, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_20_wipe_overwrites_the_secrets, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_20_no_copy_survives_the_wipe, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_25_classification, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_26_header_token_is_not_the_body_token, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(test_a04_doubled_tokens_are_refused, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_a01_wrapping_variants_are_refused, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_a02_doubled_id, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_32_policy_request_children, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_10_truncated_and_damaged, test_setup, test_teardown),
    };
    return cmocka_run_group_tests_name("proto/soap", tests, NULL, NULL);
}
