/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who is at the other end of a control connection, by the kernel's word alone (SO_PEERCRED, SO_PEERGROUPS):
 * never by process id, never by anything the peer says.
 */
#ifndef DAEMON_CONTROL_PEER_H
#define DAEMON_CONTROL_PEER_H

#include <sys/types.h>

#include "daemon/common/conf.h"

struct peer {
    uid_t uid;
    gid_t gid;
    unsigned roles;       /* set of enum verb_role, expanded; 0: nobody */
    char certificate[65]; /* SHA-256 of what it showed over TLS, hex; "": the local socket */
    char frontend[64];    /* name in frontends, whose binding holds; "": an operator or nobody */
};

#define PEER_MAX_GROUPS 64 /* group ids of one role in the configuration */

/** Group ids of each role. A value; resolved once per configuration. */
struct peer_groups {
    struct peer_group_set {
        gid_t v[PEER_MAX_GROUPS];
        size_t n;
    } viewer, officer, admin;
};

/**
 * Resolve the group lists of the configuration: names through the system's group database (may block),
 * decimal numbers as they are.
 * @return PKE_OK; PKE_CONFIG naming the first group that does not exist.
 */
enum pke_err peer_groups_resolve(const struct conf_global *g, struct peer_groups *ret, struct pke_fail *fail);

/**
 * The roles of a peer: root and @p own_uid are admin; otherwise what its groups give; nobody else gets
 * anything. Pure.
 */
unsigned peer_roles(const struct peer_groups *groups, uid_t uid, const gid_t *gids, size_t n, uid_t own_uid);

/** A group by number or name (may block). */
bool peer_group_id(const char *text, gid_t *ret);

struct frontends;

/**
 * Read the credentials of a connected socket. Who is a frontend is nothing else, whatever his groups are;
 * root and the own user are admins. PKE_DENIED when the kernel does not give them, or they are several
 * frontends'.
 */
enum pke_err peer_read(int fd, const struct peer_groups *groups, const struct frontends *frontends,
                       struct peer *ret, struct pke_fail *fail);

#define PEER_ACTOR_MAX 160

/** "uid=1000 gid=1000 role=officer", of a frontend with its name, for msg_verb and msg_audit. */
void peer_actor(const struct peer *p, char *out, size_t size);

#endif
