/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenMetrics is a dozen rules about lines (names, escapes, order, "# EOF"); a library for it would be more
 * text than this. tests/integration/test_metrics.py reads the result with a parser of its own.
 */
#include "daemon/control/metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/control/metrics_text.h"

#define MICROS 1e6

static const char *const daemon_states[] = {"starting", "ready", "degraded", "draining", "stopping"};
static const char *const key_states[] = {"starting", "ready",  "recovering", "locked",
                                         "failed",   "paused", "gone"};

/* ---- main */

static void role_samples(struct pke_buf *out, const json_t *roles, const char *name, bool restarts)
{
    const json_t *r;
    size_t i;

    json_array_foreach(roles, i, r)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "role", metrics_text_of(r, "role"));
        metrics_label(&labels, "name", metrics_text_of(r, "name"));
        metrics_number_label(&labels, "index", r);
        metrics_sample(out, name, &labels,
                       restarts ? json_integer_value(json_object_get(r, "restarts"))
                                : strcmp(metrics_text_of(r, "state"), "waiting") != 0);
        pke_buf_done(&labels);
    }
}

static void token_samples(struct pke_buf *out, json_t *issuers, const char *name, const char *member)
{
    const char *issuer;
    json_t *o;

    json_object_foreach(issuers, issuer, o)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "token_issuer", issuer);
        metrics_sample(out, name, &labels, json_integer_value(json_object_get(o, member)));
        pke_buf_done(&labels);
    }
}

static void daemon_families(struct pke_buf *out, const json_t *status)
{
    json_t *roles = json_object_get(status, "roles"), *issuers = json_object_get(status, "token_issuers");
    struct pke_buf labels;

    pke_buf_init(&labels, METRICS_LABELS);
    metrics_label(&labels, "version", metrics_text_of(status, "version"));
    metrics_family(out, "build", "info", NULL, "The running program.");
    metrics_sample(out, "build_info", &labels, 1);
    pke_buf_done(&labels);
    metrics_family(out, "uptime_seconds", "gauge", "seconds", "Time since the daemon started.");
    metrics_sample(out, "uptime_seconds", NULL,
                   json_integer_value(json_object_get(status, "uptime_seconds")));
    metrics_family(out, "state", "gauge", NULL, "State of the daemon: 1 for the one it is in.");
    metrics_states(out, "state", NULL, daemon_states, PKE_LEN(daemon_states),
                   metrics_text_of(status, "state"));
    metrics_family(out, "role_up", "gauge", NULL, "Whether the process of a role runs.");
    role_samples(out, roles, "role_up", false);
    metrics_family(out, "role_restarts", "counter", NULL,
                   "Times that the process of a role was started again.");
    role_samples(out, roles, "role_restarts_total", true);
    metrics_family(out, "tokens_accepted", "counter", NULL, "Bearer tokens of an issuer that were accepted.");
    token_samples(out, issuers, "tokens_accepted_total", "accepted");
    metrics_family(out, "tokens_refused", "counter", NULL, "Bearer tokens of an issuer that were refused.");
    token_samples(out, issuers, "tokens_refused_total", "refused");
    metrics_family(out, "tokens_unknown_key", "counter", NULL,
                   "Bearer tokens of a key that the file does not have.");
    token_samples(out, issuers, "tokens_unknown_key_total", "unknown_kids");
    metrics_calls(out, status);
    metrics_sinks(out, status);
}

/* ---- ledger */

static void ledger_families(struct pke_buf *out, const struct ledger_counts *c)
{
    const struct {
        const char *result;
        uint64_t n;
    } results[] = {
        {"issued", c->issued}, {"failed", c->failed}, {"refused", c->refused}, {"abandoned", c->abandoned}};

    metrics_family(out, "requests", "counter", NULL, "Requests in the ledger by what became of them.");
    for (size_t i = 0; i < PKE_LEN(results); i++) {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "result", results[i].result);
        metrics_sample(out, "requests_total", &labels, (json_int_t)results[i].n);
        pke_buf_done(&labels);
    }
    metrics_family(out, "requests_open", "gauge", NULL, "Requests between intent and result.");
    metrics_sample(out, "requests_open", NULL, (json_int_t)c->intent);
    metrics_family(out, "certificates_revoked", "gauge", NULL, "Certificates that are revoked for good.");
    metrics_sample(out, "certificates_revoked", NULL, (json_int_t)c->revoked);
    metrics_family(out, "certificates_held", "gauge", NULL, "Certificates that are on hold.");
    metrics_sample(out, "certificates_held", NULL, (json_int_t)c->held);
    metrics_family(out, "audit_rows", "counter", NULL, "Rows of the audit chain.");
    metrics_sample(out, "audit_rows_total", NULL, (json_int_t)c->audit);
}

