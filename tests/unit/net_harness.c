/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/net_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"

#define PATIENCE_MS 20000

static const char conf_text[] = "state-directory: %1$s/state\n"
                                "control-socket: %1$s/control.sock\n"
                                "request-deadline: 3s\n"
                                "keys:\n"
                                "  lab:\n"
                                "    module: %1$s/module.so\n"
                                "    uri: \"pkcs11:token=lab;object=lab;type=private\"\n"
                                "    pin-file: %1$s/pin\n"
                                "issuers:\n"
                                "  lab:\n"
                                "    certificate: %1$s/ca.pem\n"
                                "    key: lab\n"
                                "templates:\n"
                                "  device:\n"
                                "    issuer: lab\n"
                                "    allow: [\"*@corp.example\"]\n"
                                "    common-name: device\n"
                                "    renew: no\n"
                                "    advertise-ca: yes\n%3$s"
                                "listeners:\n"
                                "  main:\n"
                                "    address: 127.0.0.1\n"
                                "    port: 0\n"
                                "    tls-certificate: %1$s/tls.pem\n"
                                "    tls-key: %1$s/tls.key\n"
                                "  plain:\n"
                                "    unix: %1$s/net.sock\n"
                                "    max-connections: 4\n"
                                "provisioning:\n"
                                "  corp:\n"
                                "    provider-id: corp.example\n"
                                "    display-name: Corp\n"
                                "    management-url: https://mdm.corp.example/manage\n"
                                "    client-secret-file: %1$s/client\n"
                                "    client-nonce: bm9uY2U=\n"
                                "    server-name: device\n"
                                "    server-secret-file: %1$s/server\n"
                                "    server-nonce: bm9uY2U=\n"
                                "endpoints:\n"
                                "  policy:\n"
                                "    listeners: [main, plain]\n"
                                "    path: /EnrollmentServer/Policy.svc\n"
                                "    stage: policy\n"
                                "    credentials: %2$s\n"
                                "    template: device\n"
                                "    enroll-endpoint: enroll\n"
                                "  enroll:\n"
                                "    listeners: [main, plain]\n"
                                "    path: /EnrollmentServer/Enrollment.svc\n"
                                "    stage: enroll\n"
                                "    credentials: %2$s\n"
                                "    template: device\n"
                                "    provisioning: corp\n";

char *harness_data(const char *name)
{
    const char *top = getenv("top_srcdir");
    char path[512];
    struct stat st;
    char *text;
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/data/%s", top ? top : "..", name);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    text = pke_calloc(1, (size_t)st.st_size + 1);
    assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return text;
}

static void write_secret(const char *dir, const char *name, const char *text)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void make_tls(const char *dir)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    char path[128];
    FILE *f;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"lab", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    snprintf(path, sizeof path, "%s/tls.pem", dir);
    f = fopen(path, "w");
    assert_true(f && PEM_write_X509(f, x));
    fclose(f);
    snprintf(path, sizeof path, "%s/tls.key", dir);
    f = fopen(path, "w");
    assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void on_main(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct harness *h = arg;
    struct pke_fail fail;
    struct msg_state state;
    struct msg_failed failed;

    (void)c;
    (void)fd;
    if (f->kind == MSG_CONF_READY) {
        h->ready++;
    } else if (f->kind == MSG_CONF_REFUSED) {
        assert_int_equal(
            ipc_record_read(msg_failed_fields, f->payload, h->arena, &failed, sizeof failed, &fail), PKE_OK);
        h->conf_fail = failed.fail;
        h->refused++;
    } else if (f->kind == MSG_STATE) {
        assert_int_equal(ipc_record_read(msg_state_fields, f->payload, h->arena, &state, sizeof state, &fail),
                         PKE_OK);
        h->facts = state.facts;
        h->states++;
    }
}

static void on_main_closed(struct chan *c, const char *why, void *arg)
{
    struct harness *h = arg;

    (void)c;
    (void)why;
    h->main_gone = true;
}

static void refuse(struct harness *h, struct chan *c, uint64_t id, enum pke_err err)
{
    struct msg_failed m = {.fail = h->refusal};

    m.fail.err = err;
    chan_send_record(c, MSG_FAILED, id, msg_failed_fields, &m);
}

static void on_auth(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct harness *h = arg;
    struct msg_auth_ok ok = {.assertion = pke_bytes_str("assertion")};
    struct pke_fail fail;

    (void)fd;
    assert_int_equal(f->kind, MSG_AUTH);
    assert_int_equal(
        ipc_record_read(msg_auth_fields, f->payload, h->arena, &h->auth_seen, sizeof h->auth_seen, &fail),
        PKE_OK);
    h->auths++;
    ok.principal = h->auth_seen.username ? h->auth_seen.username : "token@corp.example";
    if (h->auth_mode == PEER_ANSWERS)
        chan_send_record(c, MSG_AUTH_OK, f->id, msg_auth_ok_fields, &ok);
    else if (h->auth_mode == PEER_REFUSES)
        refuse(h, c, f->id, h->refusal.err);
    else if (h->auth_mode == PEER_DIES) {
        chan_free(c);
        h->auth = NULL;
    }
}

