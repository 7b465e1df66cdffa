/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/control: roles of peers, the socket in the file system, requests as verbs, errors as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/control/json.h"
#include "daemon/control/metrics.h"
#include "daemon/control/peer.h"
#include "daemon/control/request.h"
#include "daemon/control/socket.h"

/* ---- roles ---- */

#define FULL (VERB_ROLE_ADMIN | VERB_ROLE_OFFICER | VERB_ROLE_VIEWER)

static void test_roles_of_peers(void **state)
{
    const struct peer_groups g = {.viewer = {{100, 101}, 2}, .officer = {{200}, 1}, .admin = {{300}, 1}};
    const gid_t none[] = {7, 8}, viewer[] = {7, 101}, officer[] = {200}, admin[] = {1, 300};

    (void)state;
    assert_int_equal(peer_roles(&g, 1000, none, 2, 500), VERB_ROLE_NONE);
    assert_int_equal(peer_roles(&g, 1000, NULL, 0, 500), VERB_ROLE_NONE);
    assert_int_equal(peer_roles(&g, 1000, viewer, 2, 500), VERB_ROLE_VIEWER);
    assert_int_equal(peer_roles(&g, 1000, officer, 1, 500), VERB_ROLE_OFFICER | VERB_ROLE_VIEWER);
    assert_int_equal(peer_roles(&g, 1000, admin, 2, 500), FULL);
    assert_int_equal(peer_roles(&g, 0, none, 2, 500), FULL);
    assert_int_equal(peer_roles(&g, 500, none, 2, 500), FULL);
}

/* Attack A23: every verb against every role; only what the table says passes. */
static void test_every_verb_against_every_role(void **state)
{
    static const unsigned sets[] = {VERB_ROLE_NONE, VERB_ROLE_FRONTEND, VERB_ROLE_VIEWER, VERB_ROLE_OFFICER,
                                    VERB_ROLE_ADMIN};
    static const int rank[] = {0, 0, 1, 2, 3};

    (void)state;
    for (size_t i = 0; i < VERB__MAX; i++) {
        unsigned role = verbs[i].role & ~(unsigned)VERB_ROLE_FRONTEND;
        int need = role == VERB_ROLE_VIEWER    ? 1
                   : role == VERB_ROLE_OFFICER ? 2
                   : role == VERB_ROLE_ADMIN   ? 3
                                               : 4;
        for (size_t k = 0; k < PKE_LEN(sets); k++)
            assert_int_equal((verb_role_expand(sets[k]) & verbs[i].role) != 0,
                             sets[k] == VERB_ROLE_FRONTEND ? (verbs[i].role & VERB_ROLE_FRONTEND) != 0
                                                           : rank[k] >= need);
    }
}

static struct conf_global groups_of(char **names, size_t n)
{
    return (struct conf_global){.officer_groups = {names, n}};
}

static void test_groups_of_the_configuration(void **state)
{
    char zero[] = "0", root[] = "root", high[] = "4294967295", absent[] = "no-such-group-of-ours",
         empty[] = "", minus[] = "-1";
    char *good[] = {zero, root}, *bad[] = {absent, high, empty, minus};
    struct peer_groups g;
    struct pke_fail fail;
    struct conf_global conf = groups_of(good, 2);

    (void)state;
    assert_int_equal(peer_groups_resolve(&conf, &g, &fail), PKE_OK);
    assert_int_equal(g.officer.n, 2);
    assert_int_equal(g.officer.v[0], 0);
    assert_int_equal(g.officer.v[1], 0);
    assert_int_equal(g.viewer.n + g.admin.n, 0);
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        conf = groups_of(&bad[i], 1);
        assert_int_equal(peer_groups_resolve(&conf, &g, &fail), PKE_CONFIG);
        assert_non_null(strstr(fail.text, "officer-groups"));
    }
}

