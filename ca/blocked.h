/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Keys that are never certified, by the SHA-256 of their SubjectPublicKeyInfo: a sorted array of 32 octets
 * each, searched by halves. Filled line by line, so that no file has to be in memory at once.
 */
#ifndef CA_BLOCKED_H
#define CA_BLOCKED_H

#include "base/bytes.h"
#include "base/error.h"

#define CA_BLOCKED_MAX (4u << 20) /* keys: 128 MiB */

struct ca_blocked;

struct ca_blocked *ca_blocked_new(void);
void ca_blocked_free(struct ca_blocked *b); /* accepts NULL */

/**
 * One line of a list, without its newline: 64 lower-case hex digits, or nothing, or a comment that begins
 * with "#"; blanks around the digits and a comment behind them are allowed.
 * @return PKE_OK, or PKE_CONFIG: blocked-keys-line (with what is wrong, not with where), blocked-keys-many.
 */
enum pke_err ca_blocked_line(struct ca_blocked *b, struct pke_bytes line, struct pke_fail *fail);

void ca_blocked_add(struct ca_blocked *b, const uint8_t spki_sha256[32]);

/** After the last line and before the first question. */
void ca_blocked_sort(struct ca_blocked *b);

bool ca_blocked_has(const struct ca_blocked *b, const uint8_t spki_sha256[32]);
size_t ca_blocked_count(const struct ca_blocked *b);

#endif
