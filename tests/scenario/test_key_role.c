/* SPDX-License-Identifier: Apache-2.0 */
/* A compromised issuer gets no sub-CA: the key role alone refuses what is below the floor. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tests/scenario/stage.h"

#define DAY 86400

static char client_auth[] = "1.3.6.1.5.5.7.3.2", code_signing[] = "1.3.6.1.5.5.7.3.3";

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    stage_key(s);
    assert_string_equal(s->key.state, "ready");
    stage_play_issuer(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    stage_free(*state);
    return 0;
}

static struct pke_bytes spki_of(struct stage *s, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    struct pke_bytes ret = pke_arena_bytes(s->arena, PKE_BYTES(der, (size_t)n));

    OPENSSL_free(der);
    return ret;
}

static struct pke_bytes fresh_spki(struct stage *s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pke_bytes ret = spki_of(s, key);

    EVP_PKEY_free(key);
    return ret;
}

static struct pke_pair names[] = {{PKE_RDN_CN, "ada@corp.example"}};
static const struct pke_pairs subject = {names, 1};

/* A TBS as the issuer builds it, of @p ca, for this key. */
static struct pke_bytes build_for(struct stage *s, struct ca_issuer *ca, struct pke_bytes spki, char *eku,
                                  int64_t from, int64_t to)
{
    char *list[] = {eku};
    struct pke_strings ekus = {list, 1};
    struct ca_profile_spec profile_spec = {.ekus = &ekus, .key_usage = CA_USAGE_DIGITAL_SIGNATURE};
    struct ca_cert_spec spec = {.subject = &subject, .not_before = from, .not_after = to, .spki = spki};
    struct ca_profile *profile = NULL;
    struct pke_fail fail;
    struct pke_buf b;
    struct pke_bytes ret;

    ca_serial_new(1, spec.serial);
    assert_int_equal(ca_profile_new(ca, &profile_spec, &profile, &fail), PKE_OK);
    pke_buf_init(&b, CA_TBS_MAX);
    assert_int_equal(ca_tbs_build(ca, profile, &spec, &b, &fail), PKE_OK);
    ret = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    ca_profile_free(profile);
    return ret;
}

static struct pke_bytes build(struct stage *s, struct ca_issuer *ca, char *eku, int64_t from, int64_t to)
{
    return build_for(s, ca, fresh_spki(s), eku, from, to);
}

static struct pke_bytes good(struct stage *s)
{
    struct ca_issuer *ca = stage_ca(s);
    int64_t now = time(NULL);
    struct pke_bytes tbs = build(s, ca, client_auth, now - 600, now + 30 * DAY);

    ca_issuer_free(ca);
    return tbs;
}

/* The same TBS with basicConstraints replaced. */
static struct pke_bytes with_constraints(struct stage *s, struct pke_bytes tbs, const char *value)
{
    struct ca_issuer *ca = stage_ca(s);
    struct pke_buf cert;
    const unsigned char *at;
    unsigned char *der = NULL;
    X509_EXTENSION *e;
    X509 *x;
    struct pke_bytes ret;
    int n;

    pke_buf_init(&cert, 16384);
    assert_int_equal(ca_cert_assemble(ca, tbs, pke_bytes_str("signature"), &cert), PKE_OK);
    at = cert.p;
    x = d2i_X509(NULL, &at, (long)cert.n);
    assert_non_null(x);
    X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, NID_basic_constraints, -1)));
    e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, value);
    assert_true(e && X509_add_ext(x, e, -1) == 1);
    n = i2d_re_X509_tbs(x, &der);
    assert_true(n > 0);
    ret = pke_arena_bytes(s->arena, PKE_BYTES(der, (size_t)n));
    OPENSSL_free(der);
    X509_EXTENSION_free(e);
    X509_free(x);
    pke_buf_done(&cert);
    ca_issuer_free(ca);
    return ret;
}

/* What the key role says about itself, after a test signature of no certificate. */
static struct msg_key_state ask_state(struct stage *s)
{
    const struct answer *a;

    chan_send(s->keyside, MSG_KEY_TEST, ++s->next_id, PKE_BYTES(NULL, 0));
    a = stage_answer(s, s->next_id);
    assert_int_equal(a->kind, MSG_KEY_STATE);
    assert_string_equal(a->state.state, "ready");
    return a->state;
}

static void must_be_signed(struct stage *s, struct pke_bytes tbs)
{
    struct ca_issuer *ca = stage_ca(s);
    const struct answer *a = stage_answer(s, stage_sign(s, "certificate", tbs));

    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_SIGNED);
    assert_true(ca_cert_verify(ca, tbs, a->sign.signature));
    ca_issuer_free(ca);
}

static void must_be_refused(struct stage *s, const char *kind, struct pke_bytes tbs, enum pke_err err,
                            const char *reason)
{
    struct msg_key_state before = ask_state(s), after;

    stage_must_fail(stage_answer(s, stage_sign(s, kind, tbs)), err, reason);
    after = ask_state(s);
    assert_int_equal(after.signatures, before.signatures);
    assert_int_equal(after.failures, before.failures + 1);
}

