/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define PATIENCE_MS 10000

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the roles around control ---- */

static void reply_json(struct chan *c, uint64_t id, const char *json)
{
    struct msg_verb_reply m = {.json = pke_bytes_str(json)};

    chan_send_record(c, MSG_VERB_REPLY, id, msg_verb_reply_fields, &m);
}

static void reply_failed(struct chan *c, uint64_t id, enum pke_err err, const char *reason)
{
    struct msg_failed m = {0};

    pke_fail_set(&m.fail, err, reason, "test rule", "refused by the test");
    chan_send_record(c, MSG_FAILED, id, msg_failed_fields, &m);
}

/* What the roles would answer, by verb and, for refusals, by name. */
static void answer(struct chan *c, uint64_t id, const char *verb, const char *name)
{
    static const struct {
        const char *name;
        enum pke_err err;
    } refusals[] = {{"absent", PKE_NOT_FOUND},
                    {"down", PKE_KEY_DOWN},
                    {"locked", PKE_KEY_LOCKED},
                    {"taken", PKE_EXISTS},
                    {"odd", PKE_CSR_BAD}};

    for (size_t i = 0; name && i < PKE_LEN(refusals); i++) {
        if (!strcmp(name, refusals[i].name)) {
            reply_failed(c, id, refusals[i].err, "test-refusal");
            return;
        }
    }
    if (!strcmp(verb, "status"))
        reply_json(c, id, "{\"state\":\"ready\",\"version\":\"test\",\"roles\":[],\"listeners\":{}}");
    else if (!strcmp(verb, "issuer-list"))
        reply_json(c, id, "{\"items\":[{\"name\":\"lab\",\"state\":\"a\\u001b[31mb\"}],\"next\":null}");
    else if (!strcmp(verb, "key-test"))
        reply_json(c, id, "no JSON at all");
    else
        reply_json(c, id, "{\"done\":true}");
}

static void on_verb(struct stage *s, struct chan *c, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_verb m;
    struct pke_fail fail;

    assert_int_equal(ipc_record_read(msg_verb_fields, f->payload, arena, &m, sizeof m, &fail), PKE_OK);
    snprintf(s->verb, sizeof s->verb, "%s", m.verb);
    snprintf(s->actor, sizeof s->actor, "%s", m.actor);
    snprintf(s->secret, sizeof s->secret, "%.*s", (int)m.secret.n,
             m.secret.n ? (const char *)m.secret.p : "");
    s->args[0] = 0;
    for (size_t i = 0; i < m.args.n; i++)
        snprintf(s->args + strlen(s->args), sizeof s->args - strlen(s->args), "%s=%s;", m.args.v[i].name,
                 m.args.v[i].value);
    if (s->silent)
        s->held++;
    else
        answer(c, f->id, m.verb, pke_pairs_get(&m.args, "name"));
}

static void on_audit(struct stage *s, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_audit m;
    struct pke_fail fail;

    assert_int_equal(ipc_record_read(msg_audit_fields, f->payload, arena, &m, sizeof m, &fail), PKE_OK);
    snprintf(s->audit_verb, sizeof s->audit_verb, "%s", m.verb);
    snprintf(s->audit_actor, sizeof s->audit_actor, "%s", m.actor);
    snprintf(s->audit_result, sizeof s->audit_result, "%s", m.result);
    snprintf(s->audit_detail, sizeof s->audit_detail, "%s", m.detail ? m.detail : "");
    s->audits++;
}

static void on_state(struct stage *s, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_state m;
    struct pke_fail fail;

    assert_int_equal(ipc_record_read(msg_state_fields, f->payload, arena, &m, sizeof m, &fail), PKE_OK);
    s->ready = !strcmp(m.state, "ready");
}

static void on_refused(struct stage *s, const struct ipc_frame *f, struct pke_arena *arena)
{
    struct msg_failed m;
    struct pke_fail fail;

    assert_int_equal(ipc_record_read(msg_failed_fields, f->payload, arena, &m, sizeof m, &fail), PKE_OK);
    if (!s->prepared)
        fail_msg("the configuration of the test was refused: %s", m.fail.text);
    s->refused++;
}

