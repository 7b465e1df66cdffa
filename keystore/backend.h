/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: what a backend offers and what keystore.c keeps about an open key. keystore.c owns
 * the rules (algorithms, attributes, public half, self-verification, the ladder); a backend only knows its
 * device.
 */
#ifndef KEYSTORE_BACKEND_H
#define KEYSTORE_BACKEND_H

#include "keystore/keystore.h"
#include "keystore/sigfmt.h"

#define KS_ATTRIBUTES_MAX 16

/** What a backend found out about the key; @p public_key is owned by whoever holds the struct. */
struct ks_facts {
    EVP_PKEY *public_key;
    struct ks_attribute attributes[KS_ATTRIBUTES_MAX];
    size_t n_attributes;
};

enum ks_rung {
    KS_RUNG_SESSION = 1, /* L1: new session, log in, find the key */
    KS_RUNG_MODULE = 2,  /* L2: re-initialise the module, then L1 */
};

struct ks_backend {
    const char *name;
    /** Open the device and find the key. On failure nothing stays open but @p key->ctx, which close() takes.
     */
    int (*open)(struct ks_key *key, struct ks_facts *facts, struct ks_error *error);
    /** Sign a digest, append the X.509 form of the signature value. */
    int (*sign)(struct ks_key *key, const struct ks_hash *hash, struct pke_buf *out, struct ks_error *error);
    /** Climb one rung and read the facts again. */
    int (*recover)(struct ks_key *key, enum ks_rung rung, struct ks_facts *facts, struct ks_error *error);
    /** As ks_idle; NULL: nothing to give back. */
    void (*idle)(struct ks_key *key);
    /** key->config.pin was replaced: the next login takes it; NULL: every login looks there. */
    void (*pin_changed)(struct ks_key *key);
    /**
     * Sign something that is no certificate, after attributes and public half were found right: does the
     * device take the auth value, and is what it gives what X.509 wants? NULL: open() has found out.
     */
    int (*prove)(struct ks_key *key, struct ks_error *error);
    /** As ks_keep_alive; NULL: there is no session. */
    int (*keep_alive)(struct ks_key *key, struct ks_error *error);
    /** Release everything. Accepts a key whose open() failed. */
    void (*close)(struct ks_key *key);
};

struct ks_key {
    const struct ks_backend *backend;
    void *ctx;
    struct ks_config config; /* strings are copies; the PIN is borrowed */
    const struct ks_algorithm_info *algorithm;
    struct ks_facts facts;
    uint8_t *spki;
    size_t spki_n;
    bool rejected; /* what recovery found is not the key that was opened: nothing is signed with it */
    bool locked;   /* a login was refused: nothing logs in again with this object */
};

extern const struct ks_backend ks_backend_pkcs11;
extern const struct ks_backend ks_backend_tpm2;
extern const struct ks_backend ks_backend_file;

#endif
