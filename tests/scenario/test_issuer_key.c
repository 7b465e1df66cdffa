/* SPDX-License-Identifier: Apache-2.0 */
/* A key that fails, lies, hangs or goes costs one serial and one answer; an issuer that is killed between T1
 * and T2 forgets nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/scenario/stage_impl.h"

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    stage_issuer(s);
    stage_play_key(s);
    *state = s;
    return 0;
}

/* With a key that is given up soon. */
static int set_up_impatient(void **state)
{
    struct stage *s = stage_new(NULL);

    s->key_deadline = "700ms";
    stage_issuer(s);
    stage_play_key(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    stage_free(*state);
    return 0;
}

/* Failed, recorded as failed with the serial that is lost; the same request then gets another serial. */
static void must_fail_then_work(struct stage *s, enum key_mode mode, enum pke_err err, const char *reason)
{
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), again;
    struct ledger_row row;
    const struct answer *a;

    s->key_mode = mode;
    stage_must_fail(stage_answer(s, stage_send(s, &ask)), err, reason);
    row = stage_row(s, ask.msg.trace_id);
    assert_string_equal(row.state, "failed");
    assert_string_equal(row.fail.reason, reason);
    assert_non_null(row.serial);
    assert_int_equal(row.certificate.n, 0);
    s->key_mode = KEY_SIGNS;
    if (mode == KEY_SILENT || mode == KEY_CLOSES)
        stage_play_key(s); /* main starts it again */
    again = stage_ask(s, csr);
    again.device = ask.device;
    a = stage_answer(s, stage_send(s, &again));
    stage_must_be_issued(s, a, csr);
    assert_string_not_equal(a->issued.serial, row.serial);
    assert_int_equal(a->issued.replayed, 0);
    assert_int_equal(s->signs, 2);
}

static void a_key_that_refuses(void **state)
{
    must_fail_then_work(*state, KEY_FAILS, PKE_KEY_DOWN, "key-test");
}

static void a_key_that_answers_nonsense(void **state)
{
    must_fail_then_work(*state, KEY_NONSENSE, PKE_INTERNAL, "key-answer");
}

/* The signature is good, but not over what lint saw and T1 recorded. */
static void a_key_that_signs_other_bytes(void **state)
{
    must_fail_then_work(*state, KEY_OTHER_BYTES, PKE_INTERNAL, "release-signature");
}

static void a_key_that_is_not_the_issuers(void **state)
{
    must_fail_then_work(*state, KEY_OTHER_KEY, PKE_INTERNAL, "release-signature");
}

static void a_key_that_goes_in_mid_signature(void **state)
{
    must_fail_then_work(*state, KEY_CLOSES, PKE_KEY_DOWN, "key-process");
}

/* Only main may send the SIGKILL that ends a blocked device call. */
static void a_key_that_hangs_is_ended_by_main(void **state)
{
    struct stage *s = *state;

    must_fail_then_work(s, KEY_SILENT, PKE_KEY_DOWN, "key-process");
    stage_wait(s, &s->issuer.kills, 1);
    assert_int_equal(s->issuer.kills, 1);
}

static void without_a_key_nothing_is_begun(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));

    s->key_mode = KEY_CLOSES;
    assert_int_equal(stage_answer(s, stage_send(s, &ask))->kind, MSG_FAILED);
    ask = stage_ask(s, stage_csr(s));
    stage_must_fail(stage_answer(s, stage_send(s, &ask)), PKE_KEY_DOWN, "key-down");
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "refused");
    assert_null(stage_row(s, ask.msg.trace_id).serial);
    assert_int_equal(s->signs, 1);
}

/* One that waits behind a hung key is answered too, when that key is given up. */
static void who_queues_behind_a_hung_key_is_answered(void **state)
{
    struct stage *s = *state;
    struct ask one = stage_ask(s, stage_csr(s)), two = stage_ask(s, stage_csr(s));
    uint64_t first, second;

    s->key_mode = KEY_SILENT;
    first = stage_send(s, &one);
    second = stage_send(s, &two);
    stage_must_fail(stage_answer(s, first), PKE_KEY_DOWN, "key-process");
    stage_must_fail(stage_answer(s, second), PKE_KEY_DOWN, "key-down");
    assert_string_equal(stage_row(s, two.msg.trace_id).state, "failed");
    assert_int_equal(s->signs, 1);
}

/* A late signature of a key that was given up is nobody's. */
static void an_answer_to_no_question_is_ignored(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    struct msg_signed m = {.signature = pke_bytes_str("late"), .micros = 1};
    uint64_t frame;

    chan_send_record(s->keyside, MSG_SIGNED, 4711, msg_signed_fields, &m);
    s->key_mode = KEY_SILENT;
    frame = stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    chan_send_record(s->keyside, MSG_SIGNED, s->sign_id + 1, msg_signed_fields, &m);
    stage_must_fail(stage_answer(s, frame), PKE_KEY_DOWN, "key-process");
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "failed");
}

/* What a key process says of itself is shown to operators and decides who is asked: nonsense changes nothing,
 * and text that is none is not passed on. */
