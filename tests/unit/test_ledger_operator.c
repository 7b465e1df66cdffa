/* SPDX-License-Identifier: Apache-2.0 */
/* What operators see of devices, approvals and certificates, and how they name them. */
#include "tests/unit/ledger_fixture.h"

#include <openssl/evp.h>

#define NOW  (T0 / 1000)
#define PROV "Contoso"

static void issue(struct fixture *f, struct sample *s, unsigned n, const char *provider, const char *device)
{
    sample(s, n);
    s->in.request.provider = provider;
    snprintf(s->device, sizeof s->device, "%s", device);
    do_issue(f, s);
}

static const uint8_t *thumbprint(struct fixture *f, const struct sample *s)
{
    uint8_t *p = pke_arena_alloc(f->arena, 32);

    assert_int_equal(EVP_Digest(s->der, s->der_n, p, NULL, EVP_sha256(), NULL), 1);
    return p;
}

static void confirm(struct fixture *f, const struct sample *s)
{
    begin(f);
    assert_int_equal(ledger_confirm(f->l, thumbprint(f, s), "uid=0", T0 + 500, &f->fail), PKE_OK);
    commit(f);
}

static void change(struct fixture *f, const char *device, enum ledger_device_change what)
{
    begin(f);
    assert_int_equal(
        ledger_device_change(f->l, "default", NULL, device, what, "uid=0", T0 + 9, T0 + 700, &f->fail),
        PKE_OK);
    commit(f);
}

/* The ids of a listing of devices, "a b c"; every page has @p limit rows. */
static const char *devices(struct fixture *f, const char *principal, const char *state, int64_t now,
                           unsigned limit)
{
    struct ledger_device_filter filter = {.principal = principal, .state = state, .now = now};
    const char *cursor = NULL, *ret = "";
    struct ledger_device *rows;
    size_t n;

    do {
        if (ledger_device_list(f->r, &filter, cursor, limit, f->arena, &rows, &n, &cursor, &f->fail) !=
            PKE_OK)
            fail_msg("%s", f->fail.text);
        assert_true(cursor ? n == limit : n <= limit);
        for (size_t i = 0; i < n; i++)
            ret = pke_arena_printf(f->arena, "%s%s%s", ret, *ret ? " " : "", rows[i].device_id);
    } while (cursor);
    return ret;
}

/* The request numbers of a listing of requests or certificates. */
static const char *rows_of(struct fixture *f, const char *state, bool certificates, int64_t now)
{
    struct ledger_filter filter = {.state = state, .certificates_only = certificates, .now = now};
    const char *cursor = NULL, *ret = "";
    struct ledger_row *rows;
    size_t n;

    do {
        if (ledger_list(f->r, &filter, cursor, 1, f->arena, &rows, &n, &cursor, &f->fail) != PKE_OK)
            fail_msg("%s", f->fail.text);
        for (size_t i = 0; i < n; i++)
            ret = pke_arena_printf(f->arena, "%s%s%lu", ret, *ret ? " " : "",
                                   strtoul(rows[i].request_id, NULL, 16));
    } while (cursor);
    return ret;
}

