/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/net as a process: whole requests by TLS and by the unix socket, refusals, dead peers, drain, reload.
 */
#include "tests/unit/net_harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"

#define POLICY "/EnrollmentServer/Policy.svc"
#define ENROLL "/EnrollmentServer/Enrollment.svc"

static char *get_policies, *issue;

static struct harness *start(void)
{
    if (!issue) {
        get_policies = harness_data("mdm/02-getpolicies-onprem.req.xml");
        issue = harness_data("mdm/12-rst-issue-onprem.req.xml");
    }
    return harness_start();
}

static bool has(struct pke_bytes b, const char *s)
{
    return b.n > 0 && memmem(b.p, b.n, s, strlen(s)) != NULL;
}

/* Text between two markers; free(). */
static char *between(struct pke_bytes b, const char *from, const char *to)
{
    const char *at = memmem(b.p, b.n, from, strlen(from)), *end;

    assert_non_null(at);
    at += strlen(from);
    end = memmem(at, b.n - (size_t)(at - (const char *)b.p), to, strlen(to));
    assert_non_null(end);
    return pke_strndup(at, (size_t)(end - at));
}

static unsigned post(struct harness *h, const char *path, const char *text, struct pke_bytes *reply)
{
    struct client c;
    unsigned status;

    assert_true(client_open(&c, h, false, NULL));
    status = client_post(&c, path, pke_bytes_str(text), reply);
    client_close(&c);
    return status;
}

/* The one occurrence of @p old becomes @p fresh; free(). */
static char *edit(const char *text, const char *old, const char *fresh)
{
    const char *at = strstr(text, old);

    assert_non_null(at);
    return pke_asprintf("%.*s%s%s", (int)(at - text), text, fresh, at + strlen(old));
}

static void test_policies_by_tls(void **state)
{
    struct harness *h = start();
    struct pke_bytes head, body;
    struct client c;
    char *relates = between(pke_bytes_str(get_policies), "<a:MessageID>", "<"), *want;

    (void)state;
    assert_true(client_open(&c, h, true, "\x08http/1.1"));
    assert_true(SSL_version(c.ssl) == TLS1_3_VERSION);
    for (int i = 0; i < 2; i++) { /* keep-alive */
        char *request = pke_asprintf("POST " POLICY "?api=1&x=%%20 HTTP/1.1\r\nHost: lab\r\nContent-Length: "
                                     "%zu\r\n\r\n%s",
                                     strlen(get_policies), get_policies);

        client_send(&c, request, strlen(request));
        free(request);
        assert_int_equal(client_reply(&c, &head, &body), 200);
        assert_true(has(head, "\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"));
        assert_true(has(head, "\r\nConnection: keep-alive\r\n"));
        assert_false(has(head, "Transfer-Encoding"));
        assert_true(has(body, "<commonName>device</commonName>"));
        want = pke_asprintf(">%s<", relates);
        assert_true(has(body, want));
        free(want);
        want = pke_asprintf(">%s<", pke_pairs_get(&h->facts, "url enroll"));
        assert_true(has(body, want)); /* the CA's address is the bound port's */
        free(want);
    }
    assert_int_equal(h->auths, 2);
    assert_string_equal(h->auth_seen.username, "ada@corp.example");
    assert_true(pke_bytes_eq_str(h->auth_seen.password, "correct horse"));
    assert_string_equal(h->auth_seen.stage, "policy");
    assert_string_equal(h->auth_seen.source, "127.0.0.1");
    assert_int_equal(h->auth_seen.request_hash.n, 0);
    assert_int_equal(h->prepares, 0);
    client_close(&c);
    free(relates);
    harness_stop(h);
}

