/* SPDX-License-Identifier: Apache-2.0 */
/* Devices in the ledger: whose they are, how many somebody has, what an operator does to them. */
#include "tests/unit/ledger_fixture.h"

#define NOW  (T0 / 1000)
#define PROV "Contoso"

static struct ledger_device look(struct fixture *f, const char *provider, const char *id, int64_t now)
{
    struct ledger_device d;

    if (ledger_find_device(f->l, "default", provider, id, NULL, now, f->arena, &d, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    return d;
}

static void sample_of(struct sample *s, unsigned n, const char *principal, const char *user_id,
                      const char *provider, const char *device)
{
    sample(s, n);
    s->in.request.principal = principal;
    s->in.request.user_id = user_id;
    s->in.request.provider = provider;
    snprintf(s->device, sizeof s->device, "%s", device);
}

static void enroll(struct fixture *f, unsigned n, const char *principal, const char *user_id,
                   const char *provider, const char *device)
{
    struct sample s;

    sample_of(&s, n, principal, user_id, provider, device);
    do_issue(f, &s);
}

static enum pke_err change(struct fixture *f, const char *provider, const char *id,
                           enum ledger_device_change what, int64_t until)
{
    enum pke_err err;

    begin(f);
    err =
        ledger_device_change(f->l, "default", provider, id, what, "uid=0(root)", until, T0 + 5000, &f->fail);
    commit(f);
    return err;
}

static unsigned count(struct fixture *f, const char *principal, const char *user_id, const char *except)
{
    struct ledger_owner o = {"default", principal, user_id, except ? PROV : NULL, except};
    unsigned n = 99;

    assert_int_equal(ledger_count_devices(f->l, &o, NOW, &n, &f->fail), PKE_OK);
    return n;
}

static struct pke_bytes thumbprint(struct fixture *f, const struct sample *s)
{
    struct ledger_row row;
    size_t n = 32;
    uint8_t *p = pke_arena_alloc(f->arena, n);

    assert_int_equal(ledger_request_show(f->r, NULL, s->request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_true(pke_hex_decode(pke_bytes_str(row.sha256), p, &n));
    return PKE_BYTES(p, n);
}

static void test_an_issuance_makes_the_device(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    sample_of(&s, 1, "ada@corp.example", "uid-ada", PROV, "DEV-1");
    assert_int_equal(ledger_find_device(f->l, "default", PROV, "dev-1", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    do_intent(f, &s); /* on its way: it has an owner, and no row yet */
    d = look(f, PROV, "dev-1", NOW);
    assert_true(d.live);
    assert_string_equal(d.principal, "ada@corp.example");
    assert_string_equal(d.user_id, "uid-ada");
    assert_string_equal(d.provider, PROV);
    assert_string_equal(d.ent_dmid, s.in.ent_dmid);
    assert_int_equal(d.first_at, 0);
    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 7, &f->fail), PKE_OK);
    commit(f);
    d = look(f, PROV, "dev-1", NOW);
    assert_true(d.live);
    assert_string_equal(d.tenant, "default");
    assert_string_equal(d.device_id, "DEV-1");
    assert_string_equal(d.principal, "ada@corp.example");
    assert_string_equal(d.user_id, "uid-ada");
    assert_string_equal(d.enrollment_type, "Full");
    assert_string_equal(d.ent_dmid, s.in.ent_dmid);
    assert_string_equal(d.device_name, "PC");
    assert_string_equal(d.hwdev_id, "HW");
    assert_null(d.blocked_by);
    assert_int_equal(d.first_at, T0 + 7);
    assert_int_equal(d.last_at, T0 + 7);
    assert_int_equal(d.blocked_at + d.released_at + d.recovery_until + d.renewal_until, 0);
    assert_true(look(f, PROV, "dev-1", NOW + 86400).live); /* RFC 5280 4.1.2.5: notAfter is inclusive */
    assert_false(look(f, PROV, "dev-1", NOW + 86401).live);
    assert_int_equal(ledger_find_device(f->l, "other", PROV, "dev-1", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_find_device(f->l, "default", "Other", "dev-1", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_find_device(f->l, "default", "", "dev-1", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    assert_audit_whole(f, 2);
}

static void test_the_newest_enrollment_owns_the_device(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    enroll(f, 2, "ada@corp.example", "uid-ada", PROV, "d");
    sample_of(&s, 3, "eve@corp.example", NULL, PROV, "D");
    s.in.request.device_name = NULL;
    do_intent(f, &s);
    assert_string_equal(look(f, PROV, "d", NOW).principal, "eve@corp.example");
    assert_int_equal(look(f, PROV, "d", NOW).first_at, T0 + 52); /* the rest is the row's */
    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 900, &f->fail), PKE_OK);
    commit(f);
    d = look(f, PROV, "d", NOW);
    assert_string_equal(d.principal, "eve@corp.example");
    assert_null(d.user_id);
    assert_string_equal(d.device_name, "PC"); /* what the new one did not say stays */
    assert_int_equal(d.first_at, T0 + 52);
    assert_int_equal(d.last_at, T0 + 900);
}

static void test_providers_are_apart(void **state)
{
    struct fixture *f = *state;

    enroll(f, 4, "ada@corp.example", NULL, PROV, "d");
    enroll(f, 5, "eve@corp.example", NULL, "Linked", "d");
    assert_string_equal(look(f, PROV, "d", NOW).principal, "ada@corp.example");
    assert_string_equal(look(f, "Linked", "d", NOW).principal, "eve@corp.example");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_RELEASE, 0), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "device-ambiguous");
    assert_int_equal(change(f, PROV, "d", LEDGER_DEVICE_RELEASE, 0), PKE_OK);
    assert_false(look(f, PROV, "d", NOW).live);
    assert_true(look(f, "Linked", "d", NOW).live);
}

static void test_a_device_without_provider_is_adopted(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    enroll(f, 6, "ada@corp.example", NULL, NULL, "d");
    assert_int_equal(change(f, PROV, "d", LEDGER_DEVICE_ALLOW_RENEWAL, T0 + 9000), PKE_OK);
    d = look(f, PROV, "d", NOW);
    assert_string_equal(d.provider, "");
    assert_string_equal(d.principal, "ada@corp.example");
    assert_true(d.live);
    sample_of(&s, 7, "eve@corp.example", NULL, PROV, "D");
    do_intent(f, &s);
    d = look(f, PROV, "d", NOW); /* an enrollment on its way does not hide what is recorded */
    assert_string_equal(d.principal, "eve@corp.example");
    assert_int_equal(d.renewal_until, T0 + 9000);
    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0, &f->fail), PKE_OK);
    commit(f);
    d = look(f, PROV, "d", NOW);
    assert_string_equal(d.provider, PROV);
    assert_int_equal(d.first_at, T0 + 56);
    assert_int_equal(d.renewal_until, T0 + 9000);
    assert_int_equal(ledger_find_device(f->l, "default", "", "d", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    enroll(f, 8, "bob@corp.example", NULL, "Linked", "d"); /* there is nothing left to adopt */
    assert_string_equal(look(f, "Linked", "d", NOW).principal, "bob@corp.example");
    assert_int_equal(look(f, "Linked", "d", NOW).renewal_until, 0);
}

static void test_block_and_unblock(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;

    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_BLOCK, 0), PKE_NOT_FOUND);
    assert_string_equal(f->fail.reason, "device-unknown");
    enroll(f, 9, "ada@corp.example", NULL, PROV, "d");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_UNBLOCK, 0), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "device-not-blocked");
    assert_int_equal(change(f, "Other", "d", LEDGER_DEVICE_UNBLOCK, 0), PKE_NOT_FOUND);
    assert_int_equal(change(f, "Other", "d", LEDGER_DEVICE_BLOCK, 0), PKE_NOT_FOUND); /* it is known */
    assert_string_equal(f->fail.reason, "device-unknown");
    assert_int_equal(change(f, PROV, "D", LEDGER_DEVICE_BLOCK, 0), PKE_OK);
    d = look(f, PROV, "d", NOW);
    assert_int_equal(d.blocked_at, T0 + 5000);
    assert_string_equal(d.blocked_by, "uid=0(root)");
    assert_true(d.live);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_BLOCK, 0), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "device-blocked");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_UNBLOCK, 0), PKE_OK);
    d = look(f, PROV, "d", NOW);
    assert_int_equal(d.blocked_at, 0);
    assert_null(d.blocked_by);
    assert_audit_whole(f, 4); /* intent, issued, blocked, unblocked: refusals change nothing */
}

