/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the halves of the renewal reader share. Private to ca/: cms.c takes the message apart, cms_verify.c
 * checks attributes and signature.
 */
#ifndef CA_CMS_PARTS_H
#define CA_CMS_PARTS_H

#include "ca/cms.h"
#include "ca/der.h"
#include "ca/facts.h"

/** The one SignerInfo and what it is about. Ranges point into the message. */
struct ca_cms_signer {
    struct pke_bytes issuer, serial; /* either these */
    struct pke_bytes key_id;         /* or this; its p is NULL then */
    struct pke_bytes digest;         /* content octets of the digest's OID */
    bool has_attributes;
    struct ca_der attributes; /* [0] IMPLICIT SET OF Attribute */
    struct pke_bytes signature_algorithm, signature;
};

/** A well-formed attribute list: @p each has SEQUENCE { OID, SET OF at least one }. */
bool ca_cms_take_attribute(struct pke_cursor *list, struct pke_bytes *type, struct pke_cursor *values);

/** The OBJECT IDENTIFIER of an AlgorithmIdentifier with NULL or without parameters: those of a digest. */
bool ca_cms_digest_oid(struct pke_cursor *c, struct pke_bytes *oid);

/** Digest, attributes and signature of @p signer over @p content under the key @p spki. */
enum pke_err ca_cms_verify(const struct ca_cms_signer *signer, struct pke_bytes content,
                           struct pke_bytes spki, const struct ca_cms_rules *rules, struct pke_arena *arena,
                           struct pke_fail *fail);

/** id-data, 1.2.840.113549.1.7.1: content octets. */
extern const struct pke_bytes ca_cms_id_data;

#endif
