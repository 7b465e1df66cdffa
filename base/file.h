/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Files that are there whole or not at all. Every function blocks on disk.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

/** Write all of @p b; goes on after short writes and EINTR. False with errno. */
bool pke_write_all(int fd, struct pke_bytes b);

/** fsync the folder that @p path is in, so that a new or changed name in it survives a power cut. False with
 * errno. */
bool pke_sync_folder(const char *path);

enum pke_publish {
    PKE_PUBLISH_NEW, /* fails with EEXIST when @p path is there, decided in the step that makes the name */
    PKE_PUBLISH_REPLACE, /* takes the place of what is there */
};

/**
 * Make @p path a file with @p content and @p mode (not narrowed by the umask): written beside it as
 * "PATH.new", fsync'ed, renamed, folder fsync'ed. Readers see the old content or the new. Writers of one path
 * wait for each other; what a killed one left is removed.
 * @return 0 when it is durable, or an errno value and then @p path is as it was - but for a failed fsync of
 * the folder, after which nobody knows.
 */
int pke_file_publish(const char *path, struct pke_bytes content, mode_t mode, enum pke_publish how);

#endif
