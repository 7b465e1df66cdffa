/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_user.h"

#include <string.h>

static struct userfile *parsed(const struct pke_buf *text)
{
    struct userfile *f = NULL;

    FUZZ_MUST(userfile_parse(pke_buf_bytes(text), &f, NULL) == PKE_OK);
    return f;
}

static void check_same(const struct user *a, const struct user *b)
{
    FUZZ_MUST(b && strcmp(a->name, b->name) == 0 && strcmp(a->hash, b->hash) == 0);
    FUZZ_MUST(a->attributes.n == b->attributes.n);
    for (size_t i = 0; i < a->attributes.n; i++) {
        FUZZ_MUST(userfile_attribute_valid(a->attributes.v[i].name, a->attributes.v[i].value));
        FUZZ_MUST(strcmp(a->attributes.v[i].name, b->attributes.v[i].name) == 0);
        FUZZ_MUST(strcmp(a->attributes.v[i].value, b->attributes.v[i].value) == 0);
    }
}

void fuzz_user_check(const struct userfile *f, const struct user *u)
{
    struct pke_buf without, with;
    struct userfile *fewer, *again;

    FUZZ_MUST(userfile_name_valid(u->name) && userfile_find(f, u->name) == u);
    pke_buf_init(&without, SIZE_MAX);
    pke_buf_init(&with, SIZE_MAX);
    userfile_text_remove(f, u, &without);
    fewer = parsed(&without);
    FUZZ_MUST(userfile_count(fewer) == userfile_count(f) - 1 && !userfile_find(fewer, u->name));
    userfile_text_add(fewer, u, &with);
    again = parsed(&with);
    FUZZ_MUST(userfile_count(again) == userfile_count(f));
    for (size_t i = 0; i < userfile_count(f); i++)
        check_same(userfile_at(f, i), userfile_at(again, i));
    userfile_free(fewer);
    userfile_free(again);
    pke_buf_done(&without);
    pke_buf_done(&with);
}
