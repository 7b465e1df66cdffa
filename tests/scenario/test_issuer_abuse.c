/* SPDX-License-Identifier: Apache-2.0 */
/* What a compromised or broken net can do to the issuer: fill no disk, move no clock, end nothing but its
 * link. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/scenario/stage_impl.h"

#define FLOOD       2000
#define DAY_MS      86400000LL
#define BURST       500 /* daemon/issuer/refusal.c */
#define RATE_PER_MS 0.1

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

static void must_work(struct stage *s)
{
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);

    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
}

static uint64_t send_refusal(struct stage *s)
{
    struct msg_refusal m = {
        .trace_id = stage_uuid(s), .endpoint = "enroll", .stage = "enroll", .source = "192.0.2.7"};

    pke_fail_set(&m.fail, PKE_UNAUTHENTICATED, "credential", "test", "wrong password");
    chan_send_record(s->net, MSG_REFUSAL, ++s->next_id, msg_refusal_fields, &m);
    return s->next_id;
}

static void a_flood_of_refusals_is_counted_not_recorded(void **state)
{
    struct stage *s = *state;
    uint64_t start = process_monotonic_ms(), first = 0, id = 0, end;
    struct ledger_counts counts;

    for (int i = 0; i < FLOOD; i++) {
        id = send_refusal(s);
        first = first ? first : id;
    }
    for (uint64_t i = first; i <= id; i++)
        assert_int_equal(stage_answer(s, i)->kind, MSG_OK);
    counts = stage_counts(s);
    end = process_monotonic_ms();
    assert_in_range(counts.refused, BURST, BURST + (uint64_t)((double)(end - start) * RATE_PER_MS) + 1);
    while (stage_audited(s, "refusals-suppressed") == 0 && process_monotonic_ms() < end + 5000)
        stage_pump(s);
    assert_in_range(stage_audited(s, "refusals-suppressed"), 1,
                    10); /* told without another refusal, and rarely */
    must_work(s);
}

/* The same bound for requests that the issuer itself refuses; each is answered with its reason all the same.
 */
static void a_flood_of_forgeries_is_counted_not_recorded(void **state)
{
    struct stage *s = *state;
    uint64_t start = process_monotonic_ms(), first = 0, id = 0;
    struct pke_bytes csr = stage_csr(s);

    for (int i = 0; i < FLOOD; i++) {
        struct ask ask = stage_ask(s, csr);
        ask.msg.assertion = pke_bytes_str("forged");
        id = stage_send(s, &ask);
        first = first ? first : id;
    }
    for (uint64_t i = first; i <= id; i++)
        stage_must_fail(stage_answer(s, i), PKE_UNAUTHENTICATED, "assertion-forged");
    assert_in_range(stage_counts(s).refused, BURST,
                    BURST + (uint64_t)((double)(process_monotonic_ms() - start) * RATE_PER_MS) + 1);
    assert_int_equal(s->signs, 0);
    must_work(s);
}

/* A ledger whose last certificate was written at now + @p ms. */
static struct stage *stage_at(int64_t ms)
{
    struct stage *s = stage_new(NULL);
    struct ledger *l = NULL;
    struct pke_fail fail;
    char path[128];

