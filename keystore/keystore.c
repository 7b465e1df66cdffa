/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/keystore.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/mem.h"
#include "keystore/algorithm.h"
#include "keystore/backend.h"
#include "keystore/rv.h"

/* RSA-4096 is 512 octets, a DER P-384 signature at most 104. */
#define SIGNATURE_MAX 1024

static void facts_done(struct ks_facts *facts)
{
    EVP_PKEY_free(facts->public_key);
    *facts = (struct ks_facts){0};
}

static int check_attributes(const struct ks_key *key, const struct ks_facts *facts, struct ks_error *error)
{
    if (key->config.allow_weak)
        return 0;
    for (size_t i = 0; i < facts->n_attributes; i++) {
        const struct ks_attribute *a = &facts->attributes[i];

        if (a->present && a->value == a->required)
            continue;
        return ks_fail(error, KS_PERMANENT, "key-attributes", "CA key attributes",
                       "the key is weaker than required: %s is %s and must be %s", a->name,
                       !a->present ? "absent"
                       : a->value  ? "true"
                                   : "false",
                       a->required ? "true" : "false");
    }
    return 0;
}

static int check_public(const struct ks_facts *facts, struct pke_bytes expect, struct ks_error *error)
{
    const uint8_t *p = expect.p;
    EVP_PKEY *expected;
    bool same;

    if (expect.n == 0)
        return 0;
    expected = expect.n > 16384 ? NULL : d2i_PUBKEY(NULL, &p, (long)expect.n);
    same = expected && p == expect.p + expect.n && EVP_PKEY_eq(expected, facts->public_key) == 1;
    EVP_PKEY_free(expected);
    ERR_clear_error();
    if (!same)
        return ks_fail(error, KS_PERMANENT, "key-mismatch", "RFC 5280 4.1.2.7",
                       "the public half of the key is not the public key of the certificate");
    return 0;
}

/* Take over what the backend found, if it is what was asked for. Consumes facts->public_key. */
static int accept_facts(struct ks_key *key, struct ks_facts *facts, struct pke_bytes expect,
                        struct ks_error *error)
{
    const struct ks_algorithm_info *algorithm = ks_algorithm_of(facts->public_key);
    uint8_t *spki = NULL;
    int n, rc = 0;

    if (!algorithm)
        rc = ks_fail(error, KS_PERMANENT, "key-algorithm", "CA key algorithms",
                     "the key is not RSA of 2048, 3072 or 4096 bits with an odd exponent of 65537 or more, "
                     "nor on P-256, P-384 or edwards25519");
    if (rc == 0)
        rc = ks_signature_check(algorithm, key->config.signature, error);
    if (rc == 0)
        rc = check_attributes(key, facts, error);
    if (rc == 0)
        rc = check_public(facts, expect, error);
    if (rc != 0) {
        facts_done(facts);
        return rc;
    }
    n = i2d_PUBKEY(facts->public_key, &spki);
    if (n <= 0)
        pke_oom();
    OPENSSL_free(key->spki);
    facts_done(&key->facts);
    key->spki = spki;
    key->spki_n = (size_t)n;
    key->algorithm = algorithm;
    key->facts = *facts;
    *facts = (struct ks_facts){0};
    return 0;
}

static const struct ks_backend *backend_of(enum ks_backend_kind kind)
{
    switch (kind) {
    case KS_PKCS11:
        break;
    case KS_TPM2:
        return &ks_backend_tpm2;
    case KS_FILE:
        return &ks_backend_file;
    }
    return &ks_backend_pkcs11;
}

int ks_open(const struct ks_config *config, struct pke_bytes expect_spki, struct ks_key **ret,
            struct ks_error *error)
{
    struct ks_key *key = pke_calloc(1, sizeof *key);
    struct ks_facts facts = {0};

    *error = (struct ks_error){.cls = KS_OK};
    *ret = NULL;
    key->backend = backend_of(config->backend);
    key->config = *config;
    key->config.module = config->module ? pke_strdup(config->module) : NULL;
    key->config.tcti = config->tcti ? pke_strdup(config->tcti) : NULL;
    key->config.uri = pke_strdup(config->uri ? config->uri : "");
    if (key->backend->open(key, &facts, error) != 0 || accept_facts(key, &facts, expect_spki, error) != 0 ||
        (key->backend->prove && key->backend->prove(key, error) != 0)) {
        facts_done(&facts);
        ks_close(key);
        return -1;
    }
    *ret = key;
    return 0;
}

