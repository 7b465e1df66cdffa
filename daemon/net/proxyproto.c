/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/proxyproto.h"

#include <string.h>

#define SIGNATURE    12
#define VERSION_2    0x20
#define LOCAL        0x0
#define PROXY        0x1
#define TCP_OVER_V4  0x11
#define TCP_OVER_V6  0x21
#define UNIX_STREAM  0x31
#define UNSPEC       0x00
#define TLV_HEAD     3
#define ADDRESSES_V4 12
#define ADDRESSES_V6 36
#define ADDRESSES_UX 216

static const uint8_t signature[SIGNATURE] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                             0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum proxyproto_result bad(const char **why, const char *text)
{
    *why = text;
    return PROXYPROTO_BAD;
}

/* Size of the addresses of a family; false: not one that a stream can have. */
static bool addresses_of(uint8_t family, size_t *size)
{
    switch (family) {
    case TCP_OVER_V4:
        *size = ADDRESSES_V4;
        return true;
    case TCP_OVER_V6:
        *size = ADDRESSES_V6;
        return true;
    case UNIX_STREAM:
        *size = ADDRESSES_UX;
        return true;
    case UNSPEC:
        *size = 0;
        return true;
    default:
        return false;
    }
}

static bool tlvs_fit(const uint8_t *p, size_t n)
{
    while (n) {
        size_t len;

        if (n < TLV_HEAD)
            return false;
        len = (size_t)p[1] << 8 | p[2];
        if (len > n - TLV_HEAD)
            return false;
        p += TLV_HEAD + len;
        n -= TLV_HEAD + len;
    }
    return true;
}

static enum proxyproto_result read_addresses(uint8_t family, const uint8_t *p, size_t n,
                                             struct proxyproto *ret, const char **why)
{
    size_t size;

    if (!addresses_of(family, &size))
        return bad(why, "the PROXY header has a family or transport that no stream has");
    if (n < size)
        return bad(why, "the PROXY header is shorter than its addresses");
    if (family != UNSPEC && !tlvs_fit(p + size, n - size))
        return bad(why, "the PROXY header has a TLV that does not fit");
    if (family == TCP_OVER_V4) {
        memset(ret->source.v6, 0, 10);
        ret->source.v6[10] = ret->source.v6[11] = 0xff;
        memcpy(ret->source.v6 + 12, p, 4);
    } else if (family == TCP_OVER_V6) {
        memcpy(ret->source.v6, p, sizeof ret->source.v6);
    }
    ret->has_source = family == TCP_OVER_V4 || family == TCP_OVER_V6;
    return PROXYPROTO_DONE;
}

enum proxyproto_result proxyproto_read(struct pke_bytes in, size_t *need, struct proxyproto *ret,
                                       const char **why)
{
    size_t known = in.n < SIGNATURE ? in.n : SIGNATURE, length;

    *ret = (struct proxyproto){0};
    if (in.n && memcmp(in.p, signature, known) != 0)
        return bad(why, "the connection does not begin with a PROXY protocol version 2 header");
    if (in.n < PROXYPROTO_FIXED) {
        *need = PROXYPROTO_FIXED - in.n;
        return PROXYPROTO_MORE;
    }
    length = (size_t)in.p[14] << 8 | in.p[15];
    if ((in.p[12] & 0xf0) != VERSION_2 || (in.p[12] & 0x0f) > PROXY)
        return bad(why, "the PROXY header is not of version 2 or has an unknown command");
    if (length > PROXYPROTO_MAX - PROXYPROTO_FIXED)
        return bad(why, "the PROXY header is longer than 4 KiB");
    if (in.n < PROXYPROTO_FIXED + length) {
        *need = PROXYPROTO_FIXED + length - in.n;
        return PROXYPROTO_MORE;
    }
    if ((in.p[12] & 0x0f) == LOCAL) /* the rest is to be ignored (2.2) */
        return PROXYPROTO_DONE;
    return read_addresses(in.p[13], in.p + PROXYPROTO_FIXED, length, ret, why);
}
