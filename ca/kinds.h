/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Kinds of subject keys and digests, with the words that a template names them by (key-types, csr-digests).
 */
#ifndef CA_KINDS_H
#define CA_KINDS_H

#include "base/list.h"

enum ca_key_type { CA_KEY_RSA, CA_KEY_P256, CA_KEY_P384, CA_KEY_P521, CA_KEY_ED25519 };
enum ca_digest { CA_SHA1, CA_SHA256, CA_SHA384, CA_SHA512 };

/** Sets of either: one bit each. */
#define CA_KINDS(kind) (1u << (kind))
#define CA_ALL_KEYS                                                                                 \
    (CA_KINDS(CA_KEY_RSA) | CA_KINDS(CA_KEY_P256) | CA_KINDS(CA_KEY_P384) | CA_KINDS(CA_KEY_P521) | \
     CA_KINDS(CA_KEY_ED25519))
#define CA_SHA2 (CA_KINDS(CA_SHA256) | CA_KINDS(CA_SHA384) | CA_KINDS(CA_SHA512))

/** "rsa", "p-256", "p-384", "p-521", "ed25519". Static. */
const char *ca_key_type_name(enum ca_key_type type);

/** "sha1", "sha256", "sha384", "sha512". Static. */
const char *ca_digest_name(enum ca_digest digest);

/** The set of those named. False when a name is none of the above; *ret has the others. */
bool ca_key_types(const struct pke_strings *names, unsigned *ret);
bool ca_digests(const struct pke_strings *names, unsigned *ret);

#endif