static void issue(struct harness *h, struct chan *c, uint64_t id)
{
    struct msg_issued m = {
        .request_id = "1",
        .serial = "01ff",
        .certificate = pke_bytes_str("certificate"),
        .principal = "ada@corp.example",
        .subject_cn = "ada@corp.example",
        .ent_dmid = "5D9A1B2C-0000-4000-8000-000000000001",
        .operation = "issue",
        .enrollment_type = "Full",
        .issuer = "lab",
    };

    (void)h;
    chan_send_record(c, MSG_ISSUED, id, msg_issued_fields, &m);
}

/* The policy stage asks for a one-time token alone; the answer has no assertion. */
static void on_token(struct harness *h, struct chan *c, const struct ipc_frame *f)
{
    struct msg_auth_ok ok = {.principal = "ada@corp.example"};
    struct pke_fail fail;

    assert_int_equal(
        ipc_record_read(msg_token_fields, f->payload, h->arena, &h->token_seen, sizeof h->token_seen, &fail),
        PKE_OK);
    h->tokens++;
    if (h->issuer_mode == PEER_ANSWERS)
        chan_send_record(c, MSG_AUTH_OK, f->id, msg_auth_ok_fields, &ok);
    else if (h->issuer_mode == PEER_REFUSES)
        refuse(h, c, f->id, h->refusal.err);
}

/* As issuer does it: no answer is no certificate. */
static void on_commit(struct harness *h, struct chan *c, const struct ipc_frame *f)
{
    struct pke_fail fail;

    assert_int_equal(ipc_record_read(msg_commit_fields, f->payload, h->arena, &h->commit_seen,
                                     sizeof h->commit_seen, &fail),
                     PKE_OK);
    h->commits++;
    if (h->commit_seen.fail.err == PKE_OK && h->commit_seen.answer.n)
        issue(h, c, f->id);
    else
        refuse(h, c, f->id, PKE_BUSY);
}

static void ask(struct harness *h, struct chan *c, uint64_t id)
{
    struct msg_prepared m = {.prep_id = 4711,
                             .request_hash = pke_bytes_str("hash"),
                             .authoriser = "mdm",
                             .question = pke_bytes_str(h->question)};

    chan_send_record(c, MSG_PREPARED, id, msg_prepared_fields, &m);
}

static void on_issuer(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct harness *h = arg;
    struct pke_fail fail;

    (void)fd;
    if (f->kind == MSG_REFUSAL) {
        assert_int_equal(ipc_record_read(msg_refusal_fields, f->payload, h->arena, &h->refusal_seen,
                                         sizeof h->refusal_seen, &fail),
                         PKE_OK);
        h->refusals++;
        if (h->ack_refusals)
            chan_send(c, MSG_OK, f->id, PKE_BYTES(NULL, 0));
        return;
    }
    if (f->kind == MSG_COMMIT) {
        on_commit(h, c, f);
        return;
    }
    if (f->kind == MSG_TOKEN) {
        on_token(h, c, f);
        return;
    }
    assert_int_equal(f->kind, MSG_PREPARE);
    assert_int_equal(ipc_record_read(msg_prepare_fields, f->payload, h->arena, &h->prepare_seen,
                                     sizeof h->prepare_seen, &fail),
                     PKE_OK);
    h->prepares++;
    if (h->issuer_mode == PEER_ANSWERS || (h->issuer_mode == PEER_STALE_ONCE && h->prepares > 1)) {
        issue(h, c, f->id);
    } else if (h->issuer_mode == PEER_STALE_ONCE) {
        refuse(h, c, f->id, PKE_STALE);
    } else if (h->issuer_mode == PEER_ASKS) {
        ask(h, c, f->id);
    } else if (h->issuer_mode == PEER_REFUSES) {
        refuse(h, c, f->id, h->refusal.err);
    } else if (h->issuer_mode == PEER_DIES) {
        chan_free(c);
        h->issuer = NULL;
    }
}

static void on_peer_closed(struct chan *c, const char *why, void *arg)
{
    struct harness *h = arg;

    (void)why;
    if (h->auth == c)
        h->auth = NULL;
    if (h->issuer == c)
        h->issuer = NULL;
    chan_free(c);
}

