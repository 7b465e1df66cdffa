/* SPDX-License-Identifier: Apache-2.0 */
/* RequestSecurityToken, and an answer that carries the request's bytes: what is written is read back. */
#include <string.h>

#include "tests/fuzz/fuzz_mdm.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct soap_request r = {0};
    struct wstep_request rst;

    if (fuzz_envelope(in, arena, &r) && r.stage == SOAP_REQUEST_SECURITY_TOKEN && fuzz_rst(&r, arena, &rst))
        fuzz_rst_answer(&r, &rst, arena);
}
