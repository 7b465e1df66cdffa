/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The publish folder: what a web server in front gives to everybody, and what a TLS terminator loads. Files
 * are there whole or not at all, mode 0644. Every function blocks on disk.
 */
#ifndef DAEMON_ISSUER_PUBLISH_H
#define DAEMON_ISSUER_PUBLISH_H

#include "base/bytes.h"

#define PUBLISH_NAME_MAX 200

/**
 * Make @p name a file with @p content in @p folder, which is made (mode 0755) when it is not there.
 * @return PKE_OK, or PKE_STORE_DOWN ("publish-folder", "publish-file") and then what was there is still
 * there.
 */
enum pke_err publish_file(const char *folder, const char *name, struct pke_bytes content,
                          struct pke_fail *fail);

/** Read a file of the folder, appended to @p out. PKE_NOT_FOUND; PKE_LIMIT; PKE_STORE_DOWN. */
enum pke_err publish_read(const char *folder, const char *name, struct pke_buf *out, struct pke_fail *fail);

/** Append one PEM block; @p label "CERTIFICATE" or "X509 CRL". PKE_LIMIT when @p out is full. */
enum pke_err publish_pem(struct pke_buf *out, const char *label, struct pke_bytes der);

/** Room that a PEM block of @p n octets takes at most. */
size_t publish_pem_size(size_t n);

#endif
