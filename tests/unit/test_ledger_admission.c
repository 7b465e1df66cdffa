/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals in the ledger: asked once, granted or denied, used by one certificate of the one it was given to.
 */
#include "tests/unit/ledger_fixture.h"

#define HOUR (3600 * 1000)

static struct pke_fail why(void)
{
    struct pke_fail f;

    pke_fail_set(&f, PKE_PENDING, "approval-pending", "template approval", "waiting for approval");
    return f;
}

/* Attempt @p n of ada on device d. */
static void attempt_sample(struct sample *s, unsigned n)
{
    sample(s, n);
    snprintf(s->device, sizeof s->device, "d");
    s->in.request.user_id = "uid-ada";
    s->in.request.provider = "Contoso";
}

static struct ledger_admission ask(struct fixture *f, const struct sample *s)
{
    struct pke_fail reason = why();
    struct ledger_admission a;

    begin(f);
    if (ledger_admission_attempt(f->l, &s->in.request, &reason, f->arena, &a, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    commit(f);
    return a;
}

static struct ledger_admission find(struct fixture *f, const struct sample *s, int64_t now)
{
    struct ledger_admission a;

    if (ledger_admission_find(f->l, &s->in.request, now, f->arena, &a, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    return a;
}

static enum pke_err decide(struct fixture *f, const char *request_id, bool grant, int64_t expires_at)
{
    enum pke_err err;

    begin(f);
    err =
        ledger_admission_decide(f->l, NULL, request_id, grant, "uid=0(root)", expires_at, T0 + 100, &f->fail);
    commit(f);
    return err;
}

static enum pke_err use(struct fixture *f, struct sample *s, const char *admission)
{
    enum pke_err err;

    s->in.admission_request_id = admission;
    begin(f);
    err = ledger_intent(f->l, &s->in, &f->fail);
    commit(f);
    return err;
}

static void test_attempts_fold_into_one_question(void **state)
{
    struct fixture *f = *state;
    struct ledger_admission a;
    struct ledger_row row;
    struct sample s, again;

    attempt_sample(&s, 1);
    assert_int_equal(ledger_admission_find(f->l, &s.in.request, T0, f->arena, &a, &f->fail), PKE_NOT_FOUND);
    a = ask(f, &s);
    assert_string_equal(a.request_id, s.request_id);
    assert_string_equal(a.state, "pending");
    assert_string_equal(a.tenant, "default");
    assert_string_equal(a.principal, "ada@corp.example");
    assert_string_equal(a.user_id, "uid-ada");
    assert_string_equal(a.provider, "Contoso");
    assert_string_equal(a.device_id, "d");
    assert_string_equal(a.template_name, "device");
    assert_null(a.decided_by);
    assert_null(a.used_by);
    assert_false(a.usable);
    assert_int_equal(a.attempts, 1);
    assert_int_equal(a.first_at, T0 + 1);
    attempt_sample(&again, 2);
    snprintf(again.device, sizeof again.device, "D");
    again.in.request.principal = "ADA@corp.example";
    a = ask(f, &again);
    assert_string_equal(a.request_id, s.request_id);
    assert_int_equal(a.attempts, 2);
    assert_int_equal(a.first_at, T0 + 1);
    assert_int_equal(a.last_at, T0 + 2);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "refused");
    assert_int_equal(row.fail.err, PKE_PENDING);
    assert_int_equal(ledger_request_show(f->r, NULL, again.request_id, f->arena, &row, &f->fail),
                     PKE_NOT_FOUND);
    assert_audit_whole(f, 3); /* refused, pending, pending-again */
}

static void test_a_grant_is_used_once(void **state)
{
    struct fixture *f = *state;
    struct ledger_admission a;
    struct pke_fail failure;
    struct sample s, b, c;

    attempt_sample(&s, 3);
    ask(f, &s);
    attempt_sample(&b, 4);
    assert_int_equal(use(f, &b, s.request_id), PKE_DENIED); /* pending is not granted */
    assert_string_equal(f->fail.reason, "admission-unusable");
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_OK);
    a = find(f, &s, T0);
    assert_string_equal(a.state, "granted");
    assert_true(a.usable);
    assert_int_equal(a.decided_at, T0 + 100);
    assert_string_equal(a.decided_by, "uid=0(root)");
    assert_int_equal(a.expires_at, T0 + HOUR);
    assert_int_equal(use(f, &b, s.request_id), PKE_OK);
    a = find(f, &s, T0);
    assert_string_equal(a.state, "granted");
    assert_false(a.usable);
    assert_string_equal(a.used_by, b.request_id);
    attempt_sample(&c, 5);
    assert_int_equal(use(f, &c, s.request_id), PKE_DENIED); /* reserved */
    pke_fail_set(&failure, PKE_KEY_DOWN, "key-down", "keys", "gone");
    begin(f);
    assert_int_equal(ledger_failed(f->l, b.request_id, &failure, NULL, T0, &f->fail), PKE_OK);
    commit(f);
    a = find(f, &s, T0);
    assert_true(a.usable);
    assert_null(a.used_by);
    assert_int_equal(use(f, &c, s.request_id), PKE_OK);
    begin(f);
    assert_int_equal(ledger_issued(f->l, c.request_id, der_of(&c), T0, &f->fail), PKE_OK);
    commit(f);
    a = find(f, &s, T0);
    assert_string_equal(a.state, "used");
    assert_string_equal(a.used_by, c.request_id);
    attempt_sample(&b, 6);
    assert_int_equal(use(f, &b, s.request_id), PKE_DENIED);
    a = ask(f, &b); /* and the next attempt is a new question */
    assert_string_equal(a.request_id, b.request_id);
    assert_string_equal(a.state, "pending");
}

static void test_a_crash_releases_the_grant(void **state)
{
    struct fixture *f = *state;
    struct sample s, b;
    unsigned n;

    attempt_sample(&s, 7);
    ask(f, &s);
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_OK);
    attempt_sample(&b, 8);
    assert_int_equal(use(f, &b, s.request_id), PKE_OK);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    assert_true(find(f, &s, T0).usable);
}

static void test_a_grant_is_for_nobody_else(void **state)
{
    struct fixture *f = *state;
    struct sample s, b;

    attempt_sample(&s, 9);
    ask(f, &s);
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_OK);
    for (unsigned i = 0; i < 7; i++) {
        attempt_sample(&b, 10);
        switch (i) {
        case 0:
            b.in.request.principal = "eve@corp.example";
            break;
        case 1:
            b.in.request.user_id = "uid-eve"; /* the name was given to somebody else */
            break;
        case 2:
            b.in.request.device_id = "e";
            break;
        case 3:
            b.in.request.template_name = "admin";
            break;
        case 4:
            b.in.request.provider = NULL;
            break;
        case 5:
            b.in.request.tenant = "other";
            break;
        default:
            b.in.request.at = T0 + HOUR; /* too late */
            break;
        }
        assert_int_equal(use(f, &b, s.request_id), PKE_DENIED);
    }
    attempt_sample(&b, 10);
    assert_int_equal(use(f, &b, "nobody"), PKE_DENIED);
    assert_int_equal(use(f, &b, s.request_id), PKE_OK);
}