static void test_enroll(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;
    struct pke_buf doc;
    uint8_t md[32];
    char *activity, *text;

    (void)state;
    assert_int_equal(post(h, ENROLL, issue, &body), 200);
    assert_true(has(body, "RequestSecurityTokenResponseCollection"));
    activity = between(body, "CorrelationId=\"", "\"");
    assert_string_equal(activity, h->prepare_seen.trace_id);
    free(activity);
    text = between(body, "base64binary\">", "<");
    pke_buf_init(&doc, 1 << 20);
    assert_int_equal(pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &doc), PKE_OK);
    assert_true(has(pke_buf_bytes(&doc), "<characteristic type=\"My\"><characteristic type=\"User\">"));
    assert_true(has(pke_buf_bytes(&doc), "5D9A1B2C-0000-4000-8000-000000000001"));
    pke_buf_done(&doc);
    free(text);

    assert_int_equal(h->prepares, 1);
    assert_int_equal(h->prepare_seen.commit, 1);
    assert_int_equal(h->prepare_seen.generation.n, CONF_GENERATION);
    assert_true(pke_bytes_eq_str(h->prepare_seen.assertion, "assertion"));
    assert_string_equal(pke_pairs_get(&h->prepare_seen.context, "EnrollmentType"), "Full");
    assert_null(h->prepare_seen.source); /* a unix socket's peer says nothing about the client */
    assert_int_equal(
        EVP_Digest(h->prepare_seen.request.p, h->prepare_seen.request.n, md, NULL, EVP_sha256(), NULL), 1);
    assert_true(pke_bytes_eq(h->auth_seen.request_hash, PKE_BYTES(md, sizeof md)));
    assert_string_equal(h->auth_seen.stage, "enroll");
    assert_int_equal(h->refusals, 0);
    harness_stop(h);
}

/* @p want stands in the fault; the record carries the fault's TraceId and came first. */
static void check_fault(struct harness *h, const char *path, const char *text, const char *want,
                        enum pke_err err)
{
    unsigned refusals = h->refusals;
    struct pke_bytes body;
    char *trace;

    assert_int_equal(post(h, path, text, &body), 500);
    if (!has(body, want))
        fail_msg("no %s in %.*s", want, (int)body.n, (const char *)body.p);
    trace = between(body, "<TraceId>", "<");
    assert_true(pke_uuid_valid(trace));
    assert_int_equal(h->refusals, refusals + 1);
    assert_string_equal(h->refusal_seen.trace_id, trace);
    assert_int_equal(h->refusal_seen.fail.err, err);
    assert_true(h->refusal_seen.fail.rule[0]);
    free(trace);
}

static void test_refusals_by_net(void **state)
{
    struct harness *h = start();
    char *none = between(pke_bytes_str(issue), "<wsse:Security", "</wsse:Security>"), *whole, *text;

    (void)state;
    check_fault(h, ENROLL, "junk", "s:MessageFormat", PKE_MALFORMED);
    check_fault(h, ENROLL, get_policies, "s:MessageFormat", PKE_MALFORMED);
    check_fault(h, POLICY, issue, "s:MessageFormat", PKE_MALFORMED);

    whole = pke_asprintf("<wsse:Security%s</wsse:Security>", none);
    text = edit(issue, whole, "");
    check_fault(h, ENROLL, text, "a:InvalidSecurity", PKE_INVALID_SECURITY);
    free(text);
    text = edit(issue, whole, "<wsse:Security/>");
    check_fault(h, ENROLL, text, "s:Authentication", PKE_UNAUTHENTICATED);
    free(text);
    text = edit(issue, "correct horse", "");
    check_fault(h, ENROLL, text, "s:Authentication", PKE_UNAUTHENTICATED);
    assert_string_equal(h->refusal_seen.principal, "ada@corp.example");
    assert_string_equal(h->refusal_seen.endpoint, "enroll");
    free(text);
    free(whole);
    free(none);

    text = harness_data("mdm/10-rst-issue-federated-custom.req.xml"); /* a kind that is not enabled */
    check_fault(h, ENROLL, text, "s:Authentication", PKE_UNAUTHENTICATED);
    free(text);
    text = harness_data("mdm/20-rst-renew-robo.req.xml");
    check_fault(h, ENROLL, text, "NotSupported", PKE_UNSUPPORTED);
    free(text);
    text = harness_data("mdm/22-rst-recovery.req.xml");
    check_fault(h, ENROLL, text, "NotSupported", PKE_UNSUPPORTED);
    free(text);
    assert_int_equal(h->auths, 0);

    text = edit(get_policies, "ada@corp.example", "ada@other.example"); /* authenticated, yet not allowed */
    check_fault(h, POLICY, text, "s:Authorization", PKE_DENIED);
    free(text);
    assert_int_equal(h->prepares, 0);
    harness_stop(h);
}

