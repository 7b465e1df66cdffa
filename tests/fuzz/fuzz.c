/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pke_arena *arena = pke_arena_new();

    fuzz_one(PKE_BYTES(data, size), arena);
    pke_arena_free(arena);
    return 0;
}

void fuzz_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

bool fuzz_said(enum pke_err err, const struct pke_fail *fail)
{
    if (err == PKE_OK)
        return true;
    FUZZ_MUST(fail->err == err && fail->reason[0] && fail->rule[0] && fail->text[0]);
    return false;
}

void fuzz_stable(fuzz_rewrite_fn *rewrite, struct pke_bytes in, size_t max, struct pke_arena *arena)
{
    struct pke_buf first, second;

    pke_buf_init(&first, 8 * max);
    pke_buf_init(&second, 8 * max);
    if (rewrite(in, arena, &first) && first.n <= max)
        FUZZ_MUST(rewrite(pke_buf_bytes(&first), arena, &second) &&
                  pke_bytes_eq(pke_buf_bytes(&first), pke_buf_bytes(&second)));
    pke_buf_done(&first);
    pke_buf_done(&second);
}
