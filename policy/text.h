/* SPDX-License-Identifier: Apache-2.0 */
/** @file Text of names: what may be in it, and when two are the same. Private to policy/. */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** UTF-8 of 1 to @p max characters, nothing invisible, no outer space. @p s may be NULL. */
bool policy_text_valid(const char *s, size_t max);

/* ASCII case-insensitively, and locale-independent: no two that differ in other letters are ever one. */
bool policy_text_same(const char *a, const char *b);
bool policy_text_starts(const char *s, const char *prefix);

#endif