static const struct chan_ops main_ops = {on_main, on_main_closed};
static const struct chan_ops auth_ops = {on_auth, on_peer_closed};
static const struct chan_ops issuer_ops = {on_issuer, on_peer_closed};

static void send_catalogue(struct harness *h)
{
    struct msg_catalogue m = {.generation = pke_bytes_str("generation")};

    pke_pairs_add(&m.issuers, h->arena, "lab", "hex");
    pke_blobs_add(&m.certificates, h->arena, pke_bytes_str("issuing ca"));
    pke_blobs_add(&m.roots, h->arena, pke_bytes_str("root"));
    pke_pairs_add(&m.templates, h->arena, "device", "lab");
    chan_send_record(h->issuer, MSG_CATALOGUE, 0, msg_catalogue_fields, &m);
}

void harness_link(struct harness *h, enum role_id role)
{
    struct chan **at = role == ROLE_AUTH ? &h->auth : &h->issuer;
    struct msg_link m = {.peer = role};
    struct pke_buf b;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    pke_buf_init(&b, 4096);
    assert_int_equal(ipc_record_write(msg_link_fields, &m, &b), PKE_OK);
    chan_send_fd(h->main, MSG_LINK, 0, pke_buf_bytes(&b), pair[0]);
    pke_buf_done(&b);
    chan_free(*at);
    *at = chan_new(h->base, pair[1], IPC_MAX_REQUEST, role == ROLE_AUTH ? &auth_ops : &issuer_ops, h);
    if (role == ROLE_ISSUER)
        send_catalogue(h);
}

void harness_pump(struct harness *h, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    event_base_loop(h->base, EVLOOP_NONBLOCK);
    poll(&p, fd >= 0, 5);
}

static void wait_for(struct harness *h, const unsigned *counter, unsigned value)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    while (*counter < value && process_monotonic_ms() < end)
        harness_pump(h, -1);
    assert_true(*counter >= value);
}

bool harness_configure(struct harness *h, const char *extra)
{
    struct msg_conf m = {.file = "test.yaml"};
    unsigned answers = h->ready + h->refused, states = h->states;
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    bool ok = h->refused == 0;
    char *text = pke_asprintf(conf_text, h->dir, h->credentials, h->template_more ? h->template_more : ""),
         *all = pke_asprintf("%s%s", text, extra);
    unsigned refused = h->refused;

    m.text = pke_bytes_str(all);
    chan_send_record(h->main, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
    while (h->ready + h->refused == answers && process_monotonic_ms() < end)
        harness_pump(h, -1);
    assert_true(h->ready + h->refused > answers);
    ok = h->refused == refused;
    chan_send(h->main, ok ? MSG_CONF_SWITCH : MSG_CONF_ABORT, 0, PKE_BYTES(NULL, 0));
    if (ok)
        wait_for(h, &h->states, states + 1);
    free(text);
    free(all);
    return ok;
}

void harness_drain(struct harness *h)
{
    unsigned states = h->states;

    chan_send(h->main, MSG_DRAIN, 0, PKE_BYTES(NULL, 0));
    wait_for(h, &h->states, states + 1);
}

struct harness *harness_start(void)
{
    struct harness *h = pke_calloc(1, sizeof *h);
    int pair[2];

    strcpy(h->dir, "/tmp/pke-net-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    make_tls(h->dir);
    write_secret(h->dir, "client", "cs");
    write_secret(h->dir, "server", "ss");
    h->arena = pke_arena_new();
    h->ack_refusals = true;
    h->credentials = "[username]";
    pke_fail_set(&h->refusal, PKE_DENIED, "test-refusal", "test 1", "refused by the test");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    signal(SIGPIPE, SIG_IGN); /* as process_harden() does, which has to come before OpenSSL's first use */
    fflush(NULL);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0) {
        log_level(getenv("NET_TEST_LOG") ? LOG_DEBUG : LOG_ERR);
        close(pair[1]);
        if (pair[0] != ROLE_MAIN_FD) {
            dup2(pair[0], ROLE_MAIN_FD);
            close(pair[0]);
        }
        _exit(role_net(0));
    }
    close(pair[0]);
    h->base = event_base_new();
    h->main = chan_new(h->base, pair[1], IPC_MAX_CONFIG, &main_ops, h);
    harness_link(h, ROLE_AUTH);
    harness_link(h, ROLE_ISSUER);
    if (!harness_configure(h, ""))
        fail_msg("%s", h->conf_fail.text);
    return h;
}

void harness_stop(struct harness *h)
{
    static const char *const files[] = {"tls.pem", "tls.key", "net.sock", "client", "server"};
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    int status = -1;
    char path[128];

    chan_send(h->main, MSG_STOP, 0, PKE_BYTES(NULL, 0));
    while (waitpid(h->pid, &status, WNOHANG) == 0 && process_monotonic_ms() < end)
        harness_pump(h, -1);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (size_t i = 0; i < PKE_LEN(files); i++) {
        snprintf(path, sizeof path, "%s/%s", h->dir, files[i]);
        if (i == 2)
            assert_int_equal(access(path, F_OK), -1); /* removed by the role itself */
        unlink(path);
    }
    rmdir(h->dir);
    chan_free(h->main);
    chan_free(h->auth);
    chan_free(h->issuer);
    event_base_free(h->base);
    pke_arena_free(h->arena);
    free(h);
}

static int connect_unix(struct harness *h)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/net.sock", h->dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    return fd;
}

