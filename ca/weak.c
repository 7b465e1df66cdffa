/* SPDX-License-Identifier: Apache-2.0 */
/* RSA moduli whose factors can be found. Order: cheap before dear (microseconds: 2, 100, about 50). */
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

static bool small_factor(const BIGNUM *n, unsigned *factor)
{
    for (*factor = 3; *factor < SMALL_FACTOR_LIMIT; *factor += 2)
        if (BN_mod_word(n, *factor) == 0)
            return true;
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

/* Perfect square? Residues answer no for all but one candidate in a hundred before a root is taken. */
static bool is_square(const BIGNUM *n, BIGNUM *root, BIGNUM *square, BN_CTX *ctx)
{
    unsigned r;

    if (BN_is_zero(n))
        return true;
    if (!residue((unsigned)BN_mod_word(n, 64), 64))
        return false;
    r = (unsigned)BN_mod_word(n, 63 * 65 * 11);
    if (!residue(r % 63, 63) || !residue(r % 65, 65) || !residue(r % 11, 11))
        return false;
    square_root(root, n, ctx);
    check(BN_sqr(square, root, ctx));
    return BN_cmp(square, n) == 0;
}

/* n = a^2 - b^2 for an a just above the square root of n. */
static bool fermat(const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *a, *b2, *t, *u;
    bool found;

    BN_CTX_start(ctx);
    a = BN_CTX_get(ctx), b2 = BN_CTX_get(ctx), t = BN_CTX_get(ctx), u = BN_CTX_get(ctx);
    check(u != NULL);
    square_root(a, n, ctx);
    check(BN_sqr(b2, a, ctx));
    found = BN_cmp(b2, n) == 0;
    check(BN_add_word(a, 1));
    check(BN_sqr(b2, a, ctx));
    check(BN_sub(b2, b2, n));
    for (unsigned round = 0; !found && round < FERMAT_ROUNDS; round++) {
        found = is_square(b2, t, u, ctx);
        /* (a + 1)^2 - n = (a^2 - n) + 2a + 1 */
        check(BN_lshift1(t, a));
        check(BN_add(b2, b2, t));
        check(BN_add_word(b2, 1));
        check(BN_add_word(a, 1));
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
