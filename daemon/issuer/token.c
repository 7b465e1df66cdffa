/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-time enrollment tokens: random text that the frontend hands to a client as its sign-in result (MS-MDE2
 * federated authentication). Minted and verified here; only SHA-256 of the text is ever stored.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/scope.h"

#define RULE             "one-time token"
#define PREFIX           "pket_" /* so that a leaked one is recognised by whoever scans for secrets */
#define SECRET_SIZE      32
#define HANDLE_SIZE      8
#define DEFAULT_LIFETIME (INT64_C(3600) * 1000)
#define MAX_LIFETIME     (INT64_C(90) * 86400 * 1000)
#define MAX_USES         100000

static void hash_secret(struct pke_bytes secret, uint8_t hash[32])
{
    if (EVP_Digest(secret.p, secret.n, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

/* One text for all reasons, as for passwords: what is wrong with a token is for the ledger and the log. */
enum pke_err token_find(struct issuer *is, const char *tenant, struct pke_bytes secret,
                        struct pke_arena *arena, struct ledger_token *ret, struct pke_fail *fail)
{
    uint8_t hash[32];
    enum pke_err err;

    hash_secret(secret, hash);
    err = ledger_find_token(is->ledger, hash, arena, ret, fail);
    if (err == PKE_OK && strcmp(ret->tenant, tenant) != 0) {
        *ret = (struct ledger_token){0};
        err = PKE_NOT_FOUND;
    }
    if (err == PKE_NOT_FOUND)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-unknown", RULE, "there is no such token");
    if (err == PKE_OK && ret->revoked_at)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-revoked", RULE, "the token was revoked");
    return err;
}

enum pke_err token_usable(const struct ledger_token *t, int64_t now_ms, struct pke_fail *fail)
{
    if (t->expires_at <= now_ms)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-expired", RULE, "the token expired");
    if (t->used >= t->uses)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-used", RULE, "the token has no use left");
    return PKE_OK;
}

static enum pke_err answer(struct issuer *is, const struct msg_token *m, struct pke_arena *arena,
                           struct msg_auth_ok *ok, struct pke_fail *fail)
{
    const struct conf_endpoint *ep;
    struct ledger_token t = {0};
    enum pke_err err;

    ep = conf_find_endpoint(is->setup->conf, m->endpoint);
    if (ep && !m->token.n)
        return renew_visible(is, ep, m->client_certificate, arena, ok, fail);
    if (!ep || !pke_strings_has(&ep->credentials, "one-time-token"))
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "credential-kind", "MS-MDE2 3.4.4.1.1.1",
                            "this kind of credential is not enabled here");
    err = token_find(is, ep->tenant, m->token, arena, &t, fail);
    if (err == PKE_OK)
        err = token_usable(&t, role_wall_ms(), fail);
    ok->principal = t.principal;
    return err;
}

void token_frame(struct issuer *is, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_auth_ok ok = {0};
    struct msg_failed failed = {0};
    struct msg_token m = {0};

    if (ipc_record_read(msg_token_fields, f->payload, arena, &m, sizeof m, &failed.fail) == PKE_OK &&
        answer(is, &m, arena, &ok, &failed.fail) == PKE_OK)
        chan_send_record(is->net, MSG_AUTH_OK, f->id, msg_auth_ok_fields, &ok);
    else
        chan_send_record(is->net, MSG_FAILED, f->id, msg_failed_fields, &failed);
    chan_wipe_frame(is->net, f);
    if (m.token.n)
        explicit_bzero((void *)(uintptr_t)m.token.p, m.token.n);
    pke_arena_free(arena);
}

/* ---- verbs ---- */

/* A token on its way into the ledger; the secret is told once, when it is durable. */
struct minting {
    struct pke_arena *arena;
    struct ledger_token token;
    struct pke_buf secret;
    uint8_t hash[32];
    uint64_t control; /* the asker: a number, because a later channel may get the address of this one */
    uint64_t id;
};

static bool asker_is_there(const struct issuer *is, const struct minting *m)
{
    return is->control && m->control == is->control_links;
}

static void minting_free(struct minting *m)
{
    pke_buf_wipe(&m->secret);
    pke_arena_free(m->arena);
    free(m);
}

static enum pke_err read_numbers(const struct msg_verb *v, struct ledger_token *t, struct pke_fail *fail)
{
    const char *lifetime = pke_pairs_get(&v->args, "lifetime"), *count = pke_pairs_get(&v->args, "count");
    int64_t ms = DEFAULT_LIFETIME;
    char *end = NULL;

    if (lifetime && (!pke_duration_parse(lifetime, &ms) || ms < 1000 || ms > MAX_LIFETIME))
        return pke_fail_set(fail, PKE_MALFORMED, "token-lifetime", RULE,
                            "lifetime is a duration from 1s to 90d");
    t->uses = count ? strtoull(count, &end, 10) : 1;
    if (count && (*count < '0' || *count > '9' || *end || t->uses < 1 || t->uses > MAX_USES))
        return pke_fail_set(fail, PKE_MALFORMED, "token-count", RULE, "count is a number from 1 to %d",
                            MAX_USES);
    t->expires_at = t->created_at + ms;
    return PKE_OK;
}

static enum pke_err read_mint(const struct issuer *is, const struct msg_verb *v, struct minting *m,
                              struct pke_fail *fail)
{
    const char *user = pke_pairs_get(&v->args, "user"), *type = pke_pairs_get(&v->args, "type");
    const char *tenant;
    struct ledger_token *t = &m->token;

    if (!user || !*user || strlen(user) > 320)
        return pke_fail_set(fail, PKE_MALFORMED, "token-user", RULE, "user is 1 to 320 bytes long");
    if (scope_tenant(is, v, &tenant, fail) != PKE_OK)
        return fail->err;
    if (type && strcasecmp(type, "full") != 0 && strcasecmp(type, "device") != 0)
        return pke_fail_set(fail, PKE_MALFORMED, "token-type", RULE, "type is full or device");
    t->tenant = pke_arena_strdup(m->arena, tenant);
    t->principal = pke_arena_strdup(m->arena, user);
    t->enrollment_type = !type ? NULL : strcasecmp(type, "full") == 0 ? "Full" : "Device";
    t->created_by = pke_arena_strdup(m->arena, v->actor);
    t->created_at = role_wall_ms();
    return read_numbers(v, t, fail);
}

static void make_secret(struct minting *m)
{
    uint8_t raw[SECRET_SIZE], handle[HANDLE_SIZE];
    char *hex = pke_arena_alloc(m->arena, 2 * HANDLE_SIZE + 1);

    if (RAND_bytes(raw, sizeof raw) != 1 || RAND_bytes(handle, sizeof handle) != 1)
        abort();
    pke_buf_init(&m->secret, 128);
    (void)pke_buf_add_str(&m->secret, PREFIX);
    (void)pke_base64_encode(PKE_BYTES(raw, sizeof raw), PKE_B64_URL, &m->secret);
    explicit_bzero(raw, sizeof raw);
    hash_secret(pke_buf_bytes(&m->secret), m->hash);
    pke_hex(PKE_BYTES(handle, sizeof handle), false, hex);
    m->token.token_id = hex;
}

static enum pke_err apply_mint(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct minting *m = op->arg;

    return ledger_token_add(is->ledger, &m->token, m->hash, fail);
}

static void done_mint(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct minting *m = op->arg;
    char expires[PKE_RFC3339_SIZE];

    if (!asker_is_there(is, m)) { /* the asker is gone: nobody will ever know the secret */
        minting_free(m);
        return;
    }
    pke_time_rfc3339_ms(m->token.expires_at, expires);
    if (err != PKE_OK)
        verbs_refuse(is->control, m->id, fail);
    else
        verbs_reply(is->control, m->id,
                    json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:s}", "id", m->token.token_id, "token",
                              pke_buf_cstr(&m->secret), "tenant", m->token.tenant, "user", m->token.principal,
                              "type", m->token.enrollment_type, "count", (json_int_t)m->token.uses,
                              "expires_at", expires));
    minting_free(m);
}

