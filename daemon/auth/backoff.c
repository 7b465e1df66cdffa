/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/backoff.h"

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

#define SETS     1024
#define WAYS     8
#define ID_SIZE  16
#define MAC_SIZE 32

/* Everything in the file is only numbers: a torn or foreign entry can at worst block or free one name. */
struct entry {
    uint8_t id[ID_SIZE];
    uint64_t last; /* time of the last failure */
    uint32_t failures;
    uint32_t unused;
};

struct backoff {
    int fd;
    struct entry *table; /* SETS * WAYS */
    uint8_t key[MAC_SIZE];
};

#define TABLE_SIZE (SETS * WAYS * sizeof(struct entry))

static enum pke_err unusable(const char *path, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_CONFIG, "backoff-file", "pkienrolld.conf(5) state-directory", "%s: %s",
                        path, strerror(errno));
}

static bool is_ours(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    errno = EPERM;
    return S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 && st.st_uid == geteuid();
}

static bool derive(struct pke_bytes secret, uint8_t key[MAC_SIZE])
{
    static const char label[] = "pkienrolld auth back-off";
    unsigned n;

    return HMAC(EVP_sha256(), secret.n ? secret.p : (const uint8_t *)"", (int)secret.n,
                (const uint8_t *)label, sizeof label, key, &n) != NULL;
}

enum pke_err backoff_open(const char *path, struct pke_bytes key, struct backoff **ret, struct pke_fail *fail)
{
    struct backoff *b = pke_calloc(1, sizeof *b);
    void *map = MAP_FAILED;

    b->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    /* Extending to the same size in every worker is harmless and fills with zeros: empty entries. */
    if (b->fd >= 0 && is_ours(b->fd) && ftruncate(b->fd, (off_t)TABLE_SIZE) == 0 && derive(key, b->key))
        map = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
    if (map == MAP_FAILED) {
        unusable(path, fail);
        backoff_close(b);
        return PKE_CONFIG;
    }
    b->table = map;
    *ret = b;
    return PKE_OK;
}

void backoff_close(struct backoff *b)
{
    if (!b)
        return;
    if (b->table)
        munmap(b->table, TABLE_SIZE);
    if (b->fd >= 0)
        close(b->fd);
    explicit_bzero(b, sizeof *b);
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

static void lock(const struct backoff *b)
{
    while (flock(b->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
}

static void unlock(const struct backoff *b)
{
    flock(b->fd, LOCK_UN);
}

/* A keyed hash, so that nobody can choose names that share a set with a victim's. */
static struct entry *set_of(const struct backoff *b, enum backoff_kind kind, const char *name,
                            uint8_t id[ID_SIZE])
{
    uint8_t mac[MAC_SIZE];
    struct pke_buf text;
    unsigned n;

    pke_buf_init(&text, 1024);
    pke_buf_add_u8(&text, kind == BACKOFF_USER ? 'u' : 's');
    pke_buf_add(&text, name, strnlen(name, 1000));
    for (size_t i = 1; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            text.p[i] |= 0x20;
    if (!HMAC(EVP_sha256(), b->key, MAC_SIZE, text.p, text.n, mac, &n))
        abort();
    pke_buf_done(&text);
    memcpy(id, mac, ID_SIZE);
    return b->table + (size_t)(mac[ID_SIZE] << 8 | mac[ID_SIZE + 1]) % SETS * WAYS;
}

/* Times after now are of an earlier boot. */
static bool alive(const struct entry *e, uint64_t now_ms)
{
    return e->failures && e->last <= now_ms && now_ms - e->last < BACKOFF_FORGET_MS;
}

static struct entry *find(struct entry *set, const uint8_t id[ID_SIZE])
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].failures && memcmp(set[i].id, id, ID_SIZE) == 0)
            return &set[i];
    return NULL;
}

bool backoff_blocked(struct backoff *b, enum backoff_kind kind, const char *name, uint64_t now_ms)
{
    uint8_t id[ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;
    bool blocked;

    lock(b);
    e = find(set, id);
    blocked = e && alive(e, now_ms) && now_ms - e->last < backoff_delay(kind, e->failures);
    unlock(b);
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
    uint8_t id[ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;

    lock(b);
    e = find(set, id);
    if (!e || !alive(e, now_ms)) {
        e = e ? e : victim(set, now_ms);
        memset(e, 0, sizeof *e);
        memcpy(e->id, id, ID_SIZE);
    }
    e->last = now_ms;
    if (e->failures < 1000)
        e->failures++;
    unlock(b);
}

void backoff_forgive(struct backoff *b, enum backoff_kind kind, const char *name)
{
    uint8_t id[ID_SIZE];
    struct entry *set = set_of(b, kind, name, id), *e;

    lock(b);
    e = find(set, id);
    if (e)
        memset(e, 0, sizeof *e);
    unlock(b);
}
