/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/identity_map.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "daemon/common/file.h"
#include "policy/names.h"

#define RULE     "identity map"
#define LINE_MAX (64u << 10)

struct entry {
    const char *tenant, *principal;
    struct pke_pairs names;
    unsigned line;
};

struct identity_map {
    struct pke_arena *arena;
    struct entry *v; /* sorted by tenant and principal */
    size_t n, room;
};

struct reader {
    struct identity_map *map;
    const char *path, *tenant; /* tenant: of lines that name none */
    unsigned line;
    struct pke_fail *fail;
};

static enum pke_err bad_line(const struct reader *r, const char *text)
{
    return pke_fail_set(r->fail, PKE_CONFIG, "identity-map", RULE, "%s:%u: %s", r->path, r->line, text);
}

#define bad(r, ...) bad_line(r, pke_arena_printf((r)->map->arena, __VA_ARGS__))

static bool is_kind(const char *kind, bool *several)
{
    static const struct {
        const char *kind;
        bool several;
    } kinds[] = {{PKE_SAN_UPN, false}, {PKE_SAN_DNS, true},   {PKE_SAN_EMAIL, true},
                 {PKE_SAN_URI, true},  {PKE_NAME_SID, false}, {PKE_SAN_GUID, false}};

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0) {
            *several = kinds[i].several;
            return true;
        }
    return false;
}

static enum pke_err add_value(const struct reader *r, struct entry *e, const char *kind, const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text || strlen(text) != json_string_length(value) || !policy_name_valid(kind, text))
        return bad(r, "\"%.100s\" is no %s", text ? text : "(not a text)", kind);
    if (e->names.n == POLICY_NAMES_MAX)
        return bad(r, "%s", "too many names");
    if (!policy_names_have(&e->names, kind, text))
        pke_pairs_add(&e->names, r->map->arena, kind, text);
    return PKE_OK;
}

static enum pke_err add_kind(const struct reader *r, struct entry *e, const char *kind, const json_t *value)
{
    enum pke_err err = PKE_OK;
    bool several;

    if (!is_kind(kind, &several))
        return bad(r, "\"%s\" is not tenant, principal, upn, dns, email, uri, sid or guid", kind);
    if (!json_is_array(value))
        return add_value(r, e, kind, value);
    if (!several && json_array_size(value) > 1)
        return bad(r, "\"%s\" has one value", kind);
    for (size_t i = 0; err == PKE_OK && i < json_array_size(value); i++)
        err = add_value(r, e, kind, json_array_get(value, i));
    return err;
}

static enum pke_err add_object(const struct reader *r, json_t *object)
{
    const char *principal = json_string_value(json_object_get(object, "principal")), *kind;
    const json_t *given = json_object_get(object, "tenant");
    const char *tenant = given ? json_string_value(given) : r->tenant;
    struct identity_map *m = r->map;
    struct entry *e;
    json_t *value;

    if (!principal || !*principal || strlen(principal) > 256)
        return bad(r, "%s", "\"principal\" must be a text of 1 to 256 bytes");
    if (!tenant)
        return bad(r, "%s", "\"tenant\" must name one: there are several");
    if (m->n == m->room)
        m->v = pke_realloc(m->v, (m->room = m->room ? 2 * m->room : 64) * sizeof *m->v);
    e = &m->v[m->n++];
    *e = (struct entry){.tenant = pke_arena_strdup(m->arena, tenant),
                        .principal = pke_arena_strdup(m->arena, principal),
                        .line = r->line};
    json_object_foreach(object, kind, value) if (strcmp(kind, "principal") != 0 &&
                                                 strcmp(kind, "tenant") != 0 &&
                                                 add_kind(r, e, kind, value) != PKE_OK) return PKE_CONFIG;
    return PKE_OK;
}

static enum pke_err read_line(struct reader *r, struct pke_bytes line)
{
    json_error_t error;
    json_t *object;
    enum pke_err err;

    while (line.n && strchr(" \t\r", line.p[line.n - 1]))
        line.n--;
    if (line.n == 0)
        return PKE_OK;
    if (line.n > LINE_MAX)
        return bad(r, "%s", "the line is longer than 64 KiB");
    object = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return bad(r, "no JSON: %s", error.text);
    err = json_is_object(object) ? add_object(r, object) : bad(r, "%s", "not a JSON object");
    json_decref(object);
    return err;
}

static enum pke_err read_lines(struct reader *r, struct pke_bytes text)
{
    enum pke_err err = PKE_OK;

    while (err == PKE_OK && text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;

        r->line++;
        err = read_line(r, PKE_BYTES(text.p, n));
        n += end ? 1 : 0;
        text = PKE_BYTES(text.p + n, text.n - n);
    }
    return err;
}

static int by_principal(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int tenant = strcmp(x->tenant, y->tenant);

    return tenant ? tenant : strcasecmp(x->principal, y->principal);
}

static enum pke_err sort(struct reader *r)
{
    struct identity_map *m = r->map;

    if (m->n)
        qsort(m->v, m->n, sizeof *m->v, by_principal);
    for (size_t i = 1; i < m->n; i++)
        if (by_principal(&m->v[i - 1], &m->v[i]) == 0) {
            r->line = m->v[i - 1].line > m->v[i].line ? m->v[i - 1].line : m->v[i].line;
            return bad(r, "the principal %s is there twice", m->v[i].principal);
        }
    return PKE_OK;
}

enum pke_err identity_map_load(const char *path, const char *tenant, struct identity_map **ret,
                               struct pke_fail *fail)
{
    struct identity_map *m = pke_calloc(1, sizeof *m);
    struct reader r = {.map = m, .path = path, .tenant = tenant, .fail = fail};
    struct pke_buf text;
    enum pke_err err;

    m->arena = pke_arena_new();
    pke_buf_init(&text, IDENTITY_MAP_MAX_BYTES);
    err = file_read_trusted(path, &text, fail);
    if (err == PKE_OK)
        err = read_lines(&r, pke_buf_bytes(&text));
    if (err == PKE_OK)
        err = sort(&r);
    pke_buf_done(&text);
    if (err == PKE_OK)
        *ret = m;
    else
        identity_map_free(m);
    return err;
}

void identity_map_free(struct identity_map *m)
{
    if (!m)
        return;
    free(m->v);
    pke_arena_free(m->arena);
    free(m);
}

const struct pke_pairs *identity_map_find(const struct identity_map *m, const char *tenant,
                                          const char *principal)
{
    const struct entry key = {.tenant = tenant, .principal = principal};
    const struct entry *e =
        m && m->n && tenant && principal ? bsearch(&key, m->v, m->n, sizeof *m->v, by_principal) : NULL;

    return e ? &e->names : NULL;
}

size_t identity_map_count(const struct identity_map *m)
{
    return m ? m->n : 0;
}
