/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The artefact folder: what was sent, what came back and what was made of it, for a support case. It holds a
 * private key and the secrets of the provisioning document, so the folder is 0700 and every file 0600. No
 * password, token or JWT is in it.
 */
#ifndef PROBE_ARTEFACT_H
#define PROBE_ARTEFACT_H

#include "base/bytes.h"
#include "base/error.h"

struct artefacts;

/**
 * Make the folder (and its parents) and remove the results of an earlier run. @p keep_state: not what makes
 * the device's enrollment, which this run replaces when it has something better. PKE_OK or PKE_STORE_DOWN.
 */
enum pke_err artefacts_open(const char *folder, bool keep_state, struct artefacts **ret,
                            struct pke_fail *fail);

/** Write one file; a failure is remembered for artefacts_failed. Blocks on disk. */
void artefacts_write(struct artefacts *a, const char *name, struct pke_bytes content);

/** As artefacts_write, but an earlier file is there whole until the new one is. */
void artefacts_replace(struct artefacts *a, const char *name, struct pke_bytes content);

/** Remove a file, if there is one. */
void artefacts_remove(struct artefacts *a, const char *name);

/** Read a file of the folder of at most @p max bytes into @p out. False when it is not there or too large. */
bool artefacts_read(struct artefacts *a, const char *name, size_t max, struct pke_buf *out);

/** Name of the first file that could not be written; NULL when all were. */
const char *artefacts_failed(const struct artefacts *a);

const char *artefacts_folder(const struct artefacts *a);

/** Accepts NULL. */
void artefacts_close(struct artefacts *a);

/** Read any file of at most @p max bytes. False when that cannot be done. Blocks on disk. */
bool artefact_slurp(int folder_fd, const char *path, size_t max, struct pke_buf *out);

#endif
