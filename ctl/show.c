/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/show.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/text.h"

#define VALUE_MAX (256u << 10)

struct column {
    enum verb_id verb;
    const char *title, *key; /* key "error.reason": a member of a member */
};

static const struct column columns[] = {
    {VERB_ISSUER_LIST, "NAME", "name"},
    {VERB_ISSUER_LIST, "STATE", "state"},
    {VERB_ISSUER_LIST, "ROLLOVER TO", "rollover.to"},
    {VERB_ISSUER_LIST, "NOT AFTER", "not_after"},
    {VERB_ISSUER_LIST, "FULL VALIDITY UNTIL", "full_validity_until"},
    {VERB_ISSUER_LIST, "WAITS", "rollover.waits"},
    {VERB_TEMPLATE_LIST, "NAME", "name"},
    {VERB_TEMPLATE_LIST, "COMMON NAME", "common_name"},
    {VERB_TEMPLATE_LIST, "ISSUER", "issuer"},
    {VERB_TEMPLATE_LIST, "VALIDITY", "validity"},
    {VERB_TEMPLATE_LIST, "ENABLED", "enabled"},
    {VERB_KEY_LIST, "NAME", "name"},
    {VERB_KEY_LIST, "INSTANCE", "instance"},
    {VERB_KEY_LIST, "ISSUER", "issuer"},
    {VERB_KEY_LIST, "ALGORITHM", "algorithm"},
    {VERB_KEY_LIST, "STATE", "state"},
    {VERB_KEY_LIST, "SIGNATURES", "signatures"},
    {VERB_KEY_LIST, "FAILURES", "failures"},
    {VERB_KEY_LIST, "CHECKS", "health_checks"},
    {VERB_KEY_LIST, "LAST US", "last_micros"},
    {VERB_KEY_LIST, "EWMA US", "ewma_micros"},
    {VERB_KEY_LIST, "LAST GOOD", "last_good_at"},
    {VERB_KEY_LIST, "RAW", "raw_text"},
    {VERB_KEY_LIST, "ERROR", "error"},
    {VERB_REQUEST_LIST, "RECEIVED", "received_at"},
    {VERB_REQUEST_LIST, "STATE", "state"},
    {VERB_REQUEST_LIST, "PRINCIPAL", "principal"},
    {VERB_REQUEST_LIST, "DEVICE", "device_id"},
    {VERB_REQUEST_LIST, "TEMPLATE", "template"},
    {VERB_REQUEST_LIST, "REQUEST", "request_id"},
    {VERB_REQUEST_LIST, "REASON", "error.reason"},
    {VERB_CERT_LIST, "ISSUED", "issued_at"},
    {VERB_CERT_LIST, "STATE", "state"},
    {VERB_CERT_LIST, "SERIAL", "serial"},
    {VERB_CERT_LIST, "SUBJECT", "subject"},
    {VERB_CERT_LIST, "PRINCIPAL", "principal"},
    {VERB_CERT_LIST, "DEVICE", "device_id"},
    {VERB_CERT_LIST, "TEMPLATE", "template"},
    {VERB_CERT_LIST, "NOT AFTER", "not_after"},
    {VERB_CRL_LIST, "ISSUER", "issuer"},
    {VERB_CRL_LIST, "STATE", "state"},
    {VERB_CRL_LIST, "NUMBER", "number"},
    {VERB_CRL_LIST, "ENTRIES", "entries"},
    {VERB_CRL_LIST, "NEXT UPDATE", "next_update"},
    {VERB_CRL_LIST, "ERROR", "error"},
    {VERB_DEVICE_LIST, "FIRST", "first_at"},
    {VERB_DEVICE_LIST, "STATE", "state"},
    {VERB_DEVICE_LIST, "DEVICE", "device_id"},
    {VERB_DEVICE_LIST, "PROVIDER", "provider"},
    {VERB_DEVICE_LIST, "PRINCIPAL", "principal"},
    {VERB_DEVICE_LIST, "NAME", "device_name"},
    {VERB_DEVICE_LIST, "LAST", "last_at"},
    {VERB_USER_LIST, "NAME", "name"},
    {VERB_USER_LIST, "ATTRIBUTES", "attributes"},
    {VERB_TOKEN_LIST, "CREATED", "created_at"},
    {VERB_TOKEN_LIST, "ID", "id"},
    {VERB_TOKEN_LIST, "STATE", "state"},
    {VERB_TOKEN_LIST, "USER", "user"},
    {VERB_TOKEN_LIST, "TYPE", "type"},
    {VERB_TOKEN_LIST, "USED", "used"},
    {VERB_TOKEN_LIST, "COUNT", "count"},
    {VERB_TOKEN_LIST, "EXPIRES", "expires_at"},
    {VERB_TOKEN_LIST, "BY", "created_by"},
    {VERB_EVENTS, "ID", "id"},
    {VERB_EVENTS, "AT", "at"},
    {VERB_EVENTS, "KIND", "kind"},
    {VERB_EVENTS, "PRINCIPAL", "request.principal"},
    {VERB_EVENTS, "DEVICE", "request.device_id"},
    {VERB_EVENTS, "SERIAL", "certificate.serial"},
    {VERB_EVENTS, "REASON", "failure.reason"},
    {VERB_EVENTS_DEAD, "ID", "id"},
    {VERB_EVENTS_DEAD, "REQUEST", "request_id"},
    {VERB_EVENTS_DEAD, "ATTEMPTS", "attempts"},
    {VERB_EVENTS_DEAD, "GIVEN UP", "given_up_at"},
    {VERB_EVENTS_DEAD, "ERROR", "error"},
};

