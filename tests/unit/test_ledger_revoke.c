/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation, hold and release: each transition, both ways, and what it does at once. */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>

#include "ipc/verbs.h"
#include "ledger/crl.h"
#include "ledger/revoke.h"

#define NOW (T0 / 1000)

static void thumbprint(const struct sample *s, uint8_t ret[32])
{
    assert_int_equal(EVP_Digest(s->der, s->der_n, ret, NULL, EVP_sha256(), NULL), 1);
}

static struct ledger_revoke how(enum ledger_reason reason, int64_t at)
{
    return (struct ledger_revoke){.reason = reason, .by = "uid=7", .comment = "lost \"it\"", .at = at};
}

/* In a group of its own; *changed is false when the call changed nothing. */
static enum pke_err try_revoke(struct fixture *f, const struct sample *s, enum ledger_reason reason,
                               int64_t at, bool *changed)
{
    struct ledger_revoke h = how(reason, at);
    struct ledger_revoked done;
    uint8_t sha256[32];
    enum pke_err err;

    thumbprint(s, sha256);
    begin(f);
    err = ledger_revoke(f->l, sha256, &h, &done, &f->fail);
    commit(f);
    *changed = done.changed;
    if (err == PKE_OK)
        assert_memory_equal(done.issuer_id, s->issuer, 20);
    return err;
}

static void do_revoke(struct fixture *f, const struct sample *s, enum ledger_reason reason, int64_t at)
{
    bool changed;

    if (try_revoke(f, s, reason, at, &changed) != PKE_OK)
        fail_msg("%s", f->fail.text);
    assert_true(changed);
}

static enum pke_err try_release(struct fixture *f, const struct sample *s, int64_t at, bool *changed)
{
    struct ledger_revoke h = how(LEDGER_REASON_UNSPECIFIED, at);
    struct ledger_revoked done;
    uint8_t sha256[32];
    enum pke_err err;

    thumbprint(s, sha256);
    begin(f);
    err = ledger_release_hold(f->l, sha256, &h, &done, &f->fail);
    commit(f);
    *changed = done.changed;
    return err;
}

static struct ledger_row shown(struct fixture *f, const struct sample *s)
{
    struct ledger_row row;

    if (ledger_request_show(f->r, NULL, s->request_id, f->arena, &row, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    return row;
}

static struct ledger_counts counted(struct fixture *f)
{
    struct ledger_counts c;

    assert_int_equal(ledger_counts(f->r, &c, &f->fail), PKE_OK);
    return c;
}

/* The one change of this issuer behind @p after, which must be the only one. */
static struct ledger_revocation only_change(struct fixture *f, const struct sample *s, int64_t after)
{
    struct ledger_revocation rows[4];
    size_t n;

    assert_int_equal(ledger_crl_changes(f->l, s->in.issuer_id, after, rows, PKE_LEN(rows), &n, &f->fail),
                     PKE_OK);
    assert_int_equal(n, 1);
    return rows[0];
}

static void test_reasons(void **state)
{
    enum ledger_reason r;

    (void)state;
    assert_true(ledger_reason_parse("keyCompromise", &r));
#define X(name, code, text) assert_non_null(strstr(IPC_REASONS, text)); /* the help has them all */
    LEDGER_REASONS(X)
#undef X
    assert_int_equal(r, 1);
    assert_true(ledger_reason_parse("key-compromise", &r));
    assert_true(ledger_reason_parse("CACOMPROMISE", &r));
    assert_int_equal(r, 2);
    assert_true(ledger_reason_parse("certificateHold", &r));
    assert_int_equal(r, 6);
    assert_true(ledger_reason_parse("aACompromise", &r));
    assert_int_equal(r, 10);
    assert_false(ledger_reason_parse("removeFromCRL", &r)); /* the delta's business */
    assert_false(ledger_reason_parse("1", &r));
    assert_false(ledger_reason_parse("", &r));
    assert_false(ledger_reason_parse("keyCompromise and something that is far too long", &r));
    assert_string_equal(ledger_reason_text(4), "superseded");
    assert_string_equal(ledger_reason_text(7), "unspecified");
}

static void test_revoke(void **state)
{
    struct fixture *f = *state;
    struct ledger_revocation v;
    struct ledger_row row;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_KEY_COMPROMISE, T0 + 1000);
    row = shown(f, &s);
    assert_string_equal(ledger_life(&row, NOW), "revoked");
    assert_int_equal(row.revoked_at, T0 + 1000);
    assert_string_equal(row.revocation.reason, "keyCompromise");
    assert_string_equal(row.revocation.by, "uid=7");
    assert_string_equal(row.revocation.comment, "lost \"it\"");
    v = only_change(f, &s, 0);
    assert_int_equal(v.reason, 1);
    assert_memory_equal(v.serial, s.serial, sizeof s.serial);
    assert_int_equal(v.revoked_at, T0 + 1000);
    /* again: nothing; for another reason, or as a hold: refused; back: never */
    assert_int_equal(try_revoke(f, &s, LEDGER_REASON_KEY_COMPROMISE, T0 + 2000, &changed), PKE_OK);
    assert_false(changed);
    assert_int_equal(try_revoke(f, &s, LEDGER_REASON_SUPERSEDED, T0 + 2000, &changed), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "already-revoked");
    assert_int_equal(try_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 2000, &changed), PKE_EXISTS);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "already-revoked");
    assert_int_equal(only_change(f, &s, 0).change, v.change);
    assert_int_equal(counted(f).revoked, 1);
    assert_audit_whole(f, 3);
}

