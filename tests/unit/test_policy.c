/* SPDX-License-Identifier: Apache-2.0 */
/* policy/: option table, rules across fields, and every decision as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/decide.h"

#define NOW 1700000000

struct fixture {
    struct pke_arena *arena;
    struct policy_template t;
    struct policy_identity who;
    struct policy_request req;
    struct policy_decision d;
    struct pke_fail fail;
};

static void set(struct fixture *f, const char *name, const char *text)
{
    const struct pke_option *o = pke_option_find(policy_template_options, name, strlen(name));

    assert_non_null(o);
    if (o->type == PKE_OPT_STRINGS || o->type == PKE_OPT_OIDS)
        assert_int_equal(pke_option_append(o, &f->t, text, f->arena, &f->fail), PKE_OK);
    else
        assert_int_equal(pke_option_set(o, &f->t, text, NULL, f->arena, &f->fail), PKE_OK);
}

/* A list of this one element. */
static void set_list(struct fixture *f, struct pke_strings *list, const char *name, const char *text)
{
    *list = (struct pke_strings){0};
    set(f, name, text);
}

static int set_up(void **state)
{
    struct fixture *f = pke_calloc(1, sizeof *f);

    f->arena = pke_arena_new();
    f->t.name = "device";
    pke_option_defaults(policy_template_options, &f->t, f->arena);
    set(f, "issuer", "lab");
    set(f, "common-name", "Device");
    set(f, "allow", "*@corp.example");
    f->who = (struct policy_identity){
        .tenant = "default", .principal = "ada@corp.example", .credential = "username"};
    f->req = (struct policy_request){.identity = &f->who,
                                     .device_id = "0123456789ABCDEF0123456789ABCDEF",
                                     .enrollment_type = "Full",
                                     .key = {.type = "rsa", .bits = 2048, .digest = "sha256"}};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pke_arena_free(f->arena);
    free(f);
    return 0;
}

static enum pke_err decide(struct fixture *f)
{
    memset(&f->fail, 0, sizeof f->fail);
    return policy_decide(&f->t, &f->req, NOW, f->arena, &f->d, &f->fail);
}

static void refused(struct fixture *f, enum pke_err want, const char *reason)
{
    f->d.subject_cn = "untouched";
    assert_int_equal(decide(f), want);
    assert_int_equal(f->fail.err, want);
    assert_string_equal(f->fail.reason, reason);
    assert_true(f->fail.rule[0] != '\0');
    assert_string_equal(f->d.subject_cn, "untouched");
}

/* ---- options ---- */

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    struct policy_template t = {.name = "x"};

    pke_option_defaults(policy_template_options, &t, f->arena);
    assert_true(t.enabled && t.allow_full && t.allow_device);
    assert_int_equal(t.allow.n, 0);
    assert_int_equal(t.subject_full.n, 1);
    assert_string_equal(t.subject_full.v[0], "CN={upn}");
    assert_int_equal(t.subject_device.n, 1);
    assert_string_equal(t.subject_device.v[0], "CN={device-id}");
    assert_int_equal(t.san.n + t.from_csr.n, 0);
    assert_int_equal(t.csr_disallowed, POLICY_DISALLOWED_DENY);
    assert_int_equal(t.sid_extension, POLICY_SID_WHEN_KNOWN);
    assert_int_equal(t.validity, 365LL * 86400 * 1000);
    assert_int_equal(t.backdate, 600 * 1000);
    assert_int_equal(t.renewal_period, 42LL * 86400 * 1000);
    assert_int_equal(t.rsa_min_bits, 2048);
    assert_int_equal(t.rsa_max_bits, 4096);
    assert_false(t.strict_key_check || t.advertise_ca || t.recovery != POLICY_RECOVERY_NO);
    assert_int_equal(t.key_types.n, 1);
    assert_string_equal(t.key_types.v[0], "rsa");
    assert_int_equal(t.csr_digests.n, 3);
    assert_string_equal(t.csr_digests.v[0], "sha256");
    assert_string_equal(t.csr_digests.v[2], "sha512");
    assert_int_equal(t.ekus.n, 1);
    assert_string_equal(t.ekus.v[0], "1.3.6.1.5.5.7.3.2");
    assert_int_equal(t.providers.n, 0);
    assert_string_equal(policy_template_policy_id(&t), "x");
    assert_string_equal(policy_template_policy_id(&f->t), "device");
    set(f, "policy-id", "stable");
    assert_string_equal(policy_template_policy_id(&f->t), "stable");
}

