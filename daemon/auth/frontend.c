/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/frontend.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/auth/core_impl.h"
#include "daemon/auth/jsonout.h"
#include "daemon/auth/tokeniss.h"
#include "daemon/common/hooksig.h"
#include "daemon/common/log.h"

#define RULE     "authoriser: authenticate"
#define FALLBACK "the user name or password is wrong" /* as of a user of ours */

/* Attributes of a ticket. Its stage is that of the request behind this, and no role takes it for the same. */
#define STAGE_ASKED "asked-"
#define A_ID        "id"
#define A_QUESTION  "question"
#define A_SOURCE    "source"
#define A_USER      "user"

bool frontend_knows(const char *kind)
{
    return strcmp(kind, FRONTEND_TOKEN) == 0 || strcmp(kind, FRONTEND_PASSWORD) == 0;
}

enum pke_err frontend_open(struct auth_core *core, struct pke_fail *fail)
{
    const struct conf *c = core->conf;
    enum pke_err err = PKE_OK;

    core->hooks = pke_calloc(c->n_authorisers + 1, sizeof(struct pke_secret *));
    for (size_t i = 0; err == PKE_OK && i < c->n_endpoints; i++) {
        const char *name = c->endpoints[i].authenticator;
        const struct conf_authoriser *a = name ? conf_find_authoriser(c, name) : NULL;

        if (a && a->answer_secret_file && !core->hooks[a - c->authorisers])
            err = hooksig_secret(a->answer_secret_file, &core->hooks[a - c->authorisers], fail);
    }
    return err;
}

void frontend_close(struct auth_core *core)
{
    for (size_t i = 0; core->hooks && i < core->conf->n_authorisers; i++)
        pke_secret_free(core->hooks[i]);
    free(core->hooks);
}

/* ---- the question ---- */

static json_t *text(const char *s)
{
    json_t *value = s ? json_string(s) : NULL; /* none where it is no UTF-8 */

    return value ? value : json_null();
}

static json_t *token_json(struct pke_bytes token)
{
    struct pke_buf out;
    json_t *value;

    pke_buf_init(&out, token.n * 2 + 8);
    (void)pke_base64_encode(token, 0, &out);
    value = json_stringn((const char *)out.p, out.n);
    pke_buf_wipe(&out);
    return value;
}

static json_t *credential_json(const struct msg_auth *m)
{
    if (strcmp(m->kind, FRONTEND_TOKEN) == 0)
        return json_pack("{s:s, s:o}", "kind", m->kind, "token", token_json(m->token));
    return json_pack("{s:s, s:o, s:o}", "kind", m->kind, "username", text(m->username), "password",
                     json_stringn((const char *)m->password.p, m->password.n));
}

static json_t *hash_json(struct pke_bytes hash)
{
    char hex[65];

    if (hash.n != 32)
        return json_null();
    pke_hex(hash, false, hex);
    return json_string(hex);
}

static struct pke_bytes question(const struct msg_auth *m, const struct conf_endpoint *e,
                                 struct pke_arena *arena)
{
    json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "version", 1, "event",
                          "authenticate", "id", m->trace_id, "stage", m->stage, "tenant", m->tenant,
                          "endpoint", m->endpoint, "template", e->template_name, "source", text(m->source),
                          "credential", credential_json(m), "request_sha256", hash_json(m->request_hash));
    struct pke_bytes ret = PKE_BYTES(NULL, 0);
    struct pke_buf dump;

    if (!o) /* a text that is no UTF-8 */
        return ret;
    pke_buf_init(&dump, SIZE_MAX); /* of what came in one frame */
    auth_json_write(o, &dump);
    ret = pke_arena_bytes(arena, pke_buf_bytes(&dump));
    pke_buf_wipe(&dump);
    json_decref(o);
    return ret;
}

/* Of the credential nothing is in it but the digest of the question. */
static enum pke_err write_ticket(const struct auth_core *core, const struct msg_auth *m,
                                 struct pke_bytes asked, struct pke_arena *arena, struct pke_bytes *ret,
                                 struct pke_fail *fail)
{
    struct assertion a = {.tenant = m->tenant,
                          .principal = "-",
                          .kind = m->kind,
                          .stage = pke_arena_printf(arena, STAGE_ASKED "%s", m->stage),
                          .endpoint = m->endpoint,
                          .request_hash = m->request_hash,
                          .expires = m->deadline};
    char digest[HOOKSIG_DIGEST];
    struct pke_buf out;
    enum pke_err err;

    hooksig_question(asked, digest);
    pke_pairs_add(&a.attributes, arena, A_ID, m->trace_id);
    pke_pairs_add(&a.attributes, arena, A_QUESTION, digest);
    if (m->source)
        pke_pairs_add(&a.attributes, arena, A_SOURCE, m->source);
    if (m->username)
        pke_pairs_add(&a.attributes, arena, A_USER, m->username);
    pke_buf_init(&out, 16u << 10);
    err = auth_write_assertion(core, &a, &out, fail);
    *ret = pke_arena_bytes(arena, pke_buf_bytes(&out));
    pke_buf_done(&out);
    return err;
}

static enum pke_err wrong(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "credential", "MS-MDE2 3.4.4.1.1.1", FALLBACK);
}

enum pke_err frontend_ask(struct auth_core *core, const struct msg_auth *m, const struct auth_now *now,
                          struct pke_arena *arena, struct msg_auth_ask *ret, struct pke_fail *fail)
{
    const struct conf_endpoint *e = conf_find_endpoint(core->conf, m->endpoint);
    struct auth_attempt attempt = {m->tenant, m->username, m->source};
    bool password = strcmp(m->kind, FRONTEND_PASSWORD) == 0;
    enum pke_err err = auth_check_request(core, m, now->monotonic_ms, fail);

