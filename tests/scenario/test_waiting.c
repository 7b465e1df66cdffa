/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for a key: recorded, numbered, decided anew and signed once when it returns, and told to
 * their requester; whatever is killed in between. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/scenario/stage.h"

#define PATIENCE_MS 20000

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    stage_issuer(s);
    *state = s;
    return 0;
}

static int set_up_with(void **state, const char *extra)
{
    struct stage *s = stage_new(NULL);

    s->extra = extra;
    stage_issuer(s);
    *state = s;
    return 0;
}

static int set_up_short(void **state)
{
    return set_up_with(state, "waiting-lifetime: 1s\n");
}

static int set_up_one(void **state)
{
    return set_up_with(state, "waiting-max: 1\n");
}

static int tear_down(void **state)
{
    stage_free(*state);
    return 0;
}

static struct ask may_wait(struct stage *s, struct pke_bytes csr)
{
    struct ask ask = stage_ask(s, csr);

    ask.msg.may_wait = MSG_WAIT_MAY;
    return ask;
}

static uint64_t must_wait(struct stage *s, struct ask *ask)
{
    const struct answer *a = stage_answer(s, stage_send(s, ask));

    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_PENDING);
    assert_in_range(a->pending.number, 1, UINT32_MAX);
    return a->pending.number;
}

static const struct answer *query_as(struct stage *s, uint64_t number, uint64_t asserted,
                                     const char *principal)
{
    struct ask ask = stage_ask(s, PKE_BYTES("x", 1));
    struct msg_query m = {.endpoint = "enroll", .number = number, .trace_id = stage_uuid(s)};
    char text[24];
    uint8_t hash[32];
    struct pke_buf b;

    snprintf(text, sizeof text, "%" PRIu64, asserted);
    EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL);
    ask.who.request_hash = PKE_BYTES(hash, sizeof hash);
    if (principal)
        ask.who.principal = principal;
    pke_buf_init(&b, 65536);
    assert_int_equal(assertion_write(&ask.who, ask.mac_key, &b), PKE_OK);
    m.assertion = pke_buf_bytes(&b);
    chan_send_record(s->net, MSG_QUERY, ++s->next_id, msg_query_fields, &m);
    pke_buf_done(&b);
    return stage_answer(s, s->next_id);
}

static const struct answer *query(struct stage *s, uint64_t number)
{
    return query_as(s, number, number, NULL);
}

/* Ask until it waits no more. */
static const struct answer *until_ended(struct stage *s, uint64_t number)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    const struct answer *a = query(s, number);

    while (a->kind == MSG_PENDING && process_monotonic_ms() < end) {
        stage_pump(s);
        a = query(s, number);
    }
    return a;
}

static void must_be_issued(struct stage *s, uint64_t number, struct pke_bytes csr)
{
    const struct answer *a = until_ended(s, number);

    stage_must_be_issued(s, a, csr);
    assert_int_equal(a->issued.number, number);
}

static void key_goes(struct stage *s)
{
    chan_free(s->keyside);
    s->keyside = NULL;
}

static void key_says(struct stage *s, const char *state, enum pke_err err)
{
    struct msg_key_state m = {.state = state, .algorithm = "P-256"};

    if (err != PKE_OK)
        pke_fail_set(&m.fail, err, "test", "test", "the test says so");
    chan_send_record(s->keyside, MSG_KEY_STATE, 0, msg_key_state_fields, &m);
}

static void waits_and_is_signed_when_the_key_returns(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask);
    struct ledger_row row = stage_row(s, ask.msg.trace_id);
    const struct answer *a, *b;

    assert_string_equal(row.state, "refused");
    assert_string_equal(row.fail.reason, "key-down");
    assert_string_equal(row.waiting.state, "waiting");
    assert_int_equal(row.waiting.number, number);
    assert_int_equal(stage_audited(s, "waiting"), 1);
    a = query(s, number);
    assert_int_equal(a->kind, MSG_PENDING);
    assert_int_equal(a->pending.number, number);
    assert_string_equal(a->pending.request_id, ask.msg.trace_id);
    assert_string_equal(a->pending.reason, "key-down");
    stage_play_key(s);
    must_be_issued(s, number, csr);
    assert_int_equal(s->signs, 1);
    a = query(s, number);
    b = query(s, number); /* the same whenever it is asked */
    assert_true(pke_bytes_eq(a->issued.certificate, b->issued.certificate));
    row = stage_row(s, ask.msg.trace_id);
    assert_string_equal(row.waiting.state, "issued");
    row = stage_row(s, row.waiting.result);
    assert_string_equal(row.state, "issued");
    assert_string_equal(row.serial, a->issued.serial);
    assert_int_equal(stage_counts(s).issued, 1);
}

