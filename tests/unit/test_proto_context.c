/* SPDX-License-Identifier: Apache-2.0 */
/* proto/context_item.h: the catalogue of ContextItems, and how they are read. Numbers: the MDM checklist. */
#include "test_proto_util.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/context_item.h"
#include "proto/limits.h"

#define EXAMPLE           "mdm/12-rst-issue-onprem.req.xml"
#define CONTEXT_END       "</ac:AdditionalContext>"
#define ITEM(name, value) "<ac:ContextItem Name=\"" name "\"><ac:Value>" value "</ac:Value></ac:ContextItem>"
#define CORRELATOR_100 \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* What documents and clients were seen to send: both forms where the two differ. */
static const struct {
    const char *name, *fits[4], *unfit[4];
} items[] = {
    {"DeviceID", {"8090C8B484A0E24EB5C56E806CB4EE5B", "anything-else"}, {NULL}},
    {"HWDevID", {"00ff", "ABCDEF0123"}, {"", "abc", "xy"}},
    {"DeviceType", {"CIMClient_Windows", "WindowsPhone"}, {NULL}},
    {"OSEdition", {"4", "72", "188"}, {"", "Enterprise", "-1", "0x4"}},
    {"OSVersion", {"10.0.22631.3880", "10.0"}, {"", "10.0.x", "Windows 10"}},
    {"ApplicationVersion", {"10.0.22631.3880", "8.0.0.0"}, {"10.", "v10"}},
    {"MAC", {"A2-19-7D-41-B3-9C", "FF:FF:ff:00:01:02", ""}, {"A2197D41B39C", "A2-19:7D-41-B3-9C", "A2-19"}},
    {"IMEI", {"490154203237518"}, {"", "49-015420-323751-8"}},
    {"TargetedUserLoggedIn", {"true", "True", "FALSE"}, {"", "1", "yes"}},
    {"Locale", {"en-US"}, {NULL}},
    {"BulkAADJ", {"true", "TRUE"}, {"y"}},
    {"ZeroTouchProvisioning",
     {"9a51d698-40c7-499c-928e-ef7fd76e62c0", "{9A51D698-40C7-499C-928E-EF7FD76E62C0}"},
     {"", "9a51d69840c7499c928eef7fd76e62c0", "{9A51D698-40C7-499C-928E-EF7FD76E62C0"}},
    {"UXInitiated", {"false", "False"}, {"no"}},
    {"ExternalMgmtAgentHint", {"a:b", "sccm:{x}:y"}, {"", "a", ":b", "a:"}},
    {"BootstrapDomainJoin", {"true"}, {"0"}},
    {"PlugandForget", {"true", "True"}, {"on"}},
    {"OfflineAutoPilotEnrollmentCorrelator",
     {"a", "1-b-22", CORRELATOR_100},
     {"", "-a", "a--b", CORRELATOR_100 "b"}},
    {"WhiteGlove", {"true"}, {"t"}},
    {"WhiteGloveHybridJoin", {"false"}, {"f"}},
    {"NotInOobe", {"True"}, {"2"}},
    {"RequestVersion", {"4.0", "5.0", "7.0"}, {"", "five"}},
    {"AIKPub", {"AAEC", "AA\nEC", "AA=="}, {"", "A", "AA=", "AA_-"}},
    {"AIKCert", {"AAEC"}, {"*"}},
    {"AIKAttestationClaim", {"AAEC"}, {"*"}},
    {"AadAIKAttestationClaim", {"AAEC"}, {"*"}},
    {"AADPub", {"AAEC"}, {"*"}},
    {"AzureAttestationBlob", {"AAEC"}, {"*"}},
    {"AttestationStatus", {"Status=1;AttestationErrorMsg=none"}, {NULL}},
    {"AttestationStatusHResult", {"0x80280009", "-2144862199", "0"}, {"", "0x", "0x123456789", "failed"}},
    /* told in public by their names only */
    {"AIKAlgorithm", {"RSA", "anything"}, {NULL}},
    {"AzVMIAMExtensionJoin", {"true", "anything"}, {NULL}},
    {"Manufacturer", {"", "anything"}, {NULL}},
    {"Model", {"anything"}, {NULL}},
    {"DeviceModel", {"anything"}, {NULL}},
    {"SerialNumber", {"anything"}, {NULL}},
};

