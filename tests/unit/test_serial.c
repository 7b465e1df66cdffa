/* SPDX-License-Identifier: Apache-2.0 */
/* Serial numbers: 120 bits of chance behind a prefix, always 16 octets; never again after fork() or with an
 * older ledger put back (goal R2; attacks A40). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>

#include "base/mem.h"
#include "ca/cert.h"

#define N     100000
#define SIGMA 158.2 /* sqrt(N) / 2 */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, CA_SERIAL_SIZE);
}

static void no_two_alike(uint8_t (*serials)[CA_SERIAL_SIZE], size_t n)
{
    qsort(serials, n, CA_SERIAL_SIZE, compare);
    for (size_t i = 1; i < n; i++)
        assert_int_not_equal(memcmp(serials[i - 1], serials[i], CA_SERIAL_SIZE), 0);
}

/* Each of the 120 bits within 6 sigma of one half, none twice. At 4, a good generator fails in one run of
 * 130. */
static void every_bit_is_chance(void **state)
{
    uint8_t(*serials)[CA_SERIAL_SIZE] = pke_calloc(N, CA_SERIAL_SIZE);
    unsigned ones[CA_SERIAL_SIZE * 8] = {0};

    (void)state;
    for (size_t i = 0; i < N; i++) {
        ca_serial_new(0x5a, serials[i]);
        assert_int_equal(serials[i][0], 0x5a);
        for (size_t k = 8; k < CA_SERIAL_SIZE * 8; k++)
            ones[k] += serials[i][k / 8] >> (7 - k % 8) & 1;
    }
    for (size_t k = 8; k < CA_SERIAL_SIZE * 8; k++)
        assert_in_range(ones[k], (unsigned)(N / 2 - 6 * SIGMA), (unsigned)(N / 2 + 6 * SIGMA));
    no_two_alike(serials, N);
    free(serials);
}

/* DER of all 127 prefixes is 02 10 and the octets as they are: positive, no padding, none left out. */
static void always_sixteen_octets(void **state)
{
    uint8_t serial[CA_SERIAL_SIZE];

    (void)state;
    assert_int_equal(CA_SERIAL_SIZE, 16);
    for (unsigned node = 1; node <= 0x7f; node++) {
        unsigned char *der = NULL;
        ASN1_INTEGER *n;
        BIGNUM *bn;

        ca_serial_new((uint8_t)node, serial);
        bn = BN_bin2bn(serial, sizeof serial, NULL);
        n = BN_to_ASN1_INTEGER(bn, NULL);
        assert_int_equal(i2d_ASN1_INTEGER(n, &der), 18);
        assert_int_equal(der[0], 0x02);
        assert_int_equal(der[1], 16);
        assert_int_equal(der[2], node);
        assert_memory_equal(der + 2, serial, sizeof serial);
        OPENSSL_free(der);
        ASN1_INTEGER_free(n);
        BN_free(bn);
    }
}

/* No other prefix: 0 would be shorter, 80 and above negative. */
static void other_prefixes_abort(void **state)
{
    static const uint8_t nodes[] = {0x00, 0x80, 0xff};

    (void)state;
    for (size_t i = 0; i < PKE_LEN(nodes); i++) {
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            uint8_t serial[CA_SERIAL_SIZE];

            signal(SIGABRT, SIG_DFL);
            ca_serial_new(nodes[i], serial);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* Processes with one memory, and so one state of the generator, draw different numbers: what comes back with
 * a snapshot of the ledger does not bring old numbers back, for nothing of a number is in the ledger but its
 * prefix. */
static void never_again_after_fork(void **state)
{
    enum { CHILDREN = 8, EACH = 500 };
    uint8_t(*serials)[CA_SERIAL_SIZE] = pke_calloc((CHILDREN + 1) * EACH, CA_SERIAL_SIZE);

    (void)state;
    ca_serial_new(1, serials[0]); /* the generator is seeded */
    for (size_t i = 0; i < CHILDREN; i++) {
        size_t want = EACH * (size_t)CA_SERIAL_SIZE, got = 0;
        int ends[2], status;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (size_t k = 0; k < EACH; k++) {
                uint8_t serial[CA_SERIAL_SIZE];

                ca_serial_new(1, serial);
                if (write(ends[1], serial, sizeof serial) != (ssize_t)sizeof serial)
                    _exit(1);
            }
            _exit(0);
        }
        close(ends[1]);
        while (got < want) {
            ssize_t n = read(ends[0], (uint8_t *)serials[i * EACH] + got, want - got);

            assert_true(n > 0);
            got += (size_t)n;
        }
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    for (size_t k = 0; k < EACH; k++)
        ca_serial_new(1, serials[(size_t)CHILDREN * EACH + k]);
    no_two_alike(serials, (size_t)(CHILDREN + 1) * EACH);
    free(serials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_is_chance),
        cmocka_unit_test(always_sixteen_octets),
        cmocka_unit_test(other_prefixes_abort),
        cmocka_unit_test(never_again_after_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
