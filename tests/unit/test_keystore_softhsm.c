/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore/ against a real SoftHSM with a private token directory. Faults that SoftHSM cannot produce are put
 * in by exchanging entries of the module's own function list, so that everything else stays real.
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
#include "keystore/sigfmt.h"
#include "tests/unit/keystore_battery.h"

#define PIN "731905"

extern char **environ;

static char dir[] = "/tmp/pke-keystore-XXXXXX";
static const char *module;
static struct pke_secret *pin, *wrong_pin;
static CK_FUNCTION_LIST *list;
static CK_FUNCTION_LIST real;

static int spawn(const char *const argv[])
{
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status = -1;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, (char **)argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&quiet);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int init_token(const char *label)
{
    return spawn((const char *const[]){"softhsm2-util", "--module", module, "--init-token", "--free",
                                       "--label", label, "--so-pin", "94857261", "--pin", PIN, NULL});
}

/* A key as a careless administrator makes it: may decrypt, and leaves the token when @p extractable. */
static int careless_key(const char *label, const char *id, bool extractable)
{
    return spawn((const char *const[]){"pkcs11-tool", "--module", module, "--token-label", "ca-token",
                                       "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1",
                                       "--usage-sign", "--label", label, "--id", id,
                                       extractable ? "--extractable" : NULL, NULL});
}

static struct ks_config config_for(const char *uri)
{
    return (struct ks_config){.backend = KS_PKCS11, .module = module, .uri = uri, .pin = pin};
}

static void must_generate(const char *uri, enum ks_key_algorithm algorithm)
{
    struct ks_config config = config_for(uri);
    struct ks_error e;

    if (ks_generate(&config, algorithm, NULL, &e) != 0)
        fail_msg("%s: %s", uri, e.fail.text);
}

static struct ks_key *must_open(const char *uri)
{
    struct ks_config config = config_for(uri);
    struct ks_key *key;
    struct ks_error e;

    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &e) != 0)
        fail_msg("%s: %s", uri, e.fail.text);
    return key;
}

/* ---- faults ---- */

static unsigned logins, initialisations, finalisations;
static CK_RV inject;      /* what C_SignInit returns instead of asking SoftHSM */
static unsigned inject_n; /* how many times */
static CK_RV inject_login, last_login;
static unsigned inject_login_n = UINT32_MAX;
static bool flip, replaced;
static unsigned blind; /* how often C_GetSlotList shows no token */

static CK_RV count_login(CK_SESSION_HANDLE s, CK_USER_TYPE u, CK_UTF8CHAR *p, CK_ULONG n)
{
    logins++;
    last_login = inject_login && inject_login_n > 0 ? inject_login : real.C_Login(s, u, p, n);
    inject_login_n -= inject_login_n > 0;
    return last_login;
}

static CK_RV count_initialize(void *args)
{
    initialisations++;
    return real.C_Initialize(args);
}

static CK_RV count_finalize(void *reserved)
{
    finalisations++;
    return real.C_Finalize(reserved);
}

static CK_RV failing_sign_init(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    if (inject_n == 0)
        return real.C_SignInit(s, m, k);
    inject_n--;
    return inject;
}

static CK_RV flipping_sign(CK_SESSION_HANDLE s, CK_BYTE *d, CK_ULONG n, CK_BYTE *sig, CK_ULONG *sig_n)
{
    CK_RV rv = real.C_Sign(s, d, n, sig, sig_n);

    if (rv == CKR_OK && flip)
        sig[*sig_n - 1] ^= 1;
    return rv;
}

static CK_RV blind_slot_list(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
    CK_RV rv = real.C_GetSlotList(present, slots, n);

    if (blind > 0) {
        blind--;
        *n = 0;
    }
    return rv;
}

static CK_RV renaming_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = real.C_GetTokenInfo(slot, info);

    if (rv == CKR_OK && replaced)
        info->label[0] ^= 0x20;
    return rv;
}

static int reset_faults(void **state)
{
    (void)state;
    logins = initialisations = finalisations = inject_n = blind = 0;
    inject = inject_login = CKR_OK;
    inject_login_n = UINT32_MAX;
    flip = replaced = false;
    return 0;
}

/* ---- tests ---- */

