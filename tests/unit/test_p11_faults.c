/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore/ against a PKCS#11 module that fails (tests/lib/p11double.c in front of a real SoftHSM): the rows
 * 16 to 30 of doc/key-faults.md that are not shown elsewhere. Each fault is put in between two real
 * signatures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "keystore/ceremony.h"
#include "keystore/keystore.h"
#include "keystore/rv.h"
#include "keystore/sigfmt.h"
#include "tests/unit/keystore_battery.h"

#define PIN    "731905"
#define SO_PIN "94857261"
#define URI    "pkcs11:token=ca-token;object=p256"

extern char **environ;

static char dir[] = "/tmp/pke-p11faults-XXXXXX";
static const char *softhsm;
static char module[512], control[64], calls_log[64];
static struct pke_secret *pin, *wrong_pin;

/* ---- tools ---- */

static pid_t start(const char *const argv[])
{
    posix_spawn_file_actions_t quiet;
    pid_t pid = -1;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, (char **)argv, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&quiet);
    return pid;
}

static int finish(pid_t pid)
{
    int status = -1;

    if (pid > 0)
        waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int spawn(const char *const argv[])
{
    return finish(start(argv));
}

static int softhsm_util(const char *verb, const char *select, const char *token, const char *user_pin)
{
    return spawn((const char *const[]){"softhsm2-util", "--module", softhsm, verb, select, token, "--so-pin",
                                       SO_PIN, "--pin", user_pin, "--label", "ca-token", NULL});
}

/* OpenSC's pkcs11-tool on the same token, as another process that uses it. */
static int pkcs11_tool(const char *a, const char *b, const char *c, const char *d, const char *e,
                       const char *f)
{
    return spawn((const char *const[]){"pkcs11-tool", "--module", softhsm, "--token-label", "ca-token",
                                       "--login", "--pin", PIN, a, b, c, d, e, f, NULL});
}

/* What the double does from now on. */
static void steer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void steer(const char *fmt, ...)
{
    char path[80];
    va_list ap;
    FILE *f;

    snprintf(path, sizeof path, "%s.new", control);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "module %s\nlog %s\n", softhsm, calls_log);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fprintf(f, "\n");
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(path, control), 0);
}

static unsigned calls(const char *function)
{
    size_t n = strlen(function);
    unsigned found = 0;
    char line[80];
    FILE *f = fopen(calls_log, "r");

    while (f && fgets(line, sizeof line, f))
        found += strncmp(line, function, n) == 0 && line[n] == ' ';
    if (f)
        fclose(f);
    return found;
}

static void forget_calls(void)
{
    (void)unlink(calls_log);
}

static struct ks_config config_for(const char *uri)
{
    return (struct ks_config){.backend = KS_PKCS11, .module = module, .uri = uri, .pin = pin};
}

static struct ks_key *must_open_as(const struct ks_config *config)
{
    struct ks_key *key;
    struct ks_error e;

    if (ks_open(config, PKE_BYTES(NULL, 0), &key, &e) != 0)
        fail_msg("%s: %s", config->uri, e.fail.text);
    return key;
}

static struct ks_key *must_open(void)
{
    struct ks_config config = config_for(URI);

    return must_open_as(&config);
}

/* ---- schemes and sizes on a real token ---- */

/* SoftHSM 2.6.1 loses 37 octets for each Ed25519 signature (the name of the curve). */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

static void must_sign_often(struct ks_key *key)
{
    bool leaks = strcmp(ks_algorithm(key), "Ed25519") == 0 && __lsan_disable && __lsan_enable;

    if (leaks)
        __lsan_disable();
    for (int i = 0; i < 10; i++)
        battery_must_sign(key);
    if (leaks)
        __lsan_enable();
}

