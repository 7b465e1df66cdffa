/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/pack.h"

#include "base/names.h"

#include <string.h>

static void add(struct pke_buf *out, const char *s)
{
    struct pke_bytes b = pke_bytes_str(s);

    (void)pke_buf_add_u32(out, (uint32_t)b.n); /* out's maximum is far below 4 GiB and refuses longer ones */
    (void)pke_buf_add_bytes(out, b);
}

enum pke_err pack_pairs(const struct pke_pairs *pairs, struct pke_buf *out)
{
    for (size_t i = 0; i < pairs->n; i++) {
        add(out, pairs->v[i].name);
        add(out, pairs->v[i].value);
    }
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

static bool take(struct pke_cursor *c, struct pke_arena *arena, const char **ret)
{
    struct pke_bytes b;
    uint32_t n;

    if (!pke_take_u32(c, &n) || !pke_take(c, n, &b) || (n && memchr(b.p, 0, n)))
        return false;
    *ret = pke_arena_str(arena, b);
    return true;
}

bool unpack_pairs(struct pke_bytes b, struct pke_arena *arena, struct pke_pairs *ret)
{
    struct pke_cursor c = pke_cursor_of(b);
    const char *name, *value;

    *ret = (struct pke_pairs){0};
    while (pke_cursor_left(&c)) {
        if (!take(&c, arena, &name) || !take(&c, arena, &value))
            return false;
        pke_pairs_add(ret, arena, name, value);
    }
    return true;
}

void pack_old_names(struct pke_pairs *names, struct pke_arena *arena, const char *subject,
                    const char *san_uri)
{
    if (names->n || !subject)
        return;
    pke_pairs_add(names, arena, PKE_RDN_CN, subject);
    if (san_uri)
        pke_pairs_add(names, arena, PKE_SAN_URI, san_uri);
}