static void test_refusals_by_others(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;
    unsigned refusals;
    uint64_t begin;

    (void)state;
    h->auth_mode = PEER_REFUSES;
    h->refusal.err = PKE_UNAUTHENTICATED;
    check_fault(h, ENROLL, issue, "s:Authentication", PKE_UNAUTHENTICATED);
    assert_string_equal(h->refusal_seen.fail.reason, "test-refusal");
    assert_int_equal(h->prepares, 0);

    /* what the issuer refuses it has recorded itself */
    refusals = h->refusals;
    h->auth_mode = PEER_ANSWERS;
    h->issuer_mode = PEER_REFUSES;
    h->refusal.err = PKE_CSR_BAD;
    assert_int_equal(post(h, ENROLL, issue, &body), 500);
    assert_true(has(body, "s:CertificateRequest"));
    assert_true(has(body, h->prepare_seen.trace_id));
    assert_int_equal(h->refusals, refusals);

    /* a mistake of ours: the client learns no more than that */
    h->refusal.err = PKE_INTERNAL;
    assert_int_equal(post(h, ENROLL, issue, &body), 500);
    assert_true(has(body, "a:InternalServiceFault"));
    assert_false(has(body, h->refusal.reason));
    assert_false(has(body, h->refusal.text));

    /* a record that does not come holds the answer up only for a while */
    begin = process_monotonic_ms();
    h->ack_refusals = false;
    check_fault(h, ENROLL, "junk", "s:MessageFormat", PKE_MALFORMED);
    assert_in_range(process_monotonic_ms() - begin, 450, 5000);
    harness_stop(h);
}

/* @p text with a one-time token in place of its credential; free(). */
static char *with_token(const char *text, const char *base64)
{
    char *old = between(pke_bytes_str(text), "<wsse:UsernameToken", "</wsse:UsernameToken>");
    char *whole = pke_asprintf("<wsse:UsernameToken%s</wsse:UsernameToken>", old);
    char *token = pke_asprintf("<wsse:BinarySecurityToken ValueType=\"http://schemas.microsoft.com/5.0.0.0/"
                               "ConfigurationManager/Enrollment/DeviceEnrollmentUserToken\" EncodingType=\""
                               "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0"
                               ".xsd#base64binary\">%s</wsse:BinarySecurityToken>",
                               base64);
    char *ret = edit(text, whole, token);

    free(token);
    free(whole);
    free(old);
    return ret;
}

#define TOKEN        "pket_canary"
#define TOKEN_BASE64 "cGtldF9jYW5hcnk="

static void check_token_exchange(struct harness *h, const char *policy, const char *enroll)
{
    struct pke_bytes body;

    assert_int_equal(post(h, POLICY, policy, &body), 200);
    assert_int_equal(h->tokens, 1);
    assert_true(pke_bytes_eq_str(h->token_seen.token, TOKEN));
    assert_string_equal(h->token_seen.endpoint, "policy");
    assert_int_equal(h->prepares, 0);

    assert_int_equal(post(h, ENROLL, enroll, &body), 200);
    assert_int_equal(h->tokens, 1); /* the issuer decides with the request itself */
    assert_int_equal(h->prepares, 1);
    assert_true(pke_bytes_eq_str(h->prepare_seen.token, TOKEN));
    assert_int_equal(h->prepare_seen.assertion.n, 0);
    assert_int_equal(h->auths, 0); /* auth never sees it */
    assert_int_equal(h->refusals, 0);
}

static void check_token_refusals(struct harness *h, const char *policy, const char *enroll)
{
    static const char *const bad[] = {"", "!!!!", "cGtldF9jYW5hcnk"};
    unsigned tokens = h->tokens, prepares = h->prepares;

    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        char *text = with_token(i % 2 ? issue : get_policies, bad[i]);
        check_fault(h, i % 2 ? ENROLL : POLICY, text, "s:Authentication", PKE_UNAUTHENTICATED);
        assert_string_equal(h->refusal_seen.fail.reason, "token-encoding");
        free(text);
    }
    assert_int_equal(h->tokens, tokens); /* nobody was asked */
    assert_int_equal(h->prepares, prepares);

    h->issuer_mode = PEER_REFUSES;
    pke_fail_set(&h->refusal, PKE_UNAUTHENTICATED, "token-used", "one-time token", "refused by the test");
    check_fault(h, POLICY, policy, "s:Authentication", PKE_UNAUTHENTICATED);
    assert_string_equal(h->refusal_seen.fail.reason, "token-used");
    assert_null(h->refusal_seen.principal);

    h->credentials = "[username]";
    assert_true(harness_configure(h, ""));
    check_fault(h, POLICY, policy, "s:Authentication", PKE_UNAUTHENTICATED);
    check_fault(h, ENROLL, enroll, "s:Authentication", PKE_UNAUTHENTICATED);
    assert_int_equal(h->tokens, tokens + 1);
    assert_int_equal(h->prepares, prepares);
}