static void every_key_and_scheme_signs(void **state)
{
    static const struct {
        enum ks_key_algorithm algorithm;
        enum ks_signature signature, other;
        const char *uri, *name;
    } rows[] = {
        {KS_RSA_4096, KS_SIGNATURE_DEFAULT, KS_SIGNATURE_RSA_PSS, "pkcs11:token=ca-token;object=rsa4096",
         "RSA-4096"},
        {KS_RSA_2048, KS_SIGNATURE_RSA_PSS, KS_SIGNATURE_DEFAULT, "pkcs11:token=ca-token;object=pss2048",
         "RSA-2048"},
        {KS_RSA_3072, KS_SIGNATURE_RSA_PSS, KS_SIGNATURE_DEFAULT, "pkcs11:token=ca-token;object=pss3072",
         "RSA-3072"},
        {KS_ED25519, KS_SIGNATURE_ED25519, KS_SIGNATURE_DEFAULT, "pkcs11:token=ca-token;object=ed25519",
         "Ed25519"},
        {KS_P384, KS_SIGNATURE_DEFAULT, KS_SIGNATURE_ED25519, "pkcs11:token=ca-token;object=p384", "P-384"},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ks_config config = config_for(rows[i].uri);
        const struct ks_attribute *a;
        struct ks_key *key;
        struct ks_error e;
        size_t n;

        config.signature = rows[i].signature;
        if (ks_generate(&config, rows[i].algorithm, NULL, &e) != 0)
            fail_msg("%s: %s", rows[i].uri, e.fail.text);
        key = must_open_as(&config);
        assert_string_equal(ks_algorithm(key), rows[i].name);
        a = ks_attributes(key, &n);
        for (size_t j = 0; j < n; j++)
            if (!a[j].present || a[j].value != a[j].required)
                fail_msg("%s of %s", a[j].name, rows[i].uri);
        must_sign_often(key);
        ks_close(key);
        config.signature = rows[i].other; /* made for one scheme, never used with another */
        battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-signature");
    }
}

static void a_scheme_that_does_not_fit_makes_no_key(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=none");
    struct ks_error e;

    (void)state;
    config.signature = KS_SIGNATURE_RSA_PSS;
    assert_int_equal(ks_generate(&config, KS_P256, NULL, &e), -1);
    assert_string_equal(e.fail.reason, "key-signature");
    config.signature = KS_SIGNATURE_DEFAULT;
    assert_int_equal(ks_generate(&config, KS_ED25519, NULL, &e), -1);
    assert_string_equal(e.fail.reason, "key-signature");
    assert_int_equal(calls("C_GenerateKeyPair"), 0);
}

static void a_token_without_the_mechanism_is_refused_at_open(void **state)
{
    struct ks_config config = config_for(URI);

    (void)state;
    steer("C_GetMechanismInfo rv=0x70");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-mechanism");
}

/* ---- logins ---- */

/* Row 30. */
static void an_always_authenticate_key_gets_its_pin_each_time(void **state)
{
    struct ks_config config = config_for(URI);
    struct ks_key *key;
    struct ks_error e;

    (void)state;
    steer("always-authenticate " PIN);
    key = must_open_as(&config);
    for (int i = 0; i < 3; i++)
        battery_must_sign(key);
    assert_int_equal(calls("C_Login"), 1);
    assert_int_equal(calls("C_Login(context)"), 3);
    steer("always-authenticate 000000"); /* changed meanwhile: one attempt, then never again */
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(e.raw, CKR_PIN_INCORRECT);
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(calls("C_Login(context)"), 4);
    assert_int_equal(calls("C_Login"), 1);
    ks_close(key);
}

static void a_keypad_is_asked_without_a_pin(void **state)
{
    struct ks_config config = config_for(URI);
    struct ks_key *key;

    (void)state;
    config.pin = NULL;
    config.login = KS_LOGIN_PROTECTED;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-login"); /* the token has none */
    assert_int_equal(calls("C_Login"), 0);
    steer("protected-path " PIN "\nalways-authenticate " PIN);
    key = must_open_as(&config);
    battery_must_sign(key);
    assert_int_equal(calls("C_Login"), 1);
    assert_int_equal(calls("C_Login(context)"), 1);
    ks_close(key);
    config.login = KS_LOGIN_PIN; /* not by itself: somebody would have to stand there */
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-pin-missing");
    assert_int_equal(calls("C_Login"), 1);
    steer("protected-path 000000"); /* wrong on the keypad */
    config.login = KS_LOGIN_PROTECTED;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    assert_int_equal(calls("C_Login"), 2);
}

