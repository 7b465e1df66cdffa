/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/: life of a request, groups and savepoints, look-ups, listings, audit chain, open and refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/pack.h"
#include "ledger/read.h"
#include "ledger/writer.h"

#define T0 1700000000000 /* ms */

/* One private directory, one ledger, one arena per test. */
struct fixture {
    char dir[64], path[96];
    struct ledger *l;
    struct ledger_reader *r;
    struct pke_arena *arena;
    struct pke_fail fail;
};

static int set_up(void **state)
{
    struct fixture *f = pke_calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/pke-ledger-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/l.db", f->dir);
    f->arena = pke_arena_new();
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    DIR *d;

    ledger_reader_close(f->r);
    ledger_close(f->l);
    pke_arena_free(f->arena);
    d = opendir(f->dir);
    for (struct dirent *e; (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* An attempt whose names, key, serial, SPKI and TBS all follow from @p n. */
struct sample {
    char request_id[PKE_UUID_LEN + 1], device[40];
    uint8_t serial[16], issuer[20], spki[32], tbs[300], der[340];
    size_t der_n;
    struct pke_pair context[2];
    struct ledger_intent in;
};

static void sample(struct sample *s, unsigned n)
{
    memset(s, 0, sizeof *s);
    snprintf(s->request_id, sizeof s->request_id, "%08x-0000-4000-8000-000000000000", n);
    snprintf(s->device, sizeof s->device, "dev-%u", n);
    memset(s->tbs, (int)(n & 0xff), sizeof s->tbs);
    memcpy(s->tbs, &n, sizeof n);
    s->serial[0] = 0x41;
    memcpy(s->serial + 12, &n, sizeof n);
    memset(s->issuer, 7, sizeof s->issuer);
    memcpy(s->spki, &n, sizeof n);
    s->der[0] = 0x30;
    s->der[1] = 0x82;
    s->der[2] = 0x01;
    s->der[3] = 0x4c;
    memcpy(s->der + 4, s->tbs, sizeof s->tbs);
    s->der_n = 4 + sizeof s->tbs + 32;
    s->context[0] = (struct pke_pair){"DeviceName", "Ada's \"PC\"\xc3\xa9"};
    s->context[1] = (struct pke_pair){"Empty", ""};
    s->in = (struct ledger_intent){
        .request = {.request_id = s->request_id,
                    .tenant = "default",
                    .principal = "ada@corp.example",
                    .credential = "username",
                    .endpoint = "enroll",
                    .template_name = "device",
                    .operation = "issue",
                    .stage = "enroll",
                    .device_id = s->device,
                    .enrollment_type = "Full",
                    .device_name = "PC",
                    .hwdev_id = "HW",
                    .source = "192.0.2.1",
                    .context = {s->context, 2},
                    .request = PKE_BYTES("csr", 3),
                    .at = T0 + n},
        .issuer_id = PKE_BYTES(s->issuer, sizeof s->issuer),
        .serial = PKE_BYTES(s->serial, sizeof s->serial),
        .tbs = PKE_BYTES(s->tbs, sizeof s->tbs),
        .spki_sha256 = PKE_BYTES(s->spki, sizeof s->spki),
        .subject = "CN=ada@corp.example",
        .ent_dmid = "11111111-2222-4333-8444-555555555555",
        .not_before = T0 / 1000 - 600,
        .not_after = T0 / 1000 + 86400,
    };
    memcpy(s->in.idempotency_key, &n, sizeof n);
}

static struct pke_bytes der_of(const struct sample *s)
{
    return PKE_BYTES(s->der, s->der_n);
}

static void begin(struct fixture *f)
{
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
}

static void commit(struct fixture *f)
{
    assert_int_equal(ledger_commit(f->l, &f->fail), PKE_OK);
}

static void do_intent(struct fixture *f, struct sample *s)
{
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s->in, &f->fail), PKE_OK);
    commit(f);
}

static void do_issue(struct fixture *f, struct sample *s)
{
    do_intent(f, s);
    begin(f);
    assert_int_equal(ledger_issued(f->l, s->request_id, der_of(s), s->in.request.at + 50, &f->fail), PKE_OK);
    commit(f);
}

static void assert_audit_whole(struct fixture *f, uint64_t rows)
{
    struct ledger_verdict v;

    assert_int_equal(ledger_audit_verify(f->r, &v, &f->fail), PKE_OK);
    assert_null(v.problem);
    assert_int_equal(v.first_bad, 0);
    assert_int_equal(v.rows, rows);
    assert_int_equal(v.head_seq, rows);
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_life_of_an_issued_request(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct ledger_hit hit;
    struct sample s;

    sample(&s, 5);
    do_intent(f, &s);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_string_equal(hit.state, "intent");
    assert_int_equal(hit.certificate.n, 0);
    assert_int_equal(ledger_request_show(f->r, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "intent");
    assert_int_equal(row.finished_at, 0);
    assert_null(row.sha1);

    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 99, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_string_equal(hit.state, "issued");
    assert_string_equal(hit.request_id, s.request_id);
    assert_string_equal(hit.principal, "ada@corp.example");
    assert_string_equal(hit.subject, "CN=ada@corp.example");
    assert_string_equal(hit.ent_dmid, s.in.ent_dmid);
    assert_string_equal(hit.serial_hex, "41000000000000000000000005000000");
    assert_true(pke_bytes_eq(hit.certificate, der_of(&s)));
    assert_int_equal(hit.issued_at, T0 + 99);
    assert_audit_whole(f, 2);
}

static void test_row_gives_back_what_was_recorded(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample s;

    sample(&s, 6);
    do_issue(f, &s);
    assert_int_equal(ledger_request_show(f->r, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.request_id, s.request_id);
    assert_string_equal(row.state, "issued");
    assert_string_equal(row.tenant, "default");
    assert_string_equal(row.principal, "ada@corp.example");
    assert_string_equal(row.credential, "username");
    assert_string_equal(row.endpoint, "enroll");
    assert_string_equal(row.template_name, "device");
    assert_string_equal(row.operation, "issue");
    assert_string_equal(row.stage, "enroll");
    assert_string_equal(row.device_id, s.device);
    assert_string_equal(row.enrollment_type, "Full");
    assert_string_equal(row.device_name, "PC");
    assert_string_equal(row.hwdev_id, "HW");
    assert_string_equal(row.source, "192.0.2.1");
    assert_string_equal(row.ent_dmid, s.in.ent_dmid);
    assert_int_equal(row.context.n, 2);
    assert_string_equal(row.context.v[0].name, "DeviceName");
    assert_string_equal(row.context.v[0].value, s.context[0].value);
    assert_string_equal(row.context.v[1].value, "");
    assert_int_equal(row.fail.err, PKE_OK);
    assert_int_equal(row.received_at, T0 + 6);
    assert_int_equal(row.finished_at, T0 + 56);
    assert_string_equal(row.subject, "CN=ada@corp.example");
    assert_string_equal(row.issuer_id, "0707070707070707070707070707070707070707");
    assert_int_equal(strlen(row.sha1), 40);
    assert_int_equal(strlen(row.sha256), 64);
    assert_int_equal(strlen(row.spki_sha256), 64);
    assert_int_equal(row.not_before, T0 / 1000 - 600);
    assert_int_equal(row.not_after, T0 / 1000 + 86400);
    assert_true(pke_bytes_eq(row.certificate, der_of(&s)));
    assert_true(pke_bytes_eq_str(row.request, "csr"));
    assert_int_equal(ledger_request_show(f->r, "nobody", f->arena, &row, &f->fail), PKE_NOT_FOUND);
}

static void test_refusal_is_found_by_its_trace_id(void **state)
{
    struct fixture *f = *state;
    struct ledger_request req = {.request_id = "0f0e0d0c-0000-4000-8000-000000000000", .at = T0};
    struct pke_fail why, got;
    struct ledger_row row;

    pke_fail_set(&why, PKE_KEY_WEAK, "key-roca", "reliability \"14\"\\", "the key is weak");
    begin(f);
    assert_int_equal(ledger_refused(f->l, &req, &why, &f->fail), PKE_OK);
    assert_int_equal(ledger_refused(f->l, &req, &why, &got), PKE_EXISTS);
    assert_string_equal(got.reason, "request-id-exists");
    commit(f);
    assert_int_equal(
        ledger_request_show(f->r, "0F0E0D0C-0000-4000-8000-000000000000", f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "refused");
    assert_null(row.principal);
    assert_null(row.serial);
    assert_int_equal(row.context.n, 0);
    assert_int_equal(row.finished_at, T0);
    assert_int_equal(row.fail.err, PKE_KEY_WEAK);
    assert_string_equal(row.fail.reason, why.reason);
    assert_string_equal(row.fail.rule, why.rule);
    assert_string_equal(row.fail.text, why.text);
    assert_audit_whole(f, 1);
}

static void test_failure_frees_the_slot(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why, got;
    struct ledger_hit hit;
    struct ledger_row row;
    struct sample s, again;

    sample(&s, 7);
    do_intent(f, &s);
    sample(&again, 8);
    memcpy(again.in.idempotency_key, s.in.idempotency_key, LEDGER_KEY_SIZE);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &again.in, &got), PKE_EXISTS);
    assert_string_equal(got.reason, "idempotency-slot");
    pke_fail_set(&why, PKE_KEY_DOWN, "key-down", "keys", "the token was removed");
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, T0 + 70, &f->fail), PKE_OK);
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, T0 + 70, &got), PKE_NOT_FOUND);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &got), PKE_NOT_FOUND);
    assert_int_equal(ledger_intent(f->l, &again.in, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "failed");
    assert_int_equal(row.fail.err, PKE_KEY_DOWN);
    assert_int_equal(row.finished_at, T0 + 70);
    assert_audit_whole(f, 3);
}

