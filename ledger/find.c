/* SPDX-License-Identifier: Apache-2.0 */
/* What the issuer asks before it decides. */
#include "base/mem.h"
#include "ledger/pack.h"
#include "ledger/writer.h"

/* First row, or PKE_NOT_FOUND. */
static enum pke_err first(struct query *q, const char *what, struct pke_fail *fail)
{
    enum pke_err err;

    if (query_row(q))
        return PKE_OK;
    err = query_result(q, fail);
    return err != PKE_OK ? err
                         : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", STORE_RULE_REQUEST,
                                        "the ledger has no %s", what);
}

enum pke_err ledger_find_key(struct ledger *l, const uint8_t key[LEDGER_KEY_SIZE], struct pke_arena *arena,
                             struct ledger_hit *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_KEY);
    enum pke_err err;

    query_blob(&q, PKE_BYTES(key, LEDGER_KEY_SIZE));
    err = first(&q, "request with this idempotency key", fail);
    if (err != PKE_OK)
        return err;
    *ret = (struct ledger_hit){
        .request_id = query_col_text(&q, 0, arena),
        .ent_dmid = query_col_text(&q, 1, arena),
        .subject = query_col_text(&q, 2, arena),
        .serial_hex = query_col_hex(&q, 3, arena),
        .principal = query_col_text(&q, 4, arena),
        .certificate = query_col_bytes(&q, 5, arena),
        .issued_at = query_col_int(&q, 6),
        .superseded_at = query_col_int(&q, 7),
        .revoked_at = query_col_int(&q, 8),
        .not_after = query_col_int(&q, 9),
        .issuer_id = query_col_bytes(&q, 10, arena),
    };
    return PKE_OK;
}

enum pke_err ledger_find_spki(struct ledger *l, const char *tenant, struct pke_bytes spki_sha256, int64_t now,
                              struct pke_arena *arena, const char **device_id, const char **principal,
                              const char **user_id, bool *revoked, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_SPKI);
    enum pke_err err;

    query_blob(&q, spki_sha256);
    query_text(&q, tenant);
    query_int(&q, now);
    err = first(&q, "certificate of this key", fail);
    if (err != PKE_OK)
        return err;
    *device_id = query_col_text(&q, 0, arena);
    *principal = query_col_text(&q, 1, arena);
    *user_id = query_col_text(&q, 2, arena);
    *revoked = query_col_int(&q, 3) != 0;
    return PKE_OK;
}

enum pke_err ledger_key_compromised(struct ledger *l, struct pke_bytes spki_sha256, bool *ret,
                                    struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_KEY_COMPROMISED);

    query_blob(&q, spki_sha256);
    *ret = query_row(&q);
    return *ret ? PKE_OK : query_result(&q, fail);
}

enum pke_err ledger_find_certificate(struct ledger *l, const uint8_t sha256[32], struct pke_arena *arena,
                                     struct ledger_certificate *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_CERTIFICATE);
    enum pke_err err;

    query_blob(&q, PKE_BYTES(sha256, STORE_DIGEST));
    err = first(&q, "certificate with this thumbprint", fail);
    if (err != PKE_OK)
        return err;
    *ret = (struct ledger_certificate){
        .request_id = query_col_text(&q, 0, arena),
        .serial_hex = query_col_hex(&q, 1, arena),
        .tenant = query_col_text(&q, 2, arena),
        .provider = query_col_text(&q, 3, arena),
        .principal = query_col_text(&q, 4, arena),
        .user_id = query_col_text(&q, 5, arena),
        .template_name = query_col_text(&q, 6, arena),
        .device_id = query_col_text(&q, 7, arena),
        .enrollment_type = query_col_text(&q, 8, arena),
        .subject = query_col_text(&q, 9, arena),
        .ent_dmid = query_col_text(&q, 11, arena),
        .der = query_col_bytes(&q, 12, arena),
        .issuer_id = query_col_bytes(&q, 13, arena),
        .not_before = query_col_int(&q, 15),
        .not_after = query_col_int(&q, 16),
        .issued_at = query_col_int(&q, 17),
        .confirmed_at = query_col_int(&q, 18),
        .superseded_at = query_col_int(&q, 19),
        .revoked_at = query_col_int(&q, 20),
        .released_at = query_col_int(&q, 21),
    };
    if (!unpack_pairs(query_col_borrow(&q, 14), arena, &ret->attributes) ||
        !unpack_pairs(query_col_borrow(&q, 22), arena, &ret->names))
        return store_error(&l->store, SQLITE_CORRUPT, fail);
    pack_old_names(&ret->names, arena, ret->subject, query_col_text(&q, 10, arena));
    return PKE_OK;
}

enum pke_err ledger_count_tenant(struct ledger *l, const char *tenant, int64_t now, uint64_t *certificates,
                                 uint64_t *devices, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_COUNT_TENANT);

    query_text(&q, tenant);
    query_int(&q, now);
    if (query_row(&q)) {
        *certificates = (uint64_t)query_col_int(&q, 0);
        *devices = (uint64_t)query_col_int(&q, 1);
    }
    return query_result(&q, fail);
}
