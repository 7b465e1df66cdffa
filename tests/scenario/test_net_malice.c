/* SPDX-License-Identifier: Apache-2.0 */
/* A net that was taken over speaks for operators, for other roles, and for clients that it saw: no
 * certificate outside of what auth vouched for, none with more than the template has. Forged assertions:
 * test_issuer_trust.c; held requests: test_prepare_commit.c; numbers of others: test_waiting.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "tests/scenario/stage_impl.h"

#define NO_ANSWER 4711

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    stage_issuer(s);
    stage_play_key(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    stage_free(*state);
    return 0;
}

static struct pke_bytes encoded(struct stage *s, const struct ipc_field *fields, const void *msg)
{
    struct pke_bytes ret;
    struct pke_buf b;

    pke_buf_init(&b, 65536);
    assert_int_equal(ipc_record_write(fields, msg, &b), PKE_OK);
    ret = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return ret;
}

/* Refused with this reason, and no signature asked for. */
static void must_be_refused(struct stage *s, struct ask *ask, enum pke_err err, const char *reason)
{
    unsigned signs = s->signs;

    stage_must_fail(stage_answer(s, stage_send(s, ask)), err, reason);
    assert_int_equal(s->signs, signs);
}

/* The audit and every count of the ledger stay. */
static void nothing_happens(struct stage *s, uint16_t kind, struct pke_bytes payload)
{
    struct ledger_counts before, after;
    unsigned signs = s->signs;

    stage_settle(s);
    before = stage_counts(s);
    chan_send(s->net, kind, NO_ANSWER, payload);
    stage_settle(s);
    after = stage_counts(s);
    assert_null(stage_peek(s, NO_ANSWER));
    before.audit++; /* the settling refusal's own */
    before.refused++;
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(s->signs, signs);
}

/* Whole and valid frames of control: only who they come from is wrong. */
static void net_is_no_operator(void **state)
{
    static const char *const verbs[][3] = {{"request-approve", "id", ""},
                                           {"request-deny", "id", ""},
                                           {"cert-revoke", "device", "x"},
                                           {"token-mint", "user", "eve@x"},
                                           {"device-release", "id", "x"},
                                           {"issuer-schedule", "from", "lab"},
                                           {"issuer-switch", "from", "lab"},
                                           {"simulate", "principal", "eve@x"},
                                           {"key-pause", "name", "lab"},
                                           {"crl-publish", "issuer", "lab"},
                                           {"clock-accept", "", ""},
                                           {"ledger-backup", "path", "/tmp/x"},
                                           {"request-list", "state", "issued"},
                                           {"cert-release", "device", "x"},
                                           {"issuer-acknowledge", "from", "lab"}};
    struct stage *s = *state;
    struct msg_audit line = {"uid=0 role=admin", "cert-revoke", "ok", "{}"};
    struct ask ask = stage_ask(s, stage_csr(s));

    stage_answer(s, stage_send(s, &ask));
    for (size_t i = 0; i < PKE_LEN(verbs); i++) {
        struct msg_verb m = {.verb = verbs[i][0], .actor = "uid=0 role=admin"};

        pke_pairs_add(&m.args, s->arena, verbs[i][1], verbs[i][2][0] ? verbs[i][2] : ask.msg.trace_id);
        nothing_happens(s, MSG_VERB, encoded(s, msg_verb_fields, &m));
    }
    nothing_happens(s, MSG_AUDIT, encoded(s, msg_audit_fields, &line));
    assert_string_equal(stage_row(s, ask.msg.trace_id).state, "issued");
}

static void net_is_no_key_and_no_main(void **state)
{
    static const uint16_t kinds[] = {MSG_KEY_TEST,  MSG_KEY_UNLOCK,   MSG_KEY_PAUSE,   MSG_KEY_RESUME,
                                     MSG_KEY_STATE, MSG_CONF_PREPARE, MSG_CONF_SWITCH, MSG_DRAIN,
                                     MSG_STOP,      MSG_AUTH_OK,      MSG_OK,          MSG_ISSUED,
                                     MSG_PREPARED,  MSG_VERB_REPLY};
    struct stage *s = *state;
    struct msg_sign sign = {.kind = "certificate", .tbs = pke_bytes_str("0")};
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        nothing_happens(s, kinds[i], pke_bytes_str(""));
    nothing_happens(s, MSG_SIGN, encoded(s, msg_sign_fields, &sign));
    nothing_happens(s, MSG_SIGNED, pke_bytes_str(""));
    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), csr); /* and all is as before */
}