static void a_token_without_login(void **state)
{
    struct ks_config config = config_for(URI);
    struct ks_key *key;

    (void)state;
    config.pin = NULL;
    config.login = KS_LOGIN_NONE;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-login"); /* it wants one */
    steer("no-login " PIN);
    key = must_open_as(&config);
    battery_must_sign(key);
    assert_int_equal(calls("C_Login"), 0);
    ks_close(key);
    config.login = KS_LOGIN_PIN; /* and where a PIN is configured it is not told */
    config.pin = pin;
    key = must_open_as(&config);
    assert_int_equal(calls("C_Login"), 0);
    ks_close(key);
}

/* Row 21. */
static void a_locked_pin_is_not_tried(void **state)
{
    struct ks_config config = config_for(URI);
    struct ks_key *key = must_open();
    struct ks_error e = {.cls = KS_SESSION};

    (void)state;
    forget_calls();
    steer("pin-locked");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT,
                          "key-permanent"); /* one key a process: the module is in use */
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(e.raw, CKR_PIN_LOCKED);
    assert_int_equal(calls("C_Login"), 0);
    ks_close(key);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    assert_int_equal(calls("C_Login"), 0);
    steer("C_Login rv=0xa4");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    assert_int_equal(calls("C_Login"), 1);
}

/* Row 19: the session that is open goes on; the first login after it is the last. */
static void a_pin_that_was_changed_locks_at_the_next_login(void **state)
{
    struct ks_key *key = must_open();
    struct ks_error e = {.cls = KS_TOKEN};
    struct pke_secret *new_pin = pke_secret_new(pke_bytes_str("508231"));

    (void)state;
    assert_int_equal(pkcs11_tool("--change-pin", "--new-pin", "508231", NULL, NULL, NULL), 0);
    battery_must_sign(key);
    forget_calls();
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(e.raw, CKR_PIN_INCORRECT);
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(calls("C_Login"), 1);
    ks_use_pin(key, new_pin); /* the operator wrote the new one */
    e.cls = KS_TOKEN;
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    assert_int_equal(calls("C_Login"), 2);
    assert_int_equal(
        spawn((const char *const[]){"pkcs11-tool", "--module", softhsm, "--token-label", "ca-token",
                                    "--login", "--pin", "508231", "--change-pin", "--new-pin", PIN, NULL}),
        0);
    ks_close(key);
    pke_secret_free(new_pin);
}

static void a_new_pin_is_for_the_next_login(void **state)
{
    struct ks_key *key = must_open();
    struct ks_error e = {.cls = KS_TOKEN};

    (void)state;
    ks_use_pin(key, wrong_pin);
    battery_must_sign(key);
    assert_int_equal(calls("C_Login"), 1);
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(calls("C_Login"), 2);
    ks_close(key);
}

/* ---- the session ---- */

static void keep_alive_finds_a_lost_session(void **state)
{
    static const struct {
        const char *fault;
        uint64_t raw;
        enum ks_class cls;
    } rows[] = {{"C_GetSessionInfo lose", CKR_SESSION_HANDLE_INVALID, KS_SESSION},
                {"C_GetSessionInfo rv=0xb0 times=1", CKR_SESSION_CLOSED, KS_SESSION},
                {"C_GetSessionInfo rv=0x30 times=1", CKR_DEVICE_ERROR, KS_TOKEN},
                {"remove", CKR_DEVICE_REMOVED, KS_TOKEN}};
    struct ks_key *key = must_open();
    struct ks_error e, why;

    (void)state;
    assert_int_equal(ks_keep_alive(key, &e), 0);
    assert_int_equal(calls("C_GetSessionInfo"), 1);
    assert_int_equal(calls("C_Sign"), 0);
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        steer("%s", rows[i].fault);
        assert_int_equal(ks_keep_alive(key, &why), -1);
        assert_int_equal(why.raw, rows[i].raw);
        assert_int_equal(why.cls, rows[i].cls);
        steer(" ");
        if (ks_recover(key, &why, &e) != 0)
            fail_msg("%s: %s", rows[i].fault, e.fail.text);
        assert_int_equal(ks_keep_alive(key, &e), 0);
        battery_must_sign(key);
    }
    ks_close(key);
}

