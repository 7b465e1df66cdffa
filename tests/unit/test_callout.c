/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to a real receiver (tests/lib/hookserver.py) over TLS and a unix socket, and each way in which it can
 * misbehave (attacks A15). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/common/process.h"
#include "daemon/net/callout.h"
#include "tests/unit/hook_receiver.h"

#define ID "11111111-2222-4333-8444-555555555555"

struct world {
    struct event_base *base;
    struct callouts *calls;
    struct receiver r;
};

/* What one call gave. */
struct outcome {
    struct event_base *base;
    unsigned ends, status;
    char body[512], type[64], signature[128], reason[48];
    bool has_signature, peer_checked;
    enum pke_err err;
};

static int world_new(void **state, const char *kind)
{
    struct world *w = pke_calloc(1, sizeof *w);

    signal(SIGPIPE, SIG_IGN);
    w->base = event_base_new();
    w->calls = callouts_new(w->base);
    receiver_start(&w->r, kind);
    *state = w;
    return 0;
}

static int with_https(void **state)
{
    return world_new(state, "https");
}
static int with_mtls(void **state)
{
    return world_new(state, "mtls");
}
static int with_unix(void **state)
{
    return world_new(state, "unix");
}

static int world_free(void **state)
{
    struct world *w = *state;

    callouts_free(w->calls);
    receiver_stop(&w->r);
    event_base_free(w->base);
    free(w);
    return 0;
}

/* Names of files in the receiver's folder; a leading '!' names none. */
struct setting {
    const char *path, *ca, *certificate, *key, *uid, *secret, *url;
    size_t max_in_flight;
    int64_t timeout;
};

static enum pke_err target(struct world *w, const struct setting *s, struct callout_target **ret,
                           struct pke_fail *fail)
{
    char *file[5], *url = s->url ? pke_strdup(s->url) : pke_asprintf("%s/%s", w->r.url, s->path);
    const char *names[5] = {s->ca, s->certificate, s->key, s->secret ? s->secret : "question.secret",
                            "hook.sock"};
    bool on_unix = strncmp(w->r.url, "http:", 5) == 0;
    char *uids[1] = {(char *)s->uid};
    struct callout_target_conf c = {.section = "authorisers", .name = "test", .url = url};
    enum pke_err err;

    for (size_t i = 0; i < 5; i++)
        file[i] = names[i] ? pke_asprintf("%s/%s", w->r.folder, names[i]) : NULL;
    c.tls_ca = file[0];
    c.tls_certificate = file[1];
    c.tls_key = file[2];
    c.secret_file = file[3];
    c.unix_path = on_unix ? file[4] : NULL;
    c.peer_uids = (struct pke_strings){uids, s->uid ? 1 : 0};
    c.timeout_ms = s->timeout ? s->timeout : 5000;
    c.max_in_flight = s->max_in_flight ? s->max_in_flight : 8;
    err = callout_target_new(w->calls, &c, ret, fail);
    for (size_t i = 0; i < 5; i++)
        free(file[i]);
    free(url);
    return err;
}

static void on_done(const struct callout_answer *a, const struct pke_fail *fail, void *arg)
{
    struct outcome *o = arg;

    o->ends++;
    if (a) {
        o->status = a->status;
        snprintf(o->body, sizeof o->body, "%.*s", (int)a->body.n, (const char *)a->body.p);
        snprintf(o->type, sizeof o->type, "%s", a->type);
        snprintf(o->signature, sizeof o->signature, "%s", a->signature ? a->signature : "");
        o->has_signature = a->signature != NULL;
        o->peer_checked = a->peer_checked;
    } else {
        o->err = fail->err;
        snprintf(o->reason, sizeof o->reason, "%s", fail->reason);
    }
    event_base_loopbreak(o->base);
}

static struct callout *begin_within(struct world *w, struct callout_target *t, uint64_t ms, struct outcome *o,
                                    struct pke_fail *fail)
{
    struct callout_request req = {.target = t,
                                  .purpose = "question",
                                  .id = ID,
                                  .body = pke_bytes_str("{\"ask\":\"me\"}"),
                                  .deadline = process_monotonic_ms() + ms};

    *o = (struct outcome){.base = w->base};
    return callout_start(w->calls, &req, on_done, o, fail);
}

static struct callout *begin(struct world *w, struct callout_target *t, struct outcome *o,
                             struct pke_fail *fail)
{
    return begin_within(w, t, 60000, o, fail);
}

/* The whole call; the target is given back while it is under way, as a reload does. */
static struct outcome call(struct world *w, const struct setting *s)
{
    struct callout_target *t = NULL;
    struct outcome o;
    struct pke_fail fail = {0};

    assert_int_equal(target(w, s, &t, &fail), PKE_OK);
    assert_non_null(begin(w, t, &o, &fail));
    assert_int_equal(o.ends, 0);
    callout_target_unref(t);
    while (!o.ends)
        event_base_loop(w->base, EVLOOP_ONCE);
    assert_int_equal(o.ends, 1);
    return o;
}

