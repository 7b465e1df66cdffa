/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

bool pke_write_all(int fd, struct pke_bytes b)
{
    while (b.n > 0) {
        ssize_t n = write(fd, b.p, b.n);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            b = PKE_BYTES(b.p + n, b.n - (size_t)n);
    }
    return true;
}

bool pke_sync_folder(const char *path)
{
    PKE_CLEANUP(pke_free_p) char *folder = pke_strdup(path);
    char *slash = strrchr(folder, '/');
    int fd;
    bool done;

    if (slash)
        slash[slash == folder] = '\0'; /* of "/name" the slash itself stays */
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

/* Another writer's file is locked as long as he lives: wait for him. One that nobody holds is what a killed
 * writer left. False with errno when something stands there that cannot be removed. */
static bool clear_the_way(const char *fresh)
{
    int fd = open(fresh, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat ours, named;
    bool done = true;

    if (fd < 0)
        return errno == ENOENT || unlink(fresh) == 0 || errno == ENOENT; /* a link, or nobody may read it */
    if (flock(fd, LOCK_EX) != 0 && errno != EINTR)
        done = false;
    else if (fstat(fd, &ours) == 0 && lstat(fresh, &named) == 0 && ours.st_ino == named.st_ino &&
             ours.st_dev == named.st_dev)
        done = unlink(fresh) == 0;
    close(fd);
    return done;
}

/* A new file of that name which no other writer takes for an abandoned one. */
static int open_fresh(const char *fresh)
{
    for (;;) {
        struct stat st;
        int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0 && (errno != EEXIST || !clear_the_way(fresh)))
            return -1;
        if (fd < 0)
            continue;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1)
            return fd;
        close(fd); /* somebody cleared it away before it was locked */
    }
}

static int give_name(const char *fresh, const char *path, enum pke_publish how)
{
    if (how == PKE_PUBLISH_REPLACE)
        return rename(fresh, path);
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(fresh, path) == 0 ? unlink(fresh) : -1; /* a file system without RENAME_NOREPLACE */
}

int pke_file_publish(const char *path, struct pke_bytes content, mode_t mode, enum pke_publish how)
{
    PKE_CLEANUP(pke_free_p) char *fresh = pke_asprintf("%s.new", path);
    int fd = open_fresh(fresh), error = 0;

    if (fd < 0)
        return errno;
    if (fchmod(fd, mode) != 0 || !pke_write_all(fd, content) || fsync(fd) != 0 ||
        give_name(fresh, path, how) != 0) {
        error = errno;
        (void)unlink(fresh);
    } else if (!pke_sync_folder(path)) {
        error = errno;
    }
    close(fd); /* ends the lock; fsync has told what close could */
    return error;
}
