/* SPDX-License-Identifier: Apache-2.0 */
/* Request bytes of an unauthenticated client: envelope, then the stage's decoder. */
#include "tests/fuzz/fuzz_mdm.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct soap_request r = {0};
    struct xcep_request policies;
    struct wstep_request rst;

    if (fuzz_envelope(in, arena, &r))
        (void)(r.stage == SOAP_GET_POLICIES ? fuzz_get_policies(&r, arena, &policies)
                                            : fuzz_rst(&r, arena, &rst));
}
