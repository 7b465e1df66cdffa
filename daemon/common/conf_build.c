/* SPDX-License-Identifier: Apache-2.0 */
/* From the YAML tree to the structs by the option tables; then what options take from each other. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"

bool conf_name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n >= 1 && n <= CONF_NAME_MAX && name[n] == '\0' && name[0] != '-';
}

/* Report a value and do not look at it again: rules between options would only repeat the complaint. */
static void refuse(struct conf_impl *ci, struct conf_node *option, const struct conf_node *at,
                   const char *why)
{
    conf_report_add(ci->report, at->mark, at->path, "%s", why);
    option->bad = true;
}

/* What an option table says begins with the option's name, which the path has already. */
static const char *without_name(const struct pke_option *opt, const char *text)
{
    size_t n = strlen(opt->name);

    return strncmp(text, opt->name, n) == 0 && text[n] == ' ' ? text + n + 1 : text;
}

static void set_list(struct conf_impl *ci, const struct pke_option *opt, void *base, struct conf_node *n)
{
    struct pke_strings *list = (struct pke_strings *)(void *)((char *)base + opt->offset);
    struct pke_fail fail;

    if (n->type != CONF_LIST) {
        refuse(ci, n, n, "expects a list");
        return;
    }
    *list = (struct pke_strings){NULL, 0}; /* in place of the default */
    for (const struct conf_node *e = n->first; e; e = e->next) {
        if (e->bad)
            n->bad = true;
        else if (e->type != CONF_SCALAR)
            refuse(ci, n, e, "expects a value, not a mapping or list");
        else if (pke_strings_has(list, e->text))
            refuse(ci, n, e, "is in the list already");
        else if (pke_option_append(opt, base, e->text, ci->conf.arena, &fail) != PKE_OK)
            refuse(ci, n, e, without_name(opt, fail.text));
    }
}

static void set_option(struct conf_impl *ci, const struct pke_option *opt, void *base, struct conf_node *n)
{
    struct pke_fail fail;

    if (n->bad)
        return;
    if (opt->type == PKE_OPT_STRINGS || opt->type == PKE_OPT_OIDS)
        set_list(ci, opt, base, n);
    else if (n->type != CONF_SCALAR)
        refuse(ci, n, n, "expects a value, not a mapping or list");
    else if (pke_option_set(opt, base, n->text, ci->dir, ci->conf.arena, &fail) != PKE_OK)
        refuse(ci, n, n, without_name(opt, fail.text));
}

static int section_by_name(const char *name)
{
    for (int s = CONF_GLOBAL + 1; s < CONF__SECTIONS; s++)
        if (strcmp(conf_sections[s].name, name) == 0)
            return s;
    return CONF_GLOBAL;
}

static void build_options(struct conf_impl *ci, enum conf_section_id section, void *base,
                          const struct conf_node *map)
{
    const struct pke_option *table = conf_sections[section].options;

    for (struct conf_node *n = map->first; n; n = n->next) {
        const struct pke_option *opt = pke_option_find(table, n->key, strlen(n->key));
        if (opt)
            set_option(ci, opt, base, n);
        else if (section != CONF_GLOBAL || section_by_name(n->key) == CONF_GLOBAL)
            conf_report_add(ci->report, n->kept, n->path, "unknown option");
    }
    for (const struct pke_option *opt = table; opt->name; opt++)
        if (opt->required && !conf_node_get(map, opt->name))
            conf_report_add(ci->report, section == CONF_GLOBAL ? map->mark : map->kept, map->path,
                            "the option %s is missing", opt->name);
}

static void build_object(struct conf_impl *ci, enum conf_section_id section, void *base, struct conf_node *n)
{
    memcpy((char *)base + conf_layouts[section].name, &n->key, sizeof n->key);
    pke_option_defaults(conf_sections[section].options, base, ci->conf.arena); /* also for what is refused */
    if (!conf_name_valid(n->key))
        conf_report_add(ci->report, n->kept, n->path,
                        "a name is 1 to %d lower-case letters, digits and inner dashes", CONF_NAME_MAX);
    if (!n->bad && n->type != CONF_MAPPING)
        refuse(ci, n, n, "expects options");
    else if (!n->bad)
        build_options(ci, section, base, n);
}

