/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "keytool/tool.h"

static bool write_all(int fd, struct pke_bytes b)
{
    while (b.n > 0) {
        ssize_t n = write(fd, b.p, b.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        b = PKE_BYTES(b.p + n, b.n - (size_t)n);
    }
    return true;
}

/* The new name itself must survive a power cut. */
static void sync_directory(const char *path)
{
    PKE_CLEANUP(pke_free_p) char *copy = pke_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* renameat2 decides and replaces in one step: no file that appears meanwhile is overwritten. */
static bool publish(const char *temporary, const char *path, bool force)
{
    if (force)
        return rename(temporary, path) == 0;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(temporary, path) == 0 && unlink(temporary) == 0; /* a file system without RENAME_NOREPLACE */
}

enum pke_err tool_write_file(const char *path, struct pke_bytes content, bool force, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *temporary = pke_asprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC), saved;
    bool ok = fd >= 0 && write_all(fd, content) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;

    saved = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        saved = errno;
        ok = false;
    }
    if (ok && !publish(temporary, path, force)) {
        saved = errno;
        ok = false;
    }
    if (ok) {
        sync_directory(path);
        return PKE_OK;
    }
    if (fd >= 0)
        unlink(temporary);
    if (saved == EEXIST)
        return pke_fail_set(fail, PKE_EXISTS, "output-exists", "no overwriting without --force",
                            "%s exists already", path);
    return pke_fail_set(fail, PKE_INTERNAL, "output-write", "atomic write", "cannot write %s: %s", path,
                        strerror(saved));
}
