/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a software TPM made: tests/data/attest, or the folder of the same files that ATTEST_DATA names (the
 * integration test makes a new one each time).
 */
#ifndef TESTS_UNIT_ATTEST_DATA_H
#define TESTS_UNIT_ATTEST_DATA_H

#include "base/bytes.h"

#define ATTEST_DATA_NOW 1782000000 /* 2026-06-21, in the life of all certificates but aik-short.der */

/** A file as a copy of its own, so that a sanitizer sees a read behind its end; NULL name: {NULL, 0}. free().
 */
struct pke_bytes attest_data(const char *name);
void attest_data_free(struct pke_bytes b);

#endif
