/* SPDX-License-Identifier: Apache-2.0 */
/** @file Users at the other end of a unix socket, as options name them. */
#ifndef DAEMON_COMMON_UIDS_H
#define DAEMON_COMMON_UIDS_H

#include <sys/types.h>

#include "base/error.h"
#include "base/list.h"

#define UIDS_MAX 16

struct uids {
    uid_t v[UIDS_MAX];
    size_t n;
};

/** Numbers, or names that the system knows. PKE_CONFIG names @p option and what is wrong. Blocks (NSS). */
enum pke_err uids_resolve(const struct pke_strings *names, const char *option, struct uids *ret,
                          struct pke_fail *fail);

bool uids_has(const struct uids *set, uid_t uid);

#endif
