/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The container of NCryptCreateClaim's key attestation (little endian), and the key blob of the Platform
 * Crypto Provider in it. Nothing of it is signed; what is signed lies inside. Private to attest/.
 */
#ifndef ATTEST_CLAIM_H
#define ATTEST_CLAIM_H

#include "base/bytes.h"

/** The parts of a claim; ranges into it. */
struct attest_claim {
    struct pke_bytes tpms;      /* TPMS_ATTEST */
    struct pke_bytes signature; /* by the AIK over it */
    struct pke_bytes key_blob;
};

/** Take the claim apart; the sizes must add up to exactly its length. PKE_POLICY: attest-claim. */
enum pke_err attest_claim_read(struct pke_bytes claim, struct attest_claim *ret, struct pke_fail *fail);

/**
 * The TPMT_PUBLIC in a key blob: a PCP blob for TPM 2.0 ("PCPM"), or TPM2B_PUBLIC or TPMT_PUBLIC alone.
 * PKE_POLICY: attest-key-blob.
 */
enum pke_err attest_key_blob_read(struct pke_bytes blob, struct pke_bytes *ret, struct pke_fail *fail);

/** TPM2B_PUBLIC to the TPMT_PUBLIC in it; what already looks like TPMT_PUBLIC stays. False: neither. */
bool attest_public_unwrap(struct pke_bytes in, struct pke_bytes *ret);

#endif