static void every_algorithm_signs(void **state)
{
    static const struct {
        enum ks_key_algorithm algorithm;
        const char *uri, *name;
    } rows[] = {
        {KS_RSA_2048, "pkcs11:token=ca-token;object=rsa2048", "RSA-2048"},
        {KS_RSA_3072, "pkcs11:token=ca-token;object=rsa3072", "RSA-3072"},
        {KS_P256, "pkcs11:token=ca-token;object=p256", "P-256"},
        {KS_P384, "pkcs11:token=ca-token;object=p384;id=%00%01%02%03", "P-384"},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ks_key *key;
        const struct ks_attribute *a;
        size_t n;

        must_generate(rows[i].uri, rows[i].algorithm);
        key = must_open(rows[i].uri);
        assert_string_equal(ks_algorithm(key), rows[i].name);
        a = ks_attributes(key, &n);
        assert_int_equal(n, 11);
        for (size_t j = 0; j < n; j++)
            if (!a[j].present || a[j].value != a[j].required)
                fail_msg("%s of %s", a[j].name, rows[i].name);
        for (int j = 0; j < 20; j++) /* short r or s, high bits */
            battery_must_sign(key);
        ks_close(key);
    }
}

/* What the attributes promise, tried: the values do not come out and the key cannot be made weaker. */
static void the_private_value_stays_inside(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, (void *)"rsa2048", 7}};
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE decrypt = {CKA_DECRYPT, &yes, sizeof yes};
    uint8_t value[1024];
    CK_ATTRIBUTE exponent = {CKA_PRIVATE_EXPONENT, value, sizeof value};
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE object;
    CK_SLOT_ID slots[16];
    CK_ULONG n = PKE_LEN(slots), found = 0;

    (void)state;
    assert_int_equal(real.C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n && found == 0; i++) {
        if (real.C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK)
            continue;
        assert_int_equal(real.C_FindObjectsInit(session, match, 2), CKR_OK);
        assert_int_equal(real.C_FindObjects(session, &object, 1, &found), CKR_OK);
        assert_int_equal(real.C_FindObjectsFinal(session), CKR_OK);
    }
    assert_int_equal(found, 1);
    assert_int_equal(real.C_GetAttributeValue(session, object, &exponent, 1), CKR_ATTRIBUTE_SENSITIVE);
    assert_int_not_equal(real.C_SetAttributeValue(session, object, &decrypt, 1), CKR_OK);
    ks_close(key);
}

static void the_id_alone_names_a_key(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;id=%00%01%02%03");

    (void)state;
    assert_string_equal(ks_algorithm(key), "P-384");
    ks_close(key);
}

static void a_second_key_of_that_name_is_refused(void **state)
{
    static const char *const uris[] = {"pkcs11:token=ca-token;object=p256",
                                       "pkcs11:token=ca-token;object=new;id=%00%01%02%03"};
    (void)state;
    for (size_t i = 0; i < PKE_LEN(uris); i++) {
        struct ks_config config = config_for(uris[i]);
        struct ks_error e;

        assert_int_equal(ks_generate(&config, KS_P256, NULL, &e), -1);
        assert_int_equal(e.fail.err, PKE_EXISTS);
        assert_string_equal(e.fail.reason, "key-exists");
    }
}

static void the_wrong_pin_costs_one_login(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=p256");

    (void)state;
    config.pin = wrong_pin;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    assert_int_equal(logins, 1);
    assert_int_equal(initialisations, 1);
    config.pin = NULL;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-pin-missing");
    assert_int_equal(logins, 1);
    ks_close(must_open(config.uri)); /* a second open is the caller's business */
}

static void recovery_never_repeats_a_refused_login(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=p256");
    struct ks_error e = {.cls = KS_SESSION};

    (void)state;
    logins = 0;
    inject_login = CKR_PIN_INCORRECT; /* the PIN was changed meanwhile */
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(e.fail.err, PKE_KEY_LOCKED);
    assert_int_equal(logins, 1); /* not again on the second rung */
    for (int i = 0; i < 3; i++) {
        struct ks_error why = {.cls = i == 2 ? KS_AUTH : KS_TOKEN};

        assert_int_equal(ks_recover(key, &why, &e), -1);
        assert_int_equal(e.cls, KS_AUTH);
    }
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_AUTH);
    assert_int_equal(logins, 1);
    ks_close(key);
}

static void already_logged_in_is_success(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=p256");
    CK_SESSION_HANDLE other;
    CK_SLOT_ID slots[16];
    CK_ULONG n = PKE_LEN(slots);
    struct ks_error e = {.cls = KS_SESSION};

    /* A second session keeps the login when the first is closed: C_Login then says 0x100. */
    (void)state;
    assert_int_equal(real.C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++) /* the free slot refuses */
        (void)real.C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &other);
    initialisations = logins = 0;
    assert_int_equal(ks_recover(key, &e, &e), 0);
    assert_int_equal(last_login, CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(initialisations, 0); /* the first rung did it */
    battery_must_sign(key);
    ks_close(key);
}

