/* SPDX-License-Identifier: Apache-2.0 */
/** @file Seeds of fuzz_tbs that no file has: what the floor of the fuzz target lets through. */
#ifndef TESTS_FUZZ_TBS_SEEDS_H
#define TESTS_FUZZ_TBS_SEEDS_H

struct ca_issuer;

/** The CA of tests/data/cert below $top_srcdir. */
struct ca_issuer *tbs_seeds_ca(void);

/** Write them into @p folder, of the CA of tests/data/cert below $top_srcdir. */
void tbs_seeds_write(const char *folder);

#endif
