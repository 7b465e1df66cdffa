/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Decoded view of TBSCertificate bytes, for lint and floor: they check the bytes that will be signed, not the
 * structs they were built from. A cursor of our own; the key stays raw. Ranges point into the input.
 */
#ifndef CA_TBS_H
#define CA_TBS_H

#include "base/arena.h"
#include "base/bytes.h"

#define CA_TBS_MAX_EXTENSIONS 32

struct ca_tbs_extension {
    char oid[80];
    bool critical;
    struct pke_bytes value; /* content of the OCTET STRING */
};

struct ca_tbs {
    struct pke_bytes der;
    long version;               /* 2 = v3 */
    struct pke_bytes serial;    /* content octets of the INTEGER */
    struct pke_bytes algorithm; /* DER AlgorithmIdentifier */
    struct pke_bytes issuer;    /* DER Name */
    struct pke_bytes subject;   /* DER Name */
    int64_t not_before, not_after;
    struct pke_bytes not_before_der, not_after_der; /* whole elements */
    struct pke_bytes spki;
    bool has_unique_ids;
    struct pke_bytes unique_ids; /* their encodings, one after the other */
    bool has_extensions;
    struct ca_tbs_extension ext[CA_TBS_MAX_EXTENSIONS];
    size_t n_ext;
};

/**
 * Decode strictly: DER throughout, no DEFAULT value encoded, times in the forms of RFC 5280 4.1.2.5, nothing
 * after it. PKE_MALFORMED otherwise: tbs-der, tbs-trailing, tbs-structure, tbs-time; PKE_LIMIT:
 * tbs-extensions. What the fields say is not judged.
 */
enum pke_err ca_tbs_decode(struct pke_bytes der, struct ca_tbs *ret, struct pke_fail *fail);

/** Write the view again. The bytes equal tbs->der or the view has lost something: the round trip of lint. */
enum pke_err ca_tbs_encode(const struct ca_tbs *tbs, struct pke_buf *out);

/** Extension by dotted OID; NULL when absent. */
const struct ca_tbs_extension *ca_tbs_find(const struct ca_tbs *tbs, const char *oid);

#endif
