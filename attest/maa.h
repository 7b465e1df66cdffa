/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The claims of a Microsoft Azure Attestation token (MS-MDE2 EnrollmentVersion 6.0, AzureAttestationBlob).
 * The token's signature is somebody else's business: only the payload of a verified token may come here. As
 * far as Microsoft documents the claims ("Claim sets", "TPM and VBS enclave attestation protocol"); what
 * carries the key of the enrollment is not documented, so every documented place of a key is looked at.
 */
#ifndef ATTEST_MAA_H
#define ATTEST_MAA_H

#include "attest/attest.h"
#include "base/list.h"

#define ATTEST_MAA_MAX 65536 /* bytes of a payload */

struct attest_maa_rules {
    const struct pke_strings *issuers; /* "iss" is one of these, byte by byte */
    const char *nonce;                 /* what "nonce" or "rp_data" must be; NULL: we sent none */
    int64_t max_age;                   /* seconds since "iat"; 0: until "exp" alone */
    int64_t skew;                      /* seconds that clocks may differ */
};

/**
 * Check the payload (JSON) of a verified token for the key @p csr_spki: issuer, exp, nbf and iat,
 * x-ms-attestation-type "tpm" (or the old name "tee"), aikValidated not false, the nonce where one was sent,
 * and a JWK equal to the request's key in cnf, x-ms-runtime or at the top.
 * @return PKE_OK, or PKE_POLICY: maa-json, maa-issuer, maa-time, maa-type, maa-aik, maa-nonce, maa-key.
 * @p ret is always filled;
 * its provider is one of rules->issuers or "".
 */
enum pke_err attest_maa_check(struct pke_bytes payload, const struct attest_maa_rules *rules,
                              struct pke_bytes csr_spki, int64_t now_seconds, struct attest_verdict *ret,
                              struct pke_fail *fail);

#endif