static void test_hold_release_and_again(void **state)
{
    struct fixture *f = *state;
    struct ledger_revocation v;
    struct ledger_row row;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    assert_int_equal(try_release(f, &s, T0 + 900, &changed), PKE_OK); /* not on hold: nothing to do */
    assert_false(changed);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    row = shown(f, &s);
    assert_string_equal(ledger_life(&row, NOW), "held");
    assert_int_equal(counted(f).held, 1);
    assert_int_equal(try_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1100, &changed), PKE_OK);
    assert_false(changed);
    v = only_change(f, &s, 0);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    assert_true(changed);
    row = shown(f, &s);
    assert_string_equal(ledger_life(&row, NOW), "unconfirmed");
    assert_int_equal(row.revoked_at, 0);
    assert_int_equal(row.revocation.released_at, T0 + 2000);
    assert_int_equal(counted(f).held + counted(f).revoked, 0);
    v = only_change(f, &s, v.change); /* a delta must tell of it */
    assert_int_equal(v.released_at, T0 + 2000);
    assert_int_equal(v.reason, 6);
    assert_int_equal(try_release(f, &s, T0 + 2100, &changed), PKE_OK);
    assert_false(changed);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 3000); /* a new hold has a date of its own */
    v = only_change(f, &s, v.change);
    assert_int_equal(v.revoked_at, T0 + 3000);
    assert_int_equal(v.released_at, 0);
    assert_audit_whole(f, 5);
}

/* X.509 8.5.2.2: the date is that of the hold. */
static void test_hold_becomes_final(void **state)
{
    struct fixture *f = *state;
    struct ledger_revocation v;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    v = only_change(f, &s, 0);
    do_revoke(f, &s, LEDGER_REASON_CESSATION, T0 + 2000);
    v = only_change(f, &s, v.change);
    assert_int_equal(v.reason, 5);
    assert_int_equal(v.revoked_at, T0 + 1000);
    assert_int_equal(shown(f, &s).revoked_at, T0 + 1000);
    assert_int_equal(counted(f).held, 0);
    assert_int_equal(counted(f).revoked, 1);
    assert_int_equal(try_release(f, &s, T0 + 3000, &changed), PKE_EXISTS);
    assert_audit_whole(f, 4);
}

static void test_released_then_final_has_a_new_date(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    do_revoke(f, &s, LEDGER_REASON_KEY_COMPROMISE, T0 + 3000);
    assert_int_equal(shown(f, &s).revoked_at, T0 + 3000);
    assert_int_equal(shown(f, &s).revocation.released_at, 0);
    assert_audit_whole(f, 5);
}