static int connect_tcp(struct harness *h)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *text = pke_pairs_get(&h->facts, "listener main");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_non_null(text);
    assert_int_equal(strncmp(text, "127.0.0.1:", 10), 0);
    sin.sin_port = htons((uint16_t)atoi(text + 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    return fd;
}

bool client_open(struct client *c, struct harness *h, bool tls, const char *alpn)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    int n;

    *c = (struct client){.h = h, .fd = tls ? connect_tcp(h) : connect_unix(h)};
    pke_buf_init(&c->in, 4 << 20);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (!tls)
        return true;
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->ctx);
    if (alpn)
        SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_fd(c->ssl, c->fd);
    while ((n = SSL_connect(c->ssl)) != 1 && process_monotonic_ms() < end) {
        int e = SSL_get_error(c->ssl, n);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return false;
        harness_pump(h, c->fd);
    }
    return n == 1;
}

void client_close(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
    pke_buf_done(&c->in);
}

void client_send(struct client *c, const void *p, size_t n)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;
    const char *at = p;

    while (n > 0 && process_monotonic_ms() < end) {
        ssize_t took = c->ssl ? SSL_write(c->ssl, at, (int)n) : send(c->fd, at, n, MSG_NOSIGNAL);

        if (took > 0) {
            at += took;
            n -= (size_t)took;
        } else if (!c->ssl && errno != EAGAIN) {
            return; /* refused early: the reply is what counts */
        }
        if (n > 0)
            harness_pump(c->h, c->fd);
    }
}

static void receive(struct client *c)
{
    char chunk[16384];
    ssize_t n = c->ssl ? SSL_read(c->ssl, chunk, sizeof chunk) : recv(c->fd, chunk, sizeof chunk, 0);

    if (n > 0)
        assert_int_equal(pke_buf_add(&c->in, chunk, (size_t)n), PKE_OK);
    else if (c->ssl ? SSL_get_error(c->ssl, (int)n) != SSL_ERROR_WANT_READ : n == 0 || errno != EAGAIN)
        c->eof = true;
    else
        harness_pump(c->h, c->fd);
}

unsigned client_reply(struct client *c, struct pke_bytes *head, struct pke_bytes *body)
{
    static struct pke_buf reply; /* the one shown to the caller */
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    while (process_monotonic_ms() < end) {
        char *text = (char *)(uintptr_t)pke_buf_cstr(&c->in), *gap = strstr(text, "\r\n\r\n");
        const char *length = gap ? strstr(text, "Content-Length: ") : NULL;

        if (length && length < gap) {
            size_t n = strtoul(length + 16, NULL, 10), at = (size_t)(gap + 4 - text);

            if (c->in.n >= at + n) {
                pke_buf_done(&reply);
                pke_buf_init(&reply, 4 << 20);
                pke_buf_add(&reply, c->in.p, at + n);
                pke_buf_drop(&c->in, at + n);
                *head = PKE_BYTES(reply.p, at);
                *body = PKE_BYTES(reply.p + at, n);
                (void)pke_buf_cstr(&reply);
                return (unsigned)strtoul((const char *)reply.p + 9, NULL, 10);
            }
        }
        if (c->eof)
            return 0;
        receive(c);
    }
    return 0;
}

unsigned client_post(struct client *c, const char *path, struct pke_bytes body, struct pke_bytes *reply)
{
    struct pke_buf b;
    struct pke_bytes head;

    pke_buf_init(&b, 4 << 20);
    pke_buf_printf(&b, "POST %s HTTP/1.1\r\nHost: lab\r\nContent-Length: %zu\r\n\r\n", path, body.n);
    pke_buf_add_bytes(&b, body);
    client_send(c, b.p, b.n);
    pke_buf_done(&b);
    return client_reply(c, &head, reply);
}

bool client_closed(struct client *c)
{
    uint64_t end = process_monotonic_ms() + PATIENCE_MS;

    while (!c->eof && process_monotonic_ms() < end)
        receive(c);
    return c->eof && c->in.n == 0;
}
