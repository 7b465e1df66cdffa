/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Name/value pairs as one blob: u32 length and bytes of each name and value in turn. Private to ledger/.
 */
#ifndef LEDGER_PACK_H
#define LEDGER_PACK_H

#include "base/bytes.h"
#include "base/list.h"

/** Append the pairs; PKE_LIMIT when @p out is full. */
enum pke_err pack_pairs(const struct pke_pairs *pairs, struct pke_buf *out);

/** The reverse; false when @p b was not made by pack_pairs(). Strings in @p arena. */
bool unpack_pairs(struct pke_bytes b, struct pke_arena *arena, struct pke_pairs *ret);

/** Names of a certificate that was recorded before there was a list of them. */
void pack_old_names(struct pke_pairs *names, struct pke_arena *arena, const char *subject,
                    const char *san_uri);

#endif
