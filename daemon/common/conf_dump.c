/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as text: the effective values as YAML, the language as JSON Schema; and what a reload may
 * not change. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"

const struct pke_strings *conf_option_list(const struct pke_option *opt, const void *base)
{
    if (opt->type != PKE_OPT_STRINGS && opt->type != PKE_OPT_OIDS)
        return NULL;
    return (const struct pke_strings *)(const void *)((const char *)base + opt->offset);
}

/* Double quotes keep every text what it is; control characters cannot occur (option tables). */
static void put_quoted(struct pke_buf *out, const char *text)
{
    pke_buf_add_str(out, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            pke_buf_add_str(out, "\\");
        pke_buf_add(out, c, 1);
    }
    pke_buf_add_str(out, "\"");
}

static void put_list(struct pke_buf *out, const struct pke_strings *list)
{
    pke_buf_add_str(out, "[");
    for (size_t i = 0; i < list->n; i++) {
        pke_buf_add_str(out, i ? ", " : "");
        put_quoted(out, list->v[i]);
    }
    pke_buf_add_str(out, "]");
}

static void put_option(struct pke_buf *out, const char *indent, const struct pke_option *opt,
                       const void *base, struct pke_arena *arena)
{
    const char *text;

    if (opt->type == PKE_OPT_STRINGS || opt->type == PKE_OPT_OIDS) {
        pke_buf_printf(out, "%s%s: ", indent, opt->name);
        put_list(out, conf_option_list(opt, base));
        pke_buf_add_str(out, "\n");
        return;
    }
    text = pke_option_text(opt, base, arena);
    if (!text)
        return;
    pke_buf_printf(out, "%s%s: ", indent, opt->name);
    if (opt->type == PKE_OPT_STRING || opt->type == PKE_OPT_PATH)
        put_quoted(out, text);
    else
        pke_buf_add_str(out, text);
    pke_buf_add_str(out, "\n");
}

enum pke_err conf_dump(const struct conf *conf, struct pke_buf *out)
{
    struct pke_arena *arena = pke_arena_new();

    for (const struct pke_option *o = conf_sections[CONF_GLOBAL].options; o->name; o++)
        put_option(out, "", o, &conf->global, arena);
    for (int s = CONF_GLOBAL + 1; s < CONF__SECTIONS; s++) {
        enum conf_section_id id = (enum conf_section_id)s;

        if (!((const struct conf_impl *)conf)->nodes[s])
            continue; /* what the file does not have is made again: the only tenant */
        if (conf_object_count(conf, id))
            pke_buf_printf(out, "%s:\n", conf_sections[s].name);
        for (size_t i = 0; i < conf_object_count(conf, id); i++) {
            pke_buf_printf(out, "  %s:\n", conf_object_name(conf, id, i));
            for (const struct pke_option *o = conf_sections[s].options; o->name; o++)
                put_option(out, "    ", o, conf_object(conf, id, i), arena);
        }
    }
    pke_arena_free(arena);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

static void put(json_t *object, const char *name, json_t *value)
{
    if (!value || json_object_set_new(object, name, value) != 0)
        pke_oom(); /* the texts are our own UTF-8 */
}

static json_t *text_schema(const struct pke_option *opt)
{
    json_t *s = json_object();

    put(s, "type", json_string("string"));
    if (opt->type == PKE_OPT_OIDS)
        put(s, "pattern", json_string("^([0-2](\\.(0|[1-9][0-9]*))+|[a-z-]+)$"));
    else if (opt->max) {
        put(s, "minLength", json_integer(opt->min));
        put(s, "maxLength", json_integer(opt->max));
    }
    return s;
}

static json_t *number_schema(const struct pke_option *opt)
{
    json_t *s = json_object(), *types = json_array();

    if (opt->type == PKE_OPT_UINT) {
        put(s, "type", json_string("integer"));
        put(s, "minimum", json_integer(opt->min));
        if (opt->max)
            put(s, "maximum", json_integer(opt->max));
        json_decref(types);
        return s;
    }
    json_array_append_new(types, json_string("string"));
    json_array_append_new(types, json_string("integer"));
    put(s, "type", types);
    put(s, "pattern",
        json_string(opt->type == PKE_OPT_SIZE ? "^[0-9]+(KiB|MiB|GiB)?$" : "^(0|[0-9]+(ms|s|m|h|d))$"));
    return s;
}

static json_t *enum_schema(const struct pke_option *opt)
{
    json_t *s = json_object(), *values = json_array();

    if (opt->type == PKE_OPT_BOOL) { /* an editor may take yes for a text or for true */
        json_array_append_new(values, json_true());
        json_array_append_new(values, json_false());
        json_array_append_new(values, json_string("yes"));
        json_array_append_new(values, json_string("no"));
    } else {
        for (const struct pke_enum_name *e = opt->names; e->name; e++)
            json_array_append_new(values, json_string(e->name));
    }
    put(s, "enum", values);
    return s;
}

static json_t *option_schema(const struct pke_option *opt)
{
    json_t *s = NULL;

    switch (opt->type) {
    case PKE_OPT_BOOL:
    case PKE_OPT_ENUM:
        s = enum_schema(opt);
        break;
    case PKE_OPT_UINT:
    case PKE_OPT_SIZE:
    case PKE_OPT_DURATION:
        s = number_schema(opt);
        break;
    case PKE_OPT_STRING:
    case PKE_OPT_PATH:
        s = text_schema(opt);
        break;
    case PKE_OPT_STRINGS:
    case PKE_OPT_OIDS:
        s = json_object();
        put(s, "type", json_string("array"));
        put(s, "items", opt->names ? enum_schema(opt) : text_schema(opt));
        put(s, "uniqueItems", json_true());
        break;
    }
    put(s, "description", json_string(opt->help));
    if (opt->fallback)
        put(s, "default", json_string(opt->fallback));
    put(s, "x-reload", json_string(opt->reload == PKE_RELOAD_LIVE ? "live" : "restart"));
    return s;
}

static json_t *table_schema(const struct conf_section *section)
{
    json_t *s = json_object(), *properties = json_object(), *required = json_array();

    put(s, "type", json_string("object"));
    put(s, "description", json_string(section->help));
    put(s, "additionalProperties", json_false());
    for (const struct pke_option *o = section->options; o->name; o++) {
        put(properties, o->name, option_schema(o));
        if (o->required)
            json_array_append_new(required, json_string(o->name));
    }
    put(s, "properties", properties);
    put(s, "required", required);
    return s;
}

enum pke_err conf_dump_schema(struct pke_buf *out)
{
    json_t *s = table_schema(&conf_sections[CONF_GLOBAL]);
    json_t *properties = json_object_get(s, "properties");
    char *text;

    for (int i = CONF_GLOBAL + 1; i < CONF__SECTIONS; i++) {
        json_t *named = json_object(), *names = json_object();

        put(names, "^[a-z0-9][a-z0-9-]{0,62}$", table_schema(&conf_sections[i]));
        put(named, "type", json_string("object"));
        put(named, "description", json_string(conf_sections[i].help));
        put(named, "additionalProperties", json_false());
        put(named, "patternProperties", names);
        put(properties, conf_sections[i].name, named);
    }
    put(s, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    put(s, "title", json_string("pkienrolld.conf"));
    text = json_dumps(s, JSON_INDENT(2));
    json_decref(s);
    if (!text)
        pke_oom();
    pke_buf_add_str(out, text);
    pke_buf_add_str(out, "\n");
    free(text);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
