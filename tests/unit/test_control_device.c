/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, approvals and the life of certificates through the control role and pkienrollctl. */
#include "tests/unit/ledger_fixture.h" /* cmocka and a sample ledger */

#include <time.h>

#include "tests/unit/control_stage.h"

#define TEXT_SIZE (1u << 20)

static struct stage s;
static struct ledger *l;
static struct pke_fail fail;
static char *text;

static int open_stage(void **state)
{
    (void)state;
    text = pke_malloc(TEXT_SIZE);
    stage_open(&s);
    assert_int_equal(ledger_open(s.ledger, &l, &fail), PKE_OK);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    ledger_close(l);
    stage_close(&s);
    free(text);
    return 0;
}

static void has(const char *want)
{
    if (!strstr(text, want))
        fail_msg("'%s' is not in: %s", want, text);
}

static void has_not(const char *unwanted)
{
    if (strstr(text, unwanted))
        fail_msg("'%s' is in: %s", unwanted, text);
}

#define CTL(...) CTL_AS(0, 0, __VA_ARGS__)
#define CTL_AS(uid, gid, ...) \
    stage_run(&s, uid, gid, text, TEXT_SIZE, (const char *const[]){ctl_path(), __VA_ARGS__, NULL})

static const char *ctl_path(void)
{
    static char path[4096];
    const char *top = getenv("top_builddir");

    snprintf(path, sizeof path, "%s/ctl/pkienrollctl", top ? top : ".");
    return path;
}

