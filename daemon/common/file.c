/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum pke_err bad(struct pke_fail *fail, const char *reason, const char *path, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, reason, "pkienrolld.conf(5)", "%s: %s", path, why);
}

static enum pke_err check_owner(int fd, const char *path, struct pke_fail *fail)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return bad(fail, "file-kind", path, "not a regular file");
    if (st.st_mode & 022)
        return bad(fail, "file-mode", path, "may be written by group or others: chmod go-w");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return bad(fail, "file-owner", path, "belongs to neither root nor the user of the daemon");
    return PKE_OK;
}

static enum pke_err open_file(const char *path, bool trusted, int *ret, struct pke_fail *fail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (trusted ? O_NONBLOCK : 0));

    if (fd < 0)
        return bad(fail, "file-open", path, strerror(errno));
    if (trusted && check_owner(fd, path, fail) != PKE_OK) {
        close(fd);
        return PKE_CONFIG;
    }
    *ret = fd;
    return PKE_OK;
}

static enum pke_err read_file(const char *path, bool trusted, struct pke_buf *out, struct pke_fail *fail)
{
    uint8_t chunk[4096];
    ssize_t n = 0;
    int fd;

    if (open_file(path, trusted, &fd, fail) != PKE_OK)
        return PKE_CONFIG;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && pke_buf_add(out, chunk, (size_t)n) == PKE_OK)
        ;
    if (n < 0)
        bad(fail, "file-read", path, strerror(errno));
    else if (out->overflow)
        pke_fail_set(fail, PKE_CONFIG, "file-size", "pkienrolld.conf(5)", "%s is larger than %zu bytes", path,
                     out->max);
    close(fd);
    return n < 0 || out->overflow ? PKE_CONFIG : PKE_OK;
}

enum pke_err file_read(const char *path, struct pke_buf *out, struct pke_fail *fail)
{
    return read_file(path, false, out, fail);
}

enum pke_err file_read_trusted(const char *path, struct pke_buf *out, struct pke_fail *fail)
{
    return read_file(path, true, out, fail);
}

enum pke_err file_open_trusted(const char *path, FILE **ret, struct pke_fail *fail)
{
    int fd;

    if (open_file(path, true, &fd, fail) != PKE_OK)
        return PKE_CONFIG;
    *ret = fdopen(fd, "r");
    if (*ret)
        return PKE_OK;
    (void)bad(fail, "file-open", path, strerror(errno));
    close(fd);
    return PKE_CONFIG;
}
