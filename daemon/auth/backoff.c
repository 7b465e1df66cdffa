/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/auth/shared.h"

#define SETS 1024
#define WAYS 8

struct entry {
    uint8_t id[SHARED_ID_SIZE];
    uint64_t last; /* time of the last failure */
    uint32_t failures;
    uint32_t unused;
};

struct backoff {
    struct shared table;
};

enum pke_err backoff_open(const char *path, struct pke_bytes key, struct backoff **ret, struct pke_fail *fail)
{
    struct backoff *b = pke_calloc(1, sizeof *b);

    if (!shared_open(&b->table, path, SETS, WAYS * sizeof(struct entry), key, "pkienrolld auth back-off")) {
        pke_fail_set(fail, PKE_CONFIG, "backoff-file", "pkienrolld.conf(5) state-directory", "%s: %s", path,
                     strerror(errno));
        free(b);
        return PKE_CONFIG;
    }
    *ret = b;
    return PKE_OK;
}

void backoff_close(struct backoff *b)
{
    if (!b)
        return;
    shared_close(&b->table);
    free(b);
}

uint64_t backoff_delay(enum backoff_kind kind, unsigned failures)
{
    unsigned limit = kind == BACKOFF_USER ? BACKOFF_USER_LIMIT : BACKOFF_SOURCE_LIMIT;
    uint64_t ms = BACKOFF_FIRST_MS;

    if (failures < limit)
        return 0;
    for (; failures > limit && ms < BACKOFF_MAX_MS; failures--)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Names differ in case as user names do: not at all. */
static struct entry *set_of(const struct backoff *b, enum backoff_kind kind, const char *name,
                            uint8_t id[SHARED_ID_SIZE])
{
    struct entry *set;
    struct pke_buf text;

    pke_buf_init(&text, 1024);
    pke_buf_add_u8(&text, kind == BACKOFF_USER ? 'u' : 's');
    pke_buf_add(&text, name, strnlen(name, 1000));
    for (size_t i = 1; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            text.p[i] |= 0x20;
    set = shared_set(&b->table, pke_buf_bytes(&text), id);
    pke_buf_done(&text);
    return set;
}

/* Times after now are of an earlier boot. */
static bool alive(const struct entry *e, uint64_t now_ms)
{
    return e->failures && e->last <= now_ms && now_ms - e->last < BACKOFF_FORGET_MS;
}

static struct entry *find(struct entry *set, const uint8_t id[SHARED_ID_SIZE])
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].failures && memcmp(set[i].id, id, SHARED_ID_SIZE) == 0)
            return &set[i];
    return NULL;
}

bool backoff_blocked(struct backoff *b, enum backoff_kind kind, const char *name, uint64_t now_ms)
{
    uint8_t id[SHARED_ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;
    bool blocked;

    shared_lock(&b->table);
    e = find(set, id);
    blocked = e && alive(e, now_ms) && now_ms - e->last < backoff_delay(kind, e->failures);
    shared_unlock(&b->table);
    return blocked;
}

/* An empty entry, a forgotten one, or the one with the fewest failures, oldest first. */
static struct entry *victim(struct entry *set, uint64_t now_ms)
{
    struct entry *v = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (!alive(&set[i], now_ms))
            return &set[i];
        if (set[i].failures < v->failures || (set[i].failures == v->failures && set[i].last < v->last))
            v = &set[i];
    }
    return v;
}

void backoff_failed(struct backoff *b, enum backoff_kind kind, const char *name, uint64_t now_ms)
{
    uint8_t id[SHARED_ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;

    shared_lock(&b->table);
    e = find(set, id);
    if (!e || !alive(e, now_ms)) {
        e = e ? e : victim(set, now_ms);
        memset(e, 0, sizeof *e);
        memcpy(e->id, id, SHARED_ID_SIZE);
    }
    e->last = now_ms;
    if (e->failures < 1000)
        e->failures++;
    shared_unlock(&b->table);
}

void backoff_forgive(struct backoff *b, enum backoff_kind kind, const char *name)
{
    uint8_t id[SHARED_ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;

    shared_lock(&b->table);
    e = find(set, id);
    if (e)
        memset(e, 0, sizeof *e);
    shared_unlock(&b->table);
}
