/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/blocked.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

#define SIZE 32

struct ca_blocked {
    uint8_t (*v)[SIZE];
    size_t n, room;
};

struct ca_blocked *ca_blocked_new(void)
{
    return pke_calloc(1, sizeof(struct ca_blocked));
}

void ca_blocked_free(struct ca_blocked *b)
{
    if (!b)
        return;
    free(b->v);
    free(b);
}

void ca_blocked_add(struct ca_blocked *b, const uint8_t spki_sha256[SIZE])
{
    if (b->n == b->room) {
        b->room = b->room ? 2 * b->room : 64;
        b->v = pke_realloc(b->v, b->room * sizeof *b->v);
    }
    memcpy(b->v[b->n++], spki_sha256, SIZE);
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static enum pke_err bad_line(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "blocked-keys-line", "blocked-keys", "%s", text);
}

enum pke_err ca_blocked_line(struct ca_blocked *b, struct pke_bytes line, struct pke_fail *fail)
{
    const uint8_t *comment = line.n ? memchr(line.p, '#', line.n) : NULL;
    uint8_t digest[SIZE];
    size_t n = sizeof digest;

    line.n = comment ? (size_t)(comment - line.p) : line.n;
    for (; line.n && blank(line.p[0]); line.n--)
        line.p++;
    while (line.n && blank(line.p[line.n - 1]))
        line.n--;
    if (line.n == 0)
        return PKE_OK;
    for (size_t i = 0; i < line.n; i++)
        if (!(line.p[i] >= '0' && line.p[i] <= '9') && !(line.p[i] >= 'a' && line.p[i] <= 'f'))
            return bad_line(fail, "something other than lower-case hex digits");
    if (line.n != 2 * sizeof digest || !pke_hex_decode(line, digest, &n))
        return bad_line(fail, "not the 64 hex digits of a SHA-256");
    if (b->n == CA_BLOCKED_MAX)
        return pke_fail_set(fail, PKE_CONFIG, "blocked-keys-many", "limit", "more than %u keys",
                            CA_BLOCKED_MAX);
    ca_blocked_add(b, digest);
    return PKE_OK;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, SIZE);
}

void ca_blocked_sort(struct ca_blocked *b)
{
    if (b->n)
        qsort(b->v, b->n, sizeof *b->v, compare);
}

bool ca_blocked_has(const struct ca_blocked *b, const uint8_t spki_sha256[SIZE])
{
    return b->n && bsearch(spki_sha256, b->v, b->n, sizeof *b->v, compare) != NULL;
}

size_t ca_blocked_count(const struct ca_blocked *b)
{
    return b->n;
}
