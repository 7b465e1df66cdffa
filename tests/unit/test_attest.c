/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key attestation with evidence of a TPM (swtpm): what is accepted, what is refused and why, and that nothing
 * of it can be changed (mdm.md 12).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/attest.h"
#include "base/mem.h"
#include "tests/unit/attest_data.h"

#define CLAIM_HEADER 24

static struct attest_roots *roots_of(const char *file, bool require_eku)
{
    struct pke_bytes pem = attest_data(file);
    struct attest_roots *roots = NULL;

    assert_int_equal(attest_roots_new(pem, require_eku, &roots, NULL), PKE_OK);
    attest_data_free(pem);
    return roots;
}

/* One request: files of the evidence, the key that is asked for, what comes of it. */
struct row {
    const char *claim, *aik_pub, *aik_cert, *spki;
    const char *reason; /* NULL: attested */
    const char *roots;  /* NULL: roots.pem */
    int64_t now;        /* 0: ATTEST_DATA_NOW */
    bool any_eku;
};

static const struct row rows[] = {
    /* what Windows is known to send, and every other form that the documents leave open */
    {"rsa.claim", "aik.bcrypt", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa.claim", "aik.spki", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa.claim", "aik.tpm2b", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa.claim", NULL, "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa-public.claim", "aik.bcrypt", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa-area.claim", "aik.bcrypt", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa-tss.claim", "aik.bcrypt", "aik.der", "rsa.spki", NULL, NULL, 0, false},
    {"pss-tss.claim", NULL, "pss.der", "rsa.spki", NULL, NULL, 0, false},
    {"ecc-tss.claim", "ecc.tpm2b", "ecc.der", "rsa.spki", NULL, NULL, 0, false},
    {"ecc-raw.claim", "ecc.tpm2b", "ecc.der", "rsa.spki", NULL, NULL, 0, false},
    {"sha384.claim", "aik.bcrypt", "aik.der", "sha384.spki", NULL, NULL, 0, false},
    {"point.claim", "aik.bcrypt", "aik.der", "point.spki", NULL, NULL, 0, false},
    {"key2.claim", "aik.bcrypt", "aik.der", "key2.spki", NULL, NULL, 0, false},
    /* the chain */
    {"rsa.claim", "aik.bcrypt", "aik-sub.der", "rsa.spki", NULL, "roots-sub.pem", 0, false},
    {"rsa.claim", "aik.bcrypt", "aik-sub.der", "rsa.spki", "attest-aik-chain", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik-foreign.der", "rsa.spki", "attest-aik-chain", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik.der", "rsa.spki", "attest-aik-chain", "other.pem", 0, false},
    {"rsa.claim", "aik.bcrypt", "aik-short.der", "rsa.spki", "attest-aik-chain", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik-short.der", "rsa.spki", NULL, NULL, 1767600000, false},
    {"rsa.claim", "aik.bcrypt", "aik.der", "rsa.spki", "attest-aik-chain", NULL, 1767000000, false},
    {"rsa.claim", "aik.bcrypt", "aik-no-eku.der", "rsa.spki", "attest-aik-eku", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik-no-eku.der", "rsa.spki", NULL, NULL, 0, true},
    {"rsa.claim", "aik.bcrypt", "aik-ca.der", "rsa.spki", "attest-aik-ca", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "rsa.spki", "rsa.spki", "attest-aik-cert", NULL, 0, false},
    /* who signed */
    {"rsa.claim", "other.bcrypt", "aik.der", "rsa.spki", "attest-aik-key", NULL, 0, false},
    {"rsa.claim", "aik.der", "aik.der", "rsa.spki", "attest-aik-pub", NULL, 0, false},
    {"rsa.claim", "other.bcrypt", "other.der", "rsa.spki", "attest-signature", NULL, 0, false},
    {"other-aik.claim", "aik.bcrypt", "aik.der", "rsa.spki", "attest-signature", NULL, 0, false},
    {"other-aik.claim", "other.bcrypt", "other.der", "rsa.spki", NULL, NULL, 0, false},
    {"rsa.claim", NULL, "ecc.der", "rsa.spki", "attest-signature", NULL, 0, false},
    /* what is signed */
    {"quote.claim", "aik.bcrypt", "aik.der", "rsa.spki", "attest-tpms", NULL, 0, false},
    {"mixed.claim", "aik.bcrypt", "aik.der", "key2.spki", "attest-name", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik.der", "key2.spki", "attest-key", NULL, 0, false},
    {"key2.claim", "aik.bcrypt", "aik.der", "rsa.spki", "attest-key", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", "aik.der", "point.spki", "attest-key", NULL, 0, false},
    {"imported.claim", "aik.bcrypt", "aik.der", "imported.spki", "attest-attributes", NULL, 0, false},
    {"movable.claim", "aik.bcrypt", "aik.der", "movable.spki", "attest-attributes", NULL, 0, false},
    {"sha1-name.claim", "aik.bcrypt", "aik.der", "sha1-name.spki", "attest-name-alg", NULL, 0, false},
    /* what is missing */
    {NULL, NULL, NULL, "rsa.spki", "attest-absent", NULL, 0, false},
    {NULL, "aik.bcrypt", "aik.der", "rsa.spki", "attest-claim-missing", NULL, 0, false},
    {"rsa.claim", "aik.bcrypt", NULL, "rsa.spki", "attest-aik-cert-missing", NULL, 0, false},
    {"aik.der", "aik.bcrypt", "aik.der", "rsa.spki", "attest-claim", NULL, 0, false},
};

static void check_row(const struct row *r)
{
    struct attest_evidence in = {attest_data(r->claim), attest_data(r->aik_pub), attest_data(r->aik_cert)};
    struct pke_bytes spki = attest_data(r->spki);
    struct attest_roots *roots = roots_of(r->roots ? r->roots : "roots.pem", !r->any_eku);
    struct attest_verdict v;
    struct pke_fail fail = {0};
    enum pke_err err = attest_tpm_verify(&in, spki, roots, r->now ? r->now : ATTEST_DATA_NOW, &v, &fail);

    if (strcmp(v.reason, r->reason ? r->reason : "") != 0)
        print_message("# %s %s %s: %s\n", r->claim, r->aik_pub, r->aik_cert, fail.text);
    assert_string_equal(v.reason, r->reason ? r->reason : "");
    assert_int_equal(err, r->reason ? PKE_POLICY : PKE_OK);
    assert_string_equal(fail.reason, v.reason);
    assert_int_equal(v.result, !r->reason                                ? ATTEST_ATTESTED
                               : strcmp(r->reason, "attest-absent") == 0 ? ATTEST_ABSENT
                                                                         : ATTEST_NOT_ATTESTED);
    attest_data_free(in.claim);
    attest_data_free(in.aik_pub);
    attest_data_free(in.aik_cert);
    attest_data_free(spki);
    attest_roots_free(roots);
}

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++)
        check_row(&rows[i]);
}

/* ---- nothing can be changed ---- */

struct fixture {
    struct attest_evidence in;
    struct pke_bytes spki;
    struct attest_roots *roots;
    struct attest_verdict good;
};

static void load(struct fixture *f, const char *claim, const char *aik_pub, const char *aik_cert)
{
    f->in = (struct attest_evidence){attest_data(claim), attest_data(aik_pub), attest_data(aik_cert)};
    f->spki = attest_data("rsa.spki");
    f->roots = roots_of("roots.pem", true);
    assert_int_equal(attest_tpm_verify(&f->in, f->spki, f->roots, ATTEST_DATA_NOW, &f->good, NULL), PKE_OK);
}

static void unload(struct fixture *f)
{
    attest_data_free(f->in.claim);
    attest_data_free(f->in.aik_pub);
    attest_data_free(f->in.aik_cert);
    attest_data_free(f->spki);
    attest_roots_free(f->roots);
}

static bool accepted(struct fixture *f, struct attest_verdict *v)
{
    return attest_tpm_verify(&f->in, f->spki, f->roots, ATTEST_DATA_NOW, v, NULL) == PKE_OK;
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * The one place that no signature covers: what the Platform Crypto Provider keeps beside the public area (its
 * flags, the PCR bank, the encrypted private area). Nothing reads it.
 */
static bool unsigned_place(struct pke_bytes claim, size_t at)
{
    size_t blob = CLAIM_HEADER + le32(claim.p + 12) + le32(claim.p + 16);

    if (claim.n - blob < 56 || memcmp(claim.p + blob, "PCPM", 4) != 0)
        return false;
    return (at >= blob + 12 && at < blob + 16) || (at >= blob + 52 && at < blob + 56) ||
           at >= blob + 56 + le32(claim.p + blob + 16);
}

static void flip_all(const char *claim, const char *aik_pub, const char *aik_cert, const uint8_t *masks,
                     size_t n_masks)
{
    struct fixture f;
    struct attest_verdict v;
    uint8_t *bytes;
    size_t refused = 0;

    load(&f, claim, aik_pub, aik_cert);
    bytes = (uint8_t *)(uintptr_t)f.in.claim.p;
    for (size_t i = 0; i < f.in.claim.n; i++) {
        bool free_place = unsigned_place(f.in.claim, i);

        for (size_t m = 0; m < n_masks; m++) {
            bool ok;

            bytes[i] ^= masks[m];
            ok = accepted(&f, &v);
            bytes[i] ^= masks[m];
            if (ok != free_place)
                fail_msg("%s: byte %zu flipped with %02x: %s", claim, i, masks[m],
                         ok ? "accepted" : v.reason);
            if (ok)
                assert_memory_equal(&v, &f.good, sizeof v);
            refused += !ok;
        }
    }
    assert_true(refused >= n_masks * 500);
    unload(&f);
}

static void test_every_flipped_byte(void **state)
{
    static const uint8_t bits[] = {1, 2, 4, 8, 16, 32, 64, 128, 255}, all[] = {255, 1};

    (void)state;
    flip_all("rsa-public.claim", "aik.bcrypt", "aik.der", bits, sizeof bits);
    flip_all("rsa.claim", "aik.bcrypt", "aik.der", all, sizeof all);
    flip_all("rsa-tss.claim", NULL, "aik.der", all, sizeof all);
    flip_all("pss-tss.claim", NULL, "pss.der", all, sizeof all);
    flip_all("ecc-tss.claim", NULL, "ecc.der", all, sizeof all);
}

static void flip_item(struct fixture *f, struct pke_bytes item, const char *name)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)item.p;
    struct attest_verdict v;

    for (size_t i = 0; i < item.n; i++)
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            bytes[i] ^= (uint8_t)bit;
            if (accepted(f, &v))
                fail_msg("%s: bit %02x of byte %zu flipped: accepted", name, bit, i);
            bytes[i] ^= (uint8_t)bit;
        }
}

static void test_every_flipped_byte_of_the_aik(void **state)
{
    struct fixture f;

    (void)state;
    load(&f, "rsa.claim", "aik.bcrypt", "aik.der");
    flip_item(&f, f.in.aik_pub, "AIKPub");
    flip_item(&f, f.in.aik_cert, "AIKCert");
    unload(&f);
}

/* A copy of just so many bytes: a sanitizer sees a read behind them. */
static void cut_item(struct fixture *f, struct pke_bytes *item, const char *name)
{
    struct pke_bytes whole = *item;
    struct attest_verdict v;

    for (size_t n = 1; n <= whole.n + 1; n++) {
        uint8_t *part = pke_calloc(1, n);

        memcpy(part, whole.p, n < whole.n ? n : whole.n);
        *item = PKE_BYTES(part, n);
        if (accepted(f, &v) != (n == whole.n))
            fail_msg("%s of %zu bytes with %zu: %s", name, whole.n, n, v.reason);
        free(part);
    }
    *item = whole;
}

static void test_every_length(void **state)
{
    static const char *const claims[] = {"rsa.claim", "rsa-public.claim", "rsa-area.claim", "rsa-tss.claim"};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(claims); i++) {
        load(&f, claims[i], "aik.bcrypt", "aik.der");
        cut_item(&f, &f.in.claim, claims[i]);
        if (i == 0) {
            cut_item(&f, &f.in.aik_pub, "AIKPub");
            cut_item(&f, &f.in.aik_cert, "AIKCert");
        }
        unload(&f);
    }
}