static const json_t *member(const json_t *o, const char *key)
{
    const char *dot = strchr(key, '.');
    PKE_CLEANUP(pke_free_p) char *head = dot ? pke_strndup(key, (size_t)(dot - key)) : NULL;

    return dot ? json_object_get(json_object_get(o, head), dot + 1) : json_object_get(o, key);
}

static void inline_text(const json_t *v, struct pke_buf *out);

static void inline_members(const json_t *v, struct pke_buf *out)
{
    const char *key;
    json_t *e;
    size_t i;

    json_array_foreach(v, i, e)
    {
        pke_buf_add_str(out, i ? ", " : "");
        inline_text(e, out);
    }
    i = 0;
    json_object_foreach((json_t *)v, key, e)
    {
        pke_buf_printf(out, "%s%s=", i++ ? " " : "", key);
        inline_text(e, out);
    }
}

/* A value in one line, not yet escaped: "a, b" for arrays, "k=v k=v" for objects. */
static void inline_text(const json_t *v, struct pke_buf *out)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING:
        pke_buf_add(out, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        pke_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        break;
    case JSON_REAL:
        pke_buf_printf(out, "%g", json_real_value(v));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        pke_buf_add_str(out, json_is_true(v) ? "yes" : "no");
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        inline_members(v, out);
        break;
    case JSON_NULL:
        break;
    }
}

static void add_cell(struct text_table *t, const json_t *v)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf b;

    pke_buf_init(&b, VALUE_MAX);
    inline_text(v, &b);
    text_table_add(t, pke_buf_cstr(&b));
}

void show_list(const struct verb *v, const json_t *items, bool color, FILE *out)
{
    struct text_table t;
    const json_t *item;
    size_t n = 0, i;

    for (i = 0; i < PKE_LEN(columns); i++)
        n += columns[i].verb == v->id;
    text_table_init(&t, n);
    for (i = 0; i < PKE_LEN(columns); i++)
        if (columns[i].verb == v->id)
            text_table_add(&t, columns[i].title);
    json_array_foreach(items, i, item)
    {
        for (size_t k = 0; k < PKE_LEN(columns); k++)
            if (columns[k].verb == v->id)
                add_cell(&t, member(item, columns[k].key));
    }
    text_table_print(&t, color, out);
    text_table_done(&t);
}

/* Objects whose members are named by the configuration: those names are shown as they are. */
static bool holds_names(const char *key)
{
    return !strcmp(key, "listeners") || !strcmp(key, "urls") || !strcmp(key, "token_issuers") ||
           !strcmp(key, "issuers") || !strcmp(key, "callouts") || !strcmp(key, "authorisers") ||
           !strcmp(key, "event-sinks") || !strcmp(key, "attributes");
}

/* "not_after" -> "Not after" */
static char *label(const char *key, bool verbatim)
{
    char *s = pke_strdup(key);

    if (verbatim)
        return s;
    for (char *p = s; *p; p++)
        if (*p == '_')
            *p = ' ';
    *s = (char)toupper((unsigned char)*s);
    return s;
}

