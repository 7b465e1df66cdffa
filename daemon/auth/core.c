/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/core.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/auth/certificate.h"
#include "daemon/auth/core_impl.h"
#include "daemon/auth/frontend.h"
#include "daemon/auth/jwt.h"
#include "daemon/auth/replay.h"
#include "daemon/auth/signed.h"
#include "daemon/common/assertion.h"
#include "daemon/common/log.h"
#include "xmlsig/xmlsig.h"

#define HASH_LEN 32

static enum pke_err open_backoff(struct auth_core *core, struct pke_bytes secret, struct pke_fail *fail)
{
    char *path PKE_CLEANUP(pke_free_p) = pke_asprintf("%s/auth-backoff", core->conf->global.state_directory);

    return backoff_open(path, secret, &core->backoff, fail);
}

static enum pke_err open_certificates(struct auth_core *core, struct pke_bytes secret, struct pke_fail *fail)
{
    char *path PKE_CLEANUP(pke_free_p) = pke_asprintf("%s/auth-replay", core->conf->global.state_directory);
    enum pke_err err = certificates_open(core->conf, &core->certificates, fail);

    if (err == PKE_OK)
        err = replay_open(path, secret, &core->replay, fail);
    if (err == PKE_OK)
        core->xmlsig = xmlsig_new();
    return err;
}

enum pke_err auth_core_new(const struct conf *conf, struct pke_bytes secret, bool writer,
                           struct auth_core **ret, struct pke_fail *fail)
{
    struct auth_core *core = pke_calloc(1, sizeof *core);
    enum pke_err err = PKE_OK;

    core->conf = conf;
    core->writer = writer;
    core->key = pke_secret_new(secret);
    if (secret.n != ASSERTION_KEY_SIZE)
        err =
            pke_fail_set(fail, PKE_CONFIG, "assertion-key", "daemon/common/assertion.h", "no assertion key");
    if (err == PKE_OK)
        err = auth_users_open(core, fail);
    if (err == PKE_OK)
        err = frontend_open(core, fail);
    if (err == PKE_OK)
        err = open_backoff(core, secret, fail);
    if (err == PKE_OK)
        err = open_certificates(core, secret, fail);
    if (err == PKE_OK && !(core->passwords = password_new()))
        err = pke_fail_set(fail, PKE_CONFIG, "yescrypt", "crypt(5)", "libcrypt does not offer yescrypt");
    if (err == PKE_OK)
        *ret = core;
    else
        auth_core_free(core);
    return err;
}

void auth_core_free(struct auth_core *core)
{
    if (!core)
        return;
    pke_secret_free(core->key);
    password_free(core->passwords);
    backoff_close(core->backoff);
    certificates_close(core->certificates);
    replay_close(core->replay);
    xmlsig_free(core->xmlsig);
    auth_users_close(core);
    frontend_close(core);
    tokenkeys_free(core->tokens);
    free(core);
}

enum pke_err auth_core_open_tokens(struct auth_core *core, const struct auth_core *old, struct pke_fail *fail)
{
    return tokenkeys_new(core->conf, old ? old->tokens : NULL, &core->tokens, fail);
}

void auth_core_token_facts(struct auth_core *core, struct pke_arena *arena, struct pke_pairs *out)
{
    tokenkeys_refresh(core->tokens);
    tokenkeys_facts(core->tokens, arena, out);
}

static enum pke_err malformed(struct pke_fail *fail, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "auth-request", "daemon/common/msg.h", "%s", what);
}

/* net says what it wants verified; what an endpoint takes is decided here, by the own snapshot. */
enum pke_err auth_check_request(const struct auth_core *core, const struct msg_auth *m, uint64_t now_ms,
                                struct pke_fail *fail)
{
    const struct conf_endpoint *e = conf_find_endpoint(core->conf, m->endpoint);
    bool enroll = strcmp(m->stage, "enroll") == 0;

    if (now_ms >= m->deadline)
        return pke_fail_set(fail, PKE_DEADLINE, "deadline", "request-deadline",
                            "the request waited longer than it may");
    if (!e)
        return pke_fail_set(fail, PKE_STALE, "endpoint-unknown", "configuration generation",
                            "the endpoint is not in the configuration");
    if (!pke_strings_has(&e->credentials, m->kind))
        return pke_fail_set(fail, PKE_DENIED, "credential-kind", "endpoint credentials",
                            "the endpoint does not take this kind of credential");
    if (strcmp(m->tenant, e->tenant) != 0 || enroll != (e->stage == CONF_STAGE_ENROLL) ||
        (!enroll && strcmp(m->stage, "policy") != 0))
        return pke_fail_set(fail, PKE_DENIED, "auth-scope", "endpoint stage",
                            "the endpoint is not of this tenant and stage");
    if (m->request_hash.n != (enroll ? HASH_LEN : 0))
        return malformed(fail, "the request hash does not fit the stage");
    return PKE_OK;
}

/* One IPv6 client has a /64 of addresses: they count as one source. */
static const char *source_key(const char *source, char out[INET6_ADDRSTRLEN + 4])
{
    struct in6_addr a;

    if (!source || inet_pton(AF_INET6, source, &a) != 1)
        return source;
    if (IN6_IS_ADDR_V4MAPPED(&a)) {
        inet_ntop(AF_INET, a.s6_addr + 12, out, INET6_ADDRSTRLEN);
        return out;
    }
    memset(a.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &a, out, INET6_ADDRSTRLEN);
    strcat(out, "/64");
    return out;
}

/* Who fails at one tenant is not blocked at another. A tenant's name has no line feed. */
static const char *backoff_name(const char *tenant, const char *name, struct pke_arena *arena)
{
    return pke_arena_printf(arena, "%s\n%s", tenant, name);
}