/* Each size in the header of claim and key blob, as large as it gets: no sum wraps around. */
static void test_huge_sizes(void **state)
{
    static const uint32_t sizes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    struct fixture f;
    struct attest_verdict v;

    (void)state;
    load(&f, "rsa.claim", "aik.bcrypt", "aik.der");
    for (size_t field = 0; field < 6 + 13; field++) {
        size_t blob = CLAIM_HEADER + le32(f.in.claim.p + 12) + le32(f.in.claim.p + 16);
        size_t at = field < 6 ? 4 * field : blob + 4 * (field - 6);
        uint8_t *p = (uint8_t *)(uintptr_t)f.in.claim.p + at, saved[4];

        memcpy(saved, p, 4);
        for (size_t s = 0; s < PKE_LEN(sizes); s++) {
            bool same;

            for (int b = 0; b < 4; b++)
                p[b] = (uint8_t)(sizes[s] >> 8 * b);
            same = memcmp(saved, p, 4) == 0 || field == 6 + 3; /* its flags mean nothing to us */
            assert_int_equal(accepted(&f, &v), same);
            memcpy(p, saved, 4);
        }
    }
    unload(&f);
}

/* ---- the rest ---- */

static void test_intermediates_from_the_device(void **state)
{
    struct fixture f;
    struct pke_bytes leaf = attest_data("aik-sub.der"), sub = attest_data("sub.der");
    struct attest_verdict v;
    struct pke_buf both;
    char fingerprint[65];

    (void)state;
    load(&f, "rsa.claim", "aik.bcrypt", "aik.der");
    attest_data_free(f.in.aik_cert);
    f.in.aik_cert = leaf;
    assert_false(accepted(&f, &v));
    memcpy(fingerprint, v.aik_sha256, sizeof fingerprint);
    pke_buf_init(&both, 65536);
    pke_buf_add_bytes(&both, leaf);
    pke_buf_add_bytes(&both, sub);
    f.in.aik_cert = pke_buf_bytes(&both);
    assert_true(accepted(&f, &v));
    assert_string_equal(v.aik_sha256, fingerprint); /* of the first one */
    pke_buf_add_u8(&both, 0);
    f.in.aik_cert = pke_buf_bytes(&both);
    assert_false(accepted(&f, &v));
    pke_buf_done(&both);
    attest_data_free(sub);
    f.in.aik_cert = leaf;
    unload(&f);
}

