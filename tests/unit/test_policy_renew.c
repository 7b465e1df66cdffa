/* SPDX-License-Identifier: Apache-2.0 */
/* policy/renew.h: renewal, recovery, quota and platform, each rule apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "policy/renew.h"

#define NOT_AFTER 1800000000LL /* seconds */
#define MS        1000LL
#define DAY       86400LL

static struct pke_arena *arena;
static struct policy_template t;
static struct policy_renewal r;
static struct policy_identity ada = {.tenant = "default",
                                     .principal = "ada@corp.example",
                                     .user_id = "5d9a1b2c-0000-4000-8000-000000000001",
                                     .credential = "username"};
static struct pke_fail fail;

static int start(void **state)
{
    static char pattern[] = "*@corp.example", *anybody[] = {pattern};

    (void)state;
    arena = pke_arena_new();
    t = (struct policy_template){.name = "device"};
    pke_option_defaults(policy_template_options, &t, arena);
    t.allow = (struct pke_strings){anybody, 1};
    r = (struct policy_renewal){.not_after = NOT_AFTER,
                                .template_name = "device",
                                .tenant = "default",
                                .provider = "MDM",
                                .device_id = "D1",
                                .enrollment_type = "Full",
                                .hwdev_id = "AA",
                                .owner = "ada@corp.example",
                                .owner_id = "5d9a1b2c-0000-4000-8000-000000000001",
                                .asked_device_id = "d1",
                                .asked_type = "Full",
                                .asked_hwdev_id = "aa",
                                .endpoint_tenant = "default",
                                .endpoint_provider = "MDM"};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

static void holds(enum pke_err err, const char *reason)
{
    fail = (struct pke_fail){0};
    assert_int_equal(policy_renewal_holds(&t, &r, &fail), err);
    if (reason)
        assert_string_equal(fail.reason, reason);
}

static void check_at(int64_t now, enum pke_err err, const char *reason)
{
    fail = (struct pke_fail){0};
    assert_int_equal(policy_renewal_check(&t, &r, now * MS, &fail), err);
    if (reason)
        assert_string_equal(fail.reason, reason);
}

static void check(enum pke_err err, const char *reason)
{
    check_at(NOT_AFTER - DAY, err, reason);
}

/* What no replay may pass by; each fact alone refuses. */
static void test_what_must_hold(void **state)
{
    struct policy_renewal good = r;

    (void)state;
    holds(PKE_OK, NULL);
    r.asked_device_id = r.asked_type = NULL; /* both are optional in Renew */
    holds(PKE_OK, NULL);
    r.asked_device_id = "";
    holds(PKE_OK, NULL);
    r = good;
    r.provider = ""; /* recorded before providers were */
    holds(PKE_OK, NULL);
    r = good;
    r.asked_device_id = "D2";
    holds(PKE_RENEW_INELIGIBLE, "renew-device");
    r = good;
    r.asked_type = "Device";
    holds(PKE_RENEW_INELIGIBLE, "renew-type");
    r = good;
    r.template_name = "other";
    holds(PKE_RENEW_INELIGIBLE, "renew-template");
    r.template_name = NULL;
    holds(PKE_RENEW_INELIGIBLE, "renew-template");
    r = good;
    r.tenant = "other";
    holds(PKE_RENEW_INELIGIBLE, "renew-place");
    r = good;
    r.provider = "OTHER";
    holds(PKE_RENEW_INELIGIBLE, "renew-place");
    r = good;
    r.revoked_at = 1;
    holds(PKE_RENEW_INELIGIBLE, "renew-revoked");
    r = good;
    r.blocked = true;
    holds(PKE_RENEW_INELIGIBLE, "renew-blocked");
    r = good;
    r.released = true;
    holds(PKE_RENEW_INELIGIBLE, "renew-released");
    r = good;
    t.allow_full = false;
    holds(PKE_RENEW_INELIGIBLE, "renew-type-not-allowed");
    t.allow_full = true;
    t.allow_device = false;
    holds(PKE_OK, NULL);
    t.renew = false;
    holds(PKE_RENEW_INELIGIBLE, "renew-not-offered");
    t.renew = true;
    t.enabled = false;
    holds(PKE_RENEW_INELIGIBLE, "renew-not-offered");
}

static void test_time(void **state)
{
    int64_t window = NOT_AFTER - 42 * DAY; /* the default renewal-period */

    (void)state;
    check_at(0, PKE_OK, NULL); /* any */
    check_at(NOT_AFTER, PKE_OK, NULL);
    check_at(NOT_AFTER + 1, PKE_RENEW_INELIGIBLE, "renew-expired");
    t.renew_grace = 3600 * MS;
    check_at(NOT_AFTER + 3600, PKE_OK, NULL);
    check_at(NOT_AFTER + 3601, PKE_RENEW_INELIGIBLE, "renew-expired");
    t.renew_early = POLICY_RENEW_WINDOW;
    check_at(window - 1, PKE_RENEW_INELIGIBLE, "renew-early");
    check_at(window, PKE_OK, NULL);
    t.renew_early = POLICY_RENEW_ON_GRANT;
    check_at(window - 1, PKE_RENEW_INELIGIBLE, "renew-early");
    check_at(window, PKE_OK, NULL);
    r.granted = true;
    check_at(window - 1, PKE_OK, NULL);
    assert_true(policy_renewal_is_early(&t, NOT_AFTER, (window - 1) * MS));
    assert_false(policy_renewal_is_early(&t, NOT_AFTER, window * MS));
    t.renew_early = POLICY_RENEW_WINDOW; /* no grant opens it */
    check_at(window - 1, PKE_RENEW_INELIGIBLE, "renew-early");
    t.renew_early = POLICY_RENEW_ANY;
    assert_false(policy_renewal_is_early(&t, NOT_AFTER, 0));
}

static void test_succession(void **state)
{
    int64_t now = NOT_AFTER - DAY;

    (void)state;
    r.superseded_at = now * MS - 1000;
    check_at(now, PKE_RENEW_INELIGIBLE, "renew-superseded");
    t.renew_overlap = 2000;
    check_at(now, PKE_OK, NULL);
    check_at(now + 1, PKE_RENEW_INELIGIBLE, "renew-superseded");
}

static void test_tls(void **state)
{
    (void)state;
    r.has_tls = true;
    holds(PKE_RENEW_INELIGIBLE, "renew-tls-other");
    r.same_tls = true;
    holds(PKE_OK, NULL);
    t.renew_require_tls = true;
    holds(PKE_OK, NULL);
    r.has_tls = r.same_tls = false;
    holds(PKE_RENEW_INELIGIBLE, "renew-tls-missing");
}

static void test_owner(void **state)
{
    struct policy_identity other = ada;
    static char name[] = "bob@corp.example", *nobody[] = {name};

    (void)state;
    r.identity = &ada;
    holds(PKE_OK, NULL);
    other.user_id = "5d9a1b2c-0000-4000-8000-000000000002"; /* a new user of the same name */
    r.identity = &other;
    holds(PKE_RENEW_INELIGIBLE, "renew-identity");
    other = (struct policy_identity){
        .tenant = "default", .principal = "bob@corp.example", .credential = "username"};
    holds(PKE_RENEW_INELIGIBLE, "renew-identity");
    other.credential = "one-time-token"; /* names a user; an officer vouches for it */
    other.principal = "ada@corp.example";
    holds(PKE_OK, NULL);
    r.identity = NULL;
    r.device_owner = "bob@corp.example"; /* who got the device since */
    r.device_owner_id = "5d9a1b2c-0000-4000-8000-000000000009";
    holds(PKE_RENEW_INELIGIBLE, "renew-owner");
    r.device_owner = "ada@corp.example"; /* a new user of the old name */
    holds(PKE_RENEW_INELIGIBLE, "renew-owner");
    r.device_owner_id = "5d9a1b2c-0000-4000-8000-000000000001";
    holds(PKE_OK, NULL);
    t.unlicensed = t.allow;
    holds(PKE_LICENSE, "principal-unlicensed");
    t.unlicensed = (struct pke_strings){0};
    t.allow = (struct pke_strings){nobody, 1};
    holds(PKE_RENEW_INELIGIBLE, "renew-not-allowed");
}

static void test_key_and_hardware(void **state)
{
    (void)state;
    r.same_key = true;
    check(PKE_CSR_BAD, "renew-same-key");
    t.renew_same_key = true;
    check(PKE_OK, NULL);
    r.asked_hwdev_id = "BB";
    check(PKE_OK, NULL);
    t.renew_hardware_change = POLICY_CHANGE_DENY;
    check(PKE_RENEW_INELIGIBLE, "renew-hardware");
    r.asked_hwdev_id = NULL; /* no way around it */
    check(PKE_RENEW_INELIGIBLE, "renew-hardware");
    r.asked_hwdev_id = "BB";
    r.hwdev_id = NULL; /* nothing to compare with */
    check(PKE_OK, NULL);
}

static void test_names_are_the_recorded_ones(void **state)
{
    struct pke_pair recorded[] = {{"CN", "subject"},
                                  {"O", "Corp"},
                                  {"uri", "urn:x:y"},
                                  {"dns", "a.corp.example"},
                                  {"sid", "S-1-5-21-1"}};
    struct pke_pair changed[] = {{"dns", "b.corp.example"}}, foreign[] = {{"CN", "s"}, {"x400", "y"}};
    struct pke_pairs names = {recorded, 5}, today = {changed, 1}, odd = {foreign, 2};
    struct policy_identity who = {.principal = "ada@corp.example", .credential = "username"};
    struct policy_request req = {.identity = &who, .key = {.type = "rsa", .bits = 2048, .digest = "sha256"}};
    struct policy_decision d;

    (void)state;
    assert_int_equal(policy_renewal_decide(&t, &req, &names, 1000000, arena, &d, &fail), PKE_OK);
    assert_string_equal(d.subject_cn, "subject");
    assert_int_equal(d.subject.n, 2);
    assert_string_equal(d.subject.v[1].value, "Corp");
    assert_int_equal(d.san.n, 2);
    assert_string_equal(d.san.v[0].value, "urn:x:y");
    assert_string_equal(d.sid, "S-1-5-21-1");
    assert_int_equal(d.not_after - d.not_before, t.validity / 1000);
    assert_ptr_equal(d.ekus, &t.ekus);
    who.mapped = &today;
    assert_int_equal(policy_renewal_decide(&t, &req, &names, 1000000, arena, &d, &fail),
                     PKE_RENEW_INELIGIBLE);
    assert_string_equal(fail.reason, "renew-identity-changed");
    who.mapped = NULL;
    assert_int_equal(policy_renewal_decide(&t, &req, &odd, 1000000, arena, &d, &fail), PKE_RENEW_INELIGIBLE);
    assert_string_equal(fail.reason, "renew-record");
    req.key.bits = 1024;
    assert_int_equal(policy_renewal_decide(&t, &req, &names, 1000000, arena, &d, &fail), PKE_KEY_WEAK);
}

static void recovery(struct policy_recovery *q, enum pke_err err, const char *reason)
{
    fail = (struct pke_fail){0};
    assert_int_equal(policy_recovery_check(&t, q, &fail), err);
    if (reason)
        assert_string_equal(fail.reason, reason);
}

static void test_recovery(void **state)
{
    struct policy_identity bob = {.principal = "bob@corp.example", .credential = "username"};
    struct policy_recovery good = {.known = true,
                                   .owner = "ada@corp.example",
                                   .owner_id = "5d9a1b2c-0000-4000-8000-000000000001",
                                   .ent_dmid = "E1",
                                   .asked_ent_dmid = "e1",
                                   .identity = &ada},
                           q = good;

    (void)state;
    recovery(&q, PKE_UNSUPPORTED, "recovery-disabled");
    t.recovery = POLICY_RECOVERY_ANY;
    recovery(&q, PKE_OK, NULL);
    q.known = false;
    recovery(&q, PKE_DENIED, "recovery-unknown");
    q = good;
    q.identity = &bob;
    recovery(&q, PKE_DENIED, "recovery-identity");
    q = good;
    q.blocked = true;
    recovery(&q, PKE_DENIED, "device-blocked");
    q = good;
    q.asked_ent_dmid = "e2";
    recovery(&q, PKE_DENIED, "recovery-ent-dmid");
    q.asked_ent_dmid = NULL;
    recovery(&q, PKE_OK, NULL);
    t.recovery = POLICY_RECOVERY_ON_GRANT;
    recovery(&q, PKE_DENIED, "recovery-not-granted");
    q.granted = true;
    recovery(&q, PKE_OK, NULL);
}

static void test_quota(void **state)
{
    (void)state;
    assert_int_equal(policy_quota_check(&t, 1000000, &fail), PKE_OK); /* 0: any number */
    t.max_devices = 2;
    assert_int_equal(policy_quota_check(&t, 1, &fail), PKE_OK);
    assert_int_equal(policy_quota_check(&t, 2, &fail), PKE_QUOTA);
}

static void platform(const char *version, const char *edition, const char *type, enum pke_err err)
{
    struct policy_platform p = {version, edition, type};

    assert_int_equal(policy_platform_check(&t, &p, &fail), err);
}

static void test_platform(void **state)
{
    static char four[] = "4", professional[] = "48", client[] = "CIMClient_Windows";
    static char *editions[] = {four, professional}, *types[] = {client};

    (void)state;
    platform(NULL, NULL, NULL, PKE_OK);
    t.os_min_version = (char *)(uintptr_t) "10.0.19045.100";
    platform("10.0.19045.100", NULL, NULL, PKE_OK);
    platform("10.0.22000", NULL, NULL, PKE_OK);
    platform("10.0.19045.99", NULL, NULL, PKE_DEVICE_UNSUPPORTED);
    platform("9.9.99999.9", NULL, NULL, PKE_DEVICE_UNSUPPORTED);
    platform("new", NULL, NULL, PKE_DEVICE_UNSUPPORTED);
    platform(NULL, NULL, NULL, PKE_DEVICE_UNSUPPORTED);
    t.os_min_version = NULL;
    t.os_editions = (struct pke_strings){editions, 2};
    platform(NULL, "48", NULL, PKE_OK);
    platform(NULL, "0x30", NULL, PKE_DEVICE_UNSUPPORTED);
    platform(NULL, "", NULL, PKE_DEVICE_UNSUPPORTED);
    platform(NULL, "101", NULL, PKE_DEVICE_UNSUPPORTED);
    platform(NULL, NULL, NULL, PKE_DEVICE_UNSUPPORTED);
    t.os_editions = (struct pke_strings){0};
    t.device_types = (struct pke_strings){types, 1};
    platform(NULL, NULL, "cimclient_windows", PKE_OK);
    platform(NULL, NULL, "WindowsPhone", PKE_DEVICE_UNSUPPORTED);
    platform(NULL, NULL, NULL, PKE_DEVICE_UNSUPPORTED);
}

static void test_identity(void **state)
{
    struct policy_identity same = ada, unknown = {.principal = "ADA@corp.example"};

    (void)state;
    assert_true(policy_same_identity("old-name@corp.example", "5d9a1b2c-0000-4000-8000-000000000001",
                                     &same)); /* renamed */
    assert_false(policy_same_identity("ada@corp.example", "5d9a1b2c-0000-4000-8000-000000000002",
                                      &same)); /* the name of another */
    assert_true(policy_same_identity("ada@corp.example", NULL, &same));
    assert_false(policy_same_identity("ada@corp.example", "5d9a1b2c-0000-4000-8000-000000000001",
                                      &unknown)); /* a name is no identity */
    unknown.credential = "jwt";
    assert_true(policy_same_identity("ada@corp.example", "5d9a1b2c-0000-4000-8000-000000000001",
                                     &unknown)); /* a sign-in page vouches for it */
    unknown.credential = "one-time-token";
    assert_true(policy_same_identity("ada@corp.example", "5d9a1b2c-0000-4000-8000-000000000001",
                                     &unknown)); /* but an officer's word is */
    assert_false(policy_same_identity("ada@corp.example", "sts:100", &unknown));   /* not for an id-claim, */
    assert_false(policy_same_identity("ada@corp.example", "x509:00ff", &unknown)); /* nor a certificate */
    assert_true(policy_same_owner("ada@corp.example", "id", "ADA@corp.example", NULL));
    assert_false(policy_same_owner("ada@corp.example", "id", "ada@corp.example", "other"));
    assert_false(policy_same_identity(NULL, NULL, &same));
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_what_must_hold),
                                       T(test_time),
                                       T(test_succession),
                                       T(test_tls),
                                       T(test_owner),
                                       T(test_key_and_hardware),
                                       T(test_names_are_the_recorded_ones),
                                       T(test_recovery),
                                       T(test_quota),
                                       T(test_platform),
                                       T(test_identity)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