static void test_issued_request_does_not_hold_the_slot(void **state)
{
    struct fixture *f = *state;
    struct ledger_hit hit;
    struct sample s, later;

    sample(&s, 9);
    do_issue(f, &s);
    sample(&later, 10); /* after the retry window: same bytes, new request */
    memcpy(later.in.idempotency_key, s.in.idempotency_key, LEDGER_KEY_SIZE);
    do_intent(f, &later);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_string_equal(hit.request_id, later.request_id);
}

static void test_serial_is_never_given_twice(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why, got;
    struct sample s, twin;

    sample(&s, 11);
    do_intent(f, &s);
    pke_fail_set(&why, PKE_DEADLINE, "late", "deadline", "too late");
    begin(f);
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, T0, &f->fail), PKE_OK);
    commit(f);
    sample(&twin, 12); /* a serial stays taken although its request failed */
    memcpy(twin.serial, s.serial, sizeof twin.serial);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &twin.in, &got), PKE_INTERNAL);
    assert_string_equal(got.reason, "serial-exists");
    twin.issuer[0]++; /* another issuer may use it */
    assert_int_equal(ledger_intent(f->l, &twin.in, &f->fail), PKE_OK);
    commit(f);
    sample(&twin, 13);
    memcpy(twin.request_id, s.request_id, sizeof twin.request_id);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &twin.in, &got), PKE_INTERNAL);
    assert_string_equal(got.reason, "request-id-exists");
    commit(f);
    assert_audit_whole(f, 3);
}

