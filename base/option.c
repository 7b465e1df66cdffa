/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"

static const struct {
    const char *name;
    const char *oid;
} oid_aliases[] = {
    {"client-auth", "1.3.6.1.5.5.7.3.2"},
    {"server-auth", "1.3.6.1.5.5.7.3.1"},
    {"email-protection", "1.3.6.1.5.5.7.3.4"},
    {"smartcard-logon", "1.3.6.1.4.1.311.20.2.2"},
};

const char *pke_option_oid_alias(const char *name)
{
    for (size_t i = 0; i < PKE_LEN(oid_aliases); i++)
        if (strcmp(oid_aliases[i].name, name) == 0)
            return oid_aliases[i].oid;
    return NULL;
}

const struct pke_option *pke_option_find(const struct pke_option *table, const char *name, size_t n)
{
    for (; table->name; table++)
        if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
            return table;
    return NULL;
}

static void list_default(const struct pke_option *opt, void *base, struct pke_arena *arena)
{
    struct pke_fail fail;

    for (const char *word = opt->fallback; *word; word += strspn(word, " ")) {
        size_t n = strcspn(word, " ");
        const char *text = pke_arena_str(arena, PKE_BYTES(word, n));

        if (pke_option_append(opt, base, text, arena, &fail) != PKE_OK)
            abort(); /* as below */
        word += n;
    }
}

void pke_option_defaults(const struct pke_option *table, void *base, struct pke_arena *arena)
{
    struct pke_fail fail;

    for (; table->name; table++) {
        if (!table->fallback)
            continue;
        if (table->type == PKE_OPT_STRINGS || table->type == PKE_OPT_OIDS)
            list_default(table, base, arena);
        else if (pke_option_set(table, base, table->fallback, NULL, arena, &fail) != PKE_OK)
            abort(); /* a table with an invalid default is a programming error, found by the first test */
    }
}

static enum pke_err bad(struct pke_fail *fail, const struct pke_option *opt, const char *expected)
{
    return pke_fail_set(fail, PKE_CONFIG, "option-value", "option table", "%s expects %s", opt->name,
                        expected);
}

static enum pke_err check_range(const struct pke_option *opt, int64_t v, struct pke_fail *fail)
{
    char lo[24], hi[24], expected[96];

    if ((opt->min == 0 && opt->max == 0) || (v >= opt->min && v <= opt->max))
        return PKE_OK;
    if (opt->type == PKE_OPT_DURATION) {
        pke_duration_format(opt->min, lo);
        pke_duration_format(opt->max, hi);
    } else {
        snprintf(lo, sizeof lo, "%" PRId64, opt->min);
        snprintf(hi, sizeof hi, "%" PRId64, opt->max);
    }
    snprintf(expected, sizeof expected, "%s from %s to %s",
             opt->type == PKE_OPT_STRING || opt->type == PKE_OPT_PATH ? "a length" : "a value", lo, hi);
    return bad(fail, opt, expected);
}

static enum pke_err set_bool(const struct pke_option *opt, bool *out, const char *text, struct pke_fail *fail)
{
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

    if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
        return bad(fail, opt, "yes or no");
    *out = yes;
    return PKE_OK;
}

static bool parse_size(const char *text, bool units, uint64_t *ret)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } suffixes[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    char *end;
    unsigned long long v;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    for (size_t i = 0; i < (units ? PKE_LEN(suffixes) : 1); i++) {
        if (strcmp(end, suffixes[i].suffix) == 0) {
            *ret = v << suffixes[i].shift;
            return errno == 0 && v <= (unsigned long long)INT64_MAX >> suffixes[i].shift;
        }
    }
    return false;
}

static enum pke_err set_number(const struct pke_option *opt, void *field, const char *text,
                               struct pke_fail *fail)
{
    int64_t ms;
    uint64_t v;
    enum pke_err err;

    if (opt->type == PKE_OPT_DURATION) {
        if (!pke_duration_parse(text, &ms))
            return bad(fail, opt, "a duration with its unit, such as 250ms, 10s, 5m, 24h or 365d");
        err = check_range(opt, ms, fail);
        if (err == PKE_OK)
            *(int64_t *)field = ms;
        return err;
    }
    if (!parse_size(text, opt->type == PKE_OPT_SIZE, &v))
        return bad(fail, opt,
                   opt->type == PKE_OPT_SIZE ? "a size such as 65536, 64KiB or 1MiB" : "a whole number");
    err = check_range(opt, (int64_t)v, fail);
    if (err == PKE_OK)
        *(uint64_t *)field = v;
    return err;
}

