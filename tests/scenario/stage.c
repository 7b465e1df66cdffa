/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, channels and what the other roles say. The world around (CA, CSR, ledger) is in stage_world.c.
 */
#include "tests/scenario/stage.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/scenario/stage_impl.h"

#define PATIENCE_MS 20000

static const char conf_text[] = "state-directory: %1$s/state\n"
                                "control-socket: %1$s/control.sock\n"
                                "request-deadline: 3s\n"
                                "keys:\n"
                                "  lab:\n"
                                "%2$s"
                                "    deadline: %4$s\n"
                                "issuers:\n"
                                "  lab:\n"
                                "    certificate: %1$s/ca.pem\n"
                                "    key: lab\n"
                                "%6$s"
                                "    crl-lifetime: %8$s\n"
                                "templates:\n"
                                "  device:\n"
                                "    issuer: lab\n"
                                "    allow: [\"%5$s\"]\n"
                                "    common-name: device\n"
                                "    key-types: [rsa, p-256, p-384]\n"
                                "%7$s"
                                "listeners:\n"
                                "  plain:\n"
                                "    unix: %1$s/net.sock\n"
                                "    public-url: https://enroll.corp.example\n"
                                "provisioning:\n"
                                "  corp:\n"
                                "    provider-id: corp.example\n"
                                "    display-name: Corp\n"
                                "    management-url: https://mdm.corp.example/manage\n"
                                "    client-secret-file: /client\n"
                                "    client-nonce: bm9uY2U=\n"
                                "    server-name: device\n"
                                "    server-secret-file: /server\n"
                                "    server-nonce: bm9uY2U=\n"
                                "endpoints:\n"
                                "  policy:\n"
                                "    listeners: [plain]\n"
                                "    path: /EnrollmentServer/Policy.svc\n"
                                "    stage: policy\n"
                                "    template: device\n"
                                "    enroll-endpoint: enroll\n"
                                "  enroll:\n"
                                "    listeners: [plain]\n"
                                "    path: /EnrollmentServer/Enrollment.svc\n"
                                "    stage: enroll\n"
                                "    template: device\n"
                                "    provisioning: corp\n"
                                "%3$s";

static void exec_role(int fd, const char *role, const char *name)
{
    const char *path = getenv("PKIENROLLD"), *top = getenv("top_builddir");
    const char *level = getenv("SCENARIO_LOG") ? "debug" : "error";
    char built[512];
    const char *argv[] = {"pkienrolld",           "--role", role, "--log-level", level,
                          name ? "--name" : NULL, name,     NULL};

    snprintf(built, sizeof built, "%s/pkienrolld", top ? top : ".");
    if (dup2(fd, ROLE_MAIN_FD) < 0)
        _exit(71);
    if (fd == ROLE_MAIN_FD)
        (void)fcntl(fd, F_SETFD, 0);
    (void)close_range(ROLE_MAIN_FD + 1, ~0U, 0);
    execv(path ? path : built, (char **)(uintptr_t)argv);
    _exit(71);
}

static void on_main(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct actor *a = arg;
    struct msg_failed failed;
    struct msg_state state;
    struct msg_link link;
    struct pke_fail fail;

    (void)c;
    (void)fd;
    if (f->kind == MSG_CONF_READY) {
        a->ready++;
    } else if (f->kind == MSG_CONF_REFUSED) {
        assert_int_equal(
            ipc_record_read(msg_failed_fields, f->payload, a->stage->arena, &failed, sizeof failed, &fail),
            PKE_OK);
        a->conf_fail = failed.fail;
        a->refused++;
    } else if (f->kind == MSG_STATE) {
        assert_int_equal(
            ipc_record_read(msg_state_fields, f->payload, a->stage->arena, &state, sizeof state, &fail),
            PKE_OK);
        snprintf(a->state, sizeof a->state, "%s", state.state);
        a->states++;
    } else if (f->kind == MSG_KILL_KEY) {
        assert_int_equal(
            ipc_record_read(msg_link_fields, f->payload, a->stage->arena, &link, sizeof link, &fail), PKE_OK);
        assert_int_equal(link.peer, ROLE_KEY);
        assert_string_equal(link.name, "lab");
        a->kills++;
    }
}

static void on_main_closed(struct chan *c, const char *why, void *arg)
{
    struct actor *a = arg;

    (void)why;
    a->gone = true;
    a->main = NULL;
    chan_free(c);
}

