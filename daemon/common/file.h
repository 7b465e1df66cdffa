/* SPDX-License-Identifier: Apache-2.0 */
/** @file Reading whole small files. Blocks on disk; at start and reload only. */
#ifndef DAEMON_COMMON_FILE_H
#define DAEMON_COMMON_FILE_H

#include <stdio.h>

#include "base/bytes.h"

/** Append the file to @p out (its maximum bounds it). PKE_CONFIG with the reason on failure. */
enum pke_err file_read(const char *path, struct pke_buf *out, struct pke_fail *fail);

/** The same, of a file that gives rights to people: it must belong to root or the own user and not be
 * writable by others. */
enum pke_err file_read_trusted(const char *path, struct pke_buf *out, struct pke_fail *fail);

/** The same, to be read line by line, of a file that may be large. The caller closes *ret. */
enum pke_err file_open_trusted(const char *path, FILE **ret, struct pke_fail *fail);

#endif