void token_check(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct pke_arena *arena = pke_arena_new();
    struct ledger_token t = {0};
    struct pke_fail fail;
    const char *tenant;
    enum pke_err err = scope_tenant(is, v, &tenant, &fail);

    if (err == PKE_OK)
        err = token_find(is, tenant, v->secret, arena, &t, &fail);
    if (err == PKE_OK)
        err = token_usable(&t, role_wall_ms(), &fail);
    if (err == PKE_OK)
        verbs_reply(is->control, id,
                    json_pack("{s:s, s:s, s:s, s:s?, s:I, s:I, s:o}", "id", t.token_id, "tenant", t.tenant,
                              "user", t.principal, "type", t.enrollment_type, "count", (json_int_t)t.uses,
                              "used", (json_int_t)t.used, "expires_at", jsonval_ms(t.expires_at)));
    else
        verbs_refuse(is->control, id, &fail);
    pke_arena_free(arena);
}

void token_mint(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct minting *m = pke_calloc(1, sizeof *m);
    struct pke_fail fail;

    *m = (struct minting){.arena = pke_arena_new(), .control = is->control_links, .id = id};
    if (read_mint(is, v, m, &fail) != PKE_OK) {
        verbs_refuse(is->control, id, &fail);
        minting_free(m);
        return;
    }
    make_secret(m);
    batch_add(is, apply_mint, done_mint, m);
}

static enum pke_err apply_revoke(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct minting *m = op->arg;

    return ledger_token_revoke(is->ledger, m->token.tenant, m->token.token_id, m->token.created_by,
                               m->token.revoked_at, fail);
}

static void done_revoke(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct minting *m = op->arg;

    if (asker_is_there(is, m) && err != PKE_OK)
        verbs_refuse(is->control, m->id, fail);
    else if (asker_is_there(is, m))
        verbs_reply(is->control, m->id, json_pack("{s:s, s:s}", "id", m->token.token_id, "state", "revoked"));
    minting_free(m);
}

void token_revoke(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    const char *token_id = pke_pairs_get(&v->args, "id");
    struct minting *m = pke_calloc(1, sizeof *m);

    *m = (struct minting){.arena = pke_arena_new(), .control = is->control_links, .id = id};
    m->token.token_id = pke_arena_strdup(m->arena, token_id ? token_id : "");
    if (scope_limit(v))
        m->token.tenant = pke_arena_strdup(m->arena, scope_limit(v));
    m->token.created_by = pke_arena_strdup(m->arena, v->actor);
    m->token.revoked_at = role_wall_ms();
    batch_add(is, apply_revoke, done_revoke, m);
}