/* The role writes its whole debug log into @p path while the test runs; the old standard error. */
static int divert_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), old = dup(STDERR_FILENO);

    assert_true(fd >= 0 && old >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    return old;
}

static void test_one_time_token(void **state)
{
    char path[] = "/tmp/pke-net-log-XXXXXX", log[32768];
    int fd = mkstemp(path), old = divert_log(path);
    struct harness *h;
    char *policy, *enroll;
    ssize_t n;

    (void)state;
    setenv("NET_TEST_LOG", "1", 1);
    h = start();
    h->credentials = "[username, one-time-token]";
    assert_true(harness_configure(h, ""));
    policy = with_token(get_policies, TOKEN_BASE64);
    enroll = with_token(issue, TOKEN_BASE64);
    check_token_exchange(h, policy, enroll);
    check_token_refusals(h, policy, enroll);
    harness_stop(h);
    unsetenv("NET_TEST_LOG");
    dup2(old, STDERR_FILENO);
    close(old);
    n = read(fd, log, sizeof log);
    assert_true(n > 0 && n < (ssize_t)sizeof log);
    assert_true(has(PKE_BYTES(log, (size_t)n), "token-used")); /* the log is this one */
    assert_false(has(PKE_BYTES(log, (size_t)n), "canary"));
    assert_false(has(PKE_BYTES(log, (size_t)n), "cGtldF9j"));
    close(fd);
    unlink(path);
    free(policy);
    free(enroll);
}

#define JWT_FORM "eyJh.eyJi.c2ln"

static void put_token(struct harness *h, const char *token, bool entra, bool enroll, const char *kind)
{
    struct pke_buf base64;
    char *device, *text;
    unsigned auths = h->auths;
    struct pke_bytes body;

    pke_buf_init(&base64, 65536);
    assert_int_equal(pke_base64_encode(pke_bytes_str(token), 0, &base64), PKE_OK);
    device = with_token(enroll ? issue : get_policies, pke_buf_cstr(&base64));
    text = entra ? edit(device,
                        "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/"
                        "DeviceEnrollmentUserToken",
                        "urn:ietf:params:oauth:token-type:jwt")
                 : pke_strdup(device);
    if (kind) {
        if (post(h, enroll ? ENROLL : POLICY, text, &body) != 200)
            fail_msg("%.40s (%zu): %.*s", token, strlen(token), (int)body.n, (const char *)body.p);
        assert_int_equal(h->auths, auths + 1);
        assert_string_equal(h->auth_seen.kind, kind);
        assert_true(pke_bytes_eq_str(h->auth_seen.token, token));
        assert_null(h->auth_seen.username);
        assert_int_equal(h->auth_seen.password.n, 0);
        assert_int_equal(h->auth_seen.request_hash.n, enroll ? 32 : 0);
    } else {
        check_fault(h, enroll ? ENROLL : POLICY, text, "s:Authentication", PKE_UNAUTHENTICATED);
        assert_string_equal(h->refusal_seen.fail.reason, "token-encoding");
        assert_int_equal(h->auths, auths);
    }
    pke_buf_done(&base64);
    free(device);
    free(text);
}