/* One that was stolen before it enrolled. */
static void test_blocking_an_unknown_device(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    assert_int_equal(change(f, NULL, "stolen", LEDGER_DEVICE_BLOCK, 0), PKE_NOT_FOUND);
    assert_int_equal(change(f, "", "stolen", LEDGER_DEVICE_BLOCK, 0), PKE_NOT_FOUND);
    assert_int_equal(change(f, PROV, "stolen", LEDGER_DEVICE_BLOCK, 0), PKE_OK);
    d = look(f, PROV, "STOLEN", NOW);
    assert_int_equal(d.blocked_at, T0 + 5000);
    assert_string_equal(d.blocked_by, "uid=0(root)");
    assert_null(d.principal);
    assert_null(d.user_id);
    assert_false(d.live);
    assert_int_equal(d.first_at + d.last_at + d.released_at, 0);
    assert_int_equal(change(f, PROV, "stolen", LEDGER_DEVICE_BLOCK, 0), PKE_EXISTS);
    assert_int_equal(change(f, PROV, "stolen", LEDGER_DEVICE_RELEASE, 0), PKE_NOT_FOUND);
    assert_int_equal(change(f, PROV, "stolen", LEDGER_DEVICE_ALLOW_RECOVERY, T0 + 9000), PKE_NOT_FOUND);
    sample_of(&s, 40, "eve@corp.example", NULL, PROV, "stolen");
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s.in, &f->fail), PKE_DENIED);
    assert_string_equal(f->fail.reason, "device-blocked");
    commit(f);
    assert_int_equal(change(f, NULL, "stolen", LEDGER_DEVICE_UNBLOCK, 0), PKE_OK);
    assert_int_equal(ledger_find_device(f->l, "default", PROV, "stolen", NULL, NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND); /* nothing is left of it */
    enroll(f, 41, "ada@corp.example", NULL, PROV, "stolen");
    assert_int_equal(look(f, PROV, "stolen", NOW).first_at, T0 + 41 + 50);
    assert_audit_whole(f, 4);
}

