/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * CA keys behind one vtable: PKCS#11 (one configured module, dlopen'ed), a PEM file for tests; a TPM 2.0
 * later. Every call blocks; key role and pkienroll-keytool only. A process opens one key. exec first, load
 * the module after: never fork() once a module is loaded.
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/secret.h"

struct ks_key;

enum ks_backend_kind { KS_PKCS11, KS_FILE };

/** What the caller has to do, not what went wrong (keystore error classes). */
enum ks_class {
    KS_OK,
    KS_TRANSIENT, /* back off and retry */
    KS_SESSION,   /* session lost: reopen session, log in, find, retry once */
    KS_TOKEN,     /* token or device gone: re-initialise the module, retry; then wait for it */
    KS_AUTH,      /* PIN refused: latch, never retry by itself */
    KS_PERMANENT, /* wrong key, wrong attributes, mechanism missing */
    KS_INTEGRITY, /* the signature that came back does not verify */
};

struct ks_error {
    enum ks_class cls;
    uint64_t raw;         /* CKR_* or 0 */
    struct pke_fail fail; /* PKE_KEY_DOWN, PKE_KEY_LOCKED (KS_AUTH) or PKE_CONFIG */
};

struct ks_config {
    enum ks_backend_kind backend;
    const char *module;           /* PKCS#11 module path; never from the URI */
    const char *uri;              /* RFC 7512 pkcs11: URI; or a PEM path for KS_FILE */
    const struct pke_secret *pin; /* borrowed for the life of the key; NULL: none */
    bool allow_weak;              /* go on although an attribute is weaker than required; KS_FILE needs it */
};

enum ks_digest { KS_SHA256, KS_SHA384 };

/**
 * Open module, token, session, key; log in once; check the attributes and, when @p expect_spki is not empty,
 * that the key's public half is that SubjectPublicKeyInfo. A token that is not there or fails before it is
 * used is looked for again after re-initialising the module, for up to about two seconds (SoftHSM's start-up
 * race). A refused PIN (KS_AUTH) is never tried again; a C_Login that ends in a device error is, once.
 * @return 0 and *ret (ks_close), or -1 with @p error.
 */
int ks_open(const struct ks_config *config, struct pke_bytes expect_spki, struct ks_key **ret,
            struct ks_error *error);

/**
 * Sign @p message (hashed here); DER signature value as X.509 wants it appended to @p out. The signature is
 * verified with the key's public half first: one that does not verify is KS_INTEGRITY and @p out stays as it
 * was. 0 or -1.
 */
int ks_sign(struct ks_key *key, enum ks_digest digest, struct pke_bytes message, struct pke_buf *out,
            struct ks_error *error);

/**
 * Climb the recovery ladder for @p why: new session (L1), then module re-initialisation (L2). One call climbs
 * each rung once; the caller owns back-off and deadline. Public half and attributes are checked again.
 * @return 0 when the key is usable again, -1 with the last error. Never logs in again after KS_AUTH,
 * whichever call met it; nothing is tried for KS_PERMANENT and KS_INTEGRITY.
 */
int ks_recover(struct ks_key *key, const struct ks_error *why, struct ks_error *error);

/** DER SubjectPublicKeyInfo of the key's public half. Borrowed. */
struct pke_bytes ks_spki(const struct ks_key *key);

/** "RSA-2048", "P-256". Static or borrowed. */
const char *ks_algorithm(const struct ks_key *key);

/**
 * Close session and module (C_Finalize). Accepts NULL. The module stays mapped: unloading vendor modules, and
 * running their static destructors after libcrypto's, crashes. A process that opened a key should end with
 * _exit().
 */
void ks_close(struct ks_key *key);

/** One attribute as read back from the token, for keytool and `key show`. */
struct ks_attribute {
    const char *name; /* "CKA_EXTRACTABLE" */
    bool present, value, required;
};
/**
 * Attributes read at ks_open or the last ks_recover; *n entries, borrowed. An entry is as required when it is
 * present and value == required. CKA_KEY_GEN_MECHANISM has value true when it is a key pair generation on the
 * token.
 */
const struct ks_attribute *ks_attributes(const struct ks_key *key, size_t *n);

enum ks_key_algorithm { KS_RSA_2048, KS_RSA_3072, KS_RSA_4096, KS_P256, KS_P384 };

/**
 * Make a key pair inside the token: non-extractable, sensitive, sign only, not modifiable, as far as the
 * module takes the template (fewer attributes are tried when it refuses one); label and CKA_ID from the URI,
 * 16 random octets when it gives no id. Refused with PKE_EXISTS when the token has a private or public key of
 * that label or id. No key may be open in the process. What was really made is what ks_open reads back.
 * pkienroll-keytool only.
 * @return 0, or -1 with @p error.
 */
int ks_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct ks_error *error);

/**
 * Strict RFC 7512: token or serial, and object or id; type absent or private; also manufacturer and model. No
 * unknown, duplicate or empty attribute, no slot-id, no query part (pin-value, pin-source, module-path ...).
 * @return PKE_OK or PKE_CONFIG. Used by the configuration check too (no module is loaded).
 */
enum pke_err ks_uri_check(const char *uri, struct pke_fail *fail);

#endif
