/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Why a request was decided as it was: one step per decision, in order. Kept with a refused request and shown
 * by `pkienrollctl simulate`. Writing a step never fails and never changes a decision.
 */
#ifndef BASE_TRAIL_H
#define BASE_TRAIL_H

#include "base/arena.h"

#define PKE_TRAIL_MAX 256 /* later steps are counted, not kept */

enum pke_trail_outcome {
    PKE_TRAIL_PASSED,  /* a rule was kept */
    PKE_TRAIL_REFUSED, /* a rule was broken: the request ends here */
    PKE_TRAIL_TAKEN,   /* a value goes into the certificate */
    PKE_TRAIL_DROPPED, /* the request asked for something that it does not get */
    PKE_TRAIL_NOTED,   /* neither: a fact that explains the rest */
};

struct pke_trail_step {
    const char *what; /* "key", "subject CN", "san dns", "extension 2.5.29.17" */
    enum pke_trail_outcome outcome;
    const char *rule;   /* the option or clause that decided: "template: subject-full" */
    const char *value;  /* NULL: none */
    const char *source; /* where the value is from: "identity upn", "identity map", "csr"; NULL: nowhere */
};

struct pke_trail {
    struct pke_arena *arena; /* owns the texts */
    struct pke_trail_step *v;
    size_t n;
    size_t lost; /* steps beyond PKE_TRAIL_MAX */
};

/** Append a step; the texts are copied. @p t may be NULL, or without an arena: nothing is recorded. */
void pke_trail_add(struct pke_trail *t, const char *what, enum pke_trail_outcome outcome, const char *rule,
                   const char *value, const char *source);

/** "passed" "refused" "taken" "dropped" "noted" */
const char *pke_trail_outcome_text(enum pke_trail_outcome outcome);

#endif
