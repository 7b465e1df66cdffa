/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Making keys and what belongs to it: pkienroll-keytool only, never the daemon. Every call blocks, opens the
 * device for itself and closes it again; no key may be open in the process.
 */
#ifndef KEYSTORE_CEREMONY_H
#define KEYSTORE_CEREMONY_H

#include "keystore/keystore.h"

/**
 * Make the device ready for keys.
 * PKCS#11: C_InitToken on the one token that is not initialised yet (or the one with @p serial, NULL: any),
 * with label @p label, then C_InitPIN. An initialised token is refused with PKE_EXISTS: it may hold keys.
 * TPM: the storage root key at 0x81000001 (ECC P-256, TCG provisioning guidance); one that is there and fits
 * is kept, one that does not fit is refused. @p label, @p serial, @p so_pin, @p pin are not used.
 * @return 0, or -1 with @p error.
 */
int ks_init_token(const struct ks_config *config, const char *label, const char *serial,
                  const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error);

/**
 * Make a key pair inside the device: non-extractable, sensitive, sign only.
 * PKCS#11: not modifiable and for the mechanism of config->signature only, as far as the module takes the
 * template (fewer attributes are tried when it refuses one); label and CKA_ID from the URI, 16 random octets
 * when it gives no id. Refused with PKE_EXISTS when the token has a private or public key of that label or
 * id. TPM: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign; auth value = config->pin. A
 * tpm2:file= is written (mode 0600, emptyAuth explicit) and refused with PKE_EXISTS when it is there; an
 * occupied tpm2:handle= is refused so. Parameters are asked for with TPM2_TestParms first. What was really
 * made is what ks_open reads back.
 * @p creation, if not NULL, gets what TPM2_CertifyCreation needs later: TPM2B_CREATION_DATA, TPM2B_DIGEST
 * creationHash and TPMT_TK_CREATION as the TPM marshals them, one after the other (nothing for PKCS#11).
 * @return 0, or -1 with @p error.
 */
int ks_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct pke_buf *creation,
                struct ks_error *error);

/**
 * Put a key pair that was made elsewhere into the device: sensitive and not extractable from then on, and
 * said to be not made there (CKA_LOCAL) for as long as it is. PKCS#11 only: RSA and EC keys that a CA may
 * have; label and CKA_ID as for ks_generate(). A TPM is refused.
 * @return 0, or -1 with @p error.
 */
int ks_import_key(const struct ks_config *config, EVP_PKEY *key, struct ks_error *error);

/**
 * C_SetPIN of the user, or TPM2_ObjectChangeAuth of the key: a key file is replaced atomically, when the
 * new one has signed. Refused for a persistent handle: it would have to be evicted before the new object can
 * have its place, and a power cut between would lose the key.
 * @return 0, or -1 with @p error; then the old one is still valid.
 */
int ks_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error);

/** What a token keeps of a certificate beside the key. DER; borrowed. */
struct ks_certificate {
    struct pke_bytes der, subject, issuer, serial;
};

/**
 * PKCS#11: keep the certificate in the token, with label and id of the key, for programs that look there. One
 * that is there for this id is refused with PKE_EXISTS, or with @p replace removed once the new one is there.
 * A TPM keeps no certificates: refused.
 * @return 0, or -1 with @p error.
 */
int ks_store_certificate(const struct ks_config *config, const struct ks_certificate *certificate,
                         bool replace, struct ks_error *error);

#endif
