/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/: frames and records; random round trips with a printed seed, every truncation and bit flip survives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "ipc/frame.h"
#include "ipc/record.h"

struct sample {
    uint64_t number;
    const char *text, *absent;
    struct pke_bytes blob;
    struct pke_fail fail;
    struct pke_pairs pairs;
    struct pke_blobs blobs;
};

static const struct ipc_field fields[] = {
    {1, IPC_U64, offsetof(struct sample, number), true},
    {2, IPC_STR, offsetof(struct sample, text), true},
    {3, IPC_STR, offsetof(struct sample, absent), false},
    {4, IPC_BYTES, offsetof(struct sample, blob), false},
    {5, IPC_FAIL, offsetof(struct sample, fail), false},
    {6, IPC_PAIRS, offsetof(struct sample, pairs), false},
    {7, IPC_BLOBS, offsetof(struct sample, blobs), false},
    {0, IPC_U64, 0, false},
};

static void make_sample(struct pke_arena *a, struct sample *s)
{
    uint8_t raw[40];

    memset(s, 0, sizeof *s);
    s->number = (uint64_t)rand() << 32 | (uint64_t)rand();
    s->text = pke_arena_printf(a, "text %d", rand());
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)rand();
    s->blob = pke_arena_bytes(a, PKE_BYTES(raw, (size_t)rand() % sizeof raw));
    pke_fail_set(&s->fail, PKE_POLICY, "reason", "rule", "because %d", rand());
    for (int i = rand() % 9; i > 0; i--)
        pke_pairs_add(&s->pairs, a, "MAC", pke_arena_printf(a, "%x", (unsigned)rand()));
    for (int i = rand() % 9; i > 0; i--)
        pke_blobs_add(&s->blobs, a, s->blob);
}

static void assert_same(const struct sample *a, const struct sample *b)
{
    assert_int_equal(a->number, b->number);
    assert_string_equal(a->text, b->text);
    assert_null(b->absent);
    assert_true(pke_bytes_eq(a->blob, b->blob));
    assert_string_equal(a->fail.text, b->fail.text);
    assert_int_equal(a->fail.err, b->fail.err);
    assert_int_equal(a->pairs.n, b->pairs.n);
    for (size_t i = 0; i < a->pairs.n; i++)
        assert_string_equal(a->pairs.v[i].value, b->pairs.v[i].value);
    assert_int_equal(a->blobs.n, b->blobs.n);
}

static void test_record_round_trip(void **state)
{
    const char *given = getenv("PKE_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    (void)state;
    printf("# seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 200; i++) {
        struct pke_arena *a = pke_arena_new();
        struct sample in, out;
        struct pke_buf b;
        struct pke_fail fail;

        make_sample(a, &in);
        pke_buf_init(&b, 65536);
        assert_int_equal(ipc_record_write(fields, &in, &b), PKE_OK);
        assert_int_equal(ipc_record_read(fields, pke_buf_bytes(&b), a, &out, sizeof out, &fail), PKE_OK);
        assert_same(&in, &out);
        for (size_t cut = 0; cut < b.n; cut++) { /* every truncation ends cleanly; most are refused */
            struct pke_bytes part = PKE_BYTES(b.p, cut);
            (void)ipc_record_read(fields, part, a, &out, sizeof out, &fail);
        }
        for (int flip = 0; flip < 50; flip++) {
            b.p[(size_t)rand() % b.n] ^= (uint8_t)(1 << rand() % 8);
            (void)ipc_record_read(fields, pke_buf_bytes(&b), a, &out, sizeof out, &fail);
        }
        pke_buf_done(&b);
        pke_arena_free(a);
    }
}

static enum pke_err read_one(uint16_t tag, const char *value, size_t n, unsigned times, bool with_required)
{
    struct pke_arena *a = pke_arena_new();
    struct sample out;
    struct pke_fail fail;
    struct pke_buf b;
    enum pke_err err;

    pke_buf_init(&b, 65536);
    if (with_required) {
        ipc_tlv_write(&b, 1, PKE_BYTES("\0\0\0\0\0\0\0\1", 8));
        ipc_tlv_write(&b, 2, PKE_BYTES("t", 1));
    }
    for (unsigned i = 0; i < times; i++)
        ipc_tlv_write(&b, tag, PKE_BYTES(value, n));
    err = ipc_record_read(fields, pke_buf_bytes(&b), a, &out, sizeof out, &fail);
    pke_buf_done(&b);
    pke_arena_free(a);
    return err;
}

static void test_record_refuses(void **state)
{
    (void)state;
    assert_int_equal(read_one(3, "x", 1, 1, true), PKE_OK);
    assert_int_equal(read_one(3, "x", 1, 1, false), PKE_MALFORMED);       /* required fields missing */
    assert_int_equal(read_one(9, "x", 1, 1, true), PKE_MALFORMED);        /* unknown tag */
    assert_int_equal(read_one(3, "x", 1, 2, true), PKE_MALFORMED);        /* repeated scalar */
    assert_int_equal(read_one(3, "a\0b", 3, 1, true), PKE_MALFORMED);     /* NUL in a string */
    assert_int_equal(read_one(1, "1234567", 7, 1, false), PKE_MALFORMED); /* short integer */
    assert_int_equal(read_one(6, "novalue", 7, 1, true), PKE_MALFORMED);  /* pair without separator */
    assert_int_equal(read_one(6, "n\0v", 3, IPC_MAX_ITEMS, true), PKE_OK);
    assert_int_equal(read_one(6, "n\0v", 3, IPC_MAX_ITEMS + 1, true), PKE_MALFORMED);
    assert_int_equal(read_one(5, "policy\0r\0u\0", 11, 1, true),
                     PKE_MALFORMED); /* three strings instead of four */
}

static void test_frame_needs_all_its_bytes(void **state)
{
    struct pke_buf b;
    struct ipc_frame f;
    size_t used;

    (void)state;
    pke_buf_init(&b, 1000);
    ipc_frame_write(&b, 7, 42, false, pke_bytes_str("hello"));
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(ipc_frame_read(PKE_BYTES(b.p, n), 100, &f, &used), PKE_NOT_FOUND);
    assert_int_equal(ipc_frame_read(pke_buf_bytes(&b), 100, &f, &used), PKE_OK);
    assert_int_equal(used, b.n);
    assert_int_equal(f.kind, 7);
    assert_int_equal(f.id, 42);
    assert_true(pke_bytes_eq_str(f.payload, "hello"));
    assert_int_equal(ipc_frame_read(pke_buf_bytes(&b), 4, &f, &used), PKE_LIMIT);
    b.p[7] = 9;
    assert_int_equal(ipc_frame_read(pke_buf_bytes(&b), 100, &f, &used), PKE_UNSUPPORTED);
    pke_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_refuses),
        cmocka_unit_test(test_frame_needs_all_its_bytes),
    };
    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