static struct outcome at(struct world *w, const char *path)
{
    return call(w, &(struct setting){.path = path, .ca = "ca.pem", .timeout = 1500});
}

static void counted(const struct callout_counts *c, void *arg)
{
    *(struct callout_counts *)arg = *c;
}

static struct callout_counts counts(const struct world *w)
{
    struct callout_counts c = {0};

    callouts_each(w->calls, counted, &c);
    return c;
}

static void test_answer(void **state)
{
    struct world *w = *state;
    struct outcome o = at(w, "answer");
    unsigned requests, bad, connections;

    assert_int_equal(o.status, 200);
    assert_non_null(strstr(o.body, "\"" ID "\""));
    assert_string_equal(o.type, "application/json");
    assert_int_equal(strlen(o.signature), 3 + 64);
    assert_false(o.peer_checked);
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests, 1); /* the receiver verified id, time and HMAC */
    assert_int_equal(bad, 0);
    assert_int_equal(counts(w).answered, 1);
    assert_int_equal(counts(w).in_flight, 0);
}

static void test_other_secret(void **state)
{
    assert_int_equal(
        call(*state, &(struct setting){.path = "answer", .ca = "ca.pem", .secret = "answer.secret"}).status,
        401);
}

static void test_no_answer(void **state)
{
    static const struct {
        const char *path, *reason;
        unsigned requests; /* that the receiver gets at most */
    } rows[] = {
        {"hang", "callout-late", 1},         {"drip", "callout-late", 1},
        {"big", "callout-too-long", 1},      {"big-header", "callout-too-long", 1},
        {"no-http", "callout-malformed", 1}, {"two-signatures", "callout-malformed", 1},
        {"close", "callout-down", 2},        {"half", "callout-down", 2},
    };
    struct world *w = *state;
    unsigned before = 0, after, bad, connections;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct outcome o = at(w, rows[i].path);

        print_message("%s: %s\n", rows[i].path, o.reason);
        assert_string_equal(o.reason, rows[i].reason);
        assert_int_equal(o.err, strcmp(o.reason, "callout-late") == 0 ? PKE_DEADLINE : PKE_BUSY);
        receiver_counts(&w->r, &after, &bad, &connections);
        assert_int_equal(after - before, rows[i].requests);
        before = after;
    }
    assert_int_equal(counts(w).late, 2);
    assert_int_equal(counts(w).too_long, 2);
    assert_int_equal(counts(w).malformed, 2);
    assert_int_equal(counts(w).down, 2);
}

static void test_second_attempt(void **state)
{
    struct world *w = *state;
    unsigned requests, bad, connections;

    assert_int_equal(at(w, "503-then-ok").status, 200);
    assert_int_equal(at(w, "close-then-ok").status, 200);
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests, 4);
    assert_int_equal(connections, 4); /* each second attempt is on a connection of its own */
    assert_int_equal(counts(w).retries, 2);
}

static void test_no_redirect(void **state)
{
    struct world *w = *state;
    unsigned requests, bad, connections;

    assert_int_equal(at(w, "redirect").status, 307);
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests, 1);
}

static void test_signature_in_trailer(void **state)
{
    struct outcome o = at(*state, "trailer");

    assert_int_equal(o.status, 200);
    assert_false(o.has_signature);
}

/* Of "twice" the second answer is nobody's: the connection that has it is not used for the next question. */
static void test_unasked_answer(void **state)
{
    struct world *w = *state;
    struct callout_target *t;
    struct outcome o;
    struct pke_fail fail;

    assert_int_equal(target(w, &(struct setting){.path = "twice", .ca = "ca.pem"}, &t, &fail), PKE_OK);
    for (int i = 0; i < 2; i++) {
        assert_non_null(begin(w, t, &o, &fail));
        while (!o.ends)
            event_base_loop(w->base, EVLOOP_ONCE);
        assert_int_equal(o.status, 200);
        assert_non_null(strstr(o.body, "allow"));
    }
    callout_target_unref(t);
}

static void test_verifies_tls(void **state)
{
    struct world *w = *state;
    PKE_CLEANUP(pke_free_p)
    char *other_name = pke_asprintf("https://127.0.0.1%s/answer", strrchr(w->r.url, ':'));
    unsigned requests, bad, connections;

    assert_string_equal(call(w, &(struct setting){.path = "answer", .ca = "other-ca.pem"}).reason,
                        "callout-tls");
    assert_string_equal(call(w, &(struct setting){.path = "answer"}).reason,
                        "callout-tls"); /* the system's */
    assert_string_equal(call(w, &(struct setting){.url = other_name, .ca = "ca.pem"}).reason, "callout-tls");
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests + bad, 0);
}

/* What the environment says about proxies is not ours. */
static void test_no_proxy(void **state)
{
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    assert_int_equal(at(*state, "answer").status, 200);
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
}

