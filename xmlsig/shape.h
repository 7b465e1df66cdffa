/* SPDX-License-Identifier: Apache-2.0 */
/** @file What a signature may look like: a whitelist over proto's tree, before any XML library computes
 * anything. Private to xmlsig/. */
#ifndef XMLSIG_SHAPE_H
#define XMLSIG_SHAPE_H

#include "base/arena.h"
#include "proto/xmltree.h"

#define XMLSIG_NS "http://www.w3.org/2000/09/xmldsig#"

enum xmlsig_key { XMLSIG_RSA, XMLSIG_ECDSA };

/** One permitted signature as it was found. */
struct xmlsig_shape {
    enum xmlsig_key key;          /* the key that SignatureMethod asks for */
    struct pke_bytes digest;      /* DigestValue; its length is that of DigestMethod */
    const char *digest_name;      /* DigestMethod, as libcrypto names it */
    struct pke_bytes signature;   /* SignatureValue */
    const struct xml_node *token; /* the BinarySecurityToken that KeyInfo refers to */
    int64_t created, expires;     /* of the Timestamp, seconds */
};

/** Read the signature of @p envelope. @return PKE_OK or PKE_INVALID_SECURITY. */
enum pke_err xmlsig_shape_read(const struct xml_node *envelope, struct pke_arena *arena,
                               struct xmlsig_shape *ret, struct pke_fail *fail);

#endif
