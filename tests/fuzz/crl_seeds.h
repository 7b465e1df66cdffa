/* SPDX-License-Identifier: Apache-2.0 */
/** @file Seeds of fuzz_crl. */
#ifndef TESTS_FUZZ_CRL_SEEDS_H
#define TESTS_FUZZ_CRL_SEEDS_H

/** Write them into @p folder, of the CA of tests/data/cert below $top_srcdir. */
void crl_seeds_write(const char *folder);

#endif
