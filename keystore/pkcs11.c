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
    return p11_key_find(p, facts->attributes, &facts->n_attributes, &facts->public_key, error);
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

static int raw_sign(struct p11 *p, struct pke_bytes input, uint8_t *raw, CK_ULONG *n, struct ks_error *error)
{
    CK_MECHANISM mechanism = {p->type == CKK_RSA ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0};
    CK_RV rv;

    if (!p->has_session || p->key == CK_INVALID_HANDLE) /* a recovery failed half-way */
        return ks_rv_fail(error, "C_SignInit", CKR_SESSION_HANDLE_INVALID);
    rv = p->f->C_SignInit(p->session, &mechanism, p->key);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_SignInit", rv);
    if (p->always_authenticate && p11_login(p, CKU_CONTEXT_SPECIFIC, false, error) != 0)
        return -1;
    rv = p->f->C_Sign(p->session, (CK_BYTE *)input.p, input.n, raw, n);
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_Sign", rv);
}

static int pkcs11_sign(struct ks_key *key, const struct ks_hash *hash, struct pke_buf *out,
                       struct ks_error *error)
{
    struct p11 *p = key->ctx;
    uint8_t info[KS_DIGESTINFO_MAX], raw[RAW_SIGNATURE_MAX];
    struct pke_bytes input = PKE_BYTES(hash->value, hash->n);
    CK_ULONG n = sizeof raw;

    /* CKM_RSA_PKCS wants the DigestInfo from us; CKM_ECDSA the bare digest. */
    if (p->type == CKK_RSA)
        input = PKE_BYTES(info, ks_digestinfo(hash, info));
    if (raw_sign(p, input, raw, &n, error) != 0)
        return -1;
    if (n > sizeof raw)
        return ks_rv_fail(error, "C_Sign", CKR_BUFFER_TOO_SMALL);
    if (p->type == CKK_RSA ? pke_buf_add(out, raw, n) != PKE_OK
                           : !ks_ecdsa_der(PKE_BYTES(raw, n), p->order_bytes, out))
        return ks_fail(error, KS_INTEGRITY, "key-integrity", "PKCS#11 C_Sign",
                       "the token gave %lu octets that are no signature", n);
    return 0;
}

static int pkcs11_recover(struct ks_key *key, enum ks_rung rung, struct ks_facts *facts,
                          struct ks_error *error)
{
    struct p11 *p = key->ctx;

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
                                             .close = pkcs11_close};
