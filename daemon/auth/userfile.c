/* SPDX-License-Identifier: Apache-2.0 */
/* The text of the user file: parsing, look-up, editing. */
#include "daemon/auth/userfile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/auth/password.h"

struct userfile {
    struct pke_arena *arena;
    struct pke_bytes text;
    struct user **users; /* by folded name */
    size_t n, room;
};

static bool printable(const char *s, const char *forbidden, size_t max)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !pke_utf8_valid(PKE_BYTES(s, n)))
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f || strchr(forbidden, *s))
            return false;
    return true;
}

bool userfile_name_valid(const char *name)
{
    size_t n = strlen(name);

    return printable(name, ":,", USERFILE_NAME_MAX) && name[0] != '#' && name[0] != ' ' && name[n - 1] != ' ';
}

bool userfile_attribute_valid(const char *name, const char *value)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n >= 1 && n <= 32 && name[n] == '\0' && name[0] >= 'a' && printable(value, ",", 320);
}

static bool parse_attributes(struct userfile *f, struct user *u, char *text)
{
    char *next;

    for (; text && *text; text = next) {
        char *value;

        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        value = strchr(text, '=');
        if (!value)
            return false;
        *value++ = '\0';
        if (!userfile_attribute_valid(text, value) || pke_pairs_get(&u->attributes, text))
            return false;
        pke_pairs_add(&u->attributes, f->arena, text, value);
    }
    return !text || *text == '\0';
}

/* What is wrong with the line, NULL when nothing. */
static const char *parse_line(struct userfile *f, struct pke_bytes line, struct user *u)
{
    char *name, *hash, *attributes;

    if (memchr(line.p, 0, line.n))
        return "contains a NUL byte";
    name = pke_arena_str(f->arena, line);
    hash = strchr(name, ':');
    if (!hash)
        return "has no password hash";
    *hash++ = '\0';
    attributes = strchr(hash, ':');
    if (attributes)
        *attributes++ = '\0';
    if (!userfile_name_valid(name))
        return "has no valid user name";
    if (!password_hash_valid(hash))
        return "has no yescrypt hash of the expected cost";
    if (!parse_attributes(f, u, attributes))
        return "has no valid attributes";
    u->name = name;
    u->hash = hash;
    return NULL;
}

static void append(struct userfile *f, struct user *u)
{
    if (f->n == f->room) {
        f->room = f->room ? 2 * f->room : 64;
        f->users = pke_realloc(f->users, f->room * sizeof *f->users);
    }
    f->users[f->n++] = u;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp((*(struct user *const *)a)->name, (*(struct user *const *)b)->name);
}

static enum pke_err bad_line(struct pke_fail *fail, unsigned line, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, "user-file-line", "pkienrolld.conf(5) user-file",
                        "line %u of the user file %s", line, why);
}

static enum pke_err parse_lines(struct userfile *f, struct pke_fail *fail)
{
    size_t start = 0;
    unsigned number = 1;

    for (; start < f->text.n; number++) {
        const uint8_t *p = f->text.p + start;
        const uint8_t *end = memchr(p, '\n', f->text.n - start);
        size_t n = end ? (size_t)(end - p) : f->text.n - start;

        if (n && *p != '#') {
            struct user *u = pke_arena_alloc(f->arena, sizeof *u);
            const char *why = parse_line(f, PKE_BYTES(p, n), u);
            if (why)
                return bad_line(fail, number, why);
            u->start = start;
            u->length = n + (end != NULL);
            append(f, u);
        }
        start += n + 1;
    }
    return PKE_OK;
}

enum pke_err userfile_parse(struct pke_bytes text, struct userfile **ret, struct pke_fail *fail)
{
    struct userfile *f = pke_calloc(1, sizeof *f);
    enum pke_err err;

    f->arena = pke_arena_new();
    f->text = pke_arena_bytes(f->arena, text);
    err = parse_lines(f, fail);
    if (err == PKE_OK && f->n)
        qsort(f->users, f->n, sizeof(struct user *), by_name);
    for (size_t i = 1; err == PKE_OK && i < f->n; i++)
        if (by_name(&f->users[i - 1], &f->users[i]) == 0)
            err = pke_fail_set(fail, PKE_CONFIG, "user-file-twice", "pkienrolld.conf(5) user-file",
                               "the user file has the user %s twice", f->users[i]->name);
    if (err == PKE_OK)
        *ret = f;
    else
        userfile_free(f);
    return err;
}

void userfile_free(struct userfile *f)
{
    if (!f)
        return;
    pke_arena_free(f->arena);
    free(f->users);
    free(f);
}

const struct user *userfile_find(const struct userfile *f, const char *name)
{
    struct user wanted = {.name = name}, *key = &wanted, **found;

    found = f->n ? bsearch(&key, f->users, f->n, sizeof(struct user *), by_name) : NULL;
    return found ? *found : NULL;
}

size_t userfile_count(const struct userfile *f)
{
    return f->n;
}

const struct user *userfile_at(const struct userfile *f, size_t i)
{
    return f->users[i];
}

void userfile_text_add(const struct userfile *f, const struct user *user, struct pke_buf *out)
{
    pke_buf_add_bytes(out, f->text);
    if (f->text.n && f->text.p[f->text.n - 1] != '\n')
        pke_buf_add_str(out, "\n");
    pke_buf_printf(out, "%s:%s", user->name, user->hash);
    for (size_t i = 0; i < user->attributes.n; i++)
        pke_buf_printf(out, "%s%s=%s", i ? "," : ":", user->attributes.v[i].name,
                       user->attributes.v[i].value);
    pke_buf_add_str(out, "\n");
}

void userfile_text_remove(const struct userfile *f, const struct user *user, struct pke_buf *out)
{
    size_t rest = user->start + user->length;

    pke_buf_add(out, f->text.p, user->start);
    pke_buf_add(out, f->text.p + rest, f->text.n - rest);
}
