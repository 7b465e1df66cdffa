/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_BITS 96 /* of the prefix ::ffff:0:0/96 */

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void set_v4(const void *four, struct netaddr *ret)
{
    memcpy(ret->v6, v4_prefix, sizeof v4_prefix);
    memcpy(ret->v6 + sizeof v4_prefix, four, 4);
}

bool netaddr_parse(struct pke_bytes text, struct netaddr *ret)
{
    char s[NETADDR_TEXT];
    uint8_t four[4];

    if (text.n == 0 || text.n >= sizeof s || memchr(text.p, '\0', text.n))
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    if (inet_pton(AF_INET, s, four) != 1)
        return inet_pton(AF_INET6, s, ret->v6) == 1;
    set_v4(four, ret);
    return true;
}

bool netaddr_of(const struct sockaddr *sa, struct netaddr *ret)
{
    if (sa->sa_family == AF_INET)
        set_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, ret);
    else if (sa->sa_family == AF_INET6)
        memcpy(ret->v6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof ret->v6);
    else
        return false;
    return true;
}

static bool is_v4(const struct netaddr *a)
{
    return memcmp(a->v6, v4_prefix, sizeof v4_prefix) == 0;
}

void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT])
{
    bool v4 = is_v4(a);

    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->v6 + sizeof v4_prefix : a->v6, out, NETADDR_TEXT);
}

static bool bit(const struct netaddr *a, unsigned i)
{
    return a->v6[i / 8] >> (7 - i % 8) & 1;
}

static bool read_range(const char *range, struct netaddr *a, unsigned *bits)
{
    const char *slash = strchr(range, '/');
    size_t n = slash ? (size_t)(slash - range) : strlen(range), digits;
    unsigned max, v = 0;

    if (!netaddr_parse(PKE_BYTES(range, n), a))
        return false;
    max = strchr(range, ':') ? 128 : 32;
    *bits = 128;
    if (!slash)
        return true;
    digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0' || (digits > 1 && slash[1] == '0'))
        return false;
    for (size_t i = 1; i <= digits; i++)
        v = v * 10 + (unsigned)(slash[i] - '0');
    *bits = v + (max == 32 ? V4_BITS : 0);
    return v <= max;
}

bool netaddr_range_valid(const char *range)
{
    struct netaddr a;
    unsigned bits;

    if (!read_range(range, &a, &bits))
        return false;
    for (unsigned i = bits; i < 128; i++)
        if (bit(&a, i)) /* 10.0.0.1/8: was the address meant, or the network? */
            return false;
    return true;
}

static bool in_range(const struct netaddr *a, const char *range)
{
    struct netaddr r;
    unsigned bits, whole;

    if (!read_range(range, &r, &bits))
        return false;
    whole = bits / 8;
    if (memcmp(a->v6, r.v6, whole) != 0)
        return false;
    for (unsigned i = whole * 8; i < bits; i++)
        if (bit(a, i) != bit(&r, i))
            return false;
    return true;
}

bool netaddr_in(const struct netaddr *a, const struct pke_strings *ranges)
{
    for (size_t i = 0; i < ranges->n; i++)
        if (in_range(a, ranges->v[i]))
            return true;
    return false;
}
