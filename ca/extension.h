/* SPDX-License-Identifier: Apache-2.0 */
/** @file Extensions as they are written: by the profile once, and by the certificate. Private to ca/. */
#ifndef CA_EXTENSION_H
#define CA_EXTENSION_H

#include "ca/key.h"
#include "ca/profile.h"

/** An extension that was begun. */
struct ca_extension {
    size_t whole, value;
};

/** What is written until ca_extension_close() is its value. */
struct ca_extension ca_extension_open(struct pke_buf *b, const char *oid, bool critical);
void ca_extension_close(struct pke_buf *b, struct ca_extension e);

/** keyUsage, extendedKeyUsage, basicConstraints for such a key; empty: the profile has no use for it. */
struct pke_bytes ca_profile_head(const struct ca_profile *p, enum ca_key_type type);
struct pke_bytes ca_profile_aki(const struct ca_profile *p);

/** What follows the names. */
struct pke_bytes ca_profile_tail(const struct ca_profile *p);

#endif
