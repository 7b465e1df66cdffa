/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "jwks/jwks.h"

static bool write_all(int fd, struct pke_bytes b)
{
    while (b.n) {
        ssize_t n = write(fd, b.p, b.n);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            b = PKE_BYTES(b.p + n, b.n - (size_t)n);
    }
    return fsync(fd) == 0;
}

/* A rename is durable when the folder is. */
static bool sync_folder(const char *path)
{
    char *folder PKE_CLEANUP(pke_free_p) = pke_strdup(path);
    char *slash = strrchr(folder, '/');
    int fd;
    bool done;

    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

enum pke_err jwks_store(const char *path, struct pke_bytes text, struct pke_fail *fail)
{
    char *fresh PKE_CLEANUP(pke_free_p) = pke_asprintf("%s.new", path);
    bool done;
    int fd;

    unlink(fresh); /* what a killed run left behind */
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    done = fd >= 0 && fchmod(fd, 0644) == 0 && write_all(fd, text); /* 0644: the daemon is another user */
    if (fd >= 0 && close(fd) != 0)
        done = false;
    if (done && rename(fresh, path) == 0 && sync_folder(path))
        return PKE_OK;
    pke_fail_set(fail, PKE_STORE_DOWN, "jwks-write", "pkienroll-jwks(8)", "%s cannot be written: %s", path,
                 strerror(errno));
    unlink(fresh);
    return PKE_STORE_DOWN;
}
