/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a compromised role: whatever is accepted as a record is written and read again without a change.
 */
#include <stdlib.h>

#include "tests/fuzz/ipc_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool rewrite(struct pke_bytes payload, struct pke_arena *arena, struct pke_buf *out)
{
    struct ipc_sample s;
    struct pke_fail fail;

    pke_buf_init(out, 2 * IPC_MAX_CONTROL);
    return ipc_record_read(ipc_sample_fields, payload, arena, &s, sizeof s, &fail) == PKE_OK &&
           ipc_record_write(ipc_sample_fields, &s, out) == PKE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_buf first, second;
    struct ipc_frame frame;
    size_t used;

    for (; ipc_frame_read(PKE_BYTES(data, size), IPC_MAX_CONTROL, &frame, &used) == PKE_OK;
         data += used, size -= used) {
        if (used != IPC_HEADER + frame.payload.n || used > size)
            abort();
        if (rewrite(frame.payload, arena, &first)) {
            if (!rewrite(pke_buf_bytes(&first), arena, &second) ||
                !pke_bytes_eq(pke_buf_bytes(&first), pke_buf_bytes(&second)))
                abort();
            pke_buf_done(&second);
        }
        pke_buf_done(&first);
    }
    pke_arena_free(arena);
    return 0;
}
