/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/jwt.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/auth/confirmation.h"
#include "daemon/auth/tokeniss.h"
#include "daemon/common/assertion.h"
#include "jose/claims.h"
#include "jose/jws.h"
#include "policy/decide.h"

#define JTI_MAX         128
#define IDTYP_APP       "app"
#define RULE_ENTRA      "mdm.md 4.2: Entra ID tokens"
#define RULE_PRINCIPAL  "pkienrolld.conf(5) principal-claim"
#define RULE_PRINCIPALS "pkienrolld.conf(5) principals"
#define RULE_ONE_TIME   "pkienrolld.conf(5) one-time"

/* How far a token came with one issuer. */
enum progress { NO_KEYS, UNKNOWN_KEY, BAD_SIGNATURE, BAD_CLAIMS, ACCEPTED };

static void claims_free(json_t *j)
{
    json_decref(j);
}
PKE_DEFINE_CLEANUP(json_t, claims_free);

static enum pke_err refused(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, reason, rule, "%s", text);
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

static void keep(struct auth_identity *ret, struct pke_arena *arena, const char *name, const char *value)
{
    if (value)
        pke_pairs_add(&ret->attributes, arena, name, value);
}

/* A claim that is for information: of the right type where it is. */
static enum pke_err keep_claim(const json_t *claims, const char *claim, const char *attribute,
                               struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail)
{
    const char *value;
    enum pke_err err = claims_text(claims, claim, &value, fail);

    keep(ret, arena, attribute, value);
    return err;
}

/* A GUID in lower case; *ret NULL when absent. */
static enum pke_err guid_claim(const json_t *claims, const char *name, struct pke_arena *arena, char **ret,
                               struct pke_fail *fail)
{
    const char *value;
    enum pke_err err = claims_text(claims, name, &value, fail);

    *ret = NULL;
    if (err != PKE_OK || !value)
        return err;
    if (!pke_uuid_valid(value))
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "claims-type", RULE_ENTRA,
                            "the claim %s is not a GUID", name);
    *ret = pke_arena_strdup(arena, value);
    lower(*ret);
    return PKE_OK;
}

/* ---- entra */

static enum pke_err check_tenant(const struct conf_token_issuer *conf, const json_t *claims, const char *tid,
                                 const struct jose_key *key, struct pke_arena *arena, struct pke_fail *fail)
{
    const char *iss, *own = json_string_value(json_object_get(claims, "tid"));
    enum pke_err err = claims_text(claims, "iss", &iss, fail);

    if (err != PKE_OK)
        return err;
    if (!tid)
        return refused(fail, "token-tid", RULE_ENTRA, "the token names no tenant");
    if (!token_guid_listed(&conf->tenants, tid))
        return refused(fail, "token-tenant", "pkienrolld.conf(5) tenants", "the tenant is not accepted");
    if (!iss || !token_iss_matches(conf, iss, own))
        return refused(fail, "claims-iss", RULE_ENTRA, "the issuer is not that of the token's tenant");
    if (!token_key_matches(conf, key, own, arena))
        return refused(fail, "token-key-issuer", RULE_ENTRA, "the key signs for another tenant");
    return PKE_OK;
}

