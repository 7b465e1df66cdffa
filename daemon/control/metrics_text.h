/* SPDX-License-Identifier: Apache-2.0 */
/** @file Lines of OpenMetrics text; private to metrics*.c. Names get the prefix here. */
#ifndef DAEMON_CONTROL_METRICS_TEXT_H
#define DAEMON_CONTROL_METRICS_TEXT_H

#include <jansson.h>

#include "base/bytes.h"

#define METRICS_PREFIX "pkienrolld_"
#define METRICS_LABELS 2048 /* bytes of the labels of one sample */

/** Before the samples of a family, which stand together. @p unit NULL: none. */
void metrics_family(struct pke_buf *out, const char *name, const char *type, const char *unit,
                    const char *help);
/** One label; quotes, backslashes and line feeds are escaped. */
void metrics_label(struct pke_buf *to, const char *name, const char *value);
/** Of an object's member; "" when there is none. Borrowed. */
const char *metrics_text_of(const json_t *o, const char *name);
void metrics_number_label(struct pke_buf *to, const char *name, const json_t *o);
void metrics_sample_name(struct pke_buf *out, const char *name, const struct pke_buf *labels);
void metrics_sample(struct pke_buf *out, const char *name, const struct pke_buf *labels, json_int_t value);
void metrics_sample_real(struct pke_buf *out, const char *name, const struct pke_buf *labels, double value);
/** A gauge of 1 for the state that is, and of 0 for those that could be. */
void metrics_states(struct pke_buf *out, const char *name, const struct pke_buf *labels,
                    const char *const *all, size_t n, const char *now);

/* ---- metrics_calls.c: programs of the administrator, from the object of status ---- */

void metrics_calls(struct pke_buf *out, const json_t *status);
void metrics_sinks(struct pke_buf *out, const json_t *status);

#endif
