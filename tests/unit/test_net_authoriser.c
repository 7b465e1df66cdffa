/* SPDX-License-Identifier: Apache-2.0 */
/* Between PREPARE and COMMIT: net asks a real receiver and hands what came back to issuer, which is the test.
 */
#include "tests/unit/net_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/hook_receiver.h"

#define ENROLL   "/EnrollmentServer/Enrollment.svc"
#define QUESTION "{\"version\":1,\"event\":\"authorize\"}"

struct world {
    struct harness *h;
    struct receiver r;
    char *issue;
};

static int setup(void **state)
{
    struct world *w = pke_calloc(1, sizeof *w);

    receiver_start(&w->r, "unix");
    w->issue = harness_data("mdm/12-rst-issue-onprem.req.xml");
    w->h = harness_start();
    w->h->issuer_mode = PEER_ASKS;
    w->h->question = QUESTION;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    harness_stop(w->h);
    receiver_stop(&w->r);
    free(w->issue);
    free(w);
    return 0;
}

/* @p how: the receiver's behaviour; @p uid: in peer-uids, NULL: answers are signed. */
static bool configure(struct world *w, const char *how, const char *uid, const char *timeout)
{
    PKE_CLEANUP(pke_free_p)
    char *trust = uid ? pke_asprintf("    peer-uids: [\"%s\"]\n", uid)
                      : pke_asprintf("    answer-secret-file: %s/answer.secret\n", w->r.folder);
    PKE_CLEANUP(pke_free_p)
    char *extra =
        pke_asprintf("authorisers:\n  mdm:\n    kind: webhook\n    url: http://frontend/%s\n    unix: "
                     "%s/hook.sock\n    question-secret-file: %s/question.secret\n    timeout: %s\n%s",
                     how, w->r.folder, w->r.folder, timeout, trust);

    w->h->template_more = "    authoriser: mdm\n";
    return harness_configure(w->h, extra);
}

static unsigned enroll(struct world *w, struct pke_bytes *reply)
{
    struct client c;
    unsigned status;

    assert_true(client_open(&c, w->h, false, NULL));
    status = client_post(&c, ENROLL, pke_bytes_str(w->issue), reply);
    client_close(&c);
    return status;
}

static void expect_asked(struct world *w, unsigned times)
{
    unsigned requests, bad, connections;

    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests, times);
    assert_int_equal(bad, 0);
}

static void test_answer_is_carried(void **state)
{
    struct world *w = *state;
    struct pke_bytes reply;

    assert_true(configure(w, "answer", NULL, "2s"));
    assert_int_equal(enroll(w, &reply), 200);
    assert_int_equal(w->h->prepare_seen.commit, 0);
    assert_int_equal(w->h->commits, 1);
    assert_int_equal(w->h->commit_seen.prep_id, 4711);
    assert_int_equal(w->h->commit_seen.fail.err, PKE_OK);
    assert_int_equal(strlen(w->h->commit_seen.signature), 3 + 64);
    /* the id of the question is the trace id of the request */
    assert_non_null(memmem(w->h->commit_seen.answer.p, w->h->commit_seen.answer.n,
                           w->h->prepare_seen.trace_id, strlen(w->h->prepare_seen.trace_id)));
    assert_int_equal(w->h->refusals, 0);
    expect_asked(w, 1);
}

static void test_unix_peer(void **state)
{
    struct world *w = *state;
    struct pke_bytes reply;
    char uid[24];

    snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
    assert_true(configure(w, "unsigned", uid, "2s"));
    assert_int_equal(enroll(w, &reply), 200);
    assert_null(w->h->commit_seen.signature);
    assert_true(configure(w, "unsigned", "4242", "2s")); /* whoever listens there now is told nothing */
    assert_int_equal(enroll(w, &reply), 500);
    assert_int_equal(w->h->commit_seen.answer.n, 0);
    assert_string_equal(w->h->commit_seen.fail.reason, "callout-peer");
    expect_asked(w, 1);
}

