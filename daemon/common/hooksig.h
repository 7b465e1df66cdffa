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
#define HOOKSIG_DIGEST     65 /* 64 hexadecimal digits, NUL */
#define HOOKSIG_TEXT       68 /* "v1=", 64 hexadecimal digits, NUL */

/** A file of HOOKSIG_SECRET_MIN to _MAX bytes. PKE_CONFIG names what is wrong. Blocks on disk. */
enum pke_err hooksig_secret(const char *path, struct pke_secret **ret, struct pke_fail *fail);

/** How a question is named in the signature of its answer: the hex SHA-256 of its body. */
void hooksig_question(struct pke_bytes question, char ret[HOOKSIG_DIGEST]);

/** What the header field has to say: over "pkienroll-answer-v1" LF @p id LF @p question LF @p answer; @p
 * question is hooksig_question(). */
void hooksig_answer(const struct pke_secret *secret, const char *id, const char *question,
                    struct pke_bytes answer, char ret[HOOKSIG_TEXT]);

/** Compare in constant time. PKE_UNAUTHENTICATED when @p text is NULL or another. */
enum pke_err hooksig_check(const struct pke_secret *secret, const char *id, const char *question,
                           struct pke_bytes answer, const char *text, struct pke_fail *fail);

#endif