/* Row 22, without a signature: who is not logged in any more is told so before a device asks. */
static void keep_alive_finds_a_logout(void **state)
{
    struct ks_key *key = must_open();
    CK_FUNCTION_LIST *list = NULL;
    CK_C_GetFunctionList get;
    CK_SESSION_HANDLE other;
    CK_SLOT_ID slots[16];
    CK_ULONG n = PKE_LEN(slots);
    struct ks_error e, why;

    (void)state;
    *(void **)&get = dlsym(dlopen(module, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");
    assert_int_equal(get(&list), CKR_OK);
    assert_int_equal(list->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++)
        if (list->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &other) == CKR_OK)
            (void)list->C_Logout(other);
    assert_int_equal(ks_keep_alive(key, &why), -1);
    assert_int_equal(why.raw, CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(why.cls, KS_SESSION);
    assert_int_equal(ks_recover(key, &why, &e), 0);
    assert_int_equal(ks_keep_alive(key, &e), 0);
    ks_close(key);
}

/* ---- every code of keystore.md 2.3 ---- */

/* Row 23. */
static const struct code {
    CK_RV rv;
    enum ks_class cls;
} codes[] = {
    {0xb3, KS_SESSION},     {0xb0, KS_SESSION},     {0x101, KS_SESSION},  {0x82, KS_SESSION},
    {0x60, KS_SESSION},     {0x90, KS_SESSION},     {0x91, KS_SESSION},   {0x32, KS_TOKEN},
    {0xe0, KS_TOKEN},       {0xe1, KS_TOKEN},       {0x3, KS_TOKEN},      {0x30, KS_TOKEN},
    {0x5, KS_TOKEN},        {0x6, KS_TOKEN},        {0x190, KS_TOKEN},    {0x2, KS_TRANSIENT},
    {0x31, KS_TRANSIENT},   {0xb1, KS_TRANSIENT},   {0x50, KS_TRANSIENT}, {0xa0, KS_AUTH},
    {0xa2, KS_AUTH},        {0xa3, KS_AUTH},        {0xa4, KS_AUTH},      {0x102, KS_AUTH},
    {0x70, KS_PERMANENT},   {0x71, KS_PERMANENT},   {0x63, KS_PERMANENT}, {0x68, KS_PERMANENT},
    {0x80000042, KS_TOKEN}, {0x7777, KS_PERMANENT},
};

/* Once: classed, mended by one call when it can be, with the rung of its class and one login at most. */
static void check_once(const char *function, const struct code *c)
{
    struct ks_key *key = must_open();
    struct ks_error e, why;
    bool mends = c->cls == KS_SESSION || c->cls == KS_TOKEN || c->cls == KS_TRANSIENT;

    forget_calls();
    steer("%s rv=0x%lx times=1", function, c->rv);
    assert_int_equal(battery_try_sign(key, &why), -1);
    if (why.raw != c->rv || why.cls != c->cls)
        fail_msg("%s 0x%lx: class %d, raw 0x%lx", function, c->rv, why.cls, (unsigned long)why.raw);
    assert_int_equal(ks_recover(key, &why, &e), mends ? 0 : -1);
    assert_int_equal(calls("C_Login"), mends ? 1 : 0);
    assert_int_equal(calls("C_Initialize"), c->cls == KS_TOKEN ? 1 : 0);
    if (mends)
        battery_must_sign(key);
    else
        assert_int_equal(e.cls, c->cls);
    ks_close(key);
}

/* For ever: the class stays, climbing does not help and does not hang; when it ends, the key is mended. */
static void check_for_ever(const char *function, const struct code *c)
{
    struct ks_key *key = must_open();
    struct ks_error e, why;

    forget_calls();
    steer("%s rv=0x%lx", function, c->rv);
    assert_int_equal(battery_try_sign(key, &why), -1);
    for (int i = 0; i < 2; i++) {
        (void)ks_recover(key, &why, &e); /* login and key may well be found again */
        assert_int_equal(battery_try_sign(key, &why), -1);
        if (why.cls != c->cls)
            fail_msg("%s 0x%lx for ever: class %d, %s", function, c->rv, why.cls, why.fail.text);
    }
    assert_true(calls("C_Login") <= 2);
    steer(" ");
    if (c->cls == KS_AUTH || c->cls == KS_PERMANENT) {
        assert_int_equal(calls("C_Login"), 0);
    } else {
        assert_int_equal(ks_recover(key, &why, &e), 0);
        battery_must_sign(key);
    }
    ks_close(key);
}

static void each_code_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(codes); i++) {
        check_once("C_Sign", &codes[i]);
        check_once("C_SignInit", &codes[i]);
    }
}

