/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/auth: signed headers and client certificates as the role sees them; what a lying net gains; replay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth/certificate.h"
#include "daemon/auth/core.h"
#include "daemon/auth/replay.h"
#include "daemon/common/assertion.h"
#include "daemon/common/log.h"

#define NOW  1772366400 /* 2026-03-01 12:00:00 UTC, when the examples were signed */
#define YEAR 31536000

static const uint8_t key_bytes[ASSERTION_KEY_SIZE] = {9, 9};
static const struct pke_bytes key = {key_bytes, sizeof key_bytes};

static char dir[32];
static struct conf *conf;
static struct auth_core *core;
static struct pke_arena *arena;
static struct pke_fail fail;
static struct pke_buf out;
static struct auth_identity who;
static struct assertion assertion;
static struct pke_bytes rst, policies, certificate, csr;
static uint8_t csr_hash[32];

static char *path_of(const char *name)
{
    const char *top = getenv("top_srcdir");

    return pke_arena_printf(arena, "%s/tests/data/%s", top ? top : "..", name);
}

static struct pke_bytes data(const char *name)
{
    FILE *f = fopen(path_of(name), "re");
    char *p = pke_arena_alloc(arena, 1 << 18);
    size_t n;

    assert_non_null(f);
    n = fread(p, 1, (1 << 18) - 1, f);
    fclose(f);
    return PKE_BYTES(p, n);
}

/* The published CA as credential-ca. */
static void write_ca(const char *der_name, const char *pem_name)
{
    struct pke_bytes der = data(der_name);
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    FILE *f = fopen(pke_arena_printf(arena, "%s/%s", dir, pem_name), "we");

    assert_non_null(x);
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    X509_free(x);
}

static char *insert_behind(const char *text, const char *line, const char *more)
{
    const char *at = strstr(text, line);

    assert_non_null(at);
    at += strlen(line);
    return pke_arena_printf(arena, "%.*s%s%s", (int)(at - text), text, more, at);
}

/* good.yaml with certificates enabled; @p more goes to both endpoints. */
static struct conf *make_conf(const char *global, const char *more)
{
    char *text = pke_arena_str(arena, data("conf/good.yaml")), *at, *all;
    struct conf_errors errors = {0};
    struct conf *c = NULL;

    at = strstr(text, "state-directory: /var/lib/pkienrolld");
    assert_non_null(at);
    *at = '\0';
    all = pke_arena_printf(arena, "%sstate-directory: .\n%s%s", text, global, strchr(at + 1, '\n'));
    all = insert_behind(all, "    path: /EnrollmentServer/Policy.svc\n", more);
    all = insert_behind(all, "    path: /EnrollmentServer/Enrollment.svc\n", more);
    if (conf_parse(pke_arena_printf(arena, "%s/c.yaml", dir), pke_bytes_str(all), &c, &errors) != PKE_OK)
        fail_msg("%s", pke_buf_cstr(&errors.text));
    return c;
}

#define CREDENTIALS "    credentials: [signed-header]\n    credential-ca: root.pem\n"

static int open_with(const char *global, const char *more)
{
    conf = make_conf(global, more);
    return auth_core_new(conf, key, true, &core, &fail) == PKE_OK ? 0 : -1;
}

static int begin(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/pke-cert-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    log_level(-1);
    arena = pke_arena_new();
    pke_buf_init(&out, 65536);
    write_ca("mdm/pki/root.der", "root.pem");
    rst = data("mdm/13-rst-issue-certificate.req.xml");
    policies = data("mdm/03-getpolicies-certificate.req.xml");
    certificate = data("mdm/pki/bulk-enroll.der");
    csr = data("mdm/pki/device.csr.der");
    EVP_Digest(csr.p, csr.n, csr_hash, NULL, EVP_sha256(), NULL);
    return open_with("", CREDENTIALS);
}

static int end(void **state)
{
    char *cmd = pke_asprintf("rm -rf '%s'", dir);

    (void)state;
    auth_core_free(core);
    conf_unref(conf);
    core = NULL;
    conf = NULL;
    pke_arena_free(arena);
    pke_buf_done(&out);
    if (system(cmd) != 0)
        return -1;
    free(cmd);
    return 0;
}

static void reopen(const char *global, const char *more)
{
    auth_core_free(core);
    conf_unref(conf);
    core = NULL;
    assert_int_equal(open_with(global, more), 0);
}

static struct msg_auth enroll(void)
{
    return (struct msg_auth){.tenant = "default",
                             .endpoint = "enroll",
                             .stage = "enroll",
                             .kind = "signed-header",
                             .document = rst,
                             .source = "192.0.2.1",
                             .request_hash = {csr_hash, sizeof csr_hash},
                             .deadline = UINT64_MAX};
}

static struct msg_auth policy(void)
{
    struct msg_auth m = enroll();

    m.endpoint = "policy";
    m.stage = "policy";
    m.document = policies;
    m.request_hash = PKE_BYTES(NULL, 0);
    return m;
}

static enum pke_err ask(const struct msg_auth *m, int64_t now)
{
    struct auth_now at = {1000, now};
    enum pke_err err;

