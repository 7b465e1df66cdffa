/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What was found: steps, checks, facts and a fault; printed as they come, then as a summary, or as one JSON
 * document.
 *
 * Everything that came from the server is printed escaped: control characters, bidirectional overrides and
 * bytes that are not UTF-8 never reach the terminal.
 */
#ifndef PROBE_VERDICT_H
#define PROBE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct verdict;

/** How the client reads a refusal (MS-MDE2 2.2.10 and the order in which Windows looks). */
struct verdict_fault {
    const char *step;
    long http_status;
    unsigned hresult;
    const char *symbol;     /* MENROLL_E_... or "" */
    const char *subcode;    /* as sent, with its prefix; "" when absent */
    const char *error_type; /* "" when absent */
    const char *text;       /* Reason/Text */
    const char *trace_id;   /* "" when absent */
};

/** How the renewals in a row went; times of the good ones, from the request's first byte to the answer's
 * last. */
struct verdict_soak {
    size_t count; /* as asked for */
    size_t done, failed;
    double median_ms, p95_ms, max_ms;
};

/** @p json: nothing is printed before verdict_finish. Never NULL. */
struct verdict *verdict_new(bool json);

/** What the run does ("enroll", "renew"), for the JSON document and the last line; a string constant. */
void verdict_command(struct verdict *v, const char *command);

/**
 * From now on keep and print failed checks only, with the number @p round of the repetition in their text,
 * and no facts; 0: everything again.
 */
void verdict_quiet(struct verdict *v, size_t round);

/** Record and print how the renewals went. */
void verdict_soak(struct verdict *v, const struct verdict_soak *soak);

/** Number of failed checks so far. */
size_t verdict_failed(const struct verdict *v);

/** Begin a step: @p id is a stable token, @p title a line for people. Both are copied. */
void verdict_step(struct verdict *v, const char *id, const char *title);

/**
 * One check of the current step. @p id is a stable token, @p rule the rule it stands for, the text says what
 * was seen.
 * @return @p good
 */
bool verdict_check(struct verdict *v, bool good, const char *id, const char *rule, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** A line for people without a judgement. */
void verdict_note(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Something learnt, for the summary and the JSON document. An unknown or empty value is not recorded. */
void verdict_fact(struct verdict *v, const char *name, const char *value);
const char *verdict_fact_get(const struct verdict *v, const char *name);

/** Record and print the server's refusal; counts as a failed check. */
void verdict_fault(struct verdict *v, const struct verdict_fault *fault);

/** The server could not be reached: says why. */
void verdict_unreachable(struct verdict *v, const char *why);

/** 0, 1 or 69: enum probe_exit. */
int verdict_status(const struct verdict *v);

/** The JSON document, NUL-terminated view valid until the next call. */
struct pke_bytes verdict_json(struct verdict *v);

/** Print the summary, or the JSON document. */
void verdict_finish(struct verdict *v);

/** Accepts NULL. */
void verdict_free(struct verdict *v);

#endif
