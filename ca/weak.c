/* SPDX-License-Identifier: Apache-2.0 */
/* RSA moduli whose factors can be found. Order: cheap before dear. */
#include "ca/key.h"
#include "ca/ossl.h"

#define SMALL_FACTOR_LIMIT 752 /* CA/Browser BR 6.1.6 */
#define FERMAT_ROUNDS      100 /* CA/Browser BR 6.1.1.3 */

/* The vulnerable library built primes as k*M + (65537^a mod M), M a primorial: modulo each of these primes
 * such a modulus is a power of 65537, another modulus is so for all of them once in about 2^27. */
static bool roca_fingerprint(const BIGNUM *n)
{
    static const uint8_t primes[] = {3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37, 53,
                                     61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157};

    for (size_t i = 0; i < PKE_LEN(primes); i++) {
        BN_ULONG want = BN_mod_word(n, primes[i]);
        unsigned power = 1, step = 65537 % primes[i];
        bool found = false;

        do {
            found = power == want;
            power = power * step % primes[i];
        } while (!found && power != 1);
        if (!found)
            return false;
    }
    return true;
}

static bool is_prime(unsigned odd)
{
    for (unsigned d = 3; d * d <= odd; d += 2)
        if (odd % d == 0)
            return false;
    return true;
}

/* One division of the modulus by a product of primes does for all of them: 40 of them instead of 375. */
static bool small_factor(const BIGNUM *n, unsigned *factor)
{
    unsigned primes[10], count = 0; /* 3 to 29, nine primes, are the longest run of 32 bits */
    uint64_t product = 1;

    for (unsigned p = 3; p < SMALL_FACTOR_LIMIT + 2; p += 2) {
        bool end = p >= SMALL_FACTOR_LIMIT;

        if (!end && !is_prime(p))
            continue;
        if (end || product * p > UINT32_MAX) { /* BN_mod_word is fast for 32 bits */
            BN_ULONG rest = BN_mod_word(n, (BN_ULONG)product);

            for (unsigned i = 0; i < count; i++) {
                *factor = primes[i];
                if (rest % primes[i] == 0)
                    return true;
            }
            product = 1;
            count = 0;
        }
        product *= p;
        primes[count++] = p;
    }
    return false;
}

static void check(int done)
{
    if (done != 1)
        pke_oom(); /* arithmetic of this size fails only without memory */
}

/* Floor of the square root, by Newton's method from above. */
static void square_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *next;

    BN_CTX_start(ctx);
    next = BN_CTX_get(ctx);
    check(next != NULL);
    check(BN_set_word(root, 1));
    check(BN_lshift(root, root, (BN_num_bits(n) + 1) / 2));
    for (;;) {
        check(BN_div(next, NULL, n, root, ctx));
        check(BN_add(next, next, root));
        check(BN_rshift1(next, next));
        if (BN_cmp(next, root) >= 0)
            break;
        check(BN_copy(root, next) != NULL);
    }
    BN_CTX_end(ctx);
}

static bool residue(unsigned value, unsigned modulus)
{
    for (unsigned i = 0; i <= modulus / 2; i++)
        if (i * i % modulus == value)
            return true;
    return false;
}

/* What a square can be modulo 64, and modulo 63, 65 and 11: no for all but one number in a hundred. */
#define SQUARES_MOD_64 UINT64_C(0x0202021202030213)
#define MODULUS        (64 * 63 * 65 * 11)

static bool may_be_square(unsigned r)
{
    return (SQUARES_MOD_64 >> (r % 64) & 1) && residue(r % 63, 63) && residue(r % 65, 65) &&
           residue(r % 11, 11);
}

static bool is_root(const BIGNUM *a, const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *square;
    bool ret;

    BN_CTX_start(ctx);
    square = BN_CTX_get(ctx);
    check(square != NULL);
    check(BN_sqr(square, a, ctx));
    ret = BN_cmp(square, n) == 0;
    BN_CTX_end(ctx);
    return ret;
}

/* Is a^2 - n a perfect square? */
static bool is_square(const BIGNUM *n, const BIGNUM *a, BN_CTX *ctx)
{
    BIGNUM *b2, *root;
    bool ret;

    BN_CTX_start(ctx);
    b2 = BN_CTX_get(ctx), root = BN_CTX_get(ctx);
    check(root != NULL);
    check(BN_sqr(b2, a, ctx));
    check(BN_sub(b2, b2, n));
    ret = BN_is_zero(b2);
    if (!ret) {
        square_root(root, b2, ctx);
        ret = is_root(root, b2, ctx);
    }
    BN_CTX_end(ctx);
    return ret;
}

/* n = a^2 - b^2 for an a at or just above the square root of n. The candidates are walked in small numbers;
 * only what may be a square by its residue is computed. */
static bool fermat(const BIGNUM *n, BN_CTX *ctx)
{
    unsigned n_rest = (unsigned)BN_mod_word(n, MODULUS), a_rest;
    bool found;
    BIGNUM *a;

    BN_CTX_start(ctx);
    a = BN_CTX_get(ctx);
    check(a != NULL);
    square_root(a, n, ctx);
    found = is_root(a, n, ctx);
    a_rest = (unsigned)BN_mod_word(a, MODULUS);
    for (unsigned round = 0; !found && round < FERMAT_ROUNDS; round++) {
        uint64_t r;

        check(BN_add_word(a, 1));
        a_rest = (a_rest + 1) % MODULUS;
        r = ((uint64_t)a_rest * a_rest + MODULUS - n_rest) % MODULUS;
        found = may_be_square((unsigned)r) && is_square(n, a, ctx);
    }
    BN_CTX_end(ctx);
    return found;
}

enum pke_err ca_key_weak_modulus(struct pke_bytes modulus, struct pke_fail *fail)
{
    PKE_CLEANUP(BN_CTX_free_p) BN_CTX *ctx = BN_CTX_new();
    PKE_CLEANUP(BN_free_p) BIGNUM *n = BN_bin2bn(modulus.p, (int)modulus.n, NULL);
    unsigned factor;

    check(ctx != NULL && n != NULL);
    if (roca_fingerprint(n))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-roca", "CVE-2017-15361, BR 6.1.1.3",
                            "the modulus has the ROCA fingerprint: a flawed smart card or TPM made it");
    if (small_factor(n, &factor))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-small-factor", "BR 6.1.6",
                            "the modulus is divisible by %u", factor);
    if (fermat(n, ctx))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-fermat", "BR 6.1.1.3",
                            "the factors of the modulus are so close that Fermat's method finds them");
    return PKE_OK;
}
