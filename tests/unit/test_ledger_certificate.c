/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a certificate after its issuance: found, renewed, confirmed, superseded. */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>

#define NOW (T0 / 1000)

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

static void confirm(struct fixture *f, const struct sample *s, int64_t at)
{
    begin(f);
    assert_int_equal(ledger_confirm(f->l, thumbprint(f, s), "issuer", at, &f->fail), PKE_OK);
    commit(f);
}

static void of_device(struct sample *s, unsigned n, const char *provider, const char *device)
{
    sample(s, n);
    s->in.request.provider = provider;
    snprintf(s->device, sizeof s->device, "%s", device);
}

static void renewal(struct fixture *f, struct sample *s, unsigned n, const struct sample *old)
{
    of_device(s, n, old->in.request.provider, old->device);
    s->in.renews_sha256 = PKE_BYTES(thumbprint(f, old), 32);
}

/* The device that has the key, "revoked", or NULL: it is free. */
static const char *holder(struct fixture *f, const char *tenant, const struct sample *s, int64_t now)
{
    const char *device, *principal, *user;
    bool revoked = false;
    enum pke_err err = ledger_find_spki(f->l, tenant, s->in.spki_sha256, now, f->arena, &device, &principal,
                                        &user, &revoked, &f->fail);

    if (err == PKE_NOT_FOUND)
        return NULL;
    assert_int_equal(err, PKE_OK);
    return revoked ? "revoked" : device;
}

static void test_certificate_gives_back_what_was_recorded(void **state)
{
    struct pke_pair attributes[] = {{"upn", "ada@corp.example"}, {"empty", ""}};
    struct fixture *f = *state;
    struct ledger_certificate c;
    struct sample s;

    of_device(&s, 1, "Contoso", "d");
    s.in.request.user_id = "uid-ada";
    s.in.request.attributes = (struct pke_pairs){attributes, 2};
    pke_pairs_add(&s.in.names, f->arena, "CN", "ada");
    pke_pairs_add(&s.in.names, f->arena, "uri", "urn:x");
    do_intent(f, &s);
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &s), f->arena, &c, &f->fail), PKE_NOT_FOUND);
    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 9, &f->fail), PKE_OK);
    commit(f);
    c = look(f, &s);
    assert_string_equal(c.request_id, s.request_id);
    assert_string_equal(c.serial_hex, "41000000000000000000000001000000");
    assert_string_equal(c.tenant, "default");
    assert_string_equal(c.provider, "Contoso");
    assert_string_equal(c.principal, "ada@corp.example");
    assert_string_equal(c.user_id, "uid-ada");
    assert_string_equal(c.template_name, "device");
    assert_string_equal(c.device_id, "d");
    assert_string_equal(c.enrollment_type, "Full");
    assert_string_equal(c.subject, "CN=ada@corp.example");
    assert_int_equal(c.names.n, 2);
    assert_string_equal(pke_pairs_get(&c.names, "uri"), "urn:x");
    assert_string_equal(c.ent_dmid, s.in.ent_dmid);
    assert_true(pke_bytes_eq(c.der, der_of(&s)));
    assert_true(pke_bytes_eq(c.issuer_id, s.in.issuer_id));
    assert_int_equal(c.attributes.n, 2);
    assert_string_equal(pke_pairs_get(&c.attributes, "upn"), "ada@corp.example");
    assert_string_equal(pke_pairs_get(&c.attributes, "empty"), "");
    assert_int_equal(c.not_before, NOW - 600);
    assert_int_equal(c.not_after, NOW + 86400);
    assert_int_equal(c.issued_at, T0 + 9);
    assert_int_equal(c.confirmed_at + c.superseded_at + c.revoked_at + c.released_at, 0);
}

static void test_first_use_confirms_and_supersedes_the_older(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, c, other, linked;

    of_device(&a, 2, "Contoso", "d");
    of_device(&b, 3, "Contoso", "D");
    of_device(&c, 4, "Contoso", "d");
    of_device(&other, 5, "Contoso", "e");
    of_device(&linked, 1, "Linked", "d");
    do_issue(f, &linked);
    do_issue(f, &other);
    do_issue(f, &a);
    do_issue(f, &b);
    do_issue(f, &c);
    confirm(f, &b, T0 + 500);
    assert_int_equal(look(f, &b).confirmed_at, T0 + 500);
    assert_int_equal(look(f, &b).superseded_at, 0);
    assert_int_equal(look(f, &a).superseded_at, T0 + 500);
    assert_int_equal(look(f, &a).confirmed_at, 0);
    assert_int_equal(look(f, &c).superseded_at, 0); /* a later one may be on its way to the device */
    assert_int_equal(look(f, &other).superseded_at, 0);
    assert_int_equal(look(f, &linked).superseded_at, 0);
    assert_audit_whole(f, 12);
    confirm(f, &b, T0 + 900);
    assert_int_equal(look(f, &b).confirmed_at, T0 + 500);
    assert_audit_whole(f, 12); /* once */
    confirm(f, &c, T0 + 1000);
    assert_int_equal(look(f, &b).superseded_at, T0 + 1000);
    assert_int_equal(look(f, &a).superseded_at, T0 + 500);
    assert_audit_whole(f, 14);
    begin(f);
    sample(&other, 99);
    assert_int_equal(ledger_confirm(f->l, thumbprint(f, &other), "issuer", T0, &f->fail), PKE_NOT_FOUND);
    commit(f);
}

