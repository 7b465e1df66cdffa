/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/tokenkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/auth/jsonout.h"
#include "daemon/auth/userfile.h"
#include "daemon/common/log.h"

struct entry {
    struct token_source source; /* first: token_source_refresh() gets from one to the other */
    struct stat seen;           /* the file on disk, good or broken */
};

struct tokenkeys {
    size_t n;
    struct entry v[];
};

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static enum pke_err unusable(struct pke_fail *fail, const char *name, const char *why)
{
    return pke_fail_set(fail, PKE_CONFIG, "keys-file", "pkienrolld.conf(5) keys-file",
                        "the keys-file of the token issuer %s %s", name, why);
}

/* Who owns the file is not asked: pkienroll-jwks has a user of its own, so that it cannot touch the daemon.
 */
static enum pke_err read_file(const char *path, const char *name, struct stat *st, struct pke_buf *out,
                              struct pke_fail *fail)
{
    int fd PKE_CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    uint8_t block[16384];
    ssize_t n;

    memset(st, 0, sizeof *st);
    if (fd < 0 || fstat(fd, st) != 0)
        return unusable(fail, name, strerror(errno));
    if (!S_ISREG(st->st_mode))
        return unusable(fail, name, "is not a regular file");
    if (st->st_mode & 022)
        return unusable(fail, name, "may be written by group or others: chmod go-w");
    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return unusable(fail, name, strerror(errno));
        if (pke_buf_add(out, block, (size_t)n) != PKE_OK)
            return unusable(fail, name, "is larger than 256 KiB");
    }
    return PKE_OK;
}

static unsigned algorithms_of(const struct conf_token_issuer *conf)
{
    unsigned bits = 0;
    enum jose_alg alg;

    for (size_t i = 0; i < conf->algorithms.n; i++)
        if (jose_alg_from_name(conf->algorithms.v[i], &alg))
            bits |= JOSE_ALG_BIT(alg);
    return bits;
}

/* One odd key of many shall not keep the others out, and not stay unnoticed. */
static void tell_unfit(const struct token_source *s)
{
    char unfit[24];

    if (jose_keys_unfit(s->keys) == 0)
        return;
    snprintf(unfit, sizeof unfit, "%zu", jose_keys_unfit(s->keys));
    log_fail(LOG_WARNING, "keys of a token issuer passed over", jose_keys_unfit_why(s->keys), "token_issuer",
             s->conf->name, "keys", unfit, NULL);
}

/* Read the file; on success it is in force, else what was in force stays. */
static enum pke_err load(struct entry *e)
{
    struct token_source *s = &e->source;
    struct jose_keys *keys = NULL;
    struct pke_fail fail = {0};
    struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, JOSE_KEYS_MAX_BYTES);
    err = read_file(s->conf->keys_file, s->conf->name, &e->seen, &text, &fail);
    if (err == PKE_OK)
        err = jose_keys_parse(pke_buf_bytes(&text), algorithms_of(s->conf), &keys, &fail);
    pke_buf_done(&text);
    s->broken = fail;
    s->broken.err = err;
    if (err != PKE_OK)
        return err;
    jose_keys_unref(s->keys);
    s->keys = keys;
    s->file_time = e->seen.st_mtim.tv_sec;
    tell_unfit(s);
    return PKE_OK;
}

static bool same_list(const struct pke_strings *a, const struct pke_strings *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0)
            return false;
    return a->n == b->n;
}

static void inherit(struct entry *e, struct tokenkeys *old)
{
    const struct token_source *from = tokenkeys_find(old, e->source.conf->name);

    if (!from || strcmp(from->conf->keys_file, e->source.conf->keys_file) != 0 ||
        !same_list(&from->conf->algorithms, &e->source.conf->algorithms))
        return;
    e->source.accepted = from->accepted;
    e->source.refused = from->refused;
    e->source.unknown_kids = from->unknown_kids;
    memcpy(e->source.unknown_kid, from->unknown_kid, sizeof from->unknown_kid);
    e->source.unknown_time = from->unknown_time;
    e->source.unknown_told = from->unknown_told;
    e->source.file_time = from->file_time;
    e->source.keys = from->keys ? jose_keys_ref(from->keys) : NULL;
}