static void a_retry_has_the_same_number(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr), again = may_wait(s, csr), late = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask);
    const struct answer *a;

    again.device = late.device = ask.device;
    assert_int_equal(must_wait(s, &again), number);
    assert_int_equal(stage_audited(s, "waiting"), 1);
    stage_play_key(s);
    must_be_issued(s, number, csr);
    a = stage_answer(s, stage_send(s, &late)); /* an answered request: the same certificate */
    stage_must_be_issued(s, a, csr);
    assert_int_equal(a->issued.replayed, 1);
    assert_int_equal(s->signs, 1);
}

/* One of many at once: each has a number of its own. */
static void numbers_are_never_given_twice(void **state)
{
    struct stage *s = *state;
    uint64_t last = 0;

    for (int i = 0; i < 5; i++) {
        struct ask ask = may_wait(s, stage_csr(s));
        uint64_t number = must_wait(s, &ask);

        assert_true(number > last);
        last = number;
        if (i == 2) {
            stage_kill(&s->issuer);
            stage_issuer(s);
        }
    }
}

static void who_asks_must_be_its_requester(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);

    stage_must_fail(query_as(s, number, number, "eve@corp.example"), PKE_DENIED, "request-of-another");
    stage_must_fail(query_as(s, number, number + 1, NULL), PKE_UNAUTHENTICATED, "assertion-scope");
    stage_must_fail(query(s, number + 1), PKE_NOT_FOUND, "ticket-unknown");
    stage_must_fail(query(s, 0), PKE_MALFORMED, "request-number");
    stage_must_fail(query(s, (uint64_t)UINT32_MAX + 1), PKE_MALFORMED, "request-number");
    stage_play_key(s);
    assert_int_equal(until_ended(s, number)->kind, MSG_ISSUED);
    stage_must_fail(query_as(s, number, number, "eve@corp.example"), PKE_DENIED, "request-of-another");
}

static void who_cannot_wait_is_refused(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s)), foreign = may_wait(s, stage_csr(s));

    stage_must_fail(stage_answer(s, stage_send(s, &ask)), PKE_KEY_DOWN, "key-down");
    assert_null(stage_row(s, ask.msg.trace_id).waiting.state);
    foreign.who.principal = "eve@elsewhere.example"; /* not allowed: nothing to wait for */
    assert_int_equal(stage_answer(s, stage_send(s, &foreign))->kind, MSG_FAILED);
    assert_int_equal(stage_audited(s, "waiting"), 0);
}

static void killed_while_it_waits(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask);

    stage_kill(&s->issuer);
    stage_issuer(s);
    assert_int_equal(query(s, number)->kind, MSG_PENDING);
    stage_play_key(s);
    must_be_issued(s, number, csr);
    assert_int_equal(s->signs, 1);
}

/* The signature that was under way is nobody's; the next one has another serial, and there is one
 * certificate.
 */
static void killed_while_it_is_signed(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask);

    s->key_mode = KEY_SILENT;
    stage_play_key(s);
    stage_wait(s, &s->signs, 1);
    stage_kill(&s->issuer);
    stage_issuer(s);
    assert_int_equal(query(s, number)->kind, MSG_PENDING);
    assert_int_equal(stage_counts(s).abandoned, 1);
    s->key_mode = KEY_SIGNS;
    stage_play_key(s);
    must_be_issued(s, number, csr);
    assert_int_equal(stage_counts(s).issued, 1);
    stage_kill(&s->issuer);
    stage_issuer(s);
    must_be_issued(s, number, csr); /* and it needs no key */
    assert_int_equal(s->signs, 2);
}