static void indent(unsigned depth, FILE *out)
{
    fprintf(out, "%*s", (int)(2 * depth), "");
}

static void print_escaped(const char *s, FILE *out)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf b;

    pke_buf_init(&b, 8 * VALUE_MAX);
    text_escape(pke_bytes_str(s), &b);
    fputs(pke_buf_cstr(&b), out);
}

/* A block of lines of the API's own making (PEM): its newlines are kept, every line is escaped. */
static void print_lines(const char *text, unsigned depth, FILE *out)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        PKE_CLEANUP(pke_free_p) char *line = pke_strndup(text, n);
        indent(depth, out);
        print_escaped(line, out);
        fputc('\n', out);
        text += n + (text[n] == '\n');
    }
}

static bool is_pem(const char *key, const json_t *v)
{
    size_t n = strlen(key);

    return json_is_string(v) && (!strcmp(key, "pem") || (n > 4 && !strcmp(key + n - 4, "_pem")));
}

static bool is_block(const char *key, const json_t *v)
{
    return json_object_size(v) || json_is_object(json_array_get(v, 0)) || is_pem(key, v);
}

/* Nested tables of which only some columns fit on a terminal: the rest is in the JSON. */
static const struct nested {
    const char *array, *key;
} nested[] = {
    {"extensions", "name"}, {"extensions", "critical"}, {"extensions", "text"},
    {"items", "result"},    {"items", "serial"},        {"items", "device_id"},
};

static bool is_shown(const char *array, const char *key)
{
    bool listed = false;

    for (size_t i = 0; i < PKE_LEN(nested); i++) {
        if (strcmp(nested[i].array, array) != 0)
            continue;
        if (strcmp(nested[i].key, key) == 0)
            return true;
        listed = true;
    }
    return !listed;
}

/* "not_after" -> "NOT AFTER" */
static void add_title(struct text_table *t, const char *key)
{
    PKE_CLEANUP(pke_free_p) char *title = pke_strdup(key);

    for (char *p = title; *p; p++)
        *p = *p == '_' ? ' ' : (char)toupper((unsigned char)*p);
    text_table_add(t, title);
}

/* What has no name is shown by its object identifier. */
static const json_t *cell_of(const json_t *row, const char *array, const char *key)
{
    const json_t *v = json_object_get(row, key);

    if (json_is_null(v) && !strcmp(array, "extensions") && !strcmp(key, "name"))
        return json_object_get(row, "oid");
    return v;
}

/* An array of objects as a table with the members of its first one. */
static void print_array(const char *array, const json_t *v, unsigned depth, FILE *out)
{
    json_t *first = json_array_get(v, 0), *row, *e;
    struct text_table t;
    size_t n = 1, i;
    const char *key;

    json_object_foreach(first, key, e) n += is_shown(array, key);
    text_table_init(&t, n);
    for (i = 0; i <= json_array_size(v); i++) {
        row = i ? json_array_get(v, i - 1) : first;
        text_table_add(&t, depth ? " " : "");
        json_object_foreach(first, key, e)
        {
            if (i && is_shown(array, key))
                add_cell(&t, cell_of(row, array, key));
            else if (is_shown(array, key))
                add_title(&t, key);
        }
    }
    text_table_print(&t, false, out);
    text_table_done(&t);
}

/* How a request was decided, whatever members its first step has. */
static void print_steps(const json_t *v, FILE *out)
{
    static const char *const titles[] = {"  STEP", "OUTCOME", "RULE", "VALUE", "SOURCE"};
    static const char *const keys[] = {"step", "outcome", "rule", "value", "source"};
    struct text_table t;
    const json_t *row;
    size_t i;

    text_table_init(&t, PKE_LEN(keys));
    for (size_t k = 0; k < PKE_LEN(keys); k++)
        text_table_add(&t, titles[k]);
    json_array_foreach(v, i, row)
    {
        const char *step = json_string_value(json_object_get(row, "step"));
        PKE_CLEANUP(pke_free_p) char *indented = pke_asprintf("  %s", step ? step : "-");

        text_table_add(&t, indented);
        for (size_t k = 1; k < PKE_LEN(keys); k++)
            add_cell(&t, json_object_get(row, keys[k]));
    }
    text_table_print(&t, false, out);
    text_table_done(&t);
}

