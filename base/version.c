/* SPDX-License-Identifier: Apache-2.0 */
#include "base/version.h"

#include <stddef.h>
#include <string.h>

/* One number; where it ends, NULL when there is none or it is too large. */
static const char *parse_part(const char *s, uint32_t *ret)
{
    uint64_t n = 0;

    if (*s < '0' || *s > '9')
        return NULL;
    for (; *s >= '0' && *s <= '9'; s++) {
        n = 10 * n + (uint64_t)(*s - '0');
        if (n > UINT32_MAX)
            return NULL;
    }
    *ret = (uint32_t)n;
    return s;
}

bool pke_version_parse(const char *text, uint32_t v[PKE_VERSION_PARTS])
{
    uint32_t part[PKE_VERSION_PARTS] = {0};
    const char *s = text;

    for (size_t i = 0; s && i < PKE_VERSION_PARTS; i++) {
        s = parse_part(s, &part[i]);
        if (s && *s == '\0') {
            memcpy(v, part, sizeof part);
            return true;
        }
        if (s && *s++ != '.')
            return false;
    }
    return false;
}

int pke_version_compare(const uint32_t a[PKE_VERSION_PARTS], const uint32_t b[PKE_VERSION_PARTS])
{
    for (size_t i = 0; i < PKE_VERSION_PARTS; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}