/* What a token is decides who is asked (mdm.md 4.1, 4.2): auth for a JWS, issuer for a one-time token. */
static void test_web_tokens(void **state)
{
    static const char *const one_time[] = {
        "pket_canary", "a.b", "a.b.c.d", "a.b.c=", "a.b+.c", ".b.c", "a b.c.d"};
    struct harness *h = start();
    char *large = pke_asprintf("eyJh.%8185d.cw", 7), *larger, *text;
    struct pke_bytes body;

    (void)state;
    for (char *c = large; *c; c++)
        *c = *c == ' ' ? 'A' : *c;
    larger = pke_asprintf("%sw", large);
    assert_int_equal(strlen(large), 8193);
    large[5] = large[6]; /* and one shorter: the limit itself */
    memmove(large + 5, large + 6, strlen(large + 5));
    h->credentials = "[username, one-time-token, jwt, entra-jwt]\n    token-issuers: [sts, aad]";
    assert_true(harness_configure(h, "token-issuers:\n"
                                     "  sts: {kind: custom, keys-file: a, issuer: [i], audience: [a]}\n"
                                     "  aad: {kind: entra, keys-file: a, audience: [a], tenants: "
                                     "[6f0d7c1e-3f0b-4d0c-9a53-1d7f5f1f9a10]}\n"));
    for (int enroll = 0; enroll < 2; enroll++) {
        put_token(h, JWT_FORM, false, enroll, "jwt");
        assert_int_equal(h->tokens, 0);
        if (enroll)
            assert_int_equal(h->prepare_seen.token.n, 0); /* issuer gets auth's word instead */
        put_token(h, "eyJh.eyJi.", false, enroll, "jwt"); /* alg none: auth says no */
        put_token(h, JWT_FORM, true, enroll, "entra-jwt");
        put_token(h, "anything", true, enroll, "entra-jwt");
        put_token(h, large, false, enroll, "jwt");
        put_token(h, large, true, enroll, "entra-jwt");
        put_token(h, larger, false, enroll, NULL);
        put_token(h, larger, true, enroll, NULL);
    }
    assert_int_equal(h->tokens, 0);
    for (size_t i = 0; i < PKE_LEN(one_time); i++) {
        struct pke_buf base64;

        pke_buf_init(&base64, 256);
        assert_int_equal(pke_base64_encode(pke_bytes_str(one_time[i]), 0, &base64), PKE_OK);
        text = with_token(get_policies, pke_buf_cstr(&base64));
        assert_int_equal(post(h, POLICY, text, &body), 200);
        assert_int_equal(h->tokens, i + 1);
        pke_buf_done(&base64);
        free(text);
    }
    free(large);
    free(larger);
    harness_stop(h);
}

static void test_dead_and_silent_peers(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;
    unsigned refusals;

    (void)state;
    h->issuer_mode = PEER_DIES;
    assert_int_equal(post(h, ENROLL, issue, &body), 500);
    assert_true(has(body, "s:EnrollmentServer"));
    assert_int_equal(post(h, ENROLL, issue, &body), 500); /* no link at all */
    assert_true(has(body, "s:EnrollmentServer"));
    assert_int_equal(post(h, POLICY, get_policies, &body), 200); /* goes on without the issuer */
    h->issuer_mode = PEER_ANSWERS;
    harness_link(h, ROLE_ISSUER);
    assert_int_equal(post(h, ENROLL, issue, &body), 200);

    h->auth_mode = PEER_DIES;
    check_fault(h, ENROLL, issue, "s:EnrollmentServer", PKE_BUSY);
    check_fault(h, ENROLL, issue, "s:EnrollmentServer", PKE_BUSY);
    h->auth_mode = PEER_ANSWERS;
    harness_link(h, ROLE_AUTH);
    assert_int_equal(post(h, ENROLL, issue, &body), 200);

    h->auth_mode = PEER_SILENT;
    check_fault(h, ENROLL, issue, "s:EnrollmentServer", PKE_DEADLINE);
    h->auth_mode = PEER_ANSWERS;

    /* the issuer keeps the record of what it has seen: no second one under the same TraceId */
    refusals = h->refusals;
    h->issuer_mode = PEER_SILENT;
    assert_int_equal(post(h, ENROLL, issue, &body), 500);
    assert_true(has(body, "s:EnrollmentServer"));
    assert_int_equal(h->refusals, refusals);
    harness_stop(h);
}

static void test_stale_is_tried_once_more(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;

    (void)state;
    h->issuer_mode = PEER_STALE_ONCE;
    assert_int_equal(post(h, ENROLL, issue, &body), 200);
    assert_int_equal(h->prepares, 2);
    h->issuer_mode = PEER_REFUSES;
    h->refusal.err = PKE_STALE;
    assert_int_equal(post(h, ENROLL, issue, &body), 500);
    assert_int_equal(h->prepares, 4);
    harness_stop(h);
}

static void test_drain(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;

    (void)state;
    harness_drain(h);
    assert_int_equal(post(h, ENROLL, issue, &body), 503);
    assert_true(has(body, "<ErrorType>InMaintenance</ErrorType>"));
    assert_int_equal(h->auths, 0);
    harness_stop(h);
}