static void test_every_option_is_described(void **state)
{
    (void)state;
    for (const struct pke_option *o = policy_template_options; o->name; o++) {
        assert_int_equal(strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(o->name));
        assert_true(strlen(o->help) > 10 && o->help[strlen(o->help) - 1] != '.');
        assert_true(o->offset < sizeof(struct policy_template));
        assert_ptr_equal(pke_option_find(policy_template_options, o->name, strlen(o->name)), o);
        assert_int_equal(o->required, strcmp(o->name, "issuer") == 0 || strcmp(o->name, "common-name") == 0);
    }
}

static void test_option_ranges(void **state)
{
    static const struct {
        const char *name, *good, *bad;
    } rows[] = {
        {"validity", "5m", "4m"},
        {"validity", "3650d", "3651d"},
        {"backdate", "0", "61m"},
        {"backdate", "1h", "1ms2"},
        {"rsa-min-bits", "2048", "1024"},
        {"rsa-max-bits", "8192", "16384"},
        {"csr-disallowed", "strip", "allow"},
        {"sid-extension", "require", "yes"},
        {"enabled", "no", "off"},
        {"common-name", "x", ""},
        {"major-revision", "0", "-1"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        const struct pke_option *o =
            pke_option_find(policy_template_options, rows[i].name, strlen(rows[i].name));

        assert_int_equal(pke_option_set(o, &f->t, rows[i].good, NULL, f->arena, &f->fail), PKE_OK);
        assert_int_equal(pke_option_set(o, &f->t, rows[i].bad, NULL, f->arena, &f->fail), PKE_CONFIG);
    }
}

static const struct {
    const char *option, *value;
    const char *names; /* what the refusal must mention; NULL: accepted */
} rules[] = {
    {"renewal-period", "364d", NULL},
    {"renewal-period", "365d", "renewal-period"},
    {"validity", "42d", "renewal-period"},
    {"validity", "86400500ms", "whole seconds"},
    {"backdate", "1500ms", "whole seconds"},
    {"rsa-min-bits", "4096", NULL},
    {"rsa-min-bits", "6144", "rsa-min-bits"},
    {"rsa-max-bits", "2048", NULL},
    {"common-name", "Lab Device", "common-name"},
    {"common-name",
     "Lab\xc2\xa0"
     "Device",
     "common-name"},
    {"policy-id", "a b", "policy-id"},
    {"policy-id", "{11111111-2222-4333-8444-555555555555}", NULL},
    {"ekus", "2.5.29.37.0", "anyExtendedKeyUsage"},
    {"ekus", "1.3.6.1.5.5.7.3.2", "twice"},
    {"ekus", "1.3.6.1.5.5.7.3.4", NULL},
    {"allow", "ada", NULL},
    {"allow", "*", NULL},
    {"allow", "ad*", "allow"},
    {"allow", "*@", "allow"},
    {"allow", "*corp.example", "allow"},
    {"allow", "*@*", "allow"},
    {"allow", "*@a@b", "allow"},
    {"allow", "**", "allow"},
    {"attestation", "log", "attestation-roots"},
    {"maa-url", "https://maa.example", "attestation is off"},
};

static void test_rules_across_fields(void **state)
{
    struct fixture *f = *state;
    struct policy_template good;

    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_OK);
    good = f->t;
    for (size_t i = 0; i < PKE_LEN(rules); i++) {
        enum pke_err err;

        f->t = good;
        f->t.allow = (struct pke_strings){0}; /* lists share memory: start each afresh */
        f->t.ekus = (struct pke_strings){0};
        set(f, "allow", "*@corp.example");
        set(f, "ekus", "client-auth");
        set(f, rules[i].option, rules[i].value);
        err = policy_template_check(&f->t, &f->fail);
        if (err != (rules[i].names ? PKE_CONFIG : PKE_OK))
            fail_msg("%s: %s: %s", rules[i].option, rules[i].value, f->fail.text);
        if (rules[i].names && !strstr(f->fail.text, rules[i].names))
            fail_msg("%s: %s: %s", rules[i].option, rules[i].value, f->fail.text);
    }
}

