/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Secrets: PINs, passwords, MAC keys. Locked into memory where the limit allows, left out of core dumps,
 * wiped on release. There is no formatter for this type on purpose.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/bytes.h"
#include "base/error.h"

struct pke_secret;

/**
 * For every program that holds secrets, before it reads one: this process leaves no core dump, and no other
 * process of its user reads its memory. Programs that it executes begin anew.
 */
void pke_secret_process(void);

/** Copy @p b into new locked memory. Never NULL. */
struct pke_secret *pke_secret_new(struct pke_bytes b);

/** Wipe and release. Accepts NULL. */
void pke_secret_free(struct pke_secret *s);

/** The bytes, valid until pke_secret_free; a NUL follows them. An empty range for NULL. */
struct pke_bytes pke_secret_bytes(const struct pke_secret *s);

/**
 * Read a secret file: a regular file (no symbolic link), not readable by group or others, 1..@p max bytes;
 * one trailing newline is dropped. Blocks on disk.
 * @return PKE_OK and *ret (caller frees), or PKE_CONFIG naming what is wrong with the file.
 */
enum pke_err pke_secret_read_file(const char *path, size_t max, struct pke_secret **ret,
                                  struct pke_fail *fail);

/** Whether pke_secret_read_file() would read it, with the same refusals. Nothing of it is kept. */
enum pke_err pke_secret_check_file(const char *path, size_t max, struct pke_fail *fail);

/**
 * The same for the credential @p name below @p directory, the value of CREDENTIALS_DIRECTORY (NULL: not set).
 * Unlike other files it may show mode 0440 when it belongs to root and root's group: that is how the service
 * manager's access list for the daemon's user looks.
 */
enum pke_err pke_secret_read_credential(const char *directory, const char *name, size_t max,
                                        struct pke_secret **ret, struct pke_fail *fail);

#endif