/* Secrets are never in the configuration file; the files that hold them are for the daemon alone. */
static void test_secret_files_are_private(void **state)
{
    struct harness *h = start();
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/client", h->dir);
    assert_int_equal(chmod(path, 0644), 0);
    assert_false(harness_configure(h, "retry-window: 2h\n"));
    assert_string_equal(h->conf_fail.reason, "secret-mode");
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(harness_configure(h, "retry-window: 2h\n"));
    harness_stop(h);
}

static void test_http_answers(void **state)
{
    static const struct {
        const char *request, *want;
        unsigned status;
    } rows[] = {
        {"GET " ENROLL " HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nAllow: POST\r\n", 405},
        {"GET /EnrollmentServer/ HTTP/1.1\r\nHost: x\r\n\r\n", "404", 404},
        {"POST " ENROLL "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "404", 404},
        {"POST /enrollmentserver/enrollment.svc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "404",
         404},
        {"POST " ENROLL " HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nConnection: close\r\n", 411},
        {"BREW " ENROLL " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405", 405},
        {"POST " ENROLL " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
         "\r\nConnection: close\r\n", 400},
        {"POST " ENROLL " HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\nabc", "s:MessageFormat", 413},
        {"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\nabc", "413", 413},
        {"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
         "\r\nConnection: close\r\n", 404},
    };
    struct harness *h = start();

    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct pke_bytes head = {0}, body = {0};
        struct client c;
        unsigned status;

        assert_true(client_open(&c, h, false, NULL));
        client_send(&c, rows[i].request, strlen(rows[i].request));
        status = client_reply(&c, &head, &body);
        if (status != rows[i].status || body.n == 0 || !has(PKE_BYTES(head.p, head.n + body.n), rows[i].want))
            fail_msg("%.60s: %u, %zu bytes", rows[i].request, status, body.n);
        if (has(head, "Connection: close"))
            assert_true(client_closed(&c));
        client_close(&c);
    }
    harness_stop(h);
}