/* What auth said of one request, with anything else of the frame changed. */
static void an_assertion_vouches_for_its_request_alone(void **state)
{
    static const char *const operations[] = {"renew", "recovery", "query", "ISSUE", "", "issue\n"};
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask good = stage_ask(s, csr), ask;

    stage_must_be_issued(s, stage_answer(s, stage_send(s, &good)), csr);
    for (size_t i = 0; i < PKE_LEN(operations); i++) { /* replayed, and called something else */
        unsigned signs = s->signs;

        ask = stage_ask(s, csr);
        ask.msg.assertion = good.msg.assertion;
        ask.msg.operation = operations[i];
        assert_int_equal(stage_answer(s, stage_send(s, &ask))->kind, MSG_FAILED);
        assert_int_equal(s->signs, signs);
    }
    ask = stage_ask(s, stage_csr(s)); /* replayed for the key of somebody else */
    ask.msg.assertion = good.msg.assertion;
    must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-scope");
    ask = stage_ask(s, csr); /* and at another endpoint */
    ask.msg.assertion = good.msg.assertion;
    ask.msg.endpoint = "policy";
    assert_int_equal(stage_answer(s, stage_send(s, &ask))->kind, MSG_FAILED);
    assert_int_equal(s->signs, 1);
    assert_int_equal(stage_counts(s).issued, 1);
}

/* A certificate of the connection is net's word: it narrows, it never proves. */
static void a_claimed_client_certificate_is_no_credential(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s), der;
    struct ask ask = stage_ask(s, csr);
    const struct answer *a = stage_answer(s, stage_send(s, &ask));

    stage_must_be_issued(s, a, csr);
    der = a->issued.certificate;
    for (int i = 0; i < 3; i++) {
        ask = stage_ask(s, stage_csr(s));
        ask.msg.client_certificate = i == 0 ? der : i == 1 ? csr : pke_bytes_str("forged");
        ask.msg.assertion = pke_bytes_str("ada@corp.example");
        must_be_refused(s, &ask, PKE_UNAUTHENTICATED, "assertion-forged");
    }
    assert_int_equal(stage_counts(s).issued, 1);
}

static void an_invented_token_is_no_credential(void **state)
{
    static const char *const tokens[] = {"x", "pke_0123456789abcdef0123456789abcdef0123456789abcdef",
                                         "' OR 1=1 --"};
    struct stage *s = *state;
    struct ask ask;
    struct pke_bytes payload;

    for (size_t i = 0; i < PKE_LEN(tokens); i++) {
        ask = stage_ask(s, stage_csr(s));
        ask.msg.token = pke_bytes_str(tokens[i]);
        pke_pairs_add(&ask.msg.context, s->arena, "DeviceID", ask.device);
        pke_pairs_add(&ask.msg.context, s->arena, "EnrollmentType", ask.type);
        payload = encoded(s, msg_prepare_fields, &ask.msg); /* without an assertion */
        chan_send(s->net, MSG_PREPARE, ++s->next_id, payload);
        assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_UNAUTHENTICATED);
    }
    ask.msg.token = PKE_BYTES(NULL, 0); /* nor is nothing at all */
    chan_send(s->net, MSG_PREPARE, ++s->next_id, encoded(s, msg_prepare_fields, &ask.msg));
    assert_int_equal(stage_answer(s, s->next_id)->kind, MSG_FAILED);
    assert_int_equal(s->signs, 0);
    assert_int_equal(stage_counts(s).issued, 0);
}

