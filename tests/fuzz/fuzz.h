/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What every fuzz target has: fuzz.c is the entry that libFuzzer or replay.c calls; a target is one
 * fuzz_one() that says with FUZZ_MUST what has to hold for any input.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

/** The target. @p arena is empty and is thrown away afterwards. */
void fuzz_one(struct pke_bytes in, struct pke_arena *arena);

/** A finding unless @p condition holds; evaluated in every build. */
#define FUZZ_MUST(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

/** PKE_OK, or refused with the same error in @p fail and a reason, a rule and a text. Returns whether it is
 * PKE_OK. */
bool fuzz_said(enum pke_err err, const struct pke_fail *fail);

/** Read @p in and write it again; false when it is refused. */
typedef bool fuzz_rewrite_fn(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out);

/** What @p rewrite accepts, it accepts again in its own writing, and writes the same; unless that is over @p
 * max. */
void fuzz_stable(fuzz_rewrite_fn *rewrite, struct pke_bytes in, size_t max, struct pke_arena *arena);

#endif
