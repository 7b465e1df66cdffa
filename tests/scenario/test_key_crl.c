/* SPDX-License-Identifier: Apache-2.0 */
/* A compromised issuer gets no CRL that unsays an earlier one, and nothing else under the name of one. */
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "tests/scenario/stage.h"

#define DAY  86400
#define MANY 140000 /* entries: 5 MB */

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    s->crl_lifetime = "7d";
    stage_key(s);
    stage_play_issuer(s);
    *state = s;
    return 0;
}

static int set_up_softhsm(void **state)
{
    struct stage *s;

    *state = NULL;
    if (!stage_softhsm())
        return 0;
    s = stage_new(stage_softhsm());
    s->crl_lifetime = "7d";
    stage_key(s);
    stage_play_issuer(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    if (*state)
        stage_free(*state);
    return 0;
}

static struct ca_crl_spec spec_of(int64_t number)
{
    int64_t now = time(NULL);

    return (struct ca_crl_spec){.number = number, .this_update = now - 300, .next_update = now + 7 * DAY};
}

static struct pke_bytes build(struct stage *s, const struct ca_crl_spec *spec)
{
    struct ca_issuer *ca = stage_ca(s);
    struct pke_bytes ret;
    struct pke_fail fail;
    struct pke_buf b;

    pke_buf_init(&b, CA_CRL_MAX);
    assert_int_equal(ca_crl_build(ca, spec, &b, &fail), PKE_OK);
    ret = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    ca_issuer_free(ca);
    return ret;
}

static void must_be_signed(struct stage *s, struct pke_bytes tbs)
{
    const struct answer *a = stage_answer(s, stage_sign(s, "crl", tbs));
    struct ca_issuer *ca = stage_ca(s);

    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_true(ca_cert_verify(ca, tbs, a->sign.signature));
    ca_issuer_free(ca);
}

static void must_be_refused(struct stage *s, const char *kind, struct pke_bytes tbs, const char *reason)
{
    stage_must_fail(stage_answer(s, stage_sign(s, kind, tbs)), PKE_POLICY, reason);
}

static void a41_numbers_only_grow(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(7);

    must_be_signed(s, build(s, &spec));
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-number");
    spec.number = 6;
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-number");
    spec.number = 8;
    must_be_signed(s, build(s, &spec));
    assert_true(stage_configure(&s->key)); /* a reload does not start anew */
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-number");
}

static void a_foreign_issuer_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(1);
    struct pke_bytes tbs = build(s, &spec);
    uint8_t *copy = pke_malloc(tbs.n);

    /* the name of the CA is in it once; a letter of it is changed */
    memcpy(copy, tbs.p, tbs.n);
    for (size_t i = 0; i + 5 < tbs.n; i++)
        if (memcmp(copy + i, "\x06\x03\x55\x04\x03", 5) == 0) {
            copy[i + 7] ^= 1;
            break;
        }
    must_be_refused(s, "crl", pke_arena_bytes(s->arena, PKE_BYTES(copy, tbs.n)), "floor-crl-issuer");
    free(copy);
}

static void a_list_for_years_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(1);

    spec.next_update += DAY;
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-next-update");
    spec.next_update += 3650 * (int64_t)DAY;
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-next-update");
    spec = spec_of(1);
    spec.this_update -= 7 * DAY;
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-this-update");
}

static void a_delta_of_itself_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(5);
    struct pke_bytes tbs;
    uint8_t *at;

    spec.base = 4;
    tbs = build(s, &spec);
    at = (uint8_t *)tbs.p + tbs.n - 1; /* the base is the last octet */
    assert_int_equal(*at, 4);
    *at = 5;
    must_be_refused(s, "crl", tbs, "floor-crl-base");
    *at = 4;
    must_be_signed(s, tbs);
}

static void an_unknown_extension_is_refused(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(5);
    struct pke_bytes tbs;
    uint8_t *p;
    size_t i = 0;

    spec.base = 4;
    tbs = build(s, &spec);
    p = (uint8_t *)tbs.p;
    while (i + 4 < tbs.n && memcmp(p + i, "\x06\x03\x55\x1d\x1b", 5) != 0)
        i++;
    p[i + 4] = 0x1c; /* deltaCRLIndicator becomes issuingDistributionPoint */
    must_be_refused(s, "crl", tbs, "floor-crl-extension");
}

static void one_kind_is_not_the_other(void **state)
{
    static const uint8_t certificate_like[] = {0x30, 0x03, 0x02, 0x01, 0x02};
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(1);
    struct pke_bytes tbs = build(s, &spec);

    must_be_refused(s, "certificate", tbs, "floor-der");
    must_be_refused(s, "crl", PKE_BYTES(certificate_like, sizeof certificate_like), "floor-crl-der");
    must_be_refused(s, "crl", PKE_BYTES(tbs.p, tbs.n - 1), "floor-crl-der");
    must_be_signed(s, tbs);
}

static void no_list_where_none_is_configured(void **state)
{
    struct stage *s = *state;
    struct ca_crl_spec spec = spec_of(1);

    s->crl_lifetime = "0s";
    assert_true(stage_configure(&s->key));
    must_be_refused(s, "crl", build(s, &spec), "floor-crl-next-update");
}

static void many_entries(struct stage *s)
{
    struct ca_crl_spec spec = spec_of(1);
    struct pke_buf entries;

    pke_buf_init(&entries, CA_CRL_MAX);
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t serial[16] = {0x40,      1, 2, 3, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                              (uint8_t)i};

        assert_true(ca_crl_entry_add(&entries, PKE_BYTES(serial, 16), spec.this_update, 1));
    }
    spec.entries = pke_buf_bytes(&entries);
    must_be_signed(s, build(s, &spec));
    assert_true(entries.n > 5000000);
    pke_buf_done(&entries);
}

static void a_long_list_is_signed(void **state)
{
    many_entries(*state);
}

static void a_long_list_is_signed_by_softhsm(void **state)
{
    if (!*state)
        skip();
    many_entries(*state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a41_numbers_only_grow),
        T(a_foreign_issuer_is_refused),
        T(a_list_for_years_is_refused),
        T(a_delta_of_itself_is_refused),
        T(an_unknown_extension_is_refused),
        T(one_kind_is_not_the_other),
        T(no_list_where_none_is_configured),
        T(a_long_list_is_signed),
        cmocka_unit_test_setup_teardown(a_long_list_is_signed_by_softhsm, set_up_softhsm, tear_down),
    };

    return cmocka_run_group_tests_name("key_crl", tests, NULL, NULL);
}