/* ---- keys */

typedef void key_samples(struct pke_buf *out, const struct pke_buf *labels, const json_t *instance,
                         const void *arg);

/* @p each for every process of every key, with its labels. */
static void each_instance(struct pke_buf *out, const json_t *keys, key_samples *each, const void *arg)
{
    const json_t *key;
    const char *number;
    json_t *instance;
    size_t i;

    json_array_foreach(json_object_get(keys, "keys"), i, key)
    {
        json_object_foreach(json_object_get(key, "instances"), number, instance)
        {
            struct pke_buf labels;

            pke_buf_init(&labels, METRICS_LABELS);
            metrics_label(&labels, "key", metrics_text_of(key, "name"));
            metrics_label(&labels, "instance", number);
            each(out, &labels, instance, arg);
            pke_buf_done(&labels);
        }
    }
}

static void one_state(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    (void)arg;
    metrics_states(out, "key_state", labels, key_states, PKE_LEN(key_states), metrics_text_of(o, "state"));
}

struct named {
    const char *sample, *member;
};

static void one_number(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    const struct named *n = arg;

    metrics_sample(out, n->sample, labels, json_integer_value(json_object_get(o, n->member)));
}

static void one_duration(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    const struct named *n = arg;

    metrics_sample_real(out, n->sample, labels,
                        (double)json_integer_value(json_object_get(o, n->member)) / MICROS);
}

static void one_time(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    json_int_t ms = json_integer_value(json_object_get(o, "last_good_ms"));

    (void)arg;
    if (ms) /* no signature yet is no time */
        metrics_sample_real(out, "key_last_good_timestamp_seconds", labels, (double)(ms / 1000));
}

static void one_failures(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    const char *name;
    json_t *n;

    (void)arg;
    json_object_foreach(json_object_get(o, "failed"), name, n)
    {
        struct pke_buf with;

        pke_buf_init(&with, METRICS_LABELS);
        pke_buf_add_bytes(&with, pke_buf_bytes(labels));
        metrics_label(&with, "class", name);
        metrics_sample(out, "key_failures_total", &with, json_integer_value(n));
        pke_buf_done(&with);
    }
}

/* Buckets count everything up to their bound, the last one all. */
static void one_histogram(struct pke_buf *out, const struct pke_buf *labels, const json_t *o, const void *arg)
{
    const json_t *bounds = arg, *buckets = json_object_get(o, "buckets");
    json_int_t total = 0;
    char le[32];

    for (size_t i = 0; i <= json_array_size(bounds); i++) {
        struct pke_buf with;

        total += json_integer_value(json_array_get(buckets, i));
        snprintf(le, sizeof le, "%g", (double)json_integer_value(json_array_get(bounds, i)) / MICROS);
        if (!strpbrk(le, ".e")) /* a bound is written as a float, always in the same way */
            strcat(le, ".0");
        pke_buf_init(&with, METRICS_LABELS);
        pke_buf_add_bytes(&with, pke_buf_bytes(labels));
        metrics_label(&with, "le", i < json_array_size(bounds) ? le : "+Inf");
        metrics_sample(out, "key_signature_seconds_bucket", &with, total);
        pke_buf_done(&with);
    }
    metrics_sample(out, "key_signature_seconds_count", labels, total);
    metrics_sample_real(out, "key_signature_seconds_sum", labels,
                        (double)json_integer_value(json_object_get(o, "sum_micros")) / MICROS);
}