static void what_is_not_there(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=nobody");

    (void)state;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-count");
    config.uri = "pkcs11:token=no-such-token;object=p256";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_TOKEN, "key-token-count");
    assert_int_equal(initialisations, 1 + 4); /* looked for again after C_Finalize, three times */
    config.uri = "pkcs11:token=ca-token;serial=0000000000000000;object=p256";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_TOKEN, "key-token-count");
    config.uri = "pkcs11:token=twin;object=x";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-token-count");
    config.uri = "pkcs11:object=x";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-uri");
    config.uri = "pkcs11:token=ca-token;object=p256";
    config.module = "/nonexistent/module.so";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-module");
    config.module = "libsofthsm2.so";
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-module");
    config.module = NULL;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-module");
}

static void a_token_that_appears_late_is_found(void **state)
{
    (void)state;
    blind = 2;
    ks_close(must_open("pkcs11:token=ca-token;object=p256"));
    assert_int_equal(initialisations, 3);
    assert_int_equal(finalisations, 3); /* before each new look, and by ks_close */
    assert_int_equal(logins, 1);
}

/* SoftHSM's start-up race reaches C_Login: that code is no verdict on the PIN, but two attempts are enough.
 */
static void a_device_error_at_login_is_tried_once_more(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=p256");

    (void)state;
    inject_login = CKR_GENERAL_ERROR;
    inject_login_n = 1;
    ks_close(must_open(config.uri));
    assert_int_equal(logins, 2);
    logins = 0;
    inject_login_n = UINT32_MAX;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_TOKEN, "key-token-gone");
    assert_int_equal(logins, 2);
    logins = 0;
    inject_login = CKR_PIN_LOCKED;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    assert_int_equal(logins, 1);
}

static void two_keys_of_one_label_are_refused(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=double");

    (void)state;
    must_generate(config.uri, KS_P256);
    ks_close(must_open(config.uri));
    assert_int_equal(careless_key("double", "77", false), 0);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-count");
}

static void an_extractable_key_is_refused(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=leaky");
    const struct ks_attribute *a;
    struct ks_key *key;
    struct ks_error e;
    size_t n, weak = 0;

    (void)state;
    assert_int_equal(careless_key("leaky", "a1", true), 0);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-attributes");
    config.allow_weak = true;
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), 0);
    a = ks_attributes(key, &n);
    for (size_t i = 0; i < n; i++)
        weak +=
            (strcmp(a[i].name, "CKA_EXTRACTABLE") == 0 || strcmp(a[i].name, "CKA_NEVER_EXTRACTABLE") == 0) &&
            a[i].value != a[i].required;
    assert_int_equal(weak, 2);
    battery_must_sign(key);
    ks_close(key);
}

