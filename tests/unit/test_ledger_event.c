/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/event: which audit rows are events, what each has, and the books of a receiver. */
#include "ledger/event.h"
#include "ledger_fixture.h"

static size_t events(struct fixture *f, int64_t after, const char *tenant, size_t max,
                     struct ledger_event *ret, int64_t *seen)
{
    size_t n;

    assert_int_equal(ledger_events(f->l, after, tenant, max, f->arena, ret, &n, seen, &f->fail), PKE_OK);
    return n;
}

static void refuse(struct fixture *f, unsigned n)
{
    struct sample s;
    struct pke_fail why = {0};

    sample(&s, n);
    pke_fail_set(&why, PKE_DENIED, "some-reason", "some rule", "some text");
    begin(f);
    assert_int_equal(ledger_refused(f->l, &s.in.request, &why, &f->fail), PKE_OK);
    commit(f);
}

static void test_what_happened(void **state)
{
    struct fixture *f = *state;
    struct ledger_event e[LEDGER_EVENTS_MAX];
    struct sample s;
    int64_t seen;

    sample(&s, 1);
    do_issue(f, &s);
    refuse(f, 2);
    assert_int_equal(events(f, 0, NULL, LEDGER_EVENTS_MAX, e, &seen), 2); /* the intent is none */
    assert_int_equal(seen, 3);
    assert_string_equal(e[0].kind, "issued");
    assert_int_equal(e[0].seq, 2);
    assert_string_equal(e[0].request_id, s.request_id);
    assert_string_equal(e[0].device_id, "dev-1");
    assert_string_equal(e[0].principal, "ada@corp.example");
    assert_string_equal(e[0].tenant, "default");
    assert_true(pke_bytes_eq(e[0].der, der_of(&s)));
    assert_true(strlen(e[0].sha1_hex) == 40 && strlen(e[0].sha256_hex) == 64 &&
                strlen(e[0].issuer_id_hex) == 40);
    assert_int_equal(e[0].not_after, T0 / 1000 + 86400);
    assert_int_equal(e[0].fail.err, PKE_OK);
    assert_null(e[0].renews);
    assert_string_equal(e[1].kind, "refused");
    assert_string_equal(e[1].fail.reason, "some-reason");
    assert_string_equal(e[1].fail.rule, "some rule");
    assert_string_equal(e[1].fail.text, "some text");
    assert_int_equal(e[1].der.n, 0);
}

static void test_pages(void **state)
{
    struct fixture *f = *state;
    struct ledger_event e[LEDGER_EVENTS_MAX];
    int64_t at = 0, seen, end;
    unsigned found = 0;

    for (unsigned i = 1; i <= 7; i++)
        refuse(f, i);
    assert_int_equal(ledger_events_end(f->l, &end, &f->fail), PKE_OK);
    assert_int_equal(end, 7);
    for (size_t n; (n = events(f, at, NULL, 3, e, &seen)); at = seen) {
        for (size_t i = 0; i < n; i++)
            assert_int_equal(e[i].seq, ++found);
    }
    assert_int_equal(found, 7);
    assert_int_equal(at, 7);
    assert_int_equal(events(f, 7, NULL, 3, e, &seen), 0);
    assert_int_equal(seen, 7);
}

static void test_tenants(void **state)
{
    struct fixture *f = *state;
    struct ledger_event e[LEDGER_EVENTS_MAX];
    int64_t seen;

    refuse(f, 1);
    begin(f);
    assert_int_equal(ledger_audit(f->l, "issuer-switched", "uid=0", NULL, "{\"from\":\"a\"}", T0, &f->fail),
                     PKE_OK);
    commit(f);
    assert_int_equal(events(f, 0, "other", LEDGER_EVENTS_MAX, e, &seen),
                     1); /* an issuer's: the caller decides */
    assert_string_equal(e[0].kind, "issuer-switched");
    assert_string_equal(e[0].detail, "{\"from\":\"a\"}");
    assert_null(e[0].request_id);
    assert_int_equal(seen, 2);
    assert_int_equal(events(f, 0, "default", LEDGER_EVENTS_MAX, e, &seen), 2);
}

static void test_since(void **state)
{
    struct fixture *f = *state;
    int64_t after;

    for (unsigned i = 1; i <= 9; i++)
        refuse(f, 10 * i); /* at T0 + 10 i */
    for (int64_t t = -5; t <= 100; t++) {
        int64_t want = t <= 10 ? 0 : t > 90 ? 9 : (t - 1) / 10;

        assert_int_equal(ledger_events_since(f->l, T0 + t, &after, &f->fail), PKE_OK);
        assert_int_equal(after, want);
    }
}

static void change(struct fixture *f, enum pke_err err)
{
    assert_int_equal(err, PKE_OK);
    commit(f);
}

static int64_t open_sink(struct fixture *f, const char *name)
{
    int64_t position;

    begin(f);
    change(f, ledger_sink_open(f->l, name, &position, &f->fail));
    return position;
}

static size_t late(struct fixture *f, bool dead, struct ledger_late *ret)
{
    size_t n;

    assert_int_equal(ledger_sink_late(f->l, "crm", dead, 0, 8, f->arena, ret, &n, &f->fail), PKE_OK);
    return n;
}

