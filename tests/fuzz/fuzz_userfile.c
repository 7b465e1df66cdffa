/* SPDX-License-Identifier: Apache-2.0 */
/* The user file: every user is found and can be taken out, and what is left is a user file with all others.
 */
#include "tests/fuzz/fuzz_user.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    struct userfile *f = NULL;
    struct pke_fail fail = {0};

    (void)arena;
    if (!fuzz_said(userfile_parse(in, &f, &fail), &fail))
        return;
    for (size_t i = 0; i < userfile_count(f) && i < 8; i++)
        fuzz_user_check(f, userfile_at(f, i));
    userfile_free(f);
}
