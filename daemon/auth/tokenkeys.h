/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The keys of the token issuers of one configuration: read from their files, read again when a file changes,
 * the last good set kept while a file is broken. And what status tells of them.
 */
#ifndef DAEMON_AUTH_TOKENKEYS_H
#define DAEMON_AUTH_TOKENKEYS_H

#include "daemon/common/conf.h"
#include "jose/jwks.h"

/** All token issuers of one configuration. */
struct tokenkeys;

/** One of them. */
struct token_source {
    const struct conf_token_issuer *conf;
    struct jose_keys *keys; /* NULL: no good file was seen yet */
    struct pke_fail broken; /* why the file on disk is not in force; err PKE_OK: it is */
    int64_t file_time;      /* of the file that keys are from, seconds since 1970 */
    uint64_t accepted, refused, unknown_kids;
    char unknown_kid[JOSE_KID_MAX + 1]; /* the last one; "": none yet */
    int64_t unknown_time;               /* when, seconds since 1970 */
    bool unknown_told;                  /* it is in the log */
    /* events about unknown kids since then (CLOCK_MONOTONIC ms): an attacker shall not fill the log */
    uint64_t unknown_since;
    unsigned unknown_logged;
};

/**
 * Read the files that @p conf (borrowed) names. What @p old knows of an issuer of the same name, file and
 * algorithms is taken over: counters, and the keys when the file is broken now.
 *
 * A file that cannot be used refuses the configuration when this process serves another one already; a
 * process that begins starts without these keys, so that a broken file does not take the other credentials
 * down. Blocks on disk.
 * @return PKE_OK, or PKE_CONFIG.
 */
enum pke_err tokenkeys_new(const struct conf *conf, struct tokenkeys *old, struct tokenkeys **ret,
                           struct pke_fail *fail);
void tokenkeys_free(struct tokenkeys *t); /* accepts NULL */

/** NULL when there is none of that name; @p t may be NULL. */
struct token_source *tokenkeys_find(struct tokenkeys *t, const char *name);

/** Read the file again if it is another one than last time. One lstat(2) when not. */
void token_source_refresh(struct token_source *s);

/** token_source_refresh for all of them. */
void tokenkeys_refresh(struct tokenkeys *t);

/** Append "token-issuer NAME" -> a JSON object for each. */
void tokenkeys_facts(const struct tokenkeys *t, struct pke_arena *arena, struct pke_pairs *out);

#endif
