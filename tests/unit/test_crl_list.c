/* SPDX-License-Identifier: Apache-2.0 */
/* The revoked certificates of an issuer in memory: changes in any order become entries in the order of their
 * serials, and what was told for good leaves (RFC 5280 3.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "daemon/issuer/crl_list.h"

#define NOW 1900000000
#define DAY 86400

static void put(struct crl_list *l, int64_t change, uint8_t serial, unsigned reason, bool released)
{
    struct ledger_revocation r = {.change = change,
                                  .serial = {serial},
                                  .serial_n = 1,
                                  .not_after = NOW + 100 * DAY,
                                  .revoked_at = (int64_t)NOW * 1000,
                                  .released_at = released ? (int64_t)NOW * 1000 : 0,
                                  .reason = reason};

    crl_list_add(l, &r);
}

/* The serials as text, "!" behind one that is removed. */
static const char *encoded(const struct crl_list *l, bool delta, int64_t after)
{
    static char text[200];
    struct pke_buf b;
    struct pke_cursor at;
    struct ca_crl_entry e;
    uint64_t n = 0, bad = 0, seen = 0;
    size_t k = 0;

    pke_buf_init(&b, CA_CRL_MAX);
    for (size_t row = 0; row < l->n_sorted;) /* two at a time: the pieces make the whole */
        assert_int_equal(crl_list_encode(l, delta, after, 2, &row, &b, &n, &bad), PKE_OK);
    assert_int_equal(bad, 0);
    at = pke_cursor_of(pke_buf_bytes(&b));
    for (; ca_crl_next(&at, &e, NULL) == PKE_OK; seen++) {
        text[k++] = (char)e.serial.p[0];
        if (e.reason == CA_REASON_REMOVE)
            text[k++] = '!';
    }
    assert_int_equal(seen, n);
    text[k] = '\0';
    pke_buf_done(&b);
    return text;
}

static const struct crl_horizon none = {0};

static void test_order(void **state)
{
    struct crl_list l = {0};

    (void)state;
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, false, 0), "");
    put(&l, 1, 'c', 1, false);
    put(&l, 2, 'a', 1, false);
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, false, 0), "ac");
    put(&l, 3, 'b', 1, false);
    put(&l, 4, 'd', 1, false);
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, false, 0), "abcd");
    assert_int_equal(l.change, 4);
    assert_int_equal(crl_list_revoked(&l), 4);
    crl_list_done(&l);
}

static void test_the_latest_change_counts(void **state)
{
    struct crl_list l = {0};

    (void)state;
    put(&l, 1, 'a', 6, false);
    put(&l, 2, 'a', 6, true);
    put(&l, 3, 'b', 6, false);
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, false, 0), "b");
    assert_string_equal(encoded(&l, true, 0), "a!b");
    assert_string_equal(encoded(&l, true, 2), "b");
    put(&l, 4, 'a', 1, false);
    put(&l, 5, 'b', 6, true);
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, false, 0), "a");
    assert_string_equal(encoded(&l, true, 3), "ab!");
    put(&l, 0, 'a', 6, false); /* carried from an older list: the ledger knows better */
    crl_list_settle(&l, &none);
    assert_string_equal(encoded(&l, true, 3), "ab!");
    crl_list_done(&l);
}

static void test_expired_leave_after_one_more(void **state)
{
    struct crl_list l = {0};
    struct crl_horizon h = {.full_this_update = NOW + 101 * DAY, .full_change = 0, .base_change = 0};

    (void)state;
    put(&l, 1, 'a', 1, false);
    crl_list_settle(&l, &h);
    assert_string_equal(encoded(&l, false, 0), "a"); /* no list of after its end has had it */
    h.full_change = 1;
    h.full_this_update = NOW + 99 * DAY;
    crl_list_settle(&l, &h);
    assert_string_equal(encoded(&l, false, 0), "a");
    h.full_this_update = NOW + 101 * DAY;
    crl_list_settle(&l, &h);
    assert_string_equal(encoded(&l, false, 0), "");
    assert_int_equal(l.n, 0);
    assert_int_equal(l.change, 1); /* and is not read again */
    crl_list_done(&l);
}

static void test_released_leave_after_the_last_base(void **state)
{
    struct crl_list l = {0};
    struct crl_horizon h = {.base_change = 1};

    (void)state;
    put(&l, 2, 'a', 6, true);
    crl_list_settle(&l, &h);
    assert_int_equal(l.n, 1);
    h.base_change = 2;
    crl_list_settle(&l, &h);
    assert_int_equal(l.n, 0);
    crl_list_done(&l);
}

/* One bad row of the ledger takes no list down. */
static void test_a_bad_row_is_left_out(void **state)
{
    struct crl_list l = {0};
    struct pke_buf b;
    uint64_t n = 0, bad = 0;
    size_t row = 0;

    (void)state;
    put(&l, 1, 'a', 1, false);
    put(&l, 2, 0, 1, false);   /* serial 0 */
    put(&l, 3, 'b', 7, false); /* no reason */
    put(&l, 4, 'c', 1, false);
    crl_list_settle(&l, &none);
    pke_buf_init(&b, CA_CRL_MAX);
    assert_int_equal(crl_list_encode(&l, false, 0, SIZE_MAX, &row, &b, &n, &bad), PKE_OK);
    assert_int_equal(row, l.n_sorted);
    assert_int_equal(n, 2);
    assert_int_equal(bad, 2);
    pke_buf_done(&b);
    pke_buf_init(&b, 40);
    row = 0;
    assert_int_equal(crl_list_encode(&l, false, 0, SIZE_MAX, &row, &b, &n, &bad), PKE_LIMIT);
    pke_buf_done(&b);
    crl_list_done(&l);
}

/* Against a list that is kept in the dullest way. */
static void test_random(void **state)
{
    struct {
        int64_t change;
        bool released;
    } plain[256] = {{0, false}};
    struct crl_list l = {0};
    char want[600];

    (void)state;
    srand(7);
    for (int64_t change = 1; change < 3000; change++) {
        uint8_t serial = (uint8_t)('A' + rand() % 50);

        plain[serial].change = change;
        plain[serial].released = rand() % 3 == 0;
        put(&l, change, serial, plain[serial].released ? 6 : 1, plain[serial].released);
        if (rand() % 20)
            continue;
        int64_t after = rand() % change;
        size_t k = 0;

        for (unsigned i = 0; i < 256; i++)
            if (plain[i].change > after) {
                want[k++] = (char)i;
                if (plain[i].released)
                    want[k++] = '!';
            }
        want[k] = '\0';
        crl_list_settle(&l, &none);
        assert_string_equal(encoded(&l, true, after), want);
    }
    crl_list_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_the_latest_change_counts),
        cmocka_unit_test(test_expired_leave_after_one_more),
        cmocka_unit_test(test_released_leave_after_the_last_base),
        cmocka_unit_test(test_a_bad_row_is_left_out),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("crl_list", tests, NULL, NULL);
}
