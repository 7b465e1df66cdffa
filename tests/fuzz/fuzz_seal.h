/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_SEAL_H
#define TESTS_FUZZ_FUZZ_SEAL_H

#include "daemon/common/assertion.h"
#include "tests/fuzz/fuzz.h"

/** @p record between the magic and the MAC of an assertion, made here anew and not by the code under test. */
struct pke_bytes fuzz_sealed(struct pke_bytes record, struct pke_arena *arena);

/** Read the assertion and, unless @p out is NULL, write it again. */
bool fuzz_assertion_rewrite(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out);

#endif