/* COMMIT has no room for another key: the CSR is that of PREPARE. */
static void a_commit_changes_nothing(void **state)
{
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s), twice, payload;
    struct ask ask = stage_ask(s, csr), other = stage_ask(s, stage_csr(s));
    struct msg_commit m = {0};
    const struct answer *a;
    struct pke_buf b;

    ask.msg.commit = 0;
    a = stage_answer(s, stage_send(s, &ask));
    assert_int_equal(a->kind, MSG_PREPARED);
    m.prep_id = a->prepared.prep_id;
    payload = encoded(s, msg_prepare_fields, &other.msg);
    chan_send(s->net, MSG_COMMIT, ++s->next_id, payload); /* a request in place of a number */
    assert_int_equal(stage_answer(s, s->next_id)->kind, MSG_FAILED);
    payload = encoded(s, msg_commit_fields, &m);
    pke_buf_init(&b, 4096); /* each field twice */
    pke_buf_add(&b, payload.p, payload.n);
    pke_buf_add(&b, payload.p, payload.n);
    twice = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    chan_send(s->net, MSG_COMMIT, ++s->next_id, twice);
    assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_MALFORMED);
    assert_int_equal(s->signs, 0);
    stage_must_be_issued(s, stage_answer(s, stage_commit(s, m.prep_id, PKE_BYTES(NULL, 0))), csr);
    assert_int_equal(stage_answer(s, stage_commit(s, m.prep_id, PKE_BYTES(NULL, 0)))->kind, MSG_FAILED);
    assert_int_equal(s->signs, 1);
}

static void a_field_twice_is_malformed(void **state)
{
    struct stage *s = *state;
    struct ask ask = stage_ask(s, stage_csr(s)), other = stage_ask(s, stage_csr(s));
    struct pke_bytes first, second;
    struct pke_buf b;

    stage_must_be_issued(s, stage_answer(s, stage_send(s, &ask)), ask.msg.request);
    first = encoded(s, msg_prepare_fields, &ask.msg);
    second = encoded(s, msg_prepare_fields, &other.msg);
    pke_buf_init(&b, 65536);
    pke_buf_add(&b, first.p, first.n);
    pke_buf_add(&b, second.p, second.n);
    chan_send(s->net, MSG_PREPARE, ++s->next_id, pke_buf_bytes(&b));
    pke_buf_done(&b);
    assert_int_equal(stage_answer(s, s->next_id)->failed.fail.err, PKE_MALFORMED);
    assert_int_equal(s->signs, 1);
}

/* Whatever net says beside the assertion, subject and profile are auth's word and the template's. */
static void what_net_adds_is_not_certified(void **state)
{
    static const char *const claims[] = {"UPN", "Principal", "SAN", "CertificateTemplate", "sid", "EKU"};
    struct stage *s = *state;
    struct pke_bytes csr = stage_csr(s);
    struct ask ask = stage_ask(s, csr);
    const struct answer *a;
    const unsigned char *der;
    char name[256];
    X509 *x;

    pke_pairs_add(&ask.msg.context, s->arena, "DeviceID", ask.device);
    pke_pairs_add(&ask.msg.context, s->arena, "EnrollmentType", ask.type);
    for (size_t i = 0; i < PKE_LEN(claims); i++)
        pke_pairs_add(&ask.msg.context, s->arena, claims[i], "root@corp.example");
    a = stage_answer(s, stage_send(s, &ask));
    stage_must_be_issued(s, a, csr);
    der = a->issued.certificate.p;
    x = d2i_X509(NULL, &der, (long)a->issued.certificate.n);
    assert_non_null(x);
    X509_NAME_oneline(X509_get_subject_name(x), name, sizeof name);
    assert_string_equal(name, "/CN=ada@corp.example");
    assert_int_equal(X509_get_ext_by_NID(x, NID_subject_alt_name, -1), -1);
    X509_free(x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(net_is_no_operator),
        T(net_is_no_key_and_no_main),
        T(an_assertion_vouches_for_its_request_alone),
        T(a_claimed_client_certificate_is_no_credential),
        T(an_invented_token_is_no_credential),
        T(a_commit_changes_nothing),
        T(a_field_twice_is_malformed),
        T(what_net_adds_is_not_certified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
