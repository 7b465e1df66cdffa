/* SPDX-License-Identifier: Apache-2.0 */
/* A record under the right seal is read and written again without a change; without it, or with one bit of it
 * turned, it is refused. */
#include "tests/fuzz/fuzz_seal.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct pke_bytes sealed = fuzz_sealed(in, arena);
    uint8_t *turned = (uint8_t *)pke_arena_str(arena, sealed);
    size_t at = in.n ? (in.p[in.n / 2] * 257u + in.n) % sealed.n : 0;

    FUZZ_MUST(!fuzz_assertion_rewrite(in, arena, NULL));
    turned[at] ^= (uint8_t)(1 << (in.n % 8));
    FUZZ_MUST(!fuzz_assertion_rewrite(PKE_BYTES(turned, sealed.n), arena, NULL));
    fuzz_stable(fuzz_assertion_rewrite, sealed, 65536, arena);
}