static enum pke_err check_text(const struct pke_option *opt, const char *text, struct pke_fail *fail)
{
    if (!pke_utf8_valid(pke_bytes_str(text)))
        return bad(fail, opt, "UTF-8 text");
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return bad(fail, opt, "text without control characters");
    return check_range(opt, (int64_t)strlen(text), fail);
}

static const struct pke_enum_name *find_name(const struct pke_option *opt, const char *text)
{
    for (const struct pke_enum_name *e = opt->names; e->name; e++)
        if (strcmp(e->name, text) == 0)
            return e;
    return NULL;
}

static enum pke_err bad_name(const struct pke_option *opt, const char *begin, struct pke_fail *fail)
{
    char expected[160];
    size_t n = (size_t)snprintf(expected, sizeof expected, "%s", begin);

    for (const struct pke_enum_name *e = opt->names; e->name && n < sizeof expected; e++)
        n += (size_t)snprintf(expected + n, sizeof expected - n, " %s%s", e->name, e[1].name ? "," : "");
    return bad(fail, opt, expected);
}

static enum pke_err set_enum(const struct pke_option *opt, int *out, const char *text, struct pke_fail *fail)
{
    const struct pke_enum_name *e = find_name(opt, text);

    if (!e)
        return bad_name(opt, "one of", fail);
    *out = e->value;
    return PKE_OK;
}

enum pke_err pke_option_set(const struct pke_option *opt, void *base, const char *text, const char *dir,
                            struct pke_arena *arena, struct pke_fail *fail)
{
    void *field = (char *)base + opt->offset;
    enum pke_err err;

    switch (opt->type) {
    case PKE_OPT_BOOL:
        return set_bool(opt, field, text, fail);
    case PKE_OPT_UINT:
    case PKE_OPT_SIZE:
    case PKE_OPT_DURATION:
        return set_number(opt, field, text, fail);
    case PKE_OPT_ENUM:
        return set_enum(opt, field, text, fail);
    case PKE_OPT_STRING:
    case PKE_OPT_PATH:
        err = check_text(opt, text, fail);
        if (err == PKE_OK && opt->type == PKE_OPT_PATH && text[0] != '/' && text[0] != '\0' && dir)
            *(char **)field = pke_arena_printf(arena, "%s/%s", dir, text);
        else if (err == PKE_OK)
            *(char **)field = pke_arena_strdup(arena, text);
        return err;
    case PKE_OPT_STRINGS:
    case PKE_OPT_OIDS:
        break;
    }
    return bad(fail, opt, "a list");
}

enum pke_err pke_option_append(const struct pke_option *opt, void *base, const char *text,
                               struct pke_arena *arena, struct pke_fail *fail)
{
    struct pke_strings *list = (struct pke_strings *)(void *)((char *)base + opt->offset);
    uint8_t der[PKE_OID_DER_MAX];
    size_t n;
    enum pke_err err;

    if (opt->type == PKE_OPT_OIDS) {
        const char *alias = pke_option_oid_alias(text);
        text = alias ? alias : text;
        if (!pke_oid_encode(text, der, &n))
            return bad(fail, opt, "object identifiers such as 1.3.6.1.5.5.7.3.2 or client-auth");
    }
    err = check_text(opt, text, fail);
    if (err == PKE_OK && opt->names && !find_name(opt, text))
        err = bad_name(opt, "a list of", fail);
    if (err != PKE_OK)
        return err;
    pke_strings_add(list, arena, text);
    return PKE_OK;
}

const char *pke_enum_text(const struct pke_enum_name *names, int value)
{
    for (; names->name; names++)
        if (names->value == value)
            return names->name;
    return "?";
}

const char *pke_option_text(const struct pke_option *opt, const void *base, struct pke_arena *arena)
{
    const void *field = (const char *)base + opt->offset;
    char buf[24];

    switch (opt->type) {
    case PKE_OPT_BOOL:
        return *(const bool *)field ? "yes" : "no";
    case PKE_OPT_UINT:
    case PKE_OPT_SIZE:
        return pke_arena_printf(arena, "%" PRIu64, *(const uint64_t *)field);
    case PKE_OPT_DURATION:
        pke_duration_format(*(const int64_t *)field, buf);
        return pke_arena_strdup(arena, buf);
    case PKE_OPT_ENUM:
        return pke_enum_text(opt->names, *(const int *)field);
    case PKE_OPT_STRING:
    case PKE_OPT_PATH:
        return *(char *const *)field;
    case PKE_OPT_STRINGS:
    case PKE_OPT_OIDS:
        break;
    }
    return NULL;
}
