/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/shared.h"

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

static bool is_ours(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    errno = EPERM;
    return S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 && st.st_uid == geteuid();
}

static void keyed_hash(struct pke_bytes key, struct pke_bytes data, uint8_t out[SHARED_KEY_SIZE])
{
    unsigned n;

    if (!HMAC(EVP_sha256(), key.n ? key.p : (const uint8_t *)"", (int)key.n, data.p, data.n, out, &n))
        abort();
}

bool shared_open(struct shared *s, const char *path, size_t n_sets, size_t set_size, struct pke_bytes secret,
                 const char *label)
{
    size_t size = n_sets * set_size;
    void *map = MAP_FAILED;
    int error;

    *s = (struct shared){.n_sets = n_sets, .set_size = set_size};
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    /* Extending to the same size in every worker is harmless and fills with zeros: empty entries. */
    if (s->fd >= 0 && is_ours(s->fd) && ftruncate(s->fd, (off_t)size) == 0)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (map != MAP_FAILED) {
        s->entries = map;
        keyed_hash(secret, PKE_BYTES(label, strlen(label) + 1), s->key);
        return true;
    }
    error = errno;
    if (s->fd >= 0)
        close(s->fd);
    errno = error;
    return false;
}

void shared_close(struct shared *s)
{
    if (!s->entries)
        return;
    munmap(s->entries, s->n_sets * s->set_size);
    close(s->fd);
    explicit_bzero(s, sizeof *s);
}

void *shared_set(const struct shared *s, struct pke_bytes name, uint8_t id[SHARED_ID_SIZE])
{
    uint8_t hash[SHARED_KEY_SIZE];

    keyed_hash(PKE_BYTES(s->key, sizeof s->key), name, hash);
    memcpy(id, hash, SHARED_ID_SIZE);
    return (uint8_t *)s->entries +
           (size_t)(hash[SHARED_ID_SIZE] << 8 | hash[SHARED_ID_SIZE + 1]) % s->n_sets * s->set_size;
}

void shared_lock(const struct shared *s)
{
    while (flock(s->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
}

void shared_unlock(const struct shared *s)
{
    flock(s->fd, LOCK_UN);
}