static void a_foreign_certificate_is_refused(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=p256");
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    struct ks_error e;
    uint8_t spki[1024];
    size_t n = ks_spki(key).n;

    (void)state;
    memcpy(spki, ks_spki(key).p, n);
    ks_close(key);
    assert_int_equal(ks_open(&config, PKE_BYTES(spki, n), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-mismatch");
    assert_int_equal(ks_open(&config, PKE_BYTES("\x30\x03\x02\x01", 4), &key, &e), -1);
    assert_string_equal(e.fail.reason, "key-mismatch");
    config.uri = "pkcs11:token=ca-token;object=rsa2048";
    assert_int_equal(ks_open(&config, PKE_BYTES(spki, n - 1), &key, &e), -1);
    assert_int_equal(ks_open(&config, PKE_BYTES(spki, n), &key, &e), 0);
    ks_close(key);
}

/* Measured: SoftHSM then reports a lost object, and after the return only C_Finalize helps. */
static void a_token_that_goes_and_returns(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    struct ks_error e, why;
    char from[64], to[64];

    (void)state;
    snprintf(from, sizeof from, "%s/tokens", dir);
    snprintf(to, sizeof to, "%s/elsewhere", dir);
    battery_must_sign(key);
    logins = 0;
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_true(why.cls == KS_TOKEN || why.cls == KS_SESSION);
    assert_int_equal(ks_recover(key, &why, &e), -1);
    assert_true(e.cls == KS_TOKEN || e.cls == KS_SESSION || e.cls == KS_TRANSIENT);
    assert_int_equal(logins, 0);                       /* no PIN for a token that is not there */
    assert_int_equal(battery_try_sign(key, &why), -1); /* a half recovered key does not crash */
    assert_int_equal(rename(to, from), 0);
    if (ks_recover(key, &why, &e) != 0)
        fail_msg("recover: %s", e.fail.text);
    battery_must_sign(key);
    ks_close(key);
}

static void another_token_in_the_slot_gets_no_pin(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    struct ks_error e = {.cls = KS_SESSION};

    (void)state;
    logins = 0;
    replaced = true;
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_TOKEN);
    assert_int_equal(logins, 0);
    replaced = false;
    assert_int_equal(ks_recover(key, &e, &e), 0);
    battery_must_sign(key);
    ks_close(key);
}

/* A token of the same name with a key of the same name: not the key that was opened. */
static void another_key_of_that_name_is_refused(void **state)
{
    struct ks_config config = config_for("pkcs11:token=ca-token;object=p256");
    struct ks_error e = {.cls = KS_TOKEN};
    struct ks_key *key;
    char from[64], to[64];

    (void)state;
    snprintf(from, sizeof from, "%s/tokens", dir);
    snprintf(to, sizeof to, "%s/elsewhere", dir);
    config.allow_weak = true;
    assert_int_equal(ks_open(&config, PKE_BYTES(NULL, 0), &key, &e), 0);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(mkdir(from, 0700), 0);
    assert_int_equal(init_token("ca-token"), 0);
    assert_int_equal(careless_key("p256", "42", false), 0);
    e.cls = KS_TOKEN;
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_string_equal(e.fail.reason, "key-mismatch");
    assert_int_equal(e.cls, KS_PERMANENT);
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_PERMANENT);
    ks_close(key);
    assert_int_equal(spawn((const char *const[]){"rm", "-rf", from, NULL}), 0);
    assert_int_equal(rename(to, from), 0);
}

static void a_logout_by_another_session(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    CK_SLOT_ID slots[16];
    CK_ULONG n = PKE_LEN(slots);
    CK_SESSION_HANDLE other;
    struct ks_error why, e;

    (void)state;
    assert_int_equal(real.C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++)
        if (real.C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &other) == CKR_OK)
            (void)real.C_Logout(other);
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_int_equal(why.cls, KS_SESSION);
    assert_int_equal(ks_recover(key, &why, &e), 0);
    battery_must_sign(key);
    ks_close(key);
}

static void each_lost_code_recovers_in_one_call(void **state)
{
    static const CK_RV codes[] = {0xb3, 0xb0, 0x101, 0x82, 0x60,  0x90, 0x91, 0x32, 0xe0, 0xe1,
                                  0x3,  0x30, 0x5,   0x6,  0x190, 0x2,  0x31, 0xb1, 0x50, 0x80000001};
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=p256");
    struct ks_error why, e;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(codes); i++) {
        inject = codes[i];
        inject_n = 1;
        initialisations = 0;
        assert_int_equal(battery_try_sign(key, &why), -1);
        assert_int_equal(why.raw, codes[i]);
        if (ks_recover(key, &why, &e) != 0)
            fail_msg("0x%lx: %s", codes[i], e.fail.text);
        assert_int_equal(initialisations, why.cls == KS_TOKEN ? 1 : 0);
        battery_must_sign(key);
    }
    inject = CKR_MECHANISM_INVALID;
    inject_n = 1;
    initialisations = logins = 0;
    assert_int_equal(battery_try_sign(key, &why), -1);
    assert_int_equal(ks_recover(key, &why, &e), -1);
    assert_int_equal(e.cls, KS_PERMANENT);
    assert_int_equal(initialisations + logins, 0);
    ks_close(key);
}

static void a_flipped_signature_does_not_leave(void **state)
{
    struct ks_key *key = must_open("pkcs11:token=ca-token;object=rsa2048");
    struct ks_error e;

    (void)state;
    flip = true;
    assert_int_equal(battery_try_sign(key, &e), -1);
    assert_int_equal(e.cls, KS_INTEGRITY);
    assert_int_equal(ks_recover(key, &e, &e), -1);
    assert_int_equal(e.cls, KS_INTEGRITY);
    ks_close(key);
}

static void a_module_in_use_is_left_alone(void **state)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    struct ks_config config = config_for("pkcs11:token=ca-token;object=p256");

    (void)state;
    assert_int_equal(real.C_Initialize(&args), CKR_OK);
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, "key-permanent");
    assert_int_equal(real.C_Finalize(NULL), CKR_OK); /* still initialised: ours did not finalise it */
    ks_close(must_open(config.uri));
}

