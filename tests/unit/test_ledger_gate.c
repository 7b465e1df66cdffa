/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked again when an intent and its certificate are recorded: the operators' word, and whose it is.
 */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>

#include "ledger/revoke.h"

#define PROV "Contoso"

static const uint8_t *thumbprint(struct fixture *f, const struct sample *s)
{
    uint8_t *p = pke_arena_alloc(f->arena, 32);

    assert_int_equal(EVP_Digest(s->der, s->der_n, p, NULL, EVP_sha256(), NULL), 1);
    return p;
}

static struct ledger_certificate look(struct fixture *f, const struct sample *s)
{
    struct ledger_certificate c;

    if (ledger_find_certificate(f->l, thumbprint(f, s), f->arena, &c, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    return c;
}

static void enrollment(struct sample *s, unsigned n, const char *provider)
{
    sample(s, n);
    s->in.request.provider = provider;
    s->in.request.user_id = "uid-ada";
    snprintf(s->device, sizeof s->device, "d");
}

static void renewal(struct fixture *f, struct sample *s, unsigned n, const struct sample *old)
{
    enrollment(s, n, PROV);
    s->in.renews_sha256 = PKE_BYTES(thumbprint(f, old), 32);
}

static void change(struct fixture *f, enum ledger_device_change what)
{
    begin(f);
    if (ledger_device_change(f->l, "default", NULL, "D", what, "uid=0", 0, T0 + 5000, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    commit(f);
}

static void confirm(struct fixture *f, const struct sample *s, int64_t at)
{
    begin(f);
    assert_int_equal(ledger_confirm(f->l, thumbprint(f, s), "issuer", at, &f->fail), PKE_OK);
    commit(f);
}

/* The intent is refused for this reason, and nothing of it is recorded. */
static void refused(struct fixture *f, const struct sample *s, enum pke_err want, const char *reason)
{
    struct ledger_row row;

    begin(f);
    assert_int_equal(ledger_intent(f->l, &s->in, &f->fail), want);
    assert_string_equal(f->fail.reason, reason);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, s->request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
}

/* The certificate is not recorded: the intent is one still, and fails. */
static void not_issued(struct fixture *f, const struct sample *s, const char *reason)
{
    struct ledger_row row;
    struct pke_fail why;

    begin(f);
    assert_int_equal(ledger_issued(f->l, s->request_id, der_of(s), T0 + 6000, &why), PKE_DENIED);
    assert_string_equal(why.reason, reason);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, s->request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "intent");
    begin(f);
    assert_int_equal(ledger_failed(f->l, s->request_id, &why, NULL, T0 + 6000, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, s->request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.state, "failed");
    assert_string_equal(row.fail.reason, reason);
}

static void test_a_blocked_device_gets_nothing(void **state)
{
    static const char *const recorded[] = {PROV, NULL}; /* NULL: before providers were */
    struct fixture *f = *state;

    for (unsigned i = 0; i < PKE_LEN(recorded); i++) {
        struct sample a, b, c;

        enrollment(&a, 10 * i + 1, recorded[i]);
        snprintf(a.device, sizeof a.device, "d%u", i);
        do_issue(f, &a);
        begin(f);
        assert_int_equal(ledger_device_change(f->l, "default", NULL, a.device, LEDGER_DEVICE_BLOCK, "uid=0",
                                              0, T0 + 5000, &f->fail),
                         PKE_OK);
        commit(f);
        enrollment(&b, 10 * i + 2, PROV);
        memcpy(b.device, a.device, sizeof b.device);
        refused(f, &b, PKE_DENIED, "device-blocked");
        renewal(f, &c, 10 * i + 3, &a);
        memcpy(c.device, a.device, sizeof c.device);
        refused(f, &c, PKE_RENEW_INELIGIBLE, "renew-blocked");
        assert_int_equal(look(f, &a).confirmed_at, 0); /* nor is it confirmed by what was refused */
    }
    assert_audit_whole(f, 6);
}

static void test_only_the_owner_renews(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c, eve;

    enrollment(&a, 1, PROV);
    do_issue(f, &a);
    renewal(f, &b, 2, &a);
    b.in.request.user_id = "uid-other"; /* the name was given to somebody else */
    refused(f, &b, PKE_RENEW_INELIGIBLE, "renew-owner");
    b.in.request.user_id = NULL;
    b.in.request.principal = "eve@corp.example";
    refused(f, &b, PKE_RENEW_INELIGIBLE, "renew-owner");
    b.in.request.user_id = "uid-ada"; /* renamed: the id tells */
    do_issue(f, &b);
    enrollment(&eve, 3, PROV); /* takes the device over: the template let it */
    eve.in.request.principal = "eve@corp.example";
    eve.in.request.user_id = "uid-eve";
    do_issue(f, &eve);
    renewal(f, &c, 4, &b);
    refused(f, &c, PKE_RENEW_INELIGIBLE, "renew-owner");
}

static void test_a_superseded_certificate_renews_in_the_overlap_only(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c;

    enrollment(&a, 1, PROV);
    enrollment(&b, 2, PROV);
    do_issue(f, &a);
    do_issue(f, &b);
    confirm(f, &b, T0 + 500);
    renewal(f, &c, 3, &a);
    refused(f, &c, PKE_RENEW_INELIGIBLE, "renew-superseded");
    c.in.allow_superseded = true;
    do_issue(f, &c);
}

static void test_a_release_ends_every_renewal(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c, again;

    enrollment(&a, 1, PROV);
    enrollment(&b, 2, PROV);
    do_issue(f, &a);
    do_issue(f, &b);
    confirm(f, &b, T0 + 500); /* a is superseded before the release, b by it */
    change(f, LEDGER_DEVICE_RELEASE);
    assert_int_equal(look(f, &a).superseded_at, T0 + 500);
    assert_int_equal(look(f, &a).released_at, T0 + 5000);
    assert_int_equal(look(f, &b).superseded_at, T0 + 5000);
    assert_int_equal(look(f, &b).released_at, T0 + 5000);
    for (int pass = 0; pass < 2; pass++) { /* nor once the same owner has enrolled it again */
        renewal(f, &c, 3, &a);
        c.in.allow_superseded = true;
        refused(f, &c, PKE_RENEW_INELIGIBLE, "renew-released");
        renewal(f, &c, 4, &b);
        c.in.allow_superseded = true;
        refused(f, &c, PKE_RENEW_INELIGIBLE, "renew-released");
        if (pass == 0) {
            enrollment(&again, 5, PROV);
            do_issue(f, &again);
        }
    }
    assert_int_equal(look(f, &again).released_at, 0);
    renewal(f, &c, 6, &again);
    do_issue(f, &c);
}

static void test_a_block_beats_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample a, b, c;

    enrollment(&a, 1, PROV);
    do_issue(f, &a);
    renewal(f, &b, 2, &a);
    do_intent(f, &b);
    enrollment(&c, 3, PROV);
    do_intent(f, &c);
    change(f, LEDGER_DEVICE_BLOCK);
    not_issued(f, &b, "device-blocked");
    not_issued(f, &c, "device-blocked");
    assert_int_equal(ledger_find_device(f->l, "default", PROV, "d", NULL, T0 / 1000, f->arena, &d, &f->fail),
                     PKE_OK);
    assert_int_equal(d.last_at, a.in.request.at + 50);
    assert_audit_whole(f, 8); /* 3 intents, issued, confirmed, blocked, 2 failed */
}

static void test_a_release_beats_the_renewal_under_way(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample a, b, c, e;

    enrollment(&a, 1, PROV);
    do_issue(f, &a);
    renewal(f, &b, 2, &a);
    do_intent(f, &b);
    renewal(f, &c, 3, &a);
    do_intent(f, &c);
    change(f, LEDGER_DEVICE_RELEASE);
    not_issued(f, &b, "device-released");
    assert_int_equal(ledger_find_device(f->l, "default", PROV, "d", NULL, T0 / 1000, f->arena, &d, &f->fail),
                     PKE_OK);
    assert_int_equal(d.released_at, T0 + 5000);
    assert_null(d.principal);
    enrollment(&e, 4, PROV); /* an enrollment is what a released device is for */
    do_issue(f, &e);
    not_issued(f, &c, "device-released"); /* of the time before */
}

static void test_the_intent_confirms_what_it_renews(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c;

    enrollment(&a, 1, PROV);
    enrollment(&b, 2, PROV);
    do_issue(f, &a);
    do_issue(f, &b);
    renewal(f, &c, 3, &b);
    c.in.serial = b.in.serial; /* fails after the confirmation: all of it is undone */
    refused(f, &c, PKE_INTERNAL, "serial-exists");
    assert_int_equal(look(f, &b).confirmed_at, 0);
    assert_int_equal(look(f, &a).superseded_at, 0);
    assert_audit_whole(f, 4);
    renewal(f, &c, 4, &b);
    do_intent(f, &c);
    assert_int_equal(look(f, &b).confirmed_at, c.in.request.at);
    assert_int_equal(look(f, &a).superseded_at, c.in.request.at);
    assert_int_equal(look(f, &b).superseded_at, 0);
    assert_audit_whole(f, 7); /* confirmed, superseded, intent */
}

/* After a release, another user's device does not get the old owner's key. */
static void test_the_key_of_a_released_certificate_is_taken(void **state)
{
    struct fixture *f = *state;
    const char *device, *principal, *user_id;
    struct sample a;
    bool revoked = true;

    enrollment(&a, 1, PROV);
    do_issue(f, &a);
    change(f, LEDGER_DEVICE_RELEASE);
    assert_int_equal(ledger_find_spki(f->l, "default", a.in.spki_sha256, T0 / 1000, f->arena, &device,
                                      &principal, &user_id, &revoked, &f->fail),
                     PKE_OK);
    assert_string_equal(device, "d");
    assert_string_equal(principal, "ada@corp.example");
    assert_string_equal(user_id, "uid-ada");
    assert_false(revoked);
}

static void revoke_sample(struct fixture *f, const struct sample *s, enum ledger_reason reason)
{
    const struct ledger_revoke how = {.reason = reason, .by = "uid=0", .at = T0 + 5500};
    struct ledger_revoked r;

    begin(f);
    assert_int_equal(ledger_revoke(f->l, thumbprint(f, s), &how, &r, &f->fail), PKE_OK);
    commit(f);
}

/* The decision was made before the revocation: neither intent nor certificate of the key comes after it. */
static void test_a_revocation_beats_the_key_under_way(void **state)
{
    struct fixture *f = *state;
    struct sample a, signing, decided, twin, other;

    enrollment(&a, 1, PROV);
    do_issue(f, &a);
    enrollment(&signing, 2, PROV);
    signing.in.spki_sha256 = a.in.spki_sha256;
    do_intent(f, &signing);
    enrollment(&decided, 3, PROV);
    decided.in.spki_sha256 = a.in.spki_sha256;
    revoke_sample(f, &a, LEDGER_REASON_KEY_COMPROMISE);
    not_issued(f, &signing, "key-compromised");
    refused(f, &decided, PKE_KEY_WEAK, "key-compromised");
    enrollment(&twin, 4, PROV);
    do_issue(f, &twin);
    enrollment(&other, 5, PROV);
    other.in.spki_sha256 = twin.in.spki_sha256;
    revoke_sample(f, &twin, LEDGER_REASON_HOLD);
    refused(f, &other, PKE_CSR_BAD, "csr-key-reused");
    begin(f);
    const struct ledger_revoke how = {.by = "uid=0", .at = T0 + 5600};
    struct ledger_revoked r;
    assert_int_equal(ledger_release_hold(f->l, thumbprint(f, &twin), &how, &r, &f->fail), PKE_OK);
    commit(f);
    do_issue(f, &other); /* the hold is over */
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_blocked_device_gets_nothing),
        T(test_only_the_owner_renews),
        T(test_a_superseded_certificate_renews_in_the_overlap_only),
        T(test_a_release_ends_every_renewal),
        T(test_a_block_beats_what_is_under_way),
        T(test_a_release_beats_the_renewal_under_way),
        T(test_the_intent_confirms_what_it_renews),
        T(test_the_key_of_a_released_certificate_is_taken),
        T(test_a_revocation_beats_the_key_under_way),
    };

    return cmocka_run_group_tests_name("ledger_gate", tests, NULL, NULL);
}
