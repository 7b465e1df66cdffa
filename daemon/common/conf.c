/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as an object: parse, share, look up; and the collector of errors. */
#include "daemon/common/conf.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/conf_impl.h"

void conf_report_init(struct conf_report *r, const char *file, struct pke_arena *arena)
{
    *r = (struct conf_report){.file = file, .arena = arena};
    r->lines = pke_arena_alloc(arena, CONF_MAX_ERRORS * sizeof *r->lines);
    r->room = CONF_MAX_ERRORS;
}

void conf_report_add(struct conf_report *r, struct conf_mark mark, const char *path, const char *fmt, ...)
{
    char message[512];
    char *text;
    va_list ap;

    if (r->count++ >= r->room)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    text = pke_arena_printf(r->arena, "%.200s%s%s", path, *path ? ": " : "", message);
    for (char *c = text; *c; c++) /* a key may hold anything in double quotes; one error stays one line */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    r->lines[r->count - 1] = (struct conf_line){mark, r->count, text};
}

static int by_position(const void *a, const void *b)
{
    const struct conf_line *x = a, *y = b;

    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    if (x->mark.col != y->mark.col)
        return x->mark.col < y->mark.col ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

enum pke_err conf_report_done(struct conf_report *r, struct conf_errors *errors)
{
    unsigned listed = r->count < r->room ? r->count : r->room;

    if (r->count == 0)
        return PKE_OK;
    if (errors->text.max == 0)
        pke_buf_init(&errors->text, CONF_MAX_BYTES);
    qsort(r->lines, listed, sizeof *r->lines, by_position);
    for (unsigned i = 0; i < listed; i++)
        pke_buf_printf(&errors->text, "%s:%u:%u: %s\n", r->file, r->lines[i].mark.line, r->lines[i].mark.col,
                       r->lines[i].text);
    if (listed < r->count)
        pke_buf_printf(&errors->text, "%s: and %u more errors\n", r->file, r->count - listed);
    errors->count += r->count;
    return PKE_CONFIG;
}

void conf_errors_done(struct conf_errors *errors)
{
    pke_buf_done(&errors->text);
    errors->count = 0;
}

/* One line: the text of a failure holds no line feeds. */
enum pke_err conf_errors_fail(struct conf_errors *errors, struct pke_fail *fail)
{
    char list[sizeof fail->text], more[64];
    const char *at = errors->text.n ? pke_buf_cstr(&errors->text) : "";
    size_t n = 0;
    unsigned shown = 0;

    for (const char *end; (end = strchr(at, '\n')); at = end + 1, shown++) {
        size_t line = (size_t)(end - at);

        if (shown > 0 && n + 2 + line + sizeof more > sizeof list)
            break;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", shown ? "; " : "",
                              (int)(line < sizeof list - sizeof more ? line : sizeof list - sizeof more), at);
    }
    list[n] = '\0';
    if (errors->count > shown)
        snprintf(more, sizeof more, "; %u errors in all (--check-config)", errors->count);
    else
        *more = '\0';
    return pke_fail_set(fail, PKE_CONFIG, "config", "pkienrolld.conf(5)", "%s%s", list, more);
}

static const char *folder_of(const char *file, struct pke_arena *arena)
{
    const char *slash = strrchr(file, '/');

    if (!slash)
        return ".";
    return slash == file ? "" : pke_arena_str(arena, PKE_BYTES(file, (size_t)(slash - file)));
}

static struct conf_impl *new_conf(const char *file, struct pke_bytes text)
{
    struct pke_arena *arena = pke_arena_new();
    struct conf_impl *ci = pke_calloc(1, sizeof *ci);
    unsigned n = CONF_GENERATION;

    ci->refs = 1;
    ci->conf.arena = arena;
    ci->conf.file = pke_arena_strdup(arena, file);
    ci->dir = folder_of(file, arena);
    if (EVP_Digest(text.p, text.n, ci->conf.generation, &n, EVP_sha256(), NULL) != 1)
        abort(); /* libcrypto without SHA-256: nothing of ours can work */
    pke_hex(PKE_BYTES(ci->conf.generation, CONF_GENERATION), false, ci->conf.generation_hex);
    return ci;
}