static void each_code_for_ever(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(codes); i++)
        check_for_ever(i % 2 ? "C_SignInit" : "C_Sign", &codes[i]);
}

/* The same while the ladder is climbed: the class is told, nothing is tried for ever, no PIN is burnt. */
static void each_code_during_recovery(void **state)
{
    static const char *const functions[] = {"C_OpenSession", "C_FindObjectsInit", "C_FindObjects",
                                            "C_GetAttributeValue", "C_GetTokenInfo"};
    (void)state;
    for (size_t f = 0; f < PKE_LEN(functions); f++)
        for (size_t i = f; i < PKE_LEN(codes); i += PKE_LEN(functions)) {
            struct ks_key *key = must_open();
            struct ks_error e, why = {.cls = KS_SESSION};

            forget_calls();
            steer("%s rv=0x%lx", functions[f], codes[i].rv);
            assert_int_equal(ks_recover(key, &why, &e), -1);
            if (e.cls == KS_OK || e.fail.err == PKE_OK || calls("C_Login") > 2)
                fail_msg("%s 0x%lx: class %d, %u logins", functions[f], codes[i].rv, e.cls, calls("C_Login"));
            assert_int_equal(battery_try_sign(key, &e), -1); /* half recovered: neither signs nor crashes */
            steer(" ");
            if (e.cls != KS_AUTH) {
                why.cls = KS_TOKEN;
                if (ks_recover(key, &why, &e) != 0)
                    fail_msg("after %s 0x%lx: %s", functions[f], codes[i].rv, e.fail.text);
                battery_must_sign(key);
            }
            ks_close(key);
        }
}

/* Row 20 by every code: whatever C_Login says, it is asked once; twice only for what is no word on the PIN.
 */
static void each_code_at_login(void **state)
{
    struct ks_config config = config_for(URI);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(codes); i++) {
        enum ks_class cls = codes[i].cls;
        struct ks_key *key = NULL;
        struct ks_error e;

        forget_calls();
        steer("C_Login rv=0x%lx", codes[i].rv);
        assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
        if (codes[i].rv == CKR_USER_PIN_NOT_INITIALIZED) /* of a token that has one: no word on ours */
            cls = KS_TOKEN;
        assert_int_equal(e.cls, cls);
        assert_int_equal(calls("C_Login"), cls == KS_TOKEN ? 2 : 1);
    }
}

/* Row 29. */
static void no_session_left_is_transient(void **state)
{
    struct ks_config config = config_for(URI);
    struct ks_key *key;
    struct ks_error e, why = {.cls = KS_SESSION};

    (void)state;
    steer("C_OpenSession rv=0xb1");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_TRANSIENT, "key-transient");
    assert_int_equal(calls("C_Login"), 0);
    steer(" ");
    key = must_open();
    steer("C_OpenSession rv=0xb1 times=2");
    assert_int_equal(ks_recover(key, &why, &e), -1); /* both rungs met it */
    assert_int_equal(e.cls, KS_TRANSIENT);
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    ks_close(key);
}

static void a_lost_session_in_the_middle(void **state)
{
    struct ks_key *key = must_open();
    struct ks_error e, why;

    (void)state;
    steer("C_Sign lose after=2 times=1");
    battery_must_sign(key);
    battery_must_sign(key);
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_int_equal(why.cls, KS_SESSION);
    assert_int_equal(ks_recover(key, &why, &e), 0);
    battery_must_sign(key);
    assert_int_equal(calls("C_Initialize"), 1); /* the first rung was enough */
    ks_close(key);
}