static bool has_scope(const char *scp, const char *wanted)
{
    size_t n = strlen(wanted);

    for (const char *at = scp; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
        if (strncmp(at, wanted, n) == 0 && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

/* An application that acts for itself has roles, a user's token has scopes. */
static enum pke_err check_scope(const struct conf_token_issuer *conf, const json_t *claims,
                                struct pke_fail *fail)
{
    const char *scp, *idtyp;
    enum pke_err err = claims_text(claims, "scp", &scp, fail);

    if (err == PKE_OK)
        err = claims_text(claims, "idtyp", &idtyp, fail);
    if (err != PKE_OK)
        return err;
    if (!scp || (idtyp && strcmp(idtyp, IDTYP_APP) == 0))
        return refused(fail, "token-app-only", RULE_ENTRA,
                       "the token is an application's own: it has no scope");
    if (*conf->required_scope && !has_scope(scp, conf->required_scope))
        return refused(fail, "token-scope", "pkienrolld.conf(5) required-scope",
                       "the token has not the required scope");
    return PKE_OK;
}

/* appid in tokens of version 1.0, azp in those of 2.0. */
static enum pke_err check_app(const struct conf_token_issuer *conf, const json_t *claims,
                              struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail)
{
    char *appid, *azp;
    enum pke_err err = guid_claim(claims, "appid", arena, &appid, fail);

    if (err == PKE_OK)
        err = guid_claim(claims, "azp", arena, &azp, fail);
    if (err != PKE_OK)
        return err;
    if (appid && azp && strcmp(appid, azp) != 0)
        return refused(fail, "token-app", RULE_ENTRA, "the token names two client applications");
    appid = appid ? appid : azp;
    if (conf->app_ids.n && (!appid || !token_guid_listed(&conf->app_ids, appid)))
        return refused(fail, "token-app", "pkienrolld.conf(5) app-ids",
                       "the client application is not accepted");
    keep(ret, arena, "appid", appid);
    return PKE_OK;
}

static enum pke_err entra_identity(const struct conf_token_issuer *conf, const json_t *claims,
                                   const struct jose_key *key, struct pke_arena *arena,
                                   struct auth_identity *ret, struct pke_fail *fail)
{
    char *tid, *oid;
    enum pke_err err = guid_claim(claims, "tid", arena, &tid, fail);

    if (err == PKE_OK)
        err = check_tenant(conf, claims, tid, key, arena, fail);
    if (err == PKE_OK)
        err = check_scope(conf, claims, fail);
    if (err == PKE_OK)
        err = check_app(conf, claims, arena, ret, fail);
    if (err == PKE_OK)
        err = guid_claim(claims, "oid", arena, &oid, fail);
    if (err == PKE_OK && !oid)
        err = refused(fail, "token-oid", RULE_ENTRA, "the token names no object");
    if (err == PKE_OK)
        err = keep_claim(claims, "deviceid", "deviceid", arena, ret, fail);
    if (err != PKE_OK)
        return err;
    keep(ret, arena, "tid", tid);
    keep(ret, arena, "oid", oid);
    ret->principal = ret->user_id = pke_arena_printf(arena, "%s@%s", oid, tid);
    return PKE_OK;
}

/* ---- custom */

static enum pke_err keep_jti(const struct conf_token_issuer *conf, const json_t *claims,
                             const struct claims_times *times, struct pke_arena *arena,
                             struct auth_identity *ret, struct pke_fail *fail)
{
    const char *jti;
    enum pke_err err = conf->one_time ? claims_text(claims, "jti", &jti, fail) : PKE_OK;

    if (err != PKE_OK || !conf->one_time)
        return err;
    if (!jti || strlen(jti) > JTI_MAX)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-jti", RULE_ONE_TIME,
                            "the token has no jti of 1 to %d bytes", JTI_MAX);
    keep(ret, arena, "jti", jti);
    /* as long as it would be accepted */
    keep(ret, arena, "jti-expires",
         pke_arena_printf(arena, "%" PRId64, times->expires + conf->leeway / 1000));
    return PKE_OK;
}

static enum pke_err check_principal(const struct conf_token_issuer *conf, const char *principal,
                                    struct pke_fail *fail)
{
    bool good = conf->principals.n == 0 && !token_principal_of_tenant(principal);

    for (size_t i = 0; i < conf->principals.n; i++)
        good = good || policy_match_principal(conf->principals.v[i], principal);
    return good ? PKE_OK
                : refused(fail, "token-principal", RULE_PRINCIPALS,
                          "the token issuer may not name this principal");
}

static enum pke_err read_id(const struct conf_token_issuer *conf, const json_t *claims,
                            struct pke_arena *arena, const char **ret, struct pke_fail *fail)
{
    const char *id = NULL;
    enum pke_err err = conf->id_claim ? claims_text(claims, conf->id_claim, &id, fail) : PKE_OK;

    if (err == PKE_OK && conf->id_claim && !id)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-id", "token-issuers id-claim",
                            "the token has no claim %s", conf->id_claim);
    if (err == PKE_OK && id)
        *ret = pke_arena_printf(arena, "%s:%s", conf->name, id);
    return err;
}

static enum pke_err custom_identity(const struct conf_token_issuer *conf, const json_t *claims,
                                    const struct claims_times *times, struct pke_arena *arena,
                                    struct auth_identity *ret, struct pke_fail *fail)
{
    const char *principal;
    char bound[CONFIRMATION_HEX];
    enum pke_err err = claims_text(claims, conf->principal_claim, &principal, fail);

    if (err != PKE_OK)
        return err;
    if (!principal)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-principal", RULE_PRINCIPAL,
                            "the token has no claim %s", conf->principal_claim);
    err = check_principal(conf, principal, fail);
    if (err != PKE_OK)
        return err;
    err = read_id(conf, claims, arena, &ret->user_id, fail);
    if (err != PKE_OK)
        return err;
    ret->principal = pke_arena_strdup(arena, principal);
    err = confirmation_read(claims, conf->require_key_binding, bound, fail);
    if (err != PKE_OK)
        return err;
    keep(ret, arena, ASSERTION_KEY_SHA256, *bound ? bound : NULL);
    return keep_jti(conf, claims, times, arena, ret, fail);
}

