/* SPDX-License-Identifier: Apache-2.0 */
/** @file What fuzz_tbs.c holds against lint and floor: the CA of tests/data/cert and a second reader of
 * certificates. */
#ifndef TESTS_FUZZ_FUZZ_LEAF_H
#define TESTS_FUZZ_FUZZ_LEAF_H

#include "ca/floor.h"
#include "ca/lint.h"
#include "ca/names.h"
#include "ca/tbs.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_NOW 1793491200 /* 2026-11-01 00:00:00 UTC, when the certificates of tests/data/cert begin */

/** A new floor of the CA of tests/data/cert, with bounds for each kind of names; it remembers no serial. */
struct ca_floor *fuzz_floor(void);

/** A template of a year for TLS clients, and the decision that @p der claims to be of. Valid as long as @p
 * floor and @p arena. */
const struct ca_lint_context *fuzz_lint_context(const struct ca_floor *floor, struct pke_bytes der,
                                                struct pke_arena *arena);

/** Written again, @p tbs gives @p der. */
void fuzz_tbs_again(const struct ca_tbs *tbs, struct pke_bytes der);

/** When OpenSSL reads @p tbs as a certificate, then as one of that CA that is itself none, cannot sign
 * certificates or CRLs and is for TLS clients only. False when it cannot read all of it or would refuse it
 * for an extension. */
bool fuzz_leaf_check(struct pke_bytes tbs, const struct ca_floor *floor);

/** Each alternative name of a certificate that the floor let through is within its bounds. */
void fuzz_bounds_check(const struct ca_tbs *tbs);

#endif