static void test_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct ledger_revoke h = how(LEDGER_REASON_SUPERSEDED, T0 + 1000);
    struct ledger_revoked done;
    struct sample s;
    uint8_t sha256[32];

    sample(&s, 1);
    do_issue(f, &s);
    thumbprint(&s, sha256);
    h.dry_run = true;
    begin(f);
    assert_int_equal(ledger_revoke(f->l, sha256, &h, &done, &f->fail), PKE_OK);
    assert_true(done.changed);
    commit(f);
    assert_int_equal(shown(f, &s).revoked_at, 0);
    assert_audit_whole(f, 2);
}

/* ---- what it does at once ---- */

static void renewal_of(struct sample *n, const struct sample *old, const uint8_t sha256[32])
{
    n->in.renews_sha256 = PKE_BYTES(sha256, 32);
    n->in.request.device_id = old->device;
}

static void test_renewal_is_refused_while_revoked_or_held(void **state)
{
    struct fixture *f = *state;
    struct sample s, n;
    uint8_t sha256[32];
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    thumbprint(&s, sha256);
    sample(&n, 2);
    renewal_of(&n, &s, sha256);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &n.in, &f->fail), PKE_RENEW_INELIGIBLE);
    assert_string_equal(f->fail.reason, "renew-revoked");
    commit(f);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    do_issue(f, &n); /* released: it renews again */
    sample(&n, 3);
    renewal_of(&n, &s, sha256);
    n.in.allow_superseded = true;
    do_revoke(f, &s, LEDGER_REASON_KEY_COMPROMISE, T0 + 3000);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &n.in, &f->fail), PKE_RENEW_INELIGIBLE);
    assert_string_equal(f->fail.reason, "renew-revoked");
    commit(f);
}

/* Between T1 and T2: the key was slower than the operator. */
static void test_certificate_is_not_released_when_the_old_one_was_revoked_meanwhile(void **state)
{
    static const enum ledger_reason reasons[] = {LEDGER_REASON_KEY_COMPROMISE, LEDGER_REASON_HOLD};
    struct fixture *f = *state;

    for (unsigned i = 0; i < PKE_LEN(reasons); i++) {
        struct sample s, n;
        uint8_t sha256[32];

        sample(&s, 10 * i + 1);
        do_issue(f, &s);
        thumbprint(&s, sha256);
        sample(&n, 10 * i + 2);
        renewal_of(&n, &s, sha256);
        do_intent(f, &n);
        do_revoke(f, &s, reasons[i], T0 + 1000);
        begin(f);
        assert_int_equal(ledger_issued(f->l, n.request_id, der_of(&n), T0 + 1100, &f->fail), PKE_DENIED);
        assert_string_equal(f->fail.reason, "renew-revoked");
        commit(f);
        assert_string_equal(shown(f, &n).state, "intent");
        assert_int_equal(shown(f, &n).certificate.n, 0);
    }
}

