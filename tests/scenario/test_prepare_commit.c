/* SPDX-License-Identifier: Apache-2.0 */
/* PREPARE and COMMIT (architecture 4): what is held costs nothing until it is committed, once, in time, under
 * the configuration that it was prepared with; retries and rivals of a request in flight. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/scenario/stage.h"

#define NO_DECISION PKE_BYTES(NULL, 0)

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

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

static uint64_t hold(struct stage *s, struct ask *ask)
{
    const struct answer *a;
    unsigned signs = s->signs;

    ask->msg.commit = 0;
    a = stage_answer(s, stage_send(s, ask));
    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_PREPARED);
    assert_true(pke_bytes_eq(a->prepared.request_hash, ask->who.request_hash));
    assert_int_equal(s->signs, signs);
    assert_null(stage_row(s, ask->msg.trace_id).state);
    return a->prepared.prep_id;
}

static const struct answer *commit(struct stage *s, uint64_t prep_id)
{
    return stage_answer(s, stage_commit(s, prep_id, NO_DECISION));
}

static void prepare_then_commit_issues_once(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    uint64_t id = hold(s, &ask);

    stage_must_be_issued(s, commit(s, id), csr);
    assert_int_equal(s->signs, 1);
    stage_must_fail(commit(s, id), PKE_DEADLINE, "prep-id"); /* it is spent */
    assert_int_equal(s->signs, 1);
    assert_int_equal(stage_counts(s).issued, 1);
}

static void commit_of_an_unknown_id_is_refused(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));
    uint64_t id = hold(s, &ask);

    stage_must_fail(commit(s, id + 1), PKE_DEADLINE, "prep-id");
    stage_must_fail(commit(s, 0), PKE_DEADLINE, "prep-id");
    assert_int_equal(s->signs, 0);
}

static void commit_after_the_deadline_is_refused(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));
    uint64_t id, end = process_monotonic_ms() + 300;
    const struct answer *a;

    ask.msg.deadline = end;
    id = hold(s, &ask);
    while (process_monotonic_ms() <= end)
        stage_pump(s);
    a = commit(s, id);
    assert_int_equal(a->kind, MSG_FAILED);
    assert_int_equal(a->failed.fail.err, PKE_DEADLINE);
    assert_int_equal(s->signs, 0);
}

/* net chooses the deadline, but not one that lets it keep auth's word for later. */
static void a_deadline_beyond_the_configured_one_is_cut(void **state)
{
    struct stage *s = *state;
    struct ask ask;
    uint64_t id, end;

    ask = stage_ask(s, stage_csr(s));
    ask.msg.deadline = UINT64_MAX;
    id = hold(s, &ask);
    end = process_monotonic_ms() + 3100; /* request-deadline is 3 s */
    while (process_monotonic_ms() <= end)
        stage_pump(s);
    assert_int_equal(commit(s, id)->failed.fail.err, PKE_DEADLINE);
    assert_int_equal(s->signs, 0);
}

static void a_decision_of_nobody_is_no_permission(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));
    uint64_t id = hold(s, &ask);
    const struct answer *a = stage_answer(s, stage_commit(s, id, pke_bytes_str("allow")));

    stage_must_fail(a, PKE_DENIED, "authoriser");
    assert_string_equal(stage_row(s, ask.msg.trace_id).fail.reason, "authoriser");
    assert_int_equal(s->signs, 0);
}

static void a_configuration_switch_between_makes_it_stale(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    uint64_t id = hold(s, &ask);
    unsigned catalogues = s->catalogues;

    s->extra = "retry-window: 30m\n";
    assert_true(stage_configure(&s->issuer));
    stage_wait(s, &s->catalogues, catalogues + 1);
    stage_must_fail(commit(s, id), PKE_STALE, "generation");
    assert_int_equal(s->signs, 0);
    ask = stage_ask(s, csr); /* net repeats it with the new generation */
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
}

/* Each could be issued alone; the second commit must see the first (one key per device). */
static void two_held_requests_cannot_share_a_key(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask one = stage_ask(s, csr), two = stage_ask(s, csr);
    uint64_t first = hold(s, &one), second = hold(s, &two);

    stage_must_be_issued(s, commit(s, first), csr);
    stage_must_fail(commit(s, second), PKE_CSR_BAD, "csr-key-reused");
    assert_int_equal(s->signs, 1);
}

static void two_held_requests_cannot_sign_one_key_at_once(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask one = stage_ask(s, csr), two = stage_ask(s, csr);
    uint64_t first = hold(s, &one), second = hold(s, &two), frame;

    s->key_mode = KEY_SILENT;
    frame = stage_commit(s, first, NO_DECISION);
    stage_wait(s, &s->signs, 1);
    stage_must_fail(commit(s, second), PKE_BUSY, "csr-key-in-flight");
    stage_sign_now(s);
    stage_must_be_issued(s, stage_answer(s, frame), csr);
    assert_int_equal(s->signs, 1);
}

