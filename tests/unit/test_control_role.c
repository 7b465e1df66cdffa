/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/control as a process: every way of a call, with pkienrollctl and with plain HTTP. */
#include "tests/unit/ledger_fixture.h" /* cmocka and a sample ledger */

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "tests/unit/control_stage.h"

#define TEXT_SIZE (1u << 20)

static struct stage s;
static char *text;

static int open_stage(void **state)
{
    (void)state;
    text = pke_malloc(TEXT_SIZE);
    stage_open(&s);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    stage_close(&s);
    free(text);
    return 0;
}

static unsigned ask(const char *method, const char *target)
{
    return stage_ask(&s, method, target, text, TEXT_SIZE);
}

static void has(const char *want)
{
    if (!strstr(text, want))
        fail_msg("'%s' is not in: %s", want, text);
}

#define CTL(uid, gid, ...) \
    stage_run(&s, uid, gid, text, TEXT_SIZE, (const char *const[]){ctl_path(), __VA_ARGS__, NULL})

static const char *ctl_path(void)
{
    static char path[4096];
    const char *top = getenv("top_builddir");

    snprintf(path, sizeof path, "%s/ctl/pkienrollctl", top ? top : ".");
    return path;
}

static void test_local_answers_on_one_connection(void **state)
{
    int fd = stage_connect(&s);

    (void)state;
    assert_int_equal(stage_exchange(&s, fd, "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n", text, TEXT_SIZE),
                     200);
    has("\"api\":\"v1\"");
    assert_int_equal(
        stage_exchange(&s, fd, "GET /v1/templates?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n", text, TEXT_SIZE),
        200);
    has("\"name\":\"device\"");
    has("\"allow\":[\"*\"]");
    has("\"next\":null");
    assert_int_equal(
        stage_exchange(&s, fd, "GET /v1/templates/none HTTP/1.1\r\nHost: x\r\n\r\n", text, TEXT_SIZE), 404);
    has("\"code\":\"not-found\"");
    has("\"trace_id\":\"");
    close(fd);
}

static void test_status_is_mains_with_the_ledger(void **state)
{
    struct pke_fail fail;
    struct ledger *l;

    (void)state;
    assert_int_equal(ask("GET", "/v1/status"), 200);
    has("\"state\":\"ready\",\"version\":\"test\"");
    has("\"ledger\":{\"state\":\"down\",\"error\":{\"code\":\"store-down\"");
    assert_int_equal(ask("GET", "/v1/requests"), 503);
    has("store-down");
    assert_int_equal(ledger_open(s.ledger, &l, &fail),
                     PKE_OK); /* the issuer came up: found without a restart */
    ledger_close(l);
    assert_int_equal(ask("GET", "/v1/status"), 200);
    has("\"ledger\":{\"state\":\"ready\",\"issued\":0");
    assert_int_equal(ask("GET", "/v1/requests"), 200);
    has("{\"items\":[],\"next\":null}");
}

static void test_forwarded_calls_and_their_audit(void **state)
{
    unsigned before = s.audits;

    (void)state;
    assert_int_equal(ask("GET", "/v1/issuers?limit=3"), 200);
    has("\"name\":\"lab\"");
    assert_string_equal(s.verb, "issuer-list");
    assert_string_equal(s.args, "limit=3;");
    assert_non_null(strstr(s.actor, "role=admin"));
    stage_until(&s, &s.audits, before + 1);
    assert_string_equal(s.audit_verb, "issuer-list");
    assert_string_equal(s.audit_result, "ok");
    assert_string_equal(s.audit_detail, "{\"limit\":\"3\"}");
    assert_string_equal(s.audit_actor, s.actor);
    assert_int_equal(ask("DELETE", "/v1/users/a%40b"), 200);
    assert_string_equal(s.verb, "user-remove");
    assert_string_equal(s.args, "name=a@b;");
    stage_until(&s, &s.audits, before + 2);
}

