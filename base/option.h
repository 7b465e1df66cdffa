/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Option tables: a module that owns a configuration section describes each option once; the reader,
 * --dump-config,
 * --dump-schema, the manual page check and the completion all work from that table.
 */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"

enum pke_option_type {
    PKE_OPT_BOOL,     /* bool: "yes"/"no"/"true"/"false" */
    PKE_OPT_UINT,     /* uint64_t: decimal */
    PKE_OPT_SIZE,     /* uint64_t bytes: "64KiB", "1MiB", or bytes */
    PKE_OPT_DURATION, /* int64_t milliseconds: "250ms", "10s", "5m", "24h", "365d" */
    PKE_OPT_STRING,   /* char *, UTF-8 without control characters */
    PKE_OPT_PATH,     /* char *, made absolute against the directory of the configuration file */
    PKE_OPT_ENUM,     /* int, one of names[] */
    PKE_OPT_STRINGS,  /* struct pke_strings */
    PKE_OPT_OIDS, /* struct pke_strings of dotted OIDs; the names of pke_option_oid_alias() are accepted */
};

/** What a changed value needs to take effect. */
enum pke_option_reload {
    PKE_RELOAD_LIVE,    /* pkienrollctl reload is enough */
    PKE_RELOAD_RESTART, /* the daemon must be restarted; reload refuses the change and says so */
};

struct pke_enum_name {
    const char *name;
    int value;
};

struct pke_option {
    const char *name;
    enum pke_option_type type;
    size_t offset;
    const char *fallback;              /* default as text, NULL: none (zero value); of a list, by spaces */
    int64_t min, max;                  /* numbers, durations (ms), sizes, string length; 0,0: unchecked */
    const struct pke_enum_name *names; /* ends with {NULL, 0}; of a list: the words it may hold */
    bool required;
    enum pke_option_reload reload;
    const char *help; /* one line, no full stop */
};

/* offsetof() that does not compile without a warning unless the field has the type of the option. */
#define PKE_FIELD(type, s, f) (offsetof(s, f) + 0 * sizeof((type *)NULL == &((s *)NULL)->f))

#define PKE_OPTION_END \
    {                  \
        .name = NULL   \
    }

/** The option named @p name (@p n bytes) of a table that ends with PKE_OPTION_END; NULL when there is none.
 */
const struct pke_option *pke_option_find(const struct pke_option *table, const char *name, size_t n);

/** Set every default of @p table in the struct at @p base. Strings go to @p arena. */
void pke_option_defaults(const struct pke_option *table, void *base, struct pke_arena *arena);

/**
 * Set one scalar option from text. @p dir is what relative paths are resolved against (NULL: kept).
 * @return PKE_OK, or PKE_CONFIG with a text that says what was expected.
 */
enum pke_err pke_option_set(const struct pke_option *opt, void *base, const char *text, const char *dir,
                            struct pke_arena *arena, struct pke_fail *fail);

/** Append one element to a list option (PKE_OPT_STRINGS, PKE_OPT_OIDS). */
enum pke_err pke_option_append(const struct pke_option *opt, void *base, const char *text,
                               struct pke_arena *arena, struct pke_fail *fail);

/** Text form of a scalar's current value, in @p arena; NULL for an unset string. */
const char *pke_option_text(const struct pke_option *opt, const void *base, struct pke_arena *arena);

/** Name of an enum value; "?" when unknown. */
const char *pke_enum_text(const struct pke_enum_name *names, int value);

/** Dotted OID for a well-known name such as "client-auth"; NULL when unknown. */
const char *pke_option_oid_alias(const char *name);

#endif
