/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a compromised role: a record that is accepted is written and read again without a change. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ipc_sample.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct ipc_frame frame;
    size_t used;

    for (; ipc_frame_read(in, IPC_MAX_CONTROL, &frame, &used) == PKE_OK; in.p += used, in.n -= used) {
        FUZZ_MUST(used == IPC_HEADER + frame.payload.n && used <= in.n);
        fuzz_stable(ipc_sample_rewrite, frame.payload, IPC_MAX_CONTROL, arena);
    }
}
