/* SPDX-License-Identifier: Apache-2.0 */
/* A message with a field of every type, for fuzz_ipc.c and the seeds it starts from. */
#ifndef TESTS_FUZZ_IPC_SAMPLE_H
#define TESTS_FUZZ_IPC_SAMPLE_H

#include "ipc/frame.h"
#include "ipc/record.h"

struct ipc_sample {
    uint64_t number;
    const char *text;
    struct pke_bytes blob;
    struct pke_fail fail;
    struct pke_pairs pairs;
    struct pke_blobs blobs;
};

static const struct ipc_field ipc_sample_fields[] = {
    {1, IPC_U64, offsetof(struct ipc_sample, number), true},
    {2, IPC_STR, offsetof(struct ipc_sample, text), false},
    {3, IPC_BYTES, offsetof(struct ipc_sample, blob), false},
    {4, IPC_FAIL, offsetof(struct ipc_sample, fail), false},
    {5, IPC_PAIRS, offsetof(struct ipc_sample, pairs), false},
    {6, IPC_BLOBS, offsetof(struct ipc_sample, blobs), false},
    {0, IPC_U64, 0, false},
};

static inline bool ipc_sample_rewrite(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out)
{
    struct ipc_sample s = {0};
    struct pke_fail fail = {0};

    return ipc_record_read(ipc_sample_fields, in, arena, &s, sizeof s, &fail) == PKE_OK &&
           ipc_record_write(ipc_sample_fields, &s, out) == PKE_OK;
}

#endif
