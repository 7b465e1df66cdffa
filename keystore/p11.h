/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: one PKCS#11 module, one token, one session. Everything blocks; no threads.
 */
#ifndef KEYSTORE_P11_H
#define KEYSTORE_P11_H

#include <p11-kit/pkcs11.h>

#include "keystore/algorithm.h"
#include "keystore/rv.h"
#include "keystore/uri.h"

struct p11 {
    struct ks_uri uri;
    const struct pke_secret *pin; /* borrowed; NULL: none */
    enum ks_login login;
    enum ks_signature signature;
    CK_FUNCTION_LIST *f;
    bool initialised; /* by us: only then C_Finalize */
    CK_SLOT_ID slot;
    unsigned logins; /* C_Login calls as CKU_USER since p11_load */
    bool has_session, logged_in;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_KEY_TYPE type;     /* CKK_RSA, CKK_EC or CKK_EC_EDWARDS */
    unsigned order_bytes; /* CKK_EC */
    bool always_authenticate;
};

/* p11_module.c: the module and the token */

/** Parse the URI, load the module (never unloaded). No token is touched. */
int p11_load(struct p11 *p, const struct ks_config *config, struct ks_error *error);

/** Load the module alone: for a token that has no URI yet. */
int p11_load_module(struct p11 *p, const char *module, struct ks_error *error);

/** C_Initialize. */
int p11_initialise(struct p11 *p, struct ks_error *error);

/**
 * C_Initialize and find the one token that the URI names. A token that is not there is looked for again after
 * C_Finalize, up to three times (SoftHSM: processes that start together do not see their token). No login.
 */
int p11_start(struct p11 *p, struct ks_error *error);

/** Stop, wait a moment, start: for a token that was found and failed before it was used. */
int p11_restart(struct p11 *p, struct ks_error *error);

/** Close the session and C_Finalize; errors do not matter any more. */
void p11_stop(struct p11 *p);

/** Stop and free. Accepts NULL. */
void p11_free(struct p11 *p);

/* p11_session.c: session and login */

/** Open a session and log in: at most one C_Login. @p write for key generation. */
int p11_session_open(struct p11 *p, bool write, struct ks_error *error);
void p11_session_close(struct p11 *p);

/** C_Login as @p user with the configured PIN, or on the token's own keypad. One attempt. */
int p11_login(struct p11 *p, CK_USER_TYPE user, struct ks_error *error);

/* p11_object.c: objects and attributes */

/** Handles of objects that match; *n is the count found, at most @p max of them are in @p out. */
int p11_find(struct p11 *p, CK_ATTRIBUTE *match, CK_ULONG n_match, CK_OBJECT_HANDLE *out, CK_ULONG max,
             CK_ULONG *n, struct ks_error *error);

/** Append an attribute's value; an absent one appends nothing. */
int p11_read(struct p11 *p, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct pke_buf *out,
             struct ks_error *error);

/** As p11_read for a fixed-size value. *present is false when the token does not give it. */
int p11_read_fixed(struct p11 *p, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out, CK_ULONG size,
                   bool *present, struct ks_error *error);

/* p11_key.c: the CA key */

/** What a key of this type signs with: raw, DigestInfo and digest are ours. */
CK_MECHANISM_TYPE p11_mechanism(CK_KEY_TYPE type, enum ks_signature signature);

/** Find the one private key of the URI; read algorithm, attributes and public half into @p facts. */
int p11_key_find(struct p11 *p, struct ks_attribute *attributes, size_t *n_attributes, EVP_PKEY **public_key,
                 struct ks_error *error);

#endif