/* Each of them is no answer, which issuer is told, and never an allow or a refusal of ours. */
static void test_no_answer(void **state)
{
    static const char *const rows[][2] = {
        {"redirect", "authoriser-redirect"},
        {"status", "authoriser-status"},
        {"text", "authoriser-type"},
        {"unsigned", "authoriser-unsigned"},
        {"trailer", "authoriser-unsigned"},
        {"two-signatures", "callout-malformed"},
        {"big", "callout-too-long"},
        {"close", "callout-down"},
        {"hang", "callout-late"},
        {"drip", "callout-late"},
    };
    struct world *w = *state;
    struct pke_bytes reply;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        unsigned commits = w->h->commits;

        assert_true(configure(w, rows[i][0], NULL, "1s"));
        assert_int_equal(enroll(w, &reply), 500);
        assert_int_equal(w->h->commits, commits + 1);
        assert_string_equal(w->h->commit_seen.fail.reason, rows[i][1]);
        assert_int_equal(w->h->commit_seen.answer.n, 0);
        assert_non_null(memmem(reply.p, reply.n, "s:EnrollmentServer", 18));
        assert_int_equal(w->h->refusals, 0); /* issuer keeps the record */
    }
}

/* Our own deadline comes first: the question ends before it, so that issuer still hears of it. */
static void test_request_deadline(void **state)
{
    struct world *w = *state;
    struct pke_bytes reply;
    uint64_t begin = process_monotonic_ms();

    assert_true(configure(w, "hang", NULL, "30s"));
    assert_int_equal(enroll(w, &reply), 500);
    assert_in_range(process_monotonic_ms() - begin, 2000, 3400); /* request-deadline is 3 s */
    assert_string_equal(w->h->commit_seen.fail.reason, "callout-late");
}

/* The client does not wait; what it asked for goes on. */
static void test_client_gone(void **state)
{
    struct world *w = *state;
    PKE_CLEANUP(pke_free_p) char *request = NULL;
    uint64_t end = process_monotonic_ms() + 10000;
    struct client c;

    assert_true(configure(w, "503-then-ok", NULL, "2s"));
    request = pke_asprintf("POST " ENROLL " HTTP/1.1\r\nHost: lab\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(w->issue), w->issue);
    assert_true(client_open(&c, w->h, false, NULL));
    client_send(&c, request, strlen(request));
    while (w->h->prepares == 0 && process_monotonic_ms() < end)
        harness_pump(w->h, -1);
    client_close(&c);
    while (w->h->commits == 0 && process_monotonic_ms() < end)
        harness_pump(w->h, -1);
    assert_int_equal(w->h->commits, 1);
    assert_int_equal(w->h->commit_seen.fail.err, PKE_OK);
}

/* Secrets are read when a configuration is loaded: one that cannot be used is refused, and the old one goes
 * on. */
static void test_reload(void **state)
{
    struct world *w = *state;
    struct pke_bytes reply;
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/question.secret", w->r.folder);

    assert_true(configure(w, "answer", NULL, "2s"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(enroll(w, &reply), 200);
    assert_false(configure(w, "close", NULL, "2s"));
    assert_string_equal(w->h->conf_fail.reason, "secret-open");
    assert_int_equal(enroll(w, &reply), 200);
    expect_asked(w, 2);
}

/* issuer goes while the authoriser is asked. */
static void test_issuer_dies(void **state)
{
    struct world *w = *state;
    struct client c;
    struct pke_bytes head, reply;
    PKE_CLEANUP(pke_free_p) char *request = NULL;

    assert_true(configure(w, "hang", NULL, "1s"));
    request = pke_asprintf("POST " ENROLL " HTTP/1.1\r\nHost: lab\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(w->issue), w->issue);
    assert_true(client_open(&c, w->h, false, NULL));
    client_send(&c, request, strlen(request));
    while (w->h->prepares == 0)
        harness_pump(w->h, -1);
    chan_free(w->h->issuer);
    w->h->issuer = NULL;
    assert_int_equal(client_reply(&c, &head, &reply), 500);
    assert_non_null(memmem(reply.p, reply.n, "s:EnrollmentServer", 18));
    client_close(&c);
    harness_link(w->h, ROLE_ISSUER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer_is_carried, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unix_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_issuer_dies, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