/* Each on top of the one before: what attestation needs, one complaint after another. */
static void test_rules_of_attestation(void **state)
{
    static const struct {
        const char *option, *value;
        const char *names; /* what the refusal then mentions; NULL: accepted */
    } steps[] = {
        {"attestation", "require", "attestation-roots"},
        {"attestation-roots", "/etc/roots.pem",
         "providers must begin with Microsoft Platform Crypto Provider"},
        {"providers", "Microsoft Platform Crypto Provider", NULL},
        {"providers", "Microsoft Software Key Storage Provider", NULL},
        {"attestation-timeout", "1500ms", "whole seconds"},
        {"attestation-timeout", "90s", NULL},
        {"attestation-failure", "FailOnError", NULL},
        {"maa-relying-party", "https://rp.example", "together"},
        {"maa-url", "http://maa.example", "https"},
        {"maa-url", "https://maa.example/a b", "https"},
        {"maa-url", "https://maa.example", "maa-keys-file"},
        {"attestation", "prefer", NULL}, /* tokens are recorded as not verified */
        {"maa-keys-file", "/etc/maa.json", "maa-issuers"},
        {"maa-issuers", "https://maa.example", NULL},
        {"attestation", "require", NULL},
        {"attestation", "off", "maa-keys-file"},
        {"attestation", "log", NULL},
        {"maa-relying-party", "a b", "maa-relying-party"},
        {"maa-relying-party", "rp", NULL},
        {"maa-issuers", "maa.example", "maa-issuers must be https"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(steps); i++) {
        set(f, steps[i].option, steps[i].value);
        if (policy_template_check(&f->t, &f->fail) != (steps[i].names ? PKE_CONFIG : PKE_OK))
            fail_msg("%s: %s: %s", steps[i].option, steps[i].value, f->fail.text);
        if (steps[i].names && !strstr(f->fail.text, steps[i].names))
            fail_msg("%s: %s: %s", steps[i].option, steps[i].value, f->fail.text);
    }
    f->t.providers.n = 0; /* in the other order there is no key that could be attested */
    set(f, "maa-relying-party", "rp");
    set(f, "providers", "Microsoft Software Key Storage Provider");
    set(f, "providers", "Microsoft Platform Crypto Provider");
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
}

static void test_rules_without_a_value(void **state)
{
    struct fixture *f = *state;
    struct policy_template good = f->t;

    f->t.ekus.n = 0;
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    f->t = good;
    f->t.allow_full = f->t.allow_device = false;
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    f->t.enabled = false;
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_OK);
    f->t = good;
    f->t.issuer = NULL;
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    f->t = good;
    f->t.common_name = NULL;
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    f->t = good;
    f->t.name = "two words"; /* it would be the policy-id */
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
}

/* ---- who ---- */

static void test_match_principal(void **state)
{
    static const struct {
        const char *pattern, *principal;
        bool match;
    } rows[] = {
        {"*", "ada", true},
        {"*", "", false},
        {"*", NULL, false},
        {"ada@corp.example", "ada@corp.example", true},
        {"ada@corp.example", "ADA@Corp.Example", true},
        {"ada@corp.example", "ada@corp.example.evil", false},
        {"ada@corp.example", "ada@corp.exampl", false},
        {"", "", false},
        {"", "ada", false},
        {"*@corp.example", "ada@corp.example", true},
        {"*@corp.example", "ADA@CORP.EXAMPLE", true},
        {"*@corp.example", "@corp.example", false},
        {"*@corp.example", "ada@sub.corp.example", false},
        {"*@corp.example", "ada@evilcorp.example", false},
        {"*@corp.example", "eve@other.example@corp.example", false},
        {"*@corp.example", "ada@corp.example@other.example", false},
        {"*@corp.example", "corp.example", false},
        {"*@corp.example", "ada@corp.example ", false},
        {"ad*", "ada", false}, /* no other wildcards */
        {"ad*", "ad*", true},
        {"k", "\xe2\x84\xaa", false}, /* KELVIN SIGN folds to k in Unicode, not here */
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++)
        if (policy_match_principal(rows[i].pattern, rows[i].principal) != rows[i].match)
            fail_msg("%s / %s", rows[i].pattern, rows[i].principal ? rows[i].principal : "NULL");
}

