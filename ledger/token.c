/* SPDX-License-Identifier: Apache-2.0 */
/* Enrollment tokens: minted, revoked, found by hash, used up by a request in the transaction that records it.
 */
#include "base/mem.h"
#include "ledger/audit.h"

#define RULE_TOKEN "one-time token"

static enum pke_err add(struct ledger *l, const struct ledger_token *t, const uint8_t hash[32],
                        struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_ADD_TOKEN);
    struct audit_row row = {.at = t->created_at, .event = "token-minted", .actor = t->created_by};
    PKE_CLEANUP(pke_free_p)
    char *detail = pke_asprintf("{\"token\":\"%s\",\"tenant\":\"%s\"}", t->token_id, t->tenant); /* names */
    enum pke_err err;

    query_text(&q, t->token_id);
    query_blob(&q, PKE_BYTES(hash, STORE_DIGEST));
    query_text(&q, t->tenant);
    query_text(&q, t->principal);
    query_text(&q, t->enrollment_type);
    query_int(&q, (int64_t)t->uses);
    query_int(&q, t->created_at);
    query_int(&q, t->expires_at);
    query_text(&q, t->created_by);
    err = query_run(&q, fail);
    row.detail = detail;
    return err == PKE_OK ? audit_append(l, &row, fail) : err;
}

enum pke_err ledger_token_add(struct ledger *l, const struct ledger_token *token, const uint8_t hash[32],
                              struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, add(l, token, hash, fail), fail) : err;
}

static bool exists(struct ledger *l, const char *tenant, const char *token_id)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_TOKEN_ID);

    query_text(&q, token_id);
    query_text(&q, tenant);
    return query_row(&q);
}

static enum pke_err revoke(struct ledger *l, const char *tenant, const char *token_id, const char *actor,
                           int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_REVOKE_TOKEN);
    struct audit_row row = {.at = at, .event = "token-revoked", .actor = actor};
    PKE_CLEANUP(pke_free_p) char *detail = NULL;
    enum pke_err err;

    if (!exists(l, tenant, token_id))
        return pke_fail_set(fail, PKE_NOT_FOUND, "token-unknown", RULE_TOKEN, "there is no such token");
    query_text(&q, token_id);
    query_int(&q, at);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_EXISTS, "token-revoked", RULE_TOKEN, "the token was revoked before");
    detail = pke_asprintf("{\"token\":\"%s\"}", token_id); /* it exists, so its text is one of ours */
    row.detail = detail;
    return err == PKE_OK ? audit_append(l, &row, fail) : err;
}

enum pke_err ledger_token_revoke(struct ledger *l, const char *tenant, const char *token_id,
                                 const char *actor, int64_t at, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    return err == PKE_OK ? change_end(l, revoke(l, tenant, token_id, actor, at, fail), fail) : err;
}

enum pke_err token_use(struct ledger *l, const char *token_id, int64_t at, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_USE_TOKEN);
    enum pke_err err;

    query_text(&q, token_id);
    query_int(&q, at);
    err = query_run(&q, fail);
    if (err == PKE_OK && sqlite3_changes(l->store.db) == 0)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-used", RULE_TOKEN,
                            "the token has no use left, expired or was revoked");
    return err;
}

enum pke_err ledger_find_token(struct ledger *l, const uint8_t hash[32], struct pke_arena *arena,
                               struct ledger_token *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_TOKEN);
    enum pke_err err;

    query_blob(&q, PKE_BYTES(hash, STORE_DIGEST));
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK
                   ? err
                   : pke_fail_set(fail, PKE_NOT_FOUND, "token-unknown", RULE_TOKEN, "there is no such token");
    }
    token_load(&q, arena, ret);
    return PKE_OK;
}
