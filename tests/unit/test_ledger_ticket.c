/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for the key: one number per request, one certificate per number. */
#include "tests/unit/ledger_fixture.h"

#include <inttypes.h>

#define LATER (T0 + 1000000)

static struct ledger_wait wait_of(const struct sample *s)
{
    struct ledger_wait w = {.request = s->in.request, .expires_at = LATER, .max = 3, .max_of_principal = 3};

    memcpy(w.idempotency_key, s->in.idempotency_key, sizeof w.idempotency_key);
    pke_fail_set(&w.why, PKE_KEY_DOWN, "key-down", "key state", "no key");
    return w;
}

static enum pke_err try_wait(struct fixture *f, const struct sample *s, uint32_t *number)
{
    struct ledger_wait w = wait_of(s);
    enum pke_err err;

    begin(f);
    err = ledger_wait(f->l, &w, number, &f->fail);
    commit(f);
    return err;
}

static uint32_t must_wait(struct fixture *f, const struct sample *s)
{
    uint32_t number = 0;

    assert_int_equal(try_wait(f, s, &number), PKE_OK);
    assert_true(number >= 1);
    return number;
}

/* A new attempt of the ticket: another request id. */
static void attempt(struct sample *s, uint32_t number, char request_id[40])
{
    snprintf(request_id, 40, "ffffffff-0000-4000-8000-%012" PRIu32, number);
    s->in.request.request_id = request_id;
    s->in.ticket = number;
}

static enum pke_err try_intent(struct fixture *f, const struct sample *s)
{
    enum pke_err err;

    begin(f);
    err = ledger_intent(f->l, &s->in, &f->fail);
    commit(f);
    return err;
}

static enum pke_err try_issue(struct fixture *f, const struct sample *s)
{
    enum pke_err err;

    begin(f);
    err = ledger_issued(f->l, s->in.request.request_id, PKE_BYTES(s->der, s->der_n), T0 + 900, &f->fail);
    commit(f);
    return err;
}

static void test_one_number_per_request(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, again;
    uint32_t n;

    sample(&a, 1);
    sample(&b, 2);
    sample(&again, 3); /* another attempt with the same key */
    memcpy(again.in.idempotency_key, a.in.idempotency_key, sizeof a.in.idempotency_key);
    n = must_wait(f, &a);
    assert_int_equal(must_wait(f, &again), n);
    assert_int_equal(must_wait(f, &b), n + 1);
}

static void test_no_certificate_beside_the_ticket(void **state)
{
    struct fixture *f = *state;
    char id[40];
    struct sample a;
    uint32_t n;

    sample(&a, 1);
    n = must_wait(f, &a);
    attempt(&a, 0, id);
    assert_int_equal(try_intent(f, &a), PKE_EXISTS); /* as if it were a new request */
    assert_string_equal(f->fail.reason, "ticket-waits");
    attempt(&a, n + 1, id);
    assert_int_equal(try_intent(f, &a), PKE_DENIED); /* another's ticket */
    attempt(&a, n, id);
    assert_int_equal(try_intent(f, &a), PKE_OK);
    assert_int_equal(try_issue(f, &a), PKE_OK);
    attempt(&a, n, id);
    a.in.request.request_id = "another";
    assert_int_equal(try_intent(f, &a), PKE_DENIED);
    assert_string_equal(f->fail.reason, "ticket-ended");
}

