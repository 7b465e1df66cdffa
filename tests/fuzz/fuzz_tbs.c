/* SPDX-License-Identifier: Apache-2.0 */
/* What a compromised issuer asks the key role to sign: what the floor lets through is no CA and has no
 * name outside the bounds, as OpenSSL reads it. */
#include "tests/fuzz/fuzz_leaf.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct ca_floor *floor = fuzz_floor();
    struct pke_fail fail = {0};
    struct ca_tbs *tbs = pke_arena_alloc(arena, sizeof *tbs);

    if (fuzz_said(ca_tbs_decode(in, tbs, &fail), &fail))
        fuzz_tbs_again(tbs, in);
    if (fuzz_said(ca_lint(in, fuzz_lint_context(floor, in, arena), NULL, &fail), &fail))
        FUZZ_MUST(fuzz_leaf_check(in, floor));
    if (fuzz_said(ca_floor_check(floor, in, FUZZ_NOW, &fail), &fail)) {
        (void)fuzz_leaf_check(in, floor); /* only lint looks at every character and flag */
        fuzz_bounds_check(tbs);
    }
    ca_floor_free(floor);
}