static void keep_answer(struct stage *s, const struct ipc_frame *f)
{
    static const struct {
        uint16_t kind;
        const struct ipc_field *fields;
        size_t size;
    } known[] = {{MSG_ISSUED, msg_issued_fields, sizeof(struct msg_issued)},
                 {MSG_FAILED, msg_failed_fields, sizeof(struct msg_failed)},
                 {MSG_PENDING, msg_pending_fields, sizeof(struct msg_pending)},
                 {MSG_PREPARED, msg_prepared_fields, sizeof(struct msg_prepared)},
                 {MSG_SIGNED, msg_signed_fields, sizeof(struct msg_signed)},
                 {MSG_KEY_STATE, msg_key_state_fields, sizeof(struct msg_key_state)},
                 {MSG_OK, NULL, 0}};
    struct answer *a = pke_calloc(1, sizeof *a);
    struct pke_fail fail;
    size_t i = 0;

    while (i < PKE_LEN(known) && known[i].kind != f->kind)
        i++;
    assert_true(i < PKE_LEN(known));
    if (known[i].fields)
        assert_int_equal(
            ipc_record_read(known[i].fields, f->payload, s->arena, &a->issued, known[i].size, &fail), PKE_OK);
    a->id = f->id;
    a->kind = f->kind;
    a->next = s->answers;
    s->answers = a;
}

static void on_net(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct stage *s = arg;
    struct msg_catalogue m;
    struct pke_fail fail;

    (void)c;
    (void)fd;
    if (f->kind != MSG_CATALOGUE) {
        keep_answer(s, f);
        return;
    }
    assert_int_equal(ipc_record_read(msg_catalogue_fields, f->payload, s->arena, &m, sizeof m, &fail),
                     PKE_OK);
    s->generation = m.generation;
    s->catalogues++;
}

static void on_peer_closed(struct chan *c, const char *why, void *arg)
{
    struct stage *s = arg;

    (void)why;
    if (s->net == c)
        s->net = NULL;
    if (s->keyside == c)
        s->keyside = NULL;
    chan_free(c);
}

void stage_sign_now(struct stage *s)
{
    struct msg_signed m = {.micros = 1000};
    uint8_t signature[1024];
    size_t n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *key = s->key_mode == KEY_OTHER_KEY ? EVP_EC_gen("P-256") : s->ca_key;
    uint8_t tbs[CA_TBS_MAX];

    assert_true(s->sign.tbs.n <= sizeof tbs);
    memcpy(tbs, s->sign.tbs.p, s->sign.tbs.n);
    if (s->key_mode == KEY_OTHER_BYTES)
        tbs[s->sign.tbs.n - 1] ^= 1;
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, tbs, s->sign.tbs.n), 1);
    EVP_MD_CTX_free(ctx);
    if (key != s->ca_key)
        EVP_PKEY_free(key);
    m.signature = PKE_BYTES(signature, n);
    chan_send_record(s->keyside, MSG_SIGNED, s->sign_id, msg_signed_fields, &m);
}

static void answer_sign(struct stage *s, struct chan *c, uint64_t id)
{
    struct msg_failed no = {0};

    if (s->key_mode == KEY_SIGNS || s->key_mode == KEY_OTHER_BYTES || s->key_mode == KEY_OTHER_KEY) {
        stage_sign_now(s);
    } else if (s->key_mode == KEY_FAILS) {
        pke_fail_set(&no.fail, PKE_KEY_DOWN, "key-test", "test", "the test's key does not sign");
        chan_send_record(c, MSG_FAILED, id, msg_failed_fields, &no);
    } else if (s->key_mode == KEY_NONSENSE) {
        chan_send(c, MSG_SIGNED, id, pke_bytes_str("nonsense"));
    } else if (s->key_mode == KEY_CLOSES) {
        s->keyside = NULL;
        chan_free(c);
    }
}

static void on_keyside(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct stage *s = arg;
    struct pke_fail fail;

    (void)fd;
    if (f->kind != MSG_SIGN) { /* the test is the issuer */
        keep_answer(s, f);
        return;
    }
    assert_int_equal(ipc_record_read(msg_sign_fields, f->payload, s->arena, &s->sign, sizeof s->sign, &fail),
                     PKE_OK);
    s->signs++;
    s->sign_id = f->id;
    answer_sign(s, c, f->id);
}

static const struct chan_ops main_ops = {on_main, on_main_closed};
static const struct chan_ops net_ops = {on_net, on_peer_closed};
static const struct chan_ops keyside_ops = {on_keyside, on_peer_closed};

void stage_spawn(struct stage *s, struct actor *a, const char *role, const char *name)
{
    int pair[2];

    *a = (struct actor){.stage = s};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fflush(NULL);
    a->pid = fork();
    assert_true(a->pid >= 0);
    if (a->pid == 0)
        exec_role(pair[1], role, name);
    close(pair[1]);
    a->main = chan_new(s->base, pair[0], IPC_MAX_CONFIG, &main_ops, a);
}

void stage_pump(struct stage *s)
{
    struct pollfd none;

    if (event_base_loop(s->base, EVLOOP_NONBLOCK) == 0)
        poll(&none, 0, 1);
}

