/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth/jwt.c, tokenkeys.c: who a token says it is, every claim that refuses it, keys that come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth/core.h"
#include "daemon/common/assertion.h"
#include "daemon/common/log.h"
#include "jose/jws.h"
#include "tests/unit/jose_mint.h"

#define NOW   1800000000
#define TID   "6f0d7c1e-3f0b-4d0c-9a53-1d7f5f1f9a10"
#define OTHER "11111111-2222-3333-4444-555555555555"
#define OID   "2b0a5d6e-95e0-4a4f-8f0b-3b0f6a2c77aa"
#define APP   "29d9ed98-a469-4536-ade2-f981bc1d605e"

#define CUSTOM                                                                            \
    "{\"iss\":\"https://mdm.corp.example/sts\",\"aud\":\"pkienrolld\",\"sub\":\"ada\","   \
    "\"upn\":\"ada@corp.example\",\"name\":\"Ada L.\",\"jti\":\"j1\",\"iat\":1800000000," \
    "\"nbf\":1800000000,\"exp\":1800000600}"
#define ENTRA                                                                                         \
    "{\"aud\":\"https://mdm.corp.example\",\"iss\":\"https://sts.windows.net/" TID                    \
    "/\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800003900,\"tid\":\"" TID "\",\"oid\":\"" OID \
    "\",\"upn\":\"ada@corp.example\",\"unique_name\":\"ada@corp.example\","                           \
    "\"name\":\"Ada L.\",\"deviceid\":\"db7ab579-3759-4492-a03f-655ca7f52ae1\",\"appid\":\"" APP      \
    "\",\"scp\":\"mdm_delegation\",\"ver\":\"1.0\"}"

static const uint8_t key_bytes[ASSERTION_KEY_SIZE] = {7, 7};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};
static const uint8_t hash32[32] = {1, 2, 3};

static char dir[32];
static struct conf *conf;
static struct auth_core *core;
static struct pke_arena *arena;
static struct pke_fail fail;
static struct pke_buf out;
static struct auth_identity who;
static uint64_t monotonic = 1; /* ms */

static const char endpoints[] = "    credentials: [jwt, entra-jwt]\n"
                                "    token-issuers: [sts, once, named, entra, strict, typed]\n";

static const char issuers[] = "token-issuers:\n"
                              "  sts:\n"
                              "    kind: custom\n"
                              "    keys-file: sts.json\n"
                              "    issuer: [https://mdm.corp.example/sts]\n"
                              "    audience: [pkienrolld, https://enroll.corp.example]\n"
                              "  once:\n"
                              "    kind: custom\n"
                              "    keys-file: once.pem\n"
                              "    allow-missing-kid: yes\n"
                              "    issuer: [https://mdm.corp.example/sts]\n"
                              "    audience: [pkienrolld]\n"
                              "    one-time: yes\n"
                              "  named:\n"
                              "    kind: custom\n"
                              "    keys-file: named.json\n"
                              "    algorithms: [ES256]\n"
                              "    issuer: [https://mdm.corp.example/sts]\n"
                              "    audience: [pkienrolld]\n"
                              "    principal-claim: login\n"
                              "    id-claim: number\n"
                              "    upn-claim: mail\n"
                              "    leeway: 0\n"
                              "    max-lifetime: 10m\n"
                              "  entra:\n"
                              "    kind: entra\n"
                              "    keys-file: entra.json\n"
                              "    audience: [https://mdm.corp.example, " APP "]\n"
                              "    tenants: [" TID "]\n"
                              "  strict:\n"
                              "    kind: entra\n"
                              "    keys-file: strict.json\n"
                              "    issuer: [\"https://login.microsoftonline.com/{tid}/v2.0\"]\n"
                              "    audience: [https://mdm.corp.example]\n"
                              "    tenants: [" TID "]\n"
                              "    required-scope: \"\"\n"
                              "    app-ids: [29D9ED98-A469-4536-ADE2-F981BC1D605E]\n"
                              "  typed:\n"
                              "    kind: custom\n"
                              "    keys-file: typed.json\n"
                              "    token-type: at+jwt\n"
                              "    issuer: [https://mdm.corp.example/typed]\n"
                              "    audience: [pkienrolld]\n"
                              "    principals: [root, \"*@corp.example\", \"*@" TID "\"]\n";

static void put(const char *name, const char *text)
{
    char *path = pke_asprintf("%s/%s", dir, name), *fresh = pke_asprintf("%s.new", path);
    FILE *f = fopen(fresh, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(fresh, 0644), 0);
    assert_int_equal(rename(fresh, path), 0);
    free(path);
    free(fresh);
}

