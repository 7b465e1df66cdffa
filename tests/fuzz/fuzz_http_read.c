/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_http_read.h"

#include <stdlib.h>
#include <string.h>

static enum http_result feed(struct http_reader *r, struct pke_bytes in, size_t step, size_t *used)
{
    enum http_result result = HTTP_MORE;
    size_t at = 0, took;

    while (at < in.n && result < HTTP_DONE) {
        size_t piece = step < in.n - at ? step : in.n - at;
        uint8_t *copy = malloc(piece);

        FUZZ_MUST(copy);
        memcpy(copy, in.p + at, piece);
        result = http_reader_feed(r, PKE_BYTES(copy, piece), &took);
        free(copy);
        FUZZ_MUST(took <= piece && (took == piece || result != HTTP_MORE));
        at += took;
        if (result == HTTP_HEAD_DONE)
            result = http_reader_feed(r, PKE_BYTES(NULL, 0), &took);
    }
    *used = at;
    return result;
}

struct fuzz_http fuzz_http_read(struct pke_bytes in, size_t step, struct pke_arena *arena)
{
    struct http_reader *r = http_reader_new(&http_client_limits);
    struct fuzz_http f = {0};

    f.result = feed(r, in, step, &f.used);
    f.head = *http_reader_request(r);
    if (f.result == HTTP_ERROR) {
        f.status = http_reader_status(r);
        FUZZ_MUST(f.status >= 400 && f.status <= 505 && http_reader_why(r)[0] && http_reason(f.status)[0]);
    }
    if (f.result == HTTP_DONE) {
        f.method = pke_arena_bytes(arena, f.head.method_text);
        f.path = pke_arena_bytes(arena, f.head.path);
        f.query = pke_arena_bytes(arena, f.head.query);
        f.body = pke_arena_bytes(arena, http_reader_body(r));
    }
    http_reader_free(r);
    return f;
}