    pke_buf_clear(&out);
    memset(&who, 0, sizeof who);
    memset(&fail, 0, sizeof fail);
    err = auth_core_verify(core, m, &at, arena, &out, &who, &fail);
    if (err == PKE_OK)
        assert_int_equal(assertion_read(pke_buf_bytes(&out), key, 1000, arena, &assertion, &fail), PKE_OK);
    else
        assert_int_equal(out.n, 0); /* no assertion goes with a refusal */
    return err;
}

static void refused(const struct msg_auth *m, int64_t now, enum pke_err err, const char *reason)
{
    assert_int_equal(ask(m, now), err);
    assert_string_equal(fail.reason, reason);
}

static void test_23_examples(void **state)
{
    static const char id[] = "x509:73d1611bc386b3cae19fffc199740a118fc5c1e28cd1322652ccaa548144b7be";
    static const char hash[] = "eb5e5bc3a55c51414b78558f5baa0fea57bed86c140bfee2a8ecfa9b2f4882f4";
    static const char issuer[] = "d055054e75a9dbe42f88afef0f12d5e846949d56e62c5c9a355c820e51de9b7a";
    struct msg_auth m = enroll(), p = policy();

    (void)state;
    assert_int_equal(ask(&m, NOW), PKE_OK);
    assert_string_equal(pke_pairs_get(&assertion.attributes, ASSERTION_ISSUER_SHA256), issuer);
    assert_string_equal(assertion.principal, "bulk-enroll@corp.example");
    assert_string_equal(assertion.user_id, id);
    assert_string_equal(assertion.kind, "signed-header");
    assert_true(pke_bytes_eq(assertion.request_hash, PKE_BYTES(csr_hash, 32)));
    assert_string_equal(pke_pairs_get(&assertion.attributes, "certificate-sha256"), hash);
    assert_null(pke_pairs_get(&assertion.attributes, "upn"));
    assert_int_equal(ask(&p, NOW), PKE_OK);
    assert_string_equal(assertion.stage, "policy");
    assert_int_equal(assertion.request_hash.n, 0);
}

/* A compromised net has documents of others, and asks for something else with them. */
static void test_what_net_says_does_not_count(void **state)
{
    static const uint8_t other[32] = {1};
    struct msg_auth m = enroll();

    (void)state;
    m.request_hash = PKE_BYTES(other, sizeof other);
    refused(&m, NOW, PKE_INVALID_SECURITY, "sig-other-request");
    m.request_hash = PKE_BYTES(NULL, 0);
    refused(&m, NOW, PKE_MALFORMED, "auth-request");
    m = enroll();
    m.document = policies;
    refused(&m, NOW, PKE_INVALID_SECURITY, "sig-other-stage");
    m = policy();
    m.document = rst;
    refused(&m, NOW, PKE_INVALID_SECURITY, "sig-other-stage");
    m.document = PKE_BYTES(NULL, 0);
    refused(&m, NOW, PKE_MALFORMED, "auth-request");
    m = enroll();
    m.kind = "client-certificate"; /* not enabled */
    m.client_certificate = certificate;
    refused(&m, NOW, PKE_DENIED, "credential-kind");
    m.kind = "username";
    refused(&m, NOW, PKE_DENIED, "credential-kind");
    m = enroll();
    m.tenant = "other";
    refused(&m, NOW, PKE_DENIED, "auth-scope");
}

static void test_client_certificate(void **state)
{
    struct msg_auth m = policy();

    (void)state;
    m.kind = "client-certificate";
    m.client_certificate = certificate;
    m.document = PKE_BYTES(NULL, 0);
    conf->endpoints[0].credentials.v[0] = pke_arena_strdup(arena, "client-certificate");
    assert_int_equal(ask(&m, NOW), PKE_OK);
    assert_string_equal(assertion.principal, "bulk-enroll@corp.example");
    refused(&m, NOW + YEAR, PKE_UNAUTHENTICATED, "certificate-expired");
    refused(&m, NOW - 30 * 86400, PKE_UNAUTHENTICATED, "certificate-not-yet-valid");
    refused(&m, 0, PKE_UNAUTHENTICATED, "certificate-not-yet-valid");
    m.client_certificate.n--;
    refused(&m, NOW, PKE_UNAUTHENTICATED, "certificate-malformed");
    m.client_certificate = PKE_BYTES(NULL, 0);
    refused(&m, NOW, PKE_MALFORMED, "auth-request");
    m.client_certificate = csr;
    refused(&m, NOW, PKE_UNAUTHENTICATED, "certificate-malformed");
    m.client_certificate = data("mdm/pki/root.der");
    refused(&m, NOW, PKE_UNAUTHENTICATED, "certificate-usage");
}

