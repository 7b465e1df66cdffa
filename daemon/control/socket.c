/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#define RULE "control API: socket"

static enum pke_err refuse(struct pke_fail *fail, const char *path, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, "control-socket", RULE, "%s: %s", path, why);
}

/* Whoever may write the directory may put another socket in our place: all may not. */
static enum pke_err check_directory(const char *path, struct pke_fail *fail)
{
    const char *slash = strrchr(path, '/');
    PKE_CLEANUP(pke_free_p)
    char *dir = slash ? pke_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : pke_strdup(".");
    struct stat st;

    if (stat(dir, &st) != 0)
        return refuse(fail, dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return refuse(fail, dir, "is not a directory");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return refuse(fail, dir, "belongs neither to root nor to this user");
    if (st.st_mode & S_IWOTH)
        return refuse(fail, dir, "is writable by everybody");
    return PKE_OK;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* True when nobody listens there. A full backlog (EAGAIN) is somebody. */
static bool is_stale(const struct sockaddr_un *addr)
{
    int fd = new_socket(), err = 0;

    if (fd < 0)
        return false;
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) != 0)
        err = errno;
    close(fd);
    return err == ECONNREFUSED;
}

static enum pke_err clear_place(const struct sockaddr_un *addr, struct pke_fail *fail)
{
    const char *path = addr->sun_path;
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? PKE_OK : refuse(fail, path, strerror(errno));
    if (S_ISLNK(st.st_mode))
        return refuse(fail, path, "is a symbolic link");
    if (!S_ISSOCK(st.st_mode))
        return refuse(fail, path, "exists and is not a socket");
    if (!is_stale(addr))
        return refuse(fail, path, "another daemon answers there");
    if (unlink(path) != 0 && errno != ENOENT)
        return refuse(fail, path, strerror(errno));
    return PKE_OK;
}

/* Mode 0660 from the start: between bind and chmod the door would stand open. */
static int bind_0660(int fd, const struct sockaddr_un *addr)
{
    mode_t saved = umask(0117);
    int rc = bind(fd, (const struct sockaddr *)addr, sizeof *addr);
    int err = errno;

    umask(saved);
    errno = err;
    return rc;
}

enum pke_err control_socket_open(const char *path, struct control_socket *ret, struct pke_fail *fail)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    enum pke_err err;

    *ret = (struct control_socket){.fd = -1};
    if (strlen(path) >= sizeof addr.sun_path)
        return refuse(fail, path, "is longer than a socket's path may be (107 bytes)");
    memcpy(addr.sun_path, path, strlen(path));
    if ((err = check_directory(path, fail)) || (err = clear_place(&addr, fail)))
        return err;
    ret->fd = new_socket();
    if (ret->fd < 0)
        return refuse(fail, path, strerror(errno));
    if (bind_0660(ret->fd, &addr) != 0 || lstat(path, &st) != 0) {
        err = refuse(fail, path, strerror(errno));
        close(ret->fd);
        ret->fd = -1;
        return err;
    }
    ret->path = pke_strdup(path);
    ret->dev = st.st_dev;
    ret->ino = st.st_ino;
    if (listen(ret->fd, 64) != 0) {
        err = refuse(fail, path, strerror(errno));
        control_socket_close(ret);
        return err;
    }
    return PKE_OK;
}

void control_socket_close(struct control_socket *s)
{
    struct stat st;

    if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        unlink(s->path);
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    *s = (struct control_socket){.fd = -1};
}
