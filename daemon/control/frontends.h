/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Which frontend a peer of the control socket is, by its user and groups: the section frontends, with names
 * resolved.
 */
#ifndef DAEMON_CONTROL_FRONTENDS_H
#define DAEMON_CONTROL_FRONTENDS_H

#include <sys/types.h>

#include "daemon/common/conf.h"

struct frontends;

/**
 * Resolve users and groups of every frontend through the system's databases (may block).
 * @return PKE_OK; PKE_CONFIG: one that does not exist, or is root or @p own_uid, who are admins.
 */
enum pke_err frontends_resolve(const struct conf *conf, uid_t own_uid, struct frontends **ret,
                               struct pke_fail *fail);
void frontends_free(struct frontends *f); /* accepts NULL */

/**
 * The name of the frontend that this user is or one of whose groups is in @p gids; NULL: none, or with
 * *several set more than one: then it is nobody. Pure. Borrowed from @p f, which may be NULL.
 */
const char *frontends_find(const struct frontends *f, uid_t uid, const gid_t *gids, size_t n, bool *several);

/** The name of the frontend that shows the certificate of this SHA-256, lower-case hex; NULL: none. Borrowed.
 */
const char *frontends_of_certificate(const struct frontends *f, const char *sha256_hex);

#endif