static void queue_samples(struct pke_buf *out, const json_t *keys)
{
    const json_t *key;
    size_t i;

    metrics_family(out, "key_queue", "gauge", NULL, "Requests that wait for a key.");
    json_array_foreach(json_object_get(keys, "keys"), i, key)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "key", metrics_text_of(key, "name"));
        metrics_sample(out, "key_queue", &labels, json_integer_value(json_object_get(key, "queued")));
        pke_buf_done(&labels);
    }
}

static void key_families(struct pke_buf *out, const json_t *keys)
{
    static const struct named signatures = {"key_signatures_total", "signatures"},
                              recoveries = {"key_recoveries_total", "recoveries"},
                              checks = {"key_health_checks_total", "health_checks"},
                              average = {"key_signature_ewma_seconds", "ewma_micros"};

    metrics_family(out, "key_state", "gauge", NULL,
                   "State of a process of a CA key: 1 for the one it is in.");
    each_instance(out, keys, one_state, NULL);
    metrics_family(out, "key_signatures", "counter", NULL, "Certificates that were signed.");
    each_instance(out, keys, one_number, &signatures);
    metrics_family(out, "key_failures", "counter", NULL,
                   "Failures by class, those that a retry mended included.");
    each_instance(out, keys, one_failures, NULL);
    metrics_family(out, "key_recoveries", "counter", NULL, "Times that a lost session or device came back.");
    each_instance(out, keys, one_number, &recoveries);
    metrics_family(out, "key_health_checks", "counter", NULL,
                   "Signatures over a test text while nobody asked.");
    each_instance(out, keys, one_number, &checks);
    metrics_family(out, "key_signature_seconds", "histogram", "seconds", "Time of one signature.");
    each_instance(out, keys, one_histogram, json_object_get(keys, "bounds"));
    metrics_family(out, "key_signature_ewma_seconds", "gauge", "seconds",
                   "Moving average of the time of one.");
    each_instance(out, keys, one_duration, &average);
    metrics_family(out, "key_last_good_timestamp_seconds", "gauge", "seconds",
                   "Time of the last good signature.");
    each_instance(out, keys, one_time, NULL);
    queue_samples(out, keys);
}

/* ---- revocation lists */

static void crl_samples(struct pke_buf *out, const json_t *crls, const char *name, const char *member)
{
    const json_t *crl;
    size_t i;

    json_array_foreach(crls, i, crl)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "issuer", metrics_text_of(crl, "issuer"));
        metrics_sample(out, name, &labels, json_integer_value(json_object_get(crl, member)));
        pke_buf_done(&labels);
    }
}

/* "none": the first one has time yet. */
static const char *const crl_states[] = {"none", "current", "late", "expired"};

static void crl_families(struct pke_buf *out, const json_t *crls)
{
    const json_t *crl;
    size_t i;

    metrics_family(out, "crl_state", "gauge", NULL, "State of an issuer's CRL: 1 for the one it is in.");
    json_array_foreach(crls, i, crl)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "issuer", metrics_text_of(crl, "issuer"));
        metrics_states(out, "crl_state", &labels, crl_states, PKE_LEN(crl_states),
                       metrics_text_of(crl, "state"));
        pke_buf_done(&labels);
    }
    metrics_family(out, "crl_number", "gauge", NULL, "Number of the last full CRL; 0: there is none yet.");
    crl_samples(out, crls, "crl_number", "number");
    metrics_family(out, "crl_entries", "gauge", NULL, "Entries of the last full CRL.");
    crl_samples(out, crls, "crl_entries", "entries");
    metrics_family(out, "crl_this_update_timestamp_seconds", "gauge", "seconds",
                   "Date of the last full CRL.");
    crl_samples(out, crls, "crl_this_update_timestamp_seconds", "this_update");
    metrics_family(out, "crl_next_update_timestamp_seconds", "gauge", "seconds", "Until when it is good.");
    crl_samples(out, crls, "crl_next_update_timestamp_seconds", "next_update");
    metrics_family(out, "crl_failures", "gauge", NULL, "Attempts to publish one that failed since the last.");
    crl_samples(out, crls, "crl_failures", "failures");
}