/* Requests sent at once are answered one after another, in order, each complete. */
static void test_pipelined(void **state)
{
    struct harness *h = start();
    struct pke_bytes head, body;
    struct client c;
    char *one = pke_asprintf("POST " ENROLL " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                             strlen(issue), issue);
    char *all =
        pke_asprintf("%sGET /a HTTP/1.1\r\nHost: x\r\n\r\n%sGET /b HTTP/1.1\r\nHost: x\r\nConnection: "
                     "close\r\n\r\n",
                     one, one);

    (void)state;
    assert_true(client_open(&c, h, true, NULL));
    client_send(&c, all, strlen(all));
    assert_int_equal(client_reply(&c, &head, &body), 200);
    assert_int_equal(client_reply(&c, &head, &body), 404);
    assert_int_equal(client_reply(&c, &head, &body), 200);
    assert_int_equal(client_reply(&c, &head, &body), 404);
    assert_true(client_closed(&c));
    assert_int_equal(h->prepares, 2);
    client_close(&c);
    free(one);
    free(all);
    harness_stop(h);
}

/* The answer to HEAD has no body: the next answer begins behind its head. */
static void test_head_has_no_body(void **state)
{
    static const char text[] = "HEAD " ENROLL " HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET " ENROLL " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct harness *h = start();
    struct client c;
    char *first, *second;

    (void)state;
    assert_true(client_open(&c, h, false, NULL));
    client_send(&c, text, sizeof text - 1);
    (void)client_closed(&c);
    first = (char *)(uintptr_t)pke_buf_cstr(&c.in);
    assert_int_equal(strncmp(first, "HTTP/1.1 405 ", 13), 0);
    second = strstr(first, "\r\n\r\n") + 4;
    assert_int_equal(strncmp(second, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(second, "this endpoint takes POST"));
    client_close(&c);
    harness_stop(h);
}

static void test_expect_continue_and_slow_bytes(void **state)
{
    struct harness *h = start();
    struct pke_bytes head, body;
    struct client c;
    char *first =
        pke_asprintf("POST " ENROLL " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
                     "%zu\r\n\r\n",
                     strlen(issue));
    uint64_t end = process_monotonic_ms() + 10000;
    char go[64];
    ssize_t n = -1;

    (void)state;
    assert_true(client_open(&c, h, false, NULL));
    for (const char *p = first; *p; p++) {
        client_send(&c, p, 1);
        if (p - first < 40)
            harness_pump(h, -1);
    }
    while ((n = read(c.fd, go, sizeof go - 1)) < 0 && process_monotonic_ms() < end)
        harness_pump(h, c.fd);
    assert_int_equal(n, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(&c, issue, strlen(issue));
    assert_int_equal(client_reply(&c, &head, &body), 200);
    client_close(&c);
    free(first);
    harness_stop(h);
}

static void test_tls_refuses_other_protocols(void **state)
{
    struct harness *h = start();
    struct client c;

    (void)state;
    assert_false(client_open(&c, h, true, "\x02h2"));
    client_close(&c);
    assert_false(client_open(&c, h, true,
                             "\x03"
                             "ftp"));
    client_close(&c);
    assert_true(client_open(&c, h, true, "\x02h2\x08http/1.1"));
    assert_int_equal(SSL_session_reused(c.ssl), 0);
    client_close(&c);
    harness_stop(h);
}

static void test_reload_keeps_sockets_and_connections(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;
    struct client c;
    char path[128], *port, *kept;

    (void)state;
    port = pke_strdup(pke_pairs_get(&h->facts, "listener main"));
    assert_true(client_open(&c, h, true, NULL));
    assert_int_equal(client_post(&c, ENROLL, pke_bytes_str(issue), &body), 200);
    kept = pke_strndup((const char *)h->prepare_seen.generation.p, CONF_GENERATION);
    assert_true(harness_configure(h, "retry-window: 2h\n"));
    assert_string_equal(pke_pairs_get(&h->facts, "listener main"), port);
    assert_int_equal(client_post(&c, ENROLL, pke_bytes_str(issue), &body), 200);
    assert_memory_not_equal(h->prepare_seen.generation.p, kept, strlen(kept));

    snprintf(path, sizeof path, "%s/tls.pem", h->dir);
    unlink(path);
    assert_false(harness_configure(h, "retry-window: 3h\n"));
    assert_non_null(strstr(h->conf_fail.text, "tls.pem"));
    assert_int_equal(client_post(&c, ENROLL, pke_bytes_str(issue), &body), 200); /* the old one stays */
    client_close(&c);
    assert_true(client_open(&c, h, true, NULL));
    client_close(&c);
    free(port);
    free(kept);
    harness_stop(h);
}

/* A client that goes away in the middle takes nothing with it. */
static void test_clients_that_leave(void **state)
{
    struct harness *h = start();
    struct pke_bytes body;
    struct client c;
    char *one = pke_asprintf("POST " ENROLL " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                             strlen(issue), issue);
    size_t cuts[] = {1, 30, 100, strlen(one) - 1, strlen(one)};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cuts); i++)
        for (int tls = 0; tls < 2; tls++) {
            assert_true(client_open(&c, h, tls, NULL));
            client_send(&c, one, cuts[i]);
            client_close(&c);
        }
    free(one);
    assert_int_equal(post(h, ENROLL, issue, &body), 200);
    harness_stop(h);
}

/* The whole body is on its way when the refusal comes; a reset must not overtake it. */
static void test_oversize_body_sent_whole(void **state)
{
    struct harness *h = start();

    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        char *big = pke_calloc(1, 600001);
        struct pke_bytes reply;
        struct client c;

        memset(big, 'x', 600000);
        assert_true(client_open(&c, h, tls, NULL));
        assert_int_equal(client_post(&c, ENROLL, pke_bytes_str(big), &reply), 413);
        assert_true(has(reply, "<TraceId>"));
        assert_true(client_closed(&c));
        assert_string_equal(h->refusal_seen.fail.reason, "body-too-large");
        client_close(&c);
        free(big);
    }
    harness_stop(h);
}

static void test_connections_over_the_maximum_wait(void **state)
{
    struct harness *h = start();
    struct client c[6];
    struct pke_bytes reply, head;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(c); i++)
        assert_true(client_open(&c[i], h, false, NULL));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(client_post(&c[i], "/none", pke_bytes_str("x"), &reply), 404);
    client_send(&c[4], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    for (int i = 0; i < 10; i++)
        harness_pump(h, c[4].fd);
    assert_int_equal(recv(c[4].fd, &(char){0}, 1, MSG_PEEK), -1);
    client_close(&c[0]);
    assert_int_equal(client_reply(&c[4], &head, &reply), 404);
    for (size_t i = 1; i < PKE_LEN(c); i++)
        client_close(&c[i]);
    harness_stop(h);
}

/* CPU time that the role has used, in clock ticks. */
static unsigned long cpu_ticks(pid_t pid)
{
    unsigned long user, sys;
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(
        fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), 2);
    fclose(f);
    return user + sys;
}

