/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/ledger.h: the life of a request, groups of changes, look-ups of the issuer. */
#include "tests/unit/ledger_fixture.h"

#include "ledger/pack.h"

static void test_life_of_an_issued_request(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct ledger_hit hit;
    struct sample s;

    sample(&s, 5);
    do_intent(f, &s);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_int_equal(hit.certificate.n, 0);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "intent");
    assert_int_equal(row.finished_at, 0);
    assert_null(row.sha1);

    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 99, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
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
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
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
    assert_int_equal(ledger_request_show(f->r, NULL, "nobody", f->arena, &row, &f->fail), PKE_NOT_FOUND);
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
        ledger_request_show(f->r, NULL, "0F0E0D0C-0000-4000-8000-000000000000", f->arena, &row, &f->fail),
        PKE_OK);
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
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, NULL, T0 + 70, &f->fail), PKE_OK);
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, NULL, T0 + 70, &got), PKE_NOT_FOUND);
    assert_int_equal(ledger_find_key(f->l, s.in.idempotency_key, f->arena, &hit, &got), PKE_NOT_FOUND);
    assert_int_equal(ledger_intent(f->l, &again.in, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
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
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, NULL, T0, &f->fail), PKE_OK);
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
    assert_int_equal(ledger_request_show(f->r, NULL, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, NULL, bad.request_id, f->arena, &row, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_request_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_OK);
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

static void test_spki_of_live_certificates(void **state)
{
    struct fixture *f = *state;
    const char *a, *b, *c;
    struct sample s;
    bool revoked;
    int64_t now = T0 / 1000;

    sample(&s, 28);
    s.in.request.user_id = "uid-1";
    do_intent(f, &s); /* an intent counts: two under way must not share a key */
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(ledger_find_spki(f->l, "default", s.in.spki_sha256, now, f->arena, &a, &b, &c,
                                          &revoked, &f->fail),
                         PKE_OK);
        assert_string_equal(a, "dev-28");
        assert_string_equal(b, "ada@corp.example");
        assert_string_equal(c, "uid-1");
        assert_false(revoked);
        if (pass == 0) {
            begin(f);
            assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_OK);
            commit(f);
        }
    }
    assert_int_equal(
        ledger_find_spki(f->l, "other", s.in.spki_sha256, now, f->arena, &a, &b, &c, &revoked, &f->fail),
        PKE_NOT_FOUND);
    assert_int_equal(ledger_find_spki(f->l, "default", s.in.spki_sha256, now + 86400, f->arena, &a, &b, &c,
                                      &revoked, &f->fail),
                     PKE_OK); /* RFC 5280 4.1.2.5: notAfter is inclusive */
    assert_int_equal(ledger_find_spki(f->l, "default", s.in.spki_sha256, now + 86401, f->arena, &a, &b, &c,
                                      &revoked, &f->fail),
                     PKE_NOT_FOUND);
}

static void test_failed_and_abandoned_are_not_live(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    const char *a, *b, *c;
    struct sample s;
    bool revoked;
    unsigned n;

    sample(&s, 30);
    do_intent(f, &s);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(
        ledger_find_device(f->l, "default", "", s.device, NULL, T0 / 1000, f->arena, &d, &f->fail),
        PKE_NOT_FOUND);
    assert_int_equal(ledger_find_spki(f->l, "default", s.in.spki_sha256, T0 / 1000, f->arena, &a, &b, &c,
                                      &revoked, &f->fail),
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
    assert_int_equal(ledger_request_show(f->r, NULL, s[1].request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "abandoned");
    assert_int_equal(row.finished_at, T0 + 5);
    assert_string_equal(row.serial, "41000000000000000000000020000000");
    assert_int_equal(ledger_find_key(f->l, s[1].in.idempotency_key, f->arena, &hit, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_find_key(f->l, s[0].in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_audit_whole(f, 6);
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

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

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
        T(test_spki_of_live_certificates),
        T(test_failed_and_abandoned_are_not_live),
        T(test_intents_are_abandoned_at_reopen),
        T(test_context_encoding_is_strict),
    };

    return cmocka_run_group_tests_name("ledger_record", tests, NULL, NULL);
}