/* Another CA is trusted here: the same document is nobody's. */
static void test_other_ca(void **state)
{
    struct msg_auth m = enroll();

    (void)state;
    write_ca("mdm/pki/bulk-enroll.der", "root.pem");
    reopen("", CREDENTIALS);
    refused(&m, NOW + YEAR / 2, PKE_INVALID_SECURITY, "sig-timestamp-expired");
    assert_int_equal(ask(&m, NOW), PKE_OK); /* pinned: the certificate is its own anchor */
    assert_null(pke_pairs_get(&assertion.attributes, ASSERTION_ISSUER_SHA256));
    write_ca("mdm/pki/device.der", "root.pem");
    reopen("", CREDENTIALS);
    refused(&m, NOW, PKE_UNAUTHENTICATED, "certificate-untrusted");
}

static void test_a07_repetition(void **state)
{
    struct msg_auth m = enroll(), p = policy();
    int status;
    pid_t pid;

    (void)state;
    for (int i = 0; i < 2 * REPLAY_TIMES; i++)
        assert_int_equal(ask(&p, NOW), PKE_OK); /* reading a policy changes nothing */
    assert_int_equal(ask(&m, NOW), PKE_OK);
    pid = fork(); /* another worker with descriptors of its own */
    if (pid == 0) {
        core = NULL;
        _exit(open_with("", CREDENTIALS) == 0 && ask(&m, NOW + 1) == PKE_OK && ask(&m, NOW + 1) == PKE_OK
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(ask(&m, NOW + 2), PKE_OK);
    refused(&m, NOW + 2, PKE_INVALID_SECURITY, "sig-replayed");
    refused(&m, NOW + 599, PKE_INVALID_SECURITY, "sig-replayed");
    reopen("retry-window: 10s\n", CREDENTIALS);
    refused(&m, NOW + 2, PKE_INVALID_SECURITY, "sig-replayed"); /* a reload forgets nothing */
}

/* A request that was refused was not used. */
static void test_a07_refused_is_not_used(void **state)
{
    static const uint8_t other[32] = {1};
    struct msg_auth m = enroll(), bad = enroll();

    (void)state;
    bad.request_hash = PKE_BYTES(other, sizeof other);
    for (int i = 0; i < 2 * REPLAY_TIMES; i++)
        refused(&bad, NOW, PKE_INVALID_SECURITY, "sig-other-request");
    for (int i = 0; i < REPLAY_TIMES; i++)
        assert_int_equal(ask(&m, NOW), PKE_OK);
    refused(&m, NOW, PKE_INVALID_SECURITY, "sig-replayed");
}

static void test_a07_window(void **state)
{
    struct msg_auth m = enroll();

    (void)state;
    reopen("retry-window: 10s\n", CREDENTIALS);
    assert_int_equal(ask(&m, NOW), PKE_OK);
    assert_int_equal(ask(&m, NOW + 9), PKE_OK);
    refused(&m, NOW + 10, PKE_INVALID_SECURITY, "sig-replayed");
}

static struct replay *must_open(const char *name, struct pke_bytes k)
{
    struct replay *r;

    assert_int_equal(replay_open(pke_arena_printf(arena, "%s/%s", dir, name), k, &r, &fail), PKE_OK);
    return r;
}

static void test_replay_table(void **state)
{
    struct replay *r = must_open("t", key), *other;
    uint8_t digest[32] = {1};

    (void)state;
    for (int i = 0; i < REPLAY_TIMES; i++)
        assert_true(replay_take(r, digest, 100, 200, 1000));
    assert_false(replay_take(r, digest, 200, 200, 1000));
    assert_true(
        replay_take(r, digest, 201, 300, 1000)); /* forgotten when its Timestamp would refuse it anyway */
    other = must_open("t", PKE_BYTES("another run of the daemon", 25));
    assert_true(replay_take(other, digest, 201, 300, 1000));
    replay_close(other);
    digest[1] = 1;
    assert_true(replay_take(r, digest, 100, 200, 0));
    assert_false(replay_take(r, digest, 100, 200, 0));
    /* far more than there is room for: bounded, and the newest is always known */
    for (uint32_t i = 1; i < 200000; i++) {
        memcpy(digest + 4, &i, sizeof i);
        assert_true(replay_take(r, digest, 100 + i / 1000, 1000, 0));
        if (i % 1000 == 0)
            assert_false(replay_take(r, digest, 100 + i / 1000, 1000, 0));
    }
    replay_close(r);
}

static void test_replay_file(void **state)
{
    char *path = pke_arena_printf(arena, "%s/bad", dir);
    struct replay *r;
    FILE *f = fopen(path, "we");

    (void)state;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(replay_open(path, key, &r, &fail), PKE_CONFIG); /* others could have put something in */
    assert_string_equal(fail.reason, "replay-file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_23_examples, begin, end),
        cmocka_unit_test_setup_teardown(test_what_net_says_does_not_count, begin, end),
        cmocka_unit_test_setup_teardown(test_client_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_other_ca, begin, end),
        cmocka_unit_test_setup_teardown(test_a07_repetition, begin, end),
        cmocka_unit_test_setup_teardown(test_a07_refused_is_not_used, begin, end),
        cmocka_unit_test_setup_teardown(test_a07_window, begin, end),
        cmocka_unit_test_setup_teardown(test_replay_table, begin, end),
        cmocka_unit_test_setup_teardown(test_replay_file, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