static void a_locked_key_comes_back(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number, end;

    stage_play_key(s);
    key_says(s, "locked", PKE_KEY_LOCKED);
    number = must_wait(s, &ask);
    end = process_monotonic_ms() + 1500; /* three looks of the issuer */
    while (process_monotonic_ms() < end)
        assert_int_equal(query(s, number)->kind, MSG_PENDING);
    assert_int_equal(s->signs, 0);
    key_says(s, "ready", PKE_OK);
    must_be_issued(s, number, csr);
}

static void too_old_is_abandoned(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);

    stage_must_fail(until_ended(s, number), PKE_DEADLINE, "waiting-expired");
    assert_int_equal(stage_audited(s, "waiting-abandoned"), 1);
    assert_string_equal(stage_row(s, ask.msg.trace_id).waiting.state, "abandoned");
    stage_play_key(s);
    stage_settle(s);
    assert_int_equal(s->signs, 0);
}

static void no_more_than_may_wait(void **state)
{
    struct stage *s = *state;
    struct ask one = may_wait(s, stage_csr(s)), two = may_wait(s, stage_csr(s));

    must_wait(s, &one);
    stage_must_fail(stage_answer(s, stage_send(s, &two)), PKE_KEY_DOWN, "key-down");
    assert_int_equal(stage_audited(s, "waiting"), 1);
}

/* What is configured when the key returns decides. */
static void an_identity_that_is_not_allowed_any_more(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);
    const struct answer *a;

    s->allow = "*@other.example";
    assert_true(stage_configure(&s->issuer));
    stage_play_key(s);
    a = until_ended(s, number);
    assert_int_equal(a->kind, MSG_FAILED);
    assert_int_equal(a->failed.fail.err, PKE_DENIED);
    assert_int_equal(s->signs, 0);
    assert_int_equal(stage_audited(s, "waiting-denied"), 1);
    assert_string_equal(stage_row(s, ask.msg.trace_id).waiting.state, "denied");
}

/* Nobody is told to go on asking for what was ended. */
static void a_template_that_asks_an_operator_now(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);

    s->allow = "*@corp.example\"]\n    approval: operator #";
    assert_true(stage_configure(&s->issuer));
    stage_play_key(s);
    stage_must_fail(until_ended(s, number), PKE_DENIED, "approval-pending");
    assert_int_equal(s->signs, 0);
}

/* What was asked for one tenant is not issued in the name of another. */
static void a_tenant_that_is_another_now(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    must_wait(s, &ask);
    stage_kill(&s->issuer);
    s->extra = "tenant: other\n";
    stage_issuer(s);
    stage_play_key(s);
    while (strcmp(stage_row(s, ask.msg.trace_id).waiting.state, "waiting") == 0 &&
           process_monotonic_ms() < end)
        stage_pump(s);
    assert_string_equal(stage_row(s, ask.msg.trace_id).waiting.state, "denied");
    assert_int_equal(s->signs, 0);
}

static void a_device_that_was_blocked_meanwhile(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);
    char path[128];
    struct ledger *l;
    struct pke_fail fail;

    stage_kill(&s->issuer);
    snprintf(path, sizeof path, "%s/state/ledger.db", s->dir);
    assert_int_equal(ledger_open(path, &l, &fail), PKE_OK);
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_device_change(l, "default", "corp.example", ask.device, LEDGER_DEVICE_BLOCK,
                                          "test", 0, 1, &fail),
                     PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
    ledger_close(l);
    stage_issuer(s);
    stage_play_key(s);
    stage_must_fail(until_ended(s, number), PKE_DENIED, "device-blocked");
    assert_int_equal(s->signs, 0);
}

static void an_operator_denies_it(void **state)
{
    struct stage *s = *state;
    struct ask ask = may_wait(s, stage_csr(s));
    uint64_t number = must_wait(s, &ask);
    struct msg_verb verb = {.verb = "request-deny", .actor = "uid=0 role=admin"};

    pke_pairs_add(&verb.args, s->arena, "id", ask.msg.trace_id);
    stage_verb(s, &verb);
    stage_must_fail(query(s, number), PKE_DENIED, "operator-denied");
    assert_int_equal(stage_audited(s, "waiting-denied"), 1);
    stage_play_key(s);
    stage_settle(s);
    assert_int_equal(s->signs, 0);
    ask =
        may_wait(s, ask.msg.request); /* said no for good, to this one: another attempt is another request */
    assert_int_equal(stage_answer(s, stage_send(s, &ask))->kind, MSG_ISSUED);
}

