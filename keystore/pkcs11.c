/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "keystore/backend.h"
#include "keystore/p11.h"

#define RAW_SIGNATURE_MAX 1024
#define OPEN_RETRIES      3

/* From the started module to the key's facts. */
static int open_key(struct p11 *p, struct ks_facts *facts, struct ks_error *error)
{
    if (p11_session_open(p, false, error) != 0)
        return -1;
    if (p11_key_find(p, facts->attributes, &facts->n_attributes, &facts->public_key, error) == 0)
        return 0;
    p->key = CK_INVALID_HANDLE; /* what was not read to the end is not signed with */
    return -1;
}

static int pkcs11_open(struct ks_key *key, struct ks_facts *facts, struct ks_error *error)
{
    struct p11 *p = pke_calloc(1, sizeof *p);

    key->ctx = p;
    if (p11_load(p, &key->config, error) != 0 || p11_start(p, error) != 0)
        return -1;
    for (unsigned retry = 0;; retry++) {
        if (open_key(p, facts, error) == 0)
            return 0;
        /* Measured with SoftHSM: of processes that start together about one in a hundred finds its token and
         * then gets CKR_GENERAL_ERROR, from C_Login too. One more C_Login after such a code, never after a
         * refused PIN: a device that counts attempts without saying so loses two. */
        if (error->cls != KS_TOKEN || retry == OPEN_RETRIES || p->logins > 1)
            return -1;
        EVP_PKEY_free(facts->public_key);
        *facts = (struct ks_facts){0};
        if (p11_restart(p, error) != 0)
            return -1;
    }
}

static int raw_sign(struct p11 *p, CK_MECHANISM *mechanism, struct pke_bytes input, uint8_t *raw, CK_ULONG *n,
                    struct ks_error *error)
{
    CK_RV rv;

    if (!p->has_session || p->key == CK_INVALID_HANDLE) /* a recovery failed half-way */
        return ks_rv_fail(error, "C_SignInit", CKR_SESSION_HANDLE_INVALID);
    rv = p->f->C_SignInit(p->session, mechanism, p->key);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_SignInit", rv);
    if (p->always_authenticate && p11_login(p, CKU_CONTEXT_SPECIFIC, error) != 0)
        return -1;
    rv = p->f->C_Sign(p->session, (CK_BYTE *)input.p, input.n, raw, n);
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_Sign", rv);
}

/* CKM_RSA_PKCS wants the DigestInfo from us, CKM_EDDSA the message; CKM_RSA_PKCS_PSS and CKM_ECDSA the bare
 * digest. */
static struct pke_bytes input_of(CK_MECHANISM_TYPE mechanism, const struct ks_hash *hash,
                                 uint8_t info[KS_DIGESTINFO_MAX])
{
    if (mechanism == CKM_RSA_PKCS)
        return PKE_BYTES(info, ks_digestinfo(hash, info));
    return mechanism == CKM_EDDSA ? hash->message : PKE_BYTES(hash->value, hash->n);
}

/* The X.509 form of what came back; false when it cannot be a signature. */
static bool add_signature(const struct p11 *p, struct pke_bytes raw, struct pke_buf *out)
{
    if (p->type == CKK_EC)
        return ks_ecdsa_der(raw, p->order_bytes, out);
    return pke_buf_add_bytes(out, raw) == PKE_OK;
}

static int pkcs11_sign(struct ks_key *key, const struct ks_hash *hash, struct pke_buf *out,
                       struct ks_error *error)
{
    struct p11 *p = key->ctx;
    CK_RSA_PKCS_PSS_PARAMS sha256 = {CKM_SHA256, CKG_MGF1_SHA256, 32},
                           sha384 = {CKM_SHA384, CKG_MGF1_SHA384, 48};
    CK_MECHANISM mechanism = {p11_mechanism(p->type, hash->signature), NULL, 0};
    uint8_t info[KS_DIGESTINFO_MAX], raw[RAW_SIGNATURE_MAX];
    struct pke_bytes input = input_of(mechanism.mechanism, hash, info);
    CK_ULONG n = sizeof raw;

    p->pin = key->config.pin; /* ks_use_pin */
    if (mechanism.mechanism == CKM_RSA_PKCS_PSS) {
        mechanism.pParameter = hash->digest == KS_SHA384 ? &sha384 : &sha256;
        mechanism.ulParameterLen = sizeof sha256;
    }
    if (raw_sign(p, &mechanism, input, raw, &n, error) != 0)
        return -1;
    if (n > sizeof raw)
        return ks_rv_fail(error, "C_Sign", CKR_BUFFER_TOO_SMALL);
    if (!add_signature(p, PKE_BYTES(raw, n), out))
        return ks_fail(error, KS_INTEGRITY, "key-integrity", "PKCS#11 C_Sign",
                       "the token gave %lu octets that are no signature", n);
    return 0;
}

/* A session that the token has forgotten, or that somebody logged out, is told like one that a signature
 * met. */
static int pkcs11_keep_alive(struct ks_key *key, struct ks_error *error)
{
    struct p11 *p = key->ctx;
    CK_SESSION_INFO info = {0};
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;

    if (p->has_session)
        rv = p->f->C_GetSessionInfo(p->session, &info);
    if (rv == CKR_OK && p->logged_in && info.state != CKS_RO_USER_FUNCTIONS &&
        info.state != CKS_RW_USER_FUNCTIONS)
        rv = CKR_USER_NOT_LOGGED_IN;
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_GetSessionInfo", rv);
}

static int pkcs11_recover(struct ks_key *key, enum ks_rung rung, struct ks_facts *facts,
                          struct ks_error *error)
{
    struct p11 *p = key->ctx;

    p->pin = key->config.pin; /* ks_use_pin */
    if (rung == KS_RUNG_MODULE || !p->initialised) {
        p11_stop(p);
        if (p11_start(p, error) != 0)
            return -1;
    }
    return open_key(p, facts, error);
}

static void pkcs11_close(struct ks_key *key)
{
    p11_free(key->ctx);
    key->ctx = NULL;
}

const struct ks_backend ks_backend_pkcs11 = {.name = "pkcs11",
                                             .open = pkcs11_open,
                                             .sign = pkcs11_sign,
                                             .recover = pkcs11_recover,
                                             .keep_alive = pkcs11_keep_alive,
                                             .close = pkcs11_close};
