/* SPDX-License-Identifier: Apache-2.0 */
/* keystore/ against a real swtpm, one client on a UNIX socket: what leaks into it is seen at the end of each
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>

#include "base/file.h"
#include "base/mem.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"
#include "tests/unit/keystore_battery.h"
#include "tests/unit/swtpm.h"

static struct swtpm tpm;
static struct pke_secret *pin, *wrong_pin;
static struct battery battery;
static char uri[64];

static int begin(void **state)
{
    (void)state;
    if (!swtpm_start(&tpm))
        return -1;
    snprintf(uri, sizeof uri, "tpm2:file=%s/%%s.tss2", tpm.dir);
    battery = (struct battery){.config = {.backend = KS_TPM2,
                                          .tcti = tpm.tcti,
                                          .session = KS_TPM_PASSWORD,
                                          .pin = pin,
                                          .deadline_ms = 20000},
                               .uri = uri,
                               .wrong_pin = wrong_pin};
    return 0;
}

/* Three objects and three sessions have room: what is left behind stops the next process. */
static int end(void **state)
{
    size_t objects = swtpm_handles(&tpm, 0x80000000), sessions = swtpm_handles(&tpm, 0x02000000);

    (void)state;
    swtpm_stop(&tpm);
    if (objects == 0 && sessions == 0)
        return 0;
    print_error("%zu objects and %zu sessions left in the TPM\n", objects, sessions);
    return -1;
}

static int begin_salted(void **state)
{
    int rc = begin(state);

    battery.config.session = KS_TPM_SALTED;
    return rc;
}

static void must_init(void)
{
    struct ks_config config = battery.config;
    struct ks_error e;

    if (ks_init_token(&config, NULL, NULL, NULL, NULL, &e) != 0)
        fail_msg("%s", e.fail.text);
}

static void every_algorithm_signs(void **state)
{
    (void)state;
    battery_signs(&battery, "p256", KS_P256, 200);
    battery_signs(&battery, "p384", KS_P384, 200);
    battery_signs(&battery, "rsa2048", KS_RSA_2048, 5);
    battery_signs(&battery, "rsa3072", KS_RSA_3072, 2);
}

static void every_algorithm_signs_in_salted_sessions(void **state)
{
    (void)state;
    must_init();
    battery_signs(&battery, "p256", KS_P256, 60);
    battery_signs(&battery, "p384", KS_P384, 5);
    battery_signs(&battery, "rsa2048", KS_RSA_2048, 2);
}

static void the_battery_of_all_backends(void **state)
{
    (void)state;
    battery_wrong_pin(&battery);
    battery_missing(&battery);
    battery_mismatch(&battery);
    battery_recovers(&battery);
}

static void keys_at_handles(void **state)
{
    char *made;
    struct ks_key *key;

    (void)state;
    must_init();
    must_init(); /* what is there and fits is kept */
    battery.uri = "tpm2:handle=0x8120000%s";
    battery_signs(&battery, "1", KS_P256, 20);
    made = battery_generate(&battery, "2", KS_P256);
    key = battery_open(&battery, made);
    assert_true(swtpm_again(&tpm, false)); /* it survives a power cut */
    {
        struct ks_error why = {.cls = KS_TOKEN}, e;

        if (ks_recover(key, &why, &e) != 0)
            fail_msg("%s", e.fail.text);
    }
    battery_must_sign(key);
    ks_close(key);
    free(made);
}

static void try_sign(struct ks_key *key, struct ks_error *e)
{
    struct pke_buf out;

    pke_buf_init(&out, 1024);
    assert_int_equal(ks_sign(key, KS_SHA256, pke_bytes_str("x"), &out, e), -1);
    assert_int_equal(out.n, 0);
    pke_buf_done(&out);
}

static void a_tpm_that_dies_and_returns(void **state)
{
    char *made = battery_generate(&battery, "dies", KS_P256);
    struct ks_key *key = battery_open(&battery, made);
    struct ks_error e;

    (void)state;
    swtpm_kill(&tpm);
    try_sign(key, &e);
    assert_int_equal(e.cls, KS_TOKEN);
    assert_int_equal(ks_recover(key, &e, &e), -1); /* nobody is there */
    assert_int_equal(e.cls, KS_TOKEN);
    try_sign(key, &e);
    assert_int_equal(e.cls, KS_TOKEN);
    assert_true(swtpm_again(&tpm, false)); /* without TPM2_Startup: ks_recover sends it */
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    assert_true(swtpm_again(&tpm, true)); /* another chip */
    e.cls = KS_TOKEN;
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_PERMANENT);
    assert_string_equal(e.fail.reason, "key-missing");
    ks_close(key);
    free(made);
}