static void test_mtls(void **state)
{
    struct world *w = *state;
    struct setting own = {.path = "answer", .ca = "ca.pem", .certificate = "client.pem", .key = "client.key"};
    struct setting none = {.path = "answer", .ca = "ca.pem"};
    struct setting other = {
        .path = "answer", .ca = "ca.pem", .certificate = "stranger.pem", .key = "stranger.key"};
    unsigned requests, bad, connections;

    assert_int_equal(call(w, &own).status, 200);
    assert_int_equal(call(w, &none).status, 0);
    assert_int_equal(call(w, &other).status, 0);
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests + bad, 1);
}

static void test_unix(void **state)
{
    struct world *w = *state;
    char uid[24];
    struct setting s = {.path = "answer", .uid = uid};
    struct outcome o;
    unsigned requests, bad, connections;

    snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
    o = call(w, &s);
    assert_int_equal(o.status, 200);
    assert_true(o.peer_checked);
    o = call(w, &(struct setting){.path = "answer"});
    assert_int_equal(o.status, 200);
    assert_false(o.peer_checked);
    /* somebody else took the path: nothing is sent */
    o = call(w, &(struct setting){.path = "answer", .uid = "4242"});
    assert_string_equal(o.reason, "callout-peer");
    receiver_counts(&w->r, &requests, &bad, &connections);
    assert_int_equal(requests + bad, 2);
    assert_int_equal(counts(w).retries, 0);
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/hook.sock", w->r.folder);
    struct outcome o;

    assert_int_equal(unlink(path), 0);
    o = call(w, &(struct setting){.path = "answer"});
    assert_string_equal(o.reason, "callout-down");
    assert_int_equal(o.err, PKE_BUSY);
    assert_int_equal(counts(w).retries, 1);
}

/* One at a time: the second waits for its turn, and who would be late is told at once. */
static void test_queue(void **state)
{
    struct world *w = *state;
    struct callout_target *t;
    struct outcome o[3];
    struct pke_fail fail = {0};
    struct setting s = {.path = "hang", .max_in_flight = 1, .timeout = 400};
    struct callout *c[2];
    size_t refused = 0;

    assert_int_equal(target(w, &s, &t, &fail), PKE_OK);
    c[0] = begin(w, t, &o[0], &fail);
    c[1] = begin(w, t, &o[1], &fail);
    assert_true(c[0] && c[1]);
    assert_int_equal(counts(w).in_flight, 1);
    assert_int_equal(counts(w).waiting, 1);
    callout_cancel(c[1]); /* while it waits */
    while (!o[0].ends)
        event_base_loop(w->base, EVLOOP_ONCE);
    assert_string_equal(o[0].reason, "callout-late");
    assert_int_equal(o[1].ends, 0);
    /* now the pace is known: 400 ms each, and who comes behind one has no chance */
    c[0] = begin(w, t, &o[0], &fail);
    c[1] = begin_within(w, t, 300, &o[1], &fail);
    assert_non_null(c[0]);
    refused += c[1] == NULL;
    assert_int_equal(refused, 1);
    assert_string_equal(fail.reason, "callout-queue");
    assert_int_equal(fail.err, PKE_BUSY);
    callout_cancel(c[0]); /* under way */
    assert_int_equal(o[0].ends, 0);
    assert_int_equal(counts(w).in_flight + counts(w).waiting, 0);
    callout_target_unref(t);
}

static void test_configuration(void **state)
{
    static const struct {
        struct setting s;
        const char *reason;
    } rows[] = {
        {{.url = "http://localhost/hook"}, "callout-url"},
        {{.url = "file:///etc/passwd"}, "callout-url"},
        {{.url = "gopher://localhost/"}, "callout-url"},
        {{.url = "https://user:word@localhost/"}, "callout-url"},
        {{.url = "https://localhost/#x"}, "callout-url"},
        {{.url = "not a url"}, "callout-url"},
        {{.path = "answer", .uid = "0"}, "callout-peer-uids"},
        {{.path = "answer", .secret = "absent"}, "secret-open"},
        {{.path = "answer", .ca = "absent"}, "callout-tls-file"},
        {{.path = "answer", .ca = "ca.pem", .certificate = "client.pem"}, "callout-tls-file"},
        {{.path = "answer", .certificate = "client.pem", .key = "stranger.key"}, "callout-tls-file"},
    };
    struct callout_target *t;
    struct pke_fail fail;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        assert_int_equal(target(*state, &rows[i].s, &t, &fail), PKE_CONFIG);
        assert_string_equal(fail.reason, rows[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_other_secret, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_no_answer, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_second_attempt, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_no_redirect, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_signature_in_trailer, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_unasked_answer, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_verifies_tls, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_no_proxy, with_https, world_free),
        cmocka_unit_test_setup_teardown(test_mtls, with_mtls, world_free),
        cmocka_unit_test_setup_teardown(test_unix, with_unix, world_free),
        cmocka_unit_test_setup_teardown(test_nobody_there, with_unix, world_free),
        cmocka_unit_test_setup_teardown(test_queue, with_unix, world_free),
        cmocka_unit_test_setup_teardown(test_configuration, with_https, world_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