/* It is a device of before providers were: the block must not hide its owner behind a new row. */
static void test_a_block_finds_the_device_without_provider(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;

    enroll(f, 42, "ada@corp.example", NULL, NULL, "d");
    assert_int_equal(change(f, PROV, "d", LEDGER_DEVICE_BLOCK, 0), PKE_OK);
    d = look(f, PROV, "d", NOW);
    assert_string_equal(d.provider, "");
    assert_string_equal(d.principal, "ada@corp.example");
    assert_int_equal(d.blocked_at, T0 + 5000);
    assert_int_equal(change(f, PROV, "d", LEDGER_DEVICE_UNBLOCK, 0), PKE_OK);
    assert_string_equal(look(f, PROV, "d", NOW).principal, "ada@corp.example");
}

static void test_the_owner_keeps_a_recorded_user_id(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    enroll(f, 43, "ada@corp.example", "uid-ada", PROV, "d");
    sample_of(&s, 44, "ADA@corp.example", NULL, PROV, "d");
    s.in.request.hwdev_id = "HW-2";
    s.in.ent_dmid = "22222222-2222-4333-8444-555555555555";
    do_intent(f, &s);
    assert_string_equal(look(f, PROV, "d", NOW).user_id, "uid-ada");
    begin(f);
    assert_int_equal(ledger_issued(f->l, s.request_id, der_of(&s), T0 + 900, &f->fail), PKE_OK);
    commit(f);
    d = look(f, PROV, "d", NOW);
    assert_string_equal(d.principal, "ADA@corp.example");
    assert_string_equal(d.user_id, "uid-ada");
    assert_string_equal(d.hwdev_id, "HW-2"); /* an enrollment says anew what the device is */
    assert_string_equal(d.ent_dmid, s.in.ent_dmid);
    enroll(f, 45, "ada@corp.example", "uid-new", PROV, "d"); /* somebody else of that name */
    assert_string_equal(look(f, PROV, "d", NOW).user_id, "uid-new");
    enroll(f, 46, "eve@corp.example", NULL, PROV, "d");
    assert_null(look(f, PROV, "d", NOW).user_id);
}

static bool live_template(struct fixture *f, const char *template_name, int64_t now)
{
    struct ledger_device d;

    assert_int_equal(
        ledger_find_device(f->l, "default", PROV, "d", template_name, now, f->arena, &d, &f->fail), PKE_OK);
    assert_int_equal(d.live, now <= NOW + 86400);
    return d.live_template;
}

static void test_live_of_a_template(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    enroll(f, 47, "ada@corp.example", NULL, NULL, "d"); /* of before providers were: found all the same */
    assert_true(live_template(f, NULL, NOW));
    assert_true(live_template(f, "device", NOW));
    assert_false(live_template(f, "vpn", NOW));
    sample_of(&s, 48, "ada@corp.example", NULL, PROV, "d");
    s.in.request.template_name = "vpn";
    do_intent(f, &s); /* on its way counts, as for live */
    assert_true(live_template(f, "vpn", NOW));
    assert_true(live_template(f, "device", NOW));
    assert_false(live_template(f, "vpn", NOW + 86401));
    assert_false(live_template(f, NULL, NOW + 86401));
}