static void test_one_failing_change_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    struct sample a, bad, b;
    struct ledger_row row;

    sample(&a, 20);
    sample(&bad, 21);
    sample(&b, 22);
    memcpy(bad.serial, a.serial, sizeof a.serial);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &a.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_intent(f->l, &bad.in, &f->fail), PKE_INTERNAL); /* its request row was inserted */
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, bad.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_request_show(f->r, b.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_audit_whole(f, 2);
}

static void test_rollback_takes_the_whole_group(void **state)
{
    struct fixture *f = *state;
    struct ledger_counts counts;
    struct sample a;

    sample(&a, 23);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &a.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_audit(f->l, "start", "main", NULL, NULL, T0, &f->fail), PKE_OK);
    ledger_rollback(f->l);
    ledger_rollback(f->l);
    assert_int_equal(ledger_counts(f->r, &counts, &f->fail), PKE_OK);
    assert_int_equal(counts.intent, 0);
    assert_int_equal(counts.audit, 0);
    do_intent(f, &a);
    assert_audit_whole(f, 1);
}

static void test_groups_are_asked_for_in_order(void **state)
{
    struct fixture *f = *state;
    struct sample a;

    sample(&a, 24);
    assert_int_equal(ledger_commit(f->l, &f->fail), PKE_INTERNAL);
    assert_int_equal(ledger_intent(f->l, &a.in, &f->fail), PKE_INTERNAL);
    assert_int_equal(ledger_clock(f->l, T0, &f->fail), PKE_INTERNAL);
    begin(f);
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_INTERNAL);
    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_INTERNAL);
    commit(f);
    assert_false(ledger_broken(f->l));
}

static void test_only_the_intended_certificate_is_recorded(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    sample(&s, 25);
    do_intent(f, &s);
    begin(f);
    s.der[100] ^= 1;
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_INTERNAL);
    assert_string_equal(f->fail.reason, "certificate-not-intended");
    assert_int_equal(ledger_issued(f->l, s.request_id, PKE_BYTES(s.der, 4), T0, &f->fail), PKE_INTERNAL);
    assert_int_equal(ledger_issued(f->l, s.request_id, PKE_BYTES(NULL, 0), T0, &f->fail), PKE_INTERNAL);
    s.der[100] ^= 1;
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_OK);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_issued(f->l, "nobody", der_of(&s), T0, &f->fail), PKE_NOT_FOUND);
    commit(f);
    assert_audit_whole(f, 2);
}

static void test_unusable_values_are_refused(void **state)
{
    struct fixture *f = *state;
    PKE_CLEANUP(pke_free_p) char *huge = pke_malloc(2 << 20);
    struct sample s;

    memset(huge, 'x', 2 << 20);
    huge[(2 << 20) - 1] = '\0';
    begin(f);
    sample(&s, 26);
    s.in.serial.n = 0;
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_INTERNAL);
    sample(&s, 26);
    s.serial[0] = 0; /* would not be found again: serials are looked up as numbers */
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_INTERNAL);
    sample(&s, 26);
    s.in.request.principal = NULL;
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_INTERNAL);
    sample(&s, 26);
    s.in.request.device_name = huge;
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_LIMIT);
    sample(&s, 26);
    s.context[0].value = huge;
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_LIMIT);
    assert_int_equal(ledger_audit(f->l, "e", "a", NULL, huge, T0, &f->fail), PKE_LIMIT);
    sample(&s, 26);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    commit(f);
    assert_false(ledger_broken(f->l));
    assert_audit_whole(f, 1);
}