static void operator_does(struct stage *s, const char *verb, const char *argument, const char *value)
{
    struct msg_verb m = {.verb = verb, .actor = "uid=0 role=admin"};

    pke_pairs_add(&m.args, s->arena, argument, value);
    if (strcmp(verb, "cert-revoke") == 0)
        pke_pairs_add(&m.args, s->arena, "hold", "true");
    stage_verb(s, &m);
}

/* Whoever asks late does not get what was taken back meanwhile. */
static void a_certificate_that_was_revoked_or_whose_device_was_blocked_since(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask);
    const char *serial;

    stage_play_key(s);
    must_be_issued(s, number, csr);
    serial = query(s, number)->issued.serial;
    operator_does(s, "cert-revoke", "key", serial);
    assert_int_equal(stage_audited(s, "held"), 1);
    stage_must_fail(query(s, number), PKE_DENIED, "certificate-revoked");
    operator_does(s, "cert-release", "key", serial);
    must_be_issued(s, number, csr);
    operator_does(s, "device-block", "id", ask.device);
    stage_must_fail(query(s, number), PKE_DENIED, "device-blocked");
    operator_does(s, "device-unblock", "id", ask.device);
    must_be_issued(s, number, csr);
    operator_does(s, "device-release", "id", ask.device);
    stage_must_fail(query(s, number), PKE_DENIED, "device-released");
    assert_int_equal(s->signs, 1);
}

/* The key is there and fails: after T1, which costs a serial; the request waits all the same. */
static void a_key_that_fails_in_mid_signature(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number;

    s->key_mode = KEY_FAILS;
    stage_play_key(s);
    number = must_wait(s, &ask);
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "failed");
    assert_string_equal(stage_row(s, ask.msg.trace_id).waiting.state, "waiting");
    s->key_mode = KEY_SIGNS;
    must_be_issued(s, number, csr);
    assert_int_equal(stage_counts(s).issued, 1);
}

/* An attempt that fails is not repeated at once: each costs a serial. */
static void a_key_that_goes_on_failing(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask), end = process_monotonic_ms() + 2500;

    s->key_mode = KEY_FAILS;
    stage_play_key(s);
    while (process_monotonic_ms() < end)
        assert_int_equal(query(s, number)->kind, MSG_PENDING);
    assert_in_range(s->signs, 1, 3);
    s->key_mode = KEY_SIGNS;
    must_be_issued(s, number, csr);
}

/* The second cannot be signed now for a reason of its own: its device has another request in flight. The
 * third does not wait for that. */
static void one_that_cannot_be_signed_now(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csrs[] = {stage_csr(s), stage_csr(s), stage_csr(s)};
    uint64_t numbers[PKE_LEN(csrs)], end = process_monotonic_ms() + PATIENCE_MS;
    const char *device = NULL;

    for (size_t i = 0; i < PKE_LEN(csrs); i++) {
        struct ask ask = may_wait(s, csrs[i]);

        if (i == 0)
            device = ask.device;
        else if (i == 1)
            ask.device = device;
        numbers[i] = must_wait(s, &ask);
    }
    s->key_mode = KEY_SILENT;
    stage_play_key(s);
    while (stage_counts(s).intent < 2 && process_monotonic_ms() < end)
        stage_pump(s);
    assert_int_equal(stage_counts(s).intent, 2);
    s->key_mode = KEY_SIGNS;
    stage_sign_now(s);
    for (size_t i = 0; i < PKE_LEN(csrs); i++)
        must_be_issued(s, numbers[i], csrs[i]);
    assert_int_equal(stage_counts(s).issued, 3);
}

static bool is_of(struct pke_bytes tbs, struct pke_bytes csr)
{
    const unsigned char *p = csr.p;
    X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)csr.n);
    unsigned char *spki = NULL;
    int n = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(r), &spki);
    bool found = n > 0 && memmem(tbs.p, tbs.n, spki, (size_t)n);

    OPENSSL_free(spki);
    X509_REQ_free(r);
    return found;
}

