/* SPDX-License-Identifier: Apache-2.0 */
/* proto/provfrag.h: what an operator may add to the provisioning document. Numbers: the MDM checklist. */
#include "test_proto_util.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/provfrag.h"

#define PROVIDER "CorpMDM"
#define POLICY \
    "<characteristic type=\"Policy\"><parm name=\"a\" value=\"b\" datatype=\"string\"/></characteristic>"
#define IN_PROVIDER(what)                                                                                  \
    "<characteristic type=\"DMClient\"><characteristic type=\"Provider\"><characteristic type=\"" PROVIDER \
    "\">" what "</characteristic></characteristic></characteristic>"

static struct provfrag *fragment;
static unsigned line;

static enum pke_err read_text(const char *text)
{
    provfrag_free(fragment);
    fragment = NULL;
    return provfrag_read(pke_bytes_str(text), PROVIDER, &fragment, &line, &test_fail);
}

static int end(void **state)
{
    provfrag_free(fragment);
    fragment = NULL;
    return test_teardown(state);
}

static void test_56_what_is_accepted(void **state)
{
    static const char *const good[] = {
        POLICY,
        "\xef\xbb\xbf" POLICY,
        "\n<!-- why -->\n" POLICY "\n\n" POLICY "<!-- end -->\n",
        "<characteristic type=\"RootCATrustedCertificates\"/>",
        "<characteristic type='ClientCertificateInstall'><characteristic type='x'/></characteristic>",
        "<characteristic type=\"EnterpriseModernAppManagement\"></characteristic>",
        "<characteristic type=\"PassportForWork\"> <parm name=\"n\"/> </characteristic>",
        IN_PROVIDER(
            "<characteristic type=\"FirstSyncStatus\"><parm name=\"x\" value=\"1\" datatype=\"integer\"/>"
            "</characteristic><parm name=\"CustomEnrollmentCompletePage\" value=\"&lt;&amp;&#10;\"/>"),
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++)
        if (read_text(good[i]) != PKE_OK)
            fail_msg("%s: %s", good[i], test_fail.text);
    assert_string_equal(provfrag_root(fragment)->first->name, "characteristic");
}

/* 56: refused, with the line. */
static const struct {
    const char *text;
    enum pke_err err;
    const char *reason;
    unsigned line;
} bad[] = {
    {"", PKE_MALFORMED, "fragment-empty", 1},
    {"<!-- nothing -->\n", PKE_MALFORMED, "xml-comment-in-value", 2},
    {"words", PKE_MALFORMED, "fragment-empty", 1},
    {"\nwords" POLICY, PKE_MALFORMED, "xml-mixed-content", 2},
    /* not well-formed, or hiding something */
    {"\n<characteristic type=\"Policy\">\n", PKE_MALFORMED, "xml-not-well-formed", 3},
    {POLICY "</wap-provisioningdoc><wap-provisioningdoc>" POLICY, PKE_MALFORMED, "xml-not-well-formed", 1},
    {POLICY "\n</wap-provisioningdoc><!--", PKE_MALFORMED, "xml-truncated", 2},
    {"<!DOCTYPE x [<!ENTITY a \"b\">]>" POLICY, PKE_MALFORMED, "xml-doctype", 1},
    {"\n\n<!DOCTYPE x SYSTEM \"file:///etc/passwd\">\n" POLICY, PKE_MALFORMED, "xml-doctype", 3},
    {"<?xml version=\"1.0\"?>" POLICY, PKE_MALFORMED, "xml-pi", 1},
    {POLICY "\n<?x y?>", PKE_MALFORMED, "xml-pi", 2},
    {"\n<characteristic type=\"&x;\"/>", PKE_MALFORMED, "xml-entity", 2},
    {"<characteristic type=\"Policy\" type=\"Policy\"/>", PKE_MALFORMED, "xml-not-well-formed", 1},
    {"\xff", PKE_MALFORMED, "xml-encoding", 1},
    /* other elements and attributes */
    {POLICY "\n<script/>", PKE_MALFORMED, "fragment-element", 2},
    {"<Characteristic type=\"Policy\"/>", PKE_MALFORMED, "fragment-element", 1},
    {"<x:characteristic xmlns:x=\"urn:x\" type=\"Policy\"/>", PKE_MALFORMED, "fragment-element", 1},
    {"<characteristic xmlns=\"urn:x\" type=\"Policy\"/>", PKE_MALFORMED, "fragment-element", 1},
    {"<characteristic xmlns:x=\"urn:x\" x:type=\"Policy\"/>", PKE_MALFORMED, "fragment-attribute", 1},
    {"<characteristic type=\"Policy\" id=\"1\"/>", PKE_MALFORMED, "fragment-attribute", 1},
    {"<characteristic type=\"Policy\">\n<parm name=\"a\" type=\"b\"/></characteristic>", PKE_MALFORMED,
     "fragment-attribute", 2},
    {"<characteristic/>", PKE_MALFORMED, "fragment-name", 1},
    {"<characteristic type=\"\"/>", PKE_MALFORMED, "fragment-name", 1},
    {"<characteristic type=\"Policy\"><parm value=\"b\"/></characteristic>", PKE_MALFORMED, "fragment-name",
     1},
    {"<characteristic type=\"Policy\"><parm name=\"a\" datatype=\"String\"/></characteristic>", PKE_MALFORMED,
     "fragment-datatype", 1},
    {"<characteristic type=\"Policy\">text</characteristic>", PKE_MALFORMED, "fragment-text", 1},
    {"<characteristic type=\"Policy\"><parm name=\"a\">text</parm></characteristic>", PKE_MALFORMED,
     "fragment-text", 1},
    {"<characteristic type=\"Policy\"><parm name=\"a\"><parm name=\"b\"/></parm></characteristic>",
     PKE_MALFORMED, "fragment-element", 1},
    /* other providers, and what is the daemon's */
    {POLICY "\n\n<characteristic type=\"WiFi\"/>", PKE_POLICY, "fragment-csp", 3},
    {"<characteristic type=\"policy\"/>", PKE_POLICY, "fragment-csp", 1},
    {"<characteristic type=\" Policy\"/>", PKE_POLICY, "fragment-csp", 1},
    {"<parm name=\"a\" value=\"b\"/>", PKE_POLICY, "fragment-csp", 1},
    {"<characteristic type=\"CertificateStore\">\n<characteristic type=\"My\"/></characteristic>", PKE_POLICY,
     "fragment-certificate-store", 1},
    {"<characteristic type=\"CertificateStore\"><characteristic type=\"Root\"/></characteristic>", PKE_POLICY,
     "fragment-certificate-store", 1},
    {"<characteristic type=\"&#67;ertificateStore\"/>", PKE_POLICY, "fragment-certificate-store", 1},
    {"<characteristic type=\"APPLICATION\"><parm name=\"INIT\"/></characteristic>", PKE_POLICY,
     "fragment-application", 1},
    /* DMClient */
    {"<characteristic type=\"DMClient\"><characteristic type=\"Provider\"><characteristic type=\"Other\"/>"
     "</characteristic></characteristic>",
     PKE_POLICY, "fragment-provider", 1},
    {"<characteristic type=\"DMClient\"><characteristic type=\"Provider\"><parm name=\"CorpMDM\"/>"
     "</characteristic></characteristic>",
     PKE_POLICY, "fragment-provider", 1},
    {"<characteristic type=\"DMClient\"><parm name=\"Unenroll\"/></characteristic>", PKE_POLICY,
     "fragment-provider", 1},
    {IN_PROVIDER("\n<parm name=\"UPN\" value=\"root\"/>"), PKE_POLICY, "fragment-option", 2},
    {IN_PROVIDER("<parm name=\"entdmid\" value=\"x\"/>"), PKE_POLICY, "fragment-option", 1},
    {IN_PROVIDER("<characteristic type=\"Poll\"/>"), PKE_POLICY, "fragment-option", 1},
};

