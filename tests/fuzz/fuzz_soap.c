/* SPDX-License-Identifier: Apache-2.0 */
/* Request bytes of an unauthenticated client: envelope, then the stage's decoder. */
#include "proto/wstep.h"
#include "proto/xcep.h"
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct soap_parser *parser;
    struct pke_arena *arena = pke_arena_new();
    struct soap_request r;
    struct xcep_request policy;
    struct wstep_request rst;
    parser = parser ? parser : soap_parser_new();
    if (soap_request_parse(parser, PKE_BYTES(data, size), arena, &r, NULL) == PKE_OK)
        (void)(r.stage == SOAP_GET_POLICIES ? xcep_request_read(r.body, arena, &policy, NULL)
                                            : wstep_request_read(r.body, arena, &rst, NULL));
    pke_arena_free(arena);
    return 0;
}
