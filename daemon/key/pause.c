/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key/pause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char *pause_path(const char *directory, const char *key)
{
    return pke_asprintf("%s/key-paused-%s", directory, key);
}

bool pause_is_set(const char *directory, const char *key)
{
    PKE_CLEANUP(pke_free_p) char *path = pause_path(directory, key);

    return access(path, F_OK) == 0 || errno != ENOENT; /* not to know is not to sign */
}

bool pause_set(const char *directory, const char *key)
{
    PKE_CLEANUP(pke_free_p) char *path = pause_path(directory, key);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return false;
    close(fd);
    return pke_sync_folder(path);
}

bool pause_clear(const char *directory, const char *key)
{
    PKE_CLEANUP(pke_free_p) char *path = pause_path(directory, key);

    if (unlink(path) != 0 && errno != ENOENT)
        return false;
    return pke_sync_folder(path);
}
