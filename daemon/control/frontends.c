/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/frontends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/uids.h"
#include "daemon/control/peer.h"

#define RULE "pkienrolld.conf(5) frontends"

struct frontend {
    char *name;
    struct uids uids;
    gid_t *gids;
    size_t n_gids;
    char (*pins)[65]; /* SHA-256 of its certificates */
    size_t n_pins;
};

struct frontends {
    size_t n;
    struct frontend v[];
};

static enum pke_err resolve(const struct conf_frontend *conf, uid_t own_uid, struct frontend *ret,
                            struct pke_fail *fail)
{
    ret->name = pke_strdup(conf->name);
    ret->gids = pke_calloc(conf->groups.n + 1, sizeof *ret->gids);
    ret->pins = pke_calloc(conf->certificates.n + 1, sizeof *ret->pins);
    for (; ret->n_pins < conf->certificates.n; ret->n_pins++)
        snprintf(ret->pins[ret->n_pins], sizeof *ret->pins, "%s", conf->certificates.v[ret->n_pins]);
    if (uids_resolve(&conf->users, "frontends users", &ret->uids, fail) != PKE_OK)
        return fail->err;
    if (uids_has(&ret->uids, 0) || uids_has(&ret->uids, own_uid))
        return pke_fail_set(fail, PKE_CONFIG, "frontend-user", RULE,
                            "%s: root and the user of the daemon are admins, and no frontend", conf->name);
    for (size_t i = 0; i < conf->groups.n; i++)
        if (!peer_group_id(conf->groups.v[i], &ret->gids[ret->n_gids++]))
            return pke_fail_set(fail, PKE_CONFIG, "frontend-group", RULE, "%s: no such group: %s", conf->name,
                                conf->groups.v[i]);
    return PKE_OK;
}

enum pke_err frontends_resolve(const struct conf *conf, uid_t own_uid, struct frontends **ret,
                               struct pke_fail *fail)
{
    struct frontends *f = pke_calloc(1, sizeof *f + conf->n_frontends * sizeof *f->v);
    enum pke_err err = PKE_OK;

    while (err == PKE_OK && f->n < conf->n_frontends) {
        err = resolve(&conf->frontends[f->n], own_uid, &f->v[f->n], fail);
        f->n++;
    }
    if (err == PKE_OK)
        *ret = f;
    else
        frontends_free(f);
    return err;
}

void frontends_free(struct frontends *f)
{
    for (size_t i = 0; f && i < f->n; i++) {
        free(f->v[i].name);
        free(f->v[i].gids);
        free(f->v[i].pins);
    }
    free(f);
}

const char *frontends_of_certificate(const struct frontends *f, const char *sha256_hex)
{
    for (size_t i = 0; f && i < f->n; i++)
        for (size_t k = 0; k < f->v[i].n_pins; k++)
            if (strcmp(f->v[i].pins[k], sha256_hex) == 0)
                return f->v[i].name;
    return NULL;
}

static bool is_it(const struct frontend *f, uid_t uid, const gid_t *gids, size_t n)
{
    if (uids_has(&f->uids, uid))
        return true;
    for (size_t i = 0; i < f->n_gids; i++)
        for (size_t k = 0; k < n; k++)
            if (f->gids[i] == gids[k])
                return true;
    return false;
}

const char *frontends_find(const struct frontends *f, uid_t uid, const gid_t *gids, size_t n, bool *several)
{
    const char *found = NULL;

    *several = false;
    for (size_t i = 0; f && i < f->n; i++) {
        if (!is_it(&f->v[i], uid, gids, n))
            continue;
        *several = *several || found;
        found = f->v[i].name;
    }
    return *several ? NULL : found;
}