/* ---- both */

static enum pke_err read_identity(const struct conf_token_issuer *conf, struct pke_bytes payload,
                                  const struct jose_key *key, int64_t now, struct pke_arena *arena,
                                  struct auth_identity *ret, struct pke_fail *fail)
{
    bool entra = conf->kind == CONF_TOKENS_ENTRA;
    struct claims_rules rules = {.issuers = entra ? NULL : &conf->issuer,
                                 .audiences = &conf->audience,
                                 .leeway = conf->leeway / 1000,
                                 .max_lifetime = conf->max_lifetime / 1000};
    json_t *claims PKE_CLEANUP(claims_free_p) = NULL;
    struct claims_times times;
    enum pke_err err = claims_read(payload, &claims, fail);

    if (err == PKE_OK)
        err = claims_check(claims, &rules, now, &times, fail);
    if (err == PKE_OK)
        err = entra ? entra_identity(conf, claims, key, arena, ret, fail)
                    : custom_identity(conf, claims, &times, arena, ret, fail);
    if (err == PKE_OK)
        err = keep_claim(claims, conf->upn_claim, "upn", arena, ret, fail);
    if (err == PKE_OK)
        err = keep_claim(claims, "name", "name", arena, ret, fail);
    keep(ret, arena, "token-issuer", conf->name);
    return err;
}

static enum progress try_source(struct token_source *s, struct pke_bytes token, int64_t now,
                                struct pke_arena *arena, struct auth_identity *ret, struct jws_facts *facts,
                                struct pke_fail *fail)
{
    const char *type = s->conf->token_type;
    struct jws_rules rules = {.allow_no_kid = s->conf->allow_missing_kid,
                              .type = strcasecmp(type, "JWT") == 0 ? NULL : type};
    enum progress got = BAD_SIGNATURE;
    struct pke_buf payload;
    enum pke_err err;

    token_source_refresh(s);
    if (!s->keys) {
        pke_fail_set(fail, PKE_STORE_DOWN, s->broken.reason, s->broken.rule, "%s", s->broken.text);
        return NO_KEYS;
    }
    *ret = (struct auth_identity){0};
    pke_buf_init(&payload, JWS_MAX);
    err = jws_verify(token, s->keys, &rules, &payload, facts, fail);
    if (err == PKE_OK) {
        err = read_identity(s->conf, pke_buf_bytes(&payload), facts->key, now, arena, ret, fail);
        got = err == PKE_OK ? ACCEPTED : BAD_CLAIMS;
    } else if (strcmp(fail->reason, "jws-key-unknown") == 0) {
        got = UNKNOWN_KEY;
    }
    pke_buf_wipe(&payload);
    return got;
}

static enum pke_err verify(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                           enum conf_tokens kind, struct pke_arena *arena, struct auth_identity *ret,
                           struct pke_fail *fail)
{
    const struct conf_endpoint *e = conf_find_endpoint(core->conf, m->endpoint);
    struct token_source *best = NULL, *unknown[CONF_MAX_ENDPOINT_TOKENS];
    char kid[JOSE_KID_MAX + 1] = "";
    size_t n_unknown = 0;
    enum progress furthest = NO_KEYS;
    struct jws_facts facts = {.key = NULL};

    pke_fail_set(fail, PKE_STORE_DOWN, "token-issuer", "pkienrolld.conf(5) token-issuers",
                 "the endpoint has no token issuer with keys");
    for (size_t i = 0; i < e->token_issuers.n; i++) {
        struct token_source *s = tokenkeys_find(core->tokens, e->token_issuers.v[i]);
        struct pke_fail why = {0};
        enum progress got;

        if (!s || s->conf->kind != (int)kind)
            continue;
        got = try_source(s, m->token, now->wall_seconds, arena, ret, &facts, &why);
        if (got == ACCEPTED) {
            s->accepted++;
            return PKE_OK;
        }
        if (got == UNKNOWN_KEY) {
            unknown[n_unknown++] = s;
            memcpy(kid, facts.kid, sizeof kid);
        }
        if (!best || got > furthest) {
            furthest = got;
            best = s;
            *fail = why;
        }
    }
    *ret = (struct auth_identity){0};
    if (furthest == UNKNOWN_KEY) /* else somebody has that key */
        token_tell_unknown(unknown, n_unknown, m->token, kid, now);
    if (best)
        best->refused++;
    return fail->err;
}

enum pke_err jwt_verify_custom(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                               struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail)
{
    return verify(core, m, now, CONF_TOKENS_CUSTOM, arena, ret, fail);
}

enum pke_err jwt_verify_entra(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                              struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail)
{
    return verify(core, m, now, CONF_TOKENS_ENTRA, arena, ret, fail);
}
