/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * CA keys behind one vtable: PKCS#11 (one configured module, dlopen'ed), a TPM 2.0 (ESAPI), a PEM file for
 * tests. Every call blocks; key role and pkienroll-keytool only. A process opens one key. exec first, load
 * the module after: never fork() once a module is loaded.
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/secret.h"

struct ks_key;

enum ks_backend_kind { KS_PKCS11, KS_TPM2, KS_FILE };

/** How the auth value reaches the TPM (TPM 2.0 part 1, 19): in a session salted to the storage root key whose
 * parameters are encrypted, or in clear, for a TPM on a local socket. */
enum ks_tpm_session { KS_TPM_SALTED, KS_TPM_PASSWORD };

/**
 * What the key signs with. Default: PKCS #1 v1.5 for RSA, ECDSA on a curve; the others are asked for.
 * RSA-PSS: MGF1 with the digest of the message, salt as long as the digest (RFC 4055 3.1). A key and a scheme
 * that do not fit are refused when the key is opened (key-signature).
 */
enum ks_signature { KS_SIGNATURE_DEFAULT, KS_SIGNATURE_RSA_PSS, KS_SIGNATURE_ED25519 };

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

/** How a PKCS#11 token learns who is there. */
enum ks_login {
    KS_LOGIN_PIN,       /* C_Login with the PIN, where the token wants a login */
    KS_LOGIN_PROTECTED, /* C_Login without: the token asks on a keypad of its own, and must have one */
    KS_LOGIN_NONE,      /* none: refused when the token wants one */
};

struct ks_error {
    enum ks_class cls;
    uint64_t raw;         /* CKR_* or TSS2_RC; 0: neither */
    struct pke_fail fail; /* PKE_KEY_DOWN, PKE_KEY_LOCKED (KS_AUTH) or PKE_CONFIG */
};

struct ks_config {
    enum ks_backend_kind backend;
    const char *module;          /* PKCS#11 module path; never from the URI */
    const char *tcti;            /* TPM: "device:/dev/tpmrm0", "unix:/run/swtpm/sock", "tabrmd:..." */
    enum ks_tpm_session session; /* TPM */
    unsigned deadline_ms; /* TPM: for one command; 0: 20 s. A PKCS#11 call ends when the module likes */
    /** RFC 7512 pkcs11: URI; "tpm2:file=/path.tss2" (TSS2 PEM) or "tpm2:handle=0x81200001"; or a PEM path */
    const char *uri;
    enum ks_signature signature;
    const struct pke_secret *pin; /* PIN or auth value; borrowed for the life of the key; NULL: none */
    enum ks_login login;          /* PKCS#11 */
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
 * Sign @p message (hashed here; Ed25519 signs it whole and takes no notice of @p digest); the signature value
 * as X.509 wants it in the BIT STRING is appended to @p out. The signature is
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

/**
 * The PIN was changed: later logins use @p pin (borrowed); nothing looks at the old one any more. The session
 * that is open stays as it is, and a PIN that was refused before is forgotten. PKCS#11 and file.
 */
void ks_use_pin(struct ks_key *key, const struct pke_secret *pin);

/** DER SubjectPublicKeyInfo of the key's public half. Borrowed. */
struct pke_bytes ks_spki(const struct ks_key *key);

/** "RSA-2048", "P-256", "Ed25519". Static or borrowed. */
const char *ks_algorithm(const struct ks_key *key);

/** What it signs with, as asked for. */
enum ks_signature ks_signature_of(const struct ks_key *key);

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

/** A raw code as hexadecimal with its name, "0x000000a0 CKR_PIN_INCORRECT"; for a TPM the text of TSS2. ""
 * for 0. Cut to @p n. */
void ks_raw_text(enum ks_backend_kind backend, uint64_t raw, char *out, size_t n);

enum ks_key_algorithm { KS_RSA_2048, KS_RSA_3072, KS_RSA_4096, KS_P256, KS_P384, KS_ED25519 };

/**
 * Nothing to sign for a moment (a second at most): give back what others may need or what must not be kept
 * idle, as TPM sessions (an idle one stops every TPM after 65,531 commands of others). The next signature
 * takes it again. Never fails.
 */
void ks_idle(struct ks_key *key);

/**
 * Look whether the session still lives, without a signature (C_GetSessionInfo). For tokens that end sessions
 * which nobody uses.
 * @return 0, or -1 with @p error (ks_recover).
 */
int ks_keep_alive(struct ks_key *key, struct ks_error *error);

/**
 * Strict. "tpm2:file=" with an absolute path, "tpm2:handle=" with a persistent handle of the owner
 * (0x81000000 to 0x817fffff). RFC 7512: token or serial, and object or id; type absent or private; also
 * manufacturer and model. No unknown, duplicate or empty attribute, no slot-id, no query part (pin-value,
 * pin-source, module-path ...).
 * @return PKE_OK or PKE_CONFIG. Used by the configuration check too (no module is loaded).
 */
enum pke_err ks_uri_check(const char *uri, struct pke_fail *fail);

#endif
