/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth/auth.c: the role as main, net and control see it, in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/assertion.h"
#include "daemon/common/role.h"

static const uint8_t key_bytes[ASSERTION_KEY_SIZE] = {5};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};

/* One end that the test holds: the last frame that came, or that it was closed. */
struct end {
    struct chan *chan;
    struct pke_buf payload;
    uint16_t kind;
    uint64_t id;
    bool closed;
};

static char dir[32];
static struct event_base *base;
static struct end to_main, net, control;
static struct pke_arena *arena;
static pid_t child;

static void on_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct end *e = arg;

    (void)c;
    assert_int_equal(fd, -1);
    if (f->kind == MSG_STATE)
        return;
    e->kind = f->kind;
    e->id = f->id;
    pke_buf_clear(&e->payload);
    pke_buf_add_bytes(&e->payload, f->payload);
    event_base_loopbreak(base);
}

static void on_closed(struct chan *c, const char *why, void *arg)
{
    struct end *e = arg;

    (void)why;
    chan_free(c);
    e->chan = NULL;
    e->closed = true;
    event_base_loopbreak(base);
}

static const struct chan_ops ops = {on_frame, on_closed};

static void take(struct end *e, int fd)
{
    *e = (struct end){.chan = chan_new(base, fd, IPC_MAX_CONFIG, &ops, e)};
    pke_buf_init(&e->payload, IPC_MAX_CONFIG);
}

/* Run until something arrives at @p e; the role answers or the test's timeout ends it all. */
static void wait_for(struct end *e, uint16_t kind)
{
    e->kind = 0;
    while (!e->kind && !e->closed)
        event_base_dispatch(base);
    assert_int_equal(e->kind, kind);
}

static void link_peer(struct end *e, enum role_id role)
{
    struct msg_link m = {.peer = role};
    struct pke_buf b;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    pke_buf_init(&b, 1024);
    ipc_record_write(msg_link_fields, &m, &b);
    chan_send_fd(to_main.chan, MSG_LINK, 0, pke_buf_bytes(&b), pair[1]);
    pke_buf_done(&b);
    take(e, pair[0]);
}

static void configure(void)
{
    char *file = pke_asprintf("%s/c.yaml", dir);
    const char *text = "state-directory: .\ncontrol-socket: c\n"
                       "keys: {k: {module: m, uri: 'pkcs11:', pin-file: p}}\n"
                       "issuers: {a: {certificate: a.pem, key: k}}\n"
                       "templates: {t: {issuer: a, common-name: T}}\n"
                       "listeners: {l: {unix: s}}\n"
                       "endpoints: {p: {listeners: [l], path: /p, stage: policy, template: t}}\n";
    struct msg_conf m = {.file = file, .text = pke_bytes_str(text), .assertion_key = key};

    chan_send_record(to_main.chan, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
    wait_for(&to_main, MSG_CONF_READY);
    chan_send(to_main.chan, MSG_CONF_SWITCH, 0, PKE_BYTES(NULL, 0));
    free(file);
}

static int begin(void **state)
{
    int pair[2];

    (void)state;
    strcpy(dir, "/tmp/pke-role-XXXXXX");
    if (!mkdtemp(dir) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        close(pair[0]);
        if (pair[1] != ROLE_MAIN_FD) {
            dup2(pair[1], ROLE_MAIN_FD);
            close(pair[1]);
        }
        _exit(role_auth(0));
    }
    close(pair[1]);
    arena = pke_arena_new();
    base = event_base_new();
    take(&to_main, pair[0]);
    net = control = (struct end){0};
    return 0;
}

static void drop(struct end *e)
{
    chan_free(e->chan);
    pke_buf_done(&e->payload);
}

static int end(void **state)
{
    char *cmd = pke_asprintf("rm -rf '%s'", dir);
    int status = -1, rc;

    (void)state;
    if (to_main.chan) {
        chan_send(to_main.chan, MSG_STOP, 0, PKE_BYTES(NULL, 0));
        while (!to_main.closed)
            event_base_dispatch(base);
    }
    waitpid(child, &status, 0);
    drop(&to_main);
    drop(&net);
    drop(&control);
    event_base_free(base);
    pke_arena_free(arena);
    rc = system(cmd);
    free(cmd);
    return rc || status; /* told to stop, it exits 0 */
}

static void ask(const char *user, const char *password, uint16_t answer)
{
    static uint64_t id = 40;
    struct msg_auth m = {.tenant = "default",
                         .endpoint = "p",
                         .stage = "policy",
                         .kind = "username",
                         .username = user,
                         .password = pke_bytes_str(password),
                         .deadline = role_monotonic_ms() + 600000};

    chan_send_record(net.chan, MSG_AUTH, ++id, msg_auth_fields, &m);
    wait_for(&net, answer);
    assert_int_equal(net.id, id);
}

static void add_user(const char *name, const char *password, uint16_t answer)
{
    struct msg_verb m = {.verb = "user-add", .actor = "test", .secret = pke_bytes_str(password)};

    pke_pairs_add(&m.args, arena, "name", name);
    chan_send_record(control.chan, MSG_VERB, 7, msg_verb_fields, &m);
    wait_for(&control, answer);
}

static void test_conversation(void **state)
{
    struct msg_auth_ok ok;
    struct msg_failed failed;
    struct assertion a;
    struct pke_fail fail;

    (void)state;
    link_peer(&net, ROLE_NET);
    link_peer(&control, ROLE_CONTROL);
    ask("alice", "secret", MSG_FAILED); /* before any configuration */
    assert_int_equal(
        ipc_record_read(msg_failed_fields, pke_buf_bytes(&net.payload), arena, &failed, sizeof failed, &fail),
        PKE_OK);
    assert_int_equal(failed.fail.err, PKE_STALE);
    configure();
    add_user("Alice", "secret", MSG_VERB_REPLY);
    add_user("alice", "secret", MSG_FAILED);
    ask("alice", "secret", MSG_AUTH_OK);
    assert_int_equal(
        ipc_record_read(msg_auth_ok_fields, pke_buf_bytes(&net.payload), arena, &ok, sizeof ok, &fail),
        PKE_OK);
    assert_string_equal(ok.principal, "Alice");
    assert_int_equal(assertion_read(ok.assertion, key, role_monotonic_ms(), arena, &a, &fail), PKE_OK);
    assert_string_equal(a.principal, "Alice");
    ask("alice", "Secret", MSG_FAILED);
    assert_int_equal(
        ipc_record_read(msg_failed_fields, pke_buf_bytes(&net.payload), arena, &failed, sizeof failed, &fail),
        PKE_OK);
    assert_int_equal(failed.fail.err, PKE_UNAUTHENTICATED);
}

/* net may not manage users: the channel ends, the role lives on. */
static void test_a_peer_keeps_to_its_part(void **state)
{
    struct msg_verb m = {.verb = "user-list", .actor = "uid=0 role=admin"};

    (void)state;
    configure();
    link_peer(&net, ROLE_NET);
    link_peer(&control, ROLE_CONTROL);
    chan_send_record(net.chan, MSG_VERB, 1, msg_verb_fields, &m);
    while (!net.closed)
        event_base_dispatch(base);
    assert_int_equal(net.kind, 0);
    add_user("bob", "secret", MSG_VERB_REPLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_conversation, begin, end),
        cmocka_unit_test_setup_teardown(test_a_peer_keeps_to_its_part, begin, end),
    };

    alarm(120); /* a role that does not answer fails the test */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
