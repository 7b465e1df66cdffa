/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Proof that a CA key lives in one TPM and cannot leave it: TPM2_Certify and TPM2_CertifyCreation under an
 * attestation key of that TPM (TPM 2.0 part 3, 18.2 and 18.3), and the check of such a proof without a TPM.
 * pkienroll-keytool only.
 */
#ifndef KEYSTORE_ATTESTATION_H
#define KEYSTORE_ATTESTATION_H

#include "keystore/keystore.h"

/** What the proof is made of, as the TPM wrote it (TPM 2.0 part 2). */
enum ks_attest_part {
    KS_ATTEST_AK,                 /* TPMT_PUBLIC of the attestation key */
    KS_ATTEST_KEY,                /* TPMT_PUBLIC of the CA key */
    KS_ATTEST_CERTIFY,            /* TPMS_ATTEST of TPM2_Certify */
    KS_ATTEST_CERTIFY_SIGNATURE,  /* TPMT_SIGNATURE */
    KS_ATTEST_CREATION_DATA,      /* TPMS_CREATION_DATA; this and the next two may be absent together */
    KS_ATTEST_CREATION,           /* TPMS_ATTEST of TPM2_CertifyCreation */
    KS_ATTEST_CREATION_SIGNATURE, /* TPMT_SIGNATURE */
    KS_ATTEST_EK_CERTIFICATE,     /* X.509 DER from the TPM's NV memory; absent when it has none */
    KS_ATTEST_PARTS
};

struct ks_attestation {
    struct pke_buf part[KS_ATTEST_PARTS]; /* empty: absent */
};

#define KS_ATTEST_PART_MAX  16384
#define KS_ATTEST_NONCE_MIN 8
#define KS_ATTEST_NONCE_MAX 32 /* TPM2B_DATA holds a TPMT_HA; 32 octets fit every TPM */

void ks_attestation_init(struct ks_attestation *a);
void ks_attestation_done(struct ks_attestation *a);

/**
 * Certify the key of @p config with @p nonce as qualifying data. The attestation key is a primary key - ECC
 * P-256, restricted, signing - of the endorsement hierarchy, or with @p owner of the owner's: the same TPM
 * always makes the same one. @p creation is what ks_generate() gave, or empty: then creation is not proven.
 * @return 0 and @p ret filled, or -1 with @p error.
 */
int ks_attest(const struct ks_config *config, struct pke_bytes nonce, struct pke_bytes creation, bool owner,
              struct ks_attestation *ret, struct ks_error *error);

/** Name (nameAlg and SHA-256 of the public area, TPM 2.0 part 1, 16) of the attestation key: 34 octets. False
 * when the part is no such area. */
bool ks_attest_ak_name(const struct ks_attestation *a, uint8_t out[34]);

struct ks_attest_expect {
    struct pke_bytes nonce;
    struct pke_bytes spki;    /* of the CA certificate */
    struct pke_bytes ak_name; /* as the verifier has learnt it from somebody it trusts */
};

/** One check. @p text is one line. */
typedef void ks_attest_verdict(bool ok, const char *what, const char *text, void *arg);

/**
 * Check the proof. Every check is told to @p verdict; after one that leaves nothing to go on with the rest is
 * left out. The EK certificate is not looked at: nothing in the proof binds it to the attestation key.
 * Pure; no TPM.
 * @return the number of failed checks.
 */
unsigned ks_attest_verify(const struct ks_attestation *a, const struct ks_attest_expect *expect,
                          ks_attest_verdict *verdict, void *arg);

#endif
