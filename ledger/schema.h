/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The tables of the ledger: doc/ledger.md. Private to ledger/.
 */
#ifndef LEDGER_SCHEMA_H
#define LEDGER_SCHEMA_H

#include "ledger/store.h"

/** What the file holds: 0 a new empty file, LEDGER_SCHEMA or older, or a refusal (foreign file, newer
 * schema). */
enum pke_err schema_version(struct store *s, int64_t *version, struct pke_fail *fail);

/** Bring a file of @p version (0: new) to LEDGER_SCHEMA, in one transaction: all of it or nothing. */
enum pke_err schema_upgrade(struct store *s, int64_t version, struct pke_fail *fail);

#endif