static void test_adoption_takes_every_certificate(void **state)
{
    struct fixture *f = *state;
    struct ledger_certificate c;
    struct sample a, b, other;

    sample_of(&a, 49, "ada@corp.example", NULL, NULL, "d");
    sample_of(&b, 50, "ada@corp.example", NULL, NULL, "D");
    sample_of(&other, 51, "ada@corp.example", NULL, NULL, "e");
    do_issue(f, &a);
    do_issue(f, &b);
    do_issue(f, &other);
    begin(f);
    assert_int_equal(ledger_confirm(f->l, thumbprint(f, &b).p, "issuer", T0 + 500, &f->fail), PKE_OK);
    commit(f);
    enroll(f, 52, "ada@corp.example", NULL, PROV, "d");
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &a).p, f->arena, &c, &f->fail), PKE_OK);
    assert_int_equal(c.superseded_at, T0 + 500);
    assert_string_equal(c.provider, PROV);
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &b).p, f->arena, &c, &f->fail), PKE_OK);
    assert_string_equal(c.provider, PROV);
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &other).p, f->arena, &c, &f->fail), PKE_OK);
    assert_string_equal(c.provider, "");
}

static void test_release_forgets_owner_and_certificates(void **state)
{
    struct fixture *f = *state;
    struct ledger_certificate c;
    struct ledger_device d;
    struct sample a, b;

    sample_of(&a, 11, "squatter@corp.example", "uid-s", PROV, "d");
    sample_of(&b, 12, "squatter@corp.example", "uid-s", PROV, "d");
    do_issue(f, &a);
    do_issue(f, &b);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RECOVERY, T0 + 9000), PKE_OK);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_RELEASE, 0), PKE_OK);
    d = look(f, PROV, "d", NOW);
    assert_false(d.live);
    assert_null(d.principal);
    assert_null(d.user_id);
    assert_null(d.ent_dmid);
    assert_int_equal(d.released_at, T0 + 5000);
    assert_int_equal(d.recovery_until, 0);
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &a).p, f->arena, &c, &f->fail), PKE_OK);
    assert_int_equal(c.superseded_at, T0 + 5000);
    assert_int_equal(c.released_at, T0 + 5000);
    assert_int_equal(ledger_find_certificate(f->l, thumbprint(f, &b).p, f->arena, &c, &f->fail), PKE_OK);
    assert_int_equal(c.superseded_at, T0 + 5000);
    assert_int_equal(count(f, "squatter@corp.example", "uid-s", NULL), 0);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_RELEASE, 0), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "device-released");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RENEWAL, T0 + 9000), PKE_EXISTS);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_BLOCK, 0), PKE_OK); /* its id can be blocked */
    assert_audit_whole(f, 9); /* 2 intents, 2 issued, recovery, released, 2 superseded, blocked */
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_UNBLOCK, 0), PKE_OK);
    enroll(f, 13, "ada@corp.example", NULL, PROV, "d");
    d = look(f, PROV, "d", NOW);
    assert_true(d.live);
    assert_string_equal(d.principal, "ada@corp.example");
    assert_int_equal(d.released_at, 0);
}

static void test_quota_counts_the_owners_live_devices(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    enroll(f, 14, "ada@corp.example", "uid-ada", PROV, "a");
    enroll(f, 15, "ADA@corp.example", "uid-ada", PROV, "a");     /* the same device again */
    enroll(f, 16, "ada.new@corp.example", "uid-ada", PROV, "b"); /* renamed, the same person */
    enroll(f, 17, "ada@corp.example", "uid-other", PROV, "c");   /* the name given to another person */
    enroll(f, 18, "ada@corp.example", NULL, PROV, "d");
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", NULL), 3);   /* a, b, d */
    assert_int_equal(count(f, "ada@corp.example", "uid-other", NULL), 2); /* c, d */
    assert_int_equal(count(f, "Ada@corp.example", NULL, NULL), 3);        /* a, c, d */
    assert_int_equal(count(f, "bob@corp.example", NULL, NULL), 0);
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", "A"), 2); /* a re-enrollment of a */
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", "zzz"), 3);
    sample_of(&s, 19, "ada@corp.example", "uid-ada", PROV, "e"); /* on its way: two at once do not slip by */
    do_intent(f, &s);
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", NULL), 4);
    assert_int_equal(count(f, "ada@corp.example", "uid-other", NULL), 2);
    sample_of(&s, 20, "ada@corp.example", "uid-ada", PROV, "A"); /* of a device that counts already */
    do_intent(f, &s);
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", NULL), 4);
    assert_int_equal(change(f, NULL, "b", LEDGER_DEVICE_RELEASE, 0), PKE_OK);
    assert_int_equal(count(f, "ada@corp.example", "uid-ada", NULL), 3);
}