static void test_an_expired_grant_is_asked_again(void **state)
{
    struct fixture *f = *state;
    struct ledger_admission a;
    struct sample s, b;

    attempt_sample(&s, 11);
    ask(f, &s);
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_OK);
    attempt_sample(&b, 12);
    a = ask(f, &b); /* while it holds, an attempt that did not use it only counts */
    assert_string_equal(a.request_id, s.request_id);
    assert_true(a.usable);
    assert_int_equal(a.attempts, 2);
    a = find(f, &s, T0 + HOUR);
    assert_string_equal(a.state, "expired");
    assert_false(a.usable);
    b.in.request.at = T0 + HOUR;
    a = ask(f, &b);
    assert_string_equal(a.request_id, b.request_id);
    assert_string_equal(a.state, "pending");
    assert_int_equal(decide(f, s.request_id, true, T0 + 9 * HOUR), PKE_EXISTS);
    assert_audit_whole(
        f, 7); /* refused, pending, approved, pending-again, admission-expired, refused, pending */
}

static void test_a_denial_answers_for_its_time(void **state)
{
    struct fixture *f = *state;
    struct ledger_admission a;
    struct sample s, b;

    attempt_sample(&s, 13);
    ask(f, &s);
    assert_int_equal(decide(f, s.request_id, false, T0 + HOUR), PKE_OK);
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "admission-decided");
    attempt_sample(&b, 14);
    a = ask(f, &b);
    assert_string_equal(a.state, "denied");
    assert_string_equal(a.request_id, s.request_id);
    assert_int_equal(a.attempts, 2);
    assert_int_equal(use(f, &b, s.request_id), PKE_DENIED);
    b.in.request.at = T0 + HOUR;
    a = ask(f, &b);
    assert_string_equal(a.state, "pending");
    assert_string_equal(a.request_id, b.request_id);
    assert_int_equal(decide(f, "nobody", true, T0), PKE_NOT_FOUND);
    assert_string_equal(f->fail.reason, "admission-unknown");
}