static void test_visible_is_default_deny(void **state)
{
    struct fixture *f = *state;
    struct policy_template nobody = f->t;

    assert_int_equal(policy_visible(&f->t, &f->who, &f->fail), PKE_OK);
    nobody.allow.n = 0;
    assert_int_equal(policy_visible(&nobody, &f->who, &f->fail), PKE_DENIED);
    assert_string_equal(f->fail.rule, "template: allow");
    nobody = f->t;
    nobody.enabled = false;
    assert_int_equal(policy_visible(&nobody, &f->who, &f->fail), PKE_TEMPLATE);
    assert_int_equal(policy_visible(NULL, &f->who, &f->fail), PKE_TEMPLATE);
    assert_int_equal(policy_visible(&f->t, NULL, &f->fail), PKE_DENIED);
    set(f, "allow", "*");
    assert_int_equal(
        policy_visible(
            &f->t, &(struct policy_identity){.tenant = "default", .principal = "x", .credential = "username"},
            &f->fail),
        PKE_OK);
    assert_int_equal(
        policy_visible(
            &f->t, &(struct policy_identity){.tenant = "default", .principal = "", .credential = "username"},
            &f->fail),
        PKE_DENIED);
    assert_int_equal(policy_visible(&f->t,
                                    &(struct policy_identity){
                                        .tenant = "default", .principal = NULL, .credential = "username"},
                                    &f->fail),
                     PKE_DENIED);
    assert_int_equal(
        policy_visible(&f->t,
                       &(struct policy_identity){.tenant = NULL, .principal = "x", .credential = "username"},
                       &f->fail),
        PKE_DENIED);
}

static void test_decide_asks_visible_first(void **state)
{
    struct fixture *f = *state;

    f->who.principal = "eve@other.example";
    f->req.enrollment_type = "bogus";
    refused(f, PKE_DENIED, "principal-not-allowed");
    f->t.enabled = false;
    refused(f, PKE_TEMPLATE, "template-not-enabled");
}

/* ---- what ---- */

static void test_enrollment_type(void **state)
{
    static const char *const unknown[] = {NULL, "", "full", "FULL", "Full ", "Devic", "Renew"};
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(unknown); i++) {
        f->req.enrollment_type = unknown[i];
        refused(f, PKE_ENROLLMENT_DATA, "enrollment-type");
    }
    f->req.enrollment_type = "Full";
    f->t.allow_full = false;
    refused(f, PKE_DENIED, "enrollment-type-not-allowed");
    assert_string_equal(f->fail.rule, "template: allow-full");
    f->req.enrollment_type = "Device";
    assert_int_equal(decide(f), PKE_OK);
    f->t.allow_device = false;
    f->t.allow_full = true;
    refused(f, PKE_DENIED, "enrollment-type-not-allowed");
    assert_string_equal(f->fail.rule, "template: allow-device");
}

static void test_device_id_form(void **state)
{
    static const char *const good[] = {"a", "{8090C8-x_y.z}",
                                       "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        NULL,     "",     "a b",
        "a/b",    "a\n",  "\xc3\xa9",
        "a,CN=x", "a%41", "01234567890123456789012345678901234567890123456789012345678901234"};
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(good); i++) {
        f->req.device_id = good[i];
        assert_int_equal(decide(f), PKE_OK);
    }
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        f->req.device_id = bad[i];
        refused(f, PKE_ENROLLMENT_DATA, "device-id");
    }
}

static void test_device_belongs_to_its_owner(void **state)
{
    struct fixture *f = *state;

    f->req.device_owner = "ADA@corp.EXAMPLE";
    assert_int_equal(decide(f), PKE_OK);
    f->req.device_owner = "bob@corp.example";
    refused(f, PKE_DENIED, "device-of-another");
    f->req.enrollment_type = "Device";
    refused(f, PKE_DENIED, "device-of-another");
    f->req.device_owner = ""; /* an owner without a name is somebody else */
    refused(f, PKE_DENIED, "device-of-another");
    f->t.device_conflict = POLICY_CONFLICT_SUPERSEDE;
    assert_int_equal(decide(f), PKE_OK);
}

