/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/auth/shared.h"

#define SETS 8192 /* the file is sparse: 5 MiB when 131,072 documents are in it */
#define WAYS 16

struct entry {
    uint8_t id[SHARED_ID_SIZE];
    int64_t first, until;
    uint32_t count;
    uint32_t unused;
};

struct replay {
    struct shared table;
};

enum pke_err replay_open(const char *path, struct pke_bytes key, struct replay **ret, struct pke_fail *fail)
{
    struct replay *r = pke_calloc(1, sizeof *r);

    if (!shared_open(&r->table, path, SETS, WAYS * sizeof(struct entry), key, "pkienrolld auth replay")) {
        pke_fail_set(fail, PKE_CONFIG, "replay-file", "pkienrolld.conf(5) state-directory", "%s: %s", path,
                     strerror(errno));
        free(r);
        return PKE_CONFIG;
    }
    *ret = r;
    return PKE_OK;
}

void replay_close(struct replay *r)
{
    if (!r)
        return;
    shared_close(&r->table);
    free(r);
}

static bool alive(const struct entry *e, int64_t now)
{
    return e->count && now <= e->until;
}

/* The entry of that document, else a free one, else the oldest. */
static struct entry *find(struct entry *set, const uint8_t id[SHARED_ID_SIZE], int64_t now)
{
    struct entry *victim = &set[0];

    for (size_t i = 0; i < WAYS; i++)
        if (alive(&set[i], now) && memcmp(set[i].id, id, SHARED_ID_SIZE) == 0)
            return &set[i];
    for (size_t i = 0; i < WAYS; i++) {
        if (!alive(&set[i], now))
            return &set[i];
        if (set[i].first < victim->first)
            victim = &set[i];
    }
    return victim;
}

bool replay_take(struct replay *r, const uint8_t digest[32], int64_t now, int64_t until, int64_t window)
{
    uint8_t id[SHARED_ID_SIZE];
    struct entry *set = shared_set(&r->table, PKE_BYTES(digest, 32), id), *e;
    bool ok;

    shared_lock(&r->table);
    e = find(set, id, now);
    if (alive(e, now) && memcmp(e->id, id, SHARED_ID_SIZE) == 0) {
        ok = e->count < REPLAY_TIMES && now - e->first < window;
        e->count += e->count < REPLAY_TIMES;
    } else {
        memset(e, 0, sizeof *e);
        memcpy(e->id, id, SHARED_ID_SIZE);
        e->first = now;
        e->until = until;
        e->count = 1;
        ok = true;
    }
    shared_unlock(&r->table);
    return ok;
}
