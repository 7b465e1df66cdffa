/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Structs as TLV payloads by table: each message names its fields once, and encoding, decoding, unknown-field
 * and missing-field rules follow from that.
 */
#ifndef IPC_RECORD_H
#define IPC_RECORD_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/list.h"

enum ipc_field_type {
    IPC_U64,   /* uint64_t */
    IPC_STR,   /* const char *, absent = NULL; no NUL inside */
    IPC_BYTES, /* struct pke_bytes, absent = empty */
    IPC_FAIL,  /* struct pke_fail */
    IPC_PAIRS, /* struct pke_pairs */
    IPC_BLOBS, /* struct pke_blobs */
};

struct ipc_field {
    uint16_t tag; /* 0 ends the table; never reuse a tag */
    enum ipc_field_type type;
    size_t offset;
    bool required;
};

#define IPC_MAX_ITEMS 256 /* elements of one list */

/** Append @p record to @p out. PKE_LIMIT when out is full. */
enum pke_err ipc_record_write(const struct ipc_field *fields, const void *record, struct pke_buf *out);

/**
 * Decode @p payload into the zeroed struct @p record of @p size bytes; strings and byte strings are copied to
 * @p arena.
 * @return PKE_OK; PKE_MALFORMED for a truncated TLV, an unknown tag, a repeated scalar, a missing required
 * field.
 */
enum pke_err ipc_record_read(const struct ipc_field *fields, struct pke_bytes payload,
                             struct pke_arena *arena, void *record, size_t size, struct pke_fail *fail);

#endif
