/* SPDX-License-Identifier: Apache-2.0 */
/* A whole input and the same in pieces are read alike; the first byte says how large the pieces are. */
#include "tests/fuzz/fuzz_http_read.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct pke_bytes rest = in.n < 2 ? PKE_BYTES(NULL, 0) : PKE_BYTES(in.p + 1, in.n - 1);
    struct fuzz_http a = fuzz_http_read(rest, SIZE_MAX, arena);
    struct fuzz_http b = fuzz_http_read(rest, 1 + (in.n ? in.p[0] % 64 : 0), arena);

    FUZZ_MUST(a.result == b.result && a.used == b.used && a.status == b.status);
    if (a.result != HTTP_DONE)
        return;
    FUZZ_MUST(pke_bytes_eq(a.body, b.body) && pke_bytes_eq(a.path, b.path) && pke_bytes_eq(a.query, b.query));
    FUZZ_MUST(a.path.n && a.path.p[0] == '/' && a.body.n <= http_client_limits.body);
    FUZZ_MUST(a.head.chunked || a.body.n == a.head.content_length);
    FUZZ_MUST((a.head.method != HTTP_GET && a.head.method != HTTP_HEAD) || a.body.n == 0);
}
