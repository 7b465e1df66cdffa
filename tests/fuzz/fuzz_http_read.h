/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_HTTP_READ_H
#define TESTS_FUZZ_FUZZ_HTTP_READ_H

#include "daemon/common/http.h"
#include "tests/fuzz/fuzz.h"

/** What the reader made of the bytes; the ranges live in the arena. */
struct fuzz_http {
    enum http_result result;
    size_t used;
    unsigned status; /* of HTTP_ERROR */
    struct http_request head;
    struct pke_bytes method, path, query, body; /* of HTTP_DONE */
};

/** Read one request in pieces of @p step bytes, each in memory of its own. */
struct fuzz_http fuzz_http_read(struct pke_bytes in, size_t step, struct pke_arena *arena);

#endif
