/* SPDX-License-Identifier: Apache-2.0 */
/* The wishes of a CSR, read as facts (tests/data/csr-asked, made by generate.py there). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/csr.h"

struct fixture {
    struct pke_arena *arena;
    struct ca_csr csr;
    struct pke_fail fail;
};

static int set_up(void **state)
{
    struct fixture *f = pke_calloc(1, sizeof *f);

    f->arena = pke_arena_new();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pke_arena_free(f->arena);
    free(f);
    return 0;
}

static enum pke_err parse(struct fixture *f, const char *name)
{
    const char *top = getenv("top_srcdir");
    const char *path = pke_arena_printf(f->arena, "%s/tests/data/csr-asked/%s.csr", top ? top : ".", name);
    uint8_t *der = pke_arena_alloc(f->arena, CA_CSR_MAX);
    FILE *file = fopen(path, "rb");
    size_t n;

    assert_non_null(file);
    n = fread(der, 1, CA_CSR_MAX, file);
    assert_int_equal(fclose(file), 0);
    return ca_csr_parse(PKE_BYTES(der, n), f->arena, &f->csr, &f->fail);
}

/* Exactly these, in this order. */
static void assert_pairs(const struct pke_pairs *got, const struct pke_pair *want, size_t n)
{
    for (size_t i = 0; i < got->n && i < n; i++)
        if (strcmp(got->v[i].name, want[i].name) != 0 || strcmp(got->v[i].value, want[i].value) != 0)
            fail_msg("%zu: %s=%s instead of %s=%s", i, got->v[i].name, got->v[i].value, want[i].name,
                     want[i].value);
    assert_int_equal(got->n, n);
}

#define assert_names(f, want)      assert_pairs(&(f)->csr.asked.names, want, PKE_LEN(want))
#define assert_unreadable(f, want) assert_pairs(&(f)->csr.asked.unreadable, want, PKE_LEN(want))

static const struct ca_csr_extension *extension(const struct fixture *f, const char *oid)
{
    for (size_t i = 0; i < f->csr.asked.n_ext; i++)
        if (strcmp(f->csr.asked.ext[i].oid, oid) == 0)
            return &f->csr.asked.ext[i];
    fail_msg("%s is not there", oid);
    return NULL;
}

static void test_all_kinds(void **state)
{
    static const struct pke_pair want[] = {{"CN", "ada"},
                                           {"O", "Corp"},
                                           {"C", "DE"},
                                           {"dns", "a.corp.example"},
                                           {"email", "ada@corp.example"},
                                           {"upn", "ada@corp.example"},
                                           {"guid", "12345678-1234-abcd-1234-123456789abc"},
                                           {"uri", "urn:corp:42"},
                                           {"sid-uri", "TAG:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500"},
                                           {"ip", "10.0.0.1"},
                                           {"ip", "2001:db8::1"},
                                           {"dn", "CN=x"},
                                           {"rid", "1.2.3"},
                                           {"sid", "S-1-5-21-1-2-3-500"}};
    static const struct pke_pair unknown[] = {{"2.5.4.12", "717565656e"}};
    struct fixture *f = *state;
    const struct ca_csr_asked *a = &f->csr.asked;

    assert_int_equal(parse(f, "all"), PKE_OK);
    assert_names(f, want);
    assert_unreadable(f, unknown);
    assert_int_equal(a->n_subject, 3);
    assert_true(a->has_key_usage);
    assert_int_equal(a->key_usage, 0x86);
    assert_true(a->ca);
    assert_int_equal(a->application_policies.n, 2);
    assert_string_equal(a->application_policies.v[1], "1.3.6.1.4.1.311.20.2.1");
    assert_int_equal(a->certificate_policies.n, 1);
    assert_string_equal(a->certificate_policies.v[0], "1.2.3.4");
    assert_string_equal(a->template_oid, "1.3.6.1.4.1.311.21.8.1.2");
    assert_int_equal(a->template_major, 100);
    assert_int_equal(a->template_minor, 5);
    assert_string_equal(a->template_name, "User");
    assert_int_equal(a->attributes.n, 1);
    assert_string_equal(a->attributes.v[0], "1.3.6.1.4.1.311.13.2.3");
    assert_int_equal(a->n_ext, 10);
    assert_true(extension(f, "1.2.3.4.5")->critical);
    assert_false(extension(f, "1.2.3.4.5")->readable);
    assert_false(extension(f, "2.5.29.17")->critical);
    assert_true(extension(f, "2.5.29.17")->readable);
}

static void test_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "nothing"), PKE_OK);
    assert_int_equal(f->csr.asked.names.n + f->csr.asked.unreadable.n, 0);
    assert_int_equal(f->csr.asked.n_ext, 0);
    assert_false(f->csr.asked.has_key_usage || f->csr.asked.ca);
    assert_null(f->csr.asked.template_name);
    assert_null(f->csr.asked.template_oid);
}