static void a_tpm_that_hangs_runs_into_the_deadline(void **state)
{
    char *made = battery_generate(&battery, "hangs", KS_P256);
    struct ks_key *key;
    struct ks_error e;

    (void)state;
    battery.config.deadline_ms = 300;
    key = battery_open(&battery, made);
    kill(tpm.pid, SIGSTOP);
    try_sign(key, &e);
    kill(tpm.pid, SIGCONT);
    assert_int_equal(e.cls, KS_TOKEN);
    assert_string_equal(e.fail.reason, "key-tpm-deadline");
    battery.config.deadline_ms = 20000;
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    ks_close(key);
    free(made);
}

static void what_killed_processes_left_is_flushed(void **state)
{
    char *made = battery_generate(&battery, "stale", KS_P256);
    struct ks_key *key;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(swtpm_litter(&tpm));
    assert_false(swtpm_litter(&tpm)); /* there is no room for a fourth */
    key = battery_open(&battery, made);
    battery_must_sign(key);
    ks_close(key);
    free(made);
}

static void what_no_tpm_makes_is_refused(void **state)
{
    char *path = pke_asprintf("tpm2:file=%s/none.tss2", tpm.dir);
    struct ks_config config = battery.config;
    struct ks_error e;

    (void)state;
    config.uri = path;
    assert_int_equal(ks_generate(&config, KS_RSA_4096, NULL, &e), -1);
    assert_string_equal(e.fail.reason, "key-tpm-parameters");
    assert_int_equal(ks_generate(&config, KS_ED25519, NULL, &e), -1);
    assert_string_equal(e.fail.reason, "key-generate");
    config.pin = NULL;
    assert_int_equal(ks_generate(&config, KS_P256, NULL, &e), -1);
    assert_string_equal(e.fail.reason, "key-pin-missing");
    free(path);
}

static void an_empty_auth_value_is_weak(void **state)
{
    struct ks_key *key = NULL;
    struct ks_config config;
    struct ks_error e;
    char *made;

    (void)state;
    battery.config.pin = NULL;
    battery.config.allow_weak = true;
    made = battery_generate(&battery, "empty", KS_P256);
    key = battery_open(&battery, made);
    battery_must_sign(key);
    ks_close(key);
    config = battery.config;
    config.uri = made;
    config.allow_weak = false;
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-attributes");
    assert_non_null(strstr(e.fail.text, "emptyAuth"));
    free(made);
}

