/* SPDX-License-Identifier: Apache-2.0 */
/* The ContextItems of a RequestSecurityToken that is right but for them. */
#include "tests/fuzz/fuzz_mdm.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct soap_request r = {0};
    struct wstep_request rst;
    struct pke_buf envelope;

    fuzz_rst_around(in, &envelope);
    if (fuzz_envelope(pke_buf_bytes(&envelope), arena, &r))
        (void)fuzz_rst(&r, arena, &rst);
    pke_buf_done(&envelope);
}
