/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/record.h"

#include <string.h>

#include "ipc/frame.h"

static void write_u64(struct pke_buf *out, uint16_t tag, uint64_t v)
{
    pke_buf_add_u16(out, tag);
    pke_buf_add_u32(out, 8);
    pke_buf_add_u64(out, v);
}

static void write_fail(struct pke_buf *out, uint16_t tag, const struct pke_fail *f)
{
    const char *parts[] = {pke_err_token(f->err), f->reason, f->rule, f->text};
    size_t n = 0;

    for (size_t i = 0; i < 4; i++)
        n += strlen(parts[i]) + 1;
    pke_buf_add_u16(out, tag);
    pke_buf_add_u32(out, (uint32_t)n);
    for (size_t i = 0; i < 4; i++)
        pke_buf_add(out, parts[i], strlen(parts[i]) + 1);
}

static void write_pair(struct pke_buf *out, uint16_t tag, const struct pke_pair *p)
{
    size_t name = strlen(p->name) + 1, value = strlen(p->value);

    pke_buf_add_u16(out, tag);
    pke_buf_add_u32(out, (uint32_t)(name + value));
    pke_buf_add(out, p->name, name);
    pke_buf_add(out, p->value, value);
}

static void write_field(const struct ipc_field *f, const void *at, struct pke_buf *out)
{
    const struct pke_pairs *pairs = at;
    const struct pke_blobs *blobs = at;

    switch (f->type) {
    case IPC_U64:
        write_u64(out, f->tag, *(const uint64_t *)at);
        break;
    case IPC_STR:
        if (*(const char *const *)at)
            ipc_tlv_write(out, f->tag, pke_bytes_str(*(const char *const *)at));
        break;
    case IPC_BYTES:
        if (((const struct pke_bytes *)at)->p)
            ipc_tlv_write(out, f->tag, *(const struct pke_bytes *)at);
        break;
    case IPC_FAIL:
        write_fail(out, f->tag, at);
        break;
    case IPC_PAIRS:
        for (size_t i = 0; i < pairs->n; i++)
            write_pair(out, f->tag, &pairs->v[i]);
        break;
    case IPC_BLOBS:
        for (size_t i = 0; i < blobs->n; i++)
            ipc_tlv_write(out, f->tag, blobs->v[i]);
        break;
    }
}

enum pke_err ipc_record_write(const struct ipc_field *fields, const void *record, struct pke_buf *out)
{
    for (; fields->tag; fields++)
        write_field(fields, (const char *)record + fields->offset, out);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

static bool read_fail(struct pke_bytes v, struct pke_fail *f)
{
    char *parts[] = {NULL, f->reason, f->rule, f->text};
    size_t sizes[] = {0, sizeof f->reason, sizeof f->rule, sizeof f->text};
    const char *p = (const char *)v.p, *end = p + v.n;

    for (size_t i = 0; i < 4; i++) {
        const char *nul = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
        if (!nul || (parts[i] && (size_t)(nul - p) >= sizes[i]))
            return false;
        if (parts[i])
            memcpy(parts[i], p, (size_t)(nul - p) + 1);
        else
            f->err = pke_err_from_token(p);
        p = nul + 1;
    }
    return p == end;
}

static bool read_pair(struct pke_bytes v, struct pke_arena *arena, struct pke_pairs *list)
{
    const char *nul = v.n ? memchr(v.p, 0, v.n) : NULL;
    size_t name;

    if (!nul || list->n >= IPC_MAX_ITEMS)
        return false;
    name = (size_t)(nul - (const char *)v.p) + 1;
    if (memchr(nul + 1, 0, v.n - name))
        return false;
    pke_pairs_add(list, arena, (const char *)v.p, pke_arena_str(arena, PKE_BYTES(v.p + name, v.n - name)));
    return true;
}

static bool read_blob(struct pke_bytes v, struct pke_arena *arena, struct pke_blobs *list)
{
    if (list->n >= IPC_MAX_ITEMS)
        return false;
    pke_blobs_add(list, arena, v);
    return true;
}

static bool read_field(const struct ipc_field *f, struct pke_bytes v, struct pke_arena *arena, void *at)
{
    struct pke_cursor c = pke_cursor_of(v);

    switch (f->type) {
    case IPC_U64:
        return v.n == 8 && pke_take_u64(&c, at);
    case IPC_STR:
        if (v.n && memchr(v.p, 0, v.n))
            return false;
        *(const char **)at = pke_arena_str(arena, v);
        return true;
    case IPC_BYTES:
        *(struct pke_bytes *)at = pke_arena_bytes(arena, v);
        return true;
    case IPC_FAIL:
        return read_fail(v, at);
    case IPC_PAIRS:
        return read_pair(v, arena, at);
    case IPC_BLOBS:
        return read_blob(v, arena, at);
    }
    return false;
}

enum pke_err ipc_record_read(const struct ipc_field *fields, struct pke_bytes payload,
                             struct pke_arena *arena, void *record, size_t size, struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(payload);
    struct pke_bytes v;
    uint64_t seen = 0; /* bit per table row; tables have fewer than 64 */
    uint16_t tag;
    bool malformed;

    memset(record, 0, size);
    while (ipc_tlv_read(&c, &tag, &v, &malformed)) {
        size_t i = 0;
        while (fields[i].tag && fields[i].tag != tag)
            i++;
        bool list = fields[i].type == IPC_PAIRS || fields[i].type == IPC_BLOBS;
        if (!fields[i].tag || (!list && (seen >> i & 1)) ||
            !read_field(&fields[i], v, arena, (char *)record + fields[i].offset))
            return pke_fail_set(fail, PKE_MALFORMED, "ipc-field", "ipc/record.h", "field %u is not valid",
                                tag);
        seen |= (uint64_t)1 << i;
    }
    if (malformed)
        return pke_fail_set(fail, PKE_MALFORMED, "ipc-tlv", "ipc/record.h", "truncated field");
    for (size_t i = 0; fields[i].tag; i++)
        if (fields[i].required && !(seen >> i & 1))
            return pke_fail_set(fail, PKE_MALFORMED, "ipc-missing", "ipc/record.h", "field %u is missing",
                                fields[i].tag);
    return PKE_OK;
}
