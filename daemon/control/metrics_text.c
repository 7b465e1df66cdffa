/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/metrics_text.h"

#include <stdio.h>
#include <string.h>

/* Before the samples of a family, which stand together. */
void metrics_family(struct pke_buf *out, const char *name, const char *type, const char *unit,
                    const char *help)
{
    pke_buf_printf(out, "# TYPE " METRICS_PREFIX "%s %s\n", name, type);
    if (unit)
        pke_buf_printf(out, "# UNIT " METRICS_PREFIX "%s %s\n", name, unit);
    pke_buf_printf(out, "# HELP " METRICS_PREFIX "%s %s\n", name, help);
}

/* One label; quotes, backslashes and line feeds are escaped. */
void metrics_label(struct pke_buf *to, const char *name, const char *value)
{
    pke_buf_printf(to, "%s%s=\"", to->n ? "," : "", name);
    for (const char *p = value ? value : ""; *p; p++) {
        if (*p == '\n')
            pke_buf_add_str(to, "\\n");
        else if (*p == '"' || *p == '\\')
            pke_buf_printf(to, "\\%c", *p);
        else
            pke_buf_add_u8(to, (uint8_t)*p);
    }
    pke_buf_add_u8(to, '"');
}

const char *metrics_text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

void metrics_number_label(struct pke_buf *to, const char *name, const json_t *o)
{
    char text[24];

    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(o, name)));
    metrics_label(to, name, text);
}

void metrics_sample_name(struct pke_buf *out, const char *name, const struct pke_buf *labels)
{
    pke_buf_printf(out, METRICS_PREFIX "%s", name);
    if (labels && labels->n)
        pke_buf_printf(out, "{%.*s}", (int)labels->n, (const char *)labels->p);
}

void metrics_sample(struct pke_buf *out, const char *name, const struct pke_buf *labels, json_int_t value)
{
    metrics_sample_name(out, name, labels);
    pke_buf_printf(out, " %" JSON_INTEGER_FORMAT "\n", value);
}

void metrics_sample_real(struct pke_buf *out, const char *name, const struct pke_buf *labels, double value)
{
    metrics_sample_name(out, name, labels);
    pke_buf_printf(out, " %.9g\n", value);
}

/* A gauge of 1 for the state that is, and of 0 for those that could be. */
void metrics_states(struct pke_buf *out, const char *name, const struct pke_buf *labels,
                    const char *const *all, size_t n, const char *now)
{
    for (size_t i = 0; i < n; i++) {
        struct pke_buf with;

        pke_buf_init(&with, METRICS_LABELS);
        if (labels)
            pke_buf_add_bytes(&with, pke_buf_bytes(labels));
        metrics_label(&with, "state", all[i]);
        metrics_sample(out, name, &with, strcmp(all[i], now) == 0);
        pke_buf_done(&with);
    }
}
