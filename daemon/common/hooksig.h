/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The signature on the answer of a webhook: HMAC-SHA256 over which question was answered how. Checked by the
 * role that acts on it, never by the one that carried it. doc/authoriser.md
 */
#ifndef DAEMON_COMMON_HOOKSIG_H
#define DAEMON_COMMON_HOOKSIG_H

#include "base/error.h"
#include "base/secret.h"

#define HOOKSIG_SECRET_MIN 16 /* bytes of a secret */
#define HOOKSIG_SECRET_MAX 255
#define HOOKSIG_TEXT       68 /* "v1=", 64 hexadecimal digits, NUL */

/** A file of HOOKSIG_SECRET_MIN to _MAX bytes. PKE_CONFIG names what is wrong. Blocks on disk. */
enum pke_err hooksig_secret(const char *path, struct pke_secret **ret, struct pke_fail *fail);

/** What the header field has to say: over "pkienroll-answer-v1" LF @p id LF hex SHA-256 of @p question LF @p
 * answer. */
void hooksig_answer(const struct pke_secret *secret, const char *id, struct pke_bytes question,
                    struct pke_bytes answer, char ret[HOOKSIG_TEXT]);

/** Compare in constant time. PKE_UNAUTHENTICATED when @p text is NULL or another. */
enum pke_err hooksig_check(const struct pke_secret *secret, const char *id, struct pke_bytes question,
                           struct pke_bytes answer, const char *text, struct pke_fail *fail);

#endif