static void test_the_result(void **state)
{
    struct fixture *f = *state;
    struct ledger_ticket t;
    struct ledger_row row;
    char id[40];
    struct sample a;
    uint32_t n;

    sample(&a, 1);
    n = must_wait(f, &a);
    assert_int_equal(ledger_ticket(f->l, n, f->arena, &t, &f->fail), PKE_OK);
    assert_string_equal(t.state, "waiting");
    assert_string_equal(t.fail.reason, "key-down");
    assert_int_equal(t.expires_at, LATER);
    attempt(&a, n, id);
    assert_int_equal(try_intent(f, &a), PKE_OK);
    assert_int_equal(try_issue(f, &a), PKE_OK);
    assert_int_equal(ledger_ticket(f->l, n, f->arena, &t, &f->fail), PKE_OK);
    assert_string_equal(t.state, "issued");
    assert_string_equal(t.result_id, id);
    assert_true(pke_bytes_eq(t.certificate, PKE_BYTES(a.der, a.der_n)));
    assert_int_equal(ledger_request_show(f->r, NULL, t.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(row.waiting.number, n);
    assert_string_equal(row.waiting.result, id);
    assert_int_equal(ledger_ticket(f->l, n + 1, f->arena, &t, &f->fail), PKE_NOT_FOUND);
}

/* An operator was faster than the key: the signature exists and is not given out. */
static void test_denied_while_it_is_signed(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why;
    char id[40];
    struct sample a;
    uint32_t n;

    sample(&a, 1);
    n = must_wait(f, &a);
    attempt(&a, n, id);
    assert_int_equal(try_intent(f, &a), PKE_OK);
    pke_fail_set(&why, PKE_DENIED, "operator-denied", "test", "no");
    begin(f);
    assert_int_equal(ledger_ticket_deny(f->l, n, &why, "uid=0", T0, &f->fail), PKE_OK);
    assert_int_equal(ledger_ticket_deny(f->l, n, &why, "uid=0", T0, &f->fail), PKE_NOT_FOUND);
    commit(f);
    assert_int_equal(try_issue(f, &a), PKE_DENIED);
    assert_string_equal(f->fail.reason, "ticket-ended");
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    struct ledger_ticket t;
    struct sample s;
    uint32_t n = 0;
    unsigned gone = 0;

    for (unsigned i = 1; i <= 3; i++) {
        sample(&s, i);
        n = must_wait(f, &s);
    }
    sample(&s, 4);
    assert_int_equal(try_wait(f, &s, &n), PKE_BUSY);
    assert_string_equal(f->fail.reason, "waiting-full");
    begin(f);
    assert_int_equal(ledger_ticket_expire(f->l, LATER - 1, &gone, &f->fail), PKE_OK);
    assert_int_equal(gone, 0);
    assert_int_equal(ledger_ticket_expire(f->l, LATER, &gone, &f->fail), PKE_OK);
    assert_int_equal(gone, 1);
    commit(f);
    n = must_wait(f, &s); /* there is room again */
    assert_int_equal(n, 4);
    assert_int_equal(ledger_ticket(f->l, 1, f->arena, &t, &f->fail), PKE_OK);
    assert_string_equal(t.state, "abandoned");
    assert_string_equal(t.fail.reason, "waiting-expired");
}

static void test_order_and_content(void **state)
{
    struct fixture *f = *state;
    struct ledger_request r;
    uint8_t key[LEDGER_KEY_SIZE];
    const char *endpoint;
    struct sample s;
    uint32_t n = 0;

    for (unsigned i = 1; i <= 3; i++) {
        sample(&s, i);
        must_wait(f, &s);
    }
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(ledger_ticket_next(f->l, n, f->arena, &n, &endpoint, &f->fail), PKE_OK);
        assert_int_equal(n, i);
        assert_string_equal(endpoint, "enroll");
    }
    assert_int_equal(ledger_ticket_next(f->l, n, f->arena, &n, &endpoint, &f->fail), PKE_OK);
    assert_int_equal(n, 0);
    assert_int_equal(ledger_ticket_load(f->l, 3, f->arena, &r, key, &f->fail), PKE_OK);
    assert_string_equal(r.principal, "ada@corp.example");
    assert_string_equal(r.device_id, s.device);
    assert_true(pke_bytes_eq(r.request, s.in.request.request));
    assert_int_equal(r.context.n, s.in.request.context.n);
    assert_memory_equal(key, s.in.idempotency_key, sizeof key);
    assert_int_equal(ledger_ticket_named(f->l, NULL, s.request_id, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 3);
}

static void test_listing(void **state)
{
    struct fixture *f = *state;
    struct ledger_filter filter = {.state = "waiting"};
    struct ledger_row *rows;
    const char *next;
    struct sample s;
    size_t n;

    sample(&s, 1);
    must_wait(f, &s);
    assert_int_equal(ledger_list(f->r, &filter, NULL, 10, f->arena, &rows, &n, &next, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].request_id, s.request_id);
    assert_string_equal(rows[0].waiting.state, "waiting");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_number_per_request),
        T(test_no_certificate_beside_the_ticket),
        T(test_the_result),
        T(test_denied_while_it_is_signed),
        T(test_bounds),
        T(test_order_and_content),
        T(test_listing),
    };

    return cmocka_run_group_tests_name("ledger_ticket", tests, NULL, NULL);
}
