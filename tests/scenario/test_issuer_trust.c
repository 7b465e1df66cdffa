/* SPDX-License-Identifier: Apache-2.0 */
/* A compromised net mints nothing (architecture: processes): whatever it sends without auth's word, the key
 * is never asked, and the ledger names the rule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/scenario/stage.h"

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

/* Sent, refused, recorded under its rule, and no signature asked for. */
static void must_be_refused(struct stage *s, struct ask *ask, enum pke_err err, const char *reason)
{
    unsigned signs = s->signs;
    const struct answer *a = stage_answer(s, stage_send(s, ask));
    struct ledger_row row = stage_row(s, ask->msg.trace_id);

    stage_must_fail(a, err, reason);
    assert_int_equal(s->signs, signs);
    assert_non_null(row.state);
    assert_string_equal(row.state, "refused");
    assert_string_equal(row.fail.reason, reason);
    assert_string_equal(row.fail.rule, a->failed.fail.rule);
    assert_null(row.serial);
}

static void an_honest_request_is_issued(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    const struct answer *a = stage_answer(s, stage_send(s, &ask));

    stage_must_be_issued(s, a, csr);
    assert_string_equal(a->issued.request_id, ask.msg.trace_id);
    assert_string_equal(a->issued.principal, "ada@corp.example");
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "issued");
    assert_int_equal(s->signs, 1);
}

static void an_assertion_of_another_mac_key_is_forged(void **state)
{
    static const uint8_t other[ASSERTION_KEY_SIZE] = {1};
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));

    ask.mac_key = PKE_BYTES(other, sizeof other);
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-forged");
}

/* Every length of it, and every changed byte of the MAC and of what stands before it. */
static void a_truncated_or_changed_assertion_is_forged(void **state)
{
    struct stage *s = *state;
    struct ask honest = stage_ask(s, stage_csr(s)), ask;
    struct pke_buf b;
    uint8_t *copy;

    pke_buf_init(&b, 65536);
    assert_int_equal(assertion_write(&honest.who, honest.mac_key, &b), PKE_OK);
    for (size_t n = 1; n < b.n; n += 7) {
        ask = stage_ask(s, honest.msg.request);
        ask.msg.assertion = PKE_BYTES(b.p, n);
        must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-forged");
    }
    for (size_t n = 0; n < b.n; n += 11) {
        ask = stage_ask(s, honest.msg.request);
        ask.msg.assertion = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
        copy = (uint8_t *)(uintptr_t)ask.msg.assertion.p;
        copy[n] ^= 1;
        must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-forged");
    }
    pke_buf_done(&b);
}

static void an_expired_assertion_is_refused(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));

    ask.who.expires = process_monotonic_ms();
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-expired");
}

/* What was verified for one request says nothing about another. */
static void an_assertion_holds_for_one_request_only(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask;
    uint8_t hash[32];

    ask = stage_ask(s, csr);
    ask.who.stage = "policy";
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr);
    ask.who.endpoint = "policy";
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr);
    ask.who.tenant = "other";
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr);
    ask.msg.request = stage_csr(s); /* net exchanges the key that is to be certified */
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr);
    ask.who.request_hash = PKE_BYTES(NULL, 0);
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr);
    memset(hash, 0, sizeof hash);
    ask.who.request_hash = PKE_BYTES(hash, sizeof hash);
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr); /* and the request itself was good all the time */
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
}

static void what_the_configuration_does_not_offer_is_refused(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask;

    ask = stage_ask(s, csr);
    ask.msg.endpoint = ask.who.endpoint = "nowhere";
    must_be_refused(s, &ask, PKE_TEMPLATE, "endpoint");
    ask = stage_ask(s, csr);
    ask.msg.endpoint = ask.who.endpoint = "policy";
    must_be_refused(s, &ask, PKE_TEMPLATE, "endpoint");
    ask = stage_ask(s, csr);
    ask.msg.operation = "query";
    must_be_refused(s, &ask, PKE_UNSUPPORTED, "operation");
    ask = stage_ask(s, csr); /* not a CMS: what the body is, issuer sees for itself */
    ask.msg.operation = "renew";
    must_be_refused(s, &ask, PKE_MALFORMED, "cms-structure");

    ask = stage_ask(s, csr);
    ask.who.kind = "certificate";
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "credential-kind");
    ask = stage_ask(s, csr);
    ask.who.principal = "eve@elsewhere.example";
    must_be_refused(s, &ask, PKE_DENIED, "principal-not-allowed");
    ask = stage_ask(s, csr);
    ask.device = NULL;
    must_be_refused(s, &ask, PKE_ENROLLMENT_DATA, "context-missing");
    ask = stage_ask(s, csr);
    ask.msg.deadline = process_monotonic_ms();
    must_be_refused(s, &ask, PKE_DEADLINE, "deadline");
}

/* Another generation is net's to repeat with the new one: nothing is recorded. */
static void another_generation_is_stale_and_not_recorded(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s));
    uint8_t *copy;

    ask.msg.generation = pke_arena_bytes(s->arena, s->generation);
    copy = (uint8_t *)(uintptr_t)ask.msg.generation.p;
    copy[0] ^= 1;
    stage_must_fail(stage_answer(s, stage_send(s, &ask)), PKE_STALE, "generation");
    stage_settle(s);
    assert_null(stage_row(s, ask.msg.trace_id).state);
    assert_int_equal(s->signs, 0);
}

/* The issuer parses the CSR itself: bytes that net vouched for are still refused. */
static void a_csr_that_was_changed_after_signing_is_refused(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = pke_arena_bytes(s->arena, stage_csr(s));
    struct ask ask;

    ((uint8_t *)(uintptr_t)csr.p)[csr.n - 5] ^= 1;
    ask = stage_ask(s, csr);
    must_be_refused(s, &ask, PKE_CSR_BAD, "csr-signature");
}

/* A TraceId is net's to choose, but not to use twice for two certificates. */
static void a_repeated_trace_id_is_not_signed(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask first = stage_ask(s, csr), second = stage_ask(s, stage_csr(s));

    stage_must_be_issued(s, stage_answer(s, stage_send(s, &first)), csr);
    second.msg.trace_id = first.msg.trace_id;
    assert_int_equal(stage_answer(s, stage_send(s, &second))->kind, MSG_FAILED);
    assert_int_equal(s->signs, 1);
    assert_string_equal(stage_row(s, first.msg.trace_id).state, "issued");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_honest_request_is_issued),
        T(an_assertion_of_another_mac_key_is_forged),
        T(a_truncated_or_changed_assertion_is_forged),
        T(an_expired_assertion_is_refused),
        T(an_assertion_holds_for_one_request_only),
        T(what_the_configuration_does_not_offer_is_refused),
        T(another_generation_is_stale_and_not_recorded),
        T(a_csr_that_was_changed_after_signing_is_refused),
        T(a_repeated_trace_id_is_not_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