/* A hold is no island: what would have superseded the certificate meanwhile does when the hold ends. */
static void test_release_after_life_went_on(void **state)
{
    struct fixture *f = *state;
    struct sample s, n;
    uint8_t sha256[32];
    struct ledger_row row;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    sample(&n, 2);
    n.in.request.device_id = s.device;
    do_issue(f, &n);
    thumbprint(&n, sha256);
    begin(f);
    assert_int_equal(ledger_confirm(f->l, sha256, "uid=7", T0 + 1500, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(shown(f, &s).superseded_at, 0);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    row = shown(f, &s);
    assert_int_equal(row.superseded_at, T0 + 2000);
    assert_string_equal(ledger_life(&row, NOW), "superseded");
    assert_audit_whole(f, 2 + 1 + 2 + 1 + 2); /* hold-released and superseded */
}

static void test_release_after_the_device_was_released(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    begin(f);
    assert_int_equal(ledger_device_change(f->l, "default", NULL, s.device, LEDGER_DEVICE_RELEASE, "uid=7", 0,
                                          T0 + 1500, &f->fail),
                     PKE_OK);
    commit(f);
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    assert_int_equal(shown(f, &s).superseded_at, T0 + 2000);
}

/* ---- names ---- */

static void expect_name(struct fixture *f, const char *key, const struct sample *want)
{
    uint8_t sha256[32], got[32];

    if (ledger_revoke_name(f->l, NULL, key, got, &f->fail) != PKE_OK)
        fail_msg("%s: %s", key, f->fail.text);
    thumbprint(want, sha256);
    assert_memory_equal(got, sha256, 32);
}

static void expect_no_name(struct fixture *f, const char *key, enum pke_err err, const char *reason)
{
    uint8_t got[32];

    if (ledger_revoke_name(f->l, NULL, key, got, &f->fail) != err)
        fail_msg("%s: found, or another error", key);
    assert_string_equal(f->fail.reason, reason);
}

static void test_serial_is_read_as_written_and_in_no_other_way(void **state)
{
    static const uint8_t serial[] = {0x41, 0x02, 0x03, 0x10};
    struct fixture *f = *state;
    struct sample s;

    sample(&s, 1);
    s.in.serial = PKE_BYTES(serial, sizeof serial);
    do_issue(f, &s);
    expect_name(f, "41020310", &s);
    expect_name(f, "41:02:03:10", &s);
    expect_name(f, "0041020310", &s); /* as openssl and certutil may show it */
    expect_name(f, "00000000000041020310", &s);
    expect_name(f, "decimal:1090650896", &s);
    expect_name(f, "decimal:0001090650896", &s);
    expect_name(f, s.request_id, &s);
    expect_no_name(f, "1090650896", PKE_NOT_FOUND, "not-in-ledger"); /* decimal for hex */
    expect_no_name(f, "10030241", PKE_NOT_FOUND, "not-in-ledger");   /* the bytes in reverse */
    expect_no_name(f, "4102031", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "410203100", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "decimal:41020310", PKE_NOT_FOUND, "not-in-ledger"); /* hex for decimal */
    expect_no_name(f, "decimal:0x41020310", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "decimal:", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "decimal:-1", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "decimal:0", PKE_NOT_FOUND, "not-in-ledger");
    /* 2^160 and beyond is no serial, and no other one either (2^160 + the serial) */
    expect_no_name(f, "decimal:1461501637330902918203684832716283019655932542976", PKE_NOT_FOUND,
                   "not-in-ledger");
    expect_no_name(f, "decimal:1461501637330902918203684832716283019657023193872", PKE_NOT_FOUND,
                   "not-in-ledger");
    expect_no_name(f, "0x41020310", PKE_NOT_FOUND, "not-in-ledger");
    expect_no_name(f, "", PKE_NOT_FOUND, "not-in-ledger");
}

static void test_serial_of_twenty_octets_in_decimal(void **state)
{
    static const uint8_t serial[20] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct fixture *f = *state;
    struct sample s;

    sample(&s, 1);
    s.in.serial = PKE_BYTES(serial, sizeof serial);
    do_issue(f, &s);
    expect_name(f, "decimal:730750818665451459101842416358141509827966271487", &s);
}

static void test_serial_of_two_issuers_is_refused_with_both(void **state)
{
    struct fixture *f = *state;
    struct sample a, b;
    uint8_t sha256[32];
    char hex[65];

    sample(&a, 1);
    do_issue(f, &a);
    sample(&b, 2);
    memset(b.issuer, 8, sizeof b.issuer);
    b.in.serial = a.in.serial;
    do_issue(f, &b);
    pke_hex(a.in.serial, false, hex);
    expect_no_name(f, hex, PKE_EXISTS, "serial-ambiguous");
    thumbprint(&a, sha256);
    pke_hex(PKE_BYTES(sha256, 32), false, hex);
    assert_non_null(strstr(f->fail.text, hex));
    thumbprint(&b, sha256);
    pke_hex(PKE_BYTES(sha256, 32), false, hex);
    assert_non_null(strstr(f->fail.text, hex));
    expect_name(f, hex, &b); /* by thumbprint it is clear */
}

static void test_what_has_no_certificate_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why;
    struct sample s, failed;
    char hex[33];

    pke_fail_set(&why, PKE_KEY_DOWN, "key-down", "test", "the key is gone");
    sample(&s, 1);
    do_intent(f, &s);
    sample(&failed, 2);
    do_intent(f, &failed);
    begin(f);
    assert_int_equal(ledger_failed(f->l, failed.request_id, &why, NULL, T0 + 9, &f->fail), PKE_OK);
    commit(f);
    pke_hex(s.in.serial, false, hex);
    expect_no_name(f, hex, PKE_EXISTS, "not-issued-yet");
    expect_no_name(f, s.request_id, PKE_EXISTS, "not-issued-yet");
    pke_hex(failed.in.serial, false, hex);
    expect_no_name(f, hex, PKE_NOT_FOUND, "never-issued");
    expect_no_name(f, failed.request_id, PKE_NOT_FOUND, "never-issued");
    expect_no_name(f, "99999999-0000-4000-8000-000000000000", PKE_NOT_FOUND, "not-in-ledger");
}

/* ---- many ---- */

static unsigned selected(struct fixture *f, const struct ledger_selection *which, unsigned limit,
                         char *numbers)
{
    struct ledger_selected rows[8];
    struct ledger_place place = {0};
    unsigned total = 0;
    size_t n;

    numbers[0] = 0;
    do {
        assert_int_equal(ledger_select(f->l, which, &place, limit, f->arena, rows, &n, &f->fail), PKE_OK);
        for (size_t i = 0; i < n; i++) {
            strncat(numbers, rows[i].request_id + 7, 1);
            place = rows[i].place;
        }
        total += (unsigned)n;
    } while (n == limit);
    return total;
}

static void test_selections(void **state)
{
    struct fixture *f = *state;
    struct ledger_selection all = {.tenant = "default", .principal = "ADA@corp.example", .now = NOW};
    struct ledger_selection device = {.tenant = "default", .device_id = "DEV-X", .now = NOW};
    struct sample s[8];
    char numbers[16];
    unsigned n;

    for (unsigned i = 1; i < 8; i++) {
        sample(&s[i], i);
        if (i <= 3)
            snprintf(s[i].device, sizeof s[i].device, "dev-x");
        if (i <= 3)
            s[i].in.request.provider = i == 3 ? "Other" : "One";
        if (i == 4)
            s[i].in.request.principal = "bob@corp.example";
        if (i == 5)
            s[i].in.request.user_id = "u-5";
        if (i == 6)
            s[i].in.not_after = NOW - 1;
        if (i == 7)
            do_intent(f, &s[i]);
        else
            do_issue(f, &s[i]);
    }
    for (unsigned limit = 1; limit <= 8; limit++) {
        assert_int_equal(selected(f, &all, limit, numbers), 4);
        assert_string_equal(numbers, "1235"); /* not the expired one, not the intent */
    }
    assert_int_equal(selected(f, &device, 8, numbers), 3);
    device.provider = "Other";
    assert_int_equal(selected(f, &device, 8, numbers), 1);
    assert_string_equal(numbers, "3");
    device.provider = NULL;
    device.tenant = "another";
    assert_int_equal(selected(f, &device, 8, numbers), 0);
    all.user_id = "u-5";
    assert_int_equal(selected(f, &all, 8, numbers), 1);
    assert_string_equal(numbers, "5");
    all.user_id = NULL;
    assert_int_equal(ledger_select_in_flight(f->l, &all, &n, &f->fail), PKE_OK);
    assert_int_equal(n, 1);
    do_revoke(f, &s[1], LEDGER_REASON_HOLD, T0 + 1000);
    do_revoke(f, &s[2], LEDGER_REASON_SUPERSEDED, T0 + 1000);
    assert_int_equal(selected(f, &all, 2, numbers), 3);
    assert_string_equal(numbers, "135"); /* held ones can be revoked for good */
    all.what = LEDGER_SELECT_LIVE;
    (void)selected(f, &all, 2, numbers);
    assert_string_equal(numbers, "35");
    all.what = LEDGER_SELECT_HELD;
    (void)selected(f, &all, 2, numbers);
    assert_string_equal(numbers, "1");
}

/* In whatever state, also on its way; not of another tenant, and not one that failed. */
static void test_known(void **state)
{
    struct fixture *f = *state;
    struct ledger_selection which = {.tenant = "default", .device_id = "no-such", .now = NOW};
    struct pke_fail why;
    struct sample s[3];

    pke_fail_set(&why, PKE_KEY_DOWN, "key-down", "test", "the key is gone");
    for (unsigned i = 0; i < 3; i++) {
        sample(&s[i], i + 1);
        snprintf(s[i].device, sizeof s[i].device, "dev-%u", i);
        i ? do_intent(f, &s[i]) : do_issue(f, &s[i]);
    }
    begin(f);
    assert_int_equal(ledger_failed(f->l, s[2].request_id, &why, NULL, T0 + 9, &f->fail), PKE_OK);
    commit(f);
    do_revoke(f, &s[0], LEDGER_REASON_SUPERSEDED, T0 + 1000);
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_NOT_FOUND);
    assert_string_equal(f->fail.reason, "not-in-ledger");
    which.device_id = "DEV-0";
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_OK);
    which.device_id = "dev-1";
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_OK);
    which.device_id = "dev-2";
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_NOT_FOUND);
    which = (struct ledger_selection){.tenant = "default", .principal = "ADA@corp.example"};
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_OK);
    which.tenant = "another";
    assert_int_equal(ledger_select_known(f->l, &which, &f->fail), PKE_NOT_FOUND);
}