    snprintf(path, sizeof path, "%s/state/ledger.db", s->dir);
    if (ledger_open(path, &l, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_clock(l, process_wall_ms() + ms, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
    ledger_close(l);
    stage_issuer(s);
    stage_play_key(s);
    return s;
}

static void clock_must_refuse(int64_t ms, const char *reason)
{
    struct stage *s = stage_at(ms);
    struct ask ask = stage_ask(s, stage_csr(s));

    stage_must_fail(stage_answer(s, stage_send(s, &ask)), PKE_STORE_DOWN, reason);
    assert_string_equal(stage_row(s, ask.msg.trace_id).fail.reason, reason);
    assert_int_equal(s->signs, 0);
    stage_free(s);
}

static void a_clock_behind_the_last_certificate_issues_nothing(void **state)
{
    (void)state;
    clock_must_refuse(DAY_MS, "clock-backward");
}

static void a_clock_far_ahead_of_the_last_certificate_issues_nothing(void **state)
{
    (void)state;
    clock_must_refuse(-401 * DAY_MS, "clock-forward");
}

static void a_clock_within_its_limits_issues(void **state)
{
    struct stage *s = stage_at(30000); /* clock-backward-limit is 60 s */

    (void)state;
    must_work(s);
    stage_free(s);
    s = stage_at(-399 * DAY_MS);
    must_work(s);
    stage_free(s);
}

/* A34: what no verifier would accept below the CA is refused before a serial is spent. */
static void a_name_that_the_ca_may_not_certify_is_not_recorded(void **state)
{
    struct stage *s = stage_new(NULL);
    struct pke_bytes csr;
    struct ask ask;

    (void)state;
    /* excluded: the directory name CN=ada@corp.example */
    stage_new_ca(s,
                 "critical,DER:3023a121301fa41d301b3119301706035504030c1061646140636f72702e6578616d706c65");
    stage_issuer(s);
    stage_play_key(s);
    csr = stage_csr(s);
    ask = stage_ask(s, csr);
    stage_must_fail(stage_answer(s, stage_send(s, &ask)), PKE_POLICY, "name-constraint");
    assert_int_equal(s->signs, 0);
    assert_int_equal(stage_counts(s).intent + stage_counts(s).issued + stage_counts(s).failed, 0);
    ask = stage_ask(s, csr);
    ask.who.principal = "bob@corp.example";
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
    stage_free(s);
}

static void a_record_that_is_none_is_answered(void **state)
{
    struct stage *s = *state;
    struct pke_bytes torn = pke_bytes_str("\1\1\1");

    chan_send(s->net, MSG_PREPARE, ++s->next_id, torn);
    assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_MALFORMED);
    chan_send(s->net, MSG_PREPARE, ++s->next_id, PKE_BYTES(NULL, 0));
    assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_MALFORMED);
    chan_send(s->net, MSG_COMMIT, ++s->next_id, torn);
    assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_MALFORMED);
    chan_send(s->net, MSG_REFUSAL, ++s->next_id, torn);
    assert_int_equal(stage_answer(s, s->next_id)->kind, MSG_OK);
    must_work(s);
}

/* net may not speak as main, control or a key. */
static void frames_of_others_are_ignored(void **state)
{
    static const uint16_t kinds[] = {
        0,          MSG_CONF_PREPARE, MSG_CONF_SWITCH, MSG_LINK,  MSG_STOP, MSG_KILL_KEY, MSG_SIGN,
        MSG_SIGNED, MSG_KEY_STATE,    MSG_VERB,        MSG_AUDIT, 999,      0xffff};
    struct stage *s = *state;
    struct ledger_counts before;

    stage_settle(s);
    before = stage_counts(s);
    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        chan_send(s->net, kinds[i], 4711, PKE_BYTES(NULL, 0));
    stage_settle(s);
    assert_null(stage_peek(s, 4711));
    assert_int_equal(stage_counts(s).audit, before.audit + 1); /* the settling refusal's own */
    must_work(s);
}

static void wait_for_the_end_of(struct stage *s, struct chan *const *c)
{
    uint64_t end = process_monotonic_ms() + 10000;

    while (*c && process_monotonic_ms() < end)
        stage_pump(s);
    assert_null(*c);
}

static void an_oversized_frame_ends_the_link_only(void **state)
{
    struct stage *s = *state;
    uint8_t *big = pke_calloc(1, IPC_MAX_REQUEST + 1);

    chan_send(s->net, MSG_PREPARE, ++s->next_id, PKE_BYTES(big, IPC_MAX_REQUEST + 1));
    wait_for_the_end_of(s, &s->net);
    assert_false(s->issuer.gone);
    free(big);
    stage_link_net(s);
    must_work(s);
}

