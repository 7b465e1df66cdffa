/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/process.h"
#include "daemon/control/metrics_text.h"

/* ---- calls to programs of the administrator */

static const char *const call_ends[] = {"answered", "status", "late",     "queue",    "down",
                                        "tls",      "peer",   "too_long", "malformed"};

typedef void call_samples(struct pke_buf *out, const struct pke_buf *labels, json_t *counts,
                          const char *member);

/* @p each for every target, with its labels. */
static void each_target(struct pke_buf *out, json_t *callouts, call_samples *each, const char *member)
{
    const char *section, *name;
    json_t *targets, *counts;

    json_object_foreach(callouts, section, targets)
    {
        json_object_foreach(targets, name, counts)
        {
            struct pke_buf labels;

            pke_buf_init(&labels, METRICS_LABELS);
            metrics_label(&labels, "section", section);
            metrics_label(&labels, "name", name);
            each(out, &labels, counts, member);
            pke_buf_done(&labels);
        }
    }
}

static void call_results(struct pke_buf *out, const struct pke_buf *labels, json_t *counts,
                         const char *member)
{
    (void)member;
    for (size_t i = 0; i < PKE_LEN(call_ends); i++) {
        struct pke_buf with;

        pke_buf_init(&with, METRICS_LABELS);
        pke_buf_add_bytes(&with, pke_buf_bytes(labels));
        metrics_label(&with, "result", call_ends[i]);
        metrics_sample(out, "callouts_total", &with,
                       json_integer_value(json_object_get(counts, call_ends[i])));
        pke_buf_done(&with);
    }
}

static void call_number(struct pke_buf *out, const struct pke_buf *labels, json_t *counts, const char *member)
{
    PKE_CLEANUP(pke_free_p) char *name = pke_asprintf("callout_%s", member);

    metrics_sample(out, name, labels, json_integer_value(json_object_get(counts, member)));
}

static void call_retries(struct pke_buf *out, const struct pke_buf *labels, json_t *counts,
                         const char *member)
{
    metrics_sample(out, "callout_retries_total", labels, json_integer_value(json_object_get(counts, member)));
}

/* A sum and a count without quantiles: what an average is made of. */
static void call_seconds(struct pke_buf *out, const struct pke_buf *labels, json_t *counts,
                         const char *member)
{
    json_int_t n = 0;

    for (size_t i = 0; i < PKE_LEN(call_ends); i++)
        if (strcmp(call_ends[i], "queue") != 0)
            n += json_integer_value(json_object_get(counts, call_ends[i]));
    metrics_sample(out, "callout_seconds_count", labels, n);
    metrics_sample_real(out, "callout_seconds_sum", labels,
                        (double)json_integer_value(json_object_get(counts, member)) / 1e3);
}

void metrics_calls(struct pke_buf *out, const json_t *status)
{
    json_t *callouts = json_object_get(status, "callouts");

    if (json_object_size(callouts) == 0)
        return;
    metrics_family(out, "callouts", "counter", NULL,
                   "Calls to authorisers and event sinks by how they ended.");
    each_target(out, callouts, call_results, NULL);
    metrics_family(out, "callout_retries", "counter", NULL, "Second attempts of calls.");
    each_target(out, callouts, call_retries, "retries");
    metrics_family(out, "callout_in_flight", "gauge", NULL, "Calls under way.");
    each_target(out, callouts, call_number, "in_flight");
    metrics_family(out, "callout_waiting", "gauge", NULL, "Calls that wait for their turn.");
    each_target(out, callouts, call_number, "waiting");
    metrics_family(out, "callout_seconds", "summary", "seconds", "Time of one call.");
    each_target(out, callouts, call_seconds, "sum_ms");
}

/* ---- event sinks */

static const char *const sink_states[] = {"ready", "late", "down"};

static void sink_states_of(struct pke_buf *out, const struct pke_buf *labels, const json_t *sink)
{
    metrics_states(out, "event_sink_state", labels, sink_states, PKE_LEN(sink_states),
                   metrics_text_of(sink, "state"));
}

static void sink_late(struct pke_buf *out, const struct pke_buf *labels, const json_t *sink)
{
    metrics_sample(out, "event_sink_late", labels, json_integer_value(json_object_get(sink, "late")));
}

static void sink_dead(struct pke_buf *out, const struct pke_buf *labels, const json_t *sink)
{
    metrics_sample(out, "event_sink_dead", labels, json_integer_value(json_object_get(sink, "dead")));
}

/* Of what was not tried in vain: 0 when nothing waits. */
static void sink_lag(struct pke_buf *out, const struct pke_buf *labels, const json_t *sink)
{
    int64_t oldest = 0, now = process_wall_ms() / 1000;
    const char *text = metrics_text_of(sink, "oldest");

    if (!*text || !pke_time_parse(text, &oldest) || oldest > now)
        oldest = now;
    metrics_sample(out, "event_sink_lag_seconds", labels, now - oldest);
}

static void each_sink(struct pke_buf *out, json_t *sinks,
                      void (*each)(struct pke_buf *, const struct pke_buf *, const json_t *))
{
    const char *name;
    json_t *sink;

    json_object_foreach(sinks, name, sink)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "event_sink", name);
        each(out, &labels, sink);
        pke_buf_done(&labels);
    }
}

void metrics_sinks(struct pke_buf *out, const json_t *status)
{
    json_t *sinks = json_object_get(status, "event_sinks");

    if (json_object_size(sinks) == 0)
        return;
    metrics_family(out, "event_sink_state", "gauge", NULL, "State of each event sink.");
    each_sink(out, sinks, sink_states_of);
    metrics_family(out, "event_sink_late", "gauge", NULL,
                   "Events that a sink refused and that are tried again.");
    each_sink(out, sinks, sink_late);
    metrics_family(out, "event_sink_dead", "gauge", NULL, "Events that were given up; see events dead.");
    each_sink(out, sinks, sink_dead);
    metrics_family(out, "event_sink_lag_seconds", "gauge", "seconds",
                   "Age of the oldest event that waits for a sink.");
    each_sink(out, sinks, sink_lag);
}