    if (err != PKE_OK)
        return err;
    if (!e->authenticator || !m->trace_id || (password ? !m->username || !*m->username : m->token.n == 0))
        return pke_fail_set(fail, PKE_MALFORMED, "auth-request", "daemon/common/msg.h",
                            "the credential or its attempt id is missing");
    if (password && auth_backoff_blocked(core, &attempt, now->monotonic_ms, arena))
        return wrong(fail);
    ret->authenticator = e->authenticator;
    ret->question = question(m, e, arena);
    if (ret->question.n == 0) /* a password or a name that is no UTF-8 is nobody's */
        return wrong(fail);
    return write_ticket(core, m, ret->question, arena, &ret->ticket, fail);
}

/* ---- the answer ---- */

static enum pke_err no_answer(const struct assertion *t, const char *name, const struct pke_fail *why,
                              struct pke_fail *fail)
{
    log_fail(LOG_WARNING, "authoriser gave no answer", why, "trace_id", pke_pairs_get(&t->attributes, A_ID),
             "authoriser", name, NULL);
    return pke_fail_set(fail, PKE_BUSY, why->reason, RULE, "the authoriser %s did not answer: %s", name,
                        why->text);
}

static enum pke_err read_ticket(const struct auth_core *core, const struct msg_auth_answer *m,
                                uint64_t now_ms, struct pke_arena *arena, struct assertion *ret,
                                struct pke_fail *fail)
{
    enum pke_err err = assertion_read(m->ticket, pke_secret_bytes(core->key), now_ms, arena, ret, fail);
    const struct conf_endpoint *e;

    if (err != PKE_OK)
        return err;
    if (strncmp(ret->stage, STAGE_ASKED, strlen(STAGE_ASKED)) != 0 || !frontend_knows(ret->kind))
        return pke_fail_set(fail, PKE_DENIED, "auth-scope", "daemon/common/assertion.h", "it is no ticket");
    e = conf_find_endpoint(core->conf, ret->endpoint); /* as it is configured now */
    if (!e || !e->authenticator || strcmp(e->tenant, ret->tenant) != 0 ||
        !pke_strings_has(&e->credentials, ret->kind))
        return pke_fail_set(fail, PKE_STALE, "endpoint-unknown", "configuration generation",
                            "the endpoint is configured otherwise now");
    return PKE_OK;
}

/* "<authoriser>:<id>" as of a token issuer: what two sources call by one id is not one user. */
static enum pke_err identity(const struct frontend_answer *a, const struct conf_authoriser *by,
                             struct pke_arena *arena, struct auth_identity *ret, struct pke_fail *fail)
{
    if (token_principal_of_tenant(a->principal))
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-principal", RULE,
                            "the frontend may not name a principal of Entra");
    ret->principal = a->principal;
    ret->user_id = a->user_id ? pke_arena_printf(arena, "%s:%s", by->name, a->user_id) : NULL;
    ret->attributes = a->claims;
    pke_pairs_add(&ret->attributes, arena, "authenticator", by->name);
    return PKE_OK;
}

static enum pke_err judge(struct auth_core *core, const struct assertion *t, const struct frontend_answer *a,
                          uint64_t now_ms, struct pke_arena *arena, struct pke_fail *fail)
{
    struct auth_attempt attempt = {t->tenant, pke_pairs_get(&t->attributes, A_USER),
                                   pke_pairs_get(&t->attributes, A_SOURCE)};
    bool wrong_password = !a->allowed && a->fault == PKE_UNAUTHENTICATED;

    if (attempt.user && (a->allowed || wrong_password))
        auth_backoff_count(core, &attempt, a->allowed, now_ms, arena);
    if (a->allowed)
        return PKE_OK;
    return pke_fail_set(fail, a->fault, "authenticator-denied", RULE, "%s", a->text ? a->text : FALLBACK);
}

enum pke_err frontend_answered(struct auth_core *core, const struct msg_auth_answer *m,
                               const struct auth_now *now, struct pke_arena *arena, struct pke_buf *assertion,
                               struct auth_identity *ret, struct pke_fail *fail)
{
    struct pke_fail why = {0};
    const struct conf_authoriser *by;
    struct frontend_answer a = {0};
    struct assertion t;
    const char *id;
    enum pke_err err = read_ticket(core, m, now->monotonic_ms, arena, &t, fail);

    if (err != PKE_OK)
        return err;
    by = conf_find_authoriser(core->conf, conf_find_endpoint(core->conf, t.endpoint)->authenticator);
    id = pke_pairs_get(&t.attributes, A_ID);
    if (core->hooks[by - core->conf->authorisers])
        err = hooksig_check(core->hooks[by - core->conf->authorisers], id,
                            pke_pairs_get(&t.attributes, A_QUESTION), m->answer, m->signature, &why);
    if (err == PKE_OK)
        err = frontend_answer_read(m->answer, id, arena, &a, &why);
    if (err != PKE_OK)
        return no_answer(&t, by->name, &why, fail);
    err = judge(core, &t, &a, now->monotonic_ms, arena, fail);
    if (err == PKE_OK)
        err = identity(&a, by, arena, ret, fail);
    if (err != PKE_OK)
        return err;
    t.principal = ret->principal;
    t.user_id = ret->user_id;
    t.attributes = ret->attributes;
    t.stage += strlen(STAGE_ASKED);
    t.expires = now->monotonic_ms + ASSERTION_LIFETIME_MS;
    return auth_write_assertion(core, &t, assertion, fail);
}
