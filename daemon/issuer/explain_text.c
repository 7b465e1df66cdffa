/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a decision as JSON and as a line for the log. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/issuer/explain.h"
#include "ipc/wipealloc.h"

#define DROPPED_MAX 200
#define VALUE_MAX   40
#define LEFT_OUT    160 /* room for the step that says so */

/* Octets of whole characters at the beginning of @p s, at most @p max. */
static size_t whole(const char *s, size_t max)
{
    size_t n = s ? strlen(s) : 0;

    if (n <= max)
        return n;
    while (max && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}

/* At most EXPLAIN_TEXT_MAX octets of whole characters; what is no UTF-8 becomes '?'. */
static json_t *text_json(const char *s)
{
    size_t n = strlen(s);
    PKE_CLEANUP(pke_free_p) char *copy = pke_strndup(s, n > EXPLAIN_TEXT_MAX ? EXPLAIN_TEXT_MAX : n);

    if (n > EXPLAIN_TEXT_MAX)
        memcpy(copy + whole(copy, EXPLAIN_TEXT_MAX - 3), "...", 4);
    if (!pke_utf8_valid(pke_bytes_str(copy)))
        for (char *c = copy; *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
    return json_string(copy);
}

static void put(json_t *o, const char *name, const char *value)
{
    if (value && *value)
        json_object_set_new(o, name, text_json(value));
}

static json_t *step_json(const struct pke_trail_step *s)
{
    json_t *o = json_object();

    put(o, "step", s->what ? s->what : "-");
    put(o, "outcome", pke_trail_outcome_text(s->outcome));
    put(o, "rule", s->rule);
    put(o, "value", s->value);
    put(o, "source", s->source);
    return o;
}

static json_t *left_out(size_t n)
{
    struct pke_trail_step s = {.what = "steps left out", .outcome = PKE_TRAIL_NOTED};
    char count[24];

    snprintf(count, sizeof count, "%zu", n);
    s.value = count;
    return step_json(&s);
}

json_t *explain_json(const struct pke_trail *trail)
{
    json_t *array = json_array();

    for (size_t i = 0; i < trail->n; i++) {
        if (trail->lost && i + 1 == trail->n) /* the trail was full: its last step is kept (explain.c) */
            json_array_append_new(array, left_out(trail->lost));
        json_array_append_new(array, step_json(&trail->v[i]));
    }
    return array;
}

static size_t add(struct pke_buf *out, json_t *step, size_t max)
{
    char *text = json_dumps(step, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
    size_t n = text ? strlen(text) : 0;

    if (n && out->n + n + 2 <= max) {
        (void)pke_buf_add_str(out, out->n > 1 ? "," : "");
        (void)pke_buf_add_str(out, text);
    } else {
        n = 0;
    }
    wipe_free(text);
    json_decref(step);
    return n;
}

const char *explain_text(const struct pke_trail *trail, size_t max, struct pke_arena *arena)
{
    struct pke_buf out, last;
    const char *ret;
    size_t i = 0;

    pke_buf_init(&out, max);
    pke_buf_init(&last, max);
    if (trail->n)
        (void)add(&last, step_json(&trail->v[trail->n - 1]), max);
    (void)pke_buf_add_str(&out, "[");
    while (i + 1 < trail->n && add(&out, step_json(&trail->v[i]), max - last.n - LEFT_OUT))
        i++;
    if (trail->n && (i + 1 < trail->n || trail->lost))
        (void)add(&out, left_out(trail->n - 1 - i + trail->lost), max);
    if (last.n) {
        (void)pke_buf_add_str(&out, out.n > 1 ? "," : "");
        (void)pke_buf_add_bytes(&out, pke_buf_bytes(&last));
    }
    (void)pke_buf_add_str(&out, "]");
    ret = pke_arena_str(arena, pke_buf_bytes(&out));
    pke_buf_done(&out);
    pke_buf_done(&last);
    return ret;
}

const char *explain_dropped(const struct pke_trail *trail, struct pke_arena *arena)
{
    struct pke_buf line;
    const char *ret = NULL;
    size_t left = 0;

    pke_buf_init(&line, DROPPED_MAX + 64);
    for (size_t i = 0; i < trail->n; i++) {
        const struct pke_trail_step *s = &trail->v[i];

        if (s->outcome != PKE_TRAIL_DROPPED)
            continue;
        if (left || line.n + strlen(s->what) + 60 > DROPPED_MAX) /* the whole is in the record */
            left++;
        else
            (void)pke_buf_printf(&line, "%s%s%s%.*s", line.n ? ", " : "", s->what, s->value ? " " : "",
                                 (int)whole(s->value, VALUE_MAX), s->value ? s->value : "");
    }
    if (left)
        (void)pke_buf_printf(&line, ", %zu more", left);
    if (line.n)
        ret = pke_arena_str(arena, pke_buf_bytes(&line));
    pke_buf_done(&line);
    return ret;
}
