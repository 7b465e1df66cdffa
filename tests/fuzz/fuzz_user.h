/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_USER_H
#define TESTS_FUZZ_FUZZ_USER_H

#include "daemon/auth/userfile.h"
#include "tests/fuzz/fuzz.h"

/** @p u of @p f is valid and is found; without it the text has all others; added again it is the same user.
 */
void fuzz_user_check(const struct userfile *f, const struct user *u);

#endif