static void on_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct stage *s = arg;
    struct pke_arena *arena = pke_arena_new();

    assert_int_equal(fd, -1);
    switch (f->kind) {
    case MSG_CONF_READY:
        s->prepared++;
        break;
    case MSG_CONF_REFUSED:
        on_refused(s, f, arena);
        break;
    case MSG_STATE:
        on_state(s, f, arena);
        break;
    case MSG_VERB:
        on_verb(s, c, f, arena);
        break;
    case MSG_LINK_LOST: /* main is told of every channel that the test closes */
        assert_ptr_equal(c, s->main);
        break;
    case MSG_AUDIT:
        assert_ptr_equal(c, s->issuer);
        on_audit(s, f, arena);
        break;
    default:
        fail_msg("unexpected message %u", f->kind);
    }
    pke_arena_free(arena);
}

static void on_closed(struct chan *c, const char *why, void *arg)
{
    struct stage *s = arg;

    (void)why;
    s->main = c == s->main ? NULL : s->main;
    s->issuer = c == s->issuer ? NULL : s->issuer;
    s->auth = c == s->auth ? NULL : s->auth;
    chan_free(c);
}

static const struct chan_ops ops = {on_frame, on_closed};

void stage_pump(struct stage *s)
{
    static const struct timeval tick = {.tv_usec = 5000};

    event_base_loopexit(s->base, &tick);
    event_base_loop(s->base, EVLOOP_ONCE);
}

void stage_until(struct stage *s, const unsigned *flag, unsigned n)
{
    int64_t end = now_ms() + PATIENCE_MS;

    while (*flag < n) {
        if (now_ms() > end)
            fail_msg("waited in vain");
        stage_pump(s);
    }
}

void stage_link(struct stage *s, enum role_id peer)
{
    struct chan **slot = peer == ROLE_AUTH ? &s->auth : &s->issuer;
    struct msg_link m = {.peer = peer};
    PKE_CLEANUP(pke_buf_done) struct pke_buf b;
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    chan_free(*slot);
    *slot = chan_new(s->base, fd[0], IPC_MAX_CONTROL, &ops, s);
    pke_buf_init(&b, 1024);
    assert_int_equal(ipc_record_write(msg_link_fields, &m, &b), PKE_OK);
    chan_send_fd(s->main, MSG_LINK, 0, pke_buf_bytes(&b), fd[1]);
}

static const char conf_text[] =
    "state-directory: %1$s\n"
    "control-socket: %1$s/control\n"
    "viewer-groups: [\"54320\"]\n"
    "officer-groups: [\"54321\"]\n"
    "keys: {k: {module: /m.so, uri: \"pkcs11:token=t;object=o\", pin-credential: p}}\n"
    "issuers: {lab: {certificate: ca.pem, key: k}}\n"
    "templates: {device: {issuer: lab, common-name: Dev, allow: [\"*\"]}}\n"
    "listeners: {l: {address: 127.0.0.1, port: 0, tls-certificate: a, tls-key: b}}\n"
    "provisioning:\n"
    "  p: {provider-id: x, management-url: \"https://m.example/\", client-secret-file: a, "
    "client-nonce: YQ==, server-name: s, server-secret-file: b, server-nonce: Yg==}\n"
    "endpoints:\n"
    "  policy: {listeners: [l], path: /P, stage: policy, template: device, "
    "enroll-endpoint: enroll}\n"
    "  enroll: {listeners: [l], path: /E, stage: enroll, template: device, "
    "provisioning: p}\n"
    "frontends: {mdm: {groups: [\"54322\"]}}\n";