static void build_section(struct conf_impl *ci, enum conf_section_id section, const struct conf_node *map)
{
    const struct conf_layout *l = &conf_layouts[section];
    size_t i = 0, count = map->type == CONF_MAPPING ? map->count : 0;
    char *list = pke_arena_alloc(ci->conf.arena, (count + 1) * l->size);

    if (!map->bad && map->type != CONF_MAPPING)
        conf_report_add(ci->report, map->mark, map->path, "expects names, each with its options");
    memcpy((char *)&ci->conf + l->list, &list, sizeof list);
    memcpy((char *)&ci->conf + l->count, &count, sizeof count);
    ci->nodes[section] = pke_arena_alloc(ci->conf.arena, (count + 1) * sizeof *ci->nodes[section]);
    for (struct conf_node *n = count ? map->first : NULL; n; n = n->next, i++) {
        ci->nodes[section][i] = n;
        build_object(ci, section, list + i * l->size, n);
    }
}

void conf_build(struct conf_impl *ci)
{
    ci->nodes[CONF_GLOBAL] = pke_arena_alloc(ci->conf.arena, sizeof *ci->nodes[CONF_GLOBAL]);
    ci->nodes[CONF_GLOBAL][0] = ci->root;
    pke_option_defaults(conf_global_options, &ci->conf.global, ci->conf.arena);
    build_options(ci, CONF_GLOBAL, &ci->conf.global, ci->root);
    for (const struct conf_node *n = ci->root->first; n; n = n->next) {
        int section = section_by_name(n->key);
        if (section != CONF_GLOBAL)
            build_section(ci, (enum conf_section_id)section, n);
    }
}

static const struct conf_node *option_node(const struct conf_impl *ci, enum conf_section_id section,
                                           size_t index, const char *option)
{
    return conf_node_get(ci->nodes[section][index], option);
}

bool conf_given(const struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option)
{
    const struct conf_node *n = option_node(ci, section, index, option);

    return n && !n->bad;
}

static void bad(const struct conf_impl *ci, struct conf_report *report, enum conf_section_id section,
                size_t index, const char *option, const char *fmt, va_list ap)
{
    const struct conf_node *object = ci->nodes[section][index];
    const struct conf_node *n = option ? option_node(ci, section, index, option) : NULL;
    struct conf_mark mark = section == CONF_GLOBAL ? object->mark : object->kept;
    char message[400];
    char path[256];

    if (object->bad || (n && n->bad))
        return; /* told already, with a better reason */
    vsnprintf(message, sizeof message, fmt, ap);
    snprintf(path, sizeof path, "%s%s%s", object->path, *object->path && option ? "." : "",
             option ? option : "");
    conf_report_add(report, n ? n->mark : mark, path, "%s", message);
}

void conf_bad(struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option,
              const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bad(ci, ci->report, section, index, option, fmt, ap);
    va_end(ap);
}

void conf_bad_in(const struct conf_impl *ci, struct conf_report *report, enum conf_section_id section,
                 size_t index, const char *option, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bad(ci, report, section, index, option, fmt, ap);
    va_end(ap);
}

