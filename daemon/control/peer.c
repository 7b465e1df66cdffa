/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/peer.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/control/frontends.h"
#include "ipc/verbs.h"

#define RULE "control API: roles"

/* Decimal digits only; (gid_t)-1 is not a group. */
static bool numeric_gid(const char *text, gid_t *ret)
{
    size_t n = strlen(text);
    unsigned long long v;

    if (!n || n > 10 || strspn(text, "0123456789") != n)
        return false;
    v = strtoull(text, NULL, 10);
    if (v >= (gid_t)-1)
        return false;
    *ret = (gid_t)v;
    return true;
}

static bool named_gid(const char *name, gid_t *ret)
{
    struct group g, *found = NULL;
    size_t size = 1024;
    int err;

    do {
        PKE_CLEANUP(pke_free_p) char *buf = pke_malloc(size);
        err = getgrnam_r(name, &g, buf, size, &found);
        if (!err && found)
            *ret = g.gr_gid;
        size *= 2;
    } while (err == ERANGE && size <= (1u << 20));
    return !err && found;
}

bool peer_group_id(const char *text, gid_t *ret)
{
    return numeric_gid(text, ret) || named_gid(text, ret);
}

static enum pke_err resolve(const struct pke_strings *names, const char *option, struct peer_group_set *ret,
                            struct pke_fail *fail)
{
    ret->n = 0;
    if (names->n > PEER_MAX_GROUPS)
        return pke_fail_set(fail, PKE_CONFIG, "control-groups", RULE, "%s: more than %d groups", option,
                            PEER_MAX_GROUPS);
    for (size_t i = 0; i < names->n; i++) {
        gid_t gid;
        if (!peer_group_id(names->v[i], &gid))
            return pke_fail_set(fail, PKE_CONFIG, "control-group", RULE, "%s: no such group: %s", option,
                                names->v[i]);
        ret->v[ret->n++] = gid;
    }
    return PKE_OK;
}

enum pke_err peer_groups_resolve(const struct conf_global *g, struct peer_groups *ret, struct pke_fail *fail)
{
    enum pke_err err = resolve(&g->viewer_groups, "viewer-groups", &ret->viewer, fail);

    if (!err)
        err = resolve(&g->officer_groups, "officer-groups", &ret->officer, fail);
    if (!err)
        err = resolve(&g->admin_groups, "admin-groups", &ret->admin, fail);
    return err;
}

static bool in_set(const struct peer_group_set *set, const gid_t *gids, size_t n)
{
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < n; k++)
            if (set->v[i] == gids[k])
                return true;
    return false;
}

unsigned peer_roles(const struct peer_groups *groups, uid_t uid, const gid_t *gids, size_t n, uid_t own_uid)
{
    unsigned roles = VERB_ROLE_NONE;

    if (uid == 0 || uid == own_uid)
        roles |= VERB_ROLE_ADMIN;
    if (in_set(&groups->admin, gids, n))
        roles |= VERB_ROLE_ADMIN;
    if (in_set(&groups->officer, gids, n))
        roles |= VERB_ROLE_OFFICER;
    if (in_set(&groups->viewer, gids, n))
        roles |= VERB_ROLE_VIEWER;
    return verb_role_expand(roles);
}

/* The primary group and the supplementary ones: SO_PEERCRED has only the former. */
static bool read_groups(int fd, gid_t primary, gid_t **ret, size_t *n)
{
    socklen_t size = 0;
    gid_t *v;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) != 0 && errno != ERANGE)
        return false;
    v = pke_calloc(1 + size / sizeof *v, sizeof *v);
    if (size && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, v + 1, &size) != 0) {
        free(v);
        return false;
    }
    v[0] = primary;
    *ret = v;
    *n = 1 + size / sizeof *v;
    return true;
}

enum pke_err peer_read(int fd, const struct peer_groups *groups, const struct frontends *frontends,
                       struct peer *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) gid_t *gids = NULL;
    struct ucred cred;
    socklen_t size = sizeof cred;
    const char *name;
    bool several;
    size_t n;

    memset(ret, 0, sizeof *ret);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0 || size != sizeof cred ||
        !read_groups(fd, cred.gid, &gids, &n))
        return pke_fail_set(fail, PKE_DENIED, "control-credentials", RULE,
                            "the credentials of the peer cannot be read");
    ret->uid = cred.uid;
    ret->gid = cred.gid;
    ret->roles = peer_roles(groups, cred.uid, gids, n, geteuid());
    if (cred.uid == 0 || cred.uid == geteuid())
        return PKE_OK;
    name = frontends_find(frontends, cred.uid, gids, n, &several);
    if (several)
        ret->roles = VERB_ROLE_NONE;
    if (several)
        return pke_fail_set(fail, PKE_DENIED, "control-frontends", RULE,
                            "user and groups of the peer are those of several frontends");
    if (name) {
        ret->roles = VERB_ROLE_FRONTEND;
        snprintf(ret->frontend, sizeof ret->frontend, "%s", name);
    }
    return PKE_OK;
}

void peer_actor(const struct peer *p, char *out, size_t size)
{
    if (*p->certificate) {
        snprintf(out, size, "tls=%.32s role=%s%s%s", p->certificate, verb_role_name(p->roles),
                 *p->frontend ? " frontend=" : "", p->frontend);
        return;
    }
    snprintf(out, size, "uid=%lu gid=%lu role=%s%s%s", (unsigned long)p->uid, (unsigned long)p->gid,
             verb_role_name(p->roles), *p->frontend ? " frontend=" : "", p->frontend);
}