static void test_38_every_item_has_a_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(items); i++) {
        const struct context_item *item = context_item_find(items[i].name);

        if (!item || strcmp(item->name, items[i].name) != 0)
            fail_msg("%s is not in the catalogue", items[i].name);
        for (size_t k = 0; k < 4; k++) {
            if (items[i].fits[k] && !context_value_fits(item->type, items[i].fits[k]))
                fail_msg("%s: '%s' does not fit", items[i].name, items[i].fits[k]);
            if (items[i].unfit[k] && context_value_fits(item->type, items[i].unfit[k]))
                fail_msg("%s: '%s' fits", items[i].name, items[i].unfit[k]);
        }
        assert_true(*context_type_name(item->type));
    }
    assert_null(context_item_find("NoSuchItem"));
    assert_null(context_item_find(""));
}

static void test_37_which_repeat_and_which_are_guarded(void **state)
{
    static const char *const repeat[] = {"MAC", "IMEI", "ExternalMgmtAgentHint"};
    unsigned repeating = 0;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(items); i++)
        repeating += context_item_find(items[i].name)->repeats;
    assert_int_equal(repeating, PKE_LEN(repeat));
    for (size_t i = 0; i < PKE_LEN(repeat); i++)
        assert_true(context_item_find(repeat[i])->repeats);
    assert_true(context_item_find("enrollmentdata")->guarded);
    assert_true(context_item_find("AzureAttestationBlob")->guarded);
    assert_false(context_item_find("DeviceName")->guarded);
}

static char *with_items(const char *text)
{
    return test_replace(test_data(EXAMPLE), CONTEXT_END,
                        pke_arena_printf(test_arena, "%s" CONTEXT_END, text));
}

/* 36, 38: whatever the form of a value is, the request is served and the value is kept as it was sent. */
static void test_36_a_wrong_form_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(items); i++) {
        const char *name = items[i].name, *value = items[i].unfit[0] ? items[i].unfit[0] : "?";
        char *message = test_data(EXAMPLE), *other = pke_arena_strdup(test_arena, name);
        const char *got = NULL;

        if (strcmp(name, "DeviceID") == 0)
            continue; /* its form decides: test_proto_wstep.c */
        for (char *c = other; *c; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        if (strstr(message, pke_arena_printf(test_arena, "Name=\"%s\"", name)))
            message =
                test_replace_all(message, pke_arena_printf(test_arena, "Name=\"%s\"", name), "Name=\"Gone\"");
        message = test_replace(message, CONTEXT_END,
                               pke_arena_printf(test_arena, ITEM("%s", "%s") CONTEXT_END, other, value));
        if (test_read(message) != PKE_OK)
            fail_msg("%s=%s: %s", other, value, test_fail.text);
        got = pke_pairs_get(&test_rst.context, name); /* in its documented spelling */
        if (!got || strcmp(got, value) != 0)
            fail_msg("%s is '%s' instead of '%s'", name, got ? got : "(none)", value);
    }
}

/* The documents say PlugandForget, clients PlugAndForget. */
static void test_38_both_spellings(void **state)
{
    static const char *const spellings[] = {"PlugandForget", "PlugAndForget", "plugandforget"};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(spellings); i++) {
        assert_int_equal(
            test_read(with_items(pke_arena_printf(test_arena, ITEM("%s", "True"), spellings[i]))), PKE_OK);
        assert_string_equal(pke_pairs_get(&test_rst.context, "PlugandForget"), "True");
    }
}

/* A06: as many and as long as the limits allow, in one request, fit the frame between net and issuer. */
static void test_a06_the_largest_context_fits_a_frame(void **state)
{
    struct pke_buf b;
    size_t total = 0, wanted;
    char *value = pke_arena_alloc(test_arena, LIMIT_CONTEXT_VALUE + 1);

    (void)state;
    memset(value, 'v', LIMIT_CONTEXT_VALUE);
    pke_buf_init(&b, LIMIT_XML_BODY);
    wanted = LIMIT_XML_BODY - strlen(test_data(EXAMPLE)) - 200;
    for (unsigned i = 0; b.n + LIMIT_CONTEXT_VALUE + 100 < wanted; i++)
        pke_buf_printf(&b, ITEM("Large%u", "%s"), i, value);
    assert_int_equal(test_read(with_items(pke_buf_cstr(&b))), PKE_OK);
    for (size_t i = 0; i < test_rst.context.n; i++)
        total += strlen(test_rst.context.v[i].name) + strlen(test_rst.context.v[i].value) + 16;
    assert_true(total > 7 * LIMIT_CONTEXT_VALUE - 1000);
    assert_true(total + test_rst.request.n < 512u << 10); /* IPC_MAX_REQUEST */
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_38_every_item_has_a_form, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_37_which_repeat_and_which_are_guarded, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(test_36_a_wrong_form_is_kept, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_38_both_spellings, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_a06_the_largest_context_fits_a_frame, test_setup, test_teardown),
    };

    return cmocka_run_group_tests_name("proto context", tests, NULL, NULL);
}