static void a_good_certificate_is_signed(void **state)
{
    struct stage *s = *state;

    must_be_signed(s, good(s));
    assert_int_equal(ask_state(s).signatures, 1);
    assert_int_equal(ask_state(s).failures, 0);
}

static void a_ca_certificate_is_refused(void **state)
{
    struct stage *s = *state;
    struct pke_bytes tbs = good(s);

    must_be_refused(s, "certificate", with_constraints(s, tbs, "critical,CA:TRUE"), PKE_POLICY,
                    "floor-basic-constraints");
    must_be_refused(s, "certificate", with_constraints(s, tbs, "critical,CA:TRUE,pathlen:0"), PKE_POLICY,
                    "floor-basic-constraints");
    must_be_signed(s, with_constraints(s, tbs, "critical,CA:FALSE")); /* it was nothing else */
}

static void a_foreign_issuer_is_refused(void **state)
{
    struct stage *s = *state, *other = stage_new(NULL);
    struct ca_issuer *ca = stage_ca(other);
    int64_t now = time(NULL);

    /* same name, another key: the name passes, its key identifier does not */
    must_be_refused(s, "certificate", build(s, ca, client_auth, now - 600, now + DAY), PKE_POLICY,
                    "floor-aki");
    ca_issuer_free(ca);
    stage_free(other);
}

/* Whoever had a leaf for the CA's own key would have the CA's name on it. */
static void a_certificate_for_the_ca_key_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_issuer *ca = stage_ca(s);
    int64_t now = time(NULL);

    must_be_refused(s, "certificate",
                    build_for(s, ca, spki_of(s, s->ca_key), client_auth, now - 600, now + DAY), PKE_POLICY,
                    "floor-own-key");
    ca_issuer_free(ca);
}

static void a_period_beyond_the_limits_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_issuer *ca = stage_ca(s);
    int64_t now = time(NULL);

    must_be_refused(s, "certificate", build(s, ca, client_auth, now - 600, now + 399 * DAY), PKE_POLICY,
                    "floor-validity");
    must_be_refused(s, "certificate", build(s, ca, client_auth, now - 2 * 3600, now + DAY), PKE_POLICY,
                    "floor-backdated");
    must_be_refused(s, "certificate", build(s, ca, client_auth, now + 3600, now + DAY), PKE_POLICY,
                    "floor-postdated");
    ca_issuer_free(ca);
}

static void another_purpose_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_issuer *ca = stage_ca(s);
    int64_t now = time(NULL);

    must_be_refused(s, "certificate", build(s, ca, code_signing, now - 600, now + DAY), PKE_POLICY,
                    "floor-eku");
    ca_issuer_free(ca);
}

static void a_serial_is_signed_once(void **state)
{
    struct stage *s = *state;
    struct pke_bytes tbs = good(s);

    must_be_signed(s, tbs);
    must_be_refused(s, "certificate", tbs, PKE_POLICY, "floor-serial-repeated");
}

static void what_is_no_certificate_is_refused(void **state)
{
    struct stage *s = *state;
    struct pke_bytes tbs = good(s);

    must_be_refused(s, "certificate", pke_bytes_str("garbage"), PKE_POLICY, "floor-der");
    must_be_refused(s, "certificate", PKE_BYTES(tbs.p, tbs.n - 1), PKE_POLICY, "floor-der");
    must_be_refused(s, "crl", tbs, PKE_POLICY, "floor-crl-der");
    must_be_refused(s, "ocsp", tbs, PKE_UNSUPPORTED, "sign-kind");
    must_be_refused(s, "", tbs, PKE_UNSUPPORTED, "sign-kind");
    must_be_signed(s, tbs); /* refused kinds did not even spend its serial */
}

static void a_passed_deadline_costs_no_signature(void **state)
{
    struct stage *s = *state;
    struct msg_sign m = {.kind = "certificate", .tbs = good(s), .deadline = process_monotonic_ms()};

    chan_send_record(s->keyside, MSG_SIGN, ++s->next_id, msg_sign_fields, &m);
    stage_must_fail(stage_answer(s, s->next_id), PKE_DEADLINE, "sign-deadline");
    assert_int_equal(ask_state(s).signatures, 0);
}

static void a_record_that_is_none_is_refused_and_survived(void **state)
{
    struct stage *s = *state;

    chan_send(s->keyside, MSG_SIGN, ++s->next_id, pke_bytes_str("\1\1"));
    assert_int_equal(stage_answer(s, s->next_id)->kind, MSG_FAILED);
    chan_send(s->keyside, 999, ++s->next_id, PKE_BYTES(NULL, 0));
    must_be_signed(s, good(s));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_good_certificate_is_signed),
        T(a_ca_certificate_is_refused),
        T(a_foreign_issuer_is_refused),
        T(a_certificate_for_the_ca_key_is_refused),
        T(a_period_beyond_the_limits_is_refused),
        T(another_purpose_is_refused),
        T(a_serial_is_signed_once),
        T(what_is_no_certificate_is_refused),
        T(a_passed_deadline_costs_no_signature),
        T(a_record_that_is_none_is_refused_and_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