static void the_oldest_first(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csrs[5];
    uint64_t numbers[5];

    for (size_t i = 0; i < PKE_LEN(csrs); i++) {
        struct ask ask;

        csrs[i] = stage_csr(s);
        ask = may_wait(s, csrs[i]);
        numbers[i] = must_wait(s, &ask);
    }
    s->key_mode = KEY_SILENT;
    stage_play_key(s);
    for (unsigned i = 0; i < PKE_LEN(csrs); i++) {
        stage_wait(s, &s->signs, i + 1);
        assert_true(is_of(s->sign.tbs, csrs[i]));
        stage_sign_now(s);
    }
    for (size_t i = 0; i < PKE_LEN(csrs); i++)
        must_be_issued(s, numbers[i], csrs[i]);
}

/* Those who can wait do not keep out those who cannot, nor the other way round. */
static void beside_requests_that_cannot_wait(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s), waiting = stage_csr(s);
    struct ask ask = stage_ask(s, csr), old = may_wait(s, waiting);
    uint64_t number = must_wait(s, &old);

    for (int i = 0; i < 10; i++) {
        struct ask more = may_wait(s, stage_csr(s));
        must_wait(s, &more);
    }
    stage_play_key(s);
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
    must_be_issued(s, number, waiting);
}

/* A client that repeats itself while its waiting request is signed gets that certificate. */
static void a_retry_attaches_to_the_attempt(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr), again = may_wait(s, csr);
    uint64_t number = must_wait(s, &ask), frame;
    const struct answer *a;

    again.device = ask.device;
    s->key_mode = KEY_SILENT;
    stage_play_key(s);
    stage_wait(s, &s->signs, 1);
    frame = stage_send(s, &again);
    stage_settle(s);
    stage_sign_now(s);
    a = stage_answer(s, frame);
    stage_must_be_issued(s, a, csr);
    assert_int_equal(a->issued.number, number);
    assert_int_equal(s->signs, 1);
}

static void all_wait_while_the_server_drains(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = may_wait(s, csr);

    stage_play_key(s);
    ask.msg.may_wait = MSG_WAIT_ALWAYS;
    must_be_issued(s, must_wait(s, &ask), csr);
}

static void a_key_that_goes_with_a_full_queue(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csrs[3];
    uint64_t frames[3];

    s->key_mode = KEY_SILENT;
    stage_play_key(s);
    for (size_t i = 0; i < PKE_LEN(csrs); i++) {
        struct ask ask;

        csrs[i] = stage_csr(s);
        ask = may_wait(s, csrs[i]);
        frames[i] = stage_send(s, &ask);
    }
    stage_wait(s, &s->signs, 1);
    stage_settle(s);
    key_goes(s);
    for (size_t i = 0; i < PKE_LEN(csrs); i++)
        assert_int_equal(stage_answer(s, frames[i])->kind, MSG_PENDING);
    s->key_mode = KEY_SIGNS;
    stage_play_key(s);
    for (size_t i = 0; i < PKE_LEN(csrs); i++)
        must_be_issued(s, stage_answer(s, frames[i])->pending.number, csrs[i]);
    assert_int_equal(stage_counts(s).issued, 3);
}

int main(void)
{
#define T(f)         cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define T_WITH(f, s) cmocka_unit_test_setup_teardown(f, s, tear_down)
    const struct CMUnitTest tests[] = {
        T(waits_and_is_signed_when_the_key_returns),
        T(a_retry_has_the_same_number),
        T(numbers_are_never_given_twice),
        T(who_asks_must_be_its_requester),
        T(who_cannot_wait_is_refused),
        T(killed_while_it_waits),
        T(killed_while_it_is_signed),
        T(a_locked_key_comes_back),
        T_WITH(too_old_is_abandoned, set_up_short),
        T_WITH(no_more_than_may_wait, set_up_one),
        T(an_identity_that_is_not_allowed_any_more),
        T(a_template_that_asks_an_operator_now),
        T(a_tenant_that_is_another_now),
        T(a_device_that_was_blocked_meanwhile),
        T(an_operator_denies_it),
        T(a_certificate_that_was_revoked_or_whose_device_was_blocked_since),
        T(a_key_that_fails_in_mid_signature),
        T(a_key_that_goes_on_failing),
        T(one_that_cannot_be_signed_now),
        T(the_oldest_first),
        T(beside_requests_that_cannot_wait),
        T(a_retry_attaches_to_the_attempt),
        T(all_wait_while_the_server_drains),
        T(a_key_that_goes_with_a_full_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
