/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Frames between the roles: header {u32 length, u16 kind, u16 version, u64 id} big endian, then a TLV
 * payload. Pure functions over bytes; who is at the other end and how bytes travel is daemon/common/chan.h.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include "base/bytes.h"

#define IPC_VERSION     1
#define IPC_CARRIES_FD  0x8000 /* flag in the version field */
#define IPC_HEADER      16
#define IPC_MAX_CONTROL (64u << 10)  /* listings and small replies between control and the others */
#define IPC_MAX_REQUEST (512u << 10) /* one enrollment request or answer */
#define IPC_MAX_CRL     (32u << 20)  /* issuer to key: a revocation list of CA_CRL_MAX and its frame */
#define IPC_MAX_CONFIG  (2u << 20)   /* main to the roles: a configuration of at most 1 MiB and its frame */

struct ipc_frame {
    uint16_t kind;
    bool carries_fd;          /* a descriptor travels with it (daemon/common/chan.h) */
    uint64_t id;              /* chosen by the asker, echoed by the answerer; 0 for one-way messages */
    struct pke_bytes payload; /* borrowed from the input */
};

/**
 * Look for one whole frame at the start of @p in.
 * @return PKE_OK with *ret and *used; PKE_NOT_FOUND when more bytes are needed; PKE_LIMIT when the frame
 * exceeds
 *         @p max bytes of payload; PKE_UNSUPPORTED for a foreign version. The latter two end the sender's
 * role.
 */
enum pke_err ipc_frame_read(struct pke_bytes in, size_t max, struct ipc_frame *ret, size_t *used);

/** Append a frame. PKE_LIMIT when @p out is full. */
enum pke_err ipc_frame_write(struct pke_buf *out, uint16_t kind, uint64_t id, bool carries_fd,
                             struct pke_bytes payload);

/** Append one TLV {u16 tag, u32 length, value}. */
enum pke_err ipc_tlv_write(struct pke_buf *out, uint16_t tag, struct pke_bytes value);

/** Take the next TLV. False at the end; *malformed is set when what follows is no TLV. */
bool ipc_tlv_read(struct pke_cursor *c, uint16_t *tag, struct pke_bytes *value, bool *malformed);

#endif
