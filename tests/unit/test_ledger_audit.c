/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_audit_verify(): every way to tamper with the record is found. */
#include "tests/unit/ledger_fixture.h"

#include "ledger/audit.h"

/* ---- the audit chain against tampering ---- */

static void tampered(struct fixture *f, const char *text, uint64_t first_bad)
{
    struct ledger_verdict v;

    shut(f);
    sql(f->path, text);
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    assert_int_equal(ledger_audit_verify(f->r, &v, &f->fail), PKE_OK);
    assert_non_null(v.problem);
    assert_int_equal(v.first_bad, first_bad);
}

static int set_up_chain(void **state)
{
    struct fixture *f;

    set_up(state);
    f = *state;
    for (unsigned i = 0; i < 4; i++) {
        struct sample s;

        sample(&s, 300 + i);
        do_issue(f, &s);
    }
    begin(f);
    assert_int_equal(
        ledger_audit(f->l, "user-added", "uid=0 role=admin", NULL, "{\"user\":\"ada\"}", T0, &f->fail),
        PKE_OK);
    assert_int_equal(ledger_audit(f->l, "stop", NULL, "", "", T0, &f->fail), PKE_OK); /* NULL and "" differ */
    commit(f);
    assert_audit_whole(f, 10);
    return 0;
}

#define TAMPER(name, text, first_bad)      \
    static void name(void **state)         \
    {                                      \
        tampered(*state, text, first_bad); \
    }

TAMPER(test_audit_changed_actor, "UPDATE audit SET actor = 'eve' WHERE seq = 9", 9)
TAMPER(test_audit_changed_time, "UPDATE audit SET at = at + 1 WHERE seq = 1", 1)
TAMPER(test_audit_changed_null, "UPDATE audit SET actor = '' WHERE seq = 10", 10)
TAMPER(test_audit_changed_hash, "UPDATE audit SET hash = zeroblob(32) WHERE seq = 3", 3)
TAMPER(test_audit_deleted, "DELETE FROM audit WHERE seq = 5", 5)
TAMPER(test_audit_deleted_and_closed,
       "DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5;"
       "UPDATE meta SET value = 9 WHERE name = 'audit-seq'",
       5)
TAMPER(test_audit_swapped,
       "UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
       "UPDATE audit SET seq = 4 WHERE seq = 99",
       3)
TAMPER(test_audit_truncated, "DELETE FROM audit WHERE seq > 8", 9)
TAMPER(test_audit_emptied, "DELETE FROM audit", 1)
TAMPER(test_audit_field_moved, "UPDATE audit SET actor = NULL, request_id = actor WHERE seq = 9", 9)
TAMPER(test_audit_certificate_changed, "UPDATE certificate SET der = zeroblob(length(der)) WHERE request = 2",
       4)
TAMPER(test_audit_certificate_removed,
       "UPDATE certificate SET der = NULL, sha1 = NULL, sha256 = NULL WHERE request = 3", 6)
TAMPER(
    test_audit_certificate_slipped_in,
    "INSERT INTO request (request_id, state, received_at, finished_at, idempotency_key)"
    " VALUES ('x', 'issued', 1, 1, zeroblob(32));"
    "INSERT INTO certificate (request, issuer_id, serial, tbs, spki_sha256, subject, ent_dmid, not_before,"
    " not_after, tenant, principal, device_id, der, sha1, sha256) SELECT last_insert_rowid(), issuer_id, "
    "x'77', tbs, spki_sha256, subject, "
    "ent_dmid,"
    " not_before, not_after, tenant, principal, device_id, der, sha1, zeroblob(32) FROM certificate LIMIT 1",
    0)

/* Someone who knows the algorithm changes a row together with its hash: the next row tells. */
static void test_audit_row_rewritten_with_its_hash(void **state)
{
    struct fixture *f = *state;
    struct audit_row row = {.at = T0, .event = "user-added", .actor = "eve", .detail = "{}"};
    uint8_t prev[STORE_DIGEST], hash[STORE_DIGEST];
    char hex[2 * STORE_DIGEST + 1];
    struct query q = query_adhoc(&f->l->store, "SELECT hash FROM audit WHERE seq = 8");

    assert_true(query_row(&q));
    memcpy(prev, query_col_borrow(&q, 0).p, sizeof prev);
    query_done(&q);
    row.seq = 9;
    audit_hash(&row, PKE_BYTES(prev, sizeof prev), hash);
    pke_hex(PKE_BYTES(hash, sizeof hash), false, hex);
    tampered(f,
             pke_arena_printf(
                 f->arena, "UPDATE audit SET actor = 'eve', detail = '{}', hash = x'%s' WHERE seq = 9", hex),
             10);
}

/* doc/ledger.md gives the bytes to whoever wants to check without us: this is that description, by hand. */
static void test_audit_hash_is_as_documented(void **state)
{
    static const char bytes[] = "pkienrolld-audit-1"
                                "\0\0\0\0\0\0\0\1"
                                "\0\0\0\0\0\0\0\2"
                                "\0\0\0\3end"
                                "\0\0\0\0"
                                "\xff\xff\xff\xff"
                                "\0\0\0\2\x01\x02"
                                "\xff\xff\xff\xff"
                                "\0\0\0\2{}"
                                "PREV";
    struct audit_row row = {
        .seq = 1, .at = 2, .event = "end", .actor = "", .serial = PKE_BYTES("\1\2", 2), .detail = "{}"};
    uint8_t want[STORE_DIGEST], got[STORE_DIGEST];

    (void)state;
    audit_sha256(PKE_BYTES(bytes, sizeof bytes - 1), want);
    audit_hash(&row, PKE_BYTES("PREV", 4), got);
    assert_memory_equal(want, got, sizeof want);
}

#define C(fn) cmocka_unit_test_setup_teardown(fn, set_up_chain, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        C(test_audit_changed_actor),
        C(test_audit_changed_time),
        C(test_audit_changed_null),
        C(test_audit_changed_hash),
        C(test_audit_deleted),
        C(test_audit_deleted_and_closed),
        C(test_audit_swapped),
        C(test_audit_truncated),
        C(test_audit_emptied),
        C(test_audit_field_moved),
        C(test_audit_certificate_changed),
        C(test_audit_certificate_removed),
        C(test_audit_certificate_slipped_in),
        C(test_audit_row_rewritten_with_its_hash),
        C(test_audit_hash_is_as_documented),
    };

    return cmocka_run_group_tests_name("ledger_audit", tests, NULL, NULL);
}
