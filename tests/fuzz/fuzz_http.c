/* SPDX-License-Identifier: Apache-2.0 */
/* The reader gives the same result for a whole input and for the same input in pieces; the first byte says
 * how large the pieces are. */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_result feed(struct http_reader *r, const uint8_t *p, size_t n, size_t step, size_t *used)
{
    enum http_result result = HTTP_MORE;
    size_t at = 0, took;

    while (at < n && result < HTTP_DONE) {
        size_t piece = step < n - at ? step : n - at;
        uint8_t *copy = malloc(piece);

        if (!copy)
            abort();
        memcpy(copy, p + at, piece);
        result = http_reader_feed(r, PKE_BYTES(copy, piece), &took);
        free(copy);
        if (took > piece || (took < piece && result == HTTP_MORE))
            abort();
        at += took;
        if (result == HTTP_HEAD_DONE)
            result = http_reader_feed(r, PKE_BYTES(NULL, 0), &took);
    }
    *used = at;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_reader *a, *b;
    size_t used_a, used_b;
    enum http_result result;

    if (size < 2)
        return 0;
    a = http_reader_new(&http_client_limits);
    b = http_reader_new(&http_client_limits);
    result = feed(a, data + 1, size - 1, SIZE_MAX, &used_a);
    if (feed(b, data + 1, size - 1, 1 + data[0] % 64, &used_b) != result || used_a != used_b)
        abort();
    if (result == HTTP_ERROR && http_reader_status(a) != http_reader_status(b))
        abort();
    if (result == HTTP_DONE && !pke_bytes_eq(http_reader_body(a), http_reader_body(b)))
        abort();
    http_reader_free(a);
    http_reader_free(b);
    return 0;
}
