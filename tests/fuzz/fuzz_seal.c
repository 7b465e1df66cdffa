/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const uint8_t secret[ASSERTION_KEY_SIZE] = {1, 2, 3};

struct pke_bytes fuzz_sealed(struct pke_bytes record, struct pke_arena *arena)
{
    struct pke_bytes sealed;
    struct pke_buf b;
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n;

    pke_buf_init(&b, SIZE_MAX);
    (void)pke_buf_add_str(&b, "PKA1");
    (void)pke_buf_add_bytes(&b, record);
    FUZZ_MUST(HMAC(EVP_sha256(), secret, sizeof secret, b.p, b.n, mac, &n));
    (void)pke_buf_add(&b, mac, n);
    sealed = pke_arena_bytes(arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return sealed;
}

bool fuzz_assertion_rewrite(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out)
{
    const struct pke_bytes key = PKE_BYTES(secret, sizeof secret);
    struct assertion a;
    struct pke_fail fail = {0};

    if (!fuzz_said(assertion_read(in, key, 0, arena, &a, &fail), &fail)) {
        FUZZ_MUST(fail.err == PKE_UNAUTHENTICATED && !a.principal && !a.attributes.n);
        return false;
    }
    FUZZ_MUST(a.tenant && a.principal && a.kind && a.stage && a.endpoint && a.expires > 0);
    FUZZ_MUST(a.request_hash.n == 0 || a.request_hash.n == 32);
    FUZZ_MUST(!out || assertion_write(&a, key, out) == PKE_OK);
    return true;
}