static void bytes_that_are_no_frame_end_the_link_only(void **state)
{
    static const uint8_t foreign[IPC_HEADER] = {0, 0, 0, 0, 0, MSG_PREPARE, 0x7f, 0xff};
    struct stage *s = *state;
    struct pollfd p = {.events = POLLIN};
    int pair[2];
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    stage_give_end(&s->issuer, ROLE_NET, pair[0]);
    wait_for_the_end_of(s, &s->net); /* the new net replaced the one before */
    assert_int_equal(write(pair[1], foreign, sizeof foreign), sizeof foreign);
    p.fd = pair[1];
    do { /* past the catalogue, to the end */
        assert_true(poll(&p, 1, 10000) == 1);
    } while (read(pair[1], &byte, 1) == 1);
    close(pair[1]);
    assert_false(s->issuer.gone);
    stage_link_net(s);
    must_work(s);
}

/* Only main passes descriptors; one from net is closed, not kept. */
static void a_descriptor_from_net_is_dropped(void **state)
{
    struct stage *s = *state;
    struct pollfd p = {.events = POLLIN};
    uint64_t end = process_monotonic_ms() + 10000;
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    chan_send_fd(s->net, MSG_LINK, 4711, PKE_BYTES(NULL, 0), ends[1]);
    p.fd = ends[0];
    while (poll(&p, 1, 0) == 0 && process_monotonic_ms() < end)
        stage_pump(s);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    assert_false(s->issuer.gone);
    if (!s->net)
        stage_link_net(s);
    must_work(s);
}

/* Every byte of an issued request's frame, changed: never a second signature, always an answer. */
static void a_changed_byte_never_gets_a_second_signature(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    struct pke_buf b;
    uint64_t first = 0;

    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr);
    pke_buf_init(&b, IPC_MAX_REQUEST);
    assert_int_equal(ipc_record_write(msg_prepare_fields, &ask.msg, &b), PKE_OK);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= (uint8_t)(1u << i % 8);
        chan_send(s->net, MSG_PREPARE, ++s->next_id, pke_buf_bytes(&b));
        b.p[i] ^= (uint8_t)(1u << i % 8);
        first = first ? first : s->next_id;
    }
    pke_buf_done(&b);
    for (uint64_t id = first; id <= s->next_id; id++) {
        const struct answer *a = stage_answer(s, id);
        assert_true(a->kind == MSG_FAILED || (a->kind == MSG_ISSUED && a->issued.replayed));
    }
    assert_int_equal(s->signs, 1);
    assert_int_equal(stage_counts(s).issued, 1);
}

/* main stops what it just started: there is no ledger yet, nothing to write, and nothing to wait for. */
static void stopped_before_it_is_configured(void **state)
{
    struct stage *s = stage_new(NULL);

    (void)state;
    stage_spawn(s, &s->issuer, "issuer", NULL);
    stage_stop(&s->issuer);
    s->issuer = (struct actor){0};
    stage_spawn(s, &s->key, "key", "lab");
    stage_free(s);
}

/* A stop finishes what is in flight, and its answer is out before the process is gone. */
static void a_stop_waits_for_the_signature(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr), late;
    uint64_t id;

    s->key_mode = KEY_SILENT;
    id = stage_send(s, &ask);
    stage_wait(s, &s->signs, 1);
    chan_send(s->issuer.main, MSG_STOP, 0, PKE_BYTES(NULL, 0));
    late = stage_ask(s, stage_csr(s));
    late.msg.commit = 0; /* held: it must not keep the process */
    stage_send(s, &late);
    stage_settle(s);
    stage_sign_now(s);
    stage_must_be_issued(s, stage_answer(s, id), csr);
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "issued");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_flood_of_refusals_is_counted_not_recorded),
        T(a_flood_of_forgeries_is_counted_not_recorded),
        cmocka_unit_test(a_clock_behind_the_last_certificate_issues_nothing),
        cmocka_unit_test(a_clock_far_ahead_of_the_last_certificate_issues_nothing),
        cmocka_unit_test(a_clock_within_its_limits_issues),
        cmocka_unit_test(a_name_that_the_ca_may_not_certify_is_not_recorded),
        T(a_record_that_is_none_is_answered),
        T(frames_of_others_are_ignored),
        T(an_oversized_frame_ends_the_link_only),
        T(bytes_that_are_no_frame_end_the_link_only),
        T(a_descriptor_from_net_is_dropped),
        cmocka_unit_test(stopped_before_it_is_configured),
        T(a_stop_waits_for_the_signature),
        T(a_changed_byte_never_gets_a_second_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