static void test_keys(void **state)
{
    static const struct {
        struct policy_key key;
        const char *types, *digest; /* beside what the option tables have; NULL: nothing */
        enum pke_err want;
        const char *reason;
    } rows[] = {
        {{"rsa", 2048, "sha256"}, NULL, NULL, PKE_OK, NULL},
        {{"rsa", 4096, "sha512"}, NULL, NULL, PKE_OK, NULL},
        {{"rsa", 2047, "sha256"}, NULL, NULL, PKE_KEY_WEAK, "key-too-small"},
        {{"rsa", 4097, "sha256"}, NULL, NULL, PKE_KEY_WEAK, "key-too-large"},
        {{"rsa", 0, "sha256"}, "p-256", "sha1", PKE_KEY_WEAK, "key-too-small"},
        {{"p-256", 256, "sha256"}, NULL, NULL, PKE_KEY_WEAK, "key-type"},
        {{"p-256", 256, "sha256"}, "p-256", NULL, PKE_OK, NULL},
        {{"p-384", 384, "sha384"}, "p-256", NULL, PKE_KEY_WEAK, "key-type"},
        {{"p-384", 384, "sha384"}, "p-384", NULL, PKE_OK, NULL},
        {{"p-521", 521, "sha512"}, "p-521", NULL, PKE_OK, NULL},
        {{"ed25519", 256, NULL}, NULL, NULL, PKE_KEY_WEAK, "key-type"},
        {{"ed25519", 256, NULL}, "ed25519", NULL, PKE_OK, NULL},
        {{"dsa", 2048, "sha256"}, "p-256", NULL, PKE_KEY_WEAK, "key-type"},
        {{"rsa", 2048, "sha1"}, NULL, NULL, PKE_CSR_BAD, "csr-digest"},
        {{"rsa", 2048, "sha1"}, NULL, "sha1", PKE_OK, NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        f->req.key = rows[i].key;
        f->t.key_types = f->t.csr_digests = (struct pke_strings){0};
        set(f, "key-types", "rsa");
        set(f, "csr-digests", "sha256");
        set(f, "csr-digests", "sha384");
        set(f, "csr-digests", "sha512");
        if (rows[i].types)
            set(f, "key-types", rows[i].types);
        if (rows[i].digest)
            set(f, "csr-digests", rows[i].digest);
        if (rows[i].want == PKE_OK)
            assert_int_equal(decide(f), PKE_OK);
        else
            refused(f, rows[i].want, rows[i].reason);
    }
}

/* Kinds that nobody knows, and lists that say nothing. */
static void test_kinds_of_keys(void **state)
{
    static const struct {
        const char *option, *value;
    } bad[] = {
        {"key-types", "dsa"}, {"key-types", "RSA"}, {"key-types", "secp256k1"}, {"csr-digests", "md5"}};
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        const struct pke_option *o =
            pke_option_find(policy_template_options, bad[i].option, strlen(bad[i].option));

        assert_int_equal(pke_option_append(o, &f->t, bad[i].value, f->arena, &f->fail), PKE_CONFIG);
        assert_non_null(strstr(f->fail.text, bad[i].option));
    }
    f->t.key_types = (struct pke_strings){0};
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    assert_non_null(strstr(f->fail.text, "key-types"));
    set(f, "key-types", "p-521");
    assert_int_equal(policy_template_min_bits(&f->t), 521);
    set(f, "key-types", "ed25519");
    assert_int_equal(policy_template_min_bits(&f->t), 256);
    set(f, "key-types", "rsa");
    assert_int_equal(policy_template_min_bits(&f->t), 2048);
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_OK);
    f->t.csr_digests = (struct pke_strings){0};
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_CONFIG);
    assert_non_null(strstr(f->fail.text, "csr-digests"));
}

