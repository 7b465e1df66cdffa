/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The identity map: what the administrator knows of identities beside what their credential says. JSON, one
 * object per line:
 *   {"tenant": "corp", "principal": "ada@corp.example", "upn": "ada@corp.example", "dns":
 * ["pc1.corp.example"], "email": [...], "uri": [...], "sid": "S-1-5-21-...", "guid": "..."} "tenant" may be
 * left out where there is only one. Values are a text or a list of texts; upn, sid and guid have one. What it
 * has of a kind stands in place of the credential's.
 */
#ifndef DAEMON_ISSUER_IDENTITY_MAP_H
#define DAEMON_ISSUER_IDENTITY_MAP_H

#include "base/arena.h"
#include "base/list.h"

struct identity_map;

#define IDENTITY_MAP_MAX_BYTES (256u << 20)

/**
 * Read it. @p tenant: whose the lines without "tenant" are; NULL: they are refused. Blocks on disk. Refused,
 * with "FILE:LINE: what": a line that is no such object, a value that is none of its kind, a principal twice
 * (letters of either case are one), a file that others than root and the own user may write.
 * @return PKE_OK and *ret, or PKE_CONFIG.
 */
enum pke_err identity_map_load(const char *path, const char *tenant, struct identity_map **ret,
                               struct pke_fail *fail);
void identity_map_free(struct identity_map *m); /* accepts NULL */

/** What it has of @p principal of @p tenant: kinds of base/names.h; NULL: nothing. Borrowed. @p m may be
 * NULL. */
const struct pke_pairs *identity_map_find(const struct identity_map *m, const char *tenant,
                                          const char *principal);

size_t identity_map_count(const struct identity_map *m);

#endif