static void test_refusals_of_other_roles(void **state)
{
    static const struct {
        const char *name;
        unsigned status;
        const char *code;
    } v[] = {{"absent", 404, "not-found"},
             {"down", 503, "key-down"},
             {"locked", 503, "key-locked"},
             {"taken", 409, "exists"},
             {"odd", 422, "csr-bad"}};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(v); i++) {
        char path[64], want[64];
        unsigned before = s.audits;
        snprintf(path, sizeof path, "/v1/issuers/%s", v[i].name);
        snprintf(want, sizeof want, "{\"error\":{\"code\":\"%s\"", v[i].code);
        assert_int_equal(ask("GET", path), v[i].status);
        has(want);
        has("\"rule\":\"test rule\"");
        stage_until(&s, &s.audits, before + 1);
        assert_string_equal(s.audit_result, v[i].code);
    }
    assert_int_equal(ask("POST", "/v1/keys/k/test"), 500); /* the role answered what is no JSON */
    has("control-answer");
}

static void test_refused_before_anything_is_asked(void **state)
{
    unsigned before = s.audits;

    (void)state;
    s.verb[0] = 0;
    assert_int_equal(ask("GET", "/v1/nothing"), 404);
    stage_until(&s, &s.audits, before + 1);
    assert_string_equal(s.audit_verb, "unknown");
    assert_int_equal(ask("DELETE", "/v1/status"), 405);
    has("Allow: GET\r\n");
    assert_int_equal(ask("GET", "/v1/issuers?x=1"), 400);
    assert_int_equal(ask("GET", "/v1/issuers/%2e%2e"), 400);
    stage_until(&s, &s.audits, before + 4);
    assert_string_equal(s.audit_verb, "issuer-show");
    assert_string_equal(s.audit_result, "malformed");
    assert_string_equal(s.verb, "");
}

static void test_password_reaches_auth_only(void **state)
{
    static const char request[] = "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 41\r\n\r\n"
                                  "{\"name\":\"a@b\",\"password\":\"not for audit\"}";
    unsigned before = s.audits;
    int fd = stage_connect(&s);

    (void)state;
    assert_int_equal(stage_exchange(&s, fd, request, text, TEXT_SIZE), 200);
    assert_null(strstr(text, "not for audit"));
    assert_string_equal(s.verb, "user-add");
    assert_string_equal(s.secret, "not for audit");
    assert_string_equal(s.args, "name=a@b;");
    stage_until(&s, &s.audits, before + 1);
    assert_string_equal(s.audit_detail, "{\"name\":\"a@b\"}");
    close(fd);
}

/* The issuer ends while a call waits for it: the caller hears at once; a new channel serves the next one. */
static void test_a_role_that_ends(void **state)
{
    int fd = stage_connect(&s);
    static const char request[] = "GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n";

    (void)state;
    s.silent = true;
    s.held = 0;
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    stage_until(&s, &s.held, 1);
    chan_free(s.issuer);
    s.issuer = NULL;
    assert_int_equal(stage_exchange(&s, fd, "", text, TEXT_SIZE), 503);
    has("control-role-gone");
    assert_int_equal(stage_exchange(&s, fd, request, text, TEXT_SIZE), 503);
    has("is not running");
    s.silent = false;
    stage_link(&s, ROLE_ISSUER);
    assert_int_equal(stage_exchange(&s, fd, request, text, TEXT_SIZE), 200);
    close(fd);
}

/* A caller that goes away before its answer: the call is audited all the same. */
static void test_a_caller_that_leaves(void **state)
{
    static const char request[] = "POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    unsigned before = s.audits;
    int fd = stage_connect(&s);

    (void)state;
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    close(fd);
    stage_until(&s, &s.audits, before + 1);
    assert_string_equal(s.audit_verb, "drain");
    assert_int_equal(ask("GET", "/v1/version"), 200);
}

