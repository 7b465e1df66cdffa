/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of a file that an older program wrote (tests/data/ledger/make_schema1.c). */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>

#include "ledger/reader.h"
#include "ledger/writer.h"

#define NOW (T0 / 1000)

/* The fixture's ledger is replaced by the old file, not opened yet. */
static void put_old(struct fixture *f)
{
    const char *top = getenv("top_srcdir");
    PKE_CLEANUP(pke_free_p)
    char *command =
        pke_asprintf("cp '%s/tests/data/ledger/schema1.db' '%s' && chmod 600 '%s' && rm -f '%s-wal' "
                     "'%s-shm'",
                     top ? top : ".", f->path, f->path, f->path, f->path);

    shut(f);
    assert_int_equal(system(command), 0);
}

static void open_both(struct fixture *f)
{
    if (ledger_open(f->path, &f->l, &f->fail) != PKE_OK ||
        ledger_reader_open(f->path, &f->r, &f->fail) != PKE_OK)
        fail_msg("%s: %s", f->fail.reason, f->fail.text);
}

static int64_t number(const char *path, const char *query)
{
    sqlite3_stmt *st;
    sqlite3 *db;
    int64_t ret;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return ret;
}

/* Every object of the schema with its text, in the order of names. */
static const char *schema_of(struct fixture *f)
{
    const char *ret = "";
    sqlite3_stmt *st;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name",
                                        -1, &st, NULL),
                     SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        ret = pke_arena_printf(f->arena, "%s%s: %s\n", ret, (const char *)sqlite3_column_text(st, 0),
                               (const char *)sqlite3_column_text(st, 1));
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return ret;
}

