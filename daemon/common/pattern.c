/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/pattern.h"

#include <string.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "base/mem.h"

static const char *const placeholders[] = {
    [PATTERN_UPN] = "{upn}",
    [PATTERN_USER] = "{user}",
    [PATTERN_DEVICE_ID] = "{device-id}",
    [PATTERN_DEVICE_NAME] = "{device-name}",
    [PATTERN_ENT_DMID] = "{ent-dmid}",
};

/* The placeholder that @p s begins with; PATTERN__MAX when none. */
static enum pattern_value placeholder_at(const char *s)
{
    for (unsigned i = 0; i < PATTERN__MAX; i++)
        if (strncmp(s, placeholders[i], strlen(placeholders[i])) == 0)
            return (enum pattern_value)i;
    return PATTERN__MAX;
}

bool pattern_valid(const char *pattern, unsigned allowed)
{
    for (const char *s = pattern; *s; s++) {
        enum pattern_value v;

        if (*s != '{' && *s != '}')
            continue;
        v = placeholder_at(s);
        if (v == PATTERN__MAX || !(allowed & 1u << v))
            return false;
        s += strlen(placeholders[v]) - 1;
    }
    return true;
}

static bool value_usable(const char *s)
{
    if (!s || !*s || !pke_utf8_valid(pke_bytes_str(s)))
        return false;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) /* C0, DEL, C1 */
            return false;
    }
    return true;
}

char *pattern_expand(const char *pattern, const char *const values[PATTERN__MAX], size_t max)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf out = {0};

    pke_buf_init(&out, max);
    for (const char *s = pattern; *s;) {
        enum pattern_value v = placeholder_at(s);

        if (v == PATTERN__MAX) {
            (void)pke_buf_add(&out, s++, 1);
            continue;
        }
        if (!value_usable(values[v]))
            return NULL;
        (void)pke_buf_add_str(&out, values[v]);
        s += strlen(placeholders[v]);
    }
    return out.overflow || out.n == 0 ? NULL : pke_strndup((const char *)out.p, out.n);
}