static void a_token_that_is_taken_away(void **state)
{
    struct ks_key *key = must_open();
    struct ks_error e, why;

    (void)state;
    steer("remove");
    forget_calls();
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_int_equal(why.raw, CKR_DEVICE_REMOVED);
    assert_int_equal(ks_recover(key, &why, &e), -1);
    assert_int_equal(e.cls, KS_TOKEN);
    assert_int_equal(calls("C_Login"), 0); /* no PIN into an empty slot */
    steer(" ");
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    ks_close(key);
}

/* A fault in the answer, not in the call: the code is right and the bytes are not. */
static void a_bit_turned_in_the_signature(void **state)
{
    struct ks_key *key = must_open();
    struct ks_error e;

    (void)state;
    steer("C_Sign flip times=1");
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_INTEGRITY);
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_INTEGRITY);
    ks_close(key);
}

/* ---- which token, which key ---- */

/* Row 25. */
static void two_of_a_name_are_refused(void **state)
{
    struct ks_config config = config_for(URI);

    (void)state;
    steer("twin");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-token-count");
    assert_int_equal(calls("C_Login"), 0);
    steer(" ");
    config.uri = "pkcs11:token=ca-token;id=%51%52";
    assert_int_equal(
        pkcs11_tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "5152", "--usage-sign"), 0);
    assert_int_equal(
        pkcs11_tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "5152", "--usage-sign"), 0);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-count");
}

/* Row 26, and a key of another tool: the exact attribute is named. */
static void a_key_of_pkcs11_tool_is_refused(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=foreign");
    struct ks_key *key = NULL;
    struct ks_error e;

    (void)state;
    assert_int_equal(
        spawn((const char *const[]){"pkcs11-tool", "--module", softhsm, "--token-label", "ca-token",
                                    "--login", "--pin", PIN, "--keypairgen", "--key-type", "rsa:2048",
                                    "--usage-sign", "--label", "foreign", "--id", "f1", NULL}),
        0);
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-attributes");
    assert_non_null(strstr(e.fail.text, "CKA_DECRYPT is true and must be false"));
    config.allow_weak = true;
    ks_close(must_open_as(&config));
}

/* What the token does not tell is not taken for good. */
static void a_missing_attribute_is_refused(void **state)
{
    static const struct {
        unsigned long type;
        const char *name, *reason;
    } rows[] = {{CKA_EXTRACTABLE, "CKA_EXTRACTABLE", "key-attributes"},
                {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", "key-attributes"},
                {CKA_LOCAL, "CKA_LOCAL", "key-attributes"},
                {CKA_KEY_GEN_MECHANISM, "CKA_KEY_GEN_MECHANISM", "key-attributes"},
                {CKA_KEY_TYPE, "", "key-algorithm"},
                {CKA_EC_PARAMS, "", "key-algorithm"},
                {CKA_EC_POINT, "", "key-public"},
                {CKA_ID, "", "key-public-count"}};
    struct ks_config config = config_for(URI);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ks_key *key = NULL;
        struct ks_error e;

        steer("hide 0x%lx", rows[i].type);
        assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), -1);
        if (e.cls != KS_PERMANENT || strcmp(e.fail.reason, rows[i].reason) != 0 ||
            !strstr(e.fail.text, rows[i].name))
            fail_msg("0x%lx: %s, %s", rows[i].type, e.fail.reason, e.fail.text);
    }
    steer("hide 0x%lx", CKA_ALLOWED_MECHANISMS); /* many modules have none */
    ks_close(must_open());
}