/* ---- issuers */

static const char *const issuer_states[] = {"active", "scheduled", "standby", "retired", "legacy"};

static void issuer_sample(struct pke_buf *out, const char *name, const json_t *issuer,
                          const char *certificate, json_int_t value)
{
    struct pke_buf labels;

    pke_buf_init(&labels, METRICS_LABELS);
    metrics_label(&labels, "issuer", metrics_text_of(issuer, "name"));
    if (certificate)
        metrics_label(&labels, "certificate", certificate);
    metrics_sample(out, name, &labels, value);
    pke_buf_done(&labels);
}

static bool is_waiting(const json_t *issuer)
{
    const json_t *row = json_object_get(issuer, "rollover");

    return strcmp(metrics_text_of(row, "from"), metrics_text_of(issuer, "name")) == 0 &&
           json_is_string(json_object_get(row, "waits"));
}

static void issuer_families(struct pke_buf *out, const json_t *issuers)
{
    const json_t *one;
    size_t i;

    metrics_family(out, "issuer_state", "gauge", NULL, "State of an issuer: 1 for the one it is in.");
    json_array_foreach(issuers, i, one)
    {
        struct pke_buf labels;

        pke_buf_init(&labels, METRICS_LABELS);
        metrics_label(&labels, "issuer", metrics_text_of(one, "name"));
        metrics_states(out, "issuer_state", &labels, issuer_states, PKE_LEN(issuer_states),
                       metrics_text_of(one, "state"));
        pke_buf_done(&labels);
    }
    metrics_family(out, "issuer_not_after_seconds", "gauge", "seconds",
                   "When the certificate of an issuer or its root ends.");
    json_array_foreach(issuers, i, one)
    {
        issuer_sample(out, "issuer_not_after_seconds", one, "issuer",
                      json_integer_value(json_object_get(one, "not_after_seconds")));
        issuer_sample(out, "issuer_not_after_seconds", one, "root",
                      json_integer_value(json_object_get(one, "root_not_after_seconds")));
    }
    metrics_family(out, "rollover_waiting", "gauge", NULL,
                   "Whether the switch of an issuer is due and waits.");
    json_array_foreach(issuers, i, one) issuer_sample(out, "rollover_waiting", one, NULL, is_waiting(one));
}

/* ---- tenants */

static void tenant_families(struct pke_buf *out, const json_t *tenants)
{
    static const char *const results[] = {"issued", "refused", "failed"};
    const json_t *one;
    size_t i;

    metrics_family(out, "tenant_requests", "counter", NULL,
                   "Enrollment requests of a tenant by what became of them.");
    json_array_foreach(tenants, i, one)
    {
        for (size_t r = 0; r < PKE_LEN(results); r++) {
            struct pke_buf labels;

            pke_buf_init(&labels, METRICS_LABELS);
            metrics_label(&labels, "tenant", metrics_text_of(one, "tenant"));
            metrics_label(&labels, "result", results[r]);
            metrics_sample(out, "tenant_requests_total", &labels,
                           json_integer_value(json_object_get(one, results[r])));
            pke_buf_done(&labels);
        }
    }
}

enum pke_err metrics_write(const json_t *status, const json_t *keys, const struct ledger_counts *counts,
                           struct pke_buf *out)
{
    if (status)
        daemon_families(out, status);
    metrics_family(out, "issuer_up", "gauge", NULL, "Whether the issuer answered this call.");
    metrics_sample(out, "issuer_up", NULL, keys != NULL);
    if (keys)
        key_families(out, keys);
    if (keys)
        crl_families(out, json_object_get(keys, "crls"));
    if (keys)
        issuer_families(out, json_object_get(keys, "issuers"));
    if (keys)
        tenant_families(out, json_object_get(keys, "tenants"));
    metrics_family(out, "ledger_up", "gauge", NULL, "Whether the ledger could be read for this call.");
    metrics_sample(out, "ledger_up", NULL, counts != NULL);
    if (counts)
        ledger_families(out, counts);
    pke_buf_add_str(out, "# EOF\n");
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
