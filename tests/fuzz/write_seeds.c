/* SPDX-License-Identifier: Apache-2.0 */
/* Write the seeds that are made rather than kept: the HTTP vectors, and one message with a field of every
 * type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ipc_sample.h"
#include "tests/unit/http_vectors.h"

static bool put(FILE *f, struct pke_bytes b)
{
    return b.n == 0 || fwrite(b.p, 1, b.n, f) == b.n;
}

static void save(const char *folder, size_t number, struct pke_bytes prefix, struct pke_bytes content)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%03zu", folder, number);
    f = fopen(path, "wb");
    if (!f || !put(f, prefix) || !put(f, content) || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_http(const char *folder)
{
    static const char step[] = "\x06"; /* pieces of seven bytes */

    for (size_t i = 0; i < sizeof http_vectors / sizeof *http_vectors; i++)
        save(folder, i, PKE_BYTES(step, 1), PKE_BYTES(http_vectors[i].bytes, http_vectors[i].n));
}

static void write_ipc(const char *folder)
{
    struct pke_arena *arena = pke_arena_new();
    struct ipc_sample s = {.number = 7, .text = "text", .blob = PKE_BYTES("\x30\x00", 2)};
    struct pke_buf payload, frame;

    pke_buf_init(&payload, IPC_MAX_CONTROL);
    pke_buf_init(&frame, IPC_MAX_CONTROL);
    pke_fail_set(&s.fail, PKE_POLICY, "reason", "rule", "sentence");
    pke_pairs_add(&s.pairs, arena, "name", "value");
    pke_blobs_add(&s.blobs, arena, s.blob);
    pke_blobs_add(&s.blobs, arena, PKE_BYTES("abc", 3));
    if (ipc_record_write(ipc_sample_fields, &s, &payload) != PKE_OK ||
        ipc_frame_write(&frame, 1, 1, false, pke_buf_bytes(&payload)) != PKE_OK ||
        ipc_frame_write(&frame, 2, 2, true, PKE_BYTES(payload.p, 14)) != PKE_OK)
        abort();
    save(folder, 0, PKE_BYTES("", 0), pke_buf_bytes(&frame));
    save(folder, 1, PKE_BYTES("", 0), PKE_BYTES(frame.p, frame.n - 1));
    pke_buf_done(&payload);
    pke_buf_done(&frame);
    pke_arena_free(arena);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "http") == 0)
        write_http(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "ipc") == 0)
        write_ipc(argv[2]);
    else
        return 2;
    return 0;
}
