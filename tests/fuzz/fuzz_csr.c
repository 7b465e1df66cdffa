/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate request of an authenticated client: parse, screen, proof of possession, under the widest
 * rules. */
#include <stdlib.h>

#include "ca/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ca_csr_rules rules = {2048, 8192, true, true, NULL, 0};
    struct pke_arena *arena = pke_arena_new();
    struct ca_csr csr;
    struct pke_fail fail = {0};
    enum pke_err err = ca_csr_check(PKE_BYTES(data, size), &rules, arena, &csr, &fail);

    if (err != fail.err || (err != PKE_OK && !fail.reason[0]))
        abort(); /* refused without saying why */
    if (err == PKE_OK && (csr.der.n != size || csr.spki.p < data || csr.spki.p + csr.spki.n > data + size))
        abort();
    pke_arena_free(arena);
    return 0;
}