static void a_key_that_tells_nonsense_of_itself(void **state)
{
    struct stage *s = *state;
    struct msg_key_state good = {.state = "ready", .algorithm = "P-256"}, bad = good;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    struct pke_pairs many = {0};

    chan_send(s->keyside, MSG_KEY_STATE, 0, pke_bytes_str("\1\1"));
    bad.state = "a-state-that-is-longer-than-every-state-there-is";
    chan_send_record(s->keyside, MSG_KEY_STATE, 0, msg_key_state_fields, &bad);
    bad = good;
    for (unsigned i = 0; i < IPC_MAX_ITEMS; i++)
        pke_pairs_add(&many, s->arena, "\xff\xfe", "\xff");
    bad.failed = bad.attributes = many;
    bad.algorithm = "\xff\xfe";
    bad.buckets = "99999999999999999999999999 -1 x";
    bad.last_raw_text = "\x80";
    bad.since = bad.last_good_at = UINT64_MAX;
    pke_fail_set(&bad.last_error, PKE_KEY_DOWN, "\xc0", "\xc1", "\xf5");
    chan_send_record(s->keyside, MSG_KEY_STATE, 0, msg_key_state_fields, &bad);
    stage_wait_key_ready(s); /* the listing is whole JSON */
    chan_send_record(s->keyside, MSG_KEY_STATE, 4711, msg_key_state_fields, &good); /* nobody asked */
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
}

/* T1 is durable before the key is asked: whatever became of the signature, that serial is never used again.
 */
static void killed_between_intent_and_result(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), again;
    struct ledger_row row;
    const struct answer *a;

    s->key_mode = KEY_SILENT;
    stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    stage_kill(&s->issuer);
    row = stage_row(s, ask.msg.trace_id);
    assert_string_equal(row.state, "intent");
    assert_non_null(row.serial);
    stage_issuer(s);
    s->key_mode = KEY_SIGNS;
    stage_play_key(s);
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "abandoned");
    assert_int_equal(stage_audited(s, "abandoned"), 1);
    again = stage_ask(s, csr);
    again.device = ask.device;
    a = stage_answer(s, stage_send(s, &again));
    stage_must_be_issued(s, a, csr);
    assert_string_not_equal(a->issued.serial, row.serial);
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "abandoned");
}

/* What was answered before the kill is answered the same after it. */
static void killed_after_the_answer(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), again;
    const struct answer *a = stage_answer(s, stage_send(s, &ask)), *b;

    stage_must_be_issued(s, a, csr);
    stage_kill(&s->issuer);
    stage_issuer(s); /* no key: a replay needs none */
    again = stage_ask(s, csr);
    again.device = ask.device;
    b = stage_answer(s, stage_send(s, &again));
    stage_must_be_issued(s, b, csr);
    assert_true(pke_bytes_eq(a->issued.certificate, b->issued.certificate));
    assert_int_equal(b->issued.replayed, 1);
}

/* Both roles, and a device between them that nobody simulates. */
static void issued_by_the_real_key_role(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);

    stage_key(s);
    assert_string_equal(s->key.state, "ready");
    stage_link_roles(s);
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
    assert_int_equal(s->signs, 0);
    stage_kill(&s->key); /* noticed without being asked: the channel is closed */
    ask = stage_ask(s, stage_csr(s));
    assert_int_equal(stage_answer(s, stage_send(s, &ask))->kind, MSG_FAILED);
    stage_key(s);
    stage_link_roles(s);
    csr = stage_csr(s);
    ask = stage_ask(s, csr);
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
}

static void issued_by_a_key_in_a_token(void **state)
{
    const char *module = stage_softhsm();
    struct stage *s;
    struct pke_bytes csr;
    struct ask ask;

    (void)state;
    if (!module) { /* not skip(): cmocka says "not ok" of it */
        print_message("# left out: SoftHSM is not installed\n");
        return;
    }
    s = stage_new(module);
    stage_issuer(s);
    stage_key(s);
    if (strcmp(s->key.state, "ready") != 0)
        fail_msg("key is %s", s->key.state);
    stage_link_roles(s);
    for (int i = 0; i < 3; i++) {
        csr = stage_csr(s);
        ask = stage_ask(s, csr);
        stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
    }
    stage_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_key_that_refuses),
        T(a_key_that_answers_nonsense),
        T(a_key_that_signs_other_bytes),
        T(a_key_that_is_not_the_issuers),
        T(a_key_that_goes_in_mid_signature),
        cmocka_unit_test_setup_teardown(a_key_that_hangs_is_ended_by_main, set_up_impatient, tear_down),
        T(without_a_key_nothing_is_begun),
        cmocka_unit_test_setup_teardown(who_queues_behind_a_hung_key_is_answered, set_up_impatient,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_to_no_question_is_ignored, set_up_impatient, tear_down),
        T(a_key_that_tells_nonsense_of_itself),
        T(killed_between_intent_and_result),
        T(killed_after_the_answer),
        T(issued_by_the_real_key_role),
        cmocka_unit_test(issued_by_a_key_in_a_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
