/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: one TPM 2.0 through ESAPI, one key in it. Everything blocks; no threads.
 */
#ifndef KEYSTORE_TPM_H
#define KEYSTORE_TPM_H

#include <tss2/tss2_esys.h>

#include "keystore/algorithm.h"
#include "keystore/backend.h"
#include "keystore/tpm_keyfile.h"

#define TPM_SRK_HANDLE 0x81000001 /* TCG TPM v2.0 Provisioning Guidance 7.8 */

/* ---- tpm_rc.c: what each response code means to the caller */

/** Class of @p rc, by its value without layer, handle, session and parameter number. */
enum ks_class tpm_rc_class(TSS2_RC rc);

/** True for @p code (TPM2_RC_*) from the TPM, whatever handle, session or parameter it is about. */
bool tpm_rc_is(TSS2_RC rc, TPM2_RC code);

/** Describe the failure of @p command ("TPM2_Sign"). Returns -1. */
int tpm_fail(struct ks_error *error, const char *command, TSS2_RC rc);

/* ---- tpm_uri.c */

struct tpm_uri {
    const char *file;   /* of a key file, borrowed from the text; NULL: */
    TPM2_HANDLE handle; /* persistent */
};

/** PKE_OK or PKE_CONFIG (key-uri). */
enum pke_err tpm_uri_parse(const char *text, struct tpm_uri *ret, struct pke_fail *fail);

/* ---- tpm_tcti.c, tpm_tcti_fd.c: the way to the TPM */

/**
 * Open @p name: "unix:PATH" (raw commands over a stream socket, as swtpm speaks), "device:PATH",
 * "tabrmd:OPTIONS". *exclusive: nobody manages the TPM's places for us, we are alone.
 * @return 0 and *ret (tpm_tcti_close), or -1.
 */
int tpm_tcti_open(const char *name, unsigned deadline_ms, TSS2_TCTI_CONTEXT **ret, bool *exclusive,
                  struct ks_error *error);
void tpm_tcti_close(TSS2_TCTI_CONTEXT **tcti); /* accepts NULL in it */

/** The TCTI over the socket @p fd, which it owns from now on. A command that is not answered within
 * @p deadline_ms ends in TSS2_TCTI_RC_TRY_AGAIN, and nothing more can be done with it. Never NULL. */
TSS2_TCTI_CONTEXT *tpm_tcti_fd_new(int fd, unsigned deadline_ms);

/* ---- tpm_public.c: templates, and what a public area says */

/** Storage root key as tpm2-openssl and the provisioning guidance make it: ECC P-256. */
void tpm_srk_template(TPM2B_PUBLIC *out);
/** Does @p area have exactly the parameters of that template? */
bool tpm_is_srk(const TPMT_PUBLIC *area);

/** A CA key: sign only, fixed, made inside, not under dictionary attack protection. False: no TPM has it. */
bool tpm_key_template(const struct ks_algorithm_info *algorithm, TPM2B_PUBLIC *out);

/** Attributes of a CA key, by TCG names, and what they must be. Returns how many. */
size_t tpm_attributes(TPMA_OBJECT attributes, struct ks_attribute out[KS_ATTRIBUTES_MAX]);

/** Public key of the area; NULL when it is none that a CA of ours may use. */
EVP_PKEY *tpm_public_key(const TPMT_PUBLIC *area);

/* ---- tpm_context.c: connection, storage root, sessions */

struct tpm {
    const struct ks_config *config;
    struct tpm_uri uri;
    bool exclusive;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR parent; /* ESYS_TR_NONE: not there */
    ESYS_TR key;
    ESYS_TR session;
    bool parent_loaded, key_loaded; /* transient: to be flushed */
    struct tpm_keyfile file;        /* of a key file: what it holds */
    TPM2B_PUBLIC area;              /* of the key */
    TPM2B_NAME name;
};

/** Parse the URI and connect: TCTI, ESYS, TPM2_Startup where nobody did it, places that a crash left taken
 * are given free where we are alone. */
int tpm_connect(struct tpm *t, const struct ks_config *config, struct ks_error *error);

/** Flush what is loaded, end session and connection. As often as wanted. */
void tpm_disconnect(struct tpm *t);

/** Flush key, session and parent; the connection stays. */
void tpm_release(struct tpm *t);

/** The parent of keys: the persistent storage root key when one is there and fits, else a primary key made
 * like it. @p handle: what the key file says (TPM2_RH_OWNER or a persistent handle). */
int tpm_open_parent(struct tpm *t, TPM2_HANDLE handle, struct ks_error *error);

/** True in *ret when the persistent @p handle is taken. */
int tpm_occupied(struct tpm *t, TPM2_HANDLE handle, bool *ret, struct ks_error *error);

/** Session that authorises with an object's auth value: ESYS_TR_PASSWORD, or one salted to the parent, begun
 * when there is none; then with the parameters encrypted. */
int tpm_session(struct tpm *t, ESYS_TR *ret, struct ks_error *error);

/** TPM2_TestParms of @p area. KS_PERMANENT (key-algorithm) when the TPM does not have it. */
int tpm_test_parms(struct tpm *t, const TPMT_PUBLIC *area, struct ks_error *error);

/** Give the loaded object the auth value of the configuration. */
int tpm_set_auth(struct tpm *t, ESYS_TR object, const struct pke_secret *auth, struct ks_error *error);

/* ---- tpm_key.c: the CA key */

/** Load the key of the URI (again), check its name, read its area. */
int tpm_key_load(struct tpm *t, struct ks_error *error);

/** Public half and attributes from the loaded area. */
int tpm_key_facts(struct tpm *t, struct ks_facts *facts, struct ks_error *error);

/** TPM2_Sign; the X.509 form is appended to @p out. The key is loaded if it is not. */
int tpm_key_sign(struct tpm *t, const struct ks_hash *hash, struct pke_buf *out, struct ks_error *error);

extern const struct ks_backend ks_backend_tpm2;

/* ---- tpm_generate.c; the contracts are those of ceremony.h */
int tpm_init(const struct ks_config *config, struct ks_error *error);
int tpm_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct pke_buf *creation,
                 struct ks_error *error);
int tpm_change_auth(const struct ks_config *config, const struct pke_secret *new_auth,
                    struct ks_error *error);

#endif