/* A key usage that one of the kinds cannot have would leave its certificates without any. */
static void test_key_usage_of_each_kind(void **state)
{
    static const struct {
        const char *usage, *type;
        enum pke_err want;
    } rows[] = {{"key-encipherment", "rsa", PKE_OK},      {"key-encipherment", "p-521", PKE_CONFIG},
                {"key-agreement", "rsa", PKE_CONFIG},     {"key-agreement", "p-521", PKE_OK},
                {"key-agreement", "ed25519", PKE_CONFIG}, {"non-repudiation", "ed25519", PKE_OK}};
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        f->t.key_usage = f->t.key_types = (struct pke_strings){0};
        set(f, "key-usage", rows[i].usage);
        set(f, "key-types", rows[i].type);
        if (policy_template_check(&f->t, &f->fail) != rows[i].want)
            fail_msg("%s with %s", rows[i].usage, rows[i].type);
    }
}

static void test_common_name(void **state)
{
    static const char chars64[] = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                                  "0123456789012345678901234567890123456789012345678901234x";
    static const struct {
        const char *name;
        bool valid;
    } rows[] = {
        {"a", true},
        {"ada@corp.example", true},
        {"\xc3\xa9l\xc3\xa8ve@corp.example", true},
        {"\xf0\x9f\x98\x80", true},
        {chars64, true}, /* 64 characters, 72 bytes */
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
        {"", false},
        {NULL, false},
        {" a", false},
        {"a ", false},
        {"a\nb", false},
        {"a\x7f", false},
        {"a\xc2\x85", false}, /* NEL, a C1 control */
        {"a\xe2\x80\xae"
         "b",
         false},                      /* right-to-left override */
        {"a\xe2\x80\x8b", false},     /* zero width space */
        {"a\xef\x80\x80", false},     /* U+F000 */
        {"a\xef\xbb\xbf", false},     /* byte order mark */
        {"a\xef\xbf\xbf", false},     /* noncharacter */
        {"a\xf0\x9f\xbf\xbf", false}, /* noncharacter of another plane */
        {"a\xff", false},
        {"a\xc3", false},
        {"\xc0\xaf", false},
    };
    struct fixture *f = *state;

    f->t.allow.v[0] = pke_arena_strdup(f->arena, "*");
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        assert_int_equal(policy_common_name_valid(rows[i].name), rows[i].valid);
        if (!rows[i].name || !*rows[i].name)
            continue;
        f->who.principal = rows[i].name;
        if (rows[i].valid) {
            assert_int_equal(decide(f), PKE_OK);
            assert_string_equal(f->d.subject_cn, rows[i].name);
        } else {
            refused(f, PKE_POLICY, "subject-value");
        }
    }
}

static void test_subject_sources(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.subject_cn, "ada@corp.example");
    f->req.enrollment_type = "Device";
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.subject_cn, f->req.device_id);
    set_list(f, &f->t.subject_device, "subject-device", "CN={principal}");
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.subject_cn, "ada@corp.example");
    set_list(f, &f->t.subject_full, "subject-full", "CN={device-id}");
    f->req.enrollment_type = "Full";
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.subject_cn, f->req.device_id);
    set_list(f, &f->t.subject_full, "subject-full", "CN={user-id}");
    refused(f, PKE_POLICY, "subject-value");
}

/* What a client controls never reaches a subject that comes from the principal, nor anything but its own
 * place. */
static void test_client_data_does_not_change_a_full_subject(void **state)
{
    struct fixture *f = *state;
    struct policy_decision first;
    static const char alphabet[] = "abcXYZ019._{}-@= /\n*,";
    unsigned accepted = 0;

    assert_int_equal(decide(f), PKE_OK);
    first = f->d;
    srandom(7);
    for (int i = 0; i < 5000; i++) {
        char id[80];
        size_t n = (size_t)random() % 70;

        for (size_t k = 0; k < n; k++)
            id[k] = alphabet[(size_t)random() % (random() % 4 ? 14 : sizeof alphabet - 1)];
        id[n] = '\0';
        f->req.device_id = id;
        f->req.device_owner = random() % 2 ? "ada@corp.example" : NULL;
        f->req.key.bits = 2048 + 1024 * ((unsigned)random() % 3);
        if (decide(f) != PKE_OK) {
            assert_false(policy_device_id_valid(id));
            continue;
        }
        accepted++;
        assert_string_equal(f->d.subject_cn, first.subject_cn);
        assert_null(pke_pairs_get(&f->d.san, PKE_SAN_URI));
        assert_int_equal(f->d.not_before, first.not_before);
        assert_int_equal(f->d.not_after, first.not_after);
        assert_ptr_equal(f->d.ekus, first.ekus);
    }
    assert_true(accepted > 100);
}

