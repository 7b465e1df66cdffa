/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that somebody else made and that are good for one certificate, by their jti (RFC 7519 4.1.7). There
 * is no row before the use and none for longer than the token could be accepted.
 */
#include "base/mem.h"
#include "ledger/writer.h"

#define RULE_JTI "one-time token"
/* A clock that steps back and a leeway that is made longer must not bring a token back. */
#define KEEP_AFTER_EXPIRY 86400 /* seconds */

static enum pke_err refuse_used(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-used", RULE_JTI,
                        "the token is for one certificate and was used");
}

/* A few at each use: more than one is added, so that they never gather. */
static enum pke_err prune(struct ledger *l, int64_t now_seconds, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_PRUNE_JTI);

    query_int(&q, now_seconds - KEEP_AFTER_EXPIRY);
    return query_run(&q, fail);
}

static enum pke_err reserve(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_USE_JTI);
    enum pke_err err;

    query_text(&q, in->request.tenant);
    query_text(&q, in->jti_issuer);
    query_text(&q, in->jti);
    query_int(&q, in->jti_expires);
    err = query_run(&q, fail);
    return err == PKE_OK && sqlite3_changes(l->store.db) == 0 ? refuse_used(fail) : err;
}

enum pke_err jti_use(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    enum pke_err err = reserve(l, in, fail);

    return err == PKE_OK ? prune(l, in->request.at / 1000, fail) : err;
}

enum pke_err ledger_jti_unused(struct ledger *l, const char *tenant, const char *issuer, const char *jti,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_JTI);

    query_text(&q, tenant);
    query_text(&q, issuer);
    query_text(&q, jti);
    return query_row(&q) ? refuse_used(fail) : query_result(&q, fail);
}