static int refuse_locked(struct ks_error *error)
{
    return ks_fail(error, KS_AUTH, "key-pin-refused", "one login attempt",
                   "the PIN was refused before; an operator must unlock the key");
}

int ks_sign(struct ks_key *key, enum ks_digest digest, struct pke_bytes message, struct pke_buf *out,
            struct ks_error *error)
{
    struct ks_hash hash;
    struct pke_buf signature;
    int rc;

    *error = (struct ks_error){.cls = KS_OK};
    if (key->locked)
        return refuse_locked(error);
    if (key->rejected)
        return ks_fail(error, KS_PERMANENT, "key-mismatch", "CA key attributes",
                       "the key that recovery found was refused");
    if (!ks_hash_message(digest, message, &hash))
        return ks_fail(error, KS_PERMANENT, "key-digest", "FIPS 180-4", "the digest cannot be computed");
    hash.signature = key->config.signature;
    pke_buf_init(&signature, SIGNATURE_MAX);
    rc = key->backend->sign(key, &hash, &signature, error);
    if (rc == 0 && !ks_verify(key->facts.public_key, &hash, pke_buf_bytes(&signature)))
        rc = ks_fail(error, KS_INTEGRITY, "key-integrity", "verify before release",
                     "the signature that came back does not verify with the public half of the key");
    if (rc == 0 && pke_buf_add_bytes(out, pke_buf_bytes(&signature)) != PKE_OK)
        rc = ks_fail(error, KS_PERMANENT, "key-output", "output limit", "no room for the signature");
    if (rc != 0 && error->cls == KS_AUTH)
        key->locked = true;
    pke_buf_done(&signature);
    ERR_clear_error(); /* a module that uses libcrypto leaves its errors in our queue */
    return rc;
}

int ks_recover(struct ks_key *key, const struct ks_error *why, struct ks_error *error)
{
    struct ks_error cause = *why; /* the caller may pass one object for both */
    enum ks_rung rung = cause.cls == KS_TOKEN ? KS_RUNG_MODULE : KS_RUNG_SESSION;
    struct pke_bytes known = ks_spki(key);

    *error = (struct ks_error){.cls = KS_OK};
    if (cause.cls == KS_AUTH)
        key->locked = true;
    if (key->locked)
        return refuse_locked(error);
    if (cause.cls == KS_OK)
        return 0;
    if (cause.cls == KS_PERMANENT || cause.cls == KS_INTEGRITY) {
        *error = cause;
        return -1;
    }
    for (; rung <= KS_RUNG_MODULE; rung++) {
        struct ks_facts facts = {0};

        if (key->backend->recover(key, rung, &facts, error) == 0) {
            key->rejected = accept_facts(key, &facts, known, error) != 0;
            return key->rejected ? -1 : 0;
        }
        facts_done(&facts);
        if (error->cls == KS_AUTH) {
            key->locked = true;
            return -1;
        }
    }
    return -1;
}

void ks_idle(struct ks_key *key)
{
    if (key->backend->idle)
        key->backend->idle(key);
}

int ks_keep_alive(struct ks_key *key, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (key->locked)
        return refuse_locked(error);
    return key->backend->keep_alive ? key->backend->keep_alive(key, error) : 0;
}

void ks_use_pin(struct ks_key *key, const struct pke_secret *pin)
{
    key->config.pin = pin;
    key->locked = false;
    if (key->backend->pin_changed)
        key->backend->pin_changed(key);
}

enum ks_signature ks_signature_of(const struct ks_key *key)
{
    return key->config.signature;
}

struct pke_bytes ks_spki(const struct ks_key *key)
{
    return PKE_BYTES(key->spki, key->spki_n);
}

const char *ks_algorithm(const struct ks_key *key)
{
    return key->algorithm->name;
}

const struct ks_attribute *ks_attributes(const struct ks_key *key, size_t *n)
{
    *n = key->facts.n_attributes;
    return key->facts.attributes;
}

void ks_close(struct ks_key *key)
{
    if (!key)
        return;
    key->backend->close(key);
    facts_done(&key->facts);
    OPENSSL_free(key->spki);
    free((char *)key->config.module);
    free((char *)key->config.tcti);
    free((char *)key->config.uri);
    free(key);
}