void conf_bad_item(struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option,
                   const char *item, const char *fmt, ...)
{
    const struct conf_node *n = option_node(ci, section, index, option);
    char message[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    for (const struct conf_node *e = n ? n->first : NULL; e; e = e->next) {
        if (e->type == CONF_SCALAR && strcmp(e->text, item) == 0) {
            conf_report_add(ci->report, e->mark, e->path, "%s", message);
            return;
        }
    }
    conf_bad(ci, section, index, option, "%s", message); /* a default, or an OID by its other name */
}

static char *below(struct conf_impl *ci, const char *dir, char *path)
{
    if (!path || *path == '/' || !dir)
        return path;
    return pke_arena_printf(ci->conf.arena, "%s/%s", dir, path);
}

/* Defaults are set without a folder, and some paths have one of their own. */
static void resolve_paths(struct conf_impl *ci)
{
    struct conf_global *g = &ci->conf.global;

    if (!conf_given(ci, CONF_GLOBAL, 0, "user-file"))
        g->user_file = below(ci, ci->dir, g->user_file);
    g->ledger_file = below(ci, g->state_directory, g->ledger_file);
    g->publish_directory = below(ci, g->state_directory, g->publish_directory);
    for (size_t i = 0; i < ci->conf.n_keys; i++)
        if (ci->conf.keys[i].backend == CONF_BACKEND_FILE && ci->conf.keys[i].uri &&
            strncmp(ci->conf.keys[i].uri, "pkcs11:", 7) != 0)
            ci->conf.keys[i].uri = below(ci, ci->dir, ci->conf.keys[i].uri);
}

static void resolve_endpoint(struct conf_impl *ci, size_t i)
{
    struct conf_endpoint *e = &ci->conf.endpoints[i];

    e->template_ref = conf_find(&ci->conf, CONF_TEMPLATES, e->template_name);
    e->provisioning_ref = conf_find(&ci->conf, CONF_PROVISIONING, e->provisioning);
    e->enroll_ref = conf_find(&ci->conf, CONF_ENDPOINTS, e->enroll_endpoint);
    if (e->template_name && !e->template_ref)
        conf_bad(ci, CONF_ENDPOINTS, i, "template", "there is no template %s", e->template_name);
    if (e->provisioning && !e->provisioning_ref)
        conf_bad(ci, CONF_ENDPOINTS, i, "provisioning", "there is no provisioning %s", e->provisioning);
    if (e->enroll_endpoint && !e->enroll_ref)
        conf_bad(ci, CONF_ENDPOINTS, i, "enroll-endpoint", "there is no endpoint %s", e->enroll_endpoint);
    for (size_t k = 0; k < e->listeners.n; k++)
        if (!conf_find_listener(&ci->conf, e->listeners.v[k]))
            conf_bad_item(ci, CONF_ENDPOINTS, i, "listeners", e->listeners.v[k], "there is no listener %s",
                          e->listeners.v[k]);
}

void conf_resolve(struct conf_impl *ci)
{
    struct conf *c = &ci->conf;

    resolve_paths(ci);
    conf_resolve_tenants(ci);
    for (size_t i = 0; i < c->n_issuers; i++) {
        c->issuers[i].key_ref = conf_find_key(c, c->issuers[i].key);
        if (c->issuers[i].key && !c->issuers[i].key_ref)
            conf_bad(ci, CONF_ISSUERS, i, "key", "there is no key %s", c->issuers[i].key);
        if (!c->issuers[i].key)
            c->issuers[i].crl_lifetime = 0; /* nobody could sign them */
    }
    for (size_t i = 0; i < c->n_templates; i++) {
        struct policy_template *t = &c->templates[i];
        t->policy_id = t->policy_id ? t->policy_id : pke_arena_strdup(c->arena, t->name);
        if (t->issuer && !conf_find_issuer(c, t->issuer))
            conf_bad(ci, CONF_TEMPLATES, i, "issuer", "there is no issuer %s", t->issuer);
    }
    for (size_t i = 0; i < c->n_listeners; i++)
        c->listeners[i].frontend = c->listeners[i].frontend || c->listeners[i].unix_path;
    for (size_t i = 0; i < c->n_provisionings; i++)
        if (!c->provisionings[i].display_name)
            c->provisionings[i].display_name = c->provisionings[i].provider_id;
    conf_resolve_tokens(ci);
    for (size_t i = 0; i < c->n_endpoints; i++)
        resolve_endpoint(ci, i);
}