static void test_listing_by_state(void **state)
{
    struct fixture *f = *state;
    struct ledger_filter filter = {.certificates_only = true, .now = NOW};
    struct ledger_row *rows;
    struct sample s[4];
    const char *next;
    size_t n;
    bool changed;

    for (unsigned i = 0; i < 4; i++) {
        sample(&s[i], i + 1);
        do_issue(f, &s[i]);
    }
    do_revoke(f, &s[0], LEDGER_REASON_HOLD, T0 + 1000);
    do_revoke(f, &s[1], LEDGER_REASON_SUPERSEDED, T0 + 1000);
    do_revoke(f, &s[2], LEDGER_REASON_HOLD, T0 + 1000);
    assert_int_equal(try_release(f, &s[2], T0 + 2000, &changed), PKE_OK);
    for (unsigned i = 0; i < 2; i++) {
        filter.principal = i ? "ada@corp.example" : NULL; /* both ways to look them up */
        filter.state = "held";
        assert_int_equal(ledger_list(f->r, &filter, NULL, 5, f->arena, &rows, &n, &next, &f->fail), PKE_OK);
        assert_int_equal(n, 1);
        assert_string_equal(rows[0].request_id, s[0].request_id);
        filter.state = "revoked";
        assert_int_equal(ledger_list(f->r, &filter, NULL, 5, f->arena, &rows, &n, &next, &f->fail), PKE_OK);
        assert_int_equal(n, 1);
        assert_string_equal(rows[0].request_id, s[1].request_id);
        filter.state = "unconfirmed";
        assert_int_equal(ledger_list(f->r, &filter, NULL, 5, f->arena, &rows, &n, &next, &f->fail), PKE_OK);
        assert_int_equal(n, 2);
    }
}