/* Modules that refuse a template get a shorter one; what no key may lack is never left out. */
static void a_refused_template_is_shortened(void **state)
{
    static const struct {
        const char *uri, *refused;
        unsigned tries; /* 0: no key */
    } rows[] = {{"pkcs11:token=ca-token;object=t0", "refuse 0x17a0", 1},
                {"pkcs11:token=ca-token;object=t1", "refuse 0x170", 2},      /* CKA_MODIFIABLE */
                {"pkcs11:token=ca-token;object=t2", "refuse 0x40000600", 2}, /* CKA_ALLOWED_MECHANISMS */
                {"pkcs11:token=ca-token;object=t3", "refuse 0x10c", 3},      /* CKA_DERIVE */
                {"pkcs11:token=ca-token;object=t4", "refuse 0x162", 0},      /* CKA_EXTRACTABLE */
                {"pkcs11:token=ca-token;object=t5", "refuse 0x108", 0},      /* CKA_SIGN */
                {"pkcs11:token=ca-token;object=t6", "C_GenerateKeyPair rv=0x70", 0}};
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ks_config config = config_for(rows[i].uri);
        struct ks_error e;
        int rc;

        forget_calls();
        steer("%s", rows[i].refused);
        rc = ks_generate(&config, KS_P256, NULL, &e);
        steer(" ");
        assert_int_equal(rc, rows[i].tries ? 0 : -1);
        assert_int_equal(calls("C_GenerateKeyPair"), rows[i].tries ? rows[i].tries : i == 6 ? 1 : 3);
        if (rc != 0) {
            config.allow_weak = true;
            battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-count");
        } else if (rows[i].tries < 3)
            ks_close(must_open_as(&config));
        else /* what was really made is what is read back: this module's default may derive */
            battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-attributes");
    }
}

/* Row 18. */
static void a_deleted_key_is_missing(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=short-lived;id=%99");
    struct ks_key *key;
    struct ks_error e, why;

    (void)state;
    assert_int_equal(ks_generate(&config, KS_P256, NULL, &e), 0);
    key = must_open_as(&config);
    battery_must_sign(key);
    assert_int_equal(pkcs11_tool("--delete-object", "--type", "privkey", "--id", "99", NULL), 0);
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_int_equal(why.cls, KS_SESSION);
    assert_int_equal(ks_recover(key, &why, &e), -1);
    assert_int_equal(e.cls, KS_PERMANENT);
    assert_string_equal(e.fail.reason, "key-count");
    ks_close(key);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-count");
}

/* Row 17: the label is still there, the key is not; with another PIN the first attempt is the last. */
static void a_token_that_was_initialised_again(void **state)
{
    struct ks_key *key = must_open();
    char tokens[80], copy[80];
    struct ks_error e, why;

    (void)state;
    snprintf(tokens, sizeof tokens, "%s/tokens", dir);
    snprintf(copy, sizeof copy, "%s/copy", dir);
    assert_int_equal(spawn((const char *const[]){"cp", "-a", tokens, copy, NULL}), 0);
    assert_int_equal(softhsm_util("--init-token", "--token", "ca-token", PIN), 0);
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_true(why.cls == KS_SESSION || why.cls == KS_TOKEN);
    assert_int_equal(ks_recover(key, &why, &e), -1);
    assert_int_equal(e.cls, KS_PERMANENT);
    assert_string_equal(e.fail.reason, "key-count");
    assert_int_equal(softhsm_util("--init-token", "--token", "ca-token", "444555"), 0);
    forget_calls();
    e.cls = KS_TOKEN;
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(calls("C_Login"), 1);
    ks_close(key);
    assert_int_equal(spawn((const char *const[]){"rm", "-rf", tokens, NULL}), 0);
    assert_int_equal(rename(copy, tokens), 0);
    ks_close(must_open());
}

/* ---- modules ---- */

/* Row 24: what can be loaded and is no module, and one that does not start. */
static void modules_that_are_none(void **state)
{
    struct ks_config config = config_for(URI);
    Dl_info libcrypto;

    (void)state;
    assert_int_not_equal(dladdr((void *)EVP_sha256, &libcrypto), 0);
    config.module = libcrypto.dli_fname;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-module");
    config.module = "/etc/passwd";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-module");
    config.module = module;
    steer("C_Initialize rv=0x5");
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_TOKEN, "key-token-gone");
    assert_int_equal(calls("C_Initialize"), 4);
    steer("C_Initialize rv=0xa"); /* CKR_CANT_LOCK */
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-permanent");
    steer("C_Initialize rv=0x30 times=1");
    ks_close(must_open());
}

/* Row 28: pairs that start at the same moment; SoftHSM then hides its token from some (measured: 23 of 300).
 */
static void two_instances_that_start_together(void **state)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *const child[] = {self, "open", NULL};

    (void)state;
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 100; i++) {
        pid_t a = start(child), b = start(child);
        int left = finish(a), right = finish(b);

        if (left != 0 || right != 0)
            fail_msg("pair %d: %d and %d", i, left, right);
    }
}