static void put_keys(const char *name, const char *kid, enum mint_key which)
{
    char *text = pke_asprintf("{\"keys\":[{\"kid\":\"%s\",%s}]}", kid, mint_members(which));

    put(name, text);
    free(text);
}

static struct conf *make_conf(void)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_asprintf("%s/tests/data/conf/good.yaml", top ? top : "."), *text = pke_calloc(1, 65536),
         *at;
    char *name = pke_asprintf("%s/c.yaml", dir), *all;
    struct conf_errors errors = {0};
    struct conf *c = NULL;
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    at = strstr(text, "state-directory: /var/lib/pkienrolld");
    *at = '\0';
    *strstr(at + 1, "\n\ntoken-issuers:") = '\0'; /* ours follow */
    all = pke_asprintf("%sstate-directory: .\n%s\n%s%s", text, strchr(at + 1, '\n'), endpoints, issuers);
    if (conf_parse(name, pke_bytes_str(all), &c, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    free(all);
    free(name);
    free(text);
    free(path);
    return c;
}

static int begin(void **state)
{
    char *pem;

    (void)state;
    strcpy(dir, "/tmp/pke-jwt-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    log_level(-1);
    put_keys("sts.json", "rsa", MINT_RSA);
    put_keys("named.json", "p256", MINT_P256);
    put_keys("entra.json", "other", MINT_OTHER_RSA);
    put_keys("strict.json", "rsa", MINT_RSA);
    put_keys("typed.json", "p384", MINT_P384);
    pem = mint_pem(MINT_ED25519, false);
    put("once.pem", pem);
    free(pem);
    conf = make_conf();
    arena = pke_arena_new();
    pke_buf_init(&out, 65536);
    assert_int_equal(auth_core_new(conf, key, true, &core, &fail), PKE_OK);
    assert_int_equal(auth_core_open_tokens(core, NULL, &fail), PKE_OK);
    return 0;
}

static int end(void **state)
{
    char *cmd = pke_asprintf("rm -rf '%s'", dir);

    (void)state;
    auth_core_free(core);
    conf_unref(conf);
    pke_arena_free(arena);
    pke_buf_done(&out);
    if (system(cmd) != 0)
        return -1;
    free(cmd);
    return 0;
}

static enum pke_err ask(const char *kind, const char *token, int64_t now)
{
    struct msg_auth m = {.tenant = "default",
                         .endpoint = "enroll",
                         .stage = "enroll",
                         .kind = kind,
                         .token = pke_bytes_str(token),
                         .request_hash = {hash32, sizeof hash32},
                         .deadline = UINT64_MAX};
    struct auth_now at = {monotonic, now};

    pke_buf_clear(&out);
    who = (struct auth_identity){0};
    fail = (struct pke_fail){0};
    return auth_core_verify(core, &m, &at, arena, &out, &who, &fail);
}

/* @p base with the members of @p patch; those that are null in it are taken out. */
static char *claims(const char *base, const char *patch)
{
    json_t *c = json_loads(base, 0, NULL), *p = json_loads(patch, 0, NULL), *value;
    const char *name;
    char *text;

    if (!c || !p)
        fail_msg("%s", patch);
    json_object_foreach(p, name, value) if (json_is_null(value)) json_object_del(c, name);
    else json_object_set(c, name, value);
    text = json_dumps(c, JSON_COMPACT);
    json_decref(c);
    json_decref(p);
    return text;
}

static enum pke_err ask_custom(const char *patch, int64_t now)
{
    char *payload = claims(CUSTOM, patch),
         *token = mint_jws(MINT_RSA, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWT\"}", payload);
    enum pke_err err = ask("jwt", token, now);

    free(payload);
    free(token);
    return err;
}

static enum pke_err ask_entra_with(enum mint_key with, const char *patch, int64_t now)
{
    char *payload = claims(ENTRA, patch),
         *header = pke_asprintf("{\"alg\":\"RS256\",\"kid\":\"%s\",\"x5t\":\"AA\"}", mint_kid(with));
    char *token = mint_jws(with, "RS256", header, payload);
    enum pke_err err = ask("entra-jwt", token, now);

    free(header);
    free(payload);
    free(token);
    return err;
}

static enum pke_err ask_entra(const char *patch, int64_t now)
{
    return ask_entra_with(MINT_OTHER_RSA, patch, now);
}

static void expect(enum pke_err got, const char *want, const char *name)
{
    if (got != (*want ? PKE_UNAUTHENTICATED : PKE_OK) || strcmp(*want ? fail.reason : "", want) != 0)
        fail_msg("%s: got %s '%s' (%s), want '%s'", name, pke_err_token(got), fail.reason, fail.text, want);
    if (*want) {
        assert_null(who.principal);
        assert_int_equal(who.attributes.n, 0);
        assert_int_equal(out.n, 0);
        assert_true(*fail.rule && *fail.text);
    }
}

static const char *attribute(const char *name)
{
    return pke_pairs_get(&who.attributes, name);
}

static void assert_text(const char *got, const char *want)
{
    assert_non_null(got);
    assert_string_equal(got, want);
}

/* ---- custom */

static void test_custom(void **state)
{
    struct assertion a;

    (void)state;
    assert_int_equal(ask_custom("{}", NOW), PKE_OK);
    assert_string_equal(who.principal, "ada");
    assert_null(who.user_id); /* a name, as long as no claim is an id */
    assert_text(attribute("upn"), "ada@corp.example");
    assert_text(attribute("name"), "Ada L.");
    assert_text(attribute("token-issuer"), "sts");
    assert_null(attribute("jti"));
    assert_int_equal(assertion_read(pke_buf_bytes(&out), key, 2, arena, &a, &fail), PKE_OK);
    assert_string_equal(a.principal, "ada");
    assert_null(a.user_id);
    assert_string_equal(a.kind, "jwt");
    assert_text(pke_pairs_get(&a.attributes, "upn"), "ada@corp.example");
    assert_int_equal(ask_custom("{\"upn\":null,\"name\":null,\"nbf\":null,\"iat\":null}", NOW), PKE_OK);
    assert_null(attribute("upn"));
}

static void test_custom_claims(void **state)
{
    static const struct {
        const char *patch, *want;
    } cases[] = {
        {"{\"aud\":\"https://enroll.corp.example\"}", ""},
        {"{\"aud\":[\"x\",\"pkienrolld\"]}", ""},
        {"{\"aud\":\"pkienroll\"}", "claims-aud"},
        {"{\"aud\":null}", "claims-aud"},
        {"{\"iss\":\"https://mdm.corp.example/sts/\"}", "claims-iss"},
        {"{\"iss\":\"https://sts.windows.net/" TID "/\"}", "claims-iss"},
        {"{\"iss\":null}", "claims-iss"},
        {"{\"sub\":null}", "token-principal"},
        {"{\"sub\":7}", "claims-type"},
        {"{\"sub\":{\"a\":1}}", "claims-type"},
        {"{\"sub\":\"\"}", "claims-type"},
        {"{\"sub\":\"a\\nb\"}", "claims-type"},
        /* the namespace of Entra's principals, which allow: "*@tid" means */
        {"{\"sub\":\"" OID "@" TID "\"}", "token-principal"},
        {"{\"sub\":\"2B0A5D6E-95E0-4A4F-8F0B-3B0F6A2C77AA@6F0D7C1E-3F0B-4D0C-9A53-1D7F5F1F9A10\"}",
         "token-principal"},
        {"{\"sub\":\"eve@" TID "\"}", "token-principal"},
        {"{\"sub\":\"" OID "\"}", ""},
        {"{\"sub\":\"" TID "@corp.example\"}", ""},
        {"{\"sub\":\"ada@corp.example\"}", ""},
        {"{\"upn\":7}", "claims-type"},
        {"{\"upn\":[\"ada@corp.example\"]}", "claims-type"},
        {"{\"upn\":{\"x\":\"ada@corp.example\"}}", "claims-type"},
        {"{\"name\":true}", "claims-type"},
        {"{\"exp\":null}", "claims-exp"},
        {"{\"exp\":1799999940}", "claims-expired"},
        {"{\"exp\":1799999941}", ""},
        {"{\"nbf\":1800000060}", ""},
        {"{\"nbf\":1800000061}", "claims-nbf"},
        {"{\"iat\":1800000061}", "claims-iat"},
        {"{\"exp\":1800003600}", ""},
        {"{\"exp\":1800003601}", "claims-lifetime"},
        {"{\"exp\":1800003661,\"iat\":null}", "claims-lifetime"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++)
        expect(ask_custom(cases[i].patch, NOW), cases[i].want, cases[i].patch);
}

/* RFC 7800: what a token is bound to is told to issuer, or the token is refused; it never counts as unbound.
 */
static void test_key_binding(void **state)
{
    static const struct {
        const char *patch, *want;
    } cases[] = {
        {"{\"cnf\":{\"spki#S256\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA\"}}", ""},
        {"{\"cnf\":{\"spki#S256\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\"}}", "token-cnf"},
        {"{\"cnf\":{\"spki#S256\":\"AQID\"}}", "token-cnf"},
        {"{\"cnf\":{\"spki#S256\":7}}", "token-cnf"},
        {"{\"cnf\":{\"jkt\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA\"}}", "token-cnf"},
        {"{\"cnf\":{\"spki#S256\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA\",\"x\":1}}", "token-cnf"},
        {"{\"cnf\":{}}", "token-cnf"},
        {"{\"cnf\":\"x\"}", "token-cnf"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        expect(ask_custom(cases[i].patch, NOW), cases[i].want, cases[i].patch);
        if (i == 0)
            assert_text(attribute(ASSERTION_KEY_SHA256),
                        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    }
    expect(ask_custom("{}", NOW), "", "unbound, where nothing requires it");
    assert_null(attribute(ASSERTION_KEY_SHA256));
}

/* Two issuers that accept the same iss and aud: each token is the business of the one whose key signed it. */
static void test_custom_issuers(void **state)
{
    char *payload =
             claims(CUSTOM, "{\"login\":\"lovelace\",\"number\":\"4711\",\"mail\":\"al@corp.example\"}"),
         *token, *other;
    char *late = claims(CUSTOM, "{\"login\":\"l\",\"number\":\"4\",\"exp\":1800000601}");

    (void)state;
    token = mint_jws(MINT_P256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", payload);
    expect(ask("jwt", token, NOW), "", "another claim names the principal");
    assert_string_equal(who.principal, "lovelace");
    assert_string_equal(who.user_id, "named:4711"); /* the id stays when the login is given to another */
    assert_text(attribute("upn"), "al@corp.example");
    expect(ask("jwt", token, NOW + 600), "claims-expired", "without leeway");
    expect(ask("entra-jwt", token, NOW), "jws-key-unknown", "a custom token is no Entra token");
    free(token);
    token = mint_jws(MINT_P256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", late);
    expect(ask("jwt", token, NOW), "claims-lifetime", "its own limit");
    free(token);
    /* the key of one issuer under the kid of another */
    other = mint_jws(MINT_RSA, "RS256", "{\"alg\":\"RS256\",\"kid\":\"p256\"}", payload);
    expect(ask("jwt", other, NOW), "jws-algorithm", "kid of a key of another type");
    free(other);
    other = mint_jws(MINT_OTHER_RSA, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", payload);
    expect(ask("jwt", other, NOW), "jws-signature", "somebody else's key");
    free(other);
    free(payload);
    free(late);
}

/* An issuer with a token type and principals of its own. */
static void test_typed(void **state)
{
    static const struct {
        const char *typ, *sub, *want;
    } cases[] = {
        {",\"typ\":\"at+jwt\"", "ada@corp.example", ""},
        {",\"typ\":\"at+jwt\"", "root", ""},
        {",\"typ\":\"at+jwt\"", "eve@" TID, ""}, /* as it is configured */
        {",\"typ\":\"at+jwt\"", "eve@" OTHER, "token-principal"},
        {",\"typ\":\"at+jwt\"", "ada", "token-principal"},
        {",\"typ\":\"at+jwt\"", "ada@corp.example.evil", "token-principal"},
        {",\"typ\":\"JWT\"", "root", "jws-type"},
        {"", "root", "jws-type"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *patch =
                 pke_asprintf("{\"iss\":\"https://mdm.corp.example/typed\",\"sub\":\"%s\"}", cases[i].sub),
             *payload = claims(CUSTOM, patch),
             *header = pke_asprintf("{\"alg\":\"ES384\",\"kid\":\"p384\"%s}", cases[i].typ),
             *token = mint_jws(MINT_P384, "ES384", header, payload);

        expect(ask("jwt", token, NOW), cases[i].want, patch);
        free(patch);
        free(payload);
        free(header);
        free(token);
    }
}

static void test_one_time(void **state)
{
    static const struct {
        const char *patch, *want;
    } cases[] = {{"{}", ""},
                 {"{\"jti\":null}", "token-jti"},
                 {"{\"jti\":7}", "claims-type"},
                 {"{\"jti\":\"\"}", "claims-type"}};
    char jti[130] = "";

    (void)state;
    for (size_t i = 0; i <= PKE_LEN(cases); i++) {
        bool extra = i == PKE_LEN(cases);
        char *patch = extra ? pke_asprintf("{\"jti\":\"%s\"}", (char *)memset(jti, 'j', 129))
                            : pke_strdup(cases[i].patch);
        char *payload = claims(CUSTOM, patch),
             *token = mint_jws(MINT_ED25519, "EdDSA", "{\"alg\":\"EdDSA\"}", payload);

        expect(ask("jwt", token, NOW), extra ? "token-jti" : cases[i].want, patch);
        if (i == 0) {
            assert_text(attribute("token-issuer"), "once");
            assert_text(attribute("jti"), "j1");
            assert_text(attribute("jti-expires"), "1800000660"); /* as long as it would be accepted */
        }
        free(patch);
        free(payload);
        free(token);
    }
}

/* ---- entra */

static void test_entra(void **state)
{
    (void)state;
    assert_int_equal(ask_entra("{}", NOW), PKE_OK);
    assert_string_equal(who.principal, OID "@" TID);
    assert_string_equal(who.user_id, OID "@" TID);
    assert_text(attribute("upn"), "ada@corp.example");
    assert_text(attribute("name"), "Ada L.");
    assert_text(attribute("tid"), TID);
    assert_text(attribute("oid"), OID);
    assert_text(attribute("deviceid"), "db7ab579-3759-4492-a03f-655ca7f52ae1");
    assert_text(attribute("appid"), APP);
    /* checklist 19: without upn it is a token still; issuer says for which EnrollmentType */
    assert_int_equal(ask_entra("{\"upn\":null,\"deviceid\":null,\"appid\":null,\"name\":null}", NOW), PKE_OK);
    assert_null(attribute("upn"));
    assert_int_equal(ask_entra("{\"oid\":\"2B0A5D6E-95E0-4A4F-8F0B-3B0F6A2C77AA\"}", NOW), PKE_OK);
    assert_string_equal(who.principal, OID "@" TID);
}

static void test_entra_claims(void **state)
{
    static const struct {
        const char *patch, *want;
    } cases[] = {
        {"{\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\",\"aud\":\"" APP "\"}", ""},
        {"{\"aud\":\"https://graph.microsoft.com\"}", "claims-aud"},
        {"{\"aud\":[\"https://mdm.corp.example\"]}", ""},
        {"{\"iss\":\"https://sts.windows.net/" OTHER "/\"}", "claims-iss"},
        {"{\"iss\":\"https://sts.windows.net/{tid}/\"}", "claims-iss"},
        {"{\"iss\":\"https://sts.windows.net/" TID "\"}", "claims-iss"},
        {"{\"iss\":\"https://sts.windows.net/" TID "/x\"}", "claims-iss"},
        {"{\"iss\":\"https://evil.example/" TID "/\"}", "claims-iss"},
        {"{\"iss\":null}", "claims-iss"},
        {"{\"iss\":7}", "claims-type"},
        {"{\"tid\":\"" OTHER "\",\"iss\":\"https://sts.windows.net/" OTHER "/\"}", "token-tenant"},
        {"{\"tid\":\"" OTHER "\"}", "token-tenant"},
        {"{\"tid\":null}", "token-tid"},
        {"{\"tid\":[\"" TID "\"]}", "claims-type"},
        {"{\"tid\":\"common\"}", "claims-type"},
        {"{\"tid\":\"\"}", "claims-type"},
        {"{\"scp\":null}", "token-app-only"},
        {"{\"scp\":null,\"roles\":[\"mdm_delegation\"]}", "token-app-only"},
        {"{\"scp\":\"\"}", "claims-type"},
        {"{\"idtyp\":\"app\"}", "token-app-only"},
        {"{\"idtyp\":\"user\"}", ""},
        {"{\"scp\":\"User.Read\"}", "token-scope"},
        {"{\"scp\":\"mdm_delegation2\"}", "token-scope"},
        {"{\"scp\":\"xmdm_delegation\"}", "token-scope"},
        {"{\"scp\":\"User.Read mdm_delegation x\"}", ""},
        {"{\"scp\":[\"mdm_delegation\"]}", "claims-type"},
        {"{\"oid\":null}", "token-oid"},
        {"{\"oid\":\"ada\"}", "claims-type"},
        {"{\"oid\":7}", "claims-type"},
        {"{\"upn\":7}", "claims-type"},
        {"{\"upn\":[\"ada@corp.example\"]}", "claims-type"},
        {"{\"deviceid\":{}}", "claims-type"},
        {"{\"appid\":\"x\"}", "claims-type"},
        {"{\"appid\":\"" APP "\",\"azp\":\"" OTHER "\"}", "token-app"},
        {"{\"appid\":null,\"azp\":\"" OTHER "\"}", ""},
        {"{\"nbf\":1800000300}", ""},
        {"{\"nbf\":1800000301}", "claims-nbf"},
        {"{\"exp\":1799999701,\"iat\":1799999000}", ""},
        {"{\"exp\":1799999700,\"iat\":1799999000}", "claims-expired"},
        {"{\"exp\":null}", "claims-exp"},
        {"{\"exp\":1800100800}", ""},
        {"{\"exp\":1800100801}", "claims-lifetime"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++)
        expect(ask_entra(cases[i].patch, NOW), cases[i].want, cases[i].patch);
}

/* An issuer with app-ids and without a required scope. */
static void test_entra_strict(void **state)
{
#define V2 "\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\""
    static const struct {
        const char *patch, *want;
    } cases[] = {
        {"{" V2 "}", ""},
        {"{" V2 ",\"scp\":\"other\"}", ""},
        {"{" V2 ",\"scp\":null}", "token-app-only"},
        {"{" V2 ",\"appid\":null,\"azp\":\"" APP "\"}", ""},
        {"{" V2 ",\"appid\":null}", "token-app"},
        {"{" V2 ",\"appid\":\"" OTHER "\"}", "token-app"},
        {"{}", "claims-iss"}, /* the v1 issuer is not in its list */
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++)
        expect(ask_entra_with(MINT_RSA, cases[i].patch, NOW), cases[i].want, cases[i].patch);
    assert_int_equal(ask_entra_with(MINT_RSA, "{" V2 "}", NOW), PKE_OK);
    assert_text(attribute("token-issuer"), "strict");
}

/* Storm-0558: a key that signs for consumers signs for no enterprise. */
static void test_entra_key_issuer(void **state)
{
#define MS   "https://login.microsoftonline.com/"
#define MSA  MS "9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
#define ISS2 "{\"iss\":\"" MS TID "/v2.0\"}"
    static const struct {
        const char *issuer, *also, *patch, *want;
    } cases[] = {
        {MS "{tenantid}/v2.0", NULL, "{}", ""},
        {MS "{tenantid}/v2.0", NULL, ISS2, ""},
        {"https://sts.windows.net/{tenantid}/", NULL, "{}", ""},
        {"https://sts.windows.net/{tenantid}/", NULL, ISS2, ""},
        {MS TID "/v2.0", NULL, "{}", ""},
        {"https://sts.windows.net/" TID "/", NULL, ISS2, ""},
        {MSA, NULL, "{}", "token-key-issuer"},
        {MSA, NULL, ISS2, "token-key-issuer"},
        {MS OTHER "/v2.0", NULL, ISS2, "token-key-issuer"},
        {"https://sts.windows.net/" OTHER "/", NULL, "{}", "token-key-issuer"},
        {"https://evil.example/{tenantid}/v2.0", NULL, ISS2, "token-key-issuer"},
        {MS "{tenantid}/v2.0/", NULL, ISS2, "token-key-issuer"},
        {MS "{tenantid}/{tenantid}/v2.0", NULL, ISS2, "token-key-issuer"},
        {MS "{tid}/v2.0", NULL, ISS2, "token-key-issuer"},
        {"", NULL, "{}", "token-key-issuer"},
        {MSA, MS "{tenantid}/v2.0", "{}", ""}, /* one key, listed for both */
        {MS "{tenantid}/v2.0", MSA, "{}", ""},
        {MSA, MS OTHER "/v2.0", "{}", "token-key-issuer"},
    };
    const char *key_members = mint_members(MINT_OTHER_RSA);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        char *also = cases[i].also ? pke_asprintf(",{\"kid\":\"other\",\"issuer\":\"%s\",%s}", cases[i].also,
                                                  key_members)
                                   : pke_strdup("");
        char *text = pke_asprintf("{\"keys\":[{\"kid\":\"other\",\"issuer\":\"%s\",%s}%s]}", cases[i].issuer,
                                  key_members, also);

        put("entra.json", text);
        expect(ask_entra(cases[i].patch, NOW), cases[i].want, text);
        free(text);
        free(also);
    }
}

/* ---- keys */

static json_t *facts_of(const char *name)
{
    struct pke_pairs facts = {NULL, 0};
    const char *text;
    json_t *j;

    auth_core_token_facts(core, arena, &facts);
    text = pke_pairs_get(&facts, pke_arena_printf(arena, "token-issuer %s", name));
    assert_non_null(text);
    j = json_loads(text, 0, NULL);
    assert_non_null(j);
    return j;
}

static json_int_t number_fact(const char *issuer, const char *name)
{
    json_t *j = facts_of(issuer);
    json_int_t n = json_integer_value(json_object_get(j, name));

    json_decref(j);
    return n;
}

static bool has_error(const char *issuer)
{
    json_t *j = facts_of(issuer);
    bool has = json_is_string(json_object_get(j, "error"));

    json_decref(j);
    return has;
}

static void test_counters(void **state)
{
    char *token;

    (void)state;
    assert_int_equal(ask_custom("{}", NOW), PKE_OK);
    assert_int_equal(ask_custom("{\"aud\":\"x\"}", NOW), PKE_UNAUTHENTICATED);
    token = mint_jws(MINT_RSA, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rolled\"}", CUSTOM);
    expect(ask("jwt", token, NOW), "jws-key-unknown", "a key that is not in the file yet");
    assert_int_equal(number_fact("sts", "accepted"), 1);
    assert_int_equal(number_fact("sts", "refused"), 2);
    assert_int_equal(number_fact("sts", "unknown_kids"), 1);
    assert_int_equal(number_fact("named", "unknown_kids"), 1); /* it could have been meant */
    assert_int_equal(number_fact("entra", "unknown_kids"), 0);
    assert_int_equal(number_fact("sts", "keys"), 1);
    assert_false(has_error("sts"));
    /* the file gets the key, and the same token is accepted */
    put_keys("sts.json", "rolled", MINT_RSA);
    expect(ask("jwt", token, NOW), "", "after the file changed");
    assert_int_equal(number_fact("sts", "unknown_kids"), 1);
    free(token);
    expect(ask_custom("{}", NOW), "jws-key-unknown", "the old key is gone");
}

/* What of @p text was logged since stderr went to @p f. */
static size_t logged(FILE *f, const char *text)
{
    char line[4096];
    size_t n = 0;

    rewind(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, text) != NULL;
    return n;
}

static void ask_unknown(const char *kid, const char *patch, uint64_t ms)
{
    char *payload = claims(ENTRA, patch), *header = pke_asprintf("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid),
         *token = mint_jws(MINT_RSA, "RS256", header, payload);

    monotonic = ms;
    expect(ask("entra-jwt", token, NOW + (int64_t)ms / 1000), "jws-key-unknown", kid);
    monotonic = 1;
    free(payload);
    free(header);
    free(token);
}

static void assert_unknown_kid(const char *kid, const char *when)
{
    json_t *j = facts_of("entra");

    assert_text(json_string_value(json_object_get(j, "unknown_kid")), kid);
    assert_text(json_string_value(json_object_get(j, "unknown_kid_time")), when);
    json_decref(j);
}

/* Junk shall not hide the kid of the key that is really new. */
static void test_unknown_kids(void **state)
{
    static const char *const junk[] = {"{\"iss\":\"https://evil.example/\"}",
                                       "{\"iss\":null}",
                                       "{\"iss\":7}",
                                       "{\"tid\":null}",
                                       "{\"tid\":\"" OTHER "\",\"iss\":\"https://sts.windows.net/" OTHER
                                       "/\"}",
                                       "{\"iss\":\"https://sts.windows.net/" OTHER "/\"}"};
    char *payload = claims(ENTRA, "{}"), *token;
    FILE *log = tmpfile();
    int kept = dup(STDERR_FILENO);
    json_t *j = facts_of("entra");

    (void)state;
    assert_true(json_is_null(json_object_get(j, "unknown_kid")));
    json_decref(j);
    assert_true(log && kept >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
    log_level(LOG_INFO);
    ask_unknown("new-1", "{}", 1000);
    ask_unknown("new-1", "{}", 2000);
    for (int i = 0; i < 20; i++) {
        char *kid = pke_asprintf("junk-%d", i);

        ask_unknown(kid, junk[i % (int)PKE_LEN(junk)], 2000);
        free(kid);
    }
    assert_unknown_kid("new-1", "2027-01-15T08:00:02Z");
    assert_int_equal(number_fact("entra", "unknown_kids"), 2);
    assert_int_equal(logged(log, "keys-file does not have"), 1);
    ask_unknown("new-2", "{}", 3000);
    ask_unknown("new-1", "{}", 3000); /* not the same in a row */
    assert_int_equal(logged(log, "keys-file does not have"), 3);
    for (int i = 0; i < 20; i++) {
        char *kid = pke_asprintf("many-%d", i);

        ask_unknown(kid, "{}", 4000);
        free(kid);
    }
    assert_int_equal(logged(log, "keys-file does not have"), 10);
    ask_unknown("many-19", "{}", 70000); /* in the next minute: it was never told */
    assert_int_equal(logged(log, "many-19"), 1);
    assert_unknown_kid("many-19", "2027-01-15T08:01:10Z");
    /* a custom issuer is not concerned by tokens of Entra, whatever the kind they come as */
    token = mint_jws(MINT_RSA, "RS256", "{\"alg\":\"RS256\",\"kid\":\"x\"}", payload);
    expect(ask("jwt", token, NOW), "jws-key-unknown", "as a custom token");
    assert_int_equal(number_fact("sts", "unknown_kids"), 0);
    log_level(-1);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(log);
    free(token);
    free(payload);
}

/* A key that cannot be used does not keep a new one out. */
static void test_unfit_key(void **state)
{
    char *text =
        pke_asprintf("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},{\"kid\":\"rsa\",%s},"
                     "{\"kid\":\"x\",%s},{\"kid\":\"x\",%s}]}",
                     mint_members(MINT_RSA), mint_members(MINT_P256), mint_members(MINT_P384));
    FILE *log = tmpfile();
    int kept = dup(STDERR_FILENO);

    (void)state;
    put_keys("sts.json", "before", MINT_P256);
    expect(ask_custom("{}", NOW), "jws-key-unknown", "another key");
    assert_true(log && kept >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
    log_level(LOG_INFO);
    put("sts.json", text);
    expect(ask_custom("{}", NOW), "", "the good key among odd ones");
    expect(ask_custom("{}", NOW), "", "once more");
    log_level(-1);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(logged(log, "passed over"), 1);
    assert_int_equal(logged(log, "jwks-weak"), 1);
    fclose(log);
    assert_false(has_error("sts"));
    assert_int_equal(number_fact("sts", "keys"), 1);
    assert_int_equal(number_fact("sts", "unfit_keys"), 3);
    assert_int_equal(number_fact("sts", "skipped_keys"), 0);
    free(text);
}

/* Checklist 18: a broken file is told and does not take the good keys away. */
static void test_last_good(void **state)
{
    static const char *const broken[] = {"", "{", "{\"keys\":[]}",
                                         "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"rsa\"}]}"};
    char *path = pke_asprintf("%s/sts.json", dir);

    (void)state;
    for (size_t i = 0; i < PKE_LEN(broken); i++) {
        put("sts.json", broken[i]);
        expect(ask_custom("{}", NOW), "", broken[i]);
        assert_true(has_error("sts"));
        assert_int_equal(number_fact("sts", "keys"), 1);
    }
    assert_int_equal(unlink(path), 0);
    expect(ask_custom("{}", NOW), "", "no file");
    assert_true(has_error("sts"));
    put_keys("sts.json", "rsa", MINT_RSA);
    assert_int_equal(chmod(path, 0664), 0);
    expect(ask_custom("{}", NOW), "", "writable by a group");
    assert_true(has_error("sts"));
    assert_int_equal(chmod(path, 0644), 0);
    expect(ask_custom("{}", NOW), "", "good again");
    assert_false(has_error("sts"));
    put_keys("sts.json", "rsa", MINT_OTHER_RSA); /* another key of that name: at once */
    expect(ask_custom("{}", NOW), "jws-signature", "another key");
    free(path);
}

/* What a new configuration takes over, and what refuses it. */
static void test_reconfiguration(void **state)
{
    struct auth_core *next = NULL;

    (void)state;
    assert_int_equal(ask_custom("{}", NOW), PKE_OK);
    put("sts.json", "broken");
    assert_int_equal(auth_core_new(conf, key, true, &next, &fail), PKE_OK);
    assert_int_equal(auth_core_open_tokens(next, core, &fail), PKE_OK); /* with the keys before */
    auth_core_free(core);
    core = next;
    expect(ask_custom("{}", NOW), "", "keys survive a reload");
    assert_int_equal(number_fact("sts", "accepted"), 2);
    /* a process that begins: the others work, these tokens are nobody's fault */
    assert_int_equal(auth_core_new(conf, key, true, &next, &fail), PKE_OK);
    assert_int_equal(auth_core_open_tokens(next, NULL, &fail), PKE_OK);
    auth_core_free(core);
    core = next;
    expect(ask_custom("{}", NOW), "jws-key-unknown", "the others do not have it");
    put("once.pem", "broken");
    put("named.json", "broken");
    put("typed.json", "broken");
    assert_int_equal(auth_core_new(conf, key, true, &next, &fail), PKE_OK);
    assert_int_equal(auth_core_open_tokens(next, NULL, &fail), PKE_OK);
    auth_core_free(core);
    core = next;
    assert_int_equal(ask_custom("{}", NOW), PKE_STORE_DOWN);
    assert_int_equal(ask_entra("{}", NOW), PKE_OK);
    /* a configuration that brings a broken file is refused while another one serves */
    assert_int_equal(auth_core_new(conf, key, true, &next, &fail), PKE_OK);
    assert_int_equal(auth_core_open_tokens(next, core, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "neither a JWKS nor PEM"));
    auth_core_free(next);
}

/* The configuration knows the algorithms by its own list. */
static void test_algorithm_names(void **state)
{
    const struct conf_token_issuer *t = conf_find_token_issuer(conf, "sts");
    enum jose_alg alg;

    (void)state;
    assert_int_equal(t->algorithms.n, JOSE_ALG__MAX);
    for (size_t i = 0; i < t->algorithms.n; i++)
        assert_true(jose_alg_from_name(t->algorithms.v[i], &alg));
}

static int setup(void **state)
{
    (void)state;
    mint_setup();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mint_teardown();
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_custom),          TEST(test_custom_claims),    TEST(test_custom_issuers),
        TEST(test_key_binding),     TEST(test_one_time),         TEST(test_entra),
        TEST(test_entra_claims),    TEST(test_entra_strict),     TEST(test_counters),
        TEST(test_typed),           TEST(test_entra_key_issuer), TEST(test_unknown_kids),
        TEST(test_unfit_key),       TEST(test_last_good),        TEST(test_reconfiguration),
        TEST(test_algorithm_names),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