static void test_devices_are_listed_by_their_state(void **state)
{
    struct fixture *f = *state;
    struct ledger_device_filter filter = {0};
    struct ledger_device *rows;
    const char *next;
    struct sample s;
    size_t n;

    issue(f, &s, 1, PROV, "a");
    issue(f, &s, 2, PROV, "b");
    sample(&s, 3);
    s.in.request.principal = "eve@corp.example";
    s.in.request.device_id = "c";
    do_issue(f, &s);
    issue(f, &s, 4, PROV, "d");
    issue(f, &s, 5, PROV, "a"); /* its place is that of its first enrollment */
    change(f, "b", LEDGER_DEVICE_BLOCK);
    change(f, "d", LEDGER_DEVICE_RELEASE);
    for (unsigned limit = 1; limit <= 5; limit++)
        assert_string_equal(devices(f, NULL, NULL, NOW, limit), "d c b a");
    assert_string_equal(devices(f, NULL, "live", NOW, 1), "c a");
    assert_string_equal(devices(f, NULL, "blocked", NOW, 1), "b");
    assert_string_equal(devices(f, NULL, "released", NOW, 1), "d");
    assert_string_equal(devices(f, NULL, "expired", NOW, 1), "");
    assert_string_equal(devices(f, NULL, "expired", NOW + 90000, 2), "c a");
    assert_string_equal(devices(f, NULL, "live", NOW + 90000, 1), "");
    assert_string_equal(devices(f, "EVE@corp.example", NULL, NOW, 1), "c");
    assert_string_equal(devices(f, "ada@corp.example", "live", NOW, 1), "a");
    filter.state = "odd";
    assert_int_equal(ledger_device_list(f->r, &filter, NULL, 1, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
    filter.state = NULL;
    assert_int_equal(ledger_device_list(f->r, &filter, "?", 1, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
    assert_int_equal(ledger_device_list(f->r, &filter, NULL, 0, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
    assert_int_equal(ledger_device_list(f->r, &filter, NULL, 501, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
}

static void test_one_device_by_its_name(void **state)
{
    struct fixture *f = *state;
    struct ledger_device d;
    struct sample s;

    issue(f, &s, 6, PROV, "dev");
    assert_int_equal(ledger_device_show(f->r, NULL, NULL, "DEV", NOW, f->arena, &d, &f->fail), PKE_OK);
    assert_string_equal(d.provider, PROV);
    assert_string_equal(d.principal, "ada@corp.example");
    assert_string_equal(d.ent_dmid, s.in.ent_dmid);
    assert_true(d.live);
    assert_string_equal(ledger_device_state(&d), "live");
    assert_int_equal(ledger_device_show(f->r, NULL, NULL, "dev", NOW + 90000, f->arena, &d, &f->fail),
                     PKE_OK);
    assert_false(d.live);
    assert_string_equal(ledger_device_state(&d), "expired");
    assert_int_equal(ledger_device_show(f->r, NULL, NULL, "none", NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    assert_int_equal(ledger_device_show(f->r, "other", NULL, "dev", NOW, f->arena, &d, &f->fail),
                     PKE_NOT_FOUND);
    issue(f, &s, 7, "Linked", "dev");
    assert_int_equal(ledger_device_show(f->r, NULL, NULL, "dev", NOW, f->arena, &d, &f->fail), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "device-ambiguous");
    assert_int_equal(ledger_device_show(f->r, NULL, "Linked", "dev", NOW, f->arena, &d, &f->fail), PKE_OK);
    assert_string_equal(d.provider, "Linked");
    assert_int_equal(ledger_device_show(f->r, NULL, "", "dev", NOW, f->arena, &d, &f->fail), PKE_NOT_FOUND);
}

static void test_life_of_a_certificate(void **state)
{
    struct ledger_row row = {.not_after = NOW};

    (void)state;
    assert_string_equal(ledger_life(&row, NOW), "unconfirmed");
    row.confirmed_at = 1;
    assert_string_equal(ledger_life(&row, NOW), "active");
    assert_string_equal(ledger_life(&row, NOW + 1), "expired");
    row.superseded_at = 1;
    assert_string_equal(ledger_life(&row, NOW + 1), "superseded");
    row.revoked_at = 1;
    assert_string_equal(ledger_life(&row, NOW), "revoked");
}

static void test_certificates_are_listed_by_their_life(void **state)
{
    struct ledger_revoke how = {.reason = LEDGER_REASON_SUPERSEDED, .by = "uid=0", .at = T0 + 600};
    struct fixture *f = *state;
    struct ledger_revoked done;
    struct ledger_row row;
    struct sample a, b, c, d;

    issue(f, &a, 1, PROV, "x");
    sample(&b, 2);
    b.in.request.provider = PROV;
    b.in.request.device_id = "x";
    pke_pairs_add(&b.in.names, f->arena, "uri", "urn:x");
    b.in.renews_sha256 = PKE_BYTES(thumbprint(f, &a), 32);
    do_issue(f, &b);
    issue(f, &c, 3, PROV, "y");
    issue(f, &d, 4, PROV, "z");
    confirm(f, &b);
    begin(f);
    assert_int_equal(ledger_revoke(f->l, thumbprint(f, &d), &how, &done, &f->fail), PKE_OK);
    commit(f);
    assert_string_equal(rows_of(f, "superseded", true, NOW), "1");
    assert_string_equal(rows_of(f, "active", true, NOW), "2");
    assert_string_equal(rows_of(f, "unconfirmed", true, NOW), "3");
    assert_string_equal(rows_of(f, "revoked", true, NOW), "4");
    assert_string_equal(rows_of(f, "expired", true, NOW), "");
    assert_string_equal(rows_of(f, "expired", true, NOW + 90000), "3 2");
    assert_string_equal(rows_of(f, "issued", true, NOW), "4 3 2 1");
    assert_int_equal(ledger_cert_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.renewed_from, a.request_id);
    assert_string_equal(pke_pairs_get(&row.names, "uri"), "urn:x");
    assert_string_equal(row.provider, PROV);
    assert_int_equal(row.confirmed_at, T0 + 500);
    assert_int_equal(ledger_cert_show(f->r, NULL, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_null(row.renewed_from);
    assert_int_equal(row.superseded_at, T0 + 500);
}

static void test_states_are_of_what_is_listed(void **state)
{
    struct ledger_filter requests = {.state = "active"};
    struct ledger_filter certificates = {.state = "pending", .certificates_only = true};
    struct fixture *f = *state;
    struct ledger_row *rows;
    const char *next;
    size_t n;

    assert_int_equal(ledger_list(f->r, &requests, NULL, 1, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, &certificates, NULL, 1, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
}

static void ask(struct fixture *f, struct sample *s, unsigned n, const char *device)
{
    struct ledger_admission a;
    struct pke_fail why;

    pke_fail_set(&why, PKE_PENDING, "approval-pending", "template: approval", "waiting");
    sample(s, n);
    snprintf(s->device, sizeof s->device, "%s", device);
    begin(f);
    assert_int_equal(ledger_admission_attempt(f->l, &s->in.request, &why, f->arena, &a, &f->fail), PKE_OK);
    commit(f);
}

static void decide(struct fixture *f, const struct sample *s, bool grant)
{
    begin(f);
    assert_int_equal(
        ledger_admission_decide(f->l, NULL, s->request_id, grant, "uid=0", T0 + 9000, T0 + 800, &f->fail),
        PKE_OK);
    commit(f);
}

static void test_requests_are_listed_by_their_approval(void **state)
{
    struct pke_pair attributes[] = {{"upn", "ada@corp.example"}};
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a, b, c, d, use;

    issue(f, &a, 9, PROV, "other");
    ask(f, &a, 1, "a");
    ask(f, &b, 2, "b");
    ask(f, &c, 3, "c");
    ask(f, &d, 4, "d");
    ask(f, &d, 5, "d"); /* folds into 4 */
    decide(f, &b, true);
    decide(f, &c, false);
    assert_string_equal(rows_of(f, "pending", false, NOW), "4 1");
    assert_string_equal(rows_of(f, "granted", false, NOW), "2");
    assert_string_equal(rows_of(f, "denied", false, NOW), "3");
    assert_string_equal(rows_of(f, "used", false, NOW), "");
    assert_string_equal(rows_of(f, "refused", false, NOW), "4 3 2 1");
    sample(&use, 6);
    use.in.request.device_id = "b";
    use.in.request.user_id = "uid-ada";
    use.in.request.attestation = "tpm: ok";
    use.in.request.attributes = (struct pke_pairs){attributes, 1};
    use.in.admission_request_id = b.request_id;
    do_issue(f, &use);
    assert_string_equal(rows_of(f, "used", false, NOW), "2");
    assert_int_equal(ledger_request_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_string_equal(row.approval.state, "used");
    assert_string_equal(row.approval.used_by, use.request_id);
    assert_string_equal(row.approval.decided_by, "uid=0");
    assert_int_equal(row.approval.decided_at, T0 + 800);
    assert_int_equal(row.approval.expires_at, T0 + 9000);
    assert_int_equal(ledger_request_show(f->r, NULL, use.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_null(row.approval.state);
    assert_string_equal(row.user_id, "uid-ada");
    assert_string_equal(row.attestation, "tpm: ok");
    assert_int_equal(row.attributes.n, 1);
    assert_string_equal(row.attributes.v[0].value, "ada@corp.example");
    sample(&d, 4);
    assert_int_equal(ledger_request_show(f->r, NULL, d.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(row.approval.attempts, 2);
    assert_int_equal(row.approval.last_at, T0 + 5);
}

static void check_name(struct fixture *f, const char *key, const struct sample *want)
{
    uint8_t sha256[32];

    if (ledger_name_certificate(f->l, NULL, key, sha256, &f->fail) != PKE_OK)
        fail_msg("%s: %s", key, f->fail.text);
    assert_memory_equal(sha256, thumbprint(f, want), 32);
}

static void test_a_certificate_is_named_for_a_change(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a, twin, under_way;
    uint8_t sha256[32];

    issue(f, &a, 0x0abc, PROV, "dev");
    assert_int_equal(ledger_request_show(f->r, NULL, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    check_name(f, row.sha256, &a);
    check_name(f, row.sha1, &a);
    check_name(f, row.serial, &a);
    check_name(f, pke_arena_printf(f->arena, "00:%s", row.serial), &a);
    check_name(f, a.request_id, &a);
    assert_int_equal(ledger_name_certificate(f->l, NULL, "dev", sha256, &f->fail),
                     PKE_NOT_FOUND); /* not by device */
    assert_int_equal(ledger_name_certificate(f->l, NULL, "", sha256, &f->fail), PKE_NOT_FOUND);
    sample(&under_way, 7);
    do_intent(f, &under_way);
    assert_int_equal(ledger_name_certificate(f->l, NULL, under_way.request_id, sha256, &f->fail),
                     PKE_NOT_FOUND);
    sample(&twin, 8); /* another issuer's certificate of the same serial: which one is meant? */
    memcpy(twin.serial, a.serial, sizeof twin.serial);
    twin.issuer[0]++;
    do_issue(f, &twin);
    assert_int_equal(ledger_name_certificate(f->l, NULL, row.serial, sha256, &f->fail), PKE_EXISTS);
    assert_string_equal(f->fail.reason, "serial-ambiguous");
    check_name(f, row.sha256, &a);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_devices_are_listed_by_their_state),
        T(test_one_device_by_its_name),
        T(test_life_of_a_certificate),
        T(test_certificates_are_listed_by_their_life),
        T(test_states_are_of_what_is_listed),
        T(test_requests_are_listed_by_their_approval),
        T(test_a_certificate_is_named_for_a_change),
    };

    return cmocka_run_group_tests_name("ledger_operator", tests, NULL, NULL);
}