static void test_a_converted_file_is_as_a_new_one(void **state)
{
    struct fixture *f = *state;
    const char *made = schema_of(f);

    put_old(f);
    assert_string_not_equal(schema_of(f), made);
    open_both(f);
    assert_string_equal(schema_of(f), made);
    assert_int_equal(number(f->path, "PRAGMA user_version"), 5);
    assert_int_equal(number(f->path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    shut(f);
    open_both(f); /* and once only */
    assert_string_equal(schema_of(f), made);
    assert_int_equal(number(f->path, "SELECT count(*) FROM device"), 2);
}

static void test_reader_waits_for_the_conversion(void **state)
{
    struct fixture *f = *state;

    put_old(f);
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_STORE_DOWN); /* it will pass */
    assert_string_equal(f->fail.reason, "ledger-schema");
    open_both(f);
}

static void test_devices_follow_the_old_certificates(void **state)
{
    struct fixture *f = *state;
    struct ledger_owner owner = {.tenant = "default", .principal = "ada@corp.example"};
    struct ledger_device d;
    unsigned n;

    put_old(f);
    open_both(f);
    assert_int_equal(
        ledger_find_device(f->l, "default", "Contoso", "dev-a", NULL, NOW, f->arena, &d, &f->fail), PKE_OK);
    assert_string_equal(d.provider, "");
    assert_string_equal(d.principal, "eve@corp.example");
    assert_null(d.user_id);
    assert_string_equal(d.enrollment_type, "Full");
    assert_string_equal(d.ent_dmid, "11111111-2222-4333-8444-555555555555");
    assert_string_equal(d.device_name, "PC");
    assert_string_equal(d.hwdev_id, "HW");
    assert_int_equal(d.first_at, T0 + 51);
    assert_int_equal(d.last_at, T0 + 53);
    assert_true(d.live);
    assert_int_equal(ledger_find_device(f->l, "default", "", "dev-B", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_OK);
    assert_string_equal(d.principal, "bob@corp.example");
    assert_int_equal(ledger_find_device(f->l, "default", "", "dev-20", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_count_devices(f->l, &owner, NOW, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1); /* dev-24, on its way; dev-A is eve's */
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 100, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ledger_count_devices(f->l, &owner, NOW, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 0);
}

static void test_old_rows_are_told_as_before(void **state)
{
    struct fixture *f = *state;
    struct ledger_certificate c;
    struct ledger_token token;
    struct ledger_row row;
    const uint8_t hash[32] = {1, 2, 3};
    uint8_t sha256[32];
    struct sample s;

    put_old(f);
    open_both(f);
    assert_audit_whole(f, 15); /* token, 4 issued, failed, refused, abandoned, one under way */
    sample(&s, 2);
    assert_int_equal(EVP_Digest(s.der, s.der_n, sha256, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(ledger_find_certificate(f->l, sha256, f->arena, &c, &f->fail), PKE_OK);
    assert_string_equal(c.principal, "bob@corp.example");
    assert_string_equal(c.provider, "");
    assert_string_equal(c.template_name, "device"); /* of its request: the certificate did not say */
    assert_string_equal(c.enrollment_type, "Full");
    assert_null(c.user_id);
    assert_int_equal(c.names.n, 1); /* of a row that had no list */
    assert_string_equal(pke_pairs_get(&c.names, "CN"), c.subject);
    assert_int_equal(c.attributes.n, 0);
    assert_int_equal(c.confirmed_at + c.superseded_at + c.revoked_at, 0);
    assert_true(pke_bytes_eq(c.der, der_of(&s)));
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "issued");
    assert_int_equal(row.context.n, 2);
    assert_int_equal(ledger_find_token(f->l, hash, f->arena, &token, &f->fail), PKE_OK);
    assert_int_equal(token.used, 1);
}

static void test_work_goes_on_after_the_conversion(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    uint8_t sha256[32];
    struct sample old, s;
    unsigned n;

    put_old(f);
    open_both(f);
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 100, &n, &f->fail), PKE_OK);
    sample(&old, 2);
    assert_int_equal(EVP_Digest(old.der, old.der_n, sha256, NULL, EVP_sha256(), NULL), 1);
    sample(&s, 40);
    s.in.request.principal = "bob@corp.example";
    s.in.request.provider = "Contoso";
    s.in.request.device_id = "DEV-B";
    s.in.renews_sha256 = PKE_BYTES(sha256, sizeof sha256);
    do_issue(f, &s);
    assert_int_equal(
        ledger_find_device(f->l, "default", "Contoso", "dev-b", NULL, NOW, f->arena, &d, &f->fail), PKE_OK);
    assert_string_equal(d.provider, "Contoso"); /* adopted */
    assert_int_equal(d.first_at, T0 + 52);
    assert_int_equal(EVP_Digest(s.der, s.der_n, sha256, NULL, EVP_sha256(), NULL), 1);
    begin(f);
    assert_int_equal(ledger_confirm(f->l, sha256, "issuer", T0 + 500, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(number(f->path, "SELECT count(*) FROM certificate WHERE superseded_at <> 0"), 1);
    assert_audit_whole(f, 21);
}

/* What schema 5 added is taken out again. */
static void back_to_4(const char *path)
{
    sql(path, "DROP TABLE sink_event");
    sql(path, "DROP TABLE sink");
    sql(path, "DROP TABLE expiry");
    sql(path, "PRAGMA user_version=4");
}

/* What schema 4 added, too. */
static void back_to_3(const char *path)
{
    back_to_4(path);
    sql(path, "DROP TABLE revocation");
    sql(path, "DELETE FROM counter WHERE state IN ('revoked','held')");
    sql(path, "DROP TABLE crl");
    sql(path, "DROP TABLE crl_carried");
    sql(path, "DROP TABLE rollover");
    sql(path, "DROP INDEX certificate_issuer_life");
    sql(path, "ALTER TABLE certificate DROP COLUMN names");
    sql(path, "ALTER TABLE request DROP COLUMN explanation");
    sql(path, "PRAGMA user_version=3");
}

/* A file of a step before: what it lacks is made again, and what it holds stays. */
static void test_from_schema_2_to_4(void **state)
{
    struct fixture *f = *state;
    const char *made = schema_of(f);

    for (int from = 2; from <= 4; from++) {
        shut(f);
        if (from == 4)
            back_to_4(f->path);
        else
            back_to_3(f->path);
        if (from == 2) {
            sql(f->path, "DROP TABLE ticket");
            sql(f->path, "PRAGMA user_version=2");
        }
        open_both(f);
        assert_string_equal(schema_of(f), made);
        assert_int_equal(number(f->path, "PRAGMA user_version"), 5);
    }
}

/* Whatever stops the conversion leaves a file that the older program still takes. */
static void test_a_failed_conversion_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *before;

    put_old(f);
    sql(f->path, "CREATE TABLE admission (x)"); /* the last table of the step is in the way */
    before = schema_of(f);
    assert_int_not_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_null(f->l);
    assert_string_equal(schema_of(f), before);
    assert_int_equal(number(f->path, "PRAGMA user_version"), 1);
    sql(f->path, "DROP TABLE admission");
    open_both(f);
    assert_audit_whole(f, 15);
}

/* A look-up costs the same at a million rows: each step of each plan finds its rows by an index. */
static void test_no_lookup_walks_a_table(void **state)
{
    static const char *const statements[] = {
#define X(name, sql) sql,
        WRITER_STATEMENTS(X) READER_STATEMENTS(X)
#undef X
    };
    static const char *const whole[] = {
        "FROM audit ORDER",
        "SELECT count(*) FROM certificate",
        "SELECT count(*) FROM revocation",
        "FROM counter",
        "FROM token t WHERE (?1 IS NULL",
        "FROM rollover WHERE cancelled_at",
        "FROM certificate GROUP BY issuer_id"}; /* meant to walk: verify, listings, the few rows of issuers */
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(statements); i++) {
        PKE_CLEANUP(pke_free_p) char *explain = pke_asprintf("EXPLAIN QUERY PLAN %s", statements[i]);
        PKE_CLEANUP(query_done) struct query q = query_adhoc(&f->l->store, explain);

        bool walks = false;

        for (size_t k = 0; k < PKE_LEN(whole); k++)
            walks = walks || strstr(statements[i], whole[k]);
        while (query_row(&q) && !walks) {
            const char *step = query_col_text(&q, 3, f->arena);
            if (strncmp(step, "SCAN ", 5) == 0 && !strstr(step, "SCAN (subquery") &&
                !strstr(step, "CONSTANT ROW"))
                fail_msg("%s: %s", statements[i], step);
        }
        assert_int_equal(query_result(&q, &f->fail), PKE_OK);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_converted_file_is_as_a_new_one),    T(test_reader_waits_for_the_conversion),
        T(test_devices_follow_the_old_certificates), T(test_old_rows_are_told_as_before),
        T(test_work_goes_on_after_the_conversion),   T(test_from_schema_2_to_4),
        T(test_a_failed_conversion_changes_nothing), T(test_no_lookup_walks_a_table),
    };

    return cmocka_run_group_tests_name("ledger_schema", tests, NULL, NULL);
}