static bool find_softhsm(void)
{
    static const char *const known[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"};
    static const char tools[] = "command -v softhsm2-util && command -v pkcs11-tool";

    for (size_t i = 0; !module && i < PKE_LEN(known); i++)
        if (access(known[i], R_OK) == 0)
            module = known[i];
    return module && spawn((const char *const[]){"sh", "-c", tools, NULL}) == 0;
}

static int make_private_softhsm(void)
{
    char path[64];
    FILE *f;

    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/tokens", dir);
    if (mkdir(path, 0700) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/softhsm2.conf", dir);
    f = fopen(path, "w");
    if (!f)
        return -1;
    fprintf(f, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", dir);
    fclose(f);
    setenv("SOFTHSM2_CONF", path, 1);
    return init_token("ca-token") || init_token("twin") || init_token("twin");
}

static int set_up(void **state)
{
    CK_C_GetFunctionList get;

    (void)state;
    if (make_private_softhsm() != 0)
        return -1;
    *(void **)&get = dlsym(dlopen(module, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");
    if (!get || get(&list) != CKR_OK)
        return -1;
    real = *list;
    list->C_Login = count_login;
    list->C_Initialize = count_initialize;
    list->C_Finalize = count_finalize;
    list->C_SignInit = failing_sign_init;
    list->C_Sign = flipping_sign;
    list->C_GetTokenInfo = renaming_token_info;
    list->C_GetSlotList = blind_slot_list;
    pin = pke_secret_new(pke_bytes_str(PIN));
    wrong_pin = pke_secret_new(pke_bytes_str("000000"));
    return 0;
}

static void the_battery_of_all_backends(void **state)
{
    struct battery b = {
        .config = config_for(NULL), .uri = "pkcs11:token=ca-token;object=%s", .wrong_pin = wrong_pin};

    (void)state;
    battery_signs(&b, "battery-p256", KS_P256, 200);
    battery_signs(&b, "battery-p384", KS_P384, 200);
    battery_signs(&b, "battery-rsa", KS_RSA_2048, 5);
    battery_wrong_pin(&b);
    battery_missing(&b);
    battery_mismatch(&b);
    battery_recovers(&b);
}

static int tear_down(void **state)
{
    (void)state;
    pke_secret_free(pin);
    pke_secret_free(wrong_pin);
    return spawn((const char *const[]){"rm", "-rf", dir, NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_algorithm_signs, reset_faults),
        cmocka_unit_test_setup(the_battery_of_all_backends, reset_faults),
        cmocka_unit_test_setup(the_private_value_stays_inside, reset_faults),
        cmocka_unit_test_setup(the_id_alone_names_a_key, reset_faults),
        cmocka_unit_test_setup(a_second_key_of_that_name_is_refused, reset_faults),
        cmocka_unit_test_setup(the_wrong_pin_costs_one_login, reset_faults),
        cmocka_unit_test_setup(recovery_never_repeats_a_refused_login, reset_faults),
        cmocka_unit_test_setup(already_logged_in_is_success, reset_faults),
        cmocka_unit_test_setup(what_is_not_there, reset_faults),
        cmocka_unit_test_setup(a_token_that_appears_late_is_found, reset_faults),
        cmocka_unit_test_setup(a_device_error_at_login_is_tried_once_more, reset_faults),
        cmocka_unit_test_setup(two_keys_of_one_label_are_refused, reset_faults),
        cmocka_unit_test_setup(an_extractable_key_is_refused, reset_faults),
        cmocka_unit_test_setup(a_foreign_certificate_is_refused, reset_faults),
        cmocka_unit_test_setup(a_token_that_goes_and_returns, reset_faults),
        cmocka_unit_test_setup(another_token_in_the_slot_gets_no_pin, reset_faults),
        cmocka_unit_test_setup(another_key_of_that_name_is_refused, reset_faults),
        cmocka_unit_test_setup(a_logout_by_another_session, reset_faults),
        cmocka_unit_test_setup(each_lost_code_recovers_in_one_call, reset_faults),
        cmocka_unit_test_setup(a_flipped_signature_does_not_leave, reset_faults),
        cmocka_unit_test_setup(a_module_in_use_is_left_alone, reset_faults),
    };
    if (!find_softhsm()) {
        puts("1..0 # SKIP softhsm2 or opensc is not installed");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
