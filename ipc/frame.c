/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/frame.h"

enum pke_err ipc_frame_read(struct pke_bytes in, size_t max, struct ipc_frame *ret, size_t *used)
{
    struct pke_cursor c = pke_cursor_of(in);
    struct ipc_frame f;
    uint32_t length;
    uint16_t version;

    if (in.n < IPC_HEADER)
        return PKE_NOT_FOUND;
    pke_take_u32(&c, &length);
    pke_take_u16(&c, &f.kind);
    pke_take_u16(&c, &version);
    pke_take_u64(&c, &f.id);
    if (length > max)
        return PKE_LIMIT;
    if ((version & ~IPC_CARRIES_FD) != IPC_VERSION)
        return PKE_UNSUPPORTED;
    f.carries_fd = version & IPC_CARRIES_FD;
    if (!pke_take(&c, length, &f.payload))
        return PKE_NOT_FOUND;
    *ret = f;
    *used = IPC_HEADER + length;
    return PKE_OK;
}

enum pke_err ipc_frame_write(struct pke_buf *out, uint16_t kind, uint64_t id, bool carries_fd,
                             struct pke_bytes payload)
{
    pke_buf_add_u32(out, (uint32_t)payload.n);
    pke_buf_add_u16(out, kind);
    pke_buf_add_u16(out, IPC_VERSION | (carries_fd ? IPC_CARRIES_FD : 0));
    pke_buf_add_u64(out, id);
    pke_buf_add_bytes(out, payload);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

enum pke_err ipc_tlv_write(struct pke_buf *out, uint16_t tag, struct pke_bytes value)
{
    pke_buf_add_u16(out, tag);
    pke_buf_add_u32(out, (uint32_t)value.n);
    pke_buf_add_bytes(out, value);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

bool ipc_tlv_read(struct pke_cursor *c, uint16_t *tag, struct pke_bytes *value, bool *malformed)
{
    struct pke_cursor at = *c;
    uint32_t length;

    *malformed = false;
    if (pke_cursor_left(c) == 0)
        return false;
    if (!pke_take_u16(&at, tag) || !pke_take_u32(&at, &length) || !pke_take(&at, length, value)) {
        *malformed = true;
        return false;
    }
    *c = at;
    return true;
}
