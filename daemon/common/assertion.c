/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding: the magic, the record of ipc/record.h, HMAC-SHA256 over both. The magic is in the MAC, so that no
 * other use of the key could ever be read as an assertion.
 */
#include "daemon/common/assertion.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define MAGIC    "PKA1"
#define MAC_SIZE 32
#define HASH_LEN 32

static const struct ipc_field fields[] = {
    {1, IPC_STR, offsetof(struct assertion, tenant), true},
    {2, IPC_STR, offsetof(struct assertion, principal), true},
    {3, IPC_STR, offsetof(struct assertion, kind), true},
    {4, IPC_STR, offsetof(struct assertion, stage), true},
    {5, IPC_STR, offsetof(struct assertion, endpoint), true},
    {6, IPC_PAIRS, offsetof(struct assertion, attributes), false},
    {7, IPC_BYTES, offsetof(struct assertion, request_hash), false},
    {8, IPC_U64, offsetof(struct assertion, expires), true},
    {9, IPC_STR, offsetof(struct assertion, user_id), false},
    {0, IPC_U64, 0, false},
};

static bool mac(struct pke_bytes key, struct pke_bytes data, uint8_t out[MAC_SIZE])
{
    unsigned n = 0;

    return key.n == ASSERTION_KEY_SIZE && HMAC(EVP_sha256(), key.p, (int)key.n, data.p, data.n, out, &n) &&
           n == MAC_SIZE;
}

enum pke_err assertion_write(const struct assertion *a, struct pke_bytes key, struct pke_buf *out)
{
    size_t start = out->n;
    uint8_t tag[MAC_SIZE];

    if (!a->tenant || !a->principal || !a->kind || !a->stage || !a->endpoint ||
        (a->request_hash.n != 0 && a->request_hash.n != HASH_LEN))
        return PKE_INTERNAL;
    pke_buf_add_str(out, MAGIC);
    if (ipc_record_write(fields, a, out) != PKE_OK)
        return PKE_LIMIT;
    if (!mac(key, PKE_BYTES(out->p + start, out->n - start), tag))
        return PKE_INTERNAL;
    return pke_buf_add(out, tag, sizeof tag);
}

static enum pke_err forged(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "assertion-forged", "daemon/common/assertion.h",
                        "the assertion was not made by auth");
}

enum pke_err assertion_read(struct pke_bytes in, struct pke_bytes key, uint64_t now_ms,
                            struct pke_arena *arena, struct assertion *ret, struct pke_fail *fail)
{
    static const size_t magic = sizeof MAGIC - 1;
    struct pke_bytes body;
    uint8_t tag[MAC_SIZE];

    memset(ret, 0, sizeof *ret);
    if (in.n < magic + MAC_SIZE)
        return forged(fail);
    body = PKE_BYTES(in.p, in.n - MAC_SIZE);
    if (!mac(key, body, tag) ||
        !pke_bytes_eq_secret(PKE_BYTES(tag, MAC_SIZE), PKE_BYTES(in.p + body.n, MAC_SIZE)))
        return forged(fail);
    if (memcmp(body.p, MAGIC, magic) != 0 ||
        ipc_record_read(fields, PKE_BYTES(body.p + magic, body.n - magic), arena, ret, sizeof *ret, fail) !=
            PKE_OK ||
        (ret->request_hash.n != 0 && ret->request_hash.n != HASH_LEN)) {
        memset(ret, 0, sizeof *ret);
        return forged(fail);
    }
    if (now_ms >= ret->expires) {
        memset(ret, 0, sizeof *ret);
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "assertion-expired", "daemon/common/assertion.h",
                            "the assertion has expired");
    }
    return PKE_OK;
}