/* An intermediate in the file vouches for nothing by itself. */
static void test_roots(void **state)
{
    static const char *const bad[] = {"sub.pem", "aik.der"};
    struct attest_roots *roots;
    struct pke_fail fail;
    struct pke_bytes good = attest_data("roots.pem");
    struct pke_buf text;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad); i++) {
        struct pke_bytes pem = attest_data(bad[i]);

        assert_int_equal(attest_roots_new(pem, true, &roots, &fail), PKE_CONFIG);
        assert_string_equal(fail.reason, "attest-roots");
        attest_data_free(pem);
    }
    assert_int_equal(attest_roots_new(PKE_BYTES("", 0), true, &roots, &fail), PKE_CONFIG);
    pke_buf_init(&text, 65536); /* a broken one behind a good one is not passed over */
    pke_buf_add_bytes(&text, good);
    pke_buf_add_str(&text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_int_equal(attest_roots_new(pke_buf_bytes(&text), true, &roots, &fail), PKE_CONFIG);
    pke_buf_done(&text);
    attest_data_free(good);
    attest_roots_free(NULL);
}

static void test_line(void **state)
{
    struct fixture f;
    struct pke_buf line;
    struct attest_verdict none = {.result = ATTEST_ABSENT, .reason = "attest-absent"};

    (void)state;
    load(&f, "rsa.claim", "aik.bcrypt", "aik.der");
    pke_buf_init(&line, 1024);
    attest_verdict_text(&f.good, &line);
    assert_int_equal(strncmp(pke_buf_cstr(&line), "attested aik=sha256:", 20), 0);
    assert_non_null(strstr(pke_buf_cstr(&line), " key=000b"));
    assert_non_null(strstr(pke_buf_cstr(&line), " extra="));
    assert_non_null(strstr(pke_buf_cstr(&line), " freshness=unproven"));
    assert_int_equal(strlen(f.good.key_name), 68);
    pke_buf_clear(&line);
    attest_verdict_text(&none, &line);
    assert_string_equal(pke_buf_cstr(&line), "absent reason=attest-absent");
    pke_buf_done(&line);
    unload(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_every_flipped_byte),
        cmocka_unit_test(test_every_flipped_byte_of_the_aik),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_huge_sizes),
        cmocka_unit_test(test_intermediates_from_the_device),
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
