/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trail.h"

#include <string.h>

static const char *copy(struct pke_arena *arena, const char *s)
{
    return s ? pke_arena_strdup(arena, s) : NULL;
}

void pke_trail_add(struct pke_trail *t, const char *what, enum pke_trail_outcome outcome, const char *rule,
                   const char *value, const char *source)
{
    if (!t || !t->arena)
        return;
    if (t->n == PKE_TRAIL_MAX) {
        t->lost++;
        return;
    }
    if ((t->n & (t->n - 1)) == 0) { /* full when it is a power of two, as the lists of base/list.c */
        struct pke_trail_step *v = pke_arena_alloc(t->arena, (t->n ? 2 * t->n : 1) * sizeof *v);

        if (t->n)
            memcpy(v, t->v, t->n * sizeof *v);
        t->v = v;
    }
    t->v[t->n++] = (struct pke_trail_step){.what = copy(t->arena, what),
                                           .outcome = outcome,
                                           .rule = copy(t->arena, rule),
                                           .value = copy(t->arena, value),
                                           .source = copy(t->arena, source)};
}

const char *pke_trail_outcome_text(enum pke_trail_outcome outcome)
{
    static const char *const texts[] = {[PKE_TRAIL_PASSED] = "passed",
                                        [PKE_TRAIL_REFUSED] = "refused",
                                        [PKE_TRAIL_TAKEN] = "taken",
                                        [PKE_TRAIL_DROPPED] = "dropped",
                                        [PKE_TRAIL_NOTED] = "noted"};

    return texts[outcome];
}