static void configure(struct stage *s)
{
    PKE_CLEANUP(pke_free_p) char *text = pke_calloc(1, 4096);
    struct msg_conf m = {.file = "/test.yaml"};

    snprintf(text, 4096, conf_text, s->dir);
    m.text = pke_bytes_str(text);
    chan_send_record(s->main, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
    stage_until(s, &s->prepared, 1);
    chan_send(s->main, MSG_CONF_SWITCH, 0, PKE_BYTES(NULL, 0));
    for (int64_t end = now_ms() + PATIENCE_MS; !s->ready && now_ms() < end;)
        stage_pump(s);
    assert_true(s->ready);
}

static void run_role(int fd)
{
    if (fd != ROLE_MAIN_FD) {
        dup2(fd, ROLE_MAIN_FD);
        close(fd);
    }
    process_harden(0);
    _exit(role_control(0));
}

void stage_open(struct stage *s)
{
    int fd[2];

    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "/tmp/pke-control-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(chmod(s->dir, 0711), 0);
    snprintf(s->socket, sizeof s->socket, "%s/control", s->dir);
    snprintf(s->ledger, sizeof s->ledger, "%s/ledger.db", s->dir);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    s->pid = fork();
    if (s->pid == 0) {
        close(fd[0]);
        run_role(fd[1]);
    }
    close(fd[1]);
    s->base = event_base_new();
    s->main = chan_new(s->base, fd[0], IPC_MAX_CONFIG, &ops, s);
    configure(s);
    stage_link(s, ROLE_ISSUER);
    stage_link(s, ROLE_AUTH);
    assert_int_equal(chmod(s->socket, 0666), 0); /* so that the tests' other users reach it */
}

void stage_close(struct stage *s)
{
    int64_t end = now_ms() + PATIENCE_MS;
    int status = -1;
    struct stat st;
    DIR *d;

    chan_send(s->main, MSG_STOP, 0, PKE_BYTES(NULL, 0));
    while (waitpid(s->pid, &status, WNOHANG) == 0 && now_ms() < end)
        stage_pump(s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(stat(s->socket, &st), -1);
    chan_free(s->main);
    chan_free(s->issuer);
    chan_free(s->auth);
    event_base_free(s->base);
    d = opendir(s->dir);
    for (struct dirent *e; (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(s->dir), 0);
}

/* ---- clients ---- */

int stage_connect(const struct stage *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", s->socket);
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

/* Is @p text one whole answer? */
static bool whole(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");

    return end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

/* Read while the stage goes on, until @p done says so or the other side closed. */
static size_t read_until(struct stage *s, int fd, char *text, size_t size, bool (*done)(const char *))
{
    int64_t end = now_ms() + PATIENCE_MS;
    size_t n = 0;

    text[0] = 0;
    while (!(done && done(text))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got;
        if (now_ms() > end)
            fail_msg("no answer: %s", text);
        if (poll(&p, 1, 0) == 0) {
            stage_pump(s);
            continue;
        }
        got = read(fd, text + n, size - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        text[n] = 0;
    }
    return n;
}

unsigned stage_exchange(struct stage *s, int fd, const char *request, char *text, size_t size)
{
    size_t left = strlen(request);

    while (left) {
        ssize_t n = send(fd, request, left, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        request += n;
        left -= (size_t)n;
    }
    read_until(s, fd, text, size, whole);
    return strncmp(text, "HTTP/1.1 ", 9) ? 0 : (unsigned)strtoul(text + 9, NULL, 10);
}

unsigned stage_ask(struct stage *s, const char *method, const char *target, char *text, size_t size)
{
    PKE_CLEANUP(pke_free_p)
    char *request = pke_asprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, target,
                                 strcmp(method, "POST") ? "" : "Content-Length: 0\r\n");
    int fd = stage_connect(s);
    unsigned status = stage_exchange(s, fd, request, text, size);

    close(fd);
    return status;
}

int stage_run(struct stage *s, uid_t uid, gid_t gid, char *text, size_t size, const char *const *argv)
{
    int out[2], status;
    pid_t pid;

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        setenv("PKIENROLL_CONTROL", s->socket, 1);
        if (uid &&
            (setgroups(1, &gid) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(uid, uid, uid) != 0))
            _exit(99);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(98);
    }
    close(out[1]);
    read_until(s, out[0], text, size, NULL);
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