static void test_a_name_given_to_somebody_else(void **state)
{
    struct fixture *f = *state;
    struct ledger_admission a;
    struct sample s, b;

    attempt_sample(&s, 15);
    ask(f, &s);
    assert_int_equal(decide(f, s.request_id, true, T0 + HOUR), PKE_OK);
    attempt_sample(&b, 16);
    b.in.request.user_id = "uid-new";
    assert_int_equal(ledger_admission_find(f->l, &b.in.request, T0, f->arena, &a, &f->fail), PKE_NOT_FOUND);
    a = ask(f, &b);
    assert_string_equal(a.request_id, b.request_id);
    assert_string_equal(a.state, "pending");
    assert_string_equal(find(f, &s, T0).state, "expired"); /* the place is the newcomer's */
}

static void test_an_attempt_must_say_what_is_asked(void **state)
{
    struct pke_fail reason = why();
    struct fixture *f = *state;
    struct ledger_admission a;
    struct ledger_row row;
    struct sample s;

    attempt_sample(&s, 17);
    s.in.request.device_id = NULL;
    begin(f);
    assert_int_equal(ledger_admission_attempt(f->l, &s.in.request, &reason, f->arena, &a, &f->fail),
                     PKE_INTERNAL);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    assert_audit_whole(f, 0);
}

static unsigned pending(struct fixture *f, const char *tenant, const char *principal, const char *user_id)
{
    unsigned n = 99;

    assert_int_equal(ledger_admission_open(f->l, tenant, principal, user_id, &n, &f->fail), PKE_OK);
    return n;
}

static void test_pending_questions_of_an_identity(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c;

    assert_int_equal(pending(f, "default", "ada@corp.example", "uid-ada"), 0);
    attempt_sample(&a, 60);
    ask(f, &a);
    ask(f, &a); /* folds */
    attempt_sample(&b, 61);
    snprintf(b.device, sizeof b.device, "e");
    b.in.request.principal = "ada.new@corp.example"; /* renamed, the same person */
    ask(f, &b);
    attempt_sample(&c, 62);
    snprintf(c.device, sizeof c.device, "g");
    c.in.request.user_id = NULL;
    ask(f, &c);
    assert_int_equal(pending(f, "default", "ADA@corp.example", "uid-ada"), 3);
    assert_int_equal(pending(f, "default", "ada@corp.example", NULL), 2);
    assert_int_equal(pending(f, "default", "ada@corp.example", "uid-other"), 1);
    assert_int_equal(pending(f, "other", "ada@corp.example", "uid-ada"), 0);
    assert_int_equal(decide(f, a.request_id, true, T0 + HOUR), PKE_OK);
    assert_int_equal(decide(f, c.request_id, false, T0 + HOUR), PKE_OK);
    assert_int_equal(pending(f, "default", "ada@corp.example", "uid-ada"), 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_attempts_fold_into_one_question),  T(test_a_grant_is_used_once),
        T(test_a_crash_releases_the_grant),       T(test_a_grant_is_for_nobody_else),
        T(test_an_expired_grant_is_asked_again),  T(test_a_denial_answers_for_its_time),
        T(test_a_name_given_to_somebody_else),    T(test_an_attempt_must_say_what_is_asked),
        T(test_pending_questions_of_an_identity),
    };

    return cmocka_run_group_tests_name("ledger_admission", tests, NULL, NULL);
}
