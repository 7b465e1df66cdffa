/* SPDX-License-Identifier: Apache-2.0 */
/* What the issuer asks before it decides. */
#include "base/mem.h"
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
        .state = query_col_text(&q, 1, arena),
        .ent_dmid = query_col_text(&q, 2, arena),
        .subject = query_col_text(&q, 3, arena),
        .serial_hex = query_col_hex(&q, 4, arena),
        .principal = query_col_text(&q, 5, arena),
        .certificate = query_col_bytes(&q, 6, arena),
        .issued_at = query_col_int(&q, 7),
    };
    return PKE_OK;
}

/* Two strings of the newest live certificate found by a key, its tenant and the time. */
static enum pke_err live(struct query *q, const char *tenant, int64_t now, struct pke_arena *arena,
                         const char *ret[2], struct pke_fail *fail)
{
    enum pke_err err;

    query_text(q, tenant);
    query_int(q, now);
    err = first(q, "live certificate of this kind", fail);
    if (err != PKE_OK)
        return err;
    ret[0] = query_col_text(q, 0, arena);
    ret[1] = query_col_text(q, 1, arena);
    return PKE_OK;
}

enum pke_err ledger_find_spki(struct ledger *l, const char *tenant, struct pke_bytes spki_sha256, int64_t now,
                              struct pke_arena *arena, const char **device_id, const char **principal,
                              struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_SPKI);
    const char *found[2] = {NULL, NULL};
    enum pke_err err;

    query_blob(&q, spki_sha256);
    err = live(&q, tenant, now, arena, found, fail);
    *device_id = found[0];
    *principal = found[1];
    return err;
}

enum pke_err ledger_find_device(struct ledger *l, const char *tenant, const char *device_id, int64_t now,
                                struct pke_arena *arena, const char **principal, const char **ent_dmid,
                                struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_DEVICE);
    const char *found[2] = {NULL, NULL};
    enum pke_err err;

    query_text(&q, device_id);
    err = live(&q, tenant, now, arena, found, fail);
    *principal = found[0];
    *ent_dmid = found[1];
    return err;
}