void stage_wait(struct stage *s, const unsigned *counter, unsigned value)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    while (*counter < value && process_monotonic_ms() < end)
        stage_pump(s);
    assert_true(*counter >= value);
}

const struct answer *stage_peek(const struct stage *s, uint64_t id)
{
    for (const struct answer *a = s->answers; a; a = a->next)
        if (a->id == id)
            return a;
    return NULL;
}

const struct answer *stage_answer(struct stage *s, uint64_t id)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    while (!stage_peek(s, id) && process_monotonic_ms() < end)
        stage_pump(s);
    assert_non_null(stage_peek(s, id));
    return stage_peek(s, id);
}

bool stage_configure(struct actor *a)
{
    struct stage *s = a->stage;
    char *key = stage_key_conf(s),
         *text = pke_asprintf(conf_text, s->dir, key, s->extra ? s->extra : "", s->key_deadline,
                              s->allow ? s->allow : "*@corp.example", s->issuer_extra ? s->issuer_extra : "",
                              s->template_extra ? s->template_extra : "",
                              s->crl_lifetime ? s->crl_lifetime : "0s");
    struct msg_conf m = {.file = "test.yaml", .text = pke_bytes_str(text)};
    unsigned ready = a->ready, refused = a->refused, states = a->states;
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    if (a == &s->issuer)
        m.assertion_key = PKE_BYTES(s->assertion_key, sizeof s->assertion_key);
    chan_send_record(a->main, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
    free(key);
    free(text);
    while (a->ready == ready && a->refused == refused && !a->gone && process_monotonic_ms() < end)
        stage_pump(s);
    assert_int_equal(a->ready + a->refused, ready + refused + 1);
    chan_send(a->main, a->ready > ready ? MSG_CONF_SWITCH : MSG_CONF_ABORT, 0, PKE_BYTES(NULL, 0));
    if (a->ready > ready && (a == &s->issuer || !states))
        stage_wait(s, &a->states, states + 1);
    return a->ready > ready;
}

static struct chan *link_to(struct actor *a, enum role_id peer, const struct chan_ops *ops)
{
    struct stage *s = a->stage;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    stage_give_end(a, peer, pair[0]);
    return chan_new(s->base, pair[1], IPC_MAX_CRL, ops, s);
}

void stage_link_net(struct stage *s)
{
    unsigned catalogues = s->catalogues;

    chan_free(s->net);
    s->net = link_to(&s->issuer, ROLE_NET, &net_ops);
    stage_wait(s, &s->catalogues, catalogues + 1);
}

void stage_play_key(struct stage *s)
{
    struct msg_key_state m = {.state = "ready", .algorithm = "P-256"};

    chan_free(s->keyside);
    s->keyside = link_to(&s->issuer, ROLE_KEY, &keyside_ops);
    chan_send_record(s->keyside, MSG_KEY_STATE, 0, msg_key_state_fields, &m);
    stage_wait_key_ready(s);
}

void stage_play_issuer(struct stage *s)
{
    chan_free(s->keyside);
    s->keyside = link_to(&s->key, ROLE_ISSUER, &keyside_ops);
    stage_answer(s, 0); /* the state that it tells a new issuer */
}

void stage_link_roles(struct stage *s)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    stage_give_end(&s->issuer, ROLE_KEY, pair[0]);
    stage_give_end(&s->key, ROLE_ISSUER, pair[1]);
    stage_wait_key_ready(s);
}

void stage_issuer(struct stage *s)
{
    stage_spawn(s, &s->issuer, "issuer", NULL);
    if (!stage_configure(&s->issuer))
        fail_msg("%s: %s", s->issuer.conf_fail.reason, s->issuer.conf_fail.text);
    stage_link_net(s);
}

void stage_key(struct stage *s)
{
    stage_spawn(s, &s->key, "key", "lab");
    if (!stage_configure(&s->key))
        fail_msg("%s: %s", s->key.conf_fail.reason, s->key.conf_fail.text);
}

void stage_kill(struct actor *a)
{
    if (a->pid <= 0)
        return;
    kill(a->pid, SIGKILL);
    waitpid(a->pid, NULL, 0);
    a->pid = 0;
    chan_free(a->main);
    a->main = NULL;
}

void stage_stop(struct actor *a)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    int status = -1;
    pid_t got = 0;

    if (a->pid <= 0)
        return;
    if (a->main)
        chan_send(a->main, MSG_STOP, 0, PKE_BYTES(NULL, 0));
    while ((got = waitpid(a->pid, &status, WNOHANG)) == 0 && process_monotonic_ms() < end)
        stage_pump(a->stage);
    if (got == 0)
        stage_kill(a);
    a->pid = 0;
    chan_free(a->main);
    a->main = NULL;
    assert_true(got > 0 && WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
