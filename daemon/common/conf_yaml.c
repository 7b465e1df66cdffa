/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML subset: mappings, lists and scalars. What makes YAML surprising is refused (anchors, aliases,
 * tags, merge keys, directives, several documents, duplicate keys), and scalars stay text: the option tables
 * type them.
 */
#include <string.h>
#include <yaml.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/conf_impl.h"

struct reader {
    yaml_parser_t parser;
    struct pke_bytes text;
    struct pke_arena *arena;
    struct conf_report *report;
    bool dead; /* nothing after this point can be read */
};

static struct conf_mark mark_of(yaml_mark_t m)
{
    return (struct conf_mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static struct conf_mark mark_at(struct pke_bytes text, size_t offset)
{
    struct conf_mark m = {1, 1};

    for (size_t i = 0; i < offset && i < text.n; i++) {
        m.col++;
        if (text.p[i] == '\n')
            m = (struct conf_mark){m.line + 1, 1};
    }
    return m;
}

static void syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;

    r->dead = true;
    if (p->error == YAML_MEMORY_ERROR)
        pke_oom();
    if (p->error == YAML_READER_ERROR)
        conf_report_add(r->report, mark_at(r->text, p->problem_offset), "", "%s", p->problem);
    else
        conf_report_add(r->report, mark_of(p->problem_mark), "", "%s%s%s", p->problem ? p->problem : "syntax",
                        p->context ? " " : "", p->context ? p->context : "");
}

static bool next_event(struct reader *r, yaml_event_t *ev)
{
    if (r->dead)
        return false;
    if (yaml_parser_parse(&r->parser, ev))
        return true;
    syntax_error(r);
    return false;
}

const struct conf_node *conf_node_get(const struct conf_node *map, const char *key)
{
    if (!map || map->type != CONF_MAPPING)
        return NULL;
    for (const struct conf_node *n = map->first; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

static void add_child(struct conf_node *parent, struct conf_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static void refuse_decoration(struct reader *r, struct conf_node *n, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    if (anchor)
        conf_report_add(r->report, n->mark, n->path, "anchors are not part of the configuration language");
    if (tag)
        conf_report_add(r->report, n->mark, n->path, "tags are not part of the configuration language");
    n->bad = n->bad || anchor || tag;
}

static struct conf_node *read_value(struct reader *r, const yaml_event_t *ev, const char *path,
                                    unsigned depth);

/* The key of the next entry; NULL at the end of the mapping or when reading cannot go on. */
static char *read_key(struct reader *r, struct conf_node *map, struct conf_mark *mark)
{
    yaml_event_t ev;
    char *key = NULL;

    if (!next_event(r, &ev))
        return NULL;
    *mark = mark_of(ev.start_mark);
    if (ev.type == YAML_SCALAR_EVENT) {
        key = pke_arena_str(r->arena, PKE_BYTES(ev.data.scalar.value, ev.data.scalar.length));
        if (ev.data.scalar.anchor || ev.data.scalar.tag || strlen(key) != ev.data.scalar.length) {
            conf_report_add(r->report, *mark, map->path, "a key must be a plain word");
            r->dead = true;
            key = NULL;
        }
    } else if (ev.type != YAML_MAPPING_END_EVENT) {
        conf_report_add(r->report, *mark, map->path, "a key must be a plain word");
        r->dead = true;
    }
    yaml_event_delete(&ev);
    return key;
}

static bool room_for_one(struct reader *r, const struct conf_node *parent, struct conf_mark mark)
{
    if (parent->count < CONF_MAX_ITEMS)
        return true;
    conf_report_add(r->report, mark, parent->path, "has more than %d entries", CONF_MAX_ITEMS);
    r->dead = true;
    return false;
}

static void read_mapping(struct reader *r, struct conf_node *map, unsigned depth)
{
    struct conf_mark mark;
    const char *key;

    while ((key = read_key(r, map, &mark))) {
        const char *path = *map->path ? pke_arena_printf(r->arena, "%s.%s", map->path, key) : key;
        struct conf_node *child;
        yaml_event_t ev;

        if (!room_for_one(r, map, mark) || !next_event(r, &ev))
            return;
        child = read_value(r, &ev, path, depth);
        yaml_event_delete(&ev);
        if (!child)
            return;
        child->key = key;
        child->kept = mark;
        if (strcmp(key, "<<") == 0)
            conf_report_add(r->report, mark, path, "merge keys are not part of the configuration language");
        else if (conf_node_get(map, key))
            conf_report_add(r->report, mark, path, "is there already, in line %u",
                            conf_node_get(map, key)->kept.line);
        else
            add_child(map, child);
    }
}

static void read_list(struct reader *r, struct conf_node *list, unsigned depth)
{
    yaml_event_t ev;
    bool end;

    do {
        if (!next_event(r, &ev))
            return;
        end = ev.type == YAML_SEQUENCE_END_EVENT;
        if (!end && room_for_one(r, list, mark_of(ev.start_mark))) {
            const char *path = pke_arena_printf(r->arena, "%s[%u]", list->path, list->count);
            struct conf_node *child = read_value(r, &ev, path, depth);

            if (child) {
                child->kept = child->mark;
                add_child(list, child);
            }
        }
        yaml_event_delete(&ev);
    } while (!end && !r->dead);
}

static void read_scalar(struct reader *r, struct conf_node *n, const yaml_event_t *ev)
{
    n->text = pke_arena_str(r->arena, PKE_BYTES(ev->data.scalar.value, ev->data.scalar.length));
    refuse_decoration(r, n, ev->data.scalar.anchor, ev->data.scalar.tag);
    if (strlen(n->text) != ev->data.scalar.length) {
        conf_report_add(r->report, n->mark, n->path, "contains a NUL character");
        n->bad = true;
    }
    if (!n->bad && *n->text == '\0' && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        conf_report_add(r->report, n->mark, n->path, "has no value");
        n->bad = true;
    }
}

static struct conf_node *read_value(struct reader *r, const yaml_event_t *ev, const char *path,
                                    unsigned depth)
{
    struct conf_node *n = pke_arena_alloc(r->arena, sizeof *n);

    n->path = path;
    n->mark = mark_of(ev->start_mark);
    n->type = ev->type == YAML_MAPPING_START_EVENT    ? CONF_MAPPING
              : ev->type == YAML_SEQUENCE_START_EVENT ? CONF_LIST
                                                      : CONF_SCALAR;
    if (ev->type == YAML_ALIAS_EVENT) {
        conf_report_add(r->report, n->mark, path, "aliases are not part of the configuration language");
        n->text = "";
        n->bad = true;
        return n;
    }
    if (ev->type == YAML_SCALAR_EVENT) {
        read_scalar(r, n, ev);
        return n;
    }
    if (depth == CONF_MAX_DEPTH) {
        conf_report_add(r->report, n->mark, path, "is nested deeper than %d", CONF_MAX_DEPTH);
        r->dead = true;
        return NULL;
    }
    if (n->type == CONF_MAPPING) {
        refuse_decoration(r, n, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
        read_mapping(r, n, depth + 1);
    } else {
        refuse_decoration(r, n, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
        read_list(r, n, depth + 1);
    }
    return n;
}

/* Expect @p want, deleting the event; document starts are checked for directives. */
static bool expect(struct reader *r, yaml_event_type_t want, const char *otherwise)
{
    yaml_event_t ev;
    bool ok;

    if (!next_event(r, &ev))
        return false;
    ok = ev.type == want;
    if (!ok) {
        conf_report_add(r->report, mark_of(ev.start_mark), "", "%s", otherwise);
        r->dead = true;
    } else if (want == YAML_DOCUMENT_START_EVENT &&
               (ev.data.document_start.version_directive ||
                ev.data.document_start.tag_directives.start != ev.data.document_start.tag_directives.end)) {
        conf_report_add(r->report, mark_of(ev.start_mark), "",
                        "directives are not part of the configuration language");
    }
    yaml_event_delete(&ev);
    return ok;
}

static struct conf_node *read_document(struct reader *r)
{
    struct conf_node *root = NULL;
    yaml_event_t ev;

    if (!expect(r, YAML_STREAM_START_EVENT, "not a YAML stream") ||
        !expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty") || !next_event(r, &ev))
        return NULL;
    if (ev.type == YAML_MAPPING_START_EVENT) {
        root = read_value(r, &ev, "", 0);
    } else {
        conf_report_add(r->report, mark_of(ev.start_mark), "", "the file must be a mapping of options");
        r->dead = true;
    }
    yaml_event_delete(&ev);
    if (r->dead || !expect(r, YAML_DOCUMENT_END_EVENT, "expected the end of the document") ||
        !expect(r, YAML_STREAM_END_EVENT, "a second document is not allowed"))
        return NULL;
    return root;
}

/* libyaml would also read UTF-16; say the line of the first byte that is not UTF-8. */
static bool check_encoding(struct pke_bytes text, struct conf_report *report)
{
    unsigned line = 1;
    size_t start = 0;

    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && text.p[i] != '\n')
            continue;
        if (!pke_utf8_valid(PKE_BYTES(text.p + start, i - start))) {
            conf_report_add(report, (struct conf_mark){line, 1}, "", "the line is not UTF-8 text");
            return false;
        }
        start = i + 1;
        line++;
    }
    return true;
}

struct conf_node *conf_yaml_read(struct pke_bytes text, struct pke_arena *arena, struct conf_report *report)
{
    struct reader r = {.text = text, .arena = arena, .report = report};
    struct conf_node *root;

    if (text.n > CONF_MAX_BYTES) {
        conf_report_add(report, (struct conf_mark){1, 1}, "", "the file is larger than %u bytes",
                        CONF_MAX_BYTES);
        return NULL;
    }
    if (!check_encoding(text, report))
        return NULL;
    if (!yaml_parser_initialize(&r.parser))
        pke_oom();
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.p ? text.p : (const uint8_t *)"", text.n);
    root = read_document(&r);
    yaml_parser_delete(&r.parser);
    return root;
}