static void the_auth_value_is_changed(void **state)
{
    char *made = battery_generate(&battery, "change", KS_P256);
    struct ks_key *key = battery_open(&battery, made);
    struct ks_config config = battery.config;
    struct ks_error e;

    (void)state;
    ks_close(key);
    config.uri = made;
    config.pin = wrong_pin;
    assert_int_equal(ks_change_auth(&config, wrong_pin, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    config.pin = pin;
    if (ks_change_auth(&config, wrong_pin, &e) != 0)
        fail_msg("%s", e.fail.text);
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    battery.config.pin = wrong_pin;
    key = battery_open(&battery, made);
    battery_must_sign(key);
    ks_close(key);
    config.uri = "tpm2:handle=0x81200001";
    assert_int_equal(ks_change_auth(&config, wrong_pin, &e), -1);
    assert_string_equal(e.fail.reason, "key-tpm-handle");
    free(made);
}

static void rsa_pss_where_the_salt_is_as_long_as_the_digest(void **state)
{
    struct ks_key *key;
    char *made;

    (void)state;
    battery.config.signature = KS_SIGNATURE_RSA_PSS;
    made = battery_generate(&battery, "pss", KS_RSA_2048);
    key = battery_open(&battery, made); /* opening it has signed and verified with that salt */
    ks_close(key);
    free(made);
}

static void names_of_keys(void **state)
{
    static const char *const bad[] = {"tpm2:",
                                      "tpm2:file=",
                                      "tpm2:file=relative",
                                      "tpm2:file=/folder/",
                                      "tpm2:handle=",
                                      "tpm2:handle=0x81000001",
                                      "tpm2:handle=0x8120001",
                                      "tpm2:handle=0x812000010",
                                      "tpm2:handle=0x81800000",
                                      "tpm2:handle=0x80ffffff",
                                      "tpm2:handle=81200001",
                                      "tpm2:handle=0x8120000g"};
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++)
        if (ks_uri_check(bad[i], &fail) != PKE_CONFIG)
            fail_msg("%s", bad[i]);
    assert_int_equal(ks_uri_check("tpm2:file=/a/b.tss2", &fail), PKE_OK);
    assert_int_equal(ks_uri_check("tpm2:handle=0x81200001", &fail), PKE_OK);
    assert_int_equal(ks_uri_check("tpm2:handle=0x817FffFF", &fail), PKE_OK);
}

static void the_class_of_each_code(void **state)
{
    static const struct {
        TSS2_RC rc;
        enum ks_class cls;
        enum tpm_rc_hint hint;
    } cases[] = {
        {0x000, KS_OK, TPM_RC_NO_HINT},
        {0x100, KS_TOKEN, TPM_RC_NO_STARTUP},
        {0x101, KS_PERMANENT, TPM_RC_NO_HINT},
        {0x1df, KS_PERMANENT, TPM_RC_KEY_MISSING},
        {0x18b, KS_PERMANENT, TPM_RC_KEY_MISSING},
        {0x98e, KS_AUTH, TPM_RC_NO_HINT},
        {0x9a2, KS_AUTH, TPM_RC_NO_HINT},
        {0xb098e, KS_AUTH, TPM_RC_NO_HINT},
        {0xc09a2, KS_AUTH, TPM_RC_NO_HINT},
        {0x921, KS_AUTH, TPM_RC_NO_HINT},
        {0x901, KS_TRANSIENT, TPM_RC_MAKE_ROOM},
        {0x902, KS_TRANSIENT, TPM_RC_MAKE_ROOM},
        {0x903, KS_TRANSIENT, TPM_RC_MAKE_ROOM},
        {0x904, KS_TRANSIENT, TPM_RC_MAKE_ROOM},
        {0x908, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x909, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x90a, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x920, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x922, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x923, KS_TRANSIENT, TPM_RC_NO_HINT},
        {0x910, KS_SESSION, TPM_RC_NO_HINT},
        {0x918, KS_SESSION, TPM_RC_NO_HINT},
        {0xa000a, KS_TOKEN, TPM_RC_NO_HINT},
        {0x70007, KS_TOKEN, TPM_RC_NO_HINT},
        {0x7001b, KS_TOKEN, TPM_RC_NO_HINT},
        {0x80011, KS_TOKEN, TPM_RC_NO_HINT},
        {0x2c4, KS_PERMANENT, TPM_RC_NO_HINT},
        {0x143, KS_PERMANENT, TPM_RC_NO_HINT},
    };
    struct ks_error e;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++)
        if (tpm_rc_class(cases[i].rc) != cases[i].cls || tpm_rc_hint(cases[i].rc) != cases[i].hint)
            fail_msg("0x%x: class %d hint %d", cases[i].rc, tpm_rc_class(cases[i].rc),
                     tpm_rc_hint(cases[i].rc));
    tpm_rc_fail(&e, "TPM2_Sign", 0x7001b);
    assert_string_equal(e.fail.reason, "key-tpm-forged");
    assert_int_equal(e.raw, 0x7001b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_class_of_each_code),
        cmocka_unit_test(names_of_keys),
        cmocka_unit_test_setup_teardown(every_algorithm_signs, begin, end),
        cmocka_unit_test_setup_teardown(every_algorithm_signs_in_salted_sessions, begin_salted, end),
        cmocka_unit_test_setup_teardown(the_battery_of_all_backends, begin, end),
        cmocka_unit_test_setup_teardown(keys_at_handles, begin_salted, end),
        cmocka_unit_test_setup_teardown(a_tpm_that_dies_and_returns, begin, end),
        cmocka_unit_test_setup_teardown(a_tpm_that_hangs_runs_into_the_deadline, begin, end),
        cmocka_unit_test_setup_teardown(what_killed_processes_left_is_flushed, begin, end),
        cmocka_unit_test_setup_teardown(what_no_tpm_makes_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_auth_value_is_weak, begin, end),
        cmocka_unit_test_setup_teardown(the_auth_value_is_changed, begin_salted, end),
        cmocka_unit_test_setup_teardown(rsa_pss_where_the_salt_is_as_long_as_the_digest, begin, end),
    };
    int rc;

    if (!swtpm_here()) {
        puts("1..0 # SKIP swtpm is not installed");
        return 0;
    }
    pin = pke_secret_new(pke_bytes_str("5d41402abc4b2a76b9719d911017c592-longer-than-a-digest"));
    wrong_pin = pke_secret_new(pke_bytes_str("another"));
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pke_secret_free(pin);
    pke_secret_free(wrong_pin);
    return rc;
}