static void test_wall_clock_only_rises(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    int64_t at;

    assert_int_equal(ledger_wall_clock(f->l, &at, &f->fail), PKE_OK);
    assert_int_equal(at, 0);
    sample(&s, 27);
    do_issue(f, &s);
    assert_int_equal(ledger_wall_clock(f->l, &at, &f->fail), PKE_OK);
    assert_int_equal(at, T0 + 27 + 50);
    begin(f);
    assert_int_equal(ledger_clock(f->l, T0, &f->fail), PKE_OK);
    assert_int_equal(ledger_wall_clock(f->l, &at, &f->fail), PKE_OK);
    assert_int_equal(at, T0 + 27 + 50);
    assert_int_equal(ledger_clock(f->l, T0 + 1000, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_wall_clock(f->l, &at, &f->fail), PKE_OK);
    assert_int_equal(at, T0 + 1000);
}

static void test_spki_and_device_of_live_certificates(void **state)
{
    struct fixture *f = *state;
    const char *a, *b;
    struct sample s, newer;
    int64_t now = T0 / 1000;

    sample(&s, 28);
    do_intent(f, &s); /* an intent counts: two under way must not share a key or a device */
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(ledger_find_spki(f->l, "default", s.in.spki_sha256, now, f->arena, &a, &b, &f->fail),
                         PKE_OK);
        assert_string_equal(a, "dev-28");
        assert_string_equal(b, "ada@corp.example");
        assert_int_equal(ledger_find_device(f->l, "default", "DEV-28", now, f->arena, &a, &b, &f->fail),
                         PKE_OK);
        assert_string_equal(a, "ada@corp.example");
        assert_string_equal(b, s.in.ent_dmid);
        if (pass == 0) {
            begin(f);
            assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_OK);
            commit(f);
        }
    }
    assert_int_equal(ledger_find_spki(f->l, "other", s.in.spki_sha256, now, f->arena, &a, &b, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_find_device(f->l, "other", "dev-28", now, f->arena, &a, &b, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_find_device(f->l, "default", "dev-28", now + 86400, f->arena, &a, &b, &f->fail),
                     PKE_OK); /* RFC 5280 4.1.2.5: notAfter is inclusive */
    assert_int_equal(ledger_find_device(f->l, "default", "dev-28", now + 86401, f->arena, &a, &b, &f->fail),
                     PKE_NOT_FOUND);
    sample(&newer, 29);
    newer.in.request.device_id = "dev-28";
    newer.in.request.principal = "eve@corp.example";
    do_issue(f, &newer);
    assert_int_equal(ledger_find_device(f->l, "default", "dev-28", now, f->arena, &a, &b, &f->fail), PKE_OK);
    assert_string_equal(a, "eve@corp.example");
}

static void test_failed_and_abandoned_are_not_live(void **state)
{
    struct fixture *f = *state;
    const char *a, *b;
    struct sample s;
    unsigned n;

    sample(&s, 30);
    do_intent(f, &s);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ledger_find_device(f->l, "default", s.device, T0 / 1000, f->arena, &a, &b, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(
        ledger_find_spki(f->l, "default", s.in.spki_sha256, T0 / 1000, f->arena, &a, &b, &f->fail),
        PKE_NOT_FOUND);
}

static void test_intents_are_abandoned_at_reopen(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct ledger_hit hit;
    struct sample s[3];
    unsigned n;

    for (unsigned i = 0; i < 3; i++) {
        sample(&s[i], 31 + i);
        do_intent(f, &s[i]);
    }
    begin(f);
    assert_int_equal(ledger_issued(f->l, s[0].request_id, der_of(&s[0]), T0, &f->fail), PKE_OK);
    commit(f);
    ledger_close(f->l);
    f->l = NULL;
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 5, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ledger_abandon_intents(f->l, T0 + 5, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 0);
    assert_int_equal(ledger_request_show(f->r, s[1].request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "abandoned");
    assert_int_equal(row.finished_at, T0 + 5);
    assert_string_equal(row.serial, "41000000000000000000000020000000");
    assert_int_equal(ledger_find_key(f->l, s[1].in.idempotency_key, f->arena, &hit, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_find_key(f->l, s[0].in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_audit_whole(f, 6);
}

static void check_cert(struct fixture *f, const char *key, const char *request_id)
{
    struct ledger_row row;
    enum pke_err err = ledger_cert_show(f->r, key, f->arena, &row, &f->fail);

    if (!request_id) {
        assert_int_equal(err, PKE_NOT_FOUND);
        return;
    }
    assert_int_equal(err, PKE_OK);
    assert_string_equal(row.request_id, request_id);
    assert_true(row.certificate.n > 0);
}

/* The text with every byte pair in upper case and separated by @p sep. */
static const char *spaced(struct fixture *f, const char *hex, char sep)
{
    char *out = pke_arena_alloc(f->arena, strlen(hex) * 2), *o = out;

    for (size_t i = 0; hex[i]; i++) {
        if (i && i % 2 == 0)
            *o++ = sep;
        *o++ = hex[i] >= 'a' ? (char)(hex[i] - 32) : hex[i];
    }
    return out;
}

static void test_certificate_by_everything(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample s, under_way;

    sample(&s, 0x0abc);
    do_issue(f, &s);
    sample(&under_way, 35);
    do_intent(f, &under_way);
    assert_int_equal(ledger_request_show(f->r, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    check_cert(f, row.sha256, s.request_id);
    check_cert(f, spaced(f, row.sha256, ':'), s.request_id);
    check_cert(f, row.sha1, s.request_id);
    check_cert(f, spaced(f, row.sha1, ' '), s.request_id);
    check_cert(f, row.serial, s.request_id);
    check_cert(f, spaced(f, row.serial, ':'), s.request_id);
    check_cert(f, pke_arena_printf(f->arena, "000%s", row.serial), s.request_id);
    check_cert(f, "DEV-2748", s.request_id);
    check_cert(f, s.request_id, s.request_id);
    check_cert(f, under_way.device, NULL);
    check_cert(f, under_way.request_id, NULL);
    check_cert(f, "", NULL);
    check_cert(f, "00", NULL);
    check_cert(f, ":", NULL);
    check_cert(f, "no such device", NULL);
    check_cert(f, "0000000000000000000000000000000000000000000000000000000000000000000000000", NULL);
}

static void test_certificate_key_precedence(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample victim, mimic, short_serial, newest;

    sample(&victim, 40);
    do_issue(f, &victim);
    assert_int_equal(ledger_request_show(f->r, victim.request_id, f->arena, &row, &f->fail), PKE_OK);
    sample(&mimic, 41); /* a client names its device like another certificate's serial: the serial wins */
    mimic.in.request.device_id = row.serial;
    do_issue(f, &mimic);
    check_cert(f, row.serial, victim.request_id);
    sample(&short_serial, 42); /* one octet: odd number of digits, leading zeros */
    short_serial.serial[0] = 0x0a;
    short_serial.in.serial.n = 1;
    do_issue(f, &short_serial);
    check_cert(f, "a", short_serial.request_id);
    check_cert(f, "0A", short_serial.request_id);
    check_cert(f, "00:0a", short_serial.request_id);
    sample(&newest, 43); /* a device gives its newest certificate */
    newest.in.request.device_id = "dev-40";
    do_issue(f, &newest);
    check_cert(f, "dev-40", newest.request_id);
}

static size_t page(struct fixture *f, const struct ledger_filter *filter, const char **cursor, unsigned limit,
                   struct ledger_row **rows)
{
    const char *next;
    size_t n;

    assert_int_equal(ledger_list(f->r, filter, *cursor, limit, f->arena, rows, &n, &next, &f->fail), PKE_OK);
    *cursor = next;
    return n;
}

static void test_listing_pages_newest_first(void **state)
{
    struct fixture *f = *state;
    const char *cursor = NULL;
    struct ledger_row *rows;
    struct sample s;
    unsigned seen = 0;

    for (unsigned i = 0; i < 25; i++) {
        sample(&s, 100 + i);
        s.in.request.at = T0 + i / 3; /* several in one millisecond */
        do_issue(f, &s);
    }
    do {
        size_t n = page(f, NULL, &cursor, 7, &rows);

        assert_true(n == 7 || !cursor);
        for (size_t i = 0; i < n; i++, seen++) {
            char want[40];

            snprintf(want, sizeof want, "dev-%u", 124 - seen);
            assert_string_equal(rows[i].device_id, want);
            assert_int_equal(rows[i].certificate.n, 0);
            assert_int_equal(rows[i].request.n, 0);
            assert_int_equal(rows[i].context.n, 2);
        }
        if (seen == 7) { /* one that arrives while we page does not move the page */
            sample(&s, 200);
            do_issue(f, &s);
        }
    } while (cursor);
    assert_int_equal(seen, 25);
    cursor = NULL;
    assert_int_equal(page(f, NULL, &cursor, 26, &rows), 26);
    assert_null(cursor);
}

static size_t count(struct fixture *f, struct ledger_filter filter)
{
    const char *cursor = NULL;
    struct ledger_row *rows;

    return page(f, &filter, &cursor, 500, &rows);
}

static void test_listing_filters(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_DENIED, .reason = "r", .rule = "s", .text = "t"};
    struct ledger_request refused = {.request_id = "refused", .principal = "eve@corp.example", .at = T0};
    struct sample s[4];

    for (unsigned i = 0; i < 4; i++) {
        sample(&s[i], 50 + i);
        s[i].in.request.principal = i % 2 ? "bob@corp.example" : "ada@corp.example";
        s[i].in.request.template_name = i == 3 ? "user" : "device";
        if (i < 3)
            do_issue(f, &s[i]);
        else
            do_intent(f, &s[i]);
    }
    begin(f);
    assert_int_equal(ledger_refused(f->l, &refused, &why, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(count(f, (struct ledger_filter){0}), 5);
    assert_int_equal(count(f, (struct ledger_filter){.state = "issued"}), 3);
    assert_int_equal(count(f, (struct ledger_filter){.state = "refused"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.principal = "ADA@corp.example"}), 2);
    assert_int_equal(count(f, (struct ledger_filter){.device_id = "dev-51"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.template_name = "user"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.certificates_only = true}), 3);
    assert_int_equal(count(f, (struct ledger_filter){.certificates_only = true,
                                                     .principal = "bob@corp.example",
                                                     .template_name = "device"}),
                     1);
    assert_int_equal(count(f, (struct ledger_filter){.state = "refused", .certificates_only = true}), 0);
    assert_int_equal(count(f, (struct ledger_filter){.principal = "x' OR 1 --"}), 0);
}

static void test_listing_refuses_bad_arguments(void **state)
{
    static const char *const cursors[] = {"", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAA!",
                                          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct fixture *f = *state;
    struct ledger_filter unknown = {.state = "lost"};
    struct ledger_row *rows;
    const char *next;
    size_t n;

    for (size_t i = 0; i < PKE_LEN(cursors); i++)
        assert_int_equal(ledger_list(f->r, NULL, cursors[i], 5, f->arena, &rows, &n, &next, &f->fail),
                         PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, NULL, NULL, 0, f->arena, &rows, &n, &next, &f->fail), PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, NULL, NULL, 501, f->arena, &rows, &n, &next, &f->fail), PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, &unknown, NULL, 5, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
}

static void test_counts(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_DENIED, .reason = "r", .rule = "s", .text = "t"};
    struct ledger_request refused = {.request_id = "refused", .at = T0};
    struct ledger_counts c;
    struct sample s;
    unsigned n;

    sample(&s, 60);
    do_issue(f, &s);
    sample(&s, 61);
    do_intent(f, &s);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &n, &f->fail), PKE_OK);
    sample(&s, 62);
    do_intent(f, &s);
    begin(f);
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, T0, &f->fail), PKE_OK);
    assert_int_equal(ledger_refused(f->l, &refused, &why, &f->fail), PKE_OK);
    commit(f);
    sample(&s, 63);
    do_intent(f, &s);
    assert_int_equal(ledger_counts(f->r, &c, &f->fail), PKE_OK);
    assert_int_equal(c.issued, 1);
    assert_int_equal(c.abandoned, 1);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.refused, 1);
    assert_int_equal(c.intent, 1);
    assert_int_equal(c.audit, 8);
    assert_audit_whole(f, 8);
}

static void test_reader_sees_commits_while_the_writer_works(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a, b;

    sample(&a, 70);
    sample(&b, 71);
    do_intent(f, &a);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, b.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, b.request_id, f->arena, &row, &f->fail), PKE_OK);
}

/* The number that @p query gives in a child process: another process is what the control role is. */
static void test_reader_in_another_process(void **state)
{
    struct fixture *f = *state;
    struct sample a;
    int status;
    pid_t pid;

    sample(&a, 72);
    do_issue(f, &a);
    begin(f);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ledger_reader *r;
        struct ledger_row row;
        struct ledger *second;
        struct pke_fail fail;
        bool ok = ledger_reader_open(f->path, &r, &fail) == PKE_OK &&
                  ledger_cert_show(r, a.device, f->arena, &row, &fail) == PKE_OK &&
                  ledger_open(f->path, &second, &fail) == PKE_STORE_DOWN &&
                  !strcmp(fail.reason, "ledger-locked");
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    commit(f);
}

static void test_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct ledger_reader *none;

    /* read.h offers no way to write; the connection beneath it has none either */
    struct {
        struct store store;
    } *inside = (void *)f->r;
    assert_int_equal(store_exec(&inside->store, "DELETE FROM audit", &f->fail), PKE_STORE_DOWN);
    assert_int_equal(store_exec(&inside->store, "CREATE TABLE x (y)", &f->fail), PKE_STORE_DOWN);
    assert_int_equal(ledger_reader_open("/tmp/pke-ledger-does-not-exist/x", &none, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-absent");
}

static void test_reader_without_a_writer(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a;

    sample(&a, 73);
    do_issue(f, &a);
    ledger_reader_close(f->r);
    ledger_close(f->l); /* the last writer takes the WAL with it */
    f->l = NULL;
    f->r = NULL;
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    assert_int_equal(ledger_cert_show(f->r, a.device, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_true(ledger_node(f->l) >= 0x01 && ledger_node(f->l) <= 0x7f);
}

static void test_checkpoint_moves_the_log(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;
    struct sample a;

    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_OK);
    assert_int_equal(stat(f->path, &before), 0);
    for (unsigned i = 0; i < 40; i++) {
        sample(&a, 80 + i);
        do_issue(f, &a);
    }
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_size, after.st_size); /* commits alone do not touch the main file */
    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_OK);
    assert_int_equal(stat(f->path, &after), 0);
    assert_true(after.st_size > before.st_size);
    assert_audit_whole(f, 80);
}

static void test_context_encoding_is_strict(void **state)
{
    static const char *const bad[] = {"\0\0\0\1",         "\0\0\0\1a",          "\0\0\0\1a\0\0\0\2b",
                                      "\xff\xff\xff\xff", "\0\0\0\1\0\0\0\0\0", "\0"};
    static const size_t sizes[] = {4, 5, 10, 4, 9, 1};
    struct fixture *f = *state;
    struct pke_pairs pairs;

    for (size_t i = 0; i < PKE_LEN(bad); i++)
        assert_false(unpack_pairs(PKE_BYTES(bad[i], sizes[i]), f->arena, &pairs));
    assert_true(unpack_pairs(PKE_BYTES(NULL, 0), f->arena, &pairs));
    assert_int_equal(pairs.n, 0);
}

/* ---- opening ---- */

static void reopen_refused(struct fixture *f, enum pke_err want, const char *reason)
{
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), want);
    assert_string_equal(f->fail.reason, reason);
    assert_null(f->l);
}