/* Attack A43: what is no HTTP, too large, or more than one call at once. */
static void test_hostile_bytes(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
    } v[] = {{"NONSENSE\r\n\r\n", 400},
             {"GET /v1/status HTTP/1.1\r\n\r\n", 400},
             {"GET /v1/status HTTP/1.1\nHost: x\n\n", 400},
             {"GET /v1/status HTTP/3.0\r\nHost: x\r\n\r\n", 505},
             {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
             {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413},
             {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400}};
    PKE_CLEANUP(pke_free_p) char *head = pke_malloc(40000);

    (void)state;
    s.verb[0] = 0;
    for (size_t i = 0; i < PKE_LEN(v); i++) {
        int fd = stage_connect(&s);
        assert_int_equal(stage_exchange(&s, fd, v[i].request, text, TEXT_SIZE), v[i].status);
        has("{\"error\":{\"code\":\"malformed\"");
        has("Connection: close");
        assert_int_equal(stage_exchange(&s, fd, "", text, TEXT_SIZE), 0); /* closed */
        close(fd);
    }
    snprintf(head, 40000, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: %030000d\r\n\r\n", 0);
    int fd = stage_connect(&s);
    assert_int_equal(stage_exchange(&s, fd, head, text, TEXT_SIZE), 431);
    close(fd);
    assert_string_equal(s.verb, "");
}

static void test_pipelined_calls_are_answered_in_order(void **state)
{
    static const char request[] = "GET /v1/issuers HTTP/1.1\r\nHost: x\r\n\r\n"
                                  "GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = stage_connect(&s);
    const char *first, *second;

    (void)state;
    assert_int_equal(stage_exchange(&s, fd, request, text, TEXT_SIZE), 200);
    first = strstr(text, "\"name\":\"lab\"");
    assert_non_null(first);
    second = strstr(text, "\"api\":\"v1\"");
    if (!second) {
        assert_int_equal(stage_exchange(&s, fd, "", text, TEXT_SIZE), 200);
        has("\"api\":\"v1\"");
    } else {
        assert_true(second > first);
    }
    close(fd);
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* Attack A43: a caller that sends half a request and waits is cut off, and holds nobody else up meanwhile. */
static void test_partial_request_is_cut_off(void **state)
{
    int fd = stage_connect(&s);

    (void)state;
    assert_int_equal(send(fd, "GET /v1/st", 10, MSG_NOSIGNAL), 10);
    assert_int_equal(ask("GET", "/v1/version"), 200);
    assert_false(readable(fd));
    assert_int_equal(stage_exchange(&s, fd, "", text, TEXT_SIZE), 0);
    close(fd);
}

/* Attack A43: more connections than there is room for wait; they are served when room is made. */
static void test_connections_are_bounded(void **state)
{
    static const char request[] = "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd[70];

    (void)state;
    for (size_t i = 0; i < 70; i++)
        fd[i] = stage_connect(&s);
    for (size_t i = 0; i < 64; i++) /* all of these are accepted: the backlog is in order */
        assert_int_equal(stage_exchange(&s, fd[i], request, text, TEXT_SIZE), 200);
    assert_int_equal(send(fd[69], request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    assert_int_equal(stage_exchange(&s, fd[0], request, text, TEXT_SIZE), 200);
    assert_false(readable(fd[69]));
    for (size_t i = 0; i < 64; i++)
        close(fd[i]);
    assert_int_equal(stage_exchange(&s, fd[69], "", text, TEXT_SIZE), 200);
    for (size_t i = 64; i < 70; i++)
        close(fd[i]);
}

/* Attack A23: other users, by their groups alone. */
static void test_users_and_groups(void **state)
{
    (void)state;
    if (geteuid() != 0 || CTL(65534, 54399, "--version") != 0) {
        /* not skip(): cmocka says "not ok" of it */
        print_message(
            "# left out: cannot become another user, or that one cannot reach the build directory\n");
        return;
    }
    assert_int_equal(CTL(65534, 54399, "version"), 1); /* in no group of ours */
    has("have a role");
    assert_int_equal(CTL(65534, 54399, "status"), 1);
    assert_int_equal(CTL(65534, 54322, "version"), 0); /* a frontend */
    assert_int_equal(CTL(65534, 54322, "status"), 1);
    has("needs the role viewer");
    assert_int_equal(CTL(65534, 54322, "device", "block", "d1"), 0);
    assert_non_null(strstr(s.actor, "role=frontend frontend=mdm"));
    assert_int_equal(CTL(65534, 54322, "--tenant", "other", "device", "block", "d1"), 1);
    has("there is no such tenant");
    assert_int_equal(CTL(65534, 54320, "version"), 0);
    assert_int_equal(CTL(65534, 54320, "user", "list"), 1);
    has("needs the role officer");
    assert_int_equal(CTL(65534, 54321, "user", "list"), 0);
    assert_int_equal(CTL(65534, 54321, "user", "remove", "x"), 0);
    assert_non_null(strstr(s.actor, "uid=65534 gid=65534 role=officer"));
    s.verb[0] = 0;
    assert_int_equal(CTL(65534, 54321, "reload"), 1);
    has("needs the role admin");
    assert_string_equal(s.verb, "");
    assert_string_equal(s.audit_verb, "reload");
    assert_string_equal(s.audit_result, "denied");
}

static void record_sample(struct ledger *l, struct sample *sm, unsigned n)
{
    struct pke_fail fail;

    sample(sm, n);
    sm->in.request.device_name = "PC\033[2J\xe2\x80\xae";
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_intent(l, &sm->in, &fail), PKE_OK);
    assert_int_equal(ledger_issued(l, sm->request_id, PKE_BYTES(sm->der, sm->der_n), T0 + n, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
}

static void refuse_sample(struct ledger *l, struct sample *sm, unsigned n)
{
    struct pke_fail fail, why;

    sample(sm, n);
    pke_fail_set(&why, PKE_KEY_WEAK, "csr-key-roca", "CVE-2017-15361", "the key is weak");
    assert_int_equal(ledger_begin(l, &fail), PKE_OK);
    assert_int_equal(ledger_refused(l, &sm->in.request, &why, &fail), PKE_OK);
    assert_int_equal(ledger_commit(l, &fail), PKE_OK);
}

static void test_requests_and_certificates(void **state)
{
    struct sample issued[3], refused;
    struct pke_fail fail;
    struct ledger *l;
    char serial[40];

    (void)state;
    assert_int_equal(ledger_open(s.ledger, &l, &fail), PKE_OK);
    for (unsigned i = 0; i < 3; i++)
        record_sample(l, &issued[i], i + 1);
    refuse_sample(l, &refused, 9);
    pke_hex(PKE_BYTES(issued[1].serial, 16), true, serial);

    assert_int_equal(CTL(0, 0, "cert", "show", serial), 0);
    has("Serial");
    has(issued[1].request_id);
    has("-----BEGIN CERTIFICATE-----");
    assert_int_equal(CTL(0, 0, "cert", "show", "--pem", issued[1].device), 0);
    assert_int_equal(strncmp(text, "-----BEGIN CERTIFICATE-----\n", 28), 0);
    assert_int_equal(CTL(0, 0, "cert", "show", "DEADBEEF"), 1);
    assert_int_equal(CTL(0, 0, "request", "show", refused.request_id), 0);
    has("csr-key-roca");
    has("CVE-2017-15361");
    assert_int_equal(CTL(0, 0, "request", "show", issued[0].request_id), 0);
    has("PC\\x1b[2J\\u{202e}");
    assert_int_equal(CTL(0, 0, "request", "list"), 0);
    has("RECEIVED ");
    has("csr-key-roca\n");
    assert_int_equal(CTL(0, 0, "request", "list", "--state", "refused", "--jsonl"), 0);
    has(refused.request_id);
    assert_null(strstr(text, issued[0].request_id));
    assert_int_equal(CTL(0, 0, "cert", "list", "--limit", "2"), 0);
    has("more: --cursor ");
    assert_null(strstr(text, issued[0].device));
    assert_int_equal(CTL(0, 0, "cert", "list", "--limit", "1", "--all"), 0);
    for (unsigned i = 0; i < 3; i++)
        has(issued[i].device);
    assert_int_equal(CTL(0, 0, "cert", "list", "--limit", "2", "--all", "--json"), 0);
    has("\"next\": null");
    assert_int_equal(CTL(0, 0, "cert", "list", "--cursor", "rubbish"), 1);
    ledger_close(l);
}

static void test_ctl_against_the_role(void **state)
{
    (void)state;
    assert_int_equal(CTL(0, 0, "issuer", "list"), 0);
    has("a\\x1b[31mb");
    assert_null(strchr(text, '\033'));
    assert_int_equal(CTL(0, 0, "--color", "always", "issuer", "list"), 0);
    has("\033[1mNAME");
    assert_int_equal(CTL(0, 0, "--wait", "5s", "status"), 0);
    has("State      ready\n");
    assert_int_equal(CTL(0, 0, "--json", "issuer", "show", "absent"), 1);
    has("\"code\": \"not-found\"");
    assert_int_equal(CTL(0, 0, "key", "test", "locked"), 1);
    s.silent = true;
    assert_int_equal(CTL(0, 0, "--timeout", "200ms", "key", "list"), 69);
    s.silent = false;
}

static void test_ctl_takes_a_password_from_a_file(void **state)
{
    PKE_CLEANUP(pke_free_p) char *file = pke_asprintf("%s/pw", s.dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(write(fd,
                           "s\xc3\xa9"
                           "cret\n",
                           8),
                     8);
    close(fd);
    assert_int_equal(CTL(0, 0, "user", "add", "bob@corp.example", "--password-file", file), 0);
    assert_string_equal(s.secret, "s\xc3\xa9"
                                  "cret");
    assert_string_equal(s.args, "name=bob@corp.example;");
    assert_int_equal(CTL(0, 0, "user", "add", "taken", "--password-file", file), 1);
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(CTL(0, 0, "user", "add", "bob@corp.example", "--password-file", file), 2);
}

/* A configuration that is refused leaves the socket served. */
static void test_reconfiguration(void **state)
{
    struct msg_conf m = {.file = "/test.yaml", .text = pke_bytes_str("control-socket: [")};

    (void)state;
    chan_send_record(s.main, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
    stage_until(&s, &s.refused, 1);
    assert_int_equal(ask("GET", "/v1/version"), 200);
}

int main(void)
{
#define ON_STAGE(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        ON_STAGE(test_local_answers_on_one_connection),
        ON_STAGE(test_status_is_mains_with_the_ledger),
        ON_STAGE(test_forwarded_calls_and_their_audit),
        ON_STAGE(test_refusals_of_other_roles),
        ON_STAGE(test_refused_before_anything_is_asked),
        ON_STAGE(test_password_reaches_auth_only),
        ON_STAGE(test_a_role_that_ends),
        ON_STAGE(test_a_caller_that_leaves),
        ON_STAGE(test_hostile_bytes),
        ON_STAGE(test_pipelined_calls_are_answered_in_order),
        ON_STAGE(test_partial_request_is_cut_off),
        ON_STAGE(test_connections_are_bounded),
        ON_STAGE(test_users_and_groups),
        ON_STAGE(test_requests_and_certificates),
        ON_STAGE(test_ctl_against_the_role),
        ON_STAGE(test_ctl_takes_a_password_from_a_file),
        ON_STAGE(test_reconfiguration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