enum pke_err tokenkeys_new(const struct conf *conf, struct tokenkeys *old, struct tokenkeys **ret,
                           struct pke_fail *fail)
{
    struct tokenkeys *t = pke_calloc(1, sizeof *t + conf->n_token_issuers * sizeof *t->v);

    for (size_t i = 0; i < conf->n_token_issuers; i++) {
        struct entry *e = &t->v[t->n++];

        e->source.conf = &conf->token_issuers[i];
        inherit(e, old);
        if (load(e) == PKE_OK)
            continue;
        if (old && !e->source.keys) {
            *fail = e->source.broken;
            tokenkeys_free(t);
            return PKE_CONFIG;
        }
        log_fail(LOG_ERR, "keys of a token issuer refused", &e->source.broken, "token_issuer",
                 e->source.conf->name, "kept", e->source.keys ? "the keys before" : "nothing", NULL);
    }
    *ret = t;
    return PKE_OK;
}

void tokenkeys_free(struct tokenkeys *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        jose_keys_unref(t->v[i].source.keys);
    free(t);
}

struct token_source *tokenkeys_find(struct tokenkeys *t, const char *name)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (strcmp(t->v[i].source.conf->name, name) == 0)
            return &t->v[i].source;
    return NULL;
}

void token_source_refresh(struct token_source *s)
{
    struct entry *e = (struct entry *)(void *)s;
    char keys[24];

    if (!userfile_changed(s->conf->keys_file, &e->seen))
        return;
    if (load(e) != PKE_OK) {
        log_fail(LOG_ERR, "keys of a token issuer refused", &s->broken, "token_issuer", s->conf->name, "kept",
                 s->keys ? "the keys before" : "nothing", NULL);
        return;
    }
    snprintf(keys, sizeof keys, "%zu", jose_keys_count(s->keys));
    log_event(LOG_NOTICE, "keys of a token issuer read", "token_issuer", s->conf->name, "keys", keys, NULL);
}

void tokenkeys_refresh(struct tokenkeys *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        token_source_refresh(&t->v[i].source);
}

static const char *fact(const struct token_source *s, struct pke_arena *arena)
{
    char when[PKE_RFC3339_SIZE] = "", unknown[PKE_RFC3339_SIZE] = "";
    struct pke_buf text;
    const char *copy;
    json_t *j;

    if (s->keys)
        pke_time_rfc3339(s->file_time, when);
    if (*s->unknown_kid)
        pke_time_rfc3339(s->unknown_time, unknown);
    j = json_pack("{s:s, s:I, s:I, s:I, s:s?, s:s?, s:I, s:I, s:I, s:s?, s:s?}", "kind",
                  s->conf->kind == CONF_TOKENS_ENTRA ? "entra" : "custom", "keys",
                  (json_int_t)(s->keys ? jose_keys_count(s->keys) : 0), "skipped_keys",
                  (json_int_t)(s->keys ? jose_keys_skipped(s->keys) : 0), "unfit_keys",
                  (json_int_t)(s->keys ? jose_keys_unfit(s->keys) : 0), "file_time", s->keys ? when : NULL,
                  "error", s->broken.err == PKE_OK ? NULL : s->broken.text, "accepted",
                  (json_int_t)s->accepted, "refused", (json_int_t)s->refused, "unknown_kids",
                  (json_int_t)s->unknown_kids, "unknown_kid", *s->unknown_kid ? s->unknown_kid : NULL,
                  "unknown_kid_time", *s->unknown_kid ? unknown : NULL);
    pke_buf_init(&text, SIZE_MAX);
    auth_json_write(j, &text);
    copy = pke_arena_strdup(arena, pke_buf_cstr(&text));
    pke_buf_done(&text);
    json_decref(j);
    return copy;
}

void tokenkeys_facts(const struct tokenkeys *t, struct pke_arena *arena, struct pke_pairs *out)
{
    for (size_t i = 0; t && i < t->n; i++)
        pke_pairs_add(out, arena, pke_arena_printf(arena, "token-issuer %s", t->v[i].source.conf->name),
                      fact(&t->v[i].source, arena));
}
