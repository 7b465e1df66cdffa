/* SPDX-License-Identifier: Apache-2.0 */
/* The user file on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "daemon/auth/userfile.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static enum pke_err unusable(struct pke_fail *fail, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, "user-file", "pkienrolld.conf(5) user-file", "the user file %s",
                        why);
}

static enum pke_err check_stat(const struct stat *st, struct pke_fail *fail)
{
    if (!S_ISREG(st->st_mode))
        return unusable(fail, "is not a regular file");
    if (st->st_mode & 077)
        return unusable(fail, "may be used by group or others: chmod 0600");
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return unusable(fail, "belongs to neither root nor the user of the daemon");
    if (st->st_size > USERFILE_MAX_BYTES)
        return unusable(fail, "is too large");
    return PKE_OK;
}

static enum pke_err read_all(int fd, struct pke_buf *out, struct pke_fail *fail)
{
    uint8_t block[65536];
    ssize_t n;

    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return unusable(fail, strerror(errno));
        if (pke_buf_add(out, block, (size_t)n) != PKE_OK)
            return unusable(fail, "is too large");
    }
    return PKE_OK;
}

enum pke_err userfile_load(const char *path, struct userfile **ret, struct stat *st, struct pke_fail *fail)
{
    int fd PKE_CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct pke_buf text;
    enum pke_err err;

    memset(st, 0, sizeof *st);
    if (fd < 0 && errno == ENOENT)
        return userfile_parse(PKE_BYTES(NULL, 0), ret, fail);
    if (fd < 0 || fstat(fd, st) != 0)
        return unusable(fail, strerror(errno));
    err = check_stat(st, fail);
    if (err != PKE_OK)
        return err;
    pke_buf_init(&text, USERFILE_MAX_BYTES);
    err = read_all(fd, &text, fail);
    if (err == PKE_OK)
        err = userfile_parse(pke_buf_bytes(&text), ret, fail);
    pke_buf_wipe(&text);
    return err;
}

bool userfile_changed(const char *path, const struct stat *st)
{
    struct stat now;

    if (lstat(path, &now) != 0)
        memset(&now, 0, sizeof now);
    return now.st_dev != st->st_dev || now.st_ino != st->st_ino || now.st_size != st->st_size ||
           now.st_mode != st->st_mode || now.st_uid != st->st_uid ||
           now.st_mtim.tv_sec != st->st_mtim.tv_sec || now.st_mtim.tv_nsec != st->st_mtim.tv_nsec ||
           now.st_ctim.tv_sec != st->st_ctim.tv_sec || now.st_ctim.tv_nsec != st->st_ctim.tv_nsec;
}

enum pke_err userfile_store(const char *path, struct pke_bytes text, struct pke_fail *fail)
{
    int error = pke_file_publish(path, text, 0600, PKE_PUBLISH_REPLACE);

    if (error == 0)
        return PKE_OK;
    return pke_fail_set(fail, PKE_STORE_DOWN, "user-file-write", "pkienrolld.conf(5) user-file",
                        "the user file cannot be written: %s", strerror(error));
}