static void test_credentials_of_a_socket(void **state)
{
    struct peer_groups none = {0};
    struct pke_fail fail;
    struct peer p;
    char actor[80];
    int fd[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(peer_read(fd[0], &none, NULL, &p, &fail), PKE_OK);
    assert_int_equal(p.uid, geteuid());
    assert_int_equal(p.roles, FULL); /* our own uid */
    peer_actor(&p, actor, sizeof actor);
    assert_non_null(strstr(actor, "role=admin"));
    assert_int_equal(peer_read(file, &none, NULL, &p, &fail), PKE_DENIED);
    assert_int_equal(p.roles, VERB_ROLE_NONE);
    close(fd[0]);
    close(fd[1]);
    close(file);
}

/* ---- the socket in the file system ---- */

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pke-control-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static char *below(const char *name)
{
    return pke_asprintf("%s/%s", directory, name);
}

static void test_socket_life(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = below("c");
    struct control_socket s, second;
    struct pke_fail fail;
    struct stat st;
    mode_t mask = umask(0);

    (void)state;
    umask(mask);
    assert_int_equal(control_socket_open(path, &s, &fail), PKE_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(umask(mask), mask);
    assert_int_equal(control_socket_open(path, &second, &fail), PKE_CONFIG); /* the first one answers */
    assert_non_null(strstr(fail.text, "another daemon"));
    control_socket_close(&s);
    assert_int_equal(stat(path, &st), -1);
    control_socket_close(&s); /* again: nothing */
}

static void test_stale_socket_is_taken_over(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = below("c");
    struct control_socket dead, s;
    struct pke_fail fail;
    struct stat st;

    (void)state;
    assert_int_equal(control_socket_open(path, &dead, &fail), PKE_OK);
    close(dead.fd); /* as a killed process leaves it: the file stays */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(control_socket_open(path, &s, &fail), PKE_OK);
    control_socket_close(&s);
    free(dead.path);
}

/* Attack A43: symbolic link at the path, to a socket that would otherwise be taken over. */
static void test_what_is_no_socket_stays(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = below("c"), *target = below("t");
    struct control_socket s, dead;
    struct pke_fail fail;
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(control_socket_open(target, &dead, &fail), PKE_OK);
    close(dead.fd);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(control_socket_open(path, &s, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "symbolic link"));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(stat(target, &st), 0);
    unlink(path);
    unlink(target);
    free(dead.path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(control_socket_open(path, &s, &fail), PKE_CONFIG);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
}

static void test_only_our_own_file_is_removed(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = below("c");
    struct control_socket old, fresh;
    struct pke_fail fail;
    struct stat st;

    (void)state;
    assert_int_equal(control_socket_open(path, &old, &fail), PKE_OK);
    unlink(path);
    assert_int_equal(control_socket_open(path, &fresh, &fail), PKE_OK);
    control_socket_close(&old);
    assert_int_equal(stat(path, &st), 0);
    control_socket_close(&fresh);
    assert_int_equal(stat(path, &st), -1);
}

static void test_unsafe_places(void **state)
{
    PKE_CLEANUP(pke_free_p) char *path = below("c"), *deep = below("absent/c");
    char longest[200];
    struct control_socket s;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(control_socket_open(deep, &s, &fail), PKE_CONFIG);
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = 0;
    assert_int_equal(control_socket_open(longest, &s, &fail), PKE_CONFIG);
    assert_int_equal(chmod(directory, 01777), 0);
    assert_int_equal(control_socket_open(path, &s, &fail), PKE_CONFIG);
    assert_non_null(strstr(fail.text, "writable by everybody"));
    assert_int_equal(chmod(directory, 0700), 0);
}

/* ---- requests ---- */

struct parsed {
    struct control_request req;
    struct pke_arena *arena;
    struct pke_fail fail;
};

static enum pke_err parse(struct parsed *p, const char *method, const char *path, const char *query,
                          const char *body)
{
    struct http_request http = {
        .method_text = pke_bytes_str(method), .path = pke_bytes_str(path), .query = pke_bytes_str(query)};
    struct pke_bytes value;
    enum pke_err err;

    memset(p, 0, sizeof *p);
    p->arena = pke_arena_new();
    err = control_request_route(&http, &p->req, &value, &p->fail);
    return err ? err : control_request_args(&http, pke_bytes_str(body), value, p->arena, &p->req, &p->fail);
}

static void parsed_done(struct parsed *p)
{
    control_request_done(&p->req);
    pke_arena_free(p->arena);
}

static void test_requests(void **state)
{
    struct parsed p;

    (void)state;
    assert_int_equal(parse(&p, "GET", "/v1/certificates", "limit=7&principal=a%2Bb+c%40d&state=issued", ""),
                     PKE_OK);
    assert_int_equal(p.req.verb->id, VERB_CERT_LIST);
    assert_int_equal(control_request_limit(&p.req.args), 7);
    assert_string_equal(pke_pairs_get(&p.req.args, "principal"), "a+b+c@d");
    parsed_done(&p);
    assert_int_equal(parse(&p, "GET", "/v1/certificates/AA%3ABB", "", ""), PKE_OK);
    assert_string_equal(pke_pairs_get(&p.req.args, "key"), "AA:BB");
    assert_int_equal(control_request_limit(&p.req.args), VERB_LIMIT_DEFAULT);
    parsed_done(&p);
    assert_int_equal(parse(&p, "POST", "/v1/reload", "", "{}"), PKE_OK);
    parsed_done(&p);
    assert_int_equal(parse(&p, "POST", "/v1/users", "", "{\"password\":\"p\\u00e4ss\",\"name\":\"a@b\"}"),
                     PKE_OK);
    assert_string_equal(pke_pairs_get(&p.req.args, "name"), "a@b");
    assert_null(pke_pairs_get(&p.req.args, "password"));
    assert_true(pke_bytes_eq_str(pke_secret_bytes(p.req.secret), "p\xc3\xa4ss"));
    parsed_done(&p);
}

static void test_refused_requests(void **state)
{
    static const struct {
        const char *method, *path, *query, *body;
        enum pke_err err;
        const char *reason;
    } v[] = {
        {"GET", "/v1/nothing", "", "", PKE_NOT_FOUND, "control-path"},
        {"DELETE", "/v1/status", "", "", PKE_UNSUPPORTED, "control-method"},
        {"GET", "/v1/status", "x=1", "", PKE_MALFORMED, "control-unknown-field"},
        {"GET", "/v1/status", "=", "", PKE_MALFORMED, "control-unknown-field"},
        {"GET", "/v1/users", "password=x", "", PKE_MALFORMED, "control-unknown-field"},
        {"GET", "/v1/users", "limit=1&limit=2", "", PKE_MALFORMED, "control-repeated"},
        {"GET", "/v1/users", "limit=abc", "", PKE_MALFORMED, "control-argument"},
        {"GET", "/v1/users", "limit", "", PKE_MALFORMED, "control-argument"},
        {"GET", "/v1/issuers/%2e%2e%2fx", "", "", PKE_MALFORMED, "control-argument"},
        {"GET", "/v1/issuers/%", "", "", PKE_MALFORMED, "control-encoding"},
        {"GET", "/v1/issuers/a%00b", "", "", PKE_MALFORMED, "control-encoding"},
        {"GET", "/v1/requests/a%0ab", "", "", PKE_MALFORMED, "control-argument"},
        {"POST", "/v1/users", "", "", PKE_MALFORMED, "control-missing-field"},
        {"POST", "/v1/users", "", "{\"name\":\"a\"}", PKE_MALFORMED, "control-missing-field"},
        {"POST", "/v1/users", "", "{\"password\":\"a\"}", PKE_MALFORMED, "control-missing-field"},
        {"POST", "/v1/users", "", "{\"name\":\"a\",\"password\":\"b\",\"x\":1}", PKE_MALFORMED,
         "control-unknown-field"},
        {"POST", "/v1/users", "", "{\"name\":\"a\",\"name\":\"b\",\"password\":\"b\"}", PKE_MALFORMED,
         "control-json"},
        {"POST", "/v1/users", "", "{\"name\":1,\"password\":\"b\"}", PKE_MALFORMED, "control-field-type"},
        {"POST", "/v1/certificates/ab/revoke", "", "{\"hold\":\"true\"}", PKE_MALFORMED,
         "control-field-type"},
        {"POST", "/v1/certificates/ab/revoke", "", "{\"dry_run\":1}", PKE_MALFORMED, "control-field-type"},
        {"POST", "/v1/certificates/ab/revoke", "", "{\"dry-run\":true}", PKE_MALFORMED,
         "control-unknown-field"},
        {"POST", "/v1/users/a/revoke", "", "{\"count\":true}", PKE_MALFORMED, "control-field-type"},
        {"POST", "/v1/users/a/revoke", "", "{\"count\":\"0\"}", PKE_MALFORMED, "control-argument"},
        {"POST", "/v1/users", "", "{\"name\":\"a\\u0000\",\"password\":\"b\"}", PKE_MALFORMED,
         "control-json"},
        {"POST", "/v1/users", "", "{\"name\":\"a\",\"password\":\"\"}", PKE_MALFORMED, "control-argument"},
        {"POST", "/v1/users", "", "[]", PKE_MALFORMED, "control-body"},
        {"POST", "/v1/users", "", "{\"name\":\"a\",\"password\":\"b\"} x", PKE_MALFORMED, "control-json"},
        {"POST", "/v1/reload", "", "{\"force\":\"yes\"}", PKE_MALFORMED, "control-unknown-field"},
        {"POST", "/v1/reload", "", "reload", PKE_MALFORMED, "control-json"},
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(v); i++) {
        struct parsed p;
        enum pke_err err = parse(&p, v[i].method, v[i].path, v[i].query, v[i].body);
        if (err != v[i].err || strcmp(p.fail.reason, v[i].reason) != 0)
            fail_msg("%s %s?%s %s: %s %s", v[i].method, v[i].path, v[i].query, v[i].body, pke_err_token(err),
                     p.fail.reason);
        assert_true(*p.fail.rule);
        parsed_done(&p);
    }
}

/* ---- JSON ---- */

static void test_status_of_errors(void **state)
{
    (void)state;
    assert_int_equal(control_status(PKE_OK), 200);
    assert_int_equal(control_status(PKE_MALFORMED), 400);
    assert_int_equal(control_status(PKE_CONFIG), 400);
    assert_int_equal(control_status(PKE_LIMIT), 400);
    assert_int_equal(control_status(PKE_UNSUPPORTED), 400);
    assert_int_equal(control_status(PKE_DENIED), 403);
    assert_int_equal(control_status(PKE_NOT_FOUND), 404);
    assert_int_equal(control_status(PKE_EXISTS), 409);
    assert_int_equal(control_status(PKE_BUSY), 503);
    assert_int_equal(control_status(PKE_KEY_DOWN), 503);
    assert_int_equal(control_status(PKE_KEY_LOCKED), 503);
    assert_int_equal(control_status(PKE_STORE_DOWN), 503);
    assert_int_equal(control_status(PKE_DEADLINE), 503);
    assert_int_equal(control_status(PKE_MAINTENANCE), 503);
    assert_int_equal(control_status(PKE_INTERNAL), 500);
    assert_int_equal(control_status(PKE_CSR_BAD), 422);
    assert_int_equal(control_status(PKE_KEY_WEAK), 422);
    assert_int_equal(control_status(PKE_UNAUTHENTICATED), 422);
    assert_int_equal(control_status(PKE_POLICY), 403);
    assert_int_equal(control_status(PKE_RENEW_INELIGIBLE), 403);
    assert_int_equal(control_status(PKE_PENDING), 409);
    assert_int_equal(control_status(PKE_QUOTA), 429);
}

static void written_is(json_t *j, const char *want)
{
    struct pke_buf b;

    pke_buf_init(&b, 4096);
    assert_int_equal(control_write(j, &b), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), want);
    pke_buf_done(&b);
    json_decref(j);
}

static void test_error_object(void **state)
{
    struct pke_fail fail;

    (void)state;
    pke_fail_set(&fail, PKE_NOT_FOUND, "cert-unknown", "control API", "no such \"thing\"");
    written_is(control_error(&fail, "t-1"), "{\"error\":{\"code\":\"not-found\",\"reason\":\"cert-unknown\","
                                            "\"rule\":\"control API\",\"text\":\"no "
                                            "such \\\"thing\\\"\",\"trace_id\":\"t-1\"}}\n");
    written_is(control_list(json_array(), NULL), "{\"items\":[],\"next\":null}\n");
    written_is(control_list(json_array(), "c"), "{\"items\":[],\"next\":\"c\"}\n");
}

static void test_values(void **state)
{
    const uint8_t der[50] = {0};
    json_t *o = json_object();

    (void)state;
    control_put(o, "a", "\xe2\x80\xae\xc3\xb6");
    control_put(o, "b", "x\xff");
    control_put(o, "c", NULL);
    control_put_ms(o, "d", 1);
    control_put_ms(o, "e", 0);
    control_put_seconds(o, "f", 1);
    control_put_pem(o, "g", "X", PKE_BYTES(der, sizeof der));
    control_put_pem(o, "h", "X", PKE_BYTES(NULL, 0));
    written_is(
        o, "{\"a\":\"\\u202E\\u00F6\",\"b\":\"x?\",\"c\":null,\"d\":\"1970-01-01T00:00:00.001Z\",\"e\":null,"
           "\"f\":\"1970-01-01T00:00:01Z\",\"g\":\"-----BEGIN X-----\\n"
           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\\nAAA=\\n-----END "
           "X-----\\n\",\"h\":null}\n");
}

static void test_reply_is_bounded(void **state)
{
    struct pke_buf b;
    json_t *o = json_object();

    (void)state;
    control_put(o, "text", "0123456789");
    pke_buf_init(&b, 15);
    assert_int_equal(control_write(o, &b), PKE_LIMIT);
    pke_buf_done(&b);
    json_decref(o);
}

/* What goes into the audit: canonical, and never the password. */
static void test_audit_detail(void **state)
{
    struct parsed p;
    char *detail;

    (void)state;
    assert_int_equal(parse(&p, "POST", "/v1/users", "", "{\"password\":\"hidden\",\"name\":\"a\\u202e\"}"),
                     PKE_OK);
    detail = control_detail(p.req.verb, &p.req.args);
    assert_string_equal(detail, "{\"name\":\"a\\u202E\"}");
    free(detail);
    parsed_done(&p);
    assert_int_equal(parse(&p, "GET", "/v1/requests", "template=t&limit=3&device=d", ""), PKE_OK);
    detail = control_detail(p.req.verb, &p.req.args);
    assert_string_equal(detail, "{\"device\":\"d\",\"limit\":\"3\",\"template\":\"t\"}");
    free(detail);
    parsed_done(&p);
}

/* Names cannot carry what ends a label; the rest of a hostile role's words cannot either. */
static void test_metrics_labels(void **state)
{
    static const char answer[] =
        "{\"bounds\": [1000], \"keys\": [{\"name\": \"a\\\"b\\\\c\\nd{},=\", \"queued\": 7, \"instances\": "
        "{\"0\": {\"state\": \"ready\", \"buckets\": [2, 3], \"sum_micros\": 1500000, \"failed\": "
        "{\"x\\\"y\": 4}}}}]}";
    json_t *keys = json_loads(answer, 0, NULL);
    struct pke_buf out;
    const char *text;

    (void)state;
    assert_non_null(keys);
    pke_buf_init(&out, CONTROL_MAX_REPLY);
    assert_int_equal(metrics_write(NULL, keys, NULL, &out), PKE_OK);
    text = pke_buf_cstr(&out);
    assert_non_null(strstr(text, "pkienrolld_key_queue{key=\"a\\\"b\\\\c\\nd{},=\"} 7\n"));
    assert_non_null(strstr(text, ",instance=\"0\",class=\"x\\\"y\"} 4\n"));
    assert_non_null(strstr(text, ",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(text, ",le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(text, "\npkienrolld_ledger_up 0\n# EOF\n"));
    assert_null(strstr(text, "pkienrolld_state"));
    pke_buf_done(&out);
    pke_buf_init(&out, 64);
    assert_int_equal(metrics_write(NULL, keys, NULL, &out), PKE_LIMIT);
    pke_buf_done(&out);
    json_decref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_labels),
        cmocka_unit_test(test_roles_of_peers),
        cmocka_unit_test(test_every_verb_against_every_role),
        cmocka_unit_test(test_groups_of_the_configuration),
        cmocka_unit_test(test_credentials_of_a_socket),
        cmocka_unit_test_setup_teardown(test_socket_life, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_stale_socket_is_taken_over, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_what_is_no_socket_stays, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_only_our_own_file_is_removed, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_unsafe_places, make_directory, remove_directory),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_status_of_errors),
        cmocka_unit_test(test_error_object),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_reply_is_bounded),
        cmocka_unit_test(test_audit_detail),
    };

    control_json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