/* One of them: opens the key, signs once. The signature is verified by keystore/. */
static int child_main(void)
{
    struct ks_config config = {.backend = KS_PKCS11, .uri = URI};
    struct ks_key *key;
    struct ks_error e;
    struct pke_buf sig;
    int rc;

    config.module = getenv("P11_MODULE");
    config.pin = pke_secret_new(pke_bytes_str(PIN));
    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &e) != 0)
        _exit(10 + (int)e.cls);
    pke_buf_init(&sig, 1024);
    rc = ks_sign(key, KS_SHA256, pke_bytes_str("x"), &sig, &e);
    ks_close(key);
    _exit(rc == 0 ? 0 : 20 + (int)e.cls);
}

/* ---- harness ---- */

static bool find_softhsm(void)
{
    static const char *const known[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"};
    static const char tools[] = "command -v softhsm2-util && command -v pkcs11-tool";

    for (size_t i = 0; !softhsm && i < PKE_LEN(known); i++)
        if (access(known[i], R_OK) == 0)
            softhsm = known[i];
    return softhsm && spawn((const char *const[]){"sh", "-c", tools, NULL}) == 0;
}

static int set_up(void **state)
{
    const char *build = getenv("top_builddir");
    struct ks_config config;
    struct ks_error e;
    char path[80];
    FILE *f;

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/tokens", dir);
    snprintf(control, sizeof control, "%s/p11double.conf", dir);
    snprintf(calls_log, sizeof calls_log, "%s/calls", dir);
    snprintf(module, sizeof module, "%s/tests/lib/p11double.so", build ? build : ".");
    if (mkdir(path, 0700) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/softhsm2.conf", dir);
    if (!(f = fopen(path, "w")))
        return -1;
    fprintf(f, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", dir);
    fclose(f);
    setenv("SOFTHSM2_CONF", path, 1);
    setenv("P11DOUBLE", control, 1);
    setenv("P11_MODULE", softhsm, 1);
    pin = pke_secret_new(pke_bytes_str(PIN));
    wrong_pin = pke_secret_new(pke_bytes_str("000000"));
    steer(" ");
    config = config_for(URI);
    if (spawn((const char *const[]){"softhsm2-util", "--module", softhsm, "--init-token", "--free", "--label",
                                    "ca-token", "--so-pin", SO_PIN, "--pin", PIN, NULL}) != 0)
        return -1;
    return ks_generate(&config, KS_P256, NULL, &e);
}

static int fresh(void **state)
{
    (void)state;
    steer(" ");
    forget_calls();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pke_secret_free(pin);
    pke_secret_free(wrong_pin);
    return spawn((const char *const[]){"rm", "-rf", dir, NULL});
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(every_key_and_scheme_signs),
        T(a_scheme_that_does_not_fit_makes_no_key),
        T(a_token_without_the_mechanism_is_refused_at_open),
        T(an_always_authenticate_key_gets_its_pin_each_time),
        T(a_keypad_is_asked_without_a_pin),
        T(a_token_without_login),
        T(a_locked_pin_is_not_tried),
        T(a_pin_that_was_changed_locks_at_the_next_login),
        T(a_new_pin_is_for_the_next_login),
        T(keep_alive_finds_a_lost_session),
        T(keep_alive_finds_a_logout),
        T(each_code_once),
        T(each_code_for_ever),
        T(each_code_during_recovery),
        T(each_code_at_login),
        T(no_session_left_is_transient),
        T(a_lost_session_in_the_middle),
        T(a_token_that_is_taken_away),
        T(a_bit_turned_in_the_signature),
        T(two_of_a_name_are_refused),
        T(a_key_of_pkcs11_tool_is_refused),
        T(a_missing_attribute_is_refused),
        T(a_refused_template_is_shortened),
        T(a_deleted_key_is_missing),
        T(a_token_that_was_initialised_again),
        T(modules_that_are_none),
        T(two_instances_that_start_together),
    };
    if (argc > 1 && strcmp(argv[1], "open") == 0)
        return child_main();
    if (!find_softhsm()) {
        puts("1..0 # SKIP softhsm2 or opensc is not installed");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