/* What cannot be read is no reason to refuse, and is not passed over either. */
static void test_unreadable(void **state)
{
    static const char *const oids[] = {"2.5.29.17",
                                       "2.5.29.15",
                                       "2.5.29.19",
                                       "1.3.6.1.4.1.311.25.2",
                                       "1.3.6.1.4.1.311.21.10",
                                       "1.3.6.1.4.1.311.20.2",
                                       "1.3.6.1.4.1.311.21.7",
                                       "1.3.6.1.4.1.311.66.1.0"};
    static const struct pke_pair want[] = {{"OU", "it"}}; /* Windows' NUL at the end */
    static const struct pke_pair odd[] = {
        {"CN", "616461e280ae626f62"}, {"O", "0043006f00720070"}, {"san", "6a756e6b"}, {"sid", "3000"}};
    struct fixture *f = *state;

    assert_int_equal(parse(f, "unreadable"), PKE_OK);
    assert_names(f, want);
    assert_unreadable(f, odd);
    for (size_t i = 0; i < PKE_LEN(oids); i++)
        assert_false(extension(f, oids[i])->readable);
    assert_true(f->csr.asked.ca); /* taken for the worst */
    assert_int_equal(f->csr.asked.key_usage, 0x04);
    assert_null(f->csr.asked.template_name);
    assert_null(f->csr.asked.template_oid);
    assert_int_equal(f->csr.asked.application_policies.n, 0);
}

/* A name that cannot be read is of its kind all the same: an account stays an account. */
static void test_names_that_hide_something(void **state)
{
    static const struct pke_pair want[] = {{"CN", "x"}};
    static const struct pke_pair odd[] = {
        {"dns", "612e636f72702e6578616d706c65002e6576696c"},
        {"upn", "6576650a61646d696e40636f72702e6578616d706c65"},
        {"upn", "060a2b060104018237140203a0121610696135"
                "40636f72702e6578616d706c65"},
        {"otherName", "06062b0601050202a0030c0161"},
        {"otherName", "0500"},
        {"guid", "01020304"},
        {"sid-uri",
         "7461673a6d6963726f736f66742e636f6d2c323032322d30392d31343a7369643a532d312d352d32312d312d322d332d"
         "3530300041"},
        {"ip", "0a0000"},
        {"rid", "80"},
        {"name", "0500"}};
    struct fixture *f = *state;

    assert_int_equal(parse(f, "san-nul"), PKE_OK);
    assert_names(f, want);
    assert_unreadable(f, odd);
    assert_true(extension(f, "2.5.29.17")->readable);
}

/* A SAN with something after it is no SAN, whatever it begins with. */
static void test_san_with_more_behind_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "san-trailing"), PKE_OK);
    assert_false(extension(f, "2.5.29.17")->readable);
    assert_int_equal(f->csr.asked.unreadable.n, 1);
    assert_string_equal(f->csr.asked.unreadable.v[0].name, "san");
}

/* The bounds of our own certificates are no bounds of a wish: Windows' CN has 73 characters. */
static void test_long_names(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "long"), PKE_OK);
    assert_int_equal(f->csr.asked.names.n, 2);
    assert_int_equal(strlen(f->csr.asked.names.v[0].value), 73);
    assert_int_equal(strlen(f->csr.asked.names.v[1].value), 512);
    assert_int_equal(f->csr.asked.unreadable.n, 1);
    assert_string_equal(f->csr.asked.unreadable.v[0].name, "upn");
    assert_int_equal(strlen(f->csr.asked.unreadable.v[0].value), 2 * 64 + 3);
}

static void test_key_usage_has_nine_bits(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "decipher-only"), PKE_OK);
    assert_int_equal(f->csr.asked.key_usage, 0x8008);
    assert_true(extension(f, "2.5.29.15")->readable);
}

static void test_no_ca(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "ca-false"), PKE_OK);
    assert_false(f->csr.asked.ca);
    assert_int_equal(f->csr.asked.key_usage, 0x80);
}

static void test_too_many_names(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "san-100"), PKE_OK);
    assert_int_equal(f->csr.asked.names.n, 101);
    assert_int_equal(parse(f, "san-101"), PKE_LIMIT);
    assert_string_equal(f->fail.reason, "csr-names");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(test_all_kinds),
                                       T(test_nothing),
                                       T(test_unreadable),
                                       T(test_names_that_hide_something),
                                       T(test_no_ca),
                                       T(test_too_many_names),
                                       T(test_san_with_more_behind_it),
                                       T(test_long_names),
                                       T(test_key_usage_has_nine_bits)};

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
