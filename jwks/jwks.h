/* SPDX-License-Identifier: Apache-2.0 */
/** @file The two halves of pkienroll-jwks: get the bytes, put them in place. */
#ifndef JWKS_JWKS_H
#define JWKS_JWKS_H

#include "base/bytes.h"

struct jwks_source {
    const char *url;     /* https:// */
    const char *ca_file; /* PEM of the trusted CAs; NULL: those of the system */
    long timeout;        /* seconds for everything */
};

/**
 * GET the URL into @p out, whose max bounds the answer. TLS 1.2 at least, the certificate and its name are
 * checked, no redirect is followed, only status 200 counts. Blocks.
 * @return PKE_OK, or PKE_STORE_DOWN: jwks-fetch, jwks-status, jwks-redirect; PKE_LIMIT: jwks-size.
 */
enum pke_err jwks_fetch(const struct jwks_source *source, struct pke_buf *out, struct pke_fail *fail);

/**
 * Replace the file: a new one beside it (mode 0644), fsync, rename, fsync of the folder. Whatever goes wrong,
 * the old file stays as it is. Blocks on disk.
 * @return PKE_OK, or PKE_STORE_DOWN: jwks-write.
 */
enum pke_err jwks_store(const char *path, struct pke_bytes text, struct pke_fail *fail);

#endif
