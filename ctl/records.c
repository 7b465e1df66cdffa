/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LINE_MAX_BYTES (64u << 10)

static json_t *bad(struct records *r, struct pke_fail *fail, const char *text)
{
    pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "line %u: %s", r->line, text);
    return NULL;
}

/* One field of CSV; *more: a comma follows. Quotes hold commas, line breaks and doubled quotes. */
static enum pke_err read_field(struct records *r, struct pke_buf *out, bool *more, bool *end)
{
    int c = getc(r->in);
    bool quoted = c == '"';

    if (quoted)
        c = getc(r->in);
    for (;; c = getc(r->in)) {
        if (quoted && c == '"' && (c = getc(r->in)) != '"')
            quoted = false;
        else if (quoted && c == '\n')
            r->line++;
        else if (quoted && c == EOF)
            return PKE_MALFORMED;
        if (!quoted && c == '\r')
            continue;
        if (!quoted && (c == ',' || c == '\n' || c == EOF))
            break;
        if (pke_buf_add_u8(out, (uint8_t)c) != PKE_OK)
            return PKE_LIMIT;
    }
    *more = c == ',';
    *end = c == EOF;
    return PKE_OK;
}

/* A row as a list of texts; NULL at the end, or when it is none. */
static json_t *read_row(struct records *r, struct pke_fail *fail)
{
    json_t *row = json_array();
    bool more = true, end = false;
    size_t bytes = 0;

    r->line++;
    while (more && row) {
        PKE_CLEANUP(pke_buf_done) struct pke_buf field = {0};

        pke_buf_init(&field, LINE_MAX_BYTES);
        if (read_field(r, &field, &more, &end) != PKE_OK ||
            json_array_append_new(row, json_stringn(field.n ? (const char *)field.p : "", field.n)) != 0) {
            json_decref(row);
            return bad(r, fail, "not CSV in UTF-8");
        }
        bytes += field.n;
    }
    if (end && bytes == 0 && json_array_size(row) == 1) {
        json_decref(row);
        return NULL;
    }
    return row;
}

static json_t *next_csv(struct records *r, struct pke_fail *fail)
{
    json_t *row, *o;

    do {
        row = read_row(r, fail);
        if (!row)
            return NULL;
        if (json_array_size(row) > 1 || *json_string_value(json_array_get(row, 0)))
            break;
        json_decref(row); /* an empty line */
    } while (true);
    if (json_array_size(row) != json_array_size(r->head)) {
        json_decref(row);
        return bad(r, fail, "another number of fields than the head");
    }
    o = json_object();
    for (size_t i = 0; i < json_array_size(row); i++)
        if (*json_string_value(json_array_get(row, i)))
            json_object_set(o, json_string_value(json_array_get(r->head, i)), json_array_get(row, i));
    json_decref(row);
    return o;
}

static json_t *next_json(struct records *r, struct pke_fail *fail)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    json_t *o = NULL;

    do {
        n = getline(&line, &cap, r->in);
        r->line++;
    } while (n > 0 && strspn(line, " \t\r\n") == (size_t)n);
    if (n > 0) {
        o = json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(o)) {
            json_decref(o);
            o = bad(r, fail, "not a JSON object");
        }
    }
    free(line);
    return o;
}

json_t *records_next(struct records *r, struct pke_fail *fail)
{
    fail->err = PKE_OK;
    return r->csv ? next_csv(r, fail) : next_json(r, fail);
}

enum pke_err records_open(struct records *r, const char *path, struct pke_fail *fail)
{
    int first;

    *r = (struct records){.in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re")};
    if (!r->in)
        return pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: %s", path, strerror(errno));
    first = getc(r->in);
    ungetc(first, r->in);
    r->csv = first != '{';
    fail->err = PKE_OK;
    if (r->csv && !(r->head = read_row(r, fail)))
        return fail->err
                   ? fail->err
                   : pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: it is empty", path);
    return PKE_OK;
}

void records_close(struct records *r)
{
    json_decref(r->head);
    if (r->in && r->in != stdin)
        fclose(r->in);
    *r = (struct records){0};
}