static void test_books_of_a_receiver(void **state)
{
    struct fixture *f = *state;
    struct ledger_late rows[8],
        row = {.seq = 2, .request_id = "r", .attempts = 1, .next_at = T0, .error = "no"};
    int64_t n;

    for (unsigned i = 1; i <= 3; i++)
        refuse(f, i);
    assert_int_equal(open_sink(f, "crm"), 3); /* from now on */
    refuse(f, 4);
    assert_int_equal(open_sink(f, "crm"), 3); /* goes on where it was */
    begin(f);
    change(f, ledger_sink_moved(f->l, "crm", 4, &f->fail));
    assert_int_equal(open_sink(f, "crm"), 4);
    assert_int_equal(open_sink(f, "other"), 4);
    begin(f);
    change(f, ledger_sink_keep(f->l, "crm", &row, &f->fail));
    assert_int_equal(late(f, false, rows), 1);
    assert_true(rows[0].seq == 2 && rows[0].attempts == 1 && rows[0].next_at == T0);
    assert_string_equal(rows[0].request_id, "r");
    row.attempts = 2;
    row.dead_at = T0 + 5;
    begin(f);
    change(f, ledger_sink_keep(f->l, "crm", &row, &f->fail));
    assert_int_equal(late(f, false, rows), 0);
    assert_int_equal(late(f, true, rows), 1);
    assert_int_equal(rows[0].dead_at, T0 + 5);
    assert_string_equal(rows[0].error, "no");
    assert_int_equal(ledger_sink_dead_count(f->l, "crm", &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ledger_sink_dead_count(f->l, "other", &n, &f->fail), PKE_OK);
    assert_int_equal(n, 0);
}

static void test_revive(void **state)
{
    struct fixture *f = *state;
    struct ledger_late rows[8], row = {.seq = 1, .attempts = 12, .next_at = T0, .dead_at = T0, .error = "no"};

    refuse(f, 1);
    open_sink(f, "crm");
    begin(f);
    change(f, ledger_sink_keep(f->l, "crm", &row, &f->fail));
    begin(f);
    assert_int_equal(ledger_sink_revive(f->l, "crm", 2, "uid=0", T0, &f->fail), PKE_NOT_FOUND);
    assert_int_equal(ledger_sink_revive(f->l, "other", 1, "uid=0", T0, &f->fail), PKE_NOT_FOUND);
    change(f, ledger_sink_revive(f->l, "crm", 1, "uid=0", T0, &f->fail));
    assert_int_equal(late(f, true, rows), 0);
    assert_int_equal(late(f, false, rows), 1);
    assert_true(rows[0].attempts == 0 && rows[0].next_at == 0);
    begin(f);
    assert_int_equal(ledger_sink_revive(f->l, "crm", 1, "uid=0", T0, &f->fail), PKE_NOT_FOUND);
    change(f, ledger_sink_done(f->l, "crm", 1, &f->fail));
    assert_int_equal(late(f, false, rows), 0);
    assert_audit_whole(f, 2); /* the retry is one of them */
}

static bool tell(struct fixture *f, const struct sample *s, int64_t now, int64_t until, unsigned max)
{
    bool more;

    begin(f);
    change(f, ledger_tell_expiring(f->l, s->in.issuer_id, now, until, T0, max, &more, &f->fail));
    return more;
}

static size_t expiring(struct fixture *f)
{
    struct ledger_event e[LEDGER_EVENTS_MAX];
    int64_t seen;
    size_t all = events(f, 0, NULL, LEDGER_EVENTS_MAX, e, &seen), n = 0;

    for (size_t i = 0; i < all; i++)
        n += strcmp(e[i].kind, "expiring") == 0;
    return n;
}

static void test_expiring(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    const int64_t now = T0 / 1000;

    for (unsigned i = 1; i <= 5; i++) {
        sample(&s, i);
        s.in.not_after = now + 100 * (int64_t)i;
        do_issue(f, &s);
    }
    sample(&s, 6);
    s.in.not_after = now + 50;
    do_intent(f, &s); /* never became a certificate */
    assert_false(tell(f, &s, now, now + 90, 10));
    assert_int_equal(expiring(f), 0);
    assert_false(tell(f, &s, now, now + 250, 10));
    assert_int_equal(expiring(f), 2);
    assert_false(tell(f, &s, now, now + 250, 10)); /* told once */
    assert_int_equal(expiring(f), 2);
    assert_true(tell(f, &s, now, now + 1000, 2)); /* in slices */
    assert_int_equal(expiring(f), 4);
    assert_false(tell(f, &s, now, now + 1000, 2));
    assert_int_equal(expiring(f), 5);
    memset(s.issuer, 9, sizeof s.issuer);
    assert_false(tell(f, &s, now, now + 1000, 2)); /* of another issuer: none */
    assert_int_equal(expiring(f), 5);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(ledger_event_kind("issued") && ledger_event_kind("renewed") && ledger_event_kind("pending"));
    assert_false(ledger_event_kind("waiting")); /* how the audit log calls it */
    assert_false(ledger_event_kind("intent") || ledger_event_kind("control") || ledger_event_kind(""));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_happened),       T(test_pages),  T(test_tenants),  T(test_since),
        T(test_books_of_a_receiver), T(test_revive), T(test_expiring), T(test_kinds),
    };

    return cmocka_run_group_tests_name("ledger_event", tests, NULL, NULL);
}
