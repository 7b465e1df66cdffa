/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The control socket in the file system: made 0660, taken over from a dead daemon only, removed at the end.
 */
#ifndef DAEMON_CONTROL_SOCKET_H
#define DAEMON_CONTROL_SOCKET_H

#include <sys/types.h>

#include "base/error.h"

struct control_socket {
    int fd; /* listening, non-blocking; -1: none */
    char *path;
    dev_t dev; /* what was made, so that only that is removed */
    ino_t ino;
};

/**
 * Make the socket at @p path. Its directory must exist, belong to root or to this user, and not be writable
 * by all. A socket there that nobody answers on is removed; anything else (a living daemon, a symbolic link,
 * a file) is refused. The group is that of the directory where that is setgid, else of this process.
 * @return PKE_OK and *ret (control_socket_close), or PKE_CONFIG.
 */
enum pke_err control_socket_open(const char *path, struct control_socket *ret, struct pke_fail *fail);

/** Close, and remove the file when it is still the one that was made. Accepts what is closed already. */
void control_socket_close(struct control_socket *s);

#endif