/* Issued for a day from now: the role asks the real clock. */
static void issue(struct sample *sm, unsigned n, const char *provider, const char *device)
{
    sample(sm, n);
    sm->in.request.provider = provider;
    sm->in.request.user_id = "uid-ada";
    snprintf(sm->device, sizeof sm->device, "%s", device);
    sm->in.not_after = (int64_t)time(NULL) + 86400;
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_intent(l, &sm->in, &fail), PKE_OK);
    assert_int_equal(ledger_issued(l, sm->request_id, der_of(sm), T0 + n, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
}

static void change(const char *device, enum ledger_device_change what)
{
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(
        ledger_device_change(l, "default", NULL, device, what, "uid=0", T0 + 5000, T0 + 1000, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
}

static void test_devices(void **state)
{
    struct sample a;

    (void)state;
    issue(&a, 1, "Contoso", "dev-1");
    issue(&a, 2, "Contoso", "dev-2");
    issue(&a, 3, "Linked", "dev-2");
    issue(&a, 4, NULL, "dev-3");
    change("dev-1", LEDGER_DEVICE_BLOCK);
    change("dev-1", LEDGER_DEVICE_ALLOW_RECOVERY);
    assert_int_equal(CTL("device", "list"), 0);
    has("FIRST");
    has("PROVIDER");
    has("dev-1");
    has("dev-3");
    assert_int_equal(CTL("device", "list", "--state", "blocked", "--jsonl"), 0);
    has("\"device_id\":\"dev-1\"");
    has("\"state\":\"blocked\"");
    has_not("dev-2");
    assert_int_equal(CTL("device", "list", "--principal", "nobody@corp.example", "--json"), 0);
    has("\"items\": []");
    assert_int_equal(CTL("device", "list", "--limit", "1", "--all", "--jsonl"), 0);
    has("dev-1");
    has("\"provider\":\"Linked\"");
    assert_int_equal(CTL("device", "list", "--state", "odd"), 1);
    assert_int_equal(CTL("--json", "device", "show", "DEV-1"), 0);
    has("\"user_id\": \"uid-ada\"");
    has("\"blocked_by\": \"uid=0\"");
    has("\"recovery_until\": \"2023-11-14T22:13:25.000Z\"");
    has("\"released_at\": null");
    has("\"live\": true");
    assert_int_equal(CTL("device", "show", "dev-2"), 1);
    has("device-ambiguous");
    assert_int_equal(CTL("device", "show", "dev-2", "--provider", "Linked"), 0);
    has("Linked");
    assert_int_equal(CTL("device", "show", "dev-3", "--provider", "-"), 0);
    assert_int_equal(CTL("device", "show", "dev-2", "--provider", "-"), 1);
    assert_int_equal(CTL("device", "show", "absent"), 1);
    has("device-unknown");
}

static void test_life_of_certificates(void **state)
{
    struct ledger_certificate c;
    struct sample a, b;
    uint8_t sha256[32];
    struct pke_arena *arena = pke_arena_new();

    (void)state;
    issue(&a, 5, "Contoso", "dev-5");
    issue(&b, 6, "Contoso", "dev-5");
    assert_int_equal(CTL("cert", "list"), 0);
    has("STATE");
    has("unconfirmed");
    assert_int_equal(ledger_name_certificate(l, NULL, b.request_id, sha256, &fail), PKE_OK);
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_confirm(l, sha256, "uid=0", T0 + 2000, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
    assert_int_equal(ledger_find_certificate(l, sha256, arena, &c, &fail), PKE_OK);
    pke_arena_free(arena);
    assert_int_equal(CTL("cert", "list", "--state", "superseded", "--jsonl"), 0);
    has(a.request_id);
    has_not(b.request_id);
    assert_int_equal(CTL("cert", "list", "--state", "active", "--jsonl"), 0);
    has(b.request_id);
    has("\"state\":\"active\"");
    assert_int_equal(CTL("--json", "cert", "show", b.request_id), 0);
    has("\"state\": \"active\"");
    has("\"confirmed_at\": \"2023-11-14T22:13:22.000Z\"");
    has("\"superseded_at\": null");
    has("\"provider\": \"Contoso\"");
    assert_int_equal(CTL("cert", "list", "--state", "pending"), 1);
}

static void test_approvals(void **state)
{
    struct pke_pair attributes[] = {{"upn", "ada@corp.example"}};
    struct pke_arena *arena = pke_arena_new();
    struct ledger_admission admission;
    struct pke_fail why;
    struct sample a;

    (void)state;
    pke_fail_set(&why, PKE_PENDING, "approval-pending", "template: approval", "waiting");
    sample(&a, 7);
    a.in.request.user_id = "uid-ada";
    a.in.request.provider = "Contoso";
    a.in.request.attestation = "tpm: ok";
    a.in.request.attributes = (struct pke_pairs){attributes, 1};
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_admission_attempt(l, &a.in.request, &why, arena, &admission, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
    pke_arena_free(arena);
    assert_int_equal(CTL("request", "list", "--state", "pending"), 0);
    has(a.request_id);
    has("pending");
    assert_int_equal(CTL("--json", "request", "show", a.request_id), 0);
    has("\"state\": \"pending\"");
    has("\"attempts\": 1");
    has("\"user_id\": \"uid-ada\"");
    has("\"provider\": \"Contoso\"");
    has("\"attestation\": \"tpm: ok\"");
    has("\"value\": \"ada@corp.example\"");
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_admission_decide(l, NULL, a.request_id, true, "uid=0", T0 + 10, T0 + 9, &fail),
                     PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
    assert_int_equal(CTL("request", "list", "--state", "pending", "--json"), 0);
    has("\"items\": []");
    assert_int_equal(CTL("--json", "request", "show", a.request_id), 0);
    has("\"state\": \"refused\"");
    has("\"state\": \"expired\""); /* its approval: by the real clock */
    has("\"decided_by\": \"uid=0\"");
}

/* What changes something goes to the issuer, with its arguments, and not from a viewer. */
static void test_changes_are_forwarded(void **state)
{
    static const struct {
        const char *argv[6], *verb, *args;
    } v[] = {
        {{"device", "release", "dev-1"}, "device-release", "id=dev-1;"},
        {{"device", "block", "dev-1", "--provider", "Contoso"}, "device-block", "id=dev-1;provider=Contoso;"},
        {{"device", "unblock", "dev-1"}, "device-unblock", "id=dev-1;"},
        {{"device", "allow-recovery", "dev-1", "--hours", "4"}, "device-allow-recovery", "id=dev-1;hours=4;"},
        {{"device", "allow-renewal", "dev-1"}, "device-allow-renewal", "id=dev-1;"},
        {{"request", "approve", "r-1", "--hours", "8"}, "request-approve", "id=r-1;hours=8;"},
        {{"request", "deny", "r-1"}, "request-deny", "id=r-1;"},
        {{"cert", "confirm", "0A"}, "cert-confirm", "key=0A;"},
    };

    /* another user may not reach a build directory that is somebody's own */
    bool others = geteuid() == 0 && CTL_AS(1, 1, "--version") == 0;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(v); i++) {
        const char *argv[8] = {ctl_path()};
        for (size_t k = 0; k < PKE_LEN(v[i].argv) && v[i].argv[k]; k++)
            argv[k + 1] = v[i].argv[k];
        assert_int_equal(stage_run(&s, 0, 0, text, TEXT_SIZE, argv), 0);
        assert_string_equal(s.verb, v[i].verb);
        assert_string_equal(s.args, v[i].args);
        s.verb[0] = '\0';
        if (!others)
            continue;
        assert_int_equal(CTL_AS(1, 1, v[i].argv[0], v[i].argv[1], v[i].argv[2]), 1);
        has("denied");
        assert_string_equal(s.verb, "");
    }
    assert_int_equal(CTL("device", "release"), 2);
    assert_int_equal(CTL("device", "allow-recovery", "dev-1", "--hours", "0"), 2);
    assert_int_equal(CTL("device", "block", "dev-1", "--hours", "4"), 2);
    assert_string_equal(s.verb, "");
}

int main(void)
{
#define ON_STAGE(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        ON_STAGE(test_devices),
        ON_STAGE(test_life_of_certificates),
        ON_STAGE(test_approvals),
        ON_STAGE(test_changes_are_forwarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
