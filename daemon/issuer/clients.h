/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Who accepts certificates of this daemon as credentials: listeners by client-ca, endpoints by credential-ca.
 * A device that was renewed comes with a certificate of the successor, which they have to trust before it
 * signs.
 */
#ifndef DAEMON_ISSUER_CLIENTS_H
#define DAEMON_ISSUER_CLIENTS_H

#include "base/arena.h"

struct setup;
struct issuer_ca;
struct clients;

/** Read the files of this configuration. Blocks. What cannot be read trusts nobody: net and auth say so. */
struct clients *clients_load(const struct setup *s);
void clients_free(struct clients *c); /* accepts NULL */

/**
 * A sentence for each of them that trusts @p from and not @p to, joined by "; "; NULL: there is none. In
 * @p arena. Both are issuers of the setup that was loaded.
 */
const char *clients_missing(const struct clients *c, const struct issuer_ca *from, const struct issuer_ca *to,
                            struct pke_arena *arena);

#endif
