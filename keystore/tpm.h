/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: a TPM 2.0 through ESAPI. All functions but the pure ones block on the device, each
 * command at most config->deadline_ms; they return 0, or -1 with @p error.
 */
#ifndef KEYSTORE_TPM_H
#define KEYSTORE_TPM_H

#include <tss2/tss2_esys.h>

#include "keystore/algorithm.h"
#include "keystore/backend.h"
#include "keystore/tpm_keyfile.h"

/** @{ The first handles of a kind (TPM 2.0 part 2, 7.5). The macros of the TSS shift an int out of its range.
 */
#define TPM_TRANSIENT_FIRST  0x80000000u
#define TPM_LOADED_FIRST     0x02000000u
#define TPM_PERSISTENT_FIRST 0x81000000u
#define TPM_PLATFORM_FIRST   0x81800000u
/** @} */
#define TPM_SRK_HANDLE 0x81000001u /* TCG TPM v2.0 provisioning guidance, 7.8 */

/** "tpm2:file=/path" or "tpm2:handle=0x81200001". */
struct tpm_uri {
    const char *file;   /* into the text; NULL: a handle */
    TPM2_HANDLE handle; /* 0: a file */
};
/** Pure. PKE_OK or PKE_CONFIG (key-uri). */
enum pke_err tpm_uri_parse(const char *text, struct tpm_uri *ret, struct pke_fail *fail);

struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    bool exclusive; /* no resource manager between */
    bool salted;    /* the auth value goes in an HMAC session with encrypted parameters */
    bool primary;   /* the SRK is not the owner's primary that a key file was made under */
    unsigned deadline_ms;
    struct tpm_uri uri;
    const struct ks_config *config;
    struct tpm_keyfile file; /* of a tpm2:file= */
    bool file_read;
    ESYS_TR object;  /* the key; ESYS_TR_NONE: not loaded */
    ESYS_TR session; /* ESYS_TR_NONE: none open */
    TPM2B_NAME name; /* of the key that was opened first; size 0: none yet */
};

/* --- tpm_device.c: connection --- */

/** Check the configuration and connect; on an exclusive TCTI start the TPM up and flush what a killed process
 * left. config->uri may be NULL when no key is meant. @p t must stay where it is; release with
 * tpm_disconnect. */
int tpm_connect(struct tpm *t, const struct ks_config *config, unsigned deadline_ms, struct ks_error *error);

/** Flush what is ours (no errors told) and close. Accepts one that was never connected. */
void tpm_disconnect(struct tpm *t);

/** Give back session and loaded key. */
void tpm_drop(struct tpm *t);

/** Describe a failed command; a deadline that passed is said so. Returns -1. */
int tpm_fail(struct tpm *t, struct ks_error *error, const char *call, TSS2_RC rc);

typedef int tpm_step(struct tpm *t, void *arg, struct ks_error *error);

/**
 * Run @p step, again after a pause (20 to 500 ms) while it fails with KS_TRANSIENT and the deadline has not
 * passed. When the TPM lacks room the key and the session are given back first: the step takes what it needs.
 */
int tpm_retry(struct tpm *t, tpm_step *step, void *arg, struct ks_error *error);

/** Connect, run @p step under tpm_retry, disconnect: for ceremonies. */
int tpm_with(const struct ks_config *config, tpm_step *step, void *arg, struct ks_error *error);

/** The auth value as the TPM stores it: at most as long as SHA-256 (hashed when longer, as ESAPI does). */
void tpm_auth_value(struct pke_bytes pin, TPM2B_AUTH *ret);

/* --- tpm_parent.c: storage keys --- */

struct tpm_parent {
    ESYS_TR tr;
    TPM2_HANDLE handle; /* what a key file names */
    bool transient;
};
/** The storage key @p want: a persistent handle, or TPM2_RH_OWNER: the SRK when it is there and fits, else
 * the primary is made anew. Close with tpm_parent_close. */
int tpm_parent_open(struct tpm *t, TPM2_HANDLE want, struct tpm_parent *ret, struct ks_error *error);
void tpm_parent_close(struct tpm *t, struct tpm_parent *parent);

/** Is a storage root key that fits at TPM_SRK_HANDLE? @p ret is ESYS_TR_NONE when the handle is free; one
 * that does not fit is KS_PERMANENT. */
int tpm_srk_find(struct tpm *t, ESYS_TR *ret, struct ks_error *error);
/** Make the primary of the owner hierarchy (ECC P-256) as a transient object. */
int tpm_primary_create(struct tpm *t, ESYS_TR *ret, struct ks_error *error);

/** A session salted to @p parent, parameters encrypted both ways. */
int tpm_session_start(struct tpm *t, ESYS_TR parent, ESYS_TR *ret, struct ks_error *error);

/* --- tpm_public.c: public areas; pure --- */

/** Does @p area equal the template of the storage root key, the unique value aside? */
bool tpm_public_is_srk(const TPMT_PUBLIC *area);
void tpm_public_srk(TPM2B_PUBLIC *ret);
/** Template of a CA key; false for an algorithm that no TPM of ours has. */
bool tpm_public_template(enum ks_key_algorithm algorithm, TPM2B_PUBLIC *ret);
/** nameAlg || H(area) (TPM 2.0 part 1, 16). False for a digest we do not know. */
bool tpm_public_name(const TPMT_PUBLIC *area, TPM2B_NAME *ret);
/** Public key and attributes as facts. @p empty_auth: nothing need be known to use it. */
int tpm_public_facts(const TPMT_PUBLIC *area, bool empty_auth, struct ks_facts *facts,
                     struct ks_error *error);

/* --- tpm_key.c: the key --- */

/** Read the key file into t->file. */
int tpm_file_read(struct tpm *t, struct ks_error *error);

/** Load the key and open the session, as far as they are not there. */
tpm_step tpm_ready;
/** DER Ecdsa-Sig-Value of what a TPM gives, in which r and s may be shorter than the field, appended to @p
 * out. Pure. False when it cannot be one on a curve of ours. */
bool tpm_ecdsa_value(const TPMS_SIGNATURE_ECDSA *s, struct pke_buf *out);

/** Sign with what tpm_ready made. */
int tpm_sign_hash(struct tpm *t, bool rsa, const struct ks_hash *hash, struct pke_buf *out,
                  struct ks_error *error);

/* --- ceremony.h for a TPM: tpm_generate.c, tpm_change.c --- */

int tpm_init(const struct ks_config *config, struct ks_error *error);
int tpm_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct pke_buf *creation,
                 struct ks_error *error);
int tpm_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error);

#endif
