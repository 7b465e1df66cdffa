/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * pkienroll-bench-keys: signatures of one key, through keystore/ (self-verification included) and through
 * what is below it, for bench/keystore and bench/soak-keystore. One process measures one way, so that
 * libraries do not meet.
 */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "keystore/keystore.h"

#define KEYS_MESSAGE 700 /* about what a certificate has to be signed */

struct keys_options {
    struct ks_config config;
    const char *pin_file;
    const char *algorithm; /* evp: rsa-2048 ... ed25519 */
    enum ks_digest digest;
    unsigned long count, every; /* soak: progress each @p every signatures */
};

/** One way to sign the same message. sign() returns false when it went wrong. */
struct keys_way {
    const char *name;
    void *(*open)(const struct keys_options *o);
    bool (*sign)(void *ctx);
    void (*close)(void *ctx);
};

extern const struct keys_way keys_keystore; /* ks_sign() */
extern const struct keys_way keys_verify;   /* the self-verification of ks_sign() alone */
extern const struct keys_way keys_module;   /* C_SignInit and C_Sign */
extern const struct keys_way keys_esys;     /* Esys_Sign, the key at a persistent handle */
extern const struct keys_way keys_evp;      /* EVP_DigestSign with a key in memory */

/** The message that everything signs. */
struct pke_bytes keys_message(void);

/** o->count signatures through keystore/ with progress lines of JSON. Exit status. */
int keys_soak(const struct keys_options *o);

/** Open a session with the TPM at o->config.tcti, say so on stdout, keep it until stdin ends. Exit status. */
int keys_idle_session(const struct keys_options *o);

/** What went wrong, on stderr. Always false. */
bool keys_wrong(const char *what, unsigned long code);

#endif
