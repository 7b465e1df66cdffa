/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key/latch.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define SALT_SIZE 16
#define MAC_SIZE  32
#define LOCK_STEP 5 /* ms between two tries */

static char *file_path(const char *directory, const char *what, const char *uri)
{
    uint8_t hash[32];
    char hex[33];

    EVP_Digest(uri, strlen(uri), hash, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(hash, 16), false, hex);
    return pke_asprintf("%s/%s-%s", directory, what, hex);
}

static char *latch_path(const char *directory, const char *uri)
{
    return file_path(directory, "pin-latch", uri);
}

/* The kernel lets go of it when the process that has it ends, however it does. */
int latch_lock(const char *directory, const char *uri, unsigned wait_ms)
{
    PKE_CLEANUP(pke_free_p) char *path = file_path(directory, "key-login", uri);
    const struct timespec step = {0, LOCK_STEP * 1000000L};
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -2;
    for (unsigned waited = 0;; waited += LOCK_STEP) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= wait_ms)
            break;
        (void)nanosleep(&step, NULL);
    }
    close(fd);
    return -1;
}

void latch_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Keyed with a salt of its own: equal PINs of two keys do not look alike, and the file alone tells nothing
 * quickly. */
static void pin_mac(const uint8_t salt[SALT_SIZE], const char *uri, struct pke_bytes pin,
                    uint8_t mac[MAC_SIZE])
{
    struct pke_buf b;
    unsigned n = MAC_SIZE;

    pke_buf_init(&b, 65536);
    pke_buf_add(&b, uri, strlen(uri) + 1);
    pke_buf_add_bytes(&b, pin);
    HMAC(EVP_sha256(), salt, SALT_SIZE, b.p, b.n, mac, &n);
    pke_buf_wipe(&b);
}

bool latch_is_set(const char *directory, const char *uri, struct pke_bytes pin)
{
    PKE_CLEANUP(pke_free_p) char *path = latch_path(directory, uri);
    uint8_t file[SALT_SIZE + MAC_SIZE], mac[MAC_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, file, sizeof file);
    close(fd);
    if (n != (ssize_t)sizeof file)
        return true; /* a torn latch is still a latch: the safe side is not to try */
    pin_mac(file, uri, pin, mac);
    return pke_bytes_eq_secret(PKE_BYTES(mac, MAC_SIZE), PKE_BYTES(file + SALT_SIZE, MAC_SIZE));
}

bool latch_set(const char *directory, const char *uri, struct pke_bytes pin)
{
    PKE_CLEANUP(pke_free_p) char *path = latch_path(directory, uri);
    uint8_t file[SALT_SIZE + MAC_SIZE];
    bool ok;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || RAND_bytes(file, SALT_SIZE) != 1) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    pin_mac(file, uri, pin, file + SALT_SIZE);
    /* In place, not beside and renamed: where the disk is full an empty file is still a latch. */
    ok = pke_write_all(fd, PKE_BYTES(file, sizeof file)) && fsync(fd) == 0;
    close(fd);
    return pke_sync_folder(path) && ok;
}

void latch_clear(const char *directory, const char *uri)
{
    PKE_CLEANUP(pke_free_p) char *path = latch_path(directory, uri);

    (void)unlink(path);
}