/* ---- the audit log ---- */

static void expect_found(struct fixture *f, const char *change, const char *back, const char *problem)
{
    struct ledger_verdict v;

    sql(f->path, change);
    assert_int_equal(ledger_audit_verify(f->r, &v, &f->fail), PKE_OK);
    if (!v.problem || !strstr(v.problem, problem))
        fail_msg("%s: %s", change, v.problem ? v.problem : "not found");
    sql(f->path, back);
    assert_int_equal(ledger_audit_verify(f->r, &v, &f->fail), PKE_OK);
    assert_null(v.problem);
}

static void test_audit_finds_a_changed_revocation(void **state)
{
    struct fixture *f = *state;
    struct sample s[3];
    bool changed;

    for (unsigned i = 0; i < 3; i++) {
        sample(&s[i], i + 1);
        do_issue(f, &s[i]);
    }
    do_revoke(f, &s[0], LEDGER_REASON_KEY_COMPROMISE, 500);
    do_revoke(f, &s[1], LEDGER_REASON_HOLD, 600);
    do_revoke(f, &s[2], LEDGER_REASON_HOLD, 700);
    assert_int_equal(try_release(f, &s[2], 800, &changed), PKE_OK);
    assert_audit_whole(f, 10);
    expect_found(f, "UPDATE certificate SET revoked_at = 0 WHERE request = 1",
                 "UPDATE certificate SET revoked_at = 500 WHERE request = 1", "against its revocation");
    expect_found(f, "UPDATE certificate SET revoked_at = 1 WHERE request = 3",
                 "UPDATE certificate SET revoked_at = 0 WHERE request = 3", "against its revocation");
    expect_found(f, "UPDATE revocation SET reason = 4 WHERE request = 1",
                 "UPDATE revocation SET reason = 1 WHERE request = 1", "was changed");
    expect_found(f, "UPDATE revocation SET changed_at = 501 WHERE request = 1",
                 "UPDATE revocation SET changed_at = 500 WHERE request = 1", "was changed");
    expect_found(f, "UPDATE revocation SET audit = 1 WHERE request = 1",
                 "UPDATE revocation SET audit = 7 WHERE request = 1", "is not in the ledger");
    expect_found(f,
                 "UPDATE revocation SET released_at = 9, released_by = 'x' WHERE request = 2;"
                 "UPDATE certificate SET revoked_at = 0 WHERE request = 2",
                 "UPDATE revocation SET released_at = 0, released_by = NULL WHERE request = 2;"
                 "UPDATE certificate SET revoked_at = 600 WHERE request = 2",
                 "was changed");
    sql(f->path, "DELETE FROM revocation WHERE request = 1;"
                 "UPDATE certificate SET revoked_at = 0 WHERE request = 1");
    expect_found(f, "SELECT 1",
                 "INSERT INTO revocation SELECT 1, issuer_id, serial, not_after, 9, 1, 500,"
                 " 'uid=7', NULL, 0, NULL, 500, 7 FROM certificate WHERE request = 1;"
                 "UPDATE certificate SET revoked_at = 500 WHERE request = 1",
                 "is not in the ledger");
}