static void test_56_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        enum pke_err err = read_text(bad[i].text);

        if (err != bad[i].err || strcmp(test_fail.reason, bad[i].reason) != 0 || line != bad[i].line)
            fail_msg("%s: %s %s in line %u (%s), want %s in line %u", bad[i].text, pke_err_token(err),
                     test_fail.reason, line, test_fail.text, bad[i].reason, bad[i].line);
        assert_null(fragment);
    }
}

static char *repeated(const char *head, const char *piece, size_t count, const char *tail)
{
    struct pke_buf b;
    char *s;

    pke_buf_init(&b, 1 << 20);
    pke_buf_add_str(&b, head);
    for (size_t i = 0; i < count; i++)
        pke_buf_add_str(&b, piece);
    pke_buf_add_str(&b, tail);
    s = pke_arena_str(test_arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return s;
}

/* The size of the file is bounded, and of what it becomes when escaped; depth and number by the parser. */
static void test_56_size_is_bounded(void **state)
{
    const char *open = "<characteristic type=\"Policy\">", *close = "</characteristic>";

    (void)state;
    assert_int_equal(read_text(repeated(open, "<parm name='n' value='v' datatype='string'/>", 900, close)),
                     PKE_OK);
    assert_int_equal(read_text(repeated(open, "<parm name='n'/>", 1100, close)), PKE_LIMIT);
    assert_string_equal(test_fail.reason, "xml-elements");
    assert_int_equal(read_text(repeated("", open, 40, "")), PKE_LIMIT);
    assert_string_equal(test_fail.reason, "xml-depth");
    assert_int_equal(read_text(repeated(open, " ", PROVFRAG_MAX, close)), PKE_LIMIT);
    assert_string_equal(test_fail.reason, "fragment-size");
    assert_int_equal(read_text(repeated(open, "<parm name='n' value='\n\n\n'/>", 600, close)), PKE_OK);
    assert_int_equal(read_text(repeated(open, "\n<parm name='n' value='>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>'/>",
                                        600, close)),
                     PKE_LIMIT);
    assert_string_equal(test_fail.reason, "fragment-size");
    assert_true(line > 100 && line < 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_56_what_is_accepted, test_setup, end),
        cmocka_unit_test_setup_teardown(test_56_what_is_refused, test_setup, end),
        cmocka_unit_test_setup_teardown(test_56_size_is_bounded, test_setup, end),
    };

    return cmocka_run_group_tests_name("proto provfrag", tests, NULL, NULL);
}