static void shut(struct fixture *f)
{
    ledger_reader_close(f->r);
    ledger_close(f->l);
    f->l = NULL;
    f->r = NULL;
}

static void test_file_is_private(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = {"", "-wal", "-shm", ".lock"};
    struct sample a;
    struct stat st;

    sample(&a, 90);
    do_intent(f, &a);
    for (size_t i = 0; i < PKE_LEN(names); i++) {
        assert_int_equal(stat(pke_arena_printf(f->arena, "%s%s", f->path, names[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    shut(f);
    assert_int_equal(chmod(f->path, 0640), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-file");
}

static void test_second_writer_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ledger *second = NULL;

    assert_int_equal(ledger_open(f->path, &second, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-locked");
    assert_null(second);
    begin(f); /* and the first is not disturbed */
    commit(f);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ledger_reader *r = NULL;

    shut(f);
    sql(f->path, "PRAGMA user_version=2");
    reopen_refused(f, PKE_CONFIG, "ledger-schema");
    assert_int_equal(ledger_reader_open(f->path, &r, &f->fail), PKE_CONFIG);
    sql(f->path, "PRAGMA user_version=1");
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
}

static void test_foreign_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char junk[8192];
    int fd;

    shut(f);
    assert_int_equal(unlink(f->path), 0);
    sql(f->path, "CREATE TABLE passwords (x)");
    assert_int_equal(chmod(f->path, 0600), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-foreign");
    memset(junk, 'j', sizeof junk);
    fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    reopen_refused(f, PKE_STORE_DOWN, "ledger-broken");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink("/dev/null", f->path), 0);
    reopen_refused(f, PKE_CONFIG, "ledger-file");
    snprintf(f->path, sizeof f->path, "%s/no/l.db", f->dir);
    reopen_refused(f, PKE_STORE_DOWN, "ledger-directory");
}

static void test_corruption_is_found_at_open(void **state)
{
    struct fixture *f = *state;
    struct sample a;
    char junk[1024];
    struct stat st;
    int fd;

    for (unsigned i = 0; i < 30; i++) {
        sample(&a, 100 + i);
        do_issue(f, &a);
    }
    shut(f);
    assert_int_equal(stat(f->path, &st), 0);
    memset(junk, 0xa5, sizeof junk);
    fd = open(f->path, O_WRONLY);
    for (off_t at = 4096; at < st.st_size; at += 4096) /* the start of every page but the first */
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_STORE_DOWN);
    assert_null(f->l);
}

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
    "INSERT INTO certificate SELECT last_insert_rowid(), issuer_id, x'77', tbs, spki_sha256, subject, "
    "ent_dmid,"
    " not_before, not_after, tenant, principal, device_id, der, sha1, zeroblob(32) FROM certificate LIMIT 1",
    0)

/* ---- storage faults ---- */

/* Fill a small file system of its own; needs to mount. */
static void test_full_disk_is_refused_and_passes(void **state)
{
    struct fixture *f = *state;
    PKE_CLEANUP(pke_free_p) char *pad = pke_malloc(60001);
    char mount_point[80], ballast[96];
    unsigned acked = 0, n;
    enum pke_err err = PKE_OK;
    struct sample s;
    int fd;

    shut(f);
    snprintf(mount_point, sizeof mount_point, "%s/m", f->dir);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("none", mount_point, "tmpfs", 0, "size=2m") != 0) {
        assert_int_equal(rmdir(mount_point), 0);
        skip();
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
    snprintf(f->path, sizeof f->path, "%s/l.db", mount_point);
    memset(pad, 'p', 60000);
    pad[60000] = '\0';
    fd = open(ballast, O_CREAT | O_WRONLY, 0600);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(write(fd, pad, 60000), 60000);
    close(fd);
    err = ledger_open(f->path, &f->l, &f->fail);
    for (unsigned i = 0; err == PKE_OK && i < 200; i++) {
        sample(&s, 1000 + i);
        s.in.request.device_name = pad;
        err = ledger_begin(f->l, &f->fail);
        if (err == PKE_OK)
            err = ledger_intent(f->l, &s.in, &f->fail);
        if (err == PKE_OK)
            err = ledger_commit(f->l, &f->fail);
        acked += err == PKE_OK;
    }
    ledger_rollback(f->l);
    bool broken = ledger_broken(f->l);
    unlink(ballast); /* somebody made room: no restart is needed */
    sample(&s, 5000);
    enum pke_err after = ledger_begin(f->l, &f->fail);
    if (after == PKE_OK)
        after = ledger_intent(f->l, &s.in, &f->fail);
    if (after == PKE_OK)
        after = ledger_commit(f->l, &f->fail);
    enum pke_err counted = ledger_abandon_intents(f->l, T0, &n, &f->fail);
    shut(f);
    (void)umount2(mount_point, MNT_DETACH);
    (void)rmdir(mount_point);
    fprintf(stderr,"err %d acked %u broken %d after %d counted %d: %s %s\n",err,acked,broken,after,counted,f->fail.reason,f->fail.text);
    assert_int_equal(err, PKE_STORE_DOWN);
    assert_true(acked > 0);
    assert_false(broken);
    assert_int_equal(after, PKE_OK);
    assert_int_equal(counted, PKE_OK);
    assert_int_equal(n, acked + 1);
}

/* A write that fails for another reason than space: the ledger latches and stays shut. */
static void test_write_error_latches(void **state)
{
    struct fixture *f = *state;
    struct rlimit saved, none;
    enum pke_err err;
    struct sample s;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
    none = (struct rlimit){4096, saved.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    begin(f);
    sample(&s, 6000);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    err = ledger_commit(f->l, &f->fail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
    assert_int_equal(err, PKE_STORE_DOWN);
    assert_true(ledger_broken(f->l));
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-broken");
    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_STORE_DOWN);
}

/* Another program holds the write lock: refused soon, not broken, and goes on afterwards. */
static void test_foreign_lock_is_waited_for_briefly(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-unavailable");
    assert_false(ledger_broken(f->l));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    begin(f);
    commit(f);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define C(fn) cmocka_unit_test_setup_teardown(fn, set_up_chain, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_life_of_an_issued_request),
        T(test_row_gives_back_what_was_recorded),
        T(test_refusal_is_found_by_its_trace_id),
        T(test_failure_frees_the_slot),
        T(test_issued_request_does_not_hold_the_slot),
        T(test_serial_is_never_given_twice),
        T(test_one_failing_change_leaves_the_others),
        T(test_rollback_takes_the_whole_group),
        T(test_groups_are_asked_for_in_order),
        T(test_only_the_intended_certificate_is_recorded),
        T(test_unusable_values_are_refused),
        T(test_wall_clock_only_rises),
        T(test_spki_and_device_of_live_certificates),
        T(test_failed_and_abandoned_are_not_live),
        T(test_intents_are_abandoned_at_reopen),
        T(test_certificate_by_everything),
        T(test_certificate_key_precedence),
        T(test_listing_pages_newest_first),
        T(test_listing_filters),
        T(test_listing_refuses_bad_arguments),
        T(test_counts),
        T(test_reader_sees_commits_while_the_writer_works),
        T(test_reader_in_another_process),
        T(test_reader_cannot_write),
        T(test_reader_without_a_writer),
        T(test_checkpoint_moves_the_log),
        T(test_context_encoding_is_strict),
        T(test_file_is_private),
        T(test_second_writer_is_refused),
        T(test_newer_schema_is_refused),
        T(test_foreign_files_are_refused),
        T(test_corruption_is_found_at_open),
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
        T(test_full_disk_is_refused_and_passes),
        T(test_write_error_latches),
        T(test_foreign_lock_is_waited_for_briefly),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