static bool compromised(struct fixture *f, const struct sample *s)
{
    bool is = false;

    if (ledger_key_compromised(f->l, s->in.spki_sha256, &is, &f->fail) != PKE_OK)
        fail_msg("%s", f->fail.text);
    return is;
}

/* One key in two certificates: the newer revocation, for another reason, does not hide the older. */
static void test_key_compromise_is_told_of_any_certificate(void **state)
{
    struct fixture *f = *state;
    struct sample a, b, other;

    sample(&a, 1);
    do_issue(f, &a);
    sample(&b, 2);
    b.in.spki_sha256 = a.in.spki_sha256;
    b.in.request.tenant = "other";
    do_issue(f, &b);
    sample(&other, 3);
    do_issue(f, &other);
    assert_false(compromised(f, &a));
    do_revoke(f, &b, LEDGER_REASON_SUPERSEDED, T0 + 1000);
    assert_false(compromised(f, &a));
    do_revoke(f, &a, LEDGER_REASON_KEY_COMPROMISE, T0 + 2000);
    assert_true(compromised(f, &a));
    assert_true(compromised(f, &b));
    assert_false(compromised(f, &other));
}

/* A hold is no compromise, also after its release; what the hold became is. */
static void test_key_compromise_after_a_hold(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    bool changed;

    sample(&s, 1);
    do_issue(f, &s);
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 1000);
    assert_false(compromised(f, &s));
    assert_int_equal(try_release(f, &s, T0 + 2000, &changed), PKE_OK);
    assert_false(compromised(f, &s));
    do_revoke(f, &s, LEDGER_REASON_HOLD, T0 + 3000);
    do_revoke(f, &s, LEDGER_REASON_KEY_COMPROMISE, T0 + 4000);
    assert_true(compromised(f, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
        T(test_reasons),
        T(test_revoke),
        T(test_hold_release_and_again),
        T(test_hold_becomes_final),
        T(test_released_then_final_has_a_new_date),
        T(test_dry_run_changes_nothing),
        T(test_renewal_is_refused_while_revoked_or_held),
        T(test_certificate_is_not_released_when_the_old_one_was_revoked_meanwhile),
        T(test_release_after_life_went_on),
        T(test_release_after_the_device_was_released),
        T(test_serial_is_read_as_written_and_in_no_other_way),
        T(test_serial_of_twenty_octets_in_decimal),
        T(test_serial_of_two_issuers_is_refused_with_both),
        T(test_what_has_no_certificate_is_told_apart),
        T(test_selections),
        T(test_known),
        T(test_listing_by_state),
        T(test_key_compromise_is_told_of_any_certificate),
        T(test_key_compromise_after_a_hold),
        T(test_audit_finds_a_changed_revocation),
    };

    return cmocka_run_group_tests_name("ledger_revoke", tests, NULL, NULL);
}
