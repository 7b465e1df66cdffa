/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SETS     8192
#define WAYS     16
#define ID_SIZE  16
#define MAC_SIZE 32

/* Only numbers, as in backoff.c: a torn or foreign entry can at worst refuse or let in one document. */
struct entry {
    uint8_t id[ID_SIZE];
    int64_t first, until;
    uint32_t count;
    uint32_t unused;
};

struct replay {
    int fd;
    struct entry *table;
    uint8_t key[MAC_SIZE];
};

#define TABLE_SIZE (SETS * WAYS * sizeof(struct entry)) /* sparse: 5 MiB when 131,072 documents are in it */

static bool is_ours(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    errno = EPERM;
    return S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 && st.st_uid == geteuid();
}

static bool mac(struct pke_bytes key, const void *p, size_t n, uint8_t out[MAC_SIZE])
{
    unsigned len;

    return HMAC(EVP_sha256(), key.n ? key.p : (const uint8_t *)"", (int)key.n, p, n, out, &len) != NULL;
}

enum pke_err replay_open(const char *path, struct pke_bytes key, struct replay **ret, struct pke_fail *fail)
{
    static const char label[] = "pkienrolld auth replay";
    struct replay *r = pke_calloc(1, sizeof *r);
    void *map = MAP_FAILED;

    r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (r->fd >= 0 && is_ours(r->fd) && ftruncate(r->fd, (off_t)TABLE_SIZE) == 0 &&
        mac(key, label, sizeof label, r->key))
        map = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (map == MAP_FAILED) {
        pke_fail_set(fail, PKE_CONFIG, "replay-file", "pkienrolld.conf(5) state-directory", "%s: %s", path,
                     strerror(errno));
        replay_close(r);
        return PKE_CONFIG;
    }
    r->table = map;
    *ret = r;
    return PKE_OK;
}

void replay_close(struct replay *r)
{
    if (!r)
        return;
    if (r->table)
        munmap(r->table, TABLE_SIZE);
    if (r->fd >= 0)
        close(r->fd);
    explicit_bzero(r, sizeof *r);
    free(r);
}

static bool alive(const struct entry *e, int64_t now)
{
    return e->count && now <= e->until;
}

/* The entry of that document, else a free one, else the oldest. */
static struct entry *find(struct entry *set, const uint8_t id[ID_SIZE], int64_t now)
{
    struct entry *victim = &set[0];

    for (size_t i = 0; i < WAYS; i++)
        if (alive(&set[i], now) && memcmp(set[i].id, id, ID_SIZE) == 0)
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
    uint8_t id[MAC_SIZE];
    struct entry *e;
    bool ok;

    if (!mac(PKE_BYTES(r->key, MAC_SIZE), digest, 32, id))
        abort();
    while (flock(r->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    e = find(r->table + (size_t)(id[ID_SIZE] << 8 | id[ID_SIZE + 1]) % SETS * WAYS, id, now);
    if (alive(e, now) && memcmp(e->id, id, ID_SIZE) == 0) {
        ok = e->count < REPLAY_TIMES && now - e->first < window;
        e->count += e->count < REPLAY_TIMES;
    } else {
        memset(e, 0, sizeof *e);
        memcpy(e->id, id, ID_SIZE);
        e->first = now;
        e->until = until;
        e->count = 1;
        ok = true;
    }
    flock(r->fd, LOCK_UN);
    return ok;
}