static void test_expired_and_unprovided_devices_in_the_quota(void **state)
{
    struct fixture *f = *state;
    struct sample s;

    sample_of(&s, 21, "ada@corp.example", NULL, PROV, "old");
    s.in.not_after = NOW - 1;
    do_issue(f, &s);
    enroll(f, 22, "ada@corp.example", NULL, NULL, "early");
    assert_int_equal(count(f, "ada@corp.example", NULL, NULL), 1);
    assert_int_equal(count(f, "ada@corp.example", NULL, "early"), 0); /* it will be this provider's */
}

/* ---- one-time permissions ---- */

static enum pke_err attempt(struct fixture *f, struct sample *s, unsigned n, bool recovery, bool renewal,
                            int64_t at)
{
    enum pke_err err;

    sample_of(s, n, "ada@corp.example", NULL, PROV, "d");
    s->in.uses_recovery = recovery;
    s->in.uses_renewal = renewal;
    s->in.request.at = at;
    begin(f);
    err = ledger_intent(f->l, &s->in, &f->fail);
    commit(f);
    return err;
}

static void test_a_permission_is_used_once(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why;
    struct sample a, b;

    enroll(f, 23, "ada@corp.example", NULL, NULL, "d"); /* without a provider: found all the same */
    assert_int_equal(attempt(f, &a, 24, true, false, T0), PKE_DENIED);
    assert_string_equal(f->fail.reason, "device-permission");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RECOVERY, T0 + 9000), PKE_OK);
    assert_int_equal(look(f, PROV, "d", NOW).recovery_until, T0 + 9000);
    assert_int_equal(attempt(f, &a, 24, false, true, T0), PKE_DENIED);        /* for the other one */
    assert_int_equal(attempt(f, &a, 24, true, false, T0 + 9000), PKE_DENIED); /* expired */
    assert_int_equal(attempt(f, &a, 24, true, false, T0 + 8999), PKE_OK);
    assert_int_equal(attempt(f, &b, 25, true, false, T0), PKE_DENIED); /* reserved by the first */
    pke_fail_set(&why, PKE_KEY_DOWN, "key-down", "keys", "gone");
    begin(f);
    assert_int_equal(ledger_failed(f->l, a.request_id, &why, NULL, T0, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(attempt(f, &b, 25, true, false, T0), PKE_OK); /* released by its failure */
    assert_int_equal(look(f, PROV, "d", NOW).recovery_until, T0 + 9000);
    begin(f);
    assert_int_equal(ledger_issued(f->l, b.request_id, der_of(&b), T0, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(look(f, PROV, "d", NOW).recovery_until, 0);
    assert_int_equal(attempt(f, &a, 26, true, false, T0), PKE_DENIED);
}

static void test_renewal_permission_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct sample a;

    enroll(f, 27, "ada@corp.example", NULL, PROV, "d");
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RECOVERY, T0 + 9000), PKE_OK);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RENEWAL, T0 + 8000), PKE_OK);
    assert_int_equal(attempt(f, &a, 28, false, true, T0), PKE_OK);
    begin(f);
    assert_int_equal(ledger_issued(f->l, a.request_id, der_of(&a), T0, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(look(f, PROV, "d", NOW).renewal_until, 0);
    assert_int_equal(look(f, PROV, "d", NOW).recovery_until, T0 + 9000);
    assert_int_equal(change(f, NULL, "d", LEDGER_DEVICE_ALLOW_RECOVERY, 0), PKE_OK); /* taken back */
    assert_int_equal(attempt(f, &a, 29, true, false, T0), PKE_DENIED);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_an_issuance_makes_the_device),
        T(test_the_newest_enrollment_owns_the_device),
        T(test_providers_are_apart),
        T(test_a_device_without_provider_is_adopted),
        T(test_block_and_unblock),
        T(test_blocking_an_unknown_device),
        T(test_a_block_finds_the_device_without_provider),
        T(test_the_owner_keeps_a_recorded_user_id),
        T(test_live_of_a_template),
        T(test_adoption_takes_every_certificate),
        T(test_release_forgets_owner_and_certificates),
        T(test_quota_counts_the_owners_live_devices),
        T(test_expired_and_unprovided_devices_in_the_quota),
        T(test_a_permission_is_used_once),
        T(test_renewal_permission_is_its_own),
    };

    return cmocka_run_group_tests_name("ledger_device", tests, NULL, NULL);
}
