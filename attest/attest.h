/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * TPM key attestation during enrollment (MS-MDE2 EnrollmentVersion 5.0, AIKAttestationClaim): does the key of
 * this certificate request live in a TPM, says an attestation identity key whose certificate ends at a pinned
 * root? Pure: no clock, no network, no log.
 *
 * What it proves: a TPM whose AIK certificate was issued below the roots holds the key, made it itself
 * (sensitiveDataOrigin) and never lets it out (fixedTPM, fixedParent). Together with the request's own
 * signature: whoever asks uses that TPM now. What it does not prove: when the claim was made. Nothing
 * published ties extraData to an enrollment, and version 5 carries no nonce of ours, so the claim may be old;
 * the verdict says "freshness=unproven". Revocation of AIK certificates is not asked for either.
 */
#ifndef ATTEST_ATTEST_H
#define ATTEST_ATTEST_H

#include "base/bytes.h"

#define ATTEST_CLAIM_MAX    16384 /* bytes of one claim */
#define ATTEST_AIK_CERT_MAX 16384 /* bytes of the AIK certificate and those that follow it */
#define ATTEST_NAME_MAX     66    /* bytes of a TPM name: algorithm and the longest digest */
#define ATTEST_DATA_MAX     66    /* bytes of TPM2B_DATA */
#define ATTEST_PROVIDER_MAX 256   /* bytes of an attestation provider's name */

/* ---- pinned roots ---- */

struct attest_roots;

/**
 * Read the certificates that AIK certificates must end at from PEM text. Those that signed themselves are the
 * roots; the others help to build the chain and are trusted for nothing: devices send the AIK certificate
 * alone, so the intermediates belong into this file.
 * @param require_eku  an AIK certificate must have the extended key usage tcg-kp-AIKCertificate
 * (2.23.133.8.3)
 * @return PKE_OK with *ret (attest_roots_free), or PKE_CONFIG: attest-roots. Does not block.
 */
enum pke_err attest_roots_new(struct pke_bytes pem, bool require_eku, struct attest_roots **ret,
                              struct pke_fail *fail);
void attest_roots_free(struct attest_roots *roots); /* accepts NULL */

/* ---- evidence and verdict ---- */

/** What a device sent, decoded from base64; an item that was not sent is {NULL, 0}. All borrowed. */
struct attest_evidence {
    struct pke_bytes claim;    /* AIKAttestationClaim: "KADS" blob of NCryptCreateClaim */
    struct pke_bytes aik_pub;  /* AIKPub: BCRYPT_RSAPUBLIC_BLOB, SubjectPublicKeyInfo or TPM2B_PUBLIC */
    struct pke_bytes aik_cert; /* AIKCert: DER, further certificates of the chain may follow in DER */
};

enum attest_result {
    ATTEST_ABSENT,       /* nothing was sent */
    ATTEST_NOT_ATTESTED, /* what was sent proves nothing */
    ATTEST_ATTESTED,
};

/** Texts only, so that it can be copied. What could be read is filled in whatever the result is. */
struct attest_verdict {
    enum attest_result result;
    char aik_sha256[65]; /* of the AIK certificate's DER */
    char key_name[2 * ATTEST_NAME_MAX + 1];
    char extra_data[2 * ATTEST_DATA_MAX + 1];
    char provider[ATTEST_PROVIDER_MAX +
                  1]; /* who says so instead of the device: iss of its token (attest/maa.h) */
    char reason[48];  /* "" when attested */
};

/** "attested", "not-attested", "absent". Static. */
const char *attest_result_text(enum attest_result result);

/**
 * One line for a record: "attested aik=sha256:... key=000b... extra=... freshness=unproven" or "not-attested
 * reason=attest-signature ...". Of a provider's token "attested maa=https://...".
 */
void attest_verdict_text(const struct attest_verdict *v, struct pke_buf *out);

/**
 * Verify the evidence for the key @p csr_spki (DER SubjectPublicKeyInfo of a request whose own signature was
 * verified). mdm.md 12; TCG TPM 2.0 part 2 10.12, 12.2.
 * @return PKE_OK (ret->result is ATTEST_ATTESTED), or PKE_POLICY with @p fail:
 * attest-absent; attest-claim-missing, attest-aik-cert-missing; attest-claim, attest-key-blob, attest-public,
 * attest-tpms, attest-aik-pub, attest-aik-cert (malformed); attest-aik-chain, attest-aik-eku, attest-aik-ca,
 * attest-aik-key (AIKPub is not the certificate's); attest-signature; attest-name (the claim is about another
 * object); attest-key (not the request's); attest-attributes; attest-name-alg. @p ret is always filled.
 */
enum pke_err attest_tpm_verify(const struct attest_evidence *in, struct pke_bytes csr_spki,
                               const struct attest_roots *roots, int64_t now_seconds,
                               struct attest_verdict *ret, struct pke_fail *fail);

#endif
