/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * CA certificates that answers carry, as issuer told them (MSG_CATALOGUE). Immutable and counted: a
 * transaction keeps the one that it started with.
 */
#ifndef DAEMON_NET_CATALOGUE_H
#define DAEMON_NET_CATALOGUE_H

#include "base/arena.h"
#include "base/error.h"

#define CATALOGUE_SHA1_HEX 41 /* 40 upper-case digits and NUL: the node name of a provisioning document */

struct catalogue_certificate {
    struct pke_bytes der;
    char sha1[CATALOGUE_SHA1_HEX];
};

struct catalogue_issuer {
    const char *name;
    struct catalogue_certificate ca, root;
    bool self_signed; /* ca and root are the same certificate */
};

struct catalogue;

/** Decode one. @return PKE_OK and *ret (one owner); PKE_MALFORMED when the lists disagree. */
enum pke_err catalogue_read(struct pke_bytes payload, struct catalogue **ret, struct pke_fail *fail);

struct catalogue *catalogue_ref(struct catalogue *c); /* accepts NULL */
void catalogue_unref(struct catalogue *c);            /* accepts NULL */

/** NULL when unknown; @p c may be NULL. Valid as long as the catalogue. */
const struct catalogue_issuer *catalogue_find(const struct catalogue *c, const char *issuer);

/** Who signs for this template now: not always whom it names (issuer rollover). NULL as above. */
const struct catalogue_issuer *catalogue_of_template(const struct catalogue *c, const char *name);

/** SHA-1 of a certificate in upper-case hex. */
void catalogue_sha1(struct pke_bytes der, char out[CATALOGUE_SHA1_HEX]);

#endif