/* The same for one device and two users. */
static void two_held_requests_cannot_share_a_device(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask one = stage_ask(s, csr), two = stage_ask(s, stage_csr(s));
    uint64_t first, second;

    two.device = one.device;
    two.who.principal = "bob@corp.example";
    first = hold(s, &one);
    second = hold(s, &two);
    stage_must_be_issued(s, commit(s, first), csr);
    stage_must_fail(commit(s, second), PKE_DENIED, "device-of-another");
    assert_int_equal(s->signs, 1);
}

/* A retry of a request in flight attaches to it; later ones get the same bytes. */
static void a_retry_is_signed_once(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), again;
    const struct answer *a, *b;
    uint64_t first, second;

    s->key_mode = KEY_SILENT;
    first = stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    again = stage_ask(s, csr);
    again.device = ask.device;
    second = stage_send(s, &again);
    stage_settle(s);
    assert_null(stage_peek(s, second));
    stage_sign_now(s);
    a = stage_answer(s, first);
    b = stage_answer(s, second);
    stage_must_be_issued(s, a, csr);
    stage_must_be_issued(s, b, csr);
    assert_true(pke_bytes_eq(a->issued.certificate, b->issued.certificate));
    again = stage_ask(s, csr);
    again.device = ask.device;
    b = stage_answer(s, stage_send(s, &again));
    stage_must_be_issued(s, b, csr);
    assert_true(pke_bytes_eq(a->issued.certificate, b->issued.certificate));
    assert_string_equal(b->issued.request_id, ask.msg.trace_id);
    assert_string_equal(b->issued.ent_dmid, a->issued.ent_dmid);
    assert_int_equal(b->issued.replayed, 1);
    assert_int_equal(s->signs, 1);
    assert_int_equal(stage_counts(s).issued, 1);
}

static void a_retry_of_a_held_request_gets_the_certificate_too(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask one = stage_ask(s, csr), two = stage_ask(s, csr);
    const struct answer *a, *b;
    uint64_t first, second;

    two.device = one.device;
    first = hold(s, &one);
    second = hold(s, &two);
    a = commit(s, first);
    b = commit(s, second);
    stage_must_be_issued(s, a, csr);
    stage_must_be_issued(s, b, csr);
    assert_true(pke_bytes_eq(a->issued.certificate, b->issued.certificate));
    assert_int_equal(s->signs, 1);
}

static void another_device_with_the_same_csr_is_refused(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), other = stage_ask(s, csr);
    uint64_t first;

    s->key_mode = KEY_SILENT;
    first = stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    stage_must_fail(stage_answer(s, stage_send(s, &other)), PKE_BUSY, "csr-key-in-flight");
    stage_sign_now(s);
    stage_must_be_issued(s, stage_answer(s, first), csr);
    other = stage_ask(s, csr);
    stage_must_fail(stage_answer(s, stage_send(s, &other)), PKE_CSR_BAD, "csr-key-reused");
    assert_string_equal(stage_row(s, other.msg.trace_id).state, "refused");
    other = stage_ask(s, csr); /* nor may another user of the same device */
    other.device = ask.device;
    other.who.principal = "bob@corp.example";
    stage_must_fail(stage_answer(s, stage_send(s, &other)), PKE_CSR_BAD, "csr-key-reused");
    assert_int_equal(s->signs, 1);
}

/* net goes while its request is being signed: it is finished, and the retry by the next net gets it. */
static void a_request_outlives_net(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), again;
    const struct answer *a;

    s->key_mode = KEY_SILENT;
    stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    stage_link_net(s);
    stage_sign_now(s);
    again = stage_ask(s, csr);
    again.device = ask.device;
    a = stage_answer(s, stage_send(s, &again));
    stage_must_be_issued(s, a, csr);
    assert_int_equal(s->signs, 1);
    assert_string_equal(a->issued.request_id, ask.msg.trace_id);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(prepare_then_commit_issues_once),
        T(commit_of_an_unknown_id_is_refused),
        T(commit_after_the_deadline_is_refused),
        T(a_deadline_beyond_the_configured_one_is_cut),
        T(a_decision_of_nobody_is_no_permission),
        T(a_configuration_switch_between_makes_it_stale),
        T(two_held_requests_cannot_share_a_key),
        T(two_held_requests_cannot_sign_one_key_at_once),
        T(two_held_requests_cannot_share_a_device),
        T(a_retry_is_signed_once),
        T(a_retry_of_a_held_request_gets_the_certificate_too),
        T(another_device_with_the_same_csr_is_refused),
        T(a_request_outlives_net),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