static void test_san_uri_is_filled(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decide(f), PKE_OK);
    assert_null(pke_pairs_get(&f->d.san, PKE_SAN_URI));
    set(f, "san", "uri:urn:x:{device-id}:{ent-dmid}:{device-id}");
    f->req.ent_dmid = "0a1b";
    f->req.device_id = "{a-B}";
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(pke_pairs_get(&f->d.san, PKE_SAN_URI), "urn:x:%7Ba-B%7D:0a1b:%7Ba-B%7D");
    f->req.device_id = "{ent-dmid}"; /* a client cannot smuggle a placeholder in */
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(pke_pairs_get(&f->d.san, PKE_SAN_URI), "urn:x:%7Bent-dmid%7D:0a1b:%7Bent-dmid%7D");
}

/* Who is named by somebody of ours goes by that name where there is no UPN; an id of a directory is no name.
 */
static void test_subject_upn(void **state)
{
    static const struct {
        const char *credential, *upn, *subject;
    } cases[] = {
        {"username", NULL, "ada@corp.example"},
        {"one-time-token", NULL, "ada@corp.example"},
        {"jwt", NULL, "ada@corp.example"},
        {"signed-header", NULL, "ada@corp.example"},
        {"jwt", "upn@corp.example", "upn@corp.example"},
        {"entra-jwt", "upn@corp.example", "upn@corp.example"},
    };
    struct fixture *f = *state;
    struct policy_decision d;

    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        f->who.credential = cases[i].credential;
        f->who.upn = cases[i].upn;
        assert_int_equal(policy_decide(&f->t, &f->req, 1700000000, f->arena, &d, &f->fail), PKE_OK);
        assert_string_equal(d.subject_cn, cases[i].subject);
    }
    f->who.upn = NULL;
    f->who.credential = "entra-jwt";
    assert_int_equal(policy_decide(&f->t, &f->req, 1700000000, f->arena, &d, &f->fail), PKE_DENIED);
    assert_string_equal(f->fail.reason, "upn-missing");
}

static void test_times_and_usages(void **state)
{
    static const char *const validities[] = {"1h", "90d", "365d", "3650d"};
    static const char *const backdates[] = {"0", "10m", "1h"};
    struct fixture *f = *state;

    for (size_t v = 0; v < PKE_LEN(validities); v++) {
        for (size_t b = 0; b < PKE_LEN(backdates); b++) {
            set(f, "validity", validities[v]);
            set(f, "backdate", backdates[b]);
            assert_int_equal(decide(f), PKE_OK);
            assert_int_equal(f->d.not_before, NOW - f->t.backdate / 1000);
            assert_int_equal(f->d.not_after - f->d.not_before, f->t.validity / 1000);
        }
    }
    assert_ptr_equal(f->d.ekus, &f->t.ekus);
    assert_int_equal(policy_decide(&f->t, &f->req, 253402300799, f->arena, &f->d, &f->fail), PKE_POLICY);
    assert_int_equal(policy_decide(&f->t, &f->req, INT64_MAX, f->arena, &f->d, &f->fail), PKE_POLICY);
    assert_int_equal(policy_decide(&f->t, &f->req, 0, f->arena, &f->d, &f->fail), PKE_POLICY);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_defaults),
        T(test_every_option_is_described),
        T(test_option_ranges),
        T(test_rules_across_fields),
        T(test_rules_of_attestation),
        T(test_rules_without_a_value),
        T(test_match_principal),
        T(test_visible_is_default_deny),
        T(test_decide_asks_visible_first),
        T(test_enrollment_type),
        T(test_device_id_form),
        T(test_device_belongs_to_its_owner),
        T(test_keys),
        T(test_kinds_of_keys),
        T(test_key_usage_of_each_kind),
        T(test_common_name),
        T(test_subject_sources),
        T(test_client_data_does_not_change_a_full_subject),
        T(test_san_uri_is_filled),
        T(test_subject_upn),
        T(test_times_and_usages),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
