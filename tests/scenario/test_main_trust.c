/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main between roles that lie (architecture: processes): what one tells reaches the service manager, the
 * operator and its own successor as what it is, and ends nobody else. main is real; it starts its roles from
 * its own executable, which is this program, so the test plays all of them. control asks for the status until
 * the story is over, keeps the answer, and ends main.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/process.h"
#include "daemon/common/role.h"
#include "daemon/main/supervisor.h"

#define ANSWER_FILE  "PKE_TEST_ANSWER"
#define PATIENCE_MS  20000
#define STORY_MS     2000 /* several times what main waits before it ends one end of a broken channel */
#define TURN_MS      100
#define HUGE_FACTS   200
#define HUGE_FACT    8000 /* bytes: together within a frame, and with a configuration not */
#define TRUE_ADDRESS "127.0.0.1:4321"

static struct event *turn;
static uint64_t committed_at;
static bool second_life; /* net */

static void every_turn(struct role *r, event_callback_fn fn)
{
    static const struct timeval tv = {0, TURN_MS * 1000};

    committed_at = process_monotonic_ms();
    turn = event_new(r->base, -1, EV_PERSIST, fn, r);
    event_add(turn, &tv);
}

static void tell(struct role *r, const char *state, const char *fact, const char *value)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state m = {.state = state};

    if (fact)
        pke_pairs_add(&m.facts, arena, fact, value);
    role_tell_state(r, &m);
    pke_arena_free(arena);
}

/* ---- key: lies about itself and about others, again and again ---- */

static void lie(evutil_socket_t fd, short what, void *arg)
{
    struct role *r = arg;

    (void)fd;
    (void)what;
    tell(r, "failed\nMAINPID=1", NULL, NULL); /* a word of sd_notify(3) in a line of its own */
    tell(r, "", NULL, NULL);
    tell(r, "failed", "listener main", "198.51.100.1:443");
    role_link_lost(r, ROLE_NET, 0, NULL);
    role_link_lost(r, ROLE_CONTROL, 0, NULL);
    role_link_lost(r, ROLE_AUTH, 0, NULL);
    role_link_lost(r, ROLE_KEY, r->index, r->name);
    role_link_lost(r, ROLE_MAIN, 0, NULL);
    role_link_lost(r, (enum role_id)99, 0, NULL);
}

/* ---- issuer: tells late, and again and again, that it lost the first process of net ---- */

static uint64_t first_net;

static void tell_late(evutil_socket_t fd, short what, void *arg)
{
    struct role *r = arg;
    struct msg_link m = {.peer = ROLE_NET, .pid = first_net};

    (void)fd;
    (void)what;
    chan_send_record(r->main, MSG_LINK_LOST, 0, msg_link_fields, &m);
}

/* ---- net: its first process tells more than its successor could be given, and dies of it ---- */

static void tell_too_much(struct role *r)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state m = {.state = "ready"};
    char *value = pke_calloc(1, HUGE_FACT + 1);

    memset(value, 'x', HUGE_FACT);
    for (unsigned i = 0; i < HUGE_FACTS; i++)
        pke_pairs_add(&m.facts, arena, pke_arena_printf(arena, "url %u", i), value);
    role_tell_state(r, &m);
    free(value);
    pke_arena_free(arena);
}

static void net_turn(evutil_socket_t fd, short what, void *arg)
{
    struct role *r = arg;

    (void)fd;
    (void)what;
    if (second_life)
        return;
    tell_too_much(r);
    chan_flush(r->main, 1000);
    _exit(9);
}

/* ---- control: the witness ---- */

static void ask(evutil_socket_t fd, short what, void *arg)
{
    struct role *r = arg;
    struct msg_verb m = {.verb = "status", .actor = "test"};

    (void)fd;
    (void)what;
    chan_send_record(r->main, MSG_VERB, 1, msg_verb_fields, &m);
}

static void keep_answer(struct role *r, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_verb_reply m = {0};
    struct pke_fail fail;
    uint64_t since = process_monotonic_ms() - committed_at;
    const char *text;

    if (f->kind != MSG_VERB_REPLY ||
        ipc_record_read(msg_verb_reply_fields, f->payload, arena, &m, sizeof m, &fail) != PKE_OK)
        abort();
    text = pke_arena_str(arena, m.json);
    if (since > PATIENCE_MS || (since > STORY_MS && strstr(text, "\"state\":\"ready\",\"version\""))) {
        FILE *out = fopen(getenv(ANSWER_FILE), "we");

        if (!out || fputs(text, out) < 0 || fclose(out) != 0)
            abort();
        event_del(turn);
        kill(getppid(), SIGTERM);
    }
    pke_arena_free(arena);
    (void)r;
}

