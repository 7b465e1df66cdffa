/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The signed header of a request: XML-DSig over the whole SOAP document (MS-MDE2 3.4.4.1.1.1.2, mdm.md 4.4).
 * Verifies that the holder of a certificate signed exactly this document, and when. Whether that certificate
 * is trusted is the caller's: see xmlsig_rules.trust.
 *
 * One thread only. No socket, no file, no clock, no logging; nothing blocks.
 */
#ifndef XMLSIG_XMLSIG_H
#define XMLSIG_XMLSIG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/soap.h"

#define XMLSIG_SKEW_SECONDS 300 /* mdm.md 4.4: clocks may differ by five minutes */
#define XMLSIG_LIFE_SECONDS 600 /* and Expires is at most ten minutes after Created */

/** Prepares libxml2, libxmlsec1 and its OpenSSL side for this process, and holds the parser that is used
 * again. */
struct xmlsig;
struct xmlsig *xmlsig_new(void);
void xmlsig_free(struct xmlsig *x); /* accepts NULL */

/**
 * Is the signer trusted? Asked before anything of the signature is computed, so that libxmlsec1 only sees
 * documents that come with a certificate of ours. @return PKE_OK, or the refusal in @p fail.
 */
typedef enum pke_err xmlsig_trust_fn(void *arg, struct pke_bytes certificate, struct pke_fail *fail);

struct xmlsig_rules {
    int64_t skew_seconds;   /* XMLSIG_SKEW_SECONDS */
    int64_t life_seconds;   /* XMLSIG_LIFE_SECONDS */
    xmlsig_trust_fn *trust; /* NULL: the caller looks at the certificate afterwards */
    void *arg;
};

struct xmlsig_result {
    struct pke_bytes certificate; /* DER of the signer, as the header carries it; in the arena */
    int64_t created, expires;     /* of the Timestamp, seconds */
    /* Names what was signed: SHA-256 over digest method and checked digest. Unlike the signature's own value,
     * which is (r, n-s) as well as (r, s) and may be spelled in many ways, it is the same for every copy. */
    uint8_t digest[32];
    /* The verified document as proto/ reads it, in the arena; what is done for the signer is taken from here.
     * The credential in it is wiped. */
    struct soap_request request;
};

/**
 * Verify @p document at @p now (seconds). It must be a request that proto/ accepts, with one ds:Signature in
 * its Security header that consists of nothing but: CanonicalizationMethod exclusive or inclusive C14N 1.0;
 * SignatureMethod RSA (PKCS #1 1.5) with SHA-256, 384, 512 or ECDSA with SHA-256, 384; one Reference to "",
 * the whole document, with the transforms enveloped-signature and at most one C14N, and SHA-256, 384 or 512;
 * a KeyInfo that refers to the one BinarySecurityToken of the header. The key is that certificate's: nothing
 * else of KeyInfo is looked at. The header must have one Timestamp that is in force.
 *
 * @return PKE_OK; PKE_INVALID_SECURITY; PKE_MALFORMED or PKE_LIMIT (no request at all); what rules->trust
 * returned.
 */
enum pke_err xmlsig_verify(struct xmlsig *x, struct pke_bytes document, int64_t now,
                           const struct xmlsig_rules *rules, struct pke_arena *arena,
                           struct xmlsig_result *ret, struct pke_fail *fail);

#endif