static void test_a_certificate_without_device_supersedes_nothing(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;

    sample(&a, 6);
    sample(&b, 7);
    a.in.request.device_id = b.in.request.device_id = NULL;
    do_issue(f, &a);
    do_issue(f, &b);
    confirm(f, &b, T0 + 500);
    assert_int_equal(look(f, &b).confirmed_at, T0 + 500);
    assert_int_equal(look(f, &a).superseded_at, 0);
}

static void test_keys_of_superseded_and_revoked_certificates(void **state)
{
    struct fixture *f = *state;
    struct ledger_hit hit;
    struct sample a, b;

    of_device(&a, 8, "Contoso", "d");
    of_device(&b, 9, "Contoso", "d");
    do_issue(f, &a);
    do_issue(f, &b);
    assert_int_equal(ledger_find_key(f->l, a.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_int_equal(hit.superseded_at + hit.revoked_at, 0);
    confirm(f, &b, T0 + 500);
    assert_int_equal(ledger_find_key(f->l, a.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_int_equal(hit.superseded_at, T0 + 500);
    assert_string_equal(holder(f, "default", &a, NOW), "d"); /* the old key is still the device's own */
    assert_null(holder(f, "default", &a, NOW + 86401));
    assert_string_equal(holder(f, "default", &b, NOW), "d");
    sql(f->path, "UPDATE certificate SET revoked_at = 77 WHERE request = 2");
    assert_string_equal(holder(f, "default", &b, NOW), "revoked");
    assert_string_equal(holder(f, "default", &b, NOW + 86401), "revoked"); /* for good */
    assert_string_equal(holder(f, "other", &b, NOW), "revoked");
    assert_null(holder(f, "other", &a, NOW));
    assert_int_equal(ledger_find_key(f->l, b.in.idempotency_key, f->arena, &hit, &f->fail), PKE_OK);
    assert_int_equal(hit.revoked_at, 77);
}

/* The same key again: a later certificate does not make one forget that it was revoked. */
static void test_a_revoked_key_stays_revoked(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;

    of_device(&a, 16, "Contoso", "d");
    do_issue(f, &a);
    of_device(&b, 17, "Contoso", "d");
    b.in.spki_sha256 = a.in.spki_sha256;
    do_issue(f, &b);
    sql(f->path, "UPDATE certificate SET revoked_at = 77 WHERE request = 1");
    assert_string_equal(holder(f, "default", &a, NOW), "revoked");
}

static void test_a_renewal_keeps_the_owner(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample a, b;

    of_device(&a, 10, "Contoso", "d");
    a.in.request.user_id = "uid-ada";
    do_issue(f, &a);
    renewal(f, &b, 11, &a);
    b.in.request.principal = "ADA@corp.example"; /* as it is written today, and without a user id */
    b.in.request.hwdev_id = "HW-claimed";
    b.in.request.device_name = "renamed";
    b.in.ent_dmid = "22222222-2222-4333-8444-555555555555";
    do_intent(f, &b);
    for (int pass = 0; pass < 2; pass++) { /* neither on its way nor when it is issued */
        assert_int_equal(
            ledger_find_device(f->l, "default", "Contoso", "d", NULL, NOW, f->arena, &d, &f->fail), PKE_OK);
        assert_string_equal(d.principal, "ada@corp.example");
        assert_string_equal(d.user_id, "uid-ada");
        assert_string_equal(d.ent_dmid, a.in.ent_dmid);
        assert_string_equal(d.hwdev_id, "HW");
        if (pass == 0) {
            begin(f);
            assert_int_equal(ledger_issued(f->l, b.request_id, der_of(&b), T0 + 61, &f->fail), PKE_OK);
            commit(f);
        }
    }
    assert_string_equal(d.device_name, "renamed");
    assert_int_equal(d.last_at, T0 + 61);
    assert_int_equal(look(f, &a).superseded_at, 0); /* the device may not have got it */
    confirm(f, &b, T0 + 500);
    assert_int_equal(look(f, &a).superseded_at, T0 + 500);
}

static void test_what_cannot_be_renewed(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;

    of_device(&a, 12, "Contoso", "d");
    do_intent(f, &a);
    renewal(f, &b, 13, &a);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_RENEW_INELIGIBLE); /* not issued */
    assert_string_equal(f->fail.reason, "renewed-certificate");
    assert_int_equal(ledger_issued(f->l, a.request_id, der_of(&a), T0, &f->fail), PKE_OK);
    b.in.request.tenant = "other";
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_RENEW_INELIGIBLE);
    commit(f);
    sql(f->path, "UPDATE certificate SET revoked_at = 1");
    b.in.request.tenant = "default";
    begin(f);
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_RENEW_INELIGIBLE);
    commit(f);
    sql(f->path, "UPDATE certificate SET revoked_at = 0");
    do_issue(f, &b);
    assert_audit_whole(f, 5);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_certificate_gives_back_what_was_recorded),
        T(test_first_use_confirms_and_supersedes_the_older),
        T(test_a_certificate_without_device_supersedes_nothing),
        T(test_keys_of_superseded_and_revoked_certificates),
        T(test_a_revoked_key_stays_revoked),
        T(test_a_renewal_keeps_the_owner),
        T(test_what_cannot_be_renewed),
    };

    return cmocka_run_group_tests_name("ledger_certificate", tests, NULL, NULL);
}