/* A client that sends for ever and reads nothing is stopped by its own unread replies, without a busy loop.
 */
static void test_flood_is_bounded(void **state)
{
    static const char one[] = "GET /none HTTP/1.1\r\nHost: x\r\n\r\n";
    struct harness *h = start();
    struct client c;
    struct pke_bytes reply;
    struct pke_buf b;
    size_t sent = 0;
    uint64_t last;
    unsigned long ticks;

    (void)state;
    pke_buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        pke_buf_add_str(&b, one);
    assert_true(client_open(&c, h, false, NULL));
    last = process_monotonic_ms();
    while (process_monotonic_ms() - last < 500 && sent < (64u << 20)) {
        ssize_t n = send(c.fd, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            sent += (size_t)n;
            last = process_monotonic_ms();
        }
        harness_pump(h, -1);
    }
    assert_true(sent < (8u << 20));
    ticks = cpu_ticks(h->pid);
    last = process_monotonic_ms();
    while (process_monotonic_ms() - last < 500)
        harness_pump(h, -1);
    assert_true(cpu_ticks(h->pid) - ticks < (unsigned long)sysconf(_SC_CLK_TCK) / 5);
    assert_int_equal(post(h, ENROLL, issue, &reply), 200); /* others are served */
    pke_buf_done(&b);
    client_close(&c);
    harness_stop(h);
}

/* Bytes now and then do not extend a deadline; what never began is closed without a word. */
static void test_slow_clients_end(void **state)
{
    struct harness *h = start();
    struct pke_bytes head, body;
    struct client slow, mute;
    uint64_t begin = process_monotonic_ms();

    (void)state;
    assert_true(client_open(&slow, h, false, NULL));
    assert_true(client_open(&mute, h, false, NULL));
    close(mute.fd);
    mute.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    {
        struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        sin.sin_port = htons((uint16_t)atoi(strrchr(pke_pairs_get(&h->facts, "listener main"), ':') + 1));
        assert_int_equal(connect(mute.fd, (struct sockaddr *)&sin, sizeof sin), 0);
        fcntl(mute.fd, F_SETFL, O_NONBLOCK);
    }
    client_send(&slow, "POST /x HTTP/1.1\r\n", 18);
    while (process_monotonic_ms() - begin < 4500) {
        harness_pump(h, slow.fd);
        client_send(&slow, "A", 1);
    }
    assert_int_equal(client_reply(&slow, &head, &body), 408);
    assert_true(process_monotonic_ms() - begin < 8000);
    assert_true(client_closed(&mute)); /* no TLS handshake within its deadline */
    assert_true(process_monotonic_ms() - begin < 8000);
    client_close(&slow);
    client_close(&mute);
    harness_stop(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_by_tls),
        cmocka_unit_test(test_enroll),
        cmocka_unit_test(test_refusals_by_net),
        cmocka_unit_test(test_refusals_by_others),
        cmocka_unit_test(test_one_time_token),
        cmocka_unit_test(test_web_tokens),
        cmocka_unit_test(test_dead_and_silent_peers),
        cmocka_unit_test(test_stale_is_tried_once_more),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_secret_files_are_private),
        cmocka_unit_test(test_http_answers),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_expect_continue_and_slow_bytes),
        cmocka_unit_test(test_tls_refuses_other_protocols),
        cmocka_unit_test(test_reload_keeps_sockets_and_connections),
        cmocka_unit_test(test_clients_that_leave),
        cmocka_unit_test(test_oversize_body_sent_whole),
        cmocka_unit_test(test_connections_over_the_maximum_wait),
        cmocka_unit_test(test_flood_is_bounded),
        cmocka_unit_test(test_slow_clients_end),
    };
    int failed = cmocka_run_group_tests_name("net", tests, NULL, NULL);

    free(get_policies);
    free(issue);
    return failed;
}
