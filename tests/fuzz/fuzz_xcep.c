/* SPDX-License-Identifier: Apache-2.0 */
/* GetPolicies, and an answer with the request's own texts in it: what is written is read back. */
#include <string.h>

#include "tests/fuzz/fuzz_mdm.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct soap_request r = {0};
    struct xcep_request facts;
    struct pke_buf out;

    if (!fuzz_envelope(in, arena, &r) || r.stage != SOAP_GET_POLICIES ||
        !fuzz_get_policies(&r, arena, &facts))
        return;
    pke_buf_init(&out, 65536);
    if (fuzz_policy_write(r.message_id, facts.tpm_manufacturer, in, arena, &out)) {
        const struct xml_node *answer = fuzz_reply(&r, &out, arena);
        FUZZ_MUST(strcmp(fuzz_text(answer, "policyID", arena), r.message_id) == 0);
        FUZZ_MUST(strcmp(fuzz_text(answer, "commonName", arena), facts.tpm_manufacturer) == 0);
    }
    pke_buf_done(&out);
}