/* How a nested object is printed. */
struct style {
    unsigned depth;
    bool color, names; /* names: its keys are names, not labels */
};

static void print_object(const json_t *o, struct style st, FILE *out);

static void print_block(const char *key, const json_t *v, struct style st, FILE *out)
{
    PKE_CLEANUP(pke_free_p) char *name = label(key, st.names);
    struct style inner = {st.depth + 1, st.color, holds_names(key)};

    indent(st.depth, out);
    fputs(st.color ? "\033[1m" : "", out);
    print_escaped(name, out);
    fputs(st.color ? "\033[0m\n" : "\n", out);
    if (json_is_object(v))
        print_object(v, inner, out);
    else if (json_is_array(v) && !strcmp(key, "explanation"))
        print_steps(v, out);
    else if (json_is_array(v))
        print_array(key, v, inner.depth, out);
    else
        print_lines(json_string_value(v), inner.depth, out);
}

static const char *state_color(const char *key, const json_t *v)
{
    const char *s = json_string_value(v);

    if (!s || strcmp(key, "state") != 0)
        return NULL;
    return !strcmp(s, "ready") || !strcmp(s, "issued") ? "\033[32m" : "\033[33m";
}

static void print_scalar(const char *key, const json_t *v, int width, struct style st, FILE *out)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf b;
    PKE_CLEANUP(pke_free_p) char *name = label(key, st.names);
    const char *paint = st.color ? state_color(key, v) : NULL;

    pke_buf_init(&b, VALUE_MAX);
    inline_text(v, &b);
    print_escaped(name, out);
    fprintf(out, "%*s", width - (int)strlen(name) + 2, "");
    fputs(paint ? paint : "", out);
    print_escaped(b.n ? pke_buf_cstr(&b) : "-", out);
    fputs(paint ? "\033[0m\n" : "\n", out);
}

static void print_object(const json_t *o, struct style st, FILE *out)
{
    const char *key;
    json_t *v;
    int width = 0;

    json_object_foreach((json_t *)o, key, v)
    {
        if (!is_block(key, v) && (int)strlen(key) > width)
            width = (int)strlen(key);
    }
    json_object_foreach((json_t *)o, key, v)
    {
        if (is_block(key, v))
            continue;
        indent(st.depth, out);
        print_scalar(key, v, width, st, out);
    }
    json_object_foreach((json_t *)o, key, v)
    {
        if (is_block(key, v))
            print_block(key, v, st, out);
    }
}

void show_text(const char *s, FILE *out)
{
    print_escaped(s ? s : "-", out);
}

void show_event(const json_t *event, bool color, FILE *out)
{
    static const char *const parts[] = {"request.principal", "request.device_id", "certificate.serial",
                                        "detail.from",       "detail.to",         "failure.text"};
    const char *kind = json_string_value(json_object_get(event, "kind"));

    print_escaped(json_string_value(json_object_get(event, "at")), out);
    fputs(color ? "  \033[1m" : "  ", out);
    print_escaped(kind ? kind : "-", out);
    fputs(color ? "\033[0m" : "", out);
    for (size_t i = 0; i < PKE_LEN(parts); i++) {
        const char *s = json_string_value(member(event, parts[i]));
        if (!s)
            continue;
        fputs("  ", out);
        print_escaped(s, out);
    }
    fputc('\n', out);
}

void show_object(const json_t *o, bool color, FILE *out)
{
    print_object(o, (struct style){.color = color}, out);
}

static void error_part(const json_t *e, const char *key, const char *before, const char *after, FILE *out)
{
    const char *s = json_string_value(json_object_get(e, key));

    if (!s || !*s)
        return;
    fputs(before, out);
    print_escaped(s, out);
    fputs(after, out);
}

void show_error(const json_t *o, unsigned status, FILE *out)
{
    const json_t *e = json_object_get(o, "error");

    if (!json_is_object(e)) {
        fprintf(out, "pkienrollctl: the daemon answered %u without an error object\n", status);
        return;
    }
    error_part(e, "text", "pkienrollctl: ", "\n", out);
    error_part(e, "code", "  error: ", "", out);
    error_part(e, "reason", " (", ")", out);
    fputc('\n', out);
    error_part(e, "rule", "  rule:  ", "\n", out);
    error_part(e, "trace_id", "  trace: ", "\n", out);
}