bool auth_backoff_blocked(struct auth_core *core, const struct auth_attempt *a, uint64_t now_ms,
                          struct pke_arena *arena)
{
    char buf[INET6_ADDRSTRLEN + 4];
    const char *source = a->source ? backoff_name(a->tenant, source_key(a->source, buf), arena) : NULL;
    bool user = backoff_blocked(core->backoff, BACKOFF_USER, backoff_name(a->tenant, a->user, arena), now_ms);
    bool blocked = source && backoff_blocked(core->backoff, BACKOFF_SOURCE, source, now_ms);

    if (user || blocked)
        log_event(LOG_NOTICE, "authentication blocked by back-off", "user", a->user, "source", a->source,
                  "by", user ? "user" : "source", NULL);
    return user || blocked;
}

void auth_backoff_count(struct auth_core *core, const struct auth_attempt *a, bool right, uint64_t now_ms,
                        struct pke_arena *arena)
{
    char buf[INET6_ADDRSTRLEN + 4];
    const char *name = backoff_name(a->tenant, a->user, arena);

    if (right) {
        backoff_forgive(core->backoff, BACKOFF_USER, name);
        return;
    }
    backoff_failed(core->backoff, BACKOFF_USER, name, now_ms);
    if (a->source)
        backoff_failed(core->backoff, BACKOFF_SOURCE,
                       backoff_name(a->tenant, source_key(a->source, buf), arena), now_ms);
}

static bool verify_password(struct auth_core *core, const struct msg_auth *m, uint64_t now_ms,
                            struct pke_arena *arena, const struct user *user)
{
    struct auth_attempt attempt = {m->tenant, m->username, m->source};
    bool blocked = auth_backoff_blocked(core, &attempt, now_ms, arena);
    /* Blocked: the dummy is hashed all the same, so that the answer takes as long as any other. */
    bool right = password_verify(core->passwords, m->username, m->password,
                                 blocked || !user ? NULL : user->hash, now_ms);

    if (!blocked)
        auth_backoff_count(core, &attempt, right, now_ms, arena);
    return right && !blocked;
}

/* The name may be given to somebody else later; the id that `user add` drew stays (attribute "id"). */
static enum pke_err verify_username(struct auth_core *core, const struct msg_auth *m,
                                    const struct auth_now *now, struct pke_arena *arena,
                                    struct auth_identity *ret, struct pke_fail *fail)
{
    struct auth_users *users;
    enum pke_err err = m->username ? auth_users_of(core, m->tenant, &users, fail)
                                   : malformed(fail, "the user name is missing");
    const struct user *user;

    if (err != PKE_OK)
        return err;
    user = userfile_find(users->file, m->username);
    if (!verify_password(core, m, now->monotonic_ms, arena, user))
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "credential", "MS-MDE2 3.4.4.1.1.1",
                            "the user name or password is wrong");
    ret->principal = pke_arena_strdup(arena, user->name);
    ret->user_id = pke_pairs_get(&user->attributes, "id");
    if (ret->user_id)
        ret->user_id = pke_arena_strdup(arena, ret->user_id);
    for (size_t i = 0; i < user->attributes.n; i++)
        if (strcmp(user->attributes.v[i].name, "id") != 0)
            pke_pairs_add(&ret->attributes, arena, user->attributes.v[i].name, user->attributes.v[i].value);
    if (!pke_pairs_get(&ret->attributes, "upn") && strchr(user->name, '@'))
        pke_pairs_add(&ret->attributes, arena, "upn", user->name);
    return PKE_OK;
}

static const struct {
    const char *kind;
    auth_verify_fn *verify;
} verifiers[] = {
    {"username", verify_username},
    {"signed-header", verify_signed_header},
    {"client-certificate", verify_client_certificate},
    {"jwt", jwt_verify_custom},
    {"entra-jwt", jwt_verify_entra},
};

static auth_verify_fn *find_verifier(const char *kind)
{
    for (size_t i = 0; i < PKE_LEN(verifiers); i++)
        if (strcmp(verifiers[i].kind, kind) == 0)
            return verifiers[i].verify;
    return NULL;
}

enum pke_err auth_write_assertion(const struct auth_core *core, const struct assertion *a,
                                  struct pke_buf *out, struct pke_fail *fail)
{
    if (assertion_write(a, pke_secret_bytes(core->key), out) == PKE_OK)
        return PKE_OK;
    return pke_fail_set(fail, PKE_INTERNAL, "assertion", "daemon/common/assertion.h",
                        "the assertion cannot be made");
}

enum pke_err auth_core_verify(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                              struct pke_arena *arena, struct pke_buf *assertion, struct auth_identity *ret,
                              struct pke_fail *fail)
{
    auth_verify_fn *verify = find_verifier(m->kind);
    enum pke_err err = auth_check_request(core, m, now->monotonic_ms, fail);

    if (err == PKE_OK && !verify)
        err = pke_fail_set(fail, PKE_UNSUPPORTED, "credential-kind", "endpoint credentials",
                           "this kind of credential is not supported");
    if (err == PKE_OK)
        err = verify(core, m, now, arena, ret, fail);
    if (err != PKE_OK)
        return err;
    return auth_write_assertion(core,
                                &(struct assertion){.tenant = m->tenant,
                                                    .principal = ret->principal,
                                                    .user_id = ret->user_id,
                                                    .kind = m->kind,
                                                    .stage = m->stage,
                                                    .endpoint = m->endpoint,
                                                    .attributes = ret->attributes,
                                                    .request_hash = m->request_hash,
                                                    .expires = now->monotonic_ms + ASSERTION_LIFETIME_MS},
                                assertion, fail);
}
