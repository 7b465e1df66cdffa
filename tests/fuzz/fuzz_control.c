/* SPDX-License-Identifier: Apache-2.0 */
/* A request of the control API: a line with the method, one with the path, one with the query, then the body.
 */
#include "tests/fuzz/fuzz_verb.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct http_request http = {.method_text = fuzz_line(&in)};
    struct control_request r = {0};
    struct pke_fail fail = {0};
    struct pke_bytes value;

    http.path = fuzz_line(&in);
    http.query = fuzz_line(&in);
    if (fuzz_said(control_request_route(&http, &r, &value, &fail), &fail) &&
        fuzz_said(control_request_args(&http, in, value, arena, &r, &fail), &fail))
        fuzz_verb_check(&r);
    control_request_done(&r);
}
