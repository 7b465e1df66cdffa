/* SPDX-License-Identifier: Apache-2.0 */
/* Enrollment tokens as rows, for the writer's look-up and for the reader's listing. */
#include "base/mem.h"
#include "ledger/reader.h"

void token_load(struct query *q, struct pke_arena *arena, struct ledger_token *ret)
{
    *ret = (struct ledger_token){.token_id = query_col_text(q, 0, arena),
                                 .tenant = query_col_text(q, 1, arena),
                                 .principal = query_col_text(q, 2, arena),
                                 .enrollment_type = query_col_text(q, 3, arena),
                                 .created_by = query_col_text(q, 4, arena),
                                 .uses = (uint64_t)query_col_int(q, 5),
                                 .used = (uint64_t)query_col_int(q, 6),
                                 .created_at = query_col_int(q, 7),
                                 .expires_at = query_col_int(q, 8),
                                 .revoked_at = query_col_int(q, 9)};
}

static enum pke_err load(struct query *q, unsigned limit, struct pke_arena *arena, struct ledger_token *rows,
                         size_t *n, const char **next, struct pke_fail *fail)
{
    struct position last = {0};

    *n = 0;
    *next = NULL;
    while (query_row(q)) {
        if (*n == limit) {
            *next = position_encode(&last, arena);
            return PKE_OK;
        }
        token_load(q, arena, &rows[*n]);
        last = (struct position){rows[*n].created_at, query_col_int(q, 10)};
        (*n)++;
    }
    return query_result(q, fail);
}

enum pke_err ledger_token_list(struct ledger_reader *r, const char *tenant, const char *principal,
                               const char *cursor, unsigned limit, struct pke_arena *arena,
                               struct ledger_token **rows, size_t *n, const char **next,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&r->store, READER_TOKENS);
    struct position from = {INT64_MAX, INT64_MAX};

    if (limit < 1 || limit > READER_LIMIT_MAX)
        return pke_fail_set(fail, PKE_MALFORMED, "list-limit", READER_RULE_LIST, "limit is 1 to %d",
                            READER_LIMIT_MAX);
    if (cursor && !position_decode(cursor, &from))
        return pke_fail_set(fail, PKE_MALFORMED, "list-cursor", READER_RULE_LIST,
                            "the cursor is not one of ours");
    query_text(&q, principal);
    query_int(&q, from.received_at);
    query_int(&q, from.id);
    query_int(&q, (int64_t)limit + 1);
    query_text(&q, tenant);
    *rows = pke_arena_alloc(arena, limit * sizeof **rows);
    return load(&q, limit, arena, *rows, n, next, fail);
}