enum pke_err conf_parse(const char *file, struct pke_bytes text, struct conf **ret,
                        struct conf_errors *errors)
{
    struct conf_impl *ci = new_conf(file, text);
    struct pke_arena *scratch = pke_arena_new();
    struct conf_report report;
    enum pke_err err;

    *ret = NULL;
    conf_report_init(&report, file, scratch);
    ci->report = &report;
    ci->root = conf_yaml_read(text, ci->conf.arena, &report);
    if (ci->root) {
        conf_build(ci);
        conf_resolve(ci);
        conf_check(ci);
        conf_check_endpoints(ci);
        conf_check_provisioning(ci);
        conf_check_tokens(ci);
        conf_check_tenants(ci);
        conf_check_frontends(ci);
    }
    err = conf_report_done(&report, errors);
    ci->report = NULL;
    pke_arena_free(scratch);
    if (err == PKE_OK)
        *ret = &ci->conf;
    else
        conf_unref(&ci->conf);
    return err;
}

/* Every struct conf is the first member of a struct conf_impl made by new_conf(). */
static struct conf_impl *impl_of(const struct conf *conf)
{
    return (struct conf_impl *)(uintptr_t)conf;
}

struct conf *conf_ref(const struct conf *conf)
{
    struct conf_impl *ci = impl_of(conf);

    ci->refs++;
    return &ci->conf;
}

void conf_unref(struct conf *conf)
{
    if (!conf || --impl_of(conf)->refs)
        return;
    pke_arena_free(conf->arena);
    free(impl_of(conf));
}

size_t conf_object_count(const struct conf *conf, enum conf_section_id section)
{
    if (section == CONF_GLOBAL)
        return 1;
    return *(const size_t *)(const void *)((const char *)conf + conf_layouts[section].count);
}

const void *conf_object(const struct conf *conf, enum conf_section_id section, size_t index)
{
    const struct conf_layout *l = &conf_layouts[section];
    const char *list;

    if (section == CONF_GLOBAL)
        return &conf->global;
    memcpy(&list, (const char *)conf + l->list, sizeof list);
    return list + index * l->size;
}

const char *conf_object_name(const struct conf *conf, enum conf_section_id section, size_t index)
{
    const char *name = "";

    if (section != CONF_GLOBAL)
        memcpy(&name, (const char *)conf_object(conf, section, index) + conf_layouts[section].name,
               sizeof name);
    return name;
}

const void *conf_find(const struct conf *conf, enum conf_section_id section, const char *name)
{
    for (size_t i = 0; name && i < conf_object_count(conf, section); i++)
        if (strcmp(conf_object_name(conf, section, i), name) == 0)
            return conf_object(conf, section, i);
    return NULL;
}

const struct conf_key *conf_find_key(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_KEYS, name);
}

const struct conf_issuer *conf_find_issuer(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_ISSUERS, name);
}

static bool subset(const struct pke_strings *of, const struct pke_strings *all)
{
    for (size_t i = 0; i < of->n; i++)
        if (!pke_strings_has(all, of->v[i]))
            return false;
    return true;
}

bool conf_issuer_could_sign(const struct conf_issuer *issuer, const struct policy_template *t)
{
    return strcmp(t->issuer, issuer->name) == 0 ||
           (subset(&t->ekus, &issuer->allowed_ekus) &&
            subset(&t->certificate_policies, &issuer->allowed_policies) &&
            t->validity <= issuer->max_validity && t->backdate <= issuer->max_backdate);
}

const struct policy_template *conf_find_template(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_TEMPLATES, name);
}

const struct conf_listener *conf_find_listener(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_LISTENERS, name);
}

const struct conf_endpoint *conf_find_endpoint(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_ENDPOINTS, name);
}

const struct conf_provisioning *conf_find_provisioning(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_PROVISIONING, name);
}

const struct conf_token_issuer *conf_find_token_issuer(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_TOKEN_ISSUERS, name);
}

const struct conf_authoriser *conf_find_authoriser(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_AUTHORISERS, name);
}

const struct conf_sink *conf_find_sink(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_SINKS, name);
}

const struct conf_tenant *conf_find_tenant(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_TENANTS, name);
}

const struct conf_frontend *conf_find_frontend(const struct conf *conf, const char *name)
{
    return conf_find(conf, CONF_FRONTENDS, name);
}

const char *conf_only_tenant(const struct conf *conf)
{
    return conf->n_tenants == 1 ? conf->tenants[0].name : NULL;
}