/* ---- every role ---- */

static enum pke_err prepare(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                            struct pke_fail *fail)
{
    const char *hint = pke_pairs_get(&r->hints, "listener main");

    (void)conf;
    (void)secret;
    (void)fail;
    *ret = NULL;
    second_life = hint && strcmp(hint, TRUE_ADDRESS) == 0;
    return PKE_OK;
}

static void commit(struct role *r, const struct conf *conf, void *candidate)
{
    (void)conf;
    (void)candidate;
    tell(r, "ready", r->ops->id == ROLE_NET ? "listener main" : NULL, TRUE_ADDRESS);
    if (r->ops->id == ROLE_KEY)
        every_turn(r, lie);
    else if (r->ops->id == ROLE_NET)
        every_turn(r, net_turn);
    else if (r->ops->id == ROLE_CONTROL)
        every_turn(r, ask);
}

static void drop(struct role *r, void *candidate)
{
    (void)r;
    (void)candidate;
}

static void take_link(struct role *r, const struct msg_link *link, int fd)
{
    (void)fd; /* stays open until the process ends */
    if (r->ops->id != ROLE_ISSUER || link->peer != ROLE_NET || link->pid == first_net)
        return;
    if (first_net && !turn)
        every_turn(r, tell_late);
    else if (!first_net)
        first_net = link->pid;
}

static int play(int argc, char **argv)
{
    struct role_ops ops = {
        .prepare = prepare, .commit = commit, .abort = drop, .link = take_link, .frame = keep_answer};
    unsigned index = 0;
    const char *name = NULL;

    process_harden(1);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--role") == 0)
            while (strcmp(role_name(ops.id), argv[i + 1]) != 0)
                ops.id++;
        else if (strcmp(argv[i], "--index") == 0)
            index = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--name") == 0)
            name = argv[i + 1];
    }
    return role_run(&ops, index, name, NULL);
}

/* ---- the test ---- */

static json_t *run_main(void)
{
    const char *top = getenv("top_srcdir");
    char *config = pke_asprintf("%s/tests/data/conf/good.yaml", top ? top : ".");
    char answer[] = "/tmp/pke-main-trust-XXXXXX";
    struct options options = {.config = config, .log_level = LOG_NOTICE};
    struct conf_errors errors = {0};
    struct conf *conf = NULL;
    struct pke_buf text;
    json_t *json;
    int fd = mkstemp(answer);

    assert_true(fd >= 0);
    close(fd);
    setenv(ANSWER_FILE, answer, 1);
    alarm(60); /* a control that is ended again and again never says that it is over; roles die with main */
    pke_buf_init(&text, CONF_MAX_BYTES);
    assert_int_equal(conf_load(config, &text, &conf, &errors), PKE_OK);
    conf_errors_done(&errors);
    assert_int_equal(supervisor_run(&options, conf, &text), 0);
    json = json_load_file(answer, 0, NULL);
    unlink(answer);
    free(config);
    return json;
}

static void lies_harm_nobody(void **state)
{
    json_t *json = run_main(), *role;
    size_t i;

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "ready");
    json_array_foreach(json_object_get(json, "roles"), i, role)
    {
        const char *name = json_string_value(json_object_get(role, "role"));
        int restarts = strcmp(name, "net") == 0; /* it ended itself, once */

        assert_string_equal(json_string_value(json_object_get(role, "state")), "ready");
        assert_int_equal(json_integer_value(json_object_get(role, "restarts")), restarts);
    }
    assert_in_range(i, 5, 16);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "listeners"), "main")),
                        TRUE_ADDRESS);
    assert_int_equal(json_object_size(json_object_get(json, "urls")), 0);
    json_decref(json);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(lies_harm_nobody)};

    if (argc > 1 && strcmp(argv[1], "--role") == 0)
        return play(argc, argv);
    process_harden(0);
    return cmocka_run_group_tests_name("main between roles that lie", tests, NULL, NULL);
}
